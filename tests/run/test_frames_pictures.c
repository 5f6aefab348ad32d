/* The pictures kept of a source that cannot be read twice. */
#include "run/frames_parts.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static float importance_of(int64_t index, const void *user_data)
{
    return ((const float *)user_data)[index];
}

/* The lowest importance goes first; of frames that have none yet, the earliest, after all that have. */
static void test_kept(void **state)
{
    enum { BYTES = 4 * 2 * 3 };
    float importance[] = {NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    struct frames_kept kept = {.limit = 3 * BYTES, .importance = importance_of, .user_data = importance};
    uint8_t pixels[BYTES];
    const struct image image = {4, 2, pixels};

    (void)state;
    for (int64_t i = 0; i < 3; i++) {
        memset(pixels, (int)i, sizeof(pixels));
        assert_int_equal(frames_kept_add(&kept, i, &image), 0);
    }
    memcpy(importance, (const float[]){5, 1, 9}, 3 * sizeof(float));
    for (int64_t i = 3; i < 5; i++)
        assert_int_equal(frames_kept_add(&kept, i, &image), 0);
    assert_int_equal(kept.count, 3);
    assert_int_equal(kept.bytes, 3 * BYTES);
    const int64_t left[] = {2, 3, 4};
    assert_memory_equal(kept.index, left, sizeof(left));
    assert_int_equal(kept.images[0].pixels[BYTES - 1], 2);
    for (int64_t i = 5; i < 7; i++)
        assert_int_equal(frames_kept_add(&kept, i, &image), 0);
    const int64_t last[] = {4, 5, 6};
    assert_memory_equal(kept.index, last, sizeof(last));
    frames_kept_free(&kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kept)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
