/* What the values of --input mean: files, folders, patterns, repeats, names that odd file names get. */
#include "inputs_case.h"
#include "pipeline/inputs.h"

#include "base/error.h"
#include "base/test_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void test_files_and_folders(void **state)
{
    (void)state;
    add_picture("a/x10.png");
    add_picture("a/x9.PNG");
    add_picture("a/.hidden.png");
    add_picture("b/y.jpeg");
    add_picture("odd");
    test_write_text(folder, "a/notes.txt", "no picture");
    expect_names(LIST("a"), false, LIST("x9.PNG", "x10.png"));
    expect_names(LIST("b", "a"), false, LIST("y.jpeg", "x9.PNG", "x10.png"));
    expect_names(LIST("odd"), false, LIST("odd"));
    expect_names(LIST("a/x10.png", "odd", "-"), false, LIST("x10.png", "odd", "stdin"));
    expect_names(LIST("a/.hidden.png"), false, LIST(".hidden.png"));
    assert_int_equal(notices, 2); /* notes.txt, each time that its folder was listed */
    notices = 0;
    expect_names(LIST("a/x10.png", "a", "a/x10.png"), false, LIST("x10.png", "x9.PNG"));
    assert_int_equal(notices, 2); /* and one for two repeats */
}

/* Rows are told apart by their names: where two would be the same, both are whole paths. */
static void test_equal_names(void **state)
{
    (void)state;
    add_picture("a/x.png");
    add_picture("b/x.png");
    add_picture("b/z.png");
    expect_names(LIST("a", "b"), false, LIST("PATH/a/x.png", "PATH/b/x.png", "z.png"));
    expect_names(LIST("a/x.png", "b/x.png"), false, LIST("PATH/a/x.png", "PATH/b/x.png"));
}

static void test_patterns(void **state)
{
    (void)state;
    add_picture("p10.png");
    add_picture("p9.png");
    add_picture("q.jpg");
    add_picture("[odd].png");
    add_picture("deep/p1.png");
    expect_names(LIST("p*.png"), false, LIST("p9.png", "p10.png"));
    expect_names(LIST("p?.png", "*.jpg"), false, LIST("p9.png", "q.jpg"));
    expect_names(LIST("[odd].png"), false, LIST("[odd].png")); /* a file's own name comes first */
    expect_names(LIST("de*"), false, LIST("p1.png"));
    expect_names(LIST("nothing*.png", "q.jpg"), false, LIST("PATH/nothing*.png", "q.jpg"));
}

static void test_recursive(void **state)
{
    char *output = test_path(folder, "a/out"), *root = test_path(folder, "a"), *loop = test_path(folder, "a/sub/loop");
    struct inputs_options options = {.given = (const char *const[]){root}, .count = 1, .recursive = true};
    struct inputs inputs = {0};

    (void)state;
    add_picture("a/1.png");
    add_picture("a/sub/2.png");
    add_picture("a/sub/deeper/10.png");
    add_picture("a/sub/deeper/9.png");
    add_picture("a/.git/hidden.png");
    add_picture("a/out/result.png");
    add_picture("elsewhere/3.png");
    test_write_text(folder, "a/sub/notes.txt", "no picture");
    expect_names(LIST("a"), false, LIST("1.png"));
    assert_int_equal(notices, 1); /* the folders in it */
    notices = 0;
    expect_names(LIST("a"), true,
                 LIST("1.png", "out/result.png", "sub/2.png", "sub/deeper/9.png", "sub/deeper/10.png"));
    assert_int_equal(notices, 1); /* notes.txt */
    notices = 0;
    assert_int_equal(symlink("..", loop), 0);
    expect_names(LIST("a"), true,
                 LIST("1.png", "out/result.png", "sub/2.png", "sub/deeper/9.png", "sub/deeper/10.png"));
    assert_int_equal(notices, 2); /* the loop, notes.txt */
    free(loop);
    loop = test_path(folder, "a/link");
    assert_int_equal(symlink("../elsewhere", loop), 0);
    options.output = output;
    assert_int_equal(inputs_list(&options, &inputs), 0);
    assert_int_equal(inputs.names.count, 5);
    assert_string_equal(inputs.names.items[0], "1.png");
    assert_string_equal(inputs.names.items[1], "link/3.png");
    assert_string_equal(inputs.names.items[2], "sub/2.png");
    inputs_free(&inputs);
    free(loop);
    free(root);
    free(output);
}

static void test_odd_names(void **state)
{
    struct inputs inputs = {0};
    const char *given[] = {folder};
    const struct inputs_options options = {.given = given, .count = 1};

    (void)state;
    add_picture("a b.png");
    add_picture("line\nbreak.png");
    add_picture("quote\"'.png");
    add_picture("bad\xff\xc3.png");
    add_picture("\xe7\x8c\xab.png");
    expect_names(LIST(""), false,
                 LIST("a b.png", "bad\\xff\\xc3.png", "line\nbreak.png", "quote\"'.png", "\xe7\x8c\xab.png"));
    assert_int_equal(inputs_list(&options, &inputs), 0);
    for (size_t i = 0; i < inputs.paths.count; i++) {
        struct image_options how = image_options_default();
        struct image image;

        assert_int_equal(inputs_read_image(&inputs, i, &how, &image), 0);
        image_free(&image);
    }
    inputs_free(&inputs);
}

/* Lists paths below the folder, which must fail. */
static void expect_error(int status, const char *part, bool recursive, const char *const *given)
{
    char *paths[8];
    size_t count = 0;
    struct inputs inputs = {0};

    for (; given[count]; count++)
        paths[count] = test_path(folder, given[count]);
    const struct inputs_options options = {.given = (const char *const *)paths, .count = count, .recursive = recursive};
    assert_int_equal(inputs_list(&options, &inputs), status);
    if (!strstr(error_message(), part))
        fail_msg("\"%s\" does not contain \"%s\"", error_message(), part);
    inputs_free(&inputs);
    for (size_t i = 0; i < count; i++)
        free(paths[i]);
}

/* Reads the image at `index` of what is given, which must fail. */
static void expect_unreadable(size_t index, const char *part, const char *const *given, size_t count)
{
    struct inputs inputs = {0};
    const struct inputs_options options = {.given = given, .count = count};
    struct image_options how = image_options_default();
    struct image image;

    assert_int_equal(inputs_list(&options, &inputs), 0);
    assert_true(index < inputs.paths.count);
    assert_int_not_equal(inputs_read_image(&inputs, index, &how, &image), 0);
    assert_null(image.pixels);
    if (!strstr(error_message(), part) || !strstr(error_message(), inputs.paths.items[index]))
        fail_msg("\"%s\" does not contain \"%s\" and the path", error_message(), part);
    inputs_free(&inputs);
}

static void test_errors(void **state)
{
    char *pipe = test_path(folder, "pipe.png"), *named = test_path(folder, "named.png");

    (void)state;
    add_picture("good.png");
    add_picture("deep/er/x.png");
    test_write_text(folder, "empty/notes.txt", "no picture");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_int_equal(mkdir(named, 0700), 0);
    expect_error(SOWLV2_ERROR_IO, "missing", false, LIST("missing"));
    expect_error(SOWLV2_ERROR_IO, "no file matches", false, LIST("missing*"));
    expect_error(SOWLV2_ERROR_ARGUMENT, "no image in this folder", false, LIST("empty"));
    expect_error(SOWLV2_ERROR_ARGUMENT, "no image in this folder", true, LIST("empty"));
    expect_error(SOWLV2_ERROR_ARGUMENT, "add --recursive", false, LIST("deep"));
    expect_error(SOWLV2_ERROR_ARGUMENT, "neither a file nor a folder", false, LIST("pipe.png"));
    expect_error(SOWLV2_ERROR_ARGUMENT, "no image in this folder", false, LIST("named.png"));
    expect_error(SOWLV2_ERROR_IO, "missing2", false, LIST("empty", "missing2"));

    char *good = test_path(folder, "good.png"), *missing = test_path(folder, "missing.png");
    char *empty = test_path(folder, "empty");
    const char *given[] = {missing, good, empty, pipe, named};

    expect_unreadable(0, "cannot open", given, 5);
    expect_unreadable(2, "no image in this folder", given, 5);
    expect_unreadable(3, "not a regular file", given, 5);
    expect_unreadable(4, "no image in this folder", given, 5);
    free(good);
    free(missing);
    free(empty);
    free(pipe);
    free(named);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_files_and_folders, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_equal_names, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_patterns, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_recursive, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_odd_names, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_errors, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
