/* The sequence that a reader gives: sampling by time, ranges, numbers. */
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "video/libav.h"
#include "video/source.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct video_reader {
    char *address;
    struct video_reader_options options;
    struct interrupt interrupt;
    struct source *source;
    struct video_info info;
    struct picture pictures[PICTURES];
    struct picture *given;   /* the one to convert next */
    struct picture *current; /* sampling: the latest one that may be given */
    struct picture *ahead;   /* sampling: the one after it */
    bool has_current, ended;
    bool sampled;   /* by options.fps; folders have that rate already */
    int64_t tick;   /* sampling: number of the next moment, counted from `start` */
    double from;    /* else: earlier pictures are left out */
    int64_t number; /* of the last frame of the sequence */
    double time;    /* of `given`; */
    double lasts;   /* and how long it is shown */
    bool primed;    /* `given` is the next frame */
    bool finished, told_damage;
};

int picture_create(const char *name, int slot, struct picture *out)
{
    *out = (struct picture){.frame = av_frame_alloc(), .slot = slot};
    return out->frame ? 0 : error_memory(name);
}

void picture_free(struct picture *picture)
{
    av_frame_free(&picture->frame);
    image_free(&picture->image);
}

void video_frame_free(struct video_frame *frame)
{
    image_free(&frame->image);
    *frame = (struct video_frame){0};
}

static void swap(struct picture **a, struct picture **b)
{
    struct picture *keep = *a;
    *a = *b;
    *b = keep;
}

static int read_picture(struct video_reader *reader, struct picture *out)
{
    return reader->source->kind->read(reader->source, out);
}

/* The next picture of the source itself into `given`. */
static int take_every(struct video_reader *reader)
{
    double tolerance = reader->source->tolerance;
    do {
        int status = read_picture(reader, reader->given);
        if (status)
            return status;
        reader->time = reader->given->time;
        reader->lasts = reader->given->duration;
    } while (reader->time < reader->from);
    if (reader->options.end > 0 && reader->time >= reader->options.end - tolerance)
        return VIDEO_END;
    return 0;
}

/* How long a sampled picture is shown: until the next moment, or the end where that comes first. */
static double time_left(const struct video_reader *reader, double moment)
{
    double step = 1 / reader->options.fps, end = reader->source->info.duration;
    if (reader->ended)
        end = reader->given->time + reader->given->duration;
    return end > moment && end - moment < step ? end - moment : step;
}

/* The picture of the next moment start + tick / fps that has a new one, into `given`. */
static int take_sampled(struct video_reader *reader)
{
    const struct video_reader_options *options = &reader->options;
    double tolerance = reader->source->tolerance;
    for (;;) {
        if (!reader->has_current) {
            int status = reader->ended ? VIDEO_END : read_picture(reader, reader->current);
            if (status)
                return status;
            reader->has_current = true;
        }
        double first = ceil((reader->current->time - options->start - tolerance) * options->fps);
        if (first > (double)reader->tick)
            reader->tick = (int64_t)first;
        double moment = options->start + (double)reader->tick / options->fps;
        if (options->end > 0 && moment >= options->end - tolerance)
            return VIDEO_END;
        int status = reader->ended ? VIDEO_END : read_picture(reader, reader->ahead);
        if (status < 0)
            return status;
        reader->ended = status == VIDEO_END;
        if (reader->ended) {
            reader->has_current = false;
            /* Times before the first tick's and after the last picture's end have none. */
            if (moment >= reader->current->time + reader->current->duration - tolerance)
                return VIDEO_END;
        } else if (reader->ahead->time <= moment + tolerance) {
            swap(&reader->current, &reader->ahead);
            continue;
        }
        swap(&reader->given, &reader->current);
        if (!reader->ended)
            swap(&reader->current, &reader->ahead);
        reader->time = moment;
        reader->lasts = time_left(reader, moment);
        reader->tick++;
        return 0;
    }
}

/* The next frame that is to be given, not converted yet. */
static int take(struct video_reader *reader)
{
    const struct video_reader_options *options = &reader->options;
    for (;;) {
        if (options->frames.last > 0 && reader->number >= options->frames.last)
            return VIDEO_END;
        int status = reader->sampled ? take_sampled(reader) : take_every(reader);
        if (status)
            return status;
        reader->number++;
        if (reader->number >= options->frames.first)
            return 0;
    }
}

static int check_options(const char *source, const struct video_reader_options *options)
{
    const char *name = libav_source_name(source);
    if (!(options->fps >= 0 && options->fps <= 1e4) || (options->fps > 0 && options->fps < 1e-6))
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: %g frames a second: give a rate up to 10000", name, options->fps);
    if (!(options->start >= 0 && options->start <= 1e9 && options->end >= 0 && options->end <= 1e9))
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: from %g to %g s: times are seconds from 0", name, options->start,
                         options->end);
    if (options->end > 0 && options->end <= options->start)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: from %g to %g s: the end is not after the start", name,
                         options->start, options->end);
    if (options->frames.first < 0 || options->frames.last < 0 ||
        (options->frames.last > 0 && options->frames.last < options->frames.first))
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: frames %lld to %lld: give A:B with 1 <= A <= B", name,
                         (long long)options->frames.first, (long long)options->frames.last);
    if (options->max_pixels < 0 || options->threads < 0)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: negative limits", name);
    return 0;
}

/* The source's numbers, made to fit the sequence that is given. */
static void fill_info(struct video_reader *reader)
{
    const struct video_reader_options *options = &reader->options;
    struct video_info *info = &reader->info;
    *info = reader->source->info;
    double frames = (double)info->frames, end = options->end;
    if (end <= 0 || (info->duration > 0 && end > info->duration))
        end = info->duration;
    double span = end - options->start;
    if (info->duration > 0 && span > 0)
        frames *= span / info->duration;
    if (reader->sampled) {
        if (span > 0 && (frames <= 0 || span * options->fps < frames))
            frames = span * options->fps;
        if (info->frame_rate <= 0 || options->fps < info->frame_rate)
            info->frame_rate = options->fps;
    }
    if (options->frames.last > 0 && (frames <= 0 || frames > (double)options->frames.last))
        frames = (double)options->frames.last;
    if (options->frames.first > 1 && frames > 0)
        frames -= (double)(options->frames.first - 1);
    info->frames = frames >= 1 && frames < 9e15 ? (int64_t)(frames + 0.5) : 0;
}

/* Goes to `start` and reads the first frame to be given. */
static int prime(struct video_reader *reader)
{
    const struct video_reader_options *options = &reader->options;
    const char *name = reader->source->name;
    reader->from = options->start - reader->source->tolerance;
    int status = 0;
    if (options->start > 0 && reader->source->info.seekable)
        status = reader->source->kind->seek(reader->source, options->start);
    if (!status)
        status = take(reader);
    if (status == VIDEO_END)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: no frame in the range asked for: it has about %.2f s", name,
                         reader->source->info.duration);
    reader->primed = status == 0;
    return status;
}

static int open_source(struct video_reader *reader, bool folder)
{
    const char *name = reader->address;
    if (reader->options.stream)
        return source_open_memory(name, &reader->options, &reader->source);
    return (folder ? source_open_folder
            : reader->options.isolation
                ? source_open_isolated
                : source_open_stream)(name, &reader->options, &reader->interrupt, &reader->source);
}

int video_reader_open(const char *source, const struct video_reader_options *options, struct video_reader **out)
{
    *out = NULL;
    int status = check_options(source, options);
    if (!status) /* pictures from memory come in its frames too */
        status = libav_start(libav_source_name(source));
    if (status)
        return status;
    struct video_reader *reader = calloc(1, sizeof(*reader));
    if (!reader)
        return error_memory(source);
    reader->options = *options;
    if (reader->options.max_pixels == 0)
        reader->options.max_pixels = IMAGE_DEFAULT_MAX_PIXELS;
    reader->told_damage = options->quiet;
    reader->interrupt = (struct interrupt){options->interrupted, options->user_data};
    reader->given = &reader->pictures[0];
    reader->current = &reader->pictures[1];
    reader->ahead = &reader->pictures[2];
    reader->address = strdup(source);
    status = reader->address ? 0 : error_memory(source);
    for (int i = 0; i < PICTURES && !status; i++)
        status = picture_create(source, i, &reader->pictures[i]);
    bool folder = !options->stream && strcmp(source, "-") != 0 && file_is_directory(source);
    reader->sampled = options->fps > 0 && !folder;
    if (!status)
        status = open_source(reader, folder);
    if (!status)
        status = prime(reader);
    if (status) {
        reader->told_damage = true;
        video_reader_close(&reader);
        return status;
    }
    fill_info(reader);
    *out = reader;
    return 0;
}

const struct video_info *video_reader_info(const struct video_reader *reader)
{
    return &reader->info;
}

const struct video_damage *video_reader_damage(const struct video_reader *reader)
{
    return &reader->source->damage;
}

static void tell_damage(struct video_reader *reader)
{
    const struct video_damage *damage = &reader->source->damage;
    const char *name = reader->source->name;
    if (reader->told_damage || damage->skipped + damage->concealed + damage->repaired + damage->joints == 0)
        return;
    reader->told_damage = true;
    if (damage->skipped > 0 || damage->concealed > 0)
        log_notice("%s: damaged: %s skipped: %lld, frames partly broken: %lld", name, reader->source->pieces,
                   (long long)damage->skipped, (long long)damage->concealed);
    if (damage->repaired > 0)
        log_notice("%s: %lld of its times were repeated, out of order or far off: they were corrected", name,
                   (long long)damage->repaired);
    if (damage->joints > 0)
        log_notice("%s: its clock starts over %lld time%s: its parts are taken one after another", name,
                   (long long)damage->joints, damage->joints == 1 ? "" : "s");
}

int video_reader_broken(const struct video_reader *reader)
{
    const struct source *source = reader->source;
    if (!source->broken)
        return 0;
    return error_set(source->broken, "%s: it breaks off at %.2f s: %s: what came before is done", source->name,
                     source->reached, source->why);
}

int video_reader_next(struct video_reader *reader, struct video_frame *frame)
{
    if (reader->finished)
        return VIDEO_END;
    int status = reader->primed ? 0 : take(reader);
    if (status == VIDEO_END) {
        reader->finished = true;
        tell_damage(reader);
        return VIDEO_END;
    }
    if (!status)
        status = reader->source->kind->convert(reader->source, reader->given, &frame->image);
    reader->primed = false;
    if (status)
        return status;
    frame->number = reader->number;
    frame->time = reader->time;
    frame->duration = reader->lasts;
    frame->source_name = reader->given->name;
    frame->source_number = reader->given->number;
    return 0;
}

int video_reader_seek(struct video_reader *reader, int64_t number, double time)
{
    const char *name = reader->source->name;
    if (!reader->info.seekable)
        return error_set(SOWLV2_ERROR_UNSUPPORTED, "%s: cannot be read again: it is a pipe or live", name);
    if (number < 1 || !(time >= 0 && time <= 1e9))
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: no frame %lld at %g s to go to", name, (long long)number, time);
    int status = reader->source->kind->seek(reader->source, time);
    if (status)
        return status;
    reader->has_current = reader->ended = reader->primed = reader->finished = false;
    reader->number = number - 1;
    reader->tick = llround((time - reader->options.start) * reader->options.fps);
    reader->from = time - 1e-9;
    return 0;
}

void video_reader_close(struct video_reader **reader)
{
    struct video_reader *closed = *reader;
    if (!closed)
        return;
    if (closed->source) {
        tell_damage(closed);
        closed->source->kind->close(closed->source);
    }
    for (int i = 0; i < PICTURES; i++)
        picture_free(&closed->pictures[i]);
    free(closed->address);
    free(closed);
    *reader = NULL;
}
