/* The encoder: tubelets, transformer, features. */
#include "models/vjepa2/forward.h"

/* Gathers the tubelets of one clip: pixels [tubelets * t, crop, crop, 3] -> out [tubelets, grid * grid,
 * t * patch * patch * 3]. What the grid does not cover at the right and bottom is not looked at. */
static void gather(struct compute *compute, const struct vjepa2_config *config, struct tensor pixels, struct tensor out)
{
    const int64_t grid = config->grid, patch = config->patch_size, t = config->tubelet_size, side = config->crop_size;
    struct tensor lines = TENSOR_RESHAPE(pixels, pixels.dim[0], side, side * 3);
    lines = tensor_slice(tensor_slice(lines, 1, 0, grid * patch), 2, 0, grid * patch * 3);
    for (int64_t i = 0; i < out.dim[0]; i++) {
        struct tensor from = tensor_slice(lines, 0, i * t, t);
        from = TENSOR_RESHAPE(from, t, grid, patch, grid, patch * 3);
        from = tensor_swap_axes(from, 0, 1); /* [grid, t, patch, grid, patch * 3] */
        from = tensor_swap_axes(from, 1, 3); /* [grid, grid, patch, t, patch * 3] */
        from = tensor_swap_axes(from, 2, 3); /* [grid, grid, t, patch, patch * 3] */
        op_copy(compute, from, TENSOR_RESHAPE(tensor_at(out, i), grid, grid, t, patch, patch * 3));
    }
}

/* Pixels of all clips, and tokens from them: x [batch, tokens, width]. */
static void embed(const struct vjepa2 *model, struct compute *compute, const struct scorer_clips *clips,
                  const struct model_trace *trace, struct tensor x)
{
    const struct vjepa2_config *config = &model->config;
    const int64_t batch = clips->batch, count = clips->count, side = config->crop_size;
    const int64_t tubelets = vjepa2_tubelets(config, count), patches = config->grid * config->grid;
    const int64_t repeats = count < config->tubelet_size ? config->tubelet_size : 1;
    const int64_t taps = (int64_t)config->tubelet_size * config->patch_size * config->patch_size * 3;
    const size_t mark = compute_mark(compute);

    struct tensor pixels = COMPUTE_TENSOR(compute, DTYPE_F32, batch, count * repeats, side, side, 3);
    struct tensor gathered = COMPUTE_TENSOR(compute, compute_narrow(compute), batch, tubelets, patches, taps);
    for (int64_t b = 0; b < batch; b++) {
        struct tensor clip = tensor_at(pixels, b), frames = tensor_slice(clip, 0, 0, count);
        vjepa2_preprocess(compute, config, clips->frames + b * count, count, clips->view, frames);
        for (int64_t r = 1; r < repeats; r++)
            op_copy(compute, frames, tensor_slice(clip, 0, r * count, count));
        gather(compute, config, clip, tensor_at(gathered, b));
    }
    model_emit(trace, compute, tensor_slice(pixels, 1, 0, count), "pixel_values");
    op_linear(compute, model->weights.patch, TENSOR_RESHAPE(gathered, batch, tubelets * patches, taps), ACTIVATION_NONE,
              NULL, x);
    compute_release(compute, mark);
}

void vjepa2_encoder(const struct vjepa2 *model, struct compute *compute, const struct scorer_clips *clips,
                    const struct model_trace *trace, const struct model_control *control, struct tensor features)
{
    const struct vjepa2_config *config = &model->config;
    const struct nn_tower *tower = &config->encoder;
    const struct vjepa2_weights *weights = &model->weights;
    const size_t mark = compute_mark(compute);

    embed(model, compute, clips, trace, features);
    model_emit(trace, compute, features, "embeddings");
    struct nn_rope turns;
    const struct nn_rope *const rope =
        vjepa2_rope_of_clip(compute, config, tower, weights->turns, vjepa2_tubelets(config, clips->count), &turns);
    const struct nn_watch watch = {trace, "encoder.block", control, "video features"};
    nn_tower_forward(compute, tower, weights->layers, false, rope, &watch, features);
    nn_norm_forward(compute, &weights->final_norm, tower->eps, features, features);
    compute_release(compute, mark);
}
