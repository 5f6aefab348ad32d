/* Products: linear layers, convolutions without gathering their windows, rows against rows. */
#include "ops/cuda/cuda.h"

enum {
    SMALL = 64, /* sides of tiles, each with its number of steps on their way */
    SMALL_STAGES = 4,
    LARGE = 128,
    LARGE_STAGES = 3,
    DEPTH = 64, /* of a step */
    TILE_ALIGNMENT = 1024,
    VECTOR_BYTES = 16,
};

/* A matrix as rows. */
static struct cuda_rows matrix_rows(const struct tensor *x)
{
    return (struct cuda_rows){.data = cuda_data(*x), .stride = {0, 0, x->stride[0]}};
}

static struct cuda_rows map_rows(const struct tensor *x)
{
    return (struct cuda_rows){.data = cuda_data(*x), .stride = {x->stride[0], x->stride[1], x->stride[2]}};
}

/* Every row begins at 16 bytes, and what is read together of it fills them: `width` values of an element's `size`. */
static bool reads_vectors(const struct cuda_rows *rows, int64_t width, size_t size)
{
    const int64_t step = VECTOR_BYTES / (int64_t)size;
    return (uintptr_t)rows->data % VECTOR_BYTES == 0 && rows->stride[0] % step == 0 && rows->stride[1] % step == 0 &&
           rows->stride[2] % step == 0 && width % step == 0;
}

static int64_t tiles(const struct product_arguments *a, int64_t side)
{
    return (a->rows + side - 1) / side * ((a->outputs + side - 1) / side);
}

/* As many large tiles keep the card busy. */
static int64_t enough_tiles(const struct compute *compute)
{
    return cuda_of(compute_device(compute))->multiprocessors / 2;
}

static void multiply(struct compute *compute, struct product_arguments *a, enum dtype x, enum dtype out)
{
    const size_t size = dtype_size(x), narrow = dtype_size(compute_narrow(compute));
    const struct cuda_rows weight = {.stride = {0, 0, a->weight_stride}};
    a->vector_x = reads_vectors(&a->x, a->inputs, size);
    a->vector_weight = (uintptr_t)a->weight % VECTOR_BYTES == 0 && reads_vectors(&weight, VECTOR_BYTES, narrow);
    a->vector_out = reads_vectors(&a->out, VECTOR_BYTES, dtype_size(out)) &&
                    reads_vectors(&a->residual, VECTOR_BYTES, sizeof(float));
    if (compute_narrow(compute) == DTYPE_F32) {
        cuda_launch(compute, KERNEL_product_exact,
                    (struct cuda_grid){(a->rows + SMALL - 1) / SMALL, (a->outputs + SMALL - 1) / SMALL, 1}, 256, 0, a);
        return;
    }
    /* Large tiles read less, but some multiprocessors have none where there are few. */
    const bool large = x != DTYPE_F32 && a->vector_x && a->vector_weight && tiles(a, LARGE) >= enough_tiles(compute);
    const int64_t side = large ? LARGE : SMALL, stages = large ? LARGE_STAGES : SMALL_STAGES;
    const enum cuda_kernel of_large = a->window ? KERNEL_window_large_nf : KERNEL_product_large_nf;
    const enum cuda_kernel of_small = a->window ? KERNEL_window_small_ff : KERNEL_product_small_ff;
    const enum cuda_kernel kernel =
        large ? (enum cuda_kernel)((int)of_large + (out != DTYPE_F32)) : cuda_kernel_for(of_small, x, out);
    cuda_launch(compute, kernel, (struct cuda_grid){tiles(a, side), 1, 1}, (int)(2 * side),
                TILE_ALIGNMENT + (size_t)(stages * 2 * side * DEPTH) * narrow, a);
}

/* A convolution of few channels. */
static void convolve_few(struct compute *compute, struct product_arguments *a, enum dtype x, enum dtype out)
{
    enum { VECTOR = 4 };
    a->vector_out = cuda_is_aligned(a->out.data) && a->out.stride[0] % VECTOR == 0 && a->out.stride[1] % VECTOR == 0 &&
                    a->out.stride[2] % VECTOR == 0;
    cuda_launch_each(compute, cuda_kernel_for(KERNEL_convolve_ff, x, out), a->rows, a);
}

/* What weights bring. */
static struct product_arguments weights_arguments(const struct cuda_weights *weights, int64_t outputs, int64_t depth)
{
    const char *const data = weights->buffer.memory;
    return (struct product_arguments){
        .weight = data,
        .weight_stride = weights->stride,
        .bias = weights->bias_offset > 0 ? (const float *)(const void *)(data + weights->bias_offset) : NULL,
        .outputs = outputs,
        .depth = depth,
    };
}

/* Of a matrix: a map of one line. */
static void set_matrix(struct product_arguments *a, const struct tensor *x)
{
    a->rows = a->width = a->out_width = x->dim[0];
    a->height = a->out_height = 1;
    a->inputs = x->dim[1];
    a->kernel_width = a->stride = 1;
    a->x = matrix_rows(x);
}

/* Rows of f32 that large tiles would read several times are rounded once, which large tiles need, too. */
static struct tensor round_rows(struct compute *compute, struct tensor x, int64_t outputs)
{
    const struct product_arguments a = {.rows = x.dim[0], .outputs = outputs};
    const enum dtype narrow = compute_narrow(compute);
    if (x.dtype == narrow || outputs <= LARGE || tiles(&a, LARGE) < enough_tiles(compute))
        return x;
    const struct tensor rounded = compute_tensor(compute, narrow, x.rank, x.dim);
    op_copy(compute, x, rounded);
    return rounded;
}

/* A matrix x [rows, inputs] by weights. */
static void multiply_rows(struct compute *compute, const struct cuda_weights *weights, int64_t outputs, struct tensor x,
                          enum activation activation, const struct tensor *residual, struct tensor out)
{
    struct product_arguments a = weights_arguments(weights, outputs, x.dim[1]);
    const size_t mark = compute_mark(compute);
    const struct tensor rows = round_rows(compute, x, outputs);
    set_matrix(&a, &rows);
    a.out = matrix_rows(&out);
    if (residual)
        a.residual = matrix_rows(residual);
    a.activation = (int32_t)activation;
    multiply(compute, &a, rows.dtype, out.dtype);
    compute_release(compute, mark);
}

void cuda_linear(struct compute *compute, const struct linear *linear, struct tensor x, enum activation activation,
                 const struct tensor *residual, struct tensor out)
{
    multiply_rows(compute, linear->state, linear->outputs, x, activation, residual, out);
}

/* A convolution whose windows are gathered first: taps of few channels cannot be read as large tiles read. The map that
 * `a` describes becomes a matrix; false: it is better left as it is. */
static bool multiply_windows(struct compute *compute, const struct conv2d *conv, const struct product_arguments *a,
                             enum dtype x, const struct tensor *residual, struct tensor out)
{
    enum { VECTOR = 8, MOST_BYTES = 256 << 20 };
    const struct cuda_weights *const weights = conv->state;
    const enum dtype narrow = compute_narrow(compute);
    if (narrow == DTYPE_F32 || conv->inputs % VECTOR == 0 || weights->stride % VECTOR != 0 ||
        a->rows > MOST_BYTES / (weights->stride * (int64_t)dtype_size(narrow)) ||
        tiles(a, LARGE) < enough_tiles(compute))
        return false;
    const size_t mark = compute_mark(compute);
    const struct tensor windows = COMPUTE_TENSOR(compute, narrow, a->rows, weights->stride);
    struct product_arguments gathered = *a;
    gathered.out = matrix_rows(&windows);
    cuda_launch_each(compute, x == DTYPE_F32 ? KERNEL_unfold_f : KERNEL_unfold_n, a->rows * (weights->stride / VECTOR),
                     &gathered);
    multiply_rows(compute, weights, conv->outputs, windows, ACTIVATION_NONE, residual, out);
    compute_release(compute, mark);
    return true;
}

/* Whether a map's pixels lie behind each other, so that it is a matrix. */
static bool is_matrix(const struct tensor *map)
{
    return map->stride[1] == map->dim[2] * map->stride[2] &&
           (map->dim[0] == 1 || map->stride[0] == map->dim[1] * map->stride[1]);
}

static struct tensor map_matrix(const struct tensor *map)
{
    struct tensor matrix = *map;
    matrix.rank = 2;
    matrix.dim[0] = map->dim[0] * map->dim[1] * map->dim[2];
    matrix.dim[1] = map->dim[3];
    matrix.stride[0] = map->stride[2];
    matrix.stride[1] = 1;
    return matrix;
}

void cuda_conv2d(struct compute *compute, const struct conv2d *conv, struct tensor x, const struct tensor *residual,
                 struct tensor out)
{
    const int64_t depth = conv->inputs * conv->kernel_height * conv->kernel_width;
    const bool rows_out = is_matrix(&out) && (!residual || is_matrix(residual));
    const struct tensor added = residual && rows_out ? map_matrix(residual) : (struct tensor){0};
    if (rows_out && conv->kernel_height * conv->kernel_width == 1 && conv->stride == 1 && conv->padding == 0 &&
        is_matrix(&x)) {
        multiply_rows(compute, conv->state, conv->outputs, map_matrix(&x), ACTIVATION_NONE, residual ? &added : NULL,
                      map_matrix(&out));
        return;
    }
    struct product_arguments a = weights_arguments(conv->state, conv->outputs, depth);
    a.rows = out.dim[0] * out.dim[1] * out.dim[2];
    a.out_height = out.dim[1];
    a.out_width = out.dim[2];
    a.height = x.dim[1];
    a.width = x.dim[2];
    a.inputs = conv->inputs;
    a.kernel_width = conv->kernel_width;
    a.stride = conv->stride;
    a.padding = conv->padding;
    a.window = 1;
    a.x = map_rows(&x);
    if (conv->padding == 0 && x.stride[2] == conv->inputs) { /* a line of the kernel lies together: one tap */
        a.inputs *= conv->kernel_width;
        a.kernel_width = 1;
    }
    a.out = map_rows(&out);
    if (residual)
        a.residual = map_rows(residual);
    if (depth <= FEW_DEPTH && conv->outputs <= FEW_OUTPUTS && !residual && compute_narrow(compute) != DTYPE_F32)
        convolve_few(compute, &a, x.dtype, out.dtype);
    else if (!rows_out || !multiply_windows(compute, conv, &a, x.dtype, residual ? &added : NULL, map_matrix(&out)))
        multiply(compute, &a, x.dtype, out.dtype);
}

void cuda_matmul_transposed(struct compute *compute, struct tensor a, struct tensor b, struct tensor out)
{
    const size_t mark = compute_mark(compute);
    const enum dtype narrow = compute_narrow(compute);
    if (b.dtype != narrow) {
        const struct tensor rounded = compute_tensor(compute, narrow, b.rank, b.dim);
        op_copy(compute, b, rounded);
        b = rounded;
    }
    struct product_arguments given = {
        .weight = cuda_data(b),
        .weight_stride = b.stride[0],
        .outputs = b.dim[0],
        .depth = b.dim[1],
    };
    set_matrix(&given, &a);
    given.out = matrix_rows(&out);
    multiply(compute, &given, a.dtype, out.dtype);
    compute_release(compute, mark);
}

void cuda_depthwise_conv2d(struct compute *compute, struct tensor x, struct tensor weight, struct tensor bias,
                           int padding, struct tensor out)
{
    enum { STRIP = 8, STRIP_KERNEL = 7 };
    struct depthwise_arguments a = {
        .x = cuda_data(x),
        .weight = cuda_data(weight),
        .bias = cuda_data(bias),
        .out = cuda_data(out),
        .x_stride = {x.stride[0], x.stride[1], x.stride[2]},
        .weight_stride = {weight.stride[0], weight.stride[1]},
        .out_stride = {out.stride[0], out.stride[1], out.stride[2]},
        .height = x.dim[1],
        .width = x.dim[2],
        .out_height = out.dim[1],
        .out_width = out.dim[2],
        .channels = out.dim[3],
        .kernel_height = (int32_t)weight.dim[0],
        .kernel_width = (int32_t)weight.dim[1],
        .padding = padding,
        .strip = weight.dim[1] == STRIP_KERNEL ? STRIP : 1,
    };
    a.count = out.dim[0] * out.dim[1] * ((out.dim[2] + a.strip - 1) / a.strip) * out.dim[3];
    cuda_launch_each(compute, KERNEL_depthwise, a.count, &a);
}
