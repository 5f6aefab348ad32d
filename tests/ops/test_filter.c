/* The resize filters against torch's and torchvision's, and whole images against the reference's
 * processor. */
#include "ops/support.h"

#include "base/error.h"
#include "ops/expected.h"
#include "ops/filter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* docs/architecture.md: preprocessed pixels within 1e-5. */
static const double tolerance = 1e-5;

/* Pixels on one axis are 0 to 1; the reference sums them in f32. */
static const double axis_tolerance = 2e-6;

static void check_axis(const char *what, const struct filter *filter, const struct host_tensor *expected)
{
    assert_int_equal(host_tensor_count(expected), filter->outputs);
    for (int i = 0; i < filter->outputs; i++) {
        double sum = 0.0;
        for (int j = 0; j < filter->count[i]; j++) {
            uint32_t at = (uint32_t)(filter->first[i] + j);
            assert_in_range(at, 0, filter->inputs - 1);
            sum += (double)filter->weight[(int64_t)i * filter->stride + j] * (double)noise(0, at, 0) / 255.0;
        }
        if (!(fabs(sum - expected_number(expected, i)) <= axis_tolerance))
            fail_msg("%s: output %d is %.9g, not %.9g", what, i, sum, expected_number(expected, i));
    }
}

/* The numbers in a name like "axis.10.20000.960.out"; false where it does not begin with `kind`. */
static bool parse_name(const char *name, const char *kind, int count, int *numbers)
{
    size_t length = strlen(kind);
    if (strncmp(name, kind, length) != 0 || name[length] != '.')
        return false;
    const char *at = name + length + 1;
    for (int i = 0; i < count; i++) {
        char *end;
        numbers[i] = (int)strtol(at, &end, 10);
        assert_int_equal(*end, '.');
        at = end + 1;
    }
    return true;
}

static void test_axes(void **state)
{
    (void)state;
    struct safetensors *file = expected_open("resize.safetensors");
    int blurred = 0, antialiased = 0;
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const struct safetensors_entry *entry = &safetensors_entries(file)[i];
        struct filter filter = {0};
        int n[3];
        if (parse_name(entry->name, "axis", 3, n)) {
            assert_int_equal(filter_blur_bilinear(n[0], n[1], n[2], &filter), 0);
            blurred++;
        } else if (parse_name(entry->name, "antialias", 2, n)) {
            assert_int_equal(filter_bilinear_antialias(n[0], n[1], &filter), 0);
            antialiased++;
        } else {
            continue;
        }
        check_axis(entry->name, &filter, &entry->tensor);
        filter_free(&filter);
    }
    assert_true(blurred >= 10 && antialiased >= 10);
    safetensors_close(&file);
}

/* One image through the op, and the pixels that were kept of the reference's. */
static void check_image(struct compute *compute, const int size[3], const struct host_tensor *where,
                        const struct host_tensor *pixels)
{
    const float mean[3] = {0.48145466F, 0.4578275F, 0.40821073F}, std[3] = {0.26862954F, 0.26130258F, 0.27577711F};
    int height = size[0], width = size[1], target = size[2], side = height > width ? height : width;
    uint8_t *image = malloc((size_t)height * (size_t)width * 3);
    assert_non_null(image);
    for (int64_t i = 0; i < (int64_t)height * width * 3; i++)
        image[i] = noise((uint32_t)(i / 3 / width), (uint32_t)(i / 3 % width), (uint32_t)(i % 3));
    struct filter vertical, horizontal;
    assert_int_equal(filter_blur_bilinear(height, side, target, &vertical), 0);
    assert_int_equal(filter_blur_bilinear(width, side, target, &horizontal), 0);
    compute_begin(compute);
    struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, target, target, 3);
    resize_image(compute, image, (size_t)width * 3, &vertical, &horizontal, 1.0F / 255.0F, mean, std, out);
    if (compute_status(compute) != 0)
        fail_msg("%s", error_message());
    for (int64_t i = 0; i < where->dim[0]; i++) {
        int64_t y = (int64_t)expected_number(where, 2 * i), x = (int64_t)expected_number(where, 2 * i + 1);
        for (int64_t c = 0; c < 3; c++) {
            double found = (double)*tensor_element(&out, (y * target + x) * 3 + c);
            if (!(fabs(found - expected_number(pixels, 3 * i + c)) <= tolerance)) {
                fail_msg("%d x %d to %d: pixel %lld, %lld, %lld is %.9g, not %.9g", height, width, target, (long long)y,
                         (long long)x, (long long)c, found, expected_number(pixels, 3 * i + c));
            }
        }
    }
    filter_free(&vertical);
    filter_free(&horizontal);
    free(image);
}

static void test_images(void **state)
{
    (void)state;
    enum cpu_level level;
    assert_true(level_under_test(&level));
    struct device *device;
    struct compute *compute;
    assert_int_equal(device_open(&(struct device_options){.cpu_level = cpu_level_name(level), .threads = 2}, &device),
                     0);
    assert_int_equal(compute_create(device, &compute), 0);
    struct safetensors *file = expected_open("resize.safetensors");
    int images = 0;
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const char *name = safetensors_entries(file)[i].name;
        const char *end = strstr(name, ".where");
        int size[3];
        if (end && parse_name(name, "image", 3, size)) {
            char group[64];
            snprintf(group, sizeof(group), "%.*s", (int)(end - name), name);
            check_image(compute, size, expected_get(file, group, "where"), expected_get(file, group, "pixels"));
            images++;
        }
    }
    assert_true(images >= 10);
    safetensors_close(&file);
    compute_free(&compute);
    device_close(&device);
}

static void test_bad_sizes(void **state)
{
    (void)state;
    static const int sizes[][3] = {{0, 1, 1},
                                   {1, 0, 1},
                                   {1, 1, 0},
                                   {2, 1, 1},
                                   {-1, 5, 5},
                                   {1, FILTER_MAX_SIZE + 1, 1},
                                   {1, 1, FILTER_MAX_SIZE + 1},
                                   {1, INT32_MAX, INT32_MAX},
                                   {1, 5, -3}};
    for (int i = 0; i < COUNT(sizes); i++) {
        struct filter filter;
        assert_int_equal(filter_blur_bilinear(sizes[i][0], sizes[i][1], sizes[i][2], &filter), SOWLV2_ERROR_ARGUMENT);
        assert_null(filter.weight);
    }
    struct filter filter;
    assert_int_equal(filter_bilinear_antialias(0, 1, &filter), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(filter_bilinear_antialias(1, -1, &filter), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(filter_bilinear_antialias(FILTER_MAX_SIZE + 1, 1, &filter), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(filter_bilinear(0, 3, &filter), SOWLV2_ERROR_ARGUMENT);
    struct filter_u8 small;
    assert_int_equal(filter_u8_bilinear_antialias(3, 0, &small), SOWLV2_ERROR_ARGUMENT);
    filter_free(&filter);
    filter_free(&filter);
}

/* Extreme but valid: the weights of a white image still add up to 1. */
static void test_extreme_sizes(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {2, 1}, {1, 5000}, {65500, 1}, {3, 2}, {1 << 20, 16}, {5, 4}};
    for (int i = 0; i < COUNT(sizes); i++) {
        for (int kind = 0; kind < 2; kind++) {
            struct filter filter;
            int status = kind == 0 ? filter_blur_bilinear(sizes[i][0], sizes[i][0], sizes[i][1], &filter)
                                   : filter_bilinear_antialias(sizes[i][0], sizes[i][1], &filter);
            assert_int_equal(status, 0);
            for (int64_t o = 0; o < filter.outputs; o++) {
                double sum = 0.0;
                assert_true(filter.count[o] >= 1 && filter.count[o] <= filter.stride && filter.first[o] >= 0 &&
                            filter.first[o] + filter.count[o] <= filter.inputs);
                for (int64_t j = 0; j < filter.count[o]; j++)
                    sum += (double)filter.weight[o * filter.stride + j];
                assert_true(fabs(sum - 1.0) <= 1e-5);
            }
            filter_free(&filter);
        }
    }
}

int main(void)
{
    enum cpu_level level;
    if (!level_under_test(&level))
        return EXIT_SKIPPED;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_axes),
        cmocka_unit_test(test_images),
        cmocka_unit_test(test_bad_sizes),
        cmocka_unit_test(test_extreme_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
