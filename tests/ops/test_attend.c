/* Attention between few tokens and many rows: against the portable reference, against what the reference implementation
 * computed, and what is rejected. */
#include "ops/expected.h"
#include "ops/sides.h"

/* Sums of f32 products of order 1 over up to 256 terms, and a softmax of scores of order 10. */
static const double absolute = 2e-5, relative = 1e-5;

static void test_expected(void **state)
{
    (void)state;
    static const char *const groups[] = {"attend.own", "attend.shared"};
    struct safetensors *file = expected_open("tokens.safetensors");
    for (int i = 0; i < COUNT(groups) * SIDES; i++) {
        struct compute *const compute = sides.compute[i % SIDES];
        const char *const group = groups[i / SIDES];
        compute_begin(compute);
        const struct tensor q = expected_upload(compute, file, group, "q");
        const struct tensor x = expected_upload(compute, file, group, "x");
        const struct tensor positions = expected_upload(compute, file, group, "positions");
        const struct tensor read = compute_tensor(compute, DTYPE_F32, 3, q.dim);
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
        const struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, q.dim[0], x.dim[1], x.dim[2]);
        op_attend_tokens(compute, &attention, out);
        expected_compare(compute, &read, file, group, "rows_out", absolute, relative);
        expected_compare(compute, &out, file, group, "tokens_out", absolute, relative);
    }
    safetensors_close(&file);
}

/* `size`: how large scores become; `growing`: the largest of them late, so that running maxima change. */
static void check_rows(int64_t batch, bool shared, int64_t count, int64_t rows, int64_t width, float size, bool growing)
{
    const struct tensor q = field_in(false, -size, size, DIMS(batch, count, width));
    const struct tensor x = field_in(false, -1.0F, 1.0F, DIMS(shared ? 1 : batch, rows, width));
    const struct tensor positions = field_in(false, -1.0F, 1.0F, DIMS(rows, width));
    struct tensor out[SIDES];
    sides_out(out, false, DIMS(batch, count, width));
    for (int64_t i = 0; growing && i < rows; i++)
        *tensor_element(&positions, i * width) = 0.02F * (float)i;
    fields_seal();
    sides_begin();
    for (int side = 0; side < SIDES; side++)
        op_attend_rows(sides.compute[side], q, x, positions, 0.25F, out[side]);
    sides_compare(out, 5e-6 + 4e-6 * (double)size, 0.0, "attend_rows %lld x %lld x %lld x %lld, size %g",
                  (long long)batch, (long long)count, (long long)rows, (long long)width, (double)size);
    fields_check();
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
    struct token_attention attention = {
        .positions = field_in(false, -1.0F, 1.0F, DIMS(rows, width)),
        .k = field_in(false, -1.0F, 1.0F, DIMS(batch, tokens, heads, width)),
        .v = field_in(false, -1.0F, 1.0F, DIMS(batch, tokens, heads, width)),
        .bias = field_in(false, -9.0F, 9.0F, DIMS(batch, tokens, heads)),
        .gamma = field_in(false, -2.0F, 2.0F, DIMS(width)),
        .beta = field_in(false, -1.0F, 1.0F, DIMS(width)),
        .scale = 0.35F,
        .eps = 1e-5F,
    };
    const struct tensor x = field_in(false, -1.0F, 1.0F, DIMS(shared ? 1 : batch, rows, width));
    struct tensor out[SIDES];
    sides_out(out, false, DIMS(batch, rows, width));
    sides_begin();
    for (int side = 0; side < SIDES; side++) {
        if (in_place)
            out[side] = field_copy(false, &x);
        attention.x = in_place ? out[side] : x;
        op_attend_tokens(sides.compute[side], &attention, out[side]);
    }
    sides_compare(out, absolute, relative, "attend_tokens %lld x %lld x %lld of %lld x %lld", (long long)batch,
                  (long long)tokens, (long long)heads, (long long)rows, (long long)width);
    fields_check();
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

static void call_rows(struct compute *compute, const struct given *given)
{
    op_attend_rows(compute, given[0].tensor, given[1].tensor, given[2].tensor, 0.3F, given[3].tensor);
}

static void call_tokens(struct compute *compute, const struct given *given)
{
    const struct token_attention attention = {given[0].tensor,
                                              given[1].tensor,
                                              given[2].tensor,
                                              given[3].tensor,
                                              given[4].tensor,
                                              given[5].tensor,
                                              given[6].tensor,
                                              0.3F,
                                              1e-5F};
    op_attend_tokens(compute, &attention, given[7].tensor);
}

#define F32(...) field_inout(false, -1.0F, 1.0F, DIMS(__VA_ARGS__))

static void test_rejections(void **state)
{
    (void)state;
    CHECK_REJECTIONS("op_attend_rows", call_rows, {"q", F32(3, 4, 8), GIVEN_DENSE}, {"x", F32(3, 5, 8), GIVEN_DENSE},
                     {"positions", F32(5, 8), GIVEN_DENSE}, {"out", F32(3, 4, 8), GIVEN_OUT | GIVEN_DENSE});
    REJECTED(op_attend_rows, F32(2, 3, 8), F32(3, 5, 8), F32(5, 8), 1.0F, F32(2, 3, 8)); /* neither 1 nor the batch */
    REJECTED(op_attend_rows, F32(2, 3, 8), F32(2, 5, 8), F32(4, 8), 1.0F, F32(2, 3, 8)); /* other positions */
    REJECTED(op_attend_rows, F32(2, 3, 8), F32(2, 5, 7), F32(5, 7), 1.0F, F32(2, 3, 8)); /* other channels */
    REJECTED(op_attend_rows, F32(2, 3, 8), F32(2, 0, 8), F32(0, 8), 1.0F, F32(2, 3, 8)); /* no rows */
    REJECTED(op_attend_rows, F32(2, 3, 0), F32(2, 5, 0), F32(5, 0), 1.0F, F32(2, 3, 0)); /* no channels */
    REJECTED(op_attend_rows, F32(2, 3, 8), tensor_slice(F32(2, 5, 16), 2, 0, 8), F32(5, 8), 1.0F, F32(2, 3, 8));
    const struct tensor same = F32(2, 3, 8);
    REJECTED(op_attend_rows, same, F32(2, 5, 8), F32(5, 8), 1.0F, same);

    CHECK_REJECTIONS("op_attend_tokens", call_tokens, {"x", F32(3, 5, 8), GIVEN_DENSE | GIVEN_IN_PLACE},
                     {"positions", F32(5, 8), GIVEN_DENSE}, {"k", F32(3, 2, 4, 8), GIVEN_DENSE},
                     {"v", F32(3, 2, 4, 8), GIVEN_DENSE}, {"bias", F32(3, 2, 4), GIVEN_DENSE},
                     {"gamma", F32(8), GIVEN_DENSE}, {"beta", F32(8), GIVEN_DENSE},
                     {"out", F32(3, 5, 8), GIVEN_OUT | GIVEN_DENSE});
    const struct token_attention good = {
        F32(2, 5, 8), F32(5, 8), F32(2, 3, 4, 8), F32(2, 3, 4, 8), F32(2, 3, 4), F32(8), F32(8), 1.0F, 1e-5F};
    struct token_attention wrong[7];
    for (int i = 0; i < COUNT(wrong); i++)
        wrong[i] = good;
    wrong[0].v = F32(2, 3, 2, 8);
    wrong[1].bias = F32(2, 3, 8);
    wrong[2].gamma = F32(7);
    wrong[3].x = F32(3, 5, 8);
    wrong[4].positions = F32(5, 7);
    wrong[5].k = wrong[5].v = F32(2, 0, 4, 8);
    wrong[5].bias = F32(2, 0, 4);
    wrong[6].k = wrong[6].v = F32(2, 3, 0, 8);
    wrong[6].bias = F32(2, 3, 0);
    for (int i = 0; i < COUNT(wrong); i++)
        REJECTED(op_attend_tokens, &wrong[i], F32(2, 5, 8));
    const struct tensor wide = F32(2, 5, 8);
    struct token_attention shared = good;
    shared.x = tensor_slice(wide, 0, 0, 1);
    REJECTED(op_attend_tokens, &shared, wide); /* what all share cannot be written */

    /* Nothing to do is no error. */
    sides_begin();
    op_attend_rows(sides.compute[UNDER_TEST], F32(2, 0, 8), F32(2, 5, 8), F32(5, 8), 1.0F, F32(2, 0, 8));
    sides_finish();
    fields_check();
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_expected), TEST(test_attend_rows), TEST(test_attend_tokens),
                                       TEST(test_rejections)};
    return sides_run(tests, COUNT(tests));
}
