/* Frames as the model wants them: resized, cropped, normalised. */
#include "models/vjepa2/forward.h"

#include "base/error.h"
#include "ops/filter.h"

/* Both axes' filters of one frame size, and where the pixels begin that they read. */
struct frame_resize {
    int width, height; /* 0: none yet */
    struct resize vertical, horizontal;
    int top, left;
};

static int make_resize(struct compute *compute, const struct vjepa2_config *config, int width, int height,
                       enum scorer_view view, struct frame_resize *out)
{
    int64_t to_width = config->crop_size, to_height = config->crop_size;
    if (view == SCORER_CENTRE) {
        const int64_t side = config->short_side;
        const int64_t longest = width > height ? width : height, shortest = width > height ? height : width;
        const int64_t long_side = (int64_t)((double)(side * longest) / (double)shortest);
        to_width = width <= height ? side : long_side;
        to_height = width <= height ? long_side : side;
    }
    if (to_width > FILTER_MAX_SIZE || to_height > FILTER_MAX_SIZE)
        return error_set(SOWLV2_ERROR_ARGUMENT, "a frame of %dx%d is too long and thin", width, height);
    /* The crop's first row and column are truncated, as in the reference. */
    const int crop = config->crop_size;
    out->width = width;
    out->height = height;
    out->vertical =
        op_filter_u8_bilinear_part(compute, height, to_height, ((int)to_height - crop) / 2, crop, &out->top);
    out->horizontal =
        op_filter_u8_bilinear_part(compute, width, to_width, ((int)to_width - crop) / 2, crop, &out->left);
    return 0;
}

/* `scale` NULL: the resized bytes. */
static void preprocess(struct compute *compute, const struct vjepa2_config *config, const struct pixel_scale *scale,
                       const struct sowlv2_image *frames, int64_t count, enum scorer_view view, struct tensor out)
{
    struct frame_resize resize = {0};
    for (int64_t i = 0; i < count; i++) {
        const struct sowlv2_image *const frame = &frames[i];
        int status = 0;
        if (frame->width < 1 || frame->height < 1 || !frame->pixels)
            status = error_set(SOWLV2_ERROR_ARGUMENT, "frame %lld of a clip is empty", (long long)i);
        else if (frame->width != resize.width || frame->height != resize.height)
            status = make_resize(compute, config, frame->width, frame->height, view, &resize);
        compute_fail(compute, status);
        if (compute_status(compute) != 0)
            return;
        const uint8_t *const first = frame->pixels + (size_t)resize.top * frame->stride + (size_t)resize.left * 3;
        const struct tensor pixels = op_upload_rows(compute, first, frame->stride, resize.vertical.inputs,
                                                    3 * (int64_t)resize.horizontal.inputs);
        op_resize_image(compute, pixels, &resize.vertical, &resize.horizontal, scale, tensor_at(out, i));
    }
}

void vjepa2_preprocess(struct compute *compute, const struct vjepa2_config *config, const struct sowlv2_image *frames,
                       int64_t count, enum scorer_view view, struct tensor out)
{
    const struct pixel_scale scale = pixel_scale(config->rescale, config->mean, config->std);
    preprocess(compute, config, &scale, frames, count, view, out);
}

int vjepa2_shrink(const struct vjepa2 *model, struct compute *compute, const struct sowlv2_image *frame,
                  enum scorer_view view, uint8_t *out)
{
    const int64_t side = model->config.crop_size;
    compute_begin(compute);
    struct tensor pixels = COMPUTE_TENSOR(compute, DTYPE_U8, 1, side, side, 3);
    preprocess(compute, &model->config, NULL, frame, 1, view, pixels);
    op_download(compute, pixels, out);
    return compute_finish(compute);
}
