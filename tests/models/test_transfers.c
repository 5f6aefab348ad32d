/* What the passes of the models hand to the device and fetch from it, and how often they wait for it. Counted by a set
 * that wraps another; that what is fetched this late is right is what the goldens' tests show on the same set. */
#include "expected.h"
#include "model_device.h"
#include "sam2_case.h"

#include "engine/segmenter_parts.h"
#include "engine/tracking.h"
#include "models/owlv2/owlv2.h"
#include "models/vjepa2/vjepa2.h"
#include "ops/late_set.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What each pass does. */
static const struct {
    const char *pass;
    struct transfers wanted;
} table[] = {
    {"OWLv2: 5 prompts", {2, 0, 1}},
    {"OWLv2: an image", {5, 3, 1}},
    {"OWLv2: 3 images", {15, 3, 1}},
    {"segmenter: an image encoded", {5, 0, 0}},
    {"segmenter: a box", {6, 3, 1}},
    {"segmenter: 3 boxes", {6, 3, 1}},
    {"segmenter: 3 boxes, refined", {8, 3, 1}},
    {"segmenter: 2 masks", {8, 3, 1}},
    {"tracking: 1 box given", {8, 4, 1}},
    {"tracking: 1 object followed", {9, 4, 1}},
    {"tracking: 4 boxes given", {8, 4, 1}},
    {"tracking: 4 objects followed", {9, 4, 1}},
    {"tracking: 1 mask given", {18, 4, 1}},
    {"V-JEPA 2: a frame prepared", {5, 0, 0}},
    {"V-JEPA 2: another of its size", {1, 0, 0}},
    {"V-JEPA 2: a clip of 4 frames that were prepared", {0, 0, 1}},
    {"V-JEPA 2: a clip of 4 frames", {8, 0, 1}},
    {"V-JEPA 2: 2 clips, classified", {16, 3, 1}},
    {"V-JEPA 2: all predicted from all", {1, 1, 1}},
    {"V-JEPA 2: some predicted from some", {2, 1, 1}},
};
enum { PASSES = sizeof(table) / sizeof(table[0]) };

static bool counted[PASSES];
static int different;

/* What `compute` did since the last pass, beside what it should. */
static void count_pass(struct compute *compute, const char *pass)
{
    const struct transfers found = late_take_transfers(compute);
    for (int i = 0; i < PASSES; i++) {
        if (strcmp(table[i].pass, pass) != 0)
            continue;
        const struct transfers *const wanted = &table[i].wanted;
        const bool same =
            found.uploads == wanted->uploads && found.downloads == wanted->downloads && found.waits == wanted->waits;
        printf("%-40s %3lld uploads %3lld downloads %3lld waits", pass, (long long)found.uploads,
               (long long)found.downloads, (long long)found.waits);
        if (!same) {
            printf("   WANTED %lld, %lld, %lld", (long long)wanted->uploads, (long long)wanted->downloads,
                   (long long)wanted->waits);
        }
        printf("\n");
        counted[i] = true;
        different += !same;
        return;
    }
    fail_msg("%s is not in the table", pass);
}

/* The set itself: what is fetched is not there before the wait, and is what the tensor held when it was asked for. */
static void test_late(void **state)
{
    (void)state;
    const float values[] = {1.0F, 2.0F};
    float found[] = {0.0F, 0.0F};
    struct device *device;
    struct compute *compute;
    sam2_check(model_device_open(&device));
    sam2_check(compute_create(device, &compute));
    compute_begin(compute);
    const struct tensor x = op_upload(compute, DTYPE_F32, 1, (int64_t[]){2}, values);
    op_download(compute, x, found);
    assert_true(isnan(found[0]) && isnan(found[1]));
    op_fill(compute, 3.0F, tensor_slice(x, 0, 1, 1));
    sam2_check(compute_finish(compute));
    assert_true(found[0] == 1.0F && found[1] == 2.0F);
    const struct transfers transfers = late_take_transfers(compute);
    assert_true(transfers.uploads == 1 && transfers.downloads == 1 && transfers.waits == 1);
    compute_free(&compute);
    device_close(&device);
}

static void test_owlv2(void **state)
{
    (void)state;
    enum { IMAGES = 3 };
    struct expected expected;
    struct device *device;
    struct compute *compute;
    struct owlv2 *model;
    expected_open("owlv2_tiny", &expected);
    sam2_check(model_device_open(&device));
    sam2_check(compute_create(device, &compute));
    sam2_check(owlv2_open(expected.folder, device, &model));
    const struct owlv2_config *const config = owlv2_get_config(model);
    const struct host_tensor *const ids = expected_tensor(&expected, "many.ids");
    const int64_t count = ids->dim[0], patches = config->grid * config->grid;
    int32_t *const values = malloc(ids->bytes);
    assert_non_null(values);
    memcpy(values, ids->data, ids->bytes);
    struct owlv2_queries queries;
    sam2_check(owlv2_encode_text(model, compute, values, count, NULL, &queries));
    count_pass(compute, "OWLv2: 5 prompts");

    float *const logits = sam2_floats(IMAGES * patches * count), *const boxes = sam2_floats(IMAGES * patches * 4);
    float *const objectness = sam2_floats(IMAGES * patches);
    const struct detector_output out = {logits, boxes, objectness};
    struct sowlv2_image images[IMAGES];
    const void *same[IMAGES];
    for (int i = 0; i < IMAGES; i++) {
        same[i] = &queries;
        const struct sowlv2_image image = expected_image(&expected, i);
        images[i] = (struct sowlv2_image){image.pixels, image.width, image.height, 3 * (size_t)image.width};
    }
    sam2_check(owlv2_detect(model, compute, images, 1, (const void *[]){&queries}, NULL, NULL, &out));
    count_pass(compute, "OWLv2: an image");
    sam2_check(owlv2_detect(model, compute, images, IMAGES, same, NULL, NULL, &out));
    count_pass(compute, "OWLv2: 3 images");
    owlv2_queries_free(model, &queries);
    free(values);
    free(logits);
    free(boxes);
    free(objectness);
    owlv2_free(&model);
    compute_free(&compute);
    device_close(&device);
    expected_close(&expected);
}

static int take_mask(int64_t index, const struct segment_result *result, void *user_data)
{
    (void)index;
    assert_true(isfinite(result->iou) && isfinite(result->object_score));
    *(int64_t *)user_data += 1;
    return 0;
}

/* The first `count` prompts of a set, the best of several masks each, at the image's size. */
static void segment(const struct sam2_case *test, struct segment_session *session, const char *set, int64_t count,
                    bool refine, const char *pass)
{
    struct sam2_case_prompts prompts;
    sam2_case_prompts(test, set, &prompts);
    assert_true(prompts.count >= count);
    const struct segment_request request = {
        .prompts = prompts.prompts, .count = count, .multimask = true, .refine = refine};
    int64_t taken = 0;
    sam2_check(segment_session_run(session, &request, NULL, take_mask, &taken));
    assert_int_equal(taken, count);
    count_pass(session->compute, pass);
    sam2_case_prompts_free(&prompts);
}

static void test_segmenter(void **state)
{
    (void)state;
    struct sam2_case test;
    struct segmenter *segmenter;
    struct segment_session *session;
    sam2_case_open("sam2_tiny", &test);
    sam2_check(segmenter_open(test.folder, test.device, &segmenter));
    sam2_check(segment_session_create(segmenter, &session));
    const struct sowlv2_image image = sam2_case_image(&test, 0);
    sam2_check(segment_session_encode(session, &image, NULL));
    count_pass(session->compute, "segmenter: an image encoded");
    segment(&test, session, "boxes.0", 1, false, "segmenter: a box");
    segment(&test, session, "boxes.0", 3, false, "segmenter: 3 boxes");
    segment(&test, session, "boxes.0", 3, true, "segmenter: 3 boxes, refined");
    segment(&test, session, "masks.0", 2, false, "segmenter: 2 masks");
    segment_session_free(&session);
    segmenter_free(&segmenter);
    sam2_case_close(&test);
}

static int take_track(const struct tracking_result *result, void *user_data)
{
    assert_true(isfinite(result->iou) && isfinite(result->object_score) && isfinite(result->pointer[0]));
    *(int64_t *)user_data += 1;
    return 0;
}

static struct sowlv2_image first_frame(const struct sam2_case *test)
{
    const struct host_tensor *const frames = sam2_golden(test, "frames");
    return (struct sowlv2_image){.pixels = frames->data,
                                 .width = (int)frames->dim[2],
                                 .height = (int)frames->dim[1],
                                 .stride = (size_t)frames->dim[2] * 3};
}

/* One frame, encoded before, and the encoding of the next; `pass` NULL: not counted. */
static void track(const struct sam2_case *test, struct tracking *tracking, int64_t frame, int64_t objects,
                  const char *pass)
{
    struct compute *const compute = tracking_session(tracking)->compute;
    late_take_transfers(compute);
    int64_t taken = 0;
    sam2_check(tracking_run(tracking, false, false, NULL, take_track, &taken));
    assert_int_equal(taken, objects);
    if (pass)
        count_pass(compute, pass);
    const struct sowlv2_image image = first_frame(test);
    sam2_check(tracking_set_frame(tracking, frame + 1, &image, NULL));
}

static void follow(const struct sam2_case *test, struct segmenter *segmenter, const struct sowlv2_track_prompt *prompt,
                   int64_t objects, const char *prompted, const char *tracked)
{
    enum { MEMORY = 3 }; /* frames behind the counted one */
    const struct tracking_options options = {.separate = true, .rules = {.hole_area = 1, .sprinkle_area = 1}};
    struct tracking *tracking;
    sam2_check(tracking_create(segmenter, &options, &tracking));
    const struct sowlv2_image image = first_frame(test);
    /* Twice: the first pass of a compute finds how much scratch it takes, and the next one waits to gather it. */
    for (int i = 0; i < 2; i++)
        sam2_check(tracking_set_frame(tracking, 0, &image, NULL));
    for (int64_t i = 0; i < objects; i++)
        sam2_check(tracking_prompt(tracking, i, prompt));
    for (int64_t frame = 0; frame <= MEMORY; frame++)
        track(test, tracking, frame, objects, frame == 0 ? prompted : frame == MEMORY ? tracked : NULL);
    tracking_free(&tracking);
}

static void test_tracking(void **state)
{
    (void)state;
    static const float box[] = {8.0F, 9.0F, 30.0F, 25.0F};
    static const uint8_t mask[] = {0, 1, 1, 0, 0, 1};
    const struct sowlv2_track_prompt boxed = {.box = box}, masked = {.mask = mask, .mask_width = 3, .mask_height = 2};
    struct sam2_case test;
    struct segmenter *segmenter;
    sam2_case_open("sam2_video_tiny", &test);
    sam2_check(segmenter_open(test.folder, test.device, &segmenter));
    follow(&test, segmenter, &boxed, 1, "tracking: 1 box given", "tracking: 1 object followed");
    follow(&test, segmenter, &boxed, 4, "tracking: 4 boxes given", "tracking: 4 objects followed");
    follow(&test, segmenter, &masked, 1, "tracking: 1 mask given", NULL);
    segmenter_free(&segmenter);
    sam2_case_close(&test);
}

/* A V-JEPA 2 model with frames of one size, all of them grey. */
struct vjepa2_fixture {
    struct device *device;
    struct compute *compute;
    struct vjepa2 *model;
    uint8_t *pixels;
    struct sowlv2_image frames[8];
};

static void open_vjepa2(const char *name, struct vjepa2_fixture *fixture)
{
    enum { WIDTH = 40, HEIGHT = 31 };
    char path[4200];
    snprintf(path, sizeof(path), "%s/models/data/%s", TEST_DATA, name);
    sam2_check(model_device_open(&fixture->device));
    sam2_check(compute_create(fixture->device, &fixture->compute));
    sam2_check(vjepa2_open(path, fixture->device, &fixture->model));
    fixture->pixels = calloc(3 * WIDTH, HEIGHT);
    assert_non_null(fixture->pixels);
    for (int i = 0; i < 8; i++)
        fixture->frames[i] = (struct sowlv2_image){fixture->pixels, WIDTH, HEIGHT, 3 * WIDTH};
}

static void close_vjepa2(struct vjepa2_fixture *fixture)
{
    vjepa2_free(&fixture->model);
    compute_free(&fixture->compute);
    device_close(&fixture->device);
    free(fixture->pixels);
}

static void test_vjepa2(void **state)
{
    (void)state;
    enum { FRAMES = 4 };
    struct vjepa2_fixture f;
    open_vjepa2("vjepa2_tiny", &f);
    const struct vjepa2_config *config = vjepa2_get_config(f.model);
    const int64_t tokens = vjepa2_tokens(config, FRAMES);
    float *const predicted = sam2_floats(tokens * config->encoder.width);
    struct tensor kept, prepared;
    struct frame_resize resize = {0};
    sam2_check(DEVICE_TENSOR_CREATE(f.device, DTYPE_F32, &kept, 1, tokens, config->encoder.width));
    const struct scorer_output out = {.kept = &kept};
    sam2_check(DEVICE_TENSOR_CREATE(f.device, DTYPE_F32, &prepared, FRAMES, config->crop_size, config->crop_size, 3));
    for (int i = 0; i < FRAMES; i++) {
        sam2_check(vjepa2_prepare(f.model, f.compute, &f.frames[i], SCORER_CENTRE, &resize, tensor_at(prepared, i)));
        if (i == 0)
            count_pass(f.compute, "V-JEPA 2: a frame prepared");
        if (i == 1)
            late_take_transfers(f.compute); /* gathers the scratch of the first: see follow() */
        if (i == 2)
            count_pass(f.compute, "V-JEPA 2: another of its size");
    }
    late_take_transfers(f.compute);
    const struct scorer_clips ready = {.batch = 1, .count = FRAMES, .prepared = &prepared};
    sam2_check(vjepa2_encode(f.model, f.compute, &ready, NULL, NULL, &out));
    count_pass(f.compute, "V-JEPA 2: a clip of 4 frames that were prepared");
    frame_resize_free(f.device, &resize);
    device_tensor_free(f.device, &prepared);
    const struct scorer_clips clip = {.frames = f.frames, .batch = 1, .count = FRAMES, .view = SCORER_CENTRE};
    sam2_check(vjepa2_encode(f.model, f.compute, &clip, NULL, NULL, &out));
    count_pass(f.compute, "V-JEPA 2: a clip of 4 frames");
    sam2_check(vjepa2_predict(f.model, f.compute, kept, NULL, NULL, NULL, NULL, predicted));
    count_pass(f.compute, "V-JEPA 2: all predicted from all");
    static const int32_t ids[] = {0, 1, 2, 3};
    const struct scorer_positions context = {ids, 3}, target = {ids + 3, 1};
    sam2_check(vjepa2_predict(f.model, f.compute, kept, &context, &target, NULL, NULL, predicted));
    count_pass(f.compute, "V-JEPA 2: some predicted from some");
    device_tensor_free(f.device, &kept);
    free(predicted);
    close_vjepa2(&f);

    open_vjepa2("vjepa2_classifier", &f);
    config = vjepa2_get_config(f.model);
    const int64_t width = config->encoder.width, classified = vjepa2_tokens(config, FRAMES);
    sam2_check(DEVICE_TENSOR_CREATE(f.device, DTYPE_F32, &kept, 2, classified, width));
    float *const features = sam2_floats(2 * classified * width);
    float *const pooled = sam2_floats(2 * width), *const logits = sam2_floats(2 * config->label_count);
    const struct scorer_clips clips = {.frames = f.frames, .batch = 2, .count = FRAMES, .view = SCORER_CENTRE};
    const struct scorer_output all = {.features = features, .pooled = pooled, .logits = logits, .kept = &kept};
    sam2_check(vjepa2_encode(f.model, f.compute, &clips, NULL, NULL, &all));
    count_pass(f.compute, "V-JEPA 2: 2 clips, classified");
    device_tensor_free(f.device, &kept);
    free(features);
    free(pooled);
    free(logits);
    close_vjepa2(&f);
}

static void test_table(void **state)
{
    (void)state;
    for (int i = 0; i < PASSES; i++)
        if (!counted[i])
            fail_msg("%s: no pass was counted", table[i].pass);
    if (different > 0)
        fail_msg("%d passes differ from the table: see above", different);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_late),     cmocka_unit_test(test_owlv2),  cmocka_unit_test(test_segmenter),
        cmocka_unit_test(test_tracking), cmocka_unit_test(test_vjepa2), cmocka_unit_test(test_table),
    };
    if (expected_level_missing())
        return TEST_SKIPPED;
    setenv("SOWLV2_TEST_DEVICE", "late", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
