/* detect on videos: one after the other, since each forward pass uses all threads anyway. */
#include "cli/video_run.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/image_run.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/video_plan.h"
#include "pipeline/job.h"
#include "pipeline/track.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct video_reader_options reader_options(const struct settings *settings)
{
    return (struct video_reader_options){.fps = settings->fps,
                                         .start = settings->video.start,
                                         .end = settings->video.end,
                                         .first_frame = settings->video.frames.first,
                                         .last_frame = settings->video.frames.last,
                                         .max_pixels = settings->max_pixels,
                                         .allow_truncated = settings->allow_truncated,
                                         .allow_playlists = settings->video.allow_playlists};
}

static struct track_options make_options(const struct settings *settings, const struct mark_objects *given,
                                         const char *source, const char *name, struct output_claim *claim,
                                         struct progress *progress)
{
    const struct video_settings *video = &settings->video;
    struct track_options options = {
        .source = source,
        .name = name,
        .output = output_claim_folder(claim),
        .claim = claim,
        .reader = reader_options(settings),
        .given = given ? given->items : NULL,
        .given_count = given ? given->count : 0,
        .prompts = (const char *const *)settings->prompts.items,
        .prompt_count = settings->prompts.count,
        .prompt_template = settings->prompt_template,
        .detect = sowlv2_detect_options_default(),
        .track = sowlv2_track_options_default(),
        .cuts = !video->no_cuts,
        .every_frames = video->detect_every.frames,
        .every_seconds = video->detect_every.seconds,
        .match_iou = video->match_iou,
        .lost_after = video->lost_after,
        .max_objects = video->max_objects,
        .budget = video->frame_budget,
        .binary = !settings->no_binary,
        .overlay = !settings->no_overlay,
        .merged = !settings->no_merged,
        .videos = !video->no_video,
        .rle = video->rle,
        .pictures = video->save_frames      ? 1
                    : video->no_save_frames ? 0
                                            : -1,
        .draw = settings->draw ? settings->draw : DRAW_MASKS | DRAW_LABELS,
        .mask_codec = strcmp(video->mask_codec, "ffv1") == 0 ? VIDEO_CODEC_FFV1 : VIDEO_CODEC_H264,
        .audio = !video->no_audio,
        .max_object_videos = (int)video->max_object_videos,
        .io_threads = image_run_threads(settings),
        .realtime = video->realtime,
        .progress = progress_update,
        .progress_user_data = progress,
        .interrupted = &signals_interrupted,
    };

    options.detect.threshold = (float)settings->threshold;
    options.detect.nms_iou = (float)settings->nms;
    options.detect.objectness = settings->objectness;
    options.multimask = settings->multimask;
    options.refine = settings->refine;
    options.dedupe_iou = (float)settings->dedupe;
    options.track.mask_threshold = (float)settings->mask_threshold;
    options.track.fill_holes = (int)settings->fill_holes;
    options.track.remove_sprinkles = (int)settings->remove_sprinkles;
    options.track.max_cond_frames = (int)video->max_cond_frames;
    options.track.separate = video->separate;
    return options;
}

static void print_timing(const struct track_report *report)
{
    const struct {
        const char *name;
        double seconds;
        const char *note;
    } rows[] = {
        {"detect", report->detect_seconds, "detector"},
        {"encode", report->encode_seconds, "image encoder of the masks"},
        {"track", report->track_seconds, "memory, mask decoder, masks brought to size"},
        {"wait to read", report->read_seconds, "frames are read beside the above"},
        {"wait to write", report->wait_seconds, ""},
        {"write", report->write_seconds, "beside the above"},
        {"total", report->total_seconds, ""},
    };

    terminal_say("%-14s %10s %12s", "stage", "seconds", "ms a frame");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        terminal_say("%-14s %10.3f %12.1f%s%s", rows[i].name, rows[i].seconds,
                     report->frames > 0 ? 1e3 * rows[i].seconds / (double)report->frames : 0.0,
                     *rows[i].note ? "  " : "", rows[i].note);
    terminal_say("%" PRId64 " frames: %" PRId64 " encoded, %" PRId64 " filled in, %" PRId64
                 " looked at by the detector",
                 report->frames, report->tracked, report->interpolated, report->detections);
}

static int run_one(const struct settings *settings, const struct mark_objects *given, const sowlv2_detector *detector,
                   const sowlv2_segmenter *segmenter, const char *source, const char *name, struct output_claim *claim,
                   struct run_count *count)
{
    struct track_report report = {0};
    struct progress progress;
    struct video_plan plan = {0};
    int status;

    progress_begin(&progress);

    struct track_options options = make_options(settings, given, source, name, claim, &progress);

    status = given ? 0 : video_plan_make(settings, &options, &plan);
    options.plan = plan.used ? &plan.plan : NULL;
    progress_begin(&progress);
    if (!status)
        status = track_video(detector, segmenter, &options, &report);
    terminal_progress_end();
    count->no_model |= plan.no_model;
    video_plan_free(&plan);
    if (settings->verbose && !status)
        print_timing(&report);
    if (status == SOWLV2_ERROR_CANCELLED || report.interrupted || signals_interrupted)
        count->interrupted = true;
    if (status && status != SOWLV2_ERROR_CANCELLED) {
        count->failed++;
        terminal_error(error_message());
    }
    if (status && status != SOWLV2_ERROR_CANCELLED && !report.broken)
        return status;
    count->done++; /* also of one that is broken, up to there */
    char covered[64] = "";
    if (report.covered > 0)
        snprintf(covered, sizeof(covered), " (%" PRId64 " more left out by --dedupe)", report.covered);
    terminal_say("%s: %" PRId64 " frame%s, %" PRId64 " object%s%s -> %s (%.1f s)%s", name, report.frames,
                 report.frames == 1 ? "" : "s", report.objects, report.objects == 1 ? "" : "s", covered,
                 output_claim_folder(claim), report.total_seconds,
                 report.interrupted ? ", interrupted"
                 : report.broken    ? ", broken off"
                                    : "");
    return status;
}

/* Into a folder of its own, or, where `folder` is NULL, the output folder. */
static int run_in_place(const struct settings *settings, const struct mark_objects *given,
                        const sowlv2_detector *detector, const sowlv2_segmenter *segmenter, const char *source,
                        const char *name, const char *folder, const struct run_output *output, struct run_count *count)
{
    struct output_claim *claim = NULL;
    char *path;
    int status;

    if (!folder)
        return run_one(settings, given, detector, segmenter, source, name, output->claim, count);
    path = path_join(settings->output, folder);
    const struct output_claim_options wanted = {.folder = path, .job = &output->job, .below = true};
    status = path ? output_claim_open(&wanted, &claim) : error_memory("output folder");
    free(path);
    if (status) {
        count->failed++;
        terminal_error(error_message());
        return status;
    }
    status = run_one(settings, given, detector, segmenter, source, name, claim, count);
    output_claim_close(&claim);
    return status;
}

void video_run(const struct settings *settings, const struct mark_objects *given, const sowlv2_detector *detector,
               const sowlv2_segmenter *segmenter, const struct video_inputs *inputs, const struct run_output *output,
               struct run_count *count)
{
    if (settings->crops)
        log_notice("--crops: of images alone, not of videos");
    if (settings->use_temporal_detection &&
        (settings->video.detect_every.frames > 0 || settings->video.detect_every.seconds > 0))
        log_notice("--detect-every: without effect with --use-temporal-detection, which looks at key frames");

    for (size_t i = 0; i < inputs->videos.count && !count->interrupted; i++) {
        const struct video_place *place = &output->places[i];
        const char *name = inputs->names.items[i];

        if (!place->done) {
            run_in_place(settings, given, detector, segmenter, inputs->videos.items[i], name, place->folder, output,
                         count);
            continue;
        }
        count->done++;
        terminal_say("%s: done before -> %s%s%s", name, settings->output, place->folder ? "/" : "",
                     place->folder ? place->folder : "");
    }
}
