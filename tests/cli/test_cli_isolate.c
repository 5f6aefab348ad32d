/* --isolate: the same results, and a decoder that crashes (tests/cli/crash.c makes it) costs its input alone. */
#include "film.h"

#include "base/file.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define EXAMPLES TEST_DATA "/../examples/data/"

/* The sums of all files of the output, but for what the tool keeps for itself. */
static char *sum_files(void)
{
    size_t size;

    return shell_output(
        &size,
        "cd '%s' && find . -name .sowlv2 -prune -o -type f -print | LC_ALL=C sort | xargs md5sum; rm -rf "
        "'%s'",
        film_output, film_output);
}

static void set_crash(const char *name, const char *value)
{
    setenv("LD_PRELOAD", SOWLV2_CRASH, 1);
    setenv(name, value, 1);
}

static void unset_crash(const char *name)
{
    unsetenv("LD_PRELOAD");
    unsetenv(name);
}

static void copy_images(void)
{
    shell("cp '" EXAMPLES "scene_001.jpg' '" EXAMPLES "scene_003.jpg' '" EXAMPLES "scene_004.png' '%s'", film_folder);
}

static void test_the_same_images(void **state)
{
    char *path = test_path(film_folder, "scene_*");

    (void)state;
    copy_images();
    tool_expect(0, NULL, ARGUMENTS(FILM_DETECT, "--quiet", "--input", path));
    char *plain = sum_files();
    tool_expect(0, NULL, ARGUMENTS(FILM_DETECT, "--quiet", "--input", path, "--isolate"));
    char *isolated = sum_files();
    assert_non_null(strstr(plain, "results.jsonl"));
    assert_string_equal(isolated, plain);
    free(isolated);
    free(plain);
    free(path);
}

/* Its sound aside, which this film has none of. */
static void test_the_same_film(void **state)
{
    (void)state;
    tool_expect(0, NULL, ARGUMENTS(FILM_DETECT, "--quiet", "--input", film_path));
    char *plain = sum_files();
    tool_expect(0, NULL, ARGUMENTS(FILM_DETECT, "--quiet", "--input", film_path, "--isolate"));
    char *isolated = sum_files();
    assert_non_null(strstr(plain, "results.jsonl"));
    assert_string_equal(isolated, plain);
    free(isolated);
    free(plain);
}

static bool has_sound(void)
{
    size_t size;
    char *text = shell_output(&size,
                              "ffprobe -v error -select_streams a -show_entries stream=codec_type -of csv=p=0 "
                              "'%s/video/overlay/merged_overlay.mp4'",
                              film_output);
    const bool has = strstr(text, "audio");

    free(text);
    return has;
}

/* A film that lacks its sound is done again by a run that would have written it, and no other is. */
static void test_resume_brings_the_sound(void **state)
{
    static const struct {
        bool isolate, sound;
        const char *says;
    } runs[] = {
        {true, false, "--isolate: films are written without the sound of their videos"},
        {true, false, "sound.mp4: already done"},
        {false, true, "sound.mp4: the earlier run wrote its films without sound, because of --isolate: starting it"},
        {false, true, "sound.mp4: already done"},
        {true, true, "sound.mp4: already done"},
    };
    char *sound = test_path(film_folder, "sound.mp4");

    (void)state;
    need_ffmpeg();
    shell("ffmpeg -v error -nostdin -y -i '%s' -f lavfi -i sine=d=2 -c:v copy -c:a aac '%s'", film_path, sound);
    for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
        tool_expect(0, runs[i].says,
                    ARGUMENTS(FILM_DETECT, "--input", sound, "--no-save-frames", "--max-object-videos", "0", "--resume",
                              runs[i].isolate ? "--isolate" : "--offline"));
        assert_int_equal(has_sound(), runs[i].sound);
    }
    shell("rm -rf '%s'", film_output);
    for (int i = 0; i < 2; i++) /* without sound of its own, nothing is lacking */
        tool_expect(0, i == 0 ? "20 frames" : "already done",
                    ARGUMENTS(FILM_DETECT, "--input", film_path, "--no-save-frames", "--resume",
                              i == 0 ? "--isolate" : "--offline"));
    free(sound);
}

static void test_both_ways(void **state)
{
    (void)state;
#define KEYS "--quiet", "--input", film_path, "--enable-vjepa2", "--use-temporal-detection", ROWS_ONLY
    tool_expect(0, NULL, ARGUMENTS(FILM_DETECT, KEYS));
    char *plain = sum_files();
    tool_expect(0, NULL, ARGUMENTS(FILM_DETECT, KEYS, "--isolate"));
    char *isolated = sum_files();
    assert_string_equal(isolated, plain);
    free(isolated);
    free(plain);
}

static void test_a_crash_costs_one_image(void **state)
{
    char *path = test_path(film_folder, "scene_*");
    size_t size;

    (void)state;
    copy_images();
    tool_expect(0, NULL, ARGUMENTS(FILM_DETECT, "--quiet", "--input", path));
    char *expected = shell_output(&size, "grep -v scene_003 '%s/results.jsonl'; rm -rf '%s'", film_output, film_output);
    set_crash("LD_CRASH_WIDTH", "480");
    struct tool_result plain = tool_run(ARGUMENTS(FILM_DETECT, "--quiet", "--input", path));
    assert_int_equal(plain.status, 128 + SIGSEGV);
    tool_free(&plain);
    shell("rm -rf '%s'", film_output);
    tool_expect(1, "scene_003.jpg: the process that decodes it was ended by signal 11",
                ARGUMENTS(FILM_DETECT, "--quiet", "--input", path, "--isolate"));
    unset_crash("LD_CRASH_WIDTH");
    char *rows = film_read_text("results.jsonl");
    assert_string_equal(rows, expected);
    free(rows);
    free(expected);
    free(path);
}

static void test_a_crash_ends_a_film_there(void **state)
{
    (void)state;
    set_crash("LD_CRASH_FRAME", "15");
    struct tool_result plain = tool_run(ARGUMENTS(FILM_DETECT, "--quiet", "--input", film_path, ROWS_ONLY));
    assert_int_equal(plain.status, 128 + SIGSEGV);
    tool_free(&plain);
    shell("rm -rf '%s'", film_output);
    tool_expect(1, "it breaks off at ",
                ARGUMENTS(FILM_DETECT, "--quiet", "--input", film_path, "--isolate", ROWS_ONLY));
    unset_crash("LD_CRASH_FRAME");
    json_t *rows = film_rows("");
    assert_in_range(json_array_size(rows), 12, 14);
    json_decref(rows);
}

/* A film of several: the others are done. */
static void test_a_crash_costs_one_film(void **state)
{
    char *picture = test_path(film_folder, "scene_001.jpg");

    (void)state;
    copy_images();
    set_crash("LD_CRASH_FRAME", "1");
    struct tool_result result = tool_run(ARGUMENTS(FILM_DETECT, "--input", film_path, picture, "--isolate"));
    unset_crash("LD_CRASH_FRAME");
    assert_int_equal(result.status, 1);
    assert_non_null(strstr(result.err, "the process that decodes it was ended by signal 11"));
    assert_non_null(strstr(result.err, "1 image"));
    tool_free(&result);
    free(picture);
}

static void test_frames(void **state)
{
    (void)state;
    struct tool_result plain = tool_run(ARGUMENTS("frames", "--input", film_path, "--vjepa2-model", "demo"));
    struct tool_result isolated =
        tool_run(ARGUMENTS("frames", "--input", film_path, "--vjepa2-model", "demo", "--isolate"));
    assert_int_equal(plain.status, 0);
    assert_int_equal(isolated.status, 0);
    assert_string_equal(isolated.out, plain.out);
    tool_free(&plain);
    tool_free(&isolated);
}

static void test_what_cannot_be(void **state)
{
    (void)state;
    tool_expect(2, "--isolate cannot be combined with --allow-playlists: the decoder may not open the files",
                ARGUMENTS(FILM_DETECT, "--input", film_path, "--isolate", "--allow-playlists"));
    tool_expect(4, "with --isolate an address cannot be read as a video: download it first",
                ARGUMENTS(FILM_DETECT, "--input", "http://127.0.0.1:9/film.mp4", "--isolate"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILM_CASE(test_the_same_images),         FILM_CASE(test_the_same_film),
        FILM_CASE(test_resume_brings_the_sound), FILM_CASE(test_both_ways),
        FILM_CASE(test_a_crash_costs_one_image), FILM_CASE(test_a_crash_ends_a_film_there),
        FILM_CASE(test_a_crash_costs_one_film),  FILM_CASE(test_frames),
        FILM_CASE(test_what_cannot_be),
    };

    return cmocka_run_group_tests(tests, film_set_up_all, film_tear_down_all);
}
