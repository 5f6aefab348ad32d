/* The image tower: preprocessing, patches, transformer, features. */
#include "models/owlv2/forward.h"

#include "ops/filter.h"

/* Both axes' filters of one image. */
struct axes {
    struct resize vertical, horizontal;
};

/* Zeros make the image a square. */
static struct axes make_padded(struct compute *compute, const struct sowlv2_image *image, int size)
{
    const int side = image->width > image->height ? image->width : image->height;
    return (struct axes){op_filter_blur_bilinear(compute, image->height, side, size),
                         op_filter_blur_bilinear(compute, image->width, side, size)};
}

/* The image is stretched. The reference blurs each axis by the other one's deviation, and none where one of the two
 * does not shrink. */
static struct axes make_stretched(struct compute *compute, const struct sowlv2_image *image, int size)
{
    float down = filter_blur_sigma(image->width, size), across = filter_blur_sigma(image->height, size);
    if (down == 0.0F || across == 0.0F)
        down = across = 0.0F;
    return (struct axes){op_filter_sigma_bilinear(compute, image->height, size, down),
                         op_filter_sigma_bilinear(compute, image->width, size, across)};
}

void owlv2_preprocess(struct compute *compute, const struct owlv2_config *config, const struct sowlv2_image *image,
                      struct tensor out)
{
    const struct axes axes = config->pad ? make_padded(compute, image, config->image_size)
                                         : make_stretched(compute, image, config->image_size);
    const struct pixel_scale scale = pixel_scale(config->rescale, config->mean, config->std);
    const struct tensor pixels =
        op_upload_rows(compute, image->pixels, image->stride, image->height, 3 * (int64_t)image->width);
    op_resize_image(compute, pixels, &axes.vertical, &axes.horizontal, &scale, out);
}

/* x[b] = class token and patches of image b, plus positions. */
static void embed(const struct owlv2 *model, struct compute *compute, struct tensor pixel_values, struct tensor x)
{
    const struct owlv2_weights *weights = &model->weights;
    const int64_t grid = model->config.grid, patches = grid * grid, width = model->config.vision.width;
    struct tensor class_position = tensor_slice(weights->positions, 0, 0, 1);
    struct tensor positions = TENSOR_RESHAPE(tensor_slice(weights->positions, 0, 1, patches), 1, grid, grid, width);
    for (int64_t b = 0; b < x.dim[0]; b++) {
        struct tensor tokens = tensor_at(x, b);
        op_add(compute, weights->class_embedding, class_position, tensor_slice(tokens, 0, 0, 1));
        op_conv2d(compute, weights->patch, tensor_slice(pixel_values, 0, b, 1), &positions,
                  TENSOR_RESHAPE(tensor_slice(tokens, 0, 1, patches), 1, grid, grid, width));
    }
}

void owlv2_image_tower(const struct owlv2 *model, struct compute *compute, struct tensor pixel_values,
                       const struct model_trace *trace, const struct model_control *control, struct tensor features)
{
    const struct nn_tower *tower = &model->config.vision;
    const struct owlv2_weights *weights = &model->weights;
    const int64_t batch = features.dim[0], patches = features.dim[1];
    const size_t mark = compute_mark(compute);

    struct tensor x = COMPUTE_TENSOR(compute, DTYPE_F32, batch, 1 + patches, tower->width);
    embed(model, compute, pixel_values, x);
    nn_norm_forward(compute, &weights->pre_norm, tower->eps, x, x);
    model_emit(trace, compute, x, "vision.embeddings");
    const struct nn_watch watch = {trace, "vision.block", control, "detection"};
    nn_tower_forward(compute, tower, weights->vision_layers, false, NULL, &watch, x);

    /* Patch features: normalised patches times the normalised class token, normalised again. */
    nn_norm_forward(compute, &weights->post_norm, tower->eps, x, x);
    struct tensor patch = tensor_slice(x, 1, 1, patches);
    op_mul(compute, patch, tensor_slice(x, 1, 0, 1), patch);
    nn_norm_forward(compute, &weights->feature_norm, tower->eps, patch, features);
    model_emit(trace, compute, features, "features");
    compute_release(compute, mark);
}
