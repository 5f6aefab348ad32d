/* The image pipeline with a fake detector: order, failures, interruption, outputs, bounded memory. */
#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"
#include "fake_detector.h"
#include "media/image.h"
#include "media/png.h"
#include "run_case.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Every picture once, in natural order, whatever the threads do; batches filled in that order. */
static void test_order(void **state)
{
    static const int threads[] = {1, 2, 7}, batches[] = {1, 3, 64};

    (void)state;
    for (size_t t = 0; t < 3; t++) {
        for (size_t b = 0; b < 3; b++) {
            struct run_case *run = open_case();

            run->job.io_threads = threads[t];
            run->job.batch_size = batches[b];
            add_pictures(run, 25);
            assert_int_equal(process(run), 0);
            assert_int_equal(run->report.images, 25);
            assert_int_equal(run->report.failed, 0);
            assert_int_equal(run->report.objects, 9 * 1 + 10 * 2 + 6 * 3);
            assert_false(run->report.interrupted);
            assert_int_equal(run->row_count, 25);
            assert_int_equal(fake_detector.calls, (25 + batches[b] - 1) / batches[b]);
            for (size_t i = 0; i < 25; i++) {
                char name[32];

                snprintf(name, sizeof(name), "%zu.png", i + 1);
                assert_string_equal(row_name(run, i), name);
                assert_int_equal(json_integer_value(json_object_get(run->rows[i], "width")), 11 + i);
                assert_int_equal(fake_detector.widths[i], 11 + i);
            }
            assert_int_equal(messages.warnings, 0);
            assert_int_equal(messages.notices, 13); /* one for each odd width: a dropped detection */
            close_case(run);
        }
    }
}

/* Several devices: they compute at once, and what comes out is what comes out of one. */
static void test_devices(void **state)
{
    (void)state;
    for (size_t devices = 2; devices <= RUN_DEVICES; devices += 2) {
        struct run_case *run = open_case();

        run->devices = devices;
        run->segmenter = fake_segmenter;
        run->job.batch_size = 2;
        fake_detector.wait = 20000;
        fake_detector.bad_width = 14;
        add_pictures(run, 25);
        assert_int_equal(process(run), 0);
        assert_int_equal(run->report.images, 25);
        assert_int_equal(run->report.failed, 1); /* the other one of its batch is done alone */
        assert_int_equal(run->report.objects, 8 * 1 + 10 * 2 + 6 * 3);
        assert_int_equal(run->row_count, 24);
        assert_in_range(fake_detector.busiest, 2, devices);
        assert_int_equal(fake_detector.largest_batch, 2);
        for (size_t i = 0; i < 24; i++) {
            char name[32];

            snprintf(name, sizeof(name), "%zu.png", i < 3 ? i + 1 : i + 2);
            assert_string_equal(row_name(run, i), name);
        }
        close_case(run);
    }
}

/* An interruption ends all of them. */
static void test_devices_interrupted(void **state)
{
    struct run_case *run = open_case();

    (void)state;
    run->devices = 3;
    run->job.batch_size = 1;
    fake_detector.wait = 2000;
    fake_detector.interrupt_at = 5;
    add_pictures(run, 25);
    assert_int_equal(process(run), 0);
    assert_true(run->report.interrupted);
    assert_in_range(fake_detector.calls, 5, 10);
    assert_in_range(run->row_count, 5, fake_detector.calls);
    close_case(run);
}

static void test_one_file(void **state)
{
    struct run_case *run = open_case();
    char *path = test_path(run->photos, "only.PNG");

    (void)state;
    add_picture(run, "only.PNG", 20, 8);
    run->input = path;
    assert_int_equal(process(run), 0);
    assert_int_equal(run->report.images, 1);
    assert_int_equal(run->row_count, 1);
    assert_string_equal(row_name(run, 0), "only.PNG");
    free(path);
    close_case(run);
}

/* A file that is no image, and one that the detector cannot take: each fails alone and is named. */
static void test_failures(void **state)
{
    struct run_case *run = open_case();

    (void)state;
    add_pictures(run, 10);
    test_write_text(run->photos, "5.png", "this is not a picture");
    fake_detector.bad_width = 17; /* 7.png */
    assert_int_equal(process(run), 0);
    assert_int_equal(run->report.images, 10);
    assert_int_equal(run->report.failed, 2);
    assert_int_equal(run->row_count, 8);
    for (size_t i = 0; i < 8; i++) {
        assert_string_not_equal(row_name(run, i), "5.png");
        assert_string_not_equal(row_name(run, i), "7.png");
    }
    assert_int_equal(messages.warnings, 2);
    assert_string_equal(messages.last_warning, "7.png: this image cannot be detected in");
    close_case(run);
}

static void test_all_fail(void **state)
{
    struct run_case *run = open_case();

    (void)state;
    for (int i = 0; i < 30; i++) {
        char name[32];

        snprintf(name, sizeof(name), "%d.jpg", i);
        test_write_text(run->photos, name, "");
    }
    assert_int_equal(process(run), 0);
    assert_int_equal(run->report.images, 30);
    assert_int_equal(run->report.failed, 30);
    assert_int_equal(run->row_count, 0);
    assert_int_equal(messages.warnings, 30);
    close_case(run);
}

/* An interruption in the second batch: that batch is finished, nothing more is started, the rows are whole. */
static void test_interrupted(void **state)
{
    struct run_case *run = open_case();

    (void)state;
    add_pictures(run, 60);
    fake_detector.interrupt_at = 2;
    fake_detector.wait = 2000;
    assert_int_equal(process(run), 0);
    assert_true(run->report.interrupted);
    assert_int_equal(run->report.images, 8);
    assert_int_equal(run->report.failed, 0);
    assert_int_equal(run->row_count, 8);
    assert_int_equal(fake_detector.calls, 2);
    assert_int_equal(messages.warnings, 0);
    close_case(run);
}

static void test_cancelled(void **state)
{
    struct run_case *run = open_case();

    (void)state;
    add_pictures(run, 20);
    fake_detector.cancel_at = 3;
    assert_int_equal(process(run), 0);
    assert_true(run->report.interrupted);
    assert_int_equal(run->report.images, 8);
    assert_int_equal(run->report.failed, 0);
    assert_int_equal(run->row_count, 8);
    close_case(run);
}

/* Before the first image. */
static void test_interrupted_at_once(void **state)
{
    struct run_case *run = open_case();

    (void)state;
    add_pictures(run, 5);
    fake_detector.interrupted = 1;
    assert_int_equal(process(run), 0);
    assert_true(run->report.interrupted);
    assert_int_equal(run->report.images, 0);
    assert_int_equal(fake_detector.calls, 0);
    close_case(run);
}

/* Overlays lie where the interface page says; equal stems get names of their own. */
static void test_overlays(void **state)
{
    struct run_case *run = open_case();
    char *first = test_path(run->output, "overlay/merged/a_merged_overlay.png");
    char *second = test_path(run->output, "overlay/merged/a~2_merged_overlay.png");
    char *folder = test_path(run->output, "overlay/merged");
    struct image image;

    (void)state;
    add_picture(run, "a.jpg", 20, 8); /* the content decides, not the suffix */
    add_picture(run, "a.png", 32, 8);
    run->job.overlays = true;
    assert_int_equal(process(run), 0);
    assert_int_equal(run->report.failed, 0);
    assert_int_equal(run->row_count, 2);
    assert_int_equal(messages.notices, 1);
    assert_int_equal(test_count_entries(folder), 2);
    assert_int_equal(image_read(first, IMAGE_DEFAULT_MAX_PIXELS, &image), 0);
    assert_int_equal(image.width, 20);
    image_free(&image);
    assert_int_equal(image_read(second, IMAGE_DEFAULT_MAX_PIXELS, &image), 0);
    assert_int_equal(image.width, 32);
    image_free(&image);
    free(first);
    free(second);
    free(folder);
    close_case(run);
}

/* Where an overlay cannot be written, the image fails and has no row. */
static void test_overlay_fails(void **state)
{
    struct run_case *run = open_case();

    (void)state;
    add_picture(run, "a.png", 20, 8);
    add_picture(run, "b.png", 20, 8);
    test_write_text(run->output, "overlay/merged/a_merged_overlay.png/in-the-way", "");
    run->job.overlays = true;
    assert_int_equal(process(run), 0);
    assert_int_equal(run->report.images, 2);
    assert_int_equal(run->report.failed, 1);
    assert_int_equal(run->row_count, 1);
    assert_string_equal(row_name(run, 0), "b.png");
    close_case(run);
}

/* The reader of rows goes away before the first of them. */
static void close_reader(size_t done, size_t total, const char *name, void *user_data)
{
    int *reader = user_data;

    (void)done;
    (void)total;
    (void)name;
    if (*reader >= 0)
        close(*reader);
    *reader = -1;
}

/* Rows that cannot be written, from the first one on, end the run with an error. */
static void test_broken_rows(void **state)
{
    struct run_case *run = open_case();
    char *path = test_path(run->output, "results.jsonl");
    int reader;

    (void)state;
    add_pictures(run, 30);
    test_write_text(run->output, "keep", "");
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(mkfifo(path, 0600), 0);
    reader = open(path, O_RDONLY | O_NONBLOCK);
    free(path);
    run->options.progress = close_reader;
    run->options.progress_user_data = &reader;
    assert_int_equal(process_images(run, &run->report), SOWLV2_ERROR_IO);
    assert_non_null(strstr(sowlv2_error_message(), "results.jsonl"));
    assert_int_equal(run->report.objects, 0);
    close_case(run);
}

static void check_error(struct run_case *run, int status, const char *part)
{
    assert_int_equal(process_images(run, &run->report), status);
    assert_non_null(strstr(sowlv2_error_message(), part));
    assert_int_equal(run->report.images, 0);
    assert_false(file_exists(run->output));
}

static void test_errors(void **state)
{
    struct run_case *run = open_case();
    char *missing = test_path(run->folder, "missing"), *video = test_path(run->folder, "clip.MP4");

    (void)state;
    check_error(run, SOWLV2_ERROR_ARGUMENT, "no image in this folder");
    run->input = missing;
    check_error(run, SOWLV2_ERROR_IO, "missing");
    test_write_text(run->folder, "clip.MP4", "x");
    run->input = video;
    check_error(run, SOWLV2_ERROR_UNSUPPORTED, "a video: give an image");
    run->input = "/dev/null";
    check_error(run, SOWLV2_ERROR_ARGUMENT, "/dev/null");
    run->input = run->photos;
    free(missing);
    free(video);
    close_case(run);
}

static void test_output_errors(void **state)
{
    struct run_case *run = open_case();

    (void)state;
    add_pictures(run, 2);
    test_write_text(run->folder, "out", "a file where the folder should be");
    assert_int_equal(process_images(run, &run->report), SOWLV2_ERROR_IO);
    assert_int_equal(fake_detector.calls, 0);
    close_case(run);
}

static size_t last_done, progress_calls;

static void take_progress(size_t done, size_t total, const char *name, void *user_data)
{
    assert_ptr_equal(user_data, &last_done);
    assert_true(done >= last_done && done <= total);
    assert_int_equal(total, 12);
    assert_non_null(name);
    last_done = done;
    progress_calls++;
}

static void test_progress(void **state)
{
    struct run_case *run = open_case();

    (void)state;
    last_done = progress_calls = 0;
    add_pictures(run, 12);
    run->options.progress = take_progress;
    run->options.progress_user_data = &last_done;
    assert_int_equal(process(run), 0);
    assert_int_equal(last_done, 12);
    assert_true(progress_calls >= 4);
    close_case(run);
}

/* Images so large that two exceed the byte budget's half: they still all go through, in smaller batches. */
static void test_large_images(void **state)
{
    struct run_case *run = open_case();

    (void)state;
    add_picture(run, "0.png", 6000, 5000); /* 90 MB of pixels */
    for (int i = 1; i < 6; i++) {
        char name[32];

        snprintf(name, sizeof(name), "%d.png", i);
        test_link("0.png", run->photos, name);
    }
    run->job.batch_size = 6;
    assert_int_equal(process(run), 0);
    assert_int_equal(run->report.images, 6);
    assert_int_equal(run->report.failed, 0);
    assert_int_equal(fake_detector.largest_batch, 2);
    assert_int_equal(fake_detector.calls, 3);
    close_case(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_devices_interrupted),
        cmocka_unit_test(test_one_file),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_all_fail),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_interrupted_at_once),
        cmocka_unit_test(test_overlays),
        cmocka_unit_test(test_overlay_fails),
        cmocka_unit_test(test_broken_rows),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_output_errors),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_large_images),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
