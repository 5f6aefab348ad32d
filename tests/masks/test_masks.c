/* Masks as runs, in COCO's compressed form and compared with each other, against pycocotools. */
#include "masks/masks.h"

#include "base/bits.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

static json_t *expected;

static int set_up(void **state)
{
    (void)state;
    expected = json_load_file(TEST_DATA "/masks/data/rle.json", 0, NULL);
    return expected ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    json_decref(expected);
    return 0;
}

static int integer(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    assert_true(json_is_integer(value));
    return (int)json_integer_value(value);
}

/* The pixels of a case, as its description in make_rle.py says. */
static uint8_t *case_pixels(const json_t *item)
{
    const int width = integer(item, "width"), height = integer(item, "height");
    const char *rows = json_string_value(json_object_get(item, "rows"));
    const json_t *ring = json_object_get(item, "ring");
    uint8_t *pixels = malloc((size_t)width * (size_t)height);
    int64_t values[4] = {0};
    assert_non_null(pixels);
    assert_true((rows != NULL) != (ring != NULL));
    for (size_t i = 0; i < 4 && ring != NULL; i++)
        values[i] = json_integer_value(json_array_get(ring, i));
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            const size_t i = (size_t)y * (size_t)width + (size_t)x;
            const int64_t distance = (x - values[0]) * (x - values[0]) + (y - values[1]) * (y - values[1]);
            pixels[i] = rows ? rows[i] == '1' : distance >= values[2] * values[2] && distance < values[3] * values[3];
        }
    }
    return pixels;
}

static struct sowlv2_mask case_mask(size_t index)
{
    const json_t *item = json_array_get(json_object_get(expected, "cases"), index);
    uint8_t *pixels = case_pixels(item);
    struct sowlv2_mask mask = {0};
    assert_int_equal(mask_set_pixels(&mask, pixels, integer(item, "width"), integer(item, "height")), 0);
    free(pixels);
    return mask;
}

/* Rows of whole words, of pixels that are 0 or 1. */
static uint64_t *pack(const uint8_t *pixels, int width, int height)
{
    const size_t words = (size_t)bits_words(width);
    uint64_t *bits = calloc(words * (size_t)height, sizeof(*bits));
    assert_non_null(bits);
    for (int i = 0; i < width * height; i++) {
        const size_t y = (size_t)(i / width), x = (size_t)(i % width);
        bits[y * words + x / 64] |= (uint64_t)pixels[i] << x % 64;
    }
    return bits;
}

/* Runs, area and box are the same from bits. */
static void check_bits(const struct sowlv2_mask *mask, const uint8_t *pixels)
{
    struct sowlv2_mask other = {0};
    uint64_t *bits = pack(pixels, mask->width, mask->height);
    assert_int_equal(mask_set_bits(&other, bits, mask->width, mask->height), 0);
    assert_true(other.width == mask->width && other.height == mask->height);
    assert_int_equal(other.area, mask->area);
    assert_memory_equal(other.box, mask->box, sizeof(mask->box));
    assert_int_equal(other.run_count, mask->run_count);
    assert_memory_equal(other.runs, mask->runs, mask->run_count * sizeof(*mask->runs));
    sowlv2_masks_free(&other, 1);
    free(bits);
}

static void test_cases(void **state)
{
    const json_t *cases = json_object_get(expected, "cases");
    (void)state;
    assert_true(json_array_size(cases) >= 15);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *item = json_array_get(cases, i), *box = json_object_get(item, "box");
        struct sowlv2_mask mask = case_mask(i);
        uint8_t *pixels = case_pixels(item);
        const size_t total = (size_t)mask.width * (size_t)mask.height;
        uint8_t *back = malloc(total);
        char *rle = NULL;
        assert_int_equal(mask.area, integer(item, "area"));
        for (size_t side = 0; side < 4; side++)
            assert_true(mask.box[side] == (float)json_number_value(json_array_get(box, side)));
        assert_int_equal(sowlv2_mask_to_pixels(&mask, back), 0);
        assert_memory_equal(back, pixels, total);
        check_bits(&mask, pixels);
        assert_int_equal(sowlv2_mask_rle(&mask, &rle), 0);
        assert_string_equal(rle, json_string_value(json_object_get(item, "counts")));
        sowlv2_string_free(&rle);
        assert_null(rle);
        sowlv2_masks_free(&mask, 1);
        assert_null(mask.runs);
        /* The same from pixels alone. */
        mask = (struct sowlv2_mask){.width = integer(item, "width"), .height = integer(item, "height")};
        mask.pixels = pixels;
        assert_int_equal(sowlv2_mask_rle(&mask, &rle), 0);
        assert_string_equal(rle, json_string_value(json_object_get(item, "counts")));
        sowlv2_string_free(&rle);
        sowlv2_masks_free(&mask, 1);
        free(back);
    }
}

/* Rows that end within a word and at its end; masks of noise, with few changes, empty and full. */
static void test_bits(void **state)
{
    enum { WIDTH = 200, HEIGHT = 5 };
    static const uint32_t every[] = {2, 3, 40, 500}; /* pixels to a change, about */
    uint8_t pixels[WIDTH * HEIGHT];
    uint32_t random = 1;
    (void)state;
    for (int width = 1; width <= WIDTH; width++) {
        const int total = width * (1 + width % HEIGHT);
        for (size_t kind = 0; kind < 6; kind++) {
            uint8_t value = kind == 5;
            for (int i = 0; i < total; i++) {
                random = random * 1664525U + 1013904223U;
                value ^= kind < 4 && (random >> 8) % every[kind] == 0;
                pixels[i] = value;
            }
            struct sowlv2_mask mask = {0};
            assert_int_equal(mask_set_pixels(&mask, pixels, width, total / width), 0);
            check_bits(&mask, pixels);
            sowlv2_masks_free(&mask, 1);
        }
    }
}

static void test_overlap(void **state)
{
    const json_t *pairs = json_object_get(expected, "overlap");
    (void)state;
    assert_true(json_array_size(pairs) >= 9);
    for (size_t i = 0; i < json_array_size(pairs); i++) {
        const json_t *pair = json_array_get(pairs, i);
        struct sowlv2_mask a = case_mask((size_t)json_integer_value(json_array_get(pair, 0)));
        struct sowlv2_mask b = case_mask((size_t)json_integer_value(json_array_get(pair, 1)));
        const double difference = sowlv2_mask_iou(&a, &b) - json_number_value(json_array_get(pair, 2));
        assert_true(fabs(difference) <= 1e-12);
        sowlv2_masks_free(&a, 1);
        sowlv2_masks_free(&b, 1);
    }
}

/* A rectangle in an image of 20 x 10. */
static struct sowlv2_mask rectangle(int left, int top, int right, int bottom)
{
    uint8_t pixels[200] = {0};
    struct sowlv2_mask mask = {0};
    for (int y = top; y < bottom; y++)
        memset(pixels + 20 * y + left, 1, (size_t)(right - left));
    assert_int_equal(mask_set_pixels(&mask, pixels, 20, 10), 0);
    return mask;
}

/* The better of two that overlap stays, and so does what only overlaps a dropped one. */
static void test_dedupe(void **state)
{
    struct sowlv2_mask masks[6] = {
        rectangle(0, 0, 10, 10),                          /* dropped: 1 is better and covers 8/12 */
        rectangle(2, 0, 12, 10),                          /* kept */
        rectangle(5, 0, 15, 10),                          /* 7/13 with 1: dropped at 0.5, not at 0.6 */
        rectangle(0, 0, 0, 0),                            /* empty: covers nothing */
        rectangle(0, 0, 0, 0),   rectangle(2, 0, 12, 10), /* the same as 1, of the same score: the first stays */
    };
    const float scores[6] = {0.5F, 0.9F, 0.8F, 0.1F, NAN, 0.9F};
    const struct sowlv2_mask *views[6];
    const struct {
        double iou;
        bool keep[6];
    } cases[] = {
        {0.5, {false, true, false, true, true, false}},
        {0.6, {false, true, true, true, true, false}},
        {0.999, {true, true, true, true, true, false}},
        {1.0, {true, true, true, true, true, true}},
    };
    (void)state;
    for (int i = 0; i < 6; i++)
        views[i] = &masks[i];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool keep[6];
        int64_t kept = 0;
        for (int j = 0; j < 6; j++)
            kept += cases[i].keep[j];
        assert_int_equal(masks_dedupe(views, scores, 6, cases[i].iou, keep), kept);
        assert_memory_equal(keep, cases[i].keep, sizeof(keep));
    }
    assert_int_equal(masks_dedupe(views, scores, 0, 0.5, (bool[]){true}), 0);
    sowlv2_masks_free(masks, 6);
}

static void test_bad_masks(void **state)
{
    uint32_t runs[] = {5, 3};
    uint8_t pixels[16];
    char *rle = NULL;
    struct sowlv2_mask mask = {.width = 4, .height = 4};
    (void)state;
    assert_int_equal(sowlv2_mask_to_pixels(&mask, pixels), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_mask_rle(&mask, &rle), SOWLV2_ERROR_ARGUMENT);
    mask.runs = runs;
    mask.run_count = 2; /* 8 pixels of 16 */
    assert_int_equal(sowlv2_mask_to_pixels(&mask, pixels), SOWLV2_ERROR_ARGUMENT);
    assert_non_null(strstr(sowlv2_error_message(), "4 x 4"));
    assert_int_equal(sowlv2_mask_rle(&mask, &rle), SOWLV2_ERROR_ARGUMENT);
    assert_null(rle);
    assert_int_equal(sowlv2_mask_rle(NULL, &rle), SOWLV2_ERROR_ARGUMENT);
    sowlv2_masks_free(NULL, 3);
    sowlv2_string_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),  cmocka_unit_test(test_bits),      cmocka_unit_test(test_overlap),
        cmocka_unit_test(test_dedupe), cmocka_unit_test(test_bad_masks),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
