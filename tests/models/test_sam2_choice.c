/* Memory that is chosen: which frames are worth remembering, and a tracker that remembers by them. */
#include "sam2_session.h"

#include "models/sam2/memory_choice.h"

#include <math.h>
#include <string.h>

/* Three masks and, in place 0, the single one; `best` is 100 pixels, the others are as wide as given and hold it. */
static struct sam2_alternatives masks(const float *areas, const float *iou, float *shared)
{
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 4; k++)
            shared[4 * i + k] = fminf(areas[i], areas[k]);
    return (struct sam2_alternatives){.count = 4, .best = 1, .iou = iou, .shared = shared};
}

static void test_distracted(void **state)
{
    (void)state;
    float shared[16];
    const float sure[] = {0.9F, 0.9F, 0.7F, 0.8F}, unsure[] = {0.9F, 0.9F, 0.1F, 0.2F};
    const float alike[] = {300.0F, 100.0F, 110.0F, 90.0F}, more[] = {100.0F, 100.0F, 110.0F, 200.0F};
    struct sam2_alternatives alternatives = masks(alike, sure, shared);
    assert_false(sam2_choice_distracted(&alternatives)); /* the single mask does not count */
    alternatives = masks(more, sure, shared);
    assert_true(sam2_choice_distracted(&alternatives));
    alternatives = masks(more, unsure, shared);
    assert_false(sam2_choice_distracted(&alternatives));
}

static void test_judge(void **state)
{
    (void)state;
    float shared[16];
    const float iou[] = {0.9F, 0.9F, 0.7F, 0.8F}, more[] = {100.0F, 100.0F, 110.0F, 200.0F};
    const float large[] = {100.0F, 300.0F, 310.0F, 300.0F};
    const struct sam2_alternatives usual = masks(more, iou, shared);
    struct sam2_choice choice = {0};
    bool good, anchor;
    int anchors = 0;
    sam2_choice_judge(&choice, 0, 0.9F, 5.0F, &usual, &good, &anchor);
    assert_true(good && !anchor); /* nothing is known of it before */
    for (int64_t frame = 1; frame <= 12; frame++) {
        sam2_choice_judge(&choice, frame, 0.9F, 5.0F, &usual, &good, &anchor);
        assert_true(good);
        anchors += anchor;
    }
    assert_int_equal(anchors, 3); /* 1, 6, 11 */
    sam2_choice_judge(&choice, 11, 0.9F, 5.0F, &usual, &good, &anchor);
    assert_true(anchor); /* run again, it is what it was */
    sam2_choice_judge(&choice, 11, 0.6F, 5.0F, &usual, &good, &anchor);
    assert_false(anchor);
    sam2_choice_judge(&choice, 12, 0.9F, 5.0F, &usual, &good, &anchor);
    assert_true(anchor); /* since 11 is none any more */
    sam2_choice_judge(&choice, 20, 0.9F, -1.0F, &usual, &good, &anchor);
    assert_false(good || anchor); /* not seen */
    sam2_choice_judge(&choice, 21, 0.4F, 5.0F, &usual, &good, &anchor);
    assert_false(good || anchor); /* poor */
    sam2_choice_judge(&choice, 22, 0.7F, 5.0F, &usual, &good, &anchor);
    assert_true(good && !anchor); /* good, and not that good */
    float other[16];
    const struct sam2_alternatives sudden = masks(large, iou, other);
    sam2_choice_judge(&choice, 23, 0.9F, 5.0F, &sudden, &good, &anchor);
    assert_false(good || anchor);
    sam2_choice_judge(&choice, 24, 0.9F, 5.0F, &sudden, &good, &anchor);
    assert_true(good && !anchor); /* it stays so large: it is believed, and no anchor yet */
}

/* A poor memory that is still there, since memories of many frames are kept, counts on the frame after it alone. */
static void test_poor(void **state)
{
    (void)state;
    const struct sam2_video_config config = {.memories = 7, .pointers = 16};
    float place = 0.0F;
    struct sam2_memory items[] = {{.frame = 4}, {.frame = 8, .poor = true}, {.frame = 12, .poor = true}};
    const struct sam2_object object = {.tracked = {.item = items, .count = 3, .capacity = 3}};
    for (size_t i = 0; i < 3; i++)
        items[i].features.buffer = items[i].pointer.buffer = (void *)&place; /* only asked whether it is there */
    const struct {
        int64_t frame;
        bool reverse;
        int recalled;
    } rows[] = {{16, false, 2}, {13, false, 2}, {12, false, 2}, {8, false, 1},
                {0, true, 1},   {7, true, 1},   {10, true, 1}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tensor memory[7], pointer[16];
        int places[7];
        float frames[16];
        struct sam2_recalled out = {.memory = memory, .pointer = pointer, .place = places, .frames = frames};
        assert_int_equal(sam2_choice_recall(&object, &config, rows[i].frame, rows[i].reverse, &out), 0);
        assert_int_equal(out.recall.memories, rows[i].recalled);
        assert_int_equal(out.recall.pointers, rows[i].recalled);
    }
    struct sam2_memory asked = {.frame = 14};
    const struct sam2_object prompted = {.tracked = object.tracked, .conditioning = {.item = &asked, .count = 1}};
    struct tensor memory[7], pointer[16];
    int places[7];
    float frames[16];
    struct sam2_recalled out = {.memory = memory, .pointer = pointer, .place = places, .frames = frames};
    assert_int_equal(sam2_choice_recall(&prompted, &config, 16, false, &out), 0);
    assert_int_equal(out.recall.memories, 1); /* a frame with a prompt came since */
}

/* What is known of the masks on the host is what the device made, and what is remembered is bounded. */
static void test_tracker(void **state)
{
    (void)state;
    enum { FRAMES = 60, SHOWN = 12 };
    static const float box[] = {8.0F, 9.0F, 30.0F, 25.0F};
    static const struct sowlv2_track_prompt boxed = {.box = box};
    const struct tracker_options options = {.max_conditioning = 4, .chosen = true};
    struct sam2_session session;
    int64_t seen = 0;
    sam2_session_open("sam2_video_tiny", &options, &session);
    const int64_t area = session.test.config->mask_side * session.test.config->mask_side;
    for (int64_t frame = 0; frame < FRAMES; frame++) {
        int64_t count;
        sam2_session_encode(&session, frame % SHOWN);
        if (frame == 0)
            sam2_check(sam2_tracker_prompt(session.tracker, 7, 0, &boxed));
        const struct session_track *const tracks = sam2_session_run(&session, frame, &count);
        assert_int_equal(count, 1);
        const struct sam2_object *const object = sam2_tracker_peek(session.tracker, 7);
        float inside = 0.0F;
        for (int64_t i = 0; i < area; i++) {
            assert_true(isfinite(tracks[0].mask[i]));
            inside += tracks[0].mask[i] > 0.0F;
        }
        if (tracks[0].object_score > 0.0F && inside > 0.0F) {
            assert_true(fabsf(object->choice.last_area - inside) < 0.5F);
            seen++;
        }
        int64_t poor = 0, kept = 0;
        for (int64_t i = 0; i < object->tracked.count; i++) {
            poor += object->tracked.item[i].poor;
            kept += object->tracked.item[i].features.buffer != NULL;
        }
        assert_true(poor <= 1);
        assert_true(kept <= session.video->config.memories + SAM2_ANCHORS + 1);
        assert_true(object->tracked.count <= session.video->config.pointers + SAM2_ANCHORS + 1);
    }
    assert_true(seen > 0);
    sam2_session_close(&session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distracted),
        cmocka_unit_test(test_judge),
        cmocka_unit_test(test_poor),
        cmocka_unit_test(test_tracker),
    };
    return sam2_level_missing() ? SAM2_SKIPPED : cmocka_run_group_tests(tests, NULL, NULL);
}
