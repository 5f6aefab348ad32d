/* See host.h. */
#include "ops/host.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/processors.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define HOST_GUARD 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HOST_GUARD 1
#endif
#endif

#ifdef HOST_GUARD
#include <sanitizer/asan_interface.h>
#endif

enum { ALIGNMENT = 64, HUGE_PAGE = 2 << 20, MAX_THREADS = 1024 };

int host_allocate(struct device *device, size_t bytes, struct buffer *out)
{
    (void)device;
    *out = (struct buffer){0};
    if (bytes > PTRDIFF_MAX)
        return error_memory("a tensor");
    const bool huge = bytes >= 2 * (size_t)HUGE_PAGE;
    void *memory;
    if (posix_memalign(&memory, huge ? HUGE_PAGE : ALIGNMENT, bytes + (bytes == 0)) != 0)
        return error_memory("a tensor");
    if (huge)
        madvise(memory, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE); /* a wish: failure changes nothing */
    *out = (struct buffer){.memory = memory, .bytes = bytes};
    return 0;
}

void host_release(struct device *device, struct buffer *buffer)
{
    host_guard(device, buffer, 0, buffer->bytes, true);
    if (!buffer->borrowed)
        free(buffer->memory);
    *buffer = (struct buffer){0};
}

void host_guard(struct device *device, const struct buffer *buffer, size_t offset, size_t bytes, bool usable)
{
    (void)device;
#ifdef HOST_GUARD
    const char *const first = (const char *)buffer->memory + offset;
    if (buffer->borrowed || !buffer->memory)
        return;
    if (usable)
        __asan_unpoison_memory_region(first, bytes);
    else
        __asan_poison_memory_region(first, bytes);
#else
    (void)buffer;
    (void)offset;
    (void)bytes;
    (void)usable;
#endif
}

static bool is_f32_aligned(const struct host_tensor *tensor)
{
    return tensor->dtype == DTYPE_F32 && (uintptr_t)tensor->data % sizeof(float) == 0;
}

int host_constant_create(struct device *device, const struct host_tensor *source, bool copy, struct buffer *out)
{
    const int64_t count = host_tensor_count(source);
    *out = (struct buffer){0};
    if (!copy && is_f32_aligned(source)) {
        *out = (struct buffer){.bytes = source->bytes, .borrowed = true};
        /* A handle has no const: ops never write to a weight. */
        memcpy(&out->memory, &source->data, sizeof(out->memory));
        return 0;
    }
    if ((uint64_t)count > PTRDIFF_MAX / sizeof(float))
        return error_memory("a weight");
    int status = host_allocate(device, (size_t)count * sizeof(float), out);
    if (status == 0)
        status = dtype_to_f32(source->dtype, source->data, count, out->memory);
    if (status != 0)
        host_release(device, out);
    return status;
}

int host_compute_create(struct device *device, void **state)
{
    (void)device;
    *state = NULL;
    return 0;
}

void host_compute_free(struct device *device, void *state)
{
    (void)device;
    (void)state;
}

void host_upload(struct compute *compute, const void *from, struct tensor to)
{
    (void)compute;
    memcpy(host_data(to), from, (size_t)tensor_count(&to) * dtype_size(to.dtype));
}

void host_upload_rows(struct compute *compute, const uint8_t *from, size_t row_bytes, struct tensor *to)
{
    (void)compute;
    *to->buffer = (struct buffer){.bytes = row_bytes * (size_t)to->dim[0], .borrowed = true};
    memcpy(&to->buffer->memory, &from, sizeof(to->buffer->memory)); /* never written to */
    to->stride[0] = (int64_t)row_bytes;
}

void host_download(struct compute *compute, struct tensor from, void *to)
{
    (void)compute;
    const size_t size = dtype_size(from.dtype);
    const char *const data = host_data(from);
    if (tensor_is_dense(&from)) {
        memcpy(to, data, (size_t)tensor_count(&from) * size);
        return;
    }
    /* Innermost rows that are dense are copied whole; the counters in `index` walk the rest. */
    const int last = from.rank - 1;
    const int64_t row = from.stride[last] == 1 ? from.dim[last] : 1;
    const int outer = row == 1 ? from.rank : last;
    int64_t index[TENSOR_MAX_RANK] = {0};
    char *target = to;
    for (;;) {
        int64_t offset = 0;
        for (int i = 0; i < outer; i++)
            offset += index[i] * from.stride[i];
        memcpy(target, data + (size_t)offset * size, (size_t)row * size);
        target += (size_t)row * size;
        int axis = outer - 1;
        while (axis >= 0 && ++index[axis] == from.dim[axis])
            index[axis--] = 0;
        if (axis < 0)
            return;
    }
}

void host_wait(struct compute *compute)
{
    (void)compute; /* every op was done when it returned */
}

int host_memory(struct device *device, struct device_memory *out)
{
    (void)device;
    memory_read(&out->total, &out->available);
    return 0;
}

int host_memory_release(struct device *device)
{
    (void)device; /* free() has done it */
    return 0;
}

/* By the calling thread: the others compute passes. */
void host_share(struct device *device, size_t count, pool_task task, void *data)
{
    (void)device;
    for (size_t i = 0; i < count; i++)
        task(data, i, 0);
}

int host_threads(const struct device_options *options, int *out)
{
    if (options->threads < 0 || options->threads > MAX_THREADS) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "threads: %d: give a number from 0 (all) to %d", options->threads,
                         MAX_THREADS);
    }
    const int most = omp_get_max_threads(), there = processors_count();
    *out = options->threads > 0 ? options->threads : there < most ? there : most;
    return 0;
}

/* [O, I, taps] to [O, taps, I]: channels last, as the rows that a convolution multiplies are. */
static void move_channels_last(const float *from, int64_t outputs, int64_t inputs, int64_t taps, float *to)
{
    for (int64_t o = 0; o < outputs; o++)
        for (int64_t t = 0; t < taps; t++)
            for (int64_t i = 0; i < inputs; i++)
                *to++ = from[(o * inputs + i) * taps + t];
}

/* Converts the parts' weights one after the other, and their biases with zeros for those that have none. */
static int convert_parts(const struct linear_source *source, float *weight, float *bias)
{
    int status = 0;
    for (int i = 0; i < source->parts && status == 0; i++) {
        const struct host_tensor *const part = source->weight[i];
        const struct host_tensor *const part_bias = source->bias ? source->bias[i] : NULL;
        if (weight) {
            status = dtype_to_f32(part->dtype, part->data, host_tensor_count(part), weight);
            weight += host_tensor_count(part);
        }
        if (bias && status == 0) {
            if (part_bias)
                status = dtype_to_f32(part_bias->dtype, part_bias->data, part->dim[0], bias);
            else
                memset(bias, 0, (size_t)part->dim[0] * sizeof(*bias));
            bias += part->dim[0];
        }
    }
    return status;
}

int host_weights_join(const struct linear_source *source, bool channels_last, struct host_weights *out)
{
    const struct host_tensor *const first = source->weight[0];
    const bool as_it_is = source->parts == 1 && is_f32_aligned(first) && !channels_last;
    const size_t outputs = (size_t)source->outputs, copies = as_it_is ? 0 : channels_last ? 2 : 1;
    size_t count, values;
    *out = (struct host_weights){0};
    if (__builtin_mul_overflow(outputs, (size_t)source->inputs, &count) ||
        __builtin_mul_overflow(count, copies, &values) || __builtin_add_overflow(values, outputs, &values) ||
        values > PTRDIFF_MAX / sizeof(float) || !(out->memory = malloc((values + 1) * sizeof(float))))
        return error_memory("a layer's weights");
    float *const bias = source->has_bias ? out->memory : NULL, *const weight = out->memory + outputs;
    const int status = convert_parts(source, as_it_is ? NULL : weight, bias);
    if (status != 0) {
        host_weights_free(out);
        return status;
    }
    if (channels_last)
        move_channels_last(weight, source->outputs, first->dim[1], first->dim[2] * first->dim[3], weight + count);
    out->weight = as_it_is ? first->data : channels_last ? weight + count : weight;
    out->bias = bias;
    return 0;
}

void host_weights_free(struct host_weights *weights)
{
    free(weights->memory);
    *weights = (struct host_weights){0};
}

struct filter host_filter(const struct resize *resize)
{
    int32_t *const taps = host_data(resize->taps);
    return (struct filter){.outputs = resize->outputs,
                           .inputs = resize->inputs,
                           .stride = (int)resize->weight.stride[0],
                           .first = taps,
                           .count = taps + resize->taps.stride[0],
                           .weight = host_data(resize->weight)};
}

struct filter_u8 host_filter_u8(const struct resize *resize)
{
    int32_t *const taps = host_data(resize->taps);
    return (struct filter_u8){.outputs = resize->outputs,
                              .inputs = resize->inputs,
                              .stride = (int)resize->weight.stride[0],
                              .precision = resize->precision,
                              .first = taps,
                              .count = taps + resize->taps.stride[0],
                              .weight = host_data(resize->weight)};
}

void host_gather_blocks(struct compute *compute, const struct row_blocks *blocks, struct tensor out,
                        struct tensor placed)
{
    const int64_t each = out.dim[1];
    for (int64_t i = 0; i < blocks->count; i++) {
        const struct tensor to = tensor_at(tensor_at(out, i / each), i % each);
        const struct tensor sum = tensor_at(tensor_at(placed, i / each), i % each);
        op_copy(compute, blocks->from[i], to);
        if (blocks->positions)
            op_add(compute, to, tensor_at(*blocks->positions, blocks->place ? blocks->place[i] : i), sum);
        else
            op_copy(compute, to, sum);
    }
}
