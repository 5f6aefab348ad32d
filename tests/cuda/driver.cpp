// A CUDA driver without a GPU, as libcuda.so.1: devices whose memory is the host's and whose kernels are the
// set's own files, compiled for the host (cuda_on_cpu.h). It is as late as a driver may be: what a stream was given is
// done when somebody waits for it, in the order of that stream alone. New memory holds NaN, and lies between guards
// that are looked at when it is given back; the host cannot read or write it but through the driver. What a program may
// not do ends it with a message.
//
// The environment: CUDA_ON_CPU_ORDER=down lets lanes run from the last to the first, CUDA_ON_CPU_DEVICES (up to 8),
// CUDA_ON_CPU_MEMORY (MiB each) and CUDA_ON_CPU_CAPABILITY say what there is. What one device has no other can use.
// Tests ask and steer by cuda_on_cpu_*, found with dlsym.
#include "cuda_on_cpu.h"
#include "ops/cuda/arguments.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <set>
#include <string>
#include <sys/mman.h>

#define KERNEL_DECLARATION(file, name, arguments) extern "C" void name(const arguments a);
CUDA_KERNELS(KERNEL_DECLARATION)
#undef KERNEL_DECLARATION

struct CUfunc_st {
    const char *name;
    void (*kernel)(const void *);
    size_t argument_bytes;
    const char *file;
    size_t shared_limit;
    int device;
};

struct CUctx_st {
    int device, users;
};
struct CUmod_st;
struct CUstream_st;

namespace
{

enum result {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    INVALID_HANDLE = 400,
    NOT_FOUND = 500,
    LAUNCH_FAILED = 719,
};
constexpr size_t GUARD_BYTES = 256, SHARED_WITHOUT_ASKING = 48 << 10;
constexpr unsigned char GUARD = 0xA5, FRESH = 0xff;

constexpr int DEVICES = 8;
const CUfunc_st functions[] = {
#define KERNEL_ENTRY(file, name, arguments)                                                                            \
    {#name, [](const void *a) { name(*(const arguments *)a); }, sizeof(arguments), #file, SHARED_WITHOUT_ASKING, 0},
    CUDA_KERNELS(KERNEL_ENTRY)
#undef KERNEL_ENTRY
};

[[noreturn]] void die(const std::string &text)
{
    fprintf(stderr, "cuda on cpu: %s\n", text.c_str());
    abort();
}

std::recursive_mutex mutex; // of all that follows
bool started;
std::atomic<long> calls, fail_at{-1};
const char *failed_call = ""; // the last one that was made to fail
std::vector<CUfunc_st> functions_of[DEVICES];
struct allocation {
    size_t bytes;
    int device;
};
std::map<uintptr_t, allocation> allocations;  // of the devices
std::map<uintptr_t, size_t> host_allocations; // pinned
size_t allocated[DEVICES];
int running[DEVICES]; // streams: meanwhile its memory can be touched
long contexts;
std::set<CUmod_st *> modules;
std::set<CUstream_st *> streams;

size_t number(const char *name, size_t otherwise)
{
    const char *const text = getenv(name);
    return text ? strtoul(text, nullptr, 10) : otherwise;
}
size_t memory_limit = number("CUDA_ON_CPU_MEMORY", 4096) << 20;
int capability(int device)
{
    const char *of_each = getenv("CUDA_ON_CPU_CAPABILITY"); // "75,86": of a device each, the last one of all others
    for (int i = 0; of_each && i < device && strchr(of_each, ','); i++)
        of_each = strchr(of_each, ',') + 1;
    return of_each ? (int)strtoul(of_each, nullptr, 10) : 86;
}
size_t shared_bytes(int device)
{
    return (capability(device) >= 90 ? 227 : 99) << 10;
} // that a block may ask for

thread_local CUctx_st *current;

// Every call begins here: true where it is the one that is to fail.
bool fails_here(const char *function)
{
    const long call = calls++;
    if (call == fail_at)
        failed_call = function;
    return call == fail_at;
}
#define fails() fails_here(__func__)
#define MAY_FAIL(code)                                                                                                 \
    do {                                                                                                               \
        if (fails())                                                                                                   \
            return code;                                                                                               \
        if (!started)                                                                                                  \
            return NOT_INITIALIZED;                                                                                    \
    } while (0)
#define NEEDS_CONTEXT()                                                                                                \
    do {                                                                                                               \
        if (!current)                                                                                                  \
            return INVALID_CONTEXT;                                                                                    \
    } while (0)

size_t pages_of(size_t bytes)
{
    return (bytes + 2 * GUARD_BYTES + 4095) / 4096 * 4096;
}

void set_access(int device, bool allowed)
{
    for (const auto &entry : allocations)
        if (entry.second.device == device)
            mprotect((char *)entry.first - GUARD_BYTES, pages_of(entry.second.bytes),
                     allowed ? PROT_READ | PROT_WRITE : PROT_NONE);
}

void begin_run(int device)
{
    const std::lock_guard<std::recursive_mutex> lock(mutex);
    if (running[device]++ == 0)
        set_access(device, true);
}

void end_run(int device)
{
    const std::lock_guard<std::recursive_mutex> lock(mutex);
    if (--running[device] == 0)
        set_access(device, false);
}

// Whether all of it lies in the device's memory.
bool is_device(int device, uintptr_t address, size_t bytes)
{
    const std::lock_guard<std::recursive_mutex> lock(mutex);
    auto next = allocations.upper_bound(address);
    if (next == allocations.begin())
        return false;
    --next;
    return next->second.device == device && address - next->first + bytes <= next->second.bytes;
}

} // namespace

static CUctx_st context_of[DEVICES];
struct CUmod_st {
    int device;
};
struct CUstream_st {
    int device;
    std::mutex mutex; // one thread may wait for what another one queues
    std::vector<std::function<void()>> queue;
};

static void push(CUstream_st *stream, std::function<void()> work)
{
    if (stream->device != current->device)
        die("work for a stream of another device than the current one");
    const std::lock_guard<std::mutex> lock(stream->mutex);
    stream->queue.push_back(std::move(work));
}

struct kernel_node { // CUDA_KERNEL_NODE_PARAMS_v2
    CUfunc_st *function;
    unsigned grid_x, grid_y, grid_z, block_x, block_y, block_z, shared_bytes;
    void **parameters, **extra;
    void *kernel;
    CUctx_st *context;
};

// What runs the kernel, with the arguments as they are now.
static int make_launch(const kernel_node &node, std::function<void()> *work)
{
    const CUfunc_st *const function = node.function;
    if (function->device != current->device)
        die(std::string(function->name) + " of another device than the current one is launched");
    const uint64_t threads = (uint64_t)node.block_x * node.block_y * node.block_z;
    if (node.grid_x == 0 || node.grid_y == 0 || node.grid_z == 0 || node.grid_x > INT32_MAX || node.grid_y > 65535 ||
        node.grid_z > 65535 || threads == 0 || threads > 1024 || node.shared_bytes > function->shared_limit) {
        fprintf(stderr, "cuda on cpu: %s: a grid of %u x %u x %u, blocks of %u, %u bytes of shared memory\n",
                function->name, node.grid_x, node.grid_y, node.grid_z, (unsigned)threads, node.shared_bytes);
        return INVALID_VALUE;
    }
    const std::vector<char> arguments((const char *)node.parameters[0],
                                      (const char *)node.parameters[0] + function->argument_bytes);
    const dim3 grid{node.grid_x, node.grid_y, node.grid_z}, block{node.block_x, node.block_y, node.block_z};
    *work = [=, shared_bytes = node.shared_bytes] {
        alignas(16) char copy[4096];
        memcpy(copy, arguments.data(), arguments.size());
        cuda_on_cpu::launch(function->kernel, grid, block, shared_bytes, copy);
    };
    return SUCCESS;
}

struct CUgraph_st;
struct CUgraphNode_st {
    CUgraph_st *graph;
    CUfunc_st *function;
    size_t index;
    std::vector<size_t> after;
    std::function<void()> work;
};
struct CUgraph_st {
    std::vector<std::unique_ptr<CUgraphNode_st>> nodes;
};
struct CUgraphExec_st {
    CUgraph_st *graph;
    std::vector<std::function<void()>> work; // of the nodes
    std::vector<size_t> order;
};
static std::set<CUgraph_st *> graphs;
static std::set<CUgraphExec_st *> execs;
static std::atomic<long> graph_launches;

// What calls that were made to fail did not give back.
static struct at_exit {
    ~at_exit()
    {
        for (const auto &entry : allocations)
            munmap((char *)entry.first - GUARD_BYTES, pages_of(entry.second.bytes));
        for (const auto &entry : host_allocations)
            free((void *)entry.first);
        for (CUmod_st *module : modules)
            delete module;
        for (CUstream_st *stream : streams)
            delete stream;
        for (CUgraphExec_st *exec : execs)
            delete exec;
        for (CUgraph_st *graph : graphs)
            delete graph;
    }
} at_exit;

static void run(CUstream_st *stream)
{
    const std::lock_guard<std::mutex> lock(stream->mutex);
    const std::vector<std::function<void()>> queue = std::move(stream->queue);
    stream->queue.clear();
    if (queue.empty())
        return;
    begin_run(stream->device);
    for (const auto &work : queue)
        work();
    end_run(stream->device);
}

#define API __attribute__((visibility("default"))) int
extern "C" {

API cuInit(unsigned flags)
{
    if (fails() || flags != 0)
        return INVALID_VALUE;
    const char *const order = getenv("CUDA_ON_CPU_ORDER");
    cuda_on_cpu::order = order && strcmp(order, "down") == 0;
    started = true;
    return number("CUDA_ON_CPU_DEVICES", 1) > 0 ? SUCCESS : NO_DEVICE;
}

API cuDriverGetVersion(int *version)
{
    *version = (int)number("CUDA_ON_CPU_VERSION", 99000);
    return fails() ? INVALID_VALUE : SUCCESS;
}

API cuGetErrorName(int error, const char **name)
{
    *name = error == OUT_OF_MEMORY     ? "CUDA_ERROR_OUT_OF_MEMORY"
            : error == LAUNCH_FAILED   ? "CUDA_ERROR_LAUNCH_FAILED"
            : error == NO_DEVICE       ? "CUDA_ERROR_NO_DEVICE"
            : error == INVALID_CONTEXT ? "CUDA_ERROR_INVALID_CONTEXT"
                                       : "CUDA_ERROR_INVALID_VALUE";
    return SUCCESS;
}

API cuGetErrorString(int error, const char **text)
{
    *text = error == OUT_OF_MEMORY   ? "out of memory"
            : error == LAUNCH_FAILED ? "unspecified launch failure"
                                     : "invalid";
    return SUCCESS;
}

API cuDeviceGetCount(int *count)
{
    MAY_FAIL(INVALID_VALUE);
    *count = (int)number("CUDA_ON_CPU_DEVICES", 1);
    return SUCCESS;
}

API cuDeviceGet(int *device, int ordinal)
{
    MAY_FAIL(INVALID_DEVICE);
    *device = ordinal;
    return ordinal >= 0 && ordinal < (int)number("CUDA_ON_CPU_DEVICES", 1) ? SUCCESS : INVALID_DEVICE;
}

API cuDeviceGetName(char *name, int size, int)
{
    MAY_FAIL(INVALID_DEVICE);
    snprintf(name, (size_t)size, "CUDA on the CPU");
    return SUCCESS;
}

API cuDeviceGetAttribute(int *value, int attribute, int device)
{
    MAY_FAIL(INVALID_VALUE);
    switch (attribute) {
    case 16:
        *value = 4;
        return SUCCESS; // multiprocessors
    case 75:
        *value = capability(device) / 10;
        return SUCCESS; // capability
    case 76:
        *value = capability(device) % 10;
        return SUCCESS;
    case 97:
        *value = (int)shared_bytes(device);
        return SUCCESS; // shared memory of a block
    default:
        return INVALID_VALUE;
    }
}

API cuDeviceTotalMem_v2(size_t *bytes, int)
{
    MAY_FAIL(INVALID_VALUE);
    *bytes = memory_limit;
    return SUCCESS;
}

API cuDevicePrimaryCtxRetain(CUctx_st **context, int device)
{
    MAY_FAIL(OUT_OF_MEMORY);
    const std::lock_guard<std::recursive_mutex> lock(mutex);
    *context = &context_of[device];
    context_of[device].device = device;
    context_of[device].users++;
    contexts++;
    return SUCCESS;
}

API cuDevicePrimaryCtxRelease_v2(int device)
{
    MAY_FAIL(INVALID_VALUE);
    const std::lock_guard<std::recursive_mutex> lock(mutex);
    if (context_of[device].users-- <= 0)
        die("a context is released that nobody holds");
    contexts--;
    return SUCCESS;
}

API cuCtxSetCurrent(CUctx_st *context)
{
    MAY_FAIL(INVALID_CONTEXT);
    current = context;
    return SUCCESS;
}

API cuCtxGetCurrent(CUctx_st **context)
{
    MAY_FAIL(INVALID_CONTEXT);
    *context = current;
    return SUCCESS;
}

API cuModuleLoadData(CUmod_st **module, const void *image)
{
    MAY_FAIL(INVALID_IMAGE);
    NEEDS_CONTEXT();
    static const unsigned char magic[] = {0x50, 0xed, 0x55, 0xba}; // of a fat binary
    if (!image || memcmp(image, magic, sizeof(magic)) != 0)
        return INVALID_IMAGE;
    const std::lock_guard<std::recursive_mutex> lock(mutex);
    *module = new CUmod_st{current->device};
    modules.insert(*module);
    if (functions_of[current->device].empty())
        for (const CUfunc_st &f : functions) {
            functions_of[current->device].push_back(f);
            functions_of[current->device].back().device = current->device;
        }
    return SUCCESS;
}

API cuModuleUnload(CUmod_st *module)
{
    MAY_FAIL(INVALID_HANDLE);
    NEEDS_CONTEXT();
    const std::lock_guard<std::recursive_mutex> lock(mutex);
    if (modules.erase(module) == 0)
        die("a module is unloaded that is not loaded");
    delete module;
    return SUCCESS;
}

API cuModuleGetFunction(CUfunc_st **function, CUmod_st *module, const char *name)
{
    MAY_FAIL(NOT_FOUND);
    NEEDS_CONTEXT();
    if (!module || module->device != current->device)
        return INVALID_HANDLE;
    for (CUfunc_st &f : functions_of[module->device])
        if (strcmp(f.name, name) == 0) {
            *function = &f;
            return SUCCESS;
        }
    return NOT_FOUND;
}

API cuFuncSetAttribute(CUfunc_st *function, int attribute, int value)
{
    MAY_FAIL(INVALID_VALUE);
    NEEDS_CONTEXT();
    if (attribute != 8 || value < 0 || (size_t)value > shared_bytes(current->device))
        return INVALID_VALUE;
    function->shared_limit = std::max(function->shared_limit, (size_t)value);
    return SUCCESS;
}

// ---- memory ----

API cuMemAlloc_v2(uint64_t *pointer, size_t bytes)
{
    MAY_FAIL(OUT_OF_MEMORY);
    NEEDS_CONTEXT();
    if (bytes == 0)
        return INVALID_VALUE;
    const std::lock_guard<std::recursive_mutex> lock(mutex);
    size_t &taken = allocated[current->device];
    if (bytes > memory_limit || taken > memory_limit - bytes)
        return OUT_OF_MEMORY;
    char *const memory =
        (char *)mmap(nullptr, pages_of(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return OUT_OF_MEMORY;
    memset(memory, GUARD, GUARD_BYTES);
    memset(memory + GUARD_BYTES, FRESH, bytes);
    memset(memory + GUARD_BYTES + bytes, GUARD, GUARD_BYTES);
    *pointer = (uint64_t)(uintptr_t)(memory + GUARD_BYTES);
    allocations[(uintptr_t)*pointer] = {bytes, current->device};
    taken += bytes;
    if (running[current->device] == 0)
        mprotect(memory, pages_of(bytes), PROT_NONE);
    return SUCCESS;
}

API cuMemFree_v2(uint64_t pointer)
{
    MAY_FAIL(INVALID_VALUE);
    NEEDS_CONTEXT();
    const std::lock_guard<std::recursive_mutex> lock(mutex);
    if (host_allocations.erase((uintptr_t)pointer) > 0) { // managed
        free((void *)(uintptr_t)pointer);
        return SUCCESS;
    }
    const auto found = allocations.find((uintptr_t)pointer);
    if (found == allocations.end())
        die("memory is freed that was not allocated");
    if (found->second.device != current->device)
        die("memory is freed that another device has");
    const size_t bytes = found->second.bytes;
    unsigned char *const memory = (unsigned char *)found->first;
    mprotect(memory - GUARD_BYTES, pages_of(bytes), PROT_READ | PROT_WRITE);
    for (size_t i = 0; i < GUARD_BYTES; i++)
        if (memory[-1 - (long)i] != GUARD || memory[bytes + i] != GUARD)
            die("something was written outside of an allocation of " + std::to_string(bytes) + " bytes");
    allocated[current->device] -= bytes;
    munmap(memory - GUARD_BYTES, pages_of(bytes));
    allocations.erase(found);
    return SUCCESS;
}

// Memory that both sides may touch: the host where no work is under way.
API cuMemAllocManaged(uint64_t *pointer, size_t bytes, unsigned flags)
{
    MAY_FAIL(OUT_OF_MEMORY);
    NEEDS_CONTEXT();
    const std::lock_guard<std::recursive_mutex> lock(mutex);
    void *const memory =
        flags == 1 ? aligned_alloc(GUARD_BYTES, (bytes + GUARD_BYTES - 1) / GUARD_BYTES * GUARD_BYTES) : nullptr;
    if (!memory)
        return INVALID_VALUE;
    *pointer = (uint64_t)(uintptr_t)memory;
    host_allocations[(uintptr_t)memory] = bytes;
    return SUCCESS;
}

API cuMemGetInfo_v2(size_t *available, size_t *total)
{
    MAY_FAIL(INVALID_VALUE);
    NEEDS_CONTEXT();
    const size_t taken = allocated[current->device];
    *available = memory_limit > taken ? memory_limit - taken : 0;
    *total = memory_limit;
    return SUCCESS;
}

API cuMemHostAlloc(void **memory, size_t bytes, unsigned)
{
    MAY_FAIL(OUT_OF_MEMORY);
    NEEDS_CONTEXT();
    const std::lock_guard<std::recursive_mutex> lock(mutex);
    *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!*memory)
        return OUT_OF_MEMORY;
    memset(*memory, FRESH, bytes);
    host_allocations[(uintptr_t)*memory] = bytes;
    return SUCCESS;
}

API cuMemFreeHost(void *memory)
{
    MAY_FAIL(INVALID_VALUE);
    NEEDS_CONTEXT();
    const std::lock_guard<std::recursive_mutex> lock(mutex);
    if (host_allocations.erase((uintptr_t)memory) == 0)
        die("pinned memory is freed that was not allocated");
    free(memory);
    return SUCCESS;
}

// ---- streams ----

API cuStreamCreate(CUstream_st **stream, unsigned)
{
    MAY_FAIL(OUT_OF_MEMORY);
    NEEDS_CONTEXT();
    const std::lock_guard<std::recursive_mutex> lock(mutex);
    *stream = new CUstream_st{current->device, {}, {}};
    streams.insert(*stream);
    return SUCCESS;
}

API cuStreamDestroy_v2(CUstream_st *stream)
{
    MAY_FAIL(INVALID_HANDLE);
    NEEDS_CONTEXT();
    run(stream);
    const std::lock_guard<std::recursive_mutex> lock(mutex);
    streams.erase(stream);
    delete stream;
    return SUCCESS;
}

API cuStreamSynchronize(CUstream_st *stream)
{
    if (fails()) { // a kernel went wrong: what came after it is not done
        const std::lock_guard<std::mutex> lock(stream->mutex);
        stream->queue.clear();
        return LAUNCH_FAILED;
    }
    NEEDS_CONTEXT();
    run(stream);
    return SUCCESS;
}

API cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, CUstream_st *stream)
{
    MAY_FAIL(INVALID_VALUE);
    NEEDS_CONTEXT();
    if (!is_device(stream->device, (uintptr_t)to, bytes))
        die("a copy to the device does not go into an allocation");
    push(stream, [=] { memcpy((void *)(uintptr_t)to, from, bytes); });
    return SUCCESS;
}

API cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, CUstream_st *stream)
{
    MAY_FAIL(INVALID_VALUE);
    NEEDS_CONTEXT();
    push(stream, [=] { memcpy(to, (const void *)(uintptr_t)from, bytes); });
    return SUCCESS;
}

API cuMemsetD8Async(uint64_t to, unsigned char value, size_t count, CUstream_st *stream)
{
    MAY_FAIL(INVALID_VALUE);
    NEEDS_CONTEXT();
    if (!is_device(stream->device, (uintptr_t)to, count))
        die("what is set does not lie in an allocation");
    push(stream, [=] { memset((void *)(uintptr_t)to, value, count); });
    return SUCCESS;
}

API cuLaunchKernel(CUfunc_st *function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                   unsigned block_y, unsigned block_z, unsigned shared_bytes, CUstream_st *stream, void **parameters,
                   void **)
{
    MAY_FAIL(LAUNCH_FAILED);
    NEEDS_CONTEXT();
    std::function<void()> work;
    const int result = make_launch({function, grid_x, grid_y, grid_z, block_x, block_y, block_z, shared_bytes,
                                    parameters, nullptr, nullptr, nullptr},
                                   &work);
    if (result == SUCCESS)
        push(stream, std::move(work));
    return result;
}

// ---- graphs ----

API cuGraphCreate(CUgraph_st **graph, unsigned flags)
{
    MAY_FAIL(INVALID_VALUE);
    NEEDS_CONTEXT();
    if (flags != 0)
        return INVALID_VALUE;
    const std::lock_guard<std::recursive_mutex> lock(mutex);
    *graph = new CUgraph_st;
    graphs.insert(*graph);
    return SUCCESS;
}

API cuGraphAddKernelNode_v2(CUgraphNode_st **node, CUgraph_st *graph, CUgraphNode_st *const *after, size_t count,
                            const kernel_node *kernel)
{
    MAY_FAIL(INVALID_VALUE);
    NEEDS_CONTEXT();
    auto added = std::make_unique<CUgraphNode_st>();
    added->graph = graph;
    added->function = kernel->function;
    for (size_t i = 0; i < count; i++) {
        if (after[i]->graph != graph)
            die("a node comes after one of another graph");
        added->after.push_back(after[i]->index);
    }
    const int result = make_launch(*kernel, &added->work);
    if (result != SUCCESS)
        return result;
    added->index = graph->nodes.size();
    *node = added.get();
    graph->nodes.push_back(std::move(added));
    return SUCCESS;
}

API cuGraphInstantiateWithFlags(CUgraphExec_st **exec, CUgraph_st *graph, unsigned long long flags)
{
    MAY_FAIL(OUT_OF_MEMORY);
    NEEDS_CONTEXT();
    if (flags != 0)
        return INVALID_VALUE;
    auto *const made = new CUgraphExec_st;
    made->graph = graph;
    for (const auto &node : graph->nodes)
        made->work.push_back(node->work);
    // Of what may come next the last added node does: one that lacks the node it waits for comes too early.
    std::vector<bool> done(graph->nodes.size());
    while (made->order.size() < graph->nodes.size()) {
        size_t next = graph->nodes.size();
        const auto ready = [&](const CUgraphNode_st &node) {
            return !done[node.index] &&
                   std::all_of(node.after.begin(), node.after.end(), [&](size_t index) { return done[index]; });
        };
        while (next > 0 && !ready(*graph->nodes[next - 1]))
            next--;
        done[next - 1] = true;
        made->order.push_back(next - 1);
    }
    const std::lock_guard<std::recursive_mutex> lock(mutex);
    execs.insert(made);
    *exec = made;
    return SUCCESS;
}

API cuGraphExecKernelNodeSetParams_v2(CUgraphExec_st *exec, CUgraphNode_st *node, const kernel_node *kernel)
{
    MAY_FAIL(INVALID_VALUE);
    NEEDS_CONTEXT();
    const std::lock_guard<std::recursive_mutex> lock(mutex);
    if (graphs.count(exec->graph) == 0 || node->graph != exec->graph)
        die("a node is changed of a graph that is gone or another one");
    if (kernel->function != node->function)
        return INVALID_VALUE;
    return make_launch(*kernel, &exec->work[node->index]);
}

API cuGraphLaunch(CUgraphExec_st *exec, CUstream_st *stream)
{
    MAY_FAIL(LAUNCH_FAILED);
    NEEDS_CONTEXT();
    // What is launched stays as it is now, also when the graph is changed or destroyed.
    push(stream, [work = exec->work, order = exec->order] {
        for (const size_t index : order)
            work[index]();
    });
    graph_launches++;
    return SUCCESS;
}

API cuGraphExecDestroy(CUgraphExec_st *exec)
{
    MAY_FAIL(INVALID_HANDLE);
    const std::lock_guard<std::recursive_mutex> lock(mutex);
    if (execs.erase(exec) == 0)
        die("a graph is destroyed that is not there");
    delete exec;
    return SUCCESS;
}

API cuGraphDestroy(CUgraph_st *graph)
{
    MAY_FAIL(INVALID_HANDLE);
    const std::lock_guard<std::recursive_mutex> lock(mutex);
    if (graphs.erase(graph) == 0)
        die("a graph is destroyed that is not there");
    delete graph;
    return SUCCESS;
}

// ---- what tests ask ----

#define CONTROL __attribute__((visibility("default")))

// The call of that number, from now on, fails; -1: none.
CONTROL void cuda_on_cpu_fail(long call)
{
    fail_at = call < 0 ? -1 : calls + call;
    failed_call = "";
}
CONTROL const char *cuda_on_cpu_failed()
{
    return failed_call;
}
CONTROL long cuda_on_cpu_calls()
{
    return calls;
}
CONTROL void cuda_on_cpu_memory(size_t bytes)
{
    memory_limit = bytes;
}
// Of device memory, in bytes.
CONTROL long cuda_on_cpu_held_bytes()
{
    const std::lock_guard<std::recursive_mutex> lock(mutex);
    return (long)std::accumulate(allocated, allocated + DEVICES, (size_t)0);
}
CONTROL long cuda_on_cpu_pinned_bytes()
{
    const std::lock_guard<std::recursive_mutex> lock(mutex);
    size_t bytes = 0;
    for (const auto &piece : host_allocations)
        bytes += piece.second;
    return (long)bytes;
}
CONTROL long cuda_on_cpu_graph_launches()
{
    return graph_launches;
}
// What was asked for and not given back: memory, pinned memory, streams, modules, contexts, graphs of both kinds.
CONTROL long cuda_on_cpu_held()
{
    const std::lock_guard<std::recursive_mutex> lock(mutex);
    return (long)allocations.size() + (long)host_allocations.size() + (long)streams.size() + (long)modules.size() +
           contexts + (long)graphs.size() + (long)execs.size();
}
} // extern "C"
