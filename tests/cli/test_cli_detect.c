/* The tool as a user runs it, with the tiny detector alone: results against the reference, exit statuses, files. */
#include "base/file.h"
#include "base/test_folder.h"
#include "media/png.h"
#include "tool.h"
#include "weights/safetensors.h"

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

enum { IMAGES = 6, MOST_ROWS = 1000 };

static char *folder, *photos, *output;
static struct safetensors *expected; /* what the reference gives for the tiny model */

static int set_up(void **state)
{
    (void)state;
    folder = test_folder_make();
    photos = test_path(folder, "photos");
    output = test_path(folder, "out");
    assert_int_equal(mkdir(photos, 0777), 0);
    return safetensors_open(TINY_MODEL "/expected.safetensors", &expected);
}

static int tear_down(void **state)
{
    (void)state;
    safetensors_close(&expected);
    free(photos);
    free(output);
    test_folder_remove(folder);
    return 0;
}

static const struct host_tensor *find(const char *format, ...) __attribute__((format(printf, 1, 2)));

static const struct host_tensor *find(const char *format, ...)
{
    const struct host_tensor *tensor;
    char name[128];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(name, sizeof(name), format, arguments);
    va_end(arguments);
    tensor = safetensors_find(expected, name);
    if (!tensor)
        fail_msg("%s is not in expected.safetensors", name);
    return tensor;
}

static float float_at(const struct host_tensor *tensor, size_t index)
{
    float value;

    assert_int_equal(tensor->dtype, DTYPE_F32);
    assert_true((index + 1) * sizeof(value) <= tensor->bytes);
    memcpy(&value, (const char *)tensor->data + index * sizeof(value), sizeof(value));
    return value;
}

static int int_at(const struct host_tensor *tensor, size_t index)
{
    int32_t value;

    assert_int_equal(tensor->dtype, DTYPE_I32);
    assert_true((index + 1) * sizeof(value) <= tensor->bytes);
    memcpy(&value, (const char *)tensor->data + index * sizeof(value), sizeof(value));
    return value;
}

/* Writes the reference's image as photos/NAME. */
static void add_image(size_t image, const char *name)
{
    const struct host_tensor *pixels = find("image.%zu.pixels", image);
    char *path = test_path(photos, name);
    int height = (int)pixels->dim[0], width = (int)pixels->dim[1];

    assert_int_equal(png_write(path, pixels->data, width, height, 3, (size_t)width * 3), 0);
    free(path);
}

/* The rows of out/results.jsonl; freed by the caller, item by item. */
static size_t read_rows(json_t **rows)
{
    char *path = test_path(output, "results.jsonl"), *text;
    size_t size, count = 0;

    assert_int_equal(file_read(path, 1 << 26, &text, &size), 0);
    assert_true(size == 0 || text[size - 1] == '\n');
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        assert_true(count < MOST_ROWS);
        rows[count] = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(rows[count]);
        count++;
    }
    free(text);
    free(path);
    return count;
}

static size_t count_rows(void)
{
    json_t *rows[MOST_ROWS];
    size_t count = read_rows(rows);

    for (size_t i = 0; i < count; i++)
        json_decref(rows[i]);
    return count;
}

/* Compares one row with the reference's `kind` of result (clipped, nms) for a set of prompts. */
static void check_row(const json_t *row, const char *set, size_t image, const char *kind, const char *const *prompts)
{
    const struct host_tensor *boxes = find("%s.image.%zu.%s.boxes", set, image, kind);
    const struct host_tensor *scores = find("%s.image.%zu.%s.scores", set, image, kind);
    const struct host_tensor *labels = find("%s.image.%zu.%s.labels", set, image, kind);
    const struct host_tensor *pixels = find("image.%zu.pixels", image);
    const json_t *objects = json_object_get(row, "objects");

    assert_int_equal(json_integer_value(json_object_get(row, "width")), pixels->dim[1]);
    assert_int_equal(json_integer_value(json_object_get(row, "height")), pixels->dim[0]);
    assert_int_equal(json_array_size(objects), boxes->dim[0]);
    for (size_t i = 0; i < json_array_size(objects); i++) {
        const json_t *object = json_array_get(objects, i), *box = json_object_get(object, "box");
        double difference = json_number_value(json_object_get(object, "score")) - (double)float_at(scores, i);

        assert_int_equal(json_integer_value(json_object_get(object, "id")), i + 1);
        assert_string_equal(json_string_value(json_object_get(object, "prompt")), prompts[int_at(labels, i)]);
        assert_true(fabs(difference) <= 1e-4);
        assert_int_equal(json_array_size(box), 4);
        for (size_t side = 0; side < 4; side++) {
            difference = json_real_value(json_array_get(box, side)) - (double)float_at(boxes, 4 * i + side);
            assert_true(fabs(difference) <= 0.01); /* these images are at most 200 pixels */
        }
    }
}

/* The whole way, files in and rows out, against the reference's own post-processed results. */
static void check_against_reference(const char *set, bool nms)
{
    const struct host_tensor *texts = find("prompts.%s", set);
    char *text = strndup(texts->data, texts->bytes), threshold[32], iou[32];
    const char *arguments[40] = {"detect",  "--owl-model", TINY_MODEL, "--sam-model", "none",
                                 "--input", photos,        "--output", output,        "--quiet"};
    const char *prompts[16];
    size_t count = 10, prompt_count = 0;
    json_t *rows[MOST_ROWS];

    for (size_t i = 0; i < IMAGES; i++) {
        char name[16];

        snprintf(name, sizeof(name), "%zu.png", i);
        add_image(i, name);
    }
    snprintf(threshold, sizeof(threshold), "%.9g", (double)float_at(find("%s.threshold", set), 0));
    snprintf(iou, sizeof(iou), "%.9g", (double)float_at(find("%s.nms_iou", set), 0));
    arguments[count++] = "--prompt-template={}";
    arguments[count++] = "--threshold";
    arguments[count++] = threshold;
    if (nms) {
        arguments[count++] = "--nms";
        arguments[count++] = iou;
    }
    arguments[count++] = "--prompt";
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        prompts[prompt_count] = *line ? line : EMPTY_PROMPT;
        arguments[count++] = prompts[prompt_count++];
    }
    arguments[count] = NULL;
    tool_expect(0, NULL, arguments);
    assert_int_equal(read_rows(rows), IMAGES);
    for (size_t i = 0; i < IMAGES; i++) {
        check_row(rows[i], set, i, nms ? "nms" : "clipped", prompts);
        json_decref(rows[i]);
    }
    free(text);
}

static void test_reference(void **state)
{
    (void)state;
    check_against_reference("one", false);
    check_against_reference("one", true);
    check_against_reference("many", false);
    check_against_reference("many", true);
}

/* Adds photos/0.png ... photos/COUNT-1.png, all the same picture. */
static void add_images(size_t count)
{
    add_image(0, "0.png");
    for (size_t i = 1; i < count; i++) {
        char name[32];

        snprintf(name, sizeof(name), "%zu.png", i);
        test_link("0.png", photos, name);
    }
}

#define DETECT                                                                                                         \
    "detect", "--owl-model", TINY_MODEL, "--sam-model", "none", "--input", photos, "--output", output, "--prompt", "cat"

static void test_outputs(void **state)
{
    struct tool_result result;
    char *overlays = test_path(output, "overlay/merged");
    struct stat info;

    (void)state;
    add_images(3);
    result = tool_run(ARGUMENTS(DETECT));
    assert_int_equal(result.status, 0);
    assert_string_equal(result.out, "");
    assert_non_null(strstr(result.err, "3 images, "));
    assert_non_null(strstr(result.err, output));
    tool_free(&result);
    assert_int_equal(count_rows(), 3);
    assert_int_equal(test_count_entries(overlays), 3);
    test_folder_remove(output);
    output = test_path(folder, "out");
    tool_expect(0, NULL, ARGUMENTS(DETECT, "--quiet", "--no-overlay"));
    assert_int_equal(stat(overlays, &info), -1);
    tool_expect(0, NULL, ARGUMENTS(DETECT, "--quiet", "--no-merged"));
    assert_int_equal(stat(overlays, &info), -1);
    tool_expect(0, NULL, ARGUMENTS(DETECT, "--quiet", "--threshold", "1"));
    assert_int_equal(count_rows(), 3);
    tool_expect(0, "stage", ARGUMENTS(DETECT, "--verbose"));
    tool_expect(0, "using the CPU", ARGUMENTS(DETECT, "--device", "cuda", "--no-overlay"));
    free(overlays);
}

static void test_failures(void **state)
{
    (void)state;
    add_images(3);
    test_write_text(photos, "1b.png", "not a picture");
    tool_expect(1, "1b.png", ARGUMENTS(DETECT, "--quiet"));
    assert_int_equal(count_rows(), 3);
    test_write_text(photos, "only/bad.jpg", "");
    free(photos);
    photos = test_path(folder, "photos/only");
    tool_expect(4, "bad.jpg", ARGUMENTS(DETECT));
    assert_int_equal(count_rows(), 3); /* nothing new takes their place */
    tool_expect(4, "/dev/null",
                ARGUMENTS("detect", "--owl-model", TINY_MODEL, "--sam-model", "none", "--prompt", "cat", "--input",
                          TEST_DATA "/media/data/exif_1.jpg", "--output", "/dev/null/out"));
    tool_expect(4, "more than",
                ARGUMENTS("detect", "--owl-model", TINY_MODEL, "--sam-model", "none", "--prompt", "cat", "--input",
                          TEST_DATA "/media/data/exif_1.jpg", "--output", output, "--max-pixels", "3"));
}

enum { INTERRUPTED = 5000 };

/* Ctrl-C while a long run goes: status 130, whole rows, fewer than all. A second one ends it at once. */
static void test_interrupted(void **state)
{
    pid_t process;
    size_t rows;
    char *path = test_path(output, "results.jsonl");
    struct stat info;

    (void)state;
    add_images(INTERRUPTED); /* far more than are done before the signal comes, also on a busy machine */
    process = tool_start(ARGUMENTS(DETECT, "--batch-size", "1"));
    for (int i = 0; i < 6000 && (stat(path, &info) != 0 || info.st_size == 0); i++)
        usleep(10000);
    assert_int_equal(kill(process, SIGINT), 0);
    assert_int_equal(tool_wait(process), 130);
    rows = count_rows();
    assert_in_range(rows, 1, INTERRUPTED - 1);
    free(path);
}

static void check_tokens(const char *text, const char *ids)
{
    struct tool_result result = tool_run(ARGUMENTS("tokenize", "--owl-model", TINY_MODEL, "--", text));

    assert_int_equal(result.status, 0);
    assert_string_equal(result.out, ids);
    tool_free(&result);
}

/* Ids as transformers' CLIPTokenizer gives them for the tiny model, padded and truncated to 16. */
static void test_tokenize(void **state)
{
    struct tool_result result;

    (void)state;
    check_tokens("cat", "572 555 573 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
    check_tokens("", "572 573 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
    check_tokens("--x", "572 12 268 343 573 0 0 0 0 0 0 0 0 0 0 0\n");
    check_tokens("a photo of a very long and winding text that never ends so it will be cut",
                 "572 320 79 571 334 78 325 320 85 563 527 77 326 538 86 573\n");
    result = tool_run(ARGUMENTS("tokenize", "cat", "--owl-model", TINY_MODEL, "--quiet", ""));
    assert_int_equal(result.status, 0);
    assert_string_equal(result.out, "572 555 573 0 0 0 0 0 0 0 0 0 0 0 0 0\n572 573 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
    assert_string_equal(result.err, "");
    tool_free(&result);
}

/* The weights are not needed, nor read. */
static void test_tokenize_without_weights(void **state)
{
    static const char *const files[] = {"config.json",
                                        "vocab.json",
                                        "merges.txt",
                                        "special_tokens_map.json",
                                        "tokenizer_config.json",
                                        "preprocessor_config.json"};
    char *model = test_path(folder, "photos");
    struct tool_result result;

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char *target = test_path(TINY_MODEL, files[i]);

        test_link(target, model, files[i]);
        free(target);
    }
    result = tool_run(ARGUMENTS("tokenize", "--owl-model", model, "cat"));
    assert_int_equal(result.status, 0);
    assert_string_equal(result.out, "572 555 573 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
    tool_free(&result);
    tool_expect(3, "model.safetensors",
                ARGUMENTS("detect", "--owl-model", model, "--prompt", "cat", "--input",
                          TEST_DATA "/media/data/exif_1.jpg", "--output", output));
    free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reference, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_outputs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_interrupted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tokenize, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tokenize_without_weights, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
