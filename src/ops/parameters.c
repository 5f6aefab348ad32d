/* A model's weights on a device: what is owned, and the checks of what files hold. */
#include "ops/set.h"

#include "base/error.h"

#include <stdlib.h>

/* One thing owned: a layer, a convolution or a tensor's buffer. */
struct owned {
    struct owned *next;
    enum { OWNS_LINEAR, OWNS_CONV2D, OWNS_BUFFER } kind;
    struct linear linear;
    struct conv2d conv2d;
    struct buffer buffer;
};

struct parameters {
    struct device *device;
    struct owned *first;
    bool int8; /* linear layers that are made now may be in 8 bits */
};

int parameters_create(struct device *device, struct parameters **out)
{
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return error_memory("a model's weights");
    (*out)->device = device;
    return 0;
}

static void free_owned(struct device *device, struct owned *owned)
{
    switch (owned->kind) {
    case OWNS_LINEAR:
        device->set->linear_free(device, owned->linear.state);
        break;
    case OWNS_CONV2D:
        device->set->conv2d_free(device, owned->conv2d.state);
        break;
    case OWNS_BUFFER:
        device->set->release(device, &owned->buffer);
        break;
    }
    free(owned);
}

void parameters_free(struct parameters **parameters)
{
    if (!*parameters)
        return;
    for (struct owned *owned = (*parameters)->first, *next; owned; owned = next) {
        next = owned->next;
        free_owned((*parameters)->device, owned);
    }
    free(*parameters);
    *parameters = NULL;
}

int64_t linear_inputs(const struct linear *linear)
{
    return linear->inputs;
}

int64_t linear_outputs(const struct linear *linear)
{
    return linear->outputs;
}

/* Takes what was made over, or gives it up where making it failed. */
static int keep(struct parameters *parameters, struct owned *owned, int status)
{
    if (status != 0) {
        free(owned);
        return status;
    }
    owned->next = parameters->first;
    parameters->first = owned;
    return 0;
}

/* "weight" or, where the file names it, that name. */
static const char *name_of(const char *what, const struct host_tensor *tensor)
{
    return tensor->name ? tensor->name : what;
}

/* The type can be converted, and shape and bytes belong together. */
static int check_source(const char *what, const struct host_tensor *tensor)
{
    const char *const name = name_of(what, tensor);
    size_t bytes = dtype_size(tensor->dtype);
    if (tensor->dtype != DTYPE_F32 && tensor->dtype != DTYPE_F16 && tensor->dtype != DTYPE_BF16) {
        return error_set(SOWLV2_ERROR_UNSUPPORTED, "%s: weights of type %s cannot be used: use F32, F16 or BF16", name,
                         dtype_name(tensor->dtype));
    }
    if (tensor->rank < 0 || tensor->rank > TENSOR_MAX_RANK)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: a tensor of rank %d", name, tensor->rank);
    for (int i = 0; i < tensor->rank; i++)
        if (tensor->dim[i] <= 0 || __builtin_mul_overflow(bytes, (size_t)tensor->dim[i], &bytes))
            return error_set(SOWLV2_ERROR_ARGUMENT, "%s: dimension %d is %lld", name, i, (long long)tensor->dim[i]);
    if (bytes != tensor->bytes || !tensor->data) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: its shape needs %zu bytes, there are %zu", name, bytes,
                         tensor->bytes);
    }
    return 0;
}

static int make_tensor(struct parameters *parameters, const struct host_tensor *source, bool copy, struct tensor *out)
{
    size_t bytes;
    const int status = check_source("weight", source);
    if (status != 0)
        return status;
    struct owned *owned = calloc(1, sizeof(*owned));
    if (!owned || !tensor_layout(DTYPE_F32, source->rank, source->dim, out, &bytes)) {
        free(owned);
        return error_memory("a weight");
    }
    owned->kind = OWNS_BUFFER;
    out->buffer = &owned->buffer;
    struct device *const device = parameters->device;
    return keep(parameters, owned, device->set->constant_create(device, source, copy, &owned->buffer));
}

int parameters_tensor(struct parameters *parameters, const struct host_tensor *source, struct tensor *out)
{
    return make_tensor(parameters, source, false, out);
}

int parameters_values(struct parameters *parameters, const float *values, int rank, const int64_t *dim,
                      struct tensor *out)
{
    struct host_tensor source = {.dtype = DTYPE_F32, .rank = rank, .data = values, .bytes = sizeof(*values)};
    for (int i = 0; i < rank; i++) {
        source.dim[i] = dim[i];
        source.bytes *= (size_t)dim[i];
    }
    return make_tensor(parameters, &source, true, out);
}

/* Checks every part of a linear layer and sums up what it has. */
static int check_parts(struct linear_source *source)
{
    if (source->parts < 1)
        return error_set(SOWLV2_ERROR_ARGUMENT, "linear layer: it has no part");
    source->inputs = source->weight[0]->dim[1];
    for (int i = 0; i < source->parts; i++) {
        const struct host_tensor *const weight = source->weight[i];
        const struct host_tensor *const bias = source->bias ? source->bias[i] : NULL;
        int status = check_source("linear layer's weight", weight);
        if (status != 0)
            return status;
        if (weight->rank != 2 || weight->dim[1] != source->inputs) {
            return error_set(SOWLV2_ERROR_ARGUMENT, "linear layer: part %d is not a matrix with the inputs of part 0",
                             i);
        }
        if (__builtin_add_overflow(source->outputs, weight->dim[0], &source->outputs))
            return error_set(SOWLV2_ERROR_ARGUMENT, "linear layer: too many outputs");
        if (!bias)
            continue;
        source->has_bias = true;
        status = check_source("linear layer's bias", bias);
        if (status != 0)
            return status;
        if (bias->rank != 1 || bias->dim[0] != weight->dim[0]) {
            return error_set(SOWLV2_ERROR_ARGUMENT,
                             "linear layer: the bias of part %d does not have one value for "
                             "each output",
                             i);
        }
    }
    return 0;
}

int parameters_linear(struct parameters *parameters, int parts, const struct host_tensor *const *weight,
                      const struct host_tensor *const *bias, int64_t rows_hint, const struct linear **out)
{
    *out = NULL;
    struct linear_source source = {
        .parts = parts, .weight = weight, .bias = bias, .rows_hint = rows_hint, .int8 = parameters->int8};
    const int status = check_parts(&source);
    if (status != 0)
        return status;
    struct owned *owned = calloc(1, sizeof(*owned));
    if (!owned)
        return error_memory("a linear layer");
    struct device *const device = parameters->device;
    owned->kind = OWNS_LINEAR;
    owned->linear = (struct linear){.outputs = source.outputs, .inputs = source.inputs};
    const int kept = keep(parameters, owned, device->set->linear_create(device, &source, &owned->linear.state));
    if (kept == 0)
        *out = &owned->linear;
    return kept;
}

void parameters_let_int8(struct parameters *parameters, bool let)
{
    parameters->int8 = let;
}

enum { MAX_KERNEL = 1 << 15 };

static int check_conv2d(const struct host_tensor *weight, const struct host_tensor *bias, int stride, int padding)
{
    int status = check_source("convolution's weight", weight);
    if (status == 0 && bias)
        status = check_source("convolution's bias", bias);
    if (status != 0)
        return status;
    if (weight->rank != 4 || weight->dim[2] > MAX_KERNEL || weight->dim[3] > MAX_KERNEL)
        return error_set(SOWLV2_ERROR_ARGUMENT, "convolution: its weight is not [outputs, inputs, height, width]");
    if (bias && (bias->rank != 1 || bias->dim[0] != weight->dim[0]))
        return error_set(SOWLV2_ERROR_ARGUMENT, "convolution: its bias does not have one value for each output");
    if (stride < 1 || stride > MAX_KERNEL || padding < 0 || padding > MAX_KERNEL) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "convolution: stride %d with padding %d is out of range", stride,
                         padding);
    }
    return 0;
}

int parameters_conv2d(struct parameters *parameters, const struct host_tensor *weight, const struct host_tensor *bias,
                      int stride, int padding, const struct conv2d **out)
{
    enum { ROWS_HINT = 4096 }; /* output pixels of a map of 64 x 64 */
    *out = NULL;
    const int status = check_conv2d(weight, bias, stride, padding);
    if (status != 0)
        return status;
    struct owned *owned = calloc(1, sizeof(*owned));
    if (!owned)
        return error_memory("a convolution");
    const struct linear_source source = {.parts = 1,
                                         .weight = &weight,
                                         .bias = &bias,
                                         .outputs = weight->dim[0],
                                         .inputs = weight->dim[1] * weight->dim[2] * weight->dim[3],
                                         .has_bias = bias,
                                         .rows_hint = ROWS_HINT};
    struct device *const device = parameters->device;
    owned->kind = OWNS_CONV2D;
    owned->conv2d = (struct conv2d){
        .outputs = weight->dim[0],
        .inputs = weight->dim[1],
        .kernel_height = (int)weight->dim[2],
        .kernel_width = (int)weight->dim[3],
        .stride = stride,
        .padding = padding,
    };
    const int kept =
        keep(parameters, owned, device->set->conv2d_create(device, &source, &owned->conv2d, &owned->conv2d.state));
    if (kept == 0)
        *out = &owned->conv2d;
    return kept;
}
