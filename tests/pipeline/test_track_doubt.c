/* Doubt alone: what looks add up to, a track's own signs, how sure a track is; and its policy in made-up videos, with a
 * fake detector and tracker. */
#include "masks/masks.h"
#include "movie.h"
#include "pipeline/track_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- evidence ---- */

static void test_evidence(void **state)
{
    (void)state;
    assert_true(fabs(track_doubt_evidence(0.1, 0.1)) < 1e-9);
    assert_true(track_doubt_evidence(0.5, 0.1) > 2 && track_doubt_evidence(0.05, 0.1) < -0.5);
    /* No look says more than a bounded amount, whatever the score. */
    assert_true(fabs(track_doubt_evidence(1, 0.1) - track_doubt_evidence(0.999, 0.1)) < 1e-9);
    assert_true(fabs(track_doubt_evidence(0, 0.1) - track_doubt_evidence(1e-9, 0.1)) < 1e-9);
    assert_true(isfinite(track_doubt_evidence(0.5, 0)) && isfinite(track_doubt_evidence(0.5, 1)));
}

/* One look at an object of prompt 0 with these scores of prompts 0 and 1. */
static enum track_verdict look(struct track_doubt *doubt, float first, float second, bool sought, int *label)
{
    const float scores[] = {first, second};
    const struct track_look seen = {.scores = scores, .prompts = 2, .threshold = 0.1, .passed = 2, .trust = 0.5};

    assert_int_equal(track_doubt_look(doubt, *label, &seen), 0);
    return track_doubt_verdict(doubt, sought, label);
}

/* A first mistake is taken back at once; what was confirmed again and again needs two looks, and is another thing then.
 */
static void test_labels(void **state)
{
    struct track_doubt doubt = {0};
    int label = 0;

    (void)state;
    assert_int_equal(track_doubt_verdict(&doubt, false, &label), TRACK_UNSURE);
    assert_true(fabs(track_doubt_margin(&doubt, 0)) < 1e-9);
    assert_int_equal(look(&doubt, 0.99f, 0.01f, false, &label), TRACK_CONFIRMED);
    assert_true(track_doubt_margin(&doubt, 0) > 0 && track_doubt_margin(&doubt, 1) < 0);
    assert_int_equal(look(&doubt, 0.01f, 0.99f, false, &label), TRACK_RELABEL);
    assert_int_equal(label, 1);
    assert_int_equal(track_doubt_best(&doubt, 0), 1);
    track_doubt_free(&doubt);

    label = 0;
    for (int i = 0; i < 5; i++)
        assert_int_equal(look(&doubt, 0.9f, 0.2f, false, &label), TRACK_CONFIRMED);
    assert_int_equal(look(&doubt, 0.01f, 0.99f, false, &label), TRACK_UNSURE);
    assert_int_equal(doubt.seen, 1);
    assert_int_equal(look(&doubt, 0.01f, 0.99f, false, &label), TRACK_REPLACED);
    assert_int_equal(label, 0);
    track_doubt_free(&doubt);

    /* At once, where an object of that label is out of sight. */
    for (int i = 0; i < 2; i++)
        assert_int_equal(look(&doubt, 0.9f, 0.2f, true, &label), TRACK_CONFIRMED);
    assert_int_equal(look(&doubt, 0.01f, 0.99f, true, &label), TRACK_REPLACED);
    track_doubt_free(&doubt);

    /* Two labels that are as likely: the one it has stays. */
    for (int i = 0; i < 5; i++)
        assert_int_equal(look(&doubt, 0.5f, 0.55f, false, &label), TRACK_CONFIRMED);
    track_doubt_free(&doubt);
}

/* Looks that see nothing add up: soon of a weak find, later of a strong one, never of one the detector nearly sees. */
static void test_there(void **state)
{
    const struct {
        float found, after;
        int least, most;
    } rows[] = {{0.15f, 0.001f, 1, 3}, {0.99f, 0.001f, 3, 8}, {0.99f, 0.08f, 100, 100}};

    (void)state;
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        struct track_doubt doubt = {0};
        int label = 0, looks = 0;

        assert_int_equal(look(&doubt, rows[r].found, 0.001f, false, &label), TRACK_CONFIRMED);
        while (looks < 100 && look(&doubt, rows[r].after, 0.001f, false, &label) != TRACK_GONE)
            looks++;
        assert_in_range(looks, rows[r].least, rows[r].most);
        assert_int_equal(label, 0); /* nothing speaks for another one */
        track_doubt_free(&doubt);
    }
}

/* ---- signs ---- */

static bool sign(struct track_signs *signs, double mask, double object, float x, float size)
{
    const float box[] = {x, 10, x + size, 10 + size};
    const struct track_sign one = {
        .mask_score = mask, .object_score = object, .area = (double)size * (double)size, .box = box};

    return track_signs_take(signs, &one);
}

static void test_signs(void **state)
{
    (void)state;
    for (int what = 0; what < 5; what++) {
        struct track_signs signs = {0};
        bool worse;

        for (int i = 0; i < 20; i++) /* a slow way, small changes */
            assert_false(sign(&signs, 0.9 - 0.01 * (i % 3), 8 - i % 2, (float)(10 + 2 * i), (float)(40 + i % 2)));
        worse = what == 0   ? sign(&signs, 0.6, 8, 50, 40)
                : what == 1 ? sign(&signs, 0.9, 1, 50, 40)
                : what == 2 ? sign(&signs, 0.9, 8, 50, 60)
                : what == 3 ? sign(&signs, 0.9, 8, 50, 25)
                            : sign(&signs, 0.9, 8, 150, 40);
        assert_true(worse);
        /* It is asked once. */
        for (int i = 0; i < 5; i++)
            assert_false(what == 0   ? sign(&signs, 0.6, 8, 50, 40)
                         : what == 1 ? sign(&signs, 0.9, 1, 50, 40)
                         : what == 2 ? sign(&signs, 0.9, 8, 50, 60)
                         : what == 3 ? sign(&signs, 0.9, 8, 50, 25)
                                     : sign(&signs, 0.9, 8, 150, 40));
    }
}

/* ---- sureness ---- */

static void test_confidence(void **state)
{
    const struct track_sureness good = {.mask_score = 0.95, .object_score = 9, .there = 6, .margin = 8};
    struct track_sureness worse[] = {good, good, good, good, good};

    (void)state;
    worse[0].mask_score = 0.3;
    worse[1].object_score = -2;
    worse[2].there = -2;
    worse[3].margin = -3;
    worse[4].since = 8;
    assert_true(track_confidence(&good) > 0.7 && track_confidence(&good) < 1);
    for (size_t i = 0; i < sizeof(worse) / sizeof(worse[0]); i++) {
        assert_true(track_confidence(&worse[i]) < track_confidence(&good));
        assert_true(track_confidence(&worse[i]) > 0);
    }
}

/* ---- in videos ---- */

static const char *prompt_of(const struct movie_run *run, int64_t frame, int64_t id)
{
    return json_string_value(json_object_get(movie_object(run, frame, id), "prompt"));
}

static struct movie_run *open_doubting(const struct movie *movie)
{
    struct movie_run *const run = movie_open(movie);

    run->job.doubt = true;
    run->job.dedupe_iou = -1;
    run->job.detect_every.seconds = 1; /* 20 frames */
    run->job.lost_after = 100;
    return run;
}

/* What nothing speaks against stays as it is without doubt, with how sure it is and when it was confirmed. */
static void test_all_well(void **state)
{
    const struct movie movie = {.frames = 50,
                                .things = {{.look = 1, .first = 1, .last = 50, .x = 4, .y = 4, .speed = 1},
                                           {.look = 2, .prompt = 1, .first = 1, .last = 50, .x = 60, .y = 40}}};
    struct movie_run *const run = open_doubting(&movie);

    (void)state;
    movie_track_all(run);
    movie_expect_all(run, 1, 50, 1, &movie.things[0]);
    movie_expect_all(run, 1, 50, 2, &movie.things[1]);
    assert_int_equal(run->report.objects, 2);
    assert_int_equal(run->report.detections, 3);
    for (int64_t frame = 1; frame <= 50; frame++) {
        const json_t *const object = movie_object(run, frame, 1);
        const double confidence = json_number_value(json_object_get(object, "confidence"));

        assert_true(confidence > 0 && confidence < 1);
        assert_int_equal(json_integer_value(json_object_get(object, "confirmed_frame")), (frame - 1) / 20 * 20 + 1);
    }
    run->job.min_confidence = 1; /* nothing is so sure */
    movie_track_all(run);
    for (int64_t frame = 1; frame <= 50; frame++)
        assert_int_equal(movie_objects(run, frame), 0);
    movie_close(run);
}

static double confidence_of(const struct movie_run *run, int64_t frame, int64_t id)
{
    return json_number_value(json_object_get(movie_object(run, frame, id), "confidence"));
}

/* Where no looks come, that none has come does not count against what is followed. */
static void test_no_looks(void **state)
{
    const struct movie movie = {.frames = 120,
                                .things = {{.look = 1, .first = 1, .last = 120, .x = 4, .y = 4},
                                           {.look = 2, .prompt = 1, .first = 1, .last = 120, .x = 60, .y = 40}}};
    const float box[] = {4, 4, 20, 20};
    const struct sowlv2_segment_prompt mark = {.box = box};
    struct movie_run *const run = open_doubting(&movie);

    (void)state;
    run->job.detect_every = (struct sowlv2_interval){0};
    movie_track_all(run);
    movie_expect_all(run, 1, 120, 1, &movie.things[0]);
    assert_true(confidence_of(run, 120, 1) > confidence_of(run, 2, 1) - 1e-3);
    run->job.detect_every.seconds = 100; /* they come, but late */
    movie_track_all(run);
    assert_true(confidence_of(run, 120, 1) < confidence_of(run, 2, 1) - 1e-3);

    run->job.dedupe_iou = 0;
    run->job.marks = &mark;
    run->job.mark_count = 1;
    movie_track_all(run);
    assert_false(movie_is_lost(movie_object(run, 120, 1)));
    assert_true(confidence_of(run, 120, 1) > confidence_of(run, 2, 1) - 1e-3);
    movie_close(run);
}

/* Nothing goes through a cut that is not found again after it: forward, and back from a key frame. */
static void test_cut(void **state)
{
    const struct movie movie = {.frames = 40,
                                .cuts = {21},
                                .things = {{.look = 1, .first = 1, .last = 20, .x = 4, .y = 4},
                                           {.look = 2, .first = 21, .last = 40, .x = 30, .y = 30},
                                           {.look = 3, .first = 1, .last = 40, .x = 70, .y = 4}}};
    double times[] = {10.0 / MOVIE_RATE, 30.0 / MOVIE_RATE};
    const struct track_plan plan = {.key_times = times, .key_count = 2};
    struct movie_run *run = open_doubting(&movie);

    (void)state;
    movie_track_all(run);
    movie_expect_all(run, 1, 20, 1, &movie.things[0]);
    movie_expect_all(run, 21, 40, 1, &movie.things[0]); /* out of sight */
    movie_expect_all(run, 1, 40, 2, &movie.things[2]);  /* at its place again, and like itself */
    movie_expect_all(run, 21, 40, 3, &movie.things[1]);
    assert_int_equal(run->report.objects, 3);
    run->job.doubt = false;
    movie_track_all(run);
    assert_non_null(movie_object(run, 25, 1));
    movie_close(run);

    run = open_doubting(&movie);
    run->options.plan = &plan;
    fake_tracker.memory = 100;
    movie_track_all(run);
    movie_expect_all(run, 1, 20, 1, &movie.things[0]);
    movie_expect_all(run, 1, 20, 2, &movie.things[2]);
    movie_expect_none(run, 21, 40, 1);
    movie_expect_none(run, 21, 40, 2);
    movie_expect_none(run, 1, 20, 3);
    movie_expect_none(run, 1, 20, 4);
    movie_expect_all(run, 21, 40, 3, &movie.things[1]);
    movie_expect_all(run, 21, 40, 4, &movie.things[2]);
    movie_close(run);
}

/* A thing that comes late is told of when a second look has confirmed it; one that only one look saw never is. */
static void test_late(void **state)
{
    const struct movie movie = {.frames = 60,
                                .things = {{.look = 1, .first = 1, .last = 60, .x = 4, .y = 4},
                                           {.look = 2, .prompt = 1, .first = 15, .last = 60, .x = 60, .y = 40},
                                           {.look = 3, .first = 21, .last = 22, .x = 30, .y = 4}}};
    struct movie_run *const run = open_doubting(&movie);
    int64_t first = 21;

    (void)state;
    movie_track_all(run);
    movie_expect_all(run, 1, 60, 1, &movie.things[0]);
    while (!movie_object(run, first, 2))
        first++;
    assert_in_range(first, 22, 32);
    movie_expect_all(run, first, 60, 2, &movie.things[1]);
    movie_expect_none(run, 1, 60, 3);
    assert_int_equal(run->report.objects, 2);
    movie_close(run);
}

/* A wrong first name is put right; the number stays. */
static void test_relabel(void **state)
{
    const struct movie movie = {.frames = 60,
                                .things = {{.look = 1, .first = 1, .last = 60, .x = 4, .y = 4, .best = 1}}};
    struct movie_run *const run = open_doubting(&movie);

    (void)state;
    fake_detector.doubles = true; /* "cat" is best on frame 1 alone, "dog" from the next look on */
    movie_track_all(run);
    assert_int_equal(run->report.objects, 1);
    assert_string_equal(prompt_of(run, 1, 1), "cat");
    assert_string_equal(prompt_of(run, 60, 1), "dog");
    movie_close(run);
}

/* ---- two objects on one mask ---- */

/* A mask of MOVIE_WIDTH x MOVIE_HEIGHT: columns x0 to x1. */
static struct sowlv2_mask columns(int x0, int x1)
{
    uint8_t *pixels = calloc((size_t)MOVIE_WIDTH, MOVIE_HEIGHT);
    struct sowlv2_mask mask = {.mask_score = 0.9f, .object_score = 5};

    for (int y = 0; y < MOVIE_HEIGHT; y++)
        memset(pixels + y * MOVIE_WIDTH + x0, 1, (size_t)(x1 - x0));
    assert_int_equal(mask_set_pixels(&mask, pixels, MOVIE_WIDTH, MOVIE_HEIGHT), 0);
    free(pixels);
    return mask;
}

/* Four frames; object 1 is at 10 to 40, object 2, of `prompt`, comes there `apart` frames after its first one. What
 * object 2 is after that: M joined to 1, 1 1 is joined to it, L lost, - none of it. */
static char join(int prompt, int apart, float dedupe, double first_evidence)
{
    struct sowlv2_run_options job = {.doubt = true, .dedupe_iou = dedupe, .stop = &fake_detector.interrupted};
    const struct track_options options = {.job = &job, .source = "clip"};
    struct track_report report = {0};
    struct track_run run = {.options = &options, .job = &job, .report = &report};
    const struct movie movie = {.frames = 1, .things = {{.look = 1, .first = 1, .last = 1, .x = 10}}};
    uint8_t *pixels = movie_picture(&movie, 1);
    const struct sowlv2_image image = {.pixels = pixels, .width = MOVIE_WIDTH, .height = MOVIE_HEIGHT};
    const struct sowlv2_track_options track = {.max_cond_frames = 4};
    const float box[] = {10, 0, 20, 10};
    const struct sowlv2_track_prompt asked = {.box = box};
    struct track_object *object;
    char result = '-';

    fake_tracker_reset();
    assert_int_equal(track_schedule_create(&options, &run.schedule), 0);
    assert_int_equal(track_emitter_create(&run, &run.emitter), 0);
    assert_int_equal(sowlv2_track_session_create(fake_segmenter, &track, &run.tracker), 0);
    assert_int_equal(sowlv2_track_set_frame(run.tracker, 1, &image), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(track_objects_add(&run.objects, i == 0 ? 0 : prompt, 0.5f, 1, &object), 0);
        object->doubt = (struct track_doubt){.labels = calloc(3, sizeof(double)), .prompts = 2};
        object->doubt.labels[0] = i == 0 ? first_evidence : 1;
        object->doubt.labels[1] = 1;
        object->visible = true;
        assert_int_equal(sowlv2_track_prompt(run.tracker, object->id, &asked), 0);
    }
    for (int frame = 1; frame <= 3 + apart; frame++) {
        const struct track_feed_frame now = {.number = frame};

        for (int i = 0; i < 2; i++) {
            object = track_objects_find(&run.objects, i + 1);
            sowlv2_masks_free(&object->mask, 1);
            object->mask = i == 1 && frame <= apart ? columns(60, 80) : columns(10, 40 + i);
        }
        if (frame < 3 + apart)
            assert_true(track_objects_find(&run.objects, 1)->visible && track_objects_find(&run.objects, 2)->visible);
        assert_int_equal(track_join_doubles(&run, &now), 0);
    }
    if (track_objects_find(&run.objects, 2)->merged_into == 1)
        result = 'M';
    else if (track_objects_find(&run.objects, 1)->merged_into == 2)
        result = '1';
    else if (!track_objects_find(&run.objects, 2)->visible)
        result = 'L';
    assert_int_equal(track_drop_joined(&run), 0);
    assert_int_equal(run.objects.count, result == 'M' || result == '1' ? 1 : 2);
    track_objects_free(&run.objects);
    sowlv2_track_session_free(&run.tracker);
    track_emitter_free(&run.emitter);
    track_schedule_free(&run.schedule);
    free(run.pairs);
    free(pixels);
    return result;
}

static void test_join(void **state)
{
    (void)state;
    assert_int_equal(join(0, 0, -1, 5), 'M'); /* of one prompt: the older one stays */
    assert_int_equal(join(1, 0, -1, 5), 'M'); /* of two: that with more evidence */
    assert_int_equal(join(1, 0, -1, -5), '1');
    assert_int_equal(join(1, 4, -1, 5), 'L'); /* two things that were apart: one has strayed */
    assert_int_equal(join(1, 0, 0, 5), '-');  /* --dedupe 0: prompts may share a thing */
    assert_int_equal(join(0, 0, 0, 5), 'M');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_evidence), cmocka_unit_test(test_labels),     cmocka_unit_test(test_there),
        cmocka_unit_test(test_signs),    cmocka_unit_test(test_confidence), cmocka_unit_test(test_all_well),
        cmocka_unit_test(test_no_looks), cmocka_unit_test(test_cut),        cmocka_unit_test(test_late),
        cmocka_unit_test(test_relabel),  cmocka_unit_test(test_join),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
