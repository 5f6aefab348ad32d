/* track_video() forward, with a fake detector and tracker: when it looks for objects, which is which, what it gives up,
 * and how it ends. */
#include "base/test_folder.h"
#include "movie.h"
#include "track_case.h"
#include "video/support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* There from the first frame to the last. */
static const struct movie_thing always = {.look = 1, .first = 1, .last = 1000, .x = 4, .y = 4, .speed = 1};

static void test_nothing_found(void **state)
{
    struct movie_run *run = movie_open(&(struct movie){.frames = 60});

    (void)state;
    movie_track_all(run);
    assert_int_equal(run->report.objects, 0);
    assert_int_equal(run->report.tracked, 0);
    assert_int_equal(fake_tracker.frames, 0); /* no frame was encoded */
    /* Every frame at first, then two a second: 3 s have 60 frames. */
    assert_in_range(run->report.detections, 8, 16);
    for (int64_t frame = 1; frame <= 60; frame++)
        assert_int_equal(movie_objects(run, frame), 0);
    movie_close(run);
}

/* A picture that does not change is looked at once. */
static void test_still(void **state)
{
    struct movie_run *run = movie_open(&(struct movie){.frames = 60, .still = true});

    (void)state;
    movie_track_all(run);
    assert_int_equal(run->report.detections, 1);
    movie_close(run);
}

static void test_late(void **state)
{
    const struct movie movie = {.frames = 50, .things = {{.look = 3, .prompt = 1, .first = 21, .last = 50, .x = 60}}};
    struct movie_run *run = movie_open(&movie);
    int64_t first = 21;

    (void)state;
    movie_track_all(run);
    while (!movie_object(run, first, 1))
        first++;
    assert_in_range(first, 21, 31); /* half a second */
    movie_expect_none(run, 1, first - 1, 1);
    movie_expect_all(run, first, 50, 1, &movie.things[0]);
    assert_int_equal(run->report.objects, 1);
    /* Nothing more is looked for once it is followed. */
    assert_in_range(run->report.detections, 8, 8 + 20 / 10 + 2);
    assert_int_equal(fake_tracker.frames, 50 - first + 1);
    movie_close(run);
}

/* The tracker finds an object again by itself while it remembers it: one id, lost meanwhile. */
static void test_comes_back(void **state)
{
    const struct movie movie = {.frames = 30, .things = {{.look = 2, .first = 1, .last = 10, .back = 14, .x = 30}}};
    struct movie_run *run = movie_open(&movie);

    (void)state;
    movie_track_all(run);
    movie_expect_all(run, 1, 30, 1, &movie.things[0]);
    assert_true(movie_is_lost(movie_object(run, 11, 1)) && !movie_is_lost(movie_object(run, 14, 1)));
    assert_int_equal(run->report.objects, 1);
    assert_int_equal(run->report.detections, 1);
    movie_close(run);
}

/* What the tracker has forgotten and the detector finds again is the same object where it looks the same, and another
 * one where it does not. */
static void test_linked_again(void **state)
{
    const struct movie movie = {.frames = 40,
                                .things = {{.look = 2, .first = 1, .last = 10, .back = 21, .x = 4},
                                           {.look = 3, .first = 1, .last = 10, .x = 40},
                                           {.look = 4, .first = 21, .last = 40, .x = 70},
                                           {.look = 5, .prompt = 1, .first = 1, .last = 40, .y = 40}}};
    struct movie_run *run = movie_open(&movie);

    (void)state;
    run->job.lost_after = 30;
    run->job.detect_every.frames = 10; /* looks at 1, 11, 21, 31 */
    fake_tracker.memory = 3;
    movie_track_all(run);
    movie_expect_all(run, 1, 40, 1, &movie.things[0]);
    movie_expect_all(run, 1, 40, 2, &movie.things[1]); /* gone, and not taken for the new one */
    movie_expect_all(run, 1, 40, 3, &movie.things[3]);
    movie_expect_none(run, 1, 20, 4);
    movie_expect_all(run, 21, 40, 4, &movie.things[2]);
    movie_expect_none(run, 1, 40, 5);
    assert_int_equal(run->report.objects, 4);
    assert_int_equal(run->report.detections, 4);
    movie_close(run);
}

/* An object that was given up is another one when it comes back; the search goes on meanwhile. */
static void test_given_up(void **state)
{
    const struct movie movie = {.frames = 60, .things = {{.look = 2, .first = 1, .last = 10, .back = 31, .x = 4}}};
    struct movie_run *run = movie_open(&movie);

    (void)state;
    movie_track_all(run);
    movie_expect_all(run, 1, 15, 1, &movie.things[0]); /* five frames lost, and not one more */
    movie_expect_none(run, 16, 60, 1);
    movie_expect_none(run, 1, 30, 2);
    movie_expect_all(run, 41, 60, 2, &movie.things[0]);
    movie_expect_none(run, 1, 60, 3);
    assert_int_equal(run->report.objects, 2);
    movie_close(run);

    run = movie_open(&movie);
    run->job.lost_after = 0;
    movie_track_all(run);
    movie_expect_all(run, 1, 10, 1, &movie.things[0]);
    movie_expect_none(run, 11, 60, 1);
    movie_close(run);
}

/* A scene that begins is looked at, also while something is followed. */
static void test_cuts(void **state)
{
    const struct movie movie = {
        .frames = 40, .cuts = {21}, .things = {always, {.look = 4, .first = 15, .last = 40, .x = 60, .y = 40}}};
    struct movie_run *run = movie_open(&movie);

    (void)state;
    movie_track_all(run);
    movie_expect_all(run, 1, 40, 1, &movie.things[0]);
    movie_expect_none(run, 1, 20, 2);
    movie_expect_all(run, 21, 40, 2, &movie.things[1]);
    assert_int_equal(run->report.detections, 2);
    movie_close(run);

    run = movie_open(&movie);
    run->job.cuts = false;
    movie_track_all(run);
    movie_expect_none(run, 1, 40, 2);
    assert_int_equal(run->report.detections, 1);
    movie_close(run);
}

static void test_every(void **state)
{
    const struct movie movie = {.frames = 40, .things = {always, {.look = 4, .first = 15, .last = 40, .y = 40}}};
    struct movie_run *run = movie_open(&movie);

    (void)state;
    run->job.detect_every.frames = 9;
    movie_track_all(run);
    assert_int_equal(run->report.detections, 5); /* 1, 10, 19, 28, 37 */
    movie_expect_none(run, 1, 18, 2);
    movie_expect_all(run, 19, 40, 2, &movie.things[1]);
    assert_int_equal(run->report.objects, 2); /* what is found again is what is followed */
    run->job.detect_every.frames = 0;
    run->job.detect_every.seconds = 1; /* 20 frames */
    movie_track_all(run);
    assert_int_equal(run->report.detections, 2);
    movie_expect_none(run, 1, 20, 2);
    movie_expect_all(run, 21, 40, 2, &movie.things[1]);
    movie_close(run);
}

/* A score is that of the last detection that confirmed it, which is told. */
static void test_score(void **state)
{
    struct movie movie = {.frames = 20, .things = {always}};
    struct movie_run *run;

    (void)state;
    movie.things[0].best = 11;
    run = movie_open(&movie);
    run->job.detect_every.frames = 5; /* 1, 6, 11, 16 */
    movie_track_all(run);
    for (int64_t frame = 1; frame <= 20; frame++) {
        const json_t *const object = movie_object(run, frame, 1);
        const double score = json_number_value(json_object_get(object, "score"));
        const int step = frame < 6 ? 0 : frame < 11 ? 4 : frame < 16 ? 9 : 4;

        assert_true(fabs(score - (double)fake_look_score(step)) < 1e-5);
        assert_int_equal(json_integer_value(json_object_get(object, "confirmed_frame")), (frame - 1) / 5 * 5 + 1);
    }
    movie_close(run);
}

static void test_max_objects(void **state)
{
    const struct movie movie = {.frames = 30,
                                .things = {{.look = 1, .first = 1, .last = 10, .x = 0},
                                           {.look = 2, .first = 1, .last = 30, .x = 20},
                                           {.look = 3, .first = 1, .last = 30, .x = 40},
                                           {.look = 4, .first = 1, .last = 30, .x = 60}}};
    struct movie_run *run = movie_open(&movie);

    (void)state;
    run->job.max_objects = 2;
    run->job.detect_every.frames = 5;
    notices_begin();
    movie_track_all(run);
    assert_non_null(strstr(notices(), "--max-objects"));
    assert_int_equal(notices_count(), 1);
    notices_end();
    assert_true(fake_tracker.most <= 4); /* two more for a moment, to be compared with the lost one */
    movie_expect_all(run, 1, 15, 1, &movie.things[0]);
    movie_expect_all(run, 1, 30, 2, &movie.things[1]);
    movie_expect_none(run, 16, 30, 1); /* given up: there is room for another when it is looked for next */
    movie_expect_none(run, 1, 20, 3);
    movie_expect_all(run, 21, 30, 3, &movie.things[2]);
    movie_expect_none(run, 1, 30, 4);
    movie_close(run);
}

/* Half of the frames: the others are filled in, and say so. */
static void test_budget(void **state)
{
    const struct movie movie = {.frames = 60,
                                .things = {always, {.look = 4, .prompt = 1, .first = 1, .last = 40, .x = 60, .y = 40}}};
    struct movie_run *run = movie_open(&movie);
    int64_t interpolated = 0;

    (void)state;
    run->job.frame_budget = 0.5;
    run->job.lost_after = 8;
    movie_track_all(run);
    for (int64_t frame = 1; frame <= 60; frame++) {
        const json_t *object = movie_object(run, frame, 1);

        assert_non_null(object);
        interpolated += movie_is_interpolated(object);
        movie_expect(run, frame, 1, &movie.things[0], movie_is_interpolated(object) ? 4 : 0);
        if (frame <= 40)
            movie_expect(run, frame, 2, &movie.things[1], 2);
    }
    assert_in_range(run->report.tracked, 24, 40);
    assert_int_equal(run->report.interpolated, interpolated);
    assert_int_equal(run->report.tracked + run->report.interpolated, 60);
    assert_int_equal(run->report.objects, 2);
    movie_expect_none(run, 58, 60, 2);
    movie_close(run);
}

/* Nothing is filled in across a cut. */
static void test_budget_and_cuts(void **state)
{
    const struct movie movie = {.frames = 40, .cuts = {20}, .things = {always}};
    struct movie_run *run = movie_open(&movie);

    (void)state;
    run->job.frame_budget = 0.2;
    movie_track_all(run);
    assert_false(movie_is_interpolated(movie_object(run, 20, 1)));
    assert_true(run->report.interpolated > 10);
    movie_close(run);
}

static void test_interrupted(void **state)
{
    const struct movie movie = {.frames = 40, .things = {always}};

    (void)state;
    for (int budget = 0; budget < 2; budget++) {
        struct movie_run *run = movie_open(&movie);

        run->job.frame_budget = budget ? 0.5 : 1;
        run->job.films = run->job.masks = run->job.overlays = true;
        run->job.max_object_films = 16;
        fake_tracker.interrupt_at = 12;
        assert_int_equal(movie_track(run), 0);
        assert_true(run->report.interrupted);
        assert_int_equal(fake_tracker.frames, 12);
        assert_int_equal(json_array_size(run->rows), run->report.frames);
        assert_true(run->report.frames >= 12);
        movie_expect(run, run->report.frames, 1, &movie.things[0], 4);
        for (int i = 0; i < 2; i++) {
            char *path =
                test_path(run->output, i ? "video/overlay/merged_overlay.mp4" : "video/binary/obj1_cat_mask.mp4");
            struct clip clip = clip_read(path, NULL);

            assert_int_equal(clip.count, run->report.frames);
            clip_free(&clip);
            free(path);
        }
        movie_close(run);
    }
}

/* What was done before an error is there, and the error is told. */
static void test_failing_frame(void **state)
{
    const struct movie movie = {.frames = 40, .things = {always}};
    struct movie_run *run = movie_open(&movie);

    (void)state;
    fake_tracker.fail_at = 12;
    assert_int_equal(movie_track(run), SOWLV2_ERROR_MEMORY);
    assert_string_equal(sowlv2_error_message(), "this frame cannot be encoded");
    run->rows = track_case_rows(run->output);
    assert_int_equal(json_array_size(run->rows), 11);
    movie_close(run);
}

static void test_wrong(void **state)
{
    const struct movie movie = {.frames = 3, .things = {always}};
    struct movie_run *run = movie_open(&movie);
    const struct track_options good = run->options;
    char *missing = test_path(run->folder, "missing.mkv"), *text = test_path(run->folder, "text.mkv");
    char *taken = test_path(run->folder, "taken");

    (void)state;
    run->options.source = missing;
    assert_int_equal(movie_track(run), SOWLV2_ERROR_IO);
    assert_non_null(strstr(sowlv2_error_message(), "missing.mkv"));
    assert_int_not_equal(access(run->output, F_OK), 0); /* no folder for nothing */
    test_write_text(run->folder, "text.mkv", "this is no video, however long one looks at it");
    run->options.source = text;
    assert_int_equal(movie_track(run), SOWLV2_ERROR_FORMAT);
    assert_non_null(strstr(sowlv2_error_message(), "text.mkv"));
    run->options = good;
    test_write_text(run->folder, "taken", "a file");
    run->job.output = taken;
    assert_int_equal(movie_track(run), SOWLV2_ERROR_IO);
    assert_non_null(strstr(sowlv2_error_message(), "taken"));
    assert_int_equal(fake_tracker.frames, 0);
    run->job.output = run->output;
    run->options.reader.frames.first = 10;
    assert_int_equal(movie_track(run), SOWLV2_ERROR_ARGUMENT);
    free(missing);
    free(text);
    free(taken);
    movie_close(run);
}

/* A file that is cut off is done to its end, which is an error. */
static void test_truncated(void **state)
{
    const struct movie movie = {.frames = 40, .things = {always}};
    struct movie_run *run = movie_open(&movie);
    FILE *file = fopen(run->source, "r");
    long size;

    (void)state;
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    size = ftell(file);
    fclose(file);
    assert_int_equal(truncate(run->source, size / 2), 0);
    assert_int_equal(movie_track(run), SOWLV2_ERROR_FORMAT);
    assert_non_null(strstr(sowlv2_error_message(), "breaks off at"));
    assert_true(run->report.broken);
    assert_in_range(json_array_size(run->rows), 5, 35);
    movie_expect_all(run, 1, (int64_t)json_array_size(run->rows) - 1, 1, &movie.things[0]);
    assert_false(run->report.interrupted);
    movie_close(run);
}

/* The part of a video keeps its numbers and times. */
static void test_range(void **state)
{
    const struct movie movie = {.frames = 40, .things = {always}};
    struct movie_run *run = movie_open(&movie);

    (void)state;
    run->options.reader = (struct video_reader_options){.frames.first = 11, .frames.last = 20};
    assert_int_equal(movie_track(run), 0);
    assert_int_equal(json_array_size(run->rows), 10);
    movie_expect_all(run, 11, 20, 1, &movie.things[0]);
    assert_int_equal(fake_tracker.numbers[0], 11);
    movie_close(run);
}

/* What the segmenter sees no object in is nothing to follow, and does not stop the search. */
static void test_not_seen(void **state)
{
    const struct movie movie = {.frames = 30, .things = {{.look = 7, .first = 12, .last = 30, .x = 40}}};
    struct movie_run *run = movie_open(&movie);

    (void)state;
    fake_detector.ghosts = true;
    movie_track_all(run);
    assert_in_range(run->report.objects, 1, 1);
    movie_expect_none(run, 1, 11, 1);
    movie_expect_all(run, 22, 30, 1, &movie.things[0]);
    movie_close(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_found), cmocka_unit_test(test_still),
        cmocka_unit_test(test_late),          cmocka_unit_test(test_comes_back),
        cmocka_unit_test(test_linked_again),  cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_cuts),          cmocka_unit_test(test_every),
        cmocka_unit_test(test_score),         cmocka_unit_test(test_max_objects),
        cmocka_unit_test(test_budget),        cmocka_unit_test(test_budget_and_cuts),
        cmocka_unit_test(test_interrupted),   cmocka_unit_test(test_failing_frame),
        cmocka_unit_test(test_wrong),         cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_range),         cmocka_unit_test(test_not_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
