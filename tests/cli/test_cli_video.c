/* detect on videos with the real tool: rows, pictures and videos, what parts of a video can be asked for. */
#include "film.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* All that a run leaves, under the names that users know. The things come with the second scene. */
static void test_everything(void **state)
{
    struct tool_result result = tool_run(ARGUMENTS(FILM_DETECT, "--input", film_path));
    json_t *rows;
    size_t objects;

    (void)state;
    if (result.status != 0)
        fail_msg("%s", result.err);
    assert_non_null(strstr(result.err, "film.mp4: 20 frames, "));
    tool_free(&result);
    rows = film_rows("");
    objects = film_check_rows(rows, "film.mp4", 1, FRAMES, WIDTH, HEIGHT, true);
    assert_in_range(objects, 1, 12);
    for (int i = 0; i < FRAMES; i++)
        assert_true((json_array_size(json_object_get(json_array_get(rows, (size_t)i), "objects")) > 0) == (i >= EMPTY));
    film_check_video("video/binary/merged_mask.mp4", rows, WIDTH, HEIGHT);
    film_check_video("video/overlay/merged_overlay.mp4", rows, WIDTH, HEIGHT);
    for (size_t k = 0; k < objects; k++) {
        const json_t *object = json_array_get(json_object_get(json_array_get(rows, EMPTY), "objects"), k);
        const char *prompt = json_string_value(json_object_get(object, "prompt"));
        char name[128];

        if (!object) /* it came later */
            continue;
        snprintf(name, sizeof(name), "video/binary/obj%lld_%s_mask.mp4", (long long)film_whole(object, "id"), prompt);
        track_case_expect_file(film_output, name, true);
        snprintf(name, sizeof(name), "video/overlay/obj%lld_%s_overlay.mp4", (long long)film_whole(object, "id"),
                 prompt);
        track_case_expect_file(film_output, name, true);
        snprintf(name, sizeof(name), "binary/frames/000020_obj%lld_%s_mask.png", (long long)film_whole(object, "id"),
                 prompt);
        track_case_expect_file(film_output, name, true);
        snprintf(name, sizeof(name), "overlay/frames/000009_obj%lld_%s_overlay.png",
                 (long long)film_whole(object, "id"), prompt);
        track_case_expect_file(film_output, name, true);
    }
    track_case_expect_file(film_output, "binary/merged/000001_merged_mask.png", true);
    track_case_expect_file(film_output, "overlay/merged/000020_merged_overlay.png", true);
    track_case_expect_file(film_output, "overlay/merged/000021_merged_overlay.png", false);
    json_decref(rows);
}

/* What is left out is not there, and the rows hold the masks where no picture does. */
static void test_left_out(void **state)
{
    json_t *rows;

    (void)state;
    tool_expect(0, NULL,
                ARGUMENTS(FILM_DETECT, "--input", film_path, "--quiet", "--no-overlay", "--no-merged", "--no-video"));
    rows = film_rows("");
    assert_true(film_check_rows(rows, "film.mp4", 1, FRAMES, WIDTH, HEIGHT, true) > 0);
    json_decref(rows);
    track_case_expect_file(film_output, "video", false);
    track_case_expect_file(film_output, "overlay", false);
    track_case_expect_file(film_output, "binary/merged", false);
    shell("rm -r '%s'", film_output);
    tool_expect(0, NULL, ARGUMENTS(FILM_DETECT, "--input", film_path, "--quiet", "--no-save-frames", "--no-overlay"));
    rows = film_rows("");
    assert_true(film_check_rows(rows, "film.mp4", 1, FRAMES, WIDTH, HEIGHT, false) > 0);
    json_decref(rows);
    track_case_expect_file(film_output, "binary", false);
    track_case_expect_file(film_output, "video/binary/merged_mask.mp4", true);
}

/* Numbers and times of parts are those of the whole. */
static void test_parts(void **state)
{
    static const struct {
        const char *arguments[4];
        int64_t first, count;
        double time;
    } rows[] = {
        {{"--frames", "3:12"}, 3, 10, 0.2}, {{"--frames", ":4"}, 1, 4, 0},
        {{"--frames", "18:"}, 18, 3, 1.7},  {{"--start", "1", "--end", "0:01.5"}, 1, 5, 1.0},
        {{"--fps", "5"}, 1, 10, 0},         {{"--fps", "1000"}, 1, 20, 0},
    };

    (void)state;
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        const char *const *more = rows[r].arguments;
        json_t *found;

        tool_expect(
            0, NULL,
            ARGUMENTS(FILM_DETECT, "--input", film_path, "--quiet", ROWS_ONLY, more[0], more[1], more[2], more[3]));
        found = film_rows("");
        film_check_rows(found, "film.mp4", rows[r].first, rows[r].count, WIDTH, HEIGHT, false);
        assert_true(fabs(film_number(json_array_get(found, 0), "time") - rows[r].time) < 1e-3);
        json_decref(found);
    }
    tool_expect(4, "no frame in the range", ARGUMENTS(FILM_DETECT, "--input", film_path, "--frames", "40:50"));
    tool_expect(2, "not after --start", ARGUMENTS(FILM_DETECT, "--input", film_path, "--start", "2", "--end", "1"));
}

static void test_bad_values(void **state)
{
    static const char *const values[][2] = {
        {"--detect-every", "0"},    {"--detect-every", "-1"},
        {"--detect-every", "2m"},   {"--detect-every", "s"},
        {"--detect-every", "2.5"},  {"--detect-every", "0s"},
        {"--detect-every", "1e9"},  {"--frames", "5"},
        {"--frames", "7:3"},        {"--frames", "0:3"},
        {"--frames", ":"},          {"--frames", "a:b"},
        {"--frames", "1:2:3"},      {"--start", "-1"},
        {"--start", "1:60"},        {"--end", "1:2:3:4"},
        {"--end", "soon"},          {"--end", "1e3"},
        {"--mask-codec", "vp9"},    {"--max-objects", "0"},
        {"--lost-after", "-1"},     {"--frame-budget", "0"},
        {"--frame-budget", "1.5"},  {"--match-iou", "0"},
        {"--max-cond-frames", "0"}, {"--max-object-videos", "-1"},
        {"--memory", "good"},       {"--min-confidence", "2"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char start[64];

        snprintf(start, sizeof(start), "sowlv2: %s: ", values[i][0]);
        tool_expect(2, start, ARGUMENTS(FILM_DETECT, "--input", film_path, values[i][0], values[i][1]));
    }
    tool_expect(2, "not with --sam-model none",
                ARGUMENTS("detect", "--prompt", "cat", "--input", film_path, "--sam-model", "none"));
}

/* The detector looks again as often as it is told. */
static void test_detect_every(void **state)
{
    static const struct {
        const char *value;
        int looks;
    } rows[] = {{"1s", 2}, {"5", 3}, {"0.25s", 4}, {"100", 1}, {"off", 1}};

    (void)state;
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        struct tool_result result =
            tool_run(ARGUMENTS(FILM_DETECT, "--input", film_path, ROWS_ONLY, "--frames", "9:", "--verbose", "--no-cuts",
                               "--no-doubt", "--detect-every", rows[r].value));
        char wanted[64];

        snprintf(wanted, sizeof(wanted), "%d looked at by the detector", rows[r].looks);
        if (result.status != 0 || !strstr(result.err, wanted))
            fail_msg("%s: status %d: %s", rows[r].value, result.status, result.err);
        tool_free(&result);
    }
}

/* Odd sizes: rows and pictures keep them, videos are padded; lossless masks are the pictures'. */
static void test_odd_and_lossless(void **state)
{
    char *odd = film_write("odd.mkv", 383, 287, 12, 3, VIDEO_CODEC_FFV1), *path;
    struct clip clip;
    json_t *rows;

    (void)state;
    tool_expect(0, NULL, ARGUMENTS(FILM_DETECT, "--input", odd, "--quiet", "--mask-codec", "ffv1"));
    rows = film_rows("");
    assert_true(film_check_rows(rows, "odd.mkv", 1, 12, 383, 287, true) > 0);
    film_check_video("video/overlay/merged_overlay.mp4", rows, 384, 288);
    film_check_video("video/binary/merged_mask.mkv", rows, 383, 287);
    path = test_path(film_output, "video/binary/merged_mask.mkv");
    clip = clip_read(path, NULL);
    for (int i = 0; i < clip.count; i++) {
        int64_t white = 0;
        char name[64];

        for (size_t at = 0; at < (size_t)clip.width * (size_t)clip.height; at++)
            white += clip_frame(&clip, i)[3 * at] == 255;
        snprintf(name, sizeof(name), "binary/merged/%06d_merged_mask.png", i + 1);
        assert_int_equal(white, film_count_white(name));
    }
    clip_free(&clip);
    free(path);
    json_decref(rows);
    free(odd);
}

/* No pixel of two objects, on frames of detections too. */
static void test_separate(void **state)
{
    json_t *rows;
    int64_t shared = 0;

    (void)state;
    tool_expect(0, NULL,
                ARGUMENTS(FILM_DETECT, "--input", film_path, "--quiet", "--separate", "--no-overlay", "--no-video",
                          "--no-doubt", "--detect-every", "2", "--dedupe", "0"));
    rows = film_rows("");
    for (int i = 0; i < FRAMES; i++) {
        const json_t *objects = json_object_get(json_array_get(rows, (size_t)i), "objects");
        int64_t all = 0;
        char name[64];

        for (size_t k = 0; k < json_array_size(objects); k++)
            all += film_whole(json_array_get(objects, k), "area");
        snprintf(name, sizeof(name), "binary/merged/%06d_merged_mask.png", i + 1);
        assert_int_equal(film_count_white(name), all);
        shared += (int64_t)json_array_size(objects) > 1;
    }
    assert_true(shared > 0);
    json_decref(rows);
}

/* Part of the frames, from the pixels' change or over key frames; the rows say which are filled in. */
static void test_budget(void **state)
{
    static const char *const more[] = {"--quiet", "--use-temporal-detection"};

    (void)state;
    for (size_t m = 0; m < 2; m++) {
        json_t *rows;
        size_t interpolated = 0;

        tool_expect(0, m == 0 ? NULL : "key frames by equal steps",
                    ARGUMENTS(FILM_DETECT, "--input", film_path, ROWS_ONLY, "--frame-budget", "0.5", more[m]));
        rows = film_rows("");
        film_check_rows(rows, "film.mp4", 1, FRAMES, WIDTH, HEIGHT, false);
        for (int i = 0; i < FRAMES; i++) {
            const json_t *object = json_array_get(json_object_get(json_array_get(rows, (size_t)i), "objects"), 0);

            interpolated += json_is_true(json_object_get(object, "interpolated"));
        }
        assert_in_range(interpolated, 2, FRAMES - 3);
        json_decref(rows);
    }
}

/* Objects are there from where they come into view, ids once and in order. */
static void test_temporal(void **state)
{
    json_t *rows;

    (void)state;
    tool_expect(0, NULL,
                ARGUMENTS(FILM_DETECT, "--input", film_path, ROWS_ONLY, "--quiet", "--use-temporal-detection",
                          "--temporal-detection-frames", "3"));
    rows = film_rows("");
    assert_true(film_check_rows(rows, "film.mp4", 1, FRAMES, WIDTH, HEIGHT, false) > 0);
    json_decref(rows);
    tool_expect(0, NULL,
                ARGUMENTS(FILM_DETECT, "--input", film_path, ROWS_ONLY, "--quiet", "--enable-vjepa2", "--vjepa2-model",
                          TEST_DATA "/models/data/vjepa2_tiny", "--vjepa2-frames-per-clip", "4"));
    rows = film_rows("");
    film_check_rows(rows, "film.mp4", 1, FRAMES, WIDTH, HEIGHT, false);
    json_decref(rows);
    tool_expect(0, "continuing without V-JEPA 2",
                ARGUMENTS(FILM_DETECT, "--input", film_path, ROWS_ONLY, "--enable-vjepa2", "--vjepa2-model",
                          "/nonexistent/model", "--frames", ":2"));
    tool_expect(3, "--vjepa2-model: ",
                ARGUMENTS(FILM_DETECT, "--input", film_path, ROWS_ONLY, "--enable-vjepa2", "--require-vjepa2",
                          "--vjepa2-model", "/nonexistent/model"));
}

#define IMAGE_SEGMENTER TEST_DATA "/models/data/sam2_topdown"

/* A segmenter that cannot follow objects is found out before the first input, also where images come first. */
static void test_image_model(void **state)
{
    static const char message[] = "--sam-model: " IMAGE_SEGMENTER "/config.json: model_type is \"sam2\", but tracking "
                                  "through video needs \"sam2_video\": give ";

    (void)state;
    tool_expect(3, message,
                ARGUMENTS("detect", "--prompt", "turtle", "--owl-model", "demo", "--sam-model", IMAGE_SEGMENTER,
                          "--output", film_output, "--input", TEST_DATA "/media/data/after_end.jpg", film_path));
    track_case_expect_file(film_output, "results.jsonl", false);
    tool_expect(3, message,
                ARGUMENTS("segment", "--box", "1,1,9,9", "--sam-model", IMAGE_SEGMENTER, "--output", film_output,
                          "--input", film_path));
    track_case_expect_file(film_output, "results.jsonl", false);
}

/* Boxes and points that cannot be: the video is named, and the option that gave them, in one way whatever the masks are
 * made by. */
static void test_given_outside(void **state)
{
    static const char *const ways[][2] = {
        {"--quiet"}, {"--multimask"}, {"--refine"}, {"--dedupe", "0.5"}, {"--multimask", "--dedupe=0.5"}};

    (void)state;
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        tool_expect(4, "sowlv2: film.mp4: --box number 2: point 9000,1 is outside of the image of ",
                    ARGUMENTS("segment", "--box", "1,1,9,9", "--box", "2,2,9,9", "--point", "9000,1", "--sam-model",
                              "demo", "--output", film_output, "--input", film_path, ways[i][0], ways[i][1]));
        tool_expect(4, "sowlv2: film.mp4: --box: the box 9000,1,9001,9 is outside of the image of ",
                    ARGUMENTS("segment", "--box", "9000,1,9001,9", "--sam-model", "demo", "--output", film_output,
                              "--input", film_path, ways[i][0], ways[i][1]));
        tool_expect(4, "sowlv2: film.mp4: --point: point 9000,1 is outside of the image of ",
                    ARGUMENTS("segment", "--point", "1,1", "--point", "9000,1", "--sam-model", "demo", "--output",
                              film_output, "--input", film_path, ways[i][0], ways[i][1]));
    }
    tool_expect(4, "after_end.jpg: --box number 2: the box 9000,1,9001,9 is outside of the image of ",
                ARGUMENTS("segment", "--box", "1,1,9,9", "--box", "9000,1,9001,9", "--sam-model", "demo", "--output",
                          film_output, "--input", TEST_DATA "/media/data/after_end.jpg"));
}

/* Of boxes whose masks are about the same one is followed, and the others are counted. */
static void test_dedupe_of_given(void **state)
{
    (void)state;
    tool_expect(0, " frames, 1 object (1 more left out by --dedupe) -> ",
                ARGUMENTS("segment", "--box", "1,1,60,60", "--box", "1,1,60,60", "--dedupe", "0.5", "--sam-model",
                          "demo", "--output", film_output, "--input", film_path, "--no-overlay", "--no-video"));
}

/* What would do is said, as of an image. */
static void test_max_pixels(void **state)
{
    (void)state;
    tool_expect(4, " pixels: make it smaller, or raise --max-pixels to ",
                ARGUMENTS("segment", "--box", "1,1,9,9", "--sam-model", "demo", "--output", film_output, "--input",
                          film_path, "--max-pixels", "100"));
    tool_expect(4, " pixels: make it smaller, or raise --max-pixels to ",
                ARGUMENTS("frames", "--vjepa2-model", "demo", "--input", film_path, "--max-pixels", "100"));
}

/* What images take, a video takes too: the results say so. */
static void test_options_of_images(void **state)
{
    struct tool_result result;
    json_t *rows, *plain;
    size_t objects = 0, other = 0;

    (void)state;
    tool_expect(0, NULL, ARGUMENTS(FILM_DETECT, ROWS_ONLY, "--quiet", "--input", film_path));
    plain = film_rows("");
    result = tool_run(ARGUMENTS(FILM_DETECT, ROWS_ONLY, "--input", film_path, "--objectness", "--multimask", "--dedupe",
                                "0.95", "--batch-size", "2"));
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.err, "--batch-size: has no effect: for images only"));
    assert_null(strstr(result.err, "--dedupe"));
    tool_free(&result);
    rows = film_rows("");
    film_check_rows(rows, "film.mp4", 1, FRAMES, WIDTH, HEIGHT, false);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *found = json_object_get(json_array_get(rows, i), "objects");
        const json_t *before = json_object_get(json_array_get(plain, i), "objects");

        for (size_t j = 0; j < json_array_size(found); j++, objects++) {
            assert_in_range((int)(1000 * film_number(json_array_get(found, j), "objectness")), 0, 1000);
            assert_null(json_object_get(json_array_get(before, j), "objectness"));
            other += !json_equal(json_object_get(json_array_get(found, j), "area"),
                                 json_object_get(json_array_get(before, j), "area"));
        }
    }
    assert_true(objects > 0 && other > 0); /* the masks are others */
    json_decref(plain);
    json_decref(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILM_CASE(test_everything),      FILM_CASE(test_left_out),
        FILM_CASE(test_parts),           FILM_CASE(test_bad_values),
        FILM_CASE(test_detect_every),    FILM_CASE(test_odd_and_lossless),
        FILM_CASE(test_separate),        FILM_CASE(test_budget),
        FILM_CASE(test_temporal),        FILM_CASE(test_image_model),
        FILM_CASE(test_given_outside),   FILM_CASE(test_max_pixels),
        FILM_CASE(test_dedupe_of_given), FILM_CASE(test_options_of_images),
    };

    return cmocka_run_group_tests(tests, film_set_up_all, film_tear_down_all);
}
