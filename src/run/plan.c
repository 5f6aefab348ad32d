/* The pass over a video before it is tracked. */
#include "run/plan.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/url.h"

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
        log_notice("%s: key frames by %s at %s s", options->name, how, text.data);
    string_free(&text);
}

/* Whose progress is told. */
struct looking {
    struct sowlv2_run *run;
    const char *name;
};

static bool tell_progress(int64_t done, int64_t total, void *user_data)
{
    const struct looking *const looking = user_data;

    run_tell_progress(looking->run, looking->name, "key frames", (size_t)done, (size_t)total);
    return !run_is_stopped(looking->run);
}

/* The scorer's choice. */
static int choose_by_scorer(struct sowlv2_run *run, const struct track_options *options, const sowlv2_scorer *scorer,
                            struct track_plan *plan)
{
    const struct video_reader_options *const reader = &options->reader;
    const bool folder = file_is_directory(options->source);
    struct looking looking = {run, options->name};
    struct sowlv2_score_options score = sowlv2_score_options_default();
    struct sowlv2_choice_options choice = sowlv2_choice_options_default();
    struct sowlv2_key_frames_options wanted = sowlv2_key_frames_options_default();
    struct sowlv2_key_frames_report report;

    score.frames_per_clip = (int)run->options.frames_per_clip;
    choice.target_frames = run->options.key_frame_count;
    choice.spacing = run->options.key_frame_spacing;
    wanted.score = &score;
    wanted.choice = &choice;
    wanted.fps = run->options.scorer_fps;
    wanted.source_fps = folder && reader->fps <= 0 ? VIDEO_FOLDER_RATE : reader->fps;
    wanted.start = reader->start;
    wanted.end = reader->end;
    wanted.frames = reader->frames;
    wanted.max_pixels = reader->max_pixels;
    wanted.allow_truncated = reader->allow_truncated;
    wanted.allow_playlists = reader->allow_playlists;
    wanted.decoder_program = run->options.decoder_program;
    wanted.quiet = true;
    wanted.progress = tell_progress;
    wanted.user_data = &looking;
    wanted.stop = run->options.stop;
    int status = sowlv2_key_frames_run(scorer, options->source, &wanted, &report);

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
    if (rate > 0 && reader->frames.last > 0 &&
        (*last <= 0 || reader->start + (double)reader->frames.last / rate < *last))
        *last = reader->start + (double)reader->frames.last / rate;
    if (rate > 0 && reader->frames.first > 0)
        *first += (double)(reader->frames.first - 1) / rate;
}

/* Equal steps through the video's length, as far as it says it. Where the frames turn out to end elsewhere, the steps
 * are made anew. */
static int choose_evenly(const struct sowlv2_run *run, const struct track_options *options,
                         const struct video_info *info, struct track_plan *plan)
{
    const size_t wanted = (size_t)run->options.key_frame_count;
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

/* One after the other: what a download tells is for one. */
static int open_scorer(const struct sowlv2_model_options *wanted, sowlv2_scorer **out)
{
    static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;

    pthread_mutex_lock(&opening);
    const int status = sowlv2_scorer_open(wanted, out);
    pthread_mutex_unlock(&opening);
    return status;
}

/* Whether the error is only that there is no such model. */
static bool is_no_model(int status)
{
    return status == SOWLV2_ERROR_MODEL || status == SOWLV2_ERROR_IO || status == SOWLV2_ERROR_FORMAT ||
           status == SOWLV2_ERROR_UNSUPPORTED;
}

static int choose(struct sowlv2_run *run, const struct sowlv2_model_options *wanted,
                  const struct track_options *options, const struct video_info *info, struct run_plan *out)
{
    sowlv2_scorer *scorer = NULL;
    int status = wanted ? open_scorer(wanted, &scorer) : SOWLV2_ERROR_MODEL;

    if (!status) {
        out->used = true;
        status = choose_by_scorer(run, options, scorer, &out->plan);
    } else if (wanted && (run->options.scorer_required || !is_no_model(status))) {
        error_prefix(status, "--vjepa2-model");
        out->no_model = is_no_model(status);
    } else {
        if (wanted)
            log_notice("--vjepa2-model: %s: continuing without V-JEPA 2", error_message());
        out->used = run->options.key_frames;
        status = out->used ? choose_evenly(run, options, info, &out->plan) : 0;
    }
    sowlv2_scorer_free(&scorer);
    return status;
}

int run_plan_make(struct sowlv2_run *run, const struct sowlv2_model_options *scorer_model,
                  const struct track_options *options, struct run_plan *out)
{
    const bool wanted = scorer_model || run->options.key_frames;
    struct video_info info = {0};

    *out = (struct run_plan){0};
    if (options->reader.stream || !can_be_read_again(options->source)) {
        if (wanted)
            log_notice("%s: it cannot be read twice: objects are followed forward only", options->name);
        return 0;
    }

    const int status = look_at(options, &info);
    if (status || info.live)
        return status;
    if (wanted)
        return choose(run, scorer_model, options, &info, out);
    if (info.duration > LONG_VIDEO)
        log_notice(
            "%s: over a minute long: --enable-vjepa2 --use-temporal-detection first looks for where things happen",
            options->source);
    return 0;
}

void run_plan_free(struct run_plan *plan)
{
    free(plan->plan.key_times);
    free(plan->plan.score_times);
    free(plan->plan.scores);
    *plan = (struct run_plan){0};
}
