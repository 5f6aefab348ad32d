/* Weights on their way to the device: converted to its type, rows padded so that each begins at 16 bytes. They are
 * converted by all threads into one half of the pinned memory while the other half is copied. */
#include "ops/cuda/cuda.h"

#include "base/error.h"
#include "ops/host.h"

#include <stdlib.h>
#include <string.h>

enum { ROW_BYTES = 16, BIAS_ALIGNMENT = 256, HALF_BYTES = CUDA_STAGING_BYTES / CUDA_STAGING_HALVES };

/* A matrix in host memory, of any type that can be converted. */
struct matrix {
    enum dtype dtype;
    const void *data; /* NULL: zeros */
    int64_t rows, columns;
};

/* Where it goes: rows of a type of their own, `stride` values wide, zeros behind the columns. */
struct place {
    enum dtype dtype;
    int64_t stride;
    cu_pointer address;
};

/* One use of the pinned memory, which the mutex guards. Pieces lie in a half behind each other while they fit. */
struct loading {
    struct cuda_device *cuda;
    int half;                             /* the one that is filled */
    size_t used;                          /* of it */
    bool on_its_way[CUDA_STAGING_HALVES]; /* something of it is being copied */
    int status;
};

static void begin(struct loading *loading, struct cuda_device *cuda)
{
    *loading = (struct loading){.cuda = cuda, .status = cuda_enter(cuda)};
    pthread_mutex_lock(&cuda->load_mutex);
}

static void wait_for(struct loading *loading, int half)
{
    const struct cuda_device *const cuda = loading->cuda;
    if (!loading->on_its_way[half])
        return;
    loading->on_its_way[half] = false;
    const int status = cuda_failed(cuda, cuda->driver->stream_wait(cuda->loading[half]), "cuStreamSynchronize",
                                   "copying weights to the GPU");
    loading->status = loading->status != 0 ? loading->status : status;
}

/* Room for a piece, at most HALF_BYTES. */
static char *take_room(struct loading *loading, size_t bytes)
{
    const size_t begin = (loading->used + ROW_BYTES - 1) / ROW_BYTES * ROW_BYTES;
    const bool fits = begin <= HALF_BYTES && bytes <= HALF_BYTES - begin;
    if (!fits) {
        loading->half = (loading->half + 1) % CUDA_STAGING_HALVES;
        wait_for(loading, loading->half);
    }
    loading->used = (fits ? begin : 0) + bytes;
    return (char *)loading->cuda->staging + (size_t)loading->half * HALF_BYTES + (fits ? begin : 0);
}

/* All that was copied is there. */
static int end(struct loading *loading)
{
    for (int i = 0; i < CUDA_STAGING_HALVES; i++)
        wait_for(loading, i);
    pthread_mutex_unlock(&loading->cuda->load_mutex);
    return loading->status;
}

/* Values of one row; what has another type goes through f32. */
static void convert(enum dtype from, const char *data, int64_t count, enum dtype to, char *out)
{
    enum { PART = 1024 };
    float part[PART];
    const size_t from_size = dtype_size(from), to_size = dtype_size(to);
    if (from == to) {
        memcpy(out, data, (size_t)count * to_size);
        return;
    }
    for (int64_t i = 0, n; i < count; i += n) {
        n = count - i < PART ? count - i : PART;
        float *const values = to == DTYPE_F32 ? (float *)(void *)(out + (size_t)i * to_size) : part;
        dtype_to_f32(from, data + (size_t)i * from_size, n, values);
        uint16_t *const rounded = (uint16_t *)(void *)(out + (size_t)i * to_size);
        for (int64_t j = 0; j < n && to != DTYPE_F32; j++)
            rounded[j] = host_round_bf16(part[j]);
    }
}

/* `count` values of the rows as they will be, from value `first` on. */
static void fill(const struct matrix *from, const struct place *to, int64_t first, int64_t count, char *out)
{
    const size_t size = dtype_size(to->dtype);
    for (int64_t at = first, n; at < first + count; at += n, out += (size_t)n * size) {
        const int64_t row = at / to->stride, column = at % to->stride, left = first + count - at;
        const int64_t end_of_part = column < from->columns ? from->columns : to->stride;
        n = end_of_part - column < left ? end_of_part - column : left;
        if (column < from->columns && from->data) {
            const size_t offset = (size_t)(row * from->columns + column) * dtype_size(from->dtype);
            convert(from->dtype, (const char *)from->data + offset, n, to->dtype, out);
        } else {
            memset(out, 0, (size_t)n * size);
        }
    }
}

/* A piece in shares. */
struct piece {
    const struct matrix *from;
    const struct place *to;
    int64_t first, count;
    char *room;
};
enum { SHARE_VALUES = 1 << 17 };

static void fill_share(void *data, size_t index, size_t worker)
{
    const struct piece *const piece = data;
    const int64_t begin = (int64_t)index * SHARE_VALUES, left = piece->count - begin;
    (void)worker;
    fill(piece->from, piece->to, piece->first + begin, left < SHARE_VALUES ? left : SHARE_VALUES,
         piece->room + (size_t)begin * dtype_size(piece->to->dtype));
}

static void load(struct loading *loading, const struct matrix *from, const struct place *to)
{
    struct cuda_device *const cuda = loading->cuda;
    const int64_t size = (int64_t)dtype_size(to->dtype), total = from->rows * to->stride, most = HALF_BYTES / size;
    if (loading->status == 0 && from->dtype != to->dtype) /* whether the type can be read at all */
        loading->status = dtype_to_f32(from->dtype, from->data, 0, NULL);
    for (int64_t at = 0, count; at < total && loading->status == 0; at += count) {
        count = total - at < most ? total - at : most;
        const size_t bytes = (size_t)(count * size);
        struct piece piece = {from, to, at, count, take_room(loading, bytes)};
        if (loading->status != 0)
            return;
        cuda_share(cuda, (size_t)((count + SHARE_VALUES - 1) / SHARE_VALUES), fill_share, &piece);
        loading->status = cuda_failed(cuda,
                                      cuda->driver->copy_to_device(to->address + (cu_pointer)(at * size), piece.room,
                                                                   bytes, cuda->loading[loading->half]),
                                      "cuMemcpyHtoDAsync", "copying weights to the GPU");
        loading->on_its_way[loading->half] = loading->on_its_way[loading->half] || loading->status == 0;
    }
}

int cuda_load(struct cuda_device *cuda, cu_pointer to, const void *from, size_t bytes)
{
    struct loading loading;
    begin(&loading, cuda);
    load(&loading, &(struct matrix){DTYPE_U8, from, 1, (int64_t)bytes}, &(struct place){DTYPE_U8, (int64_t)bytes, to});
    return end(&loading);
}

int cuda_constant_create(struct device *device, const struct host_tensor *source, bool copy, struct buffer *out)
{
    (void)copy; /* it always is one */
    const int64_t count = host_tensor_count(source);
    *out = (struct buffer){0};
    if ((uint64_t)count > PTRDIFF_MAX / sizeof(float))
        return error_memory("a weight");
    int status = cuda_allocate(device, (size_t)count * sizeof(float), out);
    if (status != 0)
        return status;
    struct loading loading;
    begin(&loading, cuda_of(device));
    load(&loading, &(struct matrix){source->dtype, source->data, 1, count},
         &(struct place){DTYPE_F32, count, cuda_address(out->memory)});
    status = end(&loading);
    if (status != 0)
        cuda_release(device, out);
    return status;
}

/* The bytes of the prepared weights, then of the bias; false where that is out of range. */
static bool lay_out(const struct device *device, const struct linear_source *source, struct cuda_weights *weights,
                    size_t *bytes)
{
    const int64_t step = ROW_BYTES / (int64_t)dtype_size(device->precision);
    const size_t bias = source->has_bias ? (size_t)source->outputs * sizeof(float) : 0;
    size_t size;
    if (source->inputs > INT64_MAX - step)
        return false;
    weights->stride = (source->inputs + step - 1) / step * step;
    if (__builtin_mul_overflow((size_t)weights->stride * dtype_size(device->precision), (size_t)source->outputs,
                               &size) ||
        size > PTRDIFF_MAX / 4)
        return false;
    size = (size + BIAS_ALIGNMENT - 1) / BIAS_ALIGNMENT * BIAS_ALIGNMENT;
    weights->bias_offset = source->has_bias ? size : 0;
    *bytes = size + bias;
    return true;
}

/* The parts' biases one after the other, with zeros for those that have none. */
static void load_biases(struct loading *loading, const struct linear_source *source, cu_pointer to)
{
    for (int i = 0; i < source->parts; i++) {
        const int64_t count = source->weight[i]->dim[0];
        const struct host_tensor *const bias = source->bias ? source->bias[i] : NULL;
        const struct matrix values = {bias ? bias->dtype : DTYPE_F32, bias ? bias->data : NULL, 1, count};
        load(loading, &values, &(struct place){DTYPE_F32, count, to});
        to += (cu_pointer)count * sizeof(float);
    }
}

/* `turned`: what is loaded instead of the only part's weight; NULL: the parts as they are. */
static int load_weights(struct device *device, const struct linear_source *source, const float *turned,
                        struct cuda_weights *weights)
{
    size_t bytes;
    if (!lay_out(device, source, weights, &bytes))
        return error_memory("a layer's weights");
    const int status = cuda_allocate(device, bytes, &weights->buffer);
    if (status != 0)
        return status;
    struct loading loading;
    struct place to = {device->precision, weights->stride, cuda_address(weights->buffer.memory)};
    begin(&loading, cuda_of(device));
    for (int i = 0; i < source->parts; i++) {
        const struct host_tensor *const part = source->weight[i];
        const struct matrix values = {turned ? DTYPE_F32 : part->dtype, turned ? turned : part->data, part->dim[0],
                                      source->inputs};
        load(&loading, &values, &to);
        to.address += (cu_pointer)(part->dim[0] * to.stride) * dtype_size(to.dtype);
    }
    if (source->has_bias)
        load_biases(&loading, source, cuda_address(weights->buffer.memory) + weights->bias_offset);
    return end(&loading);
}

static int create(struct device *device, const struct linear_source *source, bool channels_last, void **state)
{
    struct host_weights turned = {0};
    struct cuda_weights *const weights = calloc(1, sizeof(*weights));
    if (!weights)
        return error_memory("a layer");
    int status = channels_last ? host_weights_join(source, true, &turned) : 0;
    if (status == 0)
        status = load_weights(device, source, turned.weight, weights);
    host_weights_free(&turned);
    if (status != 0) {
        cuda_linear_free(device, weights);
        return status;
    }
    *state = weights;
    return 0;
}

int cuda_linear_create(struct device *device, const struct linear_source *source, void **state)
{
    return create(device, source, false, state);
}

int cuda_conv2d_create(struct device *device, const struct linear_source *source, const struct conv2d *conv,
                       void **state)
{
    (void)conv;
    return create(device, source, true, state);
}

void cuda_linear_free(struct device *device, void *state)
{
    struct cuda_weights *const weights = state;
    cuda_release(device, &weights->buffer);
    free(weights);
}
