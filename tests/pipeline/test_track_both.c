/* track_video() in two passes over key frames: objects from their best detection backward and forward, with a fake
 * detector and tracker. */
#include "base/test_folder.h"
#include "movie.h"
#include "video/support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static double times[8];

/* Key frames by their numbers, 0 at the end. */
static struct track_plan make_plan(const int64_t *keys)
{
    struct track_plan plan = {.key_times = times};

    while (keys[plan.key_count] > 0) {
        times[plan.key_count] = (double)(keys[plan.key_count] - 1) / MOVIE_RATE;
        plan.key_count++;
    }
    return plan;
}

#define PLAN(...) make_plan((const int64_t[]){__VA_ARGS__, 0})

/* A thing comes into view long before its key frame, and another one after it: each is there from its first frame on.
 */
static void test_from_coming_into_view(void **state)
{
    const struct movie movie = {.frames = 60,
                                .things = {{.look = 1, .first = 8, .last = 60, .x = 4, .y = 4, .speed = 1},
                                           {.look = 2, .prompt = 1, .first = 25, .last = 50, .x = 60, .y = 30}}};
    const struct track_plan plan = PLAN(20, 40);
    struct movie_run *run = movie_open(&movie);

    (void)state;
    run->options.plan = &plan;
    movie_track_all(run);
    for (int64_t frame = 1; frame <= 7; frame++)
        assert_int_equal(movie_objects(run, frame), 0);
    movie_expect_all(run, 8, 60, 1, &movie.things[0]);
    movie_expect_none(run, 1, 24, 2); /* ids rise as things come into view */
    movie_expect_all(run, 25, 55, 2, &movie.things[1]);
    movie_expect_none(run, 56, 60, 2); /* given up */
    assert_int_equal(run->report.objects, 2);
    assert_int_equal(run->report.detections, 2);
    assert_true(fake_tracker.reversed > 0);
    movie_close(run);
}

/* Later in the list of finds, but first in view: its id is the lower one. */
static void test_ids_in_order(void **state)
{
    const struct movie movie = {.frames = 40,
                                .things = {{.look = 1, .first = 15, .last = 40, .x = 4, .y = 4},
                                           {.look = 2, .first = 5, .last = 40, .x = 60, .y = 30}}};
    const struct track_plan plan = PLAN(20);
    struct movie_run *run = movie_open(&movie);

    (void)state;
    run->options.plan = &plan;
    movie_track_all(run);
    movie_expect_all(run, 5, 40, 1, &movie.things[1]);
    movie_expect_all(run, 15, 40, 2, &movie.things[0]);
    movie_expect_none(run, 1, 14, 2);
    movie_close(run);
}

/* The same thing on several key frames is one object, of its best score. */
static void test_one_object(void **state)
{
    struct movie movie = {.frames = 60, .things = {{.look = 1, .first = 1, .last = 60, .x = 4, .y = 4, .best = 31}}};
    const struct track_plan plan = PLAN(10, 30, 50);
    struct movie_run *run = movie_open(&movie);

    (void)state;
    fake_tracker.memory = 100;
    run->options.plan = &plan;
    movie_track_all(run);
    movie_expect_all(run, 1, 60, 1, &movie.things[0]);
    assert_int_equal(run->report.objects, 1);
    for (int64_t frame = 1; frame <= 60; frame++)
        assert_true(fabs(json_number_value(json_object_get(movie_object(run, frame, 1), "score")) -
                         (double)fake_look_score(8)) < 1e-5);
    movie_close(run);
}

/* The tracker forgets it between key frames and it has moved on, so that it is found twice: the pass backward sees that
 * the two are one. */
static void test_joined(void **state)
{
    const struct movie movie = {.frames = 60,
                                .things = {{.look = 1, .first = 3, .last = 60, .x = 0, .y = 4, .speed = 1},
                                           {.look = 2, .first = 1, .last = 60, .x = 40, .y = 40}}};
    const struct track_plan plan = PLAN(10, 30, 50);
    struct movie_run *run = movie_open(&movie);

    (void)state;
    fake_tracker.memory = 4;
    run->options.plan = &plan;
    movie_track_all(run);
    assert_int_equal(run->report.objects, 2);
    movie_expect_all(run, 1, 60, 1, &movie.things[1]);
    movie_expect_all(run, 3, 60, 2, &movie.things[0]);
    movie_close(run);
}

/* The same, but the tracker loses it on the way back, and forward, before it comes to where the other find begins: what
 * the key frames between show is what is followed there, and is followed again from there. */
static void test_joined_between(void **state)
{
    const struct movie movie = {
        .frames = 80,
        .things = {{.look = 1, .first = 1, .last = 6, .back = 11, .x = 0, .y = 4, .speed = 1, .best = 5}}};
    const struct track_plan plan = PLAN(5, 12, 17, 78);
    struct movie_run *run = movie_open(&movie);

    (void)state;
    fake_tracker.memory = 2;
    run->options.plan = &plan;
    run->job.doubt = true;
    run->job.dedupe_iou = -1;
    movie_track_all(run);
    assert_int_equal(run->report.objects, 1);
    movie_expect_all(run, 1, 10, 1, &movie.things[0]);
    movie_expect_all(run, 12, 80, 1, &movie.things[0]);
    movie_close(run);
}

/* One thing gives place to another on the spot, which the tracker does not see: the key frames do, in both passes. */
static void test_replaced(void **state)
{
    const struct movie movie = {.frames = 60,
                                .things = {{.look = 1, .first = 1, .last = 20, .x = 20, .y = 20},
                                           {.look = 1, .prompt = 1, .first = 21, .last = 60, .x = 20, .y = 20}}};
    const struct track_plan plan = PLAN(4, 10, 30, 40, 50);
    struct movie_run *run = movie_open(&movie);

    (void)state;
    run->options.plan = &plan;
    run->job.doubt = true;
    run->job.dedupe_iou = -1;
    fake_detector.nameless = true;
    movie_track_all(run);
    assert_int_equal(run->report.objects, 2);
    movie_expect_all(run, 1, 15, 1, &movie.things[0]);
    movie_expect_none(run, 1, 15, 2);
    movie_expect_all(run, 25, 60, 2, &movie.things[1]);
    for (int64_t frame = 25; frame <= 60; frame++)
        assert_true(!movie_object(run, frame, 1) || movie_is_lost(movie_object(run, frame, 1)));
    assert_string_equal(json_string_value(json_object_get(movie_object(run, 10, 1), "prompt")), run->job.prompts[0]);
    assert_string_equal(json_string_value(json_object_get(movie_object(run, 50, 2), "prompt")), run->job.prompts[1]);
    movie_close(run);
}

/* A film that goes back to a view: what that shows at the same place is the object that it was, and lost meanwhile; at
 * another place, or where no other scene lies between, it is a new one. */
static void test_returns(void **state)
{
    struct movie movie = {.frames = 60,
                          .cuts = {21, 41},
                          .still = true,
                          .things = {{.look = 1, .first = 1, .last = 20, .back = 41, .x = 20, .y = 20},
                                     {.look = 2, .first = 21, .last = 40, .x = 60, .y = 30}}};
    const struct track_plan plan = PLAN(10, 30, 50);
    struct movie_run *run = movie_open(&movie);

    (void)state;
    run->options.plan = &plan;
    run->job.doubt = true;
    run->job.dedupe_iou = -1;
    run->job.lost_after = 30;
    movie_track_all(run);
    assert_int_equal(run->report.objects, 2);
    movie_expect_all(run, 1, 60, 1, &movie.things[0]);
    movie_expect_none(run, 1, 20, 2);
    movie_expect_all(run, 21, 40, 2, &movie.things[1]);
    movie_expect_none(run, 41, 60, 2);
    movie_close(run);

    /* Out of sight for longer than anything is waited for. */
    run = movie_open(&movie);
    run->options.plan = &plan;
    run->job.doubt = true;
    run->job.dedupe_iou = -1;
    run->job.lost_after = 10;
    movie_track_all(run);
    assert_int_equal(run->report.objects, 3);
    movie_expect_none(run, 41, 60, 1);
    movie_expect_all(run, 41, 60, 3, &movie.things[0]);
    movie_close(run);

    movie.things[0].last = 20;
    movie.things[0].back = 0;
    movie.things[2] = (struct movie_thing){.look = 1, .first = 41, .last = 60, .x = 70, .y = 4};
    run = movie_open(&movie);
    run->options.plan = &plan;
    run->job.doubt = true;
    run->job.dedupe_iou = -1;
    run->job.lost_after = 30;
    movie_track_all(run);
    assert_int_equal(run->report.objects, 3);
    movie_expect_none(run, 21, 60, 1);
    movie_expect_all(run, 41, 60, 3, &movie.things[2]);
    movie_close(run);
}

/* Out of sight on the way back: lost in the rows between, and not before it first came. */
static void test_gap_before(void **state)
{
    const struct movie movie = {.frames = 40, .things = {{.look = 1, .first = 10, .last = 14, .back = 18, .x = 40}}};
    const struct track_plan plan = PLAN(30);
    struct movie_run *run = movie_open(&movie);

    (void)state;
    run->options.plan = &plan;
    movie_track_all(run);
    movie_expect_none(run, 1, 9, 1);
    movie_expect_all(run, 10, 40, 1, &movie.things[0]);
    assert_int_equal(run->report.objects, 1);
    movie_close(run);

    /* Longer than it is waited for: what was before is not known. */
    run = movie_open(&movie);
    run->options.plan = &plan;
    run->job.lost_after = 2;
    movie_track_all(run);
    movie_expect_none(run, 1, 17, 1);
    movie_expect_all(run, 18, 40, 1, &movie.things[0]);
    movie_close(run);
}

static void test_nothing(void **state)
{
    const struct movie movie = {.frames = 40, .things = {{.look = 1, .first = 30, .last = 40, .x = 40}}};
    const struct track_plan plan = PLAN(10, 20);
    struct movie_run *run = movie_open(&movie);

    (void)state;
    run->options.plan = &plan;
    movie_track_all(run);
    assert_int_equal(run->report.objects, 0);
    assert_int_equal(fake_tracker.frames, 0);
    for (int64_t frame = 1; frame <= 40; frame++)
        assert_int_equal(movie_objects(run, frame), 0);
    movie_close(run);
}

/* Long enough for several chunks, which are read again; only frames 150 to 290 are asked for. */
static void test_chunks(void **state)
{
    const struct movie movie = {.frames = 300,
                                .things = {{.look = 1, .first = 160, .last = 300, .x = 20, .y = 9},
                                           {.look = 2, .first = 1, .last = 300, .x = 50, .y = 9}}};
    const struct track_plan plan = PLAN(280);
    struct movie_run *run = movie_open(&movie);

    (void)state;
    run->options.plan = &plan;
    run->options.reader = (struct video_reader_options){.frames.first = 150, .frames.last = 290};
    assert_int_equal(movie_track(run), 0);
    assert_int_equal(json_array_size(run->rows), 141);
    movie_expect_all(run, 150, 290, 1, &movie.things[1]);
    movie_expect_none(run, 150, 159, 2);
    movie_expect_all(run, 160, 290, 2, &movie.things[0]);
    movie_close(run);
}

static void test_budget(void **state)
{
    const struct movie movie = {.frames = 60,
                                .things = {{.look = 1, .first = 8, .last = 60, .x = 4, .y = 4, .speed = 1}}};
    const struct track_plan plan = PLAN(30, 45);
    struct movie_run *run = movie_open(&movie);
    int64_t interpolated = 0, first = 1;

    (void)state;
    run->options.plan = &plan;
    run->job.frame_budget = 0.5;
    fake_tracker.memory = 40;
    movie_track_all(run);
    while (!movie_object(run, first, 1))
        first++;
    assert_in_range(first, 8, 8 + 8);
    for (int64_t frame = first; frame <= 60; frame++) {
        const json_t *object = movie_object(run, frame, 1);

        assert_non_null(object);
        interpolated += movie_is_interpolated(object);
        movie_expect(run, frame, 1, &movie.things[0], movie_is_interpolated(object) ? 4 : 0);
    }
    assert_in_range(interpolated, 10, 40);
    assert_int_equal(run->report.objects, 1);
    movie_close(run);
}

/* At every frame that is encoded, in each of the passes: the rows that are there are whole and in order. */
static void test_interrupted(void **state)
{
    const struct movie movie = {.frames = 24, .things = {{.look = 1, .first = 4, .last = 24, .x = 4, .y = 4}}};
    const struct track_plan plan = PLAN(8, 16);
    bool ended = false;

    (void)state;
    for (size_t at = 1; !ended; at += 3) {
        struct movie_run *run = movie_open(&movie);

        run->options.plan = &plan;
        fake_tracker.interrupt_at = at;
        assert_int_equal(movie_track(run), 0);
        ended = !run->report.interrupted;
        assert_true(fake_tracker.frames <= at || ended);
        assert_int_equal(json_array_size(run->rows), run->report.frames);
        assert_true(!ended || run->report.frames == 24);
        if (run->report.frames >= 4)
            movie_expect_all(run, 4, run->report.frames, 1, &movie.things[0]);
        movie_close(run);
    }
}

static void test_failing_frames(void **state)
{
    const struct movie movie = {.frames = 24, .things = {{.look = 1, .first = 4, .last = 24, .x = 4, .y = 4}}};
    const struct track_plan plan = PLAN(8, 16);

    (void)state;
    for (size_t at = 1; at < 26; at += 4) {
        struct movie_run *run = movie_open(&movie);

        run->options.plan = &plan;
        fake_tracker.fail_at = at;
        assert_int_equal(movie_track(run), SOWLV2_ERROR_MEMORY);
        assert_string_equal(sowlv2_error_message(), "this frame cannot be encoded");
        movie_close(run);
    }
}

/* What cannot be read twice is followed forward, from the key frames on. */
static void test_pipe(void **state)
{
    const struct movie movie = {.frames = 30, .things = {{.look = 1, .first = 4, .last = 30, .x = 4, .y = 4}}};
    const struct track_plan plan = PLAN(10);
    struct movie_run *run = movie_open(&movie);
    char *pipe = test_path(run->folder, "pipe");

    (void)state;
    assert_int_equal(mkfifo(pipe, 0600), 0);
    shell("cat '%s' > '%s' &", run->source, pipe);
    run->options.plan = &plan;
    run->options.source = pipe;
    notices_begin();
    assert_int_equal(movie_track(run), 0);
    assert_non_null(strstr(notices(), "cannot be read twice"));
    notices_end();
    assert_int_equal(json_array_size(run->rows), 30);
    movie_expect_all(run, 10, 30, 1, &movie.things[0]);
    assert_int_equal(fake_tracker.reversed, 0);
    free(pipe);
    movie_close(run);
}

static void test_max_objects(void **state)
{
    const struct movie movie = {.frames = 20,
                                .things = {{.look = 1, .first = 1, .last = 20, .x = 0},
                                           {.look = 2, .first = 1, .last = 20, .x = 20},
                                           {.look = 3, .first = 1, .last = 20, .x = 40}}};
    const struct track_plan plan = PLAN(10);
    struct movie_run *run = movie_open(&movie);

    (void)state;
    run->options.plan = &plan;
    run->job.max_objects = 2;
    movie_track_all(run);
    assert_int_equal(run->report.objects, 2);
    movie_expect_none(run, 1, 20, 3);
    movie_close(run);
}

/* Key frames alone, forward: the detector looks there besides. */
static void test_keys_forward(void **state)
{
    const struct movie movie = {.frames = 40,
                                .things = {{.look = 1, .first = 1, .last = 40, .x = 4, .y = 4},
                                           {.look = 2, .first = 12, .last = 40, .x = 60, .y = 4}}};
    struct track_plan plan = PLAN(20, 30);
    struct movie_run *run = movie_open(&movie);

    (void)state;
    run->job.key_frames = false;
    run->options.plan = &plan;
    movie_track_all(run);
    assert_int_equal(run->report.detections, 3);
    movie_expect_all(run, 1, 40, 1, &movie.things[0]);
    movie_expect_none(run, 1, 19, 2);
    movie_expect_all(run, 20, 40, 2, &movie.things[1]);
    movie_close(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_coming_into_view),
        cmocka_unit_test(test_ids_in_order),
        cmocka_unit_test(test_one_object),
        cmocka_unit_test(test_joined),
        cmocka_unit_test(test_joined_between),
        cmocka_unit_test(test_replaced),
        cmocka_unit_test(test_returns),
        cmocka_unit_test(test_gap_before),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_failing_frames),
        cmocka_unit_test(test_pipe),
        cmocka_unit_test(test_max_objects),
        cmocka_unit_test(test_keys_forward),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
