/* A compute's stream. Kernels are recorded (graphs.c) and queued together, at the latest before anything else is.
 * Uploads go through pinned memory, so that their source is free at once and the copy runs beside
 * the host; downloads arrive in pinned memory and are handed out by the one wait, or by one that uploads need for
 * memory. */
#include "ops/cuda/cuda.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum {
    PINNED_BYTES = 1 << 20,
    PINNED_ENOUGH = 64 << 20, /* uploads wait rather than take more than such a piece */
    PINNED_ALIGNMENT = 64,
    BLOCK_THREADS = 256,
    MAX_BLOCKS = 1 << 20
};

/* Pinned memory, given out from its start until the next wait. */
struct pinned {
    struct pinned *next;
    char *memory;
    size_t bytes, used;
};

struct download {
    struct download *next;
    void *to;
    const void *from;
    size_t bytes;
};

struct cuda_compute {
    struct cuda_compute *next; /* of the device */
    uint64_t busy_since;       /* ticket of the first work since the last wait; 0: none */
    uint64_t recorded_since;   /* of the first launch that is recorded and not queued yet; 0: none */
    cu_stream stream;
    struct cuda_recorder *recorder;
    struct pinned *pinned;
    struct download *first, **end;
    struct buffer fault;
    bool fault_possible;
};

static struct cuda_compute *state_of(const struct compute *compute)
{
    return compute_state(compute);
}

static struct cuda_device *device_of(const struct compute *compute)
{
    return cuda_of(compute_device(compute));
}

/* ---- work under way ---- */

uint64_t cuda_oldest_work(const struct cuda_device *cuda)
{
    uint64_t oldest = UINT64_MAX;
    for (const struct cuda_compute *state = cuda->computes; state; state = state->next)
        if (state->busy_since != 0 && state->busy_since < oldest)
            oldest = state->busy_since;
    return oldest;
}

bool cuda_wait_for_all(const struct cuda_device *cuda, uint64_t *oldest)
{
    bool done = true;
    *oldest = UINT64_MAX;
    for (const struct cuda_compute *state = cuda->computes; state; state = state->next) {
        done = cuda->driver->stream_wait(state->stream) == CU_SUCCESS && done;
        if (state->recorded_since != 0 && state->recorded_since < *oldest)
            *oldest = state->recorded_since;
    }
    if (!done)
        *oldest = cuda_oldest_work(cuda);
    return done;
}

/* `since` is one of a compute's. */
static void set_since(struct cuda_device *cuda, uint64_t *since, bool is_set)
{
    if ((*since != 0) == is_set)
        return;
    pthread_mutex_lock(&cuda->mutex);
    *since = is_set ? ++cuda->ticket : 0;
    pthread_mutex_unlock(&cuda->mutex);
}

/* Queues the kernels that are recorded; the context is the thread's. */
static void flush(struct compute *compute)
{
    struct cuda_device *const cuda = device_of(compute);
    struct cuda_compute *const state = state_of(compute);
    if (cuda_recorder_is_empty(state->recorder))
        return;
    compute_fail(compute, cuda_recorder_flush(cuda, state->recorder, state->stream));
    set_since(cuda, &state->recorded_since, false);
}

/* Before anything but a kernel is queued: the calling thread may use the device, what is given back stays until the
 * wait, and kernels that came before are queued before. */
static bool begin_work(struct compute *compute)
{
    struct cuda_device *const cuda = device_of(compute);
    const int status = cuda_enter(cuda);
    compute_fail(compute, status);
    if (status != 0)
        return false;
    set_since(cuda, &state_of(compute)->busy_since, true);
    flush(compute);
    return compute_status(compute) == 0;
}

static bool went_well(struct compute *compute, cu_result result, const char *call, const char *doing)
{
    compute_fail(compute, cuda_failed(device_of(compute), result, call, doing));
    return result == CU_SUCCESS;
}

/* ---- pinned memory ---- */

static void free_pinned(struct cuda_device *cuda, struct cuda_compute *state)
{
    while (state->pinned) {
        struct pinned *const old = state->pinned;
        state->pinned = old->next;
        cuda->driver->host_release(old->memory);
        free(old);
    }
}

static size_t round_up(size_t bytes)
{
    return (bytes + PINNED_ALIGNMENT - 1) / PINNED_ALIGNMENT * PINNED_ALIGNMENT;
}

static bool has_room(const struct pinned *pinned, size_t bytes)
{
    return pinned && pinned->bytes - pinned->used >= round_up(bytes);
}

/* Pinned memory until the next wait; NULL: the pass has failed. */
static void *take_pinned(struct compute *compute, size_t bytes)
{
    struct cuda_compute *const state = state_of(compute);
    const size_t rounded = round_up(bytes);
    struct pinned *pinned = state->pinned;
    if (!has_room(pinned, bytes)) {
        struct pinned *const added = calloc(1, sizeof(*added));
        if (!added) {
            compute_fail(compute, error_memory("a transfer"));
            return NULL;
        }
        const size_t twice = pinned ? 2 * pinned->bytes : PINNED_BYTES;
        void *memory = NULL;
        added->bytes = rounded > twice ? rounded : twice;
        if (!went_well(compute,
                       device_of(compute)->driver->host_allocate(&memory, added->bytes, CU_HOST_ALLOC_PORTABLE),
                       "cuMemHostAlloc", "asking for memory for transfers")) {
            free(added);
            return NULL;
        }
        added->memory = memory;
        added->next = pinned;
        state->pinned = pinned = added;
    }
    void *const taken = pinned->memory + pinned->used;
    pinned->used += rounded;
    return taken;
}

/* After a wait: the newest and largest piece is enough from now on. */
static void reset_pinned(struct cuda_device *cuda, struct cuda_compute *state)
{
    if (!state->pinned)
        return;
    struct cuda_compute older = {.pinned = state->pinned->next};
    free_pinned(cuda, &older);
    state->pinned->next = NULL;
    state->pinned->used = 0;
}

/* ---- transfers ---- */

static void send(struct compute *compute, const void *pinned, struct tensor to, size_t bytes)
{
    const struct cuda_device *const cuda = device_of(compute);
    went_well(compute,
              cuda->driver->copy_to_device(cuda_address(cuda_data(to)), pinned, bytes, state_of(compute)->stream),
              "cuMemcpyHtoDAsync", "copying to the GPU");
}

/* Pinned memory for an upload; NULL: the pass has failed. Passes that nobody waits for do not take it all. */
static void *take_for_upload(struct compute *compute, size_t bytes)
{
    const struct pinned *const pinned = state_of(compute)->pinned;
    if (pinned && pinned->bytes >= PINNED_ENOUGH && !has_room(pinned, bytes))
        cuda_wait(compute);
    return compute_status(compute) == 0 && begin_work(compute) ? take_pinned(compute, bytes) : NULL;
}

void cuda_upload(struct compute *compute, const void *from, struct tensor to)
{
    const size_t bytes = (size_t)tensor_count(&to) * dtype_size(to.dtype);
    void *const pinned = take_for_upload(compute, bytes);
    if (!pinned)
        return;
    cuda_copy_bytes(device_of(compute), pinned, from, bytes);
    send(compute, pinned, to, bytes);
}

void cuda_upload_rows(struct compute *compute, const uint8_t *from, size_t row_bytes, struct tensor *to)
{
    const size_t rows = (size_t)to->dim[0], columns = (size_t)to->dim[1];
    *to = compute_tensor(compute, DTYPE_U8, 2, to->dim);
    char *const pinned = take_for_upload(compute, rows * columns);
    if (!pinned)
        return;
    cuda_copy_rows(device_of(compute), &(struct cuda_host_rows){pinned, (const char *)from, row_bytes, rows, columns});
    send(compute, pinned, *to, rows * columns);
}

void cuda_download(struct compute *compute, struct tensor from, void *to)
{
    struct cuda_compute *const state = state_of(compute);
    const struct cuda_device *const cuda = device_of(compute);
    const size_t bytes = (size_t)tensor_count(&from) * dtype_size(from.dtype);
    const size_t mark = compute_mark(compute);
    struct tensor dense = from;
    if (!tensor_is_dense(&from)) {
        dense = compute_tensor(compute, from.dtype, from.rank, from.dim);
        if (compute_status(compute) == 0)
            op_copy(compute, from, dense);
    }
    struct download *const added = malloc(sizeof(*added));
    if (!added)
        compute_fail(compute, error_memory("a download"));
    void *const pinned = compute_status(compute) == 0 && begin_work(compute) ? take_pinned(compute, bytes) : NULL;
    if (pinned &&
        went_well(compute, cuda->driver->copy_to_host(pinned, cuda_address(cuda_data(dense)), bytes, state->stream),
                  "cuMemcpyDtoHAsync", "copying from the GPU")) {
        *added = (struct download){.to = to, .from = pinned, .bytes = bytes};
        *state->end = added;
        state->end = &added->next;
    } else {
        free(added);
    }
    compute_release(compute, mark); /* what reuses it comes later in the stream */
}

/* `compute` NULL: they are dropped. */
static void take_downloads(struct cuda_compute *state, const struct compute *compute)
{
    for (struct download *download = state->first, *next; download; download = next) {
        next = download->next;
        if (compute)
            cuda_copy_bytes(device_of(compute), download->to, download->from, download->bytes);
        free(download);
    }
    state->first = NULL;
    state->end = &state->first;
}

struct cuda_fault *cuda_fault(struct compute *compute)
{
    state_of(compute)->fault_possible = true;
    return state_of(compute)->fault.memory;
}

static void tell_fault(struct compute *compute, const struct cuda_fault *fault)
{
    const bool embed = fault->kind == CUDA_FAULT_EMBED;
    compute_fail(compute,
                 error_set(SOWLV2_ERROR_ARGUMENT, "%s %d of entry [%lld, %lld]: %s %lld rows",
                           embed ? "op_embed: id" : "op_gather_rows: index", (int)fault->value, (long long)fault->row,
                           (long long)fault->column, embed ? "the table has" : "there are", (long long)fault->limit));
}

static bool clear_fault(struct compute *compute)
{
    struct cuda_compute *const state = state_of(compute);
    return went_well(compute,
                     device_of(compute)->driver->set_bytes(cuda_address(state->fault.memory), 0,
                                                           sizeof(struct cuda_fault), state->stream),
                     "cuMemsetD8Async", "preparing a forward pass");
}

void cuda_wait(struct compute *compute)
{
    struct cuda_device *const cuda = device_of(compute);
    struct cuda_compute *const state = state_of(compute);
    const struct cuda_fault *fault = NULL;
    if (state->busy_since == 0 && !state->first)
        return;
    const int entered = cuda_enter(cuda);
    compute_fail(compute, entered);
    if (entered == 0)
        flush(compute); /* also where the pass failed: kernels of one before it may be among them */
    cuda_recorder_drop(state->recorder);
    set_since(cuda, &state->recorded_since, false);
    if (entered == 0 && state->fault_possible) {
        void *const pinned = take_pinned(compute, sizeof(*fault));
        if (pinned && went_well(compute,
                                cuda->driver->copy_to_host(pinned, cuda_address(state->fault.memory), sizeof(*fault),
                                                           state->stream),
                                "cuMemcpyDtoHAsync", "copying from the GPU"))
            fault = pinned;
    }
    const bool done = entered == 0 && went_well(compute, cuda->driver->stream_wait(state->stream),
                                                "cuStreamSynchronize", "waiting for the GPU");
    take_downloads(state, done ? compute : NULL);
    if (!done)
        return; /* what the device still does, nobody knows: memory of this pass is not used again */
    if (fault && fault->kind != 0) {
        tell_fault(compute, fault);
        clear_fault(compute);
    }
    state->fault_possible = false;
    set_since(cuda, &state->busy_since, false);
    reset_pinned(cuda, state);
}

/* ---- creation ---- */

static void free_state(struct device *device, struct cuda_compute *state)
{
    struct cuda_device *const cuda = cuda_of(device);
    take_downloads(state, NULL);
    if (cuda_enter(cuda) == 0) {
        if (state->stream) {
            if (state->busy_since != 0) /* a wait that failed */
                cuda->driver->stream_wait(state->stream);
            cuda->driver->stream_destroy(state->stream);
        }
        free_pinned(cuda, state);
    }
    while (state->pinned) { /* the device is lost: what the driver holds is not to be had */
        struct pinned *const old = state->pinned;
        state->pinned = old->next;
        free(old);
    }
    cuda_recorder_free(cuda, state->recorder);
    cuda_release(device, &state->fault);
    free(state);
}

int cuda_compute_create(struct device *device, void **out)
{
    struct cuda_device *const cuda = cuda_of(device);
    struct cuda_compute *const state = calloc(1, sizeof(*state));
    if (!state)
        return error_memory("a forward pass");
    state->end = &state->first;
    int status = cuda_recorder_create(&state->recorder);
    if (status == 0)
        status = cuda_enter(cuda);
    if (status == 0) {
        status = cuda_failed(cuda, cuda->driver->stream_create(&state->stream, CU_STREAM_NON_BLOCKING),
                             "cuStreamCreate", "making a stream");
        if (status != 0)
            state->stream = NULL;
    }
    const struct cuda_fault none = {0};
    if (status == 0)
        status = cuda_allocate(device, sizeof(none), &state->fault);
    if (status == 0)
        status = cuda_load(cuda, cuda_address(state->fault.memory), &none, sizeof(none));
    if (status != 0) {
        free_state(device, state);
        return status;
    }
    pthread_mutex_lock(&cuda->mutex);
    state->next = cuda->computes;
    cuda->computes = state;
    pthread_mutex_unlock(&cuda->mutex);
    *out = state;
    return 0;
}

void cuda_compute_free(struct device *device, void *old)
{
    struct cuda_device *const cuda = cuda_of(device);
    struct cuda_compute *const state = old;
    pthread_mutex_lock(&cuda->mutex);
    struct cuda_compute **link = &cuda->computes;
    while (*link != state)
        link = &(*link)->next;
    *link = state->next;
    pthread_mutex_unlock(&cuda->mutex);
    free_state(device, state);
}

/* ---- launching ---- */

/* More than 48 KiB of shared memory have to be asked for, once. */
static bool allow_shared(struct compute *compute, enum cuda_kernel kernel, size_t bytes)
{
    enum { GRANTED = 48 << 10 };
    struct cuda_device *const cuda = device_of(compute);
    if (bytes <= GRANTED)
        return true;
    const int entered = cuda_enter(cuda);
    compute_fail(compute, entered);
    if (entered != 0)
        return false;
    pthread_mutex_lock(&cuda->mutex);
    cu_result result = CU_SUCCESS;
    if (bytes > cuda->shared_allowed[kernel]) {
        result = cuda->driver->function_set(cuda->kernels[kernel], CU_FUNCTION_MAX_DYNAMIC_SHARED, (int)bytes);
        if (result == CU_SUCCESS)
            cuda->shared_allowed[kernel] = bytes;
    }
    pthread_mutex_unlock(&cuda->mutex);
    return went_well(compute, result, "cuFuncSetAttribute", "asking for shared memory");
}

void cuda_launch(struct compute *compute, enum cuda_kernel kernel, struct cuda_grid grid, int threads,
                 size_t shared_bytes, const void *arguments)
{
    struct cuda_device *const cuda = device_of(compute);
    struct cuda_compute *const state = state_of(compute);
    if (compute_status(compute) != 0)
        return;
    if (grid.x > INT32_MAX || grid.y > UINT16_MAX || grid.z > UINT16_MAX) {
        compute_fail(compute, error_set(SOWLV2_ERROR_UNSUPPORTED, "%s: too much at once for %s: use a smaller batch",
                                        cuda->label, cuda_kernel_name(kernel)));
        return;
    }
    if (!allow_shared(compute, kernel, shared_bytes))
        return;
    set_since(cuda, &state->busy_since, true);
    set_since(cuda, &state->recorded_since, true);
    if (cuda_recorder_add(state->recorder, kernel, grid, threads, shared_bytes, arguments))
        begin_work(compute);
}

void cuda_launch_each(struct compute *compute, enum cuda_kernel kernel, int64_t count, const void *arguments)
{
    const int64_t blocks = (count + BLOCK_THREADS - 1) / BLOCK_THREADS;
    cuda_launch(compute, kernel, (struct cuda_grid){blocks < MAX_BLOCKS ? blocks : MAX_BLOCKS, 1, 1}, BLOCK_THREADS, 0,
                arguments);
}
