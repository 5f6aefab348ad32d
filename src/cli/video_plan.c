/* The pass over a video before it is tracked. */
#include "cli/video_plan.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/url.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/vjepa2_model.h"
#include "sowlv2_run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* From here on a hint that V-JEPA would help is given. */
static const double LONG_VIDEO = 60;

/* What the source is, without reading on. */
static int look_at(const struct track_options *options, struct video_info *out)
{
    struct video_reader_options quiet = options->reader;
    struct video_reader *reader = NULL;
    int status;

    quiet.quiet = true; /* it is opened again to be tracked */
    quiet.check_length = true;
    status = video_reader_open(options->source, &quiet, &reader);

    if (!status)
        *out = *video_reader_info(reader);
    video_reader_close(&reader);
    return status;
}

/* A pipe with a name loses what it gave. */
static bool can_be_read_again(const char *source)
{
    struct stat info;

    return strcmp(source, "-") != 0 && !url_is(source) && stat(source, &info) == 0 &&
           (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode));
}

static int take_scores(const struct sowlv2_frames *frames, struct track_plan *plan)
{
    double *keys = calloc(frames->count + 1, sizeof(*keys));
    double *times = calloc(frames->count + 1, sizeof(*times));
    float *scores = calloc(frames->count + 1, sizeof(*scores));

    plan->key_times = keys;
    plan->score_times = times;
    plan->scores = scores;
    if (!keys || !times || !scores)
        return error_memory("scores of frames");
    for (size_t i = 0; i < frames->count; i++) {
        times[i] = frames->items[i].time;
        scores[i] = frames->items[i].score;
        if (frames->items[i].chosen)
            keys[plan->key_count++] = frames->items[i].time;
    }
    plan->score_count = frames->count;
    return 0;
}

static void tell_keys(const struct track_options *options, const struct track_plan *plan, const char *how)
{
    struct string text = {0};

    for (size_t i = 0; i < plan->key_count; i++)
        string_append_format(&text, "%s%.2f", i > 0 ? ", " : "", plan->key_times[i]);
    if (!text.failed && plan->key_count > 0)
        terminal_say("%s: key frames by %s at %s s", options->name, how, text.data);
    string_free(&text);
}

/* V-JEPA's choice. */
static int choose_by_model(const struct settings *settings, const struct track_options *options,
                           const sowlv2_scorer *scorer, struct track_plan *plan)
{
    const struct video_reader_options *const reader = &options->reader;
    const bool folder = file_is_directory(options->source);
    struct sowlv2_score_options score = sowlv2_score_options_default();
    struct sowlv2_choice_options choice = sowlv2_choice_options_default();
    struct sowlv2_key_frames_options wanted = sowlv2_key_frames_options_default();
    struct sowlv2_key_frames_report report;
    struct progress progress;
    score.frames_per_clip = (int)settings->vjepa2_frames_per_clip;
    choice.target_frames = settings->temporal_detection_frames;
    choice.spacing = settings->frames.spacing;
    wanted.score = &score;
    wanted.choice = &choice;
    wanted.fps = settings->frames.fps;
    wanted.source_fps = folder && reader->fps <= 0 ? VIDEO_FOLDER_RATE : reader->fps;
    wanted.start = reader->start;
    wanted.end = reader->end;
    wanted.first_frame = reader->first_frame;
    wanted.last_frame = reader->last_frame;
    wanted.max_pixels = reader->max_pixels;
    wanted.allow_truncated = reader->allow_truncated;
    wanted.allow_playlists = reader->allow_playlists;
    wanted.quiet = true;
    wanted.progress = progress_show;
    wanted.user_data = &progress;
    wanted.stop = &signals_interrupted;
    progress_begin(&progress);
    progress.name = options->source;
    int status = sowlv2_key_frames_run(scorer, options->source, &wanted, &report);
    terminal_progress_end();
    if (!status)
        status = take_scores(&report.frames, plan);
    sowlv2_key_frames_report_free(&report);
    if (!status)
        tell_keys(options, plan, "V-JEPA 2");
    return status;
}

/* The part of the video that is asked for, in seconds, as far as its length is known; `*last` 0: it is not. */
static void find_part(const struct video_reader_options *reader, const struct video_info *info, double *first,
                      double *last)
{
    const double rate = info->frame_rate;

    *first = reader->start;
    *last = reader->end > 0 && (info->duration <= 0 || reader->end < info->duration) ? reader->end : info->duration;
    if (rate > 0 && reader->last_frame > 0 && (*last <= 0 || reader->start + (double)reader->last_frame / rate < *last))
        *last = reader->start + (double)reader->last_frame / rate;
    if (rate > 0 && reader->first_frame > 0)
        *first += (double)(reader->first_frame - 1) / rate;
}

/* Equal steps through the video's length, as far as it says it. Where the frames turn out to end elsewhere, the steps
 * are made anew. */
static int choose_evenly(const struct settings *settings, const struct track_options *options,
                         const struct video_info *info, struct track_plan *plan)
{
    const size_t wanted = (size_t)settings->temporal_detection_frames;
    const size_t count = info->frames > 0 && (size_t)info->frames < wanted ? (size_t)info->frames : wanted;
    double *keys = calloc(count + 1, sizeof(*keys)), first, last;

    plan->key_times = keys;
    plan->steps = wanted;
    if (!keys)
        return error_memory("key frames");
    find_part(&options->reader, info, &first, &last);
    plan->end = last;
    for (size_t i = 0; i < count && last > first; i++)
        keys[plan->key_count++] = first + (last - first) * ((double)i + 0.5) / (double)count;
    tell_keys(options, plan, "equal steps");
    return 0;
}

/* Whether the error is only that there is no such model. */
static bool is_no_model(int status)
{
    return status == SOWLV2_ERROR_MODEL || status == SOWLV2_ERROR_IO || status == SOWLV2_ERROR_FORMAT ||
           status == SOWLV2_ERROR_UNSUPPORTED;
}

static int choose(const struct settings *settings, const struct track_options *options, const struct video_info *info,
                  struct video_plan *out)
{
    sowlv2_scorer *scorer = NULL;
    int status = settings->enable_vjepa2 ? vjepa2_model_open(settings, NULL, &scorer) : SOWLV2_ERROR_MODEL;

    if (!status) {
        out->used = true;
        status = choose_by_model(settings, options, scorer, &out->plan);
    } else if (settings->enable_vjepa2 && (settings->video.require_vjepa2 || !is_no_model(status))) {
        error_prefix(status, "--vjepa2-model");
        out->no_model = is_no_model(status);
    } else {
        if (settings->enable_vjepa2)
            log_notice("--vjepa2-model: %s: going on without V-JEPA 2", error_message());
        out->used = settings->use_temporal_detection;
        status = out->used ? choose_evenly(settings, options, info, &out->plan) : 0;
    }
    sowlv2_scorer_free(&scorer);
    return status;
}

int video_plan_make(const struct settings *settings, const struct track_options *options, struct video_plan *out)
{
    const bool wanted = settings->enable_vjepa2 || settings->use_temporal_detection;
    struct video_info info = {0};
    int status;

    *out = (struct video_plan){0};
    out->plan.merge_iou = settings->temporal_merge_threshold;
    out->plan.both_ways = settings->use_temporal_detection;
    if (!can_be_read_again(options->source)) {
        if (wanted)
            log_notice("%s: it cannot be read twice: standard processing, forward only", options->source);
        return 0;
    }
    status = look_at(options, &info);
    if (status || info.live)
        return status;
    if (wanted)
        return choose(settings, options, &info, out);
    if (info.duration > LONG_VIDEO)
        log_notice("%s: over a minute long: --enable-vjepa2 --use-temporal-detection looks for where things happen "
                   "first",
                   options->source);
    return 0;
}

void video_plan_free(struct video_plan *plan)
{
    free(plan->plan.key_times);
    free(plan->plan.score_times);
    free(plan->plan.scores);
    *plan = (struct video_plan){0};
}
