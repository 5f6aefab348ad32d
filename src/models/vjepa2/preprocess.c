/* Frames as the model wants them: resized, cropped, normalised. */
#include "models/vjepa2/forward.h"

#include "base/error.h"
#include "ops/filter.h"

/* Fails the pass for a frame that cannot be seen so. */
static void make_resize(struct compute *compute, const struct vjepa2_config *config, const struct sowlv2_image *frame,
                        enum scorer_view view, struct frame_resize *out)
{
    const int width = frame->width, height = frame->height;
    int64_t to_width = config->crop_size, to_height = config->crop_size;
    if (view == SCORER_CENTRE) {
        const int64_t side = config->short_side;
        const int64_t longest = width > height ? width : height, shortest = width > height ? height : width;
        const int64_t long_side = (int64_t)((double)(side * longest) / (double)shortest);
        to_width = width <= height ? side : long_side;
        to_height = width <= height ? long_side : side;
    }
    if (to_width > FILTER_MAX_SIZE || to_height > FILTER_MAX_SIZE) {
        compute_fail(compute, error_set(SOWLV2_ERROR_ARGUMENT, "a frame of %dx%d is too long and thin", width, height));
        return;
    }
    /* The crop's first row and column are truncated, as in the reference. */
    const int crop = config->crop_size;
    out->width = width;
    out->height = height;
    out->view = view;
    out->vertical =
        op_filter_u8_bilinear_part(compute, height, to_height, ((int)to_height - crop) / 2, crop, &out->top);
    out->horizontal =
        op_filter_u8_bilinear_part(compute, width, to_width, ((int)to_width - crop) / 2, crop, &out->left);
}

static bool is_for(const struct frame_resize *resize, const struct sowlv2_image *frame, enum scorer_view view)
{
    return resize->width == frame->width && resize->height == frame->height && resize->view == view;
}

static void resize_frame(struct compute *compute, const struct vjepa2_config *config, const struct frame_resize *resize,
                         const struct sowlv2_image *frame, struct tensor out)
{
    const struct pixel_scale scale = pixel_scale(config->rescale, config->mean, config->std);
    if (compute_status(compute) != 0)
        return;
    const uint8_t *const first = frame->pixels + (size_t)resize->top * frame->stride + (size_t)resize->left * 3;
    const struct tensor pixels =
        op_upload_rows(compute, first, frame->stride, resize->vertical.inputs, 3 * (int64_t)resize->horizontal.inputs);
    op_resize_image(compute, pixels, &resize->vertical, &resize->horizontal, &scale, out);
}

static bool is_empty(const struct sowlv2_image *frame)
{
    return frame->width < 1 || frame->height < 1 || !frame->pixels;
}

void vjepa2_preprocess(struct compute *compute, const struct vjepa2_config *config, const struct sowlv2_image *frames,
                       int64_t count, enum scorer_view view, struct tensor out)
{
    struct frame_resize resize = {0};
    for (int64_t i = 0; i < count && compute_status(compute) == 0; i++) {
        if (is_empty(&frames[i])) {
            compute_fail(compute, error_set(SOWLV2_ERROR_ARGUMENT, "frame %lld of a clip is empty", (long long)i));
            return;
        }
        if (!is_for(&resize, &frames[i], view))
            make_resize(compute, config, &frames[i], view, &resize);
        resize_frame(compute, config, &resize, &frames[i], tensor_at(out, i));
    }
}

int vjepa2_prepare(const struct vjepa2 *model, struct compute *compute, const struct sowlv2_image *frame,
                   enum scorer_view view, struct frame_resize *kept, struct tensor out)
{
    if (is_empty(frame))
        return error_set(SOWLV2_ERROR_ARGUMENT, "a frame is empty");
    compute_begin(compute);
    if (!is_for(kept, frame, view)) {
        struct frame_resize resize = {0};
        make_resize(compute, &model->config, frame, view, &resize);
        frame_resize_free(model->device, kept);
        *kept = resize;
        kept->vertical = op_keep_filter(compute, &resize.vertical);
        kept->horizontal = op_keep_filter(compute, &resize.horizontal);
    }
    resize_frame(compute, &model->config, kept, frame, out);
    if (compute_status(compute) != 0)
        frame_resize_free(model->device, kept);
    return compute_status(compute);
}
