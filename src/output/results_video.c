/* Rows of results.jsonl for the frames of a video. */
#include "output/results_video.h"

#include "output/json_text.h"

#include <inttypes.h>
#include <math.h>

static void append_box(struct string *row, const struct sowlv2_mask *mask)
{
    if (mask->area <= 0) {
        string_append_text(row, ",\"box\":null");
        return;
    }
    for (int side = 0; side < 4; side++) {
        string_append_text(row, side == 0 ? ",\"box\":[" : ",");
        json_append_float(row, mask->box[side]);
    }
    string_append_text(row, "]");
}

static void append_score(struct string *row, const char *key, float score)
{
    if (!isfinite(score))
        return;
    string_append_format(row, ",\"%s\":", key);
    json_append_float(row, score);
}

static void append_mask(struct string *row, const struct results_video_frame *frame, const struct results_track *object)
{
    if (object->file) {
        string_append_text(row, ",\"mask\":");
        json_append_string(row, object->file);
    }
    if (object->rle) {
        string_append_format(row, ",\"rle\":{\"size\":[%d,%d],\"counts\":", frame->height, frame->width);
        json_append_string(row, object->rle);
        string_append_text(row, "}");
    }
}

static void append_object(struct string *row, const struct results_video_frame *frame,
                          const struct results_track *object)
{
    string_append_format(row, "{\"id\":%" PRId64, object->id);
    if (object->prompt) {
        string_append_text(row, ",\"prompt\":");
        json_append_string(row, object->prompt);
        append_score(row, "score", object->score);
        append_score(row, "objectness", object->objectness > 0 ? object->objectness : NAN);
    }
    append_box(row, object->mask);
    append_score(row, "mask_score", object->mask->mask_score);
    append_score(row, "object_score", object->mask->object_score);
    string_append_format(row, ",\"area\":%" PRId64, object->mask->area);
    append_mask(row, frame, object);
    if (object->lost)
        string_append_text(row, ",\"lost\":true");
    if (object->interpolated)
        string_append_text(row, ",\"interpolated\":true");
    string_append_text(row, "}");
}

void results_video_row(const struct results_video_frame *frame, struct string *row)
{
    string_append_text(row, "{\"video\":");
    json_append_string(row, frame->name);
    string_append_format(row, ",\"frame\":%" PRId64 ",\"time\":", frame->number);
    json_append_seconds(row, frame->time);
    if (frame->source_name) {
        string_append_text(row, ",\"source\":");
        json_append_string(row, frame->source_name);
        string_append_format(row, ",\"source_frame\":%" PRId64, frame->source_number);
    }
    string_append_format(row, ",\"width\":%d,\"height\":%d,\"objects\":[", frame->width, frame->height);
    for (size_t i = 0; i < frame->count; i++) {
        if (i > 0)
            string_append_text(row, ",");
        append_object(row, frame, &frame->objects[i]);
    }
    json_append_row_end(row, frame->job);
}
