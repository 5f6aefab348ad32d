/* The loader of all models' weights. It walks twice over the same calls: the first time it writes down which tensors of
 * which shape are needed, the second time, once all were found, it prepares them for the device. So every tensor is
 * named once. Pages of the file that were copied are let go, so that memory holds the weights once. */
#ifndef NN_LOADER_H
#define NN_LOADER_H

#include "nn/nn.h"
#include "weights/checkpoint.h"

struct loader {
    bool binding; /* the first walk */
    int status;   /* sticky */
    size_t count, capacity, next;
    struct weight_row *rows;
    char **names;                /* of the rows, owned */
    struct host_tensor *tensors; /* where the rows are bound */
    const struct checkpoint *checkpoint;
    struct parameters *parameters;
};

/* Both walks: calls `walk` twice, or once where tensors are missing. Tensors of the checkpoint that it does not name
 * give a notice, but for those whose names begin as one of `ignored` (NULL-terminated; may be NULL). `checkpoint` must
 * stay open as long as the weights are used (f32 tensors are views of what it read). Errors: MODEL, which names tensors
 * that are missing or misshapen; IO, also where a file shrinks or changes meanwhile; MEMORY; UNSUPPORTED; what `walk`
 * fails with. */
int loader_load(const struct checkpoint *checkpoint, struct parameters *parameters, const char *const *ignored,
                void (*walk)(struct loader *loader, void *user_data), void *user_data);

/* True in the second walk, as long as all went well. */
bool loader_preparing(const struct loader *loader);
/* The walk fails with `status`, unless that is 0; the caller has set the message. */
void loader_fail(struct loader *loader, int status);
/* `count` zeroed structs for a model's layers, to be freed with free(): made in the first walk, `made` in the second.
 * NULL where there are none, or after an error. */
void *loader_layers(struct loader *loader, int64_t count, size_t size, void *made);

/* The tensor called by the format: in the first walk a tensor without data, as in the second one where it is optional
 * and absent. NULL after an error. */
__attribute__((format(printf, 5, 6))) const struct host_tensor *
loader_tensor(struct loader *loader, bool optional, int rank, const int64_t *dim, const char *format, ...);
#define LOADER_DIMS(...)                                                                                               \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[])                                             \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }

/* Each of the following does nothing to `out` in the first walk and after an error. */

/* A tensor as f32, in another shape of as many elements. */
void loader_device(struct loader *loader, const struct host_tensor *source, int rank, const int64_t *dim,
                   struct tensor *out);
/* f32 values, copied. */
void loader_values(struct loader *loader, const float *values, int rank, const int64_t *dim, struct tensor *out);
/* A copy in host memory, to be freed with free(). */
void loader_host(struct loader *loader, const struct host_tensor *source, float **out);

/* <prefix><name>.weight and .bias. */
void loader_norm(struct loader *loader, int64_t width, const char *prefix, const char *name, struct nn_norm *out);
void loader_linear(struct loader *loader, int64_t rows, int64_t outputs, int64_t inputs, const char *prefix,
                   const char *name, const struct linear **out);

/* One of the layers of one input that are joined along their outputs. */
struct loader_part {
    const char *name;
    int64_t outputs;
    bool no_bias;
};
enum { LOADER_MAX_PARTS = 8 };
void loader_linear_parts(struct loader *loader, int64_t rows, int64_t inputs, const char *prefix,
                         const struct loader_part *parts, int count, const struct linear **out);

/* Square kernels; <name>.weight and .bias. */
void loader_conv2d(struct loader *loader, int64_t outputs, int64_t inputs, int kernel, int stride, int padding,
                   const char *name, const struct conv2d **out);
/* <name>.proj_in, .layers.0 ..., .proj_out; `depth` layers, at least two. */
void loader_feed_forward(struct loader *loader, int64_t rows, int64_t inputs, int64_t hidden, int64_t outputs,
                         int depth, const char *prefix, const char *name, struct nn_feed_forward *out);

/* What a file calls the parts of a transformer layer. */
struct nn_block_names {
    const char *norm1, *norm2, *q, *k, *v, *out, *fc1, *fc2;
    bool no_qkv_bias;
};
/* A tower's layers, <prefix>0. ..., to be freed with free(); `made` as in loader_layers. `int8`: on a device that
 * computes in 8 bits they may be so, all but the first one, which is the most sensitive (docs/precision.md). */
struct nn_block *loader_blocks(struct loader *loader, int64_t rows, const struct nn_tower *tower,
                               const struct nn_block_names *names, const char *prefix, bool int8,
                               struct nn_block *made);

/* Tensors of the file as a layer: `parts` of them joined. `bias` may be NULL. */
void loader_prepare_linear(struct loader *loader, int64_t rows, int parts, const struct host_tensor *const *weight,
                           const struct host_tensor *const *bias, const struct linear **out);
void loader_prepare_conv2d(struct loader *loader, const struct host_tensor *weight, const struct host_tensor *bias,
                           int stride, int padding, const struct conv2d **out);
/* A layer of values that were made of the file's tensors: weight [outputs][inputs], bias [outputs] or NULL, both
 * copied. `name`: what the layer is called, of the tensor that it was made of. */
void loader_linear_values(struct loader *loader, int64_t rows, int64_t outputs, int64_t inputs, const float *weight,
                          const float *bias, const char *name, const struct linear **out);

#endif
