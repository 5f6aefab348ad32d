/* See goldens.h. */
#include "goldens.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void must(int status)
{
    if (status != 0)
        fail_msg("status %d: %s", status, sowlv2_error_message());
}

struct safetensors *goldens_open(const char *path)
{
    struct safetensors *file = NULL;

    must(safetensors_open(path, &file));
    return file;
}

const struct host_tensor *goldens_find(struct safetensors *file, const char *format, ...)
{
    char name[256];
    va_list list;

    va_start(list, format);
    vsnprintf(name, sizeof(name), format, list);
    va_end(list);
    return safetensors_find(file, name);
}

const struct host_tensor *golden(struct safetensors *file, const char *format, ...)
{
    const struct host_tensor *tensor;
    char name[256];
    va_list list;

    va_start(list, format);
    vsnprintf(name, sizeof(name), format, list);
    va_end(list);
    tensor = safetensors_find(file, name);
    if (!tensor)
        fail_msg("there is no golden %s", name);
    return tensor;
}

static void *copy(const struct host_tensor *tensor)
{
    void *values = malloc(tensor->bytes + 1);

    assert_non_null(values);
    memcpy(values, tensor->data, tensor->bytes);
    return values;
}

float *golden_floats(const struct host_tensor *tensor)
{
    assert_int_equal(tensor->dtype, DTYPE_F32);
    return copy(tensor);
}

int32_t *golden_integers(const struct host_tensor *tensor)
{
    assert_int_equal(tensor->dtype, DTYPE_I32);
    return copy(tensor);
}

struct sowlv2_image golden_image(const struct host_tensor *pixels)
{
    return (struct sowlv2_image){.pixels = pixels->data, .width = (int)pixels->dim[1], .height = (int)pixels->dim[0]};
}

bool is_near(float a, float b)
{
    return fabsf(a - b) <= 1e-4f + 1e-4f * fabsf(b);
}

void check_mask(const struct sowlv2_mask *mask)
{
    size_t total = (size_t)mask->width * (size_t)mask->height, sum = 0;
    uint8_t *pixels = malloc(total);
    float box[4] = {(float)mask->width, (float)mask->height, 0, 0};
    int64_t area = 0;

    assert_non_null(pixels);
    must(sowlv2_mask_to_pixels(mask, pixels));
    if (mask->pixels)
        assert_memory_equal(mask->pixels, pixels, total);
    for (size_t i = 0; i < mask->run_count; i++) {
        assert_true(i == 0 || mask->runs[i] > 0);
        for (size_t j = 0; j < mask->runs[i]; j++)
            assert_int_equal(pixels[sum++], i % 2);
    }
    assert_int_equal(sum, total);
    for (size_t i = 0; i < total; i++) {
        float x = (float)(i % (size_t)mask->width), y = (float)(i / (size_t)mask->width);

        if (!pixels[i])
            continue;
        area++;
        box[0] = fminf(box[0], x);
        box[1] = fminf(box[1], y);
        box[2] = fmaxf(box[2], x + 1);
        box[3] = fmaxf(box[3], y + 1);
    }
    assert_int_equal(mask->area, area);
    for (int i = 0; i < 4; i++)
        assert_true(mask->box[i] == (area > 0 ? box[i] : 0.0f));
    free(pixels);
}

/* A low-resolution logit at pixel (x, y) of the mask's size: bilinear between pixels' centres. */
static float logit_at(const struct sowlv2_mask *mask, const float *logits, int side, int x, int y)
{
    float u = fmaxf(((float)x + 0.5f) * (float)side / (float)mask->width - 0.5f, 0);
    float v = fmaxf(((float)y + 0.5f) * (float)side / (float)mask->height - 0.5f, 0);
    int left = (int)u, top = (int)v, right = left + (left < side - 1), bottom = top + (top < side - 1);
    float across = u - (float)left, down = v - (float)top;
    const float *above = logits + (size_t)top * (size_t)side, *below = logits + (size_t)bottom * (size_t)side;

    return (above[left] * (1 - across) + above[right] * across) * (1 - down) +
           (below[left] * (1 - across) + below[right] * across) * down;
}

/* Whether rounding may turn the pixel. */
static bool is_unsure(const struct sowlv2_mask *mask, const float *logits, size_t pixel)
{
    size_t width = (size_t)mask->width;

    return logits &&
           fabsf(logit_at(mask, logits, mask->logits_side, (int)(pixel % width), (int)(pixel / width))) < 2e-4f;
}

void check_bits(const struct sowlv2_mask *mask, const struct host_tensor *bits, size_t index, const float *logits)
{
    size_t total = (size_t)mask->width * (size_t)mask->height;
    const uint8_t *wanted = (const uint8_t *)bits->data + index * total;
    uint8_t *pixels = malloc(total);
    int64_t both = 0, either = 0;

    assert_non_null(pixels);
    assert_int_equal(bits->dtype, DTYPE_U8);
    assert_int_equal(bits->dim[1], mask->height);
    assert_int_equal(bits->dim[2], mask->width);
    assert_in_range(index, 0, bits->dim[0] - 1);
    must(sowlv2_mask_to_pixels(mask, pixels));
    for (size_t i = 0; i < total; i++) {
        bool sure = (wanted[i] & 2) == 0 && !is_unsure(mask, logits, i);

        if (sure && pixels[i] != (wanted[i] & 1))
            fail_msg("mask %zu: pixel %zu is %d", index, i, pixels[i]);
        both += sure && pixels[i] && (wanted[i] & 1);
        either += sure && (pixels[i] || (wanted[i] & 1));
    }
    assert_true(either == 0 || (double)both / (double)either >= 0.999);
    free(pixels);
}

sowlv2_segmenter *open_segmenter(const char *model, int threads)
{
    struct sowlv2_model_options options = sowlv2_segmenter_options_default();
    sowlv2_segmenter *segmenter = NULL;
    char path[4096];

    snprintf(path, sizeof(path), "%s%s", MODELS, model);
    options.model = path;
    struct sowlv2_device_options device = sowlv2_device_options_default();
    device.threads = threads;
    options.device_options = &device;
    must(sowlv2_segmenter_open(&options, &segmenter));
    return segmenter;
}
