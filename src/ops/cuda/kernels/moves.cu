// Ops that move: copies between views, filling, rows picked by number, pooling.
#include "common.cuh"

namespace {

struct places {
    int64_t from, out;
};
__device__ places places_of(const copy_arguments &a, int64_t i)
{
    places p = {0, 0};
    for (int axis = 4; axis >= 0; axis--) {
        if (a.dim[axis] == 1)
            continue;
        const quotient at = divide(i, a.dim[axis]);
        i = at.whole;
        p.from += at.rest * a.from_stride[axis];
        p.out += at.rest * a.out_stride[axis];
    }
    return p;
}

template <class T> __device__ void move(const copy_arguments &a)
{
    FOR_EACH(i, a.count) {
        const places p = places_of(a, i);
        ((T *)a.out)[p.out] = ((const T *)a.from)[p.from];
    }
}

template <class In, class Out> __device__ void convert(const copy_arguments &a)
{
    FOR_EACH(i, a.count) {
        const places p = places_of(a, i);
        if (a.size == 1) {
            store((Out *)a.out + p.out, load((const In *)a.from + p.from));
            continue;
        }
        float v[4];
        load_4(v, (const In *)a.from + 4 * p.from);
        store_4((Out *)a.out + 4 * p.out, v);
    }
}

template <class T> __device__ void fill(const fill_arguments &a)
{
    FOR_EACH(i, a.count) {
        int64_t rest = i, to = 0;
        for (int axis = 3; axis >= 0; axis--) {
            if (a.dim[axis] == 1)
                continue;
            const quotient at = divide(rest, a.dim[axis]);
            rest = at.whole;
            to += at.rest * a.stride[axis];
        }
        store((T *)a.out + to, a.value);
    }
}

// SIZE columns of a block's row. What is stored is what is added to.
template <int SIZE, class In, class Out>
__device__ void gather_part(const In *from, const float *position, Out *out, Out *placed)
{
    float v[SIZE], p[SIZE] = {};
    if (SIZE == 4) {
        load_4(v, from);
        if (position)
            load_4(p, position);
        store_4(out, v);
    } else {
        v[0] = load(from);
        p[0] = position ? *position : 0.0f;
        store(out, v[0]);
    }
#pragma unroll
    for (int i = 0; i < SIZE; i++) {
        v[i] = sizeof(Out) == sizeof(narrow) ? rounded(v[i]) : v[i];
        v[i] = position ? v[i] + p[i] : v[i];
    }
    if (SIZE == 4)
        store_4(placed, v);
    else
        store(placed, v[0]);
}

template <class In, class Out> __device__ void gather_blocks(const blocks_arguments &a)
{
    FOR_EACH(i, a.count) {
        const quotient line = divide(i, a.columns), block = divide(line.whole, a.rows),
                       entry = divide(a.first + block.whole, a.each);
        const int64_t row = block.rest, column = line.rest * a.size;
        const In *const from = (const In *)a.from[block.whole] + row * a.columns * a.size + column;
        const float *const position =
            a.positions ? a.positions + a.place[block.whole] * a.place_stride + row * a.row_stride + column : nullptr;
        Out *const out = (Out *)a.out + entry.whole * a.out_stride[0] + entry.rest * a.out_stride[1] +
                         row * a.out_stride[2] + column;
        Out *const placed = (Out *)a.placed + entry.whole * a.placed_stride[0] + entry.rest * a.placed_stride[1] +
                            row * a.placed_stride[2] + column;
        if (a.size == 4)
            gather_part<4>(from, position, out, placed);
        else
            gather_part<1>(from, position, out, placed);
    }
}

template <class In, class Out> __device__ void max_pool(const pool_arguments &a)
{
    FOR_EACH(i, a.count) {
        const quotient pixel = divide(i, a.channels), line = divide(pixel.whole, a.width),
                       image = divide(line.whole, a.height);
        const In *const x = (const In *)a.x + image.whole * a.x_stride[0] + image.rest * a.size * a.x_stride[1] +
                            line.rest * a.size * a.x_stride[2] + pixel.rest;
        float best = load(x);
        for (int dy = 0; dy < a.size; dy++)
            for (int dx = 0; dx < a.size; dx++)
                best = larger(best, load(x + dy * a.x_stride[1] + dx * a.x_stride[2]));
        store((Out *)a.out + image.whole * a.out_stride[0] + image.rest * a.out_stride[1] +
                  line.rest * a.out_stride[2] + pixel.rest,
              best);
    }
}

// The first of a pass is kept.
__device__ void tell(cuda_fault *fault, int kind, int value, int64_t row, int64_t column, int64_t limit)
{
    if (atomicCAS(&fault->kind, 0, kind) != 0)
        return;
    fault->value = value;
    fault->row = row;
    fault->column = column;
    fault->limit = limit;
}

} // namespace

extern "C" __global__ void copy_bytes(const copy_arguments a)
{
    switch (a.size) {
    case 1: move<uint8_t>(a); break;
    case 2: move<uint16_t>(a); break;
    case 4: move<uint32_t>(a); break;
    case 16: move<uint4>(a); break;
    default: move<uint64_t>(a); break;
    }
}

extern "C" __global__ void copy_fn(const copy_arguments a) { convert<float, narrow>(a); }
extern "C" __global__ void copy_nf(const copy_arguments a) { convert<narrow, float>(a); }

extern "C" __global__ void copy_uf(const copy_arguments a)
{
    FOR_EACH(i, a.count) {
        const places p = places_of(a, i);
        ((float *)a.out)[p.out] = (float)((const uint8_t *)a.from)[p.from];
    }
}

extern "C" __global__ void fill_f(const fill_arguments a) { fill<float>(a); }
extern "C" __global__ void fill_n(const fill_arguments a) { fill<narrow>(a); }

// A block for each token.
extern "C" __global__ void embed(const embed_arguments a)
{
    const quotient at = divide(blockIdx.x, a.tokens);
    const int32_t id = a.ids[at.whole * a.ids_stride + at.rest];
    if (id < 0 || id >= a.vocabulary) {
        if (threadIdx.x == 0)
            tell(a.fault, CUDA_FAULT_EMBED, id, at.whole, at.rest, a.vocabulary);
        return;
    }
    const float *const row = a.table + id * a.table_stride, *const position = a.positions + at.rest * a.positions_stride;
    float *const out = a.out + at.whole * a.out_stride[0] + at.rest * a.out_stride[1];
    for (int64_t i = threadIdx.x; i < a.columns; i += blockDim.x)
        out[i] = row[i] + position[i];
}

// For each row the blocks of blockIdx.y.
extern "C" __global__ void gather_rows(const gather_arguments a)
{
    const quotient at = divide(blockIdx.x, a.rows);
    const int32_t index = a.index[at.whole * a.index_stride + at.rest];
    if (index < 0 || index >= a.limit) {
        if (threadIdx.x == 0)
            tell(a.fault, CUDA_FAULT_GATHER, index, at.whole, at.rest, a.limit);
        return;
    }
    const int64_t first = (int64_t)blockIdx.y * blockDim.x + threadIdx.x, step = (int64_t)gridDim.y * blockDim.x;
    const float *const row = a.x + at.whole * a.x_stride[0] + index * a.x_stride[1];
    float *const out = a.out + at.whole * a.out_stride[0] + at.rest * a.out_stride[1];
    for (int64_t i = first; i < a.columns; i += step)
        out[i] = row[i];
}

extern "C" __global__ void gather_blocks_ff(const blocks_arguments a) { gather_blocks<float, float>(a); }
extern "C" __global__ void gather_blocks_fn(const blocks_arguments a) { gather_blocks<float, narrow>(a); }
extern "C" __global__ void gather_blocks_nf(const blocks_arguments a) { gather_blocks<narrow, float>(a); }
extern "C" __global__ void gather_blocks_nn(const blocks_arguments a) { gather_blocks<narrow, narrow>(a); }

extern "C" __global__ void max_pool_ff(const pool_arguments a) { max_pool<float, float>(a); }
extern "C" __global__ void max_pool_fn(const pool_arguments a) { max_pool<float, narrow>(a); }
extern "C" __global__ void max_pool_nf(const pool_arguments a) { max_pool<narrow, float>(a); }
extern "C" __global__ void max_pool_nn(const pool_arguments a) { max_pool<narrow, narrow>(a); }
