/* The decoder's side of a film: one source, as a reader has it, without a name to open anything by. */
#include "video/isolation_film.h"

#include "base/error.h"
#include "media/image_decoders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROOM_BEHIND = 64 /* as converter_prepare() has it */ };

static struct {
    struct source *source;
    struct picture pictures[PICTURES];
    struct image image; /* in the connection's memory */
    struct interrupt interrupt;
    char *name;
    int descriptor;
} film = {.descriptor = -1};

static void close_film(void)
{
    if (film.source)
        film.source->kind->close(film.source);
    film.source = NULL;
    for (int i = 0; i < PICTURES; i++)
        picture_free(&film.pictures[i]);
    image_free(&film.image);
    if (film.descriptor >= 0)
        close(film.descriptor);
    film.descriptor = -1;
    free(film.name);
    film.name = NULL;
}

static void describe(struct isolation_film_answer *answer)
{
    const struct source *const source = film.source;

    answer->info = source->info;
    answer->info.codec = NULL;
    snprintf(answer->codec, sizeof(answer->codec), "%s", source->info.codec ? source->info.codec : "");
    answer->damage = source->damage;
    answer->tolerance = source->tolerance;
    answer->reached = source->reached;
    answer->broken = source->broken;
    snprintf(answer->why, sizeof(answer->why), "%s", source->why ? source->why : "");
}

static int open_film(const struct isolation_film_request *request, const char *name, const int *descriptors,
                     size_t count)
{
    close_film();
    if (count != 1)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: no file came with it", name);
    film.descriptor = descriptors[0];
    film.name = strdup(name);
    int status = film.name ? 0 : error_memory(name);
    for (int i = 0; i < PICTURES && !status; i++)
        status = picture_create(name, i, &film.pictures[i]);
    const struct video_reader_options options = {.max_pixels = request->max_pixels,
                                                 .threads = request->threads,
                                                 .check_length = request->check_length,
                                                 .quiet = request->quiet,
                                                 .descriptor = &film.descriptor};
    if (!status)
        status = source_open_stream(film.name, &options, &film.interrupt, &film.source);
    return status;
}

static int convert(int slot, struct isolation_film_answer *answer)
{
    const struct video_info *const info = &film.source->info;
    struct image *const image = &film.image;

    if (!image->pixels) {
        image->pixels = image_pixels(3 * (size_t)info->width * (size_t)info->height + ROOM_BEHIND);
        if (!image->pixels)
            return error_memory(film.name);
        image->width = info->width;
        image->height = info->height;
    }
    const int status = film.source->kind->convert(film.source, &film.pictures[slot], image);
    answer->width = image->width;
    answer->height = image->height;
    answer->place = isolation_place_of(image->pixels);
    return !status && answer->place < 0 ? error_memory(film.name) : status;
}

static int answer_film(int32_t kind, unsigned char *body, const char *name, const int *descriptors, size_t count)
{
    struct isolation_film_request request;
    struct isolation_film_answer answer = {0};
    int status = 0;

    memcpy(&request, body, sizeof(request));
    const int slot = request.slot;
    if (kind == ISOLATION_FILM_OPEN)
        status = open_film(&request, name, descriptors, count);
    else if (!film.source || slot < 0 || slot >= PICTURES)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: it is not open", name);
    else if (kind == ISOLATION_FILM_READ)
        status = film.source->kind->read(film.source, &film.pictures[slot]);
    else if (kind == ISOLATION_FILM_CONVERT)
        status = convert(slot, &answer);
    else
        status = film.source->kind->seek(film.source, request.time);
    if (film.source)
        describe(&answer);
    if (kind == ISOLATION_FILM_READ && !status) {
        const struct picture *const picture = &film.pictures[slot];

        answer.time = picture->time;
        answer.duration = picture->duration;
        answer.number = picture->number;
    }
    memcpy(body, &answer, sizeof(answer));
    return status;
}

#define ANSWER(name, kind)                                                                                             \
    static int answer_##name(unsigned char *body, const char *input, const int *descriptors, size_t count)             \
    {                                                                                                                  \
        return answer_film(kind, body, input, descriptors, count);                                                     \
    }                                                                                                                  \
    static const struct isolation_handler name##_handler = {kind, answer_##name};

ANSWER(open, ISOLATION_FILM_OPEN)
ANSWER(read, ISOLATION_FILM_READ)
ANSWER(convert, ISOLATION_FILM_CONVERT)
ANSWER(seek, ISOLATION_FILM_SEEK)

static int answer_close(unsigned char *body, const char *name, const int *descriptors, size_t count)
{
    (void)body, (void)name, (void)descriptors, (void)count;
    close_film();
    return 0;
}

static const struct isolation_handler close_handler = {ISOLATION_FILM_CLOSE, answer_close};

const struct isolation_handler *const isolation_film_handlers[] = {&open_handler, &read_handler, &convert_handler,
                                                                   &seek_handler, &close_handler};
const size_t isolation_film_handler_count = sizeof(isolation_film_handlers) / sizeof(*isolation_film_handlers);
