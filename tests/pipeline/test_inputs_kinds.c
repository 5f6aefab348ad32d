/* Images and videos of one list: what a folder gives and leaves out, patterns, one file under many spellings, films
 * that are asked for, addresses. */
#include "base/error.h"
#include "base/test_folder.h"
#include "pipeline/inputs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define GIF TEST_DATA "/media/data/animation.gif"

static char *folder, notices[4096];
static struct inputs inputs;

static void keep_notice(enum sowlv2_log_level level, const char *message, void *user_data)
{
    const size_t length = strlen(notices);

    (void)level;
    (void)user_data;
    snprintf(notices + length, sizeof(notices) - length, "%s\n", message);
}

static int set_up(void **state)
{
    (void)state;
    folder = test_folder_make();
    assert_int_equal(chdir(folder), 0);
    sowlv2_set_log(keep_notice, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sowlv2_set_log(NULL, NULL);
    inputs_free(&inputs);
    assert_int_equal(chdir("/"), 0);
    test_folder_remove(folder);
    return 0;
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NOTHING ((const char *const[]){NULL})

static size_t count_of(const char *const *list)
{
    size_t count = 0;

    while (list[count])
        count++;
    return count;
}

/* Lists with these options; `given` are paths below the folder, which is the working one. */
static int list_with(struct inputs_options options, const char *const *given)
{
    inputs_free(&inputs);
    notices[0] = '\0';
    options.given = given;
    options.count = count_of(given);
    options.videos = true;
    return inputs_list(&options, &inputs);
}

static void expect_names(const struct string_list *list, const char *const *names)
{
    for (size_t i = 0; names[i]; i++)
        if (i >= list->count || strcmp(list->items[i], names[i]) != 0)
            fail_msg("number %zu is %s, not %s", i, i < list->count ? list->items[i] : "missing", names[i]);
    assert_int_equal(list->count, count_of(names));
}

static void expect(struct inputs_options options, const char *const *given, const char *const *images,
                   const char *const *videos)
{
    if (list_with(options, given) != 0)
        fail_msg("%s", error_message());
    expect_names(&inputs.names, images);
    expect_names(&inputs.video_names, videos);
    assert_int_equal(inputs.paths.count, inputs.names.count);
    assert_int_equal(inputs.video_paths.count, inputs.video_names.count);
}

static const struct inputs_options plain = {0}, recursive = {.recursive = true}, as_video = {.as_video = true};

static void expect_notices(const char *const *parts)
{
    size_t lines = 0;

    for (const char *at = notices; (at = strchr(at, '\n')); at++)
        lines++;
    for (size_t i = 0; parts[i]; i++)
        if (!strstr(notices, parts[i]))
            fail_msg("\"%s\" is not in:\n%s", parts[i], notices);
    if (lines != count_of(parts))
        fail_msg("%zu notices, not %zu:\n%s", lines, count_of(parts), notices);
}

/* A file that begins as an image or a film does, or not. */
static void add(const char *name, const char *kind)
{
    if (strcmp(kind, "image") == 0)
        test_write(folder, name, "\x89PNG\r\n\x1a\n", 8);
    else if (strcmp(kind, "film") == 0)
        test_write(folder, name, "\x1A\x45\xDF\xA3....", 8);
    else
        test_write_text(folder, name, "text");
}

static void test_folder(void **state)
{
    (void)state;
    add("p/b.jpg", "image");
    add("p/film.asf", "film");
    add("p/bare", "film");
    add("p/notes.txt", "text");
    add("p/README", "text");
    add("p/zebra", "text");
    add("p/n10", "text");
    add("p/n9", "text");
    add("p/.DS_Store", "text");
    add("p/sub/deep.3g2", "film");
    add("p/sub/deep.png", "image");
    expect(plain, LIST("p"), LIST("b.jpg"), LIST("bare", "film.asf"));
    expect_notices(
        LIST("p: 5 files left out, neither images nor videos: README, n9, n10, ...", "p: 1 folder in it skipped"));
    expect(recursive, LIST("p"), LIST("b.jpg", "sub/deep.png"), LIST("bare", "film.asf", "sub/deep.3g2"));
    expect_notices(LIST("p: 5 files left out"));
    /* Alone in a list of files nothing is left out: what is no image is tried as a film, but for text. */
    test_write(folder, "p/odd.bin", "\x01\x02\x03\x04", 4);
    expect(plain, LIST("p/b.jpg", "p/odd.bin", "p/notes.txt"), LIST("b.jpg", "notes.txt"), LIST("odd.bin"));
    /* A film that is called an image, and the other way round. */
    add("q/film.jpg", "film");
    add("q/image.mp4", "image");
    expect(plain, LIST("q"), LIST("image.mp4"), LIST("film.jpg"));
    expect(plain, LIST("q/film.jpg", "q/image.mp4"), LIST("image.mp4"), LIST("film.jpg"));
}

static void test_nothing_in_it(void **state)
{
    (void)state;
    add("a/notes.txt", "text");
    add("b/c/d/film.dv", "film");
    test_write_text(folder, "e/f/notes.txt", "text");
    assert_int_equal(list_with(plain, LIST("a")), SOWLV2_ERROR_ARGUMENT);
    assert_non_null(strstr(error_message(), "no image in this folder, nor a video"));
    assert_int_equal(list_with(plain, LIST("b")), SOWLV2_ERROR_ARGUMENT);
    assert_non_null(strstr(error_message(), "add --recursive"));
    assert_int_equal(list_with(plain, LIST("e")), SOWLV2_ERROR_ARGUMENT);
    assert_null(strstr(error_message(), "--recursive"));
    assert_int_equal(list_with(recursive, LIST("e")), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(list_with(plain, LIST("a/*")), SOWLV2_ERROR_ARGUMENT);
    assert_non_null(strstr(error_message(), "a/*: matches neither images nor videos"));
}

/* A folder without images over very many files is not gone through to its end. */
static void test_much_below(void **state)
{
    char name[64];

    (void)state;
    for (int i = 0; i < 25; i++) {
        snprintf(name, sizeof(name), "big/%d/x", i);
        test_write_text(folder, name, "");
        for (int j = 0; j < 1000; j++) {
            snprintf(name, sizeof(name), "big/%d/%d.txt", i, j);
            assert_int_equal(link("big/0/x", name), 0);
        }
    }
    assert_int_equal(list_with(plain, LIST("big")), SOWLV2_ERROR_ARGUMENT);
    assert_non_null(strstr(error_message(), "too many folders below it to look into all"));
}

static void test_patterns(void **state)
{
    (void)state;
    add("p/1.png", "image");
    add("p/x/2.png", "image");
    add("p/x/y/3.png", "image");
    add("p/x/y/film", "film");
    add("p/x/n.txt", "text");
    add("p/.git/4.png", "image");
    add("p/[z]{*}/5.png", "image");
    expect(plain, LIST("p/**/*.png"), LIST("1.png", "5.png", "2.png", "3.png"), NOTHING);
    expect_notices(NOTHING);
    expect(plain, LIST("**/y/*.png"), LIST("3.png"), NOTHING);
    expect(plain, LIST("p/**/y/**"), LIST("3.png"), LIST("film"));
    expect(plain, LIST("p/**"), LIST("1.png", "5.png", "2.png", "3.png"), LIST("film"));
    expect_notices(LIST("p/**: 1 file left out, neither images nor videos: n.txt"));
    expect(plain, LIST("p/**/*"), LIST("1.png", "5.png", "2.png", "3.png"), LIST("film"));
    expect(plain, LIST("p/**/**/[12].{png,jpg}"), LIST("1.png", "2.png"), NOTHING);
    expect(plain, LIST("p/{x,nothing}/*.png"), LIST("2.png"), NOTHING);
    expect(plain, LIST("p**/*.png"), LIST("1.png"), NOTHING); /* inside a name it is a "*" */
    /* "*" alone gives what a folder would; a name in the pattern is a file that was asked for. */
    expect(plain, LIST("p/x/*"), LIST("2.png", "3.png"), LIST("film"));
    expect_notices(LIST("p/x/*: 1 file left out"));
    expect(plain, LIST("p/x/n.*", "p/1.png"), LIST("n.txt", "1.png"), NOTHING);
    expect(plain, LIST("p/**/nothing*", "p/1.png"), LIST("p/**/nothing*", "1.png"), NOTHING);
    /* Links in a circle end, with one line for all of them. */
    assert_int_equal(symlink("..", "p/x/loop"), 0);
    assert_int_equal(symlink("..", "p/x/again"), 0);
    expect(plain, LIST("p/**/*.png"), LIST("1.png", "5.png", "2.png", "3.png"), NOTHING);
    expect_notices(LIST("p/: 2 links to folders that are listed already: not gone through again: x/"));
}

/* Results of other runs are left out, with one line for all of them. */
static void test_outputs_below(void **state)
{
    static const char *const outputs[] = {"p/one", "p/two", "p/two/film", "p/x/three"};

    (void)state;
    add("p/a.png", "image");
    add("p/x/b.png", "image");
    for (size_t i = 0; i < sizeof(outputs) / sizeof(*outputs); i++) {
        char path[64];

        snprintf(path, sizeof(path), "%s/.sowlv2/journal", outputs[i]);
        add(path, "text");
    }
    expect(recursive, LIST("p"), LIST("a.png", "x/b.png"), NOTHING);
    expect_notices(LIST("p: 4 folders in it have the results of earlier runs, which are left out: "));
    expect(recursive, LIST("p/x"), LIST("b.png"), NOTHING);
    expect_notices(LIST("p/x: 1 folder in it has the results of an earlier run, which are left out: three"));
}

/* One file, however it is called. */
static void test_spellings(void **state)
{
    char *absolute = test_path(folder, "p/a.png"), *address;

    (void)state;
    assert_true(asprintf(&address, "file://%s", absolute) > 0);
    add("p/a.png", "image");
    add("p/b.png", "image");
    add("p/film.mkv", "film");
    assert_int_equal(symlink("p", "link"), 0);
    assert_int_equal(symlink("p/a.png", "other.png"), 0);
    expect(plain, LIST("p/a.png", "./p/a.png", "p//a.png", "p/../p/a.png", absolute, "link/a.png", address),
           LIST("a.png"), NOTHING);
    expect_notices(LIST("6 inputs are given more than once: done once: ./p/a.png, p//a.png, p/../p/a.png, ..."));
    /* What follows '#' is not asked for of a server. */
    expect(plain, LIST("http://host/p.png", "http://host/p.png#top", "http://host/p.png?x#top"),
           LIST("http://host/p.png", "http://host/p.png~2"), NOTHING);
    expect_notices(LIST("http://host/p.png: given more than once: done once"));
    expect(plain, LIST("other.png", "p/a.png"), LIST("other.png"), NOTHING);
    /* One that is not there keeps its path: reading that says why. */
    free(address);
    assert_true(asprintf(&address, "file://%s.none", absolute) > 0);
    expect(plain, LIST("p/a.png", address), LIST("a.png", strstr(address, absolute)), NOTHING);
    /* Folders: one line for all that is in them. */
    expect(plain, LIST("p", "link", "p/"), LIST("a.png", "b.png"), LIST("film.mkv"));
    expect_notices(LIST("link: 3 of its files are given more than once: done once", "p/: 3 of its files"));
    expect(plain, LIST("p/film.mkv", "link/film.mkv"), NOTHING, LIST("film.mkv"));
    expect(plain, LIST("-", "-"), LIST("stdin"), NOTHING);
    /* Links in one folder are files of their own, and so are files of one content. */
    assert_int_equal(symlink("a.png", "p/c.png"), 0);
    assert_int_equal(link("p/a.png", "p/d.png"), 0);
    expect(plain, LIST("p"), LIST("a.png", "b.png", "c.png", "d.png"), LIST("film.mkv"));
    expect_notices(NOTHING);
    free(address);
    free(absolute);
}

static void test_as_video(void **state)
{
    const char *const films[] = {"p", "odd.bin", "a.png", GIF};
    struct inputs_options options = {.as_videos = films, .as_video_count = 4};

    (void)state;
    add("p/1.png", "image");
    add("p/n.txt", "text");
    add("a.png", "image");
    test_write(folder, "odd.bin", "text", 4);
    expect(as_video, LIST("p", GIF, "a.png"), LIST("a.png"), LIST("p", "animation.gif"));
    expect_notices(LIST("p: 1 of its files are not images", "--as-video: 1 of the inputs are single images"));
    /* Named itself, it is a film whatever it looks like; beside other inputs, or alone. */
    expect(options, LIST("p"), LIST("1.png"), LIST("p", "odd.bin", "a.png", "animation.gif"));
    expect(options, NOTHING, NOTHING, LIST("p", "odd.bin", "a.png", "animation.gif"));
    expect(plain, LIST(GIF), LIST("animation.gif"), NOTHING);
}

/* What pictures are called is told by their addresses, and what is secret is in no name. */
static void test_addresses(void **state)
{
    (void)state;
    expect(plain, LIST("https://me:secret@127.0.0.1:1/a/cat.jpg?sig=secret", "rtsp://me:secret@cam/live"),
           LIST("cat.jpg"), LIST("live"));
    expect(plain, LIST("http://127.0.0.1:1/film.mp4?path=/x&sig=secret"), NOTHING, LIST("film.mp4"));
    expect(plain,
           LIST("http://me:secret@127.0.0.1:1/cat.jpg?id=1", "http://me:secret@127.0.0.1:1/cat.jpg?id=2",
                "http://127.0.0.1:1/b/cat.jpg", "http://127.0.0.1:1/b/cat.jpg"),
           LIST("http://127.0.0.1:1/cat.jpg", "http://127.0.0.1:1/cat.jpg~2", "http://127.0.0.1:1/b/cat.jpg"), NOTHING);
    expect(as_video, LIST("http://127.0.0.1:1/moving.gif"), NOTHING, LIST("moving.gif"));
    expect(plain, LIST("http://127.0.0.1:1/moving.gif"), LIST("moving.gif"), NOTHING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_folder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_in_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_much_below, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_patterns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_spellings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_outputs_below, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_as_video, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_addresses, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
