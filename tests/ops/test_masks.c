/* Masks: which counts, whose a pixel is, their small parts. Against the portable reference, against what the reference
 * implementation computed or what is seen at a glance, and what is rejected. */
#include "ops/expected.h"
#include "ops/sides.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void test_choose_expected(void **state)
{
    (void)state;
    const char *const group = "choose";
    static const struct mask_choice several = {true, false, 0.05F, 0.98F}, fallback = {false, true, 0.05F, 0.98F},
                                    both = {true, true, 0.05F, 0.98F}, first = {false, false, 0.05F, 0.98F};
    struct safetensors *file = expected_open("masks.safetensors");
    for (int side = 0; side < SIDES; side++) {
        struct compute *const compute = sides.compute[side];
        compute_begin(compute);
        const struct tensor masks = expected_upload(compute, file, group, "masks");
        const struct tensor scores = expected_upload(compute, file, group, "scores");
        const struct tensor index = expected_like(compute, file, group, "several");
        op_choose_mask(compute, &several, masks, scores, index);
        expected_compare(compute, &index, file, group, "several", 0.0, 0.0);
        op_choose_mask(compute, &fallback, masks, scores, index);
        expected_compare(compute, &index, file, group, "fallback", 0.0, 0.0);
        op_choose_mask(compute, &both, masks, scores, index); /* several it is */
        expected_compare(compute, &index, file, group, "several", 0.0, 0.0);
        op_choose_mask(compute, &first, masks, scores, index);
        int32_t *const chosen = fetch_elements(compute, index);
        for (int64_t i = 0; i < index.dim[0]; i++)
            assert_int_equal(chosen[i], 0);
        free(chosen);
    }
    safetensors_close(&file);
}

/* What is chosen of one prompt's masks [planes, area]; the same on both sides. */
static int choose(const struct mask_choice *choice, int64_t planes, int64_t area, const float *masks,
                  const float *scores)
{
    int32_t index[SIDES];
    sides_begin();
    for (int i = 0; i < SIDES; i++) {
        struct compute *const compute = sides.compute[i];
        const struct tensor mask = op_upload(compute, DTYPE_F32, DIMS(1, planes, area), masks);
        const struct tensor score = op_upload(compute, DTYPE_F32, DIMS(1, planes), scores);
        const struct tensor out = COMPUTE_TENSOR(compute, DTYPE_I32, 1);
        op_choose_mask(compute, choice, mask, score, out);
        op_download(compute, out, &index[i]);
    }
    sides_finish();
    assert_int_equal(index[UNDER_TEST], index[REFERENCE]);
    return index[UNDER_TEST];
}

/* Stability at its limit, ties, sizes of 1, no pixels. */
static void test_choose_limits(void **state)
{
    (void)state;
    const struct mask_choice fallback = {false, true, 1.0F, 0.5F}, several = {true, false, 1.0F, 0.5F},
                             first = {false, false, 1.0F, 0.5F};
    const float half[] = {2.0F, 1.0F, -3.0F, 0.0F, 0.0F, 0.0F};  /* over 1: one; over -1: two */
    const float third[] = {2.0F, 1.0F, -0.5F, 0.0F, 0.0F, 0.0F}; /* of three */
    const float edge[] = {2.0F, -1.0F, -1.0F, 0.0F, 0.0F, 0.0F}; /* -1 is not over -1 */
    const float low[] = {-2.0F, -2.0F, -2.0F, 9.0F, 9.0F, 9.0F}, one[] = {0.0F, 5.0F};
    const float scores[] = {0.9F, 0.1F};
    assert_int_equal(choose(&fallback, 2, 3, half, scores), 0);
    assert_int_equal(choose(&fallback, 2, 3, third, scores), 1);
    assert_int_equal(choose(&fallback, 2, 3, edge, scores), 0);
    assert_int_equal(choose(&fallback, 2, 3, low, scores), 0); /* empty at both: stable */
    assert_int_equal(choose(&fallback, 2, 1, one, scores), 1);
    assert_int_equal(choose(&several, 2, 1, one, scores), 1); /* of one there is no choice */
    assert_int_equal(choose(&first, 1, 1, one, scores), 0);
    assert_int_equal(choose(&fallback, 2, 0, one, scores), 0); /* no pixels: stable */
    const float ties[] = {0.0F, 0.25F, 0.75F, 0.75F, 0.75F}, none[5] = {0.0F};
    assert_int_equal(choose(&several, 5, 1, none, ties), 2);
    const float bottom[] = {0.0F, -INFINITY, -INFINITY, -1e30F, -INFINITY};
    assert_int_equal(choose(&several, 5, 1, none, bottom), 3);
    const float nan[] = {NAN, 0.9F, NAN, 0.99F, NAN};
    assert_int_equal(choose(&several, 5, 1, none, nan), 2);
}

static void test_separate_expected(void **state)
{
    (void)state;
    struct safetensors *file = expected_open("masks.safetensors");
    for (int side = 0; side < SIDES; side++) {
        compute_begin(sides.compute[side]);
        const struct tensor masks = expected_upload(sides.compute[side], file, "separate", "masks");
        op_separate_masks(sides.compute[side], masks, -10.0F);
        expected_compare(sides.compute[side], &masks, file, "separate", "out", 0.0, 0.0);
    }
    safetensors_close(&file);
}

static void test_separate(void **state)
{
    (void)state;
    for (int n = 0; n < 40; n++) {
        const int64_t count = random_range(1, 6), area = random_range(1, 300);
        struct tensor masks[SIDES];
        masks[UNDER_TEST] = field_inout(false, -3.0F, 3.0F, DIMS(count, area));
        for (int64_t i = 0; i < count * area; i++) /* ties */
            *tensor_element(&masks[UNDER_TEST], i) = roundf(*tensor_element(&masks[UNDER_TEST], i));
        masks[REFERENCE] = field_copy(false, &masks[UNDER_TEST]);
        const struct tensor before = field_copy(false, &masks[REFERENCE]);
        sides_begin();
        for (int i = 0; i < SIDES; i++)
            op_separate_masks(sides.compute[i], masks[i], -1.5F);
        sides_compare(masks, 0.0, 0.0, "separate");
        for (int64_t i = 0; i < area; i++) {
            int64_t best = 0;
            for (int64_t k = 1; k < count; k++)
                best = *tensor_element(&before, k * area + i) > *tensor_element(&before, best * area + i) ? k : best;
            for (int64_t k = 0; k < count; k++) {
                const float was = *tensor_element(&before, k * area + i);
                const float wanted = k == best || was < -1.5F ? was : -1.5F; /* one mask stays as it is */
                assert_true(*tensor_element(&masks[REFERENCE], k * area + i) == wanted);
            }
        }
        fields_check();
    }
}

static void test_clean_expected(void **state)
{
    (void)state;
    static const struct {
        const char *group;
        int64_t hole, sprinkle;
    } cases[] = {{"clean.1.0", 1, 0},   {"clean.0.1", 0, 1},     {"clean.4.4", 4, 4},
                 {"clean.9.20", 9, 20}, {"clean.100.3", 100, 3}, {"clean.2000.2000", 2000, 2000}};
    struct safetensors *file = expected_open("masks.safetensors");
    for (int i = 0; i < COUNT(cases) * SIDES; i++) {
        struct compute *const compute = sides.compute[i % SIDES];
        compute_begin(compute);
        const struct tensor masks = expected_upload(compute, file, "clean", "masks");
        op_clean_masks(compute, masks, 0.5F, cases[i / SIDES].hole, cases[i / SIDES].sprinkle);
        expected_compare(compute, &masks, file, cases[i / SIDES].group, "out", 0.0, 0.0);
    }
    safetensors_close(&file);
}

/* Cleans a mask drawn as text, '/' between its rows: '#' is the object, '.' background, 'x' NaN; '+' is what was filled
 * and '-' what was taken away. */
static void check_clean(const char *drawn, int64_t hole, int64_t sprinkle, const char *wanted)
{
    static const char kinds[] = {'#', '.', '+', '-'};
    static const float values[] = {2.0F, 1.0F, 11.0F, -9.0F}; /* of a threshold of 1, at which is background */
    const int64_t width = (int64_t)strcspn(drawn, "/"), height = ((int64_t)strlen(drawn) + 1) / (width + 1);
    for (int side = 0; side < SIDES; side++) {
        const struct tensor masks = field_inout(false, NAN, NAN, DIMS(1, height, width));
        char found[64] = {0};
        for (int64_t i = 0; i < height * width; i++)
            for (int k = 0; k < COUNT(kinds); k++)
                if (drawn[i + i / width] == kinds[k])
                    *tensor_element(&masks, i) = values[k];
        sides_begin();
        op_clean_masks(sides.compute[side], masks, 1.0F, hole, sprinkle);
        sides_finish();
        memset(found, '/', strlen(drawn));
        for (int64_t i = 0; i < height * width; i++) {
            found[i + i / width] = 'x';
            for (int k = 0; k < COUNT(kinds); k++)
                if (*tensor_element(&masks, i) == values[k])
                    found[i + i / width] = kinds[k];
        }
        assert_string_equal(found, wanted);
        fields_check();
    }
}

static void test_clean_drawn(void **state)
{
    (void)state;
    /* Pixels that touch at corners are one hole; at the border a hole is a hole too. */
    check_clean("#####/#.###/##.##/###.#/#####", 2, 0, "#####/#.###/##.##/###.#/#####");
    check_clean("#####/#.###/##.##/###.#/#####", 3, 0, "#####/#+###/##+##/###+#/#####");
    check_clean(".###/####/##.#/###.", 1, 0, "+###/####/##.#/###.");
    check_clean(".###/####/##.#/###.", 2, 0, "+###/####/##+#/###+");
    check_clean("#..#/#..#/####", 4, 0, "#++#/#++#/####");
    /* Sprinkles, likewise; what is next to NaN does not reach over it. */
    check_clean("#.../..../..#./...#", 0, 1, "-.../..../..#./...#");
    check_clean("#.../..../..#./...#", 0, 2, "-.../..../..-./...-");
    check_clean("##x##/##x##", 0, 4, "--x--/--x--");
    check_clean("..x../..x..", 4, 0, "++x++/++x++");
    check_clean("xxx/xxx", 9, 9, "xxx/xxx");
    /* Both at once are of the mask as it was: the ring goes, and so does its hole, each for its size. */
    check_clean("...../.###./.#.#./.###./.....", 1, 8, "...../.---./.-+-./.---./.....");
    /* One row, one column, one pixel, all of one kind. */
    check_clean("#.#.#", 1, 1, "-+-+-");
    check_clean("#/./#", 1, 0, "#/+/#");
    check_clean("#", 0, 1, "-");
    check_clean(".", 1, 0, "+");
    check_clean(".", 0, 1, ".");
    check_clean("##/##", 4, 3, "##/##");
    check_clean("##/##", 4, 4, "--/--");
    /* Areas that take nothing. */
    check_clean("#.#/.#.", 0, 0, "#.#/.#.");
    check_clean("#.#/.#.", -1, -5, "#.#/.#.");
}

/* Several masks of any values; each by itself. */
static void test_clean(void **state)
{
    (void)state;
    for (int n = 0; n < 30; n++) {
        struct tensor masks[SIDES];
        masks[UNDER_TEST] =
            field_inout(false, -1.0F, 1.0F, DIMS(random_range(1, 4), random_range(1, 30), random_range(1, 30)));
        masks[REFERENCE] = field_copy(false, &masks[UNDER_TEST]);
        const float threshold = random_float(-0.5F, 0.5F);
        const int64_t hole = random_range(0, 9), sprinkle = random_range(0, 9);
        sides_begin();
        for (int i = 0; i < SIDES; i++)
            op_clean_masks(sides.compute[i], masks[i], threshold, hole, sprinkle);
        sides_compare(masks, 0.0, 0.0, "clean");
        fields_check();
    }
}

#define T(i) given[i].tensor

static void call_choose(struct compute *compute, const struct given *given)
{
    op_choose_mask(compute, &(struct mask_choice){true, true, 0.05F, 0.9F}, T(0), T(1), T(2));
}

static void call_separate(struct compute *compute, const struct given *given)
{
    op_separate_masks(compute, T(0), -10.0F);
}

static void call_clean(struct compute *compute, const struct given *given)
{
    op_clean_masks(compute, T(0), 0.0F, 1, 1);
}

#define F32(...) field_inout(false, -1.0F, 1.0F, DIMS(__VA_ARGS__))

static void test_rejections(void **state)
{
    (void)state;
    CHECK_REJECTIONS("op_choose_mask", call_choose, {"masks", F32(3, 4, 6), GIVEN_DENSE | GIVEN_FREE << 2},
                     {"scores", F32(3, 4), GIVEN_DENSE}, {"index", field_out_i32(DIMS(3)), GIVEN_OUT | GIVEN_DENSE});
    CHECK_REJECTIONS("op_separate_masks", call_separate,
                     {"masks", F32(3, 6), GIVEN_OUT | GIVEN_DENSE | GIVEN_FREE | GIVEN_FREE << 1});
    CHECK_REJECTIONS("op_clean_masks", call_clean,
                     {"masks", F32(3, 4, 6), GIVEN_OUT | GIVEN_DENSE | GIVEN_FREE | GIVEN_FREE << 1 | GIVEN_FREE << 2});
    const struct mask_choice several = {true, false, 0.05F, 0.9F}, fallback = {false, true, 0.05F, 0.9F},
                             first = {false, false, 0.05F, 0.9F};
    const struct tensor index = field_out_i32(DIMS(2));
    REJECTED(op_choose_mask, &several, F32(2, 1, 6), F32(2, 1), index); /* nothing to choose from */
    REJECTED(op_choose_mask, &fallback, F32(2, 1, 6), F32(2, 1), index);
    REJECTED(op_choose_mask, &first, F32(2, 0, 6), F32(2, 0), index);
    REJECTED(op_clean_masks, F32(1, 1, INT16_MAX + 1), 0.0F, 1, 1); /* too large */
    REJECTED(op_clean_masks, F32(1, INT16_MAX + 1, 1), 0.0F, 1, 1);
    REJECTED(op_separate_masks, F32(2, 3, 4), -10.0F);

    /* Nothing to do is no error. */
    struct compute *const compute = sides.compute[UNDER_TEST];
    sides_begin();
    op_choose_mask(compute, &several, F32(0, 4, 6), F32(0, 4), field_out_i32(DIMS(0)));
    op_separate_masks(compute, F32(0, 6), -10.0F);
    op_separate_masks(compute, F32(3, 0), -10.0F);
    op_clean_masks(compute, F32(0, 4, 6), 0.0F, 1, 1);
    op_clean_masks(compute, F32(2, 0, 6), 0.0F, 1, 1);
    sides_finish();
    fields_check();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_choose_expected), TEST(test_choose_limits),  TEST(test_separate_expected),
        TEST(test_separate),        TEST(test_clean_expected), TEST(test_clean_drawn),
        TEST(test_clean),           TEST(test_rejections),
    };
    return sides_run(tests, COUNT(tests));
}
