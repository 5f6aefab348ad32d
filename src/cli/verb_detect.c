/* sowlv2 detect: from the settings to a run of the pipeline, and its report. */
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
#include <string.h>

/* What the milder rules accept: said once, not an error. */
static void give_notices(const struct settings *settings)
{
    if (settings->sam_model)
        log_notice("--sam-model: masks are not built into this version yet: boxes only");
    if (strcmp(settings->device, "cuda") == 0)
        log_notice("--device: cuda is not built into this version yet: using the CPU");
}

/* The library gives UNSUPPORTED and ARGUMENT for a device, precision or CPU level that is not there. */
static int open_detector(const struct settings *settings, sowlv2_detector **detector)
{
    struct sowlv2_model_options options = sowlv2_model_options_default();
    int status;

    options.model = settings->owl_model;
    options.revision = settings->revision;
    options.cache_dir = settings->cache_dir;
    options.device.device = "cpu";
    options.device.precision = settings->precision;
    options.device.cpu_level = settings->cpu;
    options.device.threads = (int)settings->threads;
    status = sowlv2_detector_open(&options, detector);
    if (!status)
        return EXIT_DONE;
    return verb_fail(status == SOWLV2_ERROR_UNSUPPORTED || status == SOWLV2_ERROR_ARGUMENT ? EXIT_USAGE
                                                                                           : EXIT_NO_MODEL);
}

/* Reading and writing need little beside the computation: up to four threads. */
static int automatic_threads(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 2;

    return count < 1 ? 1 : count > 4 ? 4 : count;
}

static struct detect_images_options pipeline_options(const struct settings *settings, struct progress *progress)
{
    struct detect_images_options options = {
        .prompts = (const char *const *)settings->prompts.items,
        .prompt_count = settings->prompts.count,
        .prompt_template = settings->prompt_template,
        .input = settings->input,
        .output = settings->output,
        .detect = sowlv2_detect_options_default(),
        .overlay = !settings->no_overlay && !settings->no_merged,
        .draw = settings->draw,
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
        {"open model", model_seconds, ""},
        {"prompts", report->prompt_seconds, ""},
        {"detect", report->detect_seconds, ""},
        {"decode", report->decode_seconds, "beside detect, summed over threads"},
        {"write", report->write_seconds, "beside detect, summed over threads"},
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
    char failed[64] = "";

    if (report->failed > 0)
        snprintf(failed, sizeof(failed), " (%zu failed)", report->failed);
    terminal_say("%zu image%s%s, %zu object%s -> %s (%.1f s)%s", report->images, report->images == 1 ? "" : "s", failed,
                 report->objects, report->objects == 1 ? "" : "s", settings->output, seconds,
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

static int run(const struct settings *settings)
{
    struct detect_images_report report;
    sowlv2_detector *detector = NULL;
    struct progress progress;
    double start = pipeline_clock(), opened;
    int result, status;

    terminal_progress("opening the model");
    result = open_detector(settings, &detector);
    terminal_progress_end();
    if (result != EXIT_DONE)
        return result;
    opened = pipeline_clock();
    progress_begin(&progress);

    struct detect_images_options options = pipeline_options(settings, &progress);
    status = detect_images(detector, &options, &report);
    terminal_progress_end();
    sowlv2_detector_free(&detector);
    if (settings->verbose)
        print_timing(&report, opened - start);
    if (status)
        return verb_fail(EXIT_ALL_FAILED);
    print_summary(settings, &report, pipeline_clock() - start);
    return exit_status_of(&report);
}

/* What is wrong with the input is said before the model is opened, which takes longer. */
int verb_detect(struct settings *settings)
{
    struct inputs inputs = {0};
    int status = settings_check_detect(settings);

    if (status)
        return verb_fail(EXIT_USAGE);
    status = inputs_list(settings->input, &inputs);
    inputs_free(&inputs);
    if (status)
        return verb_fail(status == SOWLV2_ERROR_UNSUPPORTED ? EXIT_USAGE : EXIT_ALL_FAILED);
    signals_ignore_pipe();
    signals_catch_interrupts();
    give_notices(settings);
    return run(settings);
}
