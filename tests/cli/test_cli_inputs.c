/* The tool with whatever people give as --input: several, odd names, bad files among good ones, standard input. */
#include "base/file.h"
#include "base/test_folder.h"
#include "media/png.h"
#include "tool.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#define SAMPLES TEST_DATA "/media/data/"
#define DETECT                                                                                                         \
    "detect", "--owl-model", TINY_MODEL, "--sam-model", "none", "--no-overlay", "--prompt", "cat", "--output", output

enum { MOST_ROWS = 32 };

static char *folder, *photos, *output;
static json_t *rows[MOST_ROWS];
static size_t row_count;

static int make_folder(void **state)
{
    (void)state;
    folder = test_folder_make();
    photos = test_path(folder, "photos");
    output = test_path(folder, "out");
    test_write_text(folder, "photos/.keep", "");
    row_count = 0;
    return 0;
}

static void drop_rows(void)
{
    while (row_count > 0)
        json_decref(rows[--row_count]);
}

static int remove_folder(void **state)
{
    (void)state;
    drop_rows();
    free(photos);
    free(output);
    test_folder_remove(folder);
    return 0;
}

/* photos/NAME with the content of a sample. */
static void add_sample(const char *sample, const char *name)
{
    char path[512], *data, *below = test_path("photos", name);
    size_t size;

    snprintf(path, sizeof(path), SAMPLES "%s", sample);
    assert_int_equal(file_read(path, 1 << 20, &data, &size), 0);
    test_write(folder, below, data, size);
    free(below);
    free(data);
}

/* Every line must be JSON, which is always UTF-8 to jansson. */
static void read_rows(void)
{
    char *path = test_path(output, "results.jsonl"), *text;
    size_t size;

    drop_rows();
    assert_int_equal(file_read(path, 1 << 20, &text, &size), 0);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        assert_true(row_count < MOST_ROWS);
        rows[row_count] = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(rows[row_count++]);
    }
    free(text);
    free(path);
}

static void expect_row(size_t index, const char *name, int width, int height)
{
    assert_true(index < row_count);
    assert_string_equal(json_string_value(json_object_get(rows[index], "image")), name);
    assert_int_equal(json_integer_value(json_object_get(rows[index], "width")), width);
    assert_int_equal(json_integer_value(json_object_get(rows[index], "height")), height);
}

static void test_every_format(void **state)
{
    (void)state;
    add_sample("quality_95.jpg", "a.PNG"); /* the content decides */
    add_sample("exif_6.webp", "b.webp");
    add_sample("rgb24.bmp", "c.bmp");
    add_sample("bits8.gif", "d.GIF");
    add_sample("exif_8.tif", "e.tiff");
    test_write_text(folder, "photos/notes.txt", "no picture");
    tool_expect(0, NULL, ARGUMENTS(DETECT, "--quiet", "--input", photos));
    read_rows();
    assert_int_equal(row_count, 5);
    expect_row(0, "a.PNG", 35, 27);
    expect_row(1, "b.webp", 5, 7);
    expect_row(2, "c.bmp", 13, 9);
    expect_row(3, "d.GIF", 14, 11);
    expect_row(4, "e.tiff", 5, 7);
}

/* Bad files of every kind among good ones: each is named once, the others are done. */
static void test_bad_among_good(void **state)
{
    static const char *const bad[] = {"empty.jpg",   "cut.jpg",    "bomb.gif", "text.png",
                                      "missing.png", "folder.png", "pipe.png"};
    const char *arguments[40] = {DETECT, "--quiet", "--input"};
    char *paths[9];
    size_t count = 0, size;
    char *data;

    (void)state;
    while (arguments[count])
        count++;
    add_sample("quality_95.jpg", "good.jpg");
    add_sample("rgb_le.tif", "good.tif");
    test_write_text(folder, "photos/empty.jpg", "");
    test_write_text(folder, "photos/text.png", "not a picture");
    assert_int_equal(file_read(SAMPLES "quality_95.jpg", 1 << 20, &data, &size), 0);
    test_write(folder, "photos/cut.jpg", data, size - 100);
    free(data);
    assert_int_equal(file_read(SAMPLES "bits8.gif", 1 << 20, &data, &size), 0);
    memcpy(memmem(data, size, "\x0e\0\x0b\0", 4), "\x60\xea\x60\xea", 4);
    test_write(folder, "photos/bomb.gif", data, size);
    free(data);
    for (size_t i = 0; i < 7; i++)
        arguments[count++] = paths[i] = test_path(photos, bad[i]);
    arguments[count++] = paths[7] = test_path(photos, "good.jpg");
    arguments[count++] = paths[8] = test_path(photos, "good.tif");
    assert_int_equal(mkdir(paths[5], 0700), 0);
    assert_int_equal(mkfifo(paths[6], 0600), 0);

    struct tool_result result = tool_run(arguments);
    assert_int_equal(result.status, 1);
    for (size_t i = 0; i < 7; i++)
        if (!strstr(result.err, paths[i]))
            fail_msg("%s is not named in:\n%s", paths[i], result.err);
    assert_non_null(strstr(result.err, "60000 x 60000"));
    assert_non_null(strstr(result.err, "truncated"));
    assert_null(strstr(result.err, "good."));
    tool_free(&result);
    read_rows();
    assert_int_equal(row_count, 2);
    expect_row(0, "good.jpg", 35, 27);
    expect_row(1, "good.tif", 23, 19);
    for (size_t i = 0; i < 9; i++)
        free(paths[i]);
}

/* Without permission; root may read all. */
static void test_no_permission(void **state)
{
    char *path = test_path(photos, "closed.png");

    (void)state;
    if (geteuid() != 0) {
        add_sample("type2_depth8.png", "closed.png");
        add_sample("type2_depth8.png", "open.png");
        assert_int_equal(chmod(path, 0), 0);
        tool_expect(1, "closed.png: cannot open: Permission denied", ARGUMENTS(DETECT, "--quiet", "--input", photos));
        read_rows();
        assert_int_equal(row_count, 1);
        assert_int_equal(chmod(photos, 0), 0);
        tool_expect(4, "cannot list the folder: Permission denied", ARGUMENTS(DETECT, "--quiet", "--input", photos));
        assert_int_equal(chmod(photos, 0700), 0);
    }
    free(path);
}

static void test_truncated_and_limits(void **state)
{
    char *path = test_path(photos, "cut.jpg"), *data;
    size_t size;

    (void)state;
    assert_int_equal(file_read(SAMPLES "quality_95.jpg", 1 << 20, &data, &size), 0);
    test_write(folder, "photos/cut.jpg", data, size - 100);
    free(data);
    tool_expect(4, "--allow-truncated", ARGUMENTS(DETECT, "--quiet", "--input", path));
    tool_expect(0, "the rest of the picture is missing", ARGUMENTS(DETECT, "--allow-truncated", "--input", path));
    read_rows();
    expect_row(0, "cut.jpg", 35, 27);
    tool_expect(4, "35 x 27 is more than 944 pixels",
                ARGUMENTS(DETECT, "--allow-truncated", "--max-pixels", "944", "--input", path));
    free(path);
}

static void test_odd_names(void **state)
{
    static const char *const names[] = {"a b'c\"d.png", "bad\xff.png", "line\nbreak.png", "\xe7\x8c\xab.png"};
    static const char *const row_names[] = {"a b'c\"d.png", "bad\\xff.png", "line\nbreak.png", "\xe7\x8c\xab.png"};

    (void)state;
    for (size_t i = 0; i < 4; i++)
        add_sample("type2_depth8.png", names[i]);
    tool_expect(0, NULL, ARGUMENTS(DETECT, "--quiet", "--input", photos));
    read_rows();
    assert_int_equal(row_count, 4);
    for (size_t i = 0; i < 4; i++)
        expect_row(i, row_names[i], 21, 13);
    tool_expect(0, NULL, ARGUMENTS(DETECT, "--quiet", "--resume", "--input", photos));
    read_rows();
    assert_int_equal(row_count, 4); /* all were done before */
}

static void test_several(void **state)
{
    char *pattern = test_path(photos, "p*.png"), *deep = test_path(photos, "deep");

    (void)state;
    add_sample("type2_depth8.png", "p10.png");
    add_sample("type2_depth8.png", "p9.png");
    add_sample("type2_depth8.png", "deep/er/x.png");
    add_sample("type2_depth8.png", "deep/x.png");
    tool_expect(0, NULL,
                ARGUMENTS(DETECT, "--quiet", "--input", pattern, "--recursive", "--input", deep, SAMPLES "exif_6.png"));
    read_rows();
    assert_int_equal(row_count, 5);
    expect_row(0, "p9.png", 21, 13);
    expect_row(1, "p10.png", 21, 13);
    expect_row(2, "er/x.png", 21, 13);
    expect_row(3, "x.png", 21, 13);
    expect_row(4, "exif_6.png", 5, 6);
    tool_expect(4, "no file matches this pattern", ARGUMENTS(DETECT, "--input", "/nonexistent/*.png"));
    tool_expect(2, "an empty path", ARGUMENTS(DETECT, "--input", ""));
    free(pattern);
    free(deep);
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;

    for (const char *at = text; (at = strstr(at, part)); at++)
        count++;
    return count;
}

/* What is said of the inputs is said once, and the run that follows is the list that it was said of. */
static void test_notices_once(void **state)
{
    char *again = test_path(folder, "photos/../photos/a.png"), *loop = test_path(photos, "loop");
    struct tool_result result;

    (void)state;
    add_sample("type2_depth8.png", "a.png");
    add_sample("type2_depth8.png", "b.png");
    test_write_text(folder, "photos/notes.txt", "no picture");
    assert_int_equal(symlink(".", loop), 0);
    result = tool_run(ARGUMENTS(DETECT, "--recursive", "--input", photos, again));
    assert_int_equal(result.status, 0);
    assert_int_equal(count_of(result.err, "given more than once"), 1);
    assert_int_equal(count_of(result.err, "1 file left out, neither images nor videos: notes.txt"), 1);
    assert_int_equal(count_of(result.err, "1 link to a folder that is listed already: not gone through again: loop"),
                     1);
    tool_free(&result);
    read_rows();
    assert_int_equal(row_count, 2);
    free(again);
    free(loop);
}

static void test_standard_input(void **state)
{
    (void)state;
    setenv("SOWLV2_TEST_STDIN", SAMPLES "rgb24.bmp", 1);
    tool_expect(0, NULL, ARGUMENTS(DETECT, "--quiet", "--input", "-"));
    unsetenv("SOWLV2_TEST_STDIN");
    read_rows();
    assert_int_equal(row_count, 1);
    expect_row(0, "stdin", 13, 9);
    tool_expect(4, "sowlv2: standard input: the file is empty", ARGUMENTS(DETECT, "--quiet", "--input", "-"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_format, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_bad_among_good, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_no_permission, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_truncated_and_limits, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_odd_names, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_several, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_notices_once, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_standard_input, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
