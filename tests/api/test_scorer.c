/* Frames in memory through a scorer, against what make_frames.py computed with the reference. */
#include "sowlv2.h"
#include "weights/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODEL TEST_DATA "/models/data/vjepa2_tiny"
#define CLASSIFIER TEST_DATA "/models/data/vjepa2_classifier"

enum { FILLING = 0xa5, MOST_FRAMES = 64 };

static struct safetensors *expected;
static const struct host_tensor *pixels; /* [frames][height][width][3] */
static size_t frame_count;
static sowlv2_scorer *scorer, *classifier;

static const struct host_tensor *find(const char *run, const char *name)
{
    char full[64];
    snprintf(full, sizeof(full), "%s%s%s", run, *run ? "." : "", name);
    const struct host_tensor *const tensor = safetensors_find(expected, full);
    if (!tensor)
        fail_msg("%s is not in frames.safetensors", full);
    return tensor;
}

static float float_at(const struct host_tensor *tensor, size_t index)
{
    float value;
    assert_true((index + 1) * sizeof(value) <= tensor->bytes);
    memcpy(&value, (const char *)tensor->data + index * sizeof(value), sizeof(value));
    return value;
}

static int64_t integer_at(const struct host_tensor *tensor, size_t index)
{
    int64_t value;
    assert_true((index + 1) * sizeof(value) <= tensor->bytes);
    memcpy(&value, (const char *)tensor->data + index * sizeof(value), sizeof(value));
    return value;
}

static sowlv2_scorer *open_scorer(const char *path)
{
    struct sowlv2_model_options options = sowlv2_scorer_options_default();
    sowlv2_scorer *out = NULL;
    options.model = path;
    if (sowlv2_scorer_open(&options, &out) != 0)
        fail_msg("%s", sowlv2_error_message());
    return out;
}

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(safetensors_open(TEST_DATA "/cli/data/frames.safetensors", &expected), 0);
    pixels = find("", "pixels");
    frame_count = (size_t)pixels->dim[0];
    assert_in_range(frame_count, 16, MOST_FRAMES);
    scorer = open_scorer(MODEL);
    classifier = open_scorer(CLASSIFIER);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sowlv2_scorer_free(&scorer);
    sowlv2_scorer_free(&classifier);
    safetensors_close(&expected);
    return 0;
}

static sowlv2_score_session *begin(const sowlv2_scorer *model, const struct sowlv2_score_options *options)
{
    sowlv2_score_session *session = NULL;
    if (sowlv2_score_session_create(model, options, &session) != 0)
        fail_msg("%s", sowlv2_error_message());
    return session;
}

/* Pushes a frame from memory that is overwritten at once; its rows are `gap` bytes apart. */
static int push(sowlv2_score_session *session, size_t index, size_t gap)
{
    const size_t height = (size_t)pixels->dim[1], row = (size_t)pixels->dim[2] * 3, stride = row + gap;
    uint8_t *const copy = malloc(height * stride);
    assert_non_null(copy);
    memset(copy, FILLING, height * stride);
    for (size_t y = 0; y < height; y++)
        memcpy(copy + y * stride, (const uint8_t *)pixels->data + (index * height + y) * row, row);
    const struct sowlv2_image image = {copy, (int)pixels->dim[2], (int)height, gap > 0 ? stride : 0};
    const int status = sowlv2_score_push(session, &image, (double)index / 6, (int64_t)index + 100);
    memset(copy, FILLING, height * stride);
    free(copy);
    return status;
}

static void push_all(sowlv2_score_session *session)
{
    for (size_t i = 0; i < frame_count; i++)
        assert_int_equal(push(session, i, i % 2 * 7), 0);
    assert_int_equal(sowlv2_score_finish(session), 0);
}

static void check_number(const char *what, size_t index, float found, float wanted, float tolerance)
{
    if (isnan(wanted) ? !isnan(found) : !(fabsf(found - wanted) <= tolerance))
        fail_msg("%s[%zu] is %g, expected %g", what, index, (double)found, (double)wanted);
}

struct seen {
    size_t clips, count;
    float *features; /* of all clips */
    bool stop;
};

static bool take_features(const struct sowlv2_clip_features *features, void *user_data)
{
    struct seen *const seen = user_data;
    const size_t count = (size_t)(features->rows * features->width);
    seen->features = realloc(seen->features, (seen->count + count) * sizeof(float));
    assert_non_null(seen->features);
    memcpy(seen->features + seen->count, features->values, count * sizeof(float));
    seen->count += count;
    seen->clips++;
    return !seen->stop;
}

static void check_features(const struct host_tensor *wanted, const struct seen *seen)
{
    assert_int_equal(seen->count * sizeof(float), wanted->bytes);
    for (size_t i = 0; i < seen->count; i++) {
        const float value = float_at(wanted, i);
        check_number("features", i, seen->features[i], value, 1e-4F + 1e-4F * fabsf(value));
    }
}

static void check_frames(const char *run, const struct sowlv2_frames *frames)
{
    size_t chosen = 0, scenes = 0;
    assert_int_equal(frames->count, frame_count);
    for (size_t i = 0; i < frames->count; i++) {
        const struct sowlv2_frame *const frame = &frames->items[i];
        assert_int_equal(frame->number, i + 1);
        assert_int_equal(frame->source_number, i + 100);
        assert_true(frame->time == (double)i / 6);
        check_number("importance", i, frame->importance, float_at(find(run, "raw"), i), 1e-4F);
        check_number("motion", i, frame->motion, float_at(find("", "motion"), i), 1e-6F);
        check_number("score", i, frame->score, float_at(find(run, "scores"), i), 1e-3F);
        if (frame->scene_start)
            assert_int_equal(i + 1, integer_at(find("", "scenes"), scenes++));
        if (frame->chosen)
            assert_int_equal(i + 1, integer_at(find(run, "chosen"), chosen++));
    }
    assert_int_equal(scenes, find("", "scenes")->dim[0]);
    assert_int_equal(scenes, frames->scene_count);
    assert_int_equal(chosen, find(run, "chosen")->dim[0]);
    assert_int_equal(chosen, frames->chosen_count);
}

static void gives_what_the_reference_gives(void **state)
{
    static const struct {
        const char *run;
        enum sowlv2_importance importance;
        int frames_per_clip, clip_overlap;
        float motion_weight;
    } cases[] = {
        {"change", SOWLV2_IMPORTANCE_CHANGE, 0, 0, 0},
        {"variance", SOWLV2_IMPORTANCE_VARIANCE, 6, 2, 0},
        {"surprise", SOWLV2_IMPORTANCE_SURPRISE, 0, 0, 0},
        {"motion", SOWLV2_IMPORTANCE_CHANGE, 0, 0, 0.5F},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct seen seen = {0};
        struct sowlv2_score_options options = sowlv2_score_options_default();
        struct sowlv2_choice_options choice = sowlv2_choice_options_default();
        struct sowlv2_frames frames;
        options.importance = cases[i].importance;
        options.frames_per_clip = cases[i].frames_per_clip;
        options.clip_overlap = cases[i].clip_overlap;
        options.motion_weight = cases[i].motion_weight;
        options.features = take_features;
        options.features_user_data = &seen;
        choice.target_frames = 4;
        choice.spacing = 5;
        sowlv2_score_session *session = begin(scorer, &options);
        push_all(session);
        assert_int_equal(sowlv2_score_choose(session, &choice, &frames), 0);
        check_frames(cases[i].run, &frames);
        check_features(find(cases[i].run, "features"), &seen);
        assert_int_equal(frames.clip_count, seen.clips);
        assert_true(frames.clip_count > 1);
        assert_int_equal(frames.clips[0].labels[0], -1);
        sowlv2_frames_free(&frames);
        assert_null(frames.items);
        /* Again, for another number of them. */
        choice.target_frames = 1;
        assert_int_equal(sowlv2_score_choose(session, &choice, &frames), 0);
        assert_int_equal(frames.chosen_count, 1);
        sowlv2_frames_free(&frames);
        sowlv2_score_session_free(&session);
        assert_null(session);
        free(seen.features);
    }
}

static void pools(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sowlv2_score_options options = sowlv2_score_options_default();
    options.pooled = true;
    options.features = take_features;
    options.features_user_data = &seen;
    sowlv2_score_session *session = begin(scorer, &options);
    push_all(session);
    check_features(find("change", "pooled"), &seen);
    sowlv2_score_session_free(&session);
    free(seen.features);
}

/* The lowest and the highest of the window that ends at each value, as docs/key-frames.md says it. */
static void normalise(const float *values, size_t window, float *out)
{
    for (size_t i = 0; i < frame_count; i++) {
        float low = INFINITY, high = -INFINITY;
        for (size_t k = i + 1 < window ? 0 : i + 1 - window; k <= i; k++) {
            low = isnan(values[k]) || values[k] > low ? low : values[k];
            high = isnan(values[k]) || values[k] < high ? high : values[k];
        }
        out[i] = isnan(values[i]) || high <= low ? 0.0F : (values[i] - low) / (high - low);
    }
}

static void check_window(size_t window, const struct sowlv2_frames *frames)
{
    float importance[MOST_FRAMES], motion[MOST_FRAMES], mixed[MOST_FRAMES], scores[MOST_FRAMES];
    for (size_t i = 0; i < frame_count; i++) {
        importance[i] = frames->items[i].importance;
        motion[i] = frames->items[i].motion;
    }
    normalise(importance, window, mixed);
    normalise(motion, window, scores);
    for (size_t i = 0; i < frame_count; i++)
        mixed[i] = 0.75F * mixed[i] + 0.25F * scores[i];
    normalise(mixed, window, scores);
    for (size_t i = 0; i < frame_count; i++)
        check_number("score in a window", i, frames->items[i].score, scores[i], 1e-4F);
}

/* What is final stays, comes as early as it can, and of a window with its score. */
static void is_final_when_it_says_so(void **state)
{
    static const struct {
        enum sowlv2_importance importance;
        int overlap;
        int64_t window;
    } cases[] = {
        {SOWLV2_IMPORTANCE_CHANGE, 0, 0},    {SOWLV2_IMPORTANCE_CHANGE, 0, 1},
        {SOWLV2_IMPORTANCE_CHANGE, 0, 5},    {SOWLV2_IMPORTANCE_CHANGE, 0, 11},
        {SOWLV2_IMPORTANCE_CHANGE, 3, 5},    {SOWLV2_IMPORTANCE_VARIANCE, 7, 4},
        {SOWLV2_IMPORTANCE_CHANGE, 0, 1000}, {SOWLV2_IMPORTANCE_CHANGE, 0, INT64_MAX},
        {SOWLV2_IMPORTANCE_SURPRISE, 0, 5},
    };
    enum { CLIP = 8 };
    (void)state;
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        struct sowlv2_frame early[MOST_FRAMES];
        struct sowlv2_frames frames;
        size_t final = 0;
        struct sowlv2_score_options options = sowlv2_score_options_default();
        options.frames_per_clip = CLIP;
        options.clip_overlap = cases[c].overlap;
        options.importance = cases[c].importance;
        options.score_window = cases[c].window;
        options.motion_weight = 0.25F;
        sowlv2_score_session *session = begin(scorer, &options);
        for (size_t i = 0; i < frame_count; i++) {
            assert_int_equal(push(session, i, 0), 0);
            assert_int_equal(sowlv2_score_count(session), i + 1);
            assert_null(sowlv2_score_frame(session, i + 1));
            assert_true(sowlv2_score_final(session) >= final && sowlv2_score_final(session) <= i + 1);
            for (; final < sowlv2_score_final(session); final++)
                early[final] = *sowlv2_score_frame(session, final);
            if (cases[c].importance == SOWLV2_IMPORTANCE_SURPRISE)
                assert_int_equal(final, 0);
            else if ((i + 1) % CLIP == 0 && cases[c].overlap == 0)
                assert_int_equal(final, i + 2 - CLIP < i - 3 ? i + 2 - CLIP : i - 3);
            /* Where no clip was yet, nothing is known but the motion. */
            const struct sowlv2_frame *const last = sowlv2_score_frame(session, i);
            assert_true(isnan(last->score) && (i + 1 >= CLIP || isnan(last->importance)));
        }
        assert_true(cases[c].importance == SOWLV2_IMPORTANCE_SURPRISE || final + 2 * CLIP >= frame_count);
        assert_int_equal(sowlv2_score_finish(session), 0);
        assert_int_equal(sowlv2_score_final(session), frame_count);
        assert_int_equal(sowlv2_score_choose(session, NULL, &frames), 0);
        for (size_t i = 0; i < final; i++) {
            const struct sowlv2_frame *const frame = &frames.items[i];
            assert_true(early[i].importance == frame->importance ||
                        (isnan(early[i].importance) && isnan(frame->importance)));
            assert_true(early[i].motion == frame->motion && early[i].scene_start == frame->scene_start);
            assert_true(cases[c].window > 0 ? early[i].score == frame->score : isnan(early[i].score));
        }
        if (cases[c].window > 0)
            check_window(cases[c].window < MOST_FRAMES ? (size_t)cases[c].window : MOST_FRAMES, &frames);
        sowlv2_frames_free(&frames);
        sowlv2_score_session_free(&session);
    }
}

static void classifies(void **state)
{
    const struct host_tensor *const labels = find("", "labels");
    const struct sowlv2_scorer_info info = sowlv2_scorer_info(classifier);
    struct sowlv2_score_options options = sowlv2_score_options_default();
    struct sowlv2_frames frames;
    (void)state;
    assert_true(info.label_count > 1 && info.tubelet_size == 2 && info.width > 0 && info.grid > 0);
    assert_non_null(sowlv2_scorer_label(classifier, info.label_count - 1));
    assert_null(sowlv2_scorer_label(classifier, info.label_count));
    assert_null(sowlv2_scorer_label(classifier, -1));
    options.labels = true;
    sowlv2_score_session *session = begin(classifier, &options);
    push_all(session);
    assert_int_equal(sowlv2_score_choose(session, NULL, &frames), 0);
    assert_int_equal(frames.clip_count, labels->dim[0]);
    for (size_t i = 0; i < frames.clip_count; i++)
        for (size_t k = 0; k < SOWLV2_CLIP_LABELS; k++) {
            const size_t at = i * (size_t)labels->dim[1] + k;
            const bool is_there = k < (size_t)labels->dim[1];
            assert_int_equal(frames.clips[i].labels[k], is_there ? integer_at(labels, at) : -1);
            check_number("probability", at, frames.clips[i].label_scores[k],
                         is_there ? float_at(find("", "probabilities"), at) : 0.0F, 1e-4F);
        }
    sowlv2_frames_free(&frames);
    sowlv2_score_session_free(&session);
}

/* Less than a clip, less than a tubelet, nothing. */
static void takes_any_number(void **state)
{
    (void)state;
    for (size_t count = 0; count < 10; count++) {
        struct sowlv2_frames frames;
        sowlv2_score_session *session = begin(scorer, NULL);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(push(session, i, 0), 0);
        assert_int_equal(sowlv2_score_finish(session), 0);
        assert_int_equal(sowlv2_score_choose(session, NULL, &frames), 0);
        assert_int_equal(frames.count, count);
        assert_int_equal(frames.chosen_count, count < 8 ? count : 8);
        assert_int_equal(frames.clip_count, count == 0 ? 0 : count > 8 ? 2 : 1);
        sowlv2_frames_free(&frames);
        sowlv2_score_session_free(&session);
    }
}

static bool never(int done, int total, void *user_data)
{
    (void)done;
    (void)total;
    (void)user_data;
    return false;
}

/* After a cancelled clip nothing goes on; what is refused leaves the session as it was. */
static void stops_and_refuses(void **state)
{
    struct seen seen = {.stop = true};
    struct sowlv2_frames frames;
    (void)state;
    for (int by_progress = 0; by_progress < 2; by_progress++) {
        struct sowlv2_score_options options = sowlv2_score_options_default();
        options.features = by_progress ? NULL : take_features;
        options.features_user_data = &seen;
        options.progress = by_progress ? never : NULL;
        sowlv2_score_session *session = begin(scorer, &options);
        for (size_t i = 0; i < 7; i++)
            assert_int_equal(push(session, i, 0), 0);
        assert_int_equal(push(session, 7, 0), SOWLV2_ERROR_CANCELLED);
        assert_int_equal(push(session, 8, 0), SOWLV2_ERROR_ARGUMENT);
        assert_int_equal(sowlv2_score_finish(session), SOWLV2_ERROR_ARGUMENT);
        assert_int_equal(sowlv2_score_choose(session, NULL, &frames), SOWLV2_ERROR_ARGUMENT);
        assert_null(frames.items);
        assert_null(frames.clips);
        sowlv2_score_session_free(&session);
    }
    assert_int_equal(seen.clips, 1);
    free(seen.features);

    const uint8_t grey[4 * 4 * 3] = {0};
    const struct sowlv2_image image = {grey, 4, 4, 0};
    sowlv2_score_session *session = begin(scorer, NULL);
    assert_int_equal(sowlv2_score_push(session, &image, NAN, 1), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_score_push(session, &image, 1, 1), 0);
    assert_int_equal(sowlv2_score_push(session, &image, 1, 2), SOWLV2_ERROR_ARGUMENT);
    assert_non_null(strstr(sowlv2_error_message(), "frame 2: its time is 1 s"));
    assert_int_equal(sowlv2_score_push(session, &(struct sowlv2_image){grey, 4, 0, 0}, 2, 2), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_score_choose(session, NULL, &frames), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_score_push(session, &image, 2, 2), 0);
    assert_int_equal(sowlv2_score_count(session), 2);
    assert_int_equal(sowlv2_score_finish(session), 0);
    assert_int_equal(sowlv2_score_finish(session), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_score_push(session, &image, 3, 3), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_score_choose(session, &(struct sowlv2_choice_options){0}, &frames), SOWLV2_ERROR_ARGUMENT);
    struct sowlv2_choice_options choice = sowlv2_choice_options_default();
    choice.spacing = -1;
    assert_int_equal(sowlv2_score_choose(session, &choice, &frames), SOWLV2_ERROR_ARGUMENT);
    choice = sowlv2_choice_options_default();
    choice.target_fraction = NAN;
    assert_int_equal(sowlv2_choice_check(&choice), SOWLV2_ERROR_ARGUMENT);
    sowlv2_score_session_free(&session);
}

static void expect_refusal(int status, const char *message, struct sowlv2_score_options options)
{
    sowlv2_score_session *session = (void *)&options;
    assert_int_equal(sowlv2_score_check(scorer, &options), status);
    assert_non_null(strstr(sowlv2_error_message(), message));
    assert_int_equal(sowlv2_score_session_create(scorer, &options, &session), status);
    assert_null(session);
}

static void checks_options(void **state)
{
    const struct sowlv2_score_options defaults = sowlv2_score_options_default();
    struct sowlv2_score_options options = defaults;
    (void)state;
    assert_int_equal(sowlv2_score_check(scorer, NULL), 0);
    options.labels = true;
    expect_refusal(SOWLV2_ERROR_UNSUPPORTED, "no classifier", options);
    options = defaults;
    options.motion_weight = NAN;
    expect_refusal(SOWLV2_ERROR_ARGUMENT, "motion_weight", options);
    options = defaults;
    options.frames_per_clip = 1;
    expect_refusal(SOWLV2_ERROR_ARGUMENT, "at once", options);
    options = defaults;
    options.clip_overlap = 8;
    expect_refusal(SOWLV2_ERROR_ARGUMENT, "must be less", options);
    options.clip_overlap = -1;
    expect_refusal(SOWLV2_ERROR_ARGUMENT, "below 0", options);
    options = defaults;
    options.importance = (enum sowlv2_importance)7;
    expect_refusal(SOWLV2_ERROR_ARGUMENT, "importance", options);
    assert_null(sowlv2_importance_name((enum sowlv2_importance)7));
    options = defaults;
    options.importance = SOWLV2_IMPORTANCE_SURPRISE;
    options.frames_per_clip = 3;
    expect_refusal(SOWLV2_ERROR_ARGUMENT, "nothing to predict from", options);
    options = defaults;
    options.size = 0;
    expect_refusal(SOWLV2_ERROR_ARGUMENT, "_default()", options);
    /* A program that knows no more than the first field. */
    options = defaults;
    options.size = offsetof(struct sowlv2_score_options, whole_frame);
    options.score_window = -1;
    assert_int_equal(sowlv2_score_check(scorer, &options), 0);

    struct sowlv2_model_options source = sowlv2_scorer_options_default();
    sowlv2_scorer *none = scorer;
    source.model = TEST_DATA "/models/data/owlv2_tiny";
    assert_int_equal(sowlv2_scorer_open(&source, &none), SOWLV2_ERROR_MODEL);
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_what_the_reference_gives),
        cmocka_unit_test(pools),
        cmocka_unit_test(is_final_when_it_says_so),
        cmocka_unit_test(classifies),
        cmocka_unit_test(takes_any_number),
        cmocka_unit_test(stops_and_refuses),
        cmocka_unit_test(checks_options),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
