/* The video files of a video's outputs: of all objects together, and of each of the first objects alone.
 *
 * A video is opened when its first picture comes. An object's video begins with the whole video: until the object
 * comes, it shows one black picture, so that all videos of a folder run in step; it ends with the object's last
 * frame. It has the name that the object has at last. */
#include "base/error.h"
#include "base/file.h"
#include "base/first_error.h"
#include "base/log.h"
#include "base/pool.h"
#include "output/sink.h"
#include "output/videos.h"
#include "video/video_out.h"

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

/* One video file. */
struct video {
    struct video_writer *writer; /* NULL: not begun, or over */
    double last;                 /* time of its last picture */
    bool listed;                 /* in the journal */
    int listed_prompt;           /* the object's, whose name is there */
    int prompt;                  /* likewise, whose name the file gets */
};

enum { MASK, OVERLAY, VIDEO_KINDS };

/* The videos of one object, or of all together. */
struct group {
    int64_t id; /* 0: of all */
    bool ended;
    struct video videos[VIDEO_KINDS];
};

struct output_videos {
    const struct sink_context *context;
    struct group **groups; /* [count]: that of all, and every object that ever had videos */
    size_t count, capacity;
    bool noticed; /* that there are more objects than videos */
    bool has_first;
    double first; /* time of the first frame */
    struct first_error error;
};

static bool is_mask(enum names_kind kind)
{
    return kind == NAMES_MERGED_MASK || kind == NAMES_OBJECT_MASK;
}

static size_t channels_of(enum names_kind kind)
{
    return is_mask(kind) ? 1 : 3;
}

static struct group *find_group(const struct output_videos *videos, int64_t id)
{
    for (size_t i = videos->count; i-- > 0;)
        if (videos->groups[i]->id == id)
            return videos->groups[i];
    return NULL;
}

/* NULL: there is none. */
static struct video *find(struct output_videos *videos, enum names_kind kind, const struct output_object *object)
{
    struct group *group = find_group(videos, object ? object->id : 0);

    if (!group || group->ended || !names_video_folder(kind))
        return NULL;
    return &group->videos[is_mask(kind) ? MASK : OVERLAY];
}

bool output_videos_has(struct output_videos *videos, enum names_kind kind, const struct output_object *object)
{
    return find(videos, kind, object);
}

static int add_group(struct output_videos *videos, int64_t id)
{
    if (videos->count == videos->capacity) {
        const size_t capacity = videos->capacity > 0 ? 2 * videos->capacity : 16;
        struct group **grown = realloc(videos->groups, capacity * sizeof(struct group *));

        if (!grown)
            return error_memory("videos");
        videos->groups = grown;
        videos->capacity = capacity;
    }
    videos->groups[videos->count] = calloc(1, sizeof(struct group));
    if (!videos->groups[videos->count])
        return error_memory("videos");
    videos->groups[videos->count++]->id = id;
    return 0;
}

/* Takes up an object that is new, unless there are too many. Errors: MEMORY. */
static int take_up(struct output_videos *videos, int64_t id)
{
    const struct sink_context *context = videos->context;
    const int64_t most = context->options.job->max_object_films;

    if (most >= 0 && videos->count - 1 < (size_t)most)
        return add_group(videos, id);
    if (!videos->noticed)
        log_notice("%s: more than %lld objects: object %lld and those after it have no videos of their own",
                   context->video, (long long)most, (long long)id);
    videos->noticed = true;
    return 0;
}

static enum video_codec codec_of(const struct sink_context *context, enum names_kind kind)
{
    const bool lossless = is_mask(kind) && context->options.job->mask_codec == SOWLV2_MASK_FFV1;

    return lossless ? VIDEO_CODEC_FFV1 : VIDEO_CODEC_H264;
}

/* The path below the output folder; NULL with an error set: out of memory. */
static char *name_file(const struct sink_context *context, enum names_kind kind, const struct output_object *object)
{
    char *below = names_video_path(kind, object ? object->id : 0, object ? sink_slug(context, object->prompt) : NULL,
                                   video_codec_suffix(codec_of(context, kind)));

    if (!below)
        error_memory("file names");
    return below;
}

static int prompt_of(const struct output_object *object)
{
    return object ? object->prompt : -1;
}

/* A video's name, and the one that it has while it is written; where its object has got another name, the new one
 * alone.
 */
static int list_names(const struct sink_context *context, enum names_kind kind, const struct output_object *object,
                      struct video *video, struct string_list *files)
{
    char *below = name_file(context, kind, object), *running = below ? video_running_name(below) : NULL;
    int status = running ? string_list_append(files, below) : error_memory("file names");

    if (!status && !video->listed)
        status = string_list_append(files, running);
    video->listed = true;
    video->listed_prompt = prompt_of(object);
    free(running);
    free(below);
    return status;
}

static void note_first(struct output_videos *videos, const struct output_frame *frame)
{
    if (!videos->has_first)
        videos->first = frame->time;
    videos->has_first = true;
}

int output_videos_list(struct output_videos *videos, enum names_kind kind, const struct output_object *object,
                       const struct output_frame *frame, struct string_list *files)
{
    struct video *video;
    int status = 0;

    note_first(videos, frame);
    if (!names_video_folder(kind))
        return 0;
    if (object && !find_group(videos, object->id))
        status = take_up(videos, object->id);
    video = status ? NULL : find(videos, kind, object);
    if (!video || (video->listed && video->listed_prompt == prompt_of(object)))
        return status;
    return list_names(videos->context, kind, object, video, files);
}

static int open_writer(const struct sink_context *context, enum names_kind kind, const struct output_object *object,
                       struct video *video)
{
    const struct output_options *options = &context->options;
    const bool whole = kind == NAMES_MERGED_OVERLAY;
    const struct video_writer_options settings = {
        .width = context->width,
        .height = context->height,
        .channels = (int)channels_of(kind),
        .frame_rate = context->frame_rate,
        .codec = codec_of(context, kind),
        .threads = 1, /* the videos are the threads' work */
        .preset = whole ? MERGED_PRESET : QUICK_PRESET,
        .quality = whole ? MERGED_QUALITY : 0,
        .keep = true,
        .audio_source = is_mask(kind) ? NULL : options->audio_source,
        .audio_origin = options->audio_origin,
        .audio_playlists = options->job->allow_playlists,
        .audio_quiet = options->job->merged && object, /* the merged overlay says it */
    };
    char *below = name_file(context, kind, object), *path = below ? path_join(context->folder, below) : NULL;
    const int status = path ? video_writer_open(path, &settings, &video->writer) : error_memory("file names");

    video->prompt = prompt_of(object);
    free(path);
    free(below);
    return status;
}

/* The object was taken for another thing before: its video is called what it is now. */
static int rename_video(const struct sink_context *context, enum names_kind kind, const struct output_object *object,
                        struct video *video)
{
    char *below = name_file(context, kind, object), *path = below ? path_join(context->folder, below) : NULL;
    const int status = path ? video_writer_rename(video->writer, path) : error_memory("file names");

    video->prompt = prompt_of(object);
    free(path);
    free(below);
    return status;
}

static int add_picture(const struct sink_context *context, enum names_kind kind, struct video *video,
                       const uint8_t *pixels, double time)
{
    const int status = video_writer_add(video->writer, pixels, (size_t)context->width * channels_of(kind), time);

    video->last = time;
    return status;
}

/* What an object's video shows until the object comes: black, in step with all other videos. */
static int add_black(const struct output_videos *videos, enum names_kind kind, struct video *video, double until)
{
    const struct sink_context *context = videos->context;
    uint8_t *black = calloc((size_t)context->width * (size_t)context->height, channels_of(kind));
    int status = black ? add_picture(context, kind, video, black, videos->first) : error_memory("videos");

    while (!status && until - video->last > MOST_STILL)
        status = add_picture(context, kind, video, black, video->last + MOST_STILL);
    free(black);
    return status;
}

/* After an error, which stays this thread's: what was written until then stays. */
static int abandon(struct video *video, int status)
{
    char *why = strdup(error_message());

    video_writer_close(&video->writer);
    error_set(status, "%s", why ? why : "out of memory");
    free(why);
    return status;
}

int output_videos_add(struct output_videos *videos, enum names_kind kind, const struct output_object *object,
                      const struct output_frame *frame, const uint8_t *pixels)
{
    const struct sink_context *context = videos->context;
    struct video *video = find(videos, kind, object);
    int status = 0;

    if (!video)
        return 0;
    if (!video->writer) {
        status = open_writer(context, kind, object, video);
        if (!status && frame->time > videos->first)
            status = add_black(videos, kind, video, frame->time);
    } else if (video->prompt != prompt_of(object)) {
        status = rename_video(context, kind, object, video);
    }
    if (!status)
        status = add_picture(context, kind, video, pixels, frame->time);
    if (status)
        return abandon(video, status);
    video_writer_hold(video->writer, frame->duration);
    return 0;
}

/* ---- the sink ---- */

static bool is_wanted(const struct sink_context *context)
{
    return context->options.job->films && context->video;
}

static int open_videos(struct sink_context *context, void **state)
{
    struct output_videos *videos = calloc(1, sizeof(*videos));

    if (!videos)
        return error_memory("videos");
    if (add_group(videos, 0) != 0) {
        free(videos->groups);
        free(videos);
        return SOWLV2_ERROR_MEMORY;
    }
    videos->context = context;
    first_error_init(&videos->error);
    *state = context->videos = videos;
    return 0;
}

static int take_frame(void *state, const struct output_frame *frame)
{
    note_first(state, frame); /* where it has no pictures */
    return 0;
}

/* The videos that a finish is for. */
struct finish {
    struct output_videos *videos;
    struct group **groups;
};

static void finish_video(void *data, size_t index, size_t worker)
{
    const struct finish *finish = data;
    struct video *video = &finish->groups[index / VIDEO_KINDS]->videos[index % VIDEO_KINDS];
    int status;

    (void)worker;
    if (!video->writer)
        return;
    status = video_writer_close(&video->writer);
    first_error_keep(&finish->videos->error, status);
    if (!status && finish->videos->context->counts)
        atomic_fetch_add(&finish->videos->context->counts->videos, 1);
}

static void finish(struct output_videos *videos, struct group **groups, size_t count)
{
    struct finish finish = {.videos = videos, .groups = groups};

    pool_run(videos->context->pool, VIDEO_KINDS * count, finish_video, &finish);
}

static int end_object(void *state, int64_t id)
{
    struct output_videos *videos = state;
    struct group *group = find_group(videos, id);

    if (!group || group->ended)
        return 0;
    group->ended = true;
    finish(videos, &group, 1);
    return first_error_report(&videos->error);
}

static int close_videos(void *state)
{
    struct output_videos *videos = state;
    int status;

    finish(videos, videos->groups, videos->count);
    for (size_t i = 0; i < videos->count; i++)
        free(videos->groups[i]);
    status = first_error_end(&videos->error);
    free(videos->groups);
    free(videos);
    return status;
}

const struct sink_kind sink_videos = {
    .name = "videos",
    .wanted = is_wanted,
    .open = open_videos,
    .frame = take_frame,
    .end_object = end_object,
    .close = close_videos,
};
