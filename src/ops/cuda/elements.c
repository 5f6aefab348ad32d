/* Ops on elements, or on each row alike. */
#include "ops/cuda/cuda.h"

/* A kernel that has a warp for each row. */
static void launch_rows(struct compute *compute, enum cuda_kernel kernel, int64_t rows, const void *arguments)
{
    enum { WARPS = 4 };
    cuda_launch(compute, kernel, (struct cuda_grid){(rows + WARPS - 1) / WARPS, 1, 1}, 32 * WARPS, 0, arguments);
}

static struct norm_arguments norm_arguments(const struct tensor *x, float eps, const struct tensor *out)
{
    return (struct norm_arguments){
        .x = cuda_data(*x),
        .out = cuda_data(*out),
        .rows = x->dim[0],
        .columns = x->dim[1],
        .x_stride = x->stride[0],
        .out_stride = out->stride[0],
        .eps = eps,
    };
}

void cuda_layer_norm(struct compute *compute, struct tensor x, struct tensor gamma, struct tensor beta, float eps,
                     struct tensor out)
{
    struct norm_arguments a = norm_arguments(&x, eps, &out);
    a.gamma = cuda_data(gamma);
    a.beta = cuda_data(beta);
    enum { VECTOR = 4, MOST = 1024, WARP = 32 };
    const enum cuda_kernel kernel = cuda_kernel_for(KERNEL_layer_norm_ff, x.dtype, out.dtype);
    if (a.columns > MOST || a.columns % VECTOR != 0 || a.x_stride % VECTOR != 0 || a.out_stride % VECTOR != 0 ||
        !cuda_is_aligned(a.x) || !cuda_is_aligned(a.out) || !cuda_is_aligned(a.gamma) || !cuda_is_aligned(a.beta)) {
        launch_rows(compute, kernel, a.rows, &a);
        return;
    }
    for (a.lanes = 1; a.lanes < WARP && a.lanes * VECTOR < a.columns;)
        a.lanes *= 2;
    const int64_t of_warp = WARP / a.lanes * (a.columns <= WARP * VECTOR ? 4 : 1); /* as the kernel has them */
    launch_rows(compute, kernel, (a.rows + of_warp - 1) / of_warp, &a);
}

void cuda_l2_normalize(struct compute *compute, struct tensor x, float eps, struct tensor out)
{
    const struct norm_arguments a = norm_arguments(&x, eps, &out);
    launch_rows(compute, KERNEL_l2_normalize, a.rows, &a);
}

void cuda_activation(struct compute *compute, struct tensor x, enum activation activation, struct tensor out)
{
    struct activation_arguments a = {
        .x = cuda_data(x),
        .out = cuda_data(out),
        .columns = x.dim[1],
        .count = tensor_count(&x),
        .x_stride = x.stride[0],
        .out_stride = out.stride[0],
        .activation = (int32_t)activation,
    };
    enum { VECTOR = 4 };
    if (a.x_stride == a.columns && a.out_stride == a.columns)
        a.columns = a.count;
    if (a.columns % VECTOR == 0 && a.x_stride % VECTOR == 0 && a.out_stride % VECTOR == 0 && cuda_is_aligned(a.x) &&
        cuda_is_aligned(a.out)) {
        a.vector = 1;
        a.columns /= VECTOR;
        a.count /= VECTOR;
    }
    cuda_launch_each(compute, cuda_kernel_for(KERNEL_activation_ff, x.dtype, out.dtype), a.count, &a);
}

static void combine(struct compute *compute, const struct tensor *a, const struct tensor *b, bool multiply,
                    const struct tensor *out)
{
    struct pair_arguments given = {
        .a = cuda_data(*a),
        .b = cuda_data(*b),
        .out = cuda_data(*out),
        .count = tensor_count(out),
        .multiply = multiply,
    };
    for (int i = 0; i < 4; i++) {
        given.dim[i] = out->dim[i];
        given.a_stride[i] = a->stride[i];
        given.b_stride[i] = b->dim[i] == 1 ? 0 : b->stride[i];
        given.out_stride[i] = out->stride[i];
    }
    enum { VECTOR = 4 };
    int64_t *const strides[] = {given.a_stride, given.b_stride, given.out_stride};
    cuda_fold(4, given.dim, strides, 3);
    if (cuda_is_aligned(given.a) && cuda_is_aligned(given.b) && cuda_is_aligned(given.out) &&
        cuda_group(VECTOR, 4, given.dim, strides, 3)) {
        given.vector = 1;
        given.count /= VECTOR;
    }
    cuda_launch_each(compute, cuda_kernel_for(KERNEL_pair_ff, a->dtype, out->dtype), given.count, &given);
}

void cuda_add(struct compute *compute, struct tensor a, struct tensor b, struct tensor out)
{
    combine(compute, &a, &b, false, &out);
}

void cuda_mul(struct compute *compute, struct tensor a, struct tensor b, struct tensor out)
{
    combine(compute, &a, &b, true, &out);
}

static struct values_arguments values_arguments(const struct tensor *x, const struct tensor *out)
{
    return (struct values_arguments){
        .x = cuda_data(*x),
        .out = cuda_data(*out),
        .columns = x->dim[1],
        .count = tensor_count(x),
        .x_stride = x->stride[0],
        .out_stride = out->stride[0],
    };
}

void cuda_step(struct compute *compute, struct tensor x, float threshold, float low, float high, struct tensor out)
{
    struct values_arguments a = values_arguments(&x, &out);
    a.threshold = threshold;
    a.low = low;
    a.high = high;
    cuda_launch_each(compute, KERNEL_step, a.count, &a);
}

void cuda_affine(struct compute *compute, struct tensor x, float scale, float shift, struct tensor out)
{
    struct values_arguments a = values_arguments(&x, &out);
    a.low = scale;
    a.high = shift;
    cuda_launch_each(compute, KERNEL_affine, a.count, &a);
}

void cuda_shift_scale(struct compute *compute, struct tensor x, struct tensor shift, struct tensor scale,
                      struct tensor out)
{
    struct values_arguments a = values_arguments(&x, &out);
    a.other = cuda_data(shift);
    a.other_stride = shift.stride[0];
    a.factor = cuda_data(scale);
    a.factor_stride = scale.stride[0];
    cuda_launch_each(compute, KERNEL_shift_scale, a.count, &a);
}

void cuda_select(struct compute *compute, struct tensor score, float threshold, struct tensor x, struct tensor other,
                 struct tensor out)
{
    struct values_arguments a = values_arguments(&x, &out);
    a.threshold = threshold;
    a.factor = cuda_data(score);
    a.factor_stride = score.stride[0];
    a.other = cuda_data(other);
    a.other_stride = other.dim[0] == 1 ? 0 : other.stride[0];
    a.other_step = other.dim[1] == 1 ? 0 : 1;
    cuda_launch_each(compute, KERNEL_select_rows, a.count, &a);
}

void cuda_max_rows(struct compute *compute, struct tensor x, struct tensor out)
{
    const struct max_rows_arguments a = {
        .x = cuda_data(x),
        .out = cuda_data(out),
        .rows = x.dim[0],
        .columns = x.dim[1],
        .x_stride = x.stride[0],
        .out_stride = out.stride[0],
    };
    launch_rows(compute, KERNEL_max_rows, a.rows, &a);
}

void cuda_variance(struct compute *compute, struct tensor x, struct tensor out)
{
    const struct variance_arguments a = {
        .x = cuda_data(x),
        .out = cuda_data(out),
        .rows = x.dim[1],
        .columns = x.dim[2],
        .x_stride = {x.stride[0], x.stride[1]},
        .out_stride = out.stride[0],
    };
    cuda_launch(compute, KERNEL_variance, (struct cuda_grid){x.dim[0], 1, 1}, VARIANCE_THREADS, 0, &a);
}

void cuda_sine(struct compute *compute, struct tensor x, struct tensor periods, struct tensor out)
{
    const struct sine_arguments a = {
        .x = cuda_data(x),
        .periods = cuda_data(periods),
        .out = cuda_data(out),
        .half = periods.dim[0],
        .count = x.dim[0] * periods.dim[0],
        .x_stride = x.stride[0],
        .out_stride = out.stride[0],
    };
    cuda_launch_each(compute, KERNEL_sine, a.count, &a);
}
