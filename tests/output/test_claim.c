/* An output folder and the run it belongs to: the lock, what an earlier run left, what is never touched. */
#include "output/claim.h"

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"

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

static char *folder, *output;
static size_t notices;

static void count_notice(enum sowlv2_log_level level, const char *message, void *user_data)
{
    (void)message;
    (void)user_data;
    notices += level == SOWLV2_LOG_NOTICE;
}

static int set_up(void **state)
{
    (void)state;
    folder = test_folder_make();
    output = test_path(folder, "new/out");
    notices = 0;
    sowlv2_set_log(count_notice, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sowlv2_set_log(NULL, NULL);
    free(output);
    test_folder_remove(folder);
    return 0;
}

static int try_claim(bool resume, const struct string_list *job, struct output_claim **claim)
{
    const struct output_claim_options options = {.folder = output, .job = job, .resume = resume};

    return output_claim_open(&options, claim);
}

static struct output_claim *claim_folder(bool resume)
{
    struct output_claim *claim;

    if (try_claim(resume, NULL, &claim) != 0)
        fail_msg("%s", error_message());
    return claim;
}

static void expect_message(const char *part)
{
    if (!strstr(error_message(), part))
        fail_msg("\"%s\" does not contain \"%s\"", error_message(), part);
}

static bool is_there(const char *name)
{
    char *path = test_path(output, name);
    const bool there = access(path, F_OK) == 0;

    free(path);
    return there;
}

static void append_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "a");

    assert_non_null(file);
    assert_int_equal(fputs(text, file) >= 0, 1);
    assert_int_equal(fclose(file), 0);
}

static void expect_text(const char *path, const char *expected)
{
    char *text;
    size_t size;

    assert_int_equal(file_read(path, 1 << 20, &text, &size), 0);
    assert_string_equal(text, expected);
    free(text);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct string_list make_list(const char *const *items)
{
    struct string_list list = {0};

    for (; *items; items++)
        assert_int_equal(string_list_append(&list, *items), 0);
    return list;
}

/* Puts an image into the folder; `files` are made, and its row has `mask`. */
static void write_image(struct output_claim *claim, const char *name, const char *const *files, const char *mask)
{
    struct output_identity identity = {.path = strdup(name), .size = 1};
    struct string_list list = make_list(files);
    struct string row = {0};

    assert_int_equal(output_claim_begin(claim), 0);
    assert_int_equal(output_claim_add_image(claim, name, &identity, name, &list), 0);
    for (; *files; files++)
        test_write_text(output, *files, "a picture");
    if (mask) {
        string_append_format(&row, "{\"image\":\"%s\",\"objects\":[{\"mask\":\"%s\"}]}\n", name, mask);
        assert_int_equal(output_claim_write_row(claim, row.data, row.length), 0);
    }
    string_free(&row);
    string_list_free(&list);
    output_identity_free(&identity);
}

/* Nobody else gets it, until it is closed; where nothing was begun, nothing is left. */
static void test_lock(void **state)
{
    struct output_claim *claim = claim_folder(false), *second;
    char *parent = test_path(folder, "new");

    (void)state;
    for (int resume = 0; resume < 2; resume++) {
        assert_int_equal(try_claim(resume, NULL, &second), SOWLV2_ERROR_ARGUMENT);
        assert_null(second);
        expect_message("another run of sowlv2 (process ");
    }
    output_claim_close(&claim);
    assert_false(file_exists(parent));
    test_write_text(folder, "new/other", "");
    for (int i = 0; i < 3; i++) {
        claim = claim_folder(false);
        assert_false(output_claim_has_results(claim));
        if (i == 1)
            assert_int_equal(output_claim_begin(claim), 0);
        output_claim_close(&claim);
        assert_int_equal(file_exists(output), i > 0);
        assert_int_equal(is_there("results.jsonl"), i > 0);
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
        const struct output_claim_options options = {.folder = output};

        if (output_claim_open(&options, &claim) == 0 && write(ready[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(try_claim(false, NULL, &claim), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    claim = claim_folder(false);
    output_claim_close(&claim);
    assert_int_equal(test_count_entries(output), 0); /* the folder was there before */
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
    struct output_claim *claim = claim_folder(false);
    struct string_list list = make_list(video);
    char *results = test_path(output, "results.jsonl");

    (void)state;
    write_image(claim, "a", files, files[0]);
    assert_int_equal(output_claim_add_files(claim, &list), 0);
    output_claim_close(&claim);
    for (size_t i = 0; i < 2; i++)
        test_write_text(output, video[i], "a film");
    for (size_t i = 0; i < 3; i++)
        test_write_text(output, own[i], "mine");

    claim = claim_folder(false);
    assert_true(output_claim_has_results(claim));
    for (size_t i = 0; i < 3; i++)
        assert_true(is_there(files[i])); /* not before something new is there */
    assert_int_equal(notices, 0);
    assert_int_equal(output_claim_begin(claim), 0);
    assert_int_equal(notices, 1);
    for (size_t i = 0; i < 3; i++)
        assert_false(is_there(files[i]));
    for (size_t i = 0; i < 2; i++)
        assert_false(is_there(video[i]));
    for (size_t i = 0; i < 3; i++)
        assert_true(is_there(own[i]));
    assert_false(is_there("crops")); /* empty */
    assert_false(is_there("video/overlay"));
    expect_text(results, "");
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
    char *victim = test_path(folder, "victim"), *elsewhere = test_path(folder, "elsewhere/x.png");
    struct output_claim *claim;
    struct string journal = {0};

    (void)state;
    test_write_text(folder, "victim", "precious");
    test_write_text(folder, "elsewhere/x.png", "precious");
    test_write_text(output, "notes.txt", "mine");
    test_write_text(output, "crops/deep/x", "mine");
    test_write_text(output, "binary/frames/y.png", "mine");
    test_link("../../../elsewhere", output, "binary/merged");
    string_append_text(&journal, "sowlv2-journal\t1\nfiles");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        string_append_format(&journal, "\t%s", names[i]);
    string_append_format(&journal, "\t%s\nfiles\t%%zz\n\nimage\n\tx\nfiles\tcrops/z.png\nfiles\tcrops/torn.png",
                         victim);
    test_write_text(output, "crops/z.png", "z");
    test_write_text(output, "crops/torn.png", "torn");
    test_write_text(output, ".sowlv2/journal", journal.data);
    claim = claim_folder(false);
    assert_int_equal(output_claim_begin(claim), 0);
    output_claim_close(&claim);
    expect_text(victim, "precious");
    expect_text(elsewhere, "precious");
    assert_true(is_there("notes.txt") && is_there("crops/deep/x") && is_there("binary/frames/y.png"));
    assert_false(is_there("crops/z.png")); /* behind the damaged lines */
    assert_true(is_there("crops/torn.png"));
    string_free(&journal);
    free(victim);
    free(elsewhere);
}

/* Links are refused, wherever results would go through them. */
static void test_links(void **state)
{
    static const char *const links[] = {".sowlv2", "binary", "binary/frames", "results.jsonl"};

    (void)state;
    test_write_text(folder, "elsewhere/keep", "");
    for (size_t i = 0; i < 4; i++) {
        char *elsewhere = test_path(folder, "elsewhere"), *path;
        struct output_claim *claim = NULL;
        int status;

        free(output);
        output = test_folder_make();
        path = test_path(output, links[i]);
        if (i == 2)
            test_write_text(output, "binary/keep", "");
        test_link(i == 3 ? "/nonexistent/victim" : elsewhere, output, links[i]);
        status = try_claim(false, NULL, &claim);
        if (!status)
            status = output_claim_begin(claim);
        if (!status)
            status = output_claim_make_folder(claim, "binary/frames");
        assert_int_equal(status, SOWLV2_ERROR_IO);
        expect_message(path);
        expect_message("is a symbolic link");
        output_claim_close(&claim);
        assert_int_equal(test_count_entries(elsewhere), 1);
        free(path);
        free(elsewhere);
        test_folder_remove(output);
        output = strdup("");
    }
}

/* The output folder may be a link, one in it may not. */
static void test_linked_folder(void **state)
{
    struct output_claim_options options = {.below = true};
    char *real = test_path(folder, "real/.keep"), *link = test_path(folder, "link");
    struct output_claim *claim;

    (void)state;
    test_write_text(folder, "real/.keep", "");
    test_link("real", folder, "link");
    options.folder = link;
    assert_int_equal(output_claim_open(&options, &claim), SOWLV2_ERROR_IO);
    expect_message("is a symbolic link");
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
    char *path = test_path(output, "results.jsonl");
    struct output_claim *claim;

    (void)state;
    test_write_text(output, "results.jsonl", "{\"accuracy\":0.9}\n");
    claim = claim_folder(false);
    assert_int_equal(output_claim_begin(claim), SOWLV2_ERROR_FORMAT);
    expect_message("results.jsonl:1: not a row of results");
    output_claim_close(&claim);
    expect_text(path, "{\"accuracy\":0.9}\n");
    assert_int_equal(test_count_entries(output), 1); /* nor is a mark left */
    free(path);
}

/* With resume what is done stays; what is not, and the files of what was begun alone, go. */
static void test_resume(void **state)
{
    struct output_claim *claim = claim_folder(false);
    char *path = test_path(output, "results.jsonl"), *text;
    struct string_list stems = {0};
    size_t size;

    (void)state;
    write_image(claim, "a", LIST("binary/frames/a.png", "crops/a.png"), "binary/frames/a.png");
    write_image(claim, "b", LIST("binary/frames/b.png", "crops/b.png"), "binary/frames/gone.png");
    write_image(claim, "c", LIST("binary/frames/c.png", "binary/frames/a.png"), NULL); /* killed; a's file too */
    output_claim_close(&claim);
    assert_int_equal(file_read(path, 1 << 20, &text, &size), 0);
    test_write_text(output, "results.jsonl", "\n");
    append_text(path, text);
    append_text(path, " \r\n{\"image\":\"torn");
    *strchr(text, '\n') = '\0'; /* the first row */

    claim = claim_folder(true);
    assert_int_equal(output_claim_load(claim), 0);
    assert_true(output_claim_has_name(claim, "a"));
    assert_false(output_claim_has_name(claim, "b"));
    assert_false(output_claim_has_name(claim, "c"));
    assert_int_equal(output_claim_stems(claim, &stems), 0);
    assert_int_equal(stems.count, 1);
    assert_string_equal(stems.items[0], "a");
    assert_int_equal(output_claim_begin(claim), 0);
    assert_true(is_there("binary/frames/a.png") && is_there("crops/a.png"));
    assert_false(is_there("binary/frames/b.png") || is_there("crops/b.png") || is_there("binary/frames/c.png"));
    write_image(claim, "b", LIST("binary/frames/b.png"), "binary/frames/b.png");
    output_claim_close(&claim);
    claim = claim_folder(true);
    assert_int_equal(output_claim_load(claim), 0);
    assert_true(output_claim_has_name(claim, "a") && output_claim_has_name(claim, "b"));
    output_claim_close(&claim);
    string_list_free(&stems);
    free(text);
    free(path);
}

/* Another job is refused, and the message says what is not the same. */
static void test_job(void **state)
{
    static const struct {
        const char *job[10];
        const char *message;
    } rows[] = {
        {{"--prompt", "cat", "--prompt", "dog", "--nms", "0.5", NULL}, NULL},
        {{"--nms", "0.5", "--prompt", "cat", "--prompt", "dog", NULL}, NULL},
        {{"--prompt", "cat", "--nms", "0.5", NULL}, "--prompt 'cat' 'dog', now 'cat'"},
        {{"--prompt", "dog", "--prompt", "cat", "--nms", "0.5", NULL}, "--prompt 'cat' 'dog', now 'dog' 'cat'"},
        {{"--prompt", "cat' 'dog", "--nms", "0.5", NULL}, "--prompt"},
        {{"--prompt", "cat", "--prompt", "dog", "--nms", "0.6", NULL}, "--nms '0.5', now '0.6'"},
        {{"--prompt", "cat", "--prompt", "dog", NULL}, "--nms '0.5', now not given"},
        {{"--prompt", "cat", "--prompt", "dog", "--nms", "0.5", "--crops", "on", NULL}, "--crops not given, now 'on'"},
    };
    struct output_claim *claim;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct string_list job = make_list(rows[i].job);
        int status;

        assert_int_equal(try_claim(i > 0, &job, &claim), 0);
        status = i > 0 ? output_claim_load(claim) : output_claim_begin(claim);
        assert_int_equal(status, rows[i].message ? SOWLV2_ERROR_ARGUMENT : 0);
        if (rows[i].message)
            expect_message(rows[i].message);
        output_claim_close(&claim);
        string_list_free(&job);
    }
}

/* Rows of which nothing is known, of another job, or of a video, are not gone on with. */
static void test_unknown_rows(void **state)
{
    static const char *const rows[] = {
        "{\"image\":\"b\",\"objects\":[]}\n",
        "{\"image\":\"a\",\"objects\":[],\"job\":\"0123456789abcdef\"}\n",
        "{\"video\":\"a\",\"objects\":[]}\n",
    };
    struct output_claim *claim = claim_folder(false);

    (void)state;
    write_image(claim, "a", LIST("crops/a.png"), "crops/a.png");
    output_claim_close(&claim);
    for (size_t i = 0; i < 3; i++) {
        test_write_text(output, "results.jsonl", rows[i]);
        claim = claim_folder(true);
        assert_int_equal(output_claim_load(claim), SOWLV2_ERROR_ARGUMENT);
        expect_message("results.jsonl:1");
        output_claim_close(&claim);
        assert_true(is_there("crops/a.png"));
    }
}

static void expect_video(const char *name, int64_t rows, bool whole)
{
    struct output_video video;
    bool is_whole;

    assert_int_equal(output_video_read(output, &video), 0);
    assert_string_equal(video.name, name);
    assert_int_equal(video.rows, rows);
    assert_int_equal(output_video_is_whole(output, &video, &is_whole), 0);
    assert_int_equal(is_whole, whole);
    output_video_free(&video);
}

/* A video is whole once it came to its end and all its rows are there. */
static void test_video(void **state)
{
    static const char row[] = "{\"video\":\"x\\ty\",\"objects\":[{\"mask\":\"binary/frames/1.png\"}]}\n";
    struct output_claim *claim = claim_folder(false);
    struct output_identity identity = {.path = strdup("/a\tb"), .size = 7, .modified = -3};
    char *path = test_path(output, "results.jsonl"), *mask = test_path(output, "binary/frames/1.png");
    struct output_video video;

    (void)state;
    assert_int_equal(output_video_read(output, &video), 0);
    assert_null(video.name);
    output_video_free(&video);
    assert_int_equal(output_claim_begin(claim), 0);
    assert_int_equal(output_claim_add_video(claim, "x\ty", &identity), 0);
    test_write_text(output, "binary/frames/1.png", "");
    for (int i = 0; i < 3; i++)
        assert_int_equal(output_claim_write_row(claim, row, strlen(row)), 0);
    expect_video("x\ty", -1, false);
    assert_int_equal(output_claim_finish_video(claim, 3), 0);
    output_claim_close(&claim);
    expect_video("x\ty", 3, true);
    assert_int_equal(output_video_read(output, &video), 0);
    assert_string_equal(video.identity.path, "/a\tb");
    assert_int_equal(video.identity.size, 7);
    assert_int_equal(video.identity.modified, -3);
    output_video_free(&video);
    assert_int_equal(unlink(mask), 0);
    expect_video("x\ty", 3, false);
    test_write_text(output, "binary/frames/1.png", "");
    assert_int_equal(truncate(path, (off_t)(3 * strlen(row) - 1)), 0);
    expect_video("x\ty", 3, false);
    /* Images do not go there. */
    claim = claim_folder(true);
    assert_int_equal(output_claim_load(claim), SOWLV2_ERROR_ARGUMENT);
    expect_message("the results of a video, x?y");
    output_claim_close(&claim);
    output_identity_free(&identity);
    free(path);
    free(mask);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_lock),  CASE(test_killed),        CASE(test_anew),         CASE(test_hostile_journal),
        CASE(test_links), CASE(test_linked_folder), CASE(test_foreign_rows), CASE(test_resume),
        CASE(test_job),   CASE(test_unknown_rows),  CASE(test_video),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
