/* See job_options.h. */
#include "cli/job_options.h"

#include "cli/job.h"
#include "cli/signals.h"

#include <string.h>

struct sowlv2_device_options job_device_options(const struct settings *settings)
{
    struct sowlv2_device_options options = sowlv2_device_options_default();

    options.device = "cpu";
    options.precision = settings->precision;
    options.cpu_level = settings->cpu;
    options.threads = (int)settings->threads;
    return options;
}

static void make_parts(const struct settings *settings, struct job_options *out)
{
    out->detect = sowlv2_detect_options_default();
    out->detect.threshold = (float)settings->threshold;
    out->detect.nms_iou = (float)settings->nms;
    out->detect.objectness = settings->objectness;
    out->segment = sowlv2_segment_options_default();
    out->segment.multimask = settings->multimask;
    out->segment.mask_threshold = (float)settings->mask_threshold;
    out->segment.fill_holes = (int)settings->fill_holes;
    out->segment.remove_sprinkles = (int)settings->remove_sprinkles;
    out->segment.refine = settings->refine;
    out->track = sowlv2_track_options_default();
    out->track.max_cond_frames = (int)settings->video.max_cond_frames;
    out->track.separate = settings->video.separate;
    out->scorer = sowlv2_frames_model_options_default();
    out->scorer.model = settings->frames.model;
    out->scorer.cache_dir = settings->cache_dir;
    out->scorer.offline = settings->offline;
    out->scorer.download = download_update;
    out->scorer.device = job_device_options(settings);
}

static void set_sources(const struct settings *settings, struct sowlv2_run_options *run)
{
    const struct video_settings *const video = &settings->video;

    run->inputs = (const char *const *)settings->inputs.items;
    run->input_count = settings->inputs.count;
    run->recursive = settings->recursive;
    run->as_video = video->as_video.all;
    run->videos = (const char *const *)video->as_video.paths.items;
    run->video_count = video->as_video.paths.count;
    run->max_pixels = settings->max_pixels;
    run->allow_truncated = settings->allow_truncated;
    run->fps = settings->fps;
    run->start = video->start;
    run->end = video->end;
    run->first_frame = video->frames.first;
    run->last_frame = video->frames.last;
    run->allow_playlists = video->allow_playlists;
    run->realtime = video->realtime;
}

static void set_search(const struct settings *settings, struct sowlv2_run_options *run)
{
    const struct video_settings *const video = &settings->video;

    run->dedupe_iou = (float)settings->dedupe;
    run->cuts = !video->no_cuts;
    run->every_frames = video->detect_every.frames;
    run->every_seconds = video->detect_every.seconds;
    run->key_frames = settings->use_temporal_detection;
    run->key_frame_count = settings->temporal_detection_frames;
    run->merge_iou = (float)settings->temporal_merge_threshold;
    run->scorer_required = video->require_vjepa2;
    run->frames_per_clip = settings->vjepa2_frames_per_clip;
    run->scorer_fps = settings->frames.fps;
    run->key_frame_spacing = settings->frames.spacing;
    run->match_iou = (float)video->match_iou;
    run->lost_after = video->lost_after;
    run->max_objects = video->max_objects;
    run->frame_budget = video->frame_budget;
}

static void set_output(const struct settings *settings, struct sowlv2_run_options *run)
{
    const struct video_settings *const video = &settings->video;

    run->output = settings->output;
    run->resume = settings->resume;
    run->masks = !settings->no_binary;
    run->overlays = !settings->no_overlay;
    run->merged = !settings->no_merged;
    run->crops = settings->crops;
    run->films = !video->no_video;
    run->pictures = video->save_frames      ? SOWLV2_PICTURES_ALL
                    : video->no_save_frames ? SOWLV2_PICTURES_NONE
                                            : SOWLV2_PICTURES_FEW;
    run->rle = video->rle;
    run->draw = settings->draw;
    run->mask_codec = strcmp(video->mask_codec, "ffv1") == 0 ? SOWLV2_MASK_FFV1 : SOWLV2_MASK_H264;
    run->audio = !video->no_audio;
    run->max_object_films = video->max_object_videos;
    run->batch_size = settings->disable_gpu_batching ? 1 : (int)settings->batch_size;
    run->io_threads = (int)(settings->thread_pool_size > 0 ? settings->thread_pool_size : settings->max_workers);
}

int job_options_make(const struct settings *settings, const struct mark_objects *given, struct job_report *report,
                     struct job_options *out)
{
    struct sowlv2_run_options *const run = &out->run;

    progress_begin(&report->progress);
    *out = (struct job_options){.run = sowlv2_run_options_default()};
    make_parts(settings, out);
    out->scorer.download_user_data = &report->download;
    run->detect = &out->detect;
    run->segment = &out->segment;
    run->track = &out->track;
    run->scorer_model = settings->enable_vjepa2 && !given ? &out->scorer : NULL;
    if (given) {
        run->marks = given->items;
        run->mark_count = given->count;
    } else {
        run->prompts = (const char *const *)settings->prompts.items;
        run->prompt_count = settings->prompts.count;
        run->prompt_template = settings->prompt_template;
    }
    set_sources(settings, run);
    set_search(settings, run);
    set_output(settings, run);
    run->stop = &signals_interrupted;
    run->progress = job_report_progress;
    run->part = job_report_part;
    run->user_data = report;
    const int status = job_describe(settings, given ? FOR_SEGMENT : FOR_DETECT, &out->job);

    run->job = (const char *const *)out->job.items;
    run->job_count = out->job.count;
    return status;
}

void job_options_free(struct job_options *options)
{
    string_list_free(&options->job);
}
