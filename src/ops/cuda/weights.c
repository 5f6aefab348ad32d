/* Weights on their way to the device: converted to its type, rows padded so that each begins at 16 bytes. */
#include "ops/cuda/cuda.h"

#include "base/error.h"
#include "ops/host.h"

#include <stdlib.h>
#include <string.h>

enum { ROW_BYTES = 16, BIAS_ALIGNMENT = 256 };

int cuda_load(struct cuda_device *cuda, cu_pointer to, const void *from, size_t bytes)
{
    int status = cuda_enter(cuda);
    pthread_mutex_lock(&cuda->load_mutex);
    for (size_t done = 0; done < bytes && status == 0; done += CUDA_STAGING_BYTES) {
        const size_t part = bytes - done < CUDA_STAGING_BYTES ? bytes - done : CUDA_STAGING_BYTES;
        memcpy(cuda->staging, (const char *)from + done, part);
        status = cuda_failed(cuda, cuda->driver->copy_to_device(to + done, cuda->staging, part, cuda->loading),
                             "cuMemcpyHtoDAsync", "copying weights to the GPU");
        const int waited = cuda_failed(cuda, cuda->driver->stream_wait(cuda->loading), "cuStreamSynchronize",
                                       "copying weights to the GPU");
        status = status != 0 ? status : waited;
    }
    pthread_mutex_unlock(&cuda->load_mutex);
    return status;
}

int cuda_constant_create(struct device *device, const struct host_tensor *source, bool copy, struct buffer *out)
{
    (void)copy; /* it always is one */
    const int64_t count = host_tensor_count(source);
    *out = (struct buffer){0};
    if ((uint64_t)count > PTRDIFF_MAX / sizeof(float))
        return error_memory("a weight");
    const size_t bytes = (size_t)count * sizeof(float);
    float *const values = malloc(bytes + 1);
    if (!values)
        return error_memory("a weight");
    int status = dtype_to_f32(source->dtype, source->data, count, values);
    if (status == 0)
        status = cuda_allocate(device, bytes, out);
    if (status == 0)
        status = cuda_load(cuda_of(device), cuda_address(out->memory), values, bytes);
    if (status != 0)
        cuda_release(device, out);
    free(values);
    return status;
}

/* Rows of f32 as the device's type, each `stride` wide. */
static void convert(enum dtype to, const float *from, int64_t rows, int64_t columns, int64_t stride, char *out)
{
    const size_t row_bytes = (size_t)stride * dtype_size(to);
    for (int64_t i = 0; i < rows; i++, from += columns, out += row_bytes) {
        memset(out, 0, row_bytes);
        if (to == DTYPE_F32) {
            memcpy(out, from, (size_t)columns * sizeof(*from));
            continue;
        }
        for (int64_t j = 0; j < columns; j++) {
            const uint16_t value = host_round_bf16(from[j]);
            memcpy(out + (size_t)j * sizeof(value), &value, sizeof(value));
        }
    }
}

/* The bytes of the prepared weights, then of the bias; false where that is out of range. */
static bool lay_out(const struct device *device, const struct linear_source *source, struct cuda_weights *weights,
                    size_t *bytes)
{
    const int64_t step = ROW_BYTES / (int64_t)dtype_size(device->precision);
    const size_t bias = source->has_bias ? (size_t)source->outputs * sizeof(float) : 0;
    size_t size;
    if (source->inputs > INT64_MAX - step)
        return false;
    weights->stride = (source->inputs + step - 1) / step * step;
    if (__builtin_mul_overflow((size_t)weights->stride * dtype_size(device->precision), (size_t)source->outputs,
                               &size) ||
        size > PTRDIFF_MAX / 4)
        return false;
    size = (size + BIAS_ALIGNMENT - 1) / BIAS_ALIGNMENT * BIAS_ALIGNMENT;
    weights->bias_offset = source->has_bias ? size : 0;
    *bytes = size + bias;
    return true;
}

static int load_weights(struct device *device, const struct linear_source *source, const struct host_weights *joined,
                        struct cuda_weights *weights)
{
    size_t bytes;
    char *const host = lay_out(device, source, weights, &bytes) ? malloc(bytes + 1) : NULL;
    if (!host)
        return error_memory("a layer's weights");
    convert(device->precision, joined->weight, source->outputs, source->inputs, weights->stride, host);
    if (source->has_bias)
        memcpy(host + weights->bias_offset, joined->bias, (size_t)source->outputs * sizeof(float));
    int status = cuda_allocate(device, bytes, &weights->buffer);
    if (status == 0)
        status = cuda_load(cuda_of(device), cuda_address(weights->buffer.memory), host, bytes);
    free(host);
    return status;
}

static int create(struct device *device, const struct linear_source *source, bool channels_last, void **state)
{
    struct host_weights joined;
    struct cuda_weights *const weights = calloc(1, sizeof(*weights));
    if (!weights)
        return error_memory("a layer");
    int status = host_weights_join(source, channels_last, &joined);
    if (status == 0) {
        status = load_weights(device, source, &joined, weights);
        host_weights_free(&joined);
    }
    if (status != 0) {
        cuda_linear_free(device, weights);
        return status;
    }
    *state = weights;
    return 0;
}

int cuda_linear_create(struct device *device, const struct linear_source *source, void **state)
{
    return create(device, source, false, state);
}

int cuda_conv2d_create(struct device *device, const struct linear_source *source, const struct conv2d *conv,
                       void **state)
{
    (void)conv;
    return create(device, source, true, state);
}

void cuda_linear_free(struct device *device, void *state)
{
    struct cuda_weights *const weights = state;
    cuda_release(device, &weights->buffer);
    free(weights);
}
