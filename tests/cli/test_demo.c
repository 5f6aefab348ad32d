/* The tool end to end with the trained demo detector on the samples, against their ground truth: real boxes and labels,
 * not noise. */
#include "base/test_folder.h"
#include "tool.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#define SAMPLES TEST_DATA "/../examples/data"

enum { MOST_PROMPTS = 64, MOST_ROWS = 32 };

static json_t *read_json(const char *path)
{
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    if (!root)
        fail_msg("%s: %s", path, error.text);
    return root;
}

static void read_box(const json_t *list, double box[4])
{
    assert_int_equal(json_array_size(list), 4);
    for (size_t i = 0; i < 4; i++)
        box[i] = json_number_value(json_array_get(list, i));
}

static double overlap(const json_t *left, const json_t *right)
{
    double a[4], b[4];
    read_box(left, a);
    read_box(right, b);
    const double width = fmin(a[2], b[2]) - fmax(a[0], b[0]), height = fmin(a[3], b[3]) - fmax(a[1], b[1]);
    if (!(width > 0) || !(height > 0))
        return 0;
    const double both = width * height;
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both);
}

/* How many of `objects` one of `found` answers, with the right word and an IoU of at least one half. */
static size_t count_found(const json_t *objects, const json_t *found)
{
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(objects); i++) {
        const json_t *object = json_array_get(objects, i);
        const char *noun = json_string_value(json_object_get(object, "noun"));
        bool answered = false;
        for (size_t j = 0; j < json_array_size(found); j++) {
            const json_t *detection = json_array_get(found, j);
            answered |= strcmp(json_string_value(json_object_get(detection, "prompt")), noun) == 0 &&
                        overlap(json_object_get(object, "box"), json_object_get(detection, "box")) >= 0.5;
        }
        count += answered;
    }
    return count;
}

/* Runs the tool over the samples with these words and `template`; gives the rows of results.jsonl. */
static size_t find_in_samples(const char *const *prompts, size_t prompt_count, const char *template, json_t **rows)
{
    char *folder = test_folder_make(), *output = test_path(folder, "out"), *path = test_path(output, "results.jsonl");
    const char *arguments[MOST_PROMPTS + 24] = {
        "detect", "--owl-model", "demo",         "--sam-model",       "none",        "--input",
        SAMPLES,  "--output",    output,         "--quiet",           "--threshold", "0.1",
        "--nms",  "0.5",         "--no-overlay", "--prompt-template", template,      "--prompt"};
    size_t count = 0;
    while (arguments[count])
        count++;
    memcpy(arguments + count, prompts, prompt_count * sizeof(*prompts));
    tool_expect(0, NULL, arguments);

    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *line = NULL;
    size_t size = 0, found = 0;
    while (getline(&line, &size, file) > 0 && found < MOST_ROWS) {
        rows[found] = json_loads(line, 0, NULL);
        assert_non_null(rows[found]);
        found++;
    }
    free(line);
    fclose(file);
    free(path);
    free(output);
    test_folder_remove(folder);
    return found;
}

static void check_recall(const char *template, double least_recall, double most_wrong)
{
    json_t *truth = read_json(SAMPLES "/truth.json"), *images = json_object_get(truth, "images");
    const json_t *words = json_object_get(truth, "prompts");
    const char *prompts[MOST_PROMPTS];
    json_t *rows[MOST_ROWS];
    const size_t word_count = json_array_size(words);
    assert_in_range(word_count, 24, MOST_PROMPTS);
    for (size_t i = 0; i < word_count; i++)
        prompts[i] = json_string_value(json_array_get(words, i));
    const size_t count = find_in_samples(prompts, word_count, template, rows);
    assert_int_equal(count, json_array_size(images));

    size_t there = 0, answered = 0, given = 0;
    for (size_t i = 0; i < count; i++) {
        const json_t *image = json_array_get(images, i), *objects = json_object_get(image, "objects");
        const json_t *found = json_object_get(rows[i], "objects");
        assert_string_equal(json_string_value(json_object_get(rows[i], "image")),
                            json_string_value(json_object_get(image, "image")));
        assert_int_equal(json_integer_value(json_object_get(rows[i], "width")),
                         json_integer_value(json_object_get(image, "width")));
        there += json_array_size(objects);
        answered += count_found(objects, found);
        given += json_array_size(found);
        json_decref(rows[i]);
    }
    json_decref(truth);
    printf("%zu objects, %zu found, %zu detections\n", there, answered, given);
    assert_true((double)answered >= least_recall * (double)there);
    assert_true((double)given - (double)answered <= most_wrong * (double)there);
}

static void objects_are_found(void **state)
{
    (void)state;
    check_recall("a photo of {}", 0.8, 0.4);
}

static void bare_words_work_too(void **state)
{
    (void)state;
    check_recall("{}", 0.8, 0.4);
}

static void unknown_words_find_nothing(void **state)
{
    (void)state;
    static const char *const words[] = {"xylophone", "zebra", "parliament"};
    json_t *rows[MOST_ROWS];
    const size_t count = find_in_samples(words, 3, "a photo of {}", rows);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(json_array_size(json_object_get(rows[i], "objects")), 0);
        json_decref(rows[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_found),
        cmocka_unit_test(bare_words_work_too),
        cmocka_unit_test(unknown_words_find_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
