/* Addresses as --input: pictures are pictures, films films, and nothing secret is shown or written. */
#include "base/file.h"
#include "film.h"
#include "hub/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What must be nowhere: the password and the signature of every address here. */
#define PASSWORD "pa55word"
#define SIGNATURE "5ignature"

static struct server *server;
static char *served[8];
static size_t served_count;

/* Serves a file under a name, which may have a query. */
static void serve(const char *path, const char *name)
{
    size_t size;

    assert_int_equal(file_read(path, 1 << 26, &served[served_count], &size), 0);
    server_add(server, name, served[served_count++], size, false);
}

static int start(void **state)
{
    film_set_up(state);
    server = server_start();
    serve(TEST_DATA "/media/data/quality_95.jpg", "cat.jpg?sig=" SIGNATURE);
    serve(TEST_DATA "/media/data/quality_95.jpg", "snapshot");
    serve(TEST_DATA "/media/data/animation.gif", "moving.gif");
    serve(film_path, "download?path=/x&sig=" SIGNATURE);
    serve(film_path, "film.mp4");
    return 0;
}

static int stop(void **state)
{
    server_stop(server);
    while (served_count > 0)
        free(served[--served_count]);
    return film_tear_down(state);
}

/* The address of a served file, with a user and a password; freed by the caller. */
static char *address(const char *name)
{
    char *url;

    assert_true(asprintf(&url, "http://me:" PASSWORD "@127.0.0.1:%d/" SERVER_ID "/resolve/main/%s", server_port(server),
                         name) > 0);
    return url;
}

static void expect_secret(const struct tool_result *result)
{
    static const char *const secrets[] = {PASSWORD, SIGNATURE};

    for (size_t i = 0; i < 2; i++) {
        if (strstr(result->err, secrets[i]) || strstr(result->out, secrets[i]))
            fail_msg("%s is shown in:\n%s%s", secrets[i], result->out, result->err);
        shell("! grep -rqs %s '%s'", secrets[i], film_folder);
    }
}

/* Runs with two addresses (NULL: one), gives the exit status, and expects the part in its messages. */
static int run(const char *first, const char *second, const char *part)
{
    struct tool_result result = tool_run(
        ARGUMENTS(FILM_DETECT, "--verbose", ROWS_ONLY, "--no-binary", "--no-overlay", "--input", first, second));
    const int status = result.status;

    expect_secret(&result);
    if (!strstr(result.err, part))
        fail_msg("\"%s\" is not in:\n%s", part, result.err);
    tool_free(&result);
    return status;
}

/* A row of this image is there. */
static void expect_image(const char *name)
{
    char *path = test_path(film_output, "results.jsonl"), *text, row[128];
    size_t size;

    assert_int_equal(file_read(path, 1 << 20, &text, &size), 0);
    snprintf(row, sizeof(row), "{\"image\":\"%s\",\"width\":", name);
    if (!strstr(text, row))
        fail_msg("%s is not in:\n%s", row, text);
    free(text);
    free(path);
}

static void test_pictures(void **state)
{
    char *named = address("cat.jpg?sig=" SIGNATURE), *bare = address("snapshot"), *gif = address("moving.gif");

    (void)state;
    assert_int_equal(run(named, NULL, "1 image, "), 0);
    expect_image("cat.jpg");
    assert_int_equal(run(bare, gif, "2 images, "), 0);
    expect_image("snapshot");
    expect_image("moving.gif");
    free(named);
    free(bare);
    free(gif);
}

/* What follows '#' is no part of what a server is asked for: one picture, not two, and no film that is not there. */
static void test_fragments(void **state)
{
    char *plain = address("snapshot"), *top = address("snapshot#top"), *film = address("film.mp4#t=1");

    (void)state;
    assert_int_equal(run(plain, top, "1 image, "), 0);
    assert_int_equal(run(top, NULL, "1 image, "), 0);
    assert_int_equal(run(film, NULL, "film.mp4: "), 0);
    free(plain);
    free(top);
    free(film);
}

static void test_films(void **state)
{
    char *bare = address("download?path=/x&sig=" SIGNATURE), *named = address("film.mp4");
    json_t *rows;

    (void)state;
    assert_int_equal(run(bare, NULL, "download: "), 0);
    rows = film_rows("");
    film_check_rows(rows, "download", 1, FRAMES, WIDTH, HEIGHT, false);
    json_decref(rows);
    assert_int_equal(run(named, bare, "film.mp4: "), 0);
    rows = film_rows("film");
    film_check_rows(rows, "film.mp4", 1, FRAMES, WIDTH, HEIGHT, false);
    json_decref(rows);
    free(bare);
    free(named);
}

/* What cannot be had is named without its secrets, and does not stop the rest. */
static void test_failures(void **state)
{
    char *missing = address("no.jpg?sig=" SIGNATURE), *good = address("snapshot"), *nowhere = address("no/film.mp4");

    (void)state;
    assert_int_equal(run(missing, good, "/no.jpg?...: cannot be opened: "), 1);
    expect_image("snapshot");
    assert_int_equal(run(missing, NULL, "404"), 4);
    assert_int_equal(run(nowhere, NULL, "http://***@127.0.0.1:"), 4);
    assert_int_equal(run("http://me:" PASSWORD "@127.0.0.1:1/x?sig=" SIGNATURE, NULL, "http://***@127.0.0.1:1/x?..."),
                     4);
    assert_int_equal(run("nosuch://me:" PASSWORD "@h/x", NULL, "nosuch://***@h/x"), 4);
    free(missing);
    free(good);
    free(nowhere);
}

static void test_frames_verb(void **state)
{
    char *url = address("download?path=/x&sig=" SIGNATURE), *plot = test_path(film_folder, "plot.png");
    struct tool_result result;

    (void)state;
    result = tool_run(ARGUMENTS("frames", "--verbose", "--vjepa2-model", "demo", "--input", url, "--plot", plot));
    assert_int_equal(result.status, 0);
    expect_secret(&result);
    tool_free(&result);
    result = tool_run(
        ARGUMENTS("frames", "--verbose", "--vjepa2-model", "demo", "--input", "rtsp://me:" PASSWORD "@127.0.0.1:1/x"));
    assert_int_equal(result.status, 4);
    expect_secret(&result);
    tool_free(&result);
    free(url);
    free(plot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pictures, start, stop),
        cmocka_unit_test_setup_teardown(test_fragments, start, stop),
        cmocka_unit_test_setup_teardown(test_films, start, stop),
        cmocka_unit_test_setup_teardown(test_failures, start, stop),
        cmocka_unit_test_setup_teardown(test_frames_verb, start, stop),
    };

    return cmocka_run_group_tests(tests, film_set_up_all, film_tear_down_all);
}
