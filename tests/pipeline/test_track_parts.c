/* The parts of tracking alone: when to detect, the table of objects, which find is which object, the spool, and frames
 * that wait to be filled in. */
#include "base/error.h"
#include "base/strings.h"
#include "base/test_folder.h"
#include "masks/masks.h"
#include "movie.h"
#include "pipeline/track_run.h"
#include "pipeline/track_spool.h"
#include "track_case.h"
#include "video/support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A mask of MOVIE_WIDTH x MOVIE_HEIGHT: columns x0 to x1 of the first rows. */
static struct sowlv2_mask make_mask(int x0, int x1, int rows)
{
    uint8_t *pixels = calloc((size_t)MOVIE_WIDTH, MOVIE_HEIGHT);
    struct sowlv2_mask mask = {.mask_score = 0.5f, .object_score = 2};

    for (int y = 0; y < rows; y++)
        memset(pixels + y * MOVIE_WIDTH + x0, 1, (size_t)(x1 - x0));
    assert_int_equal(mask_set_pixels(&mask, pixels, MOVIE_WIDTH, MOVIE_HEIGHT), 0);
    free(pixels);
    return mask;
}

/* ---- when to detect ---- */

/* Asks for frames 1 to `count` at 10 a second; what is found from frame `found` on. Bit i - 1: frame i was looked at.
 * The frames change by `motion`. */
static uint64_t looks(const struct track_options *options, int count, int found, float motion, int cut)
{
    struct track_schedule *schedule;
    uint64_t bits = 0;
    bool followed = false;

    assert_int_equal(track_schedule_create(options, &schedule), 0);
    for (int i = 1; i <= count; i++) {
        const struct track_feed_frame frame = {.number = i,
                                               .time = (double)(i - 1) / 10,
                                               .duration = 0.1,
                                               .until = i < count ? (double)i / 10 : INFINITY,
                                               .motion = i > 1 ? motion : 0,
                                               .cut = i == cut};

        if (!track_schedule_wants(schedule, &frame, !followed))
            continue;
        bits |= UINT64_C(1) << (i - 1);
        followed = followed || i >= found;
        track_schedule_done(schedule, &frame, followed);
    }
    track_schedule_free(&schedule);
    assert_null(schedule);
    return bits;
}

static uint64_t bits_of(const int *numbers)
{
    uint64_t bits = 0;

    for (; *numbers; numbers++)
        bits |= UINT64_C(1) << (*numbers - 1);
    return bits;
}

#define FRAMES(...) bits_of((const int[]){__VA_ARGS__, 0})

static void test_schedule(void **state)
{
    double times[] = {0.35, 0.36, 1.0, 2.2}, late[] = {0.5, 3.5, 7};
    const struct track_plan plan = {.key_times = times, .key_count = 4};
    const struct track_plan too_long = {.key_times = late, .key_count = 3};
    struct sowlv2_run_options job = {.cuts = true};
    struct track_options options = {.job = &job, .source = "clip"};

    (void)state;
    /* Found at once: never again. Not found: every frame, then two a second. */
    assert_int_equal(looks(&options, 30, 1, 0.01f, 0), FRAMES(1));
    assert_int_equal(looks(&options, 30, 100, 0.01f, 0), FRAMES(1, 2, 3, 4, 5, 6, 7, 8, 13, 18, 23, 28));
    assert_int_equal(looks(&options, 30, 3, 0.01f, 0), FRAMES(1, 2, 3));
    /* Nothing changes: once. Slow changes add up. */
    assert_int_equal(looks(&options, 30, 100, 0, 0), FRAMES(1));
    assert_int_equal(looks(&options, 12, 100, 4e-6f, 0), FRAMES(1, 4, 7, 10));
    /* A scene begins: also while something is followed; and the search is eager again. */
    assert_int_equal(looks(&options, 30, 1, 0.01f, 12), FRAMES(1, 12));
    assert_int_equal(looks(&options, 24, 100, 0.01f, 15),
                     FRAMES(1, 2, 3, 4, 5, 6, 7, 8, 13, 15, 16, 17, 18, 19, 20, 21, 22));
    job.cuts = false;
    assert_int_equal(looks(&options, 30, 1, 0.01f, 12), FRAMES(1));
    job.detect_every.frames = 7;
    assert_int_equal(looks(&options, 30, 1, 0, 0), FRAMES(1, 8, 15, 22, 29));
    job.detect_every.frames = 0;
    job.detect_every.seconds = 0.3;
    assert_int_equal(looks(&options, 12, 1, 0, 0), FRAMES(1, 4, 7, 10));
    job.detect_every.seconds = 0;
    options.plan = &plan; /* the frame that is shown at each key time */
    assert_int_equal(looks(&options, 30, 1, 0.01f, 0), FRAMES(1, 4, 11, 23));
    /* Keys that come when all is over are the last frame's, which is said. */
    options.plan = &too_long;
    notices_begin();
    assert_int_equal(looks(&options, 30, 1, 0.01f, 0), FRAMES(1, 6, 30));
    assert_non_null(strstr(notices(), "clip: it ends at 3.00 s, before 2 of its key frames"));
    notices_end();
}

/* ---- the table of objects ---- */

static struct sowlv2_tracks make_tracks(const int64_t *objects, size_t count, bool seen)
{
    struct sowlv2_tracks tracks = {.items = calloc(count + 1, sizeof(*tracks.items)), .count = count};

    for (size_t i = 0; i < count; i++) {
        tracks.items[i] = (struct sowlv2_track){.object = objects[i],
                                                .mask = make_mask(10 * (int)i, 10 * (int)i + (seen ? 8 : 0), 9),
                                                .pointer = calloc(4, sizeof(float)),
                                                .pointer_length = 4};
        tracks.items[i].pointer[i % 4] = 1;
    }
    return tracks;
}

static void test_things(void **state)
{
    struct track_objects things = {0};
    struct track_object *thing;
    struct output_object *objects;
    struct sowlv2_tracks tracks;
    size_t count;

    (void)state;
    for (int64_t id = 1; id <= 20; id++) {
        assert_int_equal(track_objects_add(&things, (int)(id % 2), 0.5f, 3, &thing), 0);
        assert_int_equal(thing->id, id);
        assert_int_equal(thing->last_seen, 3);
    }
    assert_int_equal(things.count, 20);
    assert_null(track_objects_find(&things, 21));
    track_objects_remove(&things, 19);
    track_objects_remove(&things, 0);
    assert_null(track_objects_find(&things, 20));
    assert_int_equal(track_objects_add(&things, 0, 0.5f, 4, &thing), 0);
    assert_int_equal(thing->id, 21); /* 20 is gone for good */

    /* Results are taken over by number; what is not seen keeps how it looked. */
    tracks = make_tracks((const int64_t[]){5, 99, 3}, 3, true);
    track_objects_take(&things, &tracks, 7);
    sowlv2_tracks_free(&tracks);
    thing = track_objects_find(&things, 3);
    assert_true(thing->visible && thing->last_seen == 7 && thing->mask.area == 72 && thing->mask.box[0] >= 20);
    assert_true(thing->pointer[2] >= 1);
    assert_false(track_objects_find(&things, 4)->visible);
    tracks = make_tracks((const int64_t[]){3}, 1, false);
    track_objects_take(&things, &tracks, 8);
    sowlv2_tracks_free(&tracks);
    assert_true(!thing->visible && thing->last_seen == 7 && thing->mask.area == 0 && thing->pointer[2] >= 1);

    assert_int_equal(track_objects_list(&things, &objects, &count), 0);
    assert_int_equal(count, 19);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(objects[i].id, i + 1); /* as they are told of: those that were removed never were */
        assert_int_equal(objects[i].lost, i != 3);
        assert_false(objects[i].interpolated);
    }
    assert_ptr_not_equal(objects[3].mask.runs, track_objects_find(&things, 5)->mask.runs);
    output_objects_free(objects, count);
    output_objects_free(NULL, 3);
    track_objects_free(&things);
    assert_null(things.items);
}

/* ---- which find is which object ---- */

static struct track_candidate candidate(int x0, int x1, int prompt, float score)
{
    return (struct track_candidate){.detection = {.prompt = prompt, .score = score}, .mask = make_mask(x0, x1, 10)};
}

static void test_match(void **state)
{
    struct track_objects things = {0};
    struct track_candidates candidates = {.items = calloc(5, sizeof(*candidates.items)), .count = 5};
    const struct {
        int x0, x1, prompt;
        bool visible;
    } rows[] = {{0, 20, 0, true}, {4, 24, 0, true}, {50, 60, 1, true}, {70, 80, 0, false}};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct track_object *thing;

        assert_int_equal(track_objects_add(&things, rows[i].prompt, 0.5f, 1, &thing), 0);
        thing->visible = rows[i].visible;
        thing->mask = make_mask(rows[i].x0, rows[i].x1, 10);
    }
    candidates.items[0] = candidate(3, 23, 0, 0.9f);  /* both 1 and 2, more of 2 */
    candidates.items[1] = candidate(4, 24, 0, 0.4f);  /* is 2 exactly, and so takes it */
    candidates.items[2] = candidate(50, 60, 0, 0.8f); /* another prompt */
    candidates.items[3] = candidate(70, 80, 0, 0.8f); /* not to be seen */
    candidates.items[4] = candidate(54, 64, 1, 0.8f); /* 6 of 14 */
    assert_int_equal(track_candidates_match(&candidates, &things, 0.5), 0);
    assert_int_equal(candidates.items[0].match, 1);
    assert_int_equal(candidates.items[1].match, 2);
    assert_int_equal(candidates.items[2].match, 0);
    assert_int_equal(candidates.items[3].match, 0);
    assert_int_equal(candidates.items[4].match, 0);
    assert_int_equal(track_candidates_match(&candidates, &things, 6.0 / 14), 0);
    assert_int_equal(candidates.items[4].match, 3);
    assert_int_equal(candidates.items[0].match, 1);
    track_candidates_free(&candidates);
    assert_null(candidates.items);
    track_objects_free(&things);
}

/* ---- finds with their masks, new objects, lost ones ---- */

static const struct movie movie = {.frames = 4,
                                   .things = {{.look = 1, .first = 1, .last = 4, .x = 0, .best = 1},
                                              {.look = 2, .first = 1, .last = 4, .x = 20},
                                              {.look = 3, .first = 1, .last = 4, .x = 40},
                                              {.look = 4, .prompt = 1, .first = 1, .last = 4, .x = 60}}};

/* A run with a tracker on the first frame of the movie. */
struct fixture {
    struct sowlv2_run_options job;
    struct sowlv2_segment_options segment;
    struct sowlv2_track_options track;
    struct track_options options;
    struct track_report report;
    struct track_run run;
    uint8_t *pixels;
};

static void open_fixture(struct fixture *fixture)
{
    const struct sowlv2_image view = {.width = MOVIE_WIDTH, .height = MOVIE_HEIGHT};
    struct sowlv2_image image = view;

    fake_tracker_reset();
    *fixture = (struct fixture){.job = {.segment = &fixture->segment,
                                        .track = &fixture->track,
                                        .max_objects = 8,
                                        .match_iou = 0.5,
                                        .stop = &fake_detector.interrupted},
                                .options = {.job = &fixture->job, .source = "clip"},
                                .pixels = movie_picture(&movie, 1)};
    fixture->run = (struct track_run){.options = &fixture->options, .job = &fixture->job, .report = &fixture->report};
    image.pixels = fixture->pixels;
    assert_int_equal(sowlv2_track_session_create(fake_segmenter, &fixture->track, &fixture->run.tracker), 0);
    assert_int_equal(sowlv2_track_set_frame(fixture->run.tracker, 1, &image), 0);
}

static void close_fixture(struct fixture *fixture)
{
    track_objects_free(&fixture->run.objects);
    sowlv2_track_session_free(&fixture->run.tracker);
    free(fixture->pixels);
}

static struct sowlv2_detection detection(int x, int prompt, float score)
{
    return (struct sowlv2_detection){
        .box = {(float)x, 0, (float)(x + MOVIE_SIDE), MOVIE_SIDE}, .prompt = prompt, .score = score};
}

/* Of doubles of one prompt the best stays, of equal ones the first; nothing without a mask. */
static void test_candidates(void **state)
{
    struct sowlv2_detection items[] = {detection(0, 0, 0.4f),  detection(1, 0, 0.6f),  detection(0, 0, 0.6f),
                                       detection(20, 0, 0.3f), detection(80, 0, 0.9f), detection(0, 1, 0.2f)};
    const struct sowlv2_detections detections = {.items = items, .count = 6};
    struct track_candidates candidates;
    struct fixture fixture;

    (void)state;
    open_fixture(&fixture);
    assert_int_equal(track_candidates_make(&fixture.run, fixture.run.tracker, &detections, 0.5, &candidates), 0);
    assert_int_equal(candidates.count, 3);
    assert_true(candidates.items[0].detection.box[0] >= 1);
    assert_true(candidates.items[1].detection.box[0] >= 20);
    assert_int_equal(candidates.items[2].detection.prompt, 1);
    track_candidates_free(&candidates);

    /* Many more than there is room for: the best get masks. */
    fixture.job.max_objects = 1;
    for (int i = 0; i < 6; i++)
        items[i] = detection(20 * (i % 4), i, 0.1f * (float)(i + 1));
    fake_detector.decoded = 0;
    assert_int_equal(track_candidates_make(&fixture.run, fixture.run.tracker, &detections, 0.5, &candidates), 0);
    assert_int_equal(fake_detector.decoded, 4);
    assert_int_equal(candidates.count, 4);
    assert_int_equal(candidates.items[0].detection.prompt, 2);
    track_candidates_free(&candidates);
    assert_int_equal(
        track_candidates_make(&fixture.run, fixture.run.tracker, &(struct sowlv2_detections){0}, 0.5, &candidates), 0);
    assert_int_equal(candidates.count, 0);
    track_candidates_free(&candidates);
    close_fixture(&fixture);
}

static void test_adopt(void **state)
{
    struct sowlv2_detection items[] = {detection(0, 0, 0.5f), detection(20, 0, 0.6f), detection(40, 0, 0.7f),
                                       detection(60, 1, 0.8f)};
    const struct sowlv2_detections detections = {.items = items, .count = 4};
    struct track_candidates candidates;
    struct sowlv2_tracks tracks;
    struct track_object *thing;
    struct fixture fixture;

    (void)state;
    open_fixture(&fixture);
    /* Object 1 is followed, 2 and 3 are lost: 2 looked like the find at 40, 3 was of another prompt. */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(track_objects_add(&fixture.run.objects, i == 2, 0.3f, 0, &thing), 0);
        thing->visible = i == 0;
        thing->pointer = calloc(FAKE_LOOKS, sizeof(float));
        thing->pointer_length = FAKE_LOOKS;
        thing->pointer[i == 0 ? 1 : 3] = 7;
        assert_int_equal(
            sowlv2_track_prompt(fixture.run.tracker, thing->id, &(struct sowlv2_track_prompt){.box = items[0].box}), 0);
    }
    assert_int_equal(sowlv2_track_run(fixture.run.tracker, NULL, &tracks), 0);
    sowlv2_tracks_free(&tracks);
    fixture.job.max_objects = 4;
    assert_int_equal(track_candidates_make(&fixture.run, fixture.run.tracker, &detections, 0.5, &candidates), 0);
    candidates.items[0].match = 1;
    assert_int_equal(track_candidates_adopt(&fixture.run, &candidates, &(struct track_feed_frame){.number = 1}), 0);
    assert_int_equal(candidates.items[0].match, 1);
    assert_int_equal(candidates.items[1].match, 4); /* new: the last there is room for */
    assert_int_equal(candidates.items[2].match, 2);
    assert_int_equal(candidates.items[3].match, 0);
    assert_true(fixture.run.told_full);
    thing = track_objects_find(&fixture.run.objects, 2);
    assert_true(thing->visible && thing->last_seen == 1 && thing->mask.box[0] >= 40);
    assert_true(thing->score >= 0.7f);
    thing = track_objects_find(&fixture.run.objects, 4);
    assert_true(thing->visible && thing->mask.box[0] >= 20 && thing->prompt == 0);
    assert_false(track_objects_find(&fixture.run.objects, 3)->visible);
    /* Nothing is left of those that were tried. */
    assert_int_equal(sowlv2_track_remove(fixture.run.tracker, -2), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_track_remove(fixture.run.tracker, -3), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_track_remove(fixture.run.tracker, 4), 0);
    track_candidates_free(&candidates);
    close_fixture(&fixture);
}

/* ---- the spool ---- */

static void test_spool(void **state)
{
    char *folder = test_folder_make(), *missing = test_path(folder, "missing");
    struct track_spool *spool;
    struct track_spooled *found, given[3];
    size_t count;

    (void)state;
    assert_int_equal(track_spool_open(missing, 10, &spool), SOWLV2_ERROR_IO);
    assert_null(spool);
    assert_int_equal(track_spool_get(NULL, 3, &found, &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(track_spool_open(folder, 40, &spool), 0);
    assert_int_equal(test_count_entries(folder), 0); /* without a name */
    for (int frame = 40; frame >= 0; frame -= 2) {   /* last to first, not all */
        for (size_t i = 0; i < 3; i++) {
            given[i] = (struct track_spooled){i * 7, make_mask((int)i, (int)i + frame, 3)};
            given[i].mask.mask_score = (float)frame;
        }
        assert_int_equal(track_spool_put(spool, frame, given, (size_t)frame % 4), 0);
        for (size_t i = 0; i < 3; i++)
            sowlv2_masks_free(&given[i].mask, 1);
    }
    assert_int_equal(track_spool_put(spool, 41, given, 0), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(track_spool_put(spool, -1, given, 0), SOWLV2_ERROR_ARGUMENT);
    for (int frame = -1; frame <= 41; frame++) {
        assert_int_equal(track_spool_get(spool, frame, &found, &count), 0);
        assert_int_equal(count, frame < 0 || frame > 40 || frame % 2 ? 0 : frame % 4);
        for (size_t i = 0; i < count; i++) {
            struct sowlv2_mask wanted = make_mask((int)i, (int)i + frame, 3);

            assert_int_equal(found[i].object, i * 7);
            assert_int_equal(found[i].mask.area, 3 * frame);
            assert_int_equal(found[i].mask.width, MOVIE_WIDTH);
            assert_int_equal(found[i].mask.height, MOVIE_HEIGHT);
            assert_int_equal(found[i].mask.run_count, wanted.run_count);
            assert_memory_equal(found[i].mask.runs, wanted.runs, wanted.run_count * sizeof(*wanted.runs));
            assert_memory_equal(found[i].mask.box, wanted.box, sizeof(wanted.box));
            assert_true(fabsf(found[i].mask.mask_score - (float)frame) < 1e-6f && found[i].mask.object_score > 1);
            assert_null(found[i].mask.pixels);
            sowlv2_masks_free(&wanted, 1);
        }
        track_spooled_free(found, count);
    }
    track_spool_close(&spool);
    assert_null(spool);
    track_spool_close(&spool);
    free(missing);
    test_folder_remove(folder);
}

/* ---- frames that wait ---- */

static struct track_feed_frame make_frame(int64_t number)
{
    return (struct track_feed_frame){.image = {MOVIE_WIDTH, MOVIE_HEIGHT, movie_picture(&movie, number)},
                                     .number = number,
                                     .time = (double)(number - 1) / 10};
}

/* One object per given id, seen at columns `x` to x + 16. */
static struct output_object *make_objects(const int64_t *ids, size_t count, int x)
{
    struct output_object *objects = calloc(count + 1, sizeof(*objects));

    for (size_t i = 0; i < count; i++)
        objects[i] = (struct output_object){.id = ids[i], .score = 0.5f, .mask = make_mask(x, x + 16, 16)};
    return objects;
}

/* Frames as they are given, T tracked, t tracked after a cut, - not, X: object 1 ends before the next; each tracked one
 * with objects 1 and, from the second tracked one on, 2. Rows in order, each once. */
static json_t *emit(const char *frames, const char *folder)
{
    const struct sowlv2_run_options job = {.frame_budget = 0.5, .stop = &fake_detector.interrupted};
    const struct track_options options = {.job = &job, .source = "clip", .name = "clip"};
    struct track_report report = {0};
    struct track_run run = {.options = &options, .job = &job, .report = &report};
    struct track_output_options output = track_case_options(folder, MOVIE_WIDTH, MOVIE_HEIGHT);
    int64_t number = 1, tracked = 0;
    bool ended = false;

    fake_tracker_reset();
    track_case_job.masks = track_case_job.overlays = track_case_job.films = output.outputs.pictures = false;
    assert_int_equal(track_output_open(&output, &run.output), 0);
    assert_int_equal(track_emitter_create(&run, &run.emitter), 0);
    for (; *frames; frames++) {
        struct track_feed_frame frame = make_frame(number);
        const int64_t ids[] = {1, 2};

        if (*frames == 'X') {
            assert_int_equal(track_emitter_end_object(run.emitter, 1), 0);
            ended = true;
            image_free(&frame.image);
            continue;
        }
        frame.cut = *frames == 't';
        if (*frames == '-') {
            assert_int_equal(track_emitter_add(run.emitter, &frame, false, NULL, 0), 0);
        } else {
            const size_t count = tracked > 0 ? 2 - (size_t)ended : 1 - (size_t)ended;

            assert_int_equal(track_emitter_add(run.emitter, &frame, true, make_objects(ids + ended, count, 20), count),
                             0);
            tracked++;
        }
        assert_null(frame.image.pixels);
        number++;
    }
    assert_int_equal(track_emitter_flush(run.emitter), 0);
    track_emitter_free(&run.emitter);
    assert_null(run.emitter);
    assert_int_equal(report.frames, number - 1);
    assert_int_equal(report.interpolated, number - 1 - tracked);
    assert_int_equal(track_output_close(&run.output, true, NULL), 0);
    return track_case_rows(folder);
}

/* Ids in the rows, "12" or "1i2i" where filled in, rows apart by blanks. */
static void expect_rows(const char *frames, const char *wanted)
{
    char *folder = test_folder_make();
    json_t *rows = emit(frames, folder);
    struct string text = {0};

    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i), *objects = json_object_get(row, "objects");

        assert_int_equal(json_integer_value(json_object_get(row, "frame")), i + 1);
        string_append_text(&text, i > 0 ? " " : "");
        for (size_t k = 0; k < json_array_size(objects); k++)
            string_append_format(&text, "%d%s",
                                 (int)json_integer_value(json_object_get(json_array_get(objects, k), "id")),
                                 movie_is_interpolated(json_array_get(objects, k)) ? "i" : "");
        string_append_text(&text, json_array_size(objects) == 0 ? "0" : "");
    }
    assert_string_equal(text.data, wanted);
    string_free(&text);
    json_decref(rows);
    test_folder_remove(folder);
}

static void test_emitter(void **state)
{
    (void)state;
    expect_rows("T", "1");
    expect_rows("TTT", "1 12 12");
    expect_rows("T-T", "1 1i 12");
    expect_rows("TT--T", "1 12 1i2i 1i2i 12");
    expect_rows("TT--", "1 12 1i2i 1i2i"); /* the end comes first */
    expect_rows("TT-t-T", "1 12 1i2i 12 1i2i 12");
    expect_rows("--TT", "0 0 1 12"); /* nothing is known before */
    expect_rows("TT-XT-T", "1 12 1i2i 2 2i 2");
    expect_rows("TT--------T", "1 12 1i2i 1i2i 1i2i 1i2i 1i2i 1i2i 1i2i 1i2i 12");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedule),   cmocka_unit_test(test_things), cmocka_unit_test(test_match),
        cmocka_unit_test(test_candidates), cmocka_unit_test(test_adopt),  cmocka_unit_test(test_spool),
        cmocka_unit_test(test_emitter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
