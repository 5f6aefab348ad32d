/* Opening a model, and its passes from and to the caller's memory. */
#include "models/vjepa2/forward.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

static int open_parts(const char *folder, struct vjepa2 *model)
{
    int status = checkpoint_open(folder, &model->checkpoint);
    if (status != 0) {
        /* A folder of another kind of model is better told by its config.json. */
        struct vjepa2_config config;
        const int kind = vjepa2_config_read(folder, 0, &config);
        vjepa2_config_free(&config);
        return kind != 0 ? kind : checkpoint_open(folder, &model->checkpoint);
    }
    if ((status = vjepa2_config_read(folder, vjepa2_weights_labels(model->checkpoint), &model->config)) != 0 ||
        (status = parameters_create(model->device, &model->parameters)) != 0)
        return status;
    return vjepa2_weights_load(&model->config, model->checkpoint, model->parameters, &model->weights);
}

int vjepa2_open(const char *folder, struct device *device, struct vjepa2 **out)
{
    struct vjepa2 *model = calloc(1, sizeof(*model));
    *out = NULL;
    if (!model)
        return error_memory("model");
    model->device = device;
    const int status = open_parts(folder, model);
    if (status != 0) {
        vjepa2_free(&model);
        return status;
    }
    *out = model;
    return 0;
}

void vjepa2_free(struct vjepa2 **model)
{
    struct vjepa2 *old = *model;
    if (!old)
        return;
    parameters_free(&old->parameters);
    vjepa2_weights_free(&old->weights);
    vjepa2_config_free(&old->config);
    checkpoint_close(&old->checkpoint);
    free(old);
    *model = NULL;
}

const struct vjepa2_config *vjepa2_get_config(const struct vjepa2 *model)
{
    return &model->config;
}

bool vjepa2_has_predictor(const struct vjepa2 *model)
{
    return model->weights.has_predictor;
}

bool vjepa2_has_classifier(const struct vjepa2 *model)
{
    return model->weights.has_classifier;
}

int64_t vjepa2_tubelets(const struct vjepa2_config *config, int64_t frames)
{
    return frames < config->tubelet_size ? frames : frames / config->tubelet_size;
}

int64_t vjepa2_tokens(const struct vjepa2_config *config, int64_t frames)
{
    return vjepa2_tubelets(config, frames) * config->grid * config->grid;
}

/* x [batch, tokens, width], which it changes, to the caller's memory. */
static void classify(const struct vjepa2 *model, struct compute *compute, struct tensor x,
                     const struct model_trace *trace, float *pooled_out, float *logits_out)
{
    const int64_t batch = x.dim[0];
    struct tensor pooled = COMPUTE_TENSOR(compute, DTYPE_F32, batch, 1, model->config.encoder.width);
    vjepa2_pooler(model, compute, x, trace, pooled);
    if (pooled_out)
        op_download(compute, pooled, pooled_out);
    if (logits_out) {
        struct tensor logits = COMPUTE_TENSOR(compute, DTYPE_F32, batch, 1, model->config.label_count);
        op_linear(compute, model->weights.classifier, pooled, ACTIVATION_NONE, NULL, logits);
        op_download(compute, logits, logits_out);
    }
}

/* The pooler works in place, and these features are kept, or still to be fetched. */
static struct tensor copy_features(struct compute *compute, struct tensor features)
{
    struct tensor x = compute_tensor(compute, DTYPE_F32, features.rank, features.dim);
    op_copy(compute, features, x);
    return x;
}

int vjepa2_features_check(const struct vjepa2 *model, struct tensor features)
{
    const bool fits = features.rank == 3 && features.dtype == DTYPE_F32 && features.dim[0] >= 1 &&
                      features.dim[1] >= 1 && features.dim[2] == model->config.encoder.width;
    return fits ? 0 : error_set(SOWLV2_ERROR_ARGUMENT, "features: not [clips, tokens, the model's width]");
}

enum { MAX_BATCH = 1 << 16, MAX_FRAMES = 1 << 20 };

static int check_prepared(const struct vjepa2 *model, const struct scorer_clips *clips)
{
    const struct tensor *const pixels = clips->prepared;
    const int64_t side = model->config.crop_size;
    const bool fits = !pixels || (pixels->rank == 4 && pixels->dtype == DTYPE_F32 && pixels->dim[1] == side &&
                                  pixels->dim[2] == side && pixels->dim[3] == 3 && clips->batch == 1 &&
                                  clips->count <= pixels->dim[0] && clips->first >= 0 && clips->first < pixels->dim[0]);
    return fits ? 0 : error_set(SOWLV2_ERROR_ARGUMENT, "a clip: its frames were not prepared for this model");
}

int vjepa2_encode(const struct vjepa2 *model, struct compute *compute, const struct scorer_clips *clips,
                  const struct model_trace *trace, const struct model_control *control, const struct scorer_output *out)
{
    const bool wants_classes = out->pooled || out->logits;
    if (clips->batch < 1 || clips->count < 1 || clips->batch > MAX_BATCH || clips->count > MAX_FRAMES) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "%lld clips of %lld frames: at least one frame is needed, at most %d",
                         (long long)clips->batch, (long long)clips->count, (int)MAX_FRAMES);
    }
    if (wants_classes && !model->weights.has_classifier) {
        return error_set(SOWLV2_ERROR_UNSUPPORTED,
                         "this V-JEPA 2 checkpoint has no classifier: give one with labels, for example "
                         "facebook/vjepa2-vitl-fpc16-256-ssv2");
    }
    int status = check_prepared(model, clips);
    if (status != 0)
        return status;
    const int64_t dim[] = {clips->batch, vjepa2_tokens(&model->config, clips->count), model->config.encoder.width};
    const bool kept = out->kept;
    if (kept &&
        ((status = vjepa2_features_check(model, *out->kept)) != 0 || memcmp(out->kept->dim, dim, sizeof(dim)) != 0)) {
        return status != 0 ? status
                           : error_set(SOWLV2_ERROR_ARGUMENT, "features: made for another number of clips or frames");
    }
    compute_begin(compute);
    struct tensor x = kept ? *out->kept : compute_tensor(compute, DTYPE_F32, 3, dim);
    vjepa2_encoder(model, compute, clips, trace, control, x);
    if (out->features)
        op_download(compute, x, out->features);
    if (out->variance) {
        const int64_t entries = dim[0] * vjepa2_tubelets(&model->config, clips->count);
        struct tensor variance = COMPUTE_TENSOR(compute, DTYPE_F32, entries, 1);
        op_variance(compute, TENSOR_RESHAPE(x, entries, model->config.grid * model->config.grid, dim[2]), variance);
        op_download(compute, variance, out->variance);
    }
    if (wants_classes)
        classify(model, compute, kept || out->features ? copy_features(compute, x) : x, trace, out->pooled,
                 out->logits);
    return compute_finish(compute);
}
