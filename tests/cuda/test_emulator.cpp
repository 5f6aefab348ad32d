// The emulation itself: what is right gives one result in both orders of lanes; what lacks a barrier does not; what
// waits at different barriers ends the process.
#include "cuda_on_cpu.h"

#include <sys/wait.h>
#include <unistd.h>

struct arguments {
    const float *x;
    float *out;
    int count;
};

// The sum of a block's values through shared memory.
template <bool BARRIER> static void sum(const void *given)
{
    const arguments &a = *(const arguments *)given;
    __shared__ float parts[8];
    float value = threadIdx.x < (unsigned)a.count ? a.x[threadIdx.x] : 0.0f;
    for (int step = 16; step > 0; step /= 2)
        value += __shfl_xor_sync(~0u, value, step);
    if (threadIdx.x % 32 == 0)
        parts[threadIdx.x / 32] = value;
    if (BARRIER)
        __syncthreads();
    value = 0.0f;
    for (unsigned i = 0; i < blockDim.x / 32; i++)
        value += parts[i];
    a.out[threadIdx.x] = value;
}

// The second half of the block does not come to the barrier, and goes on to another one.
static void part_ways(const void *)
{
    if (threadIdx.x < 16)
        __syncwarp();
    else
        __syncthreads();
}

// Rows of small numbers: every product and sum is exact.
static void multiply(const void *given)
{
    const arguments &a = *(const arguments *)given;
    __shared__ __align__(16) __nv_bfloat16 left[16 * 16];
    __shared__ __align__(16) __nv_bfloat16 right[16 * 16];
    const int lane = threadIdx.x;
    for (int i = lane; i < 256; i += 32) {
        left[i] = __float2bfloat16(a.x[i]);
        right[i] = __float2bfloat16(a.x[256 + i]);
    }
    __syncthreads();
    uint32_t x[4], w[4];
    matrix_load(x, left + lane % 16 * 16 + lane / 16 * 8);
    matrix_load(w, right + (lane / 16 * 8 + lane % 8) * 16 + lane / 8 % 2 * 8);
    for (int part = 0; part < 2; part++) {
        float d[4] = {};
        mma_16816(d, x, w + 2 * part);
        for (int i = 0; i < 4; i++)
            a.out[(lane / 4 + i / 2 * 8) * 16 + part * 8 + lane % 4 * 2 + i % 2] = d[i];
    }
}

static int failures;
static void check(bool right, const char *what)
{
    printf("%s: %s\n", what, right ? "as it should be" : "WRONG");
    failures += !right;
}

static bool ends_the_process(void (*kernel)(const void *))
{
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        fclose(stderr);
        cuda_on_cpu::launch(kernel, {1, 1, 1}, {32, 1, 1}, 0, nullptr);
        _exit(0);
    }
    int status = 0;
    return waitpid(child, &status, 0) == child && WIFSIGNALED(status);
}

int main()
{
    float x[512], out[256], sums[2][2];
    for (int i = 0; i < 512; i++)
        x[i] = (float)(i % 7 - 3);
    const arguments a = {x, out, 256};
    float whole = 0.0f;
    for (int i = 0; i < 256; i++)
        whole += x[i];
    for (int order = 0; order < 2; order++) {
        cuda_on_cpu::order = order;
        bool same = true;
        cuda_on_cpu::launch(sum<true>, {3, 1, 1}, {256, 1, 1}, 0, &a);
        for (float value : out)
            same = same && value == whole;
        check(same, "a sum with its barrier");
        x[0] += 100.0f; // what an earlier block left must not pass
        cuda_on_cpu::launch(sum<false>, {1, 1, 1}, {256, 1, 1}, 0, &a);
        x[0] -= 100.0f;
        sums[order][0] = out[0];
        sums[order][1] = out[255];
        cuda_on_cpu::launch(multiply, {1, 1, 1}, {32, 1, 1}, 0, &a);
        bool exact = true;
        for (int i = 0; i < 16; i++)
            for (int j = 0; j < 16; j++) {
                float wanted = 0.0f;
                for (int k = 0; k < 16; k++)
                    wanted += x[i * 16 + k] * x[256 + j * 16 + k];
                exact = exact && out[i * 16 + j] == wanted;
            }
        check(exact, "a product by a warp");
    }
    check(sums[0][0] != whole + 100.0f || sums[0][1] != whole + 100.0f || sums[1][0] != whole + 100.0f ||
              sums[1][1] != whole + 100.0f,
          "a sum without its barrier is seen");
    check(ends_the_process(part_ways), "threads at different barriers end the process");
    return failures != 0;
}
