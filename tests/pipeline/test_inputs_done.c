/* Inputs that earlier runs have done, and results of theirs that lie among the inputs. */
#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"
#include "inputs_case.h"
#include "output/claim.h"
#include "output/json_text.h"
#include "pipeline/inputs.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

/* A copy that keeps its time. */
static void copy_file(const char *from, const char *to)
{
    struct stat info;
    char *data;
    size_t size;

    assert_int_equal(stat(from, &info), 0);
    assert_int_equal(file_read(from, 1 << 20, &data, &size), 0);
    test_write(folder, to + strlen(folder) + 1, data, size);
    assert_int_equal(utimensat(AT_FDCWD, to, (struct timespec[]){info.st_mtim, info.st_mtim}, 0), 0);
    free(data);
}

/* Puts an image into a claim's folder, as a run that did it would. */
static void write_done(struct output_claim *claim, const char *name, const char *file, const char *stem)
{
    char *path = test_path(folder, file);
    const struct string_list none = {0};
    struct output_identity identity;
    struct string row = {0};

    assert_int_equal(output_claim_begin(claim), 0);
    assert_int_equal(output_identity_of(path, &identity), 0);
    assert_int_equal(output_claim_add_image(claim, name, &identity, stem, &none), 0);
    string_append_text(&row, "{\"image\":");
    json_append_string(&row, name);
    string_append_text(&row, ",\"objects\":[]}\n");
    assert_int_equal(output_claim_write_row(claim, row.data, row.length), 0);
    string_free(&row);
    output_identity_free(&identity);
    free(path);
}

/* Lists `given`, paths below the folder, takes out what is done, and compares the names that are left. */
static void expect_left(struct output_claim *claim, const char *const *given, const char *const *names)
{
    char *paths[8];
    size_t count = 0, expected = 0;
    struct inputs inputs = {0};

    for (; given[count]; count++)
        paths[count] = test_path(folder, given[count]);
    const struct inputs_options options = {.given = (const char *const *)paths, .count = count};
    assert_int_equal(inputs_list(&options, &inputs), 0);
    const size_t all = inputs.names.count;
    for (; names[expected]; expected++)
        ;
    assert_int_equal(inputs_take_out_done(&inputs, claim), all - expected);
    assert_int_equal(inputs.names.count, expected);
    for (size_t i = 0; i < expected; i++) {
        char *path = strncmp(names[i], "PATH/", 5) == 0 ? test_path(folder, names[i] + 5) : strdup(names[i]);

        assert_string_equal(inputs.names.items[i], path);
        free(path);
    }
    inputs_free(&inputs);
    for (size_t i = 0; i < count; i++)
        free(paths[i]);
}

static struct output_claim *claim_again(const char *output)
{
    const struct output_claim_options options = {.folder = output, .resume = true};
    struct output_claim *claim;

    assert_int_equal(output_claim_open(&options, &claim), 0);
    assert_int_equal(output_claim_load(claim), 0);
    return claim;
}

/* Done is what the same file was done of, whatever it is called now; another file of its name is not. */
static void test_done(void **state)
{
    char *output = test_path(folder, "out"), *from = test_path(folder, "b/2.png"), *to = test_path(folder, "c/2.png");
    struct output_claim *claim = claim_again(output);

    (void)state;
    add_picture("a/1.png");
    add_picture("a/bad\xff.png");
    add_picture("b/1.png");
    add_picture("b/2.png");
    write_done(claim, "1.png", "a/1.png", "1");
    write_done(claim, "bad\\xff.png", "a/bad\xff.png", "bad"); /* as rows have it */
    write_done(claim, "2.png", "b/2.png", "2");
    output_claim_close(&claim);

    claim = claim_again(output);
    expect_left(claim, LIST("a"), LIST(NULL));
    expect_left(claim, LIST("a", "b"), LIST("PATH/b/1.png"));
    expect_left(claim, LIST("b"), LIST("PATH/b/1.png"));
    expect_left(claim, LIST("a/../a/1.png", "b/1.png"), LIST("PATH/b/1.png"));
    assert_int_equal(notices, 0);
    /* Moved with its time and size. */
    test_write_text(folder, "c/.keep", "");
    assert_int_equal(rename(from, to), 0);
    expect_left(claim, LIST("c"), LIST(NULL));
    /* Copied: both are there. */
    copy_file(to, from);
    expect_left(claim, LIST("c", "b/2.png"), LIST("PATH/c/2.png"));
    /* Changed: it is done again, under its name. */
    assert_int_equal(notices, 0);
    test_write_text(folder, "a/1.png", "another");
    expect_left(claim, LIST("a"), LIST("1.png"));
    assert_int_equal(notices, 1);
    output_claim_close(&claim);
    free(from);
    free(to);
    free(output);
}

/* The results of earlier runs, wherever they are met. */
static void test_results_left_out(void **state)
{
    char *output = test_path(folder, "p/out"), *other = test_path(folder, "p");
    struct output_claim *claim = claim_again(output), *second = claim_again(other);

    (void)state;
    add_picture("p/1.png");
    add_picture("p/video/mine.png");
    add_picture("p/out/mine.png");
    write_done(claim, "1.png", "p/1.png", "1");
    expect_names(LIST("p/out"), false, LIST("mine.png"));
    add_picture("p/out/binary/frames/1_obj1_cat_mask.png");
    add_picture("p/out/crops/1_obj1_cat_crop.png");
    expect_names(LIST("p"), true, LIST("1.png", "out/mine.png", "video/mine.png"));
    write_done(second, "1.png", "p/1.png", "1");
    add_picture("p/video/overlay/x.png");
    add_picture("p/crops/x.png");
    expect_names(LIST("p"), true, LIST("1.png", "out/mine.png", "video/mine.png"));
    expect_names(LIST("p/*"), false, LIST("1.png", "PATH/p/out/mine.png", "PATH/p/video/mine.png"));
    output_claim_close(&claim);
    output_claim_close(&second);
    free(output);
    free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_done, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_results_left_out, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
