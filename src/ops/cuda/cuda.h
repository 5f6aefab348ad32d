/* What the files of the CUDA set share: its device, its computes, how kernels are launched. */
#ifndef OPS_CUDA_CUDA_H
#define OPS_CUDA_CUDA_H

#include "base/pool.h"
#include "ops/cuda/arguments.h"
#include "ops/cuda/driver.h"
#include "ops/set.h"

#include <pthread.h>

/* ---- memory.c: device memory in segments, cut into blocks that are used again ---- */

struct cuda_segment;
struct cuda_memory {
    struct cuda_segment *first;
    size_t reserved, used, peak; /* of the driver; handed out, now and at most */
    size_t limit;                /* of `reserved`; 0: the card's memory */
};

/* ---- device.c ---- */

/* Pinned memory that weights go through: one half is filled while the other is copied. */
enum { CUDA_STAGING_HALVES = 2, CUDA_STAGING_BYTES = 8 << 20 };

struct cuda_compute;
struct cuda_device {
    const struct cuda_driver *driver;
    cu_device handle;
    cu_context context;
    cu_module modules[CUDA_FILE_COUNT];
    cu_function kernels[CUDA_KERNEL_COUNT];
    int multiprocessors;
    bool hopper;         /* the kernels for Hopper alone can be used */
    size_t shared_bytes; /* that a launch may ask for */
    char label[160];     /* for messages: "cuda:0 (NVIDIA H100)" */

    pthread_mutex_t mutex; /* of all that follows */
    struct cuda_memory memory;
    struct cuda_compute *computes;
    uint64_t ticket; /* counts what computes begin and what is given back */
    size_t shared_allowed[CUDA_KERNEL_COUNT];

    pthread_mutex_t copy_mutex; /* of the threads that share a large copy; who finds it locked copies alone */
    struct pool *copiers;       /* NULL: none */

    pthread_mutex_t load_mutex; /* of weights on their way */
    cu_stream loading[CUDA_STAGING_HALVES];
    void *staging; /* pinned */
};

static inline struct cuda_device *cuda_of(const struct device *device)
{
    return device->state;
}

/* Makes the device the calling thread's. Every entry of the set does, since any thread may call it. Errors: as
 * cuda_failed. */
int cuda_enter(const struct cuda_device *cuda);

/* 0 where `result` is success; else the message is set: see cuda_driver_error. */
int cuda_failed(const struct cuda_device *cuda, cu_result result, const char *call, const char *doing);

/* Entries of the set. */
int cuda_allocate(struct device *device, size_t bytes, struct buffer *out);
void cuda_release(struct device *device, struct buffer *buffer);
void cuda_guard(struct device *device, const struct buffer *buffer, size_t offset, size_t bytes, bool usable);
int cuda_memory_tell(struct device *device, struct device_memory *out);
int cuda_memory_release(struct device *device);
/* Takes the limits of the options, and the memory that they want taken at once. Errors: as cuda_failed, MEMORY. */
int cuda_memory_start(struct cuda_device *cuda, const struct device_options *options);
/* Gives the driver back all that is not in use; the context is the thread's. */
void cuda_memory_free(struct cuda_device *cuda);

/* Copies host memory to the device, `from` may change afterwards; it is there when this returns. */
int cuda_load(struct cuda_device *cuda, cu_pointer to, const void *from, size_t bytes);

/* ---- copies.c ---- */

/* Runs task(data, 0) to task(data, count - 1), shared by threads where they are free. */
void cuda_share(struct cuda_device *cuda, size_t count, pool_task task, void *data);

/* Rows in host memory, of the source `stride` apart, that are put behind each other. */
struct cuda_host_rows {
    char *to;
    const char *from;
    size_t stride, count, bytes; /* bytes of a row */
};
void cuda_copy_rows(struct cuda_device *cuda, const struct cuda_host_rows *rows);
void cuda_copy_bytes(struct cuda_device *cuda, void *to, const void *from, size_t bytes);

/* ---- weights.c ---- */

/* A layer's, or a convolution's with channels last: rows of the device's type, zeros behind them up to `stride`. */
struct cuda_weights {
    struct buffer buffer; /* the weights, then the bias */
    size_t bias_offset;   /* 0: none */
    int64_t stride;
};
int cuda_constant_create(struct device *device, const struct host_tensor *source, bool copy, struct buffer *out);
int cuda_linear_create(struct device *device, const struct linear_source *source, void **state);
int cuda_conv2d_create(struct device *device, const struct linear_source *source, const struct conv2d *conv,
                       void **state);
void cuda_linear_free(struct device *device, void *state);

/* ---- compute.c: a compute's stream, and what goes over it ---- */

int cuda_compute_create(struct device *device, void **state);
void cuda_compute_free(struct device *device, void *state);
void cuda_upload(struct compute *compute, const void *from, struct tensor to);
void cuda_upload_rows(struct compute *compute, const uint8_t *from, size_t row_bytes, struct tensor *to);
void cuda_download(struct compute *compute, struct tensor from, void *to);
void cuda_wait(struct compute *compute);
/* Where kernels of this compute tell what is wrong. */
struct cuda_fault *cuda_fault(struct compute *compute);
/* The smallest ticket of computes that still have work; UINT64_MAX: none. The mutex is held. */
uint64_t cuda_oldest_work(const struct cuda_device *cuda);
/* Waits for all work that was queued. What was given back before the ticket in *oldest is not in use any more. The
 * mutex is held. false: a wait failed. */
bool cuda_wait_for_all(const struct cuda_device *cuda, uint64_t *oldest);

struct cuda_grid {
    int64_t x, y, z;
};
/* Queues a kernel: blocks, threads of a block, bytes of shared memory that it has beside its own. `arguments` is the
 * struct that CUDA_KERNELS names. */
void cuda_launch(struct compute *compute, enum cuda_kernel kernel, struct cuda_grid grid, int threads,
                 size_t shared_bytes, const void *arguments);
/* A thread for each of `count`, in blocks of 256; kernels go on by the whole grid where there are more. */
void cuda_launch_each(struct compute *compute, enum cuda_kernel kernel, int64_t count, const void *arguments);

/* The kernel of a family of four for these types: of x and of out. */
static inline enum cuda_kernel cuda_kernel_for(enum cuda_kernel ff, enum dtype x, enum dtype out)
{
    return (enum cuda_kernel)((int)ff + (x == DTYPE_F32 ? 0 : 2) + (out == DTYPE_F32 ? 0 : 1));
}

static inline void *cuda_data(struct tensor tensor)
{
    return tensor.buffer ? (char *)tensor.buffer->memory + tensor.offset : NULL;
}

/* Kernels read 16 bytes at once from there. */
static inline bool cuda_is_aligned(const void *memory)
{
    return (uintptr_t)memory % 16 == 0;
}

static inline bool cuda_are_aligned(const void *const *memory, size_t count)
{
    bool all = true;
    for (size_t i = 0; i < count; i++)
        all = all && cuda_is_aligned(memory[i]);
    return all;
}

static inline cu_pointer cuda_address(const void *memory)
{
    return (cu_pointer)(uintptr_t)memory;
}

/* ---- graphs.c: launches of a compute, some dozens queued at once, as a graph where they come again ---- */

struct cuda_recorder;
int cuda_recorder_create(struct cuda_recorder **out);
/* The context is the thread's, or gone. NULL is none. */
void cuda_recorder_free(const struct cuda_device *cuda, struct cuda_recorder *recorder);
/* Whether it is full: flush it. */
bool cuda_recorder_add(struct cuda_recorder *recorder, enum cuda_kernel kernel, struct cuda_grid grid, int threads,
                       size_t shared_bytes, const void *arguments);
bool cuda_recorder_is_empty(const struct cuda_recorder *recorder);
/* Queues what is recorded, in its order. Errors: as cuda_failed; nothing is recorded then either. */
int cuda_recorder_flush(const struct cuda_device *cuda, struct cuda_recorder *recorder, cu_stream stream);
/* Forgets what is recorded. */
void cuda_recorder_drop(struct cuda_recorder *recorder);
const char *cuda_kernel_name(enum cuda_kernel kernel);

/* ---- the ops ---- */

/* products.c */
void cuda_linear(struct compute *compute, const struct linear *linear, struct tensor x, enum activation activation,
                 const struct tensor *residual, struct tensor out);
void cuda_conv2d(struct compute *compute, const struct conv2d *conv, struct tensor x, const struct tensor *residual,
                 struct tensor out);
void cuda_matmul_transposed(struct compute *compute, struct tensor a, struct tensor b, struct tensor out);
void cuda_depthwise_conv2d(struct compute *compute, struct tensor x, struct tensor weight, struct tensor bias,
                           int padding, struct tensor out);

/* attention.c */
void cuda_attention(struct compute *compute, struct tensor q, struct tensor k, struct tensor v, float scale,
                    bool causal, struct tensor out);
void cuda_attend_rows(struct compute *compute, struct tensor q, struct tensor x, struct tensor positions, float scale,
                      struct tensor out);
void cuda_attend_tokens(struct compute *compute, const struct token_attention *attention, struct tensor out);
void cuda_rope(struct compute *compute, struct tensor x, struct tensor cosines, struct tensor sines);

/* elements.c */
void cuda_layer_norm(struct compute *compute, struct tensor x, struct tensor gamma, struct tensor beta, float eps,
                     struct tensor out);
void cuda_l2_normalize(struct compute *compute, struct tensor x, float eps, struct tensor out);
void cuda_activation(struct compute *compute, struct tensor x, enum activation activation, struct tensor out);
void cuda_add(struct compute *compute, struct tensor a, struct tensor b, struct tensor out);
void cuda_mul(struct compute *compute, struct tensor a, struct tensor b, struct tensor out);
void cuda_step(struct compute *compute, struct tensor x, float threshold, float low, float high, struct tensor out);
void cuda_affine(struct compute *compute, struct tensor x, float scale, float shift, struct tensor out);
void cuda_shift_scale(struct compute *compute, struct tensor x, struct tensor shift, struct tensor scale,
                      struct tensor out);
void cuda_select(struct compute *compute, struct tensor score, float threshold, struct tensor x, struct tensor other,
                 struct tensor out);
void cuda_max_rows(struct compute *compute, struct tensor x, struct tensor out);
void cuda_variance(struct compute *compute, struct tensor x, struct tensor out);
void cuda_sine(struct compute *compute, struct tensor x, struct tensor periods, struct tensor out);

/* moves.c */

/* Of `count` tensors of the same `dim`, by their strides: axes that are one in all of them become one, the last. */
void cuda_fold(int rank, int64_t *dim, int64_t *const strides[], int count);
/* `size` elements behind each other become one, where all rows are whole ones of those; else false. */
bool cuda_group(int64_t size, int rank, int64_t *dim, int64_t *const strides[], int count);
void cuda_copy(struct compute *compute, struct tensor from, struct tensor out);
void cuda_fill(struct compute *compute, float value, struct tensor out);
void cuda_embed(struct compute *compute, struct tensor ids, struct tensor table, struct tensor positions,
                struct tensor out);
void cuda_gather_blocks(struct compute *compute, const struct row_blocks *blocks, struct tensor out,
                        struct tensor placed);
void cuda_gather_rows(struct compute *compute, struct tensor x, struct tensor index, struct tensor out);
void cuda_max_pool2d(struct compute *compute, struct tensor x, int size, struct tensor out);

/* masks.c */
void cuda_upscale_masks(struct compute *compute, const struct mask_upscaling *upscaling, struct tensor out);
void cuda_embed_points(struct compute *compute, const struct point_embedding *embedding, struct tensor points,
                       struct tensor kinds, struct tensor out);
void cuda_choose_mask(struct compute *compute, const struct mask_choice *choice, struct tensor masks,
                      struct tensor scores, struct tensor index);
void cuda_clean_masks(struct compute *compute, struct tensor masks, float threshold, int64_t hole_area,
                      int64_t sprinkle_area);
void cuda_separate_masks(struct compute *compute, struct tensor masks, float outside);

/* resize.c */
void cuda_resize_planes(struct compute *compute, struct tensor x, const struct resize *vertical,
                        const struct resize *horizontal, float threshold, struct tensor out);
void cuda_resize_image(struct compute *compute, struct tensor pixels, const struct resize *vertical,
                       const struct resize *horizontal, const struct pixel_scale *scale, struct tensor out);

#endif
