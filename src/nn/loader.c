/* See loader.h. */
#include "nn/loader.h"

#include "base/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 160 };

bool loader_preparing(const struct loader *loader)
{
    return !loader->binding && loader->status == 0;
}

void loader_fail(struct loader *loader, int status)
{
    if (loader->status == 0)
        loader->status = status;
}

static bool grow(struct loader *loader)
{
    if (loader->count < loader->capacity)
        return true;
    const size_t capacity = loader->capacity == 0 ? 256 : 2 * loader->capacity;
    struct weight_row *rows = realloc(loader->rows, capacity * sizeof(*rows));
    loader->rows = rows ? rows : loader->rows;
    char **names = realloc(loader->names, capacity * sizeof(*names));
    loader->names = names ? names : loader->names;
    if (!rows || !names) {
        loader_fail(loader, error_memory("model tables"));
        return false;
    }
    loader->capacity = capacity;
    return true;
}

static void add_row(struct loader *loader, bool optional, int rank, const int64_t *dim, char *name)
{
    struct weight_row *row = &loader->rows[loader->count];
    *row = (struct weight_row){.name = name, .rank = rank, .optional = optional};
    if (rank > 0)
        memcpy(row->dim, dim, (size_t)rank * sizeof(*dim));
    loader->names[loader->count++] = name;
}

const struct host_tensor *loader_tensor(struct loader *loader, bool optional, int rank, const int64_t *dim,
                                        const char *format, ...)
{
    static const struct host_tensor nothing = {0};
    if (loader->status != 0)
        return NULL;
    if (!loader->binding) {
        assert(loader->next < loader->count);
        return &loader->tensors[loader->next++];
    }
    char *name = grow(loader) ? malloc(NAME_BYTES) : NULL;
    if (!name) {
        loader_fail(loader, error_memory("model tables"));
        return NULL;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, NAME_BYTES, format, arguments);
    va_end(arguments);
    add_row(loader, optional, rank, dim, name);
    return &nothing;
}

static int bind(struct loader *loader, const struct checkpoint *checkpoint, const char *const *ignored)
{
    if (loader->status != 0)
        return loader->status;
    loader->tensors = calloc(loader->count + 1, sizeof(*loader->tensors));
    if (!loader->tensors)
        return loader->status = error_memory("model tables");
    loader->binding = false;
    return loader->status = checkpoint_bind(checkpoint, loader->rows, loader->count, ignored, loader->tensors);
}

static void free_tables(struct loader *loader)
{
    for (size_t i = 0; i < loader->count; i++)
        free(loader->names[i]);
    free(loader->names);
    free(loader->rows);
    free(loader->tensors);
}

int loader_load(const struct checkpoint *checkpoint, struct parameters *parameters, const char *const *ignored,
                void (*walk)(struct loader *loader, void *user_data), void *user_data)
{
    struct loader loader = {.binding = true, .checkpoint = checkpoint, .parameters = parameters};
    walk(&loader, user_data);
    if (bind(&loader, checkpoint, ignored) == 0)
        walk(&loader, user_data);
    if (loader.status == 0)
        loader.status = checkpoint_check(checkpoint);
    assert(loader.status != 0 || loader.next == loader.count);
    free_tables(&loader);
    return loader.status;
}

void *loader_layers(struct loader *loader, int64_t count, size_t size, void *made)
{
    if (made || loader->status != 0 || count == 0)
        return made;
    void *const layers = calloc((size_t)count, size);
    if (!layers)
        loader_fail(loader, error_memory("model layers"));
    return layers;
}

/* Brings a tensor's content; false after an error, and in the first walk. */
static bool read_tensor(struct loader *loader, const struct host_tensor *tensor, bool keep)
{
    if (loader_preparing(loader))
        loader_fail(loader, checkpoint_read(loader->checkpoint, tensor, keep));
    return loader_preparing(loader);
}

void loader_device(struct loader *loader, const struct host_tensor *source, int rank, const int64_t *dim,
                   struct tensor *out)
{
    const bool shown = source && source->dtype == DTYPE_F32; /* as it is */
    if (!read_tensor(loader, source, shown))
        return;
    loader_fail(loader, parameters_tensor(loader->parameters, source, out));
    if (loader->status == 0)
        *out = tensor_reshape(*out, rank, dim);
    checkpoint_forget(loader->checkpoint, source);
}

void loader_values(struct loader *loader, const float *values, int rank, const int64_t *dim, struct tensor *out)
{
    if (loader_preparing(loader))
        loader_fail(loader, parameters_values(loader->parameters, values, rank, dim, out));
}

void loader_host(struct loader *loader, const struct host_tensor *source, float **out)
{
    if (!read_tensor(loader, source, false))
        return;
    const int64_t count = host_tensor_count(source);
    *out = malloc((size_t)count * sizeof(**out));
    loader_fail(loader, !*out ? error_memory("a weight") : dtype_to_f32(source->dtype, source->data, count, *out));
    checkpoint_forget(loader->checkpoint, source);
}

void loader_prepare_linear(struct loader *loader, int64_t rows, int parts, const struct host_tensor *const *weight,
                           const struct host_tensor *const *bias, const struct linear **out)
{
    for (int i = 0; i < parts; i++)
        if (!read_tensor(loader, weight[i], false) || (bias && !read_tensor(loader, bias[i], false)))
            return;
    loader_fail(loader, parameters_linear(loader->parameters, parts, weight, bias, rows, out));
    for (int i = 0; i < parts; i++) {
        checkpoint_forget(loader->checkpoint, weight[i]);
        if (bias)
            checkpoint_forget(loader->checkpoint, bias[i]);
    }
}

void loader_prepare_conv2d(struct loader *loader, const struct host_tensor *weight, const struct host_tensor *bias,
                           int stride, int padding, const struct conv2d **out)
{
    if (!read_tensor(loader, weight, false) || !read_tensor(loader, bias, false))
        return;
    loader_fail(loader, parameters_conv2d(loader->parameters, weight, bias, stride, padding, out));
    checkpoint_forget(loader->checkpoint, weight);
    checkpoint_forget(loader->checkpoint, bias);
}

void loader_linear_values(struct loader *loader, int64_t rows, int64_t outputs, int64_t inputs, const float *weight,
                          const float *bias, const char *name, const struct linear **out)
{
    if (!loader_preparing(loader))
        return;
    const struct host_tensor matrix = {.dtype = DTYPE_F32,
                                       .rank = 2,
                                       .dim = {outputs, inputs},
                                       .data = weight,
                                       .bytes = (size_t)(outputs * inputs) * sizeof(*weight),
                                       .name = name};
    const struct host_tensor added = {
        .dtype = DTYPE_F32, .rank = 1, .dim = {outputs}, .data = bias, .bytes = (size_t)outputs * sizeof(*bias)};
    const struct host_tensor *const weights[] = {&matrix}, *const biases[] = {bias ? &added : NULL};
    loader_fail(loader, parameters_linear(loader->parameters, 1, weights, biases, rows, out));
}

void loader_norm(struct loader *loader, int64_t width, const char *prefix, const char *name, struct nn_norm *out)
{
    const struct host_tensor *gamma = loader_tensor(loader, false, LOADER_DIMS(width), "%s%s.weight", prefix, name);
    const struct host_tensor *beta = loader_tensor(loader, false, LOADER_DIMS(width), "%s%s.bias", prefix, name);
    loader_device(loader, gamma, LOADER_DIMS(width), &out->gamma);
    loader_device(loader, beta, LOADER_DIMS(width), &out->beta);
}

void loader_linear(struct loader *loader, int64_t rows, int64_t outputs, int64_t inputs, const char *prefix,
                   const char *name, const struct linear **out)
{
    loader_linear_parts(loader, rows, inputs, prefix, &(struct loader_part){name, outputs, false}, 1, out);
}

void loader_linear_parts(struct loader *loader, int64_t rows, int64_t inputs, const char *prefix,
                         const struct loader_part *parts, int count, const struct linear **out)
{
    const struct host_tensor *weight[LOADER_MAX_PARTS], *bias[LOADER_MAX_PARTS];
    assert(count <= LOADER_MAX_PARTS);
    for (int i = 0; i < count; i++) {
        const struct loader_part *const part = &parts[i];
        weight[i] = loader_tensor(loader, false, LOADER_DIMS(part->outputs, inputs), "%s%s.weight", prefix, part->name);
        bias[i] = part->no_bias
                      ? NULL
                      : loader_tensor(loader, false, LOADER_DIMS(part->outputs), "%s%s.bias", prefix, part->name);
    }
    loader_prepare_linear(loader, rows, count, weight, bias, out);
}

void loader_conv2d(struct loader *loader, int64_t outputs, int64_t inputs, int kernel, int stride, int padding,
                   const char *name, const struct conv2d **out)
{
    const struct host_tensor *weight =
        loader_tensor(loader, false, LOADER_DIMS(outputs, inputs, kernel, kernel), "%s.weight", name);
    const struct host_tensor *bias = loader_tensor(loader, false, LOADER_DIMS(outputs), "%s.bias", name);
    loader_prepare_conv2d(loader, weight, bias, stride, padding, out);
}

void loader_feed_forward(struct loader *loader, int64_t rows, int64_t inputs, int64_t hidden, int64_t outputs,
                         int depth, const char *prefix, const char *name, struct nn_feed_forward *out)
{
    char layer[NAME_BYTES];
    /* The reference has an input and an output layer whatever the depth. */
    const int middle = depth > 2 ? depth - 2 : 0;
    if (loader_preparing(loader)) {
        out->depth = middle + 2;
        out->hidden = hidden;
    }
    snprintf(layer, sizeof(layer), "%s.proj_in", name);
    loader_linear(loader, rows, hidden, inputs, prefix, layer, &out->layer[0]);
    for (int i = 0; i < middle; i++) {
        snprintf(layer, sizeof(layer), "%s.layers.%d", name, i);
        loader_linear(loader, rows, hidden, hidden, prefix, layer, &out->layer[1 + i]);
    }
    snprintf(layer, sizeof(layer), "%s.proj_out", name);
    loader_linear(loader, rows, outputs, hidden, prefix, layer, &out->layer[1 + middle]);
}

struct nn_block *loader_blocks(struct loader *loader, int64_t rows, const struct nn_tower *tower,
                               const struct nn_block_names *names, const char *prefix, bool int8, struct nn_block *made)
{
    const int64_t width = tower->width;
    const struct loader_part qkv[] = {{names->q, width, names->no_qkv_bias},
                                      {names->k, width, names->no_qkv_bias},
                                      {names->v, width, names->no_qkv_bias}};
    struct nn_block *const blocks = loader_layers(loader, tower->layers, sizeof(*blocks), made);
    for (int64_t i = 0; i < tower->layers && blocks; i++) {
        struct nn_block *const block = &blocks[i];
        char layer[NAME_BYTES];
        snprintf(layer, sizeof(layer), "%s%lld.", prefix, (long long)i);
        parameters_let_int8(loader->parameters, int8 && i > 0);
        loader_norm(loader, width, layer, names->norm1, &block->norm1);
        loader_norm(loader, width, layer, names->norm2, &block->norm2);
        loader_linear_parts(loader, rows, width, layer, qkv, 3, &block->qkv);
        loader_linear(loader, rows, width, width, layer, names->out, &block->out);
        loader_linear(loader, rows, tower->mlp_width, width, layer, names->fc1, &block->fc1);
        loader_linear(loader, rows, width, tower->mlp_width, layer, names->fc2, &block->fc2);
    }
    parameters_let_int8(loader->parameters, false);
    return blocks;
}
