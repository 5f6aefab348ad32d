/* Each object cut out of its image, tight around its mask: RGBA, transparent and black beside the mask. */
#include "output/pictures.h"

#include <string.h>

static bool is_wanted(const struct sink_context *context)
{
    return context->masks && context->options.job->crops && !context->video;
}

static int open_crops(struct sink_context *context, void **state)
{
    const struct pictures wanted = {.object = NAMES_OBJECT_CROP, .has_objects = true};

    return pictures_open(context, &wanted, state);
}

/* Copies the part of the run [begin, end) of the image's pixels that lies in each row of the box. */
static void copy_run(const struct image *image, size_t begin, size_t end, int left, int top, const struct image *crop)
{
    const size_t columns = (size_t)image->width;

    for (size_t at = begin; at < end; at++) { /* every pixel of the mask lies in the box */
        const size_t y = at / columns - (size_t)top, x = at % columns - (size_t)left;
        uint8_t *to = crop->pixels + 4 * (y * (size_t)crop->width + x);

        memcpy(to, image->pixels + 3 * at, 3);
        to[3] = 255;
    }
}

/* An empty mask gives no file. */
static int write_crop(void *state, struct output_frame *frame, size_t part, struct sink_scratch *scratch)
{
    const struct pictures *pictures = state;
    const struct picture picture = pictures_of(pictures, frame, part);
    const struct sowlv2_mask *mask = &frame->objects[picture.first].mask;
    const int left = (int)mask->box[0], top = (int)mask->box[1];
    struct image crop = {.width = (int)mask->box[2] - left, .height = (int)mask->box[3] - top};
    size_t at = 0;

    if (mask->area == 0)
        return 0;
    crop.pixels = sink_scratch_get(scratch, (size_t)crop.width * (size_t)crop.height * 4);
    if (!crop.pixels)
        return SOWLV2_ERROR_MEMORY;
    memset(crop.pixels, 0, (size_t)crop.width * (size_t)crop.height * 4);
    for (size_t i = 0; i < mask->run_count; i++) {
        if (i % 2 == 1)
            copy_run(&frame->image, at, at + mask->runs[i], left, top, &crop);
        at += mask->runs[i];
    }
    return pictures_write(pictures, frame, &picture, &crop, 4, &frame->objects[picture.first].crop_file);
}

const struct sink_kind sink_crops = {
    .name = "crops",
    .wanted = is_wanted,
    .open = open_crops,
    .begin = pictures_begin,
    .parts = pictures_parts,
    .list = pictures_list,
    .write = write_crop,
    .close = pictures_close,
};
