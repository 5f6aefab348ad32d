/* One frame of a tracked video: its parts, drawn and written by the pool's threads, and its row. */
#include "base/error.h"
#include "base/file.h"
#include "masks/masks.h"
#include "media/png.h"
#include "output/results_video.h"
#include "pipeline/draw.h"
#include "pipeline/track_output_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A picture to make: an object's, or that of all. */
struct part {
    enum names_kind kind;
    size_t first, count;       /* the frame's objects that are in it */
    struct track_video *video; /* NULL: none */
};

struct work {
    struct track_output *output;
    const struct track_frame *frame;
    char stem[24];
    struct part *parts;
    size_t count;
    struct results_files *files; /* [frame->count] */
};

static bool is_mask(const struct part *part)
{
    return part->kind == NAMES_OBJECT_MASK || part->kind == NAMES_MERGED_MASK;
}

/* Paths are freed by the caller; NULL with an error set: out of memory. */
static char *name_picture(const struct work *work, const struct part *part)
{
    const struct track_object *object = part->count > 0 ? &work->frame->objects[part->first] : NULL;
    char *below = names_path(part->kind, work->stem, object ? (size_t)object->id : 0,
                             object ? track_output_slug(work->output, object->prompt) : NULL);

    if (!below)
        error_memory("file names");
    return below;
}

/* `*out`, where not NULL, receives the file's name below the folder. */
static int write_picture(const struct work *work, const struct part *part, const uint8_t *pixels, int channels,
                         char **out)
{
    const struct track_output_options *options = &work->output->options;
    char *below = name_picture(work, part);
    char *path = below ? path_join(options->folder, below) : NULL;
    int status = path ? png_write(path, pixels, options->width, options->height, channels,
                                  (size_t)options->width * (size_t)channels)
                      : error_memory("file names");

    free(path);
    if (!status)
        atomic_fetch_add(&work->output->pictures, 1);
    if (!status && out)
        *out = below;
    else
        free(below);
    return status;
}

/* As a file and into its video. */
static int write_pixels(const struct work *work, const struct part *part, const uint8_t *pixels, int channels,
                        char **out)
{
    int status = part->video ? track_video_add(work->output, part->video, pixels, work->frame) : 0;

    if (!status && work->output->options.pictures)
        status = write_picture(work, part, pixels, channels, out);
    return status;
}

static int make_rle(const struct work *work, const struct part *part)
{
    struct sowlv2_mask mask = work->frame->objects[part->first].mask;
    uint32_t nothing = (uint32_t)((size_t)work->output->options.width * (size_t)work->output->options.height);

    mask.width = work->output->options.width;
    mask.height = work->output->options.height;
    if (mask.run_count == 0 && !mask.pixels) {
        mask.runs = &nothing;
        mask.run_count = 1;
    }
    return sowlv2_mask_rle(&mask, &work->files[part->first].rle);
}

static int make_mask(const struct work *work, const struct part *part, uint8_t *pixels)
{
    const struct track_output_options *options = &work->output->options;
    bool is_object = part->kind == NAMES_OBJECT_MASK;
    int status = 0;

    if (is_object && (options->rle || !options->binary || !options->pictures))
        status = make_rle(work, part);
    if (status || !options->binary || !(options->pictures || part->video))
        return status;
    memset(pixels, 0, (size_t)options->width * (size_t)options->height);
    for (size_t i = part->first; i < part->first + part->count; i++)
        mask_paint(&work->frame->objects[i].mask, 255, pixels);
    return write_pixels(work, part, pixels, 1, is_object ? &work->files[part->first].mask : NULL);
}

static int make_overlay(const struct work *work, const struct part *part, uint8_t *pixels)
{
    const struct track_frame *frame = work->frame;
    struct drawing *things = calloc(part->count + 1, sizeof(*things));
    int status;

    if (!things)
        return error_memory("overlay");
    for (size_t i = 0; i < part->count; i++) {
        const struct track_object *object = &frame->objects[part->first + i];

        things[i] = (struct drawing){.number = object->id, .mask = &object->mask};
        things[i].prompt = track_output_prompt(work->output, object->prompt);
        things[i].score = things[i].prompt ? object->score : object->mask.mask_score;
        if (object->mask.area > 0)
            things[i].box = object->mask.box;
    }
    memcpy(pixels, frame->image.pixels, (size_t)frame->image.width * (size_t)frame->image.height * 3);
    status =
        draw_things(pixels, frame->image.width, frame->image.height, things, part->count, work->output->options.draw);
    free(things);
    return status ? status : write_pixels(work, part, pixels, 3, NULL);
}

static void make_part(void *data, size_t index, size_t worker)
{
    struct work *work = data;
    const struct part *part = &work->parts[index];
    uint8_t *pixels = work->output->scratch[worker];
    int status;

    if (track_output_failed(work->output))
        return;
    status = is_mask(part) ? make_mask(work, part, pixels) : make_overlay(work, part, pixels);
    if (status)
        track_output_fail(work->output, status);
}

static void add_part(struct work *work, enum names_kind kind, size_t first, size_t count, struct track_video *video)
{
    work->parts[work->count++] = (struct part){.kind = kind, .first = first, .count = count, .video = video};
}

/* Lists the frame's parts, those that take longest first. */
static int plan(struct work *work)
{
    struct track_output *output = work->output;
    const struct track_output_options *options = &output->options;
    size_t objects = work->frame->count;
    struct track_object_videos **videos = calloc(objects + 1, sizeof(struct track_object_videos *));
    int status = videos ? track_videos_reserve(output, objects) : error_memory("output");
    bool overlay = options->overlay && (options->pictures || options->videos);

    for (size_t i = 0; !status && i < objects; i++)
        status = track_videos_find(output, &work->frame->objects[i], &videos[i]);
    if (!status && overlay && options->merged)
        add_part(work, NAMES_MERGED_OVERLAY, 0, objects, options->videos ? &output->videos.merged_overlay : NULL);
    for (size_t i = 0; !status && overlay && i < objects; i++)
        if (options->pictures || videos[i])
            add_part(work, NAMES_OBJECT_OVERLAY, i, 1, videos[i] ? &videos[i]->overlay : NULL);
    if (!status && options->binary && options->merged)
        add_part(work, NAMES_MERGED_MASK, 0, objects, options->videos ? &output->videos.merged_mask : NULL);
    for (size_t i = 0; !status && i < objects; i++)
        add_part(work, NAMES_OBJECT_MASK, i, 1, videos[i] ? &videos[i]->mask : NULL);
    free(videos);
    return status;
}

static int write_row(const struct work *work)
{
    const struct track_output_options *options = &work->output->options;
    const struct track_frame *frame = work->frame;
    struct results_track *tracks = calloc(frame->count + 1, sizeof(*tracks));
    struct results_video_frame row = {.name = options->name,
                                      .number = frame->number,
                                      .time = frame->time,
                                      .source_name = frame->source_name,
                                      .source_number = frame->source_number,
                                      .width = options->width,
                                      .height = options->height,
                                      .objects = tracks,
                                      .count = frame->count,
                                      .job = output_claim_job(work->output->claim)};
    struct string text = {0};
    int status = tracks ? 0 : error_memory("results row");

    for (size_t i = 0; !status && i < frame->count; i++) {
        const struct track_object *object = &frame->objects[i];

        tracks[i] = (struct results_track){.id = object->id,
                                           .prompt = track_output_prompt(work->output, object->prompt),
                                           .score = object->score,
                                           .objectness = object->objectness,
                                           .mask = &object->mask,
                                           .lost = object->lost,
                                           .interpolated = object->interpolated,
                                           .file = work->files[i].mask,
                                           .rle = work->files[i].rle};
    }
    if (!status)
        results_video_row(&row, &text);
    if (!status && text.failed)
        status = error_memory("results row");
    if (!status)
        status = output_claim_write_row(work->output->claim, text.data, text.length);
    string_free(&text);
    free(tracks);
    return status;
}

/* Puts the names of the frame's pictures into the journal, before they are made. */
static int announce(const struct work *work)
{
    const struct track_output_options *options = &work->output->options;
    struct string_list files = {0};
    int status = 0;

    for (size_t i = 0; !status && options->pictures && i < work->count; i++) {
        char *below;

        if (is_mask(&work->parts[i]) && !options->binary) /* in the row alone */
            continue;
        below = name_picture(work, &work->parts[i]);

        status = below ? string_list_append(&files, below) : SOWLV2_ERROR_MEMORY;
        free(below);
    }
    if (!status)
        status = output_claim_add_files(work->output->claim, &files);
    string_list_free(&files);
    return status;
}

static void free_work(struct work *work)
{
    for (size_t i = 0; work->files && i < work->frame->count; i++) {
        free(work->files[i].mask);
        sowlv2_string_free(&work->files[i].rle);
    }
    free(work->files);
    free(work->parts);
}

void track_output_write_frame(struct track_output *output, struct track_frame *frame)
{
    struct work work = {.output = output,
                        .frame = frame,
                        .parts = calloc(2 * frame->count + 2, sizeof(struct part)),
                        .files = calloc(frame->count + 1, sizeof(struct results_files))};
    int status = work.parts && work.files ? 0 : error_memory("output");

    if (!output->has_first)
        output->first = frame->time;
    output->has_first = true;
    snprintf(work.stem, sizeof(work.stem), "%06" PRId64, frame->number);
    if (!status)
        status = track_output_begin(output);
    if (!status)
        status = plan(&work);
    if (!status)
        status = announce(&work);
    if (!status) {
        pool_run(output->pool, work.count, make_part, &work);
        if (!track_output_failed(output))
            status = write_row(&work);
        if (!status && !track_output_failed(output))
            output->frames++;
    }
    if (status)
        track_output_fail(output, status);
    free_work(&work);
}
