/* Rotary position embedding: against its formula, against the portable set, and what it rejects. */
#include "ops/support.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One head of 6, 4 of them turned: by hand. Angles of 90 and 180 degrees, and tables whose two values of a pair
 * differ. */
static void test_formula(void **state)
{
    struct sides *sides = *state;
    const float x[] = {1, 2, 3, 4, 5, 6}, c[] = {0, 0, -1, 0.5F}, s[] = {1, 1, 0, 0.25F};
    const float expected[] = {-2, 1, -3, 2.75F, 5, 6};
    for (int side = 0; side < SIDES; side++) {
        struct compute *compute = sides->compute[side];
        float found[6];
        compute_begin(compute);
        struct tensor tensor = op_upload(compute, DTYPE_F32, DIMS(1, 1, 1, 6), x);
        struct tensor cosines = op_upload(compute, DTYPE_F32, DIMS(1, 1, 4), c);
        struct tensor sines = op_upload(compute, DTYPE_F32, DIMS(1, 1, 4), s);
        op_rope(compute, tensor, cosines, sines);
        op_download(compute, tensor, found);
        assert_int_equal(compute_finish(compute), 0);
        assert_memory_equal(found, expected, sizeof(expected));
    }
}

static void check_random(struct sides *sides, bool gaps, int64_t tables, const int64_t dim[4], int64_t rotated)
{
    struct field x = field_random(gaps, -2.0F, 2.0F, 4, dim), copy = field_poisoned(false, 4, dim);
    struct field cosines = field_random(gaps, -1.0F, 1.0F, DIMS(tables, dim[1], rotated));
    struct field sines = field_random(!gaps, -1.0F, 1.0F, DIMS(tables, dim[1], rotated));
    for (int64_t i = 0; i < tensor_count(&x.tensor); i++)
        *tensor_element(&copy.tensor, i) = *tensor_element(&x.tensor, i);
    sides_begin(sides);
    op_rope(sides->compute[REFERENCE], copy.tensor, cosines.tensor, sines.tensor);
    op_rope(sides->compute[UNDER_TEST], x.tensor, cosines.tensor, sines.tensor);
    sides_check(sides);
    char what[96];
    snprintf(what, sizeof(what), "rope of %lld among %lld", (long long)rotated, (long long)dim[3]);
    compare_tensors(what, &x.tensor, &copy.tensor, 5e-7, 1e-6);
    field_check_output(&x);
    field_check_input(&cosines);
    field_check_input(&sines);
    field_free(&x);
    field_free(&copy);
    field_free(&cosines);
    field_free(&sines);
}

static void test_random(void **state)
{
    static const int64_t heads[] = {2, 5, 16, 20, 24, 31, 32, 64, 80, 88, 256};
    for (int i = 0; i < 150; i++) {
        const int64_t dim[] = {random_range(1, 3), random_range(1, 40), random_range(1, 5), RANDOM_OF(heads)};
        const int64_t rotated = i % 3 == 0 ? dim[3] / 2 * 2 : random_range(0, dim[3] / 2) * 2;
        check_random(*state, i % 2 == 0, i % 4 < 2 ? 1 : dim[0], dim, rotated);
    }
}

/* Enough for several threads. */
static void test_large(void **state)
{
    const int64_t dim[] = {2, 100, 4, 64};
    check_random(*state, true, 1, dim, 60);
    check_random(*state, false, 2, dim, 64);
}

static int setup(void **state)
{
    static struct sides sides;
    random_seed(2024);
    sides_open(3, &sides);
    *state = &sides;
    return 0;
}

static int teardown(void **state)
{
    sides_close(*state);
    return 0;
}

static void rejected(struct compute *compute)
{
    assert_int_equal(compute_status(compute), SOWLV2_ERROR_ARGUMENT);
    assert_non_null(strstr(error_message(), "op_rope"));
    compute_begin(compute);
}

static void test_checks(void **state)
{
    struct compute *compute = ((struct sides *)*state)->compute[UNDER_TEST];
#define F32(...) COMPUTE_TENSOR(compute, DTYPE_F32, __VA_ARGS__)
    compute_begin(compute);
    op_rope(compute, F32(2, 3, 4, 8), F32(1, 3, 7), F32(1, 3, 7)); /* odd */
    rejected(compute);
    op_rope(compute, F32(2, 3, 4, 8), F32(1, 3, 10), F32(1, 3, 10)); /* wider than a head */
    rejected(compute);
    op_rope(compute, F32(2, 3, 4, 8), F32(1, 4, 8), F32(1, 4, 8)); /* other tokens */
    rejected(compute);
    op_rope(compute, F32(3, 3, 4, 8), F32(2, 3, 8), F32(2, 3, 8)); /* neither one nor one a batch entry */
    rejected(compute);
    op_rope(compute, F32(2, 3, 4, 8), F32(1, 3, 8), F32(1, 3, 6)); /* tables that differ */
    rejected(compute);
    op_rope(compute, F32(3, 4, 8), F32(1, 3, 8), F32(1, 3, 8)); /* rank */
    rejected(compute);
    op_rope(compute, F32(0, 3, 4, 8), F32(1, 3, 8), F32(1, 3, 8)); /* nothing to do */
    assert_int_equal(compute_status(compute), 0);
#undef F32
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formula),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_checks),
    };
    enum cpu_level level;
    if (!level_under_test(&level))
        return EXIT_SKIPPED;
    return cmocka_run_group_tests(tests, setup, teardown);
}
