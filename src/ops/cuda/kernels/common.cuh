// What all kernels share. Tests compile these files as C++ for the host too: then cuda_on_cpu.h stands for the device.
#pragma once

#include "../arguments.h"

#ifdef __CUDACC__
#include <cuda_bf16.h>
#define SHARED_DYNAMIC(type, name)                                                                                     \
    extern __shared__ __align__(16) unsigned char dynamic_shared[];                                                    \
    type *const name = reinterpret_cast<type *>(dynamic_shared)
#else
#include "cuda_on_cpu.h"
#endif

typedef __nv_bfloat16 narrow;

// ---- elements ----

__device__ __forceinline__ float load(const float *p) { return *p; }
__device__ __forceinline__ float load(const narrow *p) { return __bfloat162float(*p); }
__device__ __forceinline__ void store(float *p, float value) { *p = value; }
__device__ __forceinline__ void store(narrow *p, float value) { *p = __float2bfloat16(value); }

__device__ __forceinline__ float rounded(float value) { return __bfloat162float(__float2bfloat16(value)); }
// As a factor of a product.
template <bool ROUNDED> __device__ __forceinline__ float factor(float value) { return ROUNDED ? rounded(value) : value; }

// Two values as one word, the first in the lower half.
__device__ __forceinline__ uint32_t pack(float low, float high)
{
    const narrow l = __float2bfloat16(low), h = __float2bfloat16(high);
    uint16_t bits[2];
    memcpy(&bits[0], &l, 2);
    memcpy(&bits[1], &h, 2);
    return bits[0] | (uint32_t)bits[1] << 16;
}

// Four values in a row, that begin at 16 bytes, or narrow at 8.
struct __align__(8) four_narrow {
    uint32_t word[2];
};
__device__ __forceinline__ void load_4(float v[4], const float *p)
{
    const float4 all = *(const float4 *)p;
    v[0] = all.x, v[1] = all.y, v[2] = all.z, v[3] = all.w;
}
__device__ __forceinline__ void load_4(float v[4], const narrow *p)
{
    const four_narrow all = *(const four_narrow *)p;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const uint32_t bits = i % 2 == 0 ? all.word[i / 2] << 16 : all.word[i / 2] & 0xffff0000;
        memcpy(&v[i], &bits, sizeof(bits));
    }
}
__device__ __forceinline__ void store_4(float *p, const float v[4]) { *(float4 *)p = {v[0], v[1], v[2], v[3]}; }
__device__ __forceinline__ void store_4(narrow *p, const float v[4])
{
    *(four_narrow *)p = {{pack(v[0], v[1]), pack(v[2], v[3])}};
}

__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// enum activation of ops.h
__device__ __forceinline__ float activate(int activation, float x)
{
    switch (activation) {
    case 1: return x < 0.0f ? 0.0f : x;
    case 2: return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
    case 3: return 0.5f * x * (1.0f + tanhf(0.79788456080286536f * (x + 0.044715f * x * x * x)));
    case 4: return x * sigmoid(1.702f * x);
    case 5: return sigmoid(x);
    default: return x;
    }
}

// The same where what is multiplied is rounded anyway: the exponential is off by a few units in the last place.
template <int ACTIVATION> __device__ __forceinline__ float activate_fast(float x)
{
    switch (ACTIVATION) {
    case 3: { // tanh(u) = 1 - 2 / (1 + e^2u)
        const float u = 0.79788456080286536f * (x + 0.044715f * x * x * x);
        return x - __fdividef(x, 1.0f + __expf(2.0f * u));
    }
    case 4: return __fdividef(x, 1.0f + __expf(-1.702f * x));
    case 5: return __fdividef(1.0f, 1.0f + __expf(-x));
    default: return activate(ACTIVATION, x);
    }
}

// ---- counting ----

// i of every element that this thread does
#define FOR_EACH(i, count)                                                                                             \
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < (count); i += (int64_t)gridDim.x * blockDim.x)

struct quotient {
    int64_t whole, rest;
};
// 64-bit division takes five times as long.
__device__ __forceinline__ quotient divide(int64_t value, int64_t by)
{
    if (((value | by) >> 31) == 0) {
        const uint32_t whole = (uint32_t)value / (uint32_t)by;
        return {whole, (uint32_t)value - whole * (uint32_t)by};
    }
    return {value / by, value % by};
}

// ---- sums and maxima of a warp, and of a block of whole warps ----

__device__ __forceinline__ float warp_sum(float value)
{
    for (int step = 16; step > 0; step /= 2)
        value += __shfl_xor_sync(~0u, value, step);
    return value;
}

// NaN where one is.
__device__ __forceinline__ float larger(float a, float b) { return a > b || a != a ? a : b; }

__device__ __forceinline__ float warp_max(float value)
{
    for (int step = 16; step > 0; step /= 2)
        value = larger(value, __shfl_xor_sync(~0u, value, step));
    return value;
}

// ---- single instructions ----

#ifdef __CUDACC__
// 2^x, good to 2 units in the last place; 0 instead of denormal numbers.
__device__ __forceinline__ float power_of_2(float x)
{
    float out;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(out) : "f"(x));
    return out;
}
// Two values as one word, the first in the lower half: as pack().
__device__ __forceinline__ uint32_t round_pair(float low, float high)
{
    uint32_t out;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(out) : "f"(high), "f"(low));
    return out;
}
#endif

// ---- products of small matrices by a warp ----

#ifdef __CUDACC__
// d[16][8] += a[16][16] b[16][8], parts as the instruction has them.
__device__ __forceinline__ void mma_16816(float d[4], const uint32_t a[4], const uint32_t b[2])
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
// Four matrices of 8 x 8 from shared memory: lane i gives row i % 8 of matrix i / 8, at 16 bytes.
__device__ __forceinline__ void matrix_load(uint32_t r[4], const narrow *row)
{
    const uint32_t address = (uint32_t)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address));
}
__device__ __forceinline__ void matrix_load_transposed(uint32_t r[4], const narrow *row)
{
    const uint32_t address = (uint32_t)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address));
}
// 16 bytes to shared memory, 0 where they are not `there`: begun here, done at the latest when copies_wait<N>() leaves no
// more than the last N groups.
__device__ __forceinline__ void copy_begin_16(void *to, const void *from, bool there)
{
    const uint32_t address = (uint32_t)__cvta_generic_to_shared(to);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from), "r"(there ? 16 : 0)
                 : "memory");
}
__device__ __forceinline__ void copies_group() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int N> __device__ __forceinline__ void copies_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory"); }
#endif

// Where lane reads for a 16 x 16 part that is a left factor, and for two 8-wide parts of a right one whose rows are
// columns (as of a weight), or rows (as of values; transposed).
__device__ __forceinline__ int left_row(int lane) { return lane % 16; }
__device__ __forceinline__ int left_column(int lane) { return lane / 16 * 8; }
__device__ __forceinline__ int right_row(int lane) { return lane / 16 * 8 + lane % 8; }
__device__ __forceinline__ int right_column(int lane) { return lane / 8 % 2 * 8; }

// Eight values in a row to shared memory as narrow ones; `count` of them are there, the rest is 0.
__device__ __forceinline__ void put_8(narrow *to, const float *from, int64_t count, bool vector)
{
    uint32_t words[4];
    if (vector && count >= 8) {
        const float4 low = *(const float4 *)from, high = *(const float4 *)(from + 4);
        words[0] = pack(low.x, low.y);
        words[1] = pack(low.z, low.w);
        words[2] = pack(high.x, high.y);
        words[3] = pack(high.z, high.w);
    } else {
        for (int i = 0; i < 4; i++)
            words[i] = pack(2 * i < count ? from[2 * i] : 0.0f, 2 * i + 1 < count ? from[2 * i + 1] : 0.0f);
    }
    *(uint4 *)to = {words[0], words[1], words[2], words[3]};
}
__device__ __forceinline__ void put_8(narrow *to, const narrow *from, int64_t count, bool vector)
{
    if (vector && count >= 8) {
        *(uint4 *)to = *(const uint4 *)from;
        return;
    }
    for (int i = 0; i < 8; i++)
        to[i] = i < count ? from[i] : __float2bfloat16(0.0f);
}
