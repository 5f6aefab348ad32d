/* This side of a decoder: processes that wait for work, what they are asked, and pixels that come back. What comes from
 * one that a file has taken over is checked like the file. */
#include "media/isolation.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "media/image_decoders.h"
#include "media/isolation_image.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(sizeof(struct isolation_image_request) <= sizeof(((struct isolation_message *)NULL)->body) &&
                   sizeof(struct isolation_image_answer) <= sizeof(((struct isolation_message *)NULL)->body),
               "they are bodies of messages");

enum {
    MOST_LINES = 1000 /* of the log, for one request */,
    WAIT_MILLISECONDS = 100,
    READY_SECONDS = 10,
    SLACK_SECONDS = 60
};
static const size_t much = (size_t)64 << 20; /* is given back after each picture */

struct isolation {
    char *program;
    pthread_mutex_t lock; /* of: */
    struct decoder_process *idle;
};

#ifdef __linux__

/* A file in memory that the other side can only make longer: what is mapped of it stays. */
static int make_memory(int *out)
{
    const int file = memfd_create("sowlv2 pixels", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (file >= 0 && fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL) == 0) {
        *out = file;
        return 0;
    }
    const int code = errno;
    if (file >= 0)
        close(file);
    return error_set(code == ENOMEM ? SOWLV2_ERROR_MEMORY : SOWLV2_ERROR_IO, "decoder: no memory to share with it: %s",
                     strerror(code));
}

static void give_back(int file, size_t bytes)
{
    fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes); /* a wish */
}

#else

static int make_memory(int *out)
{
    (void)out;
    return error_set(SOWLV2_ERROR_UNSUPPORTED,
                     "decoder: a separate process is available on Linux only: run without --isolate");
}

static void give_back(int file, size_t bytes)
{
    (void)file, (void)bytes;
}

#endif

static void free_decoder(struct decoder_process **freed)
{
    struct decoder_process *const decoder = *freed;

    if (!decoder)
        return;
    worker_stop(&decoder->worker);
    for (int i = 0; i < 2; i++) {
        if (decoder->mapped[i])
            munmap(decoder->mapped[i], decoder->sizes[i]);
        if (decoder->memory[i] >= 0)
            close(decoder->memory[i]);
    }
    free(decoder);
    *freed = NULL;
}

static int start_decoder(const char *program, struct decoder_process **out)
{
    struct decoder_process *decoder = calloc(1, sizeof(*decoder));
    const struct isolation_message hello = {.kind = ISOLATION_READY};
    int status = 0;

    *out = NULL;
    if (!decoder)
        return error_memory(program);
    decoder->worker.socket = decoder->memory[0] = decoder->memory[1] = -1;
    for (int i = 0; !status && i < 2; i++)
        status = make_memory(&decoder->memory[i]);
    if (!status)
        status = worker_start(program, DECODER_ARGUMENT, &decoder->worker);
    /* One that is gone already has a status to tell: make_ready() does. */
    if (!status && worker_send(decoder->worker.socket, &hello, sizeof(hello), decoder->memory, 2) != 0 &&
        errno != EPIPE && errno != ECONNRESET)
        status =
            error_set(SOWLV2_ERROR_IO, "%s: cannot be started as a separate decoder: %s", program, strerror(errno));
    if (status)
        free_decoder(&decoder);
    *out = decoder;
    return status;
}

/* It ended, or has to. */
static int bury(struct decoder_process *decoder, const char *name)
{
    bool killed;
    const char *const how = worker_explain_end(&decoder->worker, &killed);

    decoder->dead = true;
    if (killed)
        return error_set(SOWLV2_ERROR_IO,
                         "%s: the process that decodes it was killed, possibly because memory ran out: try it again",
                         name);
    if (!decoder->ready)
        return error_set(SOWLV2_ERROR_IO,
                         "%s: cannot be used as a separate decoder: it %s: is it another version's program?", name,
                         how);
    return error_set(SOWLV2_ERROR_FORMAT,
                     "%s: the process that decodes it %s: the file is damaged, or may have been crafted to do so: the "
                     "other files are not affected",
                     name, how);
}

int isolation_distrust(struct decoder_process *decoder, const char *name)
{
    worker_stop(&decoder->worker);
    decoder->dead = true;
    if (!decoder->ready)
        return error_set(SOWLV2_ERROR_IO,
                         "%s: cannot be used as a separate decoder: its answer makes no sense: is it another version's "
                         "program?",
                         name);
    return error_set(SOWLV2_ERROR_FORMAT,
                     "%s: the process that decodes it gave an answer that makes no sense, and was ended: the file may "
                     "have been crafted to do so",
                     name);
}

static bool is_whole(const struct isolation_message *message, size_t size)
{
    return size == sizeof(*message) && memchr(message->text, '\0', sizeof(message->text)) &&
           message->kind >= ISOLATION_READY && message->kind <= ISOLATION_ANSWER;
}

static void say(const struct isolation_message *message)
{
    if (message->status == SOWLV2_LOG_WARNING)
        log_warning("%s", message->text);
    else if (message->status == SOWLV2_LOG_NOTICE)
        log_notice("%s", message->text);
    else
        log_debug("%s", message->text);
}

static int end_late(struct decoder_process *decoder, const char *name)
{
    worker_stop(&decoder->worker);
    decoder->dead = true;
    return error_set(decoder->ready ? SOWLV2_ERROR_FORMAT : SOWLV2_ERROR_IO,
                     "%s: the process that decodes it gave no answer for %g s, and was ended", name, decoder->patience);
}

/* Waits for a message of `kind`, with what is said before it. */
static int wait_for(struct decoder_process *decoder, const char *name, enum isolation_said kind,
                    struct isolation_message *message, bool (*interrupted)(void *user_data), void *user_data)
{
    const double deadline = clock_seconds() + decoder->patience;
    const bool endless = !interrupted && decoder->patience <= 0;

    for (int lines = 0;;) {
        size_t size;
        const enum worker_receipt receipt = worker_receive(decoder->worker.socket, message, sizeof(*message), &size,
                                                           NULL, NULL, endless ? -1 : WAIT_MILLISECONDS);

        if (receipt == WORKER_GONE)
            return bury(decoder, name);
        if (interrupted && interrupted(user_data)) {
            worker_stop(&decoder->worker);
            decoder->dead = true;
            return error_set(SOWLV2_ERROR_CANCELLED, "%s: interrupted", name);
        }
        if (decoder->patience > 0 && clock_seconds() > deadline)
            return end_late(decoder, name);
        if (receipt == WORKER_WAITS)
            continue;
        if (!is_whole(message, size) || (message->kind == ISOLATION_LOG && ++lines > MOST_LINES))
            return isolation_distrust(decoder, name);
        if (message->kind == ISOLATION_LOG) {
            say(message);
            continue;
        }
        return message->kind == (int32_t)kind ? 0 : isolation_distrust(decoder, name);
    }
}

/* `most`: of what is no error. */
static int take_status(struct decoder_process *decoder, const char *name, const struct isolation_message *message,
                       int most)
{
    if (message->status > most || message->status < SOWLV2_ERROR_CANCELLED)
        return isolation_distrust(decoder, name);
    return message->status >= 0 ? message->status : error_set(message->status, "%s", message->text);
}

static int make_ready(struct decoder_process *decoder, const char *program)
{
    struct isolation_message message;

    if (decoder->ready)
        return 0;
    decoder->patience = READY_SECONDS;
    int status = wait_for(decoder, program, ISOLATION_READY, &message, NULL, NULL);
    if (!status)
        status = take_status(decoder, program, &message, 0);
    decoder->patience = 0;
    decoder->ready = status == 0;
    decoder->dead = !decoder->ready;
    return status;
}

int isolation_ask(struct decoder_process *decoder, const char *name, struct isolation_message *message,
                  const int *descriptors, size_t count, bool (*interrupted)(void *user_data), void *user_data)
{
    const int most = message->kind == ISOLATION_IMAGE ? 0 : INT_MAX;

    if (strlen(name) >= sizeof(message->text))
        return error_set(SOWLV2_ERROR_ARGUMENT, "%.200s...: the name is too long", name);
    strcpy(message->text, name);
    if (decoder->dead || worker_send(decoder->worker.socket, message, sizeof(*message), descriptors, count) != 0)
        return bury(decoder, name);
    const int status = wait_for(decoder, name, ISOLATION_ANSWER, message, interrupted, user_data);
    return status ? status : take_status(decoder, name, message, most);
}

/* ---- those that there are ---- */

int isolation_create(const char *program, struct isolation **out)
{
    struct isolation *isolation = calloc(1, sizeof(*isolation));
    char *const copy = strdup(program);

    *out = NULL;
    if (!isolation || !copy) {
        free(isolation);
        free(copy);
        return error_memory(program);
    }
    isolation->program = copy;
    pthread_mutex_init(&isolation->lock, NULL);
    const int status = start_decoder(program, &isolation->idle);
    if (status) {
        isolation_free(&isolation);
        return status;
    }
    *out = isolation;
    return 0;
}

void isolation_free(struct isolation **freed)
{
    struct isolation *const isolation = *freed;

    if (!isolation)
        return;
    while (isolation->idle) {
        struct decoder_process *decoder = isolation->idle;

        isolation->idle = decoder->next;
        free_decoder(&decoder);
    }
    pthread_mutex_destroy(&isolation->lock);
    free(isolation->program);
    free(isolation);
    *freed = NULL;
}

/* Of one that ended while nobody asked it for anything. */
static bool is_alive(const struct decoder_process *decoder)
{
    struct isolation_message message;
    size_t size;

    return worker_receive(decoder->worker.socket, &message, sizeof(message), &size, NULL, NULL, 0) == WORKER_WAITS;
}

int isolation_take(struct isolation *isolation, struct decoder_process **out)
{
    struct decoder_process *decoder = NULL;
    int status = 0;

    pthread_mutex_lock(&isolation->lock);
    while (!decoder && isolation->idle) {
        decoder = isolation->idle;
        isolation->idle = decoder->next;
        if (decoder->ready && !is_alive(decoder))
            free_decoder(&decoder);
    }
    pthread_mutex_unlock(&isolation->lock);
    if (!decoder)
        status = start_decoder(isolation->program, &decoder);
    if (!status)
        status = make_ready(decoder, isolation->program);
    if (status)
        free_decoder(&decoder);
    *out = decoder;
    return status;
}

void isolation_give(struct isolation *isolation, struct decoder_process **decoder)
{
    if (!*decoder)
        return;
    if ((*decoder)->dead) {
        free_decoder(decoder);
        return;
    }
    pthread_mutex_lock(&isolation->lock);
    (*decoder)->next = isolation->idle;
    isolation->idle = *decoder;
    pthread_mutex_unlock(&isolation->lock);
    *decoder = NULL;
}

int isolation_check(struct isolation *isolation)
{
    struct decoder_process *decoder;
    const int status = isolation_take(isolation, &decoder);

    isolation_give(isolation, &decoder);
    return status;
}

/* ---- pixels ---- */

int isolation_pixels(struct decoder_process *decoder, const char *name, int place, size_t bytes, const void **out)
{
    struct stat state;

    *out = NULL;
    if (place < 0 || place > 1 || fstat(decoder->memory[place], &state) != 0 || state.st_size < 0 ||
        (uintmax_t)state.st_size < bytes)
        return isolation_distrust(decoder, name);
    if (decoder->sizes[place] < bytes) {
        const size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (bytes + page - 1) / page * page;
        void *const mapped = mmap(NULL, size, PROT_READ, MAP_SHARED, decoder->memory[place], 0);

        if (mapped == MAP_FAILED)
            return error_memory(name);
        if (decoder->mapped[place])
            munmap(decoder->mapped[place], decoder->sizes[place]);
        decoder->mapped[place] = mapped;
        decoder->sizes[place] = size;
    }
    *out = decoder->mapped[place];
    return 0;
}

void isolation_forget_pixels(struct decoder_process *decoder, int place)
{
    if (decoder->sizes[place] > much)
        give_back(decoder->memory[place], decoder->sizes[place]);
}

/* Copies them: what a hostile decoder still holds in its hands must not change while it is used. */
static int take_image(struct decoder_process *decoder, const char *name, const struct isolation_image_answer *answer,
                      int64_t max_pixels, struct image *out)
{
    const int64_t width = answer->width, height = answer->height;
    const void *pixels;

    if (width < 1 || height < 1 || height > max_pixels / width)
        return isolation_distrust(decoder, name);
    const size_t bytes = 3 * (size_t)width * (size_t)height;
    int status = isolation_pixels(decoder, name, answer->place, bytes, &pixels);
    if (status)
        return status;
    uint8_t *const copy = image_pixels(bytes);
    if (!copy)
        return error_memory(name);
    memcpy(copy, pixels, bytes);
    isolation_forget_pixels(decoder, answer->place);
    *out = (struct image){(int)width, (int)height, copy};
    return 0;
}

int isolation_decode_image(struct isolation *isolation, const char *name, int descriptor, size_t expected,
                           const struct image_options *options, struct image *out)
{
    const struct isolation_image_request request = {.expected = expected,
                                                    .max_pixels = options->max_pixels,
                                                    .seconds = options->seconds,
                                                    .allow_truncated = options->allow_truncated};
    struct isolation_message message = {.kind = ISOLATION_IMAGE};
    struct isolation_image_answer answer;
    struct decoder_process *decoder;
    int status = isolation_take(isolation, &decoder);

    *out = (struct image){0};
    if (status)
        return error_prefix(status, "%s", name);
    memcpy(message.body, &request, sizeof(request));
    /* Its own limit is of processor time; how long a pipe takes is for those who write to it. */
    decoder->patience = options->seconds > 0 && expected > 0 ? options->seconds + SLACK_SECONDS : 0;
    status = isolation_ask(decoder, name, &message, &descriptor, 1, options->interrupted, options->user_data);
    decoder->patience = 0;
    memcpy(&answer, message.body, sizeof(answer));
    if (!status)
        status = take_image(decoder, name, &answer, options->max_pixels, out);
    isolation_give(isolation, &decoder);
    return status;
}

#ifdef __linux__

int isolation_decode_data(struct isolation *isolation, const char *name, const void *data, size_t size,
                          const struct image_options *options, struct image *out)
{
    const int file = memfd_create("sowlv2 data", MFD_CLOEXEC);
    size_t written = 0;

    *out = (struct image){0};
    while (file >= 0 && written < size) {
        const ssize_t count = write(file, (const char *)data + written, size - written);

        if (count < 0 && errno != EINTR)
            break;
        written += count > 0 ? (size_t)count : 0;
    }
    if (file < 0 || written < size) {
        if (file >= 0)
            close(file);
        return error_memory(name);
    }
    lseek(file, 0, SEEK_SET);
    const int status = isolation_decode_image(isolation, name, file, size, options, out);
    close(file);
    return status;
}

#else

int isolation_decode_data(struct isolation *isolation, const char *name, const void *data, size_t size,
                          const struct image_options *options, struct image *out)
{
    (void)isolation, (void)data, (void)size, (void)options;
    *out = (struct image){0};
    return error_set(SOWLV2_ERROR_UNSUPPORTED, "%s: no process of its own can decode it on this system", name);
}

#endif
