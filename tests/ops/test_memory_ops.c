/* The ops that SAM 2's memory needs: depthwise convolution against its formula and each level against the reference
 * set; steps and the rounding to bfloat16 against known values. */
#include "ops/support.h"

#include <math.h>
#include <stdlib.h>

static struct sides both_sides;

static int setup(void **state)
{
    (void)state;
    random_seed(5);
    sides_open(2, &both_sides);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sides_close(&both_sides);
    return 0;
}

/* The formula on dense tensors, with its own loop over positions. */
static double convolved(const struct field *x, const struct field *weight, const struct field *bias, int padding,
                        int64_t n, int64_t y, int64_t column, int64_t c)
{
    const int64_t *size = x->tensor.dim, *kernel = weight->tensor.dim;
    double sum = (double)*tensor_element(&bias->tensor, c);
    for (int64_t row = 0; row < size[1]; row++) {
        for (int64_t i = 0; i < size[2]; i++) {
            const int64_t dy = row - y + padding, dx = i - column + padding;
            if (dy >= 0 && dy < kernel[0] && dx >= 0 && dx < kernel[1]) {
                sum += (double)*tensor_element(&x->tensor, ((n * size[1] + row) * size[2] + i) * size[3] + c) *
                       (double)*tensor_element(&weight->tensor, (dy * kernel[1] + dx) * size[3] + c);
            }
        }
    }
    return sum;
}

static void test_depthwise(void **state)
{
    (void)state;
    struct sides *sides = &both_sides;
    for (int i = 0; i < 60; i++) {
        const int64_t kh = random_range(1, 7), kw = random_range(1, 7), n = random_range(1, 3), c = random_range(1, 70);
        const int padding = (int)random_range(0, 4);
        const int64_t low_h = kh - 2 * padding > 1 ? kh - 2 * padding : 1;
        const int64_t low_w = kw - 2 * padding > 1 ? kw - 2 * padding : 1;
        const int64_t h = random_range(low_h, low_h + 9), w = random_range(low_w, low_w + 9);
        const int64_t oh = h + 2 * padding - kh + 1, ow = w + 2 * padding - kw + 1;
        struct field x = field_random(i % 2 == 0, -1.0F, 1.0F, DIMS(n, h, w, c));
        struct field weight = field_random(i % 3 == 0, -1.0F, 1.0F, DIMS(kh, kw, c));
        struct field bias = field_random(false, -1.0F, 1.0F, DIMS(c));
        struct field out = field_poisoned(i % 5 < 2, DIMS(n, oh, ow, c)),
                     expected = field_poisoned(false, DIMS(n, oh, ow, c));
        sides_begin(sides);
        op_depthwise_conv2d(sides->compute[UNDER_TEST], x.tensor, weight.tensor, bias.tensor, padding, out.tensor);
        op_depthwise_conv2d(sides->compute[REFERENCE], x.tensor, weight.tensor, bias.tensor, padding, expected.tensor);
        sides_check(sides);
        compare_tensors("depthwise", &out.tensor, &expected.tensor, 1e-5, 1e-5);
        for (int64_t k = 0; k < tensor_count(&expected.tensor); k += 7) {
            const double wanted =
                convolved(&x, &weight, &bias, padding, k / c / ow / oh, k / c / ow % oh, k / c % ow, k % c);
            assert_true(fabs((double)*tensor_element(&expected.tensor, k) - wanted) <= 1e-5);
        }
        field_check_input(&x);
        field_check_input(&weight);
        field_check_output(&out);
        field_free(&x);
        field_free(&weight);
        field_free(&bias);
        field_free(&out);
        field_free(&expected);
    }
}

/* A wrong shape fails the pass instead of reading outside. */
static void test_depthwise_checks(void **state)
{
    (void)state;
    struct sides *sides = &both_sides;
    struct compute *compute = sides->compute[UNDER_TEST];
    struct field x = field_random(false, -1.0F, 1.0F, DIMS(1, 3, 4, 5)),
                 weight = field_random(false, -1.0F, 1.0F, DIMS(3, 3, 5));
    struct field bias = field_random(false, -1.0F, 1.0F, DIMS(5)), out = field_poisoned(false, DIMS(1, 3, 4, 5));
    const struct {
        struct tensor weight, bias, out;
        int padding;
    } wrong[] = {
        {tensor_slice(weight.tensor, 2, 0, 4), bias.tensor, out.tensor, 1},
        {weight.tensor, tensor_slice(bias.tensor, 0, 0, 4), out.tensor, 1},
        {weight.tensor, bias.tensor, tensor_slice(out.tensor, 1, 0, 2), 1},
        {weight.tensor, bias.tensor, out.tensor, -1},
        {weight.tensor, bias.tensor, out.tensor, 2},
        {weight.tensor, bias.tensor, x.tensor, 1},
    };
    for (int i = 0; i < COUNT(wrong); i++) {
        compute_begin(compute);
        op_depthwise_conv2d(compute, x.tensor, wrong[i].weight, wrong[i].bias, wrong[i].padding, wrong[i].out);
        assert_int_not_equal(compute_status(compute), 0);
    }
    field_free(&x);
    field_free(&weight);
    field_free(&bias);
    field_free(&out);
}

static void test_step(void **state)
{
    (void)state;
    struct sides *sides = &both_sides;
    for (int side = 0; side < SIDES; side++) {
        struct field x = field_random(true, -1.0F, 1.0F, DIMS(2, 3, 3)), out = field_poisoned(true, DIMS(2, 3, 3));
        static const float values[] = {0.5F, 0.50000006F, -0.0F, NAN, INFINITY, -INFINITY};
        static const float wanted[] = {-10.0F, 10.0F, -10.0F, -10.0F, 10.0F, -10.0F};
        for (int i = 0; i < COUNT(values); i++)
            *tensor_element(&x.tensor, 2 * i) = values[i];
        field_seal(&x);
        sides_begin(sides);
        op_step(sides->compute[side], x.tensor, 0.5F, -10.0F, 10.0F, out.tensor);
        sides_check(sides);
        for (int i = 0; i < COUNT(values); i++)
            assert_true(*tensor_element(&out.tensor, 2 * i) == wanted[i]);
        field_check_input(&x);
        field_check_output(&out);
        op_step(sides->compute[side], x.tensor, 0.5F, -10.0F, 10.0F, x.tensor);
        sides_check(sides);
        compare_tensors("step in place", &x.tensor, &out.tensor, 0.0, 0.0);
        field_free(&x);
        field_free(&out);
    }
}

static void test_round_bf16(void **state)
{
    (void)state;
    struct sides *sides = &both_sides;
    /* Exact, below and at a tie (to even both ways), carry into the exponent, largest, smallest, infinite. */
    static const float values[] = {1.0F,          0x1.007ffep0F,   0x1.01p0F, 0x1.03p0F, -0x1.010002p0F,
                                   0x1.fffffep0F, 0x1.fffffep127F, 0x1p-149F, INFINITY,  -0x1.fe8p3F};
    static const float wanted[] = {1.0F, 1.0F, 1.0F, 0x1.04p0F, -0x1.02p0F, 2.0F, INFINITY, 0.0F, INFINITY, -0x1.fep3F};
    for (int side = 0; side < SIDES; side++) {
        struct field x = field_poisoned(true, DIMS(2, COUNT(values) / 2)),
                     out = field_poisoned(true, DIMS(2, COUNT(values) / 2));
        for (int i = 0; i < COUNT(values); i++)
            *tensor_element(&x.tensor, i) = values[i];
        field_seal(&x);
        sides_begin(sides);
        op_round_bf16(sides->compute[side], x.tensor, out.tensor);
        sides_check(sides);
        for (int i = 0; i < COUNT(values); i++)
            assert_true(*tensor_element(&out.tensor, i) == wanted[i]);
        field_check_output(&out);
        *tensor_element(&x.tensor, 3) = NAN;
        op_round_bf16(sides->compute[side], x.tensor, x.tensor);
        sides_check(sides);
        assert_true(isnan(*tensor_element(&x.tensor, 3)));
        field_free(&x);
        field_free(&out);
    }
}

int main(void)
{
    enum cpu_level level;
    if (!level_under_test(&level))
        return EXIT_SKIPPED;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_depthwise),
        cmocka_unit_test(test_depthwise_checks),
        cmocka_unit_test(test_step),
        cmocka_unit_test(test_round_bf16),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
