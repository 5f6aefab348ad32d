/* V-JEPA 2 as the engine sees it. */
#include "models/vjepa2/scorer.h"

#include "models/vjepa2/vjepa2.h"

static int open_weights(const char *folder, struct device *device, void **out)
{
    struct vjepa2 *model = NULL;
    const int status = vjepa2_open(folder, device, &model);
    *out = model;
    return status;
}

static void free_weights(void *weights)
{
    struct vjepa2 *model = weights;
    vjepa2_free(&model);
}

static struct scorer_info info(const void *weights)
{
    const struct vjepa2_config *const config = vjepa2_get_config(weights);
    return (struct scorer_info){.side = config->crop_size,
                                .frames_per_clip = config->frames_per_clip,
                                .tubelet_size = config->tubelet_size,
                                .grid = config->grid,
                                .width = config->encoder.width,
                                .predictor = vjepa2_has_predictor(weights),
                                .label_count = config->label_count,
                                .labels = config->labels};
}

static int64_t tubelets(const void *weights, int64_t frames)
{
    return vjepa2_tubelets(vjepa2_get_config(weights), frames);
}

static int prepare(const void *weights, struct compute *compute, const struct sowlv2_image *frame,
                   enum scorer_view view, struct frame_resize *kept, struct tensor out)
{
    return vjepa2_prepare(weights, compute, frame, view, kept, out);
}

static int encode(const void *weights, struct compute *compute, const struct scorer_clips *clips,
                  const struct model_control *control, const struct scorer_output *out)
{
    return vjepa2_encode(weights, compute, clips, NULL, control, out);
}

static int predict(const void *weights, struct compute *compute, struct tensor features,
                   const struct scorer_positions *context, const struct scorer_positions *target,
                   const struct model_control *control, float *out)
{
    return vjepa2_predict(weights, compute, features, context, target, NULL, control, out);
}

const struct scorer_model vjepa2_scorer = {
    .kind = "vjepa2",
    .open = open_weights,
    .free = free_weights,
    .info = info,
    .tubelets = tubelets,
    .prepare = prepare,
    .encode = encode,
    .predict = predict,
};
