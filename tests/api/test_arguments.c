/* Every function of sowlv2.h with each of its pointers NULL in turn: ARGUMENT, a harmless value, and nothing left in
 * what `out` names. Things that are there are real: a model of each kind. */
#include "opened.h"
#include "sowlv2_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BAD(call) assert_int_equal((call), SOWLV2_ERROR_ARGUMENT)

/* What no function may leave where its result goes. */
#define DIRT ((void *)(uintptr_t)0x51)

static void test_values(void **state)
{
    (void)state;
    assert_int_equal(sowlv2_detector_image_size(NULL), 0);
    assert_int_equal(sowlv2_detector_text_length(NULL), 0);
    assert_int_equal(sowlv2_segmenter_mask_side(NULL), 0);
    assert_null(sowlv2_track_frame(NULL));
    assert_null(sowlv2_scorer_label(NULL, 0));
    assert_null(sowlv2_scorer_label(scorer, -1));
    const struct sowlv2_scorer_info info = sowlv2_scorer_info(NULL);
    assert_int_equal(info.crop_size + info.frames_per_clip + info.tubelet_size + info.width + info.grid +
                         info.label_count + info.predictor,
                     0);
    uint32_t runs[] = {0, 4};
    const struct sowlv2_mask full = {
        .width = 2, .height = 2, .runs = runs, .run_count = 2, .area = 4, .box = {0, 0, 2, 2}};
    struct sowlv2_mask without = full;
    without.runs = NULL;
    assert_true(sowlv2_mask_iou(&full, &full) == 1.0);
    assert_true(sowlv2_mask_iou(NULL, &full) == 0.0);
    assert_true(sowlv2_mask_iou(&full, NULL) == 0.0);
    assert_true(sowlv2_mask_iou(NULL, NULL) == 0.0);
    assert_true(sowlv2_mask_iou(&full, &without) == 0.0);
    assert_true(sowlv2_mask_iou(&without, &full) == 0.0);
    assert_non_null(sowlv2_version());
    assert_non_null(sowlv2_error_message());
}

/* NULL, and a pointer to NULL. */
static void test_frees(void **state)
{
    (void)state;
#define FREE(type, function)                                                                                           \
    do {                                                                                                               \
        type *nothing = NULL;                                                                                          \
        function(NULL);                                                                                                \
        function(&nothing);                                                                                            \
        assert_null(nothing);                                                                                          \
    } while (0)
    FREE(sowlv2_detector, sowlv2_detector_free);
    FREE(sowlv2_prompts, sowlv2_prompts_free);
    FREE(sowlv2_detect_session, sowlv2_detect_session_free);
    FREE(sowlv2_segmenter, sowlv2_segmenter_free);
    FREE(sowlv2_segment_session, sowlv2_segment_session_free);
    FREE(sowlv2_track_session, sowlv2_track_session_free);
    FREE(sowlv2_scorer, sowlv2_scorer_free);
    FREE(sowlv2_score_session, sowlv2_score_session_free);
    FREE(sowlv2_run, sowlv2_run_free);
    FREE(char, sowlv2_string_free);
    sowlv2_detections_free(NULL);
    sowlv2_masks_free(NULL, 3);
    sowlv2_objects_free(NULL);
    sowlv2_tracks_free(NULL);
    sowlv2_frames_free(NULL);
    sowlv2_key_frames_report_free(NULL);
    sowlv2_score_options_init(NULL, 100);
    sowlv2_choice_options_init(NULL, 100);
    sowlv2_key_frames_options_init(NULL, 100);
    sowlv2_merged_free(NULL);
}

static void test_opening(void **state)
{
    (void)state;
    struct sowlv2_model_options options = sowlv2_model_options_default(), nameless = options;
    nameless.model = NULL;
    options.model = TEST_DATA "/nonexistent";
    options.offline = true;
#define OPEN(type, function)                                                                                           \
    do {                                                                                                               \
        type *out = DIRT;                                                                                              \
        BAD(function(NULL, &out));                                                                                     \
        assert_null(out);                                                                                              \
        out = DIRT;                                                                                                    \
        BAD(function(&nameless, &out));                                                                                \
        assert_null(out);                                                                                              \
        out = DIRT;                                                                                                    \
        assert_true(function(&options, &out) < 0);                                                                     \
        assert_null(out);                                                                                              \
        BAD(function(&options, NULL));                                                                                 \
        BAD(function(NULL, NULL));                                                                                     \
    } while (0)
    OPEN(sowlv2_detector, sowlv2_detector_open);
    OPEN(sowlv2_segmenter, sowlv2_segmenter_open);
    OPEN(sowlv2_scorer, sowlv2_scorer_open);

    sowlv2_detect_session *made = DIRT;
    BAD(sowlv2_detect_session_create(NULL, &made));
    assert_null(made);
    BAD(sowlv2_detect_session_create(detector, NULL));
    sowlv2_segment_session *other = DIRT;
    BAD(sowlv2_segment_session_create(NULL, &other));
    assert_null(other);
    BAD(sowlv2_segment_session_create(segmenter, NULL));
    sowlv2_track_session *third = DIRT;
    BAD(sowlv2_track_session_create(NULL, NULL, &third));
    assert_null(third);
    third = DIRT;
    struct sowlv2_track_options no_frames = sowlv2_track_options_default();
    no_frames.max_cond_frames = 0;
    BAD(sowlv2_track_session_create(segmenter, &no_frames, &third));
    assert_null(third);
    BAD(sowlv2_track_session_create(segmenter, NULL, NULL));
    BAD(sowlv2_segmenter_prepare_tracking(NULL));
}

static void test_prompts(void **state)
{
    (void)state;
    int32_t ids[256];
    assert_true(sowlv2_detector_text_length(detector) <= 256);
    BAD(sowlv2_detector_tokenize(NULL, "cat", ids));
    BAD(sowlv2_detector_tokenize(detector, NULL, ids));
    BAD(sowlv2_detector_tokenize(detector, "cat", NULL));
    const char *const holes[][2] = {{NULL, "dog"}, {"cat", NULL}};
    for (int i = 0; i < 2; i++) {
        sowlv2_prompts *out = DIRT;
        BAD(sowlv2_prompts_encode(detector, holes[i], 2, NULL, &out));
        assert_null(out);
    }
    sowlv2_prompts *out = DIRT;
    BAD(sowlv2_prompts_encode(NULL, words, 2, NULL, &out));
    assert_null(out);
    out = DIRT;
    BAD(sowlv2_prompts_encode(detector, NULL, 2, NULL, &out));
    assert_null(out);
    out = DIRT;
    BAD(sowlv2_prompts_encode(detector, words, 0, NULL, &out));
    assert_null(out);
    out = DIRT;
    struct sowlv2_prompt_options nowhere = sowlv2_prompt_options_default();
    nowhere.prompt_template = "no place";
    BAD(sowlv2_prompts_encode(detector, words, 2, &nowhere, &out));
    assert_null(out);
    BAD(sowlv2_prompts_encode(detector, words, 2, NULL, NULL));
}

static void test_detect(void **state)
{
    (void)state;
    struct sowlv2_detections out = {.items = DIRT, .count = 5};
    BAD(sowlv2_detect(NULL, prompts, &image, 1, NULL, &out));
    assert_null(out.items);
    out = (struct sowlv2_detections){.items = DIRT, .count = 5};
    BAD(sowlv2_detect(session, NULL, &image, 1, NULL, &out));
    assert_null(out.items);
    out = (struct sowlv2_detections){.items = DIRT, .count = 5};
    BAD(sowlv2_detect(session, prompts, NULL, 1, NULL, &out));
    assert_int_equal(out.count, 0);
    BAD(sowlv2_detect(session, prompts, &image, 1, NULL, NULL));
    BAD(sowlv2_detect(session, prompts, &image, SIZE_MAX, NULL, &out));
}

/* Pictures that no memory holds. */
static void test_images(void **state)
{
    (void)state;
    const struct sowlv2_image bad[] = {
        {NULL, 40, 30, 0},
        {image.pixels, 0, 30, 0},
        {image.pixels, 40, -1, 0},
        {image.pixels, 40, 30, 119},
        {image.pixels, 40, 30, SIZE_MAX},
        {image.pixels, 40, 30, SIZE_MAX / 2},
        {image.pixels, 40, 4, SIZE_MAX / 4 + 1}, /* times the height: 4 */
        {image.pixels, INT32_MAX, INT32_MAX, 0},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]) - 1; i++) {
        struct sowlv2_detections out = {.items = DIRT, .count = 5};
        BAD(sowlv2_detect(session, prompts, &bad[i], 1, NULL, &out));
        assert_null(out.items);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        BAD(sowlv2_segment_set_image(segment_session, &bad[i], NULL));
        BAD(sowlv2_track_set_frame(track, 1, &bad[i]));
    }
    must(sowlv2_segment_set_image(segment_session, &image, NULL));
    must(sowlv2_track_set_frame(track, 1, &image));
}

static void test_find(void **state)
{
    (void)state;
    struct sowlv2_objects out = {.items = DIRT, .count = 5};
    BAD(sowlv2_find(NULL, prompts, segment_session, &image, 1, NULL, &out));
    assert_null(out.items);
    out = (struct sowlv2_objects){.items = DIRT, .count = 5};
    BAD(sowlv2_find(session, prompts, NULL, &image, 1, NULL, &out));
    assert_int_equal(out.count, 0);
    BAD(sowlv2_find(session, NULL, segment_session, &image, 1, NULL, &out));
    BAD(sowlv2_find(session, prompts, segment_session, NULL, 1, NULL, &out));
    BAD(sowlv2_find(session, prompts, segment_session, &image, 1, NULL, NULL));
    BAD(sowlv2_find(session, prompts, segment_session, &image, SIZE_MAX, NULL, &out));
}

static void test_segment(void **state)
{
    (void)state;
    const float box[4] = {3, 3, 20, 20}, edge[2] = {40, 5}, inside[2] = {39.5F, 5};
    const struct sowlv2_segment_prompt boxed = {.box = box}, empty = {0}, at_edge = {.points = edge, .point_count = 1},
                                       pointed = {.points = inside, .point_count = 1};
    struct sowlv2_mask out = {.pixels = DIRT};
    BAD(sowlv2_segment(NULL, &boxed, 1, NULL, &out));
    assert_null(out.pixels);
    BAD(sowlv2_segment(segment_session, NULL, 1, NULL, &out));
    BAD(sowlv2_segment(segment_session, &boxed, 1, NULL, NULL));
    BAD(sowlv2_segment(segment_session, &boxed, SIZE_MAX, NULL, &out));
    out.runs = DIRT;
    BAD(sowlv2_segment(segment_session, &empty, 1, NULL, &out));
    assert_null(out.runs);
    assert_non_null(strstr(sowlv2_error_message(), "empty"));
    BAD(sowlv2_segment(segment_session, &at_edge, 1, NULL, &out));
    must(sowlv2_segment(segment_session, &pointed, 1, NULL, &out));

    char *rle = DIRT;
    uint8_t pixels[30][40];
    BAD(sowlv2_mask_rle(NULL, &rle));
    assert_null(rle);
    rle = DIRT;
    BAD(sowlv2_mask_rle(&(struct sowlv2_mask){.width = 3, .height = 3}, &rle));
    assert_null(rle);
    BAD(sowlv2_mask_rle(&out, NULL));
    BAD(sowlv2_mask_to_pixels(NULL, &pixels[0][0]));
    BAD(sowlv2_mask_to_pixels(&out, NULL));
    must(sowlv2_mask_to_pixels(&out, &pixels[0][0]));
    sowlv2_masks_free(&out, 1);

    BAD(sowlv2_segment_set_image(NULL, &image, NULL));
    BAD(sowlv2_segment_set_image(segment_session, NULL, NULL));
    must(sowlv2_segment_set_image(segment_session, &image, NULL));
}

static void test_track(void **state)
{
    (void)state;
    const float box[4] = {3, 3, 20, 20};
    BAD(sowlv2_track_set_frame(NULL, 2, &image));
    BAD(sowlv2_track_set_frame(track, 2, NULL));
    BAD(sowlv2_track_return(NULL, 0));
    must(sowlv2_track_set_frame(track, 2, &image));
    BAD(sowlv2_track_prompt(NULL, 1, &(struct sowlv2_track_prompt){.box = box}));
    BAD(sowlv2_track_prompt(track, 1, NULL));
    BAD(sowlv2_track_prompt(track, 1, &(struct sowlv2_track_prompt){0}));
    BAD(sowlv2_track_prompt(track, 1, &(struct sowlv2_track_prompt){.point_count = 2}));
    BAD(sowlv2_track_prompt(track, 1, &(struct sowlv2_track_prompt){.mask = image.pixels}));
    BAD(sowlv2_track_remove(NULL, 1));
    BAD(sowlv2_track_remove(track, 1));
    struct sowlv2_tracks out = {.items = DIRT, .count = 5};
    BAD(sowlv2_track_run(NULL, NULL, &out));
    assert_null(out.items);
    BAD(sowlv2_track_run(track, NULL, NULL));
}

static void test_frames(void **state)
{
    (void)state;
    sowlv2_score_session *made = DIRT;
    BAD(sowlv2_score_session_create(NULL, NULL, &made));
    assert_null(made);
    BAD(sowlv2_score_session_create(scorer, NULL, NULL));
    BAD(sowlv2_score_check(NULL, NULL));
    BAD(sowlv2_score_push(NULL, &image, 0, 1));
    BAD(sowlv2_score_push(score, NULL, 0, 1));
    BAD(sowlv2_score_push(score, &(struct sowlv2_image){NULL, 4, 4, 0}, 0, 1));
    BAD(sowlv2_score_push(score, &(struct sowlv2_image){image.pixels, 40, 30, 7}, 0, 1));
    BAD(sowlv2_score_finish(NULL));
    assert_int_equal(sowlv2_score_count(NULL) + sowlv2_score_final(NULL), 0);
    assert_null(sowlv2_score_frame(NULL, 0));
    assert_null(sowlv2_score_frame(score, 0));
    assert_null(sowlv2_score_frame(score, SIZE_MAX));
    struct sowlv2_frames out = {.items = DIRT, .count = 5};
    BAD(sowlv2_score_choose(NULL, NULL, &out));
    assert_null(out.items);
    out = (struct sowlv2_frames){.items = DIRT, .clips = DIRT, .count = 5};
    BAD(sowlv2_score_choose(score, NULL, &out));
    assert_null(out.items);
    assert_null(out.clips);
    BAD(sowlv2_score_choose(score, NULL, NULL));
    struct sowlv2_key_frames_report report = {.failure = DIRT};
    BAD(sowlv2_key_frames_run(NULL, TEST_DATA, NULL, &report));
    assert_null(report.failure);
    report.failure = DIRT;
    BAD(sowlv2_key_frames_run(scorer, NULL, NULL, &report));
    assert_null(report.failure);
    BAD(sowlv2_key_frames_run(scorer, TEST_DATA, NULL, NULL));

    const float scores[3] = {1, 3, 2};
    const size_t falling[2] = {2, 1};
    size_t chosen[3], count = 9;
    bool tracked[3];
    BAD(sowlv2_select_frames(NULL, 3, 1, 1, NULL, 0, chosen, &count));
    assert_int_equal(count, 0);
    BAD(sowlv2_select_frames(scores, 3, 1, 1, NULL, 0, NULL, &count));
    BAD(sowlv2_select_frames(scores, 3, 1, 1, NULL, 0, chosen, NULL));
    count = 9;
    BAD(sowlv2_select_frames(scores, 3, 1, 1, falling, 2, chosen, &count));
    assert_int_equal(count, 0);
    must(sowlv2_select_frames(scores, 3, 1, 1, NULL, SIZE_MAX, chosen, &count));
    assert_int_equal(chosen[0], 1);
    count = 9;
    BAD(sowlv2_uniform_frames(3, 1, NULL, &count));
    assert_int_equal(count, 0);
    BAD(sowlv2_uniform_frames(3, 1, chosen, NULL));
    BAD(sowlv2_budget_frames(NULL, NULL, 3, 0.5, 2, NULL));
    must(sowlv2_budget_frames(NULL, NULL, 3, 0.5, 2, tracked));

    struct sowlv2_merged merged = {.items = DIRT, .count = 5};
    BAD(sowlv2_merge_detections(NULL, 1, 0.7F, &merged));
    assert_null(merged.items);
    merged = (struct sowlv2_merged){.objects = DIRT};
    BAD(sowlv2_merge_detections(&(struct sowlv2_detections){.count = 2}, 1, 0.7F, &merged));
    assert_null(merged.objects);
    BAD(sowlv2_merge_detections(&(struct sowlv2_detections){0}, 1, 0.7F, NULL));
}

/* Notices may be dropped, and come back. */
static void test_log(void **state)
{
    (void)state;
    sowlv2_prompts *out = NULL;
    sowlv2_set_log(NULL, NULL);
    struct sowlv2_prompt_options plain = sowlv2_prompt_options_default();
    plain.prompt_template = NULL;
    must(sowlv2_prompts_encode(detector, words, 2, &plain, &out));
    sowlv2_prompts_free(&out);
}

static void test_runs(void **state)
{
    const struct sowlv2_run_options options = sowlv2_run_options_default();
    struct sowlv2_run_report report;
    const struct sowlv2_run_models models = {.size = sizeof(models), .detector = detector, .segmenter = segmenter};
    struct sowlv2_sink sink;
    sowlv2_run *made = DIRT;
    (void)state;
    BAD(sowlv2_run_create(NULL, &made));
    assert_null(made);
    BAD(sowlv2_run_create(&options, NULL));
    BAD(sowlv2_run_claim(NULL));
    BAD(sowlv2_run_start(NULL, detector, segmenter, &report));
    BAD(sowlv2_run_start_on(NULL, &(const struct sowlv2_run_models *){&models}, 1, &report));
    BAD(sowlv2_gpu_count(NULL));
    assert_int_equal(report.done + report.failed, 0);
    assert_int_equal(sowlv2_run_inputs(NULL).images, 0);
    assert_null(sowlv2_run_input(NULL, false, 0));
    sowlv2_sink_init(NULL, sizeof(sink));
    sowlv2_sink_init(&sink, sizeof(sink));
    assert_int_equal(sink.size, sizeof(sink));
    assert_null(sink.frame);

    struct sowlv2_choice_options choice = sowlv2_choice_options_default();
    choice.target_fraction = 2;
    assert_int_equal(sowlv2_choice_check(&choice), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_choice_check(NULL), 0);
    assert_string_equal(sowlv2_importance_name(SOWLV2_IMPORTANCE_CHANGE), "change");
    assert_null(sowlv2_importance_name((enum sowlv2_importance)99));
    assert_false(sowlv2_key_frames_is_scores_name(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),  cmocka_unit_test(test_frees),   cmocka_unit_test(test_opening),
        cmocka_unit_test(test_prompts), cmocka_unit_test(test_detect),  cmocka_unit_test(test_images),
        cmocka_unit_test(test_find),    cmocka_unit_test(test_segment), cmocka_unit_test(test_track),
        cmocka_unit_test(test_frames),  cmocka_unit_test(test_runs),    cmocka_unit_test(test_log),
    };
    return cmocka_run_group_tests(tests, opened_set_up, opened_tear_down);
}
