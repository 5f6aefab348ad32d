/* Frames as the model wants them: resized, cropped, normalised. */
#include "models/vjepa2/forward.h"

#include "base/error.h"
#include "ops/filter.h"

#include <stdlib.h>

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
    if (to_width > FILTER_MAX_SIZE || to_height > FILTER_MAX_SIZE)
        return error_set(SOWLV2_ERROR_ARGUMENT, "a frame of %dx%d is too long and thin", width, height);
    int status = filter_u8_bilinear_antialias(height, (int)to_height, &out->vertical);
    if (status == 0)
        status = filter_u8_bilinear_antialias(width, (int)to_width, &out->horizontal);
    if (status == 0) {
        out->width = width;
        out->height = height;
    }
    return status;
}

/* How bytes become the model's values: (byte * rescale - mean) / std. */
struct scale {
    float rescale;
    const float *mean, *std; /* [3] */
};

static void preprocess_frame(struct compute *compute, const struct vjepa2_config *config, const struct scale *scale,
                             const struct vjepa2_frame *frame, const struct resize *resize, struct tensor out)
{
    /* The crop's first row and column are truncated, as in the reference. */
    const int crop = config->crop_size;
    const struct filter_u8 vertical = part(&resize->vertical, (resize->vertical.outputs - crop) / 2, crop);
    const struct filter_u8 horizontal = part(&resize->horizontal, (resize->horizontal.outputs - crop) / 2, crop);
    op_resize_u8_normalize(compute, frame->pixels, frame->row_bytes, &vertical, &horizontal, scale->rescale,
                           scale->mean, scale->std, out);
}

static void preprocess(struct compute *compute, const struct vjepa2_config *config, const struct scale *scale,
                       const struct vjepa2_frame *frames, int64_t count, enum vjepa2_view view, struct tensor out)
{
    struct resize resize = {0};
    for (int64_t i = 0; i < count && compute_status(compute) == 0; i++) {
        int status = 0;
        if (frames[i].width < 1 || frames[i].height < 1 || frames[i].pixels == NULL)
            status = error_set(SOWLV2_ERROR_ARGUMENT, "frame %lld of a clip is empty", (long long)i);
        else if (frames[i].width != resize.width || frames[i].height != resize.height)
            status = make_resize(config, frames[i].width, frames[i].height, view, &resize);
        if (status != 0)
            compute_fail(compute, status);
        else
            preprocess_frame(compute, config, scale, &frames[i], &resize, tensor_at(out, i));
    }
    filter_u8_free(&resize.vertical);
    filter_u8_free(&resize.horizontal);
}

void vjepa2_preprocess(struct compute *compute, const struct vjepa2_config *config, const struct vjepa2_frame *frames,
                       int64_t count, enum vjepa2_view view, struct tensor out)
{
    const struct scale scale = {config->rescale, config->mean, config->std};
    preprocess(compute, config, &scale, frames, count, view, out);
}

int vjepa2_shrink(const struct vjepa2 *model, struct compute *compute, const struct vjepa2_frame *frame,
                  enum vjepa2_view view, uint8_t *out)
{
    static const float zeros[3] = {0.0F, 0.0F, 0.0F}, ones[3] = {1.0F, 1.0F, 1.0F};
    const struct scale bytes = {1.0F, zeros, ones}; /* the resized bytes themselves, as floats */
    const int64_t side = model->config.crop_size, count = side * side * 3;
    float *values = malloc((size_t)count * sizeof(*values));
    if (values == NULL)
        return error_memory("a frame");
    compute_begin(compute);
    struct tensor pixels = COMPUTE_TENSOR(compute, DTYPE_F32, 1, side, side, 3);
    preprocess(compute, &model->config, &bytes, frame, 1, view, pixels);
    op_download(compute, pixels, values);
    const int status = compute_status(compute);
    for (int64_t i = 0; i < count && status == 0; i++)
        out[i] = (uint8_t)(values[i] + 0.5F);
    free(values);
    return status;
}
