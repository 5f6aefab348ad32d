/* The engine's detector: what it does with any model's detections, and how a run ends. That its results are the
 * reference's is what tests/models/test_detector.c shows through sowlv2.h. */
#include "engine/detector.h"

#include "engine/detections.h"
#include "models/expected.h"
#include "models/model_device.h"

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

static void test_clip(void **state)
{
    (void)state;
    struct detection list[] = {
        {.box = {-5, 2, 4, 30}, .place = 0}, {.box = {-5, 2, 0, 10}, .place = 1}, /* ends where the image begins */
        {.box = {3, 20, 8, 25}, .place = 2},                                      /* begins where it ends */
        {.box = {0, 0, 10, 20}, .place = 3}, {.box = {9, 19, 50, 60}, .place = 4},
    };
    static const float wanted[][4] = {{0, 2, 4, 20}, {0, 0, 10, 20}, {9, 19, 10, 20}};
    static const int64_t places[] = {0, 3, 4};
    assert_int_equal(detections_clip(list, 5, 10, 20), 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(list[i].place, places[i]);
        assert_memory_equal(list[i].box, wanted[i], sizeof(wanted[i]));
    }
    assert_int_equal(detections_clip(list, 0, 10, 20), 0);
}

struct fixture {
    struct expected expected;
    struct device *device;
    struct detector *detector, *other;
    struct detector_prompts *prompts, *foreign;
    const struct detector_prompts *asked[3]; /* `prompts` */
    struct detect_session *session;
    struct sowlv2_image images[3];
};

static int open_fixture(void **state)
{
    static const char *const texts[] = {"cat", "dog"};
    static struct fixture f;
    expected_open("owlv2_tiny", &f.expected);
    check(model_device_open(&f.device));
    check(detector_open(f.expected.folder, f.device, &f.detector));
    check(detector_open(f.expected.folder, f.device, &f.other));
    check(detector_prompts_encode(f.detector, texts, 2, "a photo of a {}", false, &f.prompts));
    check(detector_prompts_encode(f.other, texts, 2, "{}", false, &f.foreign));
    check(detect_session_create(f.detector, &f.session));
    for (int i = 0; i < 3; i++) {
        f.asked[i] = f.prompts;
        const struct sowlv2_image image = expected_image(&f.expected, i);
        f.images[i] = (struct sowlv2_image){image.pixels, image.width, image.height, 3 * (size_t)image.width};
    }
    *state = &f;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *f = *state;
    detect_session_free(&f->session);
    detector_prompts_free(&f->prompts);
    detector_prompts_free(&f->foreign);
    detector_free(&f->other);
    detector_free(&f->detector);
    device_close(&f->device);
    expected_close(&f->expected);
    return 0;
}

/* What came, and when to stop. */
struct taken {
    int64_t images, found, stop_at;
    bool objectness;
};

static int take(int64_t image, const struct detect_result *result, void *user_data)
{
    struct taken *const taken = user_data;
    assert_int_equal(image, taken->images);
    taken->images++;
    taken->found += result->count;
    for (int64_t i = 0; i < result->count; i++) {
        const struct detection *const item = &result->items[i];
        assert_true(i == 0 || item->place > item[-1].place);
        assert_in_range(item->prompt, 0, 1);
        assert_true(item->score > 0.0F && item->score < 1.0F);
        assert_true(taken->objectness ? item->objectness > 0.0F && item->objectness < 1.0F : item->objectness == -1.0F);
    }
    return image == taken->stop_at ? SOWLV2_ERROR_IO : 0;
}

static void test_run(void **state)
{
    struct fixture *const f = *state;
    struct detect_request request = {.images = f->images, .count = 3, .prompts = f->asked, .threshold = 0.0F};
    struct taken taken = {.stop_at = -1};
    check(detect_session_run(f->session, &request, NULL, take, &taken));
    assert_int_equal(taken.images, 3);
    assert_int_equal(taken.found, 3 * detector_info(f->detector)->places); /* every place, without a threshold */
    request.objectness = true;
    taken = (struct taken){.stop_at = -1, .objectness = true};
    check(detect_session_run(f->session, &request, NULL, take, &taken));
    request.threshold = 1.0F;
    taken = (struct taken){.stop_at = -1, .objectness = true};
    check(detect_session_run(f->session, &request, NULL, take, &taken));
    assert_true(taken.images == 3 && taken.found == 0);
    request.count = 0;
    taken = (struct taken){.stop_at = -1};
    check(detect_session_run(f->session, &request, NULL, take, &taken));
    assert_int_equal(taken.images, 0);
}

/* Whoever takes results may end the run, with an error of its own. */
static void test_stop(void **state)
{
    struct fixture *const f = *state;
    const struct detect_request request = {.images = f->images, .count = 3, .prompts = f->asked};
    struct taken taken = {.stop_at = 1};
    assert_int_equal(detect_session_run(f->session, &request, NULL, take, &taken), SOWLV2_ERROR_IO);
    assert_int_equal(taken.images, 2);
}

static void test_foreign_prompts(void **state)
{
    struct fixture *const f = *state;
    const struct detector_prompts *const asked[3] = {f->prompts, f->prompts, f->foreign};
    const struct detect_request request = {.images = f->images, .count = 3, .prompts = asked};
    struct taken taken = {.stop_at = -1};
    assert_int_equal(detect_session_run(f->session, &request, NULL, take, &taken), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(taken.images, 0);
    assert_non_null(strstr(sowlv2_error_message(), "another detector"));
}

static int notice_count;
static char last_notice[4096];

static void take_notice(enum sowlv2_log_level level, const char *line, void *user_data)
{
    (void)user_data;
    if (level != SOWLV2_LOG_NOTICE)
        return;
    notice_count++;
    snprintf(last_notice, sizeof(last_notice), "%s", line);
}

/* What is too long for the model is said once a list, however many they are. */
static void test_long_prompts_are_one_notice(void **state)
{
    static const char *const one[] = {"cat", "a b c d e f g h i j k l m n o p q r s t u v w x y z"};
    static const char *many[100];
    static char text[100][80];
    struct fixture *f = *state;
    struct detector_prompts *prompts;

    for (int i = 0; i < 100; i++) {
        snprintf(text[i], sizeof(text[i]), "number %d: a b c d e f g h i j k l m n o p q r s t u v w x", i);
        many[i] = text[i];
    }
    sowlv2_set_log(take_notice, NULL);
    check(detector_prompts_encode(f->detector, one, 2, "{}", false, &prompts));
    assert_int_equal(notice_count, 1);
    assert_non_null(strstr(last_notice, "prompt \"a b c d e f g h i j k l m n o p q r s t u v w x y z\": longer than"));
    detector_prompts_free(&prompts);
    check(detector_prompts_encode(f->detector, many, 100, "{}", false, &prompts));
    assert_int_equal(notice_count, 2);
    assert_non_null(strstr(last_notice, "100 prompts are longer than the model's"));
    assert_non_null(strstr(last_notice, "\"number 0: a"));
    assert_non_null(strstr(last_notice, "\"number 4: a"));
    assert_null(strstr(last_notice, "\"number 5: a"));
    detector_prompts_free(&prompts);
    sowlv2_set_log(NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clip),
        cmocka_unit_test(test_long_prompts_are_one_notice),
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_foreign_prompts),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
