/* --scores: a value and a time for every frame, as JSON or as comma-separated values. */
#include "base/error.h"
#include "base/file.h"
#include "base/strings.h"
#include "output/json_text.h"
#include "pipeline/frames.h"

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

bool frames_is_scores_name(const char *path)
{
    return ends_in(path, ".json") || ends_in(path, ".csv");
}

static const char *bool_text(bool value)
{
    return value ? "true" : "false";
}

static void append_time(struct string *text, double time)
{
    string_append_format(text, "%.6f", time);
}

static void append_frames(struct string *text, const struct frames_report *report)
{
    string_append_text(text, "\"frames\":[");
    for (int64_t i = 0; i < report->count; i++) {
        const struct frames_item *item = &report->items[i];

        string_append_format(text, "%s\n{\"frame\":%" PRId64 ",\"time\":", i > 0 ? "," : "", item->number);
        append_time(text, item->time);
        string_append_text(text, ",\"score\":");
        json_append_float(text, item->score);
        string_append_text(text, ",\"importance\":");
        json_append_float(text, item->raw);
        string_append_text(text, ",\"motion\":");
        json_append_float(text, item->motion);
        string_append_format(text, ",\"scene_start\":%s,\"chosen\":%s,\"source_frame\":%" PRId64 "}",
                             bool_text(item->scene_start), bool_text(item->chosen), item->source_number);
    }
    string_append_text(text, "]");
}

static void append_clips(struct string *text, const struct frames_report *report, char *const *labels)
{
    string_append_text(text, "\"clips\":[");
    for (int64_t i = 0; i < report->clip_count; i++) {
        const struct frames_clip *clip = &report->clips[i];

        string_append_format(text, "%s\n{\"start\":", i > 0 ? "," : "");
        append_time(text, clip->start);
        string_append_text(text, ",\"end\":");
        append_time(text, clip->end);
        for (int k = 0; k < report->classes; k++) {
            string_append_text(text, k == 0 ? ",\"labels\":[{\"label\":" : ",{\"label\":");
            json_append_string(text, labels[clip->label[k]]);
            string_append_text(text, ",\"score\":");
            json_append_float(text, clip->score[k]);
            string_append_text(text, k == report->classes - 1 ? "}]" : "}");
        }
        string_append_text(text, "}");
    }
    string_append_text(text, "]");
}

static void append_json(struct string *text, const struct frames_options *options, const struct frames_report *report,
                        char *const *labels)
{
    string_append_text(text, "{\"input\":");
    json_append_string(text, options->input);
    string_append_format(
        text, ",\n\"sampling\":\"vjepa2\",\"importance\":\"%s\",\"motion_weight\":", frames_kind_name(options->kind));
    json_append_float(text, options->motion_weight);
    string_append_text(text, ",\"fps\":");
    json_append_float(text, (float)options->fps);
    string_append_format(text, ",\"frames_per_clip\":%" PRId64 ",\"clip_step\":%" PRId64 ",\n", report->frames_per_clip,
                         report->step);
    append_frames(text, report);
    string_append_text(text, ",\n");
    append_clips(text, report, labels);
    string_append_text(text, "}\n");
}

static void append_csv(struct string *text, const struct frames_report *report)
{
    string_append_text(text, "frame,time,score,importance,motion,scene_start,chosen,source_frame\n");
    for (int64_t i = 0; i < report->count; i++) {
        const struct frames_item *item = &report->items[i];

        string_append_format(text, "%" PRId64 ",", item->number);
        append_time(text, item->time);
        string_append_text(text, ",");
        json_append_float(text, item->score);
        string_append_text(text, ",");
        if (isfinite(item->raw))
            json_append_float(text, item->raw);
        string_append_text(text, ",");
        json_append_float(text, item->motion);
        string_append_format(text, ",%d,%d,%" PRId64 "\n", item->scene_start, item->chosen, item->source_number);
    }
}

int frames_write_scores(const char *path, const struct frames_options *options, const struct frames_report *report,
                        char *const *labels)
{
    struct file_writer file = {0};
    struct string text = {0};
    int status = 0;

    if (!frames_is_scores_name(path))
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: its ending does not say what to write: use .json or .csv", path);
    if (ends_in(path, ".csv"))
        append_csv(&text, report);
    else
        append_json(&text, options, report, labels);
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
