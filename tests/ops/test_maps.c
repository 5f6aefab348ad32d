/* Copies, pooling and the resizes of masks and 8-bit images: each level against the reference set, the 8-bit resize
 * and the planes' also against the reference implementation (tests/reference/make_resize_u8.py). */
#include "ops/expected.h"
#include "ops/support.h"

#include "ops/filter.h"
#include "sowlv2.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void run_copy(struct sides *sides, struct tensor from, struct tensor found, struct tensor expected)
{
    sides_begin(sides);
    op_copy(sides->compute[UNDER_TEST], from, found);
    op_copy(sides->compute[REFERENCE], from, expected);
    sides_check(sides);
}

/* Any two axes exchanged on either side, any axis repeated, rows with gaps. */
static void test_copy(void **state)
{
    for (int i = 0; i < 200; i++) {
        const int rank = (int)random_range(1, TENSOR_MAX_RANK), axis = (int)random_range(0, rank - 1);
        const int a = (int)random_range(0, rank - 1), b = (int)random_range(0, rank - 1);
        int64_t dim[TENSOR_MAX_RANK], source[TENSOR_MAX_RANK];
        for (int j = 0; j < rank; j++)
            dim[j] = source[j] = random_range(1, i % 10 == 0 ? 30 : 6);
        const bool repeats = i % 3 == 0, swap_out = i % 2 == 0;
        source[axis] = repeats ? 1 : source[axis];
        struct field from = field_random(i % 4 < 2, -1.0F, 1.0F, rank, source);
        struct tensor view = repeats ? tensor_repeat(from.tensor, axis, dim[axis]) : from.tensor;
        int64_t target[TENSOR_MAX_RANK];
        memcpy(target, dim, sizeof(target));
        target[a] = dim[b];
        target[b] = dim[a];
        struct field out = field_poisoned(i % 5 < 2, rank, target);
        struct field expected = field_poisoned(false, rank, target);
        if (swap_out)
            run_copy(*state, view, tensor_swap_axes(out.tensor, a, b), tensor_swap_axes(expected.tensor, a, b));
        else
            run_copy(*state, tensor_swap_axes(view, a, b), out.tensor, expected.tensor);
        compare_tensors("copy", &out.tensor, &expected.tensor, 0.0, 0.0);
        int64_t index[TENSOR_MAX_RANK] = {0};
        for (int64_t k = 0; k < tensor_count(&expected.tensor); k++) {
            int64_t offset = 0, place[TENSOR_MAX_RANK];
            memcpy(place, index, sizeof(place));
            place[a] = index[b];
            place[b] = index[a];
            for (int j = 0; j < rank; j++)
                offset += (repeats && j == axis ? 0 : place[j]) * from.tensor.stride[j];
            assert_true(*tensor_element(&expected.tensor, k) == ((float *)host_data(from.tensor))[offset]);
            for (int j = rank - 1; j >= 0 && ++index[j] == target[j]; j--)
                index[j] = 0;
        }
        field_check_input(&from);
        field_check_output(&out);
        field_free(&from);
        field_free(&out);
        field_free(&expected);
    }
}

/* Values whose rounding to bfloat16 is not like the others', and any bits. */
static float odd_value(int64_t i)
{
    static const uint32_t odd[] = {0x00000000, 0x80000000, 0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001,
                                   0xFFFFFFFF, 0x7F7FFFFF, 0xFF7F8000, 0x3F808000, 0x3F818000, 0x3F808001,
                                   0x3F807FFF, 0x00000001, 0x00008000, 0x00018000, 0x80008001, 0x007FFFFF};
    const uint32_t bits = i < COUNT(odd) ? odd[i] : random_bits();
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* The elements as a device has them, dense. */
static void fetch(struct compute *compute, struct tensor tensor, void *out)
{
    op_download(compute, tensor, out);
    assert_int_equal(compute_finish(compute), 0);
}

/* Copies that change the type: F32 to BF16 rounds to the nearest, and back, and bytes become floats; also into and out
 * of views. */
static void test_copy_types(void **state)
{
    struct sides *sides = *state;
    enum { ROWS = 37, COLUMNS = 51, WHOLE = ROWS * COLUMNS };
    static float values[WHOLE], back[WHOLE], floats[WHOLE];
    static uint8_t bytes[WHOLE];
    for (int64_t i = 0; i < WHOLE; i++) {
        values[i] = odd_value(i);
        bytes[i] = (uint8_t)random_bits();
    }
    for (int side = 0; side < SIDES; side++) {
        for (int exchanged = 0; exchanged < 2; exchanged++) {
            struct compute *const compute = sides->compute[side];
            compute_begin(compute);
            struct tensor x = op_upload(compute, DTYPE_F32, DIMS(ROWS, COLUMNS), values);
            struct tensor u = op_upload(compute, DTYPE_U8, DIMS(ROWS, COLUMNS), bytes);
            struct tensor half =
                COMPUTE_TENSOR(compute, DTYPE_BF16, exchanged ? COLUMNS : ROWS, exchanged ? ROWS : COLUMNS);
            struct tensor y = COMPUTE_TENSOR(compute, DTYPE_F32, ROWS, COLUMNS);
            struct tensor z = COMPUTE_TENSOR(compute, DTYPE_F32, ROWS, COLUMNS);
            half = exchanged ? tensor_swap_axes(half, 0, 1) : half;
            op_copy(compute, x, half);
            op_copy(compute, half, y);
            op_copy(compute, u, z);
            fetch(compute, y, back);
            fetch(compute, z, floats);
            for (int64_t i = 0; i < WHOLE; i++) {
                const float wanted = nearest_bf16(values[i]);
                if (isnan(wanted) ? !isnan(back[i]) : memcmp(&wanted, &back[i], sizeof(wanted)) != 0)
                    fail_msg("%a becomes %a, not %a", (double)values[i], (double)back[i], (double)wanted);
                assert_true(floats[i] == (float)bytes[i]);
            }
            /* One entry shown again and again, and a type that nothing becomes. */
            struct tensor row = COMPUTE_TENSOR(compute, DTYPE_BF16, ROWS, COLUMNS);
            op_copy(compute, tensor_repeat(tensor_slice(x, 0, 1, 1), 0, ROWS), row);
            op_copy(compute, row, y);
            fetch(compute, y, back);
            for (int64_t i = 0; i < WHOLE; i++)
                assert_true(back[i] == nearest_bf16(values[COLUMNS + i % COLUMNS]) || isnan(back[i]));
            op_copy(compute, row, u);
            assert_int_not_equal(compute_status(compute), 0);
        }
    }
}

static void test_fill_and_pool(void **state)
{
    struct sides *sides = *state;
    for (int i = 0; i < 60; i++) {
        const int size = (int)random_range(1, 4);
        const int64_t n = random_range(1, 3), h = random_range(1, 12), w = random_range(1, 12), c = random_range(1, 40);
        struct field x = field_random(i % 2 == 0, -1.0F, 1.0F, DIMS(n, h, w, c));
        struct field out = field_poisoned(i % 3 == 0, DIMS(n, h / size, w / size, c));
        struct field expected = field_poisoned(false, DIMS(n, h / size, w / size, c));
        sides_begin(sides);
        op_max_pool2d(sides->compute[UNDER_TEST], x.tensor, size, out.tensor);
        op_max_pool2d(sides->compute[REFERENCE], x.tensor, size, expected.tensor);
        sides_check(sides);
        compare_tensors("pool", &out.tensor, &expected.tensor, 0.0, 0.0);
        field_check_output(&out);
        op_fill(sides->compute[UNDER_TEST], 2.5F, out.tensor);
        op_fill(sides->compute[REFERENCE], 2.5F, expected.tensor);
        sides_check(sides);
        for (int64_t k = 0; k < tensor_count(&out.tensor); k++)
            assert_true(*tensor_element(&out.tensor, k) == 2.5F && *tensor_element(&expected.tensor, k) == 2.5F);
        field_check_input(&x);
        field_check_output(&out);
        field_free(&x);
        field_free(&out);
        field_free(&expected);
    }
}

/* Gelu and relu over all that they can meet. Tolerance: erfc's absolute error of 2e-7 times |x|/2. */
static void test_activations(void **state)
{
    struct sides *sides = *state;
    static const float reach[] = {0.5F, 6.0F, 100.0F, 1e20F};
    for (int i = 0; i < COUNT(reach); i++) {
        for (int a = ACTIVATION_RELU; a <= ACTIVATION_SIGMOID; a++) {
            struct field x = field_random(true, -reach[i], reach[i], DIMS(7, 1 + 45 * i));
            struct field out = field_poisoned(true, DIMS(7, 1 + 45 * i)),
                         expected = field_poisoned(false, DIMS(7, 1 + 45 * i));
            sides_begin(sides);
            op_activation(sides->compute[UNDER_TEST], x.tensor, (enum activation)a, out.tensor);
            op_activation(sides->compute[REFERENCE], x.tensor, (enum activation)a, expected.tensor);
            sides_check(sides);
            compare_tensors("activation", &out.tensor, &expected.tensor, 1e-6, 1e-6);
            field_check_output(&out);
            field_free(&x);
            field_free(&out);
            field_free(&expected);
        }
    }
}

/* Both sides of sides, with filters from the first size to the second. */
static void test_planes(void **state)
{
    struct sides *sides = *state;
    struct safetensors *file = expected_open("resize_u8.safetensors");
    char group[32];
    int cases = 0;
    for (;; cases++) {
        snprintf(group, sizeof(group), "planes.%d", cases);
        const struct host_tensor *x = expected_find(file, group, "x");
        if (x == NULL)
            break;
        const struct host_tensor *y = expected_get(file, group, "y");
        struct filter vertical, horizontal;
        assert_int_equal(filter_bilinear((int)x->dim[0], (int)y->dim[0], &vertical), 0);
        assert_int_equal(filter_bilinear((int)x->dim[1], (int)y->dim[1], &horizontal), 0);
        sides_begin(sides);
        for (int side = 0; side < SIDES; side++) {
            struct compute *compute = sides->compute[side];
            struct tensor in = expected_upload(compute, file, group, "x");
            struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, 1, y->dim[0], y->dim[1]);
            struct tensor above = COMPUTE_TENSOR(compute, DTYPE_U8, 1, y->dim[0], y->dim[1]);
            in = TENSOR_RESHAPE(in, 1, x->dim[0], x->dim[1]);
            resize_planes(compute, in, &vertical, &horizontal, NULL, out);
            resize_planes(compute, in, &vertical, &horizontal, &(const float){0.1F}, above);
            assert_int_equal(compute_status(compute), 0);
            struct tensor plane = tensor_at(out, 0);
            expected_compare(&plane, file, group, "y", 1e-6, 1e-6);
            for (int64_t i = 0; i < tensor_count(&out); i++)
                assert_int_equal(((uint8_t *)host_data(above))[i], ((float *)host_data(out))[i] > 0.1F);
        }
        filter_free(&vertical);
        filter_free(&horizontal);
    }
    assert_int_equal(cases, 5);
    safetensors_close(&file);
}

/* Exact, pixel by pixel. */
static void test_resize_u8(void **state)
{
    struct sides *sides = *state;
    const float mean[3] = {0.0F, 0.0F, 0.0F}, std[3] = {1.0F, 1.0F, 1.0F};
    struct safetensors *file = expected_open("resize_u8.safetensors");
    char group[32];
    int cases = 0;
    for (;; cases++) {
        snprintf(group, sizeof(group), "%d", cases);
        const struct host_tensor *size = expected_find(file, group, "size");
        if (size == NULL)
            break;
        const int height = (int)expected_number(size, 0), width = (int)expected_number(size, 1);
        const int new_height = (int)expected_number(size, 2), new_width = (int)expected_number(size, 3);
        uint8_t *pixels = malloc((size_t)height * (size_t)width * 3), *pixel = pixels;
        assert_non_null(pixels);
        for (int i = 0; i < height * width * 3; i++)
            *pixel++ = noise((uint32_t)(i / 3 / width), (uint32_t)(i / 3 % width), (uint32_t)(i % 3));
        struct filter_u8 vertical, horizontal;
        assert_int_equal(filter_u8_bilinear_antialias(height, new_height, &vertical), 0);
        assert_int_equal(filter_u8_bilinear_antialias(width, new_width, &horizontal), 0);
        sides_begin(sides);
        for (int side = 0; side < SIDES; side++) {
            struct compute *compute = sides->compute[side];
            struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, new_height, new_width, 3);
            struct tensor bytes = COMPUTE_TENSOR(compute, DTYPE_U8, new_height, new_width, 3);
            resize_image_u8(compute, pixels, (size_t)width * 3, &vertical, &horizontal, 1.0F, mean, std, out);
            resize_image_u8(compute, pixels, (size_t)width * 3, &vertical, &horizontal, 0.0F, NULL, NULL, bytes);
            assert_int_equal(compute_finish(compute), 0);
            expected_compare(&out, file, group, "pixels", 0.0, 0.0);
            for (int64_t i = 0; i < tensor_count(&out); i++)
                assert_true((float)((uint8_t *)host_data(bytes))[i] == ((float *)host_data(out))[i]);
        }
        filter_u8_free(&vertical);
        filter_u8_free(&horizontal);
        free(pixels);
    }
    assert_int_equal(cases, 10);
    safetensors_close(&file);
}

static void expect_error(struct compute *compute)
{
    assert_int_equal(compute_status(compute), SOWLV2_ERROR_ARGUMENT);
    compute_begin(compute);
}

static void test_checks(void **state)
{
    struct sides *sides = *state;
    struct compute *compute = sides->compute[UNDER_TEST];
    compute_begin(compute);
    struct field a = field_random(false, 0.0F, 1.0F, DIMS(2, 3)), b = field_random(false, 0.0F, 1.0F, DIMS(3, 2));
    op_copy(compute, a.tensor, b.tensor);
    expect_error(compute);
    op_copy(compute, a.tensor, a.tensor);
    expect_error(compute);
    op_copy(compute, a.tensor, tensor_repeat(tensor_slice(a.tensor, 0, 0, 1), 0, 2)); /* writes one place twice */
    expect_error(compute);
    struct tensor map = TENSOR_RESHAPE(a.tensor, 1, 2, 3, 1), out = TENSOR_RESHAPE(b.tensor, 1, 3, 2, 1);
    op_max_pool2d(compute, map, 1, out);
    expect_error(compute);
    op_max_pool2d(compute, map, 0, map);
    expect_error(compute);
    struct filter filter;
    assert_int_equal(filter_bilinear(2, 3, &filter), 0);
    resize_planes(compute, TENSOR_RESHAPE(a.tensor, 1, 2, 3), &filter, &filter, NULL,
                  TENSOR_RESHAPE(b.tensor, 1, 3, 2));
    expect_error(compute);
    filter_free(&filter);
    assert_int_equal(filter_bilinear(0, 3, &filter), SOWLV2_ERROR_ARGUMENT);
    struct filter_u8 small;
    assert_int_equal(filter_u8_bilinear_antialias(3, 0, &small), SOWLV2_ERROR_ARGUMENT);
    struct tensor kept;
    struct device *device = sides->device[UNDER_TEST];
    assert_int_equal(DEVICE_TENSOR_CREATE(device, DTYPE_F32, &kept, INT64_MAX / 2, 8), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(DEVICE_TENSOR_CREATE(device, DTYPE_F32, &kept, 3, 4), 0);
    op_copy(compute, a.tensor, TENSOR_RESHAPE(tensor_slice(tensor_slice(kept, 0, 0, 2), 1, 0, 3), 2, 3));
    compute_begin(compute);
    assert_true(((float *)host_data(kept))[4] == *tensor_element(&a.tensor, 3));
    device_tensor_free(device, &kept);
    assert_null(kept.buffer);
    field_free(&a);
    field_free(&b);
}

static struct sides both_sides;

static int setup(void **state)
{
    sides_open(3, &both_sides);
    *state = &both_sides;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sides_close(&both_sides);
    return 0;
}

int main(void)
{
    enum cpu_level level;
    if (!level_under_test(&level))
        return EXIT_SKIPPED;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy),        cmocka_unit_test(test_copy_types), cmocka_unit_test(test_fill_and_pool),
        cmocka_unit_test(test_activations), cmocka_unit_test(test_planes),     cmocka_unit_test(test_resize_u8),
        cmocka_unit_test(test_checks),
    };
    return cmocka_run_group_tests_name("maps", tests, setup, teardown);
}
