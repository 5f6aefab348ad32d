#include "models/vjepa2/weights.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 96 };

/* What one checkpoint's names begin with, and the walk's results. */
struct load {
    const struct vjepa2_config *config;
    const char *prefix; /* of the encoder's and the predictor's tensors */
    int64_t rows;       /* tokens of a usual clip */
    struct vjepa2_weights *out;
};

static struct nn_block_names tower_names(const struct vjepa2_config *config)
{
    return (struct nn_block_names){.norm1 = "norm1",
                                   .norm2 = "norm2",
                                   .q = "attention.query",
                                   .k = "attention.key",
                                   .v = "attention.value",
                                   .out = "attention.proj",
                                   .fc1 = "mlp.fc1",
                                   .fc2 = "mlp.fc2",
                                   .no_qkv_bias = !config->qkv_bias};
}

/* The tubelet embedding, a convolution whose windows do not overlap, as a product over gathered tubelets: the
 * file's [width, 3, frames, rows, columns] becomes [width, frames rows columns 3]. */
static void load_patch(struct loader *loader, const struct load *load)
{
    const int64_t width = load->config->encoder.width, patch = load->config->patch_size;
    const int64_t taps = load->config->tubelet_size * patch * patch, count = 3 * taps;
    const char *const name = "encoder.embeddings.patch_embeddings.proj";
    const struct host_tensor *const weight =
        loader_tensor(loader, false, LOADER_DIMS(width, 3, load->config->tubelet_size, patch, patch), "%s%s.weight",
                      load->prefix, name);
    const struct host_tensor *const bias =
        loader_tensor(loader, false, LOADER_DIMS(width), "%s%s.bias", load->prefix, name);
    float *plain = NULL, *plain_bias = NULL;
    loader_host(loader, weight, &plain);
    loader_host(loader, bias, &plain_bias);
    if (loader_preparing(loader)) {
        float *const permuted = malloc((size_t)(width * count) * sizeof(*permuted));
        if (!permuted) {
            loader_fail(loader, error_memory("the patch embedding"));
        } else {
            for (int64_t o = 0; o < width; o++)
                for (int64_t i = 0; i < count; i++)
                    permuted[o * count + i % taps * 3 + i / taps] = plain[o * count + i];
            loader_linear_values(loader, load->rows, width, count, permuted, plain_bias, weight->name,
                                 &load->out->patch);
        }
        free(permuted);
    }
    free(plain);
    free(plain_bias);
}

/* Positions of a usual clip; longer ones bring a table of their own. */
static void load_turns(struct loader *loader, const struct vjepa2_config *config, const struct nn_tower *tower,
                       struct tensor *out)
{
    const int64_t tubelets = config->frames_per_clip / config->tubelet_size, axis = vjepa2_axis(tower);
    const int64_t positions = tubelets > config->grid ? tubelets : config->grid;
    if (axis == 0 || !loader_preparing(loader))
        return;
    float *const table = vjepa2_axis_table(positions, axis);
    loader_fail(loader, !table ? error_memory("rotation tables") : 0);
    loader_values(loader, table, LOADER_DIMS(2, positions, axis), out);
    free(table);
}

static void load_encoder(struct loader *loader, const struct load *load)
{
    const struct nn_block_names names = tower_names(load->config);
    struct vjepa2_weights *const out = load->out;
    char layers[NAME_BYTES];
    snprintf(layers, sizeof(layers), "%sencoder.layer.", load->prefix);
    load_patch(loader, load);
    out->layers = loader_blocks(loader, load->rows, &load->config->encoder, &names, layers, true, out->layers);
    loader_norm(loader, load->config->encoder.width, load->prefix, "encoder.layernorm", &out->final_norm);
    load_turns(loader, load->config, &load->config->encoder, &out->turns);
}

static void load_predictor(struct loader *loader, const struct load *load)
{
    const struct vjepa2_config *const config = load->config;
    const struct nn_block_names names = tower_names(config);
    const int64_t width = config->encoder.width, inner = config->predictor.width, tokens = config->mask_tokens;
    struct vjepa2_weights *const out = load->out;
    char layers[NAME_BYTES];
    snprintf(layers, sizeof(layers), "%spredictor.layer.", load->prefix);
    loader_linear(loader, load->rows, inner, width, load->prefix, "predictor.embeddings.predictor_embeddings",
                  &out->predictor_in);
    const struct host_tensor *const masks = loader_tensor(loader, false, LOADER_DIMS(tokens, 1, 1, inner),
                                                          "%spredictor.embeddings.mask_tokens", load->prefix);
    loader_device(loader, masks, LOADER_DIMS(tokens, 1, 1, inner), &out->mask_token);
    if (loader_preparing(loader))
        out->mask_token = tensor_at(out->mask_token, 1 % tokens); /* the reference always takes the token of mask 1 */
    out->predictor_layers =
        loader_blocks(loader, load->rows, &config->predictor, &names, layers, false, out->predictor_layers);
    loader_norm(loader, inner, load->prefix, "predictor.layernorm", &out->predictor_norm);
    loader_linear(loader, load->rows, width, inner, load->prefix, "predictor.proj", &out->predictor_out);
    load_turns(loader, config, &config->predictor, &out->predictor_turns);
}

static void load_cross_layer(struct loader *loader, const struct load *load)
{
    const struct nn_tower *const tower = &load->config->pooler;
    const int64_t width = tower->width;
    const char *const prefix = "pooler.cross_attention_layer.";
    const struct loader_part kv[] = {{"cross_attn.k_proj", width, false}, {"cross_attn.v_proj", width, false}};
    struct vjepa2_cross_layer *const out = &load->out->pooler_cross;
    loader_norm(loader, width, prefix, "layer_norm1", &out->norm1);
    loader_norm(loader, width, prefix, "layer_norm2", &out->norm2);
    loader_linear(loader, 1, width, width, prefix, "cross_attn.q_proj", &out->q);
    loader_linear_parts(loader, load->rows, width, prefix, kv, 2, &out->kv);
    loader_linear(loader, 1, tower->mlp_width, width, prefix, "mlp.fc1", &out->fc1);
    loader_linear(loader, 1, width, tower->mlp_width, prefix, "mlp.fc2", &out->fc2);
}

static void load_classifier(struct loader *loader, const struct load *load)
{
    static const struct nn_block_names names = {.norm1 = "layer_norm1",
                                                .norm2 = "layer_norm2",
                                                .q = "self_attn.q_proj",
                                                .k = "self_attn.k_proj",
                                                .v = "self_attn.v_proj",
                                                .out = "self_attn.out_proj",
                                                .fc1 = "mlp.fc1",
                                                .fc2 = "mlp.fc2"};
    const int64_t width = load->config->encoder.width;
    struct vjepa2_weights *const out = load->out;
    const struct host_tensor *const query =
        loader_tensor(loader, false, LOADER_DIMS(1, 1, width), "pooler.query_tokens");
    loader_device(loader, query, LOADER_DIMS(1, 1, width), &out->pooler_query);
    out->pooler_layers = loader_blocks(loader, load->rows, &load->config->pooler, &names,
                                       "pooler.self_attention_layers.", false, out->pooler_layers);
    load_cross_layer(loader, load);
    loader_linear(loader, 1, load->config->label_count, width, "", "classifier", &out->classifier);
}

static void walk(struct loader *loader, void *user_data)
{
    const struct load *const load = user_data;
    load_encoder(loader, load);
    if (load->out->has_predictor)
        load_predictor(loader, load);
    if (load->out->has_classifier)
        load_classifier(loader, load);
}

int64_t vjepa2_weights_labels(const struct checkpoint *checkpoint)
{
    const struct host_tensor *const weight = checkpoint_find(checkpoint, "classifier.weight");
    return weight && weight->rank == 2 ? weight->dim[0] : 0;
}

int vjepa2_weights_load(const struct vjepa2_config *config, const struct checkpoint *checkpoint,
                        struct parameters *parameters, struct vjepa2_weights *out)
{
    const int64_t tubelets = config->frames_per_clip / config->tubelet_size;
    const bool classifier = config->label_count > 0;
    const char *const predictor = classifier ? "vjepa2.predictor.proj.weight" : "predictor.proj.weight";
    *out =
        (struct vjepa2_weights){.has_classifier = classifier, .has_predictor = checkpoint_find(checkpoint, predictor)};
    struct load load = {.config = config,
                        .prefix = classifier ? "vjepa2." : "",
                        .rows = (tubelets > 0 ? tubelets : 1) * config->grid * config->grid,
                        .out = out};
    const int status = loader_load(checkpoint, parameters, NULL, walk, &load);
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
