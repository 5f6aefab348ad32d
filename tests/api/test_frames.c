/* Key frames through the public API, against what make_frames.py computed with the reference. */
#include "base/test_folder.h"
#include "media/png.h"
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
#include <sys/stat.h>

#define MODEL TEST_DATA "/models/data/vjepa2_tiny"
#define CLASSIFIER TEST_DATA "/models/data/vjepa2_classifier"

static char *folder, *video;
static struct safetensors *expected;

static float float_at(const struct host_tensor *tensor, size_t index)
{
    float value;
    assert_non_null(tensor);
    assert_true((index + 1) * sizeof(value) <= tensor->bytes);
    memcpy(&value, (const char *)tensor->data + index * sizeof(value), sizeof(value));
    return value;
}

/* The frames as a folder of PNG files. */
static int set_up(void **state)
{
    (void)state;
    folder = test_folder_make();
    video = test_path(folder, "video");
    assert_int_equal(mkdir(video, 0777), 0);
    assert_int_equal(safetensors_open(TEST_DATA "/cli/data/frames.safetensors", &expected), 0);
    const struct host_tensor *pixels = safetensors_find(expected, "pixels");
    const size_t bytes = (size_t)(pixels->dim[1] * pixels->dim[2] * 3);
    for (int64_t i = 0; i < pixels->dim[0]; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%02d.png", (int)i);
        char *path = test_path(video, name);
        assert_int_equal(png_write(path, (const uint8_t *)pixels->data + (size_t)i * bytes, (int)pixels->dim[2],
                                   (int)pixels->dim[1], 3, (size_t)pixels->dim[2] * 3),
                         0);
        free(path);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    safetensors_close(&expected);
    free(video);
    test_folder_remove(folder);
    return 0;
}

static sowlv2_frames_model *open_model(const char *path)
{
    struct sowlv2_model_options options = sowlv2_frames_model_options_default();
    sowlv2_frames_model *model = NULL;
    options.model = path;
    if (sowlv2_frames_model_open(&options, &model) != 0)
        fail_msg("%s", sowlv2_error_message());
    return model;
}

struct seen {
    size_t clips, pictures;
    float *features; /* of all clips */
    size_t count;
    bool stop;
};

static bool take_clip(const struct sowlv2_clip_features *features, void *user_data)
{
    struct seen *seen = user_data;
    const size_t count = (size_t)(features->rows * features->width);
    seen->features = realloc(seen->features, (seen->count + count) * sizeof(float));
    assert_non_null(seen->features);
    memcpy(seen->features + seen->count, features->values, count * sizeof(float));
    seen->count += count;
    seen->clips++;
    return !seen->stop;
}

static bool take_picture(const struct sowlv2_frame *frame, const struct sowlv2_image *image, void *user_data)
{
    struct seen *seen = user_data;
    const struct host_tensor *pixels = safetensors_find(expected, "pixels");
    const size_t bytes = (size_t)(pixels->dim[1] * pixels->dim[2] * 3);
    assert_true(frame->chosen);
    assert_int_equal(image->height, pixels->dim[1]);
    assert_memory_equal(image->pixels, (const uint8_t *)pixels->data + (size_t)(frame->source_number - 1) * bytes,
                        bytes);
    seen->pictures++;
    return !seen->stop;
}

static void gives_what_the_tool_gives(void **state)
{
    (void)state;
    sowlv2_frames_model *model = open_model(MODEL);
    struct sowlv2_frames_options options = sowlv2_frames_options_default();
    struct seen seen = {0};
    struct sowlv2_frames frames;
    options.importance = SOWLV2_IMPORTANCE_CHANGE;
    options.clip = take_clip;
    options.clip_user_data = &seen;
    options.picture = take_picture;
    options.picture_user_data = &seen;
    assert_int_equal(sowlv2_frames_run(model, video, &options, &frames), 0);
    const struct host_tensor *pixels = safetensors_find(expected, "pixels");
    assert_int_equal(frames.count, pixels->dim[0]);
    size_t chosen = 0;
    for (size_t i = 0; i < frames.count; i++) {
        const struct sowlv2_frame *frame = &frames.items[i];
        assert_int_equal(frame->number, i + 1);
        assert_int_equal(frame->source_number, i + 1);
        assert_true(fabs(frame->time - (double)i / 6) < 1e-6);
        assert_true(fabsf(frame->score - float_at(safetensors_find(expected, "change.scores"), i)) < 1e-3F);
        chosen += frame->chosen;
    }
    assert_int_equal(chosen, frames.chosen_count);
    assert_int_equal(seen.pictures, chosen);
    assert_int_equal(seen.clips, frames.clip_count);
    assert_true(frames.clip_count > 1);
    assert_int_equal(frames.clips[0].labels[0], -1);
    const struct host_tensor *features = safetensors_find(expected, "change.features");
    assert_non_null(features);
    assert_int_equal(seen.count * sizeof(float), features->bytes);
    for (size_t i = 0; i < seen.count; i++) {
        const float wanted = float_at(features, i);
        assert_true(fabsf(seen.features[i] - wanted) <= 1e-3F + 1e-3F * fabsf(wanted));
    }
    free(seen.features);
    sowlv2_frames_free(&frames);
    assert_null(frames.items);
    sowlv2_frames_model_free(&model);
    assert_null(model);
}

static void says_what_the_model_is(void **state)
{
    (void)state;
    sowlv2_frames_model *model = open_model(CLASSIFIER);
    const struct sowlv2_frames_model_info info = sowlv2_frames_model_info(model);
    assert_true(info.label_count > 1 && info.tubelet_size == 2 && info.width > 0 && info.grid > 0);
    assert_non_null(sowlv2_frames_model_label(model, info.label_count - 1));
    assert_null(sowlv2_frames_model_label(model, info.label_count));
    assert_null(sowlv2_frames_model_label(model, -1));

    struct sowlv2_frames_options options = sowlv2_frames_options_default();
    struct sowlv2_frames frames;
    options.labels = true;
    options.score_window = 4;
    assert_int_equal(sowlv2_frames_run(model, video, &options, &frames), 0);
    for (size_t i = 0; i < frames.clip_count; i++) {
        assert_in_range(frames.clips[i].labels[0], 0, info.label_count - 1);
        assert_true(frames.clips[i].label_scores[0] >= frames.clips[i].label_scores[1]);
    }
    for (size_t i = 0; i < frames.count; i++)
        assert_true(frames.items[i].score >= 0 && frames.items[i].score <= 1);
    sowlv2_frames_free(&frames);
    sowlv2_frames_model_free(&model);
}

static bool never(int done, int total, void *user_data)
{
    (void)done;
    (void)total;
    (void)user_data;
    return false;
}

static void stops_and_refuses(void **state)
{
    (void)state;
    sowlv2_frames_model *model = open_model(MODEL), *none = NULL;
    struct sowlv2_frames frames;
    struct seen seen = {.stop = true};
    struct sowlv2_frames_options options = sowlv2_frames_options_default();
    options.clip = take_clip;
    options.clip_user_data = &seen;
    assert_int_equal(sowlv2_frames_run(model, video, &options, &frames), SOWLV2_ERROR_CANCELLED);
    assert_int_equal(seen.clips, 1);
    assert_int_equal(frames.count, 0);
    free(seen.features);
    options = sowlv2_frames_options_default();
    options.progress = never;
    assert_int_equal(sowlv2_frames_run(model, video, &options, &frames), SOWLV2_ERROR_CANCELLED);
    options = sowlv2_frames_options_default();
    options.labels = true;
    assert_int_equal(sowlv2_frames_run(model, video, &options, &frames), SOWLV2_ERROR_UNSUPPORTED);
    options = sowlv2_frames_options_default();
    options.motion_weight = NAN;
    assert_int_equal(sowlv2_frames_run(model, video, &options, &frames), SOWLV2_ERROR_ARGUMENT);
    options = sowlv2_frames_options_default();
    options.spacing = -1;
    assert_int_equal(sowlv2_frames_run(model, video, &options, &frames), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_frames_run(model, "nowhere.mp4", NULL, &frames), SOWLV2_ERROR_IO);
    assert_int_equal(sowlv2_frames_run(NULL, video, NULL, &frames), SOWLV2_ERROR_ARGUMENT);
    struct sowlv2_model_options source = sowlv2_frames_model_options_default();
    source.model = TEST_DATA "/models/data/owlv2_tiny";
    assert_int_equal(sowlv2_frames_model_open(&source, &none), SOWLV2_ERROR_MODEL);
    assert_null(none);
    sowlv2_frames_free(NULL);
    sowlv2_frames_model_free(&none);
    sowlv2_frames_model_free(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_what_the_tool_gives),
        cmocka_unit_test(says_what_the_model_is),
        cmocka_unit_test(stops_and_refuses),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
