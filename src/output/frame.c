/* What a run has found on one image or frame. */
#include "output/frame.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

void output_object_free(struct output_object *object)
{
    sowlv2_masks_free(&object->mask, 1);
    free(object->mask_file);
    free(object->crop_file);
    sowlv2_string_free(&object->rle);
}

void output_objects_free(struct output_object *objects, size_t count)
{
    for (size_t i = 0; objects && i < count; i++)
        output_object_free(&objects[i]);
    free(objects);
}

void output_frame_free_image(struct output_frame *frame)
{
    const struct image size = {.width = frame->image.width, .height = frame->image.height};

    image_free(&frame->image);
    frame->image = size;
}

void output_frame_free(struct output_frame *frame)
{
    output_frame_free_image(frame);
    output_identity_free(&frame->identity);
    free(frame->source_name);
    output_objects_free(frame->objects, frame->count);
    string_free(&frame->row);
    *frame = (struct output_frame){0};
}

/* A copy of what rows and pictures need. */
static int copy_mask(const struct sowlv2_mask *from, struct sowlv2_mask *out)
{
    *out = *from;
    out->pixels = NULL;
    out->logits = NULL;
    out->runs = malloc((from->run_count + 1) * sizeof(*out->runs));
    if (!out->runs)
        return error_memory("mask");
    if (from->run_count > 0)
        memcpy(out->runs, from->runs, from->run_count * sizeof(*out->runs));
    return 0;
}

int output_objects_copy(const struct output_object *objects, size_t count, struct output_object **out)
{
    int status = 0;
    size_t made = 0;

    *out = calloc(count + 1, sizeof(**out));
    if (!*out)
        return error_memory("objects");
    while (!status && made < count) {
        struct output_object *copy = &(*out)[made];

        *copy = objects[made];
        copy->mask_file = copy->crop_file = copy->rle = NULL;
        status = copy_mask(&objects[made++].mask, &copy->mask);
    }
    if (status) {
        output_objects_free(*out, made);
        *out = NULL;
    }
    return status;
}

const float *output_object_box(const struct output_object *object)
{
    if (object->has_box)
        return object->box;
    return object->mask.area > 0 ? object->mask.box : NULL;
}
