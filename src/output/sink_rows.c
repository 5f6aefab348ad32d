/* results.jsonl: a row an image or frame, once its files are there. */
#include "base/error.h"
#include "output/results_row.h"
#include "output/sink.h"

static int open_rows(struct sink_context *context, void **state)
{
    *state = context;
    return 0;
}

/* Rows hold the masks where no file does. */
static bool wants_rle(const struct sink_context *context)
{
    const struct output_options *options = &context->options;

    return context->masks && (options->rle || !options->binary || !options->pictures);
}

static size_t count_parts(const void *state, const struct output_frame *frame)
{
    return wants_rle(state) ? frame->count : 0;
}

/* An object that is lost has no runs: nothing of the picture is its. */
static int make_rle(void *state, struct output_frame *frame, size_t part, struct sink_scratch *scratch)
{
    struct sowlv2_mask mask = frame->objects[part].mask;
    uint32_t nothing = (uint32_t)((size_t)frame->image.width * (size_t)frame->image.height);

    (void)state;
    (void)scratch;
    mask.width = frame->image.width;
    mask.height = frame->image.height;
    if (mask.run_count == 0 && !mask.pixels) {
        mask.runs = &nothing;
        mask.run_count = 1;
    }
    return sowlv2_mask_rle(&mask, &frame->objects[part].rle);
}

static int make_row(void *state, struct output_frame *frame)
{
    const struct sink_context *context = state;
    const struct results_row_options options = {.prompts = context->prompts,
                                                .prompt_count = context->prompt_count,
                                                .masks = context->masks,
                                                .job = output_claim_job(context->claim)};

    results_row(frame, &options, &frame->row);
    return frame->row.failed ? error_memory("results row") : 0;
}

static int write_row(void *state, const struct output_frame *frame)
{
    const struct sink_context *context = state;

    return output_claim_write_row(context->claim, frame->row.data, frame->row.length);
}

const struct sink_kind sink_rows = {
    .name = "rows",
    .open = open_rows,
    .parts = count_parts,
    .write = make_rle,
    .complete = make_row,
    .frame = write_row,
};
