/* The image pipeline with masks, a fake detector and a fake segmenter: files, pictures, rows, failures. */
#include "base/file.h"
#include "base/test_folder.h"
#include "fake_detector.h"
#include "media/image.h"
#include "output/palette.h"
#include "run_case.h"

#include <math.h>
#include <setjmp.h>
#include <spng.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct run_case *open_masks(void)
{
    struct run_case *run = open_case();

    run->segmenter = fake_segmenter;
    run->job.overlays = true;
    run->job.draw = SOWLV2_DRAW_MASKS;
    return run;
}

static bool has(const struct run_case *run, const char *name)
{
    char *path = test_path(run->output, name);
    bool there = file_exists(path);

    free(path);
    return there;
}

static size_t entries(const struct run_case *run, const char *name)
{
    char *path = test_path(run->output, name);
    size_t count = file_exists(path) ? test_count_entries(path) : 0;

    free(path);
    return count;
}

/* A PNG as it is stored: its type and its bytes, freed by the caller. */
static uint8_t *read_png(const struct run_case *run, const char *name, struct spng_ihdr *header)
{
    char *path = test_path(run->output, name);
    FILE *file = fopen(path, "rb");
    spng_ctx *spng = spng_ctx_new(0);
    size_t size = 0;
    uint8_t *pixels;

    assert_non_null(file);
    assert_int_equal(spng_set_png_file(spng, file), 0);
    assert_int_equal(spng_get_ihdr(spng, header), 0);
    assert_int_equal(header->bit_depth, 8);
    assert_int_equal(spng_decoded_image_size(spng, SPNG_FMT_PNG, &size), 0);
    pixels = malloc(size);
    assert_int_equal(spng_decode_image(spng, pixels, size, SPNG_FMT_PNG, 0), 0);
    spng_ctx_free(spng);
    fclose(file);
    free(path);
    return pixels;
}

/* A grey PNG of the image's size that is 255 in the first `rows` rows and 0 below. */
static void check_mask_png(const struct run_case *run, const char *name, uint32_t width, uint32_t height, uint32_t rows)
{
    struct spng_ihdr header;
    uint8_t *pixels = read_png(run, name, &header);

    assert_int_equal(header.color_type, SPNG_COLOR_TYPE_GRAYSCALE);
    assert_int_equal(header.width, width);
    assert_int_equal(header.height, height);
    for (uint32_t i = 0; i < width * height; i++)
        assert_int_equal(pixels[i], i < rows * width ? 255 : 0);
    free(pixels);
}

static json_t *object_of(const struct run_case *run, size_t row, size_t object)
{
    json_t *found = json_array_get(json_object_get(run->rows[row], "objects"), object);

    assert_non_null(found);
    return found;
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* Three objects of 1, 2 and 3 rows: every file by name, what it shows, and the row. */
static void test_files(void **state)
{
    struct run_case *run = open_masks();

    (void)state;
    add_picture(run, "photo.png", 32, 8);
    assert_int_equal(process(run), 0);
    assert_int_equal(run->report.failed, 0);
    assert_int_equal(run->report.objects, 3);
    check_mask_png(run, "binary/frames/photo_obj1_cat_mask.png", 32, 8, 1);
    check_mask_png(run, "binary/frames/photo_obj2_dog_mask.png", 32, 8, 2);
    check_mask_png(run, "binary/frames/photo_obj3_cat_mask.png", 32, 8, 3);
    check_mask_png(run, "binary/merged/photo_merged_mask.png", 32, 8, 3);
    assert_int_equal(entries(run, "binary/frames"), 3);
    assert_int_equal(entries(run, "binary/merged"), 1);
    assert_int_equal(entries(run, "overlay/frames"), 3);
    assert_int_equal(entries(run, "overlay/merged"), 1);
    assert_true(has(run, "overlay/frames/photo_obj2_dog_overlay.png"));
    assert_false(has(run, "crops"));
    assert_int_equal(run->row_count, 1);
    for (size_t i = 0; i < 3; i++) {
        const json_t *object = object_of(run, 0, i);
        char name[64];

        snprintf(name, sizeof(name), "binary/frames/photo_obj%zu_%s_mask.png", i + 1, run_prompts[i % 2]);
        assert_string_equal(text_of(object, "mask"), name);
        assert_int_equal(json_integer_value(json_object_get(object, "id")), i + 1);
        assert_int_equal(json_integer_value(json_object_get(object, "area")), 32 * (i + 1));
        assert_true(json_real_value(json_object_get(object, "mask_score")) == 0.75);
        assert_null(json_object_get(object, "rle"));
        assert_null(json_object_get(object, "crop"));
    }
    close_case(run);
}

/* Grey 0 blended half and half, rounded up: (0 + c + 1) / 2. */
static void check_blend(const uint8_t *pixel, int index)
{
    struct colour colour = palette_colour(index);

    assert_int_equal(pixel[0], (colour.red + 1) / 2);
    assert_int_equal(pixel[1], (colour.green + 1) / 2);
    assert_int_equal(pixel[2], (colour.blue + 1) / 2);
}

/* Each object in its own colour, nothing else changed; the merged picture has all, one over the other. */
static void test_overlay_pixels(void **state)
{
    struct run_case *run = open_masks();
    struct spng_ihdr header;
    uint8_t *pixels;

    (void)state;
    add_picture(run, "photo.png", 32, 8); /* all black */
    assert_int_equal(process(run), 0);
    pixels = read_png(run, "overlay/frames/photo_obj2_dog_overlay.png", &header);
    assert_int_equal(header.color_type, SPNG_COLOR_TYPE_TRUECOLOR);
    for (int i = 0; i < 32 * 8; i++)
        if (i < 64)
            check_blend(pixels + 3 * i, 1);
        else
            assert_int_equal(pixels[3 * i] | pixels[3 * i + 1] | pixels[3 * i + 2], 0);
    free(pixels);
    pixels = read_png(run, "overlay/merged/photo_merged_overlay.png", &header);
    check_blend(pixels + (size_t)3 * 2 * 32, 2); /* the third row: object 3 alone */
    assert_int_equal(pixels[3 * 3 * 32], 0);
    free(pixels);
    close_case(run);
}

/* Boxes and labels are drawn where they are asked for. */
static void test_draw(void **state)
{
    static const unsigned draws[] = {SOWLV2_DRAW_BOXES, SOWLV2_DRAW_LABELS, SOWLV2_DRAW_MASKS,
                                     SOWLV2_DRAW_LABELS | SOWLV2_DRAW_MASKS, 0};
    size_t last = 0;

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        struct run_case *run = open_masks();
        struct spng_ihdr header;
        size_t coloured = 0;
        uint8_t *pixels;

        run->job.draw = draws[i];
        add_picture(run, "photo.png", 100, 80);
        assert_int_equal(process(run), 0);
        pixels = read_png(run, "overlay/frames/photo_obj9_cat_overlay.png", &header);
        for (size_t j = 0; j < (size_t)100 * 80; j++)
            coloured += (pixels[3 * j] | pixels[3 * j + 1] | pixels[3 * j + 2]) != 0;
        assert_true(draws[i] == 0 ? coloured == last
                                  : coloured > 50 && coloured != last); /* 0: the same as the one before */
        last = coloured;
        free(pixels);
        close_case(run);
    }
}

/* Which folders there are with each output left out. */
static void test_left_out(void **state)
{
    static const struct {
        bool binary, overlay, merged;
        size_t files[4]; /* masks, merged mask, overlays, merged overlay */
    } cases[] = {
        {true, true, true, {2, 1, 2, 1}},  {false, true, true, {0, 0, 2, 1}},  {true, false, true, {2, 1, 0, 0}},
        {true, true, false, {2, 0, 2, 0}}, {false, false, true, {0, 0, 0, 0}}, {false, true, false, {0, 0, 2, 0}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct run_case *run = open_masks();

        run->job.masks = cases[i].binary;
        run->job.overlays = cases[i].overlay;
        run->job.merged = cases[i].merged;
        add_picture(run, "photo.png", 20, 8);
        assert_int_equal(process(run), 0);
        assert_int_equal(run->report.failed, 0);
        assert_int_equal(entries(run, "binary/frames"), cases[i].files[0]);
        assert_int_equal(entries(run, "binary/merged"), cases[i].files[1]);
        assert_int_equal(entries(run, "overlay/frames"), cases[i].files[2]);
        assert_int_equal(entries(run, "overlay/merged"), cases[i].files[3]);
        assert_int_equal(has(run, "binary"), cases[i].binary);
        assert_int_equal(has(run, "overlay"), cases[i].overlay);
        close_case(run);
    }
}

/* Without masks as files the row holds them. 2 rows of an image of 20 x 4 are columns "2 set, 2 not". */
static void test_rle(void **state)
{
    struct run_case *run = open_masks();
    const json_t *rle;

    (void)state;
    run->job.masks = false;
    add_picture(run, "photo.png", 20, 4);
    assert_int_equal(process(run), 0);
    assert_null(json_object_get(object_of(run, 0, 1), "mask"));
    rle = json_object_get(object_of(run, 0, 1), "rle");
    assert_int_equal(json_integer_value(json_array_get(json_object_get(rle, "size"), 0)), 4);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(rle, "size"), 1)), 20);
    /* pycocotools: 0 2 2 2 ... 2, of which all but the first three are differences of 0. */
    assert_string_equal(text_of(rle, "counts"), "02200000000000000000000000000000000000000");
    close_case(run);
}

/* Tight, with alpha, the image's own colours inside. */
static void test_crops(void **state)
{
    struct run_case *run = open_masks();
    const float box[4] = {3, 2, 9, 6}, other[4] = {0.5f, 0.5f, 0.7f, 0.7f};
    const struct sowlv2_segment_prompt given[] = {{.box = box}, {.box = other}};
    struct spng_ihdr header;
    struct image image;
    uint8_t *pixels;

    (void)state;
    run->job.crops = true;
    run->job.marks = given;
    run->job.mark_count = 2;
    run->input = TEST_DATA "/media/data/exif_1.jpg";
    assert_int_equal(process(run), 0);
    assert_int_equal(run->report.failed, 0);
    assert_string_equal(text_of(object_of(run, 0, 0), "crop"), "crops/exif_1_obj1_crop.png");
    assert_null(json_object_get(object_of(run, 0, 1), "crop")); /* its mask is empty */
    assert_int_equal(json_integer_value(json_object_get(object_of(run, 0, 1), "area")), 0);
    assert_int_equal(entries(run, "crops"), 1);
    assert_int_equal(image_read(run->input, IMAGE_DEFAULT_MAX_PIXELS, &image), 0);
    pixels = read_png(run, "crops/exif_1_obj1_crop.png", &header);
    assert_int_equal(header.color_type, SPNG_COLOR_TYPE_TRUECOLOR_ALPHA);
    assert_int_equal(header.width, 6);
    assert_int_equal(header.height, 4);
    for (int i = 0; i < 24; i++) {
        assert_int_equal(pixels[4 * i + 3], 255);
        assert_memory_equal(pixels + 4 * i, image.pixels + 3 * ((2 + i / 6) * image.width + 3 + i % 6), 3);
    }
    free(pixels);
    image_free(&image);
    close_case(run);
}

/* Given boxes: rows without prompts and scores, names without slugs; where there is no box, that of the mask. */
static void test_given(void **state)
{
    struct run_case *run = open_masks();
    const float box[4] = {-4, 2, 9, 600}, point[2] = {1, 1};
    const struct sowlv2_segment_prompt given[] = {{.box = box}, {.points = point, .point_count = 1}};
    const json_t *object;

    (void)state;
    run->job.prompts = NULL;
    run->job.prompt_count = 0;
    run->job.marks = given;
    run->job.mark_count = 2;
    add_pictures(run, 7);
    assert_int_equal(process(run), 0);
    assert_int_equal(fake_detector.calls, 0);
    assert_int_equal(fake_detector.encoded, 7);
    assert_int_equal(run->row_count, 7);
    assert_int_equal(run->report.objects, 14);
    object = object_of(run, 0, 0);
    assert_null(json_object_get(object, "prompt"));
    assert_null(json_object_get(object, "score"));
    assert_string_equal(text_of(object, "mask"), "binary/frames/1_obj1_mask.png");
    assert_true(json_real_value(json_array_get(json_object_get(object, "box"), 0)) == 0);
    assert_true(json_real_value(json_array_get(json_object_get(object, "box"), 3)) == 8);
    assert_true(json_is_null(json_object_get(object_of(run, 0, 1), "box"))); /* an empty mask has none */
    assert_true(has(run, "overlay/frames/7_obj2_overlay.png"));
    close_case(run);
}

/* Object i covers i+1 rows of 8: with 0.7 the third (3 rows) and the second (2/3) stay apart, the fourth (3/4) does
 * not. All have the same score: the first one of a group stays. */
static void test_dedupe(void **state)
{
    struct run_case *run = open_masks();

    (void)state;
    run->job.dedupe_iou = 0.7f;
    add_picture(run, "photo.png", 50, 8);
    assert_int_equal(process(run), 0);
    assert_int_equal(json_array_size(json_object_get(run->rows[0], "objects")), 4);
    assert_int_equal(run->report.objects, 4);
    assert_int_equal(json_integer_value(json_object_get(object_of(run, 0, 2), "area")), 150);
    assert_int_equal(json_integer_value(json_object_get(object_of(run, 0, 3), "area")), 250);
    assert_int_equal(json_integer_value(json_object_get(object_of(run, 0, 3), "id")), 4);
    assert_string_equal(text_of(object_of(run, 0, 3), "prompt"), "cat"); /* it was the fifth */
    assert_int_equal(entries(run, "binary/frames"), 4);
    close_case(run);
}

/* Where nothing is found the segmenter's encoder does not run, and the merged pictures are there all the same. */
static void test_nothing_found(void **state)
{
    struct run_case *run = open_masks();

    (void)state;
    add_picture(run, "a.png", 9, 8);
    add_picture(run, "b.png", 30, 8);
    assert_int_equal(process(run), 0);
    assert_int_equal(run->row_count, 2);
    assert_int_equal(fake_detector.encoded, 1);
    assert_int_equal(fake_detector.decoded, 3);
    check_mask_png(run, "binary/merged/a_merged_mask.png", 9, 8, 0);
    assert_true(has(run, "overlay/merged/a_merged_overlay.png"));
    close_case(run);
}

/* Whatever the threads do: all rows in order, all files there. */
static void test_threads(void **state)
{
    static const int threads[] = {1, 2, 8};

    (void)state;
    for (size_t t = 0; t < 3; t++) {
        struct run_case *run = open_masks();
        size_t objects = 0;

        run->job.io_threads = threads[t];
        run->job.crops = true;
        add_pictures(run, 40);
        assert_int_equal(process(run), 0);
        assert_int_equal(run->row_count, 40);
        assert_int_equal(messages.warnings, 0);
        for (size_t i = 0; i < 40; i++) {
            char name[32];

            snprintf(name, sizeof(name), "%zu.png", i + 1);
            assert_string_equal(row_name(run, i), name);
            for (size_t j = 0; j < json_array_size(json_object_get(run->rows[i], "objects")); j++, objects++) {
                assert_true(has(run, text_of(object_of(run, i, j), "mask")));
                assert_true(has(run, text_of(object_of(run, i, j), "crop")));
            }
        }
        assert_int_equal(objects, run->report.objects);
        assert_int_equal(entries(run, "binary/frames"), objects);
        assert_int_equal(entries(run, "overlay/frames"), objects);
        close_case(run);
    }
}

/* One image with many objects is written by all threads. */
static void test_many_objects(void **state)
{
    struct run_case *run = open_masks();

    (void)state;
    run->job.io_threads = 4;
    run->job.overlays = false;
    add_picture(run, "wide.png", 5000, 500);
    assert_int_equal(process(run), 0);
    assert_int_equal(run->report.objects, 500);
    assert_int_equal(entries(run, "binary/frames"), 500);
    check_mask_png(run, "binary/frames/wide_obj500_dog_mask.png", 5000, 500, 500);
    close_case(run);
}

/* An image that cannot be segmented, and one of whose files cannot be written: each fails alone. */
static void test_failures(void **state)
{
    struct run_case *run = open_masks();

    (void)state;
    add_pictures(run, 12);
    fake_detector.bad_mask_width = 15; /* 5.png */
    test_write_text(run->output, "binary/frames/8_obj1_cat_mask.png/in-the-way", "");
    assert_int_equal(process(run), 0);
    assert_int_equal(run->report.images, 12);
    assert_int_equal(run->report.failed, 2);
    assert_int_equal(run->row_count, 10);
    assert_int_equal(messages.warnings, 2);
    assert_non_null(strstr(messages.last_warning, "8_obj1_cat_mask.png"));
    for (size_t i = 0; i < 10; i++) {
        assert_string_not_equal(row_name(run, i), "5.png");
        assert_string_not_equal(row_name(run, i), "8.png");
    }
    close_case(run);
}

/* An interruption does not wait for the masks of what is in hand; the rows that are there are whole. */
static void test_interrupted(void **state)
{
    struct run_case *run = open_masks();

    (void)state;
    add_pictures(run, 60);
    fake_detector.interrupt_at = 3;
    assert_int_equal(process(run), 0);
    assert_true(run->report.interrupted);
    assert_int_equal(run->row_count, 8);
    assert_int_equal(fake_detector.encoded, 8);
    assert_int_equal(messages.warnings, 0);
    close_case(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),         cmocka_unit_test(test_overlay_pixels),
        cmocka_unit_test(test_draw),          cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_rle),           cmocka_unit_test(test_crops),
        cmocka_unit_test(test_given),         cmocka_unit_test(test_dedupe),
        cmocka_unit_test(test_nothing_found), cmocka_unit_test(test_threads),
        cmocka_unit_test(test_many_objects),  cmocka_unit_test(test_failures),
        cmocka_unit_test(test_interrupted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
