/* See loader.h. */
#include "models/sam2/loader.h"

#include "base/error.h"

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
    loader->rows = rows != NULL ? rows : loader->rows;
    char **names = realloc(loader->names, capacity * sizeof(*names));
    loader->names = names != NULL ? names : loader->names;
    if (rows == NULL || names == NULL) {
        loader_fail(loader, error_memory("model tables"));
        return false;
    }
    loader->capacity = capacity;
    return true;
}

static void add_row(struct loader *loader, bool optional, int rank, const int64_t *dim, char *name)
{
    struct weight_row *row = &loader->rows[loader->count];
    *row = (struct weight_row){
        .name = name, .offset = loader->count * sizeof(struct host_tensor), .rank = rank, .optional = optional};
    memcpy(row->dim, dim, (size_t)rank * sizeof(*dim));
    loader->names[loader->count++] = name;
}

const struct host_tensor *loader_tensor(struct loader *loader, bool optional, int rank, const int64_t *dim,
                                        const char *format, ...)
{
    static const struct host_tensor nothing = {0};
    if (loader->status != 0)
        return NULL;
    if (!loader->binding)
        return &loader->tensors[loader->next++];
    char *name = grow(loader) ? malloc(NAME_BYTES) : NULL;
    if (name == NULL) {
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

int loader_bind(struct loader *loader, const struct checkpoint *checkpoint)
{
    if (loader->status != 0)
        return loader->status;
    loader->tensors = calloc(loader->count, sizeof(*loader->tensors));
    if (loader->tensors == NULL)
        return loader->status = error_memory("model tables");
    loader->status = checkpoint_bind(checkpoint, loader->tensors, loader->rows, loader->count, loader->ignored);
    loader->binding = false;
    return loader->status;
}

void loader_free(struct loader *loader)
{
    for (size_t i = 0; i < loader->count; i++)
        free(loader->names[i]);
    free(loader->names);
    free(loader->rows);
    free(loader->tensors);
    memset(loader, 0, sizeof(*loader));
}

void loader_device(struct loader *loader, const struct host_tensor *source, int rank, const int64_t *dim,
                   struct tensor *out)
{
    if (loader_preparing(loader))
        loader_fail(loader, parameters_tensor(loader->parameters, source, out));
    if (loader_preparing(loader))
        *out = tensor_reshape(*out, rank, dim);
}

void loader_values(struct loader *loader, const float *values, int rank, const int64_t *dim, struct tensor *out)
{
    if (loader_preparing(loader))
        loader_fail(loader, parameters_values(loader->parameters, values, rank, dim, out));
}

void loader_host(struct loader *loader, const struct host_tensor *source, float **out)
{
    if (!loader_preparing(loader))
        return;
    const int64_t count = host_tensor_count(source);
    *out = malloc((size_t)count * sizeof(**out));
    loader_fail(loader,
                *out == NULL ? error_memory("a weight") : dtype_to_f32(source->dtype, source->data, count, *out));
}

void loader_norm(struct loader *loader, int64_t width, const char *prefix, const char *name, struct sam2_norm *out)
{
    const struct host_tensor *gamma = loader_tensor(loader, false, LOADER_DIMS(width), "%s%s.weight", prefix, name);
    const struct host_tensor *beta = loader_tensor(loader, false, LOADER_DIMS(width), "%s%s.bias", prefix, name);
    loader_device(loader, gamma, LOADER_DIMS(width), &out->gamma);
    loader_device(loader, beta, LOADER_DIMS(width), &out->beta);
}

/* Prepares `parts` layers and lets go of the file's pages: the weights were copied. */
static void prepare(struct loader *loader, int parts, const struct host_tensor *const *weight,
                    const struct host_tensor *const *bias, int64_t rows, const struct linear **out)
{
    if (!loader_preparing(loader))
        return;
    loader_fail(loader, parameters_linear(loader->parameters, parts, weight, bias, rows, out));
    for (int i = 0; i < parts; i++)
        checkpoint_drop_pages(weight[i]);
}

static void find_linear(struct loader *loader, int64_t outputs, int64_t inputs, const char *prefix, const char *name,
                        const struct host_tensor **weight, const struct host_tensor **bias)
{
    *weight = loader_tensor(loader, false, LOADER_DIMS(outputs, inputs), "%s%s.weight", prefix, name);
    *bias = loader_tensor(loader, false, LOADER_DIMS(outputs), "%s%s.bias", prefix, name);
}

void loader_linear(struct loader *loader, int64_t rows, int64_t outputs, int64_t inputs, const char *prefix,
                   const char *name, const struct linear **out)
{
    const struct host_tensor *weight, *bias;
    find_linear(loader, outputs, inputs, prefix, name, &weight, &bias);
    prepare(loader, 1, &weight, &bias, rows, out);
}

void loader_linear_pair(struct loader *loader, int64_t rows, int64_t outputs, int64_t inputs, const char *prefix,
                        const char *first, const char *second, const struct linear **out)
{
    const struct host_tensor *weight[2], *bias[2];
    find_linear(loader, outputs, inputs, prefix, first, &weight[0], &bias[0]);
    find_linear(loader, outputs, inputs, prefix, second, &weight[1], &bias[1]);
    prepare(loader, 2, weight, bias, rows, out);
}

void loader_conv2d(struct loader *loader, int64_t outputs, int64_t inputs, int kernel, int stride, int padding,
                   const char *name, const struct conv2d **out)
{
    const struct host_tensor *weight =
        loader_tensor(loader, false, LOADER_DIMS(outputs, inputs, kernel, kernel), "%s.weight", name);
    const struct host_tensor *bias = loader_tensor(loader, false, LOADER_DIMS(outputs), "%s.bias", name);
    if (loader_preparing(loader))
        loader_fail(loader, parameters_conv2d(loader->parameters, weight, bias, stride, padding, out));
}

void loader_feed_forward(struct loader *loader, int64_t rows, int64_t inputs, int64_t hidden, int64_t outputs,
                         int depth, const char *prefix, const char *name, struct sam2_feed_forward *out)
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
