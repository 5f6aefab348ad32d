/* The CUDA driver (libcuda), found at run time: one binary runs with and without a GPU. What of its interface is used
 * is declared here, so that no toolkit is needed to build. Names and values are the driver's. */
#ifndef OPS_CUDA_DRIVER_H
#define OPS_CUDA_DRIVER_H

#include <stddef.h>
#include <stdint.h>

typedef int cu_result;       /* CUresult */
typedef int cu_device;       /* CUdevice */
typedef uint64_t cu_pointer; /* CUdeviceptr */
typedef struct CUctx_st *cu_context;
typedef struct CUmod_st *cu_module;
typedef struct CUfunc_st *cu_function;
typedef struct CUstream_st *cu_stream;
typedef struct CUgraph_st *cu_graph;
typedef struct CUgraphNode_st *cu_graph_node;
typedef struct CUgraphExec_st *cu_graph_exec;

struct cu_kernel_node { /* CUDA_KERNEL_NODE_PARAMS_v2 */
    cu_function function;
    unsigned grid_x, grid_y, grid_z, block_x, block_y, block_z, shared_bytes;
    void **parameters, **extra;
    void *kernel; /* instead of `function` */
    cu_context context;
};

/* CUDA_SUCCESS, CUDA_ERROR_... */
enum {
    CU_SUCCESS = 0,
    CU_INVALID_VALUE = 1,
    CU_OUT_OF_MEMORY = 2,
    CU_NOT_INITIALIZED = 3,
    CU_STUB_LIBRARY = 34,
    CU_NO_DEVICE = 100,
    CU_INVALID_DEVICE = 101,
    CU_INVALID_IMAGE = 200,
    CU_NO_BINARY_FOR_GPU = 209,
    CU_UNSUPPORTED_PTX_VERSION = 222,
    CU_NOT_FOUND = 500,
    CU_ILLEGAL_ADDRESS = 700,
    CU_LAUNCH_OUT_OF_RESOURCES = 701,
    CU_LAUNCH_FAILED = 719,
    CU_SYSTEM_DRIVER_MISMATCH = 803,
};

/* CUdevice_attribute and CUfunction_attribute */
enum {
    CU_ATTRIBUTE_MULTIPROCESSORS = 16,
    CU_ATTRIBUTE_CAPABILITY_MAJOR = 75,
    CU_ATTRIBUTE_CAPABILITY_MINOR = 76,
    CU_ATTRIBUTE_SHARED_MEMORY_OPTIN = 97,
    CU_FUNCTION_MAX_DYNAMIC_SHARED = 8,
};
enum { CU_STREAM_NON_BLOCKING = 1, CU_HOST_ALLOC_PORTABLE = 1 };

/* ENTRY(member, symbol, parameters): the functions that are called. */
#define CUDA_DRIVER_ENTRIES(ENTRY)                                                                                     \
    ENTRY(init, cuInit, (unsigned flags))                                                                              \
    ENTRY(driver_version, cuDriverGetVersion, (int *version))                                                          \
    ENTRY(error_name, cuGetErrorName, (cu_result error, const char **name))                                            \
    ENTRY(error_string, cuGetErrorString, (cu_result error, const char **text))                                        \
    ENTRY(device_count, cuDeviceGetCount, (int *count))                                                                \
    ENTRY(device_get, cuDeviceGet, (cu_device * device, int ordinal))                                                  \
    ENTRY(device_name, cuDeviceGetName, (char *name, int size, cu_device device))                                      \
    ENTRY(device_attribute, cuDeviceGetAttribute, (int *value, int attribute, cu_device device))                       \
    ENTRY(device_memory, cuDeviceTotalMem_v2, (size_t * bytes, cu_device device))                                      \
    ENTRY(context_retain, cuDevicePrimaryCtxRetain, (cu_context * context, cu_device device))                          \
    ENTRY(context_release, cuDevicePrimaryCtxRelease_v2, (cu_device device))                                           \
    ENTRY(context_set, cuCtxSetCurrent, (cu_context context))                                                          \
    ENTRY(context_get, cuCtxGetCurrent, (cu_context * context))                                                        \
    ENTRY(module_load, cuModuleLoadData, (cu_module * module, const void *image))                                      \
    ENTRY(module_unload, cuModuleUnload, (cu_module module))                                                           \
    ENTRY(module_function, cuModuleGetFunction, (cu_function * function, cu_module module, const char *name))          \
    ENTRY(function_set, cuFuncSetAttribute, (cu_function function, int attribute, int value))                          \
    ENTRY(allocate, cuMemAlloc_v2, (cu_pointer * pointer, size_t bytes))                                               \
    ENTRY(release, cuMemFree_v2, (cu_pointer pointer))                                                                 \
    ENTRY(memory_info, cuMemGetInfo_v2, (size_t * free, size_t * total))                                               \
    ENTRY(host_allocate, cuMemHostAlloc, (void **memory, size_t bytes, unsigned flags))                                \
    ENTRY(host_release, cuMemFreeHost, (void *memory))                                                                 \
    ENTRY(stream_create, cuStreamCreate, (cu_stream * stream, unsigned flags))                                         \
    ENTRY(stream_destroy, cuStreamDestroy_v2, (cu_stream stream))                                                      \
    ENTRY(stream_wait, cuStreamSynchronize, (cu_stream stream))                                                        \
    ENTRY(copy_to_device, cuMemcpyHtoDAsync_v2, (cu_pointer to, const void *from, size_t bytes, cu_stream stream))     \
    ENTRY(copy_to_host, cuMemcpyDtoHAsync_v2, (void *to, cu_pointer from, size_t bytes, cu_stream stream))             \
    ENTRY(set_bytes, cuMemsetD8Async, (cu_pointer to, unsigned char value, size_t count, cu_stream stream))            \
    ENTRY(launch, cuLaunchKernel,                                                                                      \
          (cu_function function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,                  \
           unsigned block_y, unsigned block_z, unsigned shared_bytes, cu_stream stream, void **parameters,             \
           void **extra))                                                                                              \
    ENTRY(graph_create, cuGraphCreate, (cu_graph * graph, unsigned flags))                                             \
    ENTRY(graph_kernel, cuGraphAddKernelNode_v2,                                                                       \
          (cu_graph_node * node, cu_graph graph, const cu_graph_node *after, size_t count,                             \
           const struct cu_kernel_node *kernel))                                                                       \
    ENTRY(graph_instantiate, cuGraphInstantiateWithFlags, (cu_graph_exec * exec, cu_graph graph, uint64_t flags))      \
    ENTRY(graph_launch, cuGraphLaunch, (cu_graph_exec exec, cu_stream stream))                                         \
    ENTRY(graph_destroy, cuGraphDestroy, (cu_graph graph))                                                             \
    ENTRY(exec_kernel, cuGraphExecKernelNodeSetParams_v2,                                                              \
          (cu_graph_exec exec, cu_graph_node node, const struct cu_kernel_node *kernel))                               \
    ENTRY(exec_destroy, cuGraphExecDestroy, (cu_graph_exec exec))

struct cuda_driver {
#define CUDA_MEMBER(member, symbol, parameters) cu_result(*member) parameters;
    CUDA_DRIVER_ENTRIES(CUDA_MEMBER)
#undef CUDA_MEMBER
    int version; /* 1000 * major + 10 * minor */
};

/* Loads the driver once for the process and starts it. Errors: UNSUPPORTED, which says what is missing and what to do;
 * the next call tries again. */
int cuda_driver_get(const struct cuda_driver **out);

/* Sets the message of a driver call that failed on the device called `device` and returns its status: MEMORY or
 * UNSUPPORTED. `call` is the driver's name of what was called, `doing` what for. */
int cuda_driver_error(const struct cuda_driver *driver, cu_result result, const char *device, const char *call,
                      const char *doing);

#endif
