/* The demo models in int8 beside f32, on the example pictures: which objects are found, where, how surely, and their
 * masks. What a person would see of int8; docs/precision.md has AP and mIoU on more pictures. */
#include "ops/cpu/level.h"
#include "sowlv2.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROOT TEST_DATA "/.."
enum { F32, INT8, PRECISIONS, SCENES = 8, EXIT_SKIPPED = 77 };

static const char *const scenes[SCENES] = {"scene_001.jpg", "scene_002.jpg", "scene_003.jpg", "scene_004.png",
                                           "scene_005.jpg", "scene_006.jpg", "scene_007.jpg", "scene_008.png"};
static json_t *truth; /* whose prompts are asked for */
static const char **prompts;
static size_t prompt_count;
static struct {
    sowlv2_detector *detector;
    sowlv2_prompts *prompts;
    sowlv2_detect_session *detect;
    sowlv2_segmenter *segmenter;
    sowlv2_segment_session *segment;
} models[PRECISIONS];

static void must(int status)
{
    if (status)
        fail_msg("%s", sowlv2_error_message());
}

static void open_models(int precision)
{
    struct sowlv2_device_options device = sowlv2_device_options_default();
    struct sowlv2_model_options options = sowlv2_model_options_default();

    device.device = "cpu";
    device.precision = precision == INT8 ? "int8" : "f32";
    options.device_options = &device;
    options.model = ROOT "/models/demo/owlv2";
    must(sowlv2_detector_open(&options, &models[precision].detector));
    must(sowlv2_prompts_encode(models[precision].detector, prompts, prompt_count, NULL, &models[precision].prompts));
    must(sowlv2_detect_session_create(models[precision].detector, &models[precision].detect));
    options.model = ROOT "/models/demo/sam2";
    must(sowlv2_segmenter_open(&options, &models[precision].segmenter));
    must(sowlv2_segment_session_create(models[precision].segmenter, &models[precision].segment));
}

static int set_up(void **state)
{
    (void)state;
    truth = json_load_file(ROOT "/examples/data/truth.json", 0, NULL);
    assert_non_null(truth);
    const json_t *const words = json_object_get(truth, "prompts");
    prompt_count = json_array_size(words);
    prompts = calloc(prompt_count, sizeof(*prompts));
    assert_true(prompt_count > 0 && prompts);
    for (size_t i = 0; i < prompt_count; i++)
        prompts[i] = json_string_value(json_array_get(words, i));
    for (int i = 0; i < PRECISIONS; i++)
        open_models(i);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < PRECISIONS; i++) {
        sowlv2_segment_session_free(&models[i].segment);
        sowlv2_segmenter_free(&models[i].segmenter);
        sowlv2_detect_session_free(&models[i].detect);
        sowlv2_prompts_free(&models[i].prompts);
        sowlv2_detector_free(&models[i].detector);
    }
    free(prompts);
    json_decref(truth);
    return 0;
}

static void open_scene(int i, struct sowlv2_decoded_image *out)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/examples/data/%s", ROOT, scenes[i]);
    must(sowlv2_image_decode(path, NULL, 0, NULL, out));
}

static struct sowlv2_detections detect(int precision, const struct sowlv2_image *image, float threshold)
{
    struct sowlv2_detect_options options = sowlv2_detect_options_default();
    struct sowlv2_detections found;

    options.threshold = threshold;
    options.nms_iou = 0.5F;
    must(sowlv2_detect(models[precision].detect, models[precision].prompts, image, 1, &options, &found));
    return found;
}

static double overlap(const float *a, const float *b)
{
    const double width = fmin((double)a[2], (double)b[2]) - fmax((double)a[0], (double)b[0]);
    const double height = fmin((double)a[3], (double)b[3]) - fmax((double)a[1], (double)b[1]);
    const double both = width > 0 && height > 0 ? width * height : 0;
    const double areas = (double)(a[2] - a[0]) * (double)(a[3] - a[1]) + (double)(b[2] - b[0]) * (double)(b[3] - b[1]);

    return both / (areas - both);
}

/* How far apart two answers are, over all objects. */
struct figure {
    double sum, worst;
    size_t count, large; /* all, and those of over LARGE */
};

static const double LARGE = 0.1;

static void note(struct figure *figure, double apart)
{
    figure->sum += apart;
    figure->worst = fmax(figure->worst, apart);
    figure->count++;
    figure->large += !(apart <= LARGE);
}

/* The mean is within `most`; seldom is one far off, where another of two answers that are about as good was taken; and
 * the two are not the same. */
static void check(const char *what, const struct figure *figure, double most)
{
    const double mean = figure->sum / (double)figure->count;

    print_message("%s, %zu: %.4f apart on the mean, %.4f at most, %zu of over %.1f\n", what, figure->count, mean,
                  figure->worst, figure->large, LARGE);
    assert_true(mean > 0 && mean <= most);
    assert_true(20 * figure->large <= figure->count);
}

/* The object of the same prompt that overlaps most. */
static const struct sowlv2_detection *counterpart(const struct sowlv2_detection *object,
                                                  const struct sowlv2_detections *among)
{
    const struct sowlv2_detection *best = NULL;

    for (size_t i = 0; i < among->count; i++) {
        const struct sowlv2_detection *const other = &among->items[i];

        if (other->prompt == object->prompt &&
            (!best || overlap(other->box, object->box) > overlap(best->box, object->box)))
            best = other;
    }
    return best;
}

/* Objects that one precision is sure of the other finds too. */
static void test_detection(void **state)
{
    const float sure = 0.3F, least = 0.1F;
    struct figure boxes = {0}, scores = {0};
    size_t lost = 0;

    (void)state;
    for (int scene = 0; scene < SCENES; scene++) {
        struct sowlv2_decoded_image image;
        struct sowlv2_detections found[PRECISIONS];

        open_scene(scene, &image);
        for (int i = 0; i < PRECISIONS; i++)
            found[i] = detect(i, &image.image, least);
        for (int side = 0; side < PRECISIONS; side++) {
            for (size_t i = 0; i < found[side].count; i++) {
                const struct sowlv2_detection *const object = &found[side].items[i];
                const struct sowlv2_detection *const other = counterpart(object, &found[1 - side]);

                if (object->score < sure)
                    continue;
                if (!other || overlap(other->box, object->box) < 0.5) {
                    lost++;
                    continue;
                }
                note(&boxes, 1 - overlap(other->box, object->box));
                note(&scores, fabs((double)other->score - (double)object->score));
            }
        }
        for (int i = 0; i < PRECISIONS; i++)
            sowlv2_detections_free(&found[i]);
        sowlv2_decoded_image_free(&image);
    }
    check("1 - IoU of boxes", &boxes, 0.035);
    check("scores", &scores, 0.02);
    assert_true(boxes.count >= 40);
    assert_int_equal(lost, 0);
}

/* Masks of the same boxes. */
static void test_masks(void **state)
{
    enum { MOST_OBJECTS = 32 };
    float boxes[MOST_OBJECTS][4];
    struct figure masks = {0}, scores = {0};

    (void)state;
    for (int scene = 0; scene < SCENES; scene++) {
        const json_t *const objects =
            json_object_get(json_array_get(json_object_get(truth, "images"), (size_t)scene), "objects");
        const size_t count = json_array_size(objects);
        struct sowlv2_segment_prompt *const given = calloc(count, sizeof(*given));
        struct sowlv2_mask *const made = calloc(PRECISIONS * count, sizeof(*made));
        struct sowlv2_decoded_image image;

        assert_true(count > 0 && count <= MOST_OBJECTS && given && made);
        for (size_t i = 0; i < count; i++) {
            const json_t *const box = json_object_get(json_array_get(objects, i), "box");

            given[i].box = boxes[i];
            for (size_t j = 0; j < 4; j++)
                boxes[i][j] = (float)json_number_value(json_array_get(box, j));
        }
        open_scene(scene, &image);
        for (int i = 0; i < PRECISIONS; i++) {
            must(sowlv2_segment_set_image(models[i].segment, &image.image, NULL));
            must(sowlv2_segment(models[i].segment, given, count, NULL, made + (size_t)i * count));
        }
        for (size_t i = 0; i < count; i++) {
            note(&masks, 1 - sowlv2_mask_iou(&made[i], &made[count + i]));
            note(&scores, fabs((double)made[i].mask_score - (double)made[count + i].mask_score));
        }
        sowlv2_masks_free(made, PRECISIONS * count);
        sowlv2_decoded_image_free(&image);
        free(made);
        free(given);
    }
    check("1 - IoU of masks", &masks, 0.015);
    check("predicted IoUs", &scores, 0.005);
    assert_true(masks.count >= 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_detection), cmocka_unit_test(test_masks)};

    if (!cpu_level_has_int8(cpu_level_best())) {
        printf("SKIP: this CPU has no products of 8-bit numbers\n");
        return EXIT_SKIPPED;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
