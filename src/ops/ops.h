/* The ops: what a model's forward pass is written against, whatever device computes it.
 *
 * A struct device is one set of ops (reference, CPU, ...) with its memory. A struct parameters holds one model's
 * weights as that device wants them. A struct compute is one thread's forward passes: scratch memory and a sticky
 * error. A pass begins with compute_begin, uploads what it needs, calls ops, asks for downloads and ends with
 * compute_finish: only then are the downloads there, since a device may compute while the host goes on. Once an op
 * failed, the ops after it do nothing, so that a pass reads like its formulas and asks once, at its end, whether it
 * worked.
 *
 * Every op checks its shapes and strides here, once for all sets; a set's own functions may rely on them. Shapes are
 * written [rows, columns], row-major. The last dimension of every tensor is dense (stride 1); the others may have any
 * stride that is not smaller than what they hold, so that slices of a larger tensor can be given and filled. Outputs
 * may not overlap inputs unless the op says so.
 *
 * Precision belongs to the device. Tensors are F32 unless an op says more; one that it calls narrow is F32 or has the
 * device's narrow type (compute_narrow): BF16 on a device that computes in bfloat16, F32 on one that computes in f32.
 * A pass asks for that type where products hand each other many values (what a norm gives, queries, keys and values,
 * what was attended, hidden layers); the residual stream, results and everything small stay F32. Linear layers,
 * op_matmul_transposed, convolutions (but op_depthwise_conv2d) and the ops of attention and masks round what they
 * multiply to the device's type, whatever type it comes in, and sum in F32 or better; all else is computed in F32 or
 * better and rounded where it is stored.
 *
 * A device that computes in int8 (I8) is one that computes in f32, but for the linear layers that a model lets be in 8
 * bits (parameters_let_int8): their weights, by output, and what they multiply, by row, are whole numbers then
 * (ops/int8.h), whose products are summed exactly. */
#ifndef OPS_OPS_H
#define OPS_OPS_H

#include "base/dtype.h"
#include "base/pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- tensors ---- */

struct buffer; /* a piece of a device's memory */

/* A handle to elements in a device's memory: only ops read or write them. Owns nothing. */
struct tensor {
    enum dtype dtype;
    int rank;
    int64_t dim[TENSOR_MAX_RANK];
    int64_t stride[TENSOR_MAX_RANK]; /* in elements */
    struct buffer *buffer;           /* NULL: no memory, as what a failed pass hands out */
    size_t offset;                   /* of the first element, in bytes */
};

/* A dense tensor without memory and the bytes it needs; false where the shape or the type is out of range. */
bool tensor_layout(enum dtype dtype, int rank, const int64_t *dim, struct tensor *out, size_t *bytes);

int64_t tensor_count(const struct tensor *tensor);
bool tensor_is_dense(const struct tensor *tensor);

/* A view of `count` entries from `first` along `axis`. */
struct tensor tensor_slice(struct tensor tensor, int axis, int64_t first, int64_t count);
/* The view of entry `index` along the first axis, without that axis. */
struct tensor tensor_at(struct tensor tensor, int64_t index);
/* The same elements in another shape. Splitting an axis, or joining axes that lie densely, is fine
 * for any strides; a reshape that strides cannot express aborts in an assertion: it is a bug. */
struct tensor tensor_reshape(struct tensor tensor, int rank, const int64_t *dim);
#define TENSOR_RESHAPE(tensor, ...)                                                                                    \
    tensor_reshape((tensor), (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})

/* The view with two axes exchanged, and the view where an axis of one entry shows it `count` times
 * (stride 0). Only op_copy takes such views, to read from. */
struct tensor tensor_swap_axes(struct tensor tensor, int a, int b);
struct tensor tensor_repeat(struct tensor tensor, int axis, int64_t count);

/* ---- device ---- */

struct device;

struct device_options {
    const char *device;     /* NULL or "auto" or "cpu"; "cuda", "cuda:N"; "reference": portable C, the oracle */
    const char *cpu_level;  /* of the CPU set: NULL or "auto": SOWLV2_CPU, else the best; see ops/cpu/level.h */
    enum dtype precision;   /* what products, convolutions and attention compute in: F32 (which is 0), BF16, I8 */
    int threads;            /* of a forward pass on the CPU; 0: as many as the process may use */
    size_t memory_limit;    /* bytes that may be taken of a GPU's memory; 0: what there is */
    double memory_fraction; /* the same as a part of it, up to 1; 0: no limit; the smaller one counts */
    bool memory_at_once;    /* all of it is taken when the device opens, as one block; needs one of the two */
};

/* The CPU level is the library's for the whole process from the first device on: oneDNN takes one. A reference device
 * can always be opened beside it: it uses no library. Errors: ARGUMENT, UNSUPPORTED (a level this machine lacks or
 * another than the first device's, a precision that the set does not have), MEMORY. */
int device_open(const struct device_options *options, struct device **out);
void device_close(struct device **device);
int device_threads(const struct device *device);
enum dtype device_precision(const struct device *device);
const char *device_name(const struct device *device); /* "reference", "cpu avx512", ...: as long as the device */

/* Whether it computes in the host's memory. */
bool device_is_host(const struct device *device);

/* A device's memory in bytes: 0 where nothing says. */
struct device_memory {
    int64_t total, available;     /* with the limits of the process and of the device's options; to be had now */
    int64_t reserved, used, peak; /* of a GPU: taken of its driver; of that in use, now and at most */
};
/* Errors: MEMORY, UNSUPPORTED (the driver failed). */
int device_memory(struct device *device, struct device_memory *out);
/* Gives the driver back what is not in use. Errors: UNSUPPORTED (the driver failed). */
int device_memory_release(struct device *device);

/* What suits a device's memory; passes cut their work by it. */
struct device_hints {
    int64_t chunk_bytes; /* what the steps within a layer hand each other should stay under this, to stay in caches */
    int64_t enough_rows; /* rows that fill a product: more of them at once are no faster */
    int64_t batch_bytes; /* scratch that a batch of prompts or objects may take */
    int64_t transfer_bytes; /* results that are made before they are fetched */
};
struct device_hints device_hints(const struct device *device);

/* Work of the host's own on what a device was given or gave: task(data, 0) to task(data, count - 1), shared by the
 * threads that the device has for its copies, where it has such and they are free. Their workers mean nothing. */
void device_share(struct device *device, size_t count, pool_task task, void *data);

/* A dense tensor of device memory that outlives forward passes, not cleared; freed by
 * device_tensor_free, which leaves {0}. Errors: ARGUMENT (a shape out of range), MEMORY. */
int device_tensor_create(struct device *device, enum dtype dtype, int rank, const int64_t *dim, struct tensor *out);
#define DEVICE_TENSOR_CREATE(device, dtype, out, ...)                                                                  \
    device_tensor_create((device), (dtype), (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                 \
                         (int64_t[]){__VA_ARGS__}, (out))
void device_tensor_free(struct device *device, struct tensor *tensor);

/* ---- parameters ---- */

struct parameters; /* a model's weights on a device */
struct linear;     /* y = x W^T + b, prepared; owned by its parameters */
struct conv2d;     /* prepared; owned by its parameters */

int parameters_create(struct device *device, struct parameters **out);
void parameters_free(struct parameters **parameters);

/* A weight tensor as f32 on the device. `source` must outlive the parameters: where the device computes in the host's
 * memory and type and alignment allow, it is shown as it is. Errors: MEMORY, UNSUPPORTED. */
int parameters_tensor(struct parameters *parameters, const struct host_tensor *source, struct tensor *out);
/* The same of values that nobody keeps: [dim 0, ...] f32, copied. */
int parameters_values(struct parameters *parameters, const float *values, int rank, const int64_t *dim,
                      struct tensor *out);

/* `parts` layers of the same input, joined along their outputs into one product: weight[i] is
 * [outputs_i, inputs], bias[i] is [outputs_i] or NULL. `rows_hint`: how many rows an input will
 * typically have, for the choice of layout. The sources are copied and not needed afterwards. */
int parameters_linear(struct parameters *parameters, int parts, const struct host_tensor *const *weight,
                      const struct host_tensor *const *bias, int64_t rows_hint, const struct linear **out);

/* Whether linear layers that are made from here on may be in 8 bits on a device that computes so: large ones, whose
 * errors the model forgives. At first they may not. */
void parameters_let_int8(struct parameters *parameters, bool let);

/* Dense 2-D convolution with square stride and zero padding: weight [outputs, inputs, kernel_height,
 * kernel_width], bias [outputs] or NULL. The sources are copied. */
int parameters_conv2d(struct parameters *parameters, const struct host_tensor *weight, const struct host_tensor *bias,
                      int stride, int padding, const struct conv2d **out);

int64_t linear_inputs(const struct linear *linear);
int64_t linear_outputs(const struct linear *linear);

/* ---- compute ---- */

struct compute;

int compute_create(struct device *device, struct compute **out);
void compute_free(struct compute **compute);
struct device *compute_device(const struct compute *compute);

/* Starts a forward pass: forgets the error, releases all scratch. */
void compute_begin(struct compute *compute);
/* 0, or the first error since compute_begin that the host knows of; then the thread's error message is that error's. */
int compute_status(const struct compute *compute);
/* Waits until all ops are done and all downloads are there; 0, or the pass's first error, also one that only the device
 * saw. The pass may go on after it. */
int compute_finish(struct compute *compute);
/* Makes the pass fail with `status`; the caller has set the message. */
void compute_fail(struct compute *compute, int status);
size_t compute_peak_scratch(const struct compute *compute);

/* A dense tensor of scratch, not cleared, valid until the mark before it is released. */
struct tensor compute_tensor(struct compute *compute, enum dtype dtype, int rank, const int64_t *dim);
#define COMPUTE_TENSOR(compute, dtype, ...)                                                                            \
    compute_tensor((compute), (dtype), (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                      \
                   (int64_t[]){__VA_ARGS__})
/* The type in which products hand each other many values on this device: DTYPE_F32 or DTYPE_BF16. */
enum dtype compute_narrow(const struct compute *compute);
size_t compute_mark(const struct compute *compute);
void compute_release(struct compute *compute, size_t mark);

/* Dense host memory to a new scratch tensor; `from` has been read when this returns. */
struct tensor op_upload(struct compute *compute, enum dtype dtype, int rank, const int64_t *dim, const void *from);
/* 8-bit values [rows][columns], rows `row_bytes` apart, as a U8 tensor [rows, columns]. They must stay as they are
 * until the last op that reads the tensor has been called: a device that computes in the host's memory shows them. */
struct tensor op_upload_rows(struct compute *compute, const uint8_t *from, size_t row_bytes, int64_t rows,
                             int64_t columns);
/* A tensor of any strides to dense host memory, as it is at this point of the pass: there after compute_finish. `to`
 * must stay until then; the tensor may be released at once. */
void op_download(struct compute *compute, struct tensor from, void *to);

/* ---- products ---- */

enum activation {
    ACTIVATION_NONE,
    ACTIVATION_RELU,
    ACTIVATION_GELU,       /* x/2 (1 + erf(x / sqrt 2)) */
    ACTIVATION_GELU_TANH,  /* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
    ACTIVATION_QUICK_GELU, /* x sigmoid(1.702 x) */
    ACTIVATION_SIGMOID,
};

/* out[..., outputs] = activation(x[..., inputs] W^T + b) + residual[..., outputs]. `residual` may be NULL
 * and may be `out` itself. Leading dimensions of x, residual and out are equal. x and out narrow; with a residual, out
 * is F32. */
void op_linear(struct compute *compute, const struct linear *linear, struct tensor x, enum activation activation,
               const struct tensor *residual, struct tensor out);

/* out[n, m] = a[n, d] b[m, d]^T. a and b narrow. */
void op_matmul_transposed(struct compute *compute, struct tensor a, struct tensor b, struct tensor out);

/* out[n, oh, ow, outputs] = conv(x[n, h, w, inputs]) + b + residual; channels last;
 * oh = (h + 2 padding - kernel_height) / stride + 1, ow likewise. `residual` may be NULL. x and out narrow; with a
 * residual, out is F32. */
void op_conv2d(struct compute *compute, const struct conv2d *conv, struct tensor x, const struct tensor *residual,
               struct tensor out);

/* out[n, oh, ow, c] = bias[c] + the sum over taps of x[n, y + dy - padding, x + dx - padding, c] * weight[dy, dx, c],
 * zeros outside: a convolution where each channel has a kernel of its own and the stride is 1.
 * weight [kernel_height, kernel_width, c]; oh = h + 2 padding - kernel_height + 1, ow likewise. */
void op_depthwise_conv2d(struct compute *compute, struct tensor x, struct tensor weight, struct tensor bias,
                         int padding, struct tensor out);

/* ---- attention ---- */

/* Scaled dot-product attention; no score matrix is kept in memory.
 * q [batch, queries, heads, d], k [batch, keys, heads, d], v [batch, keys, heads, dv],
 * out [batch, queries, heads, dv]: out = softmax(scale q k^T) v for each batch entry and head.
 * `causal`: query i sees keys 0..i (queries == keys). q, k and v narrow, of one type; out narrow. */
void op_attention(struct compute *compute, struct tensor q, struct tensor k, struct tensor v, float scale, bool causal,
                  struct tensor out);

/* All tensors of the next two ops are dense, and F32. */

/* Few queries over many rows that are keys and values at once: out[b, m] = sum over n of w[n] x[b, n], w the softmax
 * over n of scale q[b, m] . (x[b, n] + positions[n]). q, out [batch, m, c]; x [1 or batch, n, c], 1: shared by all;
 * positions [n, c]. (Attention whose projections of keys and values were multiplied into the queries and the
 * result.) */
void op_attend_rows(struct compute *compute, struct tensor q, struct tensor x, struct tensor positions, float scale,
                    struct tensor out);

/* Many rows over few tokens, with what comes after: out[b, n] = layer_norm(x[b, n] + sum over heads h and tokens t of
 * w[t, h] v[b, t, h]), w[., h] the softmax over t of scale ((x[b, n] + positions[n]) . k[b, t, h] + bias[b, t, h]). */
struct token_attention {
    struct tensor x;           /* [1 or batch, n, c], 1: shared by all */
    struct tensor positions;   /* [n, c] */
    struct tensor k, v;        /* [batch, tokens, heads, c] */
    struct tensor bias;        /* [batch, tokens, heads] */
    struct tensor gamma, beta; /* [c] */
    float scale, eps;
};
/* out [batch, n, c]; may be x where that is not shared. */
void op_attend_tokens(struct compute *compute, const struct token_attention *attention, struct tensor out);

/* Rotary position embedding, in place: turns the first `r` values of every x[b, t, h, :] in pairs, the others
 * stay: (x[2j], x[2j+1]) becomes (x[2j] c[2j] - x[2j+1] s[2j], x[2j+1] c[2j+1] + x[2j] s[2j+1]).
 * x [batch, tokens, heads, d], narrow; cosines and sines [1 or batch, tokens, r], r even and at most d. */
void op_rope(struct compute *compute, struct tensor x, struct tensor cosines, struct tensor sines);

/* ---- elements ---- */

/* out = (x - mean) / sqrt(variance + eps) * gamma + beta over the last dimension (biased variance).
 * x, out [..., c]; gamma, beta [c]. `out` may be `x`. x and out narrow. */
void op_layer_norm(struct compute *compute, struct tensor x, struct tensor gamma, struct tensor beta, float eps,
                   struct tensor out);

/* out = x / (|x| + eps) over the last dimension, |x| the Euclidean norm. `out` may be `x`. */
void op_l2_normalize(struct compute *compute, struct tensor x, float eps, struct tensor out);

/* out = activation(x); `out` may be `x`. x and out narrow. */
void op_activation(struct compute *compute, struct tensor x, enum activation activation, struct tensor out);

/* out = a + b and out = a * b; b's dimensions of size 1 are repeated along a's. Same rank, at most 4.
 * `out` has a's shape and may be `a`. a and out narrow. */
void op_add(struct compute *compute, struct tensor a, struct tensor b, struct tensor out);
void op_mul(struct compute *compute, struct tensor a, struct tensor b, struct tensor out);

/* out = x * scale + shift. `out` may be `x`. */
void op_affine(struct compute *compute, struct tensor x, float scale, float shift, struct tensor out);

/* out = high where x > threshold, else low (also where x is NaN). `out` may be `x`. */
void op_step(struct compute *compute, struct tensor x, float threshold, float low, float high, struct tensor out);

/* out[n, q] = (x[n, q] + shift[n]) * (ELU(scale[n]) + 1), ELU(x) = x > 0 ? x : exp(x) - 1.
 * shift and scale are [n, 1]. `out` may be `x`. (OWL-ViT's class logits: Minderer et al. 2022.) */
void op_shift_scale(struct compute *compute, struct tensor x, struct tensor shift, struct tensor scale,
                    struct tensor out);

/* out[b, :] = score[b] > threshold ? x[b, :] : other[b, :]; a score of NaN is not over it. x, out [b, c], `out` may be
 * `x`; score [b, 1]; other's dimensions of size 1 are repeated. */
void op_select(struct compute *compute, struct tensor score, float threshold, struct tensor x, struct tensor other,
               struct tensor out);

/* out[b] = the largest of x[b, :], NaN where one of them is; x [b, c], c > 0, out [b, 1]. */
void op_max_rows(struct compute *compute, struct tensor x, struct tensor out);

/* out[n] = the variance of each column x[n, :, c], not of a sample, and the mean of these: x [n, r, c], r and c > 0,
 * out [n, 1]. */
void op_variance(struct compute *compute, struct tensor x, struct tensor out);

/* Sines, then cosines, of x[b] / periods[i]: x [b, 1], periods [c], out [b, 2 c]. */
void op_sine(struct compute *compute, struct tensor x, struct tensor periods, struct tensor out);

/* ---- moves ---- */

/* out = from: equal shape, and on every device any type that both have, F32 as BF16 (rounded to the nearest, ties to
 * even), BF16 as F32 or U8 as F32. Either may be a view with exchanged axes (tensor_swap_axes), and `from` one with
 * repeated entries (tensor_repeat): so windows of a map, pixel shuffles and nearest upsampling are views and a copy. */
void op_copy(struct compute *compute, struct tensor from, struct tensor out);

/* Every element of `out` (narrow) becomes `value`. */
void op_fill(struct compute *compute, float value, struct tensor out);

/* out[b, n, :] = table[ids[b, n], :] + positions[n, :]; ids I32 [b, n], table [vocab, c], positions [at least n, c]. An
 * id outside [0, vocab) is an error that compute_finish tells at the latest. */
void op_embed(struct compute *compute, struct tensor ids, struct tensor table, struct tensor positions,
              struct tensor out);

/* out[b, m, :] = x[b, index[b, m], :]; index I32 [b, m], out [b, m, c], x [1 or b, n, c], 1: shared by all. An index
 * outside [0, n) is an error that compute_finish tells at the latest. */
void op_gather_rows(struct compute *compute, struct tensor x, struct tensor index, struct tensor out);

/* Blocks of rows from anywhere, side by side, and once more with their positions added. */
struct row_blocks {
    int64_t count;
    const struct tensor *from;      /* [count], each [rows, c], dense, all F32 or all BF16 */
    const struct tensor *positions; /* [places, 1 or rows, c], dense, 1: of all rows; NULL: none */
    const int *place;               /* [count]: which of the positions; NULL: 0, 1, ... */
};
/* out[b, i] = from[b n + i] and placed[b, i] = out[b, i] + positions[place[b n + i]]; out and placed [count / n, n,
 * rows, c], narrow, of one type: what a copy and a sum for each block give. */
void op_gather_blocks(struct compute *compute, const struct row_blocks *blocks, struct tensor out,
                      struct tensor placed);

/* out[n, oh, ow, c] = the maximum over windows of `size` x `size` of x[n, h, w, c], side by side;
 * oh = h / size and ow = w / size, what is left over is not looked at. x and out narrow. */
void op_max_pool2d(struct compute *compute, struct tensor x, int size, struct tensor out);

/* ---- prompts and masks ---- */

/* Points of prompts as tokens (Kirillov et al. 2023, "Segment Anything"): sines, then cosines, of
 * 2 pi ((2 x - 1) fourier[0, :] + (2 y - 1) fourier[1, :]), plus the embedding of the point's kind. */
struct point_embedding {
    struct tensor fourier;     /* [2, c / 2] */
    struct tensor kinds;       /* [kinds, c] */
    struct tensor not_a_point; /* [1, c] */
};
enum { POINT_PADDING = -10, POINT_NONE = -1 };
/* points [b, t, 2] as parts of the image, kinds I32 [b, t] -> out [b, t, c], c even; all but out dense. Kind POINT_NONE
 * is `not_a_point` alone, POINT_PADDING is zeros, the others are rows of `kinds`; who uploads them sees to that. */
void op_embed_points(struct compute *compute, const struct point_embedding *embedding, struct tensor points,
                     struct tensor kinds, struct tensor out);

/* Each pixel of a grid becomes 4 x 4 pixels of every mask: two steps from a pixel to 2 x 2 pixels, each a product
 * to which features are added; GELU after both, LayerNorm before the first; then each mask's own weights.
 *   a[b, p, i] = gelu(layer_norm(x[b, p] weight1[:, i] + bias1[i] + features1[p, i])),   i one of 2 x 2 pixels
 *   f[b, p, i, j] = gelu(a[b, p, i] weight2[:, j] + bias2[j] + features2[p, i, j]),      j one of 2 x 2 pixels
 *   out[b, m, y, x] = hyper[b, m] . f[b, p, i, j] at the pixel (y, x) that (p, i, j) is */
struct mask_upscaling {
    struct tensor x;              /* [batch, side^2, c] */
    struct tensor weight1, bias1; /* [c, 4 c1], [4 c1] */
    struct tensor features1;      /* [side^2, 4 c1] */
    struct tensor gamma, beta;    /* [c1] */
    struct tensor weight2, bias2; /* [c1, 4 c2], [4 c2] */
    struct tensor features2;      /* [4 side^2, 4 c2] */
    struct tensor hyper;          /* [batch, masks, c2] */
    float eps;
};
/* out [batch, masks, 4 side, 4 side]. All dense, and F32. */
void op_upscale_masks(struct compute *compute, const struct mask_upscaling *upscaling, struct tensor out);

/* Which of a prompt's masks counts. `several`: the one of masks 1, 2, ... with the highest score (the first of equal
 * ones, and NaN is over all). Else mask 0, or, with `fallback`, that one where mask 0 is not stable: where the pixels
 * over `delta` are less than `threshold` of those over -`delta`. */
struct mask_choice {
    bool several, fallback;
    float delta, threshold;
};
/* masks [b, p, area], p at least 2 unless neither is set, scores [b, p] -> index I32 [b]. All dense. */
void op_choose_mask(struct compute *compute, const struct mask_choice *choice, struct tensor masks,
                    struct tensor scores, struct tensor index);

/* In place on masks [n, h, w], dense, h and w at most 32767: connected parts (8 neighbours) of the background of at
 * most `hole_area` pixels become threshold + 10, parts of the object (over `threshold`) of at most `sprinkle_area`
 * pixels threshold - 10. NaN is of neither. An area of 0 or less leaves them alone. */
void op_clean_masks(struct compute *compute, struct tensor masks, float threshold, int64_t hole_area,
                    int64_t sprinkle_area);

/* In place on masks [n, area], dense: a pixel belongs to the mask with the highest value (the first of equal ones, and
 * NaN is over all); in the others it becomes `outside` where it is more. */
void op_separate_masks(struct compute *compute, struct tensor masks, float outside);

/* ---- resizes ---- */

/* One axis of a separable resize: output i is the sum over j < count[i] of weight[i, j] * input[first[i] + j]. A count
 * of 0 gives 0. With whole-number weights it is (2^precision / 2 + that sum) >> precision, clamped to [0, 255]. */
struct resize {
    int outputs, inputs;
    int precision;        /* fraction bits of whole-number weights, 0 to 22 */
    struct tensor taps;   /* I32 [2, outputs]: first, count */
    struct tensor weight; /* [outputs, most taps]: F32, or I16 for 8-bit pixels */
};

/* The filters of filter.h on the device, in scratch. */
struct filter;
struct filter_u8;
struct resize op_upload_filter(struct compute *compute, const struct filter *filter);
struct resize op_upload_filter_u8(struct compute *compute, const struct filter_u8 *filter);
/* The same, made and uploaded in one: what filter_blur_bilinear, filter_bilinear (or, `antialias`,
 * filter_bilinear_antialias) and filter_u8_bilinear_antialias make. */
struct resize op_filter_blur_bilinear(struct compute *compute, int inputs_valid, int inputs_padded, int outputs);
/* The same without padding, by a blur of any deviation that is not negative. */
struct resize op_filter_sigma_bilinear(struct compute *compute, int inputs, int outputs, float sigma);
struct resize op_filter_bilinear(struct compute *compute, int64_t inputs, int64_t outputs, bool antialias);
struct resize op_filter_u8_bilinear(struct compute *compute, int64_t inputs, int64_t outputs);
/* What makes its outputs first .. first + count - 1, which must be there, of those inputs alone that they read; these
 * begin at *first_input. */
struct resize op_filter_u8_bilinear_part(struct compute *compute, int64_t inputs, int64_t outputs, int first, int count,
                                         int *first_input);
/* The same filter in memory that outlives the pass; freed by resize_free, which leaves {0}. Of a pass that failed it is
 * not usable. */
struct resize op_keep_filter(struct compute *compute, const struct resize *resize);
void resize_free(struct device *device, struct resize *resize);

/* How bytes become a model's values: (byte * scale - mean[c]) / std[c]. */
struct pixel_scale {
    float scale, mean[3], std[3];
};
struct pixel_scale pixel_scale(float scale, const float mean[3], const float std[3]);

/* out[h, w, c]: the 8-bit image pixels U8 [height, 3 width] (op_upload_rows), c of 3 channels, resized by `vertical`
 * (inputs == height) and `horizontal` (inputs == width), scaled. F32 weights: the filtered values themselves. I16:
 * resized across, rounded to 8 bits, resized down and rounded again. */
void op_resize_image(struct compute *compute, struct tensor pixels, const struct resize *vertical,
                     const struct resize *horizontal, const struct pixel_scale *scale, struct tensor out);

/* out[n, oh, ow] = planes x[n, h, w], resized by `vertical` (h inputs, oh outputs) and `horizontal`; of the second op
 * out U8 [n, oh, bits_bytes(ow)], rows of bits (base/bits.h): 1 where such a value is over `threshold`, else 0. */
void op_resize_planes(struct compute *compute, struct tensor x, const struct resize *vertical,
                      const struct resize *horizontal, struct tensor out);
void op_resize_planes_above(struct compute *compute, struct tensor x, const struct resize *vertical,
                            const struct resize *horizontal, float threshold, struct tensor out);

#endif
