/* Norms, sums, activations, steps and choices: against the portable reference, against known values or the formula, and
 * what they reject. Against the reference implementation: test_elements_expected.c. */
#include "ops/sides.h"

#include <math.h>

static const int64_t widths[] = {1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 129, 512, 768, 1030};

/* Random dimensions of a rank, the last from `widths`. */
static void random_dims(int rank, int64_t *dim)
{
    for (int i = 0; i < rank - 1; i++)
        dim[i] = random_range(1, 6);
    dim[rank - 1] = RANDOM_OF(widths);
}

/* Compares what an op did to x, written elsewhere and in place, and checks the fields. */
static void compare_both(const char *what, struct tensor out[SIDES], const struct tensor *in_place, double absolute,
                         double relative)
{
    sides_compare(out, absolute, relative, "%s", what);
    out[UNDER_TEST] = *in_place;
    sides_compare(out, absolute, relative, "%s in place", what);
    fields_check();
}

static void check_layer_norm(int rank, const int64_t *dim, float low, float high, double tolerance, bool gaps)
{
    const struct tensor x = field_in(gaps, low, high, rank, dim), copy = field_copy(gaps, &x);
    const struct tensor gamma = field_in(false, -2.0F, 2.0F, DIMS(dim[rank - 1]));
    const struct tensor beta = field_in(false, -2.0F, 2.0F, DIMS(dim[rank - 1]));
    struct tensor out[SIDES];
    sides_out(out, gaps, rank, dim);
    sides_begin();
    for (int i = 0; i < SIDES; i++)
        op_layer_norm(sides.compute[i], x, gamma, beta, 1e-5F, out[i]);
    op_layer_norm(sides.compute[UNDER_TEST], copy, gamma, beta, 1e-5F, copy);
    compare_both("layer_norm", out, &copy, tolerance, 1e-6);
}

static void test_layer_norm(void **state)
{
    (void)state;
    for (int i = 0; i < 120; i++) {
        const int rank = (int)random_range(1, 4);
        int64_t dim[4];
        random_dims(rank, dim);
        /* Results to 2 * 4; an f32 mean is good to 1e-7 of the values, and of the few values of a narrow row
         * the variance can be small beside the mean: 2e-5 leaves room for that. */
        check_layer_norm(rank, dim, -2.0F, 2.0F, dim[rank - 1] < 4 ? 2e-4 : 2e-5, i % 2 == 0);
    }
}

/* A mean that is large beside the deviation: E[x^2] - E[x]^2 would lose the variance. Values to 1001 are
 * known to 6e-5 / 2; the deviation is 0.6. Then no variance at all: the result is beta, but for the rounding of a mean
 * of 3 over sqrt(eps). */
static void test_layer_norm_extremes(void **state)
{
    (void)state;
    check_layer_norm(DIMS(5, 768), 999.0F, 1001.0F, 5e-4, false);
    check_layer_norm(DIMS(3, 65), 3.0F, 3.0F, 5e-4, true);
}

static void test_l2_normalize(void **state)
{
    (void)state;
    for (int n = 0; n < 80; n++) {
        const int rank = (int)random_range(1, 4);
        int64_t dim[4];
        random_dims(rank, dim);
        const float size = n % 4 == 0 ? 1e-8F : 2.0F; /* some rows are far smaller than eps */
        const struct tensor x = field_in(n % 2 == 0, -size, size, rank, dim), copy = field_copy(n % 2 == 0, &x);
        struct tensor out[SIDES];
        sides_out(out, n % 2 == 0, rank, dim);
        sides_begin();
        for (int i = 0; i < SIDES; i++)
            op_l2_normalize(sides.compute[i], x, 1e-6F, out[i]);
        op_l2_normalize(sides.compute[UNDER_TEST], copy, 1e-6F, copy);
        /* Results are at most 1; a sum of up to 1030 squares and a root. */
        compare_both("l2_normalize", out, &copy, 2e-7, 2e-6);
    }
}

/* One rounding: the same bits are expected. */
static void check_pair(const char *what, void (*op)(struct compute *, struct tensor, struct tensor, struct tensor))
{
    for (int n = 0; n < 160; n++) {
        const int rank = (int)random_range(1, 4);
        int64_t dim[4], other[4];
        random_dims(rank, dim);
        for (int axis = 0; axis < rank; axis++)
            other[axis] = random_range(0, 2) == 0 ? 1 : dim[axis];
        const bool gaps = random_range(0, 1) != 0;
        const struct tensor a = field_in(gaps, -2.0F, 2.0F, rank, dim), copy = field_copy(gaps, &a);
        const struct tensor b = field_in(gaps, -2.0F, 2.0F, rank, other);
        struct tensor out[SIDES];
        sides_out(out, gaps, rank, dim);
        sides_begin();
        for (int i = 0; i < SIDES; i++)
            op(sides.compute[i], a, b, out[i]);
        op(sides.compute[UNDER_TEST], copy, b, copy);
        compare_both(what, out, &copy, 0.0, 0.0);
    }
}

static void test_add_and_mul(void **state)
{
    (void)state;
    check_pair("add", op_add);
    check_pair("mul", op_mul);
}

/* Over all that they can meet, up to where nothing may become infinite. Tolerance: fast forms of erf, exp and tanh are
 * good to some units of the last place of the function's largest value near x. */
static void test_activations(void **state)
{
    (void)state;
    static const float reach[] = {0.5F, 6.0F, 8.0F, 15.0F, 100.0F, 3000.0F, 1e20F};
    for (int n = 0; n < COUNT(reach) * (ACTIVATION_SIGMOID + 1) * 2; n++) {
        const enum activation activation = (enum activation)(n % (ACTIVATION_SIGMOID + 1));
        const float most = reach[n / (ACTIVATION_SIGMOID + 1) % COUNT(reach)];
        const int rank = (int)random_range(1, 4);
        int64_t dim[4];
        random_dims(rank, dim);
        const struct tensor x = field_in(n % 2 == 0, -most, most, rank, dim), copy = field_copy(n % 2 == 0, &x);
        struct tensor out[SIDES];
        sides_out(out, n % 2 == 0, rank, dim);
        sides_begin();
        for (int i = 0; i < SIDES; i++)
            op_activation(sides.compute[i], x, activation, out[i]);
        op_activation(sides.compute[UNDER_TEST], copy, activation, copy);
        compare_both("activation", out, &copy, 1e-6, 1e-6);
    }
}

static void test_shift_scale(void **state)
{
    (void)state;
    for (int n = 0; n < 30; n++) {
        const int64_t rows = random_range(1, 70), q = RANDOM_OF(widths);
        const struct tensor x = field_in(n % 2 == 0, -1.0F, 1.0F, DIMS(rows, q)), copy = field_copy(n % 2 == 0, &x);
        const struct tensor heads = field_in(n % 2 == 0, -20.0F, 20.0F, DIMS(rows, 2));
        const struct tensor shift = tensor_slice(heads, 1, 0, 1), scale = tensor_slice(heads, 1, 1, 1);
        struct tensor out[SIDES];
        sides_out(out, n % 2 == 0, DIMS(rows, q));
        sides_begin();
        for (int i = 0; i < SIDES; i++)
            op_shift_scale(sides.compute[i], x, shift, scale, out[i]);
        op_shift_scale(sides.compute[UNDER_TEST], copy, shift, scale, copy);
        /* exp(scale) - 1 + 1 loses digits near 0: 2^-24 of 1, times a sum of at most 21. */
        compare_both("shift_scale", out, &copy, 5e-6, 1e-6);
    }
}

/* Up to two roundings of a product and a sum of at most 61. */
static void test_affine(void **state)
{
    (void)state;
    for (int n = 0; n < 60; n++) {
        const int rank = (int)random_range(1, 5);
        int64_t dim[5];
        random_dims(rank, dim);
        const float scale = random_float(-20.0F, 20.0F), shift = random_float(-20.0F, 20.0F);
        const struct tensor x = field_in(n % 2 == 0, -2.0F, 2.0F, rank, dim), copy = field_copy(n % 2 == 0, &x);
        struct tensor out[SIDES];
        sides_out(out, n % 2 == 0, rank, dim);
        sides_begin();
        for (int i = 0; i < SIDES; i++)
            op_affine(sides.compute[i], x, scale, shift, out[i]);
        op_affine(sides.compute[UNDER_TEST], copy, scale, shift, copy);
        sides_finish();
        for (int64_t i = 0; i < tensor_count(&x); i++) {
            const double wanted = (double)*tensor_element(&x, i) * (double)scale + (double)shift;
            assert_true(fabs((double)*tensor_element(&out[REFERENCE], i) - wanted) <= 4e-6);
        }
        compare_both("affine", out, &copy, 8e-6, 0.0);
    }
}

static void test_step(void **state)
{
    (void)state;
    static const float values[] = {0.5F, 0.50000006F, -0.0F, NAN, INFINITY, -INFINITY};
    static const float wanted[] = {-10.0F, 10.0F, -10.0F, -10.0F, 10.0F, -10.0F};
    for (int side = 0; side < SIDES; side++) {
        struct compute *const compute = sides.compute[side];
        const struct tensor x = field_in(true, -1.0F, 1.0F, DIMS(2, 3, 3)), out = field_out(true, DIMS(2, 3, 3));
        for (int i = 0; i < COUNT(values); i++)
            *tensor_element(&x, 2 * i) = values[i];
        fields_seal();
        const struct tensor copy = field_copy(true, &x);
        sides_begin();
        op_step(compute, x, 0.5F, -10.0F, 10.0F, out);
        op_step(compute, copy, 0.5F, -10.0F, 10.0F, copy);
        sides_finish();
        for (int i = 0; i < COUNT(values); i++)
            assert_true(*tensor_element(&out, 2 * i) == wanted[i]);
        compare_tensors("step in place", &copy, &out, 0.0, 0.0);
        fields_check();
    }
}

static void test_copy_rounds(void **state)
{
    (void)state;
    /* Exact, below and at a tie (to even both ways), carry into the exponent, largest, smallest, infinite. */
    static const float values[] = {1.0F,          0x1.007ffep0F,   0x1.01p0F, 0x1.03p0F, -0x1.010002p0F,
                                   0x1.fffffep0F, 0x1.fffffep127F, 0x1p-149F, INFINITY,  -0x1.fe8p3F};
    static const float wanted[] = {1.0F, 1.0F, 1.0F, 0x1.04p0F, -0x1.02p0F, 2.0F, INFINITY, 0.0F, INFINITY, -0x1.fep3F};
    for (int side = 0; side < SIDES; side++) {
        struct compute *const compute = sides.compute[side];
        const struct tensor x = field_inout(true, 0.0F, 0.0F, DIMS(2, COUNT(values) / 2));
        const struct tensor out = field_out(true, DIMS(2, COUNT(values) / 2));
        for (int i = 0; i < COUNT(values); i++)
            *tensor_element(&x, i) = values[i];
        sides_begin();
        struct tensor half = COMPUTE_TENSOR(compute, DTYPE_BF16, 2, COUNT(values) / 2);
        op_copy(compute, x, half);
        op_copy(compute, half, out);
        sides_finish();
        for (int i = 0; i < COUNT(values); i++)
            assert_true(*tensor_element(&out, i) == wanted[i]);
        *tensor_element(&x, 3) = NAN;
        sides_begin();
        half = COMPUTE_TENSOR(compute, DTYPE_BF16, 2, COUNT(values) / 2);
        op_copy(compute, x, half);
        op_copy(compute, half, out);
        sides_finish();
        assert_true(isnan(*tensor_element(&out, 3)));
        fields_check();
    }
}

/* Copies are exact. */
static void test_select(void **state)
{
    (void)state;
    for (int n = 0; n < 60; n++) {
        const bool gaps = n % 2 == 0;
        const int64_t rows = random_range(1, 30), c = RANDOM_OF(widths);
        const int64_t other_rows = n % 3 == 0 ? 1 : rows, other_c = n % 5 < 2 ? 1 : c;
        const struct tensor x = field_in(gaps, -1.0F, 1.0F, DIMS(rows, c)), copy = field_copy(gaps, &x);
        const struct tensor other = field_in(gaps, 5.0F, 6.0F, DIMS(other_rows, other_c));
        const struct tensor score = field_in(gaps, -1.0F, 1.0F, DIMS(rows, 1));
        const float threshold = *tensor_element(&score, random_range(0, rows - 1)); /* at it is not over it */
        *tensor_element(&score, random_range(0, rows - 1)) = NAN;
        fields_seal();
        struct tensor out[SIDES];
        sides_out(out, gaps, DIMS(rows, c));
        sides_begin();
        for (int i = 0; i < SIDES; i++)
            op_select(sides.compute[i], score, threshold, x, other, out[i]);
        op_select(sides.compute[UNDER_TEST], score, threshold, copy, other, copy);
        sides_finish();
        for (int64_t i = 0; i < rows * c; i++) {
            const int64_t at = (other_rows == 1 ? 0 : i / c) * other_c + (other_c == 1 ? 0 : i % c);
            const bool over = *tensor_element(&score, i / c) > threshold;
            assert_true(*tensor_element(&out[REFERENCE], i) == *tensor_element(over ? &x : &other, over ? i : at));
        }
        compare_both("select", out, &copy, 0.0, 0.0);
    }
}

static void test_max_rows(void **state)
{
    (void)state;
    for (int n = 0; n < 60; n++) {
        const int64_t rows = random_range(1, 30), c = RANDOM_OF(widths), place = random_range(0, c - 1);
        const struct tensor x = field_in(n % 2 == 0, -3.0F, -1.0F, DIMS(rows, c));
        *tensor_element(&x, place) = -0.5F;
        fields_seal();
        struct tensor out[SIDES];
        sides_out(out, n % 2 == 0, DIMS(rows, 1));
        sides_begin();
        for (int i = 0; i < SIDES; i++)
            op_max_rows(sides.compute[i], x, out[i]);
        sides_compare(out, 0.0, 0.0, "max_rows");
        assert_true(*tensor_element(&out[REFERENCE], 0) == -0.5F);
        for (int64_t i = 0; i < rows * c; i++)
            assert_true(*tensor_element(&x, i) <= *tensor_element(&out[REFERENCE], i / c));
        fields_check();
    }
}

/* Angles to 100, known to 100 * 2^-24, and one rounding of the quotient. */
static void test_sine(void **state)
{
    (void)state;
    for (int n = 0; n < 40; n++) {
        const int64_t rows = random_range(1, 20), c = random_range(1, 70);
        const struct tensor x = field_in(n % 2 == 0, -100.0F, 100.0F, DIMS(rows, 1));
        const struct tensor periods = field_in(false, 1.0F, 100.0F, DIMS(c));
        struct tensor out[SIDES];
        sides_out(out, n % 2 == 0, DIMS(rows, 2 * c));
        sides_begin();
        for (int i = 0; i < SIDES; i++)
            op_sine(sides.compute[i], x, periods, out[i]);
        sides_compare(out, 1e-5, 0.0, "sine");
        for (int64_t i = 0; i < rows * 2 * c; i++) {
            const int64_t at = i % (2 * c);
            const double angle = (double)*tensor_element(&x, i / (2 * c)) / (double)*tensor_element(&periods, at % c);
            const double wanted = at < c ? sin(angle) : cos(angle);
            assert_true(fabs((double)*tensor_element(&out[REFERENCE], i) - wanted) <= 1e-5);
        }
        fields_check();
    }
}

/* Entries of one row, which have none, and of more columns than a block has threads; sums in f64. */
static void test_variance(void **state)
{
    (void)state;
    for (int n = 0; n < 40; n++) {
        const int64_t entries = random_range(1, 5), rows = random_range(1, 40);
        const int64_t c = n % 8 == 0 ? 1100 : RANDOM_OF(widths);
        const struct tensor x = field_in(n % 2 == 0, -3.0F, 3.0F, DIMS(entries, rows, c));
        struct tensor out[SIDES];
        sides_out(out, n % 2 == 0, DIMS(entries, 1));
        sides_begin();
        for (int i = 0; i < SIDES; i++)
            op_variance(sides.compute[i], x, out[i]);
        sides_compare(out, 0.0, 2e-7, "variance");
        if (rows == 1)
            assert_true(*tensor_element(&out[UNDER_TEST], entries - 1) == 0.0F);
        fields_check();
    }
}

#define CALL(name, ...)                                                                                                \
    static void call_##name(struct compute *compute, const struct given *given)                                        \
    {                                                                                                                  \
        op_##name(compute, __VA_ARGS__);                                                                               \
    }
#define T(i) given[i].tensor
CALL(layer_norm, T(0), T(1), T(2), 1e-5F, T(3))
CALL(l2_normalize, T(0), 1e-6F, T(1))
CALL(activation, T(0), ACTIVATION_GELU, T(1))
CALL(affine, T(0), 2.0F, 1.0F, T(1))
CALL(step, T(0), 0.0F, -1.0F, 1.0F, T(1))
CALL(add, T(0), T(1), T(2))
CALL(mul, T(0), T(1), T(2))
CALL(shift_scale, T(0), T(1), T(2), T(3))
CALL(select, T(0), 0.0F, T(1), T(2), T(3))
CALL(max_rows, T(0), T(1))
CALL(variance, T(0), T(1))
CALL(sine, T(0), T(1), T(2))

#define F32(...) field_inout(false, -1.0F, 1.0F, DIMS(__VA_ARGS__))

static void test_rejections(void **state)
{
    (void)state;
    CHECK_REJECTIONS("op_layer_norm", call_layer_norm, {"x", F32(2, 4, 6), GIVEN_IN_PLACE}, {"gamma", F32(6), 0},
                     {"beta", F32(6), 0}, {"out", F32(2, 4, 6), GIVEN_OUT});
    static const struct {
        const char *name;
        given_call *call;
    } alike[] = {
        {"op_l2_normalize", call_l2_normalize},
        {"op_activation", call_activation},
        {"op_affine", call_affine},
        {"op_step", call_step},
    };
    for (int i = 0; i < COUNT(alike); i++) {
        CHECK_REJECTIONS(alike[i].name, alike[i].call, {"x", F32(2, 4, 6), GIVEN_IN_PLACE},
                         {"out", F32(2, 4, 6), GIVEN_OUT});
    }
    CHECK_REJECTIONS("op_add", call_add, {"a", F32(3, 4, 6), GIVEN_IN_PLACE}, {"b", F32(3, 4, 6), 0},
                     {"out", F32(3, 4, 6), GIVEN_OUT});
    CHECK_REJECTIONS("op_mul", call_mul, {"a", F32(4, 6), GIVEN_IN_PLACE}, {"b", F32(4, 6), 0},
                     {"out", F32(4, 6), GIVEN_OUT});
    CHECK_REJECTIONS("op_shift_scale", call_shift_scale, {"x", F32(4, 6), GIVEN_IN_PLACE}, {"shift", F32(4, 1), 0},
                     {"scale", F32(4, 1), 0}, {"out", F32(4, 6), GIVEN_OUT});
    CHECK_REJECTIONS("op_select", call_select, {"score", F32(4, 1), 0}, {"x", F32(4, 6), GIVEN_IN_PLACE},
                     {"other", F32(4, 6), 0}, {"out", F32(4, 6), GIVEN_OUT});
    CHECK_REJECTIONS("op_max_rows", call_max_rows, {"x", F32(4, 6), GIVEN_FREE << 1}, {"out", F32(4, 1), GIVEN_OUT});
    CHECK_REJECTIONS("op_variance", call_variance, {"x", F32(4, 3, 6), GIVEN_FREE << 1 | GIVEN_FREE << 2},
                     {"out", F32(4, 1), GIVEN_OUT});
    CHECK_REJECTIONS("op_sine", call_sine, {"x", F32(4, 1), 0}, {"periods", F32(6), 0}, {"out", F32(4, 12), GIVEN_OUT});

    const struct tensor x = F32(4, 6), c = F32(6), wrong = F32(5), row = F32(1, 6), deep = F32(1, 1, 1, 1, 2);
    REJECTED(op_layer_norm, x, wrong, c, 1e-5F, x);
    REJECTED(op_layer_norm, x, TENSOR_RESHAPE(c, 1, 6), c, 1e-5F, x);
    REJECTED(op_l2_normalize, x, 1e-6F, F32(6, 4));
    REJECTED(op_activation, x, (enum activation) - 1, x);
    REJECTED(op_activation, tensor_slice(x, 0, 0, 3), ACTIVATION_RELU, tensor_slice(x, 0, 1, 3));
    REJECTED(op_shift_scale, x, F32(4, 2), F32(4, 1), x);
    REJECTED(op_shift_scale, x, F32(4, 1), F32(6, 1), x);
    REJECTED(op_add, x, F32(4, 2), x);
    REJECTED(op_add, x, c, x);
    REJECTED(op_add, x, x, x);
    REJECTED(op_mul, row, x, row);
    REJECTED(op_mul, deep, F32(1, 1, 1, 1, 2), deep);
    REJECTED(op_select, F32(4, 1), 0.0F, x, F32(2, 6), x);
    REJECTED(op_select, F32(4, 1), 0.0F, x, x, x);
    REJECTED(op_select, F32(4, 1), 0.0F, F32(4, 6, 1), F32(4, 6), F32(4, 6, 1)); /* not rows */
    REJECTED(op_shift_scale, F32(4, 6, 1), F32(4, 1), F32(4, 1), F32(4, 6, 1));
    REJECTED(op_max_rows, F32(4, 0), F32(4, 1));
    REJECTED(op_variance, F32(4, 0, 2), F32(4, 1));
    REJECTED(op_variance, F32(4, 2, 0), F32(4, 1));

    /* Nothing to do is no error. */
    struct compute *const compute = sides.compute[UNDER_TEST];
    sides_begin();
    op_layer_norm(compute, F32(0, 3), F32(3), F32(3), 1e-5F, F32(0, 3));
    op_add(compute, F32(2, 0), F32(1, 1), F32(2, 0));
    op_affine(compute, F32(3, 0, 2), 1.0F, 2.0F, F32(3, 0, 2));
    op_select(compute, F32(0, 1), 0.0F, F32(0, 3), F32(1, 3), F32(0, 3));
    op_max_rows(compute, F32(0, 3), F32(0, 1));
    op_variance(compute, F32(0, 3, 2), F32(0, 1));
    op_sine(compute, F32(2, 1), F32(0), F32(2, 0));
    sides_finish();
    fields_check();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_layer_norm),   TEST(test_layer_norm_extremes),
        TEST(test_l2_normalize), TEST(test_add_and_mul),
        TEST(test_activations),  TEST(test_shift_scale),
        TEST(test_affine),       TEST(test_step),
        TEST(test_copy_rounds),  TEST(test_select),
        TEST(test_max_rows),     TEST(test_sine),
        TEST(test_variance),     TEST(test_rejections),
    };
    return sides_run(tests, COUNT(tests));
}
