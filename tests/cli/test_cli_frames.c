/* sowlv2 frames as a user runs it, with tiny V-JEPA 2 models: scores, choices, features and classes against the
 * reference (tests/reference/make_frames.py), files, exit statuses. */
#include "base/file.h"
#include "base/test_folder.h"
#include "media/image.h"
#include "media/png.h"
#include "tool.h"
#include "weights/safetensors.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#define MODEL TEST_DATA "/models/data/vjepa2_tiny"
#define CLASSIFIER TEST_DATA "/models/data/vjepa2_classifier"
#define BARE TEST_DATA "/models/data/vjepa2_classifier_bare"

static char *folder, *video;
static struct safetensors *expected;
static int64_t frames;

static const struct host_tensor *find(const char *run, const char *name)
{
    char full[64];

    snprintf(full, sizeof(full), "%s%s%s", run, *run ? "." : "", name);
    const struct host_tensor *tensor = safetensors_find(expected, full);
    if (!tensor)
        fail_msg("%s is not in frames.safetensors", full);
    return tensor;
}

static float float_at(const struct host_tensor *tensor, int64_t index)
{
    float value;

    assert_int_equal(tensor->dtype, DTYPE_F32);
    assert_true((size_t)(index + 1) * sizeof(value) <= tensor->bytes);
    memcpy(&value, (const char *)tensor->data + (size_t)index * sizeof(value), sizeof(value));
    return value;
}

static int64_t integer_at(const struct host_tensor *tensor, int64_t index)
{
    int64_t value;

    assert_int_equal(tensor->dtype, DTYPE_I64);
    assert_true((size_t)(index + 1) * sizeof(value) <= tensor->bytes);
    memcpy(&value, (const char *)tensor->data + (size_t)index * sizeof(value), sizeof(value));
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
    const struct host_tensor *pixels = find("", "pixels");
    const size_t bytes = (size_t)(pixels->dim[1] * pixels->dim[2] * 3);
    frames = pixels->dim[0];
    for (int64_t i = 0; i < frames; i++) {
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

/* Absent numbers are NaN on both sides. */
static void check_number(const char *what, int64_t index, double found, double wanted, double tolerance)
{
    if (isnan(wanted) ? !isnan(found) : !(fabs(found - wanted) <= tolerance))
        fail_msg("%s[%d] is %g, expected %g", what, (int)index, found, wanted);
}

static double number_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    assert_non_null(value);
    return json_is_null(value) ? (double)NAN : json_number_value(value);
}

static void check_features(const char *run, const char *name, const char *path)
{
    const struct host_tensor *wanted = find(run, name), *found;
    struct safetensors *file;

    assert_int_equal(safetensors_open(path, &file), 0);
    assert_int_equal(safetensors_count(file), 1);
    found = safetensors_find(file, name);
    assert_non_null(found);
    assert_int_equal(found->rank, 3);
    for (int axis = 0; axis < 3; axis++)
        assert_int_equal(found->dim[axis], wanted->dim[axis]);
    for (int64_t i = 0; i < host_tensor_count(wanted); i++) {
        const double value = (double)float_at(wanted, i);

        check_number(name, i, (double)float_at(found, i), value, 1e-4 + 1e-4 * fabs(value));
    }
    safetensors_close(&file);
}

static void check_scores(const char *run, const char *path)
{
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    int64_t scene = 0;

    assert_non_null(root);
    const json_t *list = json_object_get(root, "frames");
    assert_int_equal(json_array_size(list), frames);
    for (int64_t i = 0; i < frames; i++) {
        const json_t *row = json_array_get(list, (size_t)i);

        assert_int_equal(json_integer_value(json_object_get(row, "frame")), i + 1);
        check_number("time", i, number_of(row, "time"), (double)i / 6, 1e-6);
        check_number("importance", i, number_of(row, "importance"), (double)float_at(find(run, "raw"), i), 1e-4);
        check_number("motion", i, number_of(row, "motion"), (double)float_at(find("", "motion"), i), 1e-6);
        check_number("score", i, number_of(row, "score"), (double)float_at(find(run, "scores"), i), 1e-3);
        if (json_is_true(json_object_get(row, "scene_start")))
            assert_int_equal(i + 1, integer_at(find("", "scenes"), scene++));
    }
    assert_int_equal(scene, find("", "scenes")->dim[0]);
    json_decref(root);
}

static void check_chosen(const char *run, const char *out)
{
    const struct host_tensor *wanted = find(run, "chosen");

    for (int64_t i = 0; i < wanted->dim[0]; i++) {
        int64_t number = 0, source = 0;
        double time, score;
        int used = 0;

        assert_int_equal(sscanf(out, "%" SCNd64 " %lf %lf %" SCNd64 "\n%n", &number, &time, &score, &source, &used), 4);
        assert_int_equal(source, number);
        if (number != integer_at(wanted, i))
            fail_msg("%s: choice %d is frame %d, expected %d", run, (int)i, (int)number, (int)integer_at(wanted, i));
        check_number("printed time", i, time, (double)(number - 1) / 6, 6e-4);
        check_number("printed score", i, score, (double)float_at(find(run, "scores"), number - 1), 1e-3);
        out += used;
    }
    assert_string_equal(out, "");
}

static void check_run(const char *run, const char *importance, const char *more, const char *more_value)
{
    char *scores = test_path(folder, "scores.json"), *features = test_path(folder, "features.safetensors");
    struct tool_result result =
        tool_run(ARGUMENTS("frames", "--input", video, "--vjepa2-model", MODEL, "--importance", importance,
                           "--target-frames", "4", "--spacing", "5", "--scores", scores, "--features", features,
                           "--frames-per-clip", strcmp(run, "variance") == 0 ? "6" : "8", more, more_value));

    if (result.status != 0)
        fail_msg("status %d: %s", result.status, result.err);
    check_features(run, "features", features);
    check_scores(run, scores);
    check_chosen(run, result.out);
    tool_free(&result);
    free(scores);
    free(features);
}

static void test_change(void **state)
{
    (void)state;
    check_run("change", "change", NULL, NULL);
}

static void test_variance_with_overlap(void **state)
{
    (void)state;
    check_run("variance", "variance", "--clip-overlap", "2");
}

static void test_surprise(void **state)
{
    (void)state;
    check_run("surprise", "surprise", NULL, NULL);
}

static void test_motion_aware(void **state)
{
    (void)state;
    check_run("motion", "motion-aware", NULL, NULL);
    check_run("motion", "change", "--motion-weight", "0.5");
    check_run("change", "motion-aware", "--motion-weight", "0");
}

static void test_pooled(void **state)
{
    char *features = test_path(folder, "pooled.safetensors");

    (void)state;
    tool_expect(
        0, NULL,
        ARGUMENTS("frames", "--quiet", "--input", video, "--vjepa2-model", MODEL, "--pooled", "--features", features));
    check_features("change", "pooled", features);
    free(features);
}

/* Of the classifier. */
static const char *const class_names[] = {"Pushing something from left to right", "Nothing happens", "Caf\xc3\xa9", "x",
                                          "y"};

static void test_labels(void **state)
{
    const struct host_tensor *labels = find("", "labels");
    struct tool_result result = tool_run(
        ARGUMENTS("frames", "--input", video, "--vjepa2-model", CLASSIFIER, "--labels", "--target-frames", "1"));
    const char *at = strchr(result.out, '\n');

    (void)state;
    assert_int_equal(result.status, 0);
    for (int64_t i = 0; i < host_tensor_count(labels); i++) {
        const int64_t clip = i / labels->dim[1];
        double start, end, score;
        int used = 0;

        assert_int_equal(sscanf(at, "\nclip %lf %lf %lf %n", &start, &end, &score, &used), 3);
        at += used;
        check_number("start", clip, start, (double)(clip < 4 ? 4 * clip : frames - 4) / 6, 6e-4);
        check_number("end", clip, end - start, 0.5, 2e-3);
        check_number("probability", i, score, (double)float_at(find("", "probabilities"), i), 2e-4);
        const char *name = class_names[integer_at(labels, i)];
        assert_int_equal(strncmp(at, name, strlen(name)), 0);
        at += strlen(name);
    }
    assert_string_equal(at, "\n");
    tool_free(&result);
}

/* The clips and their classes in the file of scores, which also says how they were made. */
static void test_labels_in_scores(void **state)
{
    const struct host_tensor *const labels = find("", "labels");
    char *scores = test_path(folder, "labels.json");
    json_error_t error;

    (void)state;
    tool_expect(
        0, NULL,
        ARGUMENTS("frames", "--quiet", "--input", video, "--vjepa2-model", CLASSIFIER, "--labels", "--scores", scores));
    json_t *const root = json_load_file(scores, 0, &error);
    assert_non_null(root);
    assert_string_equal(json_string_value(json_object_get(root, "importance")), "change");
    assert_string_equal(json_string_value(json_object_get(root, "input")), video);
    check_number("fps", 0, number_of(root, "fps"), 6, 0);
    check_number("frames_per_clip", 0, number_of(root, "frames_per_clip"), 4, 0);
    check_number("clip_step", 0, number_of(root, "clip_step"), 4, 0);
    const json_t *const clips = json_object_get(root, "clips");
    assert_int_equal(json_array_size(clips), labels->dim[0]);
    for (int64_t i = 0; i < host_tensor_count(labels); i++) {
        const int64_t number = i / labels->dim[1];
        const json_t *const clip = json_array_get(clips, (size_t)number);
        const json_t *const list = json_object_get(clip, "labels");
        const json_t *const label = json_array_get(list, (size_t)(i % labels->dim[1]));
        const char *const name = class_names[integer_at(labels, i)];

        assert_int_equal(json_array_size(list), labels->dim[1]);
        check_number("start", i, number_of(clip, "start"), (double)(number < 4 ? 4 * number : frames - 4) / 6, 1e-6);
        assert_string_equal(json_string_value(json_object_get(label, "label")), name);
        check_number("probability", i, number_of(label, "score"), (double)float_at(find("", "probabilities"), i), 2e-4);
    }
    json_decref(root);
    free(scores);
}

static void test_pictures(void **state)
{
    char *keys = test_path(folder, "keys"), *plot = test_path(folder, "plot.png"), *first;
    const struct host_tensor *pixels = find("", "pixels"), *chosen = find("change", "chosen");
    struct image image;
    char name[32];

    (void)state;
    assert_int_equal(mkdir(keys, 0777), 0);
    test_write_text(keys, ".sowlv2-1-1.part", "what a run that was killed left");
    test_write_text(folder, ".sowlv2-1-2.part", "beside the plot, too");
    tool_expect(0, "4 chosen by V-JEPA 2's change",
                ARGUMENTS("frames", "--input", video, "--vjepa2-model", MODEL, "--target-frames", "4", "--spacing", "5",
                          "--save-frames", keys, "--plot", plot));
    assert_int_equal(test_count_entries(keys), 4);
    first = test_path(folder, ".sowlv2-1-2.part");
    assert_int_not_equal(access(first, F_OK), 0);
    free(first);
    for (int64_t i = 0; i < 4; i++) {
        const int64_t number = integer_at(chosen, i);
        const size_t bytes = (size_t)(pixels->dim[1] * pixels->dim[2] * 3);

        snprintf(name, sizeof(name), "%06d.png", (int)number);
        first = test_path(keys, name);
        assert_int_equal(image_read(first, IMAGE_DEFAULT_MAX_PIXELS, &image), 0);
        assert_memory_equal(image.pixels, (const uint8_t *)pixels->data + (size_t)(number - 1) * bytes, bytes);
        image_free(&image);
        free(first);
    }
    assert_int_equal(image_read(plot, IMAGE_DEFAULT_MAX_PIXELS, &image), 0);
    assert_true(image.width > 500 && image.height > 300);
    image_free(&image);
    free(plot);
    free(keys);
}

/* Number of lines that the tool prints for the first `count` frames. */
static size_t lines_for(int count, const char *option, const char *value)
{
    char *part = test_path(folder, "part"), name[32];
    struct tool_result result;
    size_t lines = 0;

    assert_int_equal(mkdir(part, 0777), 0);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "%02d.png", i);
        char *from = test_path(video, name);
        test_link(from, part, name);
        free(from);
    }
    result = tool_run(ARGUMENTS("frames", "--input", part, "--vjepa2-model", MODEL, option, value));
    if (result.status != 0)
        fail_msg("%d frames: status %d: %s", count, result.status, result.err);
    for (const char *at = result.out; *at; at++)
        lines += *at == '\n';
    tool_free(&result);
    test_folder_remove(part);
    return lines;
}

static void test_counts(void **state)
{
    (void)state;
    assert_int_equal(lines_for(1, NULL, NULL), 1);                 /* one frame, less than a tubelet */
    assert_int_equal(lines_for(3, "--importance", "surprise"), 3); /* less than a clip */
    assert_int_equal(lines_for(1, "--importance", "variance"), 1);
    assert_int_equal(lines_for((int)frames, NULL, NULL), 8);
    assert_int_equal(lines_for((int)frames, "--target-frames", "1000"), frames);
    assert_int_equal(lines_for((int)frames, "--target-fraction", "0.25"), 5);
    assert_int_equal(lines_for((int)frames, "--target-fraction", "0.001"), 1);
    assert_int_equal(lines_for(9, "--whole-frame", NULL), 8);
}

static void test_csv(void **state)
{
    char *path = test_path(folder, "scores.CSV"), *text;
    size_t size;

    (void)state;
    tool_expect(0, NULL, ARGUMENTS("frames", "--quiet", "--input", video, "--vjepa2-model", MODEL, "--scores", path));
    assert_int_equal(file_read(path, 1 << 20, &text, &size), 0);
    const char *head = "frame,time,score,importance,motion,scene_start,chosen,source_frame\n1,0.000000,0.0,,0.0,1,";
    assert_int_equal(strncmp(text, head, strlen(head)), 0);
    free(text);
    free(path);
}

/* From a configuration file, over which the command line wins; and scores over a window, which differ from those over
 * the video: the first of a window's frames that is the highest so far has 1. */
static void test_config_and_window(void **state)
{
    char *config = test_path(folder, "run.yaml"), *text;
    int lines = 0;

    (void)state;
    assert_true(asprintf(&text, "input: %s\nvjepa2-model: %s\ntarget-frames: 5\nscore-window: 3\n", video, MODEL) > 0);
    test_write_text(folder, "run.yaml", text);
    struct tool_result plain =
        tool_run(ARGUMENTS("frames", "--quiet", "--input", video, "--vjepa2-model", MODEL, "--target-frames", "2"));
    struct tool_result result = tool_run(ARGUMENTS("frames", "--quiet", "--config", config, "--target-frames", "2"));
    assert_int_equal(plain.status, 0);
    assert_int_equal(result.status, 0);
    for (const char *at = result.out; (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, 2);
    assert_string_not_equal(plain.out, result.out);
    tool_free(&plain);
    tool_free(&result);
    tool_expect(2, "score-window", ARGUMENTS("frames", "--input", video, "--score-window", "0"));
    free(text);
    free(config);
}

/* The lowest and the highest of the last `window` values are 0 and 1. */
static void normalise(const double *values, int64_t window, double *out)
{
    for (int64_t i = 0; i < frames; i++) {
        double low = INFINITY, high = -INFINITY;

        for (int64_t k = i < window ? 0 : i - window + 1; k <= i; k++) {
            low = fmin(low, values[k]);
            high = fmax(high, values[k]);
        }
        out[i] = isnan(values[i]) || high <= low ? 0 : (values[i] - low) / (high - low);
    }
}

/* Scores over a window, from the importance and the motion that the reference gives. */
static void test_window(void **state)
{
    enum { MOST = 64, WINDOW = 5 };
    char *scores = test_path(folder, "window.json");
    double importance[MOST] = {0}, motion[MOST] = {0}, mixed[MOST], wanted[MOST];
    json_error_t error;

    (void)state;
    assert_in_range(frames, 1, MOST);
    for (int64_t i = 0; i < frames; i++) {
        importance[i] = (double)float_at(find("change", "raw"), i);
        motion[i] = (double)float_at(find("", "motion"), i);
    }
    normalise(importance, WINDOW, mixed);
    normalise(motion, WINDOW, wanted);
    for (int64_t i = 0; i < frames; i++)
        mixed[i] = 0.75 * mixed[i] + 0.25 * wanted[i];
    normalise(mixed, WINDOW, wanted);
    tool_expect(0, NULL,
                ARGUMENTS("frames", "--quiet", "--input", video, "--vjepa2-model", MODEL, "--score-window", "5",
                          "--motion-weight", "0.25", "--scores", scores));
    json_t *const root = json_load_file(scores, 0, &error);
    assert_non_null(root);
    const json_t *const list = json_object_get(root, "frames");
    assert_int_equal(json_array_size(list), frames);
    for (int64_t i = 0; i < frames; i++)
        check_number("score", i, number_of(json_array_get(list, (size_t)i), "score"), wanted[i], 1e-3);
    json_decref(root);
    free(scores);
}

/* What the file of features says of itself, in its header. */
static void test_features_say(void **state)
{
    static const char wanted[] =
        "\"__metadata__\":{\"frames\":\"19\",\"frames_per_clip\":\"6\",\"step\":\"4\",\"fps\":\"3\"}";
    char *features = test_path(folder, "say.safetensors"), *text;
    size_t size;

    (void)state;
    tool_expect(0, NULL,
                ARGUMENTS("frames", "--quiet", "--input", video, "--vjepa2-model", MODEL, "--frames-per-clip", "6",
                          "--clip-overlap", "2", "--vjepa2-fps", "3", "--features", features));
    assert_int_equal(file_read(features, 1 << 24, &text, &size), 0);
    assert_int_equal(frames, 19);
    assert_non_null(memmem(text, size, wanted, strlen(wanted)));
    free(text);
    free(features);
}

/* Nothing is left of files that were not finished. */
static void test_errors(void **state)
{
    char *text = test_path(folder, "text.mp4"), *features = test_path(folder, "none.safetensors");
    char *nowhere = test_path(folder, "missing/plot.png");

    (void)state;
    test_write_text(folder, "text.mp4", "this is no video");
    tool_expect(2, "--input: missing", ARGUMENTS("frames"));
    tool_expect(2, "--pooled", ARGUMENTS("frames", "--input", video, "--vjepa2-model", MODEL, "--pooled"));
    tool_expect(2, "both are given",
                ARGUMENTS("frames", "--input", video, "--target-frames", "3", "--target-fraction", "0.5"));
    tool_expect(2, ".json or .csv", ARGUMENTS("frames", "--input", video, "--scores", "x.txt"));
    tool_expect(2, "no classifier", ARGUMENTS("frames", "--input", video, "--vjepa2-model", MODEL, "--labels"));
    tool_expect(2, "no predictor",
                ARGUMENTS("frames", "--input", video, "--vjepa2-model", BARE, "--importance", "surprise"));
    tool_expect(2, "at once", ARGUMENTS("frames", "--input", video, "--vjepa2-model", MODEL, "--frames-per-clip", "1"));
    tool_expect(2, "must be less",
                ARGUMENTS("frames", "--input", video, "--vjepa2-model", MODEL, "--clip-overlap", "8"));
    tool_expect(3, "not a local folder", ARGUMENTS("frames", "--input", video));
    tool_expect(3, "is not a valid name: give a branch",
                ARGUMENTS("frames", "--input", video, "--vjepa2-model", "org/name", "--revision", "x/../y"));
    tool_expect(2, "--cpu", ARGUMENTS("frames", "--input", video, "--vjepa2-model", MODEL, "--cpu", "abacus"));
    tool_expect(3, "V-JEPA 2", ARGUMENTS("frames", "--input", video, "--vjepa2-model", TINY_MODEL));
    tool_expect(4, "cannot be read", ARGUMENTS("frames", "--input", "/nonexistent/film.mp4"));
    tool_expect(4, "text.mp4", ARGUMENTS("frames", "--input", text, "--vjepa2-model", MODEL, "--features", features));
    tool_expect(
        4, "cannot write",
        ARGUMENTS("frames", "--input", video, "--vjepa2-model", MODEL, "--plot", nowhere, "--features", features));
    assert_false(file_exists(features));
    tool_expect(
        4, "more than",
        ARGUMENTS("frames", "--input", video, "--vjepa2-model", MODEL, "--max-pixels", "100", "--features", features));
    assert_false(file_exists(features));
    free(nowhere);
    free(text);
    free(features);
}

/* Waiting for a pipe that brings nothing, it ends at Ctrl-C and leaves no file. */
static void test_interrupt(void **state)
{
    char *pipe = test_path(folder, "pipe"), *out = test_path(folder, "out"),
         *features = test_path(out, "f.safetensors");
    pid_t process;

    (void)state;
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_int_equal(mkdir(out, 0777), 0);
    process = tool_start(ARGUMENTS("frames", "--input", pipe, "--vjepa2-model", MODEL, "--features", features));
    usleep(500000);
    assert_int_equal(kill(process, SIGINT), 0);
    assert_int_equal(tool_wait(process), 130);
    assert_int_equal(test_count_entries(out), 0);
    free(features);
    free(out);
    free(pipe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_change),
        cmocka_unit_test(test_variance_with_overlap),
        cmocka_unit_test(test_surprise),
        cmocka_unit_test(test_motion_aware),
        cmocka_unit_test(test_pooled),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_config_and_window),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_interrupt),
        cmocka_unit_test(test_labels_in_scores),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_features_say),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
