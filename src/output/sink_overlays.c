/* Images and frames with what was found drawn in: with each object, and with all of them. */
#include "base/error.h"
#include "output/overlay.h"
#include "output/palette.h"
#include "output/pictures.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool is_wanted(const struct sink_context *context)
{
    const struct sowlv2_run_options *const job = context->options.job;

    return job->overlays && (context->options.pictures || context->videos) && (context->masks || job->merged);
}

static int open_overlays(struct sink_context *context, void **state)
{
    const struct pictures wanted = {.object = NAMES_OBJECT_OVERLAY,
                                    .merged = NAMES_MERGED_OVERLAY,
                                    .has_objects = context->masks,
                                    .has_merged = context->options.job->merged};

    return pictures_open(context, &wanted, state);
}

/* "cat 0.83"; an object without a prompt has its number, and the mask's score. */
static void write_label(const struct sink_context *context, const struct output_object *object, struct string *label)
{
    const char *prompt = sink_prompt(context, object->prompt);

    string_clear(label);
    if (prompt)
        string_append_format(label, "%s %.2f", prompt, (double)object->score);
    else
        string_append_format(label, "%" PRId64 " %.2f", object->id, (double)object->mask.mask_score);
}

/* One label an object, in order. Errors: MEMORY. */
static int make_labels(const struct sink_context *context, const struct output_frame *frame,
                       const struct picture *picture, struct string_list *labels)
{
    struct string label = {0};
    int status = 0;

    for (size_t i = 0; !status && i < picture->count; i++) {
        write_label(context, &frame->objects[picture->first + i], &label);
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

/* Draws the picture's objects: all masks, then all boxes, then all labels. Each has its own colour, whatever is drawn
 * beside it. Errors: MEMORY. */
static int draw(const struct sink_context *context, const struct output_frame *frame, const struct picture *picture,
                const struct image *out)
{
    const unsigned otherwise = SOWLV2_DRAW_LABELS | (context->masks ? SOWLV2_DRAW_MASKS : SOWLV2_DRAW_BOXES);
    const unsigned draw = context->options.job->draw ? context->options.job->draw : otherwise;
    const unsigned parts =
        (draw & SOWLV2_DRAW_BOXES ? OVERLAY_BOXES : 0U) | (draw & SOWLV2_DRAW_LABELS ? OVERLAY_LABELS : 0U);
    struct overlay_item *items = calloc(picture->count + 1, sizeof(*items));
    struct string_list labels = {0};
    int status = items ? make_labels(context, frame, picture, &labels) : error_memory("overlay");
    size_t boxes = 0;

    for (size_t i = 0; !status && i < picture->count; i++) {
        const struct output_object *object = &frame->objects[picture->first + i];
        const int color_index = (int)((object->id - 1) % PALETTE_COLOURS);
        const float *box = output_object_box(object);

        if (draw & SOWLV2_DRAW_MASKS)
            blend_mask(out->pixels, &object->mask, color_index);
        if (!box)
            continue;
        memcpy(items[boxes].box, box, sizeof(items[boxes].box));
        items[boxes].label = labels.items[i];
        items[boxes++].color_index = color_index;
    }
    if (!status)
        status = overlay_draw(out->pixels, out->width, out->height, items, boxes, parts);
    string_list_free(&labels);
    free(items);
    return status;
}

static int write_overlay(void *state, struct output_frame *frame, size_t part, struct sink_scratch *scratch)
{
    const struct pictures *pictures = state;
    const struct picture picture = pictures_of(pictures, frame, part);
    const size_t size = (size_t)frame->image.width * (size_t)frame->image.height * 3;
    struct image drawn = frame->image;
    int status;

    if (!pictures_wants(pictures, &picture))
        return 0;
    if (!frame->sole) {
        drawn.pixels = sink_scratch_get(scratch, size);
        if (!drawn.pixels)
            return SOWLV2_ERROR_MEMORY;
        memcpy(drawn.pixels, frame->image.pixels, size);
    }
    status = draw(pictures->context, frame, &picture, &drawn);
    return status ? status : pictures_write(pictures, frame, &picture, &drawn, 3, NULL);
}

const struct sink_kind sink_overlays = {
    .name = "overlays",
    .wanted = is_wanted,
    .open = open_overlays,
    .begin = pictures_begin,
    .parts = pictures_parts,
    .list = pictures_list,
    .write = write_overlay,
    .close = pictures_close,
};
