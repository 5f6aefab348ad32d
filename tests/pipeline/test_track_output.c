/* What a tracked video leaves in its folder: rows, pictures, videos, read back. */
#include "base/test_folder.h"
#include "output/palette.h"
#include "pipeline/detect_images.h"
#include "pipeline/track_case.h"
#include "video/support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FRAMES = 12, WIDTH = 160, HEIGHT = 120, LATE_FIRST = 5, LATE_LAST = 9 };

/* A rate that varies, from a first time that is not 0. */
static double time_of(int64_t number)
{
    return 0.5 + 0.04 * (double)(number - 1) + (number > 6 ? 0.01 * (double)(number - 6) : 0);
}

static void add(struct track_output *output, struct output_frame *frame)
{
    if (track_output_add(output, frame) != 0)
        fail_msg("%s", sowlv2_error_message());
    assert_null(frame->image.pixels);
    assert_null(frame->objects);
    assert_int_equal(frame->count, 0);
}

/* Object 1 is there always but lost on frame 4, object 3 has no prompt, object 2 is there from LATE_FIRST to
 * LATE_LAST. */
static void write_case(const struct track_output_options *options, struct track_output_report *report)
{
    struct track_output *output;

    if (track_output_open(options, &output) != 0)
        fail_msg("%s", sowlv2_error_message());
    for (int64_t number = 1; number <= FRAMES; number++) {
        struct output_frame frame = track_case_frame(options->width, options->height, number, time_of(number));

        track_case_object(&frame, 1, 0, number == 4);
        if (number >= LATE_FIRST && number <= LATE_LAST)
            track_case_object(&frame, 2, 1, false);
        track_case_object(&frame, 3, -1, false);
        add(output, &frame);
        if (number == LATE_LAST)
            track_output_end_object(output, 2);
    }
    if (track_output_close(&output, true, report) != 0)
        fail_msg("%s", sowlv2_error_message());
    assert_null(output);
}

static struct clip read_video(const char *folder, const char *name, int width, int height, int count)
{
    char *path = test_path(folder, name);
    struct clip clip = clip_read(path, NULL);

    if (clip.count != count || clip.width != width || clip.height != height)
        fail_msg("%s: %d frames of %d x %d", name, clip.count, clip.width, clip.height);
    free(path);
    return clip;
}

static void check_times(const struct clip *clip, const double *times, double tolerance)
{
    for (int i = 0; i < clip->count; i++)
        if (!(fabs(clip->times[i] - times[i]) < tolerance))
            fail_msg("picture %d at %.6f, not %.6f", i, clip->times[i], times[i]);
}

/* Of the pixels [height][width] of the mask, at most `most` differ; the clip's may be padded. */
static void check_mask(const struct clip *clip, int index, const uint8_t *mask, int width, int height, double most)
{
    size_t differing = 0;

    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            differing += (clip_frame(clip, index)[3 * ((size_t)y * (size_t)clip->width + (size_t)x)] > 127) !=
                         (mask[(size_t)y * (size_t)width + (size_t)x] > 127);
    if ((double)differing > most * width * height)
        fail_msg("picture %d: %zu pixels of the mask differ", index, differing);
}

static void check_videos(const char *folder)
{
    double all[FRAMES], late[LATE_LAST - LATE_FIRST + 2] = {0};
    int64_t ids[3] = {1, 2, 3};
    struct clip merged, object;

    for (int i = 0; i < FRAMES; i++)
        all[i] = time_of(i + 1) - time_of(1);
    for (int i = LATE_FIRST; i <= LATE_LAST; i++)
        late[i - LATE_FIRST + 1] = time_of(i) - time_of(1);
    merged = read_video(folder, "video/binary/merged_mask.mp4", WIDTH, HEIGHT, FRAMES);
    check_times(&merged, all, 1e-5);
    for (int i = 0; i < FRAMES; i++) {
        bool first = i + 1 != 4, second = i + 1 >= LATE_FIRST && i + 1 <= LATE_LAST;
        int64_t there[3];
        size_t count = 0;
        uint8_t *mask;

        if (first)
            there[count++] = ids[0];
        if (second)
            there[count++] = ids[1];
        there[count++] = ids[2];
        mask = track_case_mask(WIDTH, HEIGHT, i + 1, there, count);
        check_mask(&merged, i, mask, WIDTH, HEIGHT, 0.002);
        free(mask);
    }
    clip_free(&merged);
    object = read_video(folder, "video/binary/obj2_a_red_bicycle__mask.mp4", WIDTH, HEIGHT, LATE_LAST - LATE_FIRST + 2);
    check_times(&object, late, 1e-5);
    for (int i = 0; i < object.count; i++) {
        uint8_t *mask = track_case_mask(WIDTH, HEIGHT, LATE_FIRST + i - 1, &ids[1], i > 0 ? 1 : 0);

        check_mask(&object, i, mask, WIDTH, HEIGHT, 0.002);
        free(mask);
    }
    clip_free(&object);
    object =
        read_video(folder, "video/overlay/obj2_a_red_bicycle__overlay.mp4", WIDTH, HEIGHT, LATE_LAST - LATE_FIRST + 2);
    check_times(&object, late, 1e-5);
    for (int at = 0; at < WIDTH * HEIGHT * 3; at++)
        assert_true(clip_frame(&object, 0)[at] < 8);
    clip_free(&object);
    object = read_video(folder, "video/overlay/obj3_overlay.mp4", WIDTH, HEIGHT, FRAMES);
    check_times(&object, all, 1e-5);
    clip_free(&object);
}

/* Every overlay's video shows what its pictures show. */
static void check_overlays(const char *folder)
{
    struct clip clip = read_video(folder, "video/overlay/merged_overlay.mp4", WIDTH, HEIGHT, FRAMES);

    for (int i = 0; i < FRAMES; i++) {
        char name[64], *path;
        struct image image;
        double sum = 0;

        snprintf(name, sizeof(name), "overlay/merged/%06d_merged_overlay.png", i + 1);
        path = test_path(folder, name);
        assert_int_equal(image_read(path, IMAGE_DEFAULT_MAX_PIXELS, &image), 0);
        assert_int_equal(image.width, WIDTH);
        assert_int_equal(image.height, HEIGHT);
        for (size_t at = 0; at < (size_t)WIDTH * HEIGHT * 3; at++)
            sum += abs((int)image.pixels[at] - (int)clip_frame(&clip, i)[at]);
        if (!(sum / (WIDTH * HEIGHT * 3) < 5))
            fail_msg("frame %d of the overlay is off by %.2f on average", i + 1, sum / (WIDTH * HEIGHT * 3));
        image_free(&image);
        free(path);
    }
    clip_free(&clip);
}

static void check_object(const char *folder, const json_t *row, size_t index, int64_t id, bool lost)
{
    int64_t number = json_integer_value(json_object_get(row, "frame"));
    const json_t *object = json_array_get(json_object_get(row, "objects"), index);
    const char *slug = id == 1 ? "_cat" : id == 2 ? "_a_red_bicycle_" : "";
    uint8_t *mask = track_case_mask(WIDTH, HEIGHT, number, &id, lost ? 0 : 1);
    int64_t area = 0;
    struct image image;
    char name[96], *path;

    assert_int_equal(json_integer_value(json_object_get(object, "id")), id);
    snprintf(name, sizeof(name), "binary/frames/%06d_obj%d%s_mask.png", (int)number, (int)id, slug);
    assert_string_equal(json_string_value(json_object_get(object, "mask")), name);
    assert_null(json_object_get(object, "rle"));
    path = test_path(folder, name);
    assert_int_equal(image_read(path, IMAGE_DEFAULT_MAX_PIXELS, &image), 0);
    for (size_t at = 0; at < (size_t)WIDTH * HEIGHT; at++) {
        area += mask[at] > 0;
        if (image.pixels[3 * at] != mask[at])
            fail_msg("%s: pixel %zu is %d", name, at, image.pixels[3 * at]);
    }
    image_free(&image);
    free(path);
    free(mask);
    snprintf(name, sizeof(name), "overlay/frames/%06d_obj%d%s_overlay.png", (int)number, (int)id, slug);
    track_case_expect_file(folder, name, true);
    assert_int_equal(json_integer_value(json_object_get(object, "area")), area);
    assert_true(json_is_null(json_object_get(object, "box")) == lost);
    assert_int_equal(json_array_size(json_object_get(object, "box")), lost ? 0 : 4);
    assert_true(json_is_true(json_object_get(object, "lost")) == lost);
    assert_true(json_number_value(json_object_get(object, "object_score")) == (lost ? -3.5 : 7.25));
    if (id == 3) {
        assert_null(json_object_get(object, "prompt"));
        assert_null(json_object_get(object, "score"));
    } else {
        assert_string_equal(json_string_value(json_object_get(object, "prompt")), id == 1 ? "cat" : "a red bicycle!");
        assert_true(json_number_value(json_object_get(object, "score")) == 0.75);
    }
}

static void check_rows(const char *folder)
{
    json_t *rows = track_case_rows(folder);

    assert_int_equal(json_array_size(rows), FRAMES);
    for (int i = 0; i < FRAMES; i++) {
        const json_t *row = json_array_get(rows, (size_t)i), *objects = json_object_get(row, "objects");
        bool late = i + 1 >= LATE_FIRST && i + 1 <= LATE_LAST;

        assert_string_equal(json_string_value(json_object_get(row, "video")), "clip.mp4");
        assert_int_equal(json_integer_value(json_object_get(row, "frame")), i + 1);
        assert_true(fabs(json_real_value(json_object_get(row, "time")) - time_of(i + 1)) < 1e-6);
        assert_int_equal(json_integer_value(json_object_get(row, "width")), WIDTH);
        assert_int_equal(json_integer_value(json_object_get(row, "height")), HEIGHT);
        assert_int_equal(json_array_size(objects), late ? 3 : 2);
        check_object(folder, row, 0, 1, i + 1 == 4);
        if (late)
            check_object(folder, row, 1, 2, false);
        check_object(folder, row, late ? 2 : 1, 3, false);
    }
    json_decref(rows);
}

static void run_whole(int threads)
{
    char *folder = test_folder_make(), *below = test_path(folder, "new/out");
    struct track_output_options options = track_case_options(below, WIDTH, HEIGHT);
    struct track_output_report report;

    options.threads = threads;
    write_case(&options, &report);
    assert_int_equal(report.frames, FRAMES);
    assert_int_equal(report.pictures, 2 * (FRAMES + 2 * FRAMES + LATE_LAST - LATE_FIRST + 1));
    assert_int_equal(report.videos, 8);
    assert_true(report.write_seconds > 0);
    check_rows(below);
    check_videos(below);
    check_overlays(below);
    free(below);
    test_folder_remove(folder);
}

static void test_whole(void **state)
{
    (void)state;
    run_whole(1);
    run_whole(4);
}

/* Object 1 is of the first prompt until frame `until`, then of the second. */
static void write_renamed(const char *folder, int64_t until)
{
    const struct track_output_options options = track_case_options(folder, 64, 48);
    struct track_output *output;

    if (track_output_open(&options, &output) != 0)
        fail_msg("%s", sowlv2_error_message());
    for (int64_t number = 1; number <= FRAMES; number++) {
        struct output_frame frame = track_case_frame(64, 48, number, time_of(number));

        track_case_object(&frame, 1, number <= until ? 0 : 1, false);
        add(output, &frame);
    }
    if (track_output_close(&output, true, NULL) != 0)
        fail_msg("%s", sowlv2_error_message());
}

/* An object that gets another name: its videos have the last one, all of it in them; its pictures that of their row;
 * and what it left goes when another run takes the folder. */
static void test_renamed(void **state)
{
    char *const folder = test_folder_make();
    json_t *rows;

    (void)state;
    write_renamed(folder, 5);
    track_case_expect_file(folder, "video/binary/obj1_cat_mask.mp4", false);
    track_case_expect_file(folder, "video/overlay/obj1_cat_overlay.mp4", false);
    track_case_expect_file(folder, "video/binary/obj1_cat_mask.unfinished.mp4", false);
    track_case_expect_file(folder, "video/overlay/obj1_a_red_bicycle__overlay.mp4", true);

    struct clip clip = read_video(folder, "video/binary/obj1_a_red_bicycle__mask.mp4", 64, 48, FRAMES);
    clip_free(&clip);
    rows = track_case_rows(folder);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *const object = json_array_get(json_object_get(json_array_get(rows, i), "objects"), 0);
        const char *const file = json_string_value(json_object_get(object, "mask"));

        assert_non_null(strstr(file, i < 5 ? "_obj1_cat_mask.png" : "_obj1_a_red_bicycle__mask.png"));
        track_case_expect_file(folder, file, true);
    }
    json_decref(rows);

    write_renamed(folder, FRAMES);
    track_case_expect_file(folder, "video/binary/obj1_cat_mask.mp4", true);
    track_case_expect_file(folder, "video/binary/obj1_a_red_bicycle__mask.mp4", false);
    track_case_expect_file(folder, "video/overlay/obj1_a_red_bicycle__overlay.mp4", false);
    track_case_expect_file(folder, "binary/frames/000006_obj1_a_red_bicycle__mask.png", false);
    test_folder_remove(folder);
}

/* Where nothing but masks is drawn, an overlay is the frame with half of the object's colour, exactly. */
static void test_overlay_pixels(void **state)
{
    char *folder = test_folder_make(), *path = test_path(folder, "overlay/frames/000001_obj18_cat_overlay.png");
    struct track_output_options options = track_case_options(folder, WIDTH, HEIGHT);
    struct output_frame frame = track_case_frame(WIDTH, HEIGHT, 1, 0), plain = track_case_frame(WIDTH, HEIGHT, 1, 0);
    const int64_t id = 18; /* the palette has 16 colours: that of object 2 */
    struct colour colour = palette_colour(1);
    uint8_t *mask = track_case_mask(WIDTH, HEIGHT, 1, &id, 1);
    struct track_output *output;
    struct image image;

    (void)state;
    track_case_job.draw = SOWLV2_DRAW_MASKS;
    track_case_job.films = false;
    track_case_object(&frame, id, 0, false);
    assert_int_equal(track_output_open(&options, &output), 0);
    add(output, &frame);
    assert_int_equal(track_output_close(&output, true, NULL), 0);
    assert_int_equal(image_read(path, IMAGE_DEFAULT_MAX_PIXELS, &image), 0);
    for (size_t at = 0; at < (size_t)WIDTH * HEIGHT; at++) {
        const uint8_t *from = plain.image.pixels + 3 * at, *to = image.pixels + 3 * at;
        uint8_t expected[3] = {from[0], from[1], from[2]};

        if (mask[at]) {
            expected[0] = (uint8_t)((from[0] + colour.red + 1) / 2);
            expected[1] = (uint8_t)((from[1] + colour.green + 1) / 2);
            expected[2] = (uint8_t)((from[2] + colour.blue + 1) / 2);
        }
        assert_memory_equal(to, expected, 3);
    }
    image_free(&image);
    output_frame_free(&plain);
    free(mask);
    free(path);
    test_folder_remove(folder);
}

/* Without pictures the rows hold the masks; with --rle they do both. */
static void run_rle(bool pictures, bool binary, bool rle)
{
    char *folder = test_folder_make();
    struct track_output_options options = track_case_options(folder, WIDTH, HEIGHT);
    bool has_file = pictures && binary, has_rle = rle || !has_file;
    struct track_output_report report;
    json_t *rows;

    options.outputs.pictures = pictures;
    track_case_job.masks = binary;
    track_case_job.rle = rle;
    write_case(&options, &report);
    rows = track_case_rows(folder);
    assert_int_equal(json_array_size(rows), FRAMES);
    for (int i = 0; i < FRAMES; i++) {
        const json_t *objects = json_object_get(json_array_get(rows, (size_t)i), "objects");
        const json_t *object = json_array_get(objects, 0), *text = json_object_get(object, "rle");
        struct output_frame frame = track_case_frame(WIDTH, HEIGHT, i + 1, 0);
        char *expected;

        assert_true((text != NULL) == has_rle);
        assert_true((json_object_get(object, "mask") != NULL) == has_file);
        track_case_object(&frame, 1, 0, i + 1 == 4);
        if (has_rle && i + 1 != 4) {
            assert_int_equal(sowlv2_mask_rle(&frame.objects[0].mask, &expected), 0);
            assert_string_equal(json_string_value(json_object_get(text, "counts")), expected);
            assert_int_equal(json_integer_value(json_array_get(json_object_get(text, "size"), 0)), HEIGHT);
            assert_int_equal(json_integer_value(json_array_get(json_object_get(text, "size"), 1)), WIDTH);
            sowlv2_string_free(&expected);
        } else if (has_rle) {
            assert_string_equal(json_string_value(json_object_get(text, "counts")), "Phb0"); /* 19200 */
        }
        output_frame_free(&frame);
    }
    json_decref(rows);
    track_case_expect_file(folder, "binary", has_file);
    track_case_expect_file(folder, "overlay", pictures);
    track_case_expect_file(folder, "video/binary/merged_mask.mp4", binary);
    track_case_expect_file(folder, "video/overlay/merged_overlay.mp4", true);
    assert_int_equal(report.videos, binary ? 8 : 4);
    test_folder_remove(folder);
}

static void test_rle(void **state)
{
    (void)state;
    run_rle(false, true, false);
    run_rle(false, false, false);
    run_rle(true, false, false);
    run_rle(true, true, true);
}

/* FFV1 keeps masks to the bit, odd sizes too. */
static void test_lossless(void **state)
{
    enum { ODD_WIDTH = 101, ODD_HEIGHT = 67 };
    char *folder = test_folder_make();
    struct track_output_options options = track_case_options(folder, ODD_WIDTH, ODD_HEIGHT);
    struct clip clip;
    int64_t id = 2;

    (void)state;
    track_case_job.mask_codec = SOWLV2_MASK_FFV1;
    options.outputs.pictures = false;
    write_case(&options, NULL);
    clip = read_video(folder, "video/binary/obj2_a_red_bicycle__mask.mkv", ODD_WIDTH, ODD_HEIGHT,
                      LATE_LAST - LATE_FIRST + 2);
    for (int i = 0; i < clip.count; i++) {
        uint8_t *mask = track_case_mask(ODD_WIDTH, ODD_HEIGHT, LATE_FIRST + i - 1, &id, i > 0 ? 1 : 0);

        for (size_t at = 0; at < (size_t)ODD_WIDTH * ODD_HEIGHT; at++)
            if (clip_frame(&clip, i)[3 * at] != mask[at])
                fail_msg("picture %d, pixel %zu: %d", i, at, clip_frame(&clip, i)[3 * at]);
        free(mask);
    }
    clip_free(&clip);
    /* H.264 in even sizes. */
    clip = read_video(folder, "video/overlay/merged_overlay.mp4", ODD_WIDTH + 1, ODD_HEIGHT + 1, FRAMES);
    clip_free(&clip);
    test_folder_remove(folder);
}

/* Nothing found: black masks, and overlays that are the frames. */
static void test_nothing(void **state)
{
    char *folder = test_folder_make(), *path = test_path(folder, "overlay/merged/000002_merged_overlay.png");
    struct track_output_options options = track_case_options(folder, WIDTH, HEIGHT);
    struct output_frame plain = track_case_frame(WIDTH, HEIGHT, 2, 0);
    struct track_output_report report;
    struct track_output *output;
    struct clip clip;
    struct image image;
    json_t *rows;

    (void)state;
    assert_int_equal(track_output_open(&options, &output), 0);
    for (int64_t number = 1; number <= 3; number++) {
        struct output_frame frame = track_case_frame(WIDTH, HEIGHT, number, time_of(number));

        add(output, &frame);
    }
    assert_int_equal(track_output_close(&output, true, &report), 0);
    assert_int_equal(report.videos, 2);
    clip = read_video(folder, "video/binary/merged_mask.mp4", WIDTH, HEIGHT, 3);
    for (size_t at = 0; at < (size_t)WIDTH * HEIGHT * 9; at++)
        assert_true(clip.pixels[at] < 4);
    clip_free(&clip);
    assert_int_equal(image_read(path, IMAGE_DEFAULT_MAX_PIXELS, &image), 0);
    assert_memory_equal(image.pixels, plain.image.pixels, (size_t)WIDTH * HEIGHT * 3);
    image_free(&image);
    output_frame_free(&plain);
    rows = track_case_rows(folder);
    assert_int_equal(json_array_size(rows), 3);
    json_decref(rows);
    free(path);
    test_folder_remove(folder);
}

/* An object that comes hours later: its video stays in step, although a picture may not stand for so long. */
static void test_long_wait(void **state)
{
    char *folder = test_folder_make(), *times;
    struct track_output_options options = track_case_options(folder, 32, 32);
    struct track_output *output;
    size_t size;

    (void)state;
    need_ffmpeg();
    options.outputs.pictures = false;
    assert_int_equal(track_output_open(&options, &output), 0);
    for (int64_t number = 1; number <= 4; number++) {
        struct output_frame frame = track_case_frame(32, 32, number, 4000.0 * (double)(number - 1));

        if (number == 4)
            track_case_object(&frame, 1, 0, false);
        add(output, &frame);
    }
    assert_int_equal(track_output_close(&output, true, NULL), 0);
    times = shell_output(&size,
                         "ffprobe -v error -show_entries packet=pts_time -of csv=p=0 "
                         "'%s/video/overlay/obj1_cat_overlay.mp4'",
                         folder);
    assert_string_equal(times, "0.000000\n5000.000000\n10000.000000\n12000.000000\n");
    free(times);
    test_folder_remove(folder);
}

/* Forty objects, videos for four. */
static void test_many_objects(void **state)
{
    char *folder = test_folder_make(), *videos = test_path(folder, "video/binary");
    struct track_output_options options = track_case_options(folder, 64, 48);
    struct track_output_report report;
    struct track_output *output;

    (void)state;
    notices_begin();
    track_case_job.max_object_films = 4;
    options.threads = 3;
    options.outputs.pictures = false;
    assert_int_equal(track_output_open(&options, &output), 0);
    for (int64_t number = 1; number <= 6; number++) {
        struct output_frame frame = track_case_frame(64, 48, number, 0.1 * (double)number);

        for (int64_t id = 1; id <= 40; id++)
            if (id > 2 || number < 4)
                track_case_object(&frame, id, 0, false);
        add(output, &frame);
        if (number == 3) { /* what ends makes no room for others */
            track_output_end_object(output, 1);
            track_output_end_object(output, 2);
        }
    }
    assert_int_equal(track_output_close(&output, true, &report), 0);
    assert_int_equal(report.videos, 10);
    assert_int_equal(test_count_entries(videos), 5);
    track_case_expect_file(folder, "video/binary/obj4_cat_mask.mp4", true);
    track_case_expect_file(folder, "video/binary/obj5_cat_mask.mp4", false);
    assert_int_equal(notices_count(), 1);
    assert_non_null(strstr(notices(), "clip.mp4: more than 4 objects"));
    notices_end();
    free(videos);
    test_folder_remove(folder);
}

/* Overlays have the source's sound, masks have not. */
static void test_sound(void **state)
{
    char *folder = test_folder_make(), *source = test_path(folder, "source.mp4"), *output = test_path(folder, "out");
    struct track_output_options options = track_case_options(output, WIDTH, HEIGHT);
    static const struct {
        const char *name;
        const char *streams;
    } cases[] = {
        {"video/overlay/merged_overlay.mp4", "video\naudio\n"},
        {"video/overlay/obj2_a_red_bicycle__overlay.mp4", "video\naudio\n"},
        {"video/binary/merged_mask.mp4", "video\n"},
        {"video/binary/obj1_cat_mask.mp4", "video\n"},
    };

    (void)state;
    need_ffmpeg();
    shell("ffmpeg -v error -f lavfi -i color=size=64x64:rate=25 -f lavfi -i sine=440 -t 2 -c:a aac '%s'", source);
    options.outputs.audio_source = source;
    options.outputs.pictures = false;
    write_case(&options, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        size_t size;
        char *text = shell_output(&size, "ffprobe -v error -show_entries stream=codec_type -of csv=p=0 '%s/%s'", output,
                                  cases[i].name);

        assert_string_equal(text, cases[i].streams);
        free(text);
    }
    free(output);
    free(source);
    test_folder_remove(folder);
}

/* A source that cannot be read again: one notice, whatever the number of overlays. */
static void test_no_sound(void **state)
{
    char *folder = test_folder_make();
    struct track_output_options options = track_case_options(folder, WIDTH, HEIGHT);

    (void)state;
    notices_begin();
    options.outputs.audio_source = "-";
    options.outputs.pictures = false;
    write_case(&options, NULL);
    assert_int_equal(notices_count(), 1);
    assert_non_null(strstr(notices(), "merged_overlay.mp4: without sound: standard input"));
    track_case_job.merged = false; /* then each says it */
    write_case(&options, NULL);
    assert_int_equal(notices_count(), 5); /* and that the results before are replaced */
    notices_end();
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),     cmocka_unit_test(test_renamed),      cmocka_unit_test(test_overlay_pixels),
        cmocka_unit_test(test_rle),       cmocka_unit_test(test_lossless),     cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_long_wait), cmocka_unit_test(test_many_objects), cmocka_unit_test(test_sound),
        cmocka_unit_test(test_no_sound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
