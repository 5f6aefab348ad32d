/* A model's weights on a device: what is owned, and how files' tensors become what a set of ops wants. */
#include "ops/set.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* One thing owned. Any of the members may be NULL. */
struct owned {
    struct owned *next;
    struct linear linear; /* `state` NULL: none */
    struct conv2d conv2d;
    float *memory;
};

struct parameters {
    struct device *device;
    struct owned *first;
};

int parameters_create(struct device *device, struct parameters **out)
{
    *out = calloc(1, sizeof(**out));
    if (*out == NULL)
        return error_memory("a model's weights");
    (*out)->device = device;
    return 0;
}

void parameters_free(struct parameters **parameters)
{
    if (*parameters == NULL)
        return;
    struct owned *owned = (*parameters)->first;
    while (owned != NULL) {
        struct owned *next = owned->next;
        if (owned->linear.state != NULL)
            (*parameters)->device->set.linear_free(owned->linear.state);
        free(owned->memory);
        free(owned);
        owned = next;
    }
    free(*parameters);
    *parameters = NULL;
}

struct device *parameters_device(const struct parameters *parameters)
{
    return parameters->device;
}

int64_t linear_inputs(const struct linear *linear)
{
    return linear->inputs;
}

int64_t linear_outputs(const struct linear *linear)
{
    return linear->outputs;
}

/* A new empty entry of the list; NULL: out of memory. */
static struct owned *own(struct parameters *parameters)
{
    struct owned *owned = calloc(1, sizeof(*owned));
    if (owned != NULL) {
        owned->next = parameters->first;
        parameters->first = owned;
    }
    return owned;
}

/* Takes the newest entry out of the list again, after making what it was for has failed. */
static int disown(struct parameters *parameters, int status)
{
    struct owned *owned = parameters->first;
    parameters->first = owned->next;
    free(owned->memory);
    free(owned);
    return status;
}

static bool is_f32_aligned(const struct host_tensor *tensor)
{
    return tensor->dtype == DTYPE_F32 && (uintptr_t)tensor->data % sizeof(float) == 0;
}

/* The type can be converted, and shape and bytes belong together. */
static int check_source(const char *what, const struct host_tensor *tensor)
{
    size_t bytes = dtype_size(tensor->dtype);
    if (tensor->dtype != DTYPE_F32 && tensor->dtype != DTYPE_F16 && tensor->dtype != DTYPE_BF16) {
        return error_set(SOWLV2_ERROR_UNSUPPORTED, "%s: weights of type %s cannot be used: use F32, F16 or BF16", what,
                         dtype_name(tensor->dtype));
    }
    if (tensor->rank < 0 || tensor->rank > TENSOR_MAX_RANK)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: a tensor of rank %d", what, tensor->rank);
    for (int i = 0; i < tensor->rank; i++)
        if (tensor->dim[i] <= 0 || __builtin_mul_overflow(bytes, (size_t)tensor->dim[i], &bytes))
            return error_set(SOWLV2_ERROR_ARGUMENT, "%s: dimension %d is %lld", what, i, (long long)tensor->dim[i]);
    if (bytes != tensor->bytes || tensor->data == NULL) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: its shape needs %zu bytes, there are %zu", what, bytes,
                         tensor->bytes);
    }
    return 0;
}

int parameters_tensor(struct parameters *parameters, const struct host_tensor *source, struct tensor *out)
{
    int status = check_source("weight", source);
    if (status != 0)
        return status;
    struct tensor tensor = {.dtype = DTYPE_F32, .rank = source->rank};
    int64_t count = 1;
    for (int i = source->rank - 1; i >= 0; i--) {
        tensor.dim[i] = source->dim[i];
        tensor.stride[i] = count;
        count *= source->dim[i];
    }
    if (is_f32_aligned(source)) {
        /* A handle has no const: ops never write to a weight. */
        memcpy(&tensor.data, &source->data, sizeof(tensor.data));
        *out = tensor;
        return 0;
    }
    struct owned *owned = own(parameters);
    if (owned == NULL)
        return error_memory("a weight");
    if ((uint64_t)count > SIZE_MAX / sizeof(float) || (owned->memory = malloc((size_t)count * sizeof(float))) == NULL)
        return disown(parameters, error_memory("a weight"));
    status = dtype_to_f32(source->dtype, source->data, count, owned->memory);
    if (status != 0)
        return disown(parameters, status);
    tensor.data = owned->memory;
    *out = tensor;
    return 0;
}

/* Checks every part of a linear layer and sums up their outputs. */
static int check_parts(int parts, const struct host_tensor *const *weight, const struct host_tensor *const *bias,
                       int64_t *outputs, bool *has_bias)
{
    *outputs = 0;
    *has_bias = false;
    if (parts < 1)
        return error_set(SOWLV2_ERROR_ARGUMENT, "linear layer: it has no part");
    for (int i = 0; i < parts; i++) {
        int status = check_source("linear layer's weight", weight[i]);
        if (status != 0)
            return status;
        if (weight[i]->rank != 2 || weight[i]->dim[1] != weight[0]->dim[1]) {
            return error_set(SOWLV2_ERROR_ARGUMENT, "linear layer: part %d is not a matrix with the inputs of part 0",
                             i);
        }
        if (__builtin_add_overflow(*outputs, weight[i]->dim[0], outputs))
            return error_set(SOWLV2_ERROR_ARGUMENT, "linear layer: too many outputs");
        if (bias == NULL || bias[i] == NULL)
            continue;
        *has_bias = true;
        status = check_source("linear layer's bias", bias[i]);
        if (status != 0)
            return status;
        if (bias[i]->rank != 1 || bias[i]->dim[0] != weight[i]->dim[0])
            return error_set(SOWLV2_ERROR_ARGUMENT, "linear layer: the bias of part %d has not one entry an output", i);
    }
    return 0;
}

/* Memory for rows * columns floats, or NULL. */
static float *new_matrix(int64_t rows, int64_t columns)
{
    size_t count;
    if (__builtin_mul_overflow((size_t)rows, (size_t)columns, &count) || count > PTRDIFF_MAX / sizeof(float))
        return NULL;
    return malloc(count * sizeof(float));
}

/* Joins the parts' weights, and their biases with zeros for those that have none. */
static int join_parts(int parts, const struct host_tensor *const *weight, const struct host_tensor *const *bias,
                      float *weights, float *biases)
{
    for (int i = 0; i < parts; i++) {
        int64_t count = host_tensor_count(weight[i]), outputs = weight[i]->dim[0];
        int status = 0;
        if (weights != NULL) {
            status = dtype_to_f32(weight[i]->dtype, weight[i]->data, count, weights);
            weights += count;
        }
        if (status == 0 && biases != NULL) {
            if (bias[i] != NULL)
                status = dtype_to_f32(bias[i]->dtype, bias[i]->data, outputs, biases);
            else
                memset(biases, 0, (size_t)outputs * sizeof(float));
            biases += outputs;
        }
        if (status != 0)
            return status;
    }
    return 0;
}

/* Gives the set a dense f32 weight and owns what it makes of it. */
static int prepare(struct parameters *parameters, int64_t outputs, int64_t inputs, const float *weight,
                   const float *bias, int64_t rows_hint, struct owned **out)
{
    struct owned *owned = own(parameters);
    if (owned == NULL)
        return error_memory("a layer");
    owned->linear.outputs = outputs;
    owned->linear.inputs = inputs;
    struct device *device = parameters->device;
    int status = device->set.linear_create(device, outputs, inputs, weight, bias, rows_hint, &owned->linear.state);
    if (status != 0)
        return disown(parameters, status);
    *out = owned;
    return 0;
}

int parameters_linear(struct parameters *parameters, int parts, const struct host_tensor *const *weight,
                      const struct host_tensor *const *bias, int64_t rows_hint, const struct linear **out)
{
    *out = NULL;
    int64_t outputs;
    bool has_bias;
    int status = check_parts(parts, weight, bias, &outputs, &has_bias);
    if (status != 0)
        return status;
    int64_t inputs = weight[0]->dim[1];
    /* The set copies what it is given, so a part that is as the set wants it is given as it is. */
    bool as_it_is = parts == 1 && is_f32_aligned(weight[0]);
    float *weights = as_it_is ? NULL : new_matrix(outputs, inputs);
    float *biases = has_bias ? new_matrix(outputs, 1) : NULL;
    if ((!as_it_is && weights == NULL) || (has_bias && biases == NULL))
        status = error_memory("a linear layer");
    else
        status = join_parts(parts, weight, bias, weights, biases);
    struct owned *owned = NULL;
    if (status == 0)
        status = prepare(parameters, outputs, inputs, as_it_is ? weight[0]->data : weights, biases, rows_hint, &owned);
    if (status == 0)
        *out = &owned->linear;
    free(weights);
    free(biases);
    return status;
}

/* [O, I, kernel] to [O, kernel, I]: channels last, as the rows that a convolution multiplies are. */
static void channels_last(const float *from, int64_t outputs, int64_t inputs, int64_t kernel, float *to)
{
    for (int64_t o = 0; o < outputs; o++) {
        for (int64_t k = 0; k < kernel; k++)
            for (int64_t i = 0; i < inputs; i++)
                *to++ = from[(o * inputs + i) * kernel + k];
    }
}

static int check_conv2d(const struct host_tensor *weight, const struct host_tensor *bias, int stride, int padding)
{
    enum { MAX_KERNEL = 1 << 15 };
    int status = check_source("convolution's weight", weight);
    if (status == 0 && bias != NULL)
        status = check_source("convolution's bias", bias);
    if (status != 0)
        return status;
    if (weight->rank != 4 || weight->dim[2] > MAX_KERNEL || weight->dim[3] > MAX_KERNEL)
        return error_set(SOWLV2_ERROR_ARGUMENT, "convolution: its weight is not [outputs, inputs, height, width]");
    if (bias != NULL && (bias->rank != 1 || bias->dim[0] != weight->dim[0]))
        return error_set(SOWLV2_ERROR_ARGUMENT, "convolution: its bias has not one entry an output");
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
    int status = check_conv2d(weight, bias, stride, padding);
    if (status != 0)
        return status;
    int64_t outputs = weight->dim[0], inputs = weight->dim[1], kernel = weight->dim[2] * weight->dim[3];
    float *converted = new_matrix(outputs, inputs * kernel);
    float *weights = new_matrix(outputs, inputs * kernel);
    float *biases = bias != NULL ? new_matrix(outputs, 1) : NULL;
    if (converted == NULL || weights == NULL || (bias != NULL && biases == NULL))
        status = error_memory("a convolution");
    else
        status = join_parts(1, &weight, &bias, converted, biases);
    struct owned *owned = NULL;
    if (status == 0) {
        channels_last(converted, outputs, inputs, kernel, weights);
        status = prepare(parameters, outputs, inputs * kernel, weights, biases, ROWS_HINT, &owned);
    }
    if (status == 0) {
        owned->conv2d = (struct conv2d){
            .outputs = outputs,
            .inputs = inputs,
            .kernel_height = (int)weight->dim[2],
            .kernel_width = (int)weight->dim[3],
            .stride = stride,
            .padding = padding,
            .product = &owned->linear,
        };
        *out = &owned->conv2d;
    }
    free(converted);
    free(weights);
    free(biases);
    return status;
}
