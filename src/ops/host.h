/* What sets share that compute in the host's memory, at once, in the calling thread: memory, uploads and downloads, and
 * weights as f32. */
#ifndef OPS_HOST_H
#define OPS_HOST_H

#include "ops/filter.h"
#include "ops/set.h"

#include <string.h>

/* The address of a tensor's first element; NULL where it has no memory. */
static inline void *host_data(struct tensor tensor)
{
    return tensor.buffer ? (char *)tensor.buffer->memory + tensor.offset : NULL;
}

/* F32 as BF16, rounded to the nearest, ties to even; NaN stays NaN. */
static inline uint16_t host_round_bf16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    const uint32_t rounded = (bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16, nan = bits >> 16 | 0x40U;
    return (uint16_t)((bits & 0x7FFFFFFFU) > 0x7F800000U ? nan : rounded);
}

static inline float host_widen_bf16(uint16_t value)
{
    const uint32_t bits = (uint32_t)value << 16;
    float out;
    memcpy(&out, &bits, sizeof(out));
    return out;
}

/* Entries of a set: see ops/set.h. */
int host_allocate(struct device *device, size_t bytes, struct buffer *out);
void host_release(struct device *device, struct buffer *buffer);
void host_guard(struct device *device, const struct buffer *buffer, size_t offset, size_t bytes, bool usable);
int host_memory(struct device *device, struct device_memory *out);
int host_memory_release(struct device *device);
void host_share(struct device *device, size_t count, pool_task task, void *data);
int host_constant_create(struct device *device, const struct host_tensor *source, bool copy, struct buffer *out);
int host_compute_create(struct device *device, void **state);
void host_compute_free(struct device *device, void *state);
void host_upload(struct compute *compute, const void *from, struct tensor to);
void host_upload_rows(struct compute *compute, const uint8_t *from, size_t row_bytes, struct tensor *to);
void host_download(struct compute *compute, struct tensor from, void *to);
void host_wait(struct compute *compute);

/* Block after block, by op_copy and op_add. */
void host_gather_blocks(struct compute *compute, const struct row_blocks *blocks, struct tensor out,
                        struct tensor placed);

/* The threads that the options ask for: 0 is all that the process may use. Errors: ARGUMENT. */
int host_threads(const struct device_options *options, int *out);

/* The parts of a layer joined to dense f32: weight [outputs, inputs], and bias [outputs] with zeros for parts that have
 * none, or NULL. */
struct host_weights {
    const float *weight, *bias;
    float *memory; /* owned, or NULL */
};
/* `channels_last`: of a convolution [outputs, inputs, height, width], to [outputs, height * width * inputs]. */
int host_weights_join(const struct linear_source *source, bool channels_last, struct host_weights *out);
void host_weights_free(struct host_weights *weights);

/* A resize as kernels read it. */
struct filter host_filter(const struct resize *resize);
struct filter_u8 host_filter_u8(const struct resize *resize);

#endif
