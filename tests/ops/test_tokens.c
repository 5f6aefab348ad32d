/* The ops between few tokens and many rows: against the reference implementation, against the portable set at many
 * shapes, and what they reject. */
#include "ops/support.h"

#include "base/error.h"
#include "ops/expected.h"

#include <stdio.h>
#include <string.h>

/* Sums of f32 products of order 1 over up to 256 terms, and a softmax of scores of order 10. */
static const double absolute = 2e-5, relative = 1e-5;

static struct sides sides;

static int setup(void **state)
{
    (void)state;
    random_seed(31);
    sides_open(3, &sides);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sides_close(&sides);
    return 0;
}

static void test_attend_expected(void **state)
{
    (void)state;
    static const char *const groups[] = {"attend.own", "attend.shared"};
    struct safetensors *file = expected_open("tokens.safetensors");
    for (int i = 0; i < COUNT(groups) * SIDES; i++) {
        struct compute *compute = sides.compute[i % SIDES];
        const char *group = groups[i / SIDES];
        compute_begin(compute);
        struct tensor q = expected_upload(compute, file, group, "q");
        struct tensor x = expected_upload(compute, file, group, "x");
        struct tensor positions = expected_upload(compute, file, group, "positions");
        struct tensor read = compute_tensor(compute, DTYPE_F32, 3, q.dim);
        op_attend_rows(compute, q, x, positions, 0.3F, read);
        const struct token_attention attention = {
            .x = x,
            .positions = positions,
            .k = expected_upload(compute, file, group, "k"),
            .v = expected_upload(compute, file, group, "v"),
            .bias = expected_upload(compute, file, group, "bias"),
            .gamma = expected_upload(compute, file, group, "gamma"),
            .beta = expected_upload(compute, file, group, "beta"),
            .scale = 0.3F,
            .eps = 1e-5F,
        };
        struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, q.dim[0], x.dim[1], x.dim[2]);
        op_attend_tokens(compute, &attention, out);
        sides_check(&sides);
        expected_compare(&read, file, group, "rows_out", absolute, relative);
        expected_compare(&out, file, group, "tokens_out", absolute, relative);
    }
    safetensors_close(&file);
}

static void test_upscale_expected(void **state)
{
    (void)state;
    static const char *const groups[] = {"upscale.vectors", "upscale.odd"};
    struct safetensors *file = expected_open("tokens.safetensors");
    for (int i = 0; i < COUNT(groups) * SIDES; i++) {
        struct compute *compute = sides.compute[i % SIDES];
        const char *group = groups[i / SIDES];
        compute_begin(compute);
        const struct mask_upscaling upscaling = {
            .x = expected_upload(compute, file, group, "x"),
            .weight1 = expected_upload(compute, file, group, "weight1"),
            .bias1 = expected_upload(compute, file, group, "bias1"),
            .features1 = expected_upload(compute, file, group, "features1"),
            .gamma = expected_upload(compute, file, group, "gamma"),
            .beta = expected_upload(compute, file, group, "beta"),
            .weight2 = expected_upload(compute, file, group, "weight2"),
            .bias2 = expected_upload(compute, file, group, "bias2"),
            .features2 = expected_upload(compute, file, group, "features2"),
            .hyper = expected_upload(compute, file, group, "hyper"),
            .eps = 1e-6F,
        };
        const struct host_tensor *expected = expected_get(file, group, "out");
        struct tensor out = compute_tensor(compute, DTYPE_F32, 4, expected->dim);
        op_upscale_masks(compute, &upscaling, out);
        sides_check(&sides);
        expected_compare(&out, file, group, "out", absolute, relative);
    }
    safetensors_close(&file);
}

/* `size`: how large scores become; `growing`: the largest of them late, so that running maxima change. */
static void check_rows(int64_t batch, bool shared, int64_t count, int64_t rows, int64_t width, float size, bool growing)
{
    struct field q = field_random(false, -size, size, DIMS(batch, count, width));
    struct field x = field_random(false, -1.0F, 1.0F, DIMS(shared ? 1 : batch, rows, width));
    struct field positions = field_random(false, -1.0F, 1.0F, DIMS(rows, width));
    struct field out[SIDES];
    for (int64_t i = 0; growing && i < rows; i++)
        *tensor_element(&positions.tensor, i * width) = 0.02F * (float)i;
    field_seal(&positions);
    sides_begin(&sides);
    for (int side = 0; side < SIDES; side++) {
        out[side] = field_poisoned(false, DIMS(batch, count, width));
        op_attend_rows(sides.compute[side], q.tensor, x.tensor, positions.tensor, 0.25F, out[side].tensor);
    }
    sides_check(&sides);
    char what[128];
    snprintf(what, sizeof(what), "attend_rows %lld x %lld x %lld x %lld, size %g", (long long)batch, (long long)count,
             (long long)rows, (long long)width, (double)size);
    compare_tensors(what, &out[UNDER_TEST].tensor, &out[REFERENCE].tensor, 5e-6 + 4e-6 * (double)size, 0.0);
    field_check_input(&q);
    field_check_input(&x);
    field_check_input(&positions);
    for (int side = 0; side < SIDES; side++) {
        field_check_output(&out[side]);
        field_free(&out[side]);
    }
    field_free(&q);
    field_free(&x);
    field_free(&positions);
}

static void test_attend_rows(void **state)
{
    (void)state;
    static const int64_t counts[] = {1, 7, 15, 16, 17, 48, 64, 65, 72, 200}, widths[] = {8, 16, 32, 48, 64, 80, 5, 128};
    static const int64_t rows[] = {1, 5, 6, 47, 48, 49, 100, 960, 961, 2000};
    for (int i = 0; i < 40; i++) {
        check_rows(random_range(1, 3), i % 3 == 0, RANDOM_OF(counts), RANDOM_OF(rows), RANDOM_OF(widths),
                   i % 4 == 0 ? 20.0F : 2.0F, i % 5 == 0);
    }
    check_rows(2, false, 72, 1024, 256, 1.0F, false);
}

static void check_tokens(int64_t batch, bool shared, int64_t tokens, int64_t heads, int64_t rows, int64_t width,
                         bool in_place)
{
    struct field x[SIDES], out[SIDES];
    struct field k = field_random(false, -1.0F, 1.0F, DIMS(batch, tokens, heads, width));
    struct field v = field_random(false, -1.0F, 1.0F, DIMS(batch, tokens, heads, width));
    struct field bias = field_random(false, -9.0F, 9.0F, DIMS(batch, tokens, heads));
    struct field positions = field_random(false, -1.0F, 1.0F, DIMS(rows, width));
    struct field gamma = field_random(false, -2.0F, 2.0F, DIMS(width)), beta = field_random(false, -1, 1, DIMS(width));
    sides_begin(&sides);
    for (int side = 0; side < SIDES; side++) {
        random_seed((uint64_t)(rows * width + tokens));
        x[side] = field_random(false, -1.0F, 1.0F, DIMS(shared ? 1 : batch, rows, width));
        out[side] = field_poisoned(false, DIMS(batch, rows, width));
        const struct token_attention attention = {x[side].tensor, positions.tensor, k.tensor, v.tensor, bias.tensor,
                                                  gamma.tensor,   beta.tensor,      0.35F,    1e-5F};
        op_attend_tokens(sides.compute[side], &attention, in_place ? x[side].tensor : out[side].tensor);
    }
    sides_check(&sides);
    char what[128];
    snprintf(what, sizeof(what), "attend_tokens %lld x %lld x %lld of %lld x %lld", (long long)batch, (long long)tokens,
             (long long)heads, (long long)rows, (long long)width);
    const struct field *found = in_place ? x : out;
    compare_tensors(what, &found[UNDER_TEST].tensor, &found[REFERENCE].tensor, absolute, relative);
    for (int side = 0; side < SIDES; side++) {
        field_check_output(&found[side]);
        field_free(&x[side]);
        field_free(&out[side]);
    }
    field_check_input(&k);
    field_check_input(&v);
    field_check_input(&bias);
    field_check_input(&positions);
    field_free(&k);
    field_free(&v);
    field_free(&bias);
    field_free(&positions);
    field_free(&gamma);
    field_free(&beta);
}

static void test_attend_tokens(void **state)
{
    (void)state;
    static const int64_t tokens[] = {1, 2, 3, 8, 9, 27}, heads[] = {1, 2, 4, 8, 16, 3, 32};
    static const int64_t rows[] = {1, 5, 23, 24, 25, 100, 333}, widths[] = {8, 16, 32, 48, 64, 80, 5, 128};
    for (int i = 0; i < 50; i++) {
        const bool shared = i % 3 == 0;
        check_tokens(random_range(1, 3), shared, RANDOM_OF(tokens), RANDOM_OF(heads), RANDOM_OF(rows),
                     RANDOM_OF(widths), !shared && i % 2 == 0);
    }
    check_tokens(2, false, 9, 8, 1024, 256, false);
}

struct upscale_case {
    struct field x, weight1, bias1, features1, gamma, beta, weight2, bias2, features2, hyper;
};

static void check_upscale(int64_t batch, int64_t masks, int64_t side, int64_t c, int64_t c1, int64_t c2)
{
    const int64_t pixels = side * side;
    struct upscale_case u = {
        .x = field_random(false, -1.0F, 1.0F, DIMS(batch, pixels, c)),
        .weight1 = field_random(false, -0.3F, 0.3F, DIMS(c, 4 * c1)),
        .bias1 = field_random(false, -1.0F, 1.0F, DIMS(4 * c1)),
        .features1 = field_random(false, -1.0F, 1.0F, DIMS(pixels, 4 * c1)),
        .gamma = field_random(false, -2.0F, 2.0F, DIMS(c1)),
        .beta = field_random(false, -1.0F, 1.0F, DIMS(c1)),
        .weight2 = field_random(false, -0.3F, 0.3F, DIMS(c1, 4 * c2)),
        .bias2 = field_random(false, -1.0F, 1.0F, DIMS(4 * c2)),
        .features2 = field_random(false, -1.0F, 1.0F, DIMS(4 * pixels, 4 * c2)),
        .hyper = field_random(false, -1.0F, 1.0F, DIMS(batch, masks, c2)),
    };
    const struct mask_upscaling upscaling = {
        u.x.tensor,       u.weight1.tensor, u.bias1.tensor,     u.features1.tensor, u.gamma.tensor, u.beta.tensor,
        u.weight2.tensor, u.bias2.tensor,   u.features2.tensor, u.hyper.tensor,     1e-6F};
    struct field out[SIDES];
    sides_begin(&sides);
    for (int s = 0; s < SIDES; s++) {
        out[s] = field_poisoned(false, DIMS(batch, masks, 4 * side, 4 * side));
        op_upscale_masks(sides.compute[s], &upscaling, out[s].tensor);
    }
    sides_check(&sides);
    char what[128];
    snprintf(what, sizeof(what), "upscale_masks %lld x %lld of %lld^2, %lld %lld %lld", (long long)batch,
             (long long)masks, (long long)side, (long long)c, (long long)c1, (long long)c2);
    compare_tensors(what, &out[UNDER_TEST].tensor, &out[REFERENCE].tensor, absolute, relative);
    for (int s = 0; s < SIDES; s++) {
        field_check_output(&out[s]);
        field_free(&out[s]);
    }
    struct field *inputs[] = {&u.x,    &u.weight1, &u.bias1, &u.features1, &u.gamma,
                              &u.beta, &u.weight2, &u.bias2, &u.features2, &u.hyper};
    for (int i = 0; i < COUNT(inputs); i++) {
        field_check_input(inputs[i]);
        field_free(inputs[i]);
    }
}

static void test_upscale(void **state)
{
    (void)state;
    static const int64_t sides_of[] = {1, 2, 3, 4, 5, 9}, widths[] = {8, 16, 24, 32, 48, 64, 80, 5};
    for (int i = 0; i < 30; i++) {
        check_upscale(random_range(1, 3), random_range(1, 5), RANDOM_OF(sides_of), random_range(1, 70),
                      RANDOM_OF(widths), RANDOM_OF(widths));
    }
    check_upscale(2, 4, 16, 256, 64, 32);
}

static void rejected(struct compute *compute, const char *op)
{
    assert_int_equal(compute_status(compute), SOWLV2_ERROR_ARGUMENT);
    assert_non_null(strstr(error_message(), op));
    compute_begin(compute);
}

static void test_checks(void **state)
{
    (void)state;
    struct compute *compute = sides.compute[UNDER_TEST];
    const float scale = 1.0F;
    compute_begin(compute);
#define F32(...) COMPUTE_TENSOR(compute, DTYPE_F32, __VA_ARGS__)
    op_attend_rows(compute, F32(2, 3, 8), F32(3, 5, 8), F32(5, 8), scale, F32(2, 3, 8)); /* neither 1 nor the batch */
    rejected(compute, "op_attend_rows");
    op_attend_rows(compute, F32(2, 3, 8), F32(2, 5, 8), F32(4, 8), scale, F32(2, 3, 8)); /* other positions */
    rejected(compute, "op_attend_rows");
    op_attend_rows(compute, F32(2, 3, 8), F32(2, 5, 7), F32(5, 7), scale, F32(2, 3, 8)); /* other channels */
    rejected(compute, "op_attend_rows");
    op_attend_rows(compute, F32(2, 3, 8), F32(2, 0, 8), F32(0, 8), scale, F32(2, 3, 8)); /* no rows */
    rejected(compute, "op_attend_rows");
    op_attend_rows(compute, F32(2, 3, 8), tensor_slice(F32(2, 5, 16), 2, 0, 8), F32(5, 8), scale, F32(2, 3, 8));
    rejected(compute, "op_attend_rows"); /* not dense */
    struct tensor same = F32(2, 3, 8);
    op_attend_rows(compute, same, F32(2, 5, 8), F32(5, 8), scale, same);
    rejected(compute, "op_attend_rows");

    const struct token_attention good = {
        F32(2, 5, 8), F32(5, 8), F32(2, 3, 4, 8), F32(2, 3, 4, 8), F32(2, 3, 4), F32(8), F32(8), 1.0F, 1e-5F};
    struct token_attention wrong[6];
    for (int i = 0; i < COUNT(wrong); i++)
        wrong[i] = good;
    wrong[0].v = F32(2, 3, 2, 8);
    wrong[1].bias = F32(2, 3, 8);
    wrong[2].gamma = F32(7);
    wrong[3].x = F32(3, 5, 8);
    wrong[4].positions = F32(5, 7);
    wrong[5].k = wrong[5].v = F32(2, 0, 4, 8);
    wrong[5].bias = F32(2, 0, 4);
    for (int i = 0; i < COUNT(wrong); i++) {
        op_attend_tokens(compute, &wrong[i], F32(2, 5, 8));
        rejected(compute, "op_attend_tokens");
    }
    struct token_attention shared = good;
    shared.x = F32(1, 5, 8);
    shared.k = shared.v = F32(2, 3, 4, 8);
    struct tensor wide = F32(2, 5, 8);
    shared.x = tensor_slice(wide, 0, 0, 1);
    op_attend_tokens(compute, &shared, wide); /* what all share cannot be written */
    rejected(compute, "op_attend_tokens");

    const struct mask_upscaling fine = {F32(1, 4, 6), F32(6, 12), F32(12),    F32(4, 12),   F32(3), F32(3),
                                        F32(3, 8),    F32(8),     F32(16, 8), F32(1, 2, 2), 1e-6F};
    op_upscale_masks(compute, &fine, F32(1, 2, 8, 8));
    assert_int_equal(compute_status(compute), 0);
    op_upscale_masks(compute, &fine, F32(1, 2, 8, 12));
    rejected(compute, "op_upscale_masks");
    op_upscale_masks(compute, &fine, F32(1, 2, 10, 10));
    rejected(compute, "op_upscale_masks");
    op_upscale_masks(compute, &fine, F32(1, 3, 8, 8));
    rejected(compute, "op_upscale_masks");
    struct mask_upscaling bad = fine;
    bad.features2 = F32(4, 8);
    op_upscale_masks(compute, &bad, F32(1, 2, 8, 8));
    rejected(compute, "op_upscale_masks");
    bad = fine;
    bad.weight2 = F32(2, 8);
    op_upscale_masks(compute, &bad, F32(1, 2, 8, 8));
    rejected(compute, "op_upscale_masks");
}

int main(void)
{
    enum cpu_level level;
    if (!level_under_test(&level))
        return EXIT_SKIPPED;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attend_expected), cmocka_unit_test(test_upscale_expected),
        cmocka_unit_test(test_attend_rows),     cmocka_unit_test(test_attend_tokens),
        cmocka_unit_test(test_upscale),         cmocka_unit_test(test_checks),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
