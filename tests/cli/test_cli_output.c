/* The tool and its output folder: two runs at once, runs that were killed, --resume, names that would leave the folder,
 * results that lie among the inputs. */
#include "film.h"

#include "base/error.h"
#include "base/file.h"
#include "media/png.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SCENE TEST_DATA "/../examples/data/scene_001.jpg"
/* Images, with masks, without the trained models' time. */
#define IMAGES "detect", "--prompt", "cat", "--owl-model", "demo", "--sam-model", "demo"
#define ONLY_ROWS "--no-overlay", "--no-merged"

/* Sets the folder in which rows are looked for. */
static void look_in(const char *below)
{
    free(film_output);
    film_output = test_path(film_folder, below);
}

/* How many files in the output and below have a name of this pattern. */
static int count_files(const char *pattern)
{
    char *text, *command;
    size_t size;
    int count;

    assert_true(asprintf(&command, "find '%s' -name '%s' | wc -l", film_output, pattern) > 0);
    text = shell_output(&size, "%s", command);
    count = atoi(text);
    free(text);
    free(command);
    return count;
}

/* While one run writes, another is refused at once, whatever it would do; after a kill the folder is free, and nothing
 * of the killed run is left. */
static void test_two_runs(void **state)
{
    char *longer = film_write("long.mp4", WIDTH, HEIGHT, 200, 0, VIDEO_CODEC_H264), *before, *after;
    pid_t first = tool_start(ARGUMENTS(FILM_DETECT, "--input", longer));
    json_t *rows;

    (void)state;
    film_wait_for_rows("results.jsonl", 3);
    tool_expect(2, "another run of sowlv2 (process ", ARGUMENTS(FILM_DETECT, "--input", film_path));
    tool_expect(2, "another run of sowlv2", ARGUMENTS(FILM_DETECT, "--input", longer, "--resume"));
    tool_expect(2, "another run of sowlv2", ARGUMENTS(IMAGES, "--input", SCENE, "--output", film_output));
    before = film_read_text("results.jsonl");
    assert_int_equal(kill(first, SIGKILL), 0);
    assert_int_equal(tool_wait(first), 128 + SIGKILL);
    after = film_read_text("results.jsonl");
    assert_memory_equal(after, before, strlen(before)); /* nobody has touched its rows */
    assert_true(count_files("*.unfinished.mp4") > 0);
    tool_expect(0, NULL, ARGUMENTS(FILM_DETECT, "--input", film_path, "--quiet", "--no-save-frames"));
    rows = film_rows("");
    film_check_rows(rows, "film.mp4", 1, FRAMES, WIDTH, HEIGHT, false);
    json_decref(rows);
    assert_int_equal(count_files("*.unfinished.mp4"), 0);
    assert_int_equal(count_files("*.png"), 0);
    assert_int_equal(count_files("*.part"), 0);
    free(before);
    free(after);
    free(longer);
}

/* A folder of videos: what is finished is passed over and not touched, what was killed begins again. */
static void test_resume_videos(void **state)
{
    char *videos = test_path(film_folder, "videos"), *before, *after;
    char *first = film_write("videos/a.mp4", WIDTH, HEIGHT, 4, 2, VIDEO_CODEC_H264);
    char *second = film_write("videos/b.mp4", WIDTH, HEIGHT, 60, 0, VIDEO_CODEC_H264);
    pid_t tool = tool_start(ARGUMENTS(FILM_DETECT, "--input", videos));
    json_t *rows;

    (void)state;
    film_wait_for_rows("b/results.jsonl", 3);
    assert_int_equal(kill(tool, SIGKILL), 0);
    assert_int_equal(tool_wait(tool), 128 + SIGKILL);
    before = film_read_text("a/results.jsonl");
    assert_int_equal(film_count_lines("a/results.jsonl"), 4);
    tool_expect(2, "--prompt 'turtle' 'guitar' 'banana', now 'turtle'",
                ARGUMENTS("detect", "--prompt", "turtle", "--owl-model", "demo", "--sam-model", FILM_SEGMENTER,
                          "--output", film_output, "--input", videos, "--resume"));
    tool_expect(2, "--lost-after '150', now '9'",
                ARGUMENTS(FILM_DETECT, "--input", videos, "--resume", "--lost-after", "9"));

    struct tool_result result = tool_run(ARGUMENTS(FILM_DETECT, "--input", videos, "--resume"));
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.err, "a.mp4: already done"));
    assert_non_null(strstr(result.err, "b.mp4: the earlier run did not finish it"));
    assert_non_null(strstr(result.err, "b.mp4: 60 frames"));
    tool_free(&result);
    after = film_read_text("a/results.jsonl");
    assert_string_equal(after, before);
    assert_int_equal(count_files("*.unfinished.mp4"), 0);
    free(after);
    look_in("out/b");
    rows = film_rows("");
    film_check_rows(rows, "b.mp4", 1, 60, WIDTH, HEIGHT, true);
    json_decref(rows);
    look_in("out");

    result = tool_run(ARGUMENTS(FILM_DETECT, "--input", videos, "--resume"));
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.err, "a.mp4: already done"));
    assert_non_null(strstr(result.err, "b.mp4: already done"));
    tool_free(&result);

    /* One that has changed, and one whose pictures are gone. */
    free(film_write("videos/a.mp4", WIDTH, HEIGHT, 5, 2, VIDEO_CODEC_H264));
    shell("rm '%s'/b/binary/frames/000007*", film_output);
    result = tool_run(ARGUMENTS(FILM_DETECT, "--input", videos, "--resume"));
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.err, "a.mp4: it has changed"));
    assert_non_null(strstr(result.err, "b.mp4: the earlier run did not finish it"));
    tool_free(&result);
    assert_int_equal(film_count_lines("a/results.jsonl"), 5);
    assert_int_equal(film_count_lines("b/results.jsonl"), 60);
    free(before);
    free(first);
    free(second);
    free(videos);
}

/* One alone, then with others, then another of its name: each is where it was, and nothing is done twice. */
static void test_resume_alone(void **state)
{
    char *other = film_write("other/film.mp4", WIDTH, HEIGHT, 3, 1, VIDEO_CODEC_H264), *before, *after;
    struct tool_result result;

    (void)state;
    tool_expect(0, NULL, ARGUMENTS(FILM_DETECT, ROWS_ONLY, "--quiet", "--input", film_path, "--resume"));
    before = film_read_text("results.jsonl");
    for (int again = 0; again < 2; again++) {
        result = tool_run(ARGUMENTS(FILM_DETECT, ROWS_ONLY, "--input", film_path, other, "--resume"));
        assert_int_equal(result.status, 0);
        assert_non_null(strstr(result.err, "film.mp4: already done"));
        assert_int_equal(!strstr(result.err, "film.mp4: 3 frames"), again);
        tool_free(&result);
        assert_int_equal(film_count_lines("film/results.jsonl"), 3);
    }
    result = tool_run(ARGUMENTS(FILM_DETECT, ROWS_ONLY, "--input", other, "--resume"));
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.err, "film.mp4: already done"));
    tool_free(&result);
    after = film_read_text("results.jsonl");
    assert_string_equal(after, before);
    /* Images do not go among a video's rows. */
    tool_expect(2, "it holds the results of a video, film.mp4",
                ARGUMENTS(FILM_DETECT, ROWS_ONLY, "--input", SCENE, "--resume"));
    free(before);
    free(after);
    free(other);
}

/* Names that would leave the output folder, or mix with its own. */
static void test_names(void **state)
{
    static const struct {
        const char *name, *folder;
    } rows[] = {{"...mp4", "__"}, {"..mp4", "_"}, {"binary.mp4", "binary~2"}, {"overlay.mp4", "overlay~2"}};
    const char *arguments[32] = {FILM_DETECT, ROWS_ONLY, "--quiet", "--input", SCENE};
    char *films[4], *outside = test_path(film_folder, "results.jsonl");
    size_t count = 0;

    (void)state;
    while (arguments[count])
        count++;
    for (size_t i = 0; i < 4; i++) {
        shell("mkdir -p '%s/odd' && cp '%s' '%s/odd/%s'", film_folder, film_path, film_folder, rows[i].name);
        assert_true(asprintf(&films[i], "%s/odd/%s", film_folder, rows[i].name) > 0);
        arguments[count++] = films[i];
    }
    arguments[count++] = "--frames";
    arguments[count++] = ":2";
    tool_expect(0, NULL, arguments);
    assert_false(file_exists(outside));
    assert_int_equal(film_count_lines("results.jsonl"), 1);
    for (size_t i = 0; i < 4; i++) {
        char name[64];

        snprintf(name, sizeof(name), "%s/results.jsonl", rows[i].folder);
        assert_int_equal(film_count_lines(name), 2);
        free(films[i]);
    }
    track_case_expect_file(film_output, "binary/results.jsonl", false);
    free(outside);
}

static void add_scene(const char *below)
{
    test_write_text(film_folder, below, "");
    shell("cp '" SCENE "' '%s/%s'", film_folder, below);
}

/* Results that lie among the inputs are no inputs, in whatever way they are met. */
static void test_own_output(void **state)
{
    char *p = test_path(film_folder, "p"), *out = test_path(film_folder, "p/out"),
         *second = test_path(film_folder, "p/2");
    char *crops = test_path(film_folder, "p/crops"), *pattern = test_path(film_folder, "p/*"), *command;

    (void)state;
    add_scene("p/1.jpg");
    for (int i = 0; i < 3; i++) { /* into the folder of the inputs itself */
        look_in("p");
        tool_expect(0, i == 0 ? NULL : "",
                    ARGUMENTS(IMAGES, "--quiet", "--crops", "--input", p, "--recursive", "--output", p));
        assert_int_equal(film_count_lines("results.jsonl"), 1);
    }
    for (int i = 0; i < 3; i++) { /* into one below, named by a pattern, by the shell's and by ours */
        look_in("p/out");
        tool_expect(0, NULL, ARGUMENTS(IMAGES, "--quiet", "--crops", "--input", pattern, "--output", out));
        assert_int_equal(film_count_lines("results.jsonl"), 1);
        assert_true(asprintf(&command,
                             "'" SOWLV2_TOOL "' detect --prompt cat --owl-model demo --sam-model demo --quiet --crops "
                             "--input '%s'/* --output '%s'",
                             p, out) > 0);
        shell("%s", command);
        free(command);
        assert_int_equal(film_count_lines("results.jsonl"), 1);
    }
    for (int i = 0; i < 2; i++) { /* a second one beside the first */
        look_in("p/2");
        tool_expect(0, NULL, ARGUMENTS(IMAGES, "--quiet", "--crops", "--input", p, "--recursive", "--output", second));
        assert_int_equal(film_count_lines("results.jsonl"), 1);
    }
    /* Nothing else is given: said, with what to do. */
    tool_expect(4, "copy the ones you want to another folder", ARGUMENTS(IMAGES, "--input", crops, "--output", second));
    tool_expect(4, "copy the ones you want to another folder", ARGUMENTS(IMAGES, "--input", out, "--output", second));
    assert_int_equal(film_count_lines("results.jsonl"), 1);
    /* The folder that it runs in. */
    add_scene("here/1.jpg");
    look_in("here");
    for (int i = 0; i < 2; i++) {
        shell("cd '%s' && '" SOWLV2_TOOL "' detect --prompt cat --owl-model demo --sam-model demo --quiet --recursive "
              "--input . --output .",
              film_output);
        assert_int_equal(film_count_lines("results.jsonl"), 1);
    }
    free(p);
    free(out);
    free(second);
    free(crops);
    free(pattern);
}

/* Films of an earlier run, beside the film. */
static void test_own_films(void **state)
{
    char *pattern = test_path(film_folder, "films/*"), *overlays = test_path(film_folder, "films/video/overlay");
    struct tool_result result;

    (void)state;
    test_write_text(film_folder, "films/.keep", "");
    shell("cp '%s' '%s/films/film.mp4'", film_path, film_folder);
    look_in("films");
    for (int i = 0; i < 2; i++) {
        result = tool_run(ARGUMENTS(FILM_DETECT, "--no-save-frames", "--frames", ":12", "--input", pattern));
        if (result.status != 0)
            fail_msg("%s", result.err);
        tool_free(&result);
        assert_int_equal(film_count_lines("results.jsonl"), 12);
        track_case_expect_file(film_output, "merged_overlay", false);
    }
    tool_expect(4, "copy the ones you want", ARGUMENTS(FILM_DETECT, "--input", overlays));
    free(pattern);
    free(overlays);
}

/* --resume of images with another job; a link in the place of the rows; a run in which nothing can be done. */
static void test_images(void **state)
{
    char *photos = test_path(film_folder, "photos"), *bad = test_path(film_folder, "bad.jpg"), *before, *after;

    (void)state;
    add_scene("photos/1.jpg");
    test_write_text(film_folder, "bad.jpg", "no picture");
    tool_expect(0, NULL, ARGUMENTS(IMAGES, ONLY_ROWS, "--quiet", "--input", photos, "--output", film_output));
    before = film_read_text("results.jsonl");
    assert_non_null(strstr(before, "],\"job\":\""));
    tool_expect(
        2, "--threshold '0.1', now '0.3'",
        ARGUMENTS(IMAGES, ONLY_ROWS, "--input", photos, "--output", film_output, "--resume", "--threshold", "0.3"));
    tool_expect(
        2, "--prompt 'cat', now 'cat' 'dog'",
        ARGUMENTS(IMAGES, ONLY_ROWS, "--prompt", "dog", "--input", photos, "--output", film_output, "--resume"));
    tool_expect(2, "--no-overlay 'on', now not given",
                ARGUMENTS(IMAGES, "--no-merged", "--input", photos, "--output", film_output, "--resume"));
    tool_expect(2, "the verb 'detect', now 'segment'",
                ARGUMENTS("segment", "--sam-model", "demo", "--box", "1,1,50,50", "--input", photos, "--output",
                          film_output, "--resume"));
    tool_expect(4, "the results of an earlier run there stay",
                ARGUMENTS(IMAGES, ONLY_ROWS, "--input", bad, "--output", film_output));
    /* What changes nothing in the results may be another. */
    tool_expect(1, "bad.jpg",
                ARGUMENTS(IMAGES, ONLY_ROWS, "--input", photos, bad, "--output", film_output, "--resume",
                          "--batch-size", "2", "--threads", "1", "--allow-truncated"));
    after = film_read_text("results.jsonl");
    assert_string_equal(after, before);
    free(after);
    shell("mv '%s/results.jsonl' '%s/victim' && ln -s ../victim '%s/results.jsonl'", film_output, film_folder,
          film_output);
    for (int resume = 0; resume < 2; resume++)
        tool_expect(4, "results.jsonl: is a symbolic link",
                    ARGUMENTS(IMAGES, ONLY_ROWS, "--input", photos, "--output", film_output,
                              resume ? "--resume" : "--no-overlay"));
    after = film_read_text("../victim");
    assert_string_equal(after, before);
    free(after);
    free(before);
    free(photos);
    free(bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILM_CASE(test_two_runs),   FILM_CASE(test_resume_videos), FILM_CASE(test_resume_alone), FILM_CASE(test_names),
        FILM_CASE(test_own_output), FILM_CASE(test_own_films),     FILM_CASE(test_images),
    };

    return cmocka_run_group_tests(tests, film_set_up_all, film_tear_down_all);
}
