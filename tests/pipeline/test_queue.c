/* The bounded queue: order, bound, closing, and many threads at once. */
#include "pipeline/queue.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { ITEMS = 2000, THREADS = 4 };

static int numbers[ITEMS * THREADS];

static void test_order(void **state)
{
    struct queue *queue = queue_create(3);
    void *item;

    (void)state;
    for (int round = 0; round < 5; round++) { /* wraps around the ring */
        assert_true(queue_push(queue, &numbers[round]));
        assert_true(queue_push(queue, &numbers[round + 1]));
        assert_true(queue_pop(queue, &item) && item == &numbers[round]);
        assert_true(queue_pop(queue, &item) && item == &numbers[round + 1]);
    }
    queue_free(&queue);
    assert_null(queue);
    queue_free(&queue);
}

static void test_capacity(void **state)
{
    (void)state;
    assert_null(queue_create(0));
    assert_null(queue_create(SIZE_MAX));
}

static void test_close(void **state)
{
    struct queue *queue = queue_create(2);
    void *item;

    (void)state;
    assert_true(queue_push(queue, &numbers[0]));
    queue_close(queue);
    assert_false(queue_push(queue, &numbers[1]));
    assert_true(queue_pop(queue, &item) && item == &numbers[0]);
    assert_false(queue_pop(queue, &item));
    queue_close(queue);
    queue_free(&queue);
}

struct blocked {
    struct queue *queue;
    atomic_int returned;
    bool result;
};

static void *push_one(void *argument)
{
    struct blocked *blocked = argument;

    blocked->result = queue_push(blocked->queue, &numbers[1]);
    atomic_store(&blocked->returned, 1);
    return NULL;
}

static void *pop_one(void *argument)
{
    struct blocked *blocked = argument;
    void *item;

    blocked->result = queue_pop(blocked->queue, &item);
    atomic_store(&blocked->returned, 1);
    return NULL;
}

/* A push into a full queue waits: first for room, then for the close that refuses it. */
static void test_full(void **state)
{
    struct blocked blocked = {.queue = queue_create(1)};
    pthread_t thread;
    void *item;

    (void)state;
    assert_true(queue_push(blocked.queue, &numbers[0]));
    assert_int_equal(pthread_create(&thread, NULL, push_one, &blocked), 0);
    usleep(30000);
    assert_int_equal(atomic_load(&blocked.returned), 0);
    assert_true(queue_pop(blocked.queue, &item) && item == &numbers[0]);
    pthread_join(thread, NULL);
    assert_true(blocked.result);

    atomic_store(&blocked.returned, 0);
    assert_int_equal(pthread_create(&thread, NULL, push_one, &blocked), 0);
    usleep(30000);
    assert_int_equal(atomic_load(&blocked.returned), 0);
    queue_close(blocked.queue);
    pthread_join(thread, NULL);
    assert_false(blocked.result);
    queue_free(&blocked.queue);
}

/* A pop from an empty queue waits for the close. */
static void test_empty(void **state)
{
    struct blocked blocked = {.queue = queue_create(1)};
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, pop_one, &blocked), 0);
    usleep(30000);
    assert_int_equal(atomic_load(&blocked.returned), 0);
    queue_close(blocked.queue);
    pthread_join(thread, NULL);
    assert_false(blocked.result);
    queue_free(&blocked.queue);
}

struct crowd {
    struct queue *queue;
    atomic_int next, popped;
};

static void *push_many(void *argument)
{
    struct crowd *crowd = argument;

    for (int i = 0; i < ITEMS; i++)
        if (!queue_push(crowd->queue, &numbers[atomic_fetch_add(&crowd->next, 1)]))
            break;
    return NULL;
}

static void *pop_many(void *argument)
{
    struct crowd *crowd = argument;
    void *item;

    while (queue_pop(crowd->queue, &item)) {
        int *number = item;

        (*number)++; /* each is one thread's alone: a race here is the queue's fault */
        atomic_fetch_add(&crowd->popped, 1);
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct crowd crowd = {.queue = queue_create(7)};
    pthread_t pushers[THREADS], poppers[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&pushers[i], NULL, push_many, &crowd), 0);
        assert_int_equal(pthread_create(&poppers[i], NULL, pop_many, &crowd), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(pushers[i], NULL);
    queue_close(crowd.queue);
    for (int i = 0; i < THREADS; i++)
        pthread_join(poppers[i], NULL);
    assert_int_equal(atomic_load(&crowd.popped), ITEMS * THREADS);
    for (int i = 0; i < ITEMS * THREADS; i++)
        assert_int_equal(numbers[i], 1);
    queue_free(&crowd.queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order), cmocka_unit_test(test_capacity), cmocka_unit_test(test_close),
        cmocka_unit_test(test_full),  cmocka_unit_test(test_empty),    cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
