/* Copies in host memory, what is large by several threads. */
#include "ops/cuda/cuda.h"

#include <string.h>

void cuda_share(struct cuda_device *cuda, size_t count, pool_task task, void *data)
{
    const bool shared = count > 1 && cuda->copiers && pthread_mutex_trylock(&cuda->copy_mutex) == 0;
    if (shared) {
        pool_run(cuda->copiers, count, task, data);
        pthread_mutex_unlock(&cuda->copy_mutex);
    }
    for (size_t i = 0; i < count && !shared; i++)
        task(data, i, 0);
}

struct shared_copy {
    const struct cuda_host_rows *rows;
    size_t share; /* rows of one */
};

static void copy_share(void *data, size_t index, size_t worker)
{
    const struct shared_copy *const copy = data;
    const struct cuda_host_rows *const rows = copy->rows;
    const size_t first = index * copy->share, behind = first + copy->share;
    (void)worker;
    for (size_t i = first; i < behind && i < rows->count; i++)
        memcpy(rows->to + i * rows->bytes, rows->from + i * rows->stride, rows->bytes);
}

void cuda_copy_rows(struct cuda_device *cuda, const struct cuda_host_rows *rows)
{
    enum { SHARE_BYTES = 256 << 10, LARGE = 1 << 20 };
    if (rows->count == 0 || rows->bytes == 0)
        return;
    const bool large = rows->count >= LARGE / rows->bytes;
    struct shared_copy copy = {rows, large ? 1 + SHARE_BYTES / rows->bytes : rows->count};
    cuda_share(cuda, (rows->count + copy.share - 1) / copy.share, copy_share, &copy);
}

void cuda_copy_bytes(struct cuda_device *cuda, void *to, const void *from, size_t bytes)
{
    enum { ROW = 64 << 10 };
    const size_t whole = bytes / ROW * ROW;
    cuda_copy_rows(cuda, &(struct cuda_host_rows){to, from, ROW, bytes / ROW, ROW});
    if (bytes > whole)
        memcpy((char *)to + whole, (const char *)from + whole, bytes - whole);
}
