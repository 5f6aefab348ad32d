/* Plans of key frames that do not fit the frames: made for another length, or for none, or between frames. With a fake
 * detector and tracker. */
#include "base/test_folder.h"
#include "movie.h"
#include "video/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST_KEYS = 8 };

/* Two things; the second comes when half is over. 40 frames are 2 s. */
static const struct movie movie = {.frames = 40,
                                   .things = {{.look = 1, .first = 1, .last = 40, .x = 4, .y = 4},
                                              {.look = 2, .prompt = 1, .first = 21, .last = 40, .x = 60, .y = 30}}};

struct plan_case {
    const char *what;
    double keys[MOST_KEYS];
    size_t count, steps;
    int64_t looks;      /* frames that are looked at, in all passes */
    bool second;        /* the second thing is found */
    const char *notice; /* NULL: none */
};

static const struct plan_case cases[] = {
    {"fits", {0.5, 1.5}, 2, 2, 2, true, NULL},
    {"between frames", {0.52, 1.974}, 2, 0, 2, true, NULL},
    {"for ten times the length",
     {2, 6, 10, 14, 18},
     5,
     5,
     5,
     true,
     "its frames end at 2.00 s, before the length that it declares: key frames by equal steps at 0.20, 0.60, 1.00, "
     "1.40, "
     "1.80 s"},
    {"for twice the length", {0.5, 1.5, 2.5, 3.5}, 4, 4, 2 + 4, true, "key frames by equal steps at 0.25, 0.75"},
    {"for no known length",
     {0},
     0,
     3,
     3,
     true,
     "its frames end at 2.00 s, a length that it does not declare: key frames by equal steps at 0.33, 1.00, 1.67 s"},
    {"chosen, and all but the last too late",
     {0.5, 9, 10},
     3,
     0,
     2,
     true,
     "it ends at 2.00 s, before 2 of its key frames"},
    {"chosen, all too late", {9}, 1, 0, 1, true, "before 1 of its key frames"},
    {"chosen for the first half", {0.25}, 1, 0, 1, false, NULL},
};

static void run_case(const struct plan_case *one, bool both_ways)
{
    struct movie_run *run = movie_open(&movie);
    double keys[MOST_KEYS];
    const struct track_plan plan = {.key_times = keys, .key_count = one->count, .steps = one->steps};

    memcpy(keys, one->keys, sizeof(keys));
    run->options.plan = &plan;
    run->job.key_frames = both_ways;
    notices_begin();
    movie_track_all(run);
    if (both_ways &&
        (run->report.detections != one->looks || (one->notice ? !strstr(notices(), one->notice) : notices_count() > 0)))
        fail_msg("%s: %d looks: %s", one->what, (int)run->report.detections, notices());
    notices_end();
    movie_expect_all(run, 1, 40, 1, &movie.things[0]);
    if (both_ways && one->second)
        movie_expect_all(run, 21, 40, 2, &movie.things[1]);
    if (!one->second)
        movie_expect_none(run, 1, 40, 2);
    movie_close(run);
}

static void test_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        run_case(&cases[i], true);
}

static void test_forward(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        run_case(&cases[i], false);
}

/* Frames that go on beyond the length that the plan was made for are said to be left out. */
static void test_longer(void **state)
{
    double keys[] = {0.1, 0.3};
    struct track_plan plan = {.key_times = keys, .key_count = 2, .steps = 2, .end = 0.4};
    struct movie_run *run = movie_open(&movie);

    (void)state;
    run->options.plan = &plan;
    notices_begin();
    movie_track_all(run);
    assert_non_null(strstr(notices(), "its frames go on to 2.00 s, beyond the 0.40 s that it declares"));
    notices_end();
    movie_close(run);
    plan.end = 1.9;
    run = movie_open(&movie);
    run->options.plan = &plan;
    notices_begin();
    movie_track_all(run);
    assert_int_equal(notices_count(), 0);
    notices_end();
    movie_close(run);
}

/* What a part of the video leaves of the plan: keys before it are its first frame's. */
static void test_part(void **state)
{
    double keys[] = {0.1, 0.2, 1.9};
    const struct track_plan plan = {.key_times = keys, .key_count = 3};
    struct movie_run *run = movie_open(&movie);

    (void)state;
    run->options.plan = &plan;
    run->options.reader = (struct video_reader_options){.frames.first = 25, .frames.last = 30};
    assert_int_equal(movie_track(run), 0);
    assert_int_equal(json_array_size(run->rows), 6);
    assert_int_equal(run->report.detections, 2);
    movie_expect_all(run, 25, 30, 1, &movie.things[0]);
    movie_expect_all(run, 25, 30, 2, &movie.things[1]);
    movie_close(run);
}

/* One frame is the frame of every key. */
static void test_one_frame(void **state)
{
    const struct movie one = {.frames = 1, .things = {{.look = 1, .first = 1, .last = 1, .x = 4, .y = 4}}};

    (void)state;
    for (size_t steps = 0; steps < 6; steps += 5) {
        double keys[] = {0.005, 0.015, 0.025, 0.035, 0.045};
        const struct track_plan plan = {.key_times = keys, .key_count = 5, .steps = steps};
        struct movie_run *run = movie_open(&one);

        run->options.plan = &plan;
        movie_track_all(run);
        assert_int_equal(run->report.detections, 1);
        movie_expect_all(run, 1, 1, 1, &one.things[0]);
        movie_close(run);
    }
}

/* A film that is cut: the plan is made for what is there, rows are written to the end, also those that wait for their
 * masks, and the end is an error. */
static void test_cut(void **state)
{
    (void)state;
    for (int budget = 0; budget < 2; budget++) {
        double keys[] = {0.2, 0.6, 1.0, 1.4, 1.8};
        const struct track_plan plan = {.key_times = keys, .key_count = 5, .steps = 5};
        struct movie_run *run = movie_open(&movie);
        int64_t count;

        shell("truncate -s $(( $(stat -c %%s '%s') / 2 )) '%s'", run->source, run->source);
        run->options.plan = &plan;
        run->job.frame_budget = budget ? 0.5 : 1;
        notices_begin();
        assert_int_equal(movie_track(run), SOWLV2_ERROR_FORMAT);
        assert_non_null(strstr(sowlv2_error_message(), "breaks off at"));
        assert_non_null(strstr(notices(), "key frames by equal steps"));
        notices_end();
        assert_true(run->report.broken);
        count = (int64_t)json_array_size(run->rows);
        assert_in_range(count, 10, 30);
        assert_int_equal(run->report.frames, count);
        for (int64_t frame = 1; frame < count; frame++)
            movie_expect(run, frame, 1, &movie.things[0], budget ? 4 : 0);
        movie_close(run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways), cmocka_unit_test(test_forward),   cmocka_unit_test(test_part),
        cmocka_unit_test(test_longer),    cmocka_unit_test(test_one_frame), cmocka_unit_test(test_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
