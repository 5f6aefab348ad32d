/* A tracker's own promises: memory attention's short form is the plain one, objects do not influence each other, its
 * memory does not grow, prompts and errors. */
#include "sam2_session.h"

#include "sowlv2.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const model = "sam2_video_tiny";
static const float box[] = {8.0F, 9.0F, 30.0F, 25.0F};
static const struct sowlv2_track_prompt boxed = {.box = box};

static float noise(uint32_t *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return (float)(*seed >> 8) / (float)(1 << 23) - 1.0F;
}

static void check_equal(const float *a, const float *b, int64_t count, double tolerance)
{
    for (int64_t i = 0; i < count; i++)
        assert_true(fabs((double)a[i] - (double)b[i]) <= tolerance * (1.0 + fabs((double)b[i])));
}

/* Attention over the narrow memory and one projection after it is attention over projected values. */
static void test_identity(void **state)
{
    (void)state;
    enum { MEMORIES = 3, POINTERS = 4, OBJECTS = 2 };
    struct sam2_session session;
    sam2_session_open(model, NULL, &session);
    const struct sam2_video *video = session.video;
    const int64_t pixels = session.test.config->grid * session.test.config->grid, width = session.test.config->width;
    const int64_t image = pixels * width, memory = pixels * video->config.memory_width;
    assert_non_null(video->weights.attention[0].value_out);
    uint32_t seed = 3;
    float *values = sam2_floats(image + MEMORIES * memory + POINTERS * width), *found[2];
    for (int64_t i = 0; i < image + MEMORIES * memory + POINTERS * width; i++)
        values[i] = 1.7F * noise(&seed);
    for (int plain = 0; plain < 2; plain++) {
        struct compute *compute = session.test.compute;
        found[plain] = sam2_floats(OBJECTS * image);
        compute_begin(compute);
        struct tensor memories[MEMORIES], x = op_upload(compute, DTYPE_F32, 2, (int64_t[]){pixels, width}, values);
        for (int i = 0; i < MEMORIES; i++) {
            memories[i] = op_upload(compute, DTYPE_F32, 2, (int64_t[]){pixels, video->config.memory_width},
                                    values + image + i * memory);
        }
        struct tensor pointers[POINTERS];
        for (int i = 0; i < POINTERS; i++) {
            pointers[i] =
                op_upload(compute, DTYPE_F32, 2, (int64_t[]){1, width}, values + image + MEMORIES * memory + i * width);
        }
        static const int place[] = {6, 1, 0};
        static const float frames[] = {9.0F, 2.0F, 1.0F, 3.0F};
        const struct sam2_recall recalls[OBJECTS] = {
            {MEMORIES, memories, place, POINTERS, pointers, frames},
            {1, memories + 1, place, 0, NULL, NULL},
        };
        struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, OBJECTS, pixels, width);
        sam2_memory_attention(video, compute, x, recalls, OBJECTS, plain == 1, NULL, out);
        op_download(compute, out, found[plain]);
        sam2_check(compute_finish(compute));
    }
    check_equal(found[0], found[1], OBJECTS * image, 2e-5);
    double apart = 0.0;
    for (int64_t i = 0; i < image; i++)
        apart += fabs((double)found[0][i] - (double)found[0][image + i]);
    assert_true(apart > 0.1 * (double)image); /* the two objects remember different things */
    free(found[0]);
    free(found[1]);
    free(values);
    sam2_session_close(&session);
}

enum { SHOWN = 12 };

/* The masks [SHOWN][area] of an object that is followed through the first frames. `others`: one more comes on frame 0,
 * and one on each frame after one on which the first object is seen. */
static float *follow(const struct tracker_options *options, bool others)
{
    struct sam2_session session;
    sam2_session_open(model, options, &session);
    const int64_t area = session.test.config->mask_side * session.test.config->mask_side;
    float *out = sam2_floats(SHOWN * area);
    bool seen = true;
    for (int frame = 0; frame < SHOWN; frame++) {
        int64_t count;
        if (others && seen)
            sam2_check(sam2_tracker_prompt(session.tracker, 100 - frame, frame, &boxed));
        if (frame == 0)
            sam2_session_prompt(&session, "one", 0, -1);
        sam2_session_encode(&session, frame);
        const struct session_track *tracks = sam2_session_run(&session, frame, &count);
        assert_true(count >= 1);
        for (int64_t i = 0; i < count; i++) {
            if (tracks[i].object == 7) {
                memcpy(out + frame * area, tracks[i].mask, (size_t)area * sizeof(*out));
                seen = tracks[i].object_score > 0.0F;
            }
        }
    }
    sam2_session_close(&session);
    return out;
}

static double apart(const float *a, const float *b, int64_t count)
{
    double largest = 0.0;
    for (int64_t i = 0; i < count; i++) {
        const double difference = fabs((double)a[i] - (double)b[i]) / (1.0 + fabs((double)b[i]));
        largest = difference <= largest ? largest : difference;
    }
    return largest;
}

/* By Meta's rule an object's results are the same whoever else is followed; by the reference's, a prompt for one object
 * changes how the others are remembered. The batches' size changes nothing. */
static void test_objects_alone(void **state)
{
    (void)state;
    const struct tracker_options reference = {.reference_rules = true}, single = {.scratch_limit = 1};
    const int64_t count = SHOWN * 32 * 32;
    float *alone = follow(NULL, false), *together = follow(NULL, true), *one_by_one = follow(&single, true);
    float *by_reference = follow(&reference, true);
    const double from_others = apart(together, alone, count), from_batches = apart(one_by_one, together, count);
    const double from_rule = apart(by_reference, together, count);
    free(alone);
    free(together);
    free(one_by_one);
    free(by_reference);
    assert_true(from_others <= 1e-4);
    assert_true(from_batches <= 1e-4);
    assert_true(from_rule > 1e-2);
}

/* Frames without end, and prompts every few frames: nothing grows. */
static void test_bounded(void **state)
{
    (void)state;
    const struct tracker_options options = {.max_conditioning = 3};
    struct sam2_session session;
    sam2_session_open(model, &options, &session);
    size_t bytes = 0;
    sam2_session_encode(&session, 0);
    for (int frame = 0; frame < 90; frame++) {
        int64_t count;
        if (frame % 4 == 0)
            sam2_check(sam2_tracker_prompt(session.tracker, 1, frame, &boxed));
        if (frame == 0)
            sam2_check(sam2_tracker_prompt(session.tracker, 2, frame, &boxed));
        const struct session_track *tracks = sam2_session_run(&session, frame, &count);
        assert_int_equal(count, 2);
        assert_int_equal(tracks[0].conditioning, frame % 4 == 0);
        assert_int_equal(tracks[1].conditioning, frame == 0);
        const struct sam2_object *object = sam2_tracker_peek(session.tracker, 1);
        assert_true(object->conditioning.count <= 3 && object->input_count <= 3);
        assert_true(object->tracked.count <= session.video->config.pointers);
        bytes = frame == 40 ? sam2_tracker_bytes(session.tracker) : bytes;
        assert_true(frame < 40 || sam2_tracker_bytes(session.tracker) == bytes);
    }
    /* The three last prompts are the nearest ones. */
    const struct sam2_object *object = sam2_tracker_peek(session.tracker, 1);
    for (int i = 0; i < 3; i++)
        assert_non_null(sam2_memories_find(&object->conditioning, 88 - 4 * i));
    assert_non_null(sam2_memories_find(&sam2_tracker_peek(session.tracker, 2)->conditioning, 0));
    sam2_session_close(&session);
}

static void test_objects_and_errors(void **state)
{
    (void)state;
    struct sam2_session session;
    sam2_session_open(model, NULL, &session);
    struct sam2_tracker *tracker = session.tracker;
    const float point[] = {3.0F, NAN};
    const int32_t inside = SEGMENT_INSIDE;
    const uint8_t pixel = 1;
    const struct sowlv2_track_prompt wrong[] = {
        {0},
        {.box = box, .mask = &pixel, .mask_width = 1, .mask_height = 1},
        {.mask = &pixel, .mask_width = 0, .mask_height = 1},
        {.points = point, .labels = &inside, .point_count = 1},
        {.box = box, .refine = true},
        {.box = box, .point_count = SIZE_MAX},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(sam2_tracker_prompt(tracker, 1, 0, &wrong[i]), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sam2_tracker_count(tracker), 0);
    assert_int_equal(sam2_tracker_remove(tracker, 1), SOWLV2_ERROR_ARGUMENT);
    const struct session_track *tracks;
    const struct track_run run = {.frame = 0};
    int64_t count;
    assert_int_equal(sam2_session_try(&session, &run, &tracks, &count), SOWLV2_ERROR_ARGUMENT);
    sam2_session_encode(&session, 0);
    sam2_session_run(&session, 0, &count);
    assert_int_equal(count, 0);

    sam2_check(sam2_tracker_prompt(tracker, 4, 1, &boxed));
    sam2_check(sam2_tracker_prompt(tracker, -9, 0, &boxed));
    tracks = sam2_session_run(&session, 0, &count);
    assert_int_equal(count, 1); /* object 4 comes with frame 1 */
    assert_int_equal(tracks[0].object, -9);
    tracks = sam2_session_run(&session, 1, &count);
    assert_int_equal(count, 2);
    assert_int_equal(tracks[0].object, 4);
    assert_true(tracks[0].conditioning && !tracks[1].conditioning);
    assert_true(tracks[0].iou >= 0.0F && tracks[0].iou <= 1.0F && isfinite(tracks[0].object_score));
    sam2_check(sam2_tracker_remove(tracker, 4));
    tracks = sam2_session_run(&session, 2, &count);
    assert_int_equal(count, 1);
    assert_int_equal(tracks[0].object, -9);

    /* A correction of a tracked frame makes it a conditioning one; other objects are left alone if wanted. */
    sam2_check(sam2_tracker_prompt(tracker, -9, 2, &boxed));
    const struct track_run prompted = {.frame = 2, .prompted_only = true};
    sam2_check(sam2_session_try(&session, &prompted, &tracks, &count));
    assert_true(count == 1 && tracks[0].conditioning);
    assert_null(sam2_memories_find(&sam2_tracker_peek(tracker, -9)->tracked, 2));
    sam2_check(sam2_session_try(&session, &prompted, &tracks, &count));
    assert_int_equal(count, 0);
    const struct track_run back = {.frame = 1, .reverse = true};
    sam2_check(sam2_session_try(&session, &back, &tracks, &count));
    assert_int_equal(count, 1);
    sam2_session_close(&session);

    struct sam2_tracker *none;
    sam2_session_open("sam2_video_fields", NULL, &session);
    assert_int_equal(sam2_tracker_create(session.video, &(struct tracker_options){.window = -1}, &none),
                     SOWLV2_ERROR_ARGUMENT);
    sam2_session_close(&session);
    struct sam2_case image;
    struct sam2_video *video;
    sam2_case_open("sam2_flat", &image);
    assert_int_equal(sam2_video_open(image.folder, image.model, &video), SOWLV2_ERROR_MODEL);
    assert_null(video);
    sam2_case_close(&image);
}

/* Ends at every point at which it asks: the next run gives what it would have given at once. */
static bool go_on(int done, int total, void *user_data)
{
    int *left = user_data;
    assert_true(done <= total);
    return (*left)-- > 0;
}

static void test_cancelled(void **state)
{
    (void)state;
    float *kept = NULL;
    for (int stop = 0;; stop++) {
        struct sam2_session session;
        int64_t count;
        int left = stop;
        sam2_session_open(model, NULL, &session);
        const int64_t area = session.test.config->mask_side * session.test.config->mask_side;
        sam2_check(sam2_tracker_prompt(session.tracker, 1, 0, &boxed));
        sam2_session_encode(&session, 0);
        const struct model_control control = {go_on, &left};
        const struct track_run run = {.frame = 0, .control = &control};
        const struct session_track *tracks;
        const int status = sam2_session_try(&session, &run, &tracks, &count);
        assert_true(status == 0 || (status == SOWLV2_ERROR_CANCELLED && !tracks && count == 0));
        assert_int_equal(sam2_tracker_peek(session.tracker, 1)->conditioning.count, status == 0);
        sam2_session_run(&session, 0, &count);
        tracks = sam2_session_run(&session, 1, &count);
        if (!kept) {
            kept = sam2_floats(area);
            memcpy(kept, tracks[0].mask, (size_t)area * sizeof(*kept));
        }
        check_equal(tracks[0].mask, kept, area, 1e-6);
        sam2_session_close(&session);
        if (status == 0) {
            assert_true(stop >= 2);
            break;
        }
    }
    free(kept);
}

static void test_select(void **state)
{
    (void)state;
    struct sam2_memory items[5] = {{.frame = 20}, {.frame = 0}, {.frame = 9}, {.frame = 14}, {.frame = 3}};
    const struct sam2_memories memories = {items, 5, 5};
    static const struct {
        int frame, limit;
        const char *wanted;
    } rows[] = {
        {10, -1, "11111"}, {10, 5, "11111"}, {10, 2, "00110"}, {10, 3, "00111"},
        {30, 2, "10010"},  {0, 2, "01001"},  {14, 2, "00110"}, {30, 1, "10000"},
    };
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        bool selected[5];
        sam2_select_conditioning(&memories, rows[r].frame, rows[r].limit, selected);
        for (int i = 0; i < 5; i++)
            assert_int_equal(selected[i], rows[r].wanted[i] == '1');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity),           cmocka_unit_test(test_objects_alone), cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_objects_and_errors), cmocka_unit_test(test_cancelled),     cmocka_unit_test(test_select),
    };
    return sam2_level_missing() ? SAM2_SKIPPED : cmocka_run_group_tests(tests, NULL, NULL);
}
