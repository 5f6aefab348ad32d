/* What detect and segment share: models, a run over images, its report. */
#include "cli/image_run.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/device.h"
#include "cli/download.h"
#include "cli/exit_status.h"
#include "cli/job.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "cli/video_run.h"
#include "pipeline/detect_images.h"
#include "pipeline/job.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct sowlv2_device_options device_options(const struct settings *settings)
{
    return (struct sowlv2_device_options){.device = device_chosen(settings),
                                          .precision = precision_chosen(settings),
                                          .cpu_level = settings->cpu,
                                          .threads = (int)settings->threads};
}

/* The library gives UNSUPPORTED and ARGUMENT for a device, precision or CPU level that is not there. */
static int model_failure(int status)
{
    if (status == SOWLV2_ERROR_CANCELLED && signals_interrupted)
        return EXIT_INTERRUPTED;
    return verb_fail(status == SOWLV2_ERROR_UNSUPPORTED || status == SOWLV2_ERROR_ARGUMENT ? EXIT_USAGE
                                                                                           : EXIT_NO_MODEL);
}

static int open_detector(const struct settings *settings, sowlv2_detector **detector)
{
    struct sowlv2_model_options options = sowlv2_model_options_default();
    struct download download = {0};
    int status;

    options.model = settings->owl_model;
    options.revision = settings->revision;
    options.cache_dir = settings->cache_dir;
    options.offline = settings->offline;
    options.download = download_update;
    options.download_user_data = &download;
    options.device = device_options(settings);
    status = sowlv2_detector_open(&options, detector);
    download_end(&download);
    return status ? model_failure(status) : EXIT_DONE;
}

/* `needed`: nothing can be done without it. Else a user who wants boxes alone is told how. `tracks`: it is to follow
 * objects, which not every checkpoint can; better now than after the first inputs. */
static int open_segmenter(const struct settings *settings, bool needed, bool tracks, sowlv2_segmenter **segmenter)
{
    struct sowlv2_model_options options = sowlv2_segmenter_options_default();
    struct download download = {0};
    int status;

    options.model = settings->sam_model;
    options.revision = needed ? settings->revision : settings->sam_revision;
    options.cache_dir = settings->cache_dir;
    options.offline = settings->offline;
    options.download = download_update;
    options.download_user_data = &download;
    options.device = device_options(settings);
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

/* Reading and writing need little beside the computation: up to four threads. */
static int automatic_threads(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 2;

    return count < 1 ? 1 : count > 4 ? 4 : count;
}

int image_run_threads(const struct settings *settings)
{
    if (settings->thread_pool_size > 0)
        return (int)settings->thread_pool_size;
    return settings->max_workers > 0 ? (int)settings->max_workers : automatic_threads();
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

static struct detect_images_options pipeline_options(const struct settings *settings, const struct video_inputs *inputs,
                                                     const struct mark_objects *given, struct output_claim *claim,
                                                     struct progress *progress)
{
    struct detect_images_options options = {
        .prompts = (const char *const *)settings->prompts.items,
        .prompt_count = settings->prompts.count,
        .prompt_template = settings->prompt_template,
        .inputs = (const char *const *)inputs->images.items,
        .input_count = inputs->images.count,
        .names = (const char *const *)inputs->image_names.items,
        .recursive = settings->recursive,
        .output = settings->output,
        .claim = claim,
        .detect = sowlv2_detect_options_default(),
        .segment = segment_options(settings),
        .dedupe_iou = (float)settings->dedupe,
        .given = given ? given->items : NULL,
        .given_count = given ? given->count : 0,
        .binary = !settings->no_binary,
        .overlay = !settings->no_overlay,
        .merged = !settings->no_merged,
        .crops = settings->crops,
        .draw = settings->draw ? settings->draw : automatic_draw(settings),
        .batch_size = settings->disable_gpu_batching ? 1 : (int)settings->batch_size,
        .io_threads = image_run_threads(settings),
        .max_pixels = settings->max_pixels,
        .allow_truncated = settings->allow_truncated,
        .progress = progress_update,
        .progress_user_data = progress,
        .interrupted = &signals_interrupted,
    };

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
        {"wait", report->wait_seconds, "of the computation for files, but for the first"},
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

static int exit_status_of(const struct run_count *count)
{
    if (count->interrupted)
        return EXIT_INTERRUPTED;
    if (count->failed == 0)
        return EXIT_DONE;
    if (count->done > 0)
        return EXIT_SOME_FAILED;
    return count->no_model ? EXIT_NO_MODEL : EXIT_ALL_FAILED;
}

static int open_models(const struct settings *settings, const struct mark_objects *given, bool tracks,
                       sowlv2_detector **detector, sowlv2_segmenter **segmenter)
{
    int result = EXIT_DONE;

    terminal_progress("opening the models");
    if (!given)
        result = open_detector(settings, detector);
    if (result == EXIT_DONE && settings_want_masks(settings))
        result = open_segmenter(settings, given != NULL, tracks, segmenter);
    terminal_progress_end();
    return result;
}

/* The images. */
static int run_images(const struct settings *settings, const struct video_inputs *inputs,
                      const struct mark_objects *given, const sowlv2_detector *detector,
                      const sowlv2_segmenter *segmenter, struct output_claim *claim, double model_seconds,
                      struct run_count *count)
{
    struct detect_images_report report;
    struct progress progress;
    int status;

    progress_begin(&progress);

    struct detect_images_options options = pipeline_options(settings, inputs, given, claim, &progress);
#ifdef __AFL_HAVE_MANUAL_CONTROL /* tools/afl.sh: again and again; no thread runs in between */
    while (__AFL_LOOP(1000))
        detect_images(detector, segmenter, &options, &report);
#endif
    status = detect_images(detector, segmenter, &options, &report);
    terminal_progress_end();
    if (settings->verbose)
        print_timing(&report, model_seconds);
    if (status)
        return status;
    print_summary(settings, &report, model_seconds + report.total_seconds);
    count->done += report.images - report.failed + report.skipped;
    count->failed += report.failed;
    count->interrupted = report.interrupted;
    return 0;
}

static int run(const struct settings *settings, const struct mark_objects *given, const struct video_inputs *inputs,
               const struct run_output *output)
{
    sowlv2_detector *detector = NULL;
    sowlv2_segmenter *segmenter = NULL;
    struct run_count count = {0};
    double start = clock_seconds();
    int result = open_models(settings, given, inputs->videos.count > 0, &detector, &segmenter), status = 0;

    if (result == EXIT_DONE) {
        if (inputs->images.count > 0)
            status = run_images(settings, inputs, given, detector, segmenter, output->claim, clock_seconds() - start,
                                &count);
        if (status && status != SOWLV2_ERROR_CANCELLED && inputs->videos.count > 0) {
            terminal_error(error_message()); /* the videos are done all the same */
            count.failed += inputs->images.count;
            status = 0;
        }
        if (!status && inputs->videos.count > 0 && !count.interrupted)
            video_run(settings, given, detector, segmenter, inputs, output, &count);
        result = status ? verb_fail(EXIT_ALL_FAILED) : exit_status_of(&count);
    }
    sowlv2_segmenter_free(&segmenter);
    sowlv2_detector_free(&detector);
    return result;
}

/* What is wrong with the inputs is said before the models are opened, which takes longer. */
static int sort_inputs(const struct settings *settings, struct video_inputs *out)
{
    int status = video_inputs_sort(settings, out);

    if (!status && out->videos.count + out->images.count == 0)
        status = error_set(SOWLV2_ERROR_ARGUMENT,
                           "--input: nothing but results of earlier runs, which are not taken as input: copy what you "
                           "want of them to another folder");
    if (status)
        return verb_fail(EXIT_ALL_FAILED);
    if (out->videos.count == 0 || settings_want_masks(settings))
        return EXIT_DONE;
    if (out->images.count == 0) {
        error_set(SOWLV2_ERROR_ARGUMENT, "%s: a video: objects are followed by their masks: not with --sam-model none",
                  out->videos.items[0]);
        return verb_fail(EXIT_USAGE);
    }
    log_notice("%zu video%s left out: objects are followed by their masks: not with --sam-model none",
               out->videos.count, out->videos.count == 1 ? " is" : "s are");
    string_list_free(&out->videos);
    string_list_free(&out->names);
    return EXIT_DONE;
}

/* The output folder, and what --resume finds there: whatever is wrong is said before the models are opened. */
static int open_output(const struct settings *settings, unsigned verb, const struct video_inputs *inputs,
                       struct run_output *output)
{
    struct output_claim_options wanted = {.folder = settings->output, .job = &output->job, .resume = settings->resume};
    int status = job_describe(settings, verb, &output->job);

    if (!status)
        status = output_claim_open(&wanted, &output->claim);
    if (!status && settings->resume && inputs->images.count > 0)
        status = output_claim_load(output->claim);
    if (!status)
        status = video_places_find(inputs, output->claim, &output->job, &output->places);
    if (status)
        return verb_fail(status == SOWLV2_ERROR_ARGUMENT ? EXIT_USAGE : EXIT_ALL_FAILED);
    return EXIT_DONE;
}

static void close_output(const struct video_inputs *inputs, struct run_output *output)
{
    video_places_free(output->places, inputs->videos.count);
    output_claim_close(&output->claim);
    string_list_free(&output->job);
}

/* Whether an earlier run has done all there is. */
static bool is_all_done(const struct video_inputs *inputs, const struct run_output *output)
{
    for (size_t i = 0; i < inputs->videos.count; i++)
        if (!output->places[i].done)
            return false;
    return inputs->images.count == 0;
}

static int run_with_output(const struct settings *settings, const struct mark_objects *given,
                           const struct video_inputs *inputs)
{
    struct run_output output = {0};
    struct run_count count = {0};
    int result = open_output(settings, given ? FOR_SEGMENT : FOR_DETECT, inputs, &output);

    if (result == EXIT_DONE && is_all_done(inputs, &output)) {
        video_run(settings, given, NULL, NULL, inputs, &output, &count); /* says so */
        result = exit_status_of(&count);
    } else if (result == EXIT_DONE) {
        result = run(settings, given, inputs, &output);
    }
    close_output(inputs, &output);
    return result;
}

int image_run(const struct settings *settings, const struct mark_objects *given)
{
    struct video_inputs inputs;
    int result = sort_inputs(settings, &inputs);

    if (result == EXIT_DONE) {
        options_tell_unused(settings, inputs.images.count > 0, inputs.videos.count > 0);
        signals_ignore_pipe();
        signals_catch_interrupts();
        device_chosen(settings); /* what it has to say is said first */
        result = run_with_output(settings, given, &inputs);
    }
    video_inputs_free(&inputs);
    return result;
}
