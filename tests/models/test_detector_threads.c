/* One detector and its prompts used by several threads at once: every result is bit for bit the one that a
 * single thread gets. Each pass computes with one thread, so that ThreadSanitizer sees only our own locking. */
#include "expected.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { THREADS = 4, ROUNDS = 3, MAX_IMAGES = 8, SETS = 2 };

struct shared {
    const sowlv2_detector *detector;
    const sowlv2_prompts *prompts[SETS];
    struct sowlv2_image images[MAX_IMAGES];
    int count;
    struct sowlv2_detections alone[SETS][MAX_IMAGES];
};

struct worker {
    struct shared *shared;
    int number, wrong, failed;
};

static bool same(const struct sowlv2_detections *a, const struct sowlv2_detections *b)
{
    if (a->count != b->count || a->dropped != b->dropped)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct sowlv2_detection *x = &a->items[i], *y = &b->items[i];
        if (memcmp(x->box, y->box, sizeof(x->box)) != 0 || x->prompt != y->prompt ||
            memcmp(&x->score, &y->score, sizeof(x->score)) != 0)
            return false;
    }
    return true;
}

/* Also encodes prompts and tokenizes meanwhile: those use the detector too. */
static void *work(void *argument)
{
    struct worker *worker = argument;
    struct shared *shared = worker->shared;
    sowlv2_detect_session *session = NULL;

    if (sowlv2_detect_session_create(shared->detector, &session) != 0) {
        worker->failed++;
        return NULL;
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int step = 0; step < SETS * shared->count; step++) {
            int turn = (step + 3 * worker->number) % (SETS * shared->count);
            int set = turn % SETS, image = turn / SETS;
            struct sowlv2_detections found = {0};

            if (sowlv2_detect(session, shared->prompts[set], &shared->images[image], 1, NULL, &found) != 0)
                worker->failed++;
            else if (!same(&found, &shared->alone[set][image]))
                worker->wrong++;
            sowlv2_detections_free(&found);
        }
        const char *const text = "a red bicycle";
        sowlv2_prompts *prompts = NULL;
        if (sowlv2_prompts_encode(shared->detector, &text, 1, NULL, &prompts) != 0)
            worker->failed++;
        sowlv2_prompts_free(&prompts);
    }
    sowlv2_detect_session_free(&session);
    return NULL;
}

static void run_threads(struct shared *shared)
{
    pthread_t threads[THREADS];
    struct worker workers[THREADS];

    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){shared, i, 0, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(workers[i].failed, 0);
        assert_int_equal(workers[i].wrong, 0);
    }
}

static void test_threads(void **state)
{
    struct expected expected;
    struct sowlv2_model_options options = sowlv2_model_options_default();
    sowlv2_detector *detector = NULL;
    sowlv2_prompts *prompts[SETS] = {NULL};
    sowlv2_detect_session *session = NULL;
    struct shared shared = {0};
    size_t total = 0;

    (void)state;
    expected_open("owlv2_tiny", &expected);
    options.model = expected.folder;
    struct sowlv2_device_options device = sowlv2_device_options_default();
    device.threads = 1;
    options.device_options = &device;
    assert_int_equal(sowlv2_detector_open(&options, &detector), 0);
    assert_int_equal(sowlv2_detect_session_create(detector, &session), 0);
    shared.detector = detector;
    shared.count = expected.images;
    for (int set = 0; set < SETS; set++) {
        struct expected_prompts texts;
        expected_prompts(&expected, expected_sets[set], &texts);
        assert_int_equal(sowlv2_prompts_encode(detector, texts.items, texts.count, NULL, &prompts[set]), 0);
        expected_prompts_free(&texts);
        shared.prompts[set] = prompts[set];
    }
    for (int image = 0; image < shared.count; image++) {
        shared.images[image] = expected_image(&expected, image);
        for (int set = 0; set < SETS; set++) {
            assert_int_equal(
                sowlv2_detect(session, prompts[set], &shared.images[image], 1, NULL, &shared.alone[set][image]), 0);
            total += shared.alone[set][image].count;
        }
    }
    assert_true(total > 50); /* there is something to compare */
    run_threads(&shared);
    for (int image = 0; image < shared.count; image++)
        for (int set = 0; set < SETS; set++)
            sowlv2_detections_free(&shared.alone[set][image]);
    for (int set = 0; set < SETS; set++)
        sowlv2_prompts_free(&prompts[set]);
    sowlv2_detect_session_free(&session);
    sowlv2_detector_free(&detector);
    expected_close(&expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
