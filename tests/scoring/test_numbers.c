/* Scores of frames from those of clips, and the choice. */
#include "scoring/numbers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct scoring_numbers make_numbers(int64_t count)
{
    struct scoring_numbers numbers = {0};

    for (int64_t i = 0; i < count; i++) {
        const struct sowlv2_frame item = {.number = i + 1, .time = (double)i, .motion = 0.01F};
        assert_int_equal(scoring_numbers_add(&numbers, &item), 0);
    }
    return numbers;
}

static void finish(struct scoring_numbers *numbers, const struct sowlv2_score_options *options, int64_t clips,
                   const struct sowlv2_choice_options *choice, struct sowlv2_frames *out)
{
    *out = (struct sowlv2_frames){0};
    assert_int_equal(scoring_numbers_finish(numbers, options, clips), 0);
    assert_int_equal(numbers->final, numbers->count);
    assert_int_equal(scoring_numbers_choose(numbers, choice, out), 0);
}

static void test_scores(void **state)
{
    const float first[] = {NAN, 2}, second[] = {NAN, 6, 4};
    const struct sowlv2_choice_options choice = {.target_frames = 2, .spacing = 3};
    const double raw[] = {NAN, NAN, 2, 2, 2, 6, 6, 4, 4, 4};
    struct scoring_numbers numbers = make_numbers(10);
    struct sowlv2_frames frames;

    (void)state;
    scoring_numbers_score(&numbers, 0, 4, 2, first, 2, false);
    scoring_numbers_score(&numbers, 3, 7, 2, second, 3, false); /* an odd frame at the end */
    finish(&numbers, &(struct sowlv2_score_options){0}, 2, &choice, &frames);
    assert_int_equal(frames.count, 10);
    assert_int_equal(frames.scene_count, 1);
    assert_int_equal(frames.chosen_count, 2);
    for (int i = 0; i < 10; i++) {
        if (isnan(raw[i]) ? !isnan(frames.items[i].importance) : frames.items[i].importance != (float)raw[i])
            fail_msg("frame %d: %g, expected %g", i, (double)frames.items[i].importance, raw[i]);
        const float score = isnan(raw[i]) ? 0.0F : ((float)raw[i] - 2) / 4;
        assert_true(fabsf(frames.items[i].score - score) < 1e-6F);
        assert_int_equal(frames.items[i].chosen, i == 5 || i == 8);
    }
    scoring_numbers_free(&numbers);
    sowlv2_frames_free(&frames);
}

static void test_average_and_once(void **state)
{
    const float low[] = {1}, high[] = {3};
    const struct sowlv2_choice_options choice = {.target_fraction = 0.5, .spacing = 1};
    struct scoring_numbers numbers = make_numbers(2);
    struct sowlv2_frames frames;

    (void)state;
    scoring_numbers_score(&numbers, 0, 2, 2, low, 1, false);
    scoring_numbers_score(&numbers, 0, 1, 2, high, 1, false);
    scoring_numbers_score(&numbers, 1, 1, 2, high, 1, true);
    finish(&numbers, &(struct sowlv2_score_options){0}, 2, &choice, &frames);
    assert_true(frames.items[0].importance == 2.0F && frames.items[1].importance == 1.0F);
    assert_int_equal(frames.chosen_count, 1);
    assert_true(frames.items[0].chosen);
    scoring_numbers_free(&numbers);
    sowlv2_frames_free(&frames);
}

/* Errors that only grow with the distance predicted say nothing once there are clips enough to see that. */
static void test_distances(void **state)
{
    const float scores[] = {1, 2, 3};
    const struct sowlv2_score_options options = {.importance = SOWLV2_IMPORTANCE_SURPRISE};
    const struct sowlv2_choice_options choice = {.target_frames = 1, .spacing = 1};
    struct scoring_numbers numbers = make_numbers(30);
    struct sowlv2_frames frames;

    (void)state;
    for (int clip = 0; clip < 10; clip++) {
        float own[3];
        for (int t = 0; t < 3; t++)
            own[t] = scores[t] * (clip == 4 ? 1.5F : 1.0F);
        scoring_numbers_score(&numbers, clip * 3, 3, 1, own, 3, true);
    }
    finish(&numbers, &options, 10, &choice, &frames);
    for (int i = 0; i < 30; i++)
        assert_true(fabsf(frames.items[i].score - (i / 3 == 4 ? 1.0F : 0.0F)) < 1e-5F);
    scoring_numbers_free(&numbers);
    sowlv2_frames_free(&frames);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_scores), cmocka_unit_test(test_average_and_once),
                                       cmocka_unit_test(test_distances)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
