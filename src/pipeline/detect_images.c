/* Detection and segmentation in many images: decoding, computing and writing overlap. */
#include "pipeline/detect_images.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/first_error.h"
#include "base/log.h"
#include "pipeline/prompts.h"
#include "pipeline/run.h"

#include <stdlib.h>
#include <string.h>

/* Decoded pixels that fill a batch; in hand are those of one on each device and of the next, which makes seven
 * photographs of 12 megapixels where there is one device. */
static const size_t batch_budget = (size_t)128 << 20;

static int open_outputs(struct run *run)
{
    struct output_claim *const claim = run->options->claim;
    struct sink_context context = {
        .claim = claim, .folder = output_claim_folder(claim), .options = run->options->outputs, .masks = run->masks};

    context.options.job = run->job;
    context.options.pictures = true;
    return outputs_open(&context, &run->outputs);
}

/* The output folder, and where it resumes without the inputs that it has. What an earlier run left there is replaced
 * only when the first image is done: where none can be, it stays. */
static int open_output(struct run *run, struct detect_images_report *report)
{
    struct output_claim *const claim = run->options->claim;
    const bool resumes = claim && output_claim_resumes(claim);
    struct string_list stems = {0};
    const int64_t done = resumes ? inputs_take_out_done(&run->inputs, claim) : 0;
    int status = done < 0 ? (int)done : 0;

    if (!status && resumes)
        status = output_claim_stems(claim, &stems);
    if (!status)
        status = inputs_name_files(&run->inputs, &stems);
    if (!status)
        status = open_outputs(run);
    if (!status && claim && (resumes || (run->inputs.names.count > 0 && !output_claim_has_results(claim))))
        status = outputs_begin(run->outputs);
    string_list_free(&stems);
    report->skipped = done > 0 ? (size_t)done : 0;
    return status;
}

/* Closes it; an error before counts. */
static int close_output(struct run *run, int status)
{
    struct output_claim *const claim = run->options->claim;
    struct first_error error;

    if (!status && claim && run->inputs.names.count > 0 && !output_claim_has_begun(claim) &&
        output_claim_has_results(claim))
        log_notice("%s: no image was done: the results of an earlier run there stay", output_claim_folder(claim));
    first_error_init(&error);
    first_error_keep(&error, status);
    first_error_keep(&error, outputs_close(&run->outputs));
    if (claim)
        first_error_keep(&error, output_claim_end(claim));
    return first_error_end(&error);
}

static int make_sessions(struct computer *computer, const sowlv2_segmenter *segmenter, double *prompt_seconds)
{
    const struct sowlv2_run_options *const job = computer->run->job;
    int status = 0;

    if (!job->marks) {
        const double start = clock_seconds();

        status = prompts_encode(job, computer->detector, computer->run->options->prompts_told, &computer->prompts);
        *prompt_seconds += clock_seconds() - start;
        if (!status)
            status = sowlv2_detect_session_create(computer->detector, &computer->session);
    }
    if (!status && segmenter)
        status = sowlv2_segment_session_create(segmenter, &computer->segment_session);
    return status;
}

static int make_computers(struct run *run, const struct sowlv2_run_models *models, size_t count, double *prompt_seconds)
{
    int status = 0;

    run->computers = calloc(count, sizeof(*run->computers));
    if (!run->computers)
        return error_memory("sessions");
    run->computer_count = count;
    for (size_t i = 0; !status && i < count; i++) {
        run->computers[i] = (struct computer){.run = run, .detector = models[i].detector, .tells = i == 0};
        status = make_sessions(&run->computers[i], models[i].segmenter, prompt_seconds);
    }
    return status;
}

/* Its own list, out of which go the inputs that are done. */
static int copy_inputs(const struct inputs *from, struct inputs *out)
{
    int status = 0;

    out->memory = from->memory;
    for (size_t i = 0; !status && i < from->paths.count; i++) {
        status = string_list_append(&out->paths, from->paths.items[i]);
        if (!status)
            status = string_list_append(&out->names, from->names.items[i]);
    }
    return status;
}

/* Everything that the threads need; what was made is released by release(). */
static int prepare(struct run *run, const struct sowlv2_run_models *models, size_t count,
                   struct detect_images_report *report)
{
    const struct sowlv2_run_options *const job = run->job;
    int status = copy_inputs(run->options->inputs, &run->inputs);

    run->inputs.interrupted = job->stop;
    run->masks = models[0].segmenter;
    if (!status)
        status = make_computers(run, models, count, &report->prompt_seconds);
    if (!status)
        status = open_output(run, report);
    if (status)
        return status;
    /* One batch being computed on each device, the next being decoded, and one image for each thread. */
    run->window = (count + 1) * (size_t)job->batch_size + (size_t)job->io_threads;
    run->batch_bytes = batch_budget;
    run->pending = calloc(run->window, sizeof(struct job *));
    run->decoded = queue_create(run->window);
    run->computed = queue_create(run->window * ((size_t)job->io_threads + 1));
    run->ledger = ledger_create(run->inputs.names.count, run->window, (count + 1) * batch_budget, run->outputs);
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
    for (size_t i = 0; i < run->computer_count; i++) {
        sowlv2_segment_session_free(&run->computers[i].segment_session);
        sowlv2_detect_session_free(&run->computers[i].session);
        sowlv2_prompts_free(&run->computers[i].prompts);
    }
    free(run->computers);
    inputs_free(&run->inputs);
    pthread_mutex_destroy(&run->taking);
    pthread_mutex_destroy(&run->announcing);
    pthread_mutex_destroy(&run->asking);
    pthread_mutex_destroy(&run->writing);
}

/* Threads on, images through, threads off. */
static int process(struct run *run, struct detect_images_report *report)
{
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
    report->interrupted = atomic_load(&run->stopping) && ledger_status(run->ledger) == 0;
    if (*run->job->stop)
        report->interrupted = true;
    report->decode_seconds = totals.decode_seconds;
    report->write_seconds = totals.write_seconds;
    report->wait_seconds = run->wait_seconds;
    for (size_t i = 0; i < run->computer_count; i++) {
        report->detect_seconds += run->computers[i].detect_seconds;
        report->encode_seconds += run->computers[i].encode_seconds;
        report->mask_seconds += run->computers[i].mask_seconds;
        report->covered += run->computers[i].covered;
    }
    return ledger_status(run->ledger);
}

int detect_images(const struct sowlv2_run_models *models, size_t count, const struct detect_images_options *options,
                  struct detect_images_report *report)
{
    struct run run = {.options = options, .job = options->job};
    double start = clock_seconds();
    int status;

    *report = (struct detect_images_report){0};
    pthread_mutex_init(&run.asking, NULL);
    pthread_mutex_init(&run.writing, NULL);
    pthread_mutex_init(&run.taking, NULL);
    pthread_mutex_init(&run.announcing, NULL);
    status = prepare(&run, models, count, report);
    if (!status)
        status = process(&run, report);
    status = close_output(&run, status);
    release(&run);
    report->total_seconds = clock_seconds() - start;
    return status;
}
