/* Objects through a video: what is opened, the loop over the frames, what is closed. */
#include "pipeline/track.h"

#include "analysis/budget.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/first_error.h"
#include "base/log.h"
#include "base/strings.h"
#include "output/claim.h"
#include "pipeline/prompts.h"
#include "pipeline/track_both.h"
#include "pipeline/track_run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool wants_pictures(const struct track_options *options, const struct video_info *info)
{
    const enum sowlv2_frame_pictures pictures = options->job->pictures;

    if (pictures != SOWLV2_PICTURES_FEW || (info->frames > 0 && info->frames < TRACK_FEW_FRAMES))
        return pictures != SOWLV2_PICTURES_NONE;
    if (options->job->masks)
        log_notice("%s: %s: no PNG files of its frames are written, and results.jsonl holds the masks: --save-frames "
                   "writes them",
                   options->source,
                   info->frames > 0 ? "500 frames or more" : "it is not known how many frames there are");
    return false;
}

/* Whose sound the overlay videos get, if it has any and it is wanted. Where it has gone by, that is said; what decodes
 * in processes of its own (a run says that of all its videos) may come later with it, so that is noted. */
static void find_audio(const struct track_options *options, const struct video_info *info, struct output_options *out)
{
    if (!output_wants_sound(options->job) || !info->has_audio)
        return;
    if (options->reader.isolation) {
        out->lacks_sound = info->again;
        return;
    }
    if (info->again) {
        out->audio_source = options->source;
        return;
    }
    log_notice(
        "%s: without sound: it cannot be read a second time: give the file itself, or an address that is not live",
        options->source);
}

int track_open_output(struct track_run *run, const struct video_info *info)
{
    const struct track_options *options = run->options;
    const int threads = run->job->io_threads;
    struct track_output_options output = {.folder = output_claim_folder(options->claim),
                                          .claim = options->claim,
                                          .source = options->source,
                                          .name = options->name,
                                          .width = info->width,
                                          .height = info->height,
                                          .frame_rate = info->frame_rate,
                                          .outputs = options->outputs,
                                          .threads = threads < TRACK_MOST_THREADS ? threads : TRACK_MOST_THREADS};

    output.outputs.job = run->job;
    output.outputs.pictures = wants_pictures(options, info);
    find_audio(options, info, &output.outputs);
    output.outputs.audio_origin = info->origin;
    return track_output_open(&output, &run->output);
}

int track_open_feed(struct track_run *run, struct track_feed **out)
{
    const struct track_feed_options options = {.source = run->options->source,
                                               .reader = run->options->reader,
                                               .cuts = run->job->cuts,
                                               .ahead = run->options->plan,
                                               .realtime = run->job->realtime,
                                               .interrupted = run->job->stop};

    return track_feed_open(&options, out);
}

void track_tell_progress(const struct track_run *run, const struct video_info *info)
{
    const struct track_options *options = run->options;
    const int64_t done = run->report->frames, total = info->frames;
    const bool known = total > 0;

    if (options->progress)
        options->progress((size_t)done, known ? (size_t)(total > done ? total : done) : 0, options->name,
                          options->progress_user_data);
}

void track_tell_pass(const struct track_run *run, int64_t done, int64_t total, const char *pass)
{
    struct string name = {0};

    if (!run->options->progress)
        return;
    string_append_format(&name, "%s: %s", run->options->name, pass);
    run->options->progress((size_t)done, (size_t)(total > done ? total : done), name.failed ? pass : name.data,
                           run->options->progress_user_data);
    string_free(&name);
}

/* The importance of a frame: the plan's score at its time, or how much its pixels change. */
float track_importance(const struct track_plan *plan, const struct track_feed_frame *frame)
{
    size_t low = 0, high = plan ? plan->score_count : 0;

    if (high == 0)
        return frame->motion;
    while (high - low > 1) {
        const size_t middle = (low + high) / 2;

        if (plan->score_times[middle] <= frame->time + 1e-6)
            low = middle;
        else
            high = middle;
    }
    return plan->scores[low];
}

/* One frame of the forward pass, to the end of the line. */
static int step(struct track_run *run, struct track_feed_frame *frame, struct budget_stream *budget)
{
    const bool searching = !track_objects_any(&run->objects);
    const bool detect = !run->job->marks && track_schedule_wants(run->schedule, frame, searching);
    struct output_object *objects = NULL;
    size_t count = 0;
    bool tracked = true;
    int status;

    if (run->job->frame_budget < 1 &&
        !budget_stream_next(budget, track_importance(run->options->plan, frame), detect || searching || frame->cut))
        return track_emitter_add(run->emitter, frame, false, NULL, 0);
    status = track_frame_run(run, frame, detect, &tracked);
    if (!status)
        status = track_objects_list(&run->objects, &objects, &count);
    if (status) {
        image_free(&frame->image);
        return status;
    }
    return track_emitter_add(run->emitter, frame, true, objects, count);
}

int track_forward(struct track_run *run, struct track_feed *feed)
{
    const struct budget budget = {.fraction = run->job->frame_budget, .most_gap = BUDGET_MOST_GAP};
    struct budget_stream stream;
    int status = budget_stream_open(&budget, &stream);

    while (!status) {
        struct track_feed_frame frame = {0};
        const double start = clock_seconds();

        status = track_feed_next(feed, &frame);
        run->report->read_seconds += clock_seconds() - start;
        if (status)
            break;
        status = step(run, &frame, &stream);
        track_tell_progress(run, track_feed_info(feed));
    }
    return status == VIDEO_END ? 0 : status;
}

static void tell_dropped(const struct track_run *run, struct track_feed *feed)
{
    const int64_t dropped = track_feed_dropped(feed);

    run->report->dropped = dropped;
    if (dropped > 0)
        log_notice("%s: %" PRId64 " frames were dropped to keep up", run->options->source, dropped);
}

int track_end(struct track_run *run, struct track_feed *feed)
{
    int status;

    tell_dropped(run, feed);
    status = track_emitter_flush(run->emitter);
    if (!status) {
        status = track_feed_broken(feed);
        run->report->broken = status != 0;
    }
    return status;
}

/* All but the closing. */
static int process(struct track_run *run)
{
    struct track_feed *feed = NULL;
    int status;

    if (run->options->plan && run->job->key_frames)
        return track_both_ways(run);
    status = track_open_feed(run, &feed);
    if (!status)
        status = track_open_output(run, track_feed_info(feed));
    if (!status)
        status = track_forward(run, feed);
    if (!status)
        status = track_end(run, feed);
    track_feed_close(&feed);
    return status;
}

static int prepare(struct track_run *run)
{
    int status =
        run->job->marks ? 0 : prompts_encode(run->job, run->detector, run->options->prompts_told, &run->prompts);

    if (!status && !run->job->marks)
        status = sowlv2_detect_session_create(run->detector, &run->session);
    if (!status)
        status = sowlv2_track_session_create(run->segmenter, run->job->track, &run->tracker);
    if (!status)
        status = track_schedule_create(run->options, &run->schedule);
    if (!status)
        status = track_emitter_create(run, &run->emitter);
    return status;
}

/* Closes the output; the first error counts. */
static int close_output(struct track_run *run, int status)
{
    struct track_output_report written = {0};
    struct first_error error;

    first_error_init(&error);
    first_error_keep(&error, status);
    first_error_keep(&error, track_output_close(&run->output, !status && !run->report->interrupted, &written));
    run->report->write_seconds = written.write_seconds;
    return first_error_end(&error);
}

int track_video(const sowlv2_detector *detector, const sowlv2_segmenter *segmenter, const struct track_options *options,
                struct track_report *report)
{
    struct track_run run = {
        .options = options, .job = options->job, .detector = detector, .segmenter = segmenter, .report = report};
    const double start = clock_seconds();
    int status;

    *report = (struct track_report){0};
    status = prepare(&run);
    if (!status)
        status = process(&run);
    report->interrupted = track_is_interrupted(&run);
    if (report->interrupted && status == SOWLV2_ERROR_CANCELLED)
        status = 0;
    status = close_output(&run, status);
    report->objects = run.objects.told;
    track_emitter_free(&run.emitter);
    track_schedule_free(&run.schedule);
    track_objects_free(&run.objects);
    free(run.pairs);
    sowlv2_track_session_free(&run.tracker);
    sowlv2_detect_session_free(&run.session);
    sowlv2_prompts_free(&run.prompts);
    report->total_seconds = clock_seconds() - start;
    return status;
}
