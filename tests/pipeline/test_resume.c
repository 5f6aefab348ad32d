/* --resume: what an earlier run left is kept, completed and not done again. */
#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"
#include "fake_detector.h"
#include "run_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A run over 10 pictures of which the first 6 were done, with masks. */
static struct run_case *half_done(void)
{
    struct run_case *run = open_case();

    run->segmenter = fake_segmenter;
    run->job.batch_size = 1;
    add_pictures(run, 10);
    fake_detector.interrupt_at = 7; /* before its masks */
    assert_int_equal(process(run), 0);
    assert_int_equal(run->row_count, 6);
    fake_detector_reset();
    run->job.resume = true;
    return run;
}

static char *results(const struct run_case *run, size_t *size)
{
    char *path = test_path(run->output, "results.jsonl"), *text = NULL;

    assert_int_equal(file_read(path, 1 << 24, &text, size), 0);
    free(path);
    return text;
}

static void check_all(const struct run_case *run, size_t count)
{
    bool seen[32] = {false};

    assert_int_equal(run->row_count, count);
    for (size_t i = 0; i < count; i++) {
        int number = atoi(row_name(run, i));

        assert_in_range(number, 1, 31);
        assert_false(seen[number]);
        seen[number] = true;
    }
}

static void test_rest(void **state)
{
    struct run_case *run = half_done();
    size_t before, after;
    char *first = results(run, &before), *both;

    (void)state;
    assert_int_equal(process(run), 0);
    assert_int_equal(run->report.skipped, 6);
    assert_int_equal(run->report.images, 4);
    assert_int_equal(fake_detector.images, 4);
    check_all(run, 10);
    both = results(run, &after);
    assert_memory_equal(both, first, before);
    free(first);
    free(both);
    fake_detector_reset();
    assert_int_equal(process(run), 0); /* and now there is nothing to do */
    assert_int_equal(run->report.skipped, 10);
    assert_int_equal(run->report.images, 0);
    assert_int_equal(fake_detector.calls, 0);
    check_all(run, 10);
    close_case(run);
}

/* Cut anywhere, as a crash leaves it: the whole rows stay, the rest is done anew. */
static void test_torn(void **state)
{
    (void)state;
    for (size_t cut = 1; cut < 250; cut += 31) {
        struct run_case *run = half_done();
        char *path = test_path(run->output, "results.jsonl");
        size_t size, rows = 0;
        char *text = results(run, &size);

        assert_true(cut < size);
        for (size_t i = 0; i < size - cut; i++)
            rows += text[i] == '\n';
        assert_int_equal(truncate(path, (off_t)(size - cut)), 0);
        assert_int_equal(process(run), 0);
        assert_int_equal(run->report.skipped, rows);
        check_all(run, 10);
        free(text);
        free(path);
        close_case(run);
    }
}

/* Half-written files of a run that was killed go, also without --resume. */
static void test_leftovers(void **state)
{
    static const char *const names[] = {".sowlv2-1-7.part", "binary/merged/.sowlv2-1-8.part",
                                        "overlay/frames/.sowlv2-1-9.part"};

    (void)state;
    for (int resume = 0; resume < 2; resume++) {
        struct run_case *run = half_done();

        run->job.resume = resume != 0;
        for (size_t i = 0; i < 3; i++)
            test_write_text(run->output, names[i], "half");
        assert_int_equal(process(run), 0);
        check_all(run, 10);
        for (size_t i = 0; i < 3; i++) {
            char *path = test_path(run->output, names[i]);

            assert_false(file_exists(path));
            free(path);
        }
        close_case(run);
    }
}

/* A row whose mask is gone is no complete row. */
static void test_missing_file(void **state)
{
    struct run_case *run = half_done();
    char *mask = test_path(run->output, "binary/frames/3_obj1_cat_mask.png");

    (void)state;
    assert_int_equal(unlink(mask), 0);
    assert_int_equal(process(run), 0);
    assert_int_equal(run->report.skipped, 5);
    check_all(run, 10);
    assert_true(file_exists(mask));
    free(mask);
    close_case(run);
}

/* Names in the output do not move when inputs are skipped. */
static void test_stems(void **state)
{
    struct run_case *run = open_case();

    (void)state;
    run->segmenter = fake_segmenter;
    run->job.batch_size = 1;
    add_picture(run, "a.jpg", 20, 8);
    add_picture(run, "a.png", 32, 8);
    fake_detector.interrupt_at = 2;
    assert_int_equal(process(run), 0);
    assert_int_equal(run->row_count, 1);
    fake_detector_reset();
    run->job.resume = true;
    assert_int_equal(process(run), 0);
    assert_int_equal(run->row_count, 2);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(json_object_get(run->rows[1], "objects"), 0), "mask")),
        "binary/frames/a~2_obj1_cat_mask.png");
    close_case(run);
}

/* Nothing there yet: as without --resume. */
static void test_first_run(void **state)
{
    struct run_case *run = open_case();

    (void)state;
    add_pictures(run, 5);
    run->job.resume = true;
    assert_int_equal(process(run), 0);
    assert_int_equal(run->report.skipped, 0);
    check_all(run, 5);
    close_case(run);
}

/* A results.jsonl that is something else is not touched. */
static void test_foreign_file(void **state)
{
    static const char *const texts[] = {"not JSON\n", "{\"image\":\"1.png\"}\n", "[]\n", "{\"objects\":[]}\n"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct run_case *run = open_case();
        size_t size;
        char *text;

        add_pictures(run, 5);
        run->job.resume = true;
        test_write_text(run->output, "results.jsonl", texts[i]);
        assert_int_equal(process_images(run, &run->report), SOWLV2_ERROR_FORMAT);
        assert_non_null(strstr(error_message(), "results.jsonl:1"));
        text = results(run, &size);
        assert_string_equal(text, texts[i]);
        assert_int_equal(test_count_entries(run->output), 1); /* nothing is left beside it */
        free(text);
        close_case(run);
    }
}

/* Without --resume the file begins anew. */
static void test_without(void **state)
{
    struct run_case *run = half_done();

    (void)state;
    run->job.resume = false;
    assert_int_equal(process(run), 0);
    assert_int_equal(run->report.images, 10);
    check_all(run, 10);
    close_case(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rest),         cmocka_unit_test(test_torn),    cmocka_unit_test(test_leftovers),
        cmocka_unit_test(test_missing_file), cmocka_unit_test(test_stems),   cmocka_unit_test(test_first_run),
        cmocka_unit_test(test_foreign_file), cmocka_unit_test(test_without),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
