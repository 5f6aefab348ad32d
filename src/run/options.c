/* The options of a job: what is left out, what cannot be, and what its results depend on: what an earlier run of the
 * same must have had. */
#include "base/options.h"
#include "base/error.h"
#include "base/processors.h"
#include "base/strings.h"
#include "media/image.h"
#include "run/run.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BATCH = 256, MOST_THREADS = 256 };

void sowlv2_sink_init(struct sowlv2_sink *sink, size_t size)
{
    const struct sowlv2_sink defaults = {0};

    options_init(sink, size, &defaults, sizeof(defaults));
}

void sowlv2_run_options_init(struct sowlv2_run_options *options, size_t size)
{
    const struct sowlv2_run_options defaults = {
        .max_pixels = IMAGE_DEFAULT_MAX_PIXELS,
        .cuts = true,
        .dedupe_iou = -1,
        .detect_every = {.seconds = 2},
        .doubt = true,
        .key_frame_count = 5,
        .merge_iou = 0.7,
        .frames_per_clip = 16,
        .scorer_fps = 6,
        .key_frame_spacing = 10,
        .match_iou = 0.5,
        .lost_after = 150,
        .max_objects = 32,
        .frame_budget = 1,
        .masks = true,
        .overlays = true,
        .merged = true,
        .films = true,
        .audio = true,
        .max_object_films = 16,
        .batch_size = 4,
    };

    options_init(options, size, &defaults, sizeof(defaults));
}

static int argument(const char *message)
{
    return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_run_create: %s", message);
}

static int check_sources(const struct sowlv2_run_options *options)
{
    const struct sowlv2_image_list *const images = options->images;

    if ((options->input_count > 0 && !options->inputs) || (options->video_count > 0 && !options->videos))
        return argument("inputs: a count without the inputs themselves");
    if (options->input_count + options->video_count == 0 && !images && !options->stream)
        return argument("no inputs: give paths, images or a stream");
    if (images && (!images->load || (images->count > 0 && !images->names)))
        return argument("images: names and load are needed");
    if (options->stream && (!options->stream->next || !options->stream->name))
        return argument("stream: name and next are needed");
    if (options->end > 0 && options->end <= options->start)
        return argument("end: it is not after start");
    if (options->decoder_program && options->allow_playlists)
        return argument("decoder_program and allow_playlists: a separate decoder may not open the files that a "
                        "playlist names");
    return 0;
}

static int check_wanted(const struct sowlv2_run_options *options)
{
    if (options->prompt_count > 0 ? !options->prompts : options->mark_count == 0 || !options->marks)
        return argument("neither prompts nor marks: say what to look for");
    if (options->prompt_count > 0 && options->mark_count > 0)
        return argument("prompts and marks: give one of them");
    for (size_t i = 0; i < options->mark_count; i++)
        if (options->marks[i].logits)
            return argument("marks: boxes and points alone, no logits");
    if (options->key_frames && options->mark_count > 0)
        return argument("key frames are for prompts: marks are of the first frame");
    if (!(options->frame_budget > 0 && options->frame_budget <= 1))
        return argument("frame_budget: over 0 and at most 1");
    if (options->max_objects < 1 || options->lost_after < 0 || options->detect_every.frames < 0 ||
        !(options->detect_every.seconds >= 0))
        return argument("objects, frames and seconds cannot be below 0, and max_objects is at least 1");
    if (!(options->min_confidence >= 0 && options->min_confidence <= 1))
        return argument("min_confidence: from 0 to 1");
    if (options->key_frames && options->key_frame_count < 1)
        return argument("key_frame_count: at least 1");
    return 0;
}

static int check_output(const struct sowlv2_run_options *options)
{
    if (!options->output && options->sink_count == 0)
        return argument("neither an output folder nor a sink: say where results go");
    if (!options->output && options->resume)
        return argument("resume: needs the output folder of the earlier run");
    if ((options->sink_count > 0 && !options->sinks) || (options->job_count > 0 && !options->job) ||
        options->job_count % 2 != 0)
        return argument("sinks and job: a count without them, or a name without a value");
    if (options->batch_size < 1 || options->batch_size > MOST_BATCH)
        return argument("batch_size: from 1 to 256");
    if (options->io_threads < 0 || options->io_threads > MOST_THREADS)
        return argument("io_threads: from 0 to 256");
    return 0;
}

/* Reading and writing need little beside the computation: up to four threads. */
static int automatic_threads(void)
{
    const int count = processors_count();

    return count > 4 ? 4 : count;
}

/* The caller's structs, whatever version of the header they are of. */
static int take_sinks(const struct sowlv2_run_options *options, struct sowlv2_run *run)
{
    int status = 0;

    run->sinks = calloc(options->sink_count + 1, sizeof(*run->sinks));
    if (!run->sinks)
        return error_memory("sinks");
    for (size_t i = 0; !status && i < options->sink_count; i++) {
        run->sinks[i] = sowlv2_sink_default();
        status = options->sinks[i] ? options_take("struct sowlv2_sink", "sowlv2_sink_default()", options->sinks[i],
                                                  &run->sinks[i], sizeof(run->sinks[i]))
                                   : argument("sinks: one is NULL");
    }
    return status;
}

static int take_parts(const struct sowlv2_run_options *options, struct sowlv2_run *run)
{
    int status = OPTIONS_TAKE(detect, options->detect, &run->detect);

    if (!status)
        status = OPTIONS_TAKE(segment, options->segment, &run->segment);
    if (!status)
        status = OPTIONS_TAKE(track, options->track, &run->track);
    run->track.mask_threshold = run->segment.mask_threshold;
    run->track.fill_holes = run->segment.fill_holes;
    run->track.remove_sprinkles = run->segment.remove_sprinkles;
    run->detect.progress = run->segment.progress = run->track.progress = NULL;
    run->detect.clip = true;                                               /* rows hold clipped boxes */
    run->segment.pixels = run->segment.logits = run->track.pixels = false; /* runs are small */
    return status;
}

static void fill_in(struct sowlv2_run *run)
{
    struct sowlv2_run_options *const options = &run->options;

    if (options->max_pixels <= 0)
        options->max_pixels = IMAGE_DEFAULT_MAX_PIXELS;
    if (options->io_threads == 0)
        options->io_threads = automatic_threads();
    if (!options->stop)
        options->stop = &run->stopped;
    if (options->mark_count == 0)
        options->marks = NULL;
    options->detect = &run->detect;
    options->segment = &run->segment;
    options->track = &run->track;
}

int run_take_options(const struct sowlv2_run_options *given, struct sowlv2_run *run)
{
    const struct sowlv2_run_options *const options = &run->options;
    int status = OPTIONS_TAKE(run, given, &run->options);

    if (!status)
        status = check_sources(options);
    if (!status)
        status = check_wanted(options);
    if (!status)
        status = check_output(options);
    if (!status)
        status = take_parts(options, run);
    if (!status)
        status = take_sinks(options, run);
    if (!status)
        fill_in(run);
    return status;
}

/* ---- what results depend on ---- */

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

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
    FIELD(sowlv2_run_options, doubt, FLAG),
    FIELD(sowlv2_run_options, min_confidence, REAL),
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
    FIELD(sowlv2_track_options, memory, INTEGER),
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
