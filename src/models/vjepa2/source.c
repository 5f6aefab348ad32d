#include "models/vjepa2/source.h"

#include "base/error.h"
#include "models/vjepa2/weights.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROWS = 96, MAX_NAME = 96 };

/* The table of one checkpoint, its names put together for the layout. */
struct table {
    struct weight_row rows[MAX_ROWS];
    char names[MAX_ROWS][MAX_NAME];
    size_t count;
};

/* Where a tensor goes: `repeat` and `stride` are 0 for one that is there once. */
struct place {
    size_t offset;
    int repeat;
    size_t stride;
};

static void add(struct table *table, const char *prefix, const char *name, const char *suffix, struct place place,
                int rank, const int64_t *dim, bool optional)
{
    struct weight_row *row = &table->rows[table->count];
    char *full = table->names[table->count++];
    snprintf(full, MAX_NAME, "%s%s%s", prefix, name, suffix);
    *row = (struct weight_row){.name = full,
                               .repeat = place.repeat,
                               .offset = place.offset,
                               .stride = place.stride,
                               .rank = rank,
                               .optional = optional};
    memcpy(row->dim, dim, (size_t)rank * sizeof(*dim));
}

/* A layer norm's gamma and beta. */
static void add_norm(struct table *table, const char *prefix, const char *name, struct place place, int64_t width)
{
    struct place bias = place;
    bias.offset += offsetof(struct vjepa2_source_affine, bias);
    add(table, prefix, name, ".weight", place, 1, &width, false);
    add(table, prefix, name, ".bias", bias, 1, &width, false);
}

static void add_linear(struct table *table, const char *prefix, const char *name, struct place place, int64_t outputs,
                       int64_t inputs, bool bias_optional)
{
    struct place bias = place;
    bias.offset += offsetof(struct vjepa2_source_affine, bias);
    add(table, prefix, name, ".weight", place, 2, (int64_t[]){outputs, inputs}, false);
    add(table, prefix, name, ".bias", bias, 1, &outputs, bias_optional);
}

/* What the layers of the towers and of the pooler call their parts. */
struct layer_names {
    const char *norm1, *norm2, *q, *k, *v, *out; /* out NULL: there is none */
};

static const struct layer_names TOWER_NAMES = {"norm1",         "norm2",           "attention.query",
                                               "attention.key", "attention.value", "attention.proj"};
static const struct layer_names POOLER_NAMES = {"layer_norm1",      "layer_norm2",      "self_attn.q_proj",
                                                "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj"};
static const struct layer_names CROSS_NAMES = {"layer_norm1",       "layer_norm2",       "cross_attn.q_proj",
                                               "cross_attn.k_proj", "cross_attn.v_proj", NULL};

static void add_layer(struct table *table, const char *prefix, const struct layer_names *names, struct place place,
                      const struct vjepa2_tower_config *tower, bool qkv_bias)
{
    const int64_t width = tower->width, mlp_width = tower->mlp_width;
#define PART(member)                                                                                                   \
    (struct place){place.offset + offsetof(struct vjepa2_source_layer, member), place.repeat, place.stride}
    add_norm(table, prefix, names->norm1, PART(norm1), width);
    add_norm(table, prefix, names->norm2, PART(norm2), width);
    add_linear(table, prefix, names->q, PART(q), width, width, !qkv_bias);
    add_linear(table, prefix, names->k, PART(k), width, width, !qkv_bias);
    add_linear(table, prefix, names->v, PART(v), width, width, !qkv_bias);
    if (names->out != NULL)
        add_linear(table, prefix, names->out, PART(out), width, width, false);
    add_linear(table, prefix, "mlp.fc1", PART(fc1), mlp_width, width, false);
    add_linear(table, prefix, "mlp.fc2", PART(fc2), width, mlp_width, false);
#undef PART
}

/* Layers from number `first` of the source on. */
static void add_layers(struct table *table, const char *prefix, const struct layer_names *names, int64_t first,
                       const struct vjepa2_tower_config *tower, bool qkv_bias)
{
    if (tower->layers > 0) {
        const size_t size = sizeof(struct vjepa2_source_layer);
        const struct place place = {offsetof(struct vjepa2_source, layers) + (size_t)first * size, (int)tower->layers,
                                    size};
        add_layer(table, prefix, names, place, tower, qkv_bias);
    }
}

#define ONE(member)                                                                                                    \
    (struct place)                                                                                                     \
    {                                                                                                                  \
        offsetof(struct vjepa2_source, member), 0, 0                                                                   \
    }

static void add_encoder(struct table *table, const char *prefix, const struct vjepa2_config *config)
{
    const int64_t width = config->encoder.width, patch = config->patch_size;
    const int64_t dim[] = {width, 3, config->tubelet_size, patch, patch};
    struct place bias = ONE(patch.bias);
    char layers[MAX_NAME];
    snprintf(layers, sizeof(layers), "%sencoder.layer.%%d.", prefix);
    add(table, prefix, "encoder.embeddings.patch_embeddings.proj", ".weight", ONE(patch.weight), 5, dim, false);
    add(table, prefix, "encoder.embeddings.patch_embeddings.proj", ".bias", bias, 1, &width, false);
    add_layers(table, layers, &TOWER_NAMES, 0, &config->encoder, config->qkv_bias);
    add_norm(table, prefix, "encoder.layernorm", ONE(final_norm), width);
}

static void add_predictor(struct table *table, const char *prefix, const struct vjepa2_config *config)
{
    const int64_t width = config->encoder.width, inner = config->predictor.width;
    char layers[MAX_NAME];
    snprintf(layers, sizeof(layers), "%spredictor.layer.%%d.", prefix);
    add_linear(table, prefix, "predictor.embeddings.predictor_embeddings", ONE(predictor_in), inner, width, false);
    add(table, prefix, "predictor.embeddings.mask_tokens", "", ONE(mask_tokens), 4,
        (int64_t[]){config->mask_tokens, 1, 1, inner}, false);
    add_layers(table, layers, &TOWER_NAMES, config->encoder.layers, &config->predictor, config->qkv_bias);
    add_norm(table, prefix, "predictor.layernorm", ONE(predictor_norm), inner);
    add_linear(table, prefix, "predictor.proj", ONE(predictor_out), width, inner, false);
}

static void add_classifier(struct table *table, const struct vjepa2_config *config, int64_t first)
{
    const int64_t width = config->encoder.width;
    add(table, "", "pooler.query_tokens", "", ONE(pooler_query), 3, (int64_t[]){1, 1, width}, false);
    add_layers(table, "pooler.self_attention_layers.%d.", &POOLER_NAMES, first, &config->pooler, true);
    add_layer(table, "pooler.cross_attention_layer.", &CROSS_NAMES, ONE(cross), &config->pooler, true);
    add_linear(table, "", "classifier", ONE(classifier), config->label_count, width, false);
}

static bool has(const struct checkpoint *checkpoint, const char *prefix, const char *name)
{
    char full[MAX_NAME];
    snprintf(full, sizeof(full), "%s%s", prefix, name);
    return checkpoint_find(checkpoint, full) != NULL;
}

int64_t vjepa2_weights_labels(const struct checkpoint *checkpoint)
{
    const struct host_tensor *weight = checkpoint_find(checkpoint, "classifier.weight");
    return weight != NULL && weight->rank == 2 ? weight->dim[0] : 0;
}

int vjepa2_source_bind(const struct vjepa2_config *config, const struct checkpoint *checkpoint,
                       struct vjepa2_source **out)
{
    const int64_t most = config->encoder.layers + config->predictor.layers + config->pooler.layers;
    struct vjepa2_source *source = calloc(1, sizeof(*source) + (size_t)most * sizeof(struct vjepa2_source_layer));
    struct table *table = calloc(1, sizeof(*table));
    *out = NULL;
    if (source == NULL || table == NULL) {
        free(source);
        free(table);
        return error_memory("model tables");
    }
    source->has_classifier = config->label_count > 0;
    const char *prefix = source->has_classifier ? "vjepa2." : "";
    source->has_predictor = has(checkpoint, prefix, "predictor.proj.weight");
    add_encoder(table, prefix, config);
    int64_t towers = config->encoder.layers; /* of encoder and predictor */
    if (source->has_predictor) {
        add_predictor(table, prefix, config);
        towers += config->predictor.layers;
    }
    if (source->has_classifier)
        add_classifier(table, config, towers);
    const int status = checkpoint_bind(checkpoint, source, table->rows, table->count, NULL);
    free(table);
    if (status != 0) {
        free(source);
        return status;
    }
    /* Without qkv_bias the reference's towers have no such biases, whatever the file holds. */
    for (int64_t i = 0; i < towers && !config->qkv_bias; i++) {
        source->layers[i].q.bias.data = NULL;
        source->layers[i].k.bias.data = NULL;
        source->layers[i].v.bias.data = NULL;
    }
    *out = source;
    return 0;
}
