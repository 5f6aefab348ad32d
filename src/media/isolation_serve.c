/* The other side: a process that decodes what it is given, and can do nothing else. */
#include "base/error.h"
#include "base/sandbox.h"
#include "media/image_decoders.h"
#include "media/isolation.h"
#include "media/isolation_image.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { EXIT_GONE = 0, EXIT_NO_CONNECTION = 2 };
static const size_t step = (size_t)2 << 20; /* by which shared memory grows */

/* This process serves one connection, with one thread that answers. */
static struct place {
    int file;
    uint8_t *at;
    size_t size;
    bool taken;
} places[2] = {{.file = -1}, {.file = -1}};

static bool grow(struct place *place, size_t bytes)
{
    const size_t size = (bytes + step - 1) / step * step;

    if (size <= place->size)
        return true;
    if (ftruncate(place->file, (off_t)size) != 0)
        return false;
    uint8_t *const at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, place->file, 0);
    if (at == MAP_FAILED)
        return false;
    if (place->at)
        munmap(place->at, place->size);
    place->at = at;
    place->size = size;
    return true;
}

uint8_t *isolation_take_pixels(size_t bytes)
{
    for (int i = 0; i < 2; i++)
        if (places[i].file >= 0 && !places[i].taken && grow(&places[i], bytes)) {
            places[i].taken = true;
            return places[i].at;
        }
    return NULL;
}

bool isolation_give_pixels(const uint8_t *pixels)
{
    const int place = isolation_place_of(pixels);

    if (place >= 0)
        places[place].taken = false;
    return place >= 0;
}

int isolation_place_of(const uint8_t *pixels)
{
    for (int i = 0; i < 2; i++)
        if (pixels && places[i].at == pixels)
            return i;
    return -1;
}

static int answer_image(unsigned char *body, const char *name, const int *descriptors, size_t count)
{
    struct isolation_image_request request;
    struct isolation_image_answer answer = {.place = -1};
    struct image image = {0};

    memcpy(&request, body, sizeof(request));
    if (count != 1)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: no file came with it", name);
    const struct image_options options = {
        .max_pixels = request.max_pixels, .seconds = request.seconds, .allow_truncated = request.allow_truncated};
    int status = image_read_descriptor(name, descriptors[0], (size_t)request.expected, &options, &image);
    close(descriptors[0]);
    if (!status) {
        answer = (struct isolation_image_answer){image.width, image.height, isolation_place_of(image.pixels)};
        if (answer.place < 0)
            status = error_memory(name);
    }
    image_free(&image);
    memcpy(body, &answer, sizeof(answer));
    return status;
}

const struct isolation_handler isolation_image_handler = {ISOLATION_IMAGE, answer_image};

static void tell(enum sowlv2_log_level level, const char *line, void *user_data)
{
    struct isolation_message message = {.kind = ISOLATION_LOG, .status = (int32_t)level};

    (void)user_data;
    strncpy(message.text, line, sizeof(message.text) - 1);
    worker_send(WORKER_SOCKET, &message, sizeof(message), NULL, 0);
}

static int say(enum isolation_said kind, int status, struct isolation_message *message)
{
    message->kind = (int32_t)kind;
    message->status = status;
    memset(message->text, 0, sizeof(message->text));
    if (status < 0)
        strncpy(message->text, error_message(), sizeof(message->text) - 1);
    return worker_send(WORKER_SOCKET, message, sizeof(*message), NULL, 0);
}

static int answer(const struct isolation_handler *const *handlers, size_t handler_count,
                  struct isolation_message *message, const int *descriptors, size_t count)
{
    for (size_t i = 0; i < handler_count; i++)
        if (handlers[i]->kind == message->kind)
            return handlers[i]->answer(message->body, message->text, descriptors, count);
    return error_set(SOWLV2_ERROR_ARGUMENT, "decoder: asked for what it does not know");
}

int isolation_serve(const struct isolation_handler *const *handlers, size_t count, void (*prepare)(void))
{
    struct isolation_message message = {0};
    int descriptors[WORKER_DESCRIPTORS];
    size_t size, given;

    worker_close_others();
    if (worker_receive(WORKER_SOCKET, &message, sizeof(message), &size, descriptors, &given, -1) != WORKER_MESSAGE ||
        message.kind != ISOLATION_READY || size != sizeof(message) || given != 2)
        return EXIT_NO_CONNECTION;
    for (int i = 0; i < 2; i++)
        places[i].file = descriptors[i];
    prepare();
    sowlv2_set_log(tell, NULL);
    const int status = sandbox_enter();
    if (say(ISOLATION_READY, status, &message) != 0 || status)
        return EXIT_GONE;
    while (worker_receive(WORKER_SOCKET, &message, sizeof(message), &size, descriptors, &given, -1) == WORKER_MESSAGE) {
        if (size != sizeof(message))
            break;
        if (say(ISOLATION_ANSWER, answer(handlers, count, &message, descriptors, given), &message) != 0)
            break;
    }
    return EXIT_GONE;
}
