/* Rows: which fields are there, and how times are written. */
#include "output/json_text.h"
#include "output/names.h"
#include "output/sink.h"

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

extern const struct sink_kind sink_rows;

static const char *const prompts[] = {"cat", "a \"red\" bicycle", "dog"};

static void check_row(struct output_frame *frame, bool masks, const char *expected)
{
    const struct sowlv2_run_options job = {.prompts = prompts, .prompt_count = 3};
    struct sink_context context = {.options = {.job = &job}, .masks = masks};
    void *state = NULL;
    json_t *parsed;

    assert_int_equal(sink_rows.open(&context, &state), 0);
    assert_int_equal(sink_rows.complete(state, frame), 0);
    assert_string_equal(frame->row.data, expected);
    parsed = json_loads(frame->row.data, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(parsed);
    json_decref(parsed);
    string_free(&frame->row);
}

static void test_frames(void **state)
{
#define HEAD                                                                                                           \
    "{\"video\":\"a \\\"b\\\".mp4\",\"frame\":3000000000,\"time\":1.5,\"width\":640,\"height\":480,\"objects\":["
    char file[] = "binary/frames/x.png", other[] = "m.png", lost[] = "PP\\1", filled[] = "0";
    struct output_object objects[] = {
        {.id = 1,
         .prompt = 0,
         .score = 0.5f,
         .objectness = -1,
         .mask = {.area = 12, .box = {1, 2, 5, 6}, .mask_score = 0.75f, .object_score = 2.5f},
         .mask_file = file},
        {.id = 5,
         .prompt = 2,
         .score = NAN,
         .objectness = 0.25f,
         .mask = {.area = 0, .mask_score = NAN, .object_score = -4},
         .lost = true,
         .rle = lost},
        {.id = INT64_C(5000000000),
         .prompt = -1,
         .mask = {.area = 3, .box = {0, 0, 3, 1}, .mask_score = NAN, .object_score = NAN},
         .interpolated = true,
         .mask_file = other,
         .rle = filled},
    };
    struct output_frame frame = {.name = "a \"b\".mp4",
                                 .number = INT64_C(3000000000),
                                 .time = 1.5,
                                 .image = {.width = 640, .height = 480},
                                 .objects = objects};

    (void)state;
    check_row(&frame, true, HEAD "]}\n");
    frame.count = 3;
    check_row(&frame, true,
              HEAD "{\"id\":1,\"prompt\":\"cat\",\"score\":0.5,\"box\":[1.0,2.0,5.0,6.0],\"mask_score\":0.75,"
                   "\"object_score\":2.5,\"area\":12,\"mask\":\"binary/frames/x.png\"},"
                   "{\"id\":5,\"prompt\":\"dog\",\"objectness\":0.25,\"box\":null,\"object_score\":-4.0,\"area\":0,"
                   "\"rle\":{\"size\":[480,640],\"counts\":\"PP\\\\1\"},\"lost\":true},"
                   "{\"id\":5000000000,\"box\":[0.0,0.0,3.0,1.0],\"area\":3,\"mask\":\"m.png\","
                   "\"rle\":{\"size\":[480,640],\"counts\":\"0\"},\"interpolated\":true}]}\n");
}

static void test_images(void **state)
{
#define IMAGE "{\"image\":\"coffee.png\",\"width\":600,\"height\":400,\"objects\":["
    char mask[] = "m.png", crop[] = "c.png";
    struct output_object objects[] = {
        {.id = 1, .prompt = 0, .score = 0.83f, .objectness = -1, .has_box = true, .box = {0, 0.5f, 599.75f, 400}},
        {.id = 2, .prompt = 1, .score = 0.11f, .objectness = 0, .has_box = true, .box = {1, 2, 3, 4}},
    };
    struct output_frame frame = {.name = "coffee.png", .image = {.width = 600, .height = 400}, .objects = objects};

    (void)state;
    check_row(&frame, false, IMAGE "]}\n");
    frame.count = 2;
    check_row(&frame, false,
              IMAGE "{\"id\":1,\"prompt\":\"cat\",\"score\":0.83,\"box\":[0.0,0.5,599.75,400.0]},"
                    "{\"id\":2,\"prompt\":\"a \\\"red\\\" bicycle\",\"score\":0.11,\"objectness\":0.0,"
                    "\"box\":[1.0,2.0,3.0,4.0]}]}\n");
    /* What the user gave without a box is where its mask is. */
    objects[0].prompt = objects[1].prompt = -1;
    objects[0].has_box = objects[1].has_box = false;
    objects[0].mask = (struct sowlv2_mask){.area = 6, .box = {1, 1, 4, 3}, .mask_score = 0.5f, .object_score = 3};
    objects[0].mask_file = mask;
    objects[0].crop_file = crop;
    check_row(&frame, true,
              IMAGE "{\"id\":1,\"box\":[1.0,1.0,4.0,3.0],\"mask_score\":0.5,\"area\":6,\"mask\":\"m.png\","
                    "\"crop\":\"c.png\"},{\"id\":2,\"box\":null,\"mask_score\":0.0,\"area\":0}]}\n");
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
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_images),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
