/* Options that videos share with images: --dedupe, --multimask, --refine, --objectness, with a fake detector and
 * tracker. */
#include "movie.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct movie_thing square = {.look = 1, .first = 1, .last = 60, .x = 4, .y = 4, .speed = 1};

static const char *prompt_of(const struct movie_run *run, int64_t frame, int64_t id)
{
    return json_string_value(json_object_get(movie_object(run, frame, id), "prompt"));
}

static double value_of(const struct movie_run *run, int64_t frame, int64_t id, const char *key)
{
    const json_t *value = json_object_get(movie_object(run, frame, id), key);

    return value ? json_number_value(value) : NAN;
}

/* A thing that is found under both prompts is one object, under the better one; without --dedupe it is two. */
static void test_dedupe(void **state)
{
    const struct movie movie = {.frames = 30, .things = {square}};
    struct movie_run *run = movie_open(&movie);

    (void)state;
    fake_detector.doubles = true;
    run->job.detect_every.frames = 5;
    movie_track_all(run);
    assert_int_equal(run->report.objects, 2);
    assert_string_equal(prompt_of(run, 30, 2), "dog");
    run->job.dedupe_iou = 0.5f;
    movie_track_all(run);
    assert_int_equal(run->report.objects, 1);
    movie_expect_all(run, 1, 30, 1, &movie.things[0]);
    assert_string_equal(prompt_of(run, 1, 1), "cat"); /* 0.6 against 0.5 */
    run->job.dedupe_iou = 1;                          /* more than all does not overlap */
    movie_track_all(run);
    assert_int_equal(run->report.objects, 2);
    movie_close(run);
}

/* What is followed keeps its prompt, also where the other one is better later; in two passes the best detection of all
 * says what it is. */
static void test_dedupe_later(void **state)
{
    const struct movie movie = {
        .frames = 40, .things = {{.look = 1, .first = 1, .last = 40, .x = 4, .y = 4, .speed = 1, .best = 25}}};
    double times[] = {0, 24.0 / MOVIE_RATE};
    struct track_plan plan = {.key_times = times, .key_count = 2};
    struct movie_run *run = movie_open(&movie);

    (void)state;
    fake_detector.doubles = true;
    run->job.dedupe_iou = 0.5f;
    run->job.detect_every.frames = 24;
    movie_track_all(run);
    assert_int_equal(run->report.objects, 1);
    assert_string_equal(prompt_of(run, 1, 1), "dog"); /* 0.8 against 0.3 */
    assert_string_equal(prompt_of(run, 40, 1), "dog");

    run->options.plan = &plan;
    movie_track_all(run);
    assert_int_equal(run->report.objects, 1);
    for (int64_t frame = 1; frame <= 40; frame++)
        assert_string_equal(prompt_of(run, frame, 1), "cat"); /* 0.84 on frame 25 */
    movie_expect_all(run, 1, 40, 1, &movie.things[0]);
    run->job.dedupe_iou = 0;
    movie_track_all(run);
    assert_int_equal(run->report.objects, 2);
    movie_close(run);
}

/* Two boxes around one thing. */
static void test_dedupe_given(void **state)
{
    const struct movie movie = {.frames = 10,
                                .things = {square, {.look = 2, .first = 1, .last = 60, .x = 60, .y = 40}}};
    float boxes[3][4] = {{5, 4, 21, 20}, {60, 40, 76, 56}, {4, 4, 22, 21}};
    const struct sowlv2_segment_prompt given[] = {{.box = boxes[0]}, {.box = boxes[1]}, {.box = boxes[2]}};
    struct movie_run *run = movie_open(&movie);

    (void)state;
    run->job.marks = given;
    run->job.mark_count = 3;
    movie_track_all(run);
    assert_int_equal(run->report.objects, 3);
    run->job.dedupe_iou = 0.5f;
    movie_track_all(run);
    assert_int_equal(run->report.objects, 2);
    for (int64_t frame = 1; frame <= 10; frame++)
        assert_int_equal(movie_objects(run, frame), 2);
    assert_true(value_of(run, 10, 1, "area") > 0 && value_of(run, 10, 2, "area") > 0);
    movie_close(run);
}

/* With --multimask or --refine the image's decoder makes the mask that is followed, and its scores stay. */
static void test_masks(void **state)
{
    const struct movie movie = {.frames = 20, .things = {square}};
    double times[] = {0, 10.0 / MOVIE_RATE};
    struct track_plan plan = {.key_times = times, .key_count = 2};
    struct movie_run *run = movie_open(&movie);

    (void)state;
    movie_track_all(run);
    assert_int_equal(fake_tracker.masks + fake_detector.multimask + fake_detector.refined, 0);
    run->segment.multimask = true;
    fake_tracker_reset();
    movie_track_all(run);
    movie_expect_all(run, 1, 20, 1, &movie.things[0]);
    assert_true(fake_detector.multimask > 0 && fake_detector.multimask == fake_detector.decoded);
    assert_int_equal(fake_detector.refined, 0);
    assert_int_equal(fake_tracker.masks, 1);
    assert_true(fabs(value_of(run, 1, 1, "mask_score") - 0.75) < 1e-6);
    run->segment.multimask = false;
    run->segment.refine = true;
    run->options.plan = &plan;
    fake_tracker_reset();
    movie_track_all(run);
    movie_expect_all(run, 1, 20, 1, &movie.things[0]);
    assert_true(fake_detector.refined > 0 && fake_detector.refined == fake_detector.decoded);
    assert_true(fake_tracker.masks >= 3); /* from key frame to key frame, backward, forward */
    movie_close(run);
}

/* That of the best detection, in every row; without the option the key is not there. */
static void test_objectness(void **state)
{
    const struct movie movie = {
        .frames = 20, .things = {{.look = 1, .first = 1, .last = 20, .x = 4, .y = 4, .speed = 1, .best = 11}}};
    double times[] = {0, 10.0 / MOVIE_RATE};
    struct track_plan plan = {.key_times = times, .key_count = 2};
    struct movie_run *run = movie_open(&movie);

    (void)state;
    run->job.detect_every.frames = 10;
    movie_track_all(run);
    assert_true(isnan(value_of(run, 1, 1, "objectness")));
    run->detect.objectness = true;
    for (int pass = 0; pass < 2; pass++) {
        movie_track_all(run);
        for (int64_t frame = 1; frame <= 20; frame++) {
            const double score = value_of(run, frame, 1, "score");

            assert_true(fabs(value_of(run, frame, 1, "objectness") - score / 2) < 1e-6);
        }
        assert_true(fabs(value_of(run, 20, 1, "score") - (double)fake_look_score(9)) < 1e-6);
        run->options.plan = &plan;
    }
    run->options.plan = NULL;
    run->job.frame_budget = 0.5; /* rows that are filled in too */
    movie_track_all(run);
    for (int64_t frame = 1; frame <= 20; frame++)
        assert_false(isnan(value_of(run, frame, 1, "objectness")));
    movie_close(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dedupe), cmocka_unit_test(test_dedupe_later), cmocka_unit_test(test_dedupe_given),
        cmocka_unit_test(test_masks),  cmocka_unit_test(test_objectness),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
