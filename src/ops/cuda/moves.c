/* Ops that move: copies between views, filling, rows picked by number, pooling. */
#include "ops/cuda/cuda.h"

#include <string.h>

static enum cuda_kernel copy_kernel(enum dtype from, enum dtype out)
{
    if (from == out)
        return KERNEL_copy_bytes;
    return from == DTYPE_F32 ? KERNEL_copy_fn : from == DTYPE_U8 ? KERNEL_copy_uf : KERNEL_copy_nf;
}

void cuda_copy(struct compute *compute, struct tensor from, struct tensor out)
{
    struct copy_arguments a = {
        .from = cuda_data(from),
        .out = cuda_data(out),
        .count = tensor_count(&out),
        .size = (int32_t)dtype_size(out.dtype),
    };
    for (int i = 0; i < TENSOR_MAX_RANK; i++) {
        a.dim[i] = out.dim[i];
        a.from_stride[i] = from.stride[i];
        a.out_stride[i] = out.stride[i];
    }
    cuda_launch_each(compute, copy_kernel(from.dtype, out.dtype), a.count, &a);
}

void cuda_fill(struct compute *compute, float value, struct tensor out)
{
    struct fill_arguments a = {.out = cuda_data(out), .count = tensor_count(&out), .value = value};
    for (int i = 0; i < 4; i++) {
        a.dim[i] = out.dim[i];
        a.stride[i] = out.stride[i];
    }
    cuda_launch_each(compute, out.dtype == DTYPE_F32 ? KERNEL_fill_f : KERNEL_fill_n, a.count, &a);
}

void cuda_embed(struct compute *compute, struct tensor ids, struct tensor table, struct tensor positions,
                struct tensor out)
{
    const struct embed_arguments a = {
        .ids = cuda_data(ids),
        .table = cuda_data(table),
        .positions = cuda_data(positions),
        .out = cuda_data(out),
        .fault = cuda_fault(compute),
        .ids_stride = ids.stride[0],
        .table_stride = table.stride[0],
        .positions_stride = positions.stride[0],
        .out_stride = {out.stride[0], out.stride[1]},
        .entries = ids.dim[0],
        .tokens = ids.dim[1],
        .columns = table.dim[1],
        .vocabulary = table.dim[0],
    };
    cuda_launch(compute, KERNEL_embed, (struct cuda_grid){a.entries * a.tokens, 1, 1}, 128, 0, &a);
}

void cuda_gather_rows(struct compute *compute, struct tensor x, struct tensor index, struct tensor out)
{
    const struct gather_arguments a = {
        .index = cuda_data(index),
        .x = cuda_data(x),
        .out = cuda_data(out),
        .fault = cuda_fault(compute),
        .index_stride = index.stride[0],
        .x_stride = {x.dim[0] > 1 ? x.stride[0] : 0, x.stride[1]},
        .out_stride = {out.stride[0], out.stride[1]},
        .entries = index.dim[0],
        .rows = index.dim[1],
        .columns = x.dim[2],
        .limit = x.dim[1],
    };
    cuda_launch(compute, KERNEL_gather_rows, (struct cuda_grid){a.entries * a.rows, 1, 1}, 128, 0, &a);
}

void cuda_max_pool2d(struct compute *compute, struct tensor x, int size, struct tensor out)
{
    const struct pool_arguments a = {
        .x = cuda_data(x),
        .out = cuda_data(out),
        .x_stride = {x.stride[0], x.stride[1], x.stride[2]},
        .out_stride = {out.stride[0], out.stride[1], out.stride[2]},
        .height = out.dim[1],
        .width = out.dim[2],
        .channels = out.dim[3],
        .count = tensor_count(&out),
        .size = size,
    };
    cuda_launch_each(compute, cuda_kernel_for(KERNEL_max_pool_ff, x.dtype, out.dtype), a.count, &a);
}
