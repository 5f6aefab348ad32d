#include "models/owlv2/weights.h"

#include "base/error.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* ---- the tensors as they lie in the file ---- */

struct source_affine {
    struct host_tensor weight, bias;
};

struct source_layer {
    struct source_affine norm1, norm2, q, k, v, out, fc1, fc2;
};

struct source_head {
    struct source_affine dense0, dense1, dense2;
};

struct source {
    struct host_tensor class_embedding, patch, positions;
    struct source_affine pre_norm, post_norm, feature_norm;
    struct source_affine class_dense, class_shift, class_scale;
    struct source_head box_head, objectness_head;
    struct host_tensor token_embedding, text_positions, text_projection;
    struct source_affine text_final_norm;
    /* Part of every checkpoint, but only contrastive image-text scores use them. */
    struct host_tensor visual_projection, logit_scale;
    struct source_layer layers[]; /* vision, then text */
};

/* Rows "<name>.weight" and "<name>.bias" of a struct source_affine at `offset`. */
#define NORM(name, offset, repeat, step, width)                                                                        \
    {name ".weight", repeat, (offset) + offsetof(struct source_affine, weight), step, 1, {width}, false},              \
    {                                                                                                                  \
        name ".bias", repeat, (offset) + offsetof(struct source_affine, bias), step, 1, {width}, false                 \
    }
#define LINEAR(name, offset, repeat, step, outputs, inputs)                                                            \
    {name ".weight", repeat, (offset) + offsetof(struct source_affine, weight), step, 2, {outputs, inputs}, false},    \
    {                                                                                                                  \
        name ".bias", repeat, (offset) + offsetof(struct source_affine, bias), step, 1, {outputs}, false               \
    }
/* NOLINTBEGIN(bugprone-macro-parentheses): members cannot stand in parentheses. */
#define HEAD(name, member, outputs, width)                                                                             \
    LINEAR(name ".dense0", offsetof(struct source, member.dense0), 0, 0, width, width),                                \
        LINEAR(name ".dense1", offsetof(struct source, member.dense1), 0, 0, width, width),                            \
        LINEAR(name ".dense2", offsetof(struct source, member.dense2), 0, 0, outputs, width)
#define LAYER_NORM(name, first, member, tower)                                                                         \
    NORM(name, LAYER(first, member), (int)(tower)->layers, sizeof(struct source_layer), (tower)->width)
#define LAYER_LINEAR(name, first, member, tower, outputs, inputs)                                                      \
    LINEAR(name, LAYER(first, member), (int)(tower)->layers, sizeof(struct source_layer), (tower)->outputs,            \
           (tower)->inputs)
#define LAYERS(name, first, tower)                                                                                     \
    LAYER_NORM(name ".layer_norm1", first, norm1, tower), LAYER_NORM(name ".layer_norm2", first, norm2, tower),        \
        LAYER_LINEAR(name ".self_attn.q_proj", first, q, tower, width, width),                                         \
        LAYER_LINEAR(name ".self_attn.k_proj", first, k, tower, width, width),                                         \
        LAYER_LINEAR(name ".self_attn.v_proj", first, v, tower, width, width),                                         \
        LAYER_LINEAR(name ".self_attn.out_proj", first, out, tower, width, width),                                     \
        LAYER_LINEAR(name ".mlp.fc1", first, fc1, tower, mlp_width, width),                                            \
        LAYER_LINEAR(name ".mlp.fc2", first, fc2, tower, width, mlp_width)
#define LAYER(first, member)                                                                                           \
    (offsetof(struct source, layers) + (size_t)(first) * sizeof(struct source_layer) +                                 \
     offsetof(struct source_layer, member))
#define ONE(member) 0, offsetof(struct source, member), 0
/* NOLINTEND(bugprone-macro-parentheses) */

static int bind_source(const struct owlv2_config *config, const struct checkpoint *checkpoint, struct source *source)
{
    const struct owlv2_tower_config *vision = &config->vision, *text = &config->text;
    const int64_t width = vision->width, text_width = text->width, patch = config->patch_size;
    const int64_t tokens = config->grid * config->grid + 1;
    const struct weight_row rows[] = {
        {"owlv2.vision_model.embeddings.class_embedding", ONE(class_embedding), 1, {width}, false},
        {"owlv2.vision_model.embeddings.patch_embedding.weight", ONE(patch), 4, {width, 3, patch, patch}, false},
        {"owlv2.vision_model.embeddings.position_embedding.weight", ONE(positions), 2, {tokens, width}, false},
        NORM("owlv2.vision_model.pre_layernorm", offsetof(struct source, pre_norm), 0, 0, width),
        LAYERS("owlv2.vision_model.encoder.layers.%d", 0, vision),
        NORM("owlv2.vision_model.post_layernorm", offsetof(struct source, post_norm), 0, 0, width),
        NORM("layer_norm", offsetof(struct source, feature_norm), 0, 0, width),
        LINEAR("class_head.dense0", offsetof(struct source, class_dense), 0, 0, text_width, width),
        LINEAR("class_head.logit_shift", offsetof(struct source, class_shift), 0, 0, 1, width),
        LINEAR("class_head.logit_scale", offsetof(struct source, class_scale), 0, 0, 1, width),
        HEAD("box_head", box_head, 4, width),
        HEAD("objectness_head", objectness_head, 1, width),

        {"owlv2.text_model.embeddings.token_embedding.weight",
         ONE(token_embedding),
         2,
         {config->vocab_size, text_width},
         false},
        {"owlv2.text_model.embeddings.position_embedding.weight",
         ONE(text_positions),
         2,
         {config->text_length, text_width},
         false},
        LAYERS("owlv2.text_model.encoder.layers.%d", vision->layers, text),
        NORM("owlv2.text_model.final_layer_norm", offsetof(struct source, text_final_norm), 0, 0, text_width),
        {"owlv2.text_projection.weight", ONE(text_projection), 2, {config->projection, text_width}, false},

        {"owlv2.visual_projection.weight", ONE(visual_projection), 2, {config->projection, width}, true},
        {"owlv2.logit_scale", ONE(logit_scale), 0, {0}, true},
    };
    static const char *const ignored[] = {"box_bias", NULL}; /* a buffer that older releases saved */
    return checkpoint_bind(checkpoint, source, rows, sizeof(rows) / sizeof(rows[0]), ignored);
}

/* ---- the tensors as the device wants them ---- */

static int load_norm(struct parameters *parameters, const struct source_affine *source, struct nn_norm *out)
{
    const int status = parameters_tensor(parameters, &source->weight, &out->gamma);
    return status != 0 ? status : parameters_tensor(parameters, &source->bias, &out->beta);
}

/* Joins `parts` layers of one input, and lets go of the file's pages: the weights were copied. */
static int load_linear(struct parameters *parameters, int parts, const struct source_affine *const *source,
                       int64_t rows, const struct linear **out)
{
    enum { MAX_PARTS = 3 };
    const struct host_tensor *weight[MAX_PARTS], *bias[MAX_PARTS];
    for (int i = 0; i < parts; i++) {
        weight[i] = &source[i]->weight;
        bias[i] = &source[i]->bias;
    }
    const int status = parameters_linear(parameters, parts, weight, bias, rows, out);
    for (int i = 0; i < parts; i++)
        checkpoint_drop_pages(weight[i]);
    return status;
}

static int load_one(struct parameters *parameters, const struct source_affine *source, int64_t rows,
                    const struct linear **out)
{
    return load_linear(parameters, 1, &source, rows, out);
}

static int load_layer(struct parameters *parameters, const struct source_layer *source, int64_t rows,
                      struct owlv2_layer *out)
{
    const struct source_affine *const qkv[] = {&source->q, &source->k, &source->v};
    int status = load_norm(parameters, &source->norm1, &out->norm1);
    if (status != 0 || (status = load_norm(parameters, &source->norm2, &out->norm2)) != 0 ||
        (status = load_linear(parameters, 3, qkv, rows, &out->qkv)) != 0 ||
        (status = load_one(parameters, &source->out, rows, &out->out)) != 0 ||
        (status = load_one(parameters, &source->fc1, rows, &out->fc1)) != 0 ||
        (status = load_one(parameters, &source->fc2, rows, &out->fc2)) != 0)
        return status;
    return 0;
}

static int load_layers(struct parameters *parameters, const struct source_layer *source, int64_t count, int64_t rows,
                       struct owlv2_layer **out)
{
    *out = calloc((size_t)count, sizeof(**out));
    if (*out == NULL)
        return error_memory("model layers");
    int status = 0;
    for (int64_t i = 0; i < count && status == 0; i++)
        status = load_layer(parameters, &source[i], rows, &(*out)[i]);
    return status;
}

static int load_head(struct parameters *parameters, const struct source_head *source, int64_t rows,
                     struct owlv2_head *out)
{
    int status = load_one(parameters, &source->dense0, rows, &out->dense[0]);
    if (status == 0)
        status = load_one(parameters, &source->dense1, rows, &out->dense[1]);
    return status != 0 ? status : load_one(parameters, &source->dense2, rows, &out->dense[2]);
}

static float logit_of(float x)
{
    return logf(x + 1e-4F) - log1pf(-x + 1e-4F);
}

/* The bias of predicted boxes towards their patch: the patch's lower right corner, counted from 1, and
 * one patch's size, both as logits (reference: compute_box_bias). */
static int load_box_bias(struct parameters *parameters, int64_t grid, struct owlv2_weights *out)
{
    const size_t count = (size_t)(grid * grid) * 4;
    float *const values = malloc(count * sizeof(*values));
    if (values == NULL)
        return error_memory("box bias");
    const float size = logit_of(1.0F / (float)grid);
    float *row = values;
    for (int64_t y = 1; y <= grid; y++) {
        for (int64_t x = 1; x <= grid; x++, row += 4) {
            row[0] = logit_of((float)x / (float)grid);
            row[1] = logit_of((float)y / (float)grid);
            row[2] = size;
            row[3] = size;
        }
    }
    const int status = parameters_values(parameters, values, 2, (int64_t[]){grid * grid, 4}, &out->box_bias);
    free(values);
    return status;
}

static int load_vision(const struct owlv2_config *config, const struct source *source, struct parameters *parameters,
                       struct owlv2_weights *out)
{
    const int64_t rows = config->grid * config->grid + 1;
    const struct source_affine *const class_head[] = {&source->class_dense, &source->class_shift, &source->class_scale};
    struct host_tensor class_row = source->class_embedding;
    class_row.rank = 2;
    class_row.dim[1] = class_row.dim[0];
    class_row.dim[0] = 1;
    int status = parameters_tensor(parameters, &class_row, &out->class_embedding);
    if (status != 0 || (status = parameters_tensor(parameters, &source->positions, &out->positions)) != 0 ||
        (status = parameters_conv2d(parameters, &source->patch, NULL, config->patch_size, 0, &out->patch)) != 0 ||
        (status = load_norm(parameters, &source->pre_norm, &out->pre_norm)) != 0 ||
        (status = load_layers(parameters, source->layers, config->vision.layers, rows, &out->vision_layers)) != 0 ||
        (status = load_norm(parameters, &source->post_norm, &out->post_norm)) != 0 ||
        (status = load_norm(parameters, &source->feature_norm, &out->feature_norm)) != 0 ||
        (status = load_linear(parameters, 3, class_head, rows, &out->class_head)) != 0 ||
        (status = load_head(parameters, &source->box_head, rows, &out->box_head)) != 0 ||
        (status = load_head(parameters, &source->objectness_head, rows, &out->objectness_head)) != 0)
        return status;
    return load_box_bias(parameters, config->grid, out);
}

static int load_text(const struct owlv2_config *config, const struct source *source, struct parameters *parameters,
                     struct owlv2_weights *out)
{
    const int64_t rows = config->text_length;
    int status = parameters_tensor(parameters, &source->token_embedding, &out->token_embedding);
    if (status != 0 || (status = parameters_tensor(parameters, &source->text_positions, &out->text_positions)) != 0 ||
        (status = load_layers(parameters, source->layers + config->vision.layers, config->text.layers, rows,
                              &out->text_layers)) != 0 ||
        (status = load_norm(parameters, &source->text_final_norm, &out->text_final_norm)) != 0)
        return status;
    const struct host_tensor *const weight[] = {&source->text_projection}, *const no_bias[] = {NULL};
    return parameters_linear(parameters, 1, weight, no_bias, rows, &out->text_projection);
}

int owlv2_weights_load(const struct owlv2_config *config, const struct checkpoint *checkpoint,
                       struct parameters *parameters, struct owlv2_weights *out)
{
    memset(out, 0, sizeof(*out));
    const size_t layers = (size_t)(config->vision.layers + config->text.layers);
    struct source *source = calloc(1, sizeof(*source) + layers * sizeof(struct source_layer));
    if (source == NULL)
        return error_memory("model tables");
    int status = bind_source(config, checkpoint, source);
    if (status == 0)
        status = load_vision(config, source, parameters, out);
    if (status == 0)
        status = load_text(config, source, parameters, out);
    free(source);
    if (status != 0)
        owlv2_weights_free(out);
    return status;
}

void owlv2_weights_free(struct owlv2_weights *weights)
{
    free(weights->vision_layers);
    free(weights->text_layers);
    memset(weights, 0, sizeof(*weights));
}
