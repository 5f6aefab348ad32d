/* Videos as the tool is given them: standard input, pipes, folders, several, damaged ones, and Ctrl-C. */
#include "film.h"

#include "base/error.h"
#include "base/file.h"
#include <fcntl.h>
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

static void test_nothing_found(void **state)
{
    json_t *rows;

    (void)state;
    tool_expect(0, "0 objects", ARGUMENTS(FILM_DETECT, "--input", film_path, "--frames", ":8", "--no-save-frames"));
    rows = film_rows("");
    assert_int_equal(film_check_rows(rows, "film.mp4", 1, EMPTY, WIDTH, HEIGHT, false), 0);
    film_check_video("video/binary/merged_mask.mp4", rows, WIDTH, HEIGHT);
    json_decref(rows);
}

/* Runs the tool in a shell with this standard input; gives its exit status. */
static int run_in_shell(const char *input, const char *arguments)
{
    char *command;
    int result;

    assert_true(asprintf(&command,
                         "%s LSAN_OPTIONS=suppressions='" TEST_DATA "/lsan.supp':print_suppressions=0 '" SOWLV2_TOOL
                         "' detect --prompt turtle guitar banana --owl-model demo --sam-model '" FILM_SEGMENTER
                         "' --output '%s' --no-video --no-save-frames %s 2> '%s/stderr'",
                         input, film_output, arguments, film_folder) > 0);
    result = system(command);
    free(command);
    return WIFEXITED(result) ? WEXITSTATUS(result) : -1;
}

static void test_standard_input(void **state)
{
    char *mkv = film_write("film.mkv", WIDTH, HEIGHT, FRAMES, EMPTY, VIDEO_CODEC_FFV1), *input, *arguments;
    json_t *rows;

    (void)state;
    assert_true(asprintf(&input, "cat '%s' |", mkv) > 0);
    assert_int_equal(run_in_shell(input, "--input -"), 0);
    free(input);
    rows = film_rows("");
    assert_true(film_check_rows(rows, "stdin", 1, FRAMES, WIDTH, HEIGHT, false) > 0);
    json_decref(rows);
    /* An mp4 with its index in front can be read from a pipe too. */
    assert_true(asprintf(&input, "cat '%s' |", film_path) > 0);
    assert_int_equal(run_in_shell(input, "--input -"), 0);
    free(input);
    rows = film_rows("");
    film_check_rows(rows, "stdin", 1, FRAMES, WIDTH, HEIGHT, false);
    json_decref(rows);
    /* It closes early: what came is done, and it counts as failed. */
    assert_true(asprintf(&input, "head -c 400000 '%s' |", mkv) > 0);
    assert_int_equal(run_in_shell(input, "--input -"), 1);
    free(input);
    rows = film_rows("");
    assert_in_range(json_array_size(rows), 2, FRAMES - 1);
    json_decref(rows);
    assert_int_equal(run_in_shell(":|", "--input -"), 4);
    /* A pipe with a name, of which nothing is lost by looking at it. */
    shell("mkfifo '%s/pipe'", film_folder);
    assert_true(asprintf(&input, "cat '%s' > '%s/pipe' &", mkv, film_folder) > 0);
    assert_true(asprintf(&arguments, "--input '%s/pipe'", film_folder) > 0);
    assert_int_equal(run_in_shell(input, arguments), 0);
    free(input);
    free(arguments);
    rows = film_rows("");
    film_check_rows(rows, "pipe", 1, FRAMES, WIDTH, HEIGHT, false);
    json_decref(rows);
    free(mkv);
}

static void expect_same_file(const char *name)
{
    char *one, *other, *path;
    size_t size, other_size;

    path = test_path(film_folder, name);
    assert_int_equal(file_read(path, 1 << 24, &one, &size), 0);
    free(path);
    assert_true(asprintf(&path, "%s/piped/%s", film_folder, name) > 0);
    assert_int_equal(file_read(path, 1 << 24, &other, &other_size), 0);
    free(path);
    assert_int_equal(size, other_size);
    assert_memory_equal(one, other, size);
    free(one);
    free(other);
}

/* Key frames of a film, and of the same from a pipe, whose pictures are those that were kept: the numbers, the
 * features and the pictures are the same. */
static void test_key_frames(void **state)
{
    char *const mkv = film_write("keys.mkv", WIDTH, HEIGHT, FRAMES, EMPTY, VIDEO_CODEC_FFV1), *command;
    char *out;
    static const char *const files[] = {"scores.csv", "features.safetensors", "stdout"};
    size_t pictures = 0;
    const char *at;

    (void)state;
    for (int piped = 0; piped < 2; piped++) {
        assert_true(asprintf(&command,
                             "mkdir -p '%s/piped' && cd '%s%s' && %s '%s' | LSAN_OPTIONS=suppressions='" TEST_DATA
                             "/lsan.supp':print_suppressions=0 '" SOWLV2_TOOL
                             "' frames --input %s%s%s --vjepa2-model '" TEST_DATA
                             "/models/data/vjepa2_tiny' --frames-per-clip 4 --vjepa2-fps 0 --target-frames 5 "
                             "--spacing 2 --scores scores.csv --features features.safetensors --plot plot.png "
                             "--save-frames keys > stdout 2> stderr",
                             film_folder, film_folder, piped ? "/piped" : "", piped ? "cat" : "echo", mkv,
                             piped ? "-" : "'", piped ? "" : mkv, piped ? "" : "'") > 0);
        assert_int_equal(system(command), 0);
        free(command);
    }
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        expect_same_file(files[i]);
    assert_true(asprintf(&command, "%s/stdout", film_folder) > 0);
    size_t size;
    assert_int_equal(file_read(command, 1 << 20, &out, &size), 0);
    free(command);
    for (at = out; *at; at = strchr(at, '\n') + 1, pictures++) {
        char name[64];

        snprintf(name, sizeof(name), "keys/%06d.png", atoi(at));
        expect_same_file(name);
    }
    assert_int_equal(pictures, 5);
    free(out);
    free(mkv);
}

/* A folder of videos and other inputs: each has its own folder, and one that is no good stops nobody. */
static void test_several(void **state)
{
    static const struct {
        const char *folder, *name;
    } done[] = {{"a", "a.mp4"}, {"c", "c.MKV"}};
    char *videos = test_path(film_folder, "videos"), *missing = test_path(film_folder, "missing.mp4");
    char *short_film = film_write("videos/a.mp4", WIDTH, HEIGHT, 4, 2, VIDEO_CODEC_H264);
    char *other = film_write("videos/c.mkv", WIDTH, HEIGHT, 3, 0, VIDEO_CODEC_FFV1);
    struct tool_result result;

    (void)state;
    shell("mv '%s/c.mkv' '%s/c.MKV'", videos, videos);
    test_write_text(videos, "b.mp4", "this is no video");
    test_write_text(videos, "notes.txt", "neither is this");
    result = tool_run(ARGUMENTS(FILM_DETECT, "--no-save-frames", "--input", videos));
    assert_int_equal(result.status, 1);
    assert_non_null(strstr(result.err, "b.mp4"));
    assert_non_null(strstr(result.err, "videos: 1 file left out, neither images nor videos: notes.txt\n"));
    tool_free(&result);
    for (size_t i = 0; i < 2; i++) {
        json_t *rows = film_rows(done[i].folder);
        char video[64];

        film_check_rows(rows, done[i].name, 1, i == 0 ? 4 : 3, WIDTH, HEIGHT, false);
        json_decref(rows);
        snprintf(video, sizeof(video), "%s/video/overlay/merged_overlay.mp4", done[i].folder);
        track_case_expect_file(film_output, video, true);
    }
    track_case_expect_file(film_output, "results.jsonl", false);

    /* Named one by one, one that is not there among them; a picture beside. */
    shell("rm -r '%s'", film_output);
    result = tool_run(ARGUMENTS(FILM_DETECT, ROWS_ONLY, "--input", missing, short_film));
    assert_int_equal(result.status, 1);
    assert_non_null(strstr(result.err, "missing.mp4"));
    tool_free(&result);
    track_case_expect_file(film_output, "a/results.jsonl", true);
    tool_expect(4, "missing.mp4", ARGUMENTS(FILM_DETECT, ROWS_ONLY, "--input", missing));
    shell("rm -r '%s'", film_output);
    tool_expect(0, "1 image",
                ARGUMENTS(FILM_DETECT, ROWS_ONLY, "--input", TEST_DATA "/../examples/data/scene_001.jpg", short_film));
    track_case_expect_file(film_output, "results.jsonl", true);
    track_case_expect_file(film_output, "a/results.jsonl", true);
    free(videos);
    free(missing);
    free(short_film);
    free(other);
}

/* A folder of images: a video where it is asked for, with a slash at its end too. */
static void test_as_video(void **state)
{
    char *images = test_path(film_folder, "images"), *slashed = test_path(film_folder, "images/");

    (void)state;
    test_write_text(images, "note.txt", "no image");
    for (int i = 1; i <= 3; i++)
        shell("cp '" TEST_DATA "/../examples/data/scene_005.jpg' '%s/%d.jpg'", images, 7 + i);
    for (int i = 0; i < 2; i++) {
        json_t *rows;

        tool_expect(
            0, NULL,
            ARGUMENTS(FILM_DETECT, "--input", i == 0 ? images : slashed, "--as-video", "--quiet", "--no-overlay"));
        rows = film_rows("");
        film_check_rows(rows, "images", 1, 3, 640, 480, true);
        film_check_video("video/binary/merged_mask.mp4", rows, 640, 480);
        json_decref(rows);
    }
    free(images);
    free(slashed);
}

/* Films without a suffix, of odd ones, in folders below; pictures that move. */
static void test_what_is_a_video(void **state)
{
    char *films = test_path(film_folder, "films"), *gif = test_path(films, "moving.gif"), *input;
    char *short_film = film_write("films/a.mp4", WIDTH, HEIGHT, 2, 0, VIDEO_CODEC_H264);
    json_t *rows;

    (void)state;
    need_ffmpeg();
    shell("cd '%s' && mkdir sub && ffmpeg -v error -i a.mp4 a.mjpeg && ffmpeg -v error -i a.mp4 -r 10 moving.gif && "
          "ffmpeg -v error -i a.mp4 -f mpegts -mpegts_m2ts_mode 1 sub/bare && rm a.mp4 && echo x > README",
          films);
    tool_expect(0, "films: 1 file left out, neither images nor videos: README",
                ARGUMENTS(FILM_DETECT, ROWS_ONLY, "--input", films, "--recursive"));
    track_case_expect_file(film_output, "results.jsonl", true); /* of the GIF's first picture */
    rows = film_rows("a");
    film_check_rows(rows, "a.mjpeg", 1, 2, WIDTH, HEIGHT, false);
    json_decref(rows);
    rows = film_rows("bare");
    film_check_rows(rows, "sub/bare", 1, 2, WIDTH, HEIGHT, false);
    json_decref(rows);

    shell("rm -r '%s'", film_output);
    tool_expect(0, "1 image", ARGUMENTS(FILM_DETECT, ROWS_ONLY, "--input", gif));
    for (int i = 0; i < 2; i++) {
        shell("rm -r '%s'", film_output);
        if (i == 0)
            tool_expect(0, "moving.gif: ", ARGUMENTS(FILM_DETECT, ROWS_ONLY, "--input", gif, "--as-video"));
        else
            tool_expect(0, "moving.gif: ", ARGUMENTS(FILM_DETECT, ROWS_ONLY, "--as-video", gif));
        rows = film_rows("");
        film_check_rows(rows, "moving.gif", 1, 2, WIDTH, HEIGHT, false);
        json_decref(rows);
    }
    /* A broadcast's recording from a pipe, without anything that says so. */
    assert_true(asprintf(&input, "cat '%s/sub/bare' |", films) > 0);
    assert_int_equal(run_in_shell(input, "--input -"), 0);
    free(input);
    rows = film_rows("");
    film_check_rows(rows, "stdin", 1, 2, WIDTH, HEIGHT, false);
    json_decref(rows);
    free(films);
    free(gif);
    free(short_film);
}

/* Waits until so many rows are there. */
static void wait_for_rows(size_t count)
{
    char *path = test_path(film_output, "results.jsonl");

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
    char *longer = film_write("long.mp4", WIDTH, HEIGHT, 200, 0, VIDEO_CODEC_H264);
    pid_t tool = tool_start(ARGUMENTS(FILM_DETECT, "--input", longer, film_path));
    json_t *rows;

    (void)state;
    free(film_output);
    film_output = test_path(film_folder, "out/long"); /* each of several has its own */
    wait_for_rows(5);
    assert_int_equal(kill(tool, SIGINT), 0);
    assert_int_equal(tool_wait(tool), 130);
    rows = film_rows("");
    assert_in_range(json_array_size(rows), 5, 199);
    film_check_rows(rows, "long.mp4", 1, -1, WIDTH, HEIGHT, true);
    film_check_video("video/binary/merged_mask.mp4", rows, WIDTH, HEIGHT);
    film_check_video("video/overlay/merged_overlay.mp4", rows, WIDTH, HEIGHT);
    track_case_expect_file(film_folder, "out/film", false); /* the next one was not begun */
    json_decref(rows);
    free(longer);
}

/* Copies the film with what is between two parts of it changed. */
static char *break_film(const char *name, double from, double to, size_t step)
{
    char *path = test_path(film_folder, name), *bytes;
    size_t size;

    assert_int_equal(file_read(film_path, 1 << 26, &bytes, &size), 0);
    for (size_t i = (size_t)((double)size * from); i < (size_t)((double)size * to); i += step)
        bytes[i] ^= 0x5A;
    test_write(film_folder, name, bytes, size);
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
    result = tool_run(ARGUMENTS(FILM_DETECT, ROWS_ONLY, "--input", flipped));
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.err, "damaged"));
    tool_free(&result);
    rows = film_rows("");
    assert_in_range(json_array_size(rows), FRAMES / 2, FRAMES);
    json_decref(rows);

    assert_int_equal(stat(cut, &info), 0);
    assert_int_equal(truncate(cut, info.st_size * 7 / 10), 0);
    tool_expect(1, "cut.mp4: it breaks off", ARGUMENTS(FILM_DETECT, ROWS_ONLY, "--input", cut));
    rows = film_rows("");
    assert_in_range(json_array_size(rows), 3, FRAMES - 1);
    json_decref(rows);

    /* Its index alone: not one frame. */
    header = break_film("header.mp4", 0, 0, 1);
    shell("grep -abo mdat '%s' | head -1 | cut -d: -f1 > '%s/at' && truncate -s $(cat '%s/at') '%s'", header,
          film_folder, film_folder, header);
    tool_expect(4, "header.mp4", ARGUMENTS(FILM_DETECT, ROWS_ONLY, "--input", header));
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
    char *path = test_path(film_folder, "sound.mkv"), *empty = test_path(film_folder, "empty.mp4");
    char *taken = test_path(film_folder, "taken");

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
    test_write(film_folder, "sound.mkv", sound, sizeof(sound));
    tool_expect(4, "no video", ARGUMENTS(FILM_DETECT, "--input", path));
    track_case_expect_file(film_folder, "out", false);
    test_write_text(film_folder, "empty.mp4", "");
    tool_expect(4, "empty.mp4", ARGUMENTS(FILM_DETECT, "--input", empty));
    test_write_text(film_folder, "taken", "a file");
    tool_expect(4, "taken",
                ARGUMENTS("detect", "--prompt", "cat", "--owl-model", "demo", "--sam-model", FILM_SEGMENTER, "--input",
                          film_path, "--output", taken));
    free(path);
    free(empty);
    free(taken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILM_CASE(test_nothing_found), FILM_CASE(test_standard_input),  FILM_CASE(test_several),
        FILM_CASE(test_as_video),      FILM_CASE(test_what_is_a_video), FILM_CASE(test_interrupted),
        FILM_CASE(test_damaged),       FILM_CASE(test_no_video),        FILM_CASE(test_key_frames),
    };

    return cmocka_run_group_tests(tests, film_set_up_all, film_tear_down_all);
}
