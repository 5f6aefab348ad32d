/* What prompts become: points as tokens, and masks out of a grid. Against the portable reference, against what the
 * reference implementation computed, and what is rejected. */
#include "ops/expected.h"
#include "ops/sides.h"

/* Sums of f32 products of order 1 over up to 256 terms. */
static const double absolute = 2e-5, relative = 1e-5;

static void test_upscale_expected(void **state)
{
    (void)state;
    static const char *const groups[] = {"upscale.vectors", "upscale.odd"};
    struct safetensors *file = expected_open("tokens.safetensors");
    for (int i = 0; i < COUNT(groups) * SIDES; i++) {
        struct compute *const compute = sides.compute[i % SIDES];
        const char *const group = groups[i / SIDES];
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
        const struct tensor out = expected_like(compute, file, group, "out");
        op_upscale_masks(compute, &upscaling, out);
        expected_compare(compute, &out, file, group, "out", absolute, relative);
    }
    safetensors_close(&file);
}

static void check_upscale(int64_t batch, int64_t masks, int64_t side, int64_t c, int64_t c1, int64_t c2)
{
    const int64_t pixels = side * side;
    const struct mask_upscaling upscaling = {
        .x = field_in(false, -1.0F, 1.0F, DIMS(batch, pixels, c)),
        .weight1 = field_in(false, -0.3F, 0.3F, DIMS(c, 4 * c1)),
        .bias1 = field_in(false, -1.0F, 1.0F, DIMS(4 * c1)),
        .features1 = field_in(false, -1.0F, 1.0F, DIMS(pixels, 4 * c1)),
        .gamma = field_in(false, -2.0F, 2.0F, DIMS(c1)),
        .beta = field_in(false, -1.0F, 1.0F, DIMS(c1)),
        .weight2 = field_in(false, -0.3F, 0.3F, DIMS(c1, 4 * c2)),
        .bias2 = field_in(false, -1.0F, 1.0F, DIMS(4 * c2)),
        .features2 = field_in(false, -1.0F, 1.0F, DIMS(4 * pixels, 4 * c2)),
        .hyper = field_in(false, -1.0F, 1.0F, DIMS(batch, masks, c2)),
        .eps = 1e-6F,
    };
    struct tensor out[SIDES];
    sides_out(out, false, DIMS(batch, masks, 4 * side, 4 * side));
    sides_begin();
    for (int i = 0; i < SIDES; i++)
        op_upscale_masks(sides.compute[i], &upscaling, out[i]);
    sides_compare(out, absolute, relative, "upscale_masks %lld x %lld of %lld^2, %lld %lld %lld", (long long)batch,
                  (long long)masks, (long long)side, (long long)c, (long long)c1, (long long)c2);
    fields_check();
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

/* Points of every kind; the tokens lie among others, so that there are gaps. */
static void test_embed_points_expected(void **state)
{
    (void)state;
    const char *const group = "points";
    struct safetensors *file = expected_open("masks.safetensors");
    for (int side = 0; side < SIDES; side++) {
        struct compute *const compute = sides.compute[side];
        compute_begin(compute);
        const struct point_embedding embedding = {
            .fourier = expected_upload(compute, file, group, "fourier"),
            .kinds = expected_upload(compute, file, group, "embedding"),
            .not_a_point = expected_upload(compute, file, group, "not_a_point"),
        };
        const struct tensor kinds = expected_upload(compute, file, group, "kinds");
        const struct tensor out = expected_like(compute, file, group, "out");
        const struct tensor wide = field_inout(false, 7.0F, 7.0F, DIMS(out.dim[0], out.dim[1] + 3, out.dim[2]));
        const struct tensor slice = tensor_slice(wide, 1, 2, out.dim[1]);
        op_embed_points(compute, &embedding, expected_upload(compute, file, group, "points"), kinds, slice);
        op_copy(compute, slice, out);
        /* Angles to some 2 pi * 3 * 4, in f32 on both sides, in another order of sums. */
        expected_compare(compute, &out, file, group, "out", 2e-5, 0.0);
        assert_true(*tensor_element(&wide, 0) == 7.0F && *tensor_element(&wide, tensor_count(&wide) - 1) == 7.0F);
        fields_check();
    }
    safetensors_close(&file);
}

/* One point, one kind, one mask of one pixel: sizes of 1. */
static void test_embed_points(void **state)
{
    (void)state;
    for (int n = 0; n < 30; n++) {
        const int64_t batch = random_range(1, 4), tokens = random_range(1, 5), half = random_range(1, 40);
        const int64_t rows = random_range(1, 4);
        int32_t kinds[4 * 5];
        for (int i = 0; i < COUNT(kinds); i++)
            kinds[i] = n % 3 == 0 ? POINT_PADDING : (int32_t)random_range(-1, rows - 1);
        const struct point_embedding embedding = {field_in(false, -1.0F, 1.0F, DIMS(2, half)),
                                                  field_in(false, -1.0F, 1.0F, DIMS(rows, 2 * half)),
                                                  field_in(false, -1.0F, 1.0F, DIMS(1, 2 * half))};
        const struct tensor points = field_in(false, -0.2F, 1.2F, DIMS(batch, tokens, 2));
        const struct tensor kind = field_in_i32(DIMS(batch, tokens), kinds);
        struct tensor out[SIDES];
        sides_out(out, n % 2 == 0, DIMS(batch, tokens, 2 * half));
        sides_begin();
        for (int i = 0; i < SIDES; i++)
            op_embed_points(sides.compute[i], &embedding, points, kind, out[i]);
        sides_compare(out, absolute, 0.0, "embed_points");
        for (int64_t i = 0; n % 3 == 0 && i < tensor_count(&out[REFERENCE]); i++)
            assert_true(*tensor_element(&out[REFERENCE], i) == 0.0F);
        fields_check();
    }
}

#define T(i) given[i].tensor

static void call_upscale(struct compute *compute, const struct given *given)
{
    const struct mask_upscaling upscaling = {T(0), T(1), T(2), T(3), T(4), T(5), T(6), T(7), T(8), T(9), 1e-6F};
    op_upscale_masks(compute, &upscaling, T(10));
}

static void call_embed_points(struct compute *compute, const struct given *given)
{
    const struct point_embedding embedding = {T(0), T(1), T(2)};
    op_embed_points(compute, &embedding, T(3), T(4), T(5));
}

#define F32(...) field_inout(false, -1.0F, 1.0F, DIMS(__VA_ARGS__))

static void test_upscale_rejections(void **state)
{
    (void)state;
    CHECK_REJECTIONS("op_upscale_masks", call_upscale, {"x", F32(2, 4, 6), GIVEN_DENSE},
                     {"weight1", F32(6, 12), GIVEN_DENSE}, {"bias1", F32(12), GIVEN_DENSE},
                     {"features1", F32(4, 12), GIVEN_DENSE}, {"gamma", F32(3), GIVEN_DENSE},
                     {"beta", F32(3), GIVEN_DENSE}, {"weight2", F32(3, 8), GIVEN_DENSE}, {"bias2", F32(8), GIVEN_DENSE},
                     {"features2", F32(16, 8), GIVEN_DENSE}, {"hyper", F32(2, 5, 2), GIVEN_DENSE},
                     {"out", F32(2, 5, 8, 8), GIVEN_DENSE | GIVEN_OUT});
    const struct mask_upscaling fine = {F32(1, 4, 6), F32(6, 12), F32(12),    F32(4, 12),   F32(3), F32(3),
                                        F32(3, 8),    F32(8),     F32(16, 8), F32(1, 2, 2), 1e-6F};
    REJECTED(op_upscale_masks, &fine, F32(1, 2, 8, 12));
    REJECTED(op_upscale_masks, &fine, F32(1, 2, 10, 10));
    REJECTED(op_upscale_masks, &fine, F32(1, 3, 8, 8));
    struct mask_upscaling bad = fine;
    bad.features2 = F32(4, 8);
    REJECTED(op_upscale_masks, &bad, F32(1, 2, 8, 8));
    bad = fine;
    bad.x = F32(1, 4, 0);
    bad.weight1 = F32(0, 12);
    REJECTED(op_upscale_masks, &bad, F32(1, 2, 8, 8)); /* no channels */
    bad = fine;
    bad.weight2 = F32(3, 0);
    bad.bias2 = F32(0);
    bad.features2 = F32(16, 0);
    bad.hyper = F32(1, 2, 0);
    REJECTED(op_upscale_masks, &bad, F32(1, 2, 8, 8));
    fields_check();
}

static void test_embed_points_rejections(void **state)
{
    (void)state;
    static const int32_t zeros[6] = {0};
    CHECK_REJECTIONS("op_embed_points", call_embed_points, {"fourier", F32(2, 4), GIVEN_DENSE},
                     {"embedding of kinds", F32(5, 8), GIVEN_DENSE | GIVEN_FREE},
                     {"not_a_point", F32(1, 8), GIVEN_DENSE}, {"points", F32(3, 2, 2), GIVEN_DENSE},
                     {"kinds", field_in_i32(DIMS(3, 2), zeros), GIVEN_DENSE}, {"out", F32(3, 2, 8), GIVEN_OUT});
    const struct point_embedding odd = {F32(2, 3), F32(5, 7), F32(1, 7)};
    REJECTED(op_embed_points, &odd, F32(3, 2, 2), field_in_i32(DIMS(3, 2), zeros), F32(3, 2, 7));

    /* Nothing to do is no error. */
    const struct point_embedding embedding = {F32(2, 4), F32(5, 8), F32(1, 8)};
    sides_begin();
    op_embed_points(sides.compute[UNDER_TEST], &embedding, F32(3, 0, 2), field_in_i32(DIMS(3, 0), zeros), F32(3, 0, 8));
    sides_finish();
    fields_check();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_upscale_expected),      TEST(test_upscale),      TEST(test_upscale_rejections),
        TEST(test_embed_points_expected), TEST(test_embed_points), TEST(test_embed_points_rejections),
    };
    return sides_run(tests, COUNT(tests));
}
