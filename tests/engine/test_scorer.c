/* The engine's scorer against the reference's goldens: features that are fetched, and those that stay on the device for
 * the predictor and the classifier, over clips of different lengths. */
#include "engine/scorer.h"

#include "models/expected.h"
#include "models/model_device.h"
#include "weights/safetensors.h"

#include <float.h>
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

struct fixture {
    struct expected expected;
    struct device *device;
    struct scorer *scorer;
    struct scorer_session *session;
    const struct scorer_info *info;
};

static void open_case(const char *name, struct fixture *f)
{
    char path[4200];
    *f = (struct fixture){0};
    snprintf(f->expected.folder, sizeof(f->expected.folder), "%s/models/data/%s", TEST_DATA, name);
    snprintf(path, sizeof(path), "%s/expected.safetensors", f->expected.folder);
    check(safetensors_open(path, &f->expected.file));
    check(model_device_open(&f->device));
    check(scorer_open(f->expected.folder, f->device, &f->scorer));
    check(scorer_session_create(f->scorer, &f->session));
    f->info = scorer_info(f->scorer);
}

static void close_case(struct fixture *f)
{
    scorer_session_free(&f->session);
    scorer_session_free(&f->session);
    scorer_free(&f->scorer);
    device_close(&f->device);
    expected_close(&f->expected);
}

static float *new_floats(int64_t count)
{
    float *const values = malloc((size_t)count * sizeof(*values));
    assert_non_null(values);
    for (int64_t i = 0; i < count; i++)
        values[i] = FLT_MAX; /* what is not written cannot pass */
    return values;
}

/* The clips of a set; returns their frames, to be freed. */
static struct sowlv2_image *set_clips(const struct fixture *f, int set, struct scorer_clips *out)
{
    const struct host_tensor *const pixels = expected_tensor(&f->expected, "%d.pixels", set);
    const int64_t total = pixels->dim[0] * pixels->dim[1], height = pixels->dim[2], width = pixels->dim[3];
    struct sowlv2_image *const frames = calloc((size_t)total, sizeof(*frames));
    assert_non_null(frames);
    for (int64_t i = 0; i < total; i++)
        frames[i] = (struct sowlv2_image){.pixels = (const uint8_t *)pixels->data + i * height * width * 3,
                                          .width = (int)width,
                                          .height = (int)height,
                                          .stride = 3 * (size_t)width};
    *out = (struct scorer_clips){
        .frames = frames, .batch = pixels->dim[0], .count = pixels->dim[1], .view = SCORER_CENTRE};
    return frames;
}

/* Against the variances of the golden features. */
static void compare_variance(const struct fixture *f, const struct host_tensor *features, int64_t entries,
                             const float *found)
{
    const int64_t patches = f->info->grid * f->info->grid, width = f->info->width;
    float *const values = malloc(features->bytes);
    assert_non_null(values);
    memcpy(values, features->data, features->bytes);
    for (int64_t i = 0; i < entries; i++) {
        double all = 0;
        for (int64_t c = 0; c < width; c++) {
            const float *const column = values + i * patches * width + c;
            double mean = 0;
            for (int64_t p = 0; p < patches; p++)
                mean += (double)column[p * width] / (double)patches;
            for (int64_t p = 0; p < patches; p++)
                all += pow((double)column[p * width] - mean, 2) / (double)(patches * width);
        }
        if (!(fabs((double)found[i] - all) <= 1e-4 * all + 1e-6))
            fail_msg("variance %d is %g, expected %g", (int)i, (double)found[i], all);
    }
    free(values);
}

/* Encodes a set; what was wanted and, with `keep`, what follows from features on the device are the goldens. */
static void run_set(struct fixture *f, int set, bool fetch, bool keep)
{
    struct scorer_clips clips;
    struct sowlv2_image *const frames = set_clips(f, set, &clips);
    const int64_t tokens = scorer_tokens(f->scorer, clips.count), count = clips.batch * tokens * f->info->width;
    const int64_t labels = clips.batch * f->info->label_count;
    const int64_t entries = clips.batch * scorer_tubelets(f->scorer, clips.count);
    float *const features = new_floats(count), *const logits = new_floats(labels + 1);
    float *const variance = new_floats(entries);
    const struct scorer_wanted wanted = {.features = fetch ? features : NULL,
                                         .logits = fetch && labels > 0 ? logits : NULL,
                                         .variance = variance,
                                         .keep = keep};
    check(scorer_session_encode(f->session, &clips, NULL, &wanted));
    compare_variance(f, expected_tensor(&f->expected, "%d.features", set), entries, variance);
    if (fetch)
        expected_compare("features", features, expected_tensor(&f->expected, "%d.features", set), 0, count);
    if (wanted.logits)
        expected_compare("logits", logits, expected_tensor(&f->expected, "%d.logits", set), 0, labels);
    if (keep && f->info->predictor) {
        check(scorer_session_predict(f->session, NULL, NULL, NULL, features));
        expected_compare("predicted", features, expected_tensor(&f->expected, "%d.predicted", set), 0, count);
    }
    free(variance);
    free(features);
    free(logits);
    free(frames);
}

/* Sets differ in the number of clips and of frames: room on the device grows and is used again. */
static void test_sets(void **state)
{
    (void)state;
    static const char *const cases[] = {"vjepa2_tiny", "vjepa2_classifier"};
    for (int i = 0; i < 2; i++) {
        struct fixture f;
        int sets = 0;
        open_case(cases[i], &f);
        while (expected_find(&f.expected, "%d.pixels", sets))
            sets++;
        assert_true(sets >= 2);
        for (int set = sets - 1; set >= 0; set--)
            run_set(&f, set, true, true);
        for (int set = 0; set < sets; set++) {
            run_set(&f, set, false, true);
            run_set(&f, set, true, false);
        }
        close_case(&f);
    }
}

/* Of some tokens, which the session kept, others are expected. */
static void test_positions(void **state)
{
    (void)state;
    struct fixture f;
    open_case("vjepa2_tiny", &f);
    struct scorer_clips clips;
    struct sowlv2_image *const frames = set_clips(&f, 0, &clips);
    check(scorer_session_encode(f.session, &clips, NULL, &(struct scorer_wanted){.keep = true}));
    int runs = 0;
    for (; expected_find(&f.expected, "0.%d.context", runs); runs++) {
        const struct host_tensor *const seen = expected_tensor(&f.expected, "0.%d.context", runs);
        const struct host_tensor *const wanted = expected_tensor(&f.expected, "0.%d.target", runs);
        int32_t *const ids = malloc(seen->bytes + wanted->bytes);
        assert_non_null(ids);
        memcpy(ids, seen->data, seen->bytes);
        memcpy((char *)ids + seen->bytes, wanted->data, wanted->bytes);
        const struct scorer_positions context = {ids, seen->dim[1]};
        const struct scorer_positions target = {ids + host_tensor_count(seen), wanted->dim[1]};
        const int64_t count = host_tensor_count(wanted) * f.info->width;
        float *const out = new_floats(count);
        check(scorer_session_predict(f.session, &context, &target, NULL, out));
        expected_compare("predicted", out, expected_tensor(&f.expected, "0.%d.predicted", runs), 0, count);
        free(out);
        free(ids);
    }
    assert_true(runs > 0);
    free(frames);
    close_case(&f);
}

/* Clips of frames that the session holds are the clips, from whichever place on, and whatever was held before. */
static void test_held(void **state)
{
    (void)state;
    struct fixture f;
    open_case("vjepa2_tiny", &f);
    struct scorer_clips clips;
    struct sowlv2_image *const frames = set_clips(&f, 0, &clips);
    const int64_t count = scorer_tokens(f.scorer, clips.count) * f.info->width, places = clips.count + 1;
    float *const features = new_floats(count);
    struct sowlv2_image other = clips.frames[0];
    other.height--;
    assert_int_equal(scorer_session_take(f.session, &other, SCORER_CENTRE, 0), SOWLV2_ERROR_ARGUMENT);
    check(scorer_session_hold(f.session, places));
    assert_int_equal(scorer_session_take(f.session, &other, SCORER_CENTRE, places), SOWLV2_ERROR_ARGUMENT);
    for (int64_t first = 0; first < places; first++) {
        const int64_t clip = first % clips.batch;
        for (int64_t i = 0; i < places; i++)
            check(scorer_session_take(f.session, &other, SCORER_WHOLE, i));
        for (int64_t i = 0; i < clips.count; i++)
            check(scorer_session_take(f.session, &clips.frames[clip * clips.count + i], SCORER_CENTRE,
                                      (first + i) % places));
        const struct scorer_clips held = scorer_session_clip(f.session, first, clips.count);
        check(scorer_session_encode(f.session, &held, NULL, &(struct scorer_wanted){.features = features}));
        expected_compare("features", features, expected_tensor(&f.expected, "0.features"), clip * count, count);
    }
    const struct scorer_clips longer = scorer_session_clip(f.session, 0, places + 1);
    assert_int_equal(scorer_session_encode(f.session, &longer, NULL, &(struct scorer_wanted){.features = features}),
                     SOWLV2_ERROR_ARGUMENT);
    free(features);
    free(frames);
    close_case(&f);
}

static bool stop(int done, int total, void *user_data)
{
    (void)done;
    (void)total;
    (void)user_data;
    return false;
}

/* Nothing is predicted from features that are not there, or no longer. */
static void test_nothing_kept(void **state)
{
    (void)state;
    struct fixture f;
    open_case("vjepa2_tiny", &f);
    struct scorer_clips clips;
    struct sowlv2_image *const frames = set_clips(&f, 0, &clips);
    const struct scorer_wanted keep = {.keep = true};
    const int64_t tokens = clips.batch * scorer_tokens(f.scorer, clips.count);
    float *const out = new_floats(tokens * f.info->width);
    assert_int_equal(scorer_session_predict(f.session, NULL, NULL, NULL, out), SOWLV2_ERROR_ARGUMENT);
    check(scorer_session_encode(f.session, &clips, NULL, &keep));
    check(scorer_session_predict(f.session, NULL, NULL, NULL, out));
    const struct model_control control = {stop, NULL};
    assert_int_equal(scorer_session_encode(f.session, &clips, &control, &keep), SOWLV2_ERROR_CANCELLED);
    assert_int_equal(scorer_session_predict(f.session, NULL, NULL, NULL, out), SOWLV2_ERROR_ARGUMENT);
    check(scorer_session_encode(f.session, &clips, NULL, &keep));
    clips.count = 0;
    assert_int_equal(scorer_session_encode(f.session, &clips, NULL, &keep), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(scorer_session_predict(f.session, NULL, NULL, NULL, out), SOWLV2_ERROR_ARGUMENT);
    free(out);
    free(frames);
    close_case(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_held),
        cmocka_unit_test(test_nothing_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
