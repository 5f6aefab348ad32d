/* Launches of kernels are recorded and queued some dozens at a time, so that what a pass does again is one call of the
 * driver: a graph that was made of them when they came for the second time. Numbers and addresses that are others than
 * those of the graph are put into it before. What comes once, or in small numbers, is launched kernel by kernel. */
#include "ops/cuda/cuda.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum {
    MOST_LAUNCHES = 64,        /* queued at once: the GPU begins while the host goes on */
    LEAST_LAUNCHES = 6,        /* of a graph */
    ARGUMENT_BYTES = 32 << 10, /* of all launches; begun at 16 bytes each */
    MOST_GRAPHS = 128,         /* of a compute; the one that was not used for the longest time goes */
    SAME_KERNELS = 4,          /* graphs that differ in their arguments alone */
    CHANGED_PART = 4,          /* a graph is used with other arguments where not more than 1 of 4 kernels has others */
};

struct launch {
    enum cuda_kernel kernel;
    unsigned grid[3], threads, shared_bytes;
    size_t at; /* its arguments */
};

/* A sequence of kernels that was met. */
struct graph {
    struct graph *next;
    uint64_t hash; /* of kernels, grids, threads and shared memory */
    int count;
    cu_graph graph; /* NULL: met once */
    cu_graph_exec exec;
    cu_graph_node nodes[MOST_LAUNCHES];
    struct launch *launches; /* as they are in `exec`, */
    char *arguments;         /* and theirs: NULL with `graph` */
};

struct cuda_recorder {
    bool no_graphs;
    int count; /* of launches */
    uint64_t hash;
    struct graph *first; /* the one used last comes first */
    int graphs;
    struct launch launches[MOST_LAUNCHES];
    size_t argument_bytes;
    _Alignas(16) char arguments[ARGUMENT_BYTES];
};

static const struct {
    const char *name;
    size_t bytes; /* of its arguments */
} kernels[] = {
#define CUDA_DESCRIBE(file, name, arguments) {#name, sizeof(struct arguments)},
    CUDA_KERNELS(CUDA_DESCRIBE)
#undef CUDA_DESCRIBE
};
enum { MOST_ARGUMENTS = 4096 /* of a kernel: what CUDA allows */ };

const char *cuda_kernel_name(enum cuda_kernel kernel)
{
    return kernels[kernel].name;
}

int cuda_recorder_create(struct cuda_recorder **out)
{
    const char *const wish = getenv("SOWLV2_CUDA_GRAPHS"); /* to compare */
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return error_memory("a forward pass");
    (*out)->no_graphs = wish && strcmp(wish, "off") == 0;
    return 0;
}

static void graph_free(const struct cuda_device *cuda, struct graph *graph)
{
    if (graph->exec)
        cuda->driver->exec_destroy(graph->exec);
    if (graph->graph)
        cuda->driver->graph_destroy(graph->graph);
    free(graph->launches);
    free(graph);
}

void cuda_recorder_free(const struct cuda_device *cuda, struct cuda_recorder *recorder)
{
    for (struct graph *graph = recorder ? recorder->first : NULL, *next; graph; graph = next) {
        next = graph->next;
        graph_free(cuda, graph);
    }
    free(recorder);
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    return (hash ^ value) * 0x9E3779B97F4A7C15U ^ hash >> 29;
}

bool cuda_recorder_add(struct cuda_recorder *recorder, enum cuda_kernel kernel, struct cuda_grid grid, int threads,
                       size_t shared_bytes, const void *arguments)
{
    struct launch *const launch = &recorder->launches[recorder->count];
    uint64_t hash = recorder->count > 0 ? recorder->hash : 0;
    launch->kernel = kernel;
    launch->grid[0] = (unsigned)grid.x;
    launch->grid[1] = (unsigned)grid.y;
    launch->grid[2] = (unsigned)grid.z;
    launch->threads = (unsigned)threads;
    launch->shared_bytes = (unsigned)shared_bytes;
    launch->at = recorder->count > 0 ? recorder->argument_bytes : 0;
    memcpy(recorder->arguments + launch->at, arguments, kernels[kernel].bytes);
    recorder->argument_bytes = launch->at + (kernels[kernel].bytes + 15) / 16 * 16;
    hash = mix(hash, (uint64_t)kernel << 32 | launch->threads);
    hash = mix(hash, (uint64_t)launch->grid[0] << 32 | launch->grid[1]);
    recorder->hash = mix(hash, (uint64_t)launch->grid[2] << 32 | launch->shared_bytes);
    recorder->count++;
    return recorder->count == MOST_LAUNCHES || recorder->argument_bytes + MOST_ARGUMENTS > ARGUMENT_BYTES;
}

bool cuda_recorder_is_empty(const struct cuda_recorder *recorder)
{
    return recorder->count == 0;
}

/* ---- queueing ---- */

static int launch_each(const struct cuda_device *cuda, struct cuda_recorder *recorder, cu_stream stream)
{
    int status = 0;
    for (int i = 0; i < recorder->count && status == 0; i++) {
        const struct launch *const launch = &recorder->launches[i];
        void *parameters[] = {recorder->arguments + launch->at};
        status = cuda_failed(cuda,
                             cuda->driver->launch(cuda->kernels[launch->kernel], launch->grid[0], launch->grid[1],
                                                  launch->grid[2], launch->threads, 1, 1, launch->shared_bytes, stream,
                                                  parameters, NULL),
                             "cuLaunchKernel", kernels[launch->kernel].name);
    }
    return status;
}

static struct cu_kernel_node describe(const struct cuda_device *cuda, const struct launch *launch, void **parameters)
{
    return (struct cu_kernel_node){.function = cuda->kernels[launch->kernel],
                                   .grid_x = launch->grid[0],
                                   .grid_y = launch->grid[1],
                                   .grid_z = launch->grid[2],
                                   .block_x = launch->threads,
                                   .block_y = 1,
                                   .block_z = 1,
                                   .shared_bytes = launch->shared_bytes,
                                   .parameters = parameters};
}

static bool is_same_kernel(const struct launch *a, const struct launch *b)
{
    return a->kernel == b->kernel && memcmp(a->grid, b->grid, sizeof(a->grid)) == 0 && a->threads == b->threads &&
           a->shared_bytes == b->shared_bytes;
}

/* Whether kernel `i` has the arguments that it has in `graph`, whose kernels are the same. */
static bool has_same_arguments(const struct graph *graph, const struct cuda_recorder *recorder, int i)
{
    const struct launch *const launch = &recorder->launches[i];
    return memcmp(graph->arguments + launch->at, recorder->arguments + launch->at, kernels[launch->kernel].bytes) == 0;
}

/* How many kernels of `graph` have other arguments than what is recorded; -1: other kernels. */
static int count_changed(const struct graph *graph, const struct cuda_recorder *recorder)
{
    int changed = 0;
    for (int i = 0; i < graph->count; i++) {
        if (!is_same_kernel(&graph->launches[i], &recorder->launches[i]))
            return -1;
        changed += !has_same_arguments(graph, recorder, i);
    }
    return changed;
}

/* What is known of the recorded sequence. */
struct known {
    struct graph **met;     /* once, NULL: never */
    struct graph **nearest; /* of its graphs, NULL: none */
    int changed, variants;
};

static struct known look_up(struct cuda_recorder *recorder)
{
    struct known known = {0};
    for (struct graph **place = &recorder->first; *place; place = &(*place)->next) {
        if ((*place)->hash != recorder->hash || (*place)->count != recorder->count)
            continue;
        if (!(*place)->graph) {
            known.met = place;
            continue;
        }
        const int changed = count_changed(*place, recorder);
        if (changed < 0)
            continue;
        known.variants++;
        if (!known.nearest || changed < known.changed) {
            known.nearest = place;
            known.changed = changed;
        }
        if (changed == 0)
            break;
    }
    return known;
}

static struct graph *move_to_front(struct cuda_recorder *recorder, struct graph **place)
{
    struct graph *const graph = *place;
    *place = graph->next;
    graph->next = recorder->first;
    recorder->first = graph;
    return graph;
}

static void drop(const struct cuda_device *cuda, struct cuda_recorder *recorder, struct graph **place)
{
    struct graph *const old = *place;
    *place = old->next;
    graph_free(cuda, old);
    recorder->graphs--;
}

/* A record of what is recorded comes first; false: there is no memory, and it stays unknown. */
static bool remember(const struct cuda_device *cuda, struct cuda_recorder *recorder)
{
    struct graph *const graph = calloc(1, sizeof(*graph));
    if (!graph)
        return false;
    if (recorder->graphs == MOST_GRAPHS) {
        struct graph **last = &recorder->first;
        while ((*last)->next)
            last = &(*last)->next;
        drop(cuda, recorder, last);
    }
    graph->hash = recorder->hash;
    graph->count = recorder->count;
    graph->next = recorder->first;
    recorder->first = graph;
    recorder->graphs++;
    return true;
}

/* Makes the first record a graph of what is recorded, each kernel after the one before. Without memory it stays without
 * one. Errors: as cuda_failed. */
static int build(const struct cuda_device *cuda, struct cuda_recorder *recorder)
{
    static const char *const doing = "preparing a forward pass";
    const struct cuda_driver *const driver = cuda->driver;
    struct graph *const graph = recorder->first;
    const size_t bytes = (size_t)graph->count * sizeof(*graph->launches);
    cu_graph made = NULL;
    graph->launches = malloc(bytes + recorder->argument_bytes);
    if (!graph->launches)
        return 0;
    graph->arguments = (char *)graph->launches + bytes;
    memcpy(graph->launches, recorder->launches, bytes);
    memcpy(graph->arguments, recorder->arguments, recorder->argument_bytes);
    int status = cuda_failed(cuda, driver->graph_create(&made, 0), "cuGraphCreate", doing);
    if (status != 0)
        return status;
    for (int i = 0; i < graph->count && status == 0; i++) {
        void *parameters[] = {graph->arguments + graph->launches[i].at};
        const struct cu_kernel_node node = describe(cuda, &graph->launches[i], parameters);
        status = cuda_failed(
            cuda,
            driver->graph_kernel(&graph->nodes[i], made, i > 0 ? &graph->nodes[i - 1] : NULL, (size_t)(i > 0), &node),
            "cuGraphAddKernelNode", doing);
    }
    cu_result result = status == 0 ? driver->graph_instantiate(&graph->exec, made, 0) : CU_SUCCESS;
    if (status == 0 && result == CU_SUCCESS) {
        graph->graph = made;
        return 0;
    }
    graph->exec = NULL;
    driver->graph_destroy(made);
    free(graph->launches);
    graph->launches = NULL;
    if (status != 0 || result == CU_OUT_OF_MEMORY)
        return status;
    return cuda_failed(cuda, result, "cuGraphInstantiate", doing);
}

/* Puts the recorded arguments into a graph of the same kernels. */
static int change(const struct cuda_device *cuda, const struct cuda_recorder *recorder, struct graph *graph)
{
    int status = 0;
    for (int i = 0; i < graph->count && status == 0; i++) {
        if (has_same_arguments(graph, recorder, i))
            continue;
        const struct launch *const launch = &graph->launches[i];
        memcpy(graph->arguments + launch->at, recorder->arguments + launch->at, kernels[launch->kernel].bytes);
        void *parameters[] = {graph->arguments + launch->at};
        const struct cu_kernel_node node = describe(cuda, launch, parameters);
        status = cuda_failed(cuda, cuda->driver->exec_kernel(graph->exec, graph->nodes[i], &node),
                             "cuGraphExecKernelNodeSetParams", "preparing a forward pass");
    }
    return status;
}

/* *out becomes the graph of what is recorded, the first one; NULL: launch one by one. */
static int prepare(const struct cuda_device *cuda, struct cuda_recorder *recorder, const struct graph **out)
{
    const struct known known = look_up(recorder);
    const bool near = known.nearest && known.changed <= recorder->count / CHANGED_PART;
    int status;
    *out = NULL;
    if (near || known.variants == SAME_KERNELS) {
        status = change(cuda, recorder, move_to_front(recorder, known.nearest));
    } else {
        if (known.met)
            move_to_front(recorder, known.met);
        else if (!remember(cuda, recorder) || !known.nearest)
            return 0;
        status = build(cuda, recorder);
    }
    if (status != 0) /* what it holds now is not known */
        drop(cuda, recorder, &recorder->first);
    else if (recorder->first->graph)
        *out = recorder->first;
    return status;
}

int cuda_recorder_flush(const struct cuda_device *cuda, struct cuda_recorder *recorder, cu_stream stream)
{
    const struct graph *graph = NULL;
    int status = 0;
    if (recorder->count >= LEAST_LAUNCHES && !recorder->no_graphs)
        status = prepare(cuda, recorder, &graph);
    if (status == 0 && graph)
        status = cuda_failed(cuda, cuda->driver->graph_launch(graph->exec, stream), "cuGraphLaunch",
                             "running a forward pass");
    else if (status == 0)
        status = launch_each(cuda, recorder, stream);
    recorder->count = 0;
    return status;
}

void cuda_recorder_drop(struct cuda_recorder *recorder)
{
    recorder->count = 0;
}
