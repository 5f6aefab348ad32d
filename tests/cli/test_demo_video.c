/* The tool end to end with the trained demo models: a video with a late arrival, an occlusion and a cut, and masks of
 * pictures, against their ground truth. */
#include "base/test_folder.h"
#include "tool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#define CLIP TEST_DATA "/../examples/data/clip_02"

enum { FRAMES = 60, MOST_RUNS = 1 << 16 };

static json_t *truth, *rows[FRAMES];

/* A COCO run-length mask as pixels, column after column; freed by the caller. */
static uint8_t *decode(const json_t *rle, size_t *count)
{
    const char *text = json_string_value(json_object_get(rle, "counts"));
    const json_t *size = json_object_get(rle, "size");
    long *runs = calloc(MOST_RUNS, sizeof(*runs));
    size_t run_count = 0, at = 0;

    *count = (size_t)(json_integer_value(json_array_get(size, 0)) * json_integer_value(json_array_get(size, 1)));
    uint8_t *pixels = calloc(*count, 1);
    assert_non_null(runs);
    assert_non_null(pixels);
    while (*text) {
        long value = 0;
        unsigned shift = 0;
        int part;

        assert_true(run_count < MOST_RUNS);
        do {
            part = *text++ - 48;
            assert_in_range(part, 0, 63);
            value |= (long)(part & 31) << shift;
            shift += 5;
        } while (part & 32);
        if (part & 16)
            value -= 1L << shift;
        runs[run_count] = value + (run_count > 2 ? runs[run_count - 2] : 0);
        assert_true(runs[run_count] >= 0 && (size_t)runs[run_count] <= *count - at);
        memset(pixels + at, run_count % 2 ? 1 : 0, (size_t)runs[run_count]);
        at += (size_t)runs[run_count++];
    }
    assert_int_equal(at, *count);
    free(runs);
    return pixels;
}

static double mask_iou(const json_t *a, const json_t *b)
{
    size_t count, other, both = 0, either = 0;
    uint8_t *left = decode(a, &count), *right = decode(b, &other);

    assert_int_equal(count, other);
    for (size_t i = 0; i < count; i++) {
        both += left[i] & right[i];
        either += left[i] | right[i];
    }
    free(left);
    free(right);
    return either > 0 ? (double)both / (double)either : 0;
}

static const char *noun_of(json_int_t id)
{
    const json_t *objects = json_object_get(truth, "objects");

    for (size_t i = 0; i < json_array_size(objects); i++)
        if (json_integer_value(json_object_get(json_array_get(objects, i), "id")) == id)
            return json_string_value(json_object_get(json_array_get(objects, i), "noun"));
    fail_msg("no object %d in the truth", (int)id);
    return "";
}

/* The best IoU of a frame's objects called `noun` with the true one, and that object's id. */
static double best_iou(size_t frame, const char *noun, json_int_t *id)
{
    const json_t *real = json_object_get(json_array_get(json_object_get(truth, "frames"), frame), "objects");
    const json_t *found = json_object_get(rows[frame], "objects");
    double best = 0;

    *id = 0;
    for (size_t i = 0; i < json_array_size(real); i++) {
        const json_t *object = json_array_get(real, i);

        if (strcmp(noun_of(json_integer_value(json_object_get(object, "id"))), noun) != 0)
            continue;
        for (size_t j = 0; j < json_array_size(found); j++) {
            const json_t *item = json_array_get(found, j);
            double iou = 0;

            if (strcmp(json_string_value(json_object_get(item, "prompt")), noun) == 0)
                iou = mask_iou(json_object_get(item, "rle"), json_object_get(object, "rle"));
            if (iou > best) {
                best = iou;
                *id = json_integer_value(json_object_get(item, "id"));
            }
        }
    }
    printf("frame %zu, %s: IoU %.2f, object %d\n", frame + 1, noun, best, (int)*id);
    return best;
}

static void read_rows(const char *path)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0, count = 0;

    assert_non_null(file);
    while (getline(&line, &size, file) > 0) {
        assert_true(count < FRAMES);
        rows[count] = json_loads(line, 0, NULL);
        assert_non_null(rows[count]);
        assert_int_equal(json_integer_value(json_object_get(rows[count], "frame")), count + 1);
        count++;
    }
    assert_int_equal(count, FRAMES);
    free(line);
    fclose(file);
}

/* Follows everything in the clip, with up to three more arguments. */
static void track(const char *first, const char *second, const char *third)
{
    char *folder = test_folder_make(), *output = test_path(folder, "out"), *path = test_path(output, "results.jsonl");
    json_error_t error;

    truth = json_load_file(CLIP ".json", 0, &error);
    assert_non_null(truth);
    const char *arguments[] = {"detect",      "--quiet",
                               "--input",     CLIP ".mp4",
                               "--output",    output,
                               "--owl-model", "demo",
                               "--sam-model", "demo",
                               "--threshold", "0.3",
                               "--no-video",  "--no-overlay",
                               "--no-binary", "--no-save-frames",
                               "--prompt",    "panda",
                               "cat",         "watermelon",
                               "mushroom",    "pig",
                               first,         second,
                               third,         NULL};
    tool_expect(0, NULL, arguments);
    read_rows(path);
    free(path);
    free(output);
    test_folder_remove(folder);
}

static int forget(void **state)
{
    (void)state;
    for (size_t i = 0; i < FRAMES; i++) {
        json_decref(rows[i]);
        rows[i] = NULL;
    }
    json_decref(truth);
    truth = NULL;
    return 0;
}

/* What is there at first is found and kept through an occlusion; what comes with the cut is found there. */
static void test_forward(void **state)
{
    json_int_t cat, melon, id;

    (void)state;
    track(NULL, NULL, NULL);
    assert_true(best_iou(0, "cat", &cat) >= 0.7);
    assert_true(best_iou(0, "watermelon", &melon) >= 0.7);
    assert_int_not_equal(cat, melon);
    assert_int_equal(json_array_size(json_object_get(rows[0], "objects")), 2);
    assert_true(best_iou(20, "cat", &id) >= 0.6);
    assert_int_equal(id, cat);
    assert_true(best_iou(40, "panda", &id) >= 0.5); /* after the cut */
    assert_true(id > cat && id > melon);
    assert_true(best_iou(40, "pig", &id) >= 0.4);
    assert_true(id > cat && id > melon);
    assert_true(best_iou(59, "panda", &id) >= 0.6);
}

/* What comes in the middle of a scene: seen on a key frame, and masked from when it came, before that frame too. */
static void test_key_frames(void **state)
{
    json_int_t id, again;

    (void)state;
    track("--use-temporal-detection", "--temporal-merge-threshold", "0.5");
    assert_true(best_iou(20, "mushroom", &id) >= 0.6);
    assert_true(best_iou(30, "mushroom", &again) >= 0.6);
    assert_int_equal(id, again);
    assert_true(best_iou(59, "panda", &id) >= 0.6);
    assert_true(best_iou(0, "watermelon", &id) >= 0.6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_forward, forget),
        cmocka_unit_test_teardown(test_key_frames, forget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
