// Runs CUDA kernels as C++ on the host. A block is one OS thread; its CUDA threads are fibers that switch where they
// wait for each other, so that barriers, shuffles and a warp's products mean what they mean on a device. Shared memory
// of a block is the OS thread's. A kernel whose threads wait at different barriers ends the process with a message; one
// that lacks a barrier gives another result when its lanes run in the other order (cuda_on_cpu_order).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

struct uint3 {
    unsigned x, y, z;
};
struct dim3 {
    unsigned x, y, z;
};
struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};

struct __nv_bfloat16 {
    uint16_t bits;
};
static inline float __bfloat162float(__nv_bfloat16 value)
{
    const uint32_t bits = (uint32_t)value.bits << 16;
    float out;
    memcpy(&out, &bits, sizeof(out));
    return out;
}
static inline __nv_bfloat16 __float2bfloat16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    if ((bits & 0x7fffffff) > 0x7f800000)
        return {0x7fff};
    return {(uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

#define __expf(x) expf(x)
#define __fdividef(x, y) ((x) / (y))
static inline float power_of_2(float x)
{
    const float out = std::exp2(x);
    return out < 0x1p-126f ? 0.0f : out;
}
static inline uint32_t round_pair(float low, float high)
{
    return __float2bfloat16(low).bits | (uint32_t)__float2bfloat16(high).bits << 16;
}

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __shared__ static thread_local
#define SHARED_DYNAMIC(type, name) type *const name = reinterpret_cast<type *>(cuda_on_cpu::block->dynamic)

namespace cuda_on_cpu
{

struct barrier {
    int arrived = 0, generation = 0;
};

// 16 bytes on their way to shared memory.
struct copy {
    void *to;
    const void *from;
    int group;
};

struct fiber {
    void *stack_pointer;
    char *stack;
    uint3 thread;
    int lane, warp;
    bool done;
    const barrier *waits; // until its generation is another one
    int generation;
    std::vector<copy> copies;
    int groups; // begun
};

struct warp {
    barrier b;
    int live;
    alignas(64) uint32_t slot[2][32][12]; // what lanes hand each other, of this exchange and the one before
    uint32_t result[32][4];
};

struct block_state {
    dim3 grid, size;
    uint3 index;
    int live;
    barrier b;
    char *dynamic;
    void *scheduler;
    std::vector<fiber> fibers;
    std::vector<warp> warps;
    void (*kernel)(const void *);
    const void *arguments;
};

extern thread_local block_state *block;
extern thread_local fiber *now;

void leave_block(); // back to the scheduler, which goes on with another fiber

template <class Last> inline void wait(barrier &b, int expected, Last last) // `last` is run once, by the last to come
{
    if (++b.arrived == expected) {
        last();
        b.arrived = 0;
        b.generation++;
        return;
    }
    now->waits = &b;
    now->generation = b.generation;
    leave_block();
}

inline warp &own_warp()
{
    return block->warps[now->warp];
}

template <class T> T exchange(T value, int from)
{
    warp &w = own_warp();
    auto &slot = w.slot[w.b.generation & 1];
    memcpy(slot[now->lane], &value, sizeof(value));
    wait(w.b, w.live, [] {});
    memcpy(&value, slot[from], sizeof(value));
    return value;
}

// Runs every block of a grid. `order` 1: lanes and warps from the last to the first.
void launch(void (*kernel)(const void *), dim3 grid, dim3 size, size_t dynamic_bytes, const void *arguments);
extern int order;

} // namespace cuda_on_cpu

#define threadIdx (cuda_on_cpu::now->thread)
#define blockIdx (cuda_on_cpu::block->index)
#define blockDim (cuda_on_cpu::block->size)
#define gridDim (cuda_on_cpu::block->grid)

inline void __syncthreads()
{
    cuda_on_cpu::wait(
        cuda_on_cpu::block->b, cuda_on_cpu::block->live, [] {});
}
inline void __syncwarp()
{
    cuda_on_cpu::warp &w = cuda_on_cpu::own_warp();
    cuda_on_cpu::wait(w.b, w.live, [] {});
}
template <class T> T __shfl_xor_sync(unsigned, T value, int mask)
{
    return cuda_on_cpu::exchange(value, cuda_on_cpu::now->lane ^ mask);
}
template <class T> T __shfl_sync(unsigned, T value, int lane)
{
    return cuda_on_cpu::exchange(value, lane & 31);
}

inline int atomicAdd(int *p, int value)
{
    return __atomic_fetch_add(p, value, __ATOMIC_RELAXED);
}
inline int atomicCAS(int *p, int expected, int value)
{
    __atomic_compare_exchange_n(p, &expected, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return expected;
}
inline int atomicMin(int *p, int value)
{
    int old = __atomic_load_n(p, __ATOMIC_RELAXED);
    while (old > value && !__atomic_compare_exchange_n(p, &old, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
    return old;
}

// m16n8k16 of bfloat16 with sums in f32: the last lane to come computes all lanes' parts.
inline void mma_16816(float d[4], const uint32_t a[4], const uint32_t b[2])
{
    cuda_on_cpu::warp &w = cuda_on_cpu::own_warp();
    auto &s = w.slot[w.b.generation & 1];
    const int lane = cuda_on_cpu::now->lane;
    memcpy(s[lane], a, 16);
    memcpy(s[lane] + 4, b, 8);
    memcpy(s[lane] + 6, d, 16);
    cuda_on_cpu::wait(w.b, w.live, [&] {
        float A[16][16], B[16][8], D[16][8];
        const auto half = [](uint32_t word, int h) { return __bfloat162float({(uint16_t)(word >> 16 * h)}); };
        for (int l = 0; l < 32; l++)
            for (int h = 0; h < 2; h++) {
                const int g = l / 4, t = l % 4 * 2 + h;
                A[g][t] = half(s[l][0], h);
                A[g + 8][t] = half(s[l][1], h);
                A[g][t + 8] = half(s[l][2], h);
                A[g + 8][t + 8] = half(s[l][3], h);
                B[t][g] = half(s[l][4], h);
                B[t + 8][g] = half(s[l][5], h);
                memcpy(&D[g][t], s[l] + 6 + h, 4);
                memcpy(&D[g + 8][t], s[l] + 8 + h, 4);
            }
        for (int i = 0; i < 16; i++)
            for (int k = 0; k < 16; k++)
                for (int j = 0; j < 8; j++)
                    D[i][j] += A[i][k] * B[k][j];
        for (int l = 0; l < 32; l++)
            for (int h = 0; h < 2; h++) {
                memcpy(&w.result[l][h], &D[l / 4][l % 4 * 2 + h], 4);
                memcpy(&w.result[l][2 + h], &D[l / 4 + 8][l % 4 * 2 + h], 4);
            }
    });
    memcpy(d, w.result[lane], 16);
}

// cp.async: as late as may be. What is waited for by nobody never comes.
inline void copy_begin_16(void *to, const void *from, bool there)
{
    if ((uintptr_t)to % 16 != 0 || (uintptr_t)from % 16 != 0) {
        fprintf(stderr, "cuda on cpu: cp.async from or to what does not begin at 16 bytes\n");
        abort();
    }
    cuda_on_cpu::now->copies.push_back({to, there ? from : nullptr, cuda_on_cpu::now->groups});
}
inline void copies_group()
{
    cuda_on_cpu::now->groups++;
}
template <int N> void copies_wait()
{
    auto &copies = cuda_on_cpu::now->copies;
    size_t kept = 0;
    for (const cuda_on_cpu::copy &copy : copies)
        if (copy.group >= cuda_on_cpu::now->groups - N)
            copies[kept++] = copy;
        else if (copy.from)
            memcpy(copy.to, copy.from, 16);
        else
            memset(copy.to, 0, 16);
    copies.resize(kept);
}

// ldmatrix x4: lane i gives row i % 8 of matrix i / 8. It must begin at 16 bytes.
inline void cuda_on_cpu_matrices(uint32_t r[4], const __nv_bfloat16 *row, bool transposed)
{
    cuda_on_cpu::warp &w = cuda_on_cpu::own_warp();
    auto &s = w.slot[w.b.generation & 1];
    const int lane = cuda_on_cpu::now->lane;
    if ((uintptr_t)row % 16 != 0) {
        fprintf(stderr, "cuda on cpu: ldmatrix reads a row that does not begin at 16 bytes\n");
        abort();
    }
    memcpy(s[lane], &row, sizeof(row));
    cuda_on_cpu::wait(w.b, w.live, [&] {
        for (int m = 0; m < 4; m++) {
            const __nv_bfloat16 *rows[8];
            for (int i = 0; i < 8; i++)
                memcpy(&rows[i], s[8 * m + i], sizeof(rows[i]));
            for (int l = 0; l < 32; l++) {
                const int i = l / 4, j = l % 4 * 2;
                const uint16_t low = transposed ? rows[j][i].bits : rows[i][j].bits;
                const uint16_t high = transposed ? rows[j + 1][i].bits : rows[i][j + 1].bits;
                w.result[l][m] = low | (uint32_t)high << 16;
            }
        }
    });
    memcpy(r, w.result[lane], 16);
}
inline void matrix_load(uint32_t r[4], const __nv_bfloat16 *row)
{
    cuda_on_cpu_matrices(r, row, false);
}
inline void matrix_load_transposed(uint32_t r[4], const __nv_bfloat16 *row)
{
    cuda_on_cpu_matrices(r, row, true);
}
