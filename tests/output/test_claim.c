/* An output folder and the run it belongs to: the lock, what an earlier run left, what is never touched. */
#include "claim_case.h"

#include "base/error.h"
#include "base/file.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Nobody else gets it, until it is closed; where nothing was begun, nothing is left. */
static void test_lock(void **state)
{
    struct output_claim *claim = claim_take(false), *second;
    char *parent = test_path(claim_root, "new");

    (void)state;
    for (int resume = 0; resume < 2; resume++) {
        assert_int_equal(claim_try(resume, NULL, &second), SOWLV2_ERROR_ARGUMENT);
        assert_null(second);
        claim_expect_message("another run of sowlv2 (process ");
    }
    output_claim_close(&claim);
    assert_false(file_exists(parent));
    test_write_text(claim_root, "new/other", "");
    for (int i = 0; i < 3; i++) {
        claim = claim_take(false);
        assert_false(output_claim_has_results(claim));
        if (i == 1)
            assert_int_equal(output_claim_begin(claim), 0);
        output_claim_close(&claim);
        assert_int_equal(file_exists(claim_output), i > 0);
        assert_int_equal(claim_has_file("results.jsonl"), i > 0);
    }
    assert_true(file_exists(parent));
    free(parent);
}

/* The lock dies with its process. */
static void test_killed(void **state)
{
    int ready[2];
    struct output_claim *claim;
    pid_t child;
    char byte;

    (void)state;
    assert_int_equal(pipe(ready), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct output_claim_options options = {.folder = claim_output};

        if (output_claim_open(&options, &claim) == 0 && write(ready[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(claim_try(false, NULL, &claim), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    claim = claim_take(false);
    output_claim_close(&claim);
    assert_int_equal(test_count_entries(claim_output), 0); /* the folder was there before */
    close(ready[0]);
    close(ready[1]);
}

/* A run begins anew: what an earlier one wrote goes, with what it left unfinished; all else stays. */
static void test_anew(void **state)
{
    static const char *const files[] = {"binary/frames/a_obj1_cat_mask.png", "overlay/merged/a_merged_overlay.png",
                                        "crops/tab\there%\n\xff.png", NULL};
    static const char *const video[] = {"video/overlay/merged_overlay.mp4",
                                        "video/overlay/merged_overlay.unfinished.mp4", NULL};
    static const char *const own[] = {"binary/frames/mine.png", "notes.txt", "video/mine.mp4"};
    struct output_claim *claim = claim_take(false);
    struct string_list list = claim_list(video);
    char *results = test_path(claim_output, "results.jsonl");

    (void)state;
    claim_write_image(claim, "a", files, files[0]);
    assert_int_equal(output_claim_add_files(claim, &list), 0);
    output_claim_close(&claim);
    for (size_t i = 0; i < 2; i++)
        test_write_text(claim_output, video[i], "a film");
    for (size_t i = 0; i < 3; i++)
        test_write_text(claim_output, own[i], "mine");

    claim = claim_take(false);
    assert_true(output_claim_has_results(claim));
    for (size_t i = 0; i < 3; i++)
        assert_true(claim_has_file(files[i])); /* not before something new is there */
    assert_int_equal(claim_notices, 0);
    assert_int_equal(output_claim_begin(claim), 0);
    assert_int_equal(claim_notices, 1);
    for (size_t i = 0; i < 3; i++)
        assert_false(claim_has_file(files[i]));
    for (size_t i = 0; i < 2; i++)
        assert_false(claim_has_file(video[i]));
    for (size_t i = 0; i < 3; i++)
        assert_true(claim_has_file(own[i]));
    assert_false(claim_has_file("crops")); /* empty */
    assert_false(claim_has_file("video/overlay"));
    claim_expect_text(results, "");
    output_claim_close(&claim);
    free(results);
    string_list_free(&list);
}

/* A journal may say anything: nothing but files in folders of results is removed, through no link. */
static void test_hostile_journal(void **state)
{
    static const char *const names[] = {"../../victim",  "binary/frames/../../../../victim",
                                        "crops/..",      "results.jsonl",
                                        "crops/deep/x",  "binary/frames",
                                        "notes.txt",     "binary/merged/x.png",
                                        "crops//victim", ".sowlv2/lock"};
    char *victim = test_path(claim_root, "victim"), *elsewhere = test_path(claim_root, "elsewhere/x.png");
    struct output_claim *claim;
    struct string journal = {0};

    (void)state;
    test_write_text(claim_root, "victim", "precious");
    test_write_text(claim_root, "elsewhere/x.png", "precious");
    test_write_text(claim_output, "notes.txt", "mine");
    test_write_text(claim_output, "crops/deep/x", "mine");
    test_write_text(claim_output, "binary/frames/y.png", "mine");
    test_link("../../../elsewhere", claim_output, "binary/merged");
    string_append_text(&journal, "sowlv2-journal\t1\nfiles");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        string_append_format(&journal, "\t%s", names[i]);
    string_append_format(&journal, "\t%s\nfiles\t%%zz\n\nimage\n\tx\nfiles\tcrops/z.png\nfiles\tcrops/torn.png",
                         victim);
    test_write_text(claim_output, "crops/z.png", "z");
    test_write_text(claim_output, "crops/torn.png", "torn");
    test_write_text(claim_output, ".sowlv2/journal", journal.data);
    claim = claim_take(false);
    assert_int_equal(output_claim_begin(claim), 0);
    output_claim_close(&claim);
    claim_expect_text(victim, "precious");
    claim_expect_text(elsewhere, "precious");
    assert_true(claim_has_file("notes.txt") && claim_has_file("crops/deep/x") && claim_has_file("binary/frames/y.png"));
    assert_false(claim_has_file("crops/z.png")); /* behind the damaged lines */
    assert_true(claim_has_file("crops/torn.png"));
    string_free(&journal);
    free(victim);
    free(elsewhere);
}

/* Links are refused, wherever results would go through them. */
static void test_links(void **state)
{
    static const char *const links[] = {".sowlv2", "binary", "binary/frames", "results.jsonl"};

    (void)state;
    test_write_text(claim_root, "elsewhere/keep", "");
    for (size_t i = 0; i < 4; i++) {
        char *elsewhere = test_path(claim_root, "elsewhere"), *path;
        struct output_claim *claim = NULL;
        int status;

        free(claim_output);
        claim_output = test_folder_make();
        path = test_path(claim_output, links[i]);
        if (i == 2)
            test_write_text(claim_output, "binary/keep", "");
        test_link(i == 3 ? "/nonexistent/victim" : elsewhere, claim_output, links[i]);
        status = claim_try(false, NULL, &claim);
        if (!status)
            status = output_claim_begin(claim);
        if (!status)
            status = output_claim_make_folder(claim, "binary/frames");
        assert_int_equal(status, SOWLV2_ERROR_IO);
        claim_expect_message(path);
        claim_expect_message("is a symbolic link");
        output_claim_close(&claim);
        assert_int_equal(test_count_entries(elsewhere), 1);
        free(path);
        free(elsewhere);
        test_folder_remove(claim_output);
        claim_output = strdup("");
    }
}

/* The output folder may be a link, one in it may not. */
static void test_linked_folder(void **state)
{
    struct output_claim_options options = {.below = true};
    char *real = test_path(claim_root, "real/.keep"), *link = test_path(claim_root, "link");
    struct output_claim *claim;

    (void)state;
    test_write_text(claim_root, "real/.keep", "");
    test_link("real", claim_root, "link");
    options.folder = link;
    assert_int_equal(output_claim_open(&options, &claim), SOWLV2_ERROR_IO);
    claim_expect_message("is a symbolic link");
    options.below = false;
    assert_int_equal(output_claim_open(&options, &claim), 0);
    output_claim_close(&claim);
    assert_true(file_exists(real));
    free(real);
    free(link);
}

/* What is called results.jsonl and is somebody else's stays. */
static void test_foreign_rows(void **state)
{
    char *path = test_path(claim_output, "results.jsonl");
    struct output_claim *claim;

    (void)state;
    test_write_text(claim_output, "results.jsonl", "{\"accuracy\":0.9}\n");
    claim = claim_take(false);
    assert_int_equal(output_claim_begin(claim), SOWLV2_ERROR_FORMAT);
    claim_expect_message("results.jsonl:1: not a row of results");
    output_claim_close(&claim);
    claim_expect_text(path, "{\"accuracy\":0.9}\n");
    assert_int_equal(test_count_entries(claim_output), 1); /* nor is a mark left */
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM_CASE(test_lock),         CLAIM_CASE(test_killed),
        CLAIM_CASE(test_anew),         CLAIM_CASE(test_hostile_journal),
        CLAIM_CASE(test_links),        CLAIM_CASE(test_linked_folder),
        CLAIM_CASE(test_foreign_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
