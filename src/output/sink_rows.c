/* results.jsonl: a row an image or frame, once its files are there. */
#include "base/error.h"
#include "output/json_text.h"
#include "output/sink.h"

#include <inttypes.h>
#include <math.h>

static int open_rows(struct sink_context *context, void **state)
{
    *state = context;
    return 0;
}

/* Rows hold the masks where no file does. */
static bool wants_rle(const struct sink_context *context)
{
    const struct sowlv2_run_options *const job = context->options.job;

    /* Rows of images hold masks where no file does, and only there. */
    return context->masks && ((job->rle && context->video) || !job->masks || !context->options.pictures);
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

static void append_score(struct string *row, const char *key, float score)
{
    string_append_format(row, ",\"%s\":", key);
    json_append_float(row, score);
}

static void append_text(struct string *row, const char *key, const char *text)
{
    if (!text)
        return;
    string_append_format(row, ",\"%s\":", key);
    json_append_string(row, text);
}

static void append_box(struct string *row, const float *box)
{
    if (!box) {
        string_append_text(row, ",\"box\":null");
        return;
    }
    for (int side = 0; side < 4; side++) {
        string_append_text(row, side == 0 ? ",\"box\":[" : ",");
        json_append_float(row, box[side]);
    }
    string_append_text(row, "]");
}

static void append_mask(struct string *row, const struct output_frame *frame, const struct output_object *object)
{
    const struct sowlv2_mask *mask = &object->mask;
    const bool is_video = frame->number > 0;

    if (!is_video || isfinite(mask->mask_score))
        append_score(row, "mask_score", mask->mask_score);
    if (is_video && isfinite(mask->object_score))
        append_score(row, "object_score", mask->object_score);
    string_append_format(row, ",\"area\":%" PRId64, mask->area);
    append_text(row, "mask", object->mask_file);
    append_text(row, "crop", object->crop_file);
    if (object->rle) {
        string_append_format(row, ",\"rle\":{\"size\":[%d,%d],\"counts\":", frame->image.height, frame->image.width);
        json_append_string(row, object->rle);
        string_append_text(row, "}");
    }
}

static void append_object(struct string *row, const struct output_frame *frame, const struct output_object *object,
                          const struct sink_context *context)
{
    const char *prompt = sink_prompt(context, object->prompt);

    string_append_format(row, "{\"id\":%" PRId64, object->id);
    if (prompt) {
        append_text(row, "prompt", prompt);
        if (frame->number == 0 || isfinite(object->score))
            append_score(row, "score", object->score);
        if (object->objectness >= 0)
            append_score(row, "objectness", object->objectness);
        if (object->confirmed_frame > 0)
            string_append_format(row, ",\"confirmed_frame\":%" PRId64, object->confirmed_frame);
    }
    if (object->confidence > 0)
        append_score(row, "confidence", (float)object->confidence);
    append_box(row, output_object_box(object));
    if (context->masks)
        append_mask(row, frame, object);
    if (object->lost)
        string_append_text(row, ",\"lost\":true");
    if (object->interpolated)
        string_append_text(row, ",\"interpolated\":true");
    if (object->merged_into > 0)
        string_append_format(row, ",\"merged_into\":%" PRId64, object->merged_into);
    string_append_text(row, "}");
}

static void append_time(struct string *row, const struct output_frame *frame)
{
    string_append_format(row, ",\"frame\":%" PRId64 ",\"time\":", frame->number);
    json_append_seconds(row, frame->time);
    if (!frame->source_name)
        return;
    append_text(row, "source", frame->source_name);
    string_append_format(row, ",\"source_frame\":%" PRId64, frame->source_number);
}

static int make_row(void *state, struct output_frame *frame)
{
    const struct sink_context *context = state;
    struct string *row = &frame->row;

    string_append_text(row, frame->number > 0 ? "{\"video\":" : "{\"image\":");
    json_append_string(row, frame->name);
    if (frame->number > 0)
        append_time(row, frame);
    string_append_format(row, ",\"width\":%d,\"height\":%d,\"objects\":[", frame->image.width, frame->image.height);
    for (size_t i = 0; i < frame->count; i++) {
        if (i > 0)
            string_append_text(row, ",");
        append_object(row, frame, &frame->objects[i], context);
    }
    json_append_row_end(row, context->claim ? output_claim_job(context->claim) : NULL);
    return row->failed ? error_memory("results row") : 0;
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
