/* Importance scores and the choice of frames against tests/reference/make_importance.py. */
#include "analysis/importance.h"
#include "sowlv2.h"
#include "weights/safetensors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct safetensors *file;

static int setup(void **state)
{
    (void)state;
    return safetensors_open(TEST_DATA "/analysis/data/importance.safetensors", &file);
}

static int teardown(void **state)
{
    (void)state;
    safetensors_close(&file);
    return 0;
}

static const struct host_tensor *find(const char *name)
{
    const struct host_tensor *tensor = safetensors_find(file, name);

    if (!tensor)
        fail_msg("no %s", name);
    return tensor;
}

/* An aligned copy, to be freed. */
static void *copy_of(const struct host_tensor *tensor)
{
    void *copy = malloc(tensor->bytes + 1);

    assert_non_null(copy);
    memcpy(copy, tensor->data, tensor->bytes);
    return copy;
}

static void compare(const char *name, const float *found, double tolerance)
{
    const struct host_tensor *golden = find(name);
    float *expected = copy_of(golden);

    for (int64_t i = 0; i < host_tensor_count(golden); i++)
        if (!(fabs((double)found[i] - (double)expected[i]) <= tolerance))
            fail_msg("%s[%d] is %g, expected %g", name, (int)i, (double)found[i], (double)expected[i]);
    free(expected);
}

static void test_features(void **state)
{
    const struct host_tensor *tensor = find("features");
    struct importance_shape shape = {tensor->dim[0], tensor->dim[1], tensor->dim[2]};
    float *features = copy_of(tensor), *predicted = copy_of(find("predicted")), scores[16];

    (void)state;
    assert_in_range(shape.tubelets, 1, 16);
    importance_change(features, shape, 1, scores);
    compare("change.1", scores, 1e-6);
    assert_true(fabsf(scores[3]) < 1e-6F); /* a tubelet like the one before */
    importance_change(features, shape, 4, scores);
    compare("change.4", scores, 1e-6);
    importance_surprise(predicted, features, shape, scores);
    compare("surprise", scores, 1e-6);
    free(features);
    free(predicted);
}

/* The weighted mean of a block's pixels, as importance.h defines it. */
static uint8_t grey_block(const uint8_t *pixels, int width, int height, size_t row_bytes, int x, int y)
{
    const int64_t left = (int64_t)width * x / IMPORTANCE_GREY_WIDTH;
    const int64_t top = (int64_t)height * y / IMPORTANCE_GREY_HEIGHT;
    int64_t right = (int64_t)width * (x + 1) / IMPORTANCE_GREY_WIDTH;
    int64_t bottom = (int64_t)height * (y + 1) / IMPORTANCE_GREY_HEIGHT;
    uint64_t sum = 0, count = 0;

    right = right > left ? right : left + 1;
    bottom = bottom > top ? bottom : top + 1;
    for (int64_t row = top; row < bottom; row++) {
        for (int64_t column = left; column < right; column++, count++) {
            const uint8_t *pixel = pixels + (size_t)row * row_bytes + (size_t)column * 3;

            sum += 77U * pixel[0] + 150U * pixel[1] + 29U * pixel[2];
        }
    }
    return (uint8_t)(sum / 256 / count);
}

/* Pictures smaller than the grid, wider than what is summed at once, and so high that sums of bytes fill up. */
static void test_grey(void **state)
{
    static const struct {
        int width, height, padding, brightest;
    } sizes[] = {{1, 1, 0, 0},     {33, 27, 5, 0},     {64, 36, 0, 0},      {511, 37, 1, 0},
                 {513, 100, 0, 0}, {1280, 720, 64, 0}, {3, 36 * 300, 0, 1}, {70, 36 * 257 + 40, 2, 1}};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const int width = sizes[i].width, height = sizes[i].height;
        const size_t row_bytes = (size_t)width * 3 + (size_t)sizes[i].padding, bytes = row_bytes * (size_t)height;
        uint8_t *pixels = malloc(bytes), grey[IMPORTANCE_GREY];
        uint32_t random = (uint32_t)i;

        assert_non_null(pixels);
        for (size_t at = 0; at < bytes; at++) {
            random = random * 1664525U + 1013904223U;
            pixels[at] = sizes[i].brightest ? UINT8_MAX : (uint8_t)(random >> 24);
        }
        importance_grey(pixels, width, height, row_bytes, grey);
        for (int at = 0; at < IMPORTANCE_GREY; at++) {
            const int x = at % IMPORTANCE_GREY_WIDTH, y = at / IMPORTANCE_GREY_WIDTH;

            assert_int_equal(grey[at], grey_block(pixels, width, height, row_bytes, x, y));
        }
        uint8_t rows[IMPORTANCE_GREY];
        memset(rows, 0x55, sizeof(rows));
        importance_grey_rows(pixels, width, height, row_bytes, 5, 8, rows);
        for (int at = 0; at < IMPORTANCE_GREY; at++) {
            const int y = at / IMPORTANCE_GREY_WIDTH;
            assert_int_equal(rows[at], y >= 5 && y < 8 ? grey[at] : 0x55);
        }
        free(pixels);
    }
}

static void test_motion(void **state)
{
    uint8_t *before = copy_of(find("before")), *after = copy_of(find("after"));
    size_t count = (size_t)host_tensor_count(find("before"));
    float motion = importance_motion(before, after, count);

    (void)state;
    compare("motion", &motion, 1e-7);
    assert_true(importance_motion(before, before, count) == 0.0F);
    assert_true(importance_motion(before, after, 0) == 0.0F);
    free(before);
    free(after);
}

static void test_normalise(void **state)
{
    float *scores = copy_of(find("variance")), out[16];
    int64_t count = find("variance")->dim[0];
    const float same[] = {2, 2, 2}, odd[] = {1, NAN, 3, INFINITY, 2};

    (void)state;
    importance_normalise(scores, count, out);
    compare("normalised", out, 1e-6);
    importance_normalise_window(scores, 0, count, 3, out);
    compare("window.3", out, 1e-6);
    importance_normalise_window(scores, 0, count, 3, scores); /* in place */
    compare("window.3", scores, 1e-6);
    importance_normalise(same, 3, out);
    for (int i = 0; i < 3; i++)
        assert_true(out[i] == 0.0F);
    importance_normalise(odd, 5, out);
    const float expected[] = {0, 0, 1, 0, 0.5F};
    assert_memory_equal(out, expected, sizeof(expected));
    free(scores);
}

static void test_scenes(void **state)
{
    const float cuts[] = {0.9F, 0.01F, 0.02F, 0.5F, 0.02F, 0.01F, 0.01F, 0.01F, 0.01F, 0.3F};
    const float motion[] = {0, 0.3F, 0.35F, 0.3F, 0.4F, 0.3F, 0.3F, 0.35F, 0.3F, 0.3F};
    const float small[] = {0, 0, 0, 0.05F, 0, 0, 0, 0, 0, 0};
    const int64_t expected[] = {0, 3, 9};
    int64_t starts[10];

    (void)state;
    assert_int_equal(importance_scenes(cuts, 10, starts), 3);
    assert_memory_equal(starts, expected, sizeof(expected));
    assert_int_equal(importance_scenes(motion, 10, starts), 1);
    assert_int_equal(importance_scenes(small, 10, starts), 1);
    assert_int_equal(importance_scenes(cuts, 0, starts), 0);
}

static void test_mix(void **state)
{
    const float a[] = {0, 1, 0.5F}, b[] = {1, 0, 0.5F}, mixed[] = {0.25F, 0.75F, 0.5F};
    float out[3];

    (void)state;
    importance_mix(a, b, 0.25F, 3, out);
    assert_memory_equal(out, mixed, sizeof(mixed));
}

static void test_select(void **state)
{
    char name[64];
    int run = 0;

    (void)state;
    for (;; run++) {
        snprintf(name, sizeof(name), "select.%d.scores", run);
        if (!safetensors_find(file, name))
            break;
        int64_t count = find(name)->dim[0], found_count = -1;
        float *scores = copy_of(find(name));
        snprintf(name, sizeof(name), "select.%d.settings", run);
        int64_t *settings = copy_of(find(name));
        snprintf(name, sizeof(name), "select.%d.scenes", run);
        const struct host_tensor *scenes = safetensors_find(file, name);
        int64_t *starts = scenes ? copy_of(scenes) : NULL;
        snprintf(name, sizeof(name), "select.%d.chosen", run);
        int64_t wanted = find(name)->dim[0], *expected = copy_of(find(name));
        int64_t *found = malloc(sizeof(*found) * (size_t)(wanted + 1)); /* the sanitizer guards what lies behind */
        struct importance_choice choice = {settings[0], settings[1], starts, scenes ? scenes->dim[0] : 0};

        assert_non_null(found);
        assert_int_equal(importance_select(scores, count, &choice, found, &found_count), 0);
        assert_int_equal(found_count, wanted);
        for (int64_t i = 0; i < wanted; i++)
            if (found[i] != expected[i])
                fail_msg("%s[%d] is %d, expected %d", name, (int)i, (int)found[i], (int)expected[i]);
        free(scores);
        free(settings);
        free(starts);
        free(expected);
        free(found);
    }
    assert_int_equal(run, 9);
}

static void test_select_nothing(void **state)
{
    struct importance_choice choice = {0, 10, NULL, 0};
    const float score = 1;
    int64_t chosen[4], count = -1;

    (void)state;
    assert_int_equal(importance_select(&score, 1, &choice, chosen, &count), 0);
    assert_int_equal(count, 0);
    choice.wanted = 3;
    assert_int_equal(importance_select(NULL, 0, &choice, chosen, &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(importance_uniform(0, 3, chosen), 0);
    assert_int_equal(importance_uniform(2, 3, chosen), 2);
    assert_int_equal(importance_uniform(10, 4, chosen), 4);
    const int64_t expected[] = {1, 3, 6, 8};
    assert_memory_equal(chosen, expected, sizeof(expected));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_features), cmocka_unit_test(test_motion), cmocka_unit_test(test_normalise),
        cmocka_unit_test(test_mix),      cmocka_unit_test(test_select), cmocka_unit_test(test_select_nothing),
        cmocka_unit_test(test_scenes),   cmocka_unit_test(test_grey),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
