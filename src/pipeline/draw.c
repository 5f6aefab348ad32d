/* What was found, drawn onto the image. */
#include "pipeline/draw.h"

#include "base/error.h"
#include "base/strings.h"
#include "output/overlay.h"
#include "output/palette.h"
#include "pipeline/detect_images.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* "cat 0.83"; a thing without a prompt has its number. */
static void write_label(const struct drawing *thing, struct string *label)
{
    string_clear(label);
    if (thing->prompt)
        string_append_format(label, "%s %.2f", thing->prompt, (double)thing->score);
    else
        string_append_format(label, "%" PRId64 " %.2f", thing->number, (double)thing->score);
}

/* One label a thing, in order. Errors: MEMORY. */
static int make_labels(const struct drawing *things, size_t count, struct string_list *labels)
{
    struct string label = {0};
    int status = 0;

    for (size_t i = 0; !status && i < count; i++) {
        write_label(&things[i], &label);
        status = label.failed ? error_memory("labels") : string_list_append(labels, label.data);
    }
    string_free(&label);
    return status;
}

static void blend_mask(uint8_t *pixels, const struct sowlv2_mask *mask, int color_index)
{
    size_t at = 0;

    for (size_t i = 0; i < mask->run_count; i++) {
        if (i % 2 == 1)
            overlay_blend_run(pixels + 3 * at, mask->runs[i], color_index);
        at += mask->runs[i];
    }
}

static int color_of(int64_t number)
{
    return (int)((number - 1) % PALETTE_COLOURS);
}

int draw_things(uint8_t *pixels, int width, int height, const struct drawing *things, size_t count, unsigned draw)
{
    struct overlay_item *items = calloc(count + 1, sizeof(*items));
    struct string_list labels = {0};
    unsigned parts = (draw & DRAW_BOXES ? OVERLAY_BOXES : 0U) | (draw & DRAW_LABELS ? OVERLAY_LABELS : 0U);
    int status = items ? make_labels(things, count, &labels) : error_memory("overlay");
    size_t boxes = 0;

    for (size_t i = 0; !status && i < count; i++) {
        int color_index = color_of(things[i].number);

        if (things[i].mask && (draw & DRAW_MASKS))
            blend_mask(pixels, things[i].mask, color_index);
        if (!things[i].box)
            continue;
        memcpy(items[boxes].box, things[i].box, sizeof(items[boxes].box));
        items[boxes].label = labels.items[i];
        items[boxes++].color_index = color_index;
    }
    if (!status)
        status = overlay_draw(pixels, width, height, items, boxes, parts);
    string_list_free(&labels);
    free(items);
    return status;
}

int draw_objects(uint8_t *pixels, const struct job *job, size_t first, size_t count, const char *const *prompts,
                 unsigned draw)
{
    struct drawing *things = calloc(count + 1, sizeof(*things));
    int status;

    if (!things)
        return error_memory("overlay");
    for (size_t i = 0; i < count; i++) {
        const struct sowlv2_detection *detection = &job->detections.items[first + i];
        const struct sowlv2_mask *mask = job->masks ? &job->masks[first + i] : NULL;

        things[i] = (struct drawing){.number = (int64_t)(first + i) + 1, .box = detection->box, .mask = mask};
        things[i].prompt = detection->prompt >= 0 ? prompts[detection->prompt] : NULL;
        if (things[i].prompt)
            things[i].score = detection->score;
        else if (mask)
            things[i].score = mask->mask_score;
    }
    status = draw_things(pixels, job->image.width, job->image.height, things, count, draw);
    free(things);
    return status;
}

/* Copies the part of the run [begin, end) of the image's pixels that lies in each row of the box. */
static void copy_run(const struct image *image, size_t begin, size_t end, int left, int top, int width, uint8_t *out)
{
    size_t columns = (size_t)image->width;

    for (size_t at = begin; at < end; at++) { /* every pixel of the mask lies in the box */
        const uint8_t *from = image->pixels + 3 * at;
        size_t y = at / columns - (size_t)top, x = at % columns - (size_t)left;
        uint8_t *to = out + 4 * (y * (size_t)width + x);

        memcpy(to, from, 3);
        to[3] = 255;
    }
}

int draw_crop(const struct job *job, size_t object, uint8_t **out, int *width, int *height)
{
    const struct sowlv2_mask *mask = &job->masks[object];
    int left = (int)mask->box[0], top = (int)mask->box[1];
    size_t at = 0;

    *out = NULL;
    *width = (int)mask->box[2] - left;
    *height = (int)mask->box[3] - top;
    if (mask->area == 0)
        return 0;
    *out = calloc((size_t)*width * (size_t)*height, 4);
    if (!*out)
        return error_memory("crop");
    for (size_t i = 0; i < mask->run_count; i++) {
        if (i % 2 == 1)
            copy_run(&job->image, at, at + mask->runs[i], left, top, *width, *out);
        at += mask->runs[i];
    }
    return 0;
}
