/* A libcuda.so.1 that stands before NVIDIA's and says at the program's end where its time went: for each kernel its
 * launches and its time on the device, by events around every launch; for copies and waits the host's time in them.
 *
 *     SOWLV2_CUDA_GRAPHS=off LD_LIBRARY_PATH=build/bench/profile build/bench/bench_gpu_models cuda bf16 - - VJEPA 20
 * vjepa2_16
 *
 * SOWLV2_REAL_DRIVER names NVIDIA's library where it lies elsewhere. Events cost about 2 us of host time a launch, so
 * the whole is slower than without; what a graph launches is not seen. x86-64 and GCC or Clang: what is not measured
 * jumps on as it is. */
#include "ops/cuda/driver.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct CUevent_st *cu_event;

enum { MAX_KERNELS = 512, MAX_PENDING = 8192, MAX_ROWS = 12 };

#define REAL(member, symbol, parameters)                                                                               \
    extern void *real_##symbol;                                                                                        \
    void *real_##symbol;                                                                                               \
    __attribute__((visibility("default"))) cu_result symbol parameters;
CUDA_DRIVER_ENTRIES(REAL)
static cu_result (*event_create)(cu_event *event, unsigned flags);
static cu_result (*event_record)(cu_event event, cu_stream stream);
static cu_result (*event_elapsed)(float *milliseconds, cu_event from, cu_event to);
static cu_result (*event_wait)(cu_event event);

static struct kernel {
    cu_function function;
    char name[96];
    long launches;
    double milliseconds;
} kernels[MAX_KERNELS];
static struct {
    const char *name;
    long calls;
    double milliseconds;
} calls[] = {{"launch", 0, 0}, {"copy to device", 0, 0}, {"copy to host", 0, 0}, {"wait", 0, 0}};
static int kernel_count;
static struct {
    struct kernel *kernel;
    cu_event from, to;
} pending[MAX_PENDING];
static int pending_count;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static double began;

static double milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e3 * (double)now.tv_sec + 1e-6 * (double)now.tv_nsec;
}

static void settle(void)
{
    for (int i = 0; i < pending_count; i++) {
        float took = 0;
        event_wait(pending[i].to);
        if (event_elapsed(&took, pending[i].from, pending[i].to) == CU_SUCCESS)
            pending[i].kernel->milliseconds += (double)took;
    }
    pending_count = 0;
}

static int by_time(const void *a, const void *b)
{
    const double x = ((const struct kernel *)a)->milliseconds, y = ((const struct kernel *)b)->milliseconds;
    return (x < y) - (x > y);
}

/* The program's own end frees its context first: what it had launched was settled by its last wait. */
static void tell(void)
{
    const double whole = milliseconds() - began;
    double sum = 0;
    for (int i = 0; i < kernel_count; i++)
        sum += kernels[i].milliseconds;
    qsort(kernels, (size_t)kernel_count, sizeof(kernels[0]), by_time);
    fprintf(stderr, "profile: %.1f ms since the first launch, kernels %.1f ms of it\n", whole, sum);
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        fprintf(stderr, "  host, %-16s %8ld calls %10.2f ms\n", calls[i].name, calls[i].calls, calls[i].milliseconds);
    for (int i = 0; i < kernel_count && i < MAX_ROWS && kernels[i].launches > 0; i++) {
        fprintf(stderr, "  %5.1f %%  %8ld launches %10.2f ms  %9.2f us each  %s\n", 100 * kernels[i].milliseconds / sum,
                kernels[i].launches, kernels[i].milliseconds,
                1e3 * kernels[i].milliseconds / (double)kernels[i].launches, kernels[i].name);
    }
}

__attribute__((constructor)) static void start(void)
{
    static const char *const places[] = {"/usr/lib/x86_64-linux-gnu/libcuda.so.1", "/usr/lib64/libcuda.so.1",
                                         "/usr/local/nvidia/lib64/libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1"};
    const char *const named = getenv("SOWLV2_REAL_DRIVER");
    void *library = named ? dlopen(named, RTLD_NOW | RTLD_LOCAL) : NULL;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && !library; i++)
        library = dlopen(places[i], RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "profile: NVIDIA's libcuda.so.1 is not where it usually is: name it by SOWLV2_REAL_DRIVER\n");
        exit(1);
    }
#define FIND(member, symbol, parameters) real_##symbol = dlsym(library, #symbol);
    CUDA_DRIVER_ENTRIES(FIND)
    *(void **)&event_create = dlsym(library, "cuEventCreate");
    *(void **)&event_record = dlsym(library, "cuEventRecord");
    *(void **)&event_elapsed = dlsym(library, "cuEventElapsedTime");
    *(void **)&event_wait = dlsym(library, "cuEventSynchronize");
    atexit(tell);
}

/* What is measured is measured_NAME; all else jumps on. */
#define CALL(index, symbol, type, ...)                                                                                 \
    const double from = milliseconds();                                                                                \
    const cu_result result = ((cu_result(*) type)real_##symbol)(__VA_ARGS__);                                          \
    pthread_mutex_lock(&mutex);                                                                                        \
    calls[index].calls++;                                                                                              \
    calls[index].milliseconds += milliseconds() - from;                                                                \
    pthread_mutex_unlock(&mutex);                                                                                      \
    return result

cu_result cuMemcpyHtoDAsync_v2(cu_pointer to, const void *from_host, size_t bytes, cu_stream stream)
{
    CALL(1, cuMemcpyHtoDAsync_v2, (cu_pointer, const void *, size_t, cu_stream), to, from_host, bytes, stream);
}

cu_result cuMemcpyDtoHAsync_v2(void *to, cu_pointer from_device, size_t bytes, cu_stream stream)
{
    CALL(2, cuMemcpyDtoHAsync_v2, (void *, cu_pointer, size_t, cu_stream), to, from_device, bytes, stream);
}

cu_result cuStreamSynchronize(cu_stream stream)
{
    const double from = milliseconds();
    const cu_result result = ((cu_result(*)(cu_stream))real_cuStreamSynchronize)(stream);
    pthread_mutex_lock(&mutex);
    calls[3].calls++;
    calls[3].milliseconds += milliseconds() - from;
    settle();
    pthread_mutex_unlock(&mutex);
    return result;
}

cu_result cuModuleGetFunction(cu_function *function, cu_module module, const char *name)
{
    const cu_result result =
        ((cu_result(*)(cu_function *, cu_module, const char *))real_cuModuleGetFunction)(function, module, name);
    pthread_mutex_lock(&mutex);
    if (result == CU_SUCCESS && kernel_count < MAX_KERNELS) {
        kernels[kernel_count].function = *function;
        snprintf(kernels[kernel_count++].name, sizeof(kernels[0].name), "%s", name);
    }
    pthread_mutex_unlock(&mutex);
    return result;
}

cu_result cuLaunchKernel(cu_function function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                         unsigned block_y, unsigned block_z, unsigned shared_bytes, cu_stream stream, void **parameters,
                         void **extra)
{
    static cu_event events[2 * MAX_PENDING];
    static int event_count;
    pthread_mutex_lock(&mutex);
    if (began == 0)
        began = milliseconds();
    struct kernel *kernel = NULL;
    for (int i = 0; i < kernel_count && !kernel; i++)
        if (kernels[i].function == function)
            kernel = &kernels[i];
    if (pending_count == MAX_PENDING)
        settle();
    for (; event_count < 2 * pending_count + 2; event_count++)
        event_create(&events[event_count], 0);
    const cu_event *const pair = &events[(size_t)2 * (size_t)pending_count];
    event_record(pair[0], stream);
    const double from = milliseconds();
    const cu_result result = ((cu_result(*)(cu_function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                                            unsigned, cu_stream, void **, void **))real_cuLaunchKernel)(
        function, grid_x, grid_y, grid_z, block_x, block_y, block_z, shared_bytes, stream, parameters, extra);
    calls[0].milliseconds += milliseconds() - from;
    calls[0].calls++;
    event_record(pair[1], stream);
    if (kernel && result == CU_SUCCESS) {
        kernel->launches++;
        pending[pending_count].kernel = kernel;
        pending[pending_count].from = pair[0];
        pending[pending_count++].to = pair[1];
    }
    pthread_mutex_unlock(&mutex);
    return result;
}

#define ONWARD(symbol)                                                                                                 \
    __asm__(".globl " #symbol "\n.type " #symbol ", @function\n" #symbol ":\n\tmovq real_" #symbol                     \
            "@GOTPCREL(%rip), %rax\n\tjmp *(%rax)\n");
ONWARD(cuInit)
ONWARD(cuDriverGetVersion)
ONWARD(cuGetErrorName)
ONWARD(cuGetErrorString)
ONWARD(cuDeviceGetCount)
ONWARD(cuDeviceGet)
ONWARD(cuDeviceGetName)
ONWARD(cuDeviceGetAttribute)
ONWARD(cuDeviceTotalMem_v2)
ONWARD(cuDevicePrimaryCtxRetain)
ONWARD(cuDevicePrimaryCtxRelease_v2)
ONWARD(cuCtxSetCurrent)
ONWARD(cuCtxGetCurrent)
ONWARD(cuModuleLoadData)
ONWARD(cuModuleUnload)
ONWARD(cuFuncSetAttribute)
ONWARD(cuMemAlloc_v2)
ONWARD(cuMemFree_v2)
ONWARD(cuMemGetInfo_v2)
ONWARD(cuMemHostAlloc)
ONWARD(cuMemFreeHost)
ONWARD(cuStreamCreate)
ONWARD(cuStreamDestroy_v2)
ONWARD(cuMemsetD8Async)
ONWARD(cuGraphCreate)
ONWARD(cuGraphAddKernelNode_v2)
ONWARD(cuGraphInstantiateWithFlags)
ONWARD(cuGraphLaunch)
ONWARD(cuGraphDestroy)
ONWARD(cuGraphExecKernelNodeSetParams_v2)
ONWARD(cuGraphExecDestroy)
