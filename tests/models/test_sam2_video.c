/* SAM 2's memory against the reference's streaming session, frame by frame, for every configuration in
 * tests/models/data/sam2_video_* (made by tests/reference/make_sam2_video.py). */
#include "sam2_session.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *model, *runs[2];
} cases[] = {{"sam2_video_tiny", {"one", "three"}}, {"sam2_video_fields", {"masks", "point"}}};
enum { CASES = sizeof(cases) / sizeof(cases[0]), RUNS = 2 };

/* Over runs with our own memories; see check_step. */
#define FREE_TOLERANCE 2e-3

/* The largest |a - b| / (1 + |b|); NaN is infinite. */
static double largest_error(const float *found, const float *wanted, int64_t count)
{
    double largest = 0.0;
    for (int64_t i = 0; i < count; i++) {
        const double error = fabs((double)found[i] - (double)wanted[i]) / (1.0 + fabs((double)wanted[i]));
        largest = !(error <= largest) ? (isnan(error) ? INFINITY : error) : largest;
    }
    return largest;
}

static double check_close(const struct sam2_session *session, const char *what, const float *found,
                          const struct host_tensor *golden, int64_t row, double tolerance)
{
    const int64_t count = host_tensor_count(golden) / golden->dim[0];
    float *values = sam2_values(golden);
    const double error = largest_error(found, values + row * count, count);
    if (!(error <= tolerance)) {
        fail_msg("%s: run %s, step %d, object %lld: %s is %g off", strrchr(session->test.folder, '/') + 1, session->run,
                 session->step, (long long)row, what, error);
    }
    free(values);
    return error;
}

/* Pixels in both masks and in either. */
static void count_pixels(const float *found, const struct host_tensor *golden, int64_t row, int64_t *both,
                         int64_t *either)
{
    const int64_t count = golden->dim[1] * golden->dim[2];
    float *values = sam2_values(golden);
    for (int64_t i = 0; i < count; i++) {
        *both += found[i] > 0.0F && values[row * count + i] > 0.0F;
        *either += found[i] > 0.0F || values[row * count + i] > 0.0F;
    }
    free(values);
}

/* The memory of the frame, which is bfloat16, within one step of its rounding and the tolerance. Where `forced`, it
 * becomes the golden's. */
static int check_memory(struct sam2_session *session, int64_t row, int64_t frame, const struct host_tensor *golden,
                        double tolerance, bool forced)
{
    const struct sam2_object *object = NULL;
    const int64_t count = golden->dim[1] * golden->dim[2];
    const int64_t id = sam2_tracker_object(session->tracker, row);
    float *values = sam2_floats(count * golden->dim[0]), *found = sam2_floats(count);
    uint16_t *stored = malloc((size_t)count * sizeof(*stored));
    assert_non_null(stored);
    sam2_check(dtype_to_f32(golden->dtype, golden->data, count * golden->dim[0], values));
    object = sam2_tracker_peek(session->tracker, id);
    assert_non_null(object);
    const struct sam2_memory *memory = sam2_memories_find(&object->conditioning, frame);
    memory = memory ? memory : sam2_memories_find(&object->tracked, frame);
    assert_non_null(memory);
    compute_begin(session->test.compute);
    assert_int_equal(memory->features.dtype, DTYPE_BF16);
    op_download(session->test.compute, memory->features, stored);
    sam2_check(compute_finish(session->test.compute));
    sam2_check(dtype_to_f32(DTYPE_BF16, stored, count, found));
    free(stored);
    int different = 0;
    for (int64_t i = 0; i < count; i++) {
        const double wanted = (double)values[row * count + i];
        different += (double)found[i] != wanted;
        if (!(fabs((double)found[i] - wanted) <= fabs(wanted) / 128.0 + tolerance)) {
            fail_msg("%s: run %s, step %d, object %lld: memory %lld is %g, not %g",
                     strrchr(session->test.folder, '/') + 1, session->run, session->step, (long long)row, (long long)i,
                     (double)found[i], wanted);
        }
    }
    if (forced) {
        const int64_t dim[] = {golden->dim[1], golden->dim[2]};
        op_copy(session->test.compute, op_upload(session->test.compute, DTYPE_F32, 2, dim, values + row * count),
                memory->features);
    }
    sam2_check(compute_finish(session->test.compute));
    free(values);
    free(found);
    return different;
}

/* How far a run was off. */
struct worst {
    double mask, score, iou, pointer, attention;
    int64_t both, either, memories, different;
};

static void worse(double *worst, double error)
{
    *worst = error > *worst ? error : *worst;
}

/* `forced`: with the golden's memories, to the tolerance of all tensors. Else with our own: where one of its values was
 * rounded to the other side, that is a step of 2^-8 in what is computed from it. */
static void check_step(struct sam2_session *session, int64_t frame, bool forced, struct worst *worst)
{
    const char *run = session->run;
    const int step = session->step;
    struct sam2_case *test = &session->test;
    const struct host_tensor *objects = sam2_golden(test, "%s.%d.objects", run, step);
    const struct host_tensor *memory = sam2_golden(test, "%s.%d.memory", run, step);
    const struct host_tensor *attention = sam2_find(test, "%s.%d.attention", run, step);
    const double tolerance = forced ? SAM2_TOLERANCE : FREE_TOLERANCE;
    int64_t count;
    const struct session_track *tracks = sam2_session_run(session, frame, &count);
    assert_int_equal(count, objects->dim[0]);
    for (int64_t i = 0; i < count; i++) {
        const struct host_tensor *masks = sam2_golden(test, "%s.%d.masks", run, step);
        assert_int_equal(tracks[i].object, sam2_whole(objects, i));
        worse(&worst->mask, check_close(session, "mask", tracks[i].mask, masks, i, tolerance));
        worse(&worst->score, check_close(session, "object score", &tracks[i].object_score,
                                         sam2_golden(test, "%s.%d.scores", run, step), i, tolerance));
        worse(&worst->iou,
              check_close(session, "IoU", &tracks[i].iou, sam2_golden(test, "%s.%d.iou", run, step), i, tolerance));
        worse(&worst->pointer, check_close(session, "pointer", tracks[i].pointer,
                                           sam2_golden(test, "%s.%d.pointers", run, step), i, tolerance));
        count_pixels(tracks[i].mask, masks, i, &worst->both, &worst->either);
        worst->different += check_memory(session, i, frame, memory, tolerance, forced);
        worst->memories += memory->dim[1] * memory->dim[2];
    }
    if (attention) {
        /* The golden is normalised, what is traced is not. */
        const int64_t width = test->config->width, pixels = attention->dim[0];
        const struct nn_norm *norm = &session->video->weights.attention_norm;
        float *found = sam2_floats(pixels * width);
        compute_begin(test->compute);
        struct tensor x = op_upload(test->compute, DTYPE_F32, 2, (int64_t[]){pixels, width}, session->attention);
        op_layer_norm(test->compute, x, norm->gamma, norm->beta, 1e-5F, x);
        op_download(test->compute, x, found);
        sam2_check(compute_finish(test->compute));
        float *values = sam2_values(attention);
        worse(&worst->attention, largest_error(found, values, pixels * width));
        assert_true(worst->attention <= tolerance);
        free(values);
        free(found);
        test->compared++;
    }
}

static void check_run(const char *model, const char *run, bool forced)
{
    const struct tracker_options options = {.reference_rules = true};
    struct sam2_session session;
    struct worst worst = {0};
    sam2_session_open(model, &options, &session);
    session.run = run;
    const struct host_tensor *steps = sam2_golden(&session.test, "%s.steps", run);
    for (session.step = 0; session.step < steps->dim[0]; session.step++) {
        const int frame = sam2_whole(steps, session.step);
        sam2_session_prompt(&session, run, session.step, -1);
        sam2_session_encode(&session, frame);
        check_step(&session, frame, forced, &worst);
    }
    print_message("%s %s, %s memories: off by: mask %.2g, score %.2g, IoU %.2g, pointer %.2g, attention %.2g; masks' "
                  "IoU %.5f; %lld of %lld values of memory rounded to the other side\n",
                  model, run, forced ? "the reference's" : "our own", worst.mask, worst.score, worst.iou, worst.pointer,
                  worst.attention, (double)worst.both / (double)worst.either, (long long)worst.different,
                  (long long)worst.memories);
    assert_true(worst.memories > 0 && session.test.compared > 0);
    assert_true((double)worst.both >= 0.99 * (double)worst.either);
    assert_true(worst.different <= worst.memories / 100);
    sam2_session_close(&session);
}

static void test_runs(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * CASES * RUNS; i++) {
        const int c = i / 2 / RUNS, r = i / 2 % RUNS;
        check_run(cases[c].model, cases[c].runs[r], i % 2 == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs),
    };
    return sam2_level_missing() ? SAM2_SKIPPED : cmocka_run_group_tests(tests, NULL, NULL);
}
