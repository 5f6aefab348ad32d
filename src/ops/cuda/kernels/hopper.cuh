// What Hopper (9.0) has beyond Ampere: products by four warps together, straight from shared memory (PTX ISA, "wgmma").
// Kernels that have another way use it elsewhere. For kernels of Hopper alone the host has the same instructions, which are
// done when they are called.
#pragma once

#include "common.cuh"

// Swizzled rows of 128 bytes repeat after 8 of them: tiles begin at 1024 bytes. The caller asks for as much more.
__device__ __forceinline__ narrow *aligned_1024(narrow *p)
{
    return p + ((1024 - (uintptr_t)p % 1024) % 1024) / sizeof(narrow);
}

// Where eight values from `column` on, a multiple of 8, of a row in shared memory begin. Rows are 128 bytes; their pieces
// of 16 change places from row to row, so that neither copies nor matrix_load meet in a bank. wgmma reads them so too.
constexpr int DEPTH = 64;
__device__ __forceinline__ int place_of(int row, int column) { return row * DEPTH + ((column / 8 ^ row % 8) * 8); }

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define HAS_WGMMA

// Rows of 64 narrow values with their pieces of 16 bytes swizzled, 8 rows behind each other: the address, the distance of 8
// rows, both in 16 bytes, and 1 for this way of swizzling.
__device__ __forceinline__ uint64_t wgmma_matrix(const narrow *rows)
{
    const uint64_t address = (uint64_t)__cvta_generic_to_shared(rows);
    return (address & 0x3ffff) >> 4 | (uint64_t)1 << 16 | (uint64_t)(1024 >> 4) << 32 | (uint64_t)1 << 62;
}
__device__ __forceinline__ void wgmma_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void wgmma_group() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
// Until no more than the last N groups are left.
template <int N> __device__ __forceinline__ void wgmma_wait() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory"); }
// What a product in its own time writes is not to be read before a wait that stands above this.
template <int COLUMNS> __device__ __forceinline__ void wgmma_done(float (&d)[COLUMNS][4])
{
#pragma unroll
    for (int j = 0; j < COLUMNS; j++)
        asm volatile("" : "+f"(d[j][0]), "+f"(d[j][1]), "+f"(d[j][2]), "+f"(d[j][3])::"memory");
}
// What this thread has written to shared memory may be read by wgmma, after a barrier.
__device__ __forceinline__ void shared_to_wgmma() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// d[64][COLUMNS] += a[64][16] b[COLUMNS][16]^T; a warp has 16 of the rows, each 8 columns as mma_16816 leaves them.
template <int COLUMNS> __device__ __forceinline__ void wgmma_64_16(float (&d)[COLUMNS / 8][4], const narrow *a, const narrow *b);

#define SUMS_4(j) "+f"(d[j][0]), "+f"(d[j][1]), "+f"(d[j][2]), "+f"(d[j][3])
#define SUMS_32(j)                                                                                                     \
    SUMS_4(j), SUMS_4(j + 1), SUMS_4(j + 2), SUMS_4(j + 3), SUMS_4(j + 4), SUMS_4(j + 5), SUMS_4(j + 6), SUMS_4(j + 7)
template <> __device__ __forceinline__ void wgmma_64_16<64>(float (&d)[8][4], const narrow *a, const narrow *b)
{
    asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
                 "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,"
                 "%28,%29,%30,%31}, %32, %33, 1, 1, 1, 0, 0;"
                 : SUMS_32(0)
                 : "l"(wgmma_matrix(a)), "l"(wgmma_matrix(b)));
}
template <> __device__ __forceinline__ void wgmma_64_16<128>(float (&d)[16][4], const narrow *a, const narrow *b)
{
    asm volatile("wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
                 "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,"
                 "%28,%29,%30,%31,%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,"
                 "%54,%55,%56,%57,%58,%59,%60,%61,%62,%63}, %64, %65, 1, 1, 1, 0, 0;"
                 : SUMS_32(0), SUMS_32(8)
                 : "l"(wgmma_matrix(a)), "l"(wgmma_matrix(b)));
}
// d[64][64] += a[64][16] b[16][64]: a warp's 16 rows of the left factor as mma_16816 has them, the right one's rows as they
// lie in shared memory.
__device__ __forceinline__ void wgmma_rows_64(float (&d)[8][4], const uint32_t (&a)[4], const narrow *b)
{
    asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
                 "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,"
                 "%28,%29,%30,%31}, {%32,%33,%34,%35}, %36, 1, 1, 1, 1;"
                 : SUMS_32(0)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(wgmma_matrix(b)));
}
#elif !defined(__CUDACC__)
inline void wgmma_begin() {}
inline void wgmma_group() {}
template <int N> inline void wgmma_wait() {}
template <int COLUMNS> inline void wgmma_done(float (&)[COLUMNS][4]) {}
inline void shared_to_wgmma() {}

// `to` [16 rows of this warp][COLUMNS] as mma_16816 leaves them: this lane's values.
template <int COLUMNS, class Value> inline void cuda_on_cpu_wgmma(float (&d)[COLUMNS][4], Value product)
{
    const int lane = threadIdx.x % 32;
    for (int j = 0; j < COLUMNS; j++)
        for (int i = 0; i < 4; i++)
            d[j][i] += product(lane / 4 + i / 2 * 8, 8 * j + lane % 4 * 2 + i % 2);
}
template <int COLUMNS> inline void wgmma_64_16(float (&d)[COLUMNS / 8][4], const narrow *a, const narrow *b)
{
    // Both begin in the first of 8 rows, at a piece of 16 bytes: its place in the row is that of every row, swizzled.
    const auto value = [](const narrow *first, int row, int k) {
        const int column = (int)((uintptr_t)first % 128 / sizeof(narrow)) + k;
        const narrow *const rows = first - (uintptr_t)first % 128 / sizeof(narrow);
        return __bfloat162float(rows[place_of(row, column / 8 * 8) + column % 8]);
    };
    const int first_row = threadIdx.x / 32 % 4 * 16;
    cuda_on_cpu_wgmma(d, [&](int row, int column) {
        float sum = 0.0f;
        for (int k = 0; k < 16; k++)
            sum += value(a, first_row + row, k) * value(b, column, k);
        return sum;
    });
}
inline void wgmma_rows_64(float (&d)[8][4], const uint32_t (&a)[4], const narrow *b)
{
    float rows[2][16]; // of the warp's left factor: this lane's, from its neighbours
    for (int i = 0; i < 4; i++)
        for (int from = 0; from < 4; from++) {
            const uint32_t word = __shfl_sync(~0u, a[i], threadIdx.x % 32 / 4 * 4 + from);
            for (int h = 0; h < 2; h++)
                rows[i % 2][i / 2 * 8 + from * 2 + h] = __bfloat162float({(uint16_t)(word >> 16 * h)});
        }
    cuda_on_cpu_wgmma(d, [&](int row, int column) {
        float sum = 0.0f;
        for (int k = 0; k < 16; k++)
            sum += rows[row / 8][k] * __bfloat162float(b[place_of(k, column / 8 * 8) + column % 8]);
        return sum;
    });
}
#endif
