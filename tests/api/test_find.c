/* Detection and segmentation in one call, against the reference's two models one after the other. */
#include "goldens.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { IMAGES = 6, MOST_PROMPTS = 16 };

static struct safetensors *boxes_file, *masks_file;
static sowlv2_detector *detector;
static sowlv2_segmenter *segmenter;
static sowlv2_detect_session *session;
static sowlv2_segment_session *segment_session;
static sowlv2_prompts *prompts;
static struct sowlv2_image images[IMAGES];
static struct sowlv2_detect_options detect_options;
static struct sowlv2_segment_options segment_options;
static struct sowlv2_find_options options;

static void encode_prompts(void)
{
    const struct host_tensor *texts = golden(boxes_file, "prompts.many");
    struct sowlv2_prompt_options plain = sowlv2_prompt_options_default();
    char *text = strndup(texts->data, texts->bytes), *rest = text;
    const char *items[MOST_PROMPTS];
    size_t count = 0;

    for (char *line; (line = strsep(&rest, "\n")) && rest; count++) {
        assert_true(count < MOST_PROMPTS);
        items[count] = line;
    }
    plain.prompt_template = "{}";
    must(sowlv2_prompts_encode(detector, items, count, &plain, &prompts));
    free(text);
}

static int set_up(void **state)
{
    struct sowlv2_model_options model = sowlv2_model_options_default();
    float *threshold;

    (void)state;
    boxes_file = goldens_open(MODELS "owlv2_tiny/expected.safetensors");
    masks_file = goldens_open(TEST_DATA "/pipeline/data/masks.safetensors");
    model.model = MODELS "owlv2_tiny";
    must(sowlv2_detector_open(&model, &detector));
    segmenter = open_segmenter("sam2_tiny", 0);
    must(sowlv2_detect_session_create(detector, &session));
    must(sowlv2_segment_session_create(segmenter, &segment_session));
    encode_prompts();
    for (int i = 0; i < IMAGES; i++)
        images[i] = golden_image(golden(boxes_file, "image.%d.pixels", i));
    threshold = golden_floats(golden(boxes_file, "many.threshold"));
    options = sowlv2_find_options_default();
    detect_options = sowlv2_detect_options_default();
    detect_options.threshold = *threshold;
    segment_options = sowlv2_segment_options_default();
    options.detect = &detect_options;
    options.segment = &segment_options;
    free(threshold);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sowlv2_prompts_free(&prompts);
    sowlv2_segment_session_free(&segment_session);
    sowlv2_detect_session_free(&session);
    sowlv2_segmenter_free(&segmenter);
    sowlv2_detector_free(&detector);
    safetensors_close(&boxes_file);
    safetensors_close(&masks_file);
    return 0;
}

static void check_objects(const struct sowlv2_objects *objects, int image, const char *mode)
{
    float *boxes = golden_floats(golden(masks_file, "%d.boxes", image));
    float *iou = golden_floats(golden(masks_file, "%d.%s.iou", image, mode));
    const struct host_tensor *bits = golden(masks_file, "%d.%s.bits", image, mode);

    assert_int_equal(objects->count, bits->dim[0]);
    for (size_t i = 0; i < objects->count; i++) {
        const struct sowlv2_object *object = &objects->items[i];

        for (size_t side = 0; side < 4; side++)
            assert_true(fabsf(object->detection.box[side] - boxes[4 * i + side]) <= 0.01f);
        assert_true(fabsf(object->mask.mask_score - iou[i]) <= 1e-3f); /* our own boxes differ in the last digits */
        check_mask(&object->mask);
        check_bits(&object->mask, bits, i, NULL);
    }
    free(boxes);
    free(iou);
}

static void free_all(struct sowlv2_objects *objects, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sowlv2_objects_free(&objects[i]);
        assert_null(objects[i].items);
    }
}

/* All images as one batch. */
static void test_batch(void **state)
{
    struct sowlv2_objects objects[IMAGES];

    (void)state;
    must(sowlv2_find(session, prompts, segment_session, images, IMAGES, &options, objects));
    for (int i = 0; i < IMAGES; i++)
        check_objects(&objects[i], i, "single");
    free_all(objects, IMAGES);
}

static void test_modes(void **state)
{
    struct sowlv2_objects objects;

    (void)state;
    for (int i = 0; i < IMAGES; i += 3) {
        segment_options.multimask = true;
        must(sowlv2_find(session, prompts, segment_session, &images[i], 1, &options, &objects));
        check_objects(&objects, i, "multi");
        sowlv2_objects_free(&objects);
        segment_options.multimask = false;
        segment_options.refine = true;
        must(sowlv2_find(session, prompts, segment_session, &images[i], 1, &options, &objects));
        check_objects(&objects, i, "refined");
        sowlv2_objects_free(&objects);
        segment_options.refine = false;
    }
}

/* What is left does not overlap more than allowed; what is gone overlapped something better. */
static void test_dedupe(void **state)
{
    struct sowlv2_objects all, some;

    (void)state;
    must(sowlv2_find(session, prompts, segment_session, images, 1, &options, &all));
    options.dedupe_iou = 0.7f;
    must(sowlv2_find(session, prompts, segment_session, images, 1, &options, &some));
    options.dedupe_iou = 0;
    assert_in_range(some.count, 1, all.count - 1);
    assert_int_equal(some.duplicates, all.count - some.count);
    assert_int_equal(all.duplicates, 0);
    for (size_t i = 0; i < some.count; i++)
        for (size_t j = 0; j < i; j++)
            assert_true(sowlv2_mask_iou(&some.items[i].mask, &some.items[j].mask) <= (double)0.7f);
    sowlv2_objects_free(&all);
    sowlv2_objects_free(&some);
}

/* What was given instead of detected. */
static void test_given(void **state)
{
    const float wide = (float)images[0].width, high = (float)images[0].height;
    const float all[4] = {-5, -5, wide + 5, high + 5}, part[4] = {2, 3, wide / 2, high / 2}, point[2] = {3, 3};
    const struct sowlv2_segment_prompt asked[] = {
        {.box = part}, {.box = all}, {.points = point, .point_count = 1}, {.box = part}};
    struct sowlv2_objects objects, some;
    struct sowlv2_mask masks[4];

    (void)state;
    must(sowlv2_segment_set_image(segment_session, &images[0], NULL));
    must(sowlv2_segment(segment_session, asked, 4, NULL, masks));
    must(sowlv2_segment_objects(segment_session, NULL, asked, 4, NULL, &objects));
    assert_int_equal(objects.count, 4);
    for (size_t i = 0; i < 4; i++) {
        const struct sowlv2_object *object = &objects.items[i];

        assert_int_equal(object->index, i);
        assert_int_equal(object->detection.prompt, -1);
        assert_true(object->detection.score == 0.0f && object->detection.objectness == -1.0f);
        assert_true(sowlv2_mask_iou(&object->mask, &masks[i]) == (masks[i].area > 0 ? 1.0 : 0.0));
        assert_true(object->mask.mask_score == masks[i].mask_score);
    }
    assert_memory_equal(objects.items[0].detection.box, part, sizeof(part));
    assert_memory_equal(objects.items[1].detection.box, ((float[]){0, 0, wide, high}), sizeof(all));
    if (masks[2].area > 0)
        assert_memory_equal(objects.items[2].detection.box, masks[2].box, sizeof(all));
    else
        assert_true(isnan(objects.items[2].detection.box[0]));
    options.dedupe_iou = 0.99f;
    must(sowlv2_segment_objects(segment_session, NULL, asked, 4, &options, &some));
    options.dedupe_iou = 0;
    assert_true(masks[0].area == 0 || some.duplicates >= 1); /* the last is the first once more */
    assert_int_equal(some.count + some.duplicates, 4);
    sowlv2_objects_free(&some);
    sowlv2_objects_free(&objects);
    sowlv2_masks_free(masks, 4);
    must(sowlv2_segment_objects(segment_session, NULL, NULL, 0, NULL, &objects));
    assert_int_equal(objects.count, 0);
}

/* Nothing found: the encoder does not run, so that no image is left in the session. */
static void test_nothing(void **state)
{
    const struct sowlv2_segment_prompt prompt = {.box = (float[]){0, 0, 1, 1}};
    struct sowlv2_find_options none = options;
    struct sowlv2_detect_options strict = detect_options;
    sowlv2_segment_session *fresh = NULL;
    struct sowlv2_objects objects;
    struct sowlv2_mask mask;

    (void)state;
    strict.threshold = 1;
    none.detect = &strict;
    must(sowlv2_segment_session_create(segmenter, &fresh));
    must(sowlv2_find(session, prompts, fresh, images, 1, &none, &objects));
    assert_int_equal(objects.count, 0);
    assert_int_equal(sowlv2_segment(fresh, &prompt, 1, NULL, &mask), SOWLV2_ERROR_ARGUMENT);
    sowlv2_objects_free(&objects);
    sowlv2_segment_session_free(&fresh);
}

static void test_errors(void **state)
{
    const struct sowlv2_image bad[2] = {images[0], {NULL, 3, 3, 0}};
    struct sowlv2_find_options wrong = options;
    struct sowlv2_segment_options infinite = segment_options;
    struct sowlv2_objects objects[2];

    (void)state;
    assert_int_equal(sowlv2_find(session, prompts, segment_session, bad, 2, &options, objects), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_find(session, prompts, NULL, images, 1, &options, objects), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_find(session, NULL, segment_session, images, 1, &options, objects), SOWLV2_ERROR_ARGUMENT);
    infinite.mask_threshold = INFINITY;
    wrong.segment = &infinite;
    assert_int_equal(sowlv2_find(session, prompts, segment_session, images, 2, &wrong, objects), SOWLV2_ERROR_ARGUMENT);
    sowlv2_objects_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch), cmocka_unit_test(test_modes),   cmocka_unit_test(test_dedupe),
        cmocka_unit_test(test_given), cmocka_unit_test(test_nothing), cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
