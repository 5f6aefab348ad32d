/* See expected.h. */
#include "expected.h"

#include "ops/cpu/level.h"
#include "ops/ops.h"
#include "weights/safetensors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const char *const expected_cases[] = {
    "owlv2_tiny", "owlv2_gelu_f16", "owlv2_tanh_bf16", "owlv2_wide_text", "owlv2_defaults",
};
const int expected_case_count = sizeof(expected_cases) / sizeof(expected_cases[0]);
const char *const expected_sets[2] = {"one", "many"};

bool expected_level_missing(void)
{
    const char *name = getenv("SOWLV2_CPU");
    enum cpu_level level;

    if (!name || !cpu_level_parse(name, &level) || level <= cpu_level_best())
        return false;
    printf("skipped: this machine has no %s\n", name);
    return true;
}

void expected_open(const char *name, struct expected *expected)
{
    char path[4200];

    snprintf(expected->folder, sizeof(expected->folder), "%s/models/data/%s", TEST_DATA, name);
    snprintf(path, sizeof(path), "%s/expected.safetensors", expected->folder);
    if (safetensors_open(path, &expected->file) != 0)
        fail_msg("%s", sowlv2_error_message());
    expected->images = 0;
    while (expected_find(expected, "image.%d.pixels", expected->images))
        expected->images++;
    assert_true(expected->images >= 3);
}

void expected_close(struct expected *expected)
{
    safetensors_close(&expected->file);
}

static const struct host_tensor *find(const struct expected *expected, char name[256], const char *format, va_list list)
    __attribute__((format(printf, 3, 0)));

static const struct host_tensor *find(const struct expected *expected, char name[256], const char *format, va_list list)
{
    vsnprintf(name, 256, format, list);
    return safetensors_find(expected->file, name);
}

const struct host_tensor *expected_find(const struct expected *expected, const char *format, ...)
{
    char name[256];
    va_list list;

    va_start(list, format);
    const struct host_tensor *tensor = find(expected, name, format, list);
    va_end(list);
    return tensor;
}

const struct host_tensor *expected_tensor(const struct expected *expected, const char *format, ...)
{
    char name[256];
    va_list list;

    va_start(list, format);
    const struct host_tensor *tensor = find(expected, name, format, list);
    va_end(list);
    if (!tensor)
        fail_msg("%s/expected.safetensors has no %s", expected->folder, name);
    return tensor;
}

float expected_f32(const struct host_tensor *tensor, int64_t index)
{
    float value;

    assert_int_equal(tensor->dtype, DTYPE_F32);
    assert_in_range(index, 0, host_tensor_count(tensor) - 1);
    memcpy(&value, (const char *)tensor->data + sizeof(value) * (size_t)index, sizeof(value));
    return value;
}

int32_t expected_i32(const struct host_tensor *tensor, int64_t index)
{
    int32_t value;

    assert_int_equal(tensor->dtype, DTYPE_I32);
    assert_in_range(index, 0, host_tensor_count(tensor) - 1);
    memcpy(&value, (const char *)tensor->data + sizeof(value) * (size_t)index, sizeof(value));
    return value;
}

float expected_value(const struct host_tensor *tensor)
{
    return expected_f32(tensor, 0);
}

struct sowlv2_image expected_image(const struct expected *expected, int index)
{
    const struct host_tensor *pixels = expected_tensor(expected, "image.%d.pixels", index);

    assert_int_equal(pixels->rank, 3);
    return (struct sowlv2_image){
        .pixels = pixels->data, .width = (int)pixels->dim[1], .height = (int)pixels->dim[0], .stride = 0};
}

void expected_prompts(const struct expected *expected, const char *set, struct expected_prompts *prompts)
{
    const struct host_tensor *text = expected_tensor(expected, "prompts.%s", set);

    prompts->count = 0;
    prompts->text = malloc(text->bytes + 1);
    assert_non_null(prompts->text);
    memcpy(prompts->text, text->data, text->bytes);
    prompts->text[text->bytes] = '\0';
    for (char *line = prompts->text; *line != '\0';) {
        char *end = strchr(line, '\n');
        assert_non_null(end);
        assert_true(prompts->count < EXPECTED_MAX_PROMPTS);
        *end = '\0';
        prompts->items[prompts->count++] = line;
        line = end + 1;
    }
    assert_int_equal(prompts->count, expected_tensor(expected, "%s.ids", set)->dim[0]);
}

void expected_prompts_free(struct expected_prompts *prompts)
{
    free(prompts->text);
    prompts->text = NULL;
}

static void compare_value(const char *what, int64_t index, double found, double value, double tolerance)
{
    if (!(fabs(found - value) <= tolerance))
        fail_msg("%s: element %lld is %.9g, the reference's is %.9g (tolerance %.3g)", what, (long long)index, found,
                 value, tolerance);
}

void expected_compare(const char *what, const float *found, const struct host_tensor *tensor, int64_t first,
                      int64_t count)
{
    assert_true(first >= 0 && count >= 0 && first + count <= host_tensor_count(tensor));
    for (int64_t i = 0; i < count; i++) {
        double value = expected_f32(tensor, first + i);
        compare_value(what, i, found[i], value, TOLERANCE + TOLERANCE * fabs(value));
    }
}

void expected_compare_detections(const struct expected *expected, const char *set, int image, const char *stage,
                                 const struct sowlv2_detections *found)
{
    char what[4400];
    const struct host_tensor *scores = expected_tensor(expected, "%s.image.%d%s.scores", set, image, stage);
    const struct host_tensor *labels = expected_tensor(expected, "%s.image.%d%s.labels", set, image, stage);
    const struct host_tensor *boxes = expected_tensor(expected, "%s.image.%d%s.boxes", set, image, stage);
    struct sowlv2_image size = expected_image(expected, image);
    /* Boxes come in units of the padded square's side: rounding grows with it; never stricter than at 100 px. */
    double side = fmax(100.0, fmax(size.width, size.height));

    snprintf(what, sizeof(what), "%s, prompts %s, image %d%s", expected->folder, set, image, stage);
    if (found->count != (size_t)host_tensor_count(scores))
        fail_msg("%s: %zu boxes, the reference has %lld", what, found->count, (long long)host_tensor_count(scores));
    for (size_t i = 0; i < found->count; i++) {
        const struct sowlv2_detection *detection = &found->items[i];
        int64_t index = (int64_t)i;

        if (detection->prompt != expected_i32(labels, index))
            fail_msg("%s: box %zu has label %d, the reference %d", what, i, detection->prompt,
                     expected_i32(labels, index));
        compare_value(what, index, detection->score, expected_f32(scores, index), TOLERANCE);
        for (int k = 0; k < 4; k++)
            compare_value(what, index, detection->box[k], expected_f32(boxes, 4 * index + k),
                          BOX_TOLERANCE_PER_PIXEL * side);
    }
}
