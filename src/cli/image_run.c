/* What detect and segment share: models, a run over images, its report. */
#include "cli/image_run.h"

#include "base/error.h"
#include "base/log.h"
#include "cli/exit_status.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "pipeline/detect_images.h"
#include "pipeline/inputs.h"
#include "pipeline/job.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct sowlv2_device_options device_options(const struct settings *settings)
{
    return (struct sowlv2_device_options){.device = "cpu",
                                          .precision = settings->precision,
                                          .cpu_level = settings->cpu,
                                          .threads = (int)settings->threads};
}

/* The library gives UNSUPPORTED and ARGUMENT for a device, precision or CPU level that is not there. */
static int model_failure(int status)
{
    return verb_fail(status == SOWLV2_ERROR_UNSUPPORTED || status == SOWLV2_ERROR_ARGUMENT ? EXIT_USAGE
                                                                                           : EXIT_NO_MODEL);
}

static int open_detector(const struct settings *settings, sowlv2_detector **detector)
{
    struct sowlv2_model_options options = sowlv2_model_options_default();
    int status;

    options.model = settings->owl_model;
    options.revision = settings->revision;
    options.cache_dir = settings->cache_dir;
    options.device = device_options(settings);
    status = sowlv2_detector_open(&options, detector);
    return status ? model_failure(status) : EXIT_DONE;
}

/* `needed`: nothing can be done without it. Else a user who wants boxes alone is told how. */
static int open_segmenter(const struct settings *settings, bool needed, sowlv2_segmenter **segmenter)
{
    struct sowlv2_model_options options = sowlv2_segmenter_options_default();
    int status;

    options.model = settings->sam_model;
    options.revision = needed ? settings->revision : settings->sam_revision;
    options.cache_dir = settings->cache_dir;
    options.device = device_options(settings);
    status = sowlv2_segmenter_open(&options, segmenter);
    if (!status)
        return EXIT_DONE;
    if (status != SOWLV2_ERROR_UNSUPPORTED && status != SOWLV2_ERROR_ARGUMENT) {
        char *why = strdup(error_message());

        error_set(status, "--sam-model: %s%s", why ? why : "out of memory",
                  needed ? "" : " (or --sam-model none, for boxes without masks)");
        free(why);
    }
    return model_failure(status);
}

/* Reading and writing need little beside the computation: up to four threads. */
static int automatic_threads(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 2;

    return count < 1 ? 1 : count > 4 ? 4 : count;
}

static unsigned automatic_draw(const struct settings *settings)
{
    return settings_want_masks(settings) ? DRAW_MASKS | DRAW_LABELS : DRAW_BOXES | DRAW_LABELS;
}

static struct sowlv2_segment_options segment_options(const struct settings *settings)
{
    struct sowlv2_segment_options options = sowlv2_segment_options_default();

    options.multimask = settings->multimask;
    options.mask_threshold = (float)settings->mask_threshold;
    options.fill_holes = (int)settings->fill_holes;
    options.remove_sprinkles = (int)settings->remove_sprinkles;
    options.refine = settings->refine;
    return options;
}

static struct detect_images_options pipeline_options(const struct settings *settings, const struct mark_objects *given,
                                                     struct progress *progress)
{
    struct detect_images_options options = {
        .prompts = (const char *const *)settings->prompts.items,
        .prompt_count = settings->prompts.count,
        .prompt_template = settings->prompt_template,
        .input = settings->input,
        .output = settings->output,
        .detect = sowlv2_detect_options_default(),
        .segment = segment_options(settings),
        .dedupe_iou = (float)settings->dedupe,
        .given = given ? given->items : NULL,
        .given_count = given ? given->count : 0,
        .binary = !settings->no_binary,
        .overlay = !settings->no_overlay,
        .merged = !settings->no_merged,
        .crops = settings->crops,
        .resume = settings->resume,
        .draw = settings->draw ? settings->draw : automatic_draw(settings),
        .batch_size = settings->disable_gpu_batching ? 1 : (int)settings->batch_size,
        .io_threads = automatic_threads(),
        .max_pixels = settings->max_pixels,
        .progress = progress_update,
        .progress_user_data = progress,
        .interrupted = &signals_interrupted,
    };

    if (settings->thread_pool_size > 0)
        options.io_threads = (int)settings->thread_pool_size;
    else if (settings->max_workers > 0)
        options.io_threads = (int)settings->max_workers;
    options.detect.threshold = (float)settings->threshold;
    options.detect.nms_iou = (float)settings->nms;
    options.detect.objectness = settings->objectness;
    return options;
}

static void print_timing(const struct detect_images_report *report, double model_seconds)
{
    const struct {
        const char *name;
        double seconds;
        const char *note;
    } rows[] = {
        {"open models", model_seconds, ""},
        {"prompts", report->prompt_seconds, ""},
        {"detect", report->detect_seconds, ""},
        {"encode", report->encode_seconds, "image encoder of the masks"},
        {"masks", report->mask_seconds, "mask decoder, masks brought to size"},
        {"decode", report->decode_seconds, "of files, beside the above, summed over threads"},
        {"write", report->write_seconds, "beside the above, summed over threads"},
        {"total", model_seconds + report->total_seconds, ""},
    };

    terminal_say("%-12s %10s %12s", "stage", "seconds", "ms an image");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        terminal_say("%-12s %10.3f %12.1f%s%s", rows[i].name, rows[i].seconds,
                     report->images > 0 ? 1e3 * rows[i].seconds / (double)report->images : 0.0,
                     *rows[i].note ? "  " : "", rows[i].note);
}

static void print_summary(const struct settings *settings, const struct detect_images_report *report, double seconds)
{
    char failed[64] = "", skipped[64] = "";

    if (report->failed > 0)
        snprintf(failed, sizeof(failed), " (%zu failed)", report->failed);
    if (report->skipped > 0)
        snprintf(skipped, sizeof(skipped), " (%zu more done before)", report->skipped);
    terminal_say("%zu image%s%s%s, %zu object%s -> %s (%.1f s)%s", report->images, report->images == 1 ? "" : "s",
                 failed, skipped, report->objects, report->objects == 1 ? "" : "s", settings->output, seconds,
                 report->interrupted ? ", interrupted" : "");
}

static int exit_status_of(const struct detect_images_report *report)
{
    if (report->interrupted)
        return EXIT_INTERRUPTED;
    if (report->failed == 0)
        return EXIT_DONE;
    return report->failed < report->images ? EXIT_SOME_FAILED : EXIT_ALL_FAILED;
}

static int open_models(const struct settings *settings, const struct mark_objects *given, sowlv2_detector **detector,
                       sowlv2_segmenter **segmenter)
{
    int result = EXIT_DONE;

    terminal_progress("opening the models");
    if (!given)
        result = open_detector(settings, detector);
    if (result == EXIT_DONE && settings_want_masks(settings))
        result = open_segmenter(settings, given != NULL, segmenter);
    terminal_progress_end();
    return result;
}

static int run(const struct settings *settings, const struct mark_objects *given)
{
    struct detect_images_report report;
    sowlv2_detector *detector = NULL;
    sowlv2_segmenter *segmenter = NULL;
    struct progress progress;
    double start = pipeline_clock(), opened;
    int result = open_models(settings, given, &detector, &segmenter), status = 0;

    if (result == EXIT_DONE) {
        opened = pipeline_clock();
        progress_begin(&progress);

        struct detect_images_options options = pipeline_options(settings, given, &progress);
        status = detect_images(detector, segmenter, &options, &report);
        terminal_progress_end();
        if (settings->verbose)
            print_timing(&report, opened - start);
        result = status ? verb_fail(EXIT_ALL_FAILED) : exit_status_of(&report);
        if (!status)
            print_summary(settings, &report, pipeline_clock() - start);
    }
    sowlv2_segmenter_free(&segmenter);
    sowlv2_detector_free(&detector);
    return result;
}

/* What is wrong with the input is said before the models are opened, which takes longer. */
int image_run(const struct settings *settings, const struct mark_objects *given)
{
    struct inputs inputs = {0};
    int status = inputs_list(settings->input, &inputs);

    inputs_free(&inputs);
    if (status)
        return verb_fail(status == SOWLV2_ERROR_UNSUPPORTED ? EXIT_USAGE : EXIT_ALL_FAILED);
    signals_ignore_pipe();
    signals_catch_interrupts();
    if (strcmp(settings->device, "cuda") == 0)
        log_notice("--device: cuda is not built into this version yet: using the CPU");
    return run(settings, given);
}
