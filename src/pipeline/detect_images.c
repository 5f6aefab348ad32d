/* Detection and segmentation in many images: decoding, computing and writing overlap. */
#include "pipeline/detect_images.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/first_error.h"
#include "base/log.h"
#include "pipeline/run.h"

#include <stdlib.h>
#include <string.h>

/* Decoded pixels in hand that make no more images start: seven photographs of 12 megapixels. */
static const size_t byte_budget = (size_t)256 << 20;

static int check_options(const struct detect_images_options *options)
{
    if (!options->given && (!options->prompts || options->prompt_count < 1))
        return error_set(SOWLV2_ERROR_ARGUMENT, "prompts: none given: name what to look for");
    if (options->input_count == 0)
        return error_set(SOWLV2_ERROR_ARGUMENT, "inputs: none given");
    if (options->batch_size < 1 || options->batch_size > DETECT_IMAGES_MAX_BATCH)
        return error_set(SOWLV2_ERROR_ARGUMENT, "batch size: %d is not from 1 to %d", options->batch_size,
                         DETECT_IMAGES_MAX_BATCH);
    if (options->io_threads < 1 || options->io_threads > DETECT_IMAGES_MAX_THREADS)
        return error_set(SOWLV2_ERROR_ARGUMENT, "I/O threads: %d is not from 1 to %d", options->io_threads,
                         DETECT_IMAGES_MAX_THREADS);
    return 0;
}

static int open_outputs(struct run *run)
{
    const struct detect_images_options *options = run->options;
    struct sink_context context = {.claim = run->claim,
                                   .folder = options->output,
                                   .options = options->outputs,
                                   .prompts = options->prompts,
                                   .prompt_count = options->prompt_count,
                                   .masks = run->masks};

    context.options.pictures = true;
    return outputs_open(&context, &run->outputs);
}

/* The output folder, and with --resume without the inputs that it has. What an earlier run left there is replaced only
 * when the first image is done: where none can be, it stays. */
static int open_output(struct run *run, struct detect_images_report *report)
{
    const struct detect_images_options *options = run->options;
    const struct output_claim_options wanted = {.folder = options->output, .resume = options->resume};
    struct string_list stems = {0};
    int64_t done = 0;
    int status = 0;

    run->claim = options->claim;
    if (!run->claim && options->output)
        status = output_claim_open(&wanted, &run->claim);
    if (!status && run->claim && output_claim_resumes(run->claim)) {
        status = output_claim_load(run->claim);
        if (!status)
            done = inputs_take_out_done(&run->inputs, run->claim);
        if (!status && done < 0)
            status = (int)done;
        if (!status)
            status = output_claim_stems(run->claim, &stems);
    }
    if (!status)
        status = inputs_name_files(&run->inputs, &stems);
    if (!status)
        status = open_outputs(run);
    if (!status && run->claim &&
        (output_claim_resumes(run->claim) || (run->inputs.names.count > 0 && !output_claim_has_results(run->claim))))
        status = outputs_begin(run->outputs);
    string_list_free(&stems);
    report->skipped = done > 0 ? (size_t)done : 0;
    return status;
}

/* Closes it; an error before counts. */
static int close_output(struct run *run, int status)
{
    const struct output_claim *claim = run->claim;
    struct first_error error;

    if (!status && claim && run->inputs.names.count > 0 && !output_claim_has_begun(claim) &&
        output_claim_has_results(claim))
        log_notice("%s: no image was done: the results of an earlier run there stay", run->options->output);
    first_error_init(&error);
    first_error_keep(&error, status);
    first_error_keep(&error, outputs_close(&run->outputs));
    if (claim)
        first_error_keep(&error, output_claim_end(run->claim));
    if (claim != run->options->claim)
        output_claim_close(&run->claim);
    return first_error_end(&error);
}

static int encode_prompts(struct run *run, const sowlv2_detector *detector, double *seconds)
{
    struct sowlv2_prompt_options options = sowlv2_prompt_options_default();
    double start = clock_seconds();
    int status;

    if (run->options->prompt_template)
        options.prompt_template = run->options->prompt_template;
    run->detector = detector;
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
            status = sowlv2_detect_session_create(detector, &run->session);
    }
    if (!status && segmenter)
        status = sowlv2_segment_session_create(segmenter, &run->segment_session);
    return status;
}

/* The inputs as somebody has listed them. */
static int take_listed(const struct detect_images_options *options, struct inputs *out)
{
    int status = 0;

    for (size_t i = 0; !status && i < options->input_count; i++) {
        status = string_list_append(&out->paths, options->inputs[i]);
        if (!status)
            status = string_list_append(&out->names, options->names[i]);
    }
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
    int status = options->names ? take_listed(options, &run->inputs) : inputs_list(&wanted, &run->inputs);

    run->inputs.interrupted = options->interrupted;
    run->inputs.memory = options->memory;

    run->masks = segmenter;
    if (!status)
        status = make_sessions(run, detector, segmenter, &report->prompt_seconds);
    if (!status)
        status = open_output(run, report);
    if (status)
        return status;
    /* One batch being computed, the next being decoded, and one image for each thread. */
    run->window = 2 * (size_t)options->batch_size + (size_t)options->io_threads;
    run->batch_bytes = byte_budget / 2;
    run->pending = calloc(run->window, sizeof(struct job *));
    run->decoded = queue_create(run->window);
    run->computed = queue_create(run->window * ((size_t)options->io_threads + 1));
    run->ledger = ledger_create(run->inputs.names.count, run->window, byte_budget, run->outputs);
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
    sowlv2_detect_session_free(&run->session);
    sowlv2_prompts_free(&run->prompts);
    inputs_free(&run->inputs);
    pthread_mutex_destroy(&run->asking);
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
    report->covered = run->covered;
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
    pthread_mutex_init(&run.asking, NULL);
    pthread_mutex_init(&run.writing, NULL);
    status = check_options(&mine);
    if (!status)
        status = prepare(&run, detector, segmenter, report);
    if (!status)
        status = process(&run, report);
    status = close_output(&run, status);
    release(&run);
    report->total_seconds = clock_seconds() - start;
    return status;
}
