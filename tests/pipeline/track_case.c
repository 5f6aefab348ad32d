/* Made-up tracked videos for the tests of their output. */
#include "pipeline/track_case.h"

#include "base/file.h"
#include "base/test_folder.h"
#include "masks/masks.h"
#include "pipeline/detect_images.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const prompts[] = {"cat", "a red bicycle!"};

struct sowlv2_run_options track_case_job;

struct track_output_options track_case_options(const char *folder, int width, int height)
{
    track_case_job = (struct sowlv2_run_options){.prompts = prompts,
                                                 .prompt_count = 2,
                                                 .masks = true,
                                                 .overlays = true,
                                                 .merged = true,
                                                 .films = true,
                                                 .draw = SOWLV2_DRAW_BOXES | SOWLV2_DRAW_LABELS | SOWLV2_DRAW_MASKS,
                                                 .max_object_films = 16};
    return (struct track_output_options){.folder = folder,
                                         .name = "clip.mp4",
                                         .width = width,
                                         .height = height,
                                         .frame_rate = 25,
                                         .outputs = {.job = &track_case_job, .pictures = true},
                                         .threads = 1};
}

struct output_frame track_case_frame(int width, int height, int64_t number, double time)
{
    struct output_frame frame = {.image = {.width = width, .height = height}, .number = number, .time = time};

    frame.image.pixels = malloc((size_t)width * (size_t)height * 3);
    assert_non_null(frame.image.pixels);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            uint8_t *pixel = frame.image.pixels + 3 * ((size_t)y * (size_t)width + (size_t)x);

            pixel[0] = (uint8_t)(40 + 150 * x / width);
            pixel[1] = (uint8_t)(60 + 120 * y / height);
            pixel[2] = (uint8_t)(80 + 4 * (number % 16));
        }
    }
    return frame;
}

/* 1 inside the ellipse of an object. */
static uint8_t *ellipse(int width, int height, int64_t number, int64_t id)
{
    uint8_t *pixels = calloc((size_t)width, (size_t)height);
    double radius = 0.15 * height, left = 0.2 * width + 6.0 * (double)(id % 7) + (double)number,
           top = 0.3 * height + 4.0 * (double)(id % 5);

    assert_non_null(pixels);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            double dx = (x - left) / (2 * radius), dy = (y - top) / radius;

            pixels[(size_t)y * (size_t)width + (size_t)x] = dx * dx + dy * dy < 1;
        }
    }
    return pixels;
}

void track_case_object(struct output_frame *frame, int64_t id, int prompt, bool lost)
{
    struct output_object *object;
    int width = frame->image.width, height = frame->image.height;

    frame->objects = realloc(frame->objects, (frame->count + 1) * sizeof(*frame->objects));
    assert_non_null(frame->objects);
    object = &frame->objects[frame->count++];
    *object = (struct output_object){.id = id, .prompt = prompt, .score = 0.75f, .objectness = -1, .lost = lost};
    object->mask.mask_score = 0.5f;
    object->mask.object_score = lost ? -3.5f : 7.25f;
    if (lost) {
        object->mask.width = width;
        object->mask.height = height;
    } else {
        uint8_t *pixels = ellipse(width, height, frame->number, id);

        assert_int_equal(mask_set_pixels(&object->mask, pixels, width, height), 0);
        free(pixels);
    }
}

uint8_t *track_case_mask(int width, int height, int64_t number, const int64_t *ids, size_t count)
{
    uint8_t *all = calloc((size_t)width, (size_t)height);

    assert_non_null(all);
    for (size_t i = 0; i < count; i++) {
        uint8_t *one = ellipse(width, height, number, ids[i]);

        for (size_t at = 0; at < (size_t)width * (size_t)height; at++)
            all[at] |= one[at] ? 255 : 0;
        free(one);
    }
    return all;
}

json_t *track_case_rows(const char *folder)
{
    char *path = test_path(folder, "results.jsonl"), *text, *rest = NULL;
    json_t *rows = json_array();
    int64_t number = 0;
    double time = -1;
    size_t size;

    assert_int_equal(file_read(path, 1 << 26, &text, &size), 0);
    assert_true(size == 0 || text[size - 1] == '\n');
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        json_error_t error;
        json_t *row = json_loads(line, JSON_REJECT_DUPLICATES, &error);

        if (!row)
            fail_msg("%s: %s", line, error.text);
        if (json_integer_value(json_object_get(row, "frame")) <= number ||
            !(json_real_value(json_object_get(row, "time")) > time))
            fail_msg("out of order: %s", line);
        number = json_integer_value(json_object_get(row, "frame"));
        time = json_real_value(json_object_get(row, "time"));
        assert_int_equal(json_array_append_new(rows, row), 0);
    }
    free(text);
    free(path);
    return rows;
}

void track_case_expect_file(const char *folder, const char *name, bool there)
{
    char *path = test_path(folder, name);

    if (file_exists(path) != there)
        fail_msg("%s: %s", name, there ? "is missing" : "should not be there");
    free(path);
}
