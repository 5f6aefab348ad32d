/* OWLv2 against the reference, tensor by tensor, for every configuration in tests/models/data. */
#include "expected.h"
#include "model_device.h"

#include "models/owlv2/owlv2.h"

#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* One case: its goldens, its model, and what a forward pass needs. */
struct fixture {
    struct expected expected;
    struct device *device;
    struct compute *compute;
    struct owlv2 *model;
    const struct owlv2_config *config;
    int64_t patches;
    int traced; /* tensors that the trace compared */
    const char *set;
};

static void check(int status)
{
    if (status != 0)
        fail_msg("status %d: %s", status, sowlv2_error_message());
}

static void open_case(const char *name, struct fixture *fixture)
{
    memset(fixture, 0, sizeof(*fixture));
    expected_open(name, &fixture->expected);
    check(model_device_open(&fixture->device));
    check(compute_create(fixture->device, &fixture->compute));
    check(owlv2_open(fixture->expected.folder, fixture->device, &fixture->model));
    fixture->config = owlv2_get_config(fixture->model);
    fixture->patches = fixture->config->grid * fixture->config->grid;
}

static void close_case(struct fixture *fixture)
{
    owlv2_free(&fixture->model);
    compute_free(&fixture->compute);
    device_close(&fixture->device);
    expected_close(&fixture->expected);
}

static float *new_floats(int64_t count)
{
    float *values = malloc(sizeof(float) * (size_t)count);

    assert_non_null(values);
    for (int64_t i = 0; i < count; i++)
        values[i] = FLT_MAX; /* what is not written cannot pass */
    return values;
}

static float *download(struct compute *compute, struct tensor tensor)
{
    float *values = new_floats(tensor_count(&tensor));

    assert_int_equal(tensor.dtype, DTYPE_F32);
    op_download(compute, tensor, values);
    check(compute_finish(compute));
    return values;
}

/* Compares text.block.L [prompts, length, width] up to each prompt's end token: what lies behind it
 * reaches no result, so that a model need not compute it. */
static void compare_text_block(struct fixture *fixture, const char *name, struct tensor tensor)
{
    const struct host_tensor *golden = expected_tensor(&fixture->expected, "%s.%s", fixture->set, name);
    const struct host_tensor *ids = expected_tensor(&fixture->expected, "%s.ids", fixture->set);
    int64_t length = golden->dim[1], width = golden->dim[2];
    int32_t end = tokenizer_end_id(owlv2_get_tokenizer(fixture->model));
    float *values = download(fixture->compute, tensor);

    assert_int_equal(tensor.rank, 3);
    assert_int_equal(tensor.dim[0], golden->dim[0]);
    assert_int_equal(tensor.dim[2], width);
    for (int64_t prompt = 0; prompt < golden->dim[0]; prompt++) {
        int64_t used = 1;
        while (expected_i32(ids, prompt * length + used - 1) != end)
            used++;
        assert_true(used <= tensor.dim[1]);
        expected_compare(name, values + prompt * tensor.dim[1] * width, golden, prompt * length * width, used * width);
    }
    free(values);
}

/* Compares every intermediate tensor that the goldens know. */
static void compare_trace(struct compute *compute, const char *name, struct tensor tensor, void *user_data)
{
    struct fixture *fixture = user_data;
    const struct host_tensor *golden = NULL;

    if (strncmp(name, "text.block.", 11) == 0) {
        compare_text_block(fixture, name, tensor);
        fixture->traced++;
        return;
    }
    if (strncmp(name, "vision.", 7) == 0)
        golden = expected_tensor(&fixture->expected, "trace.%s", name);
    else
        golden = expected_find(&fixture->expected, "image.0.%s", name);
    if (!golden)
        return;
    assert_int_equal(tensor.dim[0], 1);
    assert_int_equal(tensor_count(&tensor), host_tensor_count(golden));
    float *values = download(compute, tensor);
    expected_compare(name, values, golden, 0, host_tensor_count(golden));
    free(values);
    fixture->traced++;
}

static void test_tokens(void **state)
{
    (void)state;
    for (int i = 0; i < expected_case_count; i++) {
        struct fixture fixture;
        open_case(expected_cases[i], &fixture);
        for (int set = 0; set < 2; set++) {
            const struct host_tensor *golden = expected_tensor(&fixture.expected, "%s.ids", expected_sets[set]);
            struct expected_prompts prompts;
            int32_t ids[64];
            int length = fixture.config->text_length;

            expected_prompts(&fixture.expected, expected_sets[set], &prompts);
            assert_int_equal(golden->dim[1], length);
            assert_in_range(length, 2, 64);
            for (size_t p = 0; p < prompts.count; p++) {
                check(tokenizer_encode(owlv2_get_tokenizer(fixture.model), prompts.items[p], strlen(prompts.items[p]),
                                       length, ids, NULL));
                for (int t = 0; t < length; t++)
                    assert_int_equal(ids[t], expected_i32(golden, (int64_t)p * length + t));
            }
            expected_prompts_free(&prompts);
        }
        close_case(&fixture);
    }
}

/* The queries of a set; traced where `trace` is given. */
static struct owlv2_queries encode(struct fixture *fixture, const char *set, const struct model_trace *trace)
{
    const struct host_tensor *golden = expected_tensor(&fixture->expected, "%s.ids", set);
    int64_t total = host_tensor_count(golden);
    int32_t *ids = malloc(sizeof(int32_t) * (size_t)total);
    struct owlv2_queries queries;

    assert_non_null(ids);
    for (int64_t i = 0; i < total; i++)
        ids[i] = expected_i32(golden, i);
    check(owlv2_encode_text(fixture->model, fixture->compute, ids, golden->dim[0], trace, &queries));
    assert_int_equal(queries.count, golden->dim[0]);
    free(ids);
    return queries;
}

static void test_text_tower(void **state)
{
    (void)state;
    for (int i = 0; i < expected_case_count; i++) {
        struct fixture fixture;
        open_case(expected_cases[i], &fixture);
        struct model_trace trace = {compare_trace, &fixture};
        for (int set = 0; set < 2; set++) {
            bool traced = strcmp(expected_sets[set], "many") == 0;

            fixture.set = expected_sets[set];
            struct owlv2_queries queries = encode(&fixture, fixture.set, traced ? &trace : NULL);
            const struct host_tensor *golden = expected_tensor(&fixture.expected, "%s.text.embeds", fixture.set);
            assert_int_equal(host_tensor_count(golden), queries.count * fixture.config->projection);
            float *vectors = download(fixture.compute, queries.vectors);
            expected_compare("text.embeds", vectors, golden, 0, host_tensor_count(golden));
            free(vectors);
            owlv2_queries_free(fixture.model, &queries);
        }
        assert_int_equal(fixture.traced, fixture.config->text.layers);
        close_case(&fixture);
    }
}

/* Boxes, logits and objectness of images first .. first + batch - 1 with the queries of a set. */
static void detect_and_compare(struct fixture *fixture, const char *set, int first, int batch,
                               const struct model_trace *trace)
{
    struct owlv2_queries queries = encode(fixture, set, NULL);
    float *logits = new_floats(batch * fixture->patches * queries.count);
    float *boxes = new_floats(batch * fixture->patches * 4);
    float *objectness = new_floats(batch * fixture->patches);
    struct sowlv2_image images[8];
    const void *same[8];
    struct detector_output out = {logits, boxes, objectness};

    assert_in_range(batch, 1, 8);
    for (int i = 0; i < batch; i++) {
        struct sowlv2_image image = expected_image(&fixture->expected, first + i);

        same[i] = &queries;
        images[i] = (struct sowlv2_image){image.pixels, image.width, image.height, 3 * (size_t)image.width};
    }
    check(owlv2_detect(fixture->model, fixture->compute, images, batch, same, trace, NULL, &out));
    for (int i = 0; i < batch; i++) {
        const struct host_tensor *golden = expected_tensor(&fixture->expected, "%s.image.%d.logits", set, first + i);
        int64_t count = fixture->patches * queries.count;

        assert_int_equal(host_tensor_count(golden), count);
        expected_compare("logits", logits + i * count, golden, 0, count);
        golden = expected_tensor(&fixture->expected, "image.%d.boxes", first + i);
        expected_compare("boxes", boxes + i * fixture->patches * 4, golden, 0, fixture->patches * 4);
        golden = expected_tensor(&fixture->expected, "image.%d.objectness", first + i);
        expected_compare("objectness", objectness + i * fixture->patches, golden, 0, fixture->patches);
    }
    owlv2_queries_free(fixture->model, &queries);
    free(logits);
    free(boxes);
    free(objectness);
}

static void test_image_tower(void **state)
{
    (void)state;
    for (int i = 0; i < expected_case_count; i++) {
        struct fixture fixture;
        open_case(expected_cases[i], &fixture);
        struct model_trace trace = {compare_trace, &fixture};
        bool pixels = expected_find(&fixture.expected, "image.0.pixel_values");

        fixture.set = "many";
        detect_and_compare(&fixture, "many", 0, 1, &trace);
        /* embeddings, every block, features, and the pixels where the case has them */
        assert_int_equal(fixture.traced, 2 + fixture.config->vision.layers + pixels);
        close_case(&fixture);
    }
}

static void test_every_image_and_set(void **state)
{
    (void)state;
    for (int i = 0; i < expected_case_count; i++) {
        struct fixture fixture;
        open_case(expected_cases[i], &fixture);
        for (int image = 0; image < fixture.expected.images; image++)
            for (int set = 0; set < 2; set++)
                detect_and_compare(&fixture, expected_sets[set], image, 1, NULL);
        close_case(&fixture);
    }
}

static void test_batches(void **state)
{
    (void)state;
    for (int i = 0; i < expected_case_count; i++) {
        struct fixture fixture;
        open_case(expected_cases[i], &fixture);
        for (int batch = 2; batch <= fixture.expected.images; batch++)
            detect_and_compare(&fixture, "many", fixture.expected.images - batch, batch, NULL);
        close_case(&fixture);
    }
}

/* What preprocessing hands to the image tower, for every size of picture. */
struct pixels_check {
    struct fixture *fixture;
    int image, seen;
};

static void compare_pixels(struct compute *compute, const char *name, struct tensor tensor, void *user_data)
{
    struct pixels_check *pixels = user_data;

    if (strcmp(name, "pixel_values") != 0)
        return;
    const struct host_tensor *golden =
        expected_tensor(&pixels->fixture->expected, "image.%d.pixel_values", pixels->image);
    assert_int_equal(tensor_count(&tensor), host_tensor_count(golden));
    float *values = download(compute, tensor);
    expected_compare("pixel_values", values, golden, 0, host_tensor_count(golden));
    free(values);
    pixels->seen++;
}

static void test_preprocessing(void **state)
{
    int cases = 0;

    (void)state;
    for (int i = 0; i < expected_case_count; i++) {
        struct fixture fixture;
        open_case(expected_cases[i], &fixture);
        if (expected_find(&fixture.expected, "image.0.pixel_values")) {
            struct pixels_check pixels = {.fixture = &fixture};
            struct model_trace trace = {compare_pixels, &pixels};

            cases++;
            for (pixels.image = 0; pixels.image < fixture.expected.images; pixels.image++)
                detect_and_compare(&fixture, "one", pixels.image, 1, &trace);
            assert_int_equal(pixels.seen, fixture.expected.images);
        }
        close_case(&fixture);
    }
    assert_int_equal(cases, 2);
}

/* The reference gives a query whose first id is 0 the lowest float; the others are as without it. */
static void test_masked_query(void **state)
{
    struct fixture fixture;

    (void)state;
    open_case("owlv2_tiny", &fixture);
    struct owlv2_queries queries = encode(&fixture, "many", NULL);
    const int64_t count = queries.count;
    float *logits = new_floats(fixture.patches * count);
    float *boxes = new_floats(fixture.patches * 4);
    struct sowlv2_image image = expected_image(&fixture.expected, 0);
    struct sowlv2_image input = {image.pixels, image.width, image.height, 3 * (size_t)image.width};
    struct detector_output out = {logits, boxes, NULL};
    const struct host_tensor *golden = expected_tensor(&fixture.expected, "many.image.0.logits");

    assert_int_equal(count, 5);
    for (int64_t q = 0; q < count; q++)
        assert_false(queries.masked[q]);
    queries.masked[1] = queries.masked[3] = true;
    check(owlv2_detect(fixture.model, fixture.compute, &input, 1, (const void *[]){&queries}, NULL, NULL, &out));
    for (int64_t i = 0; i < fixture.patches * count; i++)
        if (queries.masked[i % count])
            assert_true(logits[i] == -FLT_MAX);
        else
            expected_compare("logits beside masked ones", logits + i, golden, i, 1);
    owlv2_queries_free(fixture.model, &queries);
    free(logits);
    free(boxes);
    close_case(&fixture);
}

/* An id that the model has not is refused before anything is uploaded, and a first id of 0 masks. */
static void test_ids(void **state)
{
    struct fixture fixture;
    struct owlv2_queries queries;

    (void)state;
    open_case("owlv2_tiny", &fixture);
    const int length = fixture.config->text_length;
    int32_t *ids = calloc(2 * (size_t)length, sizeof(*ids));
    assert_non_null(ids);
    ids[0] = ids[length + 1] = 1;
    check(owlv2_encode_text(fixture.model, fixture.compute, ids, 2, NULL, &queries));
    assert_false(queries.masked[0]);
    assert_true(queries.masked[1]);
    owlv2_queries_free(fixture.model, &queries);
    const int32_t wrong[] = {-1, INT32_MIN, (int32_t)fixture.config->vocab_size, INT32_MAX};
    for (int i = 0; i < 4; i++) {
        ids[2 * length - 1] = wrong[i];
        assert_int_equal(owlv2_encode_text(fixture.model, fixture.compute, ids, 2, NULL, &queries),
                         SOWLV2_ERROR_ARGUMENT);
        assert_non_null(strstr(sowlv2_error_message(), "prompt 1: token id"));
        assert_null(queries.vectors.buffer);
    }
    free(ids);
    close_case(&fixture);
}

/* Rows of the image may lie apart. */
static void test_row_bytes(void **state)
{
    struct fixture fixture;

    (void)state;
    open_case("owlv2_tiny", &fixture);
    struct owlv2_queries queries = encode(&fixture, "one", NULL);
    const int64_t count = queries.count;
    float *logits = new_floats(fixture.patches * count);
    float *boxes = new_floats(fixture.patches * 4);
    struct sowlv2_image image = expected_image(&fixture.expected, 1);
    size_t row = 3 * (size_t)image.width, apart = row + 13;
    uint8_t *pixels = malloc(apart * (size_t)image.height);

    assert_non_null(pixels);
    memset(pixels, 255, apart * (size_t)image.height);
    for (int y = 0; y < image.height; y++)
        memcpy(pixels + apart * (size_t)y, image.pixels + row * (size_t)y, row);
    struct sowlv2_image input = {pixels, image.width, image.height, apart};
    struct detector_output out = {logits, boxes, NULL};
    check(owlv2_detect(fixture.model, fixture.compute, &input, 1, (const void *[]){&queries}, NULL, NULL, &out));
    expected_compare("logits", logits, expected_tensor(&fixture.expected, "one.image.1.logits"), 0,
                     fixture.patches * count);
    free(pixels);
    owlv2_queries_free(fixture.model, &queries);
    free(logits);
    free(boxes);
    close_case(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),       cmocka_unit_test(test_text_tower),
        cmocka_unit_test(test_image_tower),  cmocka_unit_test(test_every_image_and_set),
        cmocka_unit_test(test_batches),      cmocka_unit_test(test_preprocessing),
        cmocka_unit_test(test_masked_query), cmocka_unit_test(test_row_bytes),
        cmocka_unit_test(test_ids),
    };

    if (expected_level_missing())
        return TEST_SKIPPED;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
