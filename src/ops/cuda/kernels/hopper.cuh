// What Hopper (9.0) has beyond Ampere: products by four warps together, straight from shared memory (PTX ISA, "wgmma").
// Elsewhere, and on the host, kernels use what common.cuh has.
#pragma once

#include "common.cuh"

// Swizzled rows of 128 bytes repeat after 8 of them: tiles begin at 1024 bytes. The caller asks for as much more.
__device__ __forceinline__ narrow *aligned_1024(narrow *p)
{
    return p + ((1024 - (uintptr_t)p % 1024) % 1024) / sizeof(narrow);
}

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
__device__ __forceinline__ void wgmma_wait() { asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory"); }
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
#endif
