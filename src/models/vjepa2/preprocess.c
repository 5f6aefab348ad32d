/* Frames as the model wants them: resized, cropped, normalised. */
#include "models/vjepa2/forward.h"

#include "base/error.h"
#include "ops/filter.h"

/* The part of a resize that makes outputs first .. first + count - 1. */
static struct filter_u8 part(const struct filter_u8 *filter, int first, int count)
{
    struct filter_u8 out = *filter;
    out.outputs = count;
    out.first += first;
    out.count += first;
    out.weight += (int64_t)first * filter->stride;
    return out;
}

/* Both axes' filters of one frame size. */
struct resize {
    int width, height; /* 0: none yet */
    struct filter_u8 vertical, horizontal;
};

static int make_resize(const struct vjepa2_config *config, int width, int height, enum vjepa2_view view,
                       struct resize *out)
{
    filter_u8_free(&out->vertical);
    filter_u8_free(&out->horizontal);
    out->width = out->height = 0;
    int64_t to_width = config->crop_size, to_height = config->crop_size;
    if (view == VJEPA2_CENTRE) {
        const int64_t side = config->short_side;
        const int64_t longest = width > height ? width : height, shortest = width > height ? height : width;
        const int64_t long_side = (int64_t)((double)(side * longest) / (double)shortest);
        to_width = width <= height ? side : long_side;
        to_height = width <= height ? long_side : side;
    }
    if (to_width > FILTER_MAX_SIZE || to_height > FILTER_MAX_SIZE) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "a frame of %dx%d is too long and thin", width, height);
    }
    int status = filter_u8_bilinear_antialias(height, (int)to_height, &out->vertical);
    if (status == 0) {
        status = filter_u8_bilinear_antialias(width, (int)to_width, &out->horizontal);
    }
    if (status == 0) {
        out->width = width;
        out->height = height;
    }
    return status;
}

static void preprocess_frame(struct compute *compute, const struct vjepa2_config *config,
                             const struct vjepa2_frame *frame, const struct resize *resize, struct tensor out)
{
    /* The crop's first row and column are truncated, as in the reference. */
    const int crop = config->crop_size;
    const struct filter_u8 vertical = part(&resize->vertical, (resize->vertical.outputs - crop) / 2, crop);
    const struct filter_u8 horizontal = part(&resize->horizontal, (resize->horizontal.outputs - crop) / 2, crop);
    op_resize_u8_normalize(compute, frame->pixels, frame->row_bytes, &vertical, &horizontal, config->rescale,
                           config->mean, config->std, out);
}

void vjepa2_preprocess(struct compute *compute, const struct vjepa2_config *config, const struct vjepa2_frame *frames,
                       int64_t count, enum vjepa2_view view, struct tensor out)
{
    struct resize resize = {0};
    for (int64_t i = 0; i < count && compute_status(compute) == 0; i++) {
        int status = 0;
        if (frames[i].width < 1 || frames[i].height < 1 || frames[i].pixels == NULL) {
            status = error_set(SOWLV2_ERROR_ARGUMENT, "frame %lld of a clip is empty", (long long)i);
        } else if (frames[i].width != resize.width || frames[i].height != resize.height) {
            status = make_resize(config, frames[i].width, frames[i].height, view, &resize);
        }
        if (status != 0) {
            compute_fail(compute, status);
        } else {
            preprocess_frame(compute, config, &frames[i], &resize, tensor_at(out, i));
        }
    }
    filter_u8_free(&resize.vertical);
    filter_u8_free(&resize.horizontal);
}
