/* Rows of a video's frames: which fields are there, and how times are written. */
#include "output/json_text.h"
#include "output/names.h"
#include "output/results_video.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

static void check_seconds(double seconds, const char *expected)
{
    struct string text = {0};

    json_append_seconds(&text, seconds);
    assert_false(text.failed);
    assert_string_equal(text.data, expected);
    string_free(&text);
}

static void test_seconds(void **state)
{
    (void)state;
    check_seconds(0, "0.0");
    check_seconds(-0.0, "0.0");
    check_seconds(1e-9, "0.0");
    check_seconds(-1e-9, "0.0");
    check_seconds(0.04, "0.04");
    check_seconds(1001 / 30000.0, "0.033367");
    check_seconds(7200, "7200.0");
    check_seconds(7199.96, "7199.96");
    check_seconds(86399.9999996, "86400.0");
    check_seconds(0.000001, "0.000001");
    check_seconds(-1.5, "-1.5");
    check_seconds(NAN, "null");
    check_seconds(INFINITY, "null");
    check_seconds(1e300, "null");
}

static void check_row(const struct results_track *objects, size_t count, const char *expected)
{
    struct results_video_frame frame = {.name = "a \"b\".mp4",
                                        .number = INT64_C(3000000000),
                                        .time = 1.5,
                                        .width = 640,
                                        .height = 480,
                                        .objects = objects,
                                        .count = count};
    struct string row = {0};
    json_t *parsed;

    results_video_row(&frame, &row);
    assert_false(row.failed);
    assert_string_equal(row.data, expected);
    parsed = json_loads(row.data, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(parsed);
    json_decref(parsed);
    string_free(&row);
}

#define HEAD                                                                                                           \
    "{\"video\":\"a \\\"b\\\".mp4\",\"frame\":3000000000,\"time\":1.5,\"width\":640,\"height\":480,\"objects\":["

static void test_rows(void **state)
{
    struct sowlv2_mask seen = {.area = 12, .box = {1, 2, 5, 6}, .mask_score = 0.75f, .object_score = 2.5f};
    struct sowlv2_mask lost = {.area = 0, .mask_score = NAN, .object_score = -4};
    struct sowlv2_mask filled = {.area = 3, .box = {0, 0, 3, 1}, .mask_score = NAN, .object_score = NAN};
    const struct results_track objects[] = {
        {.id = 1, .prompt = "cat", .score = 0.5f, .mask = &seen, .file = "binary/frames/x.png"},
        {.id = 5, .prompt = "dog", .score = NAN, .mask = &lost, .lost = true, .rle = "PP\\1"},
        {.id = INT64_C(5000000000), .mask = &filled, .interpolated = true, .file = "m.png", .rle = "0"},
    };

    (void)state;
    check_row(NULL, 0, HEAD "]}\n");
    check_row(objects, 3,
              HEAD "{\"id\":1,\"prompt\":\"cat\",\"score\":0.5,\"box\":[1.0,2.0,5.0,6.0],\"mask_score\":0.75,"
                   "\"object_score\":2.5,\"area\":12,\"mask\":\"binary/frames/x.png\"},"
                   "{\"id\":5,\"prompt\":\"dog\",\"box\":null,\"object_score\":-4.0,\"area\":0,"
                   "\"rle\":{\"size\":[480,640],\"counts\":\"PP\\\\1\"},\"lost\":true},"
                   "{\"id\":5000000000,\"box\":[0.0,0.0,3.0,1.0],\"area\":3,\"mask\":\"m.png\","
                   "\"rle\":{\"size\":[480,640],\"counts\":\"0\"},\"interpolated\":true}]}\n");
}

static void check_name(enum names_kind kind, int64_t object, const char *slug, const char *suffix, const char *expected)
{
    char *path = names_video_path(kind, object, slug, suffix);

    assert_non_null(path);
    assert_string_equal(path, expected);
    free(path);
}

static void test_names(void **state)
{
    (void)state;
    check_name(NAMES_OBJECT_MASK, 1, "cat", ".mp4", "video/binary/obj1_cat_mask.mp4");
    check_name(NAMES_OBJECT_MASK, 12, NULL, ".mkv", "video/binary/obj12_mask.mkv");
    check_name(NAMES_MERGED_MASK, 1, "cat", ".mkv", "video/binary/merged_mask.mkv");
    check_name(NAMES_OBJECT_OVERLAY, 3, "a_dog~2", ".mp4", "video/overlay/obj3_a_dog~2_overlay.mp4");
    check_name(NAMES_MERGED_OVERLAY, 0, NULL, ".mp4", "video/overlay/merged_overlay.mp4");
    assert_string_equal(names_video_folder(NAMES_MERGED_OVERLAY), "video/overlay");
    assert_null(names_video_folder(NAMES_OBJECT_CROP));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seconds),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
