/* Ops that move: copies between views, filling, rows picked by number, pooling. */
#include "ops/cuda/cuda.h"

#include <string.h>

static enum cuda_kernel copy_kernel(enum dtype from, enum dtype out)
{
    if (from == out)
        return KERNEL_copy_bytes;
    return from == DTYPE_F32 ? KERNEL_copy_fn : from == DTYPE_U8 ? KERNEL_copy_uf : KERNEL_copy_nf;
}

void cuda_fold(int rank, int64_t *dim, int64_t *const strides[], int count)
{
    int last = rank - 1;
    for (int axis = rank - 2; axis >= 0; axis--) {
        if (dim[axis] == 1)
            continue;
        bool joined = true;
        for (int i = 0; i < count; i++)
            joined = joined && strides[i][axis] == dim[last] * strides[i][last];
        if (joined) {
            dim[last] *= dim[axis];
            continue;
        }
        if (dim[last] != 1)
            last--;
        dim[last] = dim[axis];
        for (int i = 0; i < count; i++)
            strides[i][last] = strides[i][axis];
    }
    while (--last >= 0) {
        dim[last] = 1;
        for (int i = 0; i < count; i++)
            strides[i][last] = 0;
    }
}

bool cuda_group(int64_t size, int rank, int64_t *dim, int64_t *const strides[], int count)
{
    bool whole = dim[rank - 1] % size == 0;
    for (int i = 0; i < count; i++) {
        whole = whole && strides[i][rank - 1] == 1;
        for (int axis = 0; axis < rank - 1; axis++)
            whole = whole && strides[i][axis] % size == 0;
    }
    if (!whole)
        return false;
    dim[rank - 1] /= size;
    for (int i = 0; i < count; i++)
        for (int axis = 0; axis < rank - 1; axis++)
            strides[i][axis] /= size;
    return true;
}

void cuda_copy(struct compute *compute, struct tensor from, struct tensor out)
{
    struct copy_arguments a = {
        .from = cuda_data(from),
        .out = cuda_data(out),
        .count = tensor_count(&out),
    };
    for (int i = 0; i < TENSOR_MAX_RANK; i++) {
        a.dim[i] = out.dim[i];
        a.from_stride[i] = from.stride[i];
        a.out_stride[i] = out.stride[i];
    }
    enum { VECTOR_BYTES = 16, VECTOR_VALUES = 4 };
    int64_t *const strides[] = {a.from_stride, a.out_stride};
    const bool bytes = from.dtype == out.dtype, aligned = cuda_is_aligned(a.from) && cuda_is_aligned(a.out);
    const int64_t size = (int64_t)dtype_size(out.dtype), group = bytes ? VECTOR_BYTES / size : VECTOR_VALUES;
    cuda_fold(TENSOR_MAX_RANK, a.dim, strides, 2);
    a.size = bytes ? (int32_t)size : 1;
    if (aligned && from.dtype != DTYPE_U8 && cuda_group(group, TENSOR_MAX_RANK, a.dim, strides, 2)) {
        a.count /= group;
        a.size = bytes ? VECTOR_BYTES : VECTOR_VALUES;
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
    int64_t *const strides[] = {a.stride};
    cuda_fold(4, a.dim, strides, 1);
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
    enum { THREADS = 128, MOST_BLOCKS = 64 }; /* of a row: one for four values of each thread */
    const int64_t blocks = (a.columns + 4 * THREADS - 1) / (4 * THREADS);
    const struct cuda_grid grid = {a.entries * a.rows, blocks < MOST_BLOCKS ? blocks : MOST_BLOCKS, 1};
    cuda_launch(compute, KERNEL_gather_rows, grid, THREADS, 0, &a);
}

/* Up to CUDA_BLOCKS blocks from `first` on. */
static void launch_blocks(struct compute *compute, const struct row_blocks *blocks, int64_t first, struct tensor out,
                          struct tensor placed)
{
    enum { VECTOR = 4 };
    const int64_t left = blocks->count - first, count = left < CUDA_BLOCKS ? left : CUDA_BLOCKS;
    struct blocks_arguments a = {
        .out = cuda_data(out),
        .placed = cuda_data(placed),
        .out_stride = {out.stride[0], out.stride[1], out.stride[2]},
        .placed_stride = {placed.stride[0], placed.stride[1], placed.stride[2]},
        .first = first,
        .each = out.dim[1],
        .rows = out.dim[2],
        .columns = out.dim[3],
        .count = count * out.dim[2] * out.dim[3],
        .size = 1,
    };
    bool whole = a.columns % VECTOR == 0 && cuda_is_aligned(a.out) && cuda_is_aligned(a.placed);
    for (int i = 0; i < 3; i++)
        whole = whole && a.out_stride[i] % VECTOR == 0 && a.placed_stride[i] % VECTOR == 0;
    if (blocks->positions) {
        a.positions = cuda_data(*blocks->positions);
        a.place_stride = blocks->positions->stride[0];
        a.row_stride = blocks->positions->dim[1] > 1 ? blocks->positions->stride[1] : 0;
        whole = whole && cuda_is_aligned(a.positions);
    }
    for (int64_t i = 0; i < count; i++) {
        a.from[i] = cuda_data(blocks->from[first + i]);
        a.place[i] = blocks->place ? blocks->place[first + i] : (int32_t)(first + i);
        whole = whole && cuda_is_aligned(a.from[i]);
    }
    if (whole) {
        a.size = VECTOR;
        a.columns /= VECTOR;
        a.count /= VECTOR;
    }
    cuda_launch_each(compute, cuda_kernel_for(KERNEL_gather_blocks_ff, blocks->from[0].dtype, out.dtype), a.count, &a);
}

void cuda_gather_blocks(struct compute *compute, const struct row_blocks *blocks, struct tensor out,
                        struct tensor placed)
{
    for (int64_t first = 0; first < blocks->count; first += CUDA_BLOCKS)
        launch_blocks(compute, blocks, first, out, placed);
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
