// The choice among masks, their connected parts, and whose a pixel is.
#include "common.cuh"

namespace {

// NaN is over all but NaN.
__device__ bool is_over(float a, float b) { return a > b || (a != a && !(b != b)); }

// What a pixel is of: 0 background, 1 object, 2 neither (NaN).
__device__ int kind_of(float value, float threshold) { return value > threshold ? 1 : value <= threshold ? 0 : 2; }

// Labels of a part form a forest whose roots are smaller than what points to them. Other threads change them.
__device__ int32_t root_of(const volatile int32_t *labels, int32_t i)
{
    for (int32_t next = labels[i]; next != i; next = labels[i])
        i = next;
    return i;
}

__device__ void unite(int32_t *labels, int32_t a, int32_t b)
{
    for (;;) {
        a = root_of(labels, a);
        b = root_of(labels, b);
        if (a == b)
            return;
        const int32_t high = a > b ? a : b, low = a > b ? b : a;
        const int32_t old = atomicMin(&labels[high], low);
        if (old == high)
            return;
        a = old; // it had been given another root meanwhile
        b = low;
    }
}

} // namespace

// A block for each prompt.
extern "C" __global__ void __launch_bounds__(1024) choose_mask(const choose_arguments a)
{
    constexpr int WARPS = 32;
    __shared__ int inner[WARPS], outer[WARPS];
    const float *const score = a.scores + blockIdx.x * a.planes, *const mask = a.masks + blockIdx.x * a.planes * a.area;
    int in = 0, out = 0;
    if (!a.several && a.fallback) {
#pragma unroll 8
        for (int64_t i = threadIdx.x; i < a.area; i += blockDim.x) {
            in += mask[i] > a.delta;
            out += mask[i] > -a.delta;
        }
        for (int step = 16; step > 0; step /= 2) {
            in += __shfl_xor_sync(~0u, in, step);
            out += __shfl_xor_sync(~0u, out, step);
        }
        if (threadIdx.x % 32 == 0) {
            inner[threadIdx.x / 32] = in;
            outer[threadIdx.x / 32] = out;
        }
    }
    __syncthreads();
    if (threadIdx.x != 0)
        return;
    bool stable = !a.fallback;
    if (!a.several && a.fallback) {
        int64_t all_in = 0, all_out = 0;
        for (int i = 0; i < WARPS; i++) {
            all_in += inner[i];
            all_out += outer[i];
        }
        stable = (all_out > 0 ? (float)all_in / (float)all_out : 1.0f) >= a.threshold;
    }
    int best = 0;
    if (a.several || !stable) {
        best = 1;
        for (int i = 2; i < a.planes; i++)
            best = is_over(score[i], score[best]) ? i : best;
    }
    a.index[blockIdx.x] = best;
}

// Each pixel is a part of its own.
extern "C" __global__ void clean_begin(const clean_arguments a)
{
    const int64_t area = a.height * a.width;
    FOR_EACH(i, a.count) {
        a.labels[i] = (int32_t)divide(i, area).rest;
        a.areas[i] = 0;
    }
}

// Joined with those of its kind above it and to its left.
extern "C" __global__ void clean_join(const clean_arguments a)
{
    const int64_t area = a.height * a.width;
    FOR_EACH(i, a.count) {
        const quotient plane = divide(i, area), line = divide(plane.rest, a.width);
        const float *const mask = a.masks + plane.whole * area;
        int32_t *const labels = a.labels + plane.whole * area;
        const int64_t y = line.whole, x = line.rest, at = plane.rest;
        const int kind = kind_of(mask[at], a.threshold);
        if (kind == 2)
            continue;
        if (x > 0 && kind_of(mask[at - 1], a.threshold) == kind)
            unite(labels, (int32_t)at, (int32_t)(at - 1));
        for (int64_t near = x > 0 ? x - 1 : 0; y > 0 && near <= x + 1 && near < a.width; near++)
            if (kind_of(mask[(y - 1) * a.width + near], a.threshold) == kind)
                unite(labels, (int32_t)at, (int32_t)((y - 1) * a.width + near));
    }
}

// A warp whose pixels are all of one part adds once: additions to one place wait for each other.
extern "C" __global__ void clean_count(const clean_arguments a)
{
    const int64_t area = a.height * a.width, lane = threadIdx.x % 32;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i - lane < a.count;
         i += (int64_t)gridDim.x * blockDim.x) {
        int64_t counter = -1;
        if (i < a.count) {
            const quotient plane = divide(i, area);
            int32_t *const labels = a.labels + plane.whole * area;
            const int32_t root = root_of(labels, (int32_t)plane.rest);
            labels[plane.rest] = root; // whoever walks over it comes to the same root
            counter = plane.whole * area + root;
        }
        int differs = 0;
        for (int step = 16; step > 0; step /= 2)
            differs |= __shfl_xor_sync(~0u, counter, step) != counter;
        for (int step = 16; step > 0; step /= 2)
            differs |= __shfl_xor_sync(~0u, differs, step);
        if (counter >= 0 && differs)
            atomicAdd(&a.areas[counter], 1);
        else if (counter >= 0 && lane == 0)
            atomicAdd(&a.areas[counter], 32);
    }
}

extern "C" __global__ void clean_end(const clean_arguments a)
{
    const int64_t area = a.height * a.width;
    FOR_EACH(i, a.count) {
        const int64_t first = i - divide(i, area).rest;
        const int kind = kind_of(a.masks[i], a.threshold);
        if (kind != 2 && a.areas[first + a.labels[i]] <= (kind == 0 ? a.hole_area : a.sprinkle_area))
            a.masks[i] = kind == 0 ? a.threshold + 10.0f : a.threshold - 10.0f;
    }
}

extern "C" __global__ void separate_masks(const separate_arguments a)
{
    FOR_EACH(i, a.area) {
        int64_t best = 0;
        for (int64_t n = 1; n < a.count; n++)
            best = is_over(a.masks[n * a.area + i], a.masks[best * a.area + i]) ? n : best;
        for (int64_t n = 0; n < a.count; n++)
            if (n != best && a.masks[n * a.area + i] > a.outside)
                a.masks[n * a.area + i] = a.outside;
    }
}
