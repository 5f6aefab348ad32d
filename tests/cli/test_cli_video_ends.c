/* Where films end and what there is of them: cut ones, key frames for parts and short ones, frames of a folder, sound
 * and length of the videos that are made, playlists. */
#include "film.h"

#include "base/file.h"
#include "video/film_server.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TINY_VJEPA2 TEST_DATA "/models/data/vjepa2_tiny"

/* Runs it, expects the status and that each text is in what it said, `without` in none. */
static void expect(int status, const char *text, const char *without, const char *const *arguments)
{
    struct tool_result result = tool_run(arguments);

    if (result.status != status || !strstr(result.err, text) || (without && strstr(result.err, without)))
        fail_msg("status %d: %s", result.status, result.err);
    tool_free(&result);
}

static char *cut(const char *name)
{
    char *path = test_path(film_folder, name);

    shell("head -c $(( $(stat -c %%s '%s') * 7 / 10 )) '%s' > '%s'", film_path, film_path, path);
    return path;
}

/* Its rows are kept, it is named also with --quiet, and it counts as failed: alone and beside a good one. */
static void test_cut(void **state)
{
    char *path = cut("cut.mp4");

    (void)state;
    for (int quiet = 0; quiet < 2; quiet++) {
        json_t *rows;

        expect(1, "cut.mp4: it breaks off at ", quiet ? "frames," : NULL,
               ARGUMENTS(FILM_DETECT, "--input", path, ROWS_ONLY, quiet ? "--quiet" : "--no-cuts"));
        rows = film_rows("");
        assert_in_range(json_array_size(rows), 8, FRAMES - 1);
        film_check_rows(rows, "cut.mp4", 1, -1, WIDTH, HEIGHT, false);
        json_decref(rows);
    }
    shell("rm -r '%s'", film_output);
    expect(1, "cut.mp4: it breaks off at ", "film.mp4: it",
           ARGUMENTS(FILM_DETECT, "--input", path, film_path, ROWS_ONLY, "--end", "1.6"));
    track_case_expect_file(film_output, "cut/results.jsonl", true);
    track_case_expect_file(film_output, "film/results.jsonl", true);
    /* What is asked for is there. */
    shell("rm -r '%s'", film_output);
    expect(0, "cut.mp4: 4 frames", "breaks off", ARGUMENTS(FILM_DETECT, "--input", path, ROWS_ONLY, "--frames", ":4"));
    /* So it is where key frames are looked for. */
    struct tool_result result = tool_run(ARGUMENTS("frames", "--input", path, "--vjepa2-model", TINY_VJEPA2,
                                                   "--target-frames", "2", "--vjepa2-fps", "0"));
    assert_int_equal(result.status, 1);
    assert_non_null(strstr(result.err, "cut.mp4: it breaks off at "));
    assert_non_null(strchr(result.out, '\n'));
    tool_free(&result);
    free(path);
}

/* Key frames lie in the part that is asked for, however they are chosen; that of a short film is its only frame. */
static void test_key_frames(void **state)
{
    static const char *const how[][2] = {{"--use-temporal-detection", "--no-cuts"},
                                         {"--enable-vjepa2", "--no-cuts"},
                                         {"--enable-vjepa2", "--use-temporal-detection"}};
    char *one = film_write("one.mp4", WIDTH, HEIGHT, 1, 0, VIDEO_CODEC_H264);

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct tool_result result =
            tool_run(ARGUMENTS(FILM_DETECT, "--input", film_path, ROWS_ONLY, "--frames", "10:13", how[i][0], how[i][1],
                               "--vjepa2-model", TINY_VJEPA2, "--vjepa2-frames-per-clip", "4"));
        const char *keys = strstr(result.err, "key frames by ");
        json_t *rows = film_rows("");
        double time;

        assert_int_equal(result.status, 0);
        assert_non_null(keys);
        keys = strstr(keys, " at ") + 4;
        for (char *end; (time = strtod(keys, &end)), end != keys; keys = *end == ',' ? end + 1 : end)
            if (!(time >= 0.89 && time < 1.3))
                fail_msg("a key frame at %g s: %s", time, result.err);
        if (film_check_rows(rows, "film.mp4", 10, 4, WIDTH, HEIGHT, false) < 1)
            fail_msg("%s %s: nothing was found: %s", how[i][0], how[i][1], result.err);
        json_decref(rows);
        tool_free(&result);

        tool_expect(0, "one.mp4: 1 frame",
                    ARGUMENTS(FILM_DETECT, "--input", one, ROWS_ONLY, how[i][0], how[i][1], "--vjepa2-model",
                              TINY_VJEPA2, "--vjepa2-frames-per-clip", "4"));
        rows = film_rows("");
        assert_true(film_check_rows(rows, "one.mp4", 1, 1, WIDTH, HEIGHT, false) > 0);
        json_decref(rows);
    }
    free(one);
}

/* No length at all, and one that is that of the sound. */
static void test_unknown_length(void **state)
{
    char *raw = test_path(film_folder, "raw.h264"), *sound = test_path(film_folder, "sound.mkv");
    json_t *rows;

    (void)state;
    need_ffmpeg();
    shell("ffmpeg -v error -nostdin -y -i '%s' -c copy '%s'", film_path, raw);
    shell("ffmpeg -v error -nostdin -y -i '%s' -f lavfi -i sine=d=30 -c:v copy -c:a aac '%s'", film_path, sound);
    for (int i = 0; i < 2; i++) {
        expect(0, i == 0 ? "a length that it does not declare" : "before the length that it declares", NULL,
               ARGUMENTS(FILM_DETECT, "--input", i == 0 ? raw : sound, ROWS_ONLY, "--use-temporal-detection"));
        rows = film_rows("");
        assert_true(film_check_rows(rows, i == 0 ? "raw.h264" : "sound.mkv", 1, FRAMES, WIDTH, HEIGHT, false) > 0);
        json_decref(rows);
    }
    free(raw);
    free(sound);
}

/* Rows say which image each frame is; one that was cut is taken where that is asked for. V-JEPA's times are those of
 * the rows. */
static void test_folder(void **state)
{
    char *images = test_path(film_folder, "images");
    json_t *rows;

    (void)state;
    for (int i = 1; i <= 12; i++) {
        char name[32];

        snprintf(name, sizeof(name), "images/f%d.jpg", i);
        test_write_text(film_folder, name, "");
        shell("cp '" TEST_DATA "/../examples/data/scene_005.jpg' '%s/%s'", film_folder, name);
    }
    shell("head -c 20000 '" TEST_DATA "/../examples/data/scene_005.jpg' > '%s/f3.jpg'", images);
    for (int truncated = 0; truncated < 2; truncated++) {
        const size_t third = truncated ? 3 : 4;
        char name[16];

        expect(0, truncated ? "key frames by V-JEPA 2" : "--allow-truncated", truncated ? "before" : NULL,
               ARGUMENTS(FILM_DETECT, "--input", images, "--as-video", ROWS_ONLY,
                         truncated ? "--allow-truncated" : "--no-cuts", truncated ? "--enable-vjepa2" : "--no-audio",
                         "--vjepa2-model", TINY_VJEPA2, "--vjepa2-frames-per-clip", "4"));
        rows = film_rows("");
        assert_int_equal(json_array_size(rows), truncated ? 12 : 11);
        snprintf(name, sizeof(name), "f%zu.jpg", third);
        assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 2), "source")), name);
        assert_int_equal(film_whole(json_array_get(rows, 2), "source_frame"), third);
        assert_true(fabs(film_number(json_array_get(rows, 2), "time") - (double)(third - 1) / 25) < 1e-6);
        json_decref(rows);
    }
    free(images);
}

/* Seconds that ffprobe gives of the merged overlay; its sound's, or the film's. 0: there is none. */
static double probe(const char *entry)
{
    char *path = test_path(film_output, "video/overlay/merged_overlay.mp4");
    size_t size;
    char *text = shell_output(&size, "ffprobe -v error %s=duration -of csv=p=0 '%s'", entry, path);
    const double seconds = atof(text);

    free(text);
    free(path);
    return seconds;
}

/* Sound of a pipe has gone by, which is said; a server that gives no parts of a file gives it again. */
static void test_sound(void **state)
{
    char *film = test_path(film_folder, "sound.mp4"), *fifo = test_path(film_folder, "fifo"), *url;
    struct film_server *server;

    (void)state;
    need_ffmpeg();
    shell("ffmpeg -v error -nostdin -y -i '%s' -f lavfi -i sine=d=2 -c:v copy -c:a aac -movflags +faststart '%s'",
          film_path, film);
    shell("mkfifo '%s' && cat '%s' > '%s' &", fifo, film, fifo);
    expect(0, "fifo: without sound: it cannot be read a second time", NULL,
           ARGUMENTS(FILM_DETECT, "--input", fifo, "--no-save-frames", "--max-object-videos", "0"));
    assert_true(probe("-select_streams a -show_entries stream") <= 0);

    server = film_server_start(film, 0);
    url = film_server_url(server, "sound.mp4");
    expect(0, "sound.mp4: 20 frames", "without sound",
           ARGUMENTS(FILM_DETECT, "--input", url, "--no-save-frames", "--max-object-videos", "0"));
    assert_true(fabs(probe("-select_streams a -show_entries stream") - 2) < 0.1);
    free(url);
    film_server_stop(server);
    free(film);
    free(fifo);
}

/* A last frame after a gap is shown for its own time, not the gap's. */
static void test_length(void **state)
{
    char *film = test_path(film_folder, "vfr.mp4");

    (void)state;
    need_ffmpeg();
    shell("ffmpeg -v error -nostdin -y -i '%s' -vf \"select='lt(n\\,4)+eq(n\\,17)'\" -fps_mode vfr -c:v libx264 -bf 0 "
          "'%s'",
          film_path, film);
    tool_expect(0, "vfr.mp4: 5 frames", ARGUMENTS(FILM_DETECT, "--input", film, "--max-object-videos", "0"));
    assert_true(fabs(probe("-show_entries format") - 1.8) < 0.02);
    free(film);
}

/* A playlist reads other files only where that is asked for, whatever it is called. */
static void test_playlist(void **state)
{
    char *list = test_path(film_folder, "list.mp4");
    json_t *rows;

    (void)state;
    test_write_text(film_folder, "list.mp4", "ffconcat version 1.0\nfile film.mp4\n");
    expect(4, "list.mp4: it is a playlist", NULL, ARGUMENTS(FILM_DETECT, "--input", list, ROWS_ONLY));
    track_case_expect_file(film_output, "results.jsonl", false);
    expect(4, "list.mp4: it is a playlist", NULL, ARGUMENTS("frames", "--input", list, "--vjepa2-model", TINY_VJEPA2));
    tool_expect(0, "20 frames", ARGUMENTS(FILM_DETECT, "--input", list, ROWS_ONLY, "--allow-playlists"));
    rows = film_rows("");
    film_check_rows(rows, "list.mp4", 1, FRAMES, WIDTH, HEIGHT, false);
    json_decref(rows);
    tool_expect(0, "chosen", ARGUMENTS("frames", "--input", list, "--vjepa2-model", TINY_VJEPA2, "--allow-playlists"));
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILM_CASE(test_cut),   FILM_CASE(test_key_frames), FILM_CASE(test_unknown_length), FILM_CASE(test_folder),
        FILM_CASE(test_sound), FILM_CASE(test_length),     FILM_CASE(test_playlist),
    };

    return cmocka_run_group_tests(tests, film_set_up_all, film_tear_down_all);
}
