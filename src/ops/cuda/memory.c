/* Device memory. The driver's own calls take long and wait for the device, so memory is asked for in segments, cut into
 * blocks that are given out again. A block that was given back while a compute had work queued, which may still use it,
 * is given out again only when that work is done: tickets tell. */
#include "ops/cuda/cuda.h"

#include "base/error.h"

#include <stdlib.h>

enum { ALIGNMENT = 256, SEGMENT_BYTES = 32 << 20, SEGMENT_STEP = 2 << 20 };

struct cuda_block {
    struct cuda_block *next; /* in the order of addresses */
    size_t offset, bytes;
    bool is_free;
    uint64_t ticket; /* when it was given back */
};

struct cuda_segment {
    struct cuda_segment *next;
    cu_pointer pointer;
    size_t bytes;
    struct cuda_block *first;
};

static size_t round_up(size_t bytes, size_t step)
{
    return (bytes + step - 1) / step * step;
}

/* Joins free blocks of a segment that lie behind each other and that no work queued before `oldest` may use. */
static void join_free(struct cuda_segment *segment, uint64_t oldest)
{
    for (struct cuda_block *block = segment->first; block; block = block->next) {
        struct cuda_block *next;
        while (block->is_free && block->ticket < oldest && (next = block->next) && next->is_free &&
               next->ticket < oldest) {
            block->bytes += next->bytes;
            block->ticket = block->ticket > next->ticket ? block->ticket : next->ticket;
            block->next = next->next;
            free(next);
        }
    }
}

/* The free block that fits best, or NULL. */
static struct cuda_block *find_free(const struct cuda_device *cuda, size_t bytes, struct cuda_segment **in)
{
    const uint64_t oldest = cuda_oldest_work(cuda);
    struct cuda_block *best = NULL;
    for (struct cuda_segment *segment = cuda->memory.first; segment; segment = segment->next) {
        join_free(segment, oldest);
        for (struct cuda_block *block = segment->first; block; block = block->next)
            if (block->is_free && block->bytes >= bytes && block->ticket < oldest &&
                (!best || block->bytes < best->bytes)) {
                best = block;
                *in = segment;
            }
    }
    return best;
}

static void free_segment(struct cuda_device *cuda, struct cuda_segment **place)
{
    struct cuda_segment *const old = *place;
    *place = old->next;
    cuda->memory.reserved -= old->bytes;
    cuda->driver->release(old->pointer);
    free(old->first);
    free(old);
}

/* Segments of which nothing is used, and that no work queued before `oldest` may use. */
static void free_unused(struct cuda_device *cuda, uint64_t oldest)
{
    for (struct cuda_segment **place = &cuda->memory.first; *place;) {
        join_free(*place, oldest);
        if ((*place)->first->is_free && !(*place)->first->next && (*place)->first->ticket < oldest)
            free_segment(cuda, place);
        else
            place = &(*place)->next;
    }
}

void cuda_memory_free(struct cuda_device *cuda)
{
    pthread_mutex_lock(&cuda->mutex);
    free_unused(cuda, cuda_oldest_work(cuda));
    pthread_mutex_unlock(&cuda->mutex);
}

static int no_memory(const struct cuda_device *cuda, cu_result result, size_t bytes)
{
    size_t available = 0, total = 0;
    const double mebi = 1 << 20;
    if (result != CU_OUT_OF_MEMORY)
        return cuda_failed(cuda, result, "cuMemAlloc", "asking for memory");
    if (cuda->driver->memory_info(&available, &total) != CU_SUCCESS)
        total = 0;
    return error_set(
        SOWLV2_ERROR_MEMORY,
        "%s: out of memory: %.1f MiB were asked for; this program holds %.1f MiB, of %.1f MiB %.1f are free%s: "
        "close other programs on this GPU, use a smaller model or batch, or use --device cpu",
        cuda->label, (double)bytes / mebi, (double)cuda->memory.reserved / mebi, (double)total / mebi,
        (double)available / mebi, cuda->memory.limit > 0 ? ", and its memory is limited" : "");
}

/* Asks the driver; `bytes` becomes what it gave. */
static cu_result take_memory(struct cuda_device *cuda, size_t least, size_t *bytes, cu_pointer *out)
{
    const struct cuda_memory *const memory = &cuda->memory;
    const size_t room = memory->limit == 0                 ? SIZE_MAX
                        : memory->limit > memory->reserved ? memory->limit - memory->reserved
                                                           : 0;
    const size_t wishes[] = {*bytes, least};
    cu_result result = CU_OUT_OF_MEMORY;
    for (int i = 0; i < 2 && result == CU_OUT_OF_MEMORY; i++) {
        *bytes = wishes[i];
        result = *bytes <= room ? cuda->driver->allocate(out, *bytes) : CU_OUT_OF_MEMORY;
    }
    return result;
}

static int add_segment(struct cuda_device *cuda, size_t bytes)
{
    struct cuda_segment *const segment = calloc(1, sizeof(*segment));
    struct cuda_block *const block = calloc(1, sizeof(*block));
    if (!segment || !block) {
        free(segment);
        free(block);
        return error_memory("a tensor");
    }
    const size_t least = round_up(bytes, SEGMENT_STEP);
    size_t given = least > SEGMENT_BYTES ? least : SEGMENT_BYTES;
    cu_result result = take_memory(cuda, least, &given, &segment->pointer);
    if (result == CU_OUT_OF_MEMORY) {
        uint64_t oldest;
        cuda_wait_for_all(cuda, &oldest);
        free_unused(cuda, oldest);
        given = least;
        result = take_memory(cuda, least, &given, &segment->pointer);
    }
    if (result != CU_SUCCESS) {
        free(segment);
        free(block);
        return no_memory(cuda, result, bytes);
    }
    *block = (struct cuda_block){.bytes = given, .is_free = true};
    segment->bytes = given;
    segment->first = block;
    segment->next = cuda->memory.first;
    cuda->memory.first = segment;
    cuda->memory.reserved += given;
    return 0;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

int cuda_memory_start(struct cuda_device *cuda, const struct device_options *options)
{
    struct cuda_memory *const memory = &cuda->memory;
    size_t total;
    int status = cuda_failed(cuda, cuda->driver->device_memory(&total, cuda->handle), "cuDeviceTotalMem",
                             "asking how much memory there is");
    if (status != 0)
        return status;
    memory->limit = smaller(options->memory_limit, total);
    if (options->memory_fraction > 0.0) {
        const size_t part = (size_t)((double)total * options->memory_fraction);
        memory->limit = memory->limit > 0 ? smaller(memory->limit, part) : part > 0 ? part : 1;
    }
    if (options->memory_at_once && (status = cuda_enter(cuda)) == 0) {
        const size_t all = memory->limit / SEGMENT_STEP * SEGMENT_STEP;
        pthread_mutex_lock(&cuda->mutex);
        status = add_segment(cuda, all > 0 ? all : SEGMENT_STEP);
        pthread_mutex_unlock(&cuda->mutex);
    }
    return status;
}

int cuda_memory_tell(struct device *device, struct device_memory *out)
{
    struct cuda_device *const cuda = cuda_of(device);
    const struct cuda_memory *const memory = &cuda->memory;
    size_t available = 0, total = 0;
    int status = cuda_enter(cuda);
    if (status == 0)
        status = cuda_failed(cuda, cuda->driver->memory_info(&available, &total), "cuMemGetInfo",
                             "asking how much memory there is");
    if (status != 0)
        return status;
    pthread_mutex_lock(&cuda->mutex);
    if (memory->limit > 0) {
        available = smaller(available, memory->limit - smaller(memory->limit, memory->reserved));
        total = smaller(total, memory->limit);
    }
    *out = (struct device_memory){.total = (int64_t)total,
                                  .available = (int64_t)(available + memory->reserved - memory->used),
                                  .reserved = (int64_t)memory->reserved,
                                  .used = (int64_t)memory->used,
                                  .peak = (int64_t)memory->peak};
    pthread_mutex_unlock(&cuda->mutex);
    return 0;
}

int cuda_memory_release(struct device *device)
{
    struct cuda_device *const cuda = cuda_of(device);
    const int status = cuda_enter(cuda);
    if (status != 0)
        return status;
    pthread_mutex_lock(&cuda->mutex);
    uint64_t oldest;
    const bool done = cuda_wait_for_all(cuda, &oldest);
    free_unused(cuda, oldest);
    cuda->memory.peak = cuda->memory.used;
    pthread_mutex_unlock(&cuda->mutex);
    return done ? 0
                : error_set(SOWLV2_ERROR_UNSUPPORTED,
                            "%s: giving memory back: cuStreamSynchronize failed: check the GPU with nvidia-smi",
                            cuda->label);
}

/* Cuts off what a block has over `bytes`; without memory for the rest's record the block stays whole. */
static void split(struct cuda_block *block, size_t bytes)
{
    struct cuda_block *const rest = block->bytes - bytes >= ALIGNMENT ? calloc(1, sizeof(*rest)) : NULL;
    if (!rest)
        return;
    *rest = (struct cuda_block){.next = block->next,
                                .offset = block->offset + bytes,
                                .bytes = block->bytes - bytes,
                                .is_free = true,
                                .ticket = block->ticket};
    block->next = rest;
    block->bytes = bytes;
}

int cuda_allocate(struct device *device, size_t bytes, struct buffer *out)
{
    struct cuda_device *const cuda = cuda_of(device);
    *out = (struct buffer){0};
    if (bytes > PTRDIFF_MAX / 2)
        return error_memory("a tensor");
    int status = cuda_enter(cuda);
    if (status != 0)
        return status;
    const size_t rounded = round_up(bytes > 0 ? bytes : 1, ALIGNMENT);
    struct cuda_segment *segment = NULL;
    pthread_mutex_lock(&cuda->mutex);
    struct cuda_block *block = find_free(cuda, rounded, &segment);
    if (!block && (status = add_segment(cuda, rounded)) == 0) {
        segment = cuda->memory.first;
        block = segment->first;
    }
    if (block) {
        split(block, rounded);
        block->is_free = false;
        cuda->memory.used += block->bytes;
        cuda->memory.peak = cuda->memory.used > cuda->memory.peak ? cuda->memory.used : cuda->memory.peak;
        *out = (struct buffer){.memory = (void *)(uintptr_t)(segment->pointer + block->offset), .bytes = bytes};
    }
    pthread_mutex_unlock(&cuda->mutex);
    return status;
}

static struct cuda_block *find_used(const struct cuda_device *cuda, cu_pointer pointer)
{
    for (const struct cuda_segment *segment = cuda->memory.first; segment; segment = segment->next) {
        if (pointer < segment->pointer || pointer >= segment->pointer + segment->bytes)
            continue;
        for (struct cuda_block *block = segment->first; block; block = block->next)
            if (segment->pointer + block->offset == pointer)
                return block;
    }
    return NULL;
}

void cuda_release(struct device *device, struct buffer *buffer)
{
    struct cuda_device *const cuda = cuda_of(device);
    if (buffer->memory && !buffer->borrowed) {
        pthread_mutex_lock(&cuda->mutex);
        struct cuda_block *block = find_used(cuda, cuda_address(buffer->memory));
        if (block) {
            cuda->memory.used -= block->bytes;
            block->is_free = true;
            block->ticket = ++cuda->ticket;
        }
        pthread_mutex_unlock(&cuda->mutex);
    }
    *buffer = (struct buffer){0};
}

void cuda_guard(struct device *device, const struct buffer *buffer, size_t offset, size_t bytes, bool usable)
{
    (void)device; /* compute-sanitizer sees the driver's allocations alone */
    (void)buffer;
    (void)offset;
    (void)bytes;
    (void)usable;
}
