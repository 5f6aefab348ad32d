/* A few threads that share the tasks of one call after another. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>

struct pool;

/* One task: `index` below the count given to pool_run(), `worker` below pool_size(); two tasks that run at once have
 * different workers, so that each worker may have scratch memory of its own. */
typedef void (*pool_task)(void *data, size_t index, size_t worker);

/* `threads` (>= 1) counts the calling thread of pool_run(), which works too. Fewer are there where the system gives no
 * more. NULL: out of memory. */
struct pool *pool_create(int threads);

/* Workers, the caller's included: at least 1. */
size_t pool_size(const struct pool *pool);

/* Runs task(data, 0) to task(data, count - 1), begun in this order, and waits for all. One call at a time. */
void pool_run(struct pool *pool, size_t count, pool_task task, void *data);

/* Ends the threads, frees all and clears the pointer. NULL inside is fine. */
void pool_free(struct pool **pool);

#endif
