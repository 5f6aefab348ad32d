// What the files of attention share: which block does what, and where it leaves what it found.
#pragma once

#include "common.cuh"

namespace {

constexpr float LOWEST = -1e30f; // under every score, and differences of it are finite

// A block's place: its queries, head and batch entry.
struct part {
    int64_t first, head, batch;
    __device__ part(const attention_arguments &a, int queries)
    {
        const quotient tile = divide(blockIdx.x, (a.queries + queries - 1) / queries);
        batch = tile.whole;
        first = tile.rest * queries;
        head = blockIdx.y;
    }
    // The tile of that number: batch, head, queries.
    __device__ part(const attention_arguments &a, int queries, int64_t number)
    {
        const quotient of_head = divide(number, (a.queries + queries - 1) / queries);
        const quotient of_entry = divide(of_head.whole, a.heads);
        batch = of_entry.whole;
        head = of_entry.rest;
        first = of_head.rest * queries;
    }
};
template <class T> __device__ T *head_of(const cuda_rows &rows, const part &p)
{
    return (T *)rows.data + p.batch * rows.stride[0] + p.head * rows.stride[2];
}

// Two values side by side, or the first alone.
__device__ __forceinline__ void store_pair(float *to, float first, float second) { *(float2 *)to = {first, second}; }
__device__ __forceinline__ void store_pair(narrow *to, float first, float second)
{
    *(uint32_t *)to = round_pair(first, second);
}
template <class Out>
__device__ __forceinline__ void store_two(Out *to, float first, float second, int left, bool pairs)
{
    if (pairs && left > 0) {
        store_pair(to, first, second);
        return;
    }
    if (left > 0)
        store(to, first);
    if (left > 1)
        store(to + 1, second);
}

// All tiles' steps, one tile after the other, are shared out evenly among the blocks: where a block begins, and the
// block that does a step.
__device__ __forceinline__ int64_t begin_of(const attention_arguments &a, int64_t block)
{
    return block * a.block_steps + (block < a.longer ? block : a.longer);
}
__device__ __forceinline__ int64_t block_of(const attention_arguments &a, int64_t step)
{
    const int64_t of_longer = a.longer * (a.block_steps + 1);
    return step < of_longer ? divide(step, a.block_steps + 1).whole
                            : a.longer + divide(step - of_longer, a.block_steps).whole;
}
// Where a block leaves what it found for the steps it does of a tile: there can be one that it does not begin, and one
// that it begins and does not end.
__device__ __forceinline__ float *partial_of(const attention_arguments &a, int64_t block, bool begins, int64_t row)
{
    return a.partial + ((2 * block + begins) * a.tile_queries + row) * (2 + a.value_width);
}

// The steps of this block: tile(number, first step, step behind the last one) of each tile that they belong to.
template <class Tile> __device__ __forceinline__ void each_tile(const attention_arguments &a, Tile tile)
{
    int64_t step = begin_of(a, blockIdx.x);
    const int64_t end = begin_of(a, (int64_t)blockIdx.x + 1);
    while (step < end) {
        const quotient at = divide(step, a.steps);
        const int64_t left = end - step < a.steps - at.rest ? end - step : a.steps - at.rest;
        tile(at.whole, (int)at.rest, (int)(at.rest + left));
        step += left;
        __syncthreads(); // shared memory has been read
    }
}

} // namespace
