/* Key frames of a video: the loop over its frames. */
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/options.h"
#include "media/isolation.h"
#include "run/frames_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double SAME_TIME = 1e-6;

struct frames_run {
    struct sowlv2_key_frames_options options;
    struct sowlv2_score_options score;  /* as the session has them */
    struct sowlv2_score_options wanted; /* as the caller gave them */
    struct frames_how how;
    struct isolation *isolation; /* NULL: this process decodes */
    struct video_reader *reader;
    struct video_frame frame;
    sowlv2_score_session *session;
    int64_t *numbers; /* [capacity], the reader's, of each frame that was seen */
    size_t capacity;
    struct frames_kept kept;
    bool keep;          /* the source cannot be read again, and pictures are wanted */
    double least_step;  /* seconds from frame to frame that are looked at; 0: all are */
    double first, next; /* times of the first frame, and from which on another one is looked at */
    size_t told;        /* frames that the caller was told of */
    struct frames_features features;
    struct frames_thumbs thumbs;
    struct sowlv2_key_frames_report *report;
};

void sowlv2_key_frames_options_init(struct sowlv2_key_frames_options *options, size_t size)
{
    const struct sowlv2_key_frames_options defaults = {.fps = 6};
    options_init(options, size, &defaults, sizeof(defaults));
}

static int stopped_by_caller(const struct frames_run *run)
{
    return error_set(SOWLV2_ERROR_CANCELLED, "%s: stopped by the caller", run->how.source);
}

static bool is_stopped(void *user_data)
{
    const struct frames_run *const run = user_data;
    return run->options.stop && *run->options.stop;
}

static bool goes_on(int done, int total, void *user_data)
{
    (void)done;
    (void)total;
    return !is_stopped(user_data);
}

/* The features of a clip, to the file and the caller. */
static bool take_features(const struct sowlv2_clip_features *clip, void *user_data)
{
    struct frames_run *const run = user_data;
    if (run->options.features && !frames_features_add(&run->features, clip))
        return false;
    return !run->wanted.features || run->wanted.features(clip, run->wanted.features_user_data);
}

static bool wants_pictures(const struct frames_run *run)
{
    return run->options.pictures || run->options.plot || run->options.picture;
}

static int check_options(struct frames_run *run, const sowlv2_scorer *scorer)
{
    const struct sowlv2_key_frames_options *const options = &run->options;
    if (!(options->fps >= 0 && options->source_fps >= 0))
        return error_set(SOWLV2_ERROR_ARGUMENT, "struct sowlv2_key_frames_options: frames a second from 0 are needed");
    if (options->scores && !sowlv2_key_frames_is_scores_name(options->scores))
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: its ending does not say what to write: use .json or .csv",
                         options->scores);
    int status = sowlv2_score_check(scorer, options->score);
    if (!status)
        status = sowlv2_choice_check(options->choice);
    if (!status)
        status = OPTIONS_TAKE(score, options->score, &run->wanted);
    run->score = run->wanted;
    run->score.features = options->features || run->wanted.features ? take_features : NULL;
    run->score.features_user_data = run;
    run->score.progress = goes_on;
    run->score.progress_user_data = run;
    run->how.fps = options->fps;
    run->how.importance = run->wanted.importance;
    run->how.motion_weight = run->wanted.motion_weight;
    run->how.scorer = scorer;
    return status;
}

/* That a file cannot be written is better said before the video is looked at than after. */
static int check_writable(const char *path)
{
    struct file_writer file = {0};
    const int status = path ? file_writer_open(path, &file) : 0;
    file_writer_abort(&file);
    return status;
}

/* Frames that have a number in their own sequence are read in that one, and thinned here. */
static int open_reader(struct frames_run *run)
{
    const struct sowlv2_key_frames_options *const options = &run->options;
    const bool folder = file_is_directory(run->how.source);
    const bool numbered = options->frames.first > 0 || options->frames.last > 0;
    const bool thinned = !folder && numbered && options->fps > 0;
    const struct video_reader_options reader = {
        .fps = (folder ? options->source_fps > 0 : numbered) ? options->source_fps : options->fps,
        .start = options->start,
        .end = options->end,
        .frames = options->frames,
        .max_pixels = options->max_pixels,
        .allow_truncated = options->allow_truncated,
        .allow_playlists = options->allow_playlists,
        .isolation = run->isolation,
        .quiet = options->quiet,
        .interrupted = is_stopped,
        .user_data = run,
    };
    run->least_step = thinned ? 1 / options->fps : 0;
    int status = 0;
    if (options->decoder_program && options->allow_playlists)
        status = error_set(SOWLV2_ERROR_ARGUMENT, "%s: a separate decoder may not open the files that a playlist names",
                           run->how.source);
    if (!status)
        status = video_reader_open(run->how.source, &reader, &run->reader);
    run->keep = !status && wants_pictures(run) && !video_reader_info(run->reader)->seekable;
    return status;
}

/* The next frame to be looked at, into `frame`. */
static int read_frame(struct frames_run *run)
{
    const bool is_first = sowlv2_score_count(run->session) == 0;
    int status;
    do
        status = video_reader_next(run->reader, &run->frame);
    while (!status && !is_first && run->frame.time < run->next - SAME_TIME);
    if (status || run->least_step <= 0)
        return status;
    if (is_first)
        run->first = run->frame.time;
    run->next =
        run->first + (floor((run->frame.time - run->first + SAME_TIME) / run->least_step) + 1) * run->least_step;
    return 0;
}

static int note_number(struct frames_run *run, size_t index)
{
    if (index == run->capacity) {
        const size_t capacity = run->capacity > 0 ? 2 * run->capacity : 256;
        int64_t *const numbers = realloc(run->numbers, capacity * sizeof(*numbers));
        if (!numbers)
            return error_memory("numbers of frames");
        run->numbers = numbers;
        run->capacity = capacity;
    }
    run->numbers[index] = run->frame.number;
    return 0;
}

/* The frame at hand, into the session. */
static int push_frame(struct frames_run *run)
{
    const struct image *const image = &run->frame.image;
    const struct sowlv2_image pixels = image_view(image);
    const size_t index = sowlv2_score_count(run->session);
    int status = note_number(run, index);
    if (!status && run->keep)
        status = frames_kept_add(&run->kept, (int64_t)index, image);
    if (!status)
        status = sowlv2_score_push(run->session, &pixels, run->frame.time, run->frame.source_number);
    return status;
}

static int tell_frames(struct frames_run *run)
{
    for (; run->options.frame && run->told < sowlv2_score_final(run->session); run->told++)
        if (!run->options.frame(sowlv2_score_frame(run->session, run->told), run->options.user_data))
            return stopped_by_caller(run);
    return 0;
}

static int tell_progress(const struct frames_run *run)
{
    const int64_t done = (int64_t)sowlv2_score_count(run->session), total = video_reader_info(run->reader)->frames;
    return !run->options.progress ||
                   run->options.progress(done, total > 0 && total < done ? done : total, run->options.user_data)
               ? 0
               : stopped_by_caller(run);
}

static int look(struct frames_run *run)
{
    double before = clock_seconds();
    int status = tell_progress(run);
    while (!status) {
        status = read_frame(run);
        const double read = clock_seconds();
        run->report->read_seconds += read - before;
        if (status)
            break;
        status = push_frame(run);
        before = clock_seconds();
        run->report->model_seconds += before - read;
        if (!status)
            status = tell_frames(run);
        if (!status)
            status = tell_progress(run);
    }
    if (status != VIDEO_END)
        return status;
    before = clock_seconds();
    status = sowlv2_score_finish(run->session);
    run->report->model_seconds += clock_seconds() - before;
    return status ? status : tell_frames(run);
}

static int take_picture(const struct image *image, const struct sowlv2_frame *frame, void *user_data)
{
    struct frames_run *const run = user_data;
    const struct sowlv2_image pixels = image_view(image);
    int status = run->options.pictures ? frames_picture_save(run->options.pictures, image, frame) : 0;
    if (!status && run->options.plot)
        status = frames_thumbs_add(&run->thumbs, image, frame);
    if (!status && run->options.picture && !run->options.picture(frame, &pixels, run->options.user_data))
        status = stopped_by_caller(run);
    return status;
}

static float importance_of(int64_t index, const void *user_data)
{
    const struct frames_run *const run = user_data;
    const struct sowlv2_frame *const frame = sowlv2_score_frame(run->session, (size_t)index);
    return frame ? frame->importance : NAN;
}

/* What a run that was killed left half written beside a file. */
static void tidy_beside(const char *path)
{
    char *const folder = path ? strndup(path, (size_t)(path_base(path) - path)) : NULL;
    if (folder)
        file_remove_leftovers(*folder ? folder : ".");
    free(folder);
}

static int prepare(struct frames_run *run, const sowlv2_scorer *scorer)
{
    const struct sowlv2_key_frames_options *const options = &run->options;
    int status = check_options(run, scorer);
    if (!status && options->pictures)
        status = file_make_directories(options->pictures);
    if (!status && options->pictures)
        file_remove_leftovers(options->pictures);
    if (!status) {
        tidy_beside(options->scores);
        tidy_beside(options->plot);
        tidy_beside(options->features);
    }
    if (!status)
        status = check_writable(options->scores);
    if (!status)
        status = check_writable(options->plot);
    if (!status)
        status = open_reader(run);
    if (!status)
        status = sowlv2_score_session_create(scorer, &run->score, &run->session);
    if (!status && options->features)
        status = frames_features_open(options->features, run->wanted.pooled, &run->features);
    return status;
}

/* Everything after the last frame. */
static int finish(struct frames_run *run)
{
    const struct sowlv2_key_frames_options *const options = &run->options;
    struct sowlv2_key_frames_report *const report = run->report;
    const struct frames_pictures pictures = {.reader = run->reader,
                                             .numbers = run->numbers,
                                             .kept = &run->kept,
                                             .source = run->how.source,
                                             .stop = options->stop,
                                             .give = take_picture,
                                             .user_data = run};
    int status = sowlv2_score_choose(run->session, options->choice, &report->frames);
    if (status)
        return status;
    report->broken = video_reader_broken(run->reader);
    report->failure = report->broken ? strdup(error_message()) : NULL;
    if (wants_pictures(run))
        status = frames_pictures_give(&pictures, &report->frames);
    if (!status && options->features)
        status = frames_features_commit(&run->features, &report->frames, options->fps);
    if (!status && options->scores)
        status = frames_scores_write(options->scores, &run->how, &report->frames);
    if (!status && options->plot)
        status = frames_plot_write(options->plot, &run->thumbs, &run->how, &report->frames);
    return status;
}

int sowlv2_key_frames_run(const sowlv2_scorer *scorer, const char *source,
                          const struct sowlv2_key_frames_options *options, struct sowlv2_key_frames_report *report)
{
    const double start = clock_seconds();
    struct frames_run run = {.how.source = source, .report = report};
    if (report)
        *report = (struct sowlv2_key_frames_report){0};
    if (!scorer || !source || !report)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_key_frames_run: a scorer, a source and a report are needed");
    run.kept.importance = importance_of;
    run.kept.user_data = &run;
    int status = OPTIONS_TAKE(key_frames, options, &run.options);
    if (!status && run.options.decoder_program) {
        status = isolation_create(run.options.decoder_program, &run.isolation);
        if (!status)
            status = isolation_check(run.isolation);
    }
    if (!status)
        status = prepare(&run, scorer);
    if (!status)
        status = look(&run);
    if (!status)
        status = finish(&run);
    else if (frames_features_status(&run.features))
        status = frames_features_status(&run.features);
    frames_kept_free(&run.kept);
    frames_thumbs_free(&run.thumbs);
    frames_features_free(&run.features);
    sowlv2_score_session_free(&run.session);
    video_frame_free(&run.frame);
    video_reader_close(&run.reader);
    isolation_free(&run.isolation);
    free(run.numbers);
    if (status)
        sowlv2_key_frames_report_free(report);
    else
        report->total_seconds = clock_seconds() - start;
    return status;
}

void sowlv2_key_frames_report_free(struct sowlv2_key_frames_report *report)
{
    if (!report)
        return;
    sowlv2_frames_free(&report->frames);
    free(report->failure);
    *report = (struct sowlv2_key_frames_report){0};
}
