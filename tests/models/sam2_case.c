/* See sam2_case.h. */
#include "sam2_case.h"

#include "base/error.h"
#include "model_device.h"
#include "ops/cpu/level.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const sam2_cases[] = {"sam2_tiny", "sam2_fields", "sam2_topdown", "sam2_flat"};
const int sam2_case_count = sizeof(sam2_cases) / sizeof(sam2_cases[0]);

bool sam2_level_missing(void)
{
    const char *name = getenv("SOWLV2_CPU");
    enum cpu_level level;
    if (!name || !cpu_level_parse(name, &level) || level <= cpu_level_best())
        return false;
    printf("skipped: this machine has no %s\n", name);
    return true;
}

void sam2_check(int status)
{
    if (status != 0)
        fail_msg("status %d: %s", status, error_message());
}

void sam2_case_open(const char *name, struct sam2_case *test)
{
    char path[4200];
    memset(test, 0, sizeof(*test));
    snprintf(test->folder, sizeof(test->folder), "%s/models/data/%s", TEST_DATA, name);
    snprintf(path, sizeof(path), "%s/expected.safetensors", test->folder);
    sam2_check(safetensors_open(path, &test->file));
    sam2_check(model_device_open(&test->device));
    sam2_check(compute_create(test->device, &test->compute));
    sam2_check(sam2_open(test->folder, test->device, &test->model));
    test->config = sam2_get_config(test->model);
}

void sam2_case_close(struct sam2_case *test)
{
    sam2_free(&test->model);
    assert_null(test->model);
    compute_free(&test->compute);
    device_close(&test->device);
    safetensors_close(&test->file);
}

const struct host_tensor *sam2_find(const struct sam2_case *test, const char *format, ...)
{
    char name[256];
    va_list list;
    va_start(list, format);
    vsnprintf(name, sizeof(name), format, list);
    va_end(list);
    return safetensors_find(test->file, name);
}

const struct host_tensor *sam2_golden(const struct sam2_case *test, const char *format, ...)
{
    char name[256];
    va_list list;
    va_start(list, format);
    vsnprintf(name, sizeof(name), format, list);
    va_end(list);
    const struct host_tensor *tensor = safetensors_find(test->file, name);
    if (!tensor)
        fail_msg("%s/expected.safetensors has no %s", test->folder, name);
    return tensor;
}

float *sam2_values(const struct host_tensor *tensor)
{
    assert_int_equal(tensor->dtype, DTYPE_F32);
    float *values = malloc(tensor->bytes);
    assert_non_null(values);
    memcpy(values, tensor->data, tensor->bytes);
    return values;
}

int32_t sam2_whole(const struct host_tensor *tensor, int64_t index)
{
    int32_t value;
    assert_int_equal(tensor->dtype, DTYPE_I32);
    assert_in_range(index, 0, host_tensor_count(tensor) - 1);
    memcpy(&value, (const char *)tensor->data + (size_t)index * sizeof(value), sizeof(value));
    return value;
}

float *sam2_floats(int64_t count)
{
    float *values = malloc((size_t)count * sizeof(*values));
    assert_non_null(values);
    for (int64_t i = 0; i < count; i++)
        values[i] = NAN;
    return values;
}

void sam2_compare(const struct sam2_case *test, const char *what, const float *found, const struct host_tensor *golden)
{
    float *values = sam2_values(golden);
    for (int64_t i = 0; i < host_tensor_count(golden); i++) {
        const double a = (double)found[i], b = (double)values[i];
        if (!(fabs(a - b) <= SAM2_TOLERANCE + SAM2_TOLERANCE * fabs(b))) {
            fail_msg("%s: %s.%s: element %lld is %.9g, the reference's is %.9g", strrchr(test->folder, '/') + 1,
                     test->set, what, (long long)i, a, b);
        }
    }
    free(values);
}

void sam2_compare_tensor(struct sam2_case *test, struct tensor tensor, const struct host_tensor *golden)
{
    assert_int_equal(tensor_count(&tensor), host_tensor_count(golden));
    assert_int_equal(tensor.dim[tensor.rank - 1], golden->dim[golden->rank - 1]);
    float *values = sam2_floats(tensor_count(&tensor));
    op_download(test->compute, tensor, values);
    sam2_check(compute_finish(test->compute));
    sam2_compare(test, "(tensor)", values, golden);
    free(values);
    test->compared++;
}

struct sowlv2_image sam2_case_image(const struct sam2_case *test, int index)
{
    const struct host_tensor *pixels = sam2_golden(test, "image.%d.pixels", index);
    return (struct sowlv2_image){.pixels = pixels->data,
                                 .width = (int)pixels->dim[1],
                                 .height = (int)pixels->dim[0],
                                 .stride = (size_t)pixels->dim[1] * 3};
}

struct sam2_features *sam2_case_features(struct sam2_case *test, int index, const struct model_trace *trace)
{
    const struct sowlv2_image image = sam2_case_image(test, index);
    struct sam2_features *features;
    sam2_check(sam2_features_create(test->model, &features));
    sam2_check(sam2_encode(test->model, test->compute, &image, NULL, trace, NULL, features));
    return features;
}

void sam2_case_prompts(const struct sam2_case *test, const char *set, struct sam2_case_prompts *out)
{
    memset(out, 0, sizeof(*out));
    out->count = sam2_whole(sam2_golden(test, "%s.count", set), 0);
    out->image = sam2_whole(sam2_golden(test, "%s.image", set), 0);
    out->prompts = calloc((size_t)out->count, sizeof(*out->prompts));
    assert_non_null(out->prompts);
    const struct host_tensor *boxes = sam2_find(test, "%s.prompts.boxes", set);
    const struct host_tensor *points = sam2_find(test, "%s.prompts.points", set);
    const struct host_tensor *masks = sam2_find(test, "%s.prompts.masks", set);
    const int64_t area = test->config->mask_side * test->config->mask_side;
    int64_t per_prompt = 0;
    out->boxes = boxes ? sam2_values(boxes) : NULL;
    out->masks = masks ? sam2_values(masks) : NULL;
    if (points) {
        const struct host_tensor *labels = sam2_golden(test, "%s.prompts.labels", set);
        per_prompt = points->dim[1];
        out->points = sam2_values(points);
        out->labels = malloc(labels->bytes);
        assert_non_null(out->labels);
        memcpy(out->labels, labels->data, labels->bytes);
    }
    for (int64_t i = 0; i < out->count; i++) {
        out->prompts[i] = (struct sowlv2_segment_prompt){
            .box = out->boxes ? out->boxes + 4 * i : NULL,
            .points = out->points ? out->points + 2 * per_prompt * i : NULL,
            .labels = out->labels ? out->labels + per_prompt * i : NULL,
            .point_count = (size_t)per_prompt,
            .logits = out->masks ? out->masks + area * i : NULL,
            .logits_side = (int)test->config->mask_side,
        };
    }
}

void sam2_case_prompts_free(struct sam2_case_prompts *prompts)
{
    free(prompts->boxes);
    free(prompts->points);
    free(prompts->masks);
    free(prompts->labels);
    free(prompts->prompts);
}
