/* A stream that a decoder of its own process reads (see media/isolation.h): this side opens the file, and copies the
 * pictures that come. */
#include "base/error.h"
#include "base/log.h"
#include "base/processors.h"
#include "base/strings.h"
#include "video/isolation_film.h"
#include "video/libav.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct film {
    struct source source;
    struct isolation *isolation;
    struct decoder_process *decoder; /* NULL: it has crashed, and no other one was needed yet */
    const struct interrupt *interrupt;
    struct isolation_film_request request; /* as it was opened with */
    int file;
    bool standard_input; /* and so not ours to close */
    bool crashed;        /* in the last request */
    double time;         /* of the last picture; below 0 after the place was changed */
    char codec[32], why[INPUT_WHY], crash[512];
};

static int open_file(const char *source, struct film *film)
{
    const char *const name = film->source.name, *const path = input_path(source);
    struct stat state;

    film->file = -1;
    if (input_is_address(source))
        return error_set(
            SOWLV2_ERROR_UNSUPPORTED,
            "%s: with --isolate an address cannot be read as a video: download it first, or pipe it to '-'", name);
    const bool standard = strcmp(source, "-") == 0;
    if ((standard ? fstat(STDIN_FILENO, &state) : stat(path, &state)) != 0)
        return error_set(SOWLV2_ERROR_IO, "%s: cannot open: %s", name, strerror(errno));
    if (S_ISDIR(state.st_mode))
        return error_set(SOWLV2_ERROR_IO, "%s: is a folder", name);
    if (S_ISCHR(state.st_mode) && !standard)
        return error_set(SOWLV2_ERROR_UNSUPPORTED, "%s: is a device: with --isolate no camera is read: run without it",
                         name);
    film->standard_input = standard && !S_ISREG(state.st_mode);
    film->file = film->standard_input ? STDIN_FILENO
                                      : open(path, O_RDONLY | O_CLOEXEC | (S_ISREG(state.st_mode) ? 0 : O_NONBLOCK));
    if (film->file < 0)
        return error_set(SOWLV2_ERROR_IO, "%s: cannot open: %s", name, strerror(errno));
    return 0;
}

static bool is_text(const char *text, size_t capacity)
{
    return memchr(text, '\0', capacity) != NULL;
}

static bool is_number(double value, double most)
{
    return value >= 0 && value <= most; /* not a NaN */
}

/* Whether an answer can be one, so that no number of a decoder that was taken over does any harm. */
static bool makes_sense(const struct film *film, const struct isolation_film_answer *answer)
{
    static const double longest = 1e12; /* seconds */
    const struct video_info *const info = &answer->info;
    const struct video_damage *const damage = &answer->damage;

    return info->width > 0 && info->height > 0 && info->height <= film->request.max_pixels / info->width &&
           is_number(info->frame_rate, 1e6) && is_number(info->duration, longest) && info->frames >= 0 &&
           fabs(info->origin) <= longest && is_text(answer->codec, sizeof(answer->codec)) &&
           is_text(answer->why, sizeof(answer->why)) && is_number(answer->tolerance, 1) &&
           fabs(answer->reached) <= longest && answer->broken <= 0 && answer->broken >= SOWLV2_ERROR_CANCELLED &&
           (damage->skipped | damage->concealed | damage->repaired | damage->joints) >= 0;
}

static void take_description(struct film *film, const struct isolation_film_answer *answer, bool opened)
{
    struct source *const source = &film->source;

    source->damage = answer->damage;
    source->broken = answer->broken;
    source->reached = answer->reached;
    memcpy(film->why, answer->why, sizeof(film->why));
    source->why = film->why;
    if (!opened)
        return;
    source->info = answer->info;
    source->tolerance = answer->tolerance;
    memcpy(film->codec, answer->codec, sizeof(film->codec));
    text_make_printable(film->codec);
    source->info.codec = film->codec;
}

/* One that ended, or had to, in the request whose outcome is `status`. */
static int give_up_dead(struct film *film, int status)
{
    film->crashed = film->decoder->dead && status != SOWLV2_ERROR_CANCELLED;
    if (film->decoder->dead)
        isolation_give(film->isolation, &film->decoder);
    return status;
}

/* Asks for `kind`; a decoder that is lost is given up. */
static int ask(struct film *film, int32_t kind, const struct isolation_film_request *request,
               struct isolation_film_answer *answer)
{
    const char *const name = film->source.name;
    const bool opens = kind == ISOLATION_FILM_OPEN;
    struct isolation_message message = {.kind = kind};

    memcpy(message.body, request, sizeof(*request));
    int status = isolation_ask(film->decoder, name, &message, &film->file, opens ? 1 : 0, film->interrupt->interrupted,
                               film->interrupt->user_data);
    memcpy(answer, message.body, sizeof(*answer));
    if (status >= 0 && kind != ISOLATION_FILM_CLOSE && !makes_sense(film, answer))
        status = isolation_distrust(film->decoder, name);
    /* The end is an answer where pictures are asked for. */
    const bool may_end = kind == ISOLATION_FILM_READ || kind == ISOLATION_FILM_CONVERT;
    if (status > (may_end ? VIDEO_END : 0))
        status = isolation_distrust(film->decoder, name);
    if (status >= 0 && kind != ISOLATION_FILM_CLOSE)
        take_description(film, answer, opens);
    return give_up_dead(film, status);
}

static int open_film(struct film *film)
{
    struct isolation_film_answer answer;
    int status = isolation_take(film->isolation, &film->decoder);

    if (status)
        return error_prefix(status, "%s", film->source.name);
    film->time = -1;
    return ask(film, ISOLATION_FILM_OPEN, &film->request, &answer);
}

/* A decoder that crashed, with `status`, is the end of the data there. */
static int note_crash(struct film *film, int status)
{
    const size_t name = strlen(film->source.name) + 2;
    const char *const text = error_message();

    snprintf(film->crash, sizeof(film->crash), "%s", strlen(text) > name ? text + name : text);
    film->source.broken = status;
    film->source.why = film->crash;
    film->source.reached = film->time > 0 ? film->time : 0;
    return VIDEO_END;
}

static int film_read(struct source *source, struct picture *out)
{
    struct film *const film = (struct film *)source;
    const struct isolation_film_request request = {.slot = out->slot};
    struct isolation_film_answer answer;

    if (!film->decoder)
        return VIDEO_END;
    const int status = ask(film, ISOLATION_FILM_READ, &request, &answer);
    if (status < 0 && film->crashed)
        return note_crash(film, status);
    if (status)
        return status;
    if (!is_number(answer.time, 1e12) || answer.time <= film->time || !is_number(answer.duration, 1e12) ||
        answer.number < 0)
        return note_crash(film, give_up_dead(film, isolation_distrust(film->decoder, source->name)));
    out->time = film->time = answer.time;
    out->duration = answer.duration;
    out->number = answer.number;
    out->name = NULL;
    return 0;
}

static int film_convert(struct source *source, struct picture *picture, struct image *out)
{
    struct film *const film = (struct film *)source;
    const struct isolation_film_request request = {.slot = picture->slot};
    const int width = source->info.width, height = source->info.height;
    const size_t bytes = 3 * (size_t)width * (size_t)height;
    struct isolation_film_answer answer;
    const void *pixels;

    int status = film->decoder ? ask(film, ISOLATION_FILM_CONVERT, &request, &answer) : VIDEO_END;
    if (status < 0 && film->crashed)
        return note_crash(film, status);
    if (status)
        return status;
    if (answer.width != width || answer.height != height)
        return note_crash(film, give_up_dead(film, isolation_distrust(film->decoder, source->name)));
    status = isolation_pixels(film->decoder, source->name, answer.place, bytes, &pixels);
    if (film->decoder->dead)
        return note_crash(film, give_up_dead(film, status));
    if (!status)
        status = converter_prepare(source->name, out, width, height);
    if (status)
        return status;
    memcpy(out->pixels, pixels, bytes);
    isolation_forget_pixels(film->decoder, answer.place);
    return 0;
}

static int film_seek(struct source *source, double time)
{
    struct film *const film = (struct film *)source;
    const struct isolation_film_request request = {.time = time};
    struct isolation_film_answer answer;

    /* What crashed one before comes again at its place. */
    int status = film->decoder ? 0 : open_film(film);
    if (!status)
        status = ask(film, ISOLATION_FILM_SEEK, &request, &answer);
    film->time = -1;
    return status;
}

static void film_close(struct source *source)
{
    struct film *const film = (struct film *)source;
    const struct isolation_film_request request = {0};
    struct isolation_film_answer answer;
    char *const why = strdup(error_message()); /* of what it is closed after, which is what is to be said */

    if (film->decoder)
        ask(film, ISOLATION_FILM_CLOSE, &request, &answer);
    isolation_give(film->isolation, &film->decoder);
    if (why)
        error_set(0, "%s", why);
    free(why);
    if (film->file >= 0 && !film->standard_input)
        close(film->file);
    free(film);
}

int source_open_isolated(const char *address, const struct video_reader_options *options,
                         const struct interrupt *interrupt, struct source **out)
{
    static const struct source_kind kind = {film_read, film_convert, film_seek, film_close};
    struct film *const film = calloc(1, sizeof(*film));

    *out = NULL;
    if (!film)
        return error_memory(address);
    film->source.kind = &kind;
    film->source.name = libav_source_name(address);
    film->source.pieces = "pieces";
    film->source.quiet = options->quiet;
    film->isolation = options->isolation;
    film->interrupt = interrupt;
    film->request =
        (struct isolation_film_request){.max_pixels = options->max_pixels,
                                        .threads = options->threads > 0 ? options->threads : processors_count(),
                                        .check_length = options->check_length,
                                        .quiet = options->quiet};
    int status = open_file(address, film);
    if (!status)
        status = open_film(film);
    if (status) {
        film_close(&film->source);
        return status;
    }
    *out = &film->source;
    return 0;
}
