/* A second run into the folder of a first one: what belongs to rows that are no more goes, names that stay are nobody
 * else's, and what somebody else put there is left. */
#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"
#include "fake_detector.h"
#include "output/claim.h"
#include "run_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct run_case *open_rerun(void)
{
    struct run_case *run = open_case();

    run->segmenter = fake_segmenter;
    run->job.batch_size = 1;
    run->job.overlays = run->job.crops = true;
    return run;
}

/* All files of a folder and below but the mark's, one a line, sorted; freed by the caller. */
static char *list_files(const char *folder)
{
    char *command, *text = NULL;
    size_t size = 0;
    FILE *from, *to = open_memstream(&text, &size);

    assert_true(
        asprintf(&command, "cd '%s' && find . -path ./.sowlv2 -prune -o -type f -print | LC_ALL=C sort", folder) > 0);
    from = popen(command, "r");
    assert_non_null(from);
    for (int c; (c = fgetc(from)) != EOF;)
        fputc(c, to);
    assert_int_equal(pclose(from), 0);
    fclose(to);
    free(command);
    return text;
}

/* The files of the output are those of a run into a new folder. */
static void expect_fresh(struct run_case *run)
{
    char *fresh = test_path(run->folder, "fresh"), *expected, *found = list_files(run->output);
    const struct sowlv2_run_options job = run->job;
    struct detect_images_report report;

    run->job.output = fresh;
    run->job.resume = false;
    assert_int_equal(process_images(run, &report), 0);
    run->job = job;
    expected = list_files(fresh);
    assert_string_equal(found, expected);
    free(expected);
    free(found);
    free(fresh);
}

static const char *mask_of(const struct run_case *run, size_t row)
{
    return json_string_value(json_object_get(json_array_get(json_object_get(run->rows[row], "objects"), 0), "mask"));
}

/* Fewer objects in a picture, a picture that is gone, outputs that are not wanted any more. */
static void test_stale(void **state)
{
    struct run_case *run = open_rerun();
    char *gone = test_path(run->photos, "3.png");

    (void)state;
    for (int i = 1; i <= 5; i++) {
        char name[16];

        snprintf(name, sizeof(name), "%d.png", i);
        add_picture(run, name, 32, 8); /* three objects */
    }
    assert_int_equal(process(run), 0);
    assert_int_equal(run->report.objects, 15);
    add_picture(run, "2.png", 20, 8);
    assert_int_equal(unlink(gone), 0);
    run->job.crops = false;
    assert_int_equal(process(run), 0);
    assert_int_equal(run->report.images, 4);
    assert_true(run->report.objects < 12);
    expect_fresh(run);
    free(gone);
    close_case(run);
}

/* What the user put among the results. */
static void test_own_files(void **state)
{
    static const char *const own[] = {"binary/frames/1_obj9_cat_mask.png", "notes.txt", "crops/mine/x.png"};
    struct run_case *run = open_rerun();

    (void)state;
    add_pictures(run, 2);
    assert_int_equal(process(run), 0);
    for (size_t i = 0; i < 3; i++)
        test_write_text(run->output, own[i], "mine");
    for (int resume = 0; resume < 2; resume++) {
        run->job.resume = resume != 0;
        add_picture(run, "1.png", 21 + resume, 8);
        assert_int_equal(process(run), 0);
        for (size_t i = 0; i < 3; i++) {
            char *path = test_path(run->output, own[i]);

            assert_true(file_exists(path));
            free(path);
        }
    }
    close_case(run);
}

/* A run that does nothing takes nothing away. */
static void test_nothing_done(void **state)
{
    struct run_case *run = open_rerun();
    char *bad = test_path(run->folder, "bad"), *before, *after;

    (void)state;
    add_pictures(run, 3);
    assert_int_equal(process(run), 0);
    before = list_files(run->output);
    for (int i = 0; i < 5; i++) {
        char name[16];

        snprintf(name, sizeof(name), "bad/%d.png", i);
        test_write_text(run->folder, name, "no picture");
    }
    run->input = bad;
    messages.notices = 0;
    for (int resume = 0; resume < 2; resume++) {
        run->job.resume = resume != 0;
        assert_int_equal(process(run), 0);
        assert_int_equal(run->report.failed, 5);
        assert_int_equal(run->row_count, 3);
        after = list_files(run->output);
        assert_string_equal(after, before);
        free(after);
        if (!resume)
            assert_int_equal(messages.notices, 1); /* that the earlier results stay */
    }
    run->input = run->photos;
    assert_int_equal(process(run), 0);
    assert_int_equal(run->report.skipped, 3);
    free(before);
    free(bad);
    close_case(run);
}

/* One that is done, and one of the same name but the suffix that comes later. */
static void test_added(void **state)
{
    struct run_case *run = open_rerun();

    (void)state;
    add_picture(run, "b.png", 32, 8);
    assert_int_equal(process(run), 0);
    add_picture(run, "b.jpg", 20, 8);
    run->job.resume = true;
    assert_int_equal(process(run), 0);
    assert_int_equal(run->report.skipped, 1);
    assert_int_equal(run->row_count, 2);
    assert_string_equal(mask_of(run, 0), "binary/frames/b_obj1_cat_mask.png");
    assert_string_equal(row_name(run, 1), "b.jpg");
    assert_string_equal(mask_of(run, 1), "binary/frames/b~2_obj1_cat_mask.png");
    close_case(run);
}

/* One that was done and is gone keeps its row, its files and their names. */
static void test_removed(void **state)
{
    struct run_case *run = open_rerun();
    char *gone = test_path(run->photos, "a.jpg"), *mask;

    (void)state;
    add_picture(run, "a.jpg", 20, 8);
    add_picture(run, "a.png", 32, 8);
    fake_detector.interrupt_at = 2;
    assert_int_equal(process(run), 0);
    assert_int_equal(run->row_count, 1);
    fake_detector_reset();
    assert_int_equal(unlink(gone), 0);
    run->job.resume = true;
    assert_int_equal(process(run), 0);
    assert_int_equal(run->row_count, 2);
    assert_string_equal(mask_of(run, 0), "binary/frames/a_obj1_cat_mask.png");
    assert_string_equal(mask_of(run, 1), "binary/frames/a~2_obj1_cat_mask.png");
    mask = test_path(run->output, mask_of(run, 0));
    assert_true(file_exists(mask));
    free(mask);
    free(gone);
    close_case(run);
}

/* Pictures of another folder are others, whatever they are called; of two folders one is done. */
static void test_other_folder(void **state)
{
    struct run_case *run = open_rerun();
    char *other = test_path(run->folder, "e"), *path = test_path(other, "1.png");
    const char *both[2] = {run->photos, other};

    (void)state;
    add_pictures(run, 2);
    test_write_text(run->folder, "e/.keep", "");
    assert_int_equal(process(run), 0);
    add_picture(run, "../e/1.png", 32, 8);
    add_picture(run, "../e/3.png", 32, 8);
    run->job.resume = true;
    run->job.inputs = both;
    run->job.input_count = 2;
    for (int again = 0; again < 2; again++) {
        assert_int_equal(process(run), 0);
        assert_int_equal(run->report.skipped, again ? 4 : 2);
        assert_int_equal(run->row_count, 4);
    }
    assert_string_equal(row_name(run, 2), path);
    assert_string_equal(mask_of(run, 2), "binary/frames/1~2_obj1_cat_mask.png");
    assert_string_equal(row_name(run, 3), "3.png");
    run->job.inputs = &both[1]; /* alone it would be called 1.png */
    run->job.input_count = 1;
    assert_int_equal(process(run), 0);
    assert_int_equal(run->report.skipped, 2);
    assert_int_equal(run->report.images, 0);
    free(path);
    free(other);
    close_case(run);
}

/* A picture that has changed is done again, and its old row and files go. */
static void test_changed(void **state)
{
    struct run_case *run = open_rerun();

    (void)state;
    add_picture(run, "1.png", 32, 8);
    add_picture(run, "2.png", 32, 8);
    assert_int_equal(process(run), 0);
    add_picture(run, "1.png", 20, 8);
    run->job.resume = true;
    assert_int_equal(process(run), 0);
    assert_int_equal(run->report.skipped, 1);
    assert_int_equal(run->row_count, 2);
    assert_string_equal(row_name(run, 0), "2.png");
    assert_int_equal(json_integer_value(json_object_get(run->rows[1], "width")), 20);
    expect_fresh(run);
    close_case(run);
}

/* Killed between the files and the row: the files go, and are made again. */
static void test_killed_before_row(void **state)
{
    struct run_case *run = open_rerun();
    char *results = test_path(run->output, "results.jsonl"), *text;
    char *gone = test_path(run->photos, "2.png");
    size_t size;

    (void)state;
    add_pictures(run, 2);
    assert_int_equal(process(run), 0);
    assert_int_equal(file_read(results, 1 << 20, &text, &size), 0);
    assert_int_equal(truncate(results, strchr(text, '\n') + 1 - text), 0);
    assert_int_equal(unlink(gone), 0);
    run->job.resume = true;
    assert_int_equal(process(run), 0);
    assert_int_equal(run->report.skipped, 1);
    assert_int_equal(run->row_count, 1);
    expect_fresh(run);
    free(text);
    free(results);
    free(gone);
    close_case(run);
}

/* Blank lines, as editors and crashes leave them, are no rows and no error. */
static void test_blank_lines(void **state)
{
    struct run_case *run = open_rerun();
    char *results = test_path(run->output, "results.jsonl"), *text, *end;
    size_t size;

    (void)state;
    add_pictures(run, 3);
    assert_int_equal(process(run), 0);
    assert_int_equal(file_read(results, 1 << 20, &text, &size), 0);
    end = strchr(text, '\n') + 1;

    FILE *file = fopen(results, "w");
    assert_non_null(file);
    fprintf(file, "\n%.*s \t\r\n\n%s\n\n", (int)(end - text), text, end);
    assert_int_equal(fclose(file), 0);
    run->job.resume = true;
    assert_int_equal(process(run), 0);
    assert_int_equal(run->report.skipped, 3);
    assert_int_equal(run->row_count, 3);
    free(text);
    assert_int_equal(file_read(results, 1 << 20, &text, &size), 0);
    assert_null(strstr(text, "\n\n"));
    free(text);
    free(results);
    close_case(run);
}

/* Two at once: the second is refused and changes nothing. */
static void test_two_runs(void **state)
{
    struct run_case *run = open_rerun();
    struct output_claim *claim;
    char *before, *after;

    (void)state;
    add_pictures(run, 3);
    assert_int_equal(process(run), 0);
    before = list_files(run->output);
    assert_int_equal(output_claim_open(&(struct output_claim_options){.folder = run->output}, &claim), 0);
    for (int resume = 0; resume < 2; resume++) {
        run->job.resume = resume != 0;
        assert_int_equal(process(run), SOWLV2_ERROR_ARGUMENT);
        assert_non_null(strstr(error_message(), "another run of sowlv2"));
    }
    after = list_files(run->output);
    assert_string_equal(after, before);
    output_claim_close(&claim);
    assert_int_equal(process(run), 0);
    free(before);
    free(after);
    close_case(run);
}

/* Folders of results that are links. */
static void test_linked_folders(void **state)
{
    static const char *const links[] = {"binary", "binary/frames", "overlay/merged", "crops"};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct run_case *run = open_rerun();
        char *elsewhere = test_path(run->folder, "elsewhere");

        add_pictures(run, 2);
        test_write_text(run->folder, "elsewhere/keep", "");
        test_write_text(run->output, "binary/keep", "");
        test_write_text(run->output, "overlay/keep", "");
        if (i == 0) {
            char *keep = test_path(run->output, "binary/keep"), *binary = test_path(run->output, "binary");

            assert_int_equal(unlink(keep) + rmdir(binary), 0);
            free(keep);
            free(binary);
        }
        test_link(elsewhere, run->output, links[i]);
        assert_int_equal(process(run), SOWLV2_ERROR_IO);
        assert_non_null(strstr(error_message(), "is a symbolic link"));
        assert_int_equal(test_count_entries(elsewhere), 1);
        free(elsewhere);
        close_case(run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stale),    cmocka_unit_test(test_own_files),         cmocka_unit_test(test_nothing_done),
        cmocka_unit_test(test_added),    cmocka_unit_test(test_removed),           cmocka_unit_test(test_other_folder),
        cmocka_unit_test(test_changed),  cmocka_unit_test(test_killed_before_row), cmocka_unit_test(test_blank_lines),
        cmocka_unit_test(test_two_runs), cmocka_unit_test(test_linked_folders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
