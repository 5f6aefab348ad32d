/* Going on in an output folder: what stays, what another job is, whether a video is whole. */
#include "claim_case.h"

#include "base/error.h"
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void append_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "a");

    assert_non_null(file);
    assert_int_equal(fputs(text, file) >= 0, 1);
    assert_int_equal(fclose(file), 0);
}

/* With resume what is done stays; what is not, and the files of what was begun alone, go. */
static void test_resume(void **state)
{
    struct output_claim *claim = claim_take(false);
    char *path = test_path(claim_output, "results.jsonl"), *text;
    struct string_list stems = {0};
    size_t size;

    (void)state;
    claim_write_image(claim, "a", CLAIM_LIST("binary/frames/a.png", "crops/a.png"), "binary/frames/a.png");
    claim_write_image(claim, "b", CLAIM_LIST("binary/frames/b.png", "crops/b.png"), "binary/frames/gone.png");
    claim_write_image(claim, "c", CLAIM_LIST("binary/frames/c.png", "binary/frames/a.png"),
                      NULL); /* killed; a's file too */
    output_claim_close(&claim);
    assert_int_equal(file_read(path, 1 << 20, &text, &size), 0);
    test_write_text(claim_output, "results.jsonl", "\n");
    append_text(path, text);
    append_text(path, " \r\n{\"image\":\"torn");
    *strchr(text, '\n') = '\0'; /* the first row */

    claim = claim_take(true);
    assert_int_equal(output_claim_load(claim), 0);
    assert_true(output_claim_has_name(claim, "a"));
    assert_false(output_claim_has_name(claim, "b"));
    assert_false(output_claim_has_name(claim, "c"));
    assert_int_equal(output_claim_stems(claim, &stems), 0);
    assert_int_equal(stems.count, 1);
    assert_string_equal(stems.items[0], "a");
    assert_int_equal(output_claim_begin(claim), 0);
    assert_true(claim_has_file("binary/frames/a.png") && claim_has_file("crops/a.png"));
    assert_false(claim_has_file("binary/frames/b.png") || claim_has_file("crops/b.png") ||
                 claim_has_file("binary/frames/c.png"));
    claim_write_image(claim, "b", CLAIM_LIST("binary/frames/b.png"), "binary/frames/b.png");
    output_claim_close(&claim);
    claim = claim_take(true);
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
        struct string_list job = claim_list(rows[i].job);
        int status;

        assert_int_equal(claim_try(i > 0, &job, &claim), 0);
        status = i > 0 ? output_claim_load(claim) : output_claim_begin(claim);
        assert_int_equal(status, rows[i].message ? SOWLV2_ERROR_ARGUMENT : 0);
        if (rows[i].message)
            claim_expect_message(rows[i].message);
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
    struct output_claim *claim = claim_take(false);

    (void)state;
    claim_write_image(claim, "a", CLAIM_LIST("crops/a.png"), "crops/a.png");
    output_claim_close(&claim);
    for (size_t i = 0; i < 3; i++) {
        test_write_text(claim_output, "results.jsonl", rows[i]);
        claim = claim_take(true);
        assert_int_equal(output_claim_load(claim), SOWLV2_ERROR_ARGUMENT);
        claim_expect_message("results.jsonl:1");
        output_claim_close(&claim);
        assert_true(claim_has_file("crops/a.png"));
    }
}

static void expect_video(const char *name, int64_t rows, bool whole)
{
    struct output_video video;
    bool is_whole;

    assert_int_equal(output_video_read(claim_output, &video), 0);
    assert_string_equal(video.name, name);
    assert_int_equal(video.rows, rows);
    assert_int_equal(output_video_is_whole(claim_output, &video, &is_whole), 0);
    assert_int_equal(is_whole, whole);
    output_video_free(&video);
}

/* A video is whole once it came to its end and all its rows are there. */
static void test_video(void **state)
{
    static const char row[] = "{\"video\":\"x\\ty\",\"objects\":[{\"mask\":\"binary/frames/1.png\"}]}\n";
    struct output_claim *claim = claim_take(false);
    struct output_identity identity = {.path = strdup("/a\tb"), .size = 7, .modified = -3};
    char *path = test_path(claim_output, "results.jsonl"), *mask = test_path(claim_output, "binary/frames/1.png");
    struct output_video video;

    (void)state;
    assert_int_equal(output_video_read(claim_output, &video), 0);
    assert_null(video.name);
    output_video_free(&video);
    assert_int_equal(output_claim_begin(claim), 0);
    assert_int_equal(output_claim_add_video(claim, "x\ty", &identity), 0);
    test_write_text(claim_output, "binary/frames/1.png", "");
    for (int i = 0; i < 3; i++)
        assert_int_equal(output_claim_write_row(claim, row, strlen(row)), 0);
    expect_video("x\ty", -1, false);
    assert_int_equal(output_claim_finish_video(claim, 3, false), 0);
    output_claim_close(&claim);
    expect_video("x\ty", 3, true);
    assert_int_equal(output_video_read(claim_output, &video), 0);
    assert_string_equal(video.identity.path, "/a\tb");
    assert_int_equal(video.identity.size, 7);
    assert_int_equal(video.identity.modified, -3);
    output_video_free(&video);
    assert_int_equal(unlink(mask), 0);
    expect_video("x\ty", 3, false);
    test_write_text(claim_output, "binary/frames/1.png", "");
    assert_int_equal(truncate(path, (off_t)(3 * strlen(row) - 1)), 0);
    expect_video("x\ty", 3, false);
    /* Images do not go there. */
    claim = claim_take(true);
    assert_int_equal(output_claim_load(claim), SOWLV2_ERROR_ARGUMENT);
    claim_expect_message("the results of a video, x?y");
    output_claim_close(&claim);
    output_identity_free(&identity);
    free(path);
    free(mask);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM_CASE(test_resume),
        CLAIM_CASE(test_job),
        CLAIM_CASE(test_unknown_rows),
        CLAIM_CASE(test_video),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
