/* Rows of results.jsonl. */
#include "output/results_row.h"

#include "output/json_text.h"

#include <inttypes.h>
#include <math.h>

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
                          const struct results_row_options *options)
{
    const bool has_prompt = object->prompt >= 0 && (size_t)object->prompt < options->prompt_count;

    string_append_format(row, "{\"id\":%" PRId64, object->id);
    if (has_prompt) {
        append_text(row, "prompt", options->prompts[object->prompt]);
        if (frame->number == 0 || isfinite(object->score))
            append_score(row, "score", object->score);
        if (object->objectness >= 0)
            append_score(row, "objectness", object->objectness);
    }
    append_box(row, output_object_box(object));
    if (options->masks)
        append_mask(row, frame, object);
    if (object->lost)
        string_append_text(row, ",\"lost\":true");
    if (object->interpolated)
        string_append_text(row, ",\"interpolated\":true");
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

void results_row(const struct output_frame *frame, const struct results_row_options *options, struct string *row)
{
    string_append_text(row, frame->number > 0 ? "{\"video\":" : "{\"image\":");
    json_append_string(row, frame->name);
    if (frame->number > 0)
        append_time(row, frame);
    string_append_format(row, ",\"width\":%d,\"height\":%d,\"objects\":[", frame->image.width, frame->image.height);
    for (size_t i = 0; i < frame->count; i++) {
        if (i > 0)
            string_append_text(row, ",");
        append_object(row, frame, &frame->objects[i], options);
    }
    json_append_row_end(row, options->job);
}
