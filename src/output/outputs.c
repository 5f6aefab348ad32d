/* All sinks of a run: the table, and who is asked when. */
#include "output/outputs.h"

#include "base/error.h"
#include "base/first_error.h"
#include "output/names.h"

#include <stdlib.h>

/* Every output format. In this order the parts of a frame are begun: those that take longest first. What offers the
 * others something stands before them. */
#define SINKS(SINK)                                                                                                    \
    SINK(sink_videos)                                                                                                  \
    SINK(sink_overlays)                                                                                                \
    SINK(sink_masks)                                                                                                   \
    SINK(sink_crops)                                                                                                   \
    SINK(sink_rows)

#define DECLARE(kind) extern const struct sink_kind kind;
#define ENTER(kind) &kind,
SINKS(DECLARE)
static const struct sink_kind *const sink_table[] = {SINKS(ENTER)};

enum { TABLE_COUNT = sizeof(sink_table) / sizeof(sink_table[0]) };

/* A sink that was opened. */
struct sink {
    const struct sink_kind *kind;
    void *state;
};

struct outputs {
    struct sink_context context;
    bool begun; /* where there is no claim to say so */
    size_t count;
    struct sink sinks[]; /* [count] */
};

uint8_t *sink_scratch_get(struct sink_scratch *scratch, size_t size)
{
    if (size > scratch->size) {
        free(scratch->pixels);
        scratch->pixels = malloc(size);
        scratch->size = scratch->pixels ? size : 0;
    }
    if (!scratch->pixels)
        error_memory("pictures");
    return scratch->pixels;
}

void sink_scratch_free(struct sink_scratch *scratch)
{
    free(scratch->pixels);
    *scratch = (struct sink_scratch){0};
}

const char *sink_prompt(const struct sink_context *context, int prompt)
{
    const struct sowlv2_run_options *const job = context->options.job;

    return prompt >= 0 && (size_t)prompt < job->prompt_count ? job->prompts[prompt] : NULL;
}

const char *sink_slug(const struct sink_context *context, int prompt)
{
    return prompt >= 0 && (size_t)prompt < context->slugs.count ? context->slugs.items[prompt] : NULL;
}

static int open_sink(struct outputs *outputs, const struct sink_kind *kind)
{
    struct sink *sink = &outputs->sinks[outputs->count];
    int status = 0;

    if (kind->wanted && !kind->wanted(&outputs->context))
        return 0;
    *sink = (struct sink){.kind = kind};
    if (kind->open)
        status = kind->open(&outputs->context, &sink->state);
    if (!status)
        outputs->count++;
    return status;
}

/* Closes the sinks and frees all; gives the first error, `status` before all. */
static int end(struct outputs *outputs, int status)
{
    struct first_error error;

    first_error_init(&error);
    first_error_keep(&error, status);
    for (size_t i = 0; i < outputs->count; i++)
        if (outputs->sinks[i].kind->close)
            first_error_keep(&error, outputs->sinks[i].kind->close(outputs->sinks[i].state));
    string_list_free(&outputs->context.slugs);
    free(outputs);
    return first_error_end(&error);
}

int outputs_open(const struct sink_context *context, struct outputs **out)
{
    const struct output_options *options = &context->options;
    struct outputs *outputs = calloc(1, sizeof(*outputs) + (TABLE_COUNT + options->more_count) * sizeof(struct sink));
    int status;

    *out = NULL;
    if (!outputs)
        return error_memory("output");
    outputs->context = *context;
    status = names_slugs(options->job->prompts, options->job->prompt_count, &outputs->context.slugs);
    for (size_t i = 0; !status && context->claim && i < TABLE_COUNT; i++)
        status = open_sink(outputs, sink_table[i]);
    for (size_t i = 0; !status && i < options->more_count; i++)
        status = open_sink(outputs, options->more[i]);
    if (status)
        return end(outputs, status);
    *out = outputs;
    return 0;
}

int outputs_begin(struct outputs *outputs)
{
    const struct sink_context *context = &outputs->context;
    int status;

    if (context->claim ? output_claim_has_begun(context->claim) : outputs->begun)
        return 0;
    outputs->begun = true;
    status = context->claim ? output_claim_begin(context->claim) : 0;
    if (!status && context->claim && context->video)
        status = output_claim_add_video(context->claim, context->video, context->identity);
    for (size_t i = 0; !status && i < outputs->count; i++)
        if (outputs->sinks[i].kind->begin)
            status = outputs->sinks[i].kind->begin(outputs->sinks[i].state);
    return status;
}

static size_t count_parts(const struct sink *sink, const struct output_frame *frame)
{
    return sink->kind->parts ? sink->kind->parts(sink->state, frame) : 0;
}

size_t outputs_parts(const struct outputs *outputs, const struct output_frame *frame)
{
    size_t count = 0;

    for (size_t i = 0; i < outputs->count; i++)
        count += count_parts(&outputs->sinks[i], frame);
    return count;
}

static int list_files(const struct outputs *outputs, const struct output_frame *frame, struct string_list *files)
{
    int status = 0;

    for (size_t i = 0; !status && i < outputs->count; i++) {
        const struct sink *sink = &outputs->sinks[i];
        const size_t parts = sink->kind->list ? count_parts(sink, frame) : 0;

        for (size_t part = 0; !status && part < parts; part++)
            status = sink->kind->list(sink->state, frame, part, files);
    }
    return status;
}

int outputs_announce(struct outputs *outputs, struct output_frame *frame)
{
    struct output_claim *claim = outputs->context.claim;
    struct string_list files = {0};
    int status = outputs_begin(outputs);

    frame->sole = !outputs_need_pixels(outputs) && outputs_parts(outputs, frame) == 1;
    if (!status)
        status = list_files(outputs, frame, &files);
    if (!status && claim && frame->number > 0)
        status = output_claim_add_files(claim, &files);
    else if (!status && claim)
        status = output_claim_add_image(claim, frame->name, &frame->identity, frame->stem, &files);
    string_list_free(&files);
    return status;
}

int outputs_write(struct outputs *outputs, struct output_frame *frame, size_t part, struct sink_scratch *scratch)
{
    for (size_t i = 0; i < outputs->count; i++) {
        const struct sink *sink = &outputs->sinks[i];
        const size_t parts = count_parts(sink, frame);

        if (part < parts)
            return sink->kind->write(sink->state, frame, part, scratch);
        part -= parts;
    }
    return 0;
}

int outputs_complete(struct outputs *outputs, struct output_frame *frame)
{
    int status = 0;

    for (size_t i = 0; !status && i < outputs->count; i++)
        if (outputs->sinks[i].kind->complete)
            status = outputs->sinks[i].kind->complete(outputs->sinks[i].state, frame);
    return status;
}

int outputs_frame(struct outputs *outputs, const struct output_frame *frame)
{
    int status = 0;

    for (size_t i = 0; !status && i < outputs->count; i++)
        if (outputs->sinks[i].kind->frame)
            status = outputs->sinks[i].kind->frame(outputs->sinks[i].state, frame);
    return status;
}

bool outputs_need_pixels(const struct outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++)
        if (outputs->sinks[i].kind->needs_pixels)
            return true;
    return false;
}

int outputs_end_object(struct outputs *outputs, int64_t id)
{
    struct first_error error;

    first_error_init(&error);
    for (size_t i = 0; i < outputs->count; i++)
        if (outputs->sinks[i].kind->end_object)
            first_error_keep(&error, outputs->sinks[i].kind->end_object(outputs->sinks[i].state, id));
    return first_error_end(&error);
}

int outputs_close(struct outputs **closed)
{
    struct outputs *outputs = *closed;

    *closed = NULL;
    return outputs ? end(outputs, 0) : 0;
}
