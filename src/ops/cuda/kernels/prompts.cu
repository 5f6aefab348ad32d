// What prompts and a map of the image say to each other: attention between few tokens and many rows, points as tokens,
// masks out of the grid.
#include "common.cuh"

namespace {

constexpr float LOWEST = -1e30f;

// Few queries over a part of the rows; 8 warps, a query each. What they found waits for the other parts.
template <bool ROUNDED> __device__ void attend_rows(const attend_rows_arguments &a)
{
    constexpr int WARPS = 8;
    __shared__ float weight[WARPS][32];
    SHARED_DYNAMIC(float, shared);
    const int64_t stride = a.width + 1, batch = blockIdx.y;
    float *const value = shared, *const placed = value + a.tile * stride, *const query = placed + a.tile * stride;
    float *const sum = query + WARPS * stride;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const quotient place = divide(blockIdx.x, a.parts);
    const int64_t number = place.whole * WARPS + warp, begin = place.rest * a.part_rows;
    const int64_t end = begin + a.part_rows < a.rows ? begin + a.part_rows : a.rows;
    const float *const x = a.x + batch * a.x_stride, *const q = a.q + (batch * a.queries + number) * a.width;
    float top = LOWEST, total = 0.0f;
    for (int64_t c = lane; c < a.width; c += 32) {
        query[warp * stride + c] = number < a.queries ? factor<ROUNDED>(q[c]) : 0.0f;
        sum[warp * stride + c] = 0.0f;
    }
    for (int64_t first = begin; first < end; first += a.tile) {
        const int count = (int)(end - first < a.tile ? end - first : a.tile);
        __syncthreads();
        for (int row = warp; row < count; row += WARPS)
            for (int64_t c = lane; c < a.width; c += 32) {
                const float v = x[(first + row) * a.width + c];
                value[row * stride + c] = factor<ROUNDED>(v);
                placed[row * stride + c] = factor<ROUNDED>(v + a.positions[(first + row) * a.width + c]);
            }
        __syncthreads();
        float score = 0.0f;
        for (int64_t c = 0; lane < count && c < a.width; c++)
            score += placed[lane * stride + c] * query[warp * stride + c];
        score = lane < count ? score * a.scale : LOWEST;
        const float best = larger(top, warp_max(score)), shrink = expf(top - best);
        const float w = lane < count ? expf(score - best) : 0.0f;
        total = total * shrink + warp_sum(w);
        top = best;
        weight[warp][lane] = w;
        __syncwarp();
        for (int64_t c = lane; c < a.width; c += 32) {
            float v = sum[warp * stride + c] * shrink;
            for (int row = 0; row < count; row++)
                v += weight[warp][row] * value[row * stride + c];
            sum[warp * stride + c] = v;
        }
        __syncwarp();
    }
    if (number >= a.queries)
        return;
    float *const partial = a.partial + ((batch * a.queries + number) * a.parts + place.rest) * (2 + a.width);
    if (lane == 0) {
        partial[0] = top;
        partial[1] = total;
    }
    for (int64_t c = lane; c < a.width; c += 32)
        partial[2 + c] = sum[warp * stride + c];
}

// Many rows over few tokens, then the norm; 8 warps, a row each.
template <bool ROUNDED> __device__ void attend_tokens(const attend_tokens_arguments &a)
{
    constexpr int ROWS = 8;
    __shared__ float placed[ROWS][32];
    SHARED_DYNAMIC(float, shared);
    const int64_t columns = a.tokens * a.heads, batch = blockIdx.y, stride = a.chunk + 1;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int64_t number = (int64_t)blockIdx.x * ROWS + warp;
    const bool there = number < a.rows;
    float *const key = shared, *const row = key + columns * stride + warp * a.width;
    float *const score = key + columns * stride + ROWS * a.width + warp * columns;
    const float *const x = a.x + batch * a.x_stride + number * a.width, *const position = a.positions + number * a.width;
    const float *const k = a.k + batch * columns * a.width, *const v = a.v + batch * columns * a.width;
    for (int64_t c = lane; c < a.width; c += 32)
        row[c] = there ? x[c] : 0.0f;
    for (int64_t i = lane; i < columns; i += 32)
        score[i] = 0.0f;
    for (int64_t first = 0; first < a.width; first += a.chunk) {
        __syncthreads();
        const bool inside = lane < a.chunk && first + lane < a.width;
        placed[warp][lane] = inside && there ? factor<ROUNDED>(row[first + lane] + position[first + lane]) : 0.0f;
        for (int64_t i = warp; lane < a.chunk && i < columns; i += ROWS)
            key[i * stride + lane] = inside ? factor<ROUNDED>(k[i * a.width + first + lane]) : 0.0f;
        __syncthreads();
        for (int64_t i = lane; i < columns; i += 32) {
            float sum = score[i];
            for (int c = 0; c < a.chunk; c++)
                sum += placed[warp][c] * key[i * stride + c];
            score[i] = sum;
        }
    }
    __syncwarp();
    for (int64_t h = lane; h < a.heads; h += 32) { // a head's tokens
        float best = -INFINITY, total = 0.0f;
        for (int64_t i = h; i < columns; i += a.heads) {
            score[i] = a.scale * (score[i] + a.bias[batch * columns + i]);
            best = larger(best, score[i]);
        }
        for (int64_t i = h; i < columns; i += a.heads) {
            score[i] = expf(score[i] - best);
            total += score[i];
        }
        for (int64_t i = h; i < columns; i += a.heads)
            score[i] /= total;
    }
    __syncwarp();
    float mean = 0.0f, variance = 0.0f;
    for (int64_t c = lane; c < a.width; c += 32) {
        float sum = row[c];
        for (int64_t i = 0; i < columns; i++)
            sum += score[i] * factor<ROUNDED>(v[i * a.width + c]);
        row[c] = sum;
        mean += sum;
    }
    mean = warp_sum(mean) / (float)a.width;
    for (int64_t c = lane; c < a.width; c += 32)
        variance += (row[c] - mean) * (row[c] - mean);
    const float scale = 1.0f / sqrtf(warp_sum(variance) / (float)a.width + a.eps);
    float *const out = a.out + (batch * a.rows + number) * a.width;
    for (int64_t c = lane; there && c < a.width; c += 32)
        out[c] = (row[c] - mean) * scale * a.gamma[c] + a.beta[c];
}

// out[row][n] = x[row] . weight[:, n] for up to 8 rows of x in shared memory; `put` takes each sum.
template <bool ROUNDED, class Put>
__device__ void small_product(const float *x, int rows, int64_t depth, const float *weight, int64_t outputs, Put put)
{
    constexpr int MOST = 8;
    for (int64_t n = threadIdx.x; n < outputs; n += blockDim.x) {
        float sum[MOST] = {};
        for (int64_t k = 0; k < depth; k++) {
            const float w = factor<ROUNDED>(weight[k * outputs + n]);
#pragma unroll
            for (int row = 0; row < MOST; row++)
                if (row < rows)
                    sum[row] += x[row * depth + k] * w;
        }
#pragma unroll
        for (int row = 0; row < MOST; row++)
            if (row < rows)
                put(row, n, sum[row]);
    }
}

template <bool ROUNDED> __device__ void upscale(const upscale_arguments &a)
{
    constexpr int TAPS = 4, MOST = 8, GELU = 2;
    SHARED_DYNAMIC(float, shared);
    const int64_t columns1 = TAPS * a.width1, columns2 = TAPS * a.width2, first = (int64_t)blockIdx.x * a.tile;
    const int64_t batch = blockIdx.y;
    const int count = (int)(a.pixels - first < a.tile ? a.pixels - first : a.tile);
    float *const input = shared, *const middle = input + a.tile * a.width, *const fine = middle + a.tile * columns1;
    for (int64_t i = threadIdx.x; i < count * a.width; i += blockDim.x)
        input[i] = factor<ROUNDED>(a.x[(batch * a.pixels + first) * a.width + i]);
    __syncthreads();
    small_product<ROUNDED>(input, count, a.width, a.weight1, columns1, [&](int row, int64_t n, float sum) {
        middle[row * columns1 + n] = sum + a.features1[(first + row) * columns1 + n] + a.bias1[n];
    });
    __syncthreads();
    const int lane = threadIdx.x % 32;
    for (int i = threadIdx.x / 32; i < count * TAPS; i += blockDim.x / 32) { // a warp each of 2 x 2 pixels
        float *const pixel = middle + i * a.width1;
        float mean = 0.0f, variance = 0.0f;
        for (int64_t c = lane; c < a.width1; c += 32)
            mean += pixel[c];
        mean = warp_sum(mean) / (float)a.width1;
        for (int64_t c = lane; c < a.width1; c += 32)
            variance += (pixel[c] - mean) * (pixel[c] - mean);
        const float scale = 1.0f / sqrtf(warp_sum(variance) / (float)a.width1 + a.eps);
        for (int64_t c = lane; c < a.width1; c += 32)
            pixel[c] = factor<ROUNDED>(activate(GELU, (pixel[c] - mean) * scale * a.gamma[c] + a.beta[c]));
    }
    __syncthreads();
    for (int begin = 0; begin < count * TAPS; begin += MOST) {
        const int rows = count * TAPS - begin < MOST ? count * TAPS - begin : MOST;
        small_product<ROUNDED>(middle + begin * a.width1, rows, a.width1, a.weight2, columns2,
                               [&](int row, int64_t n, float sum) {
                                   const int64_t at = begin + row;
                                   const float feature = a.features2[(first * TAPS + at) * columns2 + n];
                                   fine[at * columns2 + n] =
                                       factor<ROUNDED>(activate(GELU, sum + feature + a.bias2[n]));
                               });
    }
    __syncthreads();
    const int64_t size = 4 * a.side;
    for (int64_t i = threadIdx.x; i < count * TAPS * TAPS * a.masks; i += blockDim.x) {
        const quotient mask = divide(i, count * TAPS * TAPS);
        const int64_t at = mask.rest, pixel = first + at / (TAPS * TAPS), tap = at / TAPS % TAPS, j = at % TAPS;
        const float *const hyper = a.hyper + (batch * a.masks + mask.whole) * a.width2;
        float sum = 0.0f;
        for (int64_t c = 0; c < a.width2; c++)
            sum += factor<ROUNDED>(hyper[c]) * fine[at * a.width2 + c];
        const int64_t y = pixel / a.side * 4 + tap / 2 * 2 + j / 2, x = pixel % a.side * 4 + tap % 2 * 2 + j % 2;
        a.out[((batch * a.masks + mask.whole) * size + y) * size + x] = sum;
    }
}

} // namespace

extern "C" __global__ void __launch_bounds__(256) attend_rows_exact(const attend_rows_arguments a)
{
    attend_rows<false>(a);
}
extern "C" __global__ void __launch_bounds__(256) attend_rows_rounded(const attend_rows_arguments a)
{
    attend_rows<true>(a);
}

// The parts of a query, weighted by how much of the softmax each of them has.
extern "C" __global__ void attend_rows_join(const attend_rows_arguments a)
{
    const float *const partial = a.partial + (blockIdx.y * a.queries + blockIdx.x) * a.parts * (2 + a.width);
    float top = LOWEST, total = 0.0f;
#pragma unroll 8
    for (int64_t i = 0; i < a.parts; i++)
        top = larger(top, partial[i * (2 + a.width)]);
#pragma unroll 8
    for (int64_t i = 0; i < a.parts; i++)
        total += partial[i * (2 + a.width) + 1] * expf(partial[i * (2 + a.width)] - top);
    for (int64_t c = threadIdx.x; c < a.width; c += blockDim.x) {
        float sum = 0.0f;
#pragma unroll 8
        for (int64_t i = 0; i < a.parts; i++)
            sum += partial[i * (2 + a.width) + 2 + c] * expf(partial[i * (2 + a.width)] - top);
        a.out[(blockIdx.y * a.queries + blockIdx.x) * a.width + c] = sum / total;
    }
}

extern "C" __global__ void __launch_bounds__(256) attend_tokens_exact(const attend_tokens_arguments a)
{
    attend_tokens<false>(a);
}
extern "C" __global__ void __launch_bounds__(256) attend_tokens_rounded(const attend_tokens_arguments a)
{
    attend_tokens<true>(a);
}
extern "C" __global__ void __launch_bounds__(256) upscale_exact(const upscale_arguments a) { upscale<false>(a); }
extern "C" __global__ void __launch_bounds__(256) upscale_rounded(const upscale_arguments a) { upscale<true>(a); }

// Kinds: -1 not a point, -10 padding, others a row of `kinds`.
extern "C" __global__ void embed_points(const points_arguments a)
{
    FOR_EACH(i, a.count) {
        const quotient token = divide(i, a.half), entry = divide(token.whole, a.tokens);
        const int64_t c = token.rest;
        const int32_t kind = a.kind[token.whole];
        const float *const row = kind == -1 ? a.not_a_point : a.kinds + kind * 2 * a.half;
        float first = 0.0f, second = 0.0f;
        if (kind == -1) {
            first = row[c];
            second = row[a.half + c];
        } else if (kind >= 0 && kind < a.known) {
            const float x = 2.0f * a.points[2 * token.whole] - 1.0f, y = 2.0f * a.points[2 * token.whole + 1] - 1.0f;
            const float angle = 6.283185307179586f * (x * a.fourier[c] + y * a.fourier[a.half + c]);
            first = sinf(angle) + row[c];
            second = cosf(angle) + row[a.half + c];
        }
        float *const out = a.out + entry.whole * a.out_stride[0] + entry.rest * a.out_stride[1] + c;
        out[0] = first;
        out[a.half] = second;
    }
}
