/* Plain functions of key frames: merging detections over time, choosing frames. */
#include "sowlv2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

static struct sowlv2_detection box(int prompt, float score, float x, float y)
{
    return (struct sowlv2_detection){.box = {x, y, x + 100, y + 100}, .score = score, .prompt = prompt};
}

#define FRAME(...)                                                                                                     \
    {                                                                                                                  \
        .items = (struct sowlv2_detection[]){__VA_ARGS__},                                                             \
        .count = sizeof((struct sowlv2_detection[]){__VA_ARGS__}) / sizeof(struct sowlv2_detection)                    \
    }

static void follows_an_object_that_drifts(void **state)
{
    (void)state;
    /* 20 pixels a frame: 0.67 of overlap with the frame before, far less with the first. */
    const struct sowlv2_detections frames[] = {FRAME(box(0, 0.5F, 0, 0)), FRAME(box(0, 0.9F, 20, 0)),
                                               FRAME(box(0, 0.8F, 40, 0)), FRAME(box(0, 0.9F, 60, 0))};
    struct sowlv2_merged merged;
    assert_int_equal(sowlv2_merge_detections(frames, 4, 0.6F, &merged), 0);
    assert_int_equal(merged.count, 1);
    assert_int_equal(merged.items[0].best_frame, 1); /* the earlier of equal ones */
    assert_int_equal(merged.items[0].best_detection, 0);
    assert_int_equal(merged.items[0].first_frame, 0);
    assert_int_equal(merged.items[0].last_frame, 3);
    assert_int_equal(merged.items[0].detections, 4);
    sowlv2_merged_free(&merged);
    assert_int_equal(sowlv2_merge_detections(frames, 4, 0.7F, &merged), 0);
    assert_int_equal(merged.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(merged.objects[i], i);
    sowlv2_merged_free(&merged);
    assert_null(merged.items);
}

static void remembers_three_frames(void **state)
{
    (void)state;
    /* There and back again: the fourth box is like the first, the fifth like nothing that is remembered. */
    const struct sowlv2_detections frames[] = {
        FRAME(box(0, 0.5F, 0, 0)),  FRAME(box(0, 0.5F, 20, 0)), FRAME(box(0, 0.5F, 40, 0)), FRAME(box(0, 0.5F, 0, 0)),
        FRAME(box(0, 0.5F, 60, 0)), FRAME(box(0, 0.5F, 80, 0)), FRAME(box(0, 0.5F, 95, 0)), FRAME(box(0, 0.5F, 8, 0)),
    };
    struct sowlv2_merged merged;
    assert_int_equal(sowlv2_merge_detections(frames, 4, 0.6F, &merged), 0);
    assert_int_equal(merged.count, 1);
    sowlv2_merged_free(&merged);
    assert_int_equal(sowlv2_merge_detections(frames, 8, 0.6F, &merged), 0);
    assert_int_equal(merged.count, 2);
    assert_int_equal(merged.items[1].first_frame, 7);
    sowlv2_merged_free(&merged);
}

static void keeps_prompts_and_places_apart(void **state)
{
    (void)state;
    const struct sowlv2_detections frames[] = {
        FRAME(box(0, 0.5F, 0, 0), box(1, 0.6F, 0, 0), box(0, 0.4F, 300, 0)),
        {0},
        FRAME(box(0, 0.7F, 302, 0), box(1, 0.3F, 4, 0), box(0, 0.2F, 2, 0), box(1, NAN, 4, 0)),
    };
    struct sowlv2_merged merged;
    assert_int_equal(sowlv2_merge_detections(frames, 3, 0.7F, &merged), 0);
    assert_int_equal(merged.count, 3);
    assert_int_equal(merged.detection_count, 7);
    /* The frame's best came first. */
    const size_t objects[7] = {1, 0, 2, 2, 0, 1, 0};
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(merged.objects[i], objects[i]);
    assert_int_equal(merged.items[0].prompt, 1);
    assert_int_equal(merged.items[0].detections, 3);
    assert_int_equal(merged.items[2].best_frame, 2);
    assert_int_equal(merged.items[2].best_detection, 0);
    sowlv2_merged_free(&merged);
}

static void takes_a_second_box_of_one_thing(void **state)
{
    (void)state;
    const struct sowlv2_detections frames[] = {
        FRAME(box(0, 0.3F, 4, 0), box(0, 0.9F, 0, 0), box(0, 0.5F, 0, 6)),
        FRAME(box(0, 0.4F, 12, 0), box(0, 0.2F, 9, 3)),
    };
    struct sowlv2_merged merged;
    assert_int_equal(sowlv2_merge_detections(frames, 2, 0.7F, &merged), 0);
    assert_int_equal(merged.count, 1);
    assert_int_equal(merged.items[0].best_detection, 1);
    assert_int_equal(merged.items[0].detections, 5);
    sowlv2_merged_free(&merged);
}

static void refuses_what_makes_no_sense(void **state)
{
    (void)state;
    struct sowlv2_merged merged;
    const struct sowlv2_detections odd = {.items = NULL, .count = 2};
    assert_int_equal(sowlv2_merge_detections(NULL, 0, 0.7F, &merged), 0);
    assert_int_equal(merged.count, 0);
    sowlv2_merged_free(&merged);
    assert_int_equal(sowlv2_merge_detections(NULL, 1, 0.7F, &merged), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_merge_detections(&odd, 1, 0.7F, &merged), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_merge_detections(NULL, 0, NAN, &merged), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_merge_detections(NULL, 0, 1.5F, &merged), SOWLV2_ERROR_ARGUMENT);
    sowlv2_merged_free(NULL);
}

/* Frame by frame it is the same, and the caller may know better. */
static void merges_while_frames_come(void **state)
{
    (void)state;
    struct sowlv2_detection moved = box(0, 0.5F, 20, 0), other = box(1, 0.9F, 20, 0), again = box(0, 0.8F, 4, 0);
    const struct sowlv2_detection first = box(0, 0.6F, 0, 0);
    sowlv2_merger *merger = NULL;
    size_t object = 9, count = 9;
    assert_int_equal(sowlv2_merger_create(0.6F, &merger), 0);
    assert_int_equal(sowlv2_merger_find(merger, &first, NULL), -1);
    sowlv2_merger_objects(merger, &count);
    assert_int_equal(count, 0);
    assert_int_equal(sowlv2_merger_add(merger, -1, 3, 5, &first, &object), 0);
    assert_int_equal(object, 0);
    assert_int_equal(sowlv2_merger_find(merger, &moved, NULL), 0);
    assert_int_equal(sowlv2_merger_find(merger, &moved, (bool[]){true}), -1);
    assert_int_equal(sowlv2_merger_find(merger, &other, NULL), -1); /* of another prompt */
    /* Of one frame the best box counts: (4, 0), from which (30, 0) is too far, and no memory of (20, 0). */
    assert_int_equal(sowlv2_merger_add(merger, 0, 4, 0, &moved, &object), 0);
    assert_int_equal(sowlv2_merger_add(merger, 0, 4, 1, &again, &object), 0);
    moved = box(0, 0.5F, 42, 0);
    assert_int_equal(sowlv2_merger_find(merger, &moved, NULL), -1);
    /* The caller says that it is the object all the same; a better one of another prompt makes it that prompt's. */
    assert_int_equal(sowlv2_merger_add(merger, 0, 6, 2, &other, &object), 0);
    assert_int_equal(object, 0);
    const struct sowlv2_merged_object *const items = sowlv2_merger_objects(merger, &count);
    assert_int_equal(count, 1);
    assert_int_equal(items[0].prompt, 1);
    assert_int_equal(items[0].best_frame, 6);
    assert_int_equal(items[0].best_detection, 2);
    assert_int_equal(items[0].first_frame, 3);
    assert_int_equal(items[0].detections, 4);
    assert_int_equal(sowlv2_merger_find(merger, &other, NULL), 0);
    for (int i = 0; i < 40; i++) {
        const struct sowlv2_detection far = box(0, 0.5F, 1000.0F * (float)(i + 1), 0);
        assert_int_equal(sowlv2_merger_find(merger, &far, NULL), -1);
        assert_int_equal(sowlv2_merger_add(merger, -1, 7, (size_t)i, &far, &object), 0);
        assert_int_equal(object, i + 1);
    }
    assert_int_equal(sowlv2_merger_add(merger, 41, 8, 0, &other, &object), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_merger_add(merger, -2, 8, 0, &other, &object), SOWLV2_ERROR_ARGUMENT);
    sowlv2_merger_free(&merger);
    assert_null(merger);
}

static void chooses_frames(void **state)
{
    (void)state;
    const float scores[10] = {0.1F, 0.9F, 0.8F, 0.2F, 0, 0, 0.7F, 0.1F, 0.3F, 0.2F};
    const size_t scenes[2] = {0, 7};
    size_t chosen[10], count = 0;
    assert_int_equal(sowlv2_select_frames(scores, 10, 2, 3, NULL, 0, chosen, &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(chosen[0], 1);
    assert_int_equal(chosen[1], 6);
    assert_int_equal(sowlv2_select_frames(scores, 10, 2, 3, scenes, 2, chosen, &count), 0);
    assert_int_equal(chosen[1], 8);
    assert_int_equal(sowlv2_select_frames(scores, 10, 99, 3, scenes, 2, chosen, &count), 0);
    assert_int_equal(count, 10);
    const size_t falling[2] = {4, 3};
    assert_int_equal(sowlv2_select_frames(scores, 10, 2, 3, falling, 2, chosen, &count), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_uniform_frames(10, 2, chosen, &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(chosen[0], 2);
    assert_int_equal(chosen[1], 7);

    const float change[8] = {0, 0, 0, 1, 1, 1, 0, 0};
    bool tracked[8];
    assert_int_equal(sowlv2_budget_frames(change, NULL, 8, 0.5, 8, tracked), 0);
    size_t sum = 0;
    for (size_t i = 0; i < 8; i++)
        sum += tracked[i];
    assert_int_equal(sum, 4);
    assert_true(tracked[0] && tracked[3] && tracked[4] && (tracked[5] || tracked[6]));
    assert_int_equal(sowlv2_budget_frames(change, NULL, 8, 0, 8, tracked), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_budget_frames(NULL, NULL, 8, 1, 8, tracked), 0);
    for (size_t i = 0; i < 8; i++)
        assert_true(tracked[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_an_object_that_drifts),
        cmocka_unit_test(remembers_three_frames),
        cmocka_unit_test(keeps_prompts_and_places_apart),
        cmocka_unit_test(takes_a_second_box_of_one_thing),
        cmocka_unit_test(refuses_what_makes_no_sense),
        cmocka_unit_test(merges_while_frames_come),
        cmocka_unit_test(chooses_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
