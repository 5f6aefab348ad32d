/* V-JEPA 2 against the reference, tensor by tensor, for every configuration in tests/models/data/vjepa2_*
 * (made by tests/reference/make_vjepa2.py). */
#include "model_device.h"
#include "models/vjepa2/vjepa2.h"
#include "ops/cpu/level.h"
#include "sowlv2.h"
#include "weights/safetensors.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TOLERANCE 1e-4
#define PIXEL_TOLERANCE 1e-5

enum { TEST_SKIPPED = 77, MAX_SETS = 8 };

static const char *const cases[] = {
    "vjepa2_tiny", "vjepa2_ratio_f16", "vjepa2_head80", "vjepa2_classifier", "vjepa2_classifier_bare",
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

struct fixture {
    const char *name;
    struct safetensors *expected;
    struct device *device;
    struct compute *compute;
    struct vjepa2 *model;
    const struct vjepa2_config *config;
    char prefix[32]; /* of what the trace compares */
    int traced;
};

static void check(int status)
{
    if (status != 0)
        fail_msg("status %d: %s", status, sowlv2_error_message());
}

static void open_case(const char *name, struct fixture *fixture)
{
    char path[4200];

    memset(fixture, 0, sizeof(*fixture));
    fixture->name = name;
    snprintf(path, sizeof(path), "%s/models/data/%s/expected.safetensors", TEST_DATA, name);
    check(safetensors_open(path, &fixture->expected));
    *strrchr(path, '/') = '\0';
    check(model_device_open(&fixture->device));
    check(compute_create(fixture->device, &fixture->compute));
    check(vjepa2_open(path, fixture->device, &fixture->model));
    fixture->config = vjepa2_get_config(fixture->model);
}

static void close_case(struct fixture *fixture)
{
    vjepa2_free(&fixture->model);
    compute_free(&fixture->compute);
    device_close(&fixture->device);
    safetensors_close(&fixture->expected);
}

__attribute__((format(printf, 2, 3))) static const struct host_tensor *find(const struct fixture *fixture,
                                                                            const char *format, ...)
{
    char name[128];
    va_list list;

    va_start(list, format);
    vsnprintf(name, sizeof(name), format, list);
    va_end(list);
    return safetensors_find(fixture->expected, name);
}

static float value(const struct host_tensor *tensor, int64_t index)
{
    float out;

    memcpy(&out, (const char *)tensor->data + (size_t)index * sizeof(out), sizeof(out));
    return out;
}

/* All of `golden`, which must be there, against `found`; NaN fails. */
static void compare(const struct fixture *fixture, const char *what, const float *found,
                    const struct host_tensor *golden, double absolute, double relative)
{
    if (!golden)
        fail_msg("%s: no golden for %s", fixture->name, what);
    assert_int_equal(golden->dtype, DTYPE_F32);
    for (int64_t i = 0; i < host_tensor_count(golden); i++) {
        double wanted = (double)value(golden, i), difference = fabs((double)found[i] - wanted);
        if (!(difference <= absolute + relative * fabs(wanted)))
            fail_msg("%s: %s[%lld] is %g, expected %g", fixture->name, what, (long long)i, (double)found[i], wanted);
    }
}

static float *new_floats(int64_t count)
{
    float *values = malloc(sizeof(float) * (size_t)count);

    assert_non_null(values);
    for (int64_t i = 0; i < count; i++)
        values[i] = FLT_MAX; /* what is not written cannot pass */
    return values;
}

static void compare_trace(struct compute *compute, const char *name, struct tensor tensor, void *user_data)
{
    struct fixture *fixture = user_data;
    const struct host_tensor *golden = find(fixture, "%s.%s", fixture->prefix, name);

    if (!golden)
        return;
    assert_int_equal(tensor_count(&tensor), host_tensor_count(golden));
    float *values = new_floats(tensor_count(&tensor));
    op_download(compute, tensor, values);
    check(compute_finish(compute));
    double tolerance = strcmp(name, "pixel_values") == 0 ? PIXEL_TOLERANCE : TOLERANCE;
    compare(fixture, name, values, golden, tolerance, tolerance);
    free(values);
    fixture->traced++;
}

/* The frames of a set's clips, to be freed. */
static struct sowlv2_image *clip_frames(const struct host_tensor *pixels)
{
    int64_t total = pixels->dim[0] * pixels->dim[1], height = pixels->dim[2], width = pixels->dim[3];
    struct sowlv2_image *frames = calloc((size_t)total, sizeof(*frames));

    assert_non_null(frames);
    assert_int_equal(pixels->dtype, DTYPE_U8);
    for (int64_t i = 0; i < total; i++)
        frames[i] = (struct sowlv2_image){(const uint8_t *)pixels->data + i * height * width * 3, (int)width,
                                          (int)height, 3 * (size_t)width};
    return frames;
}

/* Features that stay on the device: `values`, unless NULL. */
static struct tensor keep_features(struct fixture *fixture, int64_t batch, int64_t tokens, const void *values)
{
    const int64_t dim[] = {batch, tokens, fixture->config->encoder.width};
    struct tensor kept;

    check(device_tensor_create(fixture->device, DTYPE_F32, 3, dim, &kept));
    if (values) {
        compute_begin(fixture->compute);
        op_copy(fixture->compute, op_upload(fixture->compute, DTYPE_F32, 3, dim, values), kept);
        check(compute_finish(fixture->compute));
    }
    return kept;
}

/* Features of set `set`, compared; also everything behind them that the goldens have. */
static void run_set(struct fixture *fixture, int set, const struct host_tensor *pixels)
{
    int64_t batch = pixels->dim[0], count = pixels->dim[1], tokens = vjepa2_tokens(fixture->config, count);
    int64_t width = fixture->config->encoder.width, labels = fixture->config->label_count;
    bool classifier = vjepa2_has_classifier(fixture->model);
    struct sowlv2_image *frames = clip_frames(pixels);
    float *features = new_floats(batch * tokens * width), *predicted = new_floats(batch * tokens * width);
    float *pooled = new_floats(batch * width), *logits = new_floats(batch * (labels + 1));
    struct model_trace trace = {compare_trace, fixture};
    struct scorer_clips clips = {.frames = frames, .batch = batch, .count = count, .view = SCORER_CENTRE};
    struct tensor kept = keep_features(fixture, batch, tokens, NULL);
    struct scorer_output out = {.features = features,
                                .pooled = classifier ? pooled : NULL,
                                .logits = classifier ? logits : NULL,
                                .kept = &kept};

    snprintf(fixture->prefix, sizeof(fixture->prefix), "%d", set);
    check(vjepa2_encode(fixture->model, fixture->compute, &clips, &trace, NULL, &out));
    const struct host_tensor *golden = find(fixture, "%d.features", set);
    assert_non_null(golden);
    assert_int_equal(golden->dim[1], tokens);
    compare(fixture, "features", features, golden, TOLERANCE, TOLERANCE);
    if (vjepa2_has_predictor(fixture->model)) {
        check(vjepa2_predict(fixture->model, fixture->compute, kept, NULL, NULL, NULL, NULL, predicted));
        compare(fixture, "predicted", predicted, find(fixture, "%d.predicted", set), TOLERANCE, TOLERANCE);
    }
    if (classifier) {
        compare(fixture, "pooled", pooled, find(fixture, "%d.pooled", set), TOLERANCE, TOLERANCE);
        compare(fixture, "logits", logits, find(fixture, "%d.logits", set), TOLERANCE, TOLERANCE);
    }
    device_tensor_free(fixture->device, &kept);
    free(frames);
    free(features);
    free(predicted);
    free(pooled);
    free(logits);
}

static void test_clips(void **state)
{
    (void)state;
    for (int i = 0; i < CASES; i++) {
        struct fixture fixture;
        const struct host_tensor *pixels;
        int set = 0, with_pixels = 0;

        open_case(cases[i], &fixture);
        for (; (pixels = find(&fixture, "%d.pixels", set)) != NULL; set++) {
            with_pixels += find(&fixture, "%d.pixel_values", set) != NULL;
            run_set(&fixture, set, pixels);
        }
        assert_in_range(set, 1, MAX_SETS);
        assert_true(with_pixels > 0);
        /* Pixels, and of the first set the embeddings and every block. */
        int64_t pooler = vjepa2_has_classifier(fixture.model) ? fixture.config->pooler.layers : 0;
        assert_int_equal(fixture.traced, with_pixels + 1 + fixture.config->encoder.layers + pooler);
        close_case(&fixture);
    }
}

static int32_t *mask_ids(const struct host_tensor *tensor, struct scorer_positions *mask)
{
    size_t bytes = sizeof(int32_t) * (size_t)host_tensor_count(tensor);
    int32_t *ids = malloc(bytes);

    assert_non_null(ids);
    assert_int_equal(tensor->dtype, DTYPE_I32);
    memcpy(ids, tensor->data, bytes);
    *mask = (struct scorer_positions){ids, tensor->dim[1]};
    return ids;
}

static void test_masks(void **state)
{
    int compared = 0, traced = 0;

    (void)state;
    for (int i = 0; i < CASES; i++) {
        struct fixture fixture;
        const struct host_tensor *context_ids;

        open_case(cases[i], &fixture);
        for (int run = 0; (context_ids = find(&fixture, "0.%d.context", run)); run++) {
            const struct host_tensor *golden = find(&fixture, "0.features");
            int64_t batch = golden->dim[0], tokens = golden->dim[1], width = golden->dim[2];
            struct scorer_positions context, target;
            int32_t *a = mask_ids(context_ids, &context), *b = mask_ids(find(&fixture, "0.%d.target", run), &target);
            float *out = new_floats(batch * target.count * width);
            struct tensor features = keep_features(&fixture, batch, tokens, golden->data);
            struct model_trace trace = {compare_trace, &fixture};

            snprintf(fixture.prefix, sizeof(fixture.prefix), "0.%d", run);
            check(vjepa2_predict(fixture.model, fixture.compute, features, &context, &target, &trace, NULL, out));
            compare(&fixture, "predicted", out, find(&fixture, "0.%d.predicted", run), TOLERANCE, TOLERANCE);
            compared++;
            free(a);
            free(b);
            device_tensor_free(fixture.device, &features);
            free(out);
        }
        traced += fixture.traced;
        close_case(&fixture);
    }
    assert_int_equal(compared, 9);
    assert_int_equal(traced, 3 + 2 + 1 + 1); /* embeddings of three cases, their predictors' blocks */
}

/* A clip's result does not depend on what else is in the batch, and whole frames differ from the middle. */
static void test_batch_and_view(void **state)
{
    struct fixture fixture;

    (void)state;
    open_case("vjepa2_tiny", &fixture);
    const struct host_tensor *pixels = find(&fixture, "0.pixels"), *golden = find(&fixture, "0.features");
    struct sowlv2_image *frames = clip_frames(pixels);
    int64_t count = pixels->dim[1], tokens = vjepa2_tokens(fixture.config, count);
    int64_t values = tokens * fixture.config->encoder.width;
    float *features = new_floats(values), *whole = new_floats(values);
    struct scorer_clips clips = {.frames = frames + count, .batch = 1, .count = count, .view = SCORER_CENTRE};
    double difference = 0.0;

    check(vjepa2_encode(fixture.model, fixture.compute, &clips, NULL, NULL,
                        &(struct scorer_output){.features = features}));
    for (int64_t i = 0; i < values; i++)
        assert_true(fabs((double)features[i] - (double)value(golden, values + i)) <=
                    1e-4 + 1e-4 * fabs((double)features[i]));
    clips.view = SCORER_WHOLE;
    check(
        vjepa2_encode(fixture.model, fixture.compute, &clips, NULL, NULL, &(struct scorer_output){.features = whole}));
    for (int64_t i = 0; i < values; i++) {
        assert_true(isfinite(whole[i]));
        difference = fmax(difference, fabs((double)features[i] - (double)whole[i]));
    }
    assert_true(difference > 0.01);
    free(frames);
    free(features);
    free(whole);
    close_case(&fixture);
}

static bool stop_at(int done, int total, void *user_data)
{
    assert_int_equal(total, 2);
    return done < *(int *)user_data;
}

static void test_bad_input(void **state)
{
    struct fixture fixture;
    float *features = new_floats(1 << 16);
    struct scorer_output out = {.features = features};

    (void)state;
    open_case("vjepa2_tiny", &fixture);
    struct sowlv2_image *frames = clip_frames(find(&fixture, "2.pixels"));
    struct scorer_clips clips = {.frames = frames, .batch = 1, .count = 0, .view = SCORER_CENTRE};
    assert_int_equal(vjepa2_encode(fixture.model, fixture.compute, &clips, NULL, NULL, &out), SOWLV2_ERROR_ARGUMENT);
    clips.count = 1;
    int limit = 1;
    struct model_control control = {stop_at, &limit};
    assert_int_equal(vjepa2_encode(fixture.model, fixture.compute, &clips, NULL, &control, &out),
                     SOWLV2_ERROR_CANCELLED);
    assert_int_equal(vjepa2_encode(fixture.model, fixture.compute, &clips, NULL, NULL,
                                   &(struct scorer_output){.features = features, .pooled = features}),
                     SOWLV2_ERROR_UNSUPPORTED);
    struct tensor kept = keep_features(&fixture, 1, 16, NULL), wrong = tensor_slice(kept, 2, 0, 1);
    out.kept = &kept; /* of a clip of another length */
    clips.count = 2 * fixture.config->tubelet_size;
    assert_int_equal(vjepa2_encode(fixture.model, fixture.compute, &clips, NULL, NULL, &out), SOWLV2_ERROR_ARGUMENT);
    out.kept = NULL;
    clips.count = 1;
    frames[0].width = 0;
    assert_int_equal(vjepa2_encode(fixture.model, fixture.compute, &clips, NULL, NULL, &out), SOWLV2_ERROR_ARGUMENT);
    frames[0].width = 1;
    frames[0].height = 1 << 23; /* a resize that would be longer than filters may be */
    assert_int_equal(vjepa2_encode(fixture.model, fixture.compute, &clips, NULL, NULL, &out), SOWLV2_ERROR_ARGUMENT);

    int32_t ids[] = {0, 16}, negative[] = {-1};
    struct scorer_positions inside = {ids, 1}, outside = {ids, 2}, below = {negative, 1}, empty = {ids, 0};
    assert_int_equal(vjepa2_predict(fixture.model, fixture.compute, kept, &outside, &inside, NULL, NULL, features),
                     SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(vjepa2_predict(fixture.model, fixture.compute, kept, &inside, &below, NULL, NULL, features),
                     SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(vjepa2_predict(fixture.model, fixture.compute, kept, &empty, &inside, NULL, NULL, features),
                     SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(vjepa2_predict(fixture.model, fixture.compute, wrong, &inside, &inside, NULL, NULL, features),
                     SOWLV2_ERROR_ARGUMENT);
    device_tensor_free(fixture.device, &kept);
    free(frames);
    close_case(&fixture);
    open_case("vjepa2_classifier_bare", &fixture);
    kept = keep_features(&fixture, 1, 4, NULL);
    assert_int_equal(vjepa2_predict(fixture.model, fixture.compute, kept, NULL, NULL, NULL, NULL, features),
                     SOWLV2_ERROR_UNSUPPORTED);
    device_tensor_free(fixture.device, &kept);
    close_case(&fixture);
    free(features);
}

static bool level_missing(void)
{
    const char *name = getenv("SOWLV2_CPU");
    enum cpu_level level;

    if (!name || !cpu_level_parse(name, &level) || level <= cpu_level_best())
        return false;
    printf("skipped: this machine has no %s\n", name);
    return true;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clips),
        cmocka_unit_test(test_masks),
        cmocka_unit_test(test_batch_and_view),
        cmocka_unit_test(test_bad_input),
    };

    return level_missing() ? TEST_SKIPPED : cmocka_run_group_tests(tests, NULL, NULL);
}
