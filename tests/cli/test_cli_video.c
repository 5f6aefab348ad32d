/* detect on videos with the real tool: rows, pictures and videos, what parts of a video can be asked for, several
 * inputs, standard input, Ctrl-C, and files that are no good. The detector is the demo's; the segmenter has random
 * weights: where its masks are means nothing, what becomes of them does. */
#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"
#include "media/image.h"
#include "pipeline/track_case.h"
#include "tool.h"
#include "video/support.h"
#include "video/video_out.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define CLIP TEST_DATA "/../examples/data/clip_01.mp4"
#define SEGMENTER TEST_DATA "/models/data/sam2_video_tiny"

/* The film: nothing at first, then another scene with things in it. */
enum { EMPTY = 8, FRAMES = 20, RATE = 10, WIDTH = 384, HEIGHT = 288 };

static char *folder, *film, *output;
static struct clip scene;

/* Grey slopes that move a little. */
static void paint_nothing(uint8_t *pixels, int width, int height, int frame)
{
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            memset(pixels + 3 * ((size_t)y * (size_t)width + (size_t)x), 200 - x / 8 + y / 16 + frame, 3);
}

/* Writes `count` frames of `width` x `height`: the film's, or those of the scene alone. */
static char *write_film(const char *name, int width, int height, int count, int empty, enum video_codec codec)
{
    const struct video_writer_options options = {
        .width = width, .height = height, .channels = 3, .frame_rate = RATE, .codec = codec};
    char *path = test_path(folder, name);
    uint8_t *pixels = malloc((size_t)WIDTH * HEIGHT * 3);
    struct video_writer *writer;

    assert_non_null(pixels);
    test_write_text(folder, name, ""); /* makes its folder */
    assert_int_equal(video_writer_open(path, &options, &writer), 0);
    for (int i = 0; i < count; i++) {
        size_t stride = (size_t)width * 3;

        if (i < empty) {
            paint_nothing(pixels, width, height, i);
        } else {
            memcpy(pixels, clip_frame(&scene, (i - empty) % scene.count), (size_t)WIDTH * HEIGHT * 3);
            stride = (size_t)WIDTH * 3;
        }
        assert_int_equal(video_writer_add(writer, pixels, stride, (double)i / RATE), 0);
    }
    assert_int_equal(video_writer_close(&writer), 0);
    free(pixels);
    return path;
}

static int set_up_all(void **state)
{
    (void)state;
    scene = clip_read(CLIP, &(struct video_reader_options){.last_frame = 16});
    return 0;
}

static int tear_down_all(void **state)
{
    (void)state;
    clip_free(&scene);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    folder = test_folder_make();
    output = test_path(folder, "out");
    film = write_film("film.mp4", WIDTH, HEIGHT, FRAMES, EMPTY, VIDEO_CODEC_H264);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(film);
    free(output);
    test_folder_remove(folder);
    return 0;
}

#define DETECT                                                                                                         \
    "detect", "--prompt", "turtle", "guitar", "banana", "--owl-model", "demo", "--sam-model", SEGMENTER, "--output",   \
        output

/* The film's name, and where parts of it are asked for none of the pictures. */
#define ROWS_ONLY "--no-video", "--no-save-frames"

static json_t *rows_of(const char *name)
{
    char *path = test_path(output, name);
    json_t *rows = track_case_rows(path);

    free(path);
    return rows;
}

static int64_t whole(const json_t *row, const char *key)
{
    assert_true(json_is_integer(json_object_get(row, key)));
    return json_integer_value(json_object_get(row, key));
}

static double number(const json_t *row, const char *key)
{
    assert_true(json_is_number(json_object_get(row, key)));
    return json_number_value(json_object_get(row, key));
}

/* Pixels that are on in a PNG of 255 and 0. */
static int64_t count_white(const char *name)
{
    char *path = test_path(output, name);
    struct image image;
    int64_t count = 0;

    if (image_read(path, IMAGE_DEFAULT_MAX_PIXELS, &image) != 0)
        fail_msg("%s", error_message());
    for (size_t i = 0; i < (size_t)image.width * (size_t)image.height; i++) {
        assert_true(image.pixels[3 * i] == 0 || image.pixels[3 * i] == 255);
        count += image.pixels[3 * i] == 255;
    }
    image_free(&image);
    free(path);
    return count;
}

enum { MOST_IDS = 64 };

/* One object of a row as the contract has it. */
static void check_object(const json_t *object, const json_t *row, bool pictures, char names[MOST_IDS][32])
{
    const int64_t id = whole(object, "id"), area = whole(object, "area");
    const char *prompt = json_string_value(json_object_get(object, "prompt"));
    const json_t *box = json_object_get(object, "box"), *mask = json_object_get(object, "mask");

    assert_in_range(id, 1, MOST_IDS - 1);
    assert_non_null(prompt);
    assert_true(strcmp(prompt, "turtle") == 0 || strcmp(prompt, "guitar") == 0 || strcmp(prompt, "banana") == 0);
    if (!*names[id])
        snprintf(names[id], sizeof(names[id]), "%s", prompt);
    assert_string_equal(names[id], prompt); /* an id never is another object's */
    assert_true(number(object, "score") > 0.1 && number(object, "score") <= 1);
    assert_true(isfinite(number(object, "object_score")) && isfinite(number(object, "mask_score")));
    assert_int_equal(json_is_true(json_object_get(object, "lost")), area == 0);
    assert_int_equal(json_is_null(box), area == 0);
    for (size_t i = 0; i < 4 && area > 0; i++) {
        const double most = number(row, i % 2 ? "height" : "width");

        assert_true(json_is_real(json_array_get(box, i)));
        assert_true(json_number_value(json_array_get(box, i)) >= 0 &&
                    json_number_value(json_array_get(box, i)) <= most);
    }
    assert_int_equal(json_is_string(mask), pictures);
    if (pictures)
        assert_int_equal(count_white(json_string_value(mask)), area);
    else
        assert_true(json_is_string(json_object_get(json_object_get(object, "rle"), "counts")));
}

/* Rows of a film with this name: frames `first` on, `count` of them (-1: any number). Gives how many objects there
 * were. */
static size_t check_rows(const json_t *rows, const char *name, int64_t first, int64_t count, int width, int height,
                         bool pictures)
{
    char names[MOST_IDS][32] = {{0}};
    bool seen[MOST_IDS] = {0}, gone[MOST_IDS] = {0};
    size_t objects = 0;

    if (count >= 0)
        assert_int_equal(json_array_size(rows), count);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i), *list = json_object_get(row, "objects");
        bool now[MOST_IDS] = {0};

        assert_string_equal(json_string_value(json_object_get(row, "video")), name);
        assert_int_equal(whole(row, "frame"), first + (int64_t)i);
        assert_int_equal(whole(row, "width"), width);
        assert_int_equal(whole(row, "height"), height);
        assert_true(json_is_array(list));
        for (size_t k = 0; k < json_array_size(list); k++) {
            const json_t *object = json_array_get(list, k);

            check_object(object, row, pictures, names);
            now[whole(object, "id")] = true;
        }
        for (size_t id = 0; id < MOST_IDS; id++) {
            assert_false(now[id] && gone[id]); /* given up is given up */
            gone[id] = seen[id] && !now[id];
            objects += now[id] && !seen[id];
            seen[id] = seen[id] || now[id];
        }
    }
    return objects;
}

/* A video of the output: so many pictures, at the rows' times. */
static void check_video(const char *below, const json_t *rows, int width, int height)
{
    char *path = test_path(output, below);
    struct clip clip = clip_read(path, NULL);
    const double start = number(json_array_get(rows, 0), "time");

    assert_int_equal(clip.count, json_array_size(rows));
    assert_int_equal(clip.width, width);
    assert_int_equal(clip.height, height);
    for (int i = 0; i < clip.count; i++)
        assert_true(fabs(clip.times[i] - (number(json_array_get(rows, (size_t)i), "time") - start)) < 2e-3);
    assert_int_equal(clip.damage.skipped + clip.damage.concealed, 0);
    clip_free(&clip);
    free(path);
}

/* All that a run leaves, under the names that users know. The things come with the second scene. */
static void test_everything(void **state)
{
    struct tool_result result = tool_run(ARGUMENTS(DETECT, "--input", film));
    json_t *rows;
    size_t objects;

    (void)state;
    if (result.status != 0)
        fail_msg("%s", result.err);
    assert_non_null(strstr(result.err, "film.mp4: 20 frames, "));
    tool_free(&result);
    rows = rows_of("");
    objects = check_rows(rows, "film.mp4", 1, FRAMES, WIDTH, HEIGHT, true);
    assert_in_range(objects, 1, 12);
    for (int i = 0; i < FRAMES; i++)
        assert_true((json_array_size(json_object_get(json_array_get(rows, (size_t)i), "objects")) > 0) == (i >= EMPTY));
    check_video("video/binary/merged_mask.mp4", rows, WIDTH, HEIGHT);
    check_video("video/overlay/merged_overlay.mp4", rows, WIDTH, HEIGHT);
    for (size_t k = 0; k < objects; k++) {
        const json_t *object = json_array_get(json_object_get(json_array_get(rows, EMPTY), "objects"), k);
        const char *prompt = json_string_value(json_object_get(object, "prompt"));
        char name[128];

        if (!object) /* it came later */
            continue;
        snprintf(name, sizeof(name), "video/binary/obj%lld_%s_mask.mp4", (long long)whole(object, "id"), prompt);
        track_case_expect_file(output, name, true);
        snprintf(name, sizeof(name), "video/overlay/obj%lld_%s_overlay.mp4", (long long)whole(object, "id"), prompt);
        track_case_expect_file(output, name, true);
        snprintf(name, sizeof(name), "binary/frames/000020_obj%lld_%s_mask.png", (long long)whole(object, "id"),
                 prompt);
        track_case_expect_file(output, name, true);
        snprintf(name, sizeof(name), "overlay/frames/000009_obj%lld_%s_overlay.png", (long long)whole(object, "id"),
                 prompt);
        track_case_expect_file(output, name, true);
    }
    track_case_expect_file(output, "binary/merged/000001_merged_mask.png", true);
    track_case_expect_file(output, "overlay/merged/000020_merged_overlay.png", true);
    track_case_expect_file(output, "overlay/merged/000021_merged_overlay.png", false);
    json_decref(rows);
}

/* What is left out is not there, and the rows hold the masks where no picture does. */
static void test_left_out(void **state)
{
    json_t *rows;

    (void)state;
    tool_expect(0, NULL, ARGUMENTS(DETECT, "--input", film, "--quiet", "--no-overlay", "--no-merged", "--no-video"));
    rows = rows_of("");
    assert_true(check_rows(rows, "film.mp4", 1, FRAMES, WIDTH, HEIGHT, true) > 0);
    json_decref(rows);
    track_case_expect_file(output, "video", false);
    track_case_expect_file(output, "overlay", false);
    track_case_expect_file(output, "binary/merged", false);
    shell("rm -r '%s'", output);
    tool_expect(0, NULL, ARGUMENTS(DETECT, "--input", film, "--quiet", "--no-save-frames", "--no-overlay"));
    rows = rows_of("");
    assert_true(check_rows(rows, "film.mp4", 1, FRAMES, WIDTH, HEIGHT, false) > 0);
    json_decref(rows);
    track_case_expect_file(output, "binary", false);
    track_case_expect_file(output, "video/binary/merged_mask.mp4", true);
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

        tool_expect(0, NULL,
                    ARGUMENTS(DETECT, "--input", film, "--quiet", ROWS_ONLY, more[0], more[1], more[2], more[3]));
        found = rows_of("");
        check_rows(found, "film.mp4", rows[r].first, rows[r].count, WIDTH, HEIGHT, false);
        assert_true(fabs(number(json_array_get(found, 0), "time") - rows[r].time) < 1e-3);
        json_decref(found);
    }
    tool_expect(4, "no frame in the range", ARGUMENTS(DETECT, "--input", film, "--frames", "40:50"));
    tool_expect(2, "not after --start", ARGUMENTS(DETECT, "--input", film, "--start", "2", "--end", "1"));
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
    };

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char start[64];

        snprintf(start, sizeof(start), "sowlv2: %s: ", values[i][0]);
        tool_expect(2, start, ARGUMENTS(DETECT, "--input", film, values[i][0], values[i][1]));
    }
    tool_expect(2, "not with --sam-model none",
                ARGUMENTS("detect", "--prompt", "cat", "--input", film, "--sam-model", "none"));
}

/* The detector looks again as often as it is told. */
static void test_detect_every(void **state)
{
    static const struct {
        const char *value;
        int looks;
    } rows[] = {{"1s", 2}, {"5", 3}, {"0.25s", 4}, {"100", 1}};

    (void)state;
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        struct tool_result result =
            tool_run(ARGUMENTS(DETECT, "--input", film, ROWS_ONLY, "--frames", "9:", "--verbose", "--no-cuts",
                               "--detect-every", rows[r].value));
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
    char *odd = write_film("odd.mkv", 383, 287, 12, 3, VIDEO_CODEC_FFV1), *path;
    struct clip clip;
    json_t *rows;

    (void)state;
    tool_expect(0, NULL, ARGUMENTS(DETECT, "--input", odd, "--quiet", "--mask-codec", "ffv1"));
    rows = rows_of("");
    assert_true(check_rows(rows, "odd.mkv", 1, 12, 383, 287, true) > 0);
    check_video("video/overlay/merged_overlay.mp4", rows, 384, 288);
    check_video("video/binary/merged_mask.mkv", rows, 383, 287);
    path = test_path(output, "video/binary/merged_mask.mkv");
    clip = clip_read(path, NULL);
    for (int i = 0; i < clip.count; i++) {
        int64_t white = 0;
        char name[64];

        for (size_t at = 0; at < (size_t)clip.width * (size_t)clip.height; at++)
            white += clip_frame(&clip, i)[3 * at] == 255;
        snprintf(name, sizeof(name), "binary/merged/%06d_merged_mask.png", i + 1);
        assert_int_equal(white, count_white(name));
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
                ARGUMENTS(DETECT, "--input", film, "--quiet", "--separate", "--no-overlay", "--no-video",
                          "--detect-every", "2"));
    rows = rows_of("");
    for (int i = 0; i < FRAMES; i++) {
        const json_t *objects = json_object_get(json_array_get(rows, (size_t)i), "objects");
        int64_t all = 0;
        char name[64];

        for (size_t k = 0; k < json_array_size(objects); k++)
            all += whole(json_array_get(objects, k), "area");
        snprintf(name, sizeof(name), "binary/merged/%06d_merged_mask.png", i + 1);
        assert_int_equal(count_white(name), all);
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
                    ARGUMENTS(DETECT, "--input", film, ROWS_ONLY, "--frame-budget", "0.5", more[m]));
        rows = rows_of("");
        check_rows(rows, "film.mp4", 1, FRAMES, WIDTH, HEIGHT, false);
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
                ARGUMENTS(DETECT, "--input", film, ROWS_ONLY, "--quiet", "--use-temporal-detection",
                          "--temporal-detection-frames", "3"));
    rows = rows_of("");
    assert_true(check_rows(rows, "film.mp4", 1, FRAMES, WIDTH, HEIGHT, false) > 0);
    json_decref(rows);
    tool_expect(0, NULL,
                ARGUMENTS(DETECT, "--input", film, ROWS_ONLY, "--quiet", "--enable-vjepa2", "--vjepa2-model",
                          TEST_DATA "/models/data/vjepa2_tiny", "--vjepa2-frames-per-clip", "4"));
    rows = rows_of("");
    check_rows(rows, "film.mp4", 1, FRAMES, WIDTH, HEIGHT, false);
    json_decref(rows);
    tool_expect(0, "going on without V-JEPA 2",
                ARGUMENTS(DETECT, "--input", film, ROWS_ONLY, "--enable-vjepa2", "--vjepa2-model", "/nonexistent/model",
                          "--frames", ":2"));
    tool_expect(3, "--vjepa2-model: ",
                ARGUMENTS(DETECT, "--input", film, ROWS_ONLY, "--enable-vjepa2", "--require-vjepa2", "--vjepa2-model",
                          "/nonexistent/model"));
}

static void test_nothing_found(void **state)
{
    json_t *rows;

    (void)state;
    tool_expect(0, "0 objects", ARGUMENTS(DETECT, "--input", film, "--frames", ":8", "--no-save-frames"));
    rows = rows_of("");
    assert_int_equal(check_rows(rows, "film.mp4", 1, EMPTY, WIDTH, HEIGHT, false), 0);
    check_video("video/binary/merged_mask.mp4", rows, WIDTH, HEIGHT);
    json_decref(rows);
}

/* Runs the tool in a shell with this standard input; gives its exit status. */
static int run_in_shell(const char *input, const char *arguments)
{
    char *command;
    int result;

    assert_true(asprintf(&command,
                         "%s LSAN_OPTIONS=suppressions='" TEST_DATA "/lsan.supp':print_suppressions=0 '" SOWLV2_TOOL
                         "' detect --prompt turtle guitar banana --owl-model demo --sam-model '" SEGMENTER
                         "' --output '%s' --no-video --no-save-frames %s 2> '%s/stderr'",
                         input, output, arguments, folder) > 0);
    result = system(command);
    free(command);
    return WIFEXITED(result) ? WEXITSTATUS(result) : -1;
}

static void test_standard_input(void **state)
{
    char *mkv = write_film("film.mkv", WIDTH, HEIGHT, FRAMES, EMPTY, VIDEO_CODEC_FFV1), *input, *arguments;
    json_t *rows;

    (void)state;
    assert_true(asprintf(&input, "cat '%s' |", mkv) > 0);
    assert_int_equal(run_in_shell(input, "--input -"), 0);
    free(input);
    rows = rows_of("");
    assert_true(check_rows(rows, "stdin", 1, FRAMES, WIDTH, HEIGHT, false) > 0);
    json_decref(rows);
    /* An mp4 with its index in front can be read from a pipe too. */
    assert_true(asprintf(&input, "cat '%s' |", film) > 0);
    assert_int_equal(run_in_shell(input, "--input -"), 0);
    free(input);
    rows = rows_of("");
    check_rows(rows, "stdin", 1, FRAMES, WIDTH, HEIGHT, false);
    json_decref(rows);
    /* It closes early: what came is done. */
    assert_true(asprintf(&input, "head -c 400000 '%s' |", mkv) > 0);
    assert_int_equal(run_in_shell(input, "--input -"), 0);
    free(input);
    rows = rows_of("");
    assert_in_range(json_array_size(rows), 2, FRAMES - 1);
    json_decref(rows);
    assert_int_equal(run_in_shell(":|", "--input -"), 4);
    /* A pipe with a name, of which nothing is lost by looking at it. */
    shell("mkfifo '%s/pipe'", folder);
    assert_true(asprintf(&input, "cat '%s' > '%s/pipe' &", mkv, folder) > 0);
    assert_true(asprintf(&arguments, "--input '%s/pipe'", folder) > 0);
    assert_int_equal(run_in_shell(input, arguments), 0);
    free(input);
    free(arguments);
    rows = rows_of("");
    check_rows(rows, "pipe", 1, FRAMES, WIDTH, HEIGHT, false);
    json_decref(rows);
    free(mkv);
}

/* A folder of videos and other inputs: each has its own folder, and one that is no good stops nobody. */
static void test_several(void **state)
{
    static const struct {
        const char *folder, *name;
    } done[] = {{"a", "a.mp4"}, {"c", "c.MKV"}};
    char *videos = test_path(folder, "videos"), *missing = test_path(folder, "missing.mp4");
    char *short_film = write_film("videos/a.mp4", WIDTH, HEIGHT, 4, 2, VIDEO_CODEC_H264);
    char *other = write_film("videos/c.mkv", WIDTH, HEIGHT, 3, 0, VIDEO_CODEC_FFV1);
    struct tool_result result;

    (void)state;
    shell("mv '%s/c.mkv' '%s/c.MKV'", videos, videos);
    test_write_text(videos, "b.mp4", "this is no video");
    test_write_text(videos, "notes.txt", "neither is this");
    result = tool_run(ARGUMENTS(DETECT, "--no-save-frames", "--input", videos));
    assert_int_equal(result.status, 1);
    assert_non_null(strstr(result.err, "b.mp4"));
    assert_null(strstr(result.err, "notes"));
    tool_free(&result);
    for (size_t i = 0; i < 2; i++) {
        json_t *rows = rows_of(done[i].folder);
        char video[64];

        check_rows(rows, done[i].name, 1, i == 0 ? 4 : 3, WIDTH, HEIGHT, false);
        json_decref(rows);
        snprintf(video, sizeof(video), "%s/video/overlay/merged_overlay.mp4", done[i].folder);
        track_case_expect_file(output, video, true);
    }
    track_case_expect_file(output, "results.jsonl", false);

    /* Named one by one, one that is not there among them; a picture beside. */
    shell("rm -r '%s'", output);
    result = tool_run(ARGUMENTS(DETECT, ROWS_ONLY, "--input", missing, short_film));
    assert_int_equal(result.status, 1);
    assert_non_null(strstr(result.err, "missing.mp4"));
    tool_free(&result);
    track_case_expect_file(output, "a/results.jsonl", true);
    tool_expect(4, "missing.mp4", ARGUMENTS(DETECT, ROWS_ONLY, "--input", missing));
    shell("rm -r '%s'", output);
    tool_expect(0, "1 image",
                ARGUMENTS(DETECT, ROWS_ONLY, "--input", TEST_DATA "/../examples/data/scene_001.jpg", short_film));
    track_case_expect_file(output, "results.jsonl", true);
    track_case_expect_file(output, "a/results.jsonl", true);
    free(videos);
    free(missing);
    free(short_film);
    free(other);
}

/* A folder of images: a video where it is asked for, with a slash at its end too. */
static void test_as_video(void **state)
{
    char *images = test_path(folder, "images"), *slashed = test_path(folder, "images/");

    (void)state;
    test_write_text(images, "note.txt", "no image");
    for (int i = 1; i <= 3; i++)
        shell("cp '" TEST_DATA "/../examples/data/scene_005.jpg' '%s/%d.jpg'", images, 7 + i);
    for (int i = 0; i < 2; i++) {
        json_t *rows;

        tool_expect(0, NULL,
                    ARGUMENTS(DETECT, "--input", i == 0 ? images : slashed, "--as-video", "--quiet", "--no-overlay"));
        rows = rows_of("");
        check_rows(rows, "images", 1, 3, 640, 480, true);
        check_video("video/binary/merged_mask.mp4", rows, 640, 480);
        json_decref(rows);
    }
    free(images);
    free(slashed);
}

/* Waits until so many rows are there. */
static void wait_for_rows(size_t count)
{
    char *path = test_path(output, "results.jsonl");

    for (int tries = 0; tries < 6000; tries++) {
        const struct timespec moment = {.tv_nsec = 10000000};
        char *text = NULL;
        size_t size = 0, lines = 0;

        if (file_read(path, 1 << 24, &text, &size) == 0)
            for (size_t i = 0; i < size; i++)
                lines += text[i] == '\n';
        free(text);
        if (lines >= count)
            break;
        nanosleep(&moment, NULL);
    }
    free(path);
}

/* Ctrl-C in the middle: what is done is whole, and its videos play. */
static void test_interrupted(void **state)
{
    char *longer = write_film("long.mp4", WIDTH, HEIGHT, 200, 0, VIDEO_CODEC_H264);
    pid_t tool = tool_start(ARGUMENTS(DETECT, "--input", longer, film));
    json_t *rows;

    (void)state;
    free(output);
    output = test_path(folder, "out/long"); /* each of several has its own */
    wait_for_rows(5);
    assert_int_equal(kill(tool, SIGINT), 0);
    assert_int_equal(tool_wait(tool), 130);
    rows = rows_of("");
    assert_in_range(json_array_size(rows), 5, 199);
    check_rows(rows, "long.mp4", 1, -1, WIDTH, HEIGHT, true);
    check_video("video/binary/merged_mask.mp4", rows, WIDTH, HEIGHT);
    check_video("video/overlay/merged_overlay.mp4", rows, WIDTH, HEIGHT);
    track_case_expect_file(folder, "out/film", false); /* the next one was not begun */
    json_decref(rows);
    free(longer);
}

/* Copies the film with what is between two parts of it changed. */
static char *break_film(const char *name, double from, double to, size_t step)
{
    char *path = test_path(folder, name), *bytes;
    size_t size;

    assert_int_equal(file_read(film, 1 << 26, &bytes, &size), 0);
    for (size_t i = (size_t)((double)size * from); i < (size_t)((double)size * to); i += step)
        bytes[i] ^= 0x5A;
    test_write(folder, name, bytes, size);
    free(bytes);
    return path;
}

static void test_damaged(void **state)
{
    char *flipped = break_film("flipped.mp4", 0.6, 0.8, 61), *cut = break_film("cut.mp4", 0, 0, 1), *header;
    struct tool_result result;
    struct stat info;
    json_t *rows;

    (void)state;
    result = tool_run(ARGUMENTS(DETECT, ROWS_ONLY, "--input", flipped));
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.err, "damaged"));
    tool_free(&result);
    rows = rows_of("");
    assert_in_range(json_array_size(rows), FRAMES / 2, FRAMES);
    json_decref(rows);

    assert_int_equal(stat(cut, &info), 0);
    assert_int_equal(truncate(cut, info.st_size * 7 / 10), 0);
    tool_expect(0, "cut.mp4", ARGUMENTS(DETECT, ROWS_ONLY, "--input", cut));
    rows = rows_of("");
    assert_in_range(json_array_size(rows), 3, FRAMES - 1);
    json_decref(rows);

    /* Its index alone: not one frame. */
    header = break_film("header.mp4", 0, 0, 1);
    shell("grep -abo mdat '%s' | head -1 | cut -d: -f1 > '%s/at' && truncate -s $(cat '%s/at') '%s'", header, folder,
          folder, header);
    tool_expect(4, "header.mp4", ARGUMENTS(DETECT, ROWS_ONLY, "--input", header));
    free(flipped);
    free(cut);
    free(header);
}

static void put(uint8_t *at, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

/* Sound alone, nothing, text, and an output that is a file. */
static void test_no_video(void **state)
{
    uint8_t sound[44 + 16000] = "RIFF....WAVEfmt ";
    char *path = test_path(folder, "sound.mkv"), *empty = test_path(folder, "empty.mp4");
    char *taken = test_path(folder, "taken");

    (void)state;
    put(sound + 4, sizeof(sound) - 8, 4);
    put(sound + 16, 16, 4);
    put(sound + 20, 1, 2);
    put(sound + 22, 1, 2);
    put(sound + 24, 8000, 4);
    put(sound + 28, 16000, 4);
    put(sound + 32, 2, 2);
    put(sound + 34, 16, 2);
    memcpy(sound + 36, "data", 4);
    put(sound + 40, 16000, 4);
    test_write(folder, "sound.mkv", sound, sizeof(sound));
    tool_expect(4, "no video", ARGUMENTS(DETECT, "--input", path));
    track_case_expect_file(folder, "out", false);
    test_write_text(folder, "empty.mp4", "");
    tool_expect(4, "empty.mp4", ARGUMENTS(DETECT, "--input", empty));
    test_write_text(folder, "taken", "a file");
    tool_expect(4, "taken",
                ARGUMENTS("detect", "--prompt", "cat", "--owl-model", "demo", "--sam-model", SEGMENTER, "--input", film,
                          "--output", taken));
    free(path);
    free(empty);
    free(taken);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_everything),   CASE(test_left_out),         CASE(test_parts),          CASE(test_bad_values),
        CASE(test_detect_every), CASE(test_odd_and_lossless), CASE(test_separate),       CASE(test_budget),
        CASE(test_temporal),     CASE(test_nothing_found),    CASE(test_standard_input), CASE(test_several),
        CASE(test_as_video),     CASE(test_interrupted),      CASE(test_damaged),        CASE(test_no_video),
    };

    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
