/* A pool of threads: a counter of tasks under one lock. */
#include "base/pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t begun, done;
    pool_task task;
    void *data;
    size_t next, count, finished; /* of the call at hand */
    size_t workers;               /* the caller's included */
    size_t named;                 /* worker numbers that threads have taken */
    bool ending;
    pthread_t threads[]; /* [workers - 1] */
};

/* Runs tasks until none is left to begin. Called and left with the lock held. */
static void work(struct pool *pool, size_t worker)
{
    while (pool->next < pool->count) {
        size_t index = pool->next++;
        pool_task task = pool->task;
        void *data = pool->data;

        pthread_mutex_unlock(&pool->lock);
        task(data, index, worker);
        pthread_mutex_lock(&pool->lock);
        if (++pool->finished == pool->count)
            pthread_cond_signal(&pool->done);
    }
}

static void *run_thread(void *argument)
{
    struct pool *pool = argument;
    size_t worker;

    pthread_mutex_lock(&pool->lock);
    worker = ++pool->named;
    while (!pool->ending) {
        work(pool, worker);
        if (!pool->ending)
            pthread_cond_wait(&pool->begun, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

struct pool *pool_create(int threads)
{
    size_t others = threads > 1 ? (size_t)threads - 1 : 0;
    struct pool *pool = calloc(1, sizeof(*pool) + others * sizeof(pthread_t));

    if (!pool)
        return NULL;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->begun, NULL);
    pthread_cond_init(&pool->done, NULL);
    pool->workers = 1;
    while (pool->workers <= others && pthread_create(&pool->threads[pool->workers - 1], NULL, run_thread, pool) == 0)
        pool->workers++;
    return pool;
}

size_t pool_size(const struct pool *pool)
{
    return pool->workers;
}

void pool_run(struct pool *pool, size_t count, pool_task task, void *data)
{
    pthread_mutex_lock(&pool->lock);
    pool->task = task;
    pool->data = data;
    pool->next = pool->finished = 0;
    pool->count = count;
    if (count > 1)
        pthread_cond_broadcast(&pool->begun);
    work(pool, 0);
    while (pool->finished < count)
        pthread_cond_wait(&pool->done, &pool->lock);
    pool->count = 0;
    pthread_mutex_unlock(&pool->lock);
}

void pool_free(struct pool **pool)
{
    if (!*pool)
        return;
    pthread_mutex_lock(&(*pool)->lock);
    (*pool)->ending = true;
    pthread_cond_broadcast(&(*pool)->begun);
    pthread_mutex_unlock(&(*pool)->lock);
    for (size_t i = 0; i + 1 < (*pool)->workers; i++)
        pthread_join((*pool)->threads[i], NULL);
    pthread_cond_destroy(&(*pool)->done);
    pthread_cond_destroy(&(*pool)->begun);
    pthread_mutex_destroy(&(*pool)->lock);
    free(*pool);
    *pool = NULL;
}
