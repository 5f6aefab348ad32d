/* sowlv2 frames: from the settings to the chosen frames and the files that were asked for. */
#include "base/error.h"
#include "base/url.h"
#include "cli/device.h"
#include "cli/download.h"
#include "cli/exit_status.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "sowlv2_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int check_settings(const struct settings *settings)
{
    const struct frames_settings *own = &settings->frames;

    if (!settings->input)
        return error_set(SOWLV2_ERROR_ARGUMENT, "--input: missing: give a video or a folder of images");
    if (own->target_frames > 0 && own->target_fraction > 0)
        return error_set(SOWLV2_ERROR_ARGUMENT, "--target-frames, --target-fraction: both are given: give one");
    if (own->pooled && !own->features)
        return error_set(SOWLV2_ERROR_ARGUMENT, "--pooled: says what --features writes: give --features FILE too");
    if (own->scores && !sowlv2_key_frames_is_scores_name(own->scores))
        return error_set(SOWLV2_ERROR_ARGUMENT, "--scores: '%s' does not end in .json or .csv", own->scores);
    return 0;
}

static struct sowlv2_score_options make_score_options(const struct settings *settings)
{
    const struct frames_settings *const own = &settings->frames;
    struct sowlv2_score_options options = sowlv2_score_options_default();
    options.frames_per_clip = (int)own->frames_per_clip;
    options.clip_overlap = (int)own->clip_overlap;
    options.whole_frame = own->whole;
    options.importance = SOWLV2_IMPORTANCE_CHANGE;
    options.score_window = own->window;
    options.labels = own->labels;
    options.pooled = own->pooled;
    if (strcmp(own->importance, "variance") == 0)
        options.importance = SOWLV2_IMPORTANCE_VARIANCE;
    else if (strcmp(own->importance, "surprise") == 0)
        options.importance = SOWLV2_IMPORTANCE_SURPRISE;
    else if (strcmp(own->importance, "motion-aware") == 0)
        options.motion_weight = 0.5F;
    if (own->motion_weight >= 0)
        options.motion_weight = (float)own->motion_weight;
    return options;
}

static struct sowlv2_choice_options make_choice_options(const struct settings *settings)
{
    struct sowlv2_choice_options options = sowlv2_choice_options_default();
    options.target_frames = settings->frames.target_frames;
    options.target_fraction = settings->frames.target_fraction;
    options.spacing = settings->frames.spacing;
    return options;
}

static struct sowlv2_key_frames_options make_options(const struct settings *settings,
                                                     const struct sowlv2_score_options *score,
                                                     const struct sowlv2_choice_options *choice,
                                                     struct progress *progress)
{
    struct sowlv2_key_frames_options options = sowlv2_key_frames_options_default();
    options.fps = settings->frames.fps;
    options.max_pixels = settings->run.max_pixels;
    options.allow_truncated = settings->run.allow_truncated;
    options.allow_playlists = settings->run.allow_playlists;
    options.decoder_program = settings->isolate ? DECODER_PROGRAM : NULL;
    options.score = score;
    options.choice = choice;
    options.scores = settings->frames.scores;
    options.features = settings->frames.features;
    options.plot = settings->frames.plot;
    options.pictures = settings->frames.save;
    options.progress = progress_show;
    options.user_data = progress;
    options.stop = &signals_interrupted;
    return options;
}

static void print_results(const struct sowlv2_frames *frames, const sowlv2_scorer *scorer)
{
    for (size_t i = 0; i < frames->count; i++)
        if (frames->items[i].chosen)
            printf("%" PRId64 " %.3f %.4f %" PRId64 "\n", frames->items[i].number, frames->items[i].time,
                   (double)frames->items[i].score, frames->items[i].source_number);
    for (size_t i = 0; i < frames->clip_count; i++) {
        const struct sowlv2_clip *const clip = &frames->clips[i];
        for (int k = 0; k < SOWLV2_CLIP_LABELS && clip->labels[k] >= 0; k++)
            printf("clip %.3f %.3f %.4f %s\n", clip->start, clip->end, (double)clip->label_scores[k],
                   sowlv2_scorer_label(scorer, clip->labels[k]));
    }
}

static void print_summary(const struct settings *settings, const struct sowlv2_score_options *options,
                          const struct sowlv2_key_frames_report *report)
{
    const struct sowlv2_frames *const frames = &report->frames;
    if (settings->verbose) {
        terminal_say("%-12s %10s", "stage", "seconds");
        terminal_say("%-12s %10.3f", "read", report->read_seconds);
        terminal_say("%-12s %10.3f", "V-JEPA 2", report->model_seconds);
        terminal_say("%-12s %10.3f", "total", report->total_seconds);
    }
    terminal_say("%zu frame%s in %zu clip%s, %zu scene%s: %zu chosen by V-JEPA 2's %s%s (%.1f s)", frames->count,
                 frames->count == 1 ? "" : "s", frames->clip_count, frames->clip_count == 1 ? "" : "s",
                 frames->scene_count, frames->scene_count == 1 ? "" : "s", frames->chosen_count,
                 sowlv2_importance_name(options->importance), options->motion_weight > 0 ? " and motion" : "",
                 report->total_seconds);
}

/* Finds the model, with a download where that is needed, which shows; an exit status. */
static int open_scorer(const struct settings *settings, sowlv2_device *device, sowlv2_scorer **out)
{
    struct sowlv2_model_options options = sowlv2_scorer_options_default();
    struct download download = {0};
    download_options(settings, settings->frames.model, settings->revision, &download, &options);
    options.device = device;
    const int status = sowlv2_scorer_open(&options, out);
    download_end(&download);
    if (!status)
        return EXIT_DONE;
    return status == SOWLV2_ERROR_CANCELLED && signals_interrupted ? EXIT_INTERRUPTED : verb_fail(EXIT_NO_MODEL);
}

/* The device is opened by itself, since one that is not there is a fault of the flags, not of the model. */
static int open_model(const struct settings *settings, sowlv2_device **device, sowlv2_scorer **out)
{
    const struct sowlv2_device_options wanted = device_options(settings, 0);
    const int status = sowlv2_device_open(&wanted, device);
    if (status)
        return verb_fail(status == SOWLV2_ERROR_MEMORY ? EXIT_NO_MODEL : EXIT_USAGE);
    return open_scorer(settings, *device, out);
}

static int fail_status(int status)
{
    if (status == SOWLV2_ERROR_CANCELLED)
        return EXIT_INTERRUPTED;
    return verb_fail(EXIT_ALL_FAILED);
}

static int run(const struct settings *settings, const sowlv2_scorer *scorer)
{
    const struct sowlv2_score_options score = make_score_options(settings);
    const struct sowlv2_choice_options choice = make_choice_options(settings);
    struct progress progress;
    const struct sowlv2_key_frames_options options = make_options(settings, &score, &choice, &progress);
    struct sowlv2_key_frames_report report;
    int result = EXIT_DONE;
    if (sowlv2_score_check(scorer, &score) != 0)
        return verb_fail(EXIT_USAGE);
    progress_begin(&progress);
    progress.name = settings->input;
    const int status = sowlv2_key_frames_run(scorer, settings->input, &options, &report);
    terminal_progress_end();
    if (status)
        return fail_status(status);
    print_results(&report.frames, scorer);
    print_summary(settings, &score, &report);
    if (report.broken) {
        terminal_error(report.failure ? report.failure : "out of memory");
        result = EXIT_SOME_FAILED;
    }
    sowlv2_key_frames_report_free(&report);
    return result;
}

int verb_frames(struct settings *settings)
{
    sowlv2_scorer *scorer = NULL;
    sowlv2_device *device = NULL;
    if (check_settings(settings))
        return verb_fail(EXIT_USAGE);
    if (strcmp(settings->input, "-") != 0 && !url_is(settings->input) && access(settings->input, R_OK) != 0) {
        error_set(SOWLV2_ERROR_IO, "%s: cannot be read: give a video or a folder of images", settings->input);
        return verb_fail(EXIT_ALL_FAILED);
    }
    device_only_one(settings); /* what it has to say is said first */
    signals_catch_interrupts();
    terminal_progress("opening the model");
    int result = open_model(settings, &device, &scorer);
    terminal_progress_end();
    if (result == EXIT_DONE)
        result = run(settings, scorer);
    device_tell_memory(settings, device);
    sowlv2_scorer_free(&scorer);
    sowlv2_device_free(&device);
    return result;
}
