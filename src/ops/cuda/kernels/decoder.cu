// What prompts and a map of the image say to each other, with narrow factors on tensor cores: for the models' widths
// (rows of 256 values, 8 heads, masks of 64 and 32 channels); prompts.cu has any others. A warp has 16 rows or queries,
// and what one product leaves in its registers is what the next one reads.
#include "common.cuh"

namespace {

constexpr int WIDTH = 256, PITCH = WIDTH + 8; // of rows, and of rows in shared memory
constexpr float LOWEST = -1e30f;              // under every score, and differences of it are finite

struct __align__(8) two {
    float x, y;
};
__device__ __forceinline__ two get_2(const float *from) { return *(const two *)from; }

// Eight values at 16 bytes to shared memory.
__device__ __forceinline__ void put(narrow *to, const float v[8])
{
    *(uint4 *)to = {pack(v[0], v[1]), pack(v[2], v[3]), pack(v[4], v[5]), pack(v[6], v[7])};
}
__device__ __forceinline__ void get_8(float v[8], const float *from)
{
    const float4 low = *(const float4 *)from, high = *(const float4 *)(from + 4);
    v[0] = low.x, v[1] = low.y, v[2] = low.z, v[3] = low.w;
    v[4] = high.x, v[5] = high.y, v[6] = high.z, v[7] = high.w;
}

// [rows][columns], `from` with rows of `stride`, to rows of `pitch` in shared memory; 0 from row `there` on.
__device__ void put_rows(narrow *to, int pitch, const float *from, int64_t stride, int rows, int columns, int64_t there)
{
#pragma unroll 4
    for (int i = threadIdx.x; i < rows * columns / 8; i += blockDim.x) {
        const int row = i / (columns / 8), column = i % (columns / 8) * 8;
        float v[8] = {};
        if (row < there)
            get_8(v, from + row * stride + column);
        put(to + row * pitch + column, v);
    }
}

// Two 8-wide parts of sums as a left factor, in two narrow parts of it: weights of a softmax keep 16 bits.
__device__ __forceinline__ void split(const float *s, const float *next, uint32_t high[4], uint32_t low[4])
{
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const float a = i < 2 ? s[2 * i] : next[2 * i - 4], b = i < 2 ? s[2 * i + 1] : next[2 * i - 3];
        high[i] = pack(a, b);
        low[i] = pack(a - rounded(a), b - rounded(b));
    }
}

__device__ __forceinline__ float sum_of_four(float value)
{
    value += __shfl_xor_sync(~0u, value, 1);
    return value + __shfl_xor_sync(~0u, value, 2);
}

// sum[16][256] += weights [16][16], as they lie in sums, times 16 rows in shared memory.
__device__ __forceinline__ void add_rows(float (*sum)[4], const float *s, const float *next, const narrow *rows)
{
    const int lane = threadIdx.x % 32;
    uint32_t high[4], low[4], right[4];
    split(s, next, high, low);
#pragma unroll
    for (int j = 0; j < WIDTH / 16; j++) {
        matrix_load_transposed(right, rows + left_row(lane) * PITCH + j * 16 + left_column(lane));
        mma_16816(sum[2 * j], high, right);
        mma_16816(sum[2 * j + 1], high, right + 2);
        mma_16816(sum[2 * j], low, right);
        mma_16816(sum[2 * j + 1], low, right + 2);
    }
}

// Many rows over up to TOKENS tokens, then the norm. Heads are the columns of an 8-wide part, so that a head's softmax
// is one lane's.
template <int TOKENS> __device__ void attend_tokens(const attend_tokens_arguments &a)
{
    constexpr int HEADS = 8, COLUMNS = TOKENS * HEADS;
    __shared__ float bias[COLUMNS];
    SHARED_DYNAMIC(narrow, shared);
    narrow *const key = shared, *const value = key + COLUMNS * PITCH;
    const int64_t columns = a.tokens * HEADS, batch = blockIdx.y;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32, pair = lane % 4 * 2;
    put_rows(key, PITCH, a.k + batch * columns * WIDTH, WIDTH, COLUMNS, WIDTH, columns);
    put_rows(value, PITCH, a.v + batch * columns * WIDTH, WIDTH, COLUMNS, WIDTH, columns);
    for (int i = threadIdx.x; i < COLUMNS; i += blockDim.x)
        bias[i] = i < columns ? a.bias[batch * columns + i] : 0.0f;
    __syncthreads();
    for (int64_t tile = blockIdx.x + (int64_t)warp * gridDim.x; tile * 16 < a.rows; tile += (int64_t)warps * gridDim.x) {
        int64_t place[2]; // of rows `lane / 4` and 8 behind it; where there is none, the last one is computed once more
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const int64_t row = tile * 16 + lane / 4 + 8 * h;
            place[h] = (row < a.rows ? row : a.rows - 1) * WIDTH + pair;
        }
        const float *const x = a.x + batch * a.x_stride;
        float score[TOKENS][4] = {};
#pragma unroll 4
        for (int d = 0; d < WIDTH; d += 16) {
            uint32_t left[4], right[4];
#pragma unroll
            for (int i = 0; i < 4; i++) {
                const int64_t at = place[i % 2] + d + i / 2 * 8;
                const two v = get_2(x + at), p = get_2(a.positions + at);
                left[i] = pack(v.x + p.x, v.y + p.y);
            }
#pragma unroll
            for (int j = 0; j < TOKENS / 2; j++) {
                matrix_load(right, key + (j * 16 + right_row(lane)) * PITCH + d + right_column(lane));
                mma_16816(score[2 * j], left, right);
                mma_16816(score[2 * j + 1], left, right + 2);
            }
        }
#pragma unroll
        for (int i = 0; i < 4; i++) {
            float best = LOWEST, total = 0.0f;
#pragma unroll
            for (int t = 0; t < TOKENS; t++) {
                score[t][i] = t < a.tokens ? a.scale * (score[t][i] + bias[t * HEADS + pair + i % 2]) : LOWEST;
                best = larger(best, score[t][i]);
            }
#pragma unroll
            for (int t = 0; t < TOKENS; t++) {
                score[t][i] = t < a.tokens ? expf(score[t][i] - best) : 0.0f;
                total += score[t][i];
            }
            total = 1.0f / total;
#pragma unroll
            for (int t = 0; t < TOKENS; t++)
                score[t][i] *= total;
        }
        float sum[WIDTH / 8][4] = {};
#pragma unroll
        for (int i = 0; i < TOKENS / 2; i++)
            add_rows(sum, score[2 * i], score[2 * i + 1], value + i * 16 * PITCH);
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float mean = 0.0f, variance = 0.0f;
#pragma unroll
            for (int j = 0; j < WIDTH / 8; j++) {
                const two v = get_2(x + place[h] + 8 * j);
                sum[j][2 * h] += v.x;
                sum[j][2 * h + 1] += v.y;
                mean += sum[j][2 * h] + sum[j][2 * h + 1];
            }
            mean = sum_of_four(mean) / WIDTH;
#pragma unroll
            for (int j = 0; j < WIDTH / 8; j++) {
                const float first = sum[j][2 * h] - mean, second = sum[j][2 * h + 1] - mean;
                variance += first * first + second * second;
            }
            const float scale = 1.0f / sqrtf(sum_of_four(variance) / WIDTH + a.eps);
            float *const out = a.out + batch * a.rows * WIDTH + place[h];
            const bool there = tile * 16 + lane / 4 + 8 * h < a.rows;
#pragma unroll
            for (int j = 0; j < WIDTH / 8; j++) {
                const two gamma = get_2(a.gamma + 8 * j + pair), beta = get_2(a.beta + 8 * j + pair);
                if (there)
                    *(two *)(out + 8 * j) = {(sum[j][2 * h] - mean) * scale * gamma.x + beta.x,
                                             (sum[j][2 * h + 1] - mean) * scale * gamma.y + beta.y};
            }
        }
    }
}

} // namespace

// Up to 80 queries over a part of the rows; 16 a warp. What they found waits for the other parts (attend_rows_join).
extern "C" __global__ void __launch_bounds__(160, 2) attend_rows_256(const attend_rows_arguments a)
{
    constexpr int ROWS = 32;
    SHARED_DYNAMIC(narrow, shared);
    narrow *const placed = shared, *const value = placed + ROWS * PITCH, *const query = value + ROWS * PITCH;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, queries = blockDim.x / 2;
    const quotient place = divide(blockIdx.x, a.parts);
    const int64_t batch = blockIdx.y, first_query = place.whole * queries, begin = place.rest * a.part_rows;
    const int64_t end = begin + a.part_rows < a.rows ? begin + a.part_rows : a.rows;
    const float *const x = a.x + batch * a.x_stride;
    put_rows(query, PITCH, a.q + (batch * a.queries + first_query) * WIDTH, WIDTH, queries, WIDTH,
             a.queries - first_query);
    float sum[WIDTH / 8][4] = {}, top[2] = {LOWEST, LOWEST}, total[2] = {};
    for (int64_t first = begin; first < end; first += ROWS) {
        const int count = (int)(end - first < ROWS ? end - first : ROWS);
        const float *const from = x + first * WIDTH, *const position = a.positions + first * WIDTH;
        __syncthreads(); // the rows before have been read
#pragma unroll 2
        for (int i = threadIdx.x; i < ROWS * (WIDTH / 8); i += blockDim.x) {
            const int row = i / (WIDTH / 8), column = i % (WIDTH / 8) * 8;
            float v[8] = {}, p[8] = {};
            if (row < count) {
                get_8(v, from + 8 * i);
                get_8(p, position + 8 * i);
            }
            put(value + row * PITCH + column, v);
#pragma unroll
            for (int j = 0; j < 8; j++)
                p[j] += v[j];
            put(placed + row * PITCH + column, p);
        }
        __syncthreads();
        float score[ROWS / 8][4] = {};
#pragma unroll 2
        for (int d = 0; d < WIDTH; d += 16) {
            uint32_t left[4], right[4];
            matrix_load(left, query + (warp * 16 + left_row(lane)) * PITCH + d + left_column(lane));
#pragma unroll
            for (int j = 0; j < ROWS / 16; j++) {
                matrix_load(right, placed + (j * 16 + right_row(lane)) * PITCH + d + right_column(lane));
                mma_16816(score[2 * j], left, right);
                mma_16816(score[2 * j + 1], left, right + 2);
            }
        }
#pragma unroll
        for (int h = 0; h < 2; h++) { // queries `lane / 4` and 8 behind it
            float best = top[h];
#pragma unroll
            for (int j = 0; j < ROWS / 4; j++) {
                float &s = score[j / 2][2 * h + j % 2];
                s = j / 2 * 8 + lane % 4 * 2 + j % 2 < count ? s * a.scale : LOWEST;
                best = larger(best, s);
            }
            best = larger(best, __shfl_xor_sync(~0u, best, 1));
            best = larger(best, __shfl_xor_sync(~0u, best, 2));
            const float shrink = expf(top[h] - best);
            top[h] = best;
            total[h] *= shrink;
#pragma unroll
            for (int j = 0; j < ROWS / 4; j++) {
                float &s = score[j / 2][2 * h + j % 2];
                s = expf(s - best);
                total[h] += s;
            }
#pragma unroll
            for (int j = 0; j < WIDTH / 4; j++)
                sum[j / 2][2 * h + j % 2] *= shrink;
        }
#pragma unroll
        for (int i = 0; i < ROWS / 16; i++)
            add_rows(sum, score[2 * i], score[2 * i + 1], value + i * 16 * PITCH);
    }
#pragma unroll
    for (int h = 0; h < 2; h++) {
        const float all = sum_of_four(total[h]);
        const int64_t number = first_query + warp * 16 + lane / 4 + 8 * h;
        if (number >= a.queries)
            continue;
        float *const partial = a.partial + ((batch * a.queries + number) * a.parts + place.rest) * (2 + WIDTH);
        if (lane % 4 == 0)
            *(two *)partial = {top[h], all};
#pragma unroll
        for (int j = 0; j < WIDTH / 8; j++)
            *(two *)(partial + 2 + 8 * j + lane % 4 * 2) = {sum[j][2 * h], sum[j][2 * h + 1]};
    }
}

extern "C" __global__ void __launch_bounds__(128, 2) attend_tokens_10(const attend_tokens_arguments a)
{
    attend_tokens<10>(a);
}
extern "C" __global__ void __launch_bounds__(128) attend_tokens_16(const attend_tokens_arguments a)
{
    attend_tokens<16>(a);
}

// Two of the taps, the upper or the lower ones, of 16 grid pixels at once: to two lines of four pixels each. Blocks stay
// for many of them, since they hold the weights.
extern "C" __global__ void __launch_bounds__(192, 2) upscale_256(const upscale_arguments a)
{
    constexpr int TAPS = 4, MIDDLE = 64, FINE = 32, COLUMNS = 128, PITCH_OF_WEIGHTS = COLUMNS + 8, GELU = 2;
    SHARED_DYNAMIC(narrow, shared);
    narrow *const weight1 = shared, *const weight2 = weight1 + WIDTH * PITCH_OF_WEIGHTS;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32, pair = lane % 4 * 2;
    const int lower = blockIdx.x % 2, worker = blockIdx.x / 2, workers = gridDim.x / 2;
    put_rows(weight1, PITCH_OF_WEIGHTS, a.weight1 + lower * COLUMNS, TAPS * MIDDLE, WIDTH, COLUMNS, WIDTH);
    put_rows(weight2, PITCH_OF_WEIGHTS, a.weight2, COLUMNS, MIDDLE, COLUMNS, MIDDLE);
    __syncthreads();
    const int pixels = (int)a.pixels, masks = (int)a.masks, tiles = (pixels + 15) / 16;
    for (int unit = worker + warp * workers; unit < tiles * (int)a.batch; unit += warps * workers) {
        const int batch = unit / tiles, first = (unit - batch * tiles) * 16;
        int pixel[2]; // `lane / 4` and 8 behind it; where there is none, the last one is computed once more
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const int number = first + lane / 4 + 8 * h;
            pixel[h] = number < pixels ? number : pixels - 1;
        }
        uint32_t x[WIDTH / 16][4], hyper[2][2];
#pragma unroll
        for (int i = 0; i < WIDTH / 4; i++) {
            const two v = get_2(a.x + ((int64_t)batch * pixels + pixel[i % 2]) * WIDTH + i / 2 * 8 + pair);
            x[i / 4][i % 4] = pack(v.x, v.y);
        }
#pragma unroll
        for (int i = 0; i < 4; i++) { // a mask each of eight columns
            two v = {0.0f, 0.0f};
            if (lane / 4 < masks)
                v = get_2(a.hyper + (batch * masks + lane / 4) * FINE + i * 8 + pair);
            hyper[i / 2][i % 2] = pack(v.x, v.y);
        }
        for (int right_side = 0; right_side < 2; right_side++) {
            const int tap = 2 * lower + right_side;
            float middle[MIDDLE / 8][4];
#pragma unroll
            for (int n = 0; n < MIDDLE / 8; n++) {
                const int column = tap * MIDDLE + n * 8 + pair;
                const two bias = get_2(a.bias1 + column);
#pragma unroll
                for (int h = 0; h < 2; h++) {
                    const two feature = get_2(a.features1 + pixel[h] * (TAPS * MIDDLE) + column);
                    middle[n][2 * h] = feature.x + bias.x;
                    middle[n][2 * h + 1] = feature.y + bias.y;
                }
            }
#pragma unroll
            for (int k = 0; k < WIDTH / 16; k++)
#pragma unroll
                for (int n = 0; n < MIDDLE / 16; n++) {
                    uint32_t right[4];
                    matrix_load_transposed(right, weight1 + (k * 16 + left_row(lane)) * PITCH_OF_WEIGHTS +
                                                      right_side * MIDDLE + n * 16 + left_column(lane));
                    mma_16816(middle[2 * n], x[k], right);
                    mma_16816(middle[2 * n + 1], x[k], right + 2);
                }
#pragma unroll
            for (int h = 0; h < 2; h++) {
                float mean = 0.0f, variance = 0.0f;
#pragma unroll
                for (int n = 0; n < MIDDLE / 8; n++)
                    mean += middle[n][2 * h] + middle[n][2 * h + 1];
                mean = sum_of_four(mean) / MIDDLE;
#pragma unroll
                for (int n = 0; n < MIDDLE / 4; n++) {
                    float &v = middle[n / 2][2 * h + n % 2];
                    v -= mean;
                    variance += v * v;
                }
                const float scale = 1.0f / sqrtf(sum_of_four(variance) / MIDDLE + a.eps);
#pragma unroll
                for (int n = 0; n < MIDDLE / 8; n++) {
                    const two gamma = get_2(a.gamma + n * 8 + pair), beta = get_2(a.beta + n * 8 + pair);
                    float *const v = middle[n] + 2 * h;
                    v[0] = activate(GELU, v[0] * scale * gamma.x + beta.x);
                    v[1] = activate(GELU, v[1] * scale * gamma.y + beta.y);
                }
            }
            uint32_t left[MIDDLE / 16][4];
#pragma unroll
            for (int i = 0; i < MIDDLE / 4; i++)
                left[i / 4][i % 4] = pack(middle[i / 2][i % 2 * 2], middle[i / 2][i % 2 * 2 + 1]);
            for (int line = 0; line < 2; line++) {
                float mask[2][4] = {}; // of two pixels side by side
#pragma unroll
                for (int j = 0; j < 2; j++) {
                    float fine[FINE / 8][4];
#pragma unroll
                    for (int n = 0; n < FINE / 8; n++) {
                        const int column = (2 * line + j) * FINE + n * 8 + pair;
                        const two bias = get_2(a.bias2 + column);
#pragma unroll
                        for (int h = 0; h < 2; h++) {
                            const two feature = get_2(a.features2 + (pixel[h] * TAPS + tap) * COLUMNS + column);
                            fine[n][2 * h] = feature.x + bias.x;
                            fine[n][2 * h + 1] = feature.y + bias.y;
                        }
                    }
#pragma unroll
                    for (int k = 0; k < MIDDLE / 16; k++)
#pragma unroll
                        for (int n = 0; n < FINE / 16; n++) {
                            uint32_t right[4];
                            matrix_load_transposed(right, weight2 + (k * 16 + left_row(lane)) * PITCH_OF_WEIGHTS +
                                                              (2 * line + j) * FINE + n * 16 + left_column(lane));
                            mma_16816(fine[2 * n], left[k], right);
                            mma_16816(fine[2 * n + 1], left[k], right + 2);
                        }
#pragma unroll
                    for (int k = 0; k < FINE / 16; k++) {
                        uint32_t factors[4];
#pragma unroll
                        for (int i = 0; i < 4; i++) {
                            const float *const v = fine[2 * k + i / 2] + i % 2 * 2;
                            factors[i] = pack(activate(GELU, v[0]), activate(GELU, v[1]));
                        }
                        mma_16816(mask[j], factors, hyper[k]);
                    }
                }
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    const int number = first + lane / 4 + i / 2 * 8, plane = batch * masks + pair + i % 2;
                    const int side = (int)a.side, y = number / side, column = number - y * side;
                    float *const to = a.out + ((int64_t)plane * side * 4 + y * 4 + 2 * lower + line) * side * 4;
                    if (number < pixels && pair + i % 2 < masks)
                        *(two *)(to + column * 4 + 2 * right_side) = {mask[0][i], mask[1][i]};
                }
            }
        }
    }
}
