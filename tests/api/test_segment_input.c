/* What is wrong with what a caller gives the segmenter, and what is odd but right. */
#include "goldens.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static sowlv2_segmenter *segmenter;
static sowlv2_segment_session *session;

static int set_up(void **state)
{
    (void)state;
    segmenter = open_segmenter("sam2_tiny", 0);
    return sowlv2_segment_session_create(segmenter, &session);
}

static int tear_down(void **state)
{
    (void)state;
    sowlv2_segment_session_free(&session);
    sowlv2_segmenter_free(&segmenter);
    return 0;
}

/* A grey image with a lighter patch. */
static void set_image(int width, int height)
{
    uint8_t *pixels = malloc((size_t)width * (size_t)height * 3);

    assert_non_null(pixels);
    memset(pixels, 90, (size_t)width * (size_t)height * 3);
    memset(pixels, 200, (size_t)width * (size_t)height / 2 * 3);
    must(sowlv2_segment_set_image(session, &(struct sowlv2_image){pixels, width, height, 0}, NULL));
    free(pixels);
}

static void expect(const struct sowlv2_segment_prompt *prompt, const char *part)
{
    struct sowlv2_mask mask = {.runs = (uint32_t *)&mask}; /* must be left empty */
    int status = sowlv2_segment(session, prompt, 1, NULL, &mask);

    if (status != SOWLV2_ERROR_ARGUMENT || !strstr(sowlv2_error_message(), part))
        fail_msg("status %d, message %s", status, sowlv2_error_message());
}

static void expect_box(float x0, float y0, float x1, float y1, const char *part)
{
    const float box[4] = {x0, y0, x1, y1};

    expect(&(struct sowlv2_segment_prompt){.box = box}, part);
}

static void expect_point(float x, float y, int32_t label, const char *part)
{
    const float point[2] = {x, y};

    expect(&(struct sowlv2_segment_prompt){.points = point, .labels = &label, .point_count = 1}, part);
}

static void test_boxes(void **state)
{
    (void)state;
    set_image(40, 30);
    expect_box(NAN, 0, 10, 10, "not finite");
    expect_box(0, 0, 10, INFINITY, "not finite");
    expect_box(-1e30f, 0, 10, 10, "far outside");
    expect_box(10, 5, 5, 20, "empty or reversed");
    expect_box(5, 20, 10, 5, "empty or reversed");
    expect_box(5, 5, 5, 20, "empty or reversed");
    expect_box(5, 5, 20, 5, "empty or reversed");
    expect_box(40, 5, 50, 20, "outside of the image of 40 x 30");
    expect_box(5, 30, 10, 50, "outside");
    expect_box(-10, 5, 0, 20, "outside");
    expect_box(5, -10, 10, 0, "outside");
}

static void test_points(void **state)
{
    (void)state;
    set_image(40, 30);
    expect_point(-0.5f, 5, 1, "outside of the image");
    expect_point(5, 30.5f, 1, "outside of the image");
    expect_point(40, 5, 1, "outside of the image");
    expect_point(5, 30, 1, "outside of the image");
    expect_point(41, 5, 0, "outside of the image");
    expect_point(NAN, 5, 1, "outside of the image");
    expect_point(5, INFINITY, 1, "outside of the image");
    expect_point(5, 5, 2, "label 2");
    expect_point(5, 5, -1, "label -1");
    expect(&(struct sowlv2_segment_prompt){.point_count = 1}, "missing");
    expect(&(struct sowlv2_segment_prompt){.points = (float[]){1, 1}, .point_count = SIZE_MAX}, "too many");
}

static void test_logits(void **state)
{
    int side = sowlv2_segmenter_mask_side(segmenter);
    float *logits = calloc((size_t)side * (size_t)side, sizeof(*logits));
    struct sowlv2_segment_prompt prompt = {.logits = logits, .logits_side = side};
    struct sowlv2_mask mask;

    (void)state;
    assert_non_null(logits);
    set_image(40, 30);
    must(sowlv2_segment(session, &prompt, 1, NULL, &mask));
    sowlv2_masks_free(&mask, 1);
    prompt.logits_side = side / 2;
    expect(&prompt, "this model takes");
    prompt.logits_side = 0;
    expect(&prompt, "this model takes");
    prompt.logits_side = side;
    logits[side + 1] = NAN;
    expect(&prompt, "not finite");
    free(logits);
}

/* One bad prompt among good ones: nothing is kept. */
static void test_bad_among_good(void **state)
{
    const float good[4] = {1, 1, 20, 20}, bad[4] = {1, 1, 0, 20};
    struct sowlv2_segment_prompt prompts[3] = {{.box = good}, {.box = good}, {.box = bad}};
    struct sowlv2_mask masks[3];

    (void)state;
    set_image(40, 30);
    assert_int_equal(sowlv2_segment(session, prompts, 3, NULL, masks), SOWLV2_ERROR_ARGUMENT);
    assert_non_null(strstr(sowlv2_error_message(), "prompt 3: "));
    must(sowlv2_segment(session, prompts, 2, NULL, masks));
    sowlv2_masks_free(masks, 2);
}

static void test_images(void **state)
{
    const uint8_t pixels[12] = {0};
    const struct sowlv2_image bad[] = {{NULL, 2, 2, 0}, {pixels, 0, 2, 0}, {pixels, 2, -1, 0}, {pixels, 2, 2, 5}};
    const struct sowlv2_image huge = {pixels, 100000, 100000, 0};
    const float box[4] = {0, 0, 2, 2};
    const struct sowlv2_segment_prompt prompt = {.box = box};

    (void)state;
    expect(&prompt, "no image"); /* before any image */
    set_image(40, 30);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(sowlv2_segment_set_image(session, &bad[i], NULL), SOWLV2_ERROR_ARGUMENT);
    expect(&prompt, "no image"); /* the one before is gone */
    assert_int_equal(sowlv2_segment_set_image(session, &huge, NULL), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_segment_set_image(NULL, &bad[0], NULL), SOWLV2_ERROR_ARGUMENT);
}

/* The smallest image, very long ones, and a box around all of it and more. */
static void test_odd_sizes(void **state)
{
    static const int sizes[][2] = {{1, 1}, {20000, 10}, {10, 20000}, {1, 300}, {2, 1}};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        int width = sizes[i][0], height = sizes[i][1];
        const float box[4] = {-3, -2, (float)width + 5, (float)height + 0.5f}, point[2] = {(float)width - 0.5f, 0};
        const struct sowlv2_segment_prompt prompts[] = {{.box = box}, {.points = point, .point_count = 1}};
        struct sowlv2_mask masks[2];

        set_image(width, height);
        must(sowlv2_segment(session, prompts, 2, NULL, masks));
        for (int j = 0; j < 2; j++) {
            assert_int_equal(masks[j].width, width);
            assert_int_equal(masks[j].height, height);
            assert_true(masks[j].mask_score >= 0 && masks[j].mask_score <= 1);
            check_mask(&masks[j]);
        }
        sowlv2_masks_free(masks, 2);
    }
}

/* A stride that is not the row's size gives the same masks. */
static void test_stride(void **state)
{
    enum { WIDTH = 20, HEIGHT = 16, STRIDE = 71 };
    uint8_t dense[HEIGHT * WIDTH * 3], wide[HEIGHT * STRIDE];
    const float box[4] = {2, 2, 15, 12};
    const struct sowlv2_segment_prompt prompt = {.box = box};
    struct sowlv2_mask masks[2];

    (void)state;
    memset(wide, 255, sizeof(wide));
    for (int i = 0; i < HEIGHT * WIDTH * 3; i++) {
        dense[i] = (uint8_t)(i * 37);
        wide[i / (WIDTH * 3) * STRIDE + i % (WIDTH * 3)] = dense[i];
    }
    must(sowlv2_segment_set_image(session, &(struct sowlv2_image){dense, WIDTH, HEIGHT, 0}, NULL));
    must(sowlv2_segment(session, &prompt, 1, NULL, &masks[0]));
    must(sowlv2_segment_set_image(session, &(struct sowlv2_image){wide, WIDTH, HEIGHT, STRIDE}, NULL));
    must(sowlv2_segment(session, &prompt, 1, NULL, &masks[1]));
    assert_memory_equal(masks[0].pixels, masks[1].pixels, WIDTH * HEIGHT);
    sowlv2_masks_free(masks, 2);
}

struct steps {
    int calls, last, total, stop_at;
};

static bool count_steps(int done, int total, void *user_data)
{
    struct steps *steps = user_data;

    steps->calls++;
    assert_true(done >= steps->last && done <= total);
    steps->last = done;
    steps->total = total;
    return steps->calls != steps->stop_at;
}

/* Cancelling ends each of the two parts; a cancelled image is no image, a cancelled click leaves it. */
static void test_cancel(void **state)
{
    const uint8_t pixels[300] = {0};
    const struct sowlv2_image image = {pixels, 10, 10, 0};
    const float box[4] = {1, 1, 8, 8};
    struct sowlv2_segment_prompt prompts[40];
    struct sowlv2_mask masks[40];
    struct steps steps = {.stop_at = 2};
    struct sowlv2_segment_options options = sowlv2_segment_options_default();

    (void)state;
    for (int i = 0; i < 40; i++)
        prompts[i] = (struct sowlv2_segment_prompt){.box = box};
    options.progress = count_steps;
    options.progress_user_data = &steps;
    assert_int_equal(sowlv2_segment_set_image(session, &image, &options), SOWLV2_ERROR_CANCELLED);
    assert_int_equal(sowlv2_segment(session, prompts, 1, NULL, masks), SOWLV2_ERROR_ARGUMENT);
    steps = (struct steps){0};
    must(sowlv2_segment_set_image(session, &image, &options));
    assert_true(steps.calls > 2);
    steps = (struct steps){.stop_at = 2};
    assert_int_equal(sowlv2_segment(session, prompts, 40, &options, masks), SOWLV2_ERROR_CANCELLED);
    assert_int_equal(steps.total, 40);
    steps = (struct steps){0};
    options.refine = true;
    must(sowlv2_segment(session, prompts, 40, &options, masks));
    assert_int_equal(steps.total, 80);
    sowlv2_masks_free(masks, 40);
}

static void test_arguments(void **state)
{
    struct sowlv2_segment_options options = sowlv2_segment_options_default();
    struct sowlv2_model_options model = sowlv2_segmenter_options_default();
    const float box[4] = {0, 0, 2, 2};
    const struct sowlv2_segment_prompt prompt = {.box = box};
    struct sowlv2_mask mask;
    sowlv2_segmenter *none = NULL;
    sowlv2_segment_session *no_session = NULL;

    (void)state;
    set_image(40, 30);
    options.mask_threshold = NAN;
    assert_int_equal(sowlv2_segment(session, &prompt, 1, &options, &mask), SOWLV2_ERROR_ARGUMENT);
    options = sowlv2_segment_options_default();
    options.fill_holes = -1;
    assert_int_equal(sowlv2_segment(session, &prompt, 1, &options, &mask), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_segment(session, NULL, 1, NULL, &mask), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_segment(session, &prompt, 1, NULL, NULL), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_segment(NULL, &prompt, 1, NULL, &mask), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_segment_session_create(NULL, &no_session), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_segmenter_open(NULL, &none), SOWLV2_ERROR_ARGUMENT);
    assert_string_equal(model.model, "facebook/sam2.1-hiera-small");
    model.model = MODELS "owlv2_tiny";
    assert_int_equal(sowlv2_segmenter_open(&model, &none), SOWLV2_ERROR_MODEL);
    model.model = "/nonexistent/model";
    assert_int_equal(sowlv2_segmenter_open(&model, &none), SOWLV2_ERROR_MODEL);
    assert_non_null(strstr(sowlv2_error_message(), "/nonexistent/model"));
    model.model = MODELS "sam2_tiny";
    struct sowlv2_device_options device = sowlv2_device_options_default();
    device.device = "cuda:99";
    model.device_options = &device;
    assert_int_equal(sowlv2_segmenter_open(&model, &none), SOWLV2_ERROR_UNSUPPORTED);
    assert_null(none);
    sowlv2_segmenter_free(NULL);
    sowlv2_segment_session_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_boxes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_points, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_logits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_among_good, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_images, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_odd_sizes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stride, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_arguments, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
