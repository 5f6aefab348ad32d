/* Detection through the public API against the reference: every configuration, image size and set of prompts. */
#include "expected.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check(int status)
{
    if (status != 0)
        fail_msg("status %d: %s", status, sowlv2_error_message());
}

static sowlv2_detector *open_detector(const char *folder)
{
    struct sowlv2_model_options options = sowlv2_model_options_default();
    sowlv2_detector *detector = NULL;

    options.model = folder;
    check(sowlv2_detector_open(&options, &detector));
    assert_non_null(detector);
    return detector;
}

static sowlv2_prompts *encode_set(const sowlv2_detector *detector, const struct expected *expected, const char *set)
{
    struct sowlv2_prompt_options options = sowlv2_prompt_options_default();
    struct expected_prompts texts;
    sowlv2_prompts *prompts = NULL;

    options.prompt_template = "{}"; /* the goldens' texts are whole */
    expected_prompts(expected, set, &texts);
    check(sowlv2_prompts_encode(detector, texts.items, texts.count, &options, &prompts));
    expected_prompts_free(&texts);
    assert_non_null(prompts);
    return prompts;
}

static struct sowlv2_detect_options set_options(const struct expected *expected, const char *set, const char *stage)
{
    struct sowlv2_detect_options options = sowlv2_detect_options_default();

    options.threshold = expected_value(expected_tensor(expected, "%s.threshold", set));
    options.clip = stage[0] != '\0';
    if (strcmp(stage, ".nms") == 0)
        options.nms_iou = expected_value(expected_tensor(expected, "%s.nms_iou", set));
    return options;
}

static void test_tokenize(void **state)
{
    (void)state;
    for (int i = 0; i < expected_case_count; i++) {
        struct expected expected;
        expected_open(expected_cases[i], &expected);
        sowlv2_detector *detector = open_detector(expected.folder);
        const struct host_tensor *golden = expected_tensor(&expected, "many.ids");
        struct expected_prompts texts;
        int length = sowlv2_detector_text_length(detector);
        int32_t *ids = malloc(sizeof(*ids) * (size_t)length);
        struct sowlv2_model_options options = sowlv2_model_options_default();
        sowlv2_tokenizer *tokenizer = NULL;

        assert_non_null(ids);
        options.model = expected.folder;
        check(sowlv2_tokenizer_open(&options, &tokenizer));
        assert_int_equal(sowlv2_tokenizer_length(tokenizer), length);
        expected_prompts(&expected, "many", &texts);
        assert_int_equal(length, golden->dim[1]);
        for (size_t p = 0; p < texts.count; p++) {
            check(sowlv2_detector_tokenize(detector, texts.items[p], ids));
            for (int t = 0; t < length; t++)
                assert_int_equal(ids[t], expected_i32(golden, (int64_t)p * length + t));
            memset(ids, 0, sizeof(*ids) * (size_t)length);
            check(sowlv2_tokenizer_encode(tokenizer, texts.items[p], ids));
            for (int t = 0; t < length; t++)
                assert_int_equal(ids[t], expected_i32(golden, (int64_t)p * length + t));
        }
        sowlv2_tokenizer_free(&tokenizer);
        assert_null(tokenizer);
        expected_prompts_free(&texts);
        free(ids);
        sowlv2_detector_free(&detector);
        assert_null(detector);
        expected_close(&expected);
    }
}

static void detect_images(sowlv2_detect_session *session, const sowlv2_prompts *prompts,
                          const struct expected *expected, const char *set, const char *stage)
{
    struct sowlv2_detect_options options = set_options(expected, set, stage);

    for (int index = 0; index < expected->images; index++) {
        struct sowlv2_image image = expected_image(expected, index);
        struct sowlv2_detections found = {0};
        int64_t all = host_tensor_count(expected_tensor(expected, "%s.image.%d.scores", set, index));
        int64_t kept = host_tensor_count(expected_tensor(expected, "%s.image.%d.clipped.scores", set, index));

        check(sowlv2_detect(session, prompts, &image, 1, &options, &found));
        expected_compare_detections(expected, set, index, stage, &found);
        assert_int_equal(found.dropped, options.clip ? all - kept : 0);
        for (size_t i = 0; i < found.count; i++)
            assert_true(found.items[i].objectness == -1.0f);
        sowlv2_detections_free(&found);
        assert_null(found.items);
        assert_int_equal(found.count, 0);
    }
}

static void test_detect(void **state)
{
    static const char *const stages[] = {"", ".clipped", ".nms"};

    (void)state;
    for (int i = 0; i < expected_case_count; i++) {
        struct expected expected;
        expected_open(expected_cases[i], &expected);
        sowlv2_detector *detector = open_detector(expected.folder);
        sowlv2_detect_session *session = NULL;

        check(sowlv2_detect_session_create(detector, &session));
        for (int set = 0; set < 2; set++) {
            sowlv2_prompts *prompts = encode_set(detector, &expected, expected_sets[set]);
            for (int stage = 0; stage < 3; stage++)
                detect_images(session, prompts, &expected, expected_sets[set], stages[stage]);
            sowlv2_prompts_free(&prompts);
            assert_null(prompts);
        }
        sowlv2_detect_session_free(&session);
        sowlv2_detector_free(&detector);
        expected_close(&expected);
    }
}

/* N images as one batch give what N single ones give. */
static void test_batch(void **state)
{
    (void)state;
    for (int i = 0; i < expected_case_count; i++) {
        struct expected expected;
        expected_open(expected_cases[i], &expected);
        sowlv2_detector *detector = open_detector(expected.folder);
        sowlv2_prompts *prompts = encode_set(detector, &expected, "many");
        struct sowlv2_detect_options options = set_options(&expected, "many", ".clipped");
        struct sowlv2_image images[8];
        struct sowlv2_detections found[8];
        sowlv2_detect_session *session = NULL;

        assert_in_range(expected.images, 3, 8);
        check(sowlv2_detect_session_create(detector, &session));
        for (int index = 0; index < expected.images; index++)
            images[index] = expected_image(&expected, index);
        for (int first = 0; first < expected.images - 1; first++) {
            int count = expected.images - first;
            check(sowlv2_detect(session, prompts, images + first, (size_t)count, &options, found));
            for (int index = 0; index < count; index++) {
                expected_compare_detections(&expected, "many", first + index, ".clipped", &found[index]);
                sowlv2_detections_free(&found[index]);
            }
        }
        sowlv2_detect_session_free(&session);
        sowlv2_prompts_free(&prompts);
        sowlv2_detector_free(&detector);
        expected_close(&expected);
    }
}

/* Objectness of each box is the sigmoid of its patch's logit. */
/* Each image of a batch with prompts of its own, against the reference and against single calls. */
static void test_image_prompts(void **state)
{
    (void)state;
    for (int i = 0; i < expected_case_count; i++) {
        struct expected expected;
        expected_open(expected_cases[i], &expected);
        sowlv2_detector *detector = open_detector(expected.folder);
        sowlv2_prompts *sets[2];
        const sowlv2_prompts *asked[8];
        struct sowlv2_image images[8];
        sowlv2_detect_session *session = NULL;
        const size_t count = (size_t)expected.images;

        check(sowlv2_detect_session_create(detector, &session));
        assert_in_range(count, 2, 8);
        for (int set = 0; set < 2; set++)
            sets[set] = encode_set(detector, &expected, expected_sets[set]);
        for (size_t k = 0; k < count; k++) {
            images[k] = expected_image(&expected, (int)k);
            asked[k] = sets[k % 3 == 1]; /* some neighbours have the same ones */
        }
        for (int set = 0; set < 2; set++) {
            struct sowlv2_detect_options options = set_options(&expected, expected_sets[set], ".clipped");
            struct sowlv2_detections found[8] = {0}, single = {0};

            options.image_prompts = asked;
            options.objectness = true;
            check(sowlv2_detect(session, NULL, images, count, &options, found));
            options.image_prompts = NULL;
            for (size_t k = 0; k < count; k++) {
                if (asked[k] == sets[set])
                    expected_compare_detections(&expected, expected_sets[set], (int)k, ".clipped", &found[k]);
                check(sowlv2_detect(session, asked[k], &images[k], 1, &options, &single));
                assert_int_equal(found[k].count, single.count);
                for (size_t j = 0; j < single.count; j++) {
                    assert_int_equal(found[k].items[j].prompt, single.items[j].prompt);
                    assert_true(fabsf(found[k].items[j].score - single.items[j].score) <= 1e-5f);
                    assert_true(fabsf(found[k].items[j].objectness - single.items[j].objectness) <= 1e-5f);
                    for (int side = 0; side < 4; side++)
                        assert_true(fabsf(found[k].items[j].box[side] - single.items[j].box[side]) <= 1e-2f);
                }
                sowlv2_detections_free(&single);
                sowlv2_detections_free(&found[k]);
            }
            asked[count - 1] = NULL;
            options.image_prompts = asked;
            assert_int_equal(sowlv2_detect(session, sets[0], images, count, &options, found), SOWLV2_ERROR_ARGUMENT);
            assert_non_null(strstr(sowlv2_error_message(), "has no prompts"));
            asked[count - 1] = sets[(count - 1) % 3 == 1];
        }
        for (int set = 0; set < 2; set++)
            sowlv2_prompts_free(&sets[set]);
        sowlv2_detect_session_free(&session);
        sowlv2_detector_free(&detector);
        expected_close(&expected);
    }
}

static float iou_of(const float *a, const float *b)
{
    const float width = fminf(a[2], b[2]) - fmaxf(a[0], b[0]), height = fminf(a[3], b[3]) - fmaxf(a[1], b[1]);
    const float shared = width > 0 && height > 0 ? width * height : 0;

    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared);
}

/* What each prompt says at a place is what it says alone, at all boxes that overlap it, found or not. */
static void test_scores(void **state)
{
    struct expected expected;
    struct sowlv2_detect_options all = sowlv2_detect_options_default(), few = all;
    struct sowlv2_prompt_options plain = sowlv2_prompt_options_default();
    struct expected_prompts texts;
    struct sowlv2_image images[2];
    struct sowlv2_detections joint[2] = {0};
    sowlv2_detect_session *session = NULL, *alone = NULL;
    int64_t over = 0;

    (void)state;
    expected_open(expected_cases[0], &expected);
    sowlv2_detector *detector = open_detector(expected.folder);
    sowlv2_prompts *prompts = encode_set(detector, &expected, expected_sets[0]);

    expected_prompts(&expected, expected_sets[0], &texts);
    check(sowlv2_detect_session_create(detector, &session));
    check(sowlv2_detect_session_create(detector, &alone));
    for (int k = 0; k < 2; k++)
        images[k] = expected_image(&expected, k);
    all.threshold = -1;
    all.clip = false;
    few.threshold = 1; /* nothing is found, and all is there to be asked for */
    plain.prompt_template = "{}";
    check(sowlv2_detect(alone, prompts, images, 2, &all, joint));
    check(sowlv2_detect(session, prompts, images, 2, &few, (struct sowlv2_detections[2]){{0}}));
    for (size_t p = 0; p < texts.count; p++) {
        struct sowlv2_detections single = {0};
        sowlv2_prompts *one = NULL;

        check(sowlv2_prompts_encode(detector, &texts.items[p], 1, &plain, &one));
        check(sowlv2_detect(alone, one, &images[1], 1, &all, &single));
        for (size_t i = 0; i < joint[1].count; i += 3) {
            const float *const box = joint[1].items[i].box;
            float scores[16], best = 0;

            assert_true(texts.count <= 16);
            check(sowlv2_detect_scores(session, 1, box, 0.5f, scores, texts.count));
            for (size_t k = 0; k < single.count; k++)
                if (iou_of(single.items[k].box, box) >= 0.5f)
                    best = fmaxf(best, single.items[k].score);
            if (fabsf(scores[p] - best) > 1e-4f)
                fail_msg("prompt %zu at box %zu: %g, not %g", p, i, (double)scores[p], (double)best);
            over += best > 0;
        }
        sowlv2_detections_free(&single);
        sowlv2_prompts_free(&one);
    }
    assert_true(over > 0);

    float scores[16];
    const float box[] = {0, 0, 5, 5}, wrong[] = {0, 0, NAN, 5};

    assert_int_equal(sowlv2_detect_scores(session, 2, box, 0.5f, scores, texts.count), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_detect_scores(session, 0, box, 0.5f, scores, texts.count + 1), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_detect_scores(session, 0, wrong, 0.5f, scores, texts.count), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_detect_scores(session, 0, box, 1.5f, scores, texts.count), SOWLV2_ERROR_ARGUMENT);
    for (int k = 0; k < 2; k++)
        sowlv2_detections_free(&joint[k]);
    expected_prompts_free(&texts);
    sowlv2_prompts_free(&prompts);
    sowlv2_detect_session_free(&session);
    sowlv2_detect_session_free(&alone);
    sowlv2_detector_free(&detector);
    expected_close(&expected);
}

static void test_objectness(void **state)
{
    struct expected expected;
    sowlv2_detect_session *session = NULL;

    (void)state;
    expected_open("owlv2_tiny", &expected);
    sowlv2_detector *detector = open_detector(expected.folder);
    sowlv2_prompts *prompts = encode_set(detector, &expected, "many");
    struct sowlv2_detect_options options = set_options(&expected, "many", "");
    options.objectness = true;
    check(sowlv2_detect_session_create(detector, &session));
    for (int index = 0; index < expected.images; index++) {
        const struct host_tensor *logits = expected_tensor(&expected, "many.image.%d.logits", index);
        const struct host_tensor *objectness = expected_tensor(&expected, "image.%d.objectness", index);
        struct sowlv2_image image = expected_image(&expected, index);
        struct sowlv2_detections found;
        size_t next = 0;

        check(sowlv2_detect(session, prompts, &image, 1, &options, &found));
        expected_compare_detections(&expected, "many", index, "", &found);
        for (int64_t patch = 0; patch < logits->dim[0]; patch++) {
            double best = -INFINITY;
            for (int64_t q = 0; q < logits->dim[1]; q++)
                best = fmax(best, expected_f32(logits, patch * logits->dim[1] + q));
            if (!(1 / (1 + exp(-best)) > options.threshold))
                continue;
            double value = 1 / (1 + exp(-(double)expected_f32(objectness, patch)));
            assert_true(next < found.count);
            assert_true(fabs(found.items[next].objectness - value) <= TOLERANCE);
            next++;
        }
        assert_int_equal(next, found.count);
        sowlv2_detections_free(&found);
    }
    sowlv2_detect_session_free(&session);
    sowlv2_prompts_free(&prompts);
    sowlv2_detector_free(&detector);
    expected_close(&expected);
}

/* A bare prompt gets "a photo of " before it, unless told otherwise; rows of an image may lie apart. */
static void test_template_and_stride(void **state)
{
    struct expected expected;
    const char *const text = "a cat";
    struct sowlv2_prompt_options other = sowlv2_prompt_options_default();
    sowlv2_prompts *prompts[3] = {NULL};
    sowlv2_detect_session *session = NULL;

    (void)state;
    expected_open("owlv2_tiny", &expected);
    sowlv2_detector *detector = open_detector(expected.folder);
    struct sowlv2_detect_options options = set_options(&expected, "one", "");
    struct sowlv2_image image = expected_image(&expected, 0);
    size_t row = 3 * (size_t)image.width;
    uint8_t *apart = calloc((size_t)image.height, row + 5);

    assert_non_null(apart);
    for (int y = 0; y < image.height; y++)
        memcpy(apart + (row + 5) * (size_t)y, image.pixels + row * (size_t)y, row);
    image.pixels = apart;
    image.stride = row + 5;
    other.prompt_template = "a photo of a {}";
    const char *const bare = "cat";
    check(sowlv2_prompts_encode(detector, &text, 1, NULL, &prompts[0]));
    check(sowlv2_prompts_encode(detector, &bare, 1, &other, &prompts[1]));
    other = sowlv2_prompt_options_default();
    check(sowlv2_prompts_encode(detector, &text, 1, &other, &prompts[2]));
    check(sowlv2_detect_session_create(detector, &session));
    for (int i = 0; i < 3; i++) {
        struct sowlv2_detections found;
        check(sowlv2_detect(session, prompts[i], &image, 1, &options, &found));
        expected_compare_detections(&expected, "one", 0, "", &found);
        sowlv2_detections_free(&found);
        sowlv2_prompts_free(&prompts[i]);
    }
    free(apart);
    sowlv2_detect_session_free(&session);
    sowlv2_detector_free(&detector);
    expected_close(&expected);
}

/* Each part of a run may be cancelled; what was found so far is dropped. */
struct cancel {
    int calls, stop_at, total;
};

static bool cancel_progress(int done, int total, void *user_data)
{
    struct cancel *cancel = user_data;

    assert_in_range(done, 0, total);
    cancel->total = total;
    return ++cancel->calls != cancel->stop_at;
}

static void test_cancel(void **state)
{
    struct expected expected;
    sowlv2_detect_session *session = NULL;
    struct sowlv2_detections found;
    struct cancel cancel = {0, -1, 0};

    (void)state;
    expected_open("owlv2_tiny", &expected);
    sowlv2_detector *detector = open_detector(expected.folder);
    sowlv2_prompts *prompts = encode_set(detector, &expected, "one");
    struct sowlv2_detect_options options = set_options(&expected, "one", "");
    struct sowlv2_image image = expected_image(&expected, 0);
    options.progress = cancel_progress;
    options.progress_user_data = &cancel;
    check(sowlv2_detect_session_create(detector, &session));
    check(sowlv2_detect(session, prompts, &image, 1, &options, &found));
    expected_compare_detections(&expected, "one", 0, "", &found);
    sowlv2_detections_free(&found);
    assert_true(cancel.calls >= 1 && cancel.total >= 1);
    int calls = cancel.calls;
    for (int stop = 1; stop <= calls; stop++) {
        cancel = (struct cancel){0, stop, 0};
        assert_int_equal(sowlv2_detect(session, prompts, &image, 1, &options, &found), SOWLV2_ERROR_CANCELLED);
        assert_int_equal(cancel.calls, stop);
        assert_true(strlen(sowlv2_error_message()) > 0);
    }
    options.progress = NULL; /* the session is as good as before */
    check(sowlv2_detect(session, prompts, &image, 1, &options, &found));
    expected_compare_detections(&expected, "one", 0, "", &found);
    sowlv2_detections_free(&found);
    sowlv2_detect_session_free(&session);
    sowlv2_prompts_free(&prompts);
    sowlv2_detector_free(&detector);
    expected_close(&expected);
}

static void test_arguments(void **state)
{
    struct expected expected;
    sowlv2_detect_session *session = NULL;
    sowlv2_prompts *none = NULL;
    struct sowlv2_detections found = {0};
    const char *const text = "cat";

    (void)state;
    expected_open("owlv2_tiny", &expected);
    sowlv2_detector *detector = open_detector(expected.folder);
    sowlv2_prompts *prompts = encode_set(detector, &expected, "one");
    struct sowlv2_image image = expected_image(&expected, 0), wrong;

    assert_int_equal(sowlv2_detector_image_size(detector), 64);
    check(sowlv2_detect_session_create(detector, &session));
    assert_int_equal(sowlv2_prompts_encode(detector, &text, 0, NULL, &none), SOWLV2_ERROR_ARGUMENT);
    assert_null(none);
    wrong = image;
    wrong.width = 0;
    assert_int_equal(sowlv2_detect(session, prompts, &wrong, 1, NULL, &found), SOWLV2_ERROR_ARGUMENT);
    wrong = image;
    wrong.height = -5;
    assert_int_equal(sowlv2_detect(session, prompts, &wrong, 1, NULL, &found), SOWLV2_ERROR_ARGUMENT);
    wrong = image;
    wrong.pixels = NULL;
    assert_int_equal(sowlv2_detect(session, prompts, &wrong, 1, NULL, &found), SOWLV2_ERROR_ARGUMENT);
    wrong = image;
    wrong.stride = 3 * (size_t)image.width - 1;
    assert_int_equal(sowlv2_detect(session, prompts, &wrong, 1, NULL, &found), SOWLV2_ERROR_ARGUMENT);
    struct sowlv2_detect_options options = sowlv2_detect_options_default();
    options.threshold = NAN;
    assert_int_equal(sowlv2_detect(session, prompts, &image, 1, &options, &found), SOWLV2_ERROR_ARGUMENT);
    const struct sowlv2_prompt_options no_slot = {.prompt_template = "a photo"};
    assert_int_equal(sowlv2_prompts_encode(detector, &text, 1, &no_slot, &none), SOWLV2_ERROR_ARGUMENT);
    assert_null(none);
    /* After the mistakes a correct call still works. */
    check(sowlv2_detect(session, prompts, &image, 1, NULL, &found));
    sowlv2_detections_free(&found);
    sowlv2_detections_free(&found);
    sowlv2_detections_free(NULL);
    sowlv2_detect_session_free(&session);
    sowlv2_detect_session_free(&session);
    sowlv2_prompts_free(&prompts);
    sowlv2_detector_free(&detector);
    sowlv2_detector_free(NULL);
    expected_close(&expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokenize),
        cmocka_unit_test(test_detect),
        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_image_prompts),
        cmocka_unit_test(test_scores),
        cmocka_unit_test(test_objectness),
        cmocka_unit_test(test_template_and_stride),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_arguments),
    };

    if (expected_level_missing())
        return TEST_SKIPPED;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
