/* The encoder: tubelets, transformer, features. */
#include "models/vjepa2/forward.h"

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The clip's frames lie in `pixels` from entry `first` on, around its end. */
struct clip {
    struct tensor pixels; /* [entries, crop, crop, 3] */
    int64_t first, count;
};

/* Gathers the tubelets of a clip into out [tubelets, grid * grid, t * patch * patch * 3]; a clip of fewer frames than
 * one is repeated. What the grid does not cover at the right and bottom is not looked at. */
static void gather(struct compute *compute, const struct vjepa2_config *config, const struct clip *clip,
                   struct tensor out)
{
    const int64_t grid = config->grid, patch = config->patch_size, t = config->tubelet_size, side = config->crop_size;
    const int64_t entries = clip->pixels.dim[0];
    struct tensor lines = TENSOR_RESHAPE(clip->pixels, entries, side, side * 3);
    lines = tensor_slice(tensor_slice(lines, 1, 0, grid * patch), 2, 0, grid * patch * 3);
    for (int64_t i = 0, run; i < out.dim[0] * t; i += run) {
        const int64_t frame = i % clip->count, entry = (clip->first + frame) % entries;
        run = least(least(t - i % t, clip->count - frame), entries - entry);
        struct tensor from = tensor_slice(lines, 0, entry, run);
        from = TENSOR_RESHAPE(from, run, grid, patch, grid, patch * 3);
        from = tensor_swap_axes(from, 0, 1); /* [grid, run, patch, grid, patch * 3] */
        from = tensor_swap_axes(from, 1, 3); /* [grid, grid, patch, run, patch * 3] */
        from = tensor_swap_axes(from, 2, 3); /* [grid, grid, run, patch, patch * 3] */
        const struct tensor tubelet = TENSOR_RESHAPE(tensor_at(out, i / t), grid, grid, t, patch, patch * 3);
        op_copy(compute, from, tensor_slice(tubelet, 2, i % t, run));
    }
}

/* Pixels of all clips, and tokens from them: x [batch, tokens, width]. */
static void embed(const struct vjepa2 *model, struct compute *compute, const struct scorer_clips *clips,
                  const struct model_trace *trace, struct tensor x)
{
    const struct vjepa2_config *config = &model->config;
    const int64_t batch = clips->batch, count = clips->count, side = config->crop_size;
    const int64_t tubelets = vjepa2_tubelets(config, count), patches = config->grid * config->grid;
    const int64_t taps = (int64_t)config->tubelet_size * config->patch_size * config->patch_size * 3;
    const size_t mark = compute_mark(compute);

    struct tensor gathered = COMPUTE_TENSOR(compute, compute_narrow(compute), batch, tubelets, patches, taps);
    if (clips->prepared) {
        const struct clip clip = {*clips->prepared, clips->first, count};
        gather(compute, config, &clip, tensor_at(gathered, 0));
    } else {
        struct tensor pixels = COMPUTE_TENSOR(compute, DTYPE_F32, batch, count, side, side, 3);
        for (int64_t b = 0; b < batch; b++) {
            const struct clip clip = {tensor_at(pixels, b), 0, count};
            vjepa2_preprocess(compute, config, clips->frames + b * count, count, clips->view, clip.pixels);
            gather(compute, config, &clip, tensor_at(gathered, b));
        }
        model_emit(trace, compute, pixels, "pixel_values");
    }
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
