/* The video files of a tracked video: all objects together, and each of the first objects alone. */
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "pipeline/track_output_internal.h"

#include <stdlib.h>
#include <string.h>

/* A picture of a video stands at most this long: video_writer_add takes no longer gap. */
static const double MOST_STILL = 5000;

/* Of masks, whose flat areas stay small anyway, and of objects, since many are written at once. It looks at no picture
 * ahead: measured at 1280 x 720, 20 MiB a writer instead of 75, and a third of the time, for files two to three times
 * as large. */
static const char QUICK_PRESET[] = "ultrafast";

/* Of the merged overlay: as good and as large as "veryfast" at its usual 18, in two thirds of the time and memory. */
static const char MERGED_PRESET[] = "superfast";
enum { MERGED_QUALITY = 19 };

static bool is_mask(const struct track_video *video)
{
    return video->kind == NAMES_MERGED_MASK || video->kind == NAMES_OBJECT_MASK;
}

static bool is_merged(const struct track_video *video)
{
    return video->kind == NAMES_MERGED_MASK || video->kind == NAMES_MERGED_OVERLAY;
}

static size_t channels_of(const struct track_video *video)
{
    return is_mask(video) ? 1 : 3;
}

int track_videos_reserve(struct track_output *output, size_t more)
{
    struct track_videos *videos = &output->videos;
    size_t capacity = videos->capacity > 0 ? videos->capacity : 16;
    struct track_object_videos *objects;

    if (videos->count + more <= videos->capacity)
        return 0;
    while (capacity < videos->count + more)
        capacity *= 2;
    objects = realloc(videos->objects, capacity * sizeof(*objects));
    if (!objects)
        return error_memory("videos");
    videos->objects = objects;
    videos->capacity = capacity;
    return 0;
}

static struct track_object_videos *find(struct track_videos *videos, int64_t id)
{
    for (size_t i = videos->count; i-- > 0;)
        if (videos->objects[i].id == id)
            return &videos->objects[i];
    return NULL;
}

int track_videos_find(struct track_output *output, const struct track_object *object, struct track_object_videos **out)
{
    const struct track_output_options *options = &output->options;
    struct track_videos *videos = &output->videos;
    const char *slug = track_output_slug(output, object->prompt);
    struct track_object_videos *found = options->videos ? find(videos, object->id) : NULL;

    *out = found && !found->ended ? found : NULL;
    if (found || !options->videos)
        return 0;
    if (options->max_object_videos < 0 || videos->count >= (size_t)options->max_object_videos) {
        if (!videos->noticed)
            log_notice("%s: more than %d objects: object %lld and those after it have no videos of their own",
                       options->name, options->max_object_videos, (long long)object->id);
        videos->noticed = true;
        return 0;
    }
    if (track_videos_reserve(output, 1) != 0)
        return SOWLV2_ERROR_MEMORY;
    found = *out = &videos->objects[videos->count++];
    *found = (struct track_object_videos){.id = object->id};
    found->mask = (struct track_video){.kind = NAMES_OBJECT_MASK, .object = object->id, .slug = slug};
    found->overlay = (struct track_video){.kind = NAMES_OBJECT_OVERLAY, .object = object->id, .slug = slug};
    return 0;
}

/* Puts a video's name into the journal, and the one that it has while it is written. */
static int announce(struct track_output *output, const char *below)
{
    struct string_list files = {0};
    char *running = video_running_name(below);
    int status = running ? string_list_append(&files, below) : error_memory("file names");

    if (!status)
        status = string_list_append(&files, running);
    if (!status)
        status = output_claim_add_files(output->claim, &files);
    string_list_free(&files);
    free(running);
    return status;
}

static int open_writer(struct track_output *output, struct track_video *video)
{
    const struct track_output_options *options = &output->options;
    bool whole = video->kind == NAMES_MERGED_OVERLAY;
    struct video_writer_options settings = {
        .width = options->width,
        .height = options->height,
        .channels = (int)channels_of(video),
        .frame_rate = options->frame_rate,
        .codec = is_mask(video) ? options->mask_codec : VIDEO_CODEC_H264,
        .threads = 1, /* the videos are the threads' work */
        .preset = whole ? MERGED_PRESET : QUICK_PRESET,
        .quality = whole ? MERGED_QUALITY : 0,
        .keep = true,
        .audio_source = is_mask(video) ? NULL : options->audio_source,
        .audio_origin = options->audio_origin,
        .audio_playlists = options->audio_playlists,
        .audio_quiet = options->merged && !is_merged(video), /* the merged overlay says it */
    };
    char *below = names_video_path(video->kind, video->object, video->slug, video_codec_suffix(settings.codec));
    char *path = below ? path_join(options->folder, below) : NULL;
    int status = path ? announce(output, below) : error_memory("file names");

    if (!status)
        status = video_writer_open(path, &settings, &video->writer);
    free(path);
    free(below);
    return status;
}

static int add_picture(struct track_output *output, struct track_video *video, const uint8_t *pixels, double time)
{
    size_t stride = (size_t)output->options.width * channels_of(video);
    int status = video_writer_add(video->writer, pixels, stride, time);

    video->last = time;
    return status;
}

/* What an object's video shows until the object comes: black, in step with all other videos. */
static int add_black(struct track_output *output, struct track_video *video, double until)
{
    size_t bytes = (size_t)output->options.width * (size_t)output->options.height * channels_of(video);
    uint8_t *black = calloc(bytes, 1);
    int status = black ? add_picture(output, video, black, output->first) : error_memory("videos");

    while (!status && until - video->last > MOST_STILL)
        status = add_picture(output, video, black, video->last + MOST_STILL);
    free(black);
    return status;
}

/* After an error: what was written until then stays. */
static void abandon(struct track_output *output, struct track_video *video, int status)
{
    track_output_fail(output, status); /* before the message is another one */
    video_writer_close(&video->writer);
}

int track_video_add(struct track_output *output, struct track_video *video, const uint8_t *pixels,
                    const struct track_frame *frame)
{
    const double time = frame->time;
    int status = 0;

    if (!video->writer) {
        status = open_writer(output, video);
        if (!status && time > output->first)
            status = add_black(output, video, time);
    }
    if (!status)
        status = add_picture(output, video, pixels, time);
    if (!status)
        video_writer_hold(video->writer, frame->duration);
    if (status)
        abandon(output, video, status);
    return status;
}

/* The videos that a finish is for. */
struct finish {
    struct track_output *output;
    struct track_video **videos;
};

static void finish_video(void *data, size_t index, size_t worker)
{
    struct finish *finish = data;
    struct track_video *video = finish->videos[index];
    int status;

    (void)worker;
    if (!video->writer)
        return;
    status = video_writer_close(&video->writer);
    if (status)
        track_output_fail(finish->output, status);
    else
        atomic_fetch_add(&finish->output->finished_videos, 1);
}

void track_videos_end(struct track_output *output, int64_t id)
{
    struct track_object_videos *object = find(&output->videos, id);
    struct track_video *both[2];
    struct finish finish = {.output = output, .videos = both};

    if (!object || object->ended)
        return;
    object->ended = true;
    both[0] = &object->overlay;
    both[1] = &object->mask;
    pool_run(output->pool, 2, finish_video, &finish);
}

void track_videos_close(struct track_output *output)
{
    struct track_videos *videos = &output->videos;
    struct track_video **all = calloc(2 * videos->count + 2, sizeof(struct track_video *));
    struct track_video *merged[2] = {&videos->merged_overlay, &videos->merged_mask};
    struct finish finish = {.output = output, .videos = all ? all : merged};
    size_t count = 0;

    /* Without the list, one after another. */
    for (size_t i = 0; !all && i < videos->count; i++)
        track_videos_end(output, videos->objects[i].id);
    finish.videos[count++] = merged[0];
    finish.videos[count++] = merged[1];
    for (size_t i = 0; all && i < videos->count; i++) {
        all[count++] = &videos->objects[i].overlay;
        all[count++] = &videos->objects[i].mask;
    }
    pool_run(output->pool, count, finish_video, &finish);
    free(all);
    free(videos->objects);
    *videos = (struct track_videos){0};
}
