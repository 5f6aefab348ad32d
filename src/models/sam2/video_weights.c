/* Memory attention's and the object pointers' weights, the position tables, and the walk over all of the video
 * part; the memory encoder's are in video_weights_encoder.c. */
#include "models/sam2/positions.h"
#include "models/sam2/video_forward.h"

#include "base/error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX_BYTES = 96, POINTER_ROWS = 16 };

static const float NO_OBJECT = -1024.0F;

/* value [D, M] and out [C, D] as one layer [C, M]: attention's weights sum up to 1, so that both can follow it. */
static void load_value_out(struct loader *loader, int64_t rows, int64_t width, int64_t inner, int64_t memory,
                           const char *prefix, const struct linear **out)
{
    const struct host_tensor *const host[] = {
        loader_tensor(loader, false, LOADER_DIMS(inner, memory), "%sv_proj.weight", prefix),
        loader_tensor(loader, false, LOADER_DIMS(inner), "%sv_proj.bias", prefix),
        loader_tensor(loader, false, LOADER_DIMS(width, inner), "%so_proj.weight", prefix),
        loader_tensor(loader, false, LOADER_DIMS(width), "%so_proj.bias", prefix)};
    float *part[4] = {NULL};
    for (int i = 0; i < 4; i++)
        loader_host(loader, host[i], &part[i]);
    float *joined = loader_preparing(loader) ? malloc((size_t)(width * (memory + 1)) * sizeof(*joined)) : NULL;
    if (loader_preparing(loader) && !joined)
        loader_fail(loader, error_memory("memory attention"));
    if (loader_preparing(loader)) {
        float *bias = joined + width * memory;
        for (int64_t c = 0; c < width; c++) {
            const float *row = part[2] + c * inner;
            for (int64_t m = 0; m <= memory; m++) {
                double sum = m == memory ? (double)part[3][c] : 0.0;
                for (int64_t d = 0; d < inner; d++)
                    sum += (double)row[d] * (double)(m == memory ? part[1][d] : part[0][d * memory + m]);
                *(m == memory ? &bias[c] : &joined[c * memory + m]) = (float)sum;
            }
        }
        loader_linear_values(loader, rows, width, memory, joined, bias, host[0]->name, out);
    }
    for (int i = 0; i < 4; i++)
        free(part[i]);
    free(joined);
}

static void load_layer(struct loader *loader, const struct sam2_config *image, const struct sam2_video_config *config,
                       int index, struct sam2_memory_layer *out)
{
    const int64_t pixels = image->grid * image->grid, width = image->width, inner = config->inner;
    const int64_t memory = config->memory_width, keys = pixels * config->memories;
    char prefix[PREFIX_BYTES], self[PREFIX_BYTES], cross[PREFIX_BYTES];
    snprintf(prefix, sizeof(prefix), "memory_attention.layers.%d.", index);
    snprintf(self, sizeof(self), "memory_attention.layers.%d.self_attn.", index);
    snprintf(cross, sizeof(cross), "memory_attention.layers.%d.cross_attn_image.", index);
    loader_norm(loader, width, prefix, "layer_norm1", &out->norm1);
    loader_norm(loader, width, prefix, "layer_norm2", &out->norm2);
    loader_norm(loader, width, prefix, "layer_norm3", &out->norm3);
    const struct loader_part qkv[] = {{"q_proj", inner, false}, {"k_proj", inner, false}, {"v_proj", inner, false}};
    loader_linear_parts(loader, pixels, width, self, qkv, 3, &out->self_qkv);
    loader_linear(loader, pixels, width, inner, self, "o_proj", &out->self_out);
    loader_linear(loader, pixels, inner, width, cross, "q_proj", &out->query);
    loader_linear(loader, keys, inner, memory, cross, "k_proj", &out->key);
    if (config->heads == 1)
        load_value_out(loader, pixels, width, inner, memory, cross, &out->value_out);
    loader_linear(loader, keys, inner, memory, cross, "v_proj", &out->value);
    loader_linear(loader, pixels, width, inner, cross, "o_proj", &out->out);
    loader_linear(loader, pixels, config->feed_forward, width, prefix, "linear1", &out->fc1);
    loader_linear(loader, pixels, width, config->feed_forward, prefix, "linear2", &out->fc2);
}

/* cosines and sines [P][head] of the axial embedding: pairs of x in the first half, of y in the second. */
static void rope_tables(int64_t grid, int64_t head, double theta, float *cosines, float *sines)
{
    const int64_t quarter = head / 4;
    for (int64_t p = 0; p < grid * grid; p++) {
        for (int64_t i = 0; i < 2 * quarter; i++) {
            const int64_t position = i < quarter ? p % grid : p / grid;
            const float exponent = (float)(2 * (i % quarter)) / (float)(2 * quarter);
            const float frequency = 1.0F / (float)pow(theta, (double)exponent);
            const float angle = (float)position * frequency;
            cosines[p * head + 2 * i] = cosines[p * head + 2 * i + 1] = cosf(angle);
            sines[p * head + 2 * i] = sines[p * head + 2 * i + 1] = sinf(angle);
        }
    }
}

static void make_tables(struct loader *loader, const struct sam2_config *image, const struct sam2_video_config *config,
                        const float *time, const float *no_memory, struct sam2_video_weights *out)
{
    const int64_t pixels = image->grid * image->grid, head = config->inner / config->heads, width = image->width;
    const int64_t memory = config->memory_width, memories = config->memories;
    const int64_t count = pixels * (2 * head + width + memories * memory) + width;
    float *const cosines = malloc((size_t)count * sizeof(float));
    if (!cosines) {
        loader_fail(loader, error_memory("position tables"));
        return;
    }
    float *sines = cosines + pixels * head, *features = sines + pixels * head, *places = features + pixels * width;
    float *minus = places + memories * pixels * memory;
    rope_tables(image->grid, head, config->rope_theta, cosines, sines);
    sam2_sine_positions(image->grid, image->grid, width, features);
    for (int64_t i = 0; i < pixels * width; i++)
        features[i] *= 0.1F;
    for (int64_t t = 0; t < memories; t++) {
        sam2_sine_positions(image->grid, image->grid, memory, places + t * pixels * memory);
        for (int64_t i = 0; i < pixels * memory; i++)
            places[t * pixels * memory + i] += time[t * memory + i % memory];
    }
    for (int64_t i = 0; i < width; i++)
        minus[i] = -no_memory[i];
    loader_values(loader, cosines, LOADER_DIMS(1, pixels, head), &out->cosines);
    loader_values(loader, sines, LOADER_DIMS(1, pixels, head), &out->sines);
    loader_values(loader, features, LOADER_DIMS(pixels, width), &out->feature_positions);
    loader_values(loader, places, LOADER_DIMS(memories, pixels, memory), &out->memory_positions);
    loader_values(loader, minus, LOADER_DIMS(1, width), &out->minus_no_memory);
    free(cosines);
}

static void load_tables(struct loader *loader, const struct sam2_config *image, const struct sam2_video_config *config,
                        struct sam2_video_weights *out)
{
    const struct host_tensor *times =
        loader_tensor(loader, false, LOADER_DIMS(config->memories, 1, 1, config->memory_width),
                      "memory_temporal_positional_encoding");
    const struct host_tensor *no_memory =
        loader_tensor(loader, false, LOADER_DIMS(1, 1, image->width), "no_memory_embedding");
    float *time = NULL, *none = NULL;
    loader_host(loader, times, &time);
    loader_host(loader, no_memory, &none);
    if (loader_preparing(loader))
        make_tables(loader, image, config, time, none, out);
    free(time);
    free(none);
}

/* Of the sine embedding of time: 10000^(j / half) for even j, and the odd ones like the one before. */
static void make_periods(struct loader *loader, int64_t half, struct sam2_video_weights *out)
{
    float *const periods = loader_preparing(loader) ? malloc((size_t)half * sizeof(*periods)) : NULL;
    if (!loader_preparing(loader))
        return;
    if (!periods) {
        loader_fail(loader, error_memory("position tables"));
        return;
    }
    for (int64_t i = 0; i < half; i++)
        periods[i] = (float)pow(10000.0, (double)((float)(i - i % 2) / (float)half));
    loader_values(loader, periods, LOADER_DIMS(half), &out->pointer_periods);
    free(periods);
}

struct load {
    const struct sam2_config *image;
    const struct sam2_video_config *config;
    struct sam2_video_weights *out;
};

static void walk(struct loader *loader, void *user_data)
{
    const struct load *const load = user_data;
    const struct sam2_config *const image = load->image;
    const struct sam2_video_config *const config = load->config;
    struct sam2_video_weights *const out = load->out;
    const int64_t width = image->width;
    for (int i = 0; i < config->attention_layers; i++)
        load_layer(loader, image, config, i, &out->attention[i]);
    loader_norm(loader, width, "memory_attention.", "layer_norm", &out->attention_norm);
    load_tables(loader, image, config, out);
    sam2_load_memory_encoder(loader, image, config, out);
    loader_feed_forward(loader, POINTER_ROWS, width, width, width, 3, "", "object_pointer_proj", &out->pointer);
    if (config->pointer_time) {
        loader_linear(loader, POINTER_ROWS, config->memory_width, width, "",
                      "temporal_positional_encoding_projection_layer", &out->pointer_time);
    }
    const struct host_tensor *none = loader_tensor(loader, false, LOADER_DIMS(1, width), "no_object_pointer");
    loader_device(loader, none, LOADER_DIMS(1, width), &out->no_pointer);
    loader_values(loader, &NO_OBJECT, LOADER_DIMS(1, 1), &out->no_object);
    make_periods(loader, width / 2, out);
    loader_conv2d(loader, 1, 1, 4, 4, 0, "mask_downsample", &out->mask_to_logits);
}

int sam2_video_weights_load(const struct sam2_config *image, const struct sam2_video_config *config,
                            const struct checkpoint *checkpoint, struct parameters *parameters,
                            struct sam2_video_weights *out)
{
    static const char *const image_part[] = {"vision_encoder.",
                                             "prompt_encoder.",
                                             "mask_decoder.",
                                             "shared_image_embedding.",
                                             "no_memory_positional_encoding",
                                             NULL};
    memset(out, 0, sizeof(*out));
    const int status = loader_load(checkpoint, parameters, image_part, walk, &(struct load){image, config, out});
    if (status != 0)
        sam2_video_weights_free(out);
    return status;
}

void sam2_video_weights_free(struct sam2_video_weights *weights)
{
    memset(weights, 0, sizeof(*weights));
}
