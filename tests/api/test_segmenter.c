/* Masks of boxes, points and masks through the public API, against the reference; options; threads. */
#include "goldens.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const models[] = {"sam2_tiny", "sam2_fields", "sam2_topdown", "sam2_flat"};
enum { MODEL_COUNT = 4, MOST_MASKS = 16 };

/* A model, its goldens and a session. */
struct test {
    struct safetensors *file;
    sowlv2_segmenter *segmenter;
    sowlv2_segment_session *session;
    size_t area; /* of a low-resolution mask */
};

static struct test open_test(const char *model)
{
    struct test test = {0};
    char path[4096];

    snprintf(path, sizeof(path), "%s%s/expected.safetensors", MODELS, model);
    test.file = goldens_open(path);
    test.segmenter = open_segmenter(model, 0);
    must(sowlv2_segment_session_create(test.segmenter, &test.session));
    test.area = (size_t)sowlv2_segmenter_mask_side(test.segmenter);
    test.area *= test.area;
    return test;
}

static void close_test(struct test *test)
{
    sowlv2_segment_session_free(&test->session);
    sowlv2_segmenter_free(&test->segmenter);
    assert_null(test->segmenter);
    safetensors_close(&test->file);
}

static void set_image(struct test *test, int image)
{
    struct sowlv2_image view = golden_image(golden(test->file, "image.%d.pixels", image));

    must(sowlv2_segment_set_image(test->session, &view, NULL));
}

/* The prompts of a golden set. */
struct prompts {
    struct sowlv2_segment_prompt items[MOST_MASKS];
    size_t count;
    float *boxes, *points, *masks;
    int32_t *labels;
};

static struct prompts read_prompts(const struct test *test, const char *set)
{
    const struct host_tensor *boxes = goldens_find(test->file, "%s.prompts.boxes", set);
    const struct host_tensor *points = goldens_find(test->file, "%s.prompts.points", set);
    const struct host_tensor *masks = goldens_find(test->file, "%s.prompts.masks", set);
    int32_t *count = golden_integers(golden(test->file, "%s.count", set));
    struct prompts prompts = {.count = (size_t)*count};
    size_t per_prompt = points ? (size_t)points->dim[1] : 0;

    assert_in_range(prompts.count, 1, MOST_MASKS);
    prompts.boxes = boxes ? golden_floats(boxes) : NULL;
    prompts.points = points ? golden_floats(points) : NULL;
    prompts.labels = points ? golden_integers(golden(test->file, "%s.prompts.labels", set)) : NULL;
    prompts.masks = masks ? golden_floats(masks) : NULL;
    for (size_t i = 0; i < prompts.count; i++)
        prompts.items[i] = (struct sowlv2_segment_prompt){
            .box = boxes ? prompts.boxes + 4 * i : NULL,
            .points = points ? prompts.points + 2 * per_prompt * i : NULL,
            .labels = points ? prompts.labels + per_prompt * i : NULL,
            .point_count = per_prompt,
            .logits = masks ? prompts.masks + test->area * i : NULL,
            .logits_side = masks ? sowlv2_segmenter_mask_side(test->segmenter) : 0,
        };
    free(count);
    return prompts;
}

static void free_prompts(struct prompts *prompts)
{
    free(prompts->boxes);
    free(prompts->points);
    free(prompts->masks);
    free(prompts->labels);
}

/* One set without and with multimask, whose best the reference's IoUs tell. */
static void check_set(struct test *test, const char *set, bool multimask)
{
    const char *mode = multimask ? "multi" : "single";
    struct prompts prompts = read_prompts(test, set);
    const struct host_tensor *bits = multimask ? NULL : goldens_find(test->file, "%s.single.bits", set);
    const struct host_tensor *wanted = golden(test->file, "%s.%s.masks", set, mode);
    float *logits = golden_floats(wanted), *iou = golden_floats(golden(test->file, "%s.%s.iou", set, mode));
    float *object = golden_floats(golden(test->file, "%s.object", set));
    struct sowlv2_segment_options options = sowlv2_segment_options_default();
    struct sowlv2_mask masks[MOST_MASKS];
    size_t choices = (size_t)wanted->dim[1];

    options.multimask = multimask;
    must(sowlv2_segment(test->session, prompts.items, prompts.count, &options, masks));
    for (size_t i = 0; i < prompts.count; i++) {
        size_t best = 0;

        for (size_t j = 1; j < choices; j++)
            best = iou[i * choices + j] > iou[i * choices + best] ? j : best;
        assert_true(is_near(masks[i].mask_score, iou[i * choices + best]));
        assert_true(is_near(masks[i].object_score, object[i]));
        assert_int_equal((size_t)masks[i].logits_side * (size_t)masks[i].logits_side, test->area);
        for (size_t j = 0; j < test->area; j++)
            assert_true(is_near(masks[i].logits[j], logits[(i * choices + best) * test->area + j]));
        assert_non_null(masks[i].pixels);
        check_mask(&masks[i]);
        if (bits)
            check_bits(&masks[i], bits, i, logits + i * test->area);
    }
    sowlv2_masks_free(masks, prompts.count);
    free(logits);
    free(iou);
    free(object);
    free_prompts(&prompts);
}

static void test_parity(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_COUNT; i++) {
        struct test test = open_test(models[i]);

        set_image(&test, 0);
        check_set(&test, "boxes.0", false);
        check_set(&test, "boxes.0", true);
        check_set(&test, "point.0", false);
        check_set(&test, "point.0", true);
        check_set(&test, "masks.0", false);
        check_set(&test, "mask.0", true);
        set_image(&test, 1);
        check_set(&test, "boxes.1", false);
        close_test(&test);
    }
}

/* More prompts than are decoded at a time; without pixels and logits the runs stay. */
static void test_many(void **state)
{
    enum { MANY = 75 };
    struct test test = open_test("sam2_tiny");
    struct prompts prompts = read_prompts(&test, "boxes.0");
    struct sowlv2_segment_prompt all[MANY];
    struct sowlv2_segment_options options = sowlv2_segment_options_default();
    const struct host_tensor *bits = golden(test.file, "boxes.0.single.bits");
    float *logits = golden_floats(golden(test.file, "boxes.0.single.masks"));
    struct sowlv2_mask masks[MANY];

    (void)state;
    for (size_t i = 0; i < MANY; i++)
        all[i] = prompts.items[i % prompts.count];
    options.pixels = options.logits = false;
    set_image(&test, 0);
    must(sowlv2_segment(test.session, all, MANY, &options, masks));
    for (size_t i = 0; i < MANY; i++) {
        assert_null(masks[i].pixels);
        assert_null(masks[i].logits);
        masks[i].logits_side = sowlv2_segmenter_mask_side(test.segmenter); /* of the golden logits */
        check_bits(&masks[i], bits, i % prompts.count, logits + i % prompts.count * test.area);
    }
    sowlv2_masks_free(masks, MANY);
    must(sowlv2_segment(test.session, NULL, 0, NULL, NULL));
    free(logits);
    free_prompts(&prompts);
    close_test(&test);
}

/* Refining is decoding the same prompts with the first masks' logits. */
static void test_refine(void **state)
{
    struct test test = open_test("sam2_fields");
    struct prompts prompts = read_prompts(&test, "boxes.0");
    struct sowlv2_segment_options options = sowlv2_segment_options_default();
    struct sowlv2_mask first[MOST_MASKS], second[MOST_MASKS], refined[MOST_MASKS];

    (void)state;
    set_image(&test, 0);
    options.multimask = true;
    must(sowlv2_segment(test.session, prompts.items, prompts.count, &options, first));
    options.refine = true;
    must(sowlv2_segment(test.session, prompts.items, prompts.count, &options, refined));
    for (size_t i = 0; i < prompts.count; i++) {
        prompts.items[i].logits = first[i].logits;
        prompts.items[i].logits_side = first[i].logits_side;
    }
    must(sowlv2_segment(test.session, prompts.items, prompts.count, NULL, second));
    for (size_t i = 0; i < prompts.count; i++) {
        assert_memory_equal(second[i].logits, refined[i].logits, test.area * sizeof(float));
        assert_memory_not_equal(first[i].logits, refined[i].logits, test.area * sizeof(float));
        assert_true(second[i].mask_score == refined[i].mask_score);
    }
    sowlv2_masks_free(first, prompts.count);
    sowlv2_masks_free(second, prompts.count);
    sowlv2_masks_free(refined, prompts.count);
    free_prompts(&prompts);
    close_test(&test);
}

/* A higher threshold gives a smaller mask inside the larger; small parts go; the logits stay the decoder's. */
static void test_options(void **state)
{
    struct test test = open_test("sam2_tiny");
    struct prompts prompts = read_prompts(&test, "boxes.0");
    struct sowlv2_segment_options options = sowlv2_segment_options_default();
    struct sowlv2_mask plain[MOST_MASKS], tight[MOST_MASKS], clean[MOST_MASKS];
    bool differs = false;

    (void)state;
    set_image(&test, 0);
    must(sowlv2_segment(test.session, prompts.items, prompts.count, NULL, plain));
    options.mask_threshold = 0.5f;
    must(sowlv2_segment(test.session, prompts.items, prompts.count, &options, tight));
    options.mask_threshold = 0;
    options.fill_holes = 4;
    options.remove_sprinkles = 4;
    must(sowlv2_segment(test.session, prompts.items, prompts.count, &options, clean));
    for (size_t i = 0; i < prompts.count; i++) {
        size_t total = (size_t)plain[i].width * (size_t)plain[i].height;

        assert_true(tight[i].area < plain[i].area);
        for (size_t j = 0; j < total; j++)
            assert_true(tight[i].pixels[j] <= plain[i].pixels[j]);
        assert_memory_equal(clean[i].logits, plain[i].logits, test.area * sizeof(float));
        differs |= memcmp(clean[i].pixels, plain[i].pixels, total) != 0;
    }
    assert_true(differs);
    sowlv2_masks_free(plain, prompts.count);
    sowlv2_masks_free(tight, prompts.count);
    sowlv2_masks_free(clean, prompts.count);
    free_prompts(&prompts);
    close_test(&test);
}

/* Several threads, each with a session of its own: the masks of one thread alone, bit for bit. */
enum { THREADS = 4, ROUNDS = 3 };

struct shared {
    sowlv2_segmenter *segmenter;
    struct sowlv2_image images[2];
    const struct prompts *prompts;
    struct sowlv2_mask alone[2][MOST_MASKS];
    size_t area;
};

struct worker {
    struct shared *shared;
    int first, failed, wrong;
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct shared *shared = worker->shared;
    sowlv2_segment_session *session = NULL;

    worker->failed += sowlv2_segment_session_create(shared->segmenter, &session) != 0;
    for (int round = 0; round < 2 * ROUNDS && worker->failed == 0; round++) {
        int image = (round + worker->first) % 2;
        struct sowlv2_mask masks[MOST_MASKS] = {0};

        worker->failed += sowlv2_segment_set_image(session, &shared->images[image], NULL) != 0;
        worker->failed +=
            sowlv2_segment(session, shared->prompts[image].items, shared->prompts[image].count, NULL, masks) != 0;
        for (size_t i = 0; i < shared->prompts[image].count && worker->failed == 0; i++)
            worker->wrong +=
                memcmp(masks[i].logits, shared->alone[image][i].logits, shared->area * sizeof(float)) != 0 ||
                masks[i].area != shared->alone[image][i].area;
        sowlv2_masks_free(masks, shared->prompts[image].count);
    }
    sowlv2_segment_session_free(&session);
    return NULL;
}

static void test_threads(void **state)
{
    struct test test = open_test("sam2_tiny");
    struct prompts prompts[2] = {read_prompts(&test, "boxes.0"), read_prompts(&test, "boxes.1")};
    struct shared shared = {.segmenter = open_segmenter("sam2_tiny", 1), .prompts = prompts, .area = test.area};
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    sowlv2_segment_session *session = NULL;

    (void)state;
    must(sowlv2_segment_session_create(shared.segmenter, &session));
    for (int i = 0; i < 2; i++) {
        shared.images[i] = golden_image(golden(test.file, "image.%d.pixels", i));
        must(sowlv2_segment_set_image(session, &shared.images[i], NULL));
        must(sowlv2_segment(session, prompts[i].items, prompts[i].count, NULL, shared.alone[i]));
    }
    sowlv2_segment_session_free(&session);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){&shared, i, 0, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(workers[i].failed, 0);
        assert_int_equal(workers[i].wrong, 0);
    }
    for (int i = 0; i < 2; i++) {
        sowlv2_masks_free(shared.alone[i], prompts[i].count);
        free_prompts(&prompts[i]);
    }
    sowlv2_segmenter_free(&shared.segmenter);
    close_test(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parity),  cmocka_unit_test(test_many),    cmocka_unit_test(test_refine),
        cmocka_unit_test(test_options), cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
