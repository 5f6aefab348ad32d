/* A set of ops: what a kind of device brings. The checked ops (ops.h) call its table; nothing falls through to another
 * set, and a set that lacks an entry does not open.
 *
 * What the checked ops (src/ops/products.c, ...) have done when an entry is called: the pass has not failed; shapes,
 * types, strides and overlaps are as ops.h says; what is written is not empty. Ranks are ops.h's, but where the same is
 * done to every row the entry gets rank 2 (linear, layer_norm, l2_normalize, activation, affine, step:
 * leading dimensions are joined, and where strides do not allow that, the entry is called once a part), add, mul and
 * fill get rank 4 and copy rank 5. Every last stride is 1, but for copy. BF16 comes only to a set that opened in it,
 * but to copy always. */
#ifndef OPS_SET_H
#define OPS_SET_H

#include "ops/ops.h"

/* A piece of a device's memory. `memory` is the set's own: the address, where the set computes in the host's memory. */
struct buffer {
    void *memory;
    size_t bytes;
    bool borrowed; /* somebody else's memory: not freed with the buffer */
};

/* Layers of one input, joined along their outputs: weight[i] [outputs_i, inputs], bias[i] [outputs_i] or NULL. They are
 * as the file has them, with their names and stored types. */
struct linear_source {
    int parts;
    const struct host_tensor *const *weight, *const *bias; /* `bias` NULL: none at all */
    int64_t outputs, inputs;                               /* of all parts */
    bool has_bias;
    int64_t rows_hint; /* rows that an input will typically have */
    bool int8;         /* it may be in 8 bits where the device computes so */
};

struct ops_set {
    const char *name;

    /* Fills what `device` has beside its set: threads, precision, hints, and a state of the set's own. It may replace
     * the set by another table (a CPU level's). Errors: ARGUMENT, UNSUPPORTED, MEMORY; nothing is left then. */
    int (*open)(struct device *, const struct device_options *options);
    void (*close)(struct device *);

    /* ---- memory ---- */

    /* At least `bytes` (which may be 0) at 64-byte alignment, not cleared. Errors: MEMORY. */
    int (*allocate)(struct device *, size_t bytes, struct buffer *out);
    void (*release)(struct device *, struct buffer *);
    /* For sanitizers: whether a part of a buffer may be touched. */
    void (*guard)(struct device *, const struct buffer *, size_t offset, size_t bytes, bool usable);
    /* See device_memory() and device_memory_release(). `out` is empty before. */
    int (*memory)(struct device *, struct device_memory *out);
    int (*memory_release)(struct device *);
    /* See device_share(). */
    void (*share)(struct device *, size_t count, pool_task task, void *data);

    /* ---- weights, prepared when a model opens ---- */

    /* A tensor as dense f32. Unless `copy`, the source outlives the buffer, so that it may be shown as it is. */
    int (*constant_create)(struct device *, const struct host_tensor *source, bool copy, struct buffer *out);
    int (*linear_create)(struct device *, const struct linear_source *source, void **state);
    void (*linear_free)(struct device *, void *state);
    /* source: one part whose weight is [outputs, inputs, height, width]; `conv` has all but its state. */
    int (*conv2d_create)(struct device *, const struct linear_source *source, const struct conv2d *conv, void **state);
    void (*conv2d_free)(struct device *, void *state);

    /* ---- passes ---- */

    int (*compute_create)(struct device *, void **state);
    void (*compute_free)(struct device *, void *state);
    /* `to` is dense; `from` has been read when this returns. */
    void (*upload)(struct compute *, const void *from, struct tensor to);
    /* rows of `row_bytes` at `from` become a U8 tensor [rows, columns] or show it: see op_upload_rows. */
    void (*upload_rows)(struct compute *, const uint8_t *from, size_t row_bytes, struct tensor *to);
    /* `to` receives the dense elements at the next wait at the latest. */
    void (*download)(struct compute *, struct tensor from, void *to);
    /* All that was asked for is done and all downloads are there. Errors that only the device saw make the pass fail.
     */
    void (*wait)(struct compute *);

    /* ---- ops ---- */

    void (*linear)(struct compute *, const struct linear *, struct tensor x, enum activation,
                   const struct tensor *residual, struct tensor out);
    void (*conv2d)(struct compute *, const struct conv2d *, struct tensor x, const struct tensor *residual,
                   struct tensor out);
    void (*matmul_transposed)(struct compute *, struct tensor a, struct tensor b, struct tensor out);
    void (*layer_norm)(struct compute *, struct tensor x, struct tensor gamma, struct tensor beta, float eps,
                       struct tensor out);
    void (*l2_normalize)(struct compute *, struct tensor x, float eps, struct tensor out);
    void (*attention)(struct compute *, struct tensor q, struct tensor k, struct tensor v, float scale, bool causal,
                      struct tensor out);
    void (*attend_rows)(struct compute *, struct tensor q, struct tensor x, struct tensor positions, float scale,
                        struct tensor out);
    void (*attend_tokens)(struct compute *, const struct token_attention *, struct tensor out);
    void (*upscale_masks)(struct compute *, const struct mask_upscaling *, struct tensor out);
    void (*rope)(struct compute *, struct tensor x, struct tensor cosines, struct tensor sines);
    void (*add)(struct compute *, struct tensor a, struct tensor b, struct tensor out);
    void (*mul)(struct compute *, struct tensor a, struct tensor b, struct tensor out);
    void (*activation)(struct compute *, struct tensor x, enum activation, struct tensor out);
    void (*embed)(struct compute *, struct tensor ids, struct tensor table, struct tensor positions, struct tensor out);
    void (*gather_rows)(struct compute *, struct tensor x, struct tensor index, struct tensor out);
    void (*gather_blocks)(struct compute *, const struct row_blocks *, struct tensor out, struct tensor placed);
    void (*shift_scale)(struct compute *, struct tensor x, struct tensor shift, struct tensor scale, struct tensor out);

    /* Any strides, but no element twice in `out`. */
    void (*copy)(struct compute *, struct tensor from, struct tensor out);
    void (*fill)(struct compute *, float value, struct tensor out);
    void (*max_pool2d)(struct compute *, struct tensor x, int size, struct tensor out);
    void (*depthwise_conv2d)(struct compute *, struct tensor x, struct tensor weight, struct tensor bias, int padding,
                             struct tensor out);
    void (*step)(struct compute *, struct tensor x, float threshold, float low, float high, struct tensor out);
    void (*affine)(struct compute *, struct tensor x, float scale, float shift, struct tensor out);
    void (*select)(struct compute *, struct tensor score, float threshold, struct tensor x, struct tensor other,
                   struct tensor out);
    void (*max_rows)(struct compute *, struct tensor x, struct tensor out);
    void (*variance)(struct compute *, struct tensor x, struct tensor out);
    void (*sine)(struct compute *, struct tensor x, struct tensor periods, struct tensor out);
    void (*embed_points)(struct compute *, const struct point_embedding *, struct tensor points, struct tensor kinds,
                         struct tensor out);
    void (*choose_mask)(struct compute *, const struct mask_choice *, struct tensor masks, struct tensor scores,
                        struct tensor index);
    void (*clean_masks)(struct compute *, struct tensor masks, float threshold, int64_t hole_area,
                        int64_t sprinkle_area);
    void (*separate_masks)(struct compute *, struct tensor masks, float outside);
    /* out is F32, or U8: then rows of bits, 1 where the value is over `threshold`. */
    void (*resize_planes)(struct compute *, struct tensor x, const struct resize *vertical,
                          const struct resize *horizontal, float threshold, struct tensor out);
    /* pixels U8 [height, 3 width]; weights of the resizes F32, or I16 for both. */
    void (*resize_image)(struct compute *, struct tensor pixels, const struct resize *vertical,
                         const struct resize *horizontal, const struct pixel_scale *scale, struct tensor out);
};

/* What a set sees of the objects that ops.h keeps opaque. */
struct device {
    const struct ops_set *set;
    int threads;
    enum dtype precision;
    struct device_hints hints;
    void *state;   /* the set's own */
    char name[64]; /* what a person calls it: "cpu avx512", "cuda:0 (NVIDIA H100)" */
};

struct linear {
    int64_t outputs, inputs;
    void *state; /* the set's own */
};

struct conv2d {
    int64_t outputs, inputs;
    int kernel_height, kernel_width, stride, padding;
    void *state;
};

/* The set's own state of a compute. */
void *compute_state(const struct compute *compute);

extern const struct ops_set ops_reference; /* ops/reference: portable C of every op, the oracle of the others */
extern const struct ops_set ops_cpu;  /* ops/cpu: oneDNN and kernels of our own; its levels' tables follow at opening */
extern const struct ops_set ops_cuda; /* ops/cuda: NVIDIA GPUs, through the driver */

/* Opens a device with this set, once it has every entry. For the sets and their tests: device_open finds the set.
 * Errors: as `open`; UNSUPPORTED, naming an op that the set lacks. */
int device_open_set(const struct ops_set *set, const struct device_options *options, struct device **out);

#endif
