#include "models/vjepa2/weights.h"

#include "base/error.h"
#include "models/vjepa2/source.h"

#include <stdlib.h>
#include <string.h>

/* What loading needs everywhere. */
struct loader {
    struct parameters *parameters;
    int64_t rows; /* tokens of a usual clip */
};

static int load_norm(const struct loader *loader, const struct vjepa2_source_affine *source, struct nn_norm *out)
{
    const int status = parameters_tensor(loader->parameters, &source->weight, &out->gamma);
    return status != 0 ? status : parameters_tensor(loader->parameters, &source->bias, &out->beta);
}

/* Joins `parts` layers of one input, and lets go of the file's pages: the weights were copied. */
static int load_linear(const struct loader *loader, int parts, const struct vjepa2_source_affine *const *source,
                       const struct linear **out)
{
    enum { MAX_PARTS = 3 };
    const struct host_tensor *weight[MAX_PARTS] = {NULL}, *bias[MAX_PARTS] = {NULL};
    for (int i = 0; i < parts; i++) {
        weight[i] = &source[i]->weight;
        bias[i] = source[i]->bias.data != NULL ? &source[i]->bias : NULL;
    }
    const int status = parameters_linear(loader->parameters, parts, weight, bias, loader->rows, out);
    for (int i = 0; i < parts; i++)
        checkpoint_drop_pages(weight[i]);
    return status;
}

static int load_one(const struct loader *loader, const struct vjepa2_source_affine *source, const struct linear **out)
{
    return load_linear(loader, 1, &source, out);
}

static int load_layer(const struct loader *loader, const struct vjepa2_source_layer *source, struct vjepa2_layer *out)
{
    const struct vjepa2_source_affine *const qkv[] = {&source->q, &source->k, &source->v};
    int status = load_norm(loader, &source->norm1, &out->norm1);
    if (status != 0 || (status = load_norm(loader, &source->norm2, &out->norm2)) != 0 ||
        (status = load_linear(loader, 3, qkv, &out->qkv)) != 0 ||
        (status = load_one(loader, &source->out, &out->out)) != 0 ||
        (status = load_one(loader, &source->fc1, &out->fc1)) != 0)
        return status;
    return load_one(loader, &source->fc2, &out->fc2);
}

static int load_layers(const struct loader *loader, const struct vjepa2_source_layer *source, int64_t count,
                       struct vjepa2_layer **out)
{
    if (count == 0)
        return 0;
    *out = calloc((size_t)count, sizeof(**out));
    if (*out == NULL)
        return error_memory("model layers");
    int status = 0;
    for (int64_t i = 0; i < count && status == 0; i++)
        status = load_layer(loader, &source[i], &(*out)[i]);
    return status;
}

/* The tubelet embedding, a convolution whose windows do not overlap, as a product over gathered tubelets: the
 * file's [width, 3, frames, rows, columns] becomes [width, frames rows columns 3]. */
static int load_patch(const struct loader *loader, const struct vjepa2_source_affine *source, const struct linear **out)
{
    const struct host_tensor *from = &source->weight;
    const int64_t outputs = from->dim[0], taps = from->dim[2] * from->dim[3] * from->dim[4], count = 3 * taps;
    const size_t bytes = (size_t)(outputs * count) * sizeof(float);
    float *plain = malloc(bytes), *permuted = malloc(bytes);
    if (plain == NULL || permuted == NULL) {
        free(plain);
        free(permuted);
        return error_memory("the patch embedding");
    }
    int status = dtype_to_f32(from->dtype, from->data, outputs * count, plain);
    if (status == 0) {
        for (int64_t o = 0; o < outputs; o++)
            for (int64_t i = 0; i < count; i++)
                permuted[o * count + i % taps * 3 + i / taps] = plain[o * count + i];
        const struct host_tensor weight = {
            .dtype = DTYPE_F32, .rank = 2, .dim = {outputs, count}, .data = permuted, .bytes = bytes};
        const struct host_tensor *const weights[] = {&weight}, *const biases[] = {&source->bias};
        status = parameters_linear(loader->parameters, 1, weights, biases, loader->rows, out);
    }
    free(plain);
    free(permuted);
    checkpoint_drop_pages(from);
    return status;
}

static int load_predictor(const struct loader *loader, const struct vjepa2_config *config,
                          const struct vjepa2_source *source, struct vjepa2_weights *out)
{
    struct tensor tokens;
    int status;
    if ((status = load_one(loader, &source->predictor_in, &out->predictor_in)) != 0 ||
        (status = parameters_tensor(loader->parameters, &source->mask_tokens, &tokens)) != 0 ||
        (status = load_layers(loader, source->layers + config->encoder.layers, config->predictor.layers,
                              &out->predictor_layers)) != 0 ||
        (status = load_norm(loader, &source->predictor_norm, &out->predictor_norm)) != 0 ||
        (status = load_one(loader, &source->predictor_out, &out->predictor_out)) != 0)
        return status;
    /* The reference always takes the token of mask 1. */
    out->mask_token = tensor_at(tokens, 1 % config->mask_tokens);
    return 0;
}

static int load_classifier(const struct loader *loader, const struct vjepa2_config *config,
                           const struct vjepa2_source *source, struct vjepa2_weights *out)
{
    const int64_t first = config->encoder.layers + (source->has_predictor ? config->predictor.layers : 0);
    const struct vjepa2_source_layer *cross = &source->cross;
    const struct vjepa2_source_affine *const kv[] = {&cross->k, &cross->v};
    const struct loader single = {loader->parameters, 1};
    int status = parameters_tensor(loader->parameters, &source->pooler_query, &out->pooler_query);
    if (status != 0 ||
        (status = load_layers(loader, source->layers + first, config->pooler.layers, &out->pooler_layers)) != 0 ||
        (status = load_norm(loader, &cross->norm1, &out->pooler_cross.norm1)) != 0 ||
        (status = load_norm(loader, &cross->norm2, &out->pooler_cross.norm2)) != 0 ||
        (status = load_one(&single, &cross->q, &out->pooler_cross.q)) != 0 ||
        (status = load_linear(loader, 2, kv, &out->pooler_cross.kv)) != 0 ||
        (status = load_one(&single, &cross->fc1, &out->pooler_cross.fc1)) != 0 ||
        (status = load_one(&single, &cross->fc2, &out->pooler_cross.fc2)) != 0)
        return status;
    return load_one(&single, &source->classifier, &out->classifier);
}

static int load(const struct loader *loader, const struct vjepa2_config *config, const struct vjepa2_source *source,
                struct vjepa2_weights *out)
{
    out->has_predictor = source->has_predictor;
    out->has_classifier = source->has_classifier;
    int status;
    if ((status = load_patch(loader, &source->patch, &out->patch)) != 0 ||
        (status = load_layers(loader, source->layers, config->encoder.layers, &out->layers)) != 0 ||
        (status = load_norm(loader, &source->final_norm, &out->final_norm)) != 0 ||
        (out->has_predictor && (status = load_predictor(loader, config, source, out)) != 0) ||
        (out->has_classifier && (status = load_classifier(loader, config, source, out)) != 0))
        return status;
    return 0;
}

int vjepa2_weights_load(const struct vjepa2_config *config, const struct checkpoint *checkpoint,
                        struct parameters *parameters, struct vjepa2_weights *out)
{
    struct vjepa2_source *source;
    memset(out, 0, sizeof(*out));
    int status = vjepa2_source_bind(config, checkpoint, &source);
    if (status != 0)
        return status;
    const int64_t tubelets = config->frames_per_clip / config->tubelet_size;
    const struct loader loader = {parameters, (tubelets > 0 ? tubelets : 1) * config->grid * config->grid};
    status = load(&loader, config, source, out);
    free(source);
    if (status != 0)
        vjepa2_weights_free(out);
    return status;
}

void vjepa2_weights_free(struct vjepa2_weights *weights)
{
    free(weights->layers);
    free(weights->predictor_layers);
    free(weights->pooler_layers);
    memset(weights, 0, sizeof(*weights));
}
