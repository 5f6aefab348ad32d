/* Masks as black and white pictures: of each object, and of all together. */
#include "masks/masks.h"
#include "output/pictures.h"

#include <string.h>

static bool is_wanted(const struct sink_context *context)
{
    return context->masks && context->options.job->masks && (context->options.pictures || context->videos);
}

static int open_masks(struct sink_context *context, void **state)
{
    const struct pictures wanted = {.object = NAMES_OBJECT_MASK,
                                    .merged = NAMES_MERGED_MASK,
                                    .has_objects = true,
                                    .has_merged = context->options.job->merged};

    return pictures_open(context, &wanted, state);
}

static int write_mask(void *state, struct output_frame *frame, size_t part, struct sink_scratch *scratch)
{
    const struct pictures *pictures = state;
    const struct picture picture = pictures_of(pictures, frame, part);
    const size_t size = (size_t)frame->image.width * (size_t)frame->image.height;
    struct image drawn = {.width = frame->image.width, .height = frame->image.height};

    if (!pictures_wants(pictures, &picture))
        return 0;
    drawn.pixels = sink_scratch_get(scratch, size);
    if (!drawn.pixels)
        return SOWLV2_ERROR_MEMORY;
    memset(drawn.pixels, 0, size);
    for (size_t i = picture.first; i < picture.first + picture.count; i++)
        mask_paint(&frame->objects[i].mask, 255, drawn.pixels);
    return pictures_write(pictures, frame, &picture, &drawn, 1,
                          picture.object ? &frame->objects[picture.first].mask_file : NULL);
}

const struct sink_kind sink_masks = {
    .name = "masks",
    .wanted = is_wanted,
    .open = open_masks,
    .begin = pictures_begin,
    .parts = pictures_parts,
    .list = pictures_list,
    .write = write_mask,
    .close = pictures_close,
};
