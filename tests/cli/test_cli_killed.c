/* --resume of a video and kill -9: whenever it comes, what was listed before is there, to the byte; and in the end all
 * is as if nobody had interfered. */
#include "film.h"

#include "base/file.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { LENGTH = 60, TRIES = 10 };

#define AGAIN ".sowlv2/again"

/* The sums of all files of the output, but for what the tool keeps for itself. */
static char *sum_files(void)
{
    size_t size;

    return shell_output(&size,
                        "cd '%s' && find . -path ./.sowlv2 -prune -o -type f -print | LC_ALL=C sort | xargs md5sum",
                        film_output);
}

static void kill_tool(pid_t tool)
{
    assert_int_equal(kill(tool, SIGKILL), 0);
    assert_int_equal(tool_wait(tool), 128 + SIGKILL);
}

static void sleep_milliseconds(long count)
{
    const struct timespec time = {.tv_sec = count / 1000, .tv_nsec = count % 1000 * 1000000};

    nanosleep(&time, NULL);
}

/* Says which line is another. */
static void expect_sums(const char *expected, const char *when)
{
    char *sums = sum_files();
    size_t same = 0;

    while (sums[same] && sums[same] == expected[same])
        same++;
    while (same > 0 && sums[same - 1] != '\n')
        same--;
    if (strcmp(sums, expected) != 0)
        fail_msg("%s: %.120s\nnot\n%.120s", when, sums + same, expected + same);
    free(sums);
}

static bool has_folder(const char *below)
{
    char *path = test_path(film_output, below);
    const bool there = file_is_directory(path);

    free(path);
    return there;
}

/* An unfinished video, done again and killed at these rows, then not; a finished one, killed as early. */
static void test_killed_again(void **state)
{
    static const size_t rows[] = {1, 12, 30, 45};
    static const long moments[] = {30, 150, 400, 800};
    char *film = film_write("long.mp4", WIDTH, HEIGHT, LENGTH, 3, VIDEO_CODEC_H264);
    pid_t tool;

    (void)state;
    /* What there should be. */
    tool_expect(0, NULL, ARGUMENTS(FILM_DETECT, "--quiet", "--input", film));
    char *whole = sum_files();
    shell("rm -r '%s'", film_output);

    size_t found = LENGTH;
    for (int i = 0; i < TRIES && found >= LENGTH;
         i++) { /* on a busy machine the tool may be through before it is seen */
        shell("rm -rf '%s'", film_output);
        tool = tool_start(ARGUMENTS(FILM_DETECT, "--input", film));
        film_wait_for_rows("results.jsonl", 20);
        kill_tool(tool);
        found = film_count_lines("results.jsonl");
    }
    assert_in_range(found, 20, LENGTH - 1);
    char *before = sum_files();
    /* Stopped before it got as far as what is there: that stays. */
    tool = tool_start(ARGUMENTS(FILM_DETECT, "--resume", "--input", film));
    film_wait_for_rows(AGAIN "/results.jsonl", 2);
    assert_int_equal(kill(tool, SIGINT), 0);
    assert_int_equal(tool_wait(tool), 130);
    if (film_count_lines("results.jsonl") <= 20)
        expect_sums(before, "stopped");
    assert_false(has_folder(AGAIN));

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        shell("rm -rf '%s/" AGAIN "'", film_output); /* else its rows are waited for */
        tool = tool_start(ARGUMENTS(FILM_DETECT, "--resume", "--input", film));
        film_wait_for_rows(AGAIN "/results.jsonl", rows[i]);
        kill_tool(tool);
        if (has_folder(AGAIN)) /* else it was through by then */
            expect_sums(before, "killed");
    }
    tool_expect(0, NULL, ARGUMENTS(FILM_DETECT, "--quiet", "--resume", "--input", film));
    expect_sums(whole, "resumed");
    assert_false(has_folder(AGAIN));

    for (size_t i = 0; i < sizeof(moments) / sizeof(*moments); i++) {
        tool = tool_start(ARGUMENTS(FILM_DETECT, "--resume", "--input", film));
        sleep_milliseconds(moments[i]);
        kill(tool, SIGKILL);
        tool_wait(tool);
        expect_sums(whole, "finished before");
    }
    tool_expect(0, "long.mp4: already done", ARGUMENTS(FILM_DETECT, "--resume", "--input", film));
    expect_sums(whole, "finished before");
    free(before);
    free(whole);
    free(film);
}

int main(void)
{
    const struct CMUnitTest tests[] = {FILM_CASE(test_killed_again)};

    return cmocka_run_group_tests(tests, film_set_up_all, film_tear_down_all);
}
