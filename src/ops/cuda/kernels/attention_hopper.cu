// Attention by Hopper's products: as attention.cu, but four warps multiply together, straight from shared memory, and scores
// of the next keys are computed while the weights of the last ones are multiplied (Shah et al. 2024, "FlashAttention-3").
#include "attention.cuh"
#include "hopper.cuh"

// Other cards have these kernels too, without a body: a module has all its names.
#if defined(HAS_WGMMA) || !defined(__CUDACC__)
namespace {

// Rows of a head to shared memory in panels of 64 columns, each [ROWS][64] with its pieces swizzled (place_of), 0 where there
// is nothing: copies on their way, of the group that the caller ends.
template <int WIDTH, int THREADS> struct panels {
    static constexpr int STEP = THREADS / 8; // rows that all threads copy together, of a panel
    const narrow *from; // this thread's place in the rows to come
    int64_t step;
    int left, width; // of them, of a row, from that place on
    int at;          // that place in shared memory
    __device__ __forceinline__ panels(const narrow *first, int64_t stride, int count, int columns)
    {
        const int row = threadIdx.x / 8, column = threadIdx.x % 8 * 8;
        from = first + row * stride + column;
        step = STEP * stride;
        left = count - row;
        width = columns - column;
        at = place_of(row, column);
    }
    // The next ROWS of them; `any` is memory that may be named where nothing is read.
    template <int ROWS> __device__ __forceinline__ void begin(narrow *shared, const void *any)
    {
        static_assert(STEP % 8 == 0, "rows that are swizzled otherwise");
#pragma unroll
        for (int j = 0; j < ROWS; j += STEP, from += step) {
            if (ROWS % STEP != 0 && j + (int)threadIdx.x / 8 >= ROWS)
                continue;
#pragma unroll
            for (int i = 0; i < WIDTH; i += 64) {
                const bool there = j < left && i < width;
                copy_begin_16(shared + i * ROWS + j * 64 + at, there ? (const void *)(from + i) : any, there);
            }
        }
        if (ROWS % STEP != 0) // the threads' rows of the next call begin where this one's end
            from -= (ROWS + STEP - 1) / STEP * step - ROWS * (step / STEP);
        left -= ROWS;
    }
};

// Queries of GROUPS x 4 warps, 64 of each group; KEYS at once.
template <int WIDTH, int VALUES, int KEYS, int GROUPS, class Out>
__device__ __forceinline__ void attend_tile(const attention_arguments &a, int64_t tile, int first_step, int last_step)
{
    constexpr int THREADS = 128 * GROUPS, QUERIES = 64 * GROUPS;
    constexpr float SLACK = 8.0f; // powers of 2 that a weight may exceed 1 by
    SHARED_DYNAMIC(narrow, dynamic);
    narrow *const query = aligned_1024(dynamic);
    narrow *const key_places = query + QUERIES * WIDTH, *const value_places = key_places + 2 * KEYS * WIDTH;
    const part p(a, QUERIES, tile);
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, first_query = (int)p.first;
    const int row = warp * 16 + lane / 4; // and 8 below
    const int first_key = first_step * KEYS, of_steps = last_step * KEYS;
    const int keys = (of_steps < (int)a.keys ? of_steps : (int)a.keys) - first_key;
    const float scale = a.scale * 1.44269504088896341f, slack = SLACK / scale; // powers of 2 instead of e

    panels<WIDTH, THREADS> query_rows(head_of<const narrow>(a.q, p) + p.first * a.q.stride[1], a.q.stride[1],
                                      (int)a.queries - first_query, (int)a.width);
    panels<WIDTH, THREADS> key_rows(head_of<const narrow>(a.k, p) + first_key * a.k.stride[1], a.k.stride[1], keys,
                                    (int)a.width);
    panels<VALUES, THREADS> value_rows(head_of<const narrow>(a.v, p) + first_key * a.v.stride[1], a.v.stride[1], keys,
                                       (int)a.value_width);
    query_rows.template begin<QUERIES>(query, a.q.data);
    key_rows.template begin<KEYS>(key_places, a.k.data);
    copies_group();

    float score[KEYS / 8][4], sum[VALUES / 64][8][4] = {}, total[2] = {}, top[2] = {LOWEST, LOWEST};
    uint32_t weight[KEYS / 16][4];
    const narrow *const own = query + warp / 4 * 64 * 64; // this group's queries, of the first panel
    const auto multiply_values = [&](const narrow *values) {
        wgmma_begin();
#pragma unroll
        for (int i = 0; i < KEYS / 16; i++)
#pragma unroll
            for (int j = 0; j < VALUES / 64; j++)
                wgmma_rows_64(sum[j], weight[i], values + j * KEYS * 64 + i * 16 * 64);
        wgmma_group();
    };
    const int steps = (keys + KEYS - 1) / KEYS;
#pragma unroll 1
    for (int step = 0; step < steps; step++) {
        copies_wait<0>();
        shared_to_wgmma();
        __syncthreads(); // these keys and the values before them are there; what was read before may be written
        const narrow *const now = key_places + step % 2 * KEYS * WIDTH;
        if (step + 1 < steps)
            key_rows.template begin<KEYS>(key_places + (step + 1) % 2 * KEYS * WIDTH, a.k.data);
        value_rows.template begin<KEYS>(value_places + step % 2 * KEYS * VALUES, a.v.data);
        copies_group();

#pragma unroll
        for (int j = 0; j < KEYS / 8; j++)
            score[j][0] = score[j][1] = score[j][2] = score[j][3] = 0.0f;
        wgmma_begin();
#pragma unroll
        for (int d = 0; d < WIDTH; d += 16)
            wgmma_64_16<KEYS>(score, own + d / 64 * QUERIES * 64 + d % 64, now + d / 64 * KEYS * 64 + d % 64);
        wgmma_group();
        if (step > 0) {
            multiply_values(value_places + (step - 1) % 2 * KEYS * VALUES);
            wgmma_wait<1>();
        } else {
            wgmma_wait<0>();
        }
        wgmma_done(score);

        const int seen = keys - step * KEYS;
        if (seen < KEYS) {
#pragma unroll
            for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
                for (int i = 0; i < 4; i++)
                    if (8 * j + lane % 4 * 2 + i % 2 >= seen)
                        score[j][i] = -INFINITY;
        }
        // Weights are relative to a maximum of the keys so far, or to one that is lower by less than `slack`: sums are
        // rescaled at a few steps only. A NaN comes through as its weight.
        float shrink[2] = {1.0f, 1.0f};
        bool rises = false;
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float most = score[0][2 * h];
#pragma unroll
            for (int j = 1; j < KEYS / 4; j++)
                most = fmaxf(most, score[j / 2][2 * h + j % 2]);
            most = fmaxf(most, __shfl_xor_sync(~0u, most, 1));
            most = fmaxf(most, __shfl_xor_sync(~0u, most, 2));
            if (most > top[h] + slack) {
                shrink[h] = power_of_2((top[h] - most) * scale);
                top[h] = most;
                rises = true;
            }
            const float lowered = -top[h] * scale;
            float added = 0.0f;
#pragma unroll
            for (int j = 0; j < KEYS / 4; j++) {
                float &s = score[j / 2][2 * h + j % 2];
                s = power_of_2(fmaf(s, scale, lowered));
                added += s;
            }
            total[h] = total[h] * shrink[h] + added;
        }
        wgmma_wait<0>();
#pragma unroll
        for (int j = 0; j < VALUES / 64; j++)
            wgmma_done(sum[j]);
        if (rises) {
#pragma unroll
            for (int j = 0; j < VALUES / 8; j++)
#pragma unroll
                for (int i = 0; i < 4; i++)
                    sum[j / 8][j % 8][i] *= shrink[i / 2];
        }
#pragma unroll
        for (int i = 0; i < KEYS / 16; i++)
#pragma unroll
            for (int part = 0; part < 4; part++) {
                const float *const s = score[2 * i + part / 2] + part % 2 * 2;
                weight[i][part] = round_pair(s[0], s[1]);
            }
    }
    copies_wait<0>();
    shared_to_wgmma();
    __syncthreads();
    multiply_values(value_places + (steps - 1) % 2 * KEYS * VALUES);
    wgmma_wait<0>();
#pragma unroll
    for (int j = 0; j < VALUES / 64; j++)
        wgmma_done(sum[j]);

#pragma unroll
    for (int h = 0; h < 2; h++) {
        total[h] += __shfl_xor_sync(~0u, total[h], 1);
        total[h] += __shfl_xor_sync(~0u, total[h], 2);
        const int at = first_query + row + 8 * h, left = (int)a.value_width - lane % 4 * 2;
        if (at >= (int)a.queries)
            continue;
        if (first_step > 0 || last_step < a.steps) {
            float *const to = partial_of(a, blockIdx.x, first_step == 0, at - first_query);
            to[0] = top[h] * scale;
            to[1] = total[h];
#pragma unroll
            for (int j = 0; j < VALUES / 8; j++)
                store_two(to + 2 + lane % 4 * 2 + j * 8, sum[j / 8][j % 8][2 * h], sum[j / 8][j % 8][2 * h + 1],
                          left - j * 8, a.value_width % 2 == 0);
            continue;
        }
        const float factor = 1.0f / total[h];
        Out *const out = head_of<Out>(a.out, p) + at * a.out.stride[1] + lane % 4 * 2;
#pragma unroll
        for (int j = 0; j < VALUES / 8; j++)
            store_two(out + j * 8, sum[j / 8][j % 8][2 * h] * factor, sum[j / 8][j % 8][2 * h + 1] * factor,
                      left - j * 8, a.pairs);
    }
}

template <int WIDTH, int VALUES, int KEYS, int GROUPS, class Out>
__device__ __forceinline__ void attend(const attention_arguments &a)
{
    each_tile(a, [&](int64_t tile, int first_step, int last_step) {
        attend_tile<WIDTH, VALUES, KEYS, GROUPS, Out>(a, tile, first_step, last_step);
    });
}

} // namespace

#define BODY(...) __VA_ARGS__
#else
#define BODY(...)
#endif

// By widths and queries of a block, and blocks of a multiprocessor: attention.c has the same numbers. Of the narrowest,
// several small blocks are faster than a large one, because they are at different steps: one multiplies while another does
// the softmax.
#define ATTENTION(WIDTH, VALUES, KEYS, GROUPS, QUERIES, BLOCKS)                                                        \
    extern "C" __global__ void __launch_bounds__(128 * GROUPS, BLOCKS)                                                 \
        attention_hopper_##WIDTH##_##VALUES##_##QUERIES##_nf(const attention_arguments a)                              \
    {                                                                                                                  \
        static_assert(QUERIES == 64 * GROUPS, "attention.c and the kernel differ");                                    \
        BODY((attend<WIDTH, VALUES, KEYS, GROUPS, float>(a));)                                                         \
    }                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(128 * GROUPS, BLOCKS)                                                 \
        attention_hopper_##WIDTH##_##VALUES##_##QUERIES##_nn(const attention_arguments a)                              \
    {                                                                                                                  \
        BODY((attend<WIDTH, VALUES, KEYS, GROUPS, narrow>(a));)                                                        \
    }
ATTENTION(64, 64, 128, 1, 64, 3)
ATTENTION(256, 64, 128, 2, 128, 1)
ATTENTION(256, 256, 64, 2, 128, 1)
