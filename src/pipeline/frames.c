/* The loop over the frames of one video. */
#include "analysis/importance.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "pipeline/frames_parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GREY = IMPORTANCE_GREY };
static const double SAME_TIME = 1e-6;

struct frames_run {
    const struct frames_options *options;
    struct video_reader *reader;
    struct video_frame frame;
    struct frames_track track;
    struct frames_clips clips;
    struct frames_kept kept;
    bool keep;             /* the source cannot be read again, and pictures are wanted */
    double least_step;     /* seconds from frame to frame that are looked at; 0: all are */
    double first, next;    /* times of the first frame, and from which on another one is looked at */
    uint8_t grey[2][GREY]; /* of this frame and the one before, taking turns */
};

const char *frames_kind_name(enum frames_kind kind)
{
    static const char *const names[] = {
        [FRAMES_VARIANCE] = "variance", [FRAMES_CHANGE] = "change", [FRAMES_SURPRISE] = "surprise"};

    return names[kind];
}

int frames_check(const struct scorer *scorer, const struct frames_options *options)
{
    const struct scorer_info *info = scorer_info(scorer);
    const int64_t frames = options->frames_per_clip > 0 ? options->frames_per_clip : info->frames_per_clip;

    if (frames < info->tubelet_size)
        return error_set(SOWLV2_ERROR_ARGUMENT, "clips of %" PRId64 " frames: the model looks at %d at once: give more",
                         frames, info->tubelet_size);
    if (options->clip_overlap >= frames)
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "an overlap of %" PRId64 " frames: clips have %" PRId64 ": it must be less",
                         options->clip_overlap, frames);
    if (options->labels && info->label_count == 0)
        return error_set(SOWLV2_ERROR_UNSUPPORTED, "labels: this V-JEPA 2 checkpoint has no classifier: give one that "
                                                   "has, for example facebook/vjepa2-vitl-fpc16-256-ssv2");
    if (options->kind == FRAMES_SURPRISE && !info->predictor)
        return error_set(SOWLV2_ERROR_UNSUPPORTED,
                         "surprise: this V-JEPA 2 checkpoint has no predictor: choose another kind of importance");
    if (options->kind == FRAMES_SURPRISE && frames < 2 * (int64_t)info->tubelet_size)
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "surprise: clips of %" PRId64 " frames have nothing to predict from: "
                         "give at least %d",
                         frames, 2 * info->tubelet_size);
    return 0;
}

/* Takes the frame at hand into the numbers and the ring. */
static int take(struct frames_run *run)
{
    const struct image *image = &run->frame.image;
    const struct model_image frame = {image->pixels, image->width, image->height, (size_t)image->width * 3};
    const int64_t index = run->track.count;
    uint8_t *grey = run->grey[index % 2];
    struct frames_item item = {
        .number = run->frame.number, .source_number = run->frame.source_number, .time = run->frame.time};
    int status;

    importance_grey(image->pixels, image->width, image->height, grey);
    if (index > 0)
        item.motion = importance_motion(run->grey[(index + 1) % 2], grey, GREY);
    status = scorer_session_shrink(run->clips.session, &frame, run->options->whole ? SCORER_WHOLE : SCORER_CENTRE,
                                   frames_clips_square(&run->clips, index));
    if (!status)
        status = frames_track_add(&run->track, &item);
    if (!status && run->keep)
        status = frames_kept_add(&run->kept, &run->track, index, image);
    return status;
}

static void tell_progress(const struct frames_run *run)
{
    const int64_t done = run->track.count, total = video_reader_info(run->reader)->frames;

    if (run->options->progress)
        run->options->progress((size_t)done, (size_t)(total > done ? total : done), run->options->input,
                               run->options->progress_user_data);
}

/* The next frame to be looked at, into `frame`. */
static int read_frame(struct frames_run *run)
{
    int status;

    do
        status = video_reader_next(run->reader, &run->frame);
    while (!status && run->track.count > 0 && run->frame.time < run->next - SAME_TIME);
    if (status || run->least_step <= 0)
        return status;
    if (run->track.count == 0)
        run->first = run->frame.time;
    run->next =
        run->first + (floor((run->frame.time - run->first + SAME_TIME) / run->least_step) + 1) * run->least_step;
    return 0;
}

/* Runs a clip whenever it is full, and one at the end that holds the last frames. */
static int look(struct frames_run *run, struct frames_report *report)
{
    struct frames_clips *clips = &run->clips;
    double before = clock_seconds(), now;
    int status;

    tell_progress(run);
    while ((status = read_frame(run)) == 0 && (status = take(run)) == 0) {
        const int64_t count = run->track.count;

        if (count < clips->frames || (clips->end > 0 && count - clips->end < clips->step))
            continue;
        now = clock_seconds();
        report->read_seconds += now - before;
        status = frames_clips_run(clips, &run->track);
        before = clock_seconds();
        report->model_seconds += before - now;
        if (status)
            return status;
        tell_progress(run);
    }
    now = clock_seconds();
    report->read_seconds += now - before;
    if (status != VIDEO_END)
        return status;
    if (run->track.count > clips->end)
        status = frames_clips_run(clips, &run->track);
    else
        status = 0;
    report->model_seconds += clock_seconds() - now;
    return status;
}

static bool is_interrupted(void *user_data)
{
    const struct frames_run *run = user_data;

    return run->options->interrupted && *run->options->interrupted;
}

/* Frames that have a number in their own sequence are read in that one, and thinned here. */
static int open_reader(struct frames_run *run)
{
    struct video_reader_options reader = run->options->reader;
    const bool folder = file_is_directory(run->options->input),
               numbered = reader.first_frame > 0 || reader.last_frame > 0;
    int status;

    if (!folder && !numbered)
        reader.fps = run->options->fps;
    run->least_step = !folder && numbered && run->options->fps > 0 ? 1 / run->options->fps : 0;
    reader.interrupted = is_interrupted;
    reader.user_data = run;
    status = video_reader_open(run->options->input, &reader, &run->reader);
    run->keep = !status && run->options->picture && !video_reader_info(run->reader)->seekable;
    return status;
}

/* What the file of features says of itself. */
static int commit_features(struct frames_run *run)
{
    char text[256];

    if (!run->options->features)
        return 0;
    snprintf(text, sizeof(text),
             "{\"frames\":\"%" PRId64 "\",\"frames_per_clip\":\"%" PRId64 "\",\"step\":\"%" PRId64 "\",\"fps\":\"%g\"}",
             run->track.count, run->clips.frames, run->clips.step, run->options->fps);
    return safetensors_writer_commit(&run->clips.writer, text);
}

int frames_run(const struct scorer *scorer, const struct frames_options *options, struct frames_report *report)
{
    struct frames_run *run = calloc(1, sizeof(*run));
    const double start = clock_seconds();
    int status;

    *report = (struct frames_report){0};
    if (!run)
        return error_memory("frames");
    run->options = options;
    status = frames_check(scorer, options);
    if (!status)
        status = open_reader(run);
    if (!status)
        status = frames_clips_open(scorer, options, &run->clips);
    if (!status)
        status = look(run, report);
    if (!status)
        status = frames_track_finish(&run->track, options, run->clips.done_count, report);
    if (!status) {
        report->frames_per_clip = run->clips.frames;
        report->step = run->clips.step;
        report->clips = run->clips.done;
        report->clip_count = run->clips.done_count;
        report->classes = 0;
        if (options->labels)
            report->classes =
                run->clips.info->label_count < FRAMES_CLASSES ? (int)run->clips.info->label_count : FRAMES_CLASSES;
        run->clips.done = NULL;
    }
    if (!status) {
        report->broken = video_reader_broken(run->reader);
        report->failure = report->broken ? strdup(error_message()) : NULL;
    }
    if (!status && options->picture)
        status = frames_give_pictures(run->reader, &run->kept, options, report);
    if (!status)
        status = commit_features(run);
    frames_kept_free(&run->kept);
    frames_clips_free(&run->clips);
    frames_track_free(&run->track);
    video_frame_free(&run->frame);
    video_reader_close(&run->reader);
    free(run);
    report->total_seconds = clock_seconds() - start;
    return status;
}

void frames_report_free(struct frames_report *report)
{
    free(report->items);
    free(report->clips);
    free(report->failure);
    *report = (struct frames_report){0};
}
