#include "models/owlv2/weights.h"

#include "base/error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct nn_block_names BLOCK_NAMES = {.norm1 = "layer_norm1",
                                                  .norm2 = "layer_norm2",
                                                  .q = "self_attn.q_proj",
                                                  .k = "self_attn.k_proj",
                                                  .v = "self_attn.v_proj",
                                                  .out = "self_attn.out_proj",
                                                  .fc1 = "mlp.fc1",
                                                  .fc2 = "mlp.fc2"};

/* Three layers of the features. */
static void load_head(struct loader *loader, int64_t rows, int64_t width, int64_t outputs, const char *prefix,
                      struct nn_feed_forward *out)
{
    static const char *const names[] = {"dense0", "dense1", "dense2"};
    for (int i = 0; i < 3; i++)
        loader_linear(loader, rows, i < 2 ? width : outputs, width, prefix, names[i], &out->layer[i]);
    out->depth = 3;
    out->hidden = width;
}

static float logit_of(float x)
{
    return logf(x + 1e-4F) - log1pf(-x + 1e-4F);
}

/* The bias of predicted boxes towards their patch: the patch's lower right corner, counted from 1, and
 * one patch's size, both as logits (reference: compute_box_bias). */
static void load_box_bias(struct loader *loader, int64_t grid, struct owlv2_weights *out)
{
    if (!loader_preparing(loader))
        return;
    const size_t count = (size_t)(grid * grid) * 4;
    float *const values = malloc(count * sizeof(*values));
    if (!values) {
        loader_fail(loader, error_memory("box bias"));
        return;
    }
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
    loader_values(loader, values, LOADER_DIMS(grid * grid, 4), &out->box_bias);
    free(values);
}

static void load_vision(struct loader *loader, const struct owlv2_config *config, struct owlv2_weights *out)
{
    const int64_t width = config->vision.width, patch = config->patch_size, rows = config->grid * config->grid + 1;
    const struct host_tensor *class_embedding =
        loader_tensor(loader, false, LOADER_DIMS(width), "owlv2.vision_model.embeddings.class_embedding");
    const struct host_tensor *kernel = loader_tensor(loader, false, LOADER_DIMS(width, 3, patch, patch),
                                                     "owlv2.vision_model.embeddings.patch_embedding.weight");
    const struct host_tensor *positions = loader_tensor(loader, false, LOADER_DIMS(rows, width),
                                                        "owlv2.vision_model.embeddings.position_embedding.weight");
    loader_device(loader, class_embedding, LOADER_DIMS(1, width), &out->class_embedding);
    loader_device(loader, positions, LOADER_DIMS(rows, width), &out->positions);
    loader_prepare_conv2d(loader, kernel, NULL, config->patch_size, 0, &out->patch);
    loader_norm(loader, width, "owlv2.vision_model.", "pre_layernorm", &out->pre_norm);
    out->vision_layers = loader_blocks(loader, rows, &config->vision, &BLOCK_NAMES,
                                       "owlv2.vision_model.encoder.layers.", true, out->vision_layers);
    loader_norm(loader, width, "owlv2.vision_model.", "post_layernorm", &out->post_norm);
    loader_norm(loader, width, "", "layer_norm", &out->feature_norm);
}

static void load_heads(struct loader *loader, const struct owlv2_config *config, struct owlv2_weights *out)
{
    const int64_t width = config->vision.width, rows = config->grid * config->grid + 1;
    const struct loader_part class_head[] = {
        {"dense0", config->projection, false}, {"logit_shift", 1, false}, {"logit_scale", 1, false}};
    loader_linear_parts(loader, rows, width, "class_head.", class_head, 3, &out->class_head);
    load_head(loader, rows, width, 4, "box_head.", &out->box_head);
    load_head(loader, rows, width, 1, "objectness_head.", &out->objectness_head);
    load_box_bias(loader, config->grid, out);
}

static void load_text(struct loader *loader, const struct owlv2_config *config, struct owlv2_weights *out)
{
    const int64_t width = config->text.width, length = config->text_length;
    const struct loader_part projection = {"text_projection", config->projection, true};
    const struct host_tensor *tokens = loader_tensor(loader, false, LOADER_DIMS(config->vocab_size, width),
                                                     "owlv2.text_model.embeddings.token_embedding.weight");
    const struct host_tensor *positions = loader_tensor(loader, false, LOADER_DIMS(length, width),
                                                        "owlv2.text_model.embeddings.position_embedding.weight");
    loader_device(loader, tokens, LOADER_DIMS(config->vocab_size, width), &out->token_embedding);
    loader_device(loader, positions, LOADER_DIMS(length, width), &out->text_positions);
    out->text_layers = loader_blocks(loader, length, &config->text, &BLOCK_NAMES, "owlv2.text_model.encoder.layers.",
                                     false, out->text_layers);
    loader_norm(loader, width, "owlv2.text_model.", "final_layer_norm", &out->text_final_norm);
    loader_linear_parts(loader, length, width, "owlv2.", &projection, 1, &out->text_projection);
}

struct load {
    const struct owlv2_config *config;
    struct owlv2_weights *out;
};

static void walk(struct loader *loader, void *user_data)
{
    const struct load *const load = user_data;
    const struct owlv2_config *const config = load->config;
    load_vision(loader, config, load->out);
    load_heads(loader, config, load->out);
    load_text(loader, config, load->out);
    /* Part of every checkpoint, but only contrastive image-text scores use them. */
    loader_tensor(loader, true, LOADER_DIMS(config->projection, config->vision.width),
                  "owlv2.visual_projection.weight");
    loader_tensor(loader, true, 0, NULL, "owlv2.logit_scale");
}

int owlv2_weights_load(const struct owlv2_config *config, const struct checkpoint *checkpoint,
                       struct parameters *parameters, struct owlv2_weights *out)
{
    static const char *const ignored[] = {"box_bias", NULL}; /* a buffer that older releases saved */
    memset(out, 0, sizeof(*out));
    const int status = loader_load(checkpoint, parameters, ignored, walk, &(struct load){config, out});
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
