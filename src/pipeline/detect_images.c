/* Detection and segmentation in many images: decoding, computing and writing overlap. */
#include "pipeline/detect_images.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "output/names.h"
#include "pipeline/run.h"

#include <stdlib.h>

/* Decoded pixels in hand that make no more images start: seven photographs of 12 megapixels. */
static const size_t byte_budget = (size_t)256 << 20;

static int check_options(const struct detect_images_options *options)
{
    if (!options->given && (!options->prompts || options->prompt_count < 1))
        return error_set(SOWLV2_ERROR_ARGUMENT, "prompts: none given: name what to look for");
    if (options->input_count == 0 || !options->output)
        return error_set(SOWLV2_ERROR_ARGUMENT, "input and output: both are needed");
    if (options->batch_size < 1 || options->batch_size > DETECT_IMAGES_MAX_BATCH)
        return error_set(SOWLV2_ERROR_ARGUMENT, "batch size: %d is not from 1 to %d", options->batch_size,
                         DETECT_IMAGES_MAX_BATCH);
    if (options->io_threads < 1 || options->io_threads > DETECT_IMAGES_MAX_THREADS)
        return error_set(SOWLV2_ERROR_ARGUMENT, "I/O threads: %d is not from 1 to %d", options->io_threads,
                         DETECT_IMAGES_MAX_THREADS);
    return 0;
}

static int make_folder(const struct detect_images_options *options, enum names_kind kind)
{
    char *folder = path_join(options->output, names_folder(kind));
    int status = folder ? file_make_directories(folder) : error_memory("output folder");

    free(folder);
    return status;
}

/* What a run that was killed left half written. */
static void remove_leftovers(const struct detect_images_options *options)
{
    file_remove_leftovers(options->output);
    for (int kind = 0; kind <= (int)NAMES_OBJECT_CROP; kind++) {
        char *folder = path_join(options->output, names_folder((enum names_kind)kind));

        if (folder)
            file_remove_leftovers(folder);
        free(folder);
    }
}

static int make_output(const struct detect_images_options *options, bool masks)
{
    const bool wanted[] = {
        [NAMES_OBJECT_MASK] = masks && options->binary,
        [NAMES_MERGED_MASK] = masks && options->binary && options->merged,
        [NAMES_OBJECT_OVERLAY] = masks && options->overlay,
        [NAMES_MERGED_OVERLAY] = options->overlay && options->merged,
        [NAMES_OBJECT_CROP] = masks && options->crops,
    };
    int status = file_make_directories(options->output);

    for (size_t kind = 0; !status && kind < sizeof(wanted) / sizeof(wanted[0]); kind++)
        if (wanted[kind])
            status = make_folder(options, (enum names_kind)kind);
    if (!status)
        remove_leftovers(options);
    return status;
}

/* results.jsonl, and with --resume without the inputs that it has. */
static int open_results(struct run *run, struct detect_images_report *report)
{
    struct string_list done = {0};
    int64_t removed = 0;
    int status;

    if (!run->options->resume)
        return results_open(run->options->output, &run->results);
    status = results_resume(run->options->output, &done, &run->results);
    if (!status)
        removed = inputs_remove(&run->inputs, &done);
    string_list_free(&done);
    report->skipped = removed > 0 ? (size_t)removed : 0;
    return removed < 0 ? (int)removed : status;
}

static int encode_prompts(struct run *run, const sowlv2_detector *detector, double *seconds)
{
    struct sowlv2_prompt_options options = sowlv2_prompt_options_default();
    double start = clock_seconds();
    int status;

    if (run->options->prompt_template)
        options.prompt_template = run->options->prompt_template;
    status =
        sowlv2_prompts_encode(detector, run->options->prompts, run->options->prompt_count, &options, &run->prompts);
    *seconds = clock_seconds() - start;
    return status;
}

static int make_sessions(struct run *run, const sowlv2_detector *detector, const sowlv2_segmenter *segmenter,
                         double *prompt_seconds)
{
    int status = 0;

    if (!run->options->given) {
        status = encode_prompts(run, detector, prompt_seconds);
        if (!status)
            status = sowlv2_session_create(detector, &run->session);
    }
    if (!status && segmenter)
        status = sowlv2_segment_session_create(segmenter, &run->segment_session);
    return status;
}

/* Everything that the threads need; what was made is released by release(). */
static int prepare(struct run *run, const sowlv2_detector *detector, const sowlv2_segmenter *segmenter,
                   struct detect_images_report *report)
{
    const struct detect_images_options *options = run->options;
    const struct inputs_options wanted = {.given = options->inputs,
                                          .count = options->input_count,
                                          .recursive = options->recursive,
                                          .output = options->output};
    int status = inputs_list(&wanted, &run->inputs);

    if (!status)
        status = inputs_name_files(&run->inputs);
    if (!status)
        status = names_slugs(options->prompts, options->prompt_count, &run->slugs);
    if (!status)
        status = make_sessions(run, detector, segmenter, &report->prompt_seconds);
    if (!status)
        status = make_output(options, segmenter != NULL);
    if (!status)
        status = open_results(run, report);
    if (status)
        return status;
    /* One batch being computed, the next being decoded, and one image for each thread. */
    run->window = 2 * (size_t)options->batch_size + (size_t)options->io_threads;
    run->batch_bytes = byte_budget / 2;
    run->pending = calloc(run->window, sizeof(struct job *));
    run->decoded = queue_create(run->window);
    run->computed = queue_create(run->window * ((size_t)options->io_threads + 1));
    run->ledger = ledger_create(run->inputs.names.count, run->window, byte_budget, run->results);
    if (!run->pending || !run->decoded || !run->computed || !run->ledger)
        return error_memory("image queues");
    return 0;
}

static void release(struct run *run)
{
    free(run->pending);
    queue_free(&run->decoded);
    queue_free(&run->computed);
    ledger_free(&run->ledger);
    sowlv2_segment_session_free(&run->segment_session);
    sowlv2_session_free(&run->session);
    sowlv2_prompts_free(&run->prompts);
    inputs_free(&run->inputs);
    string_list_free(&run->slugs);
    pthread_mutex_destroy(&run->writing);
}

/* Threads on, images through, threads off. */
static int process(struct run *run, struct detect_images_report *report)
{
    const volatile sig_atomic_t *interrupted = run->options->interrupted;
    struct ledger_totals totals;
    int status = stages_start(run);

    if (status) {
        ledger_abort(run->ledger, status);
        queue_close(run->decoded); /* no thread decodes */
    }
    compute_all(run);
    stages_join(run);
    totals = ledger_totals(run->ledger);
    report->images = totals.done;
    report->failed = totals.failed;
    report->objects = totals.objects;
    report->interrupted = run->stopping && ledger_status(run->ledger) == 0;
    if (interrupted && *interrupted)
        report->interrupted = true;
    report->decode_seconds = totals.decode_seconds;
    report->write_seconds = totals.write_seconds;
    report->wait_seconds = run->wait_seconds;
    report->detect_seconds = run->detect_seconds;
    report->encode_seconds = run->encode_seconds;
    report->mask_seconds = run->mask_seconds;
    return ledger_status(run->ledger);
}

int detect_images(const sowlv2_detector *detector, const sowlv2_segmenter *segmenter,
                  const struct detect_images_options *options, struct detect_images_report *report)
{
    struct detect_images_options mine = *options;
    struct run run = {.options = &mine};
    double start = clock_seconds();
    int status;

    *report = (struct detect_images_report){0};
    mine.detect.clip = true;                           /* rows hold clipped boxes */
    mine.segment.pixels = mine.segment.logits = false; /* runs are small */
    pthread_mutex_init(&run.writing, NULL);
    status = check_options(&mine);
    if (!status)
        status = prepare(&run, detector, segmenter, report);
    if (!status)
        status = process(&run, report);
    if (results_close(&run.results) != 0 && !status)
        status = SOWLV2_ERROR_IO;
    release(&run);
    report->total_seconds = clock_seconds() - start;
    return status;
}
