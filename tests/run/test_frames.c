/* Key frames of a folder, as a program asks for them: callbacks, files, errors. The numbers are those of
 * make_frames.py; tests/cli/test_cli_frames.c reads the files. */
#include "base/file.h"
#include "base/test_folder.h"
#include "media/png.h"
#include "sowlv2_run.h"
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

static char *folder, *video;
static struct safetensors *expected;
static const struct host_tensor *pixels; /* [frames][height][width][3] */
static size_t picture_bytes;
static sowlv2_scorer *scorer;

static float float_at(const char *name, size_t index)
{
    const struct host_tensor *const tensor = safetensors_find(expected, name);
    float value;
    assert_non_null(tensor);
    assert_true((index + 1) * sizeof(value) <= tensor->bytes);
    memcpy(&value, (const char *)tensor->data + index * sizeof(value), sizeof(value));
    return value;
}

/* The frames as a folder of PNG files. */
static int set_up(void **state)
{
    struct sowlv2_model_options options = sowlv2_scorer_options_default();
    (void)state;
    folder = test_folder_make();
    video = test_path(folder, "video");
    assert_int_equal(mkdir(video, 0777), 0);
    assert_int_equal(safetensors_open(TEST_DATA "/cli/data/frames.safetensors", &expected), 0);
    pixels = safetensors_find(expected, "pixels");
    picture_bytes = (size_t)(pixels->dim[1] * pixels->dim[2] * 3);
    for (int64_t i = 0; i < pixels->dim[0]; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%02d.png", (int)i);
        char *path = test_path(video, name);
        assert_int_equal(png_write(path, (const uint8_t *)pixels->data + (size_t)i * picture_bytes, (int)pixels->dim[2],
                                   (int)pixels->dim[1], 3, (size_t)pixels->dim[2] * 3),
                         0);
        free(path);
    }
    options.model = TEST_DATA "/models/data/vjepa2_tiny";
    if (sowlv2_scorer_open(&options, &scorer) != 0)
        fail_msg("%s", sowlv2_error_message());
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sowlv2_scorer_free(&scorer);
    safetensors_close(&expected);
    free(video);
    test_folder_remove(folder);
    return 0;
}

struct seen {
    size_t clips, frames, pictures;
    int64_t progress;
    size_t early;      /* frames that came before all were read */
    int stop_at;       /* which callback says stop: 1 features, 2 frame, 3 picture, 4 progress; 0: none */
    sig_atomic_t stop; /* set by a clip */
    bool sets_stop;
};

static bool take_features(const struct sowlv2_clip_features *features, void *user_data)
{
    struct seen *const seen = user_data;
    assert_true(features->rows > 0 && features->width > 0);
    seen->clips++;
    seen->stop = seen->sets_stop;
    return seen->stop_at != 1;
}

static bool take_frame(const struct sowlv2_frame *frame, void *user_data)
{
    struct seen *const seen = user_data;
    assert_int_equal(frame->number, ++seen->frames);
    seen->early += seen->progress < pixels->dim[0] - 1;
    return seen->stop_at != 2;
}

static bool take_picture(const struct sowlv2_frame *frame, const struct sowlv2_image *image, void *user_data)
{
    struct seen *const seen = user_data;
    assert_true(frame->chosen);
    assert_int_equal(image->height, pixels->dim[1]);
    assert_memory_equal(image->pixels,
                        (const uint8_t *)pixels->data + (size_t)(frame->source_number - 1) * picture_bytes,
                        picture_bytes);
    seen->pictures++;
    return seen->stop_at != 3;
}

static bool take_progress(int64_t done, int64_t total, void *user_data)
{
    struct seen *const seen = user_data;
    assert_int_equal(total, pixels->dim[0]);
    assert_true(done >= seen->progress);
    seen->progress = done;
    return seen->stop_at != 4;
}

static struct sowlv2_key_frames_options with_callbacks(struct sowlv2_score_options *score, struct seen *seen)
{
    struct sowlv2_key_frames_options options = sowlv2_key_frames_options_default();
    *score = sowlv2_score_options_default();
    score->features = take_features;
    score->features_user_data = seen;
    options.score = score;
    options.frame = take_frame;
    options.picture = take_picture;
    options.progress = take_progress;
    options.user_data = seen;
    options.stop = &seen->stop;
    return options;
}

static void calls_back(void **state)
{
    struct seen seen = {0};
    struct sowlv2_score_options score;
    struct sowlv2_key_frames_report report;
    const struct sowlv2_key_frames_options options = with_callbacks(&score, &seen);
    const struct sowlv2_frames *const frames = &report.frames;
    (void)state;
    if (sowlv2_key_frames_run(scorer, video, &options, &report) != 0)
        fail_msg("%s", sowlv2_error_message());
    assert_int_equal(report.broken, 0);
    assert_int_equal(frames->count, pixels->dim[0]);
    size_t chosen = 0;
    for (size_t i = 0; i < frames->count; i++) {
        const struct sowlv2_frame *const frame = &frames->items[i];
        assert_int_equal(frame->number, i + 1);
        assert_int_equal(frame->source_number, i + 1);
        assert_true(fabs(frame->time - (double)i / 6) < 1e-6);
        assert_true(fabsf(frame->score - float_at("change.scores", i)) < 1e-3F);
        chosen += frame->chosen;
    }
    assert_int_equal(chosen, 8);
    assert_int_equal(chosen, frames->chosen_count);
    assert_int_equal(seen.pictures, chosen);
    assert_int_equal(seen.frames, frames->count);
    assert_true(seen.early > 0);
    assert_int_equal(seen.progress, frames->count);
    assert_int_equal(seen.clips, frames->clip_count);
    assert_true(frames->clip_count > 1);
    assert_int_equal(frames->frames_per_clip, 8);
    assert_int_equal(frames->clip_step, 8);
    assert_true(report.total_seconds > 0 && report.model_seconds > 0);
    sowlv2_key_frames_report_free(&report);
    assert_null(frames->items);
}

/* A part of the source, thinned: numbers count what was seen, the pictures are those of the source. */
static void takes_a_part(void **state)
{
    struct seen seen = {0};
    struct sowlv2_score_options score;
    struct sowlv2_key_frames_report report;
    struct sowlv2_key_frames_options options = with_callbacks(&score, &seen);
    (void)state;
    options.progress = NULL;
    options.frames.first = 4;
    options.frames.last = 9;
    options.source_fps = 10;
    if (sowlv2_key_frames_run(scorer, video, &options, &report) != 0)
        fail_msg("%s", sowlv2_error_message());
    assert_int_equal(report.frames.count, 6);
    for (size_t i = 0; i < report.frames.count; i++) {
        assert_int_equal(report.frames.items[i].number, i + 1);
        assert_int_equal(report.frames.items[i].source_number, i + 4);
        assert_true(fabs(report.frames.items[i].time - (double)(i + 3) / 10) < 1e-6);
    }
    assert_int_equal(seen.pictures, 6);
    sowlv2_key_frames_report_free(&report);
}

/* Nothing is left, neither files nor a report. */
static void expect_failure(int status, const char *message, const struct sowlv2_key_frames_options *options,
                           const char *source)
{
    struct sowlv2_key_frames_report report;
    memset(&report, 0xa5, sizeof(report));
    const int given = sowlv2_key_frames_run(scorer, source, options, &report);
    if (given != status || !strstr(sowlv2_error_message(), message))
        fail_msg("%d: %s; expected %d: %s", given, sowlv2_error_message(), status, message);
    assert_null(report.frames.items);
    assert_null(report.frames.clips);
    assert_null(report.failure);
    assert_int_equal(test_count_entries(folder), 1);
}

static void stops(void **state)
{
    char *const features = test_path(folder, "f.safetensors"), *const scores = test_path(folder, "s.json"),
                *const plot = test_path(folder, "p.png");
    (void)state;
    for (int by = 1; by <= 5; by++) {
        struct seen seen = {.stop_at = by, .sets_stop = by == 5};
        struct sowlv2_score_options score;
        struct sowlv2_key_frames_options options = with_callbacks(&score, &seen);
        options.features = features;
        options.scores = scores;
        options.plot = plot;
        expect_failure(SOWLV2_ERROR_CANCELLED, by == 5 ? "" : "stopped by the caller", &options, video);
        assert_int_equal(seen.clips, by == 4 ? 0 : by == 1 || by == 5 ? 1 : by == 2 ? seen.clips : 3);
        assert_int_equal(seen.pictures, by == 3 ? 1 : 0);
    }
    free(features);
    free(scores);
    free(plot);
}

static void refuses(void **state)
{
    struct sowlv2_score_options score = sowlv2_score_options_default();
    struct sowlv2_choice_options choice = sowlv2_choice_options_default();
    struct sowlv2_key_frames_options options = sowlv2_key_frames_options_default();
    (void)state;
    options.score = &score;
    options.choice = &choice;
    score.labels = true;
    expect_failure(SOWLV2_ERROR_UNSUPPORTED, "no classifier", &options, video);
    score = sowlv2_score_options_default();
    choice.spacing = -1;
    expect_failure(SOWLV2_ERROR_ARGUMENT, "below 0", &options, video);
    choice = sowlv2_choice_options_default();
    options.fps = NAN;
    expect_failure(SOWLV2_ERROR_ARGUMENT, "frames a second", &options, video);
    options.fps = 6;
    options.scores = "scores.txt";
    expect_failure(SOWLV2_ERROR_ARGUMENT, "scores.txt: its ending", &options, video);
    options.scores = "/nonexistent/scores.json";
    expect_failure(SOWLV2_ERROR_IO, "/nonexistent", &options, video);
    options.scores = NULL;
    options.features = "/nonexistent/f.safetensors";
    expect_failure(SOWLV2_ERROR_IO, "/nonexistent", &options, video);
    options.features = NULL;
    options.max_pixels = 100;
    expect_failure(SOWLV2_ERROR_FORMAT, "none of its", &options, video);
    options.size = 3;
    expect_failure(SOWLV2_ERROR_ARGUMENT, "_default()", &options, video);
    expect_failure(SOWLV2_ERROR_IO, "nowhere.mp4", NULL, "nowhere.mp4");
}

/* A program of an earlier header, whose struct ends before the files, and one of a later header. */
static void knows_other_versions(void **state)
{
    struct sowlv2_key_frames_report report;
    struct {
        struct sowlv2_key_frames_options known;
        int64_t later;
    } larger;
    (void)state;
    /* What is behind its own fields is not looked at. */
    struct sowlv2_key_frames_options options;
    memset(&options, 0xa5, sizeof(options));
    sowlv2_key_frames_options_init(&options, offsetof(struct sowlv2_key_frames_options, scores));
    assert_int_equal(*(const unsigned char *)&options.scores, 0xa5);
    options.fps = 3;
    assert_int_equal(sowlv2_key_frames_run(scorer, video, &options, &report), 0);
    assert_true(fabs(report.frames.items[1].time - 1.0 / 3) < 1e-6);
    sowlv2_key_frames_report_free(&report);

    sowlv2_key_frames_options_init(&larger.known, sizeof(larger));
    assert_int_equal(larger.later, 0);
    assert_int_equal(sowlv2_key_frames_run(scorer, video, &larger.known, &report), 0);
    sowlv2_key_frames_report_free(&report);
    larger.later = 1;
    expect_failure(SOWLV2_ERROR_UNSUPPORTED, "does not have", &larger.known, video);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_back), cmocka_unit_test(takes_a_part),         cmocka_unit_test(stops),
        cmocka_unit_test(refuses),    cmocka_unit_test(knows_other_versions),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
