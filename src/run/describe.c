/* What a job is asked for, as far as its results depend on it: what an earlier run of the same must have had. */
#include "base/error.h"
#include "run/run.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum kind { FLAG, NUMBER, REAL, INTEGER, COUNT, TEXT };

/* A field of one of the structs of options. Every field that changes results is here or is written by hand below. */
struct field {
    const char *name;
    size_t offset;
    enum kind kind;
};

#define FIELD(type, name, kind)                                                                                        \
    {                                                                                                                  \
#name, offsetof(struct type, name), kind                                                                       \
    }

static const struct field run_fields[] = {
    FIELD(sowlv2_run_options, as_video, FLAG),
    FIELD(sowlv2_run_options, fps, REAL),
    FIELD(sowlv2_run_options, start, REAL),
    FIELD(sowlv2_run_options, end, REAL),
    FIELD(sowlv2_run_options, frames.first, COUNT),
    FIELD(sowlv2_run_options, frames.last, COUNT),
    FIELD(sowlv2_run_options, allow_playlists, FLAG),
    FIELD(sowlv2_run_options, realtime, FLAG),
    FIELD(sowlv2_run_options, prompt_template, TEXT),
    FIELD(sowlv2_run_options, dedupe_iou, NUMBER),
    FIELD(sowlv2_run_options, cuts, FLAG),
    FIELD(sowlv2_run_options, detect_every.frames, COUNT),
    FIELD(sowlv2_run_options, detect_every.seconds, REAL),
    FIELD(sowlv2_run_options, key_frames, FLAG),
    FIELD(sowlv2_run_options, key_frame_count, COUNT),
    FIELD(sowlv2_run_options, merge_iou, REAL),
    FIELD(sowlv2_run_options, frames_per_clip, COUNT),
    FIELD(sowlv2_run_options, scorer_fps, REAL),
    FIELD(sowlv2_run_options, key_frame_spacing, COUNT),
    FIELD(sowlv2_run_options, match_iou, REAL),
    FIELD(sowlv2_run_options, lost_after, COUNT),
    FIELD(sowlv2_run_options, max_objects, COUNT),
    FIELD(sowlv2_run_options, frame_budget, REAL),
    FIELD(sowlv2_run_options, masks, FLAG),
    FIELD(sowlv2_run_options, overlays, FLAG),
    FIELD(sowlv2_run_options, merged, FLAG),
    FIELD(sowlv2_run_options, crops, FLAG),
    FIELD(sowlv2_run_options, films, FLAG),
    FIELD(sowlv2_run_options, pictures, INTEGER),
    FIELD(sowlv2_run_options, rle, FLAG),
    FIELD(sowlv2_run_options, draw, INTEGER),
    FIELD(sowlv2_run_options, mask_codec, INTEGER),
    FIELD(sowlv2_run_options, audio, FLAG),
    FIELD(sowlv2_run_options, max_object_films, COUNT),
};

static const struct field detect_fields[] = {
    FIELD(sowlv2_detect_options, threshold, NUMBER),
    FIELD(sowlv2_detect_options, nms_iou, NUMBER),
    FIELD(sowlv2_detect_options, objectness, FLAG),
};

static const struct field segment_fields[] = {
    FIELD(sowlv2_segment_options, multimask, FLAG),     FIELD(sowlv2_segment_options, mask_threshold, NUMBER),
    FIELD(sowlv2_segment_options, fill_holes, INTEGER), FIELD(sowlv2_segment_options, remove_sprinkles, INTEGER),
    FIELD(sowlv2_segment_options, refine, FLAG),
};

static const struct field track_fields[] = {
    FIELD(sowlv2_track_options, max_cond_frames, INTEGER),
    FIELD(sowlv2_track_options, separate, FLAG),
};

static int add(struct string_list *job, const char *name, const char *value)
{
    const int status = string_list_append(job, name);

    return status ? status : string_list_append(job, value);
}

static int add_field(struct string_list *job, const char *group, const struct field *field, const void *options)
{
    const char *const at = (const char *)options + field->offset;
    const char *text = NULL;
    char name[80], value[48];

    snprintf(name, sizeof(name), "%s%s%s", group, *group ? "." : "", field->name);
    switch (field->kind) {
    case FLAG:
        return add(job, name, *(const bool *)at ? "on" : "off");
    case NUMBER:
        snprintf(value, sizeof(value), "%.9g", (double)*(const float *)(const void *)at);
        return add(job, name, value);
    case REAL:
        snprintf(value, sizeof(value), "%.17g", *(const double *)(const void *)at);
        return add(job, name, value);
    case INTEGER:
        snprintf(value, sizeof(value), "%d", *(const int *)(const void *)at);
        return add(job, name, value);
    case COUNT:
        snprintf(value, sizeof(value), "%" PRId64, *(const int64_t *)(const void *)at);
        return add(job, name, value);
    case TEXT:
        memcpy(&text, at, sizeof(text));
        return add(job, name, text ? text : "");
    }
    return 0;
}

static int add_fields(struct string_list *job, const char *group, const struct field *fields, size_t count,
                      const void *options)
{
    int status = 0;

    for (size_t i = 0; !status && i < count; i++)
        status = add_field(job, group, &fields[i], options);
    return status;
}

static void write_numbers(struct string *text, const float *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        string_append_format(text, "%s%.9g", i > 0 ? "," : "", (double)numbers[i]);
}

static int add_mark(struct string_list *job, const struct sowlv2_segment_prompt *mark)
{
    struct string text = {0};

    if (mark->box)
        write_numbers(&text, mark->box, 4);
    for (size_t i = 0; i < mark->point_count; i++) {
        string_append_text(&text, " ");
        write_numbers(&text, mark->points + 2 * i, 2);
        string_append_format(&text, ",%" PRId32, mark->labels ? mark->labels[i] : 1);
    }
    const int status = text.failed ? error_memory("job") : add(job, "mark", text.data ? text.data : "");

    string_free(&text);
    return status;
}

static int describe_given(const struct sowlv2_run_options *options, struct string_list *job)
{
    int status = 0;

    for (size_t i = 0; !status && i < options->job_count; i++)
        status = string_list_append(job, options->job[i]);
    return status;
}

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

int run_describe_job(const struct sowlv2_run *run, struct string_list *job)
{
    const struct sowlv2_run_options *const options = &run->options;

    if (options->job_count > 0)
        return describe_given(options, job);

    int status = 0;

    for (size_t i = 0; !status && i < options->prompt_count; i++)
        status = add(job, "prompt", options->prompts[i]);
    for (size_t i = 0; !status && i < options->mark_count; i++)
        status = add_mark(job, &options->marks[i]);
    if (!status && options->scorer_model)
        status = add(job, "scorer", options->scorer_model->model ? options->scorer_model->model : "");
    if (!status)
        status = add_fields(job, "", run_fields, COUNT_OF(run_fields), options);
    if (!status)
        status = add_fields(job, "detect", detect_fields, COUNT_OF(detect_fields), &run->detect);
    if (!status)
        status = add_fields(job, "segment", segment_fields, COUNT_OF(segment_fields), &run->segment);
    if (!status)
        status = add_fields(job, "track", track_fields, COUNT_OF(track_fields), &run->track);
    return status;
}
