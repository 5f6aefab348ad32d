/* --scores: a value and a time for every frame, as JSON or as comma-separated values. */
#include "base/error.h"
#include "base/file.h"
#include "base/strings.h"
#include "output/json_text.h"
#include "run/frames_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <strings.h>

static bool ends_in(const char *path, const char *ending)
{
    const size_t length = strlen(path), size = strlen(ending);

    return length > size && strcasecmp(path + length - size, ending) == 0;
}

bool sowlv2_key_frames_is_scores_name(const char *path)
{
    return path && (ends_in(path, ".json") || ends_in(path, ".csv"));
}

static const char *bool_text(bool value)
{
    return value ? "true" : "false";
}

static void append_time(struct string *text, double time)
{
    string_append_format(text, "%.6f", time);
}

static void append_frames(struct string *text, const struct sowlv2_frames *frames)
{
    string_append_text(text, "\"frames\":[");
    for (size_t i = 0; i < frames->count; i++) {
        const struct sowlv2_frame *frame = &frames->items[i];

        string_append_format(text, "%s\n{\"frame\":%" PRId64 ",\"time\":", i > 0 ? "," : "", frame->number);
        append_time(text, frame->time);
        string_append_text(text, ",\"score\":");
        json_append_float(text, frame->score);
        string_append_text(text, ",\"importance\":");
        json_append_float(text, frame->importance);
        string_append_text(text, ",\"motion\":");
        json_append_float(text, frame->motion);
        string_append_format(text, ",\"scene_start\":%s,\"chosen\":%s,\"source_frame\":%" PRId64 "}",
                             bool_text(frame->scene_start), bool_text(frame->chosen), frame->source_number);
    }
    string_append_text(text, "]");
}

static void append_labels(struct string *text, const struct sowlv2_clip *clip, const sowlv2_scorer *scorer)
{
    int k = 0;
    for (; k < SOWLV2_CLIP_LABELS && clip->labels[k] >= 0; k++) {
        string_append_text(text, k == 0 ? ",\"labels\":[{\"label\":" : ",{\"label\":");
        json_append_string(text, sowlv2_scorer_label(scorer, clip->labels[k]));
        string_append_text(text, ",\"score\":");
        json_append_float(text, clip->label_scores[k]);
        string_append_text(text, "}");
    }
    string_append_text(text, k > 0 ? "]" : "");
}

static void append_clips(struct string *text, const struct sowlv2_frames *frames, const sowlv2_scorer *scorer)
{
    string_append_text(text, "\"clips\":[");
    for (size_t i = 0; i < frames->clip_count; i++) {
        const struct sowlv2_clip *clip = &frames->clips[i];

        string_append_format(text, "%s\n{\"start\":", i > 0 ? "," : "");
        append_time(text, clip->start);
        string_append_text(text, ",\"end\":");
        append_time(text, clip->end);
        append_labels(text, clip, scorer);
        string_append_text(text, "}");
    }
    string_append_text(text, "]");
}

static void append_json(struct string *text, const struct frames_how *how, const struct sowlv2_frames *frames)
{
    string_append_text(text, "{\"input\":");
    json_append_string(text, how->source);
    string_append_format(text, ",\n\"sampling\":\"vjepa2\",\"importance\":\"%s\",\"motion_weight\":",
                         sowlv2_importance_name(how->importance));
    json_append_float(text, how->motion_weight);
    string_append_text(text, ",\"fps\":");
    json_append_float(text, (float)how->fps);
    string_append_format(text, ",\"frames_per_clip\":%d,\"clip_step\":%d,\n", frames->frames_per_clip,
                         frames->clip_step);
    append_frames(text, frames);
    string_append_text(text, ",\n");
    append_clips(text, frames, how->scorer);
    string_append_text(text, "}\n");
}

static void append_csv(struct string *text, const struct sowlv2_frames *frames)
{
    string_append_text(text, "frame,time,score,importance,motion,scene_start,chosen,source_frame\n");
    for (size_t i = 0; i < frames->count; i++) {
        const struct sowlv2_frame *frame = &frames->items[i];

        string_append_format(text, "%" PRId64 ",", frame->number);
        append_time(text, frame->time);
        string_append_text(text, ",");
        json_append_float(text, frame->score);
        string_append_text(text, ",");
        if (isfinite(frame->importance))
            json_append_float(text, frame->importance);
        string_append_text(text, ",");
        json_append_float(text, frame->motion);
        string_append_format(text, ",%d,%d,%" PRId64 "\n", frame->scene_start, frame->chosen, frame->source_number);
    }
}

int frames_scores_write(const char *path, const struct frames_how *how, const struct sowlv2_frames *frames)
{
    struct file_writer file = {0};
    struct string text = {0};
    int status = 0;

    if (ends_in(path, ".csv"))
        append_csv(&text, frames);
    else
        append_json(&text, how, frames);
    if (text.failed)
        status = error_memory(path);
    if (!status)
        status = file_writer_open(path, &file);
    if (!status && fwrite(text.data, 1, text.length, file.stream) != text.length)
        status = error_set(SOWLV2_ERROR_IO, "%s: cannot write: %s", path, errno ? strerror(errno) : "a write failed");
    if (!status)
        status = file_writer_commit(&file);
    file_writer_abort(&file);
    string_free(&text);
    return status;
}
