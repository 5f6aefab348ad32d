/* The resize of images against the portable reference. */
#include "ops/support.h"

#include "ops/filter.h"

#include <stdio.h>
#include <stdlib.h>

/* f32 sums of weights that add up to 1 times values to 255, scaled by 1/255 and divided by 0.26: some
 * roundings of 2^-24 * 4. */
static const double tolerance = 2e-6;

static const float mean[3] = {0.48145466F, 0.4578275F, 0.40821073F}, std[3] = {0.26862954F, 0.26130258F, 0.27577711F};

/* An image whose last row ends where its memory ends, so that the sanitizer sees a read beyond it. */
static uint8_t *make_pixels(int64_t height, int64_t width, size_t row_bytes)
{
    size_t bytes = (size_t)(height - 1) * row_bytes + (size_t)width * 3;
    uint8_t *pixels = malloc(bytes);
    assert_non_null(pixels);
    for (size_t i = 0; i < bytes; i++)
        pixels[i] = (uint8_t)random_bits();
    return pixels;
}

static void check_resize(struct sides *sides, const struct filter *vertical, const struct filter *horizontal, bool gaps)
{
    size_t row_bytes = (size_t)horizontal->inputs * 3 + (gaps ? (size_t)random_range(1, 30) : 0);
    uint8_t *pixels = make_pixels(vertical->inputs, horizontal->inputs, row_bytes);
    struct field out = field_poisoned(gaps, DIMS(vertical->outputs, horizontal->outputs, 3));
    struct field expected = field_poisoned(false, DIMS(vertical->outputs, horizontal->outputs, 3));
    sides_begin(sides);
    resize_image(sides->compute[REFERENCE], pixels, row_bytes, vertical, horizontal, 1.0F / 255.0F, mean, std,
                 expected.tensor);
    resize_image(sides->compute[UNDER_TEST], pixels, row_bytes, vertical, horizontal, 1.0F / 255.0F, mean, std,
                 out.tensor);
    sides_check(sides);
    char what[96];
    snprintf(what, sizeof(what), "resize %d x %d to %d x %d", vertical->inputs, horizontal->inputs, vertical->outputs,
             horizontal->outputs);
    compare_tensors(what, &out.tensor, &expected.tensor, tolerance, tolerance);
    field_check_output(&out);
    field_free(&out);
    field_free(&expected);
    free(pixels);
}

static void test_resize_blur(void **state)
{
    static const int sizes[][3] = {{1, 1, 5},    {1, 50, 33},  {50, 1, 33},  {37, 91, 64},   {91, 37, 96}, {64, 64, 64},
                                   {65, 50, 64}, {200, 3, 17}, {3, 200, 17}, {333, 277, 48}, {16, 15, 127}};
    for (int i = 0; i < COUNT(sizes); i++) {
        int height = sizes[i][0], width = sizes[i][1], target = sizes[i][2], side = height > width ? height : width;
        struct filter vertical, horizontal;
        assert_int_equal(filter_blur_bilinear(height, side, target, &vertical), 0);
        assert_int_equal(filter_blur_bilinear(width, side, target, &horizontal), 0);
        check_resize(*state, &vertical, &horizontal, i % 2 == 0);
        filter_free(&vertical);
        filter_free(&horizontal);
    }
}

static void test_resize_antialias(void **state)
{
    for (int i = 0; i < 30; i++) {
        struct filter vertical, horizontal;
        assert_int_equal(filter_bilinear_antialias((int)random_range(1, 90), (int)random_range(1, 70), &vertical), 0);
        assert_int_equal(filter_bilinear_antialias((int)random_range(1, 90), (int)random_range(1, 70), &horizontal), 0);
        check_resize(*state, &vertical, &horizontal, i % 2 == 0);
        filter_free(&vertical);
        filter_free(&horizontal);
    }
}

/* Filters of any taps, also none: then the output is that of a black pixel. */
static struct filter random_filter(int inputs, int outputs)
{
    struct filter filter;
    assert_int_equal(filter_bilinear_antialias(inputs, outputs, &filter), 0);
    for (int i = 0; i < outputs; i++) {
        int most = filter.stride < inputs ? filter.stride : inputs;
        filter.count[i] = (int32_t)random_range(0, most);
        filter.first[i] = (int32_t)random_range(0, inputs - filter.count[i]);
        for (int j = 0; j < filter.count[i]; j++)
            filter.weight[i * filter.stride + j] = random_float(-1.0F, 1.0F) / (float)filter.count[i];
    }
    return filter;
}

static void test_resize_any_filter(void **state)
{
    for (int i = 0; i < 40; i++) {
        struct filter vertical = random_filter((int)random_range(1, 50), (int)random_range(1, 40));
        struct filter horizontal = random_filter((int)random_range(1, 50), (int)random_range(1, 40));
        check_resize(*state, &vertical, &horizontal, i % 2 == 0);
        filter_free(&vertical);
        filter_free(&horizontal);
    }
}

int sets_resize(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resize_blur),
        cmocka_unit_test(test_resize_antialias),
        cmocka_unit_test(test_resize_any_filter),
    };
    return cmocka_run_group_tests_name("resize", tests, sides_setup, sides_teardown);
}
