/* Norms, sums, activations and look-ups against the portable reference. */
#include "ops/support.h"

#include "base/error.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const int64_t widths[] = {1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 129, 512, 768, 1030};

/* Random dimensions of a rank, the last from `widths`. */
static void random_dims(int rank, int64_t *dim)
{
    for (int i = 0; i < rank - 1; i++)
        dim[i] = random_range(1, 6);
    dim[rank - 1] = RANDOM_OF(widths);
}

/* A field like another, elements included, in memory of its own. */
static struct field field_like(bool gaps, const struct field *from)
{
    struct field field = field_poisoned(gaps, from->tensor.rank, from->tensor.dim);
    for (int64_t i = 0; i < tensor_count(&field.tensor); i++)
        *tensor_element(&field.tensor, i) = *tensor_element(&from->tensor, i);
    field_seal(&field);
    return field;
}

static void check_layer_norm(struct sides *sides, int rank, const int64_t *dim, float low, float high, float eps,
                             double tolerance, bool gaps)
{
    int64_t width = dim[rank - 1];
    struct field x = field_random(gaps, low, high, rank, dim), copy = field_like(gaps, &x);
    struct field gamma = field_random(false, -2.0F, 2.0F, DIMS(width)),
                 beta = field_random(false, -2.0F, 2.0F, DIMS(width));
    struct field out = field_poisoned(gaps, rank, dim), expected = field_poisoned(false, rank, dim);
    sides_begin(sides);
    op_layer_norm(sides->compute[REFERENCE], x.tensor, gamma.tensor, beta.tensor, eps, expected.tensor);
    op_layer_norm(sides->compute[UNDER_TEST], x.tensor, gamma.tensor, beta.tensor, eps, out.tensor);
    op_layer_norm(sides->compute[UNDER_TEST], copy.tensor, gamma.tensor, beta.tensor, eps, copy.tensor);
    sides_check(sides);
    char what[96];
    snprintf(what, sizeof(what), "layer_norm over %lld from %g to %g", (long long)width, (double)low, (double)high);
    compare_tensors(what, &out.tensor, &expected.tensor, tolerance, 1e-6);
    compare_tensors("layer_norm in place", &copy.tensor, &expected.tensor, tolerance, 1e-6);
    field_check_input(&x);
    field_check_output(&out);
    field_check_output(&copy);
    field_free(&x);
    field_free(&copy);
    field_free(&gamma);
    field_free(&beta);
    field_free(&out);
    field_free(&expected);
}

static void test_layer_norm(void **state)
{
    for (int i = 0; i < 120; i++) {
        int rank = (int)random_range(1, 4);
        int64_t dim[4];
        random_dims(rank, dim);
        /* Results to 2 * 4; an f32 mean is good to 1e-7 of the values, and of the few values of a narrow row
         * the variance can be small beside the mean: 2e-5 leaves room for that. */
        check_layer_norm(*state, rank, dim, -2.0F, 2.0F, 1e-5F, dim[rank - 1] < 4 ? 2e-4 : 2e-5, i % 2 == 0);
    }
}

/* A mean that is large beside the deviation: E[x^2] - E[x]^2 would lose the variance. Values to 1001 are
 * known to 6e-5 / 2; the deviation is 0.6. */
static void test_layer_norm_large_mean(void **state)
{
    const int64_t dim[] = {5, 768};
    check_layer_norm(*state, 2, dim, 999.0F, 1001.0F, 1e-5F, 5e-4, false);
}

/* No variance at all: the result is beta, but for the rounding of a mean of 3 over sqrt(eps). */
static void test_layer_norm_constant(void **state)
{
    const int64_t dim[] = {3, 65};
    check_layer_norm(*state, 2, dim, 3.0F, 3.0F, 1e-5F, 5e-4, true);
}

static void test_l2_normalize(void **state)
{
    struct sides *sides = *state;
    for (int i = 0; i < 80; i++) {
        int rank = (int)random_range(1, 4);
        int64_t dim[4];
        random_dims(rank, dim);
        /* Some rows are far smaller than eps. */
        float size = i % 4 == 0 ? 1e-8F : 2.0F;
        struct field x = field_random(i % 2 == 0, -size, size, rank, dim), copy = field_like(i % 2 == 0, &x);
        struct field out = field_poisoned(i % 2 == 0, rank, dim), expected = field_poisoned(false, rank, dim);
        sides_begin(sides);
        op_l2_normalize(sides->compute[REFERENCE], x.tensor, 1e-6F, expected.tensor);
        op_l2_normalize(sides->compute[UNDER_TEST], x.tensor, 1e-6F, out.tensor);
        op_l2_normalize(sides->compute[UNDER_TEST], copy.tensor, 1e-6F, copy.tensor);
        sides_check(sides);
        /* Results are at most 1; a sum of up to 1030 squares and a root. */
        compare_tensors("l2_normalize", &out.tensor, &expected.tensor, 2e-7, 2e-6);
        compare_tensors("l2_normalize in place", &copy.tensor, &expected.tensor, 2e-7, 2e-6);
        field_check_input(&x);
        field_check_output(&out);
        field_check_output(&copy);
        field_free(&x);
        field_free(&copy);
        field_free(&out);
        field_free(&expected);
    }
}

typedef void pair_op(struct compute *, struct tensor, struct tensor, struct tensor);

/* One rounding: the same bits are expected. */
static void check_pair(struct sides *sides, const char *what, pair_op *op)
{
    for (int i = 0; i < 160; i++) {
        int rank = (int)random_range(1, 4);
        int64_t dim[4], other[4];
        random_dims(rank, dim);
        for (int axis = 0; axis < rank; axis++)
            other[axis] = random_range(0, 2) == 0 ? 1 : dim[axis];
        bool gaps = random_range(0, 1) != 0;
        struct field a = field_random(gaps, -2.0F, 2.0F, rank, dim), copy = field_like(gaps, &a);
        struct field b = field_random(gaps, -2.0F, 2.0F, rank, other);
        struct field out = field_poisoned(gaps, rank, dim), expected = field_poisoned(false, rank, dim);
        sides_begin(sides);
        op(sides->compute[REFERENCE], a.tensor, b.tensor, expected.tensor);
        op(sides->compute[UNDER_TEST], a.tensor, b.tensor, out.tensor);
        op(sides->compute[UNDER_TEST], copy.tensor, b.tensor, copy.tensor);
        sides_check(sides);
        compare_tensors(what, &out.tensor, &expected.tensor, 0.0, 0.0);
        compare_tensors(what, &copy.tensor, &expected.tensor, 0.0, 0.0);
        field_check_input(&a);
        field_check_input(&b);
        field_check_output(&out);
        field_check_output(&copy);
        field_free(&a);
        field_free(&b);
        field_free(&copy);
        field_free(&out);
        field_free(&expected);
    }
}

static void test_add(void **state)
{
    check_pair(*state, "add", op_add);
}

static void test_mul(void **state)
{
    check_pair(*state, "mul", op_mul);
}

static void test_activation_in_place(void **state)
{
    struct sides *sides = *state;
    for (int i = 0; i < 60; i++) {
        int rank = (int)random_range(1, 4);
        int64_t dim[4];
        random_dims(rank, dim);
        enum activation activation = (enum activation)(i % (ACTIVATION_SIGMOID + 1));
        struct field x = field_random(i % 2 == 0, -8.0F, 8.0F, rank, dim), expected = field_poisoned(false, rank, dim);
        sides_begin(sides);
        op_activation(sides->compute[REFERENCE], x.tensor, activation, expected.tensor);
        op_activation(sides->compute[UNDER_TEST], x.tensor, activation, x.tensor);
        sides_check(sides);
        /* As test_activations of the products. */
        compare_tensors("activation in place", &x.tensor, &expected.tensor, 2e-6, 2e-6);
        field_check_output(&x);
        field_free(&x);
        field_free(&expected);
    }
}

static void test_embed(void **state)
{
    struct sides *sides = *state;
    int32_t ids[3 * 5];
    for (int i = 0; i < COUNT(ids); i++)
        ids[i] = (int32_t)random_range(0, 10);
    ids[3] = 10;
    struct field id = field_i32(DIMS(3, 5), ids);
    struct field table = field_random(true, -1.0F, 1.0F, DIMS(11, 37));
    struct field positions = field_random(true, -1.0F, 1.0F, DIMS(8, 37));
    struct field out = field_poisoned(true, DIMS(3, 5, 37)), expected = field_poisoned(false, DIMS(3, 5, 37));
    sides_begin(sides);
    op_embed(sides->compute[REFERENCE], id.tensor, table.tensor, positions.tensor, expected.tensor);
    op_embed(sides->compute[UNDER_TEST], id.tensor, table.tensor, positions.tensor, out.tensor);
    sides_check(sides);
    compare_tensors("embed", &out.tensor, &expected.tensor, 0.0, 0.0);
    field_check_output(&out);

    static const int32_t bad[] = {-1, 11, INT32_MAX, INT32_MIN};
    for (int i = 0; i < COUNT(bad); i++) {
        ((int32_t *)host_data(id.tensor))[14] = bad[i];
        sides_begin(sides);
        op_embed(sides->compute[UNDER_TEST], id.tensor, table.tensor, positions.tensor, out.tensor);
        assert_int_equal(compute_status(sides->compute[UNDER_TEST]), SOWLV2_ERROR_ARGUMENT);
        assert_non_null(strstr(error_message(), "op_embed"));
    }
    field_free(&id);
    field_free(&table);
    field_free(&positions);
    field_free(&out);
    field_free(&expected);
}

/* Rows of each entry's own x, and of one that all share. */
static void test_gather_rows(void **state)
{
    struct sides *sides = *state;
    enum { BATCH = 3, PICKED = 4, ROWS = 5, WIDTH = 19 };
    const int32_t rows[BATCH * PICKED] = {4, 0, 2, 2, 1, 3, 0, 0, 4, 4, 3, 1};
    for (int64_t own = 1; own <= BATCH; own += BATCH - 1) {
        struct field index = field_i32(DIMS(BATCH, PICKED), rows);
        struct field x = field_random(true, -1.0F, 1.0F, DIMS(own, ROWS, WIDTH));
        struct field out = field_poisoned(true, DIMS(BATCH, PICKED, WIDTH));
        sides_begin(sides);
        op_gather_rows(sides->compute[UNDER_TEST], x.tensor, index.tensor, out.tensor);
        sides_check(sides);
        for (int64_t i = 0; i < BATCH * PICKED * WIDTH; i++) {
            const int64_t entry = own == 1 ? 0 : i / (PICKED * WIDTH), row = rows[i / WIDTH];
            assert_true(*tensor_element(&out.tensor, i) ==
                        *tensor_element(&x.tensor, (entry * ROWS + row) * WIDTH + i % WIDTH));
        }
        field_check_output(&out);

        static const int32_t bad[] = {-1, ROWS, INT32_MAX, INT32_MIN};
        for (int i = 0; i < COUNT(bad); i++) {
            ((int32_t *)host_data(index.tensor))[BATCH * PICKED - 1] = bad[i];
            sides_begin(sides);
            op_gather_rows(sides->compute[UNDER_TEST], x.tensor, index.tensor, out.tensor);
            assert_int_equal(compute_finish(sides->compute[UNDER_TEST]), SOWLV2_ERROR_ARGUMENT);
            assert_non_null(strstr(error_message(), "op_gather_rows"));
        }
        field_free(&index);
        field_free(&x);
        field_free(&out);
    }
}

static void test_shift_scale(void **state)
{
    struct sides *sides = *state;
    for (int i = 0; i < 30; i++) {
        int64_t n = random_range(1, 70), q = RANDOM_OF(widths);
        struct field x = field_random(i % 2 == 0, -1.0F, 1.0F, DIMS(n, q)), copy = field_like(i % 2 == 0, &x);
        struct field heads = field_random(i % 2 == 0, -20.0F, 20.0F, DIMS(n, 2));
        struct tensor shift = tensor_slice(heads.tensor, 1, 0, 1), scale = tensor_slice(heads.tensor, 1, 1, 1);
        struct field out = field_poisoned(i % 2 == 0, DIMS(n, q)), expected = field_poisoned(false, DIMS(n, q));
        sides_begin(sides);
        op_shift_scale(sides->compute[REFERENCE], x.tensor, shift, scale, expected.tensor);
        op_shift_scale(sides->compute[UNDER_TEST], x.tensor, shift, scale, out.tensor);
        op_shift_scale(sides->compute[UNDER_TEST], copy.tensor, shift, scale, copy.tensor);
        sides_check(sides);
        /* exp(scale) - 1 + 1 loses digits near 0: 2^-24 of 1, times a sum of at most 21. */
        compare_tensors("shift_scale", &out.tensor, &expected.tensor, 5e-6, 1e-6);
        compare_tensors("shift_scale in place", &copy.tensor, &expected.tensor, 5e-6, 1e-6);
        field_check_input(&x);
        field_check_input(&heads);
        field_check_output(&out);
        field_free(&x);
        field_free(&copy);
        field_free(&heads);
        field_free(&out);
        field_free(&expected);
    }
}

int sets_elementwise(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layer_norm),
        cmocka_unit_test(test_layer_norm_large_mean),
        cmocka_unit_test(test_layer_norm_constant),
        cmocka_unit_test(test_l2_normalize),
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_mul),
        cmocka_unit_test(test_activation_in_place),
        cmocka_unit_test(test_embed),
        cmocka_unit_test(test_gather_rows),
        cmocka_unit_test(test_shift_scale),
    };
    return cmocka_run_group_tests_name("elementwise", tests, sides_setup, sides_teardown);
}
