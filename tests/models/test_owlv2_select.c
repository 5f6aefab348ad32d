/* OWLv2's post-processing alone, from the reference's own logits and boxes: selection and suppression. */
#include "expected.h"

#include "engine/detections.h"
#include "models/owlv2/owlv2.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static float *copy(const struct host_tensor *tensor)
{
    int64_t count = host_tensor_count(tensor);
    float *values = malloc(sizeof(float) * (size_t)count);

    assert_non_null(values);
    assert_int_equal(tensor->dtype, DTYPE_F32);
    memcpy(values, tensor->data, sizeof(float) * (size_t)count);
    return values;
}

/* As the comparison wants them. */
static struct sowlv2_detections as_detections(const struct detection *from, int64_t count)
{
    struct sowlv2_detections to = {.count = (size_t)count};

    to.items = calloc((size_t)count + 1, sizeof(*to.items));
    assert_non_null(to.items);
    for (int64_t i = 0; i < count; i++) {
        memcpy(to.items[i].box, from[i].box, sizeof(from[i].box));
        to.items[i].score = from[i].score;
        to.items[i].prompt = from[i].prompt;
    }
    return to;
}

static void compare_select(const struct expected *expected, const char *set, int image)
{
    const struct host_tensor *golden_logits = expected_tensor(expected, "%s.image.%d.logits", set, image);
    int64_t patches = golden_logits->dim[0], queries = golden_logits->dim[1];
    float *logits = copy(golden_logits), *boxes = copy(expected_tensor(expected, "image.%d.boxes", image));
    struct detection *found = malloc(sizeof(*found) * (size_t)patches);
    struct sowlv2_image size = expected_image(expected, image);
    float threshold = expected_value(expected_tensor(expected, "%s.threshold", set));

    assert_non_null(found);
    int64_t count = owlv2_select(logits, boxes, patches, queries, size.width, size.height, threshold, found);
    struct sowlv2_detections detections = as_detections(found, count);
    expected_compare_detections(expected, set, image, "", &detections);
    for (int64_t i = 0; i < count; i++) {
        double best = -INFINITY;
        assert_true(found[i].place >= 0 && found[i].place < patches);
        for (int64_t q = 0; q < queries; q++)
            best = fmax(best, logits[found[i].place * queries + q]);
        assert_true(fabs(1 / (1 + exp(-best)) - found[i].score) <= TOLERANCE);
    }
    free(detections.items);
    free(found);
    free(logits);
    free(boxes);
}

static void test_select(void **state)
{
    (void)state;
    for (int i = 0; i < expected_case_count; i++) {
        struct expected expected;
        expected_open(expected_cases[i], &expected);
        for (int image = 0; image < expected.images; image++)
            for (int set = 0; set < 2; set++)
                compare_select(&expected, expected_sets[set], image);
        expected_close(&expected);
    }
}

/* Suppression of the reference's clipped boxes. */
static void test_suppress(void **state)
{
    (void)state;
    for (int i = 0; i < expected_case_count; i++) {
        struct expected expected;
        expected_open(expected_cases[i], &expected);
        for (int image = 0; image < expected.images; image++) {
            for (int set = 0; set < 2; set++) {
                const char *name = expected_sets[set];
                const struct host_tensor *scores =
                    expected_tensor(&expected, "%s.image.%d.clipped.scores", name, image);
                const struct host_tensor *labels =
                    expected_tensor(&expected, "%s.image.%d.clipped.labels", name, image);
                const struct host_tensor *boxes = expected_tensor(&expected, "%s.image.%d.clipped.boxes", name, image);
                int64_t count = host_tensor_count(scores);
                struct detection *list = calloc((size_t)count + 1, sizeof(*list));

                assert_non_null(list);
                for (int64_t d = 0; d < count; d++) {
                    list[d].score = expected_f32(scores, d);
                    list[d].prompt = expected_i32(labels, d);
                    list[d].place = d;
                    for (int k = 0; k < 4; k++)
                        list[d].box[k] = expected_f32(boxes, 4 * d + k);
                }
                count =
                    detections_suppress(list, count, expected_value(expected_tensor(&expected, "%s.nms_iou", name)));
                assert_true(count >= 0);
                struct sowlv2_detections left = as_detections(list, count);
                expected_compare_detections(&expected, name, image, ".nms", &left);
                free(left.items);
                free(list);
            }
        }
        expected_close(&expected);
    }
}

/* The threshold is strict, the first of equal queries wins, NaN is never kept, and no threshold keeps all. */
static void test_select_rules(void **state)
{
    const float logits[4][2] = {{0.0f, -1.0f}, {0.1f, 0.1f}, {NAN, NAN}, {-FLT_MAX, -FLT_MAX}};
    const float boxes[4][4] = {{.5f, .5f, 1, 1}, {.25f, .75f, .5f, .25f}, {.5f, .5f, 1, 1}, {.5f, .5f, 1, 1}};
    struct detection found[4];

    (void)state;
    assert_int_equal(owlv2_select(logits[0], boxes[0], 4, 2, 100, 50, 0.5f, found), 1);
    assert_int_equal(found[0].place, 1);
    assert_int_equal(found[0].prompt, 0);
    assert_true(fabsf(found[0].box[0] - 0.0f) <= 1e-5f && fabsf(found[0].box[1] - 62.5f) <= 1e-5f);
    assert_true(fabsf(found[0].box[2] - 50.0f) <= 1e-5f && fabsf(found[0].box[3] - 87.5f) <= 1e-5f);
    assert_int_equal(owlv2_select(logits[0], boxes[0], 1, 2, 100, 50, 0.4999f, found), 1);
    assert_int_equal(owlv2_select(logits[0], boxes[0], 4, 2, 50, 100, 1.0f, found), 0);
}

static void test_suppress_rules(void **state)
{
    /* Two overlapping boxes of one query, the better one second; the same boxes of another query, better first. */
    struct detection list[4] = {
        {.box = {0, 0, 10, 10}, .score = 0.5f, .prompt = 0, .place = 0},
        {.box = {0, 0, 10, 8}, .score = 0.6f, .prompt = 0, .place = 1},
        {.box = {0, 0, 10, 10}, .score = 0.5f, .prompt = 1, .place = 2},
        {.box = {0, 0, 10, 8}, .score = 0.4f, .prompt = 1, .place = 3},
    };
    struct detection again[4];

    (void)state;
    memcpy(again, list, sizeof(list));
    assert_int_equal(detections_suppress(again, 4, 0.81f), 4);
    assert_int_equal(detections_suppress(list, 4, 0.79f), 2);
    assert_int_equal(list[0].place, 1);
    assert_int_equal(list[1].place, 2);
    assert_int_equal(detections_suppress(list, 0, 0.5f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_select),
        cmocka_unit_test(test_suppress),
        cmocka_unit_test(test_select_rules),
        cmocka_unit_test(test_suppress_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
