/* The pool: every task once, no two at once with one worker, many calls one after another. */
#include "base/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

enum { TASKS = 100, MOST_WORKERS = 8 };

struct record {
    size_t workers;
    int done[TASKS];                 /* plain: a task run twice at once is a race that the sanitizer sees */
    int scratch[MOST_WORKERS];       /* likewise */
    atomic_int running, most, wrong; /* tasks at once; the most of them; workers out of range */
    useconds_t pause;
};

static void count_task(void *data, size_t index, size_t worker)
{
    struct record *record = data;
    int running = atomic_fetch_add(&record->running, 1) + 1, most = atomic_load(&record->most);

    while (running > most && !atomic_compare_exchange_weak(&record->most, &most, running))
        ;
    if (worker >= record->workers)
        atomic_fetch_add(&record->wrong, 1);
    else
        record->scratch[worker]++;
    record->done[index]++;
    if (record->pause)
        usleep(record->pause);
    atomic_fetch_sub(&record->running, 1);
}

static void run_pool(int threads)
{
    struct pool *pool = pool_create(threads);

    assert_non_null(pool);
    assert_int_equal(pool_size(pool), threads);
    for (size_t round = 0; round < 300; round++) {
        struct record record = {.workers = pool_size(pool)};
        size_t count = round % TASKS;
        int total = 0;

        pool_run(pool, count, count_task, &record);
        for (size_t i = 0; i < TASKS; i++)
            assert_int_equal(record.done[i], i < count ? 1 : 0);
        for (size_t i = 0; i < MOST_WORKERS; i++)
            total += record.scratch[i];
        assert_int_equal(total, count);
        assert_int_equal(record.wrong, 0);
        assert_int_equal(record.running, 0);
        assert_true(record.most <= threads);
    }
    pool_free(&pool);
    assert_null(pool);
    pool_free(&pool);
}

static void test_tasks(void **state)
{
    (void)state;
    run_pool(1);
    run_pool(2);
    run_pool(MOST_WORKERS);
}

/* Tasks that wait are run by all workers together. */
static void test_together(void **state)
{
    struct pool *pool = pool_create(4);
    struct record record = {.workers = 4, .pause = 20000};

    (void)state;
    assert_non_null(pool);
    pool_run(pool, 16, count_task, &record);
    assert_true(record.most >= 2);
    pool_free(&pool);
}

/* Made and freed without any call. */
static void test_unused(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct pool *pool = pool_create(1 + i % 5);

        assert_non_null(pool);
        pool_free(&pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tasks),
        cmocka_unit_test(test_together),
        cmocka_unit_test(test_unused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
