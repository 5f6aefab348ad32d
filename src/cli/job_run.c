/* What detect and segment share: models, a job over images and videos, its report. */
#include "cli/job_run.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/device.h"
#include "cli/download.h"
#include "cli/exit_status.h"
#include "cli/job.h"
#include "cli/job_report.h"
#include "cli/options.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

#include <stdlib.h>
#include <string.h>

/* The library gives UNSUPPORTED and ARGUMENT for a device, precision or CPU level that is not there. */
static int model_failure(int status)
{
    if (status == SOWLV2_ERROR_CANCELLED && signals_interrupted)
        return EXIT_INTERRUPTED;
    return verb_fail(status == SOWLV2_ERROR_UNSUPPORTED || status == SOWLV2_ERROR_ARGUMENT ? EXIT_USAGE
                                                                                           : EXIT_NO_MODEL);
}

static int open_detector(const struct settings *settings, const struct sowlv2_device_options *device,
                         sowlv2_detector **detector)
{
    struct sowlv2_model_options options = sowlv2_model_options_default();
    struct download download = {0};
    int status;

    download_options(settings, settings->owl_model, settings->revision, &download, &options);
    options.device_options = device;
    status = sowlv2_detector_open(&options, detector);
    download_end(&download);
    return status ? model_failure(status) : EXIT_DONE;
}

/* `needed`: nothing can be done without it. Else a user who wants boxes alone is told how. `tracks`: it is to follow
 * objects, which not every checkpoint can; better now than after the first inputs. */
static int open_segmenter(const struct settings *settings, const struct sowlv2_device_options *device, bool needed,
                          bool tracks, sowlv2_segmenter **segmenter)
{
    struct sowlv2_model_options options = sowlv2_segmenter_options_default();
    struct download download = {0};
    int status;

    download_options(settings, settings->sam_model, needed ? settings->revision : settings->sam_revision, &download,
                     &options);
    options.device_options = device;
    status = sowlv2_segmenter_open(&options, segmenter);
    download_end(&download);
    if (!status && tracks)
        status = sowlv2_segmenter_prepare_tracking(*segmenter);
    if (!status)
        return EXIT_DONE;
    if (status != SOWLV2_ERROR_UNSUPPORTED && status != SOWLV2_ERROR_ARGUMENT && status != SOWLV2_ERROR_CANCELLED) {
        char *why = strdup(error_message());

        error_set(status, "--sam-model: %s%s", why ? why : "out of memory",
                  needed || tracks ? "" : " (or --sam-model none, for boxes without masks)");
        free(why);
    }
    return model_failure(status);
}

static int exit_status_of(const struct sowlv2_run_report *report)
{
    if (report->interrupted)
        return EXIT_INTERRUPTED;
    if (report->failed == 0)
        return EXIT_DONE;
    if (report->done > 0)
        return EXIT_SOME_FAILED;
    return report->no_model ? EXIT_NO_MODEL : EXIT_ALL_FAILED;
}

/* Where and with what one device computes. */
struct models {
    struct sowlv2_device_options options;
    sowlv2_device *device; /* the models' */
    sowlv2_detector *detector;
    sowlv2_segmenter *segmenter;
    struct sowlv2_model_options scorer; /* of this device */
};

static int open_models(const struct settings *settings, const struct mark_objects *marks, bool tracks,
                       struct models *models)
{
    int result = EXIT_DONE;

    (void)sowlv2_device_open(&models->options, &models->device); /* where it fails, the models do, and say so */
    if (!marks)
        result = open_detector(settings, &models->options, &models->detector);
    if (result == EXIT_DONE && settings_want_masks(settings))
        result = open_segmenter(settings, &models->options, marks, tracks, &models->segmenter);
    return result;
}

static int open_all(const struct settings *settings, const struct mark_objects *marks, bool tracks,
                    struct models *models, size_t count)
{
    int result = EXIT_DONE;

    terminal_progress("opening the models");
    for (size_t i = 0; result == EXIT_DONE && i < count; i++)
        result = open_models(settings, marks, tracks, &models[i]);
    terminal_progress_end();
    return result;
}

static int start(const struct settings *settings, const struct mark_objects *marks, sowlv2_run *run,
                 struct models *models, size_t count, struct job_report *job)
{
    const struct sowlv2_run_inputs inputs = sowlv2_run_inputs(run);
    struct sowlv2_run_report report = {0};
    struct sowlv2_run_models given[DEVICE_MOST];
    const struct sowlv2_run_models *all[DEVICE_MOST];
    const double begin = clock_seconds();
    int result = EXIT_DONE;

    if (inputs.work)
        result = open_all(settings, marks, inputs.videos > inputs.videos_done, models, count);
    job->model_seconds = clock_seconds() - begin;
    for (size_t i = 0; i < count; i++) {
        given[i] = (struct sowlv2_run_models){sizeof(given[i]), models[i].detector, models[i].segmenter,
                                              models[i].scorer.size ? &models[i].scorer : NULL};
        all[i] = &given[i];
    }
    if (result == EXIT_DONE) {
        const int status = sowlv2_run_start_on(run, all, count, &report);

        terminal_progress_end();
        result = status ? verb_fail(status == SOWLV2_ERROR_UNSUPPORTED ? EXIT_USAGE : EXIT_ALL_FAILED)
                        : exit_status_of(&report);
    }
    for (size_t i = 0; i < count; i++) {
        device_tell_memory(settings, models[i].device);
        sowlv2_segmenter_free(&models[i].segmenter);
        sowlv2_detector_free(&models[i].detector);
        sowlv2_device_free(&models[i].device);
    }
    return result;
}

/* What cannot be, and what has no effect, said before the models are opened. */
static int check_inputs(const struct settings *settings, const sowlv2_run *run)
{
    const struct sowlv2_run_inputs inputs = sowlv2_run_inputs(run);

    if (inputs.images == 0 && !settings_want_masks(settings)) {
        error_set(SOWLV2_ERROR_ARGUMENT,
                  "%s: is a video, where objects are followed by their masks: not with --sam-model none",
                  sowlv2_run_input(run, true, 0));
        return verb_fail(EXIT_USAGE);
    }
    options_tell_unused(settings, inputs.images > 0, inputs.videos > 0);
    if (inputs.videos > 0 && settings->run.crops)
        log_notice("--crops: for images only, not for videos");
    signals_ignore_pipe();
    signals_catch_interrupts();
    return EXIT_DONE;
}

/* The settings of detect and segment as options of a job. */
struct job_options {
    struct sowlv2_run_options run; /* points to what follows, and into the settings */
    struct sowlv2_model_options scorer;
    struct string_list job;
};

static void set_inputs(const struct settings *settings, struct sowlv2_run_options *run)
{
    run->inputs = (const char *const *)settings->inputs.items;
    run->input_count = settings->inputs.count;
    run->as_video = settings->as_video.all;
    run->videos = (const char *const *)settings->as_video.paths.items;
    run->video_count = settings->as_video.paths.count;
    run->decoder_program = settings->isolate ? DECODER_PROGRAM : NULL;
}

/* `*out` must not move. `marks` NULL: prompts. Errors: MEMORY. */
static int make_options(const struct settings *settings, const struct mark_objects *marks, struct job_report *report,
                        struct job_options *out)
{
    struct sowlv2_run_options *const run = &out->run;

    progress_begin(&report->progress);
    *out = (struct job_options){.run = settings->run};
    out->scorer = sowlv2_scorer_options_default();
    download_options(settings, settings->frames.model, NULL, &report->download, &out->scorer);
    set_inputs(settings, run);
    run->detect = &settings->detect;
    run->segment = &settings->segment;
    run->track = &settings->track;
    run->scorer_model = settings->enable_vjepa2 && !marks ? &out->scorer : NULL;
    if (marks) {
        run->marks = marks->items;
        run->mark_count = marks->count;
    } else {
        run->prompts = (const char *const *)settings->prompts.items;
        run->prompt_count = settings->prompts.count;
    }
    run->pictures = settings->save_frames      ? SOWLV2_PICTURES_ALL
                    : settings->no_save_frames ? SOWLV2_PICTURES_NONE
                                               : SOWLV2_PICTURES_FEW;
    if (settings->disable_gpu_batching)
        run->batch_size = 1;
    run->io_threads = (int)(settings->thread_pool_size > 0 ? settings->thread_pool_size : settings->max_workers);
    run->stop = &signals_interrupted;
    run->progress = job_report_progress;
    run->part = job_report_part;
    run->user_data = report;
    const int status = job_describe(settings, marks ? FOR_SEGMENT : FOR_DETECT, &out->job);

    run->job = (const char *const *)out->job.items;
    run->job_count = out->job.count;
    return status;
}

static int run_job(const struct settings *settings, const struct mark_objects *marks, struct job_options *options,
                   struct job_report *report)
{
    struct models models[DEVICE_MOST];
    size_t count = 0;
    sowlv2_run *run = NULL;
    int result = sowlv2_run_create(&options->run, &run) ? verb_fail(EXIT_ALL_FAILED) : EXIT_DONE;

    if (result == EXIT_DONE)
        result = check_inputs(settings, run);
    if (result == EXIT_DONE) {
        count = device_count(settings);
        report->several = count > 1;
        for (size_t i = 0; i < count; i++) { /* what it has to say is said before the models are opened */
            models[i] = (struct models){.options = device_options(settings, i)};
            if (options->run.scorer_model)
                models[i].scorer = options->scorer;
            models[i].scorer.device_options = &models[i].options;
        }

        const int status = sowlv2_run_claim(run);

        if (status)
            result = verb_fail(status == SOWLV2_ERROR_ARGUMENT ? EXIT_USAGE : EXIT_ALL_FAILED);
    }
    if (result == EXIT_DONE)
        result = start(settings, marks, run, models, count, report);
    sowlv2_run_free(&run);
    return result;
}

int job_run(const struct settings *settings, const struct mark_objects *marks)
{
    struct job_report report = {.settings = settings};
    struct job_options options;
    int result = EXIT_DONE;

    if (make_options(settings, marks, &report, &options))
        return verb_fail(EXIT_ALL_FAILED);
#ifdef __AFL_HAVE_MANUAL_CONTROL /* tools/afl.sh: again and again; no thread runs in between */
    while (__AFL_LOOP(1000))
#endif
        result = run_job(settings, marks, &options, &report);
    string_list_free(&options.job);
    return result;
}
