/* The output of a tracked video where something is in the way: what is said, what stays, and that nothing hangs. */
#include "base/test_folder.h"
#include "pipeline/track_case.h"
#include "video/support.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { WIDTH = 96, HEIGHT = 64 };

static struct output_frame make_frame(int64_t number)
{
    struct output_frame frame = track_case_frame(WIDTH, HEIGHT, number, 0.04 * (double)number);

    track_case_object(&frame, 1, 0, false);
    track_case_object(&frame, 2, 1, false);
    return frame;
}

/* Adds frames until one is refused, at most `most`; gives the status. What is given is taken over always. */
static int add_frames(struct track_output *output, int64_t first, int64_t most)
{
    int status = 0;

    for (int64_t number = first; number < first + most && !status; number++) {
        struct output_frame frame = make_frame(number);

        status = track_output_add(output, &frame);
        assert_null(frame.image.pixels);
        assert_null(frame.objects);
    }
    return status;
}

static void expect_message(const char *part)
{
    if (!strstr(sowlv2_error_message(), part))
        fail_msg("'%s' lacks '%s'", sowlv2_error_message(), part);
}

static size_t count_rows(const char *folder)
{
    json_t *rows = track_case_rows(folder);
    size_t count = json_array_size(rows);

    json_decref(rows);
    return count;
}

static void test_options(void **state)
{
    char *folder = test_folder_make();
    struct track_output_options good = track_case_options(folder, WIDTH, HEIGHT), bad = good;
    struct track_output *output = NULL;

    (void)state;
    bad.width = 0;
    assert_int_equal(track_output_open(&bad, &output), SOWLV2_ERROR_ARGUMENT);
    bad = good;
    bad.threads = 0;
    assert_int_equal(track_output_open(&bad, &output), SOWLV2_ERROR_ARGUMENT);
    bad.threads = 65;
    assert_int_equal(track_output_open(&bad, &output), SOWLV2_ERROR_ARGUMENT);
    assert_null(output);
    assert_int_equal(track_output_close(&output, true, NULL), 0);
    test_folder_remove(folder);
}

/* A file where the folder, or one below it, should be; a folder where results.jsonl should be. */
static void test_blocked_folders(void **state)
{
    static const char *const blocks[] = {"out",       "out/binary",        "out/overlay/frames",
                                         "out/video", "out/video/overlay", "out/results.jsonl/x"};

    (void)state;
    for (size_t i = 0; i < sizeof(blocks) / sizeof(*blocks); i++) {
        char *folder = test_folder_make(), *below = test_path(folder, "out");
        struct track_output_options options = track_case_options(below, WIDTH, HEIGHT);
        struct track_output *output = NULL;

        test_write_text(folder, blocks[i], "in the way");
        assert_int_equal(track_output_open(&options, &output), SOWLV2_ERROR_IO);
        expect_message(i < 5 ? blocks[i] : "results.jsonl");
        assert_null(output);
        free(below);
        test_folder_remove(folder);
    }
}

/* Closed at once, ended without objects, and objects ended twice or never seen. */
static void test_close_orders(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 4; threads += 3) {
        char *folder = test_folder_make();
        struct track_output_options options = track_case_options(folder, WIDTH, HEIGHT);
        struct track_output_report report;
        struct track_output *output;

        options.threads = threads;
        assert_int_equal(track_output_open(&options, &output), 0);
        assert_int_equal(track_output_close(&output, true, &report), 0);
        assert_int_equal(report.frames, 0);
        assert_int_equal(report.videos, 0);
        assert_int_equal(count_rows(folder), 0);

        assert_int_equal(track_output_open(&options, &output), 0);
        track_output_end_object(output, 7);
        assert_int_equal(track_output_close(&output, true, &report), 0);

        assert_int_equal(track_output_open(&options, &output), 0);
        assert_int_equal(add_frames(output, 1, 2), 0);
        for (int i = 0; i < 6; i++)
            track_output_end_object(output, i % 3);
        assert_int_equal(add_frames(output, 3, 2), 0); /* objects that came back: no video is begun anew */
        assert_int_equal(track_output_close(&output, true, &report), 0);
        assert_int_equal(report.frames, 4);
        assert_int_equal(report.videos, 6);
        test_folder_remove(folder);
    }
}

/* A folder where a picture of frame 3 should be. */
static void test_blocked_picture(void **state)
{
    static const char *const names[] = {"overlay/merged/000003_merged_overlay.png",
                                        "binary/frames/000003_obj2_a_red_bicycle__mask.png"};

    (void)state;
    for (int i = 0; i < 4; i++) {
        char *folder = test_folder_make(), *name = test_path(names[i % 2], "x"), *video;
        struct track_output_options options = track_case_options(folder, WIDTH, HEIGHT);
        struct track_output_report report;
        struct track_output *output;
        struct clip clip;

        options.threads = 1 + i;
        test_write_text(folder, name, "in the way");
        assert_int_equal(track_output_open(&options, &output), 0);
        assert_int_equal(add_frames(output, 1, 100), SOWLV2_ERROR_IO);
        expect_message(names[i % 2]);
        expect_message("is a folder");
        assert_int_equal(add_frames(output, 200, 1), SOWLV2_ERROR_IO); /* again, and at once */
        expect_message("is a folder");
        track_output_end_object(output, 1);
        assert_int_equal(track_output_close(&output, true, &report), SOWLV2_ERROR_IO);
        expect_message("is a folder");
        assert_null(output);
        assert_int_equal(report.frames, 2);
        assert_int_equal(count_rows(folder), 2);
        assert_int_equal(report.videos, 6); /* what was encoded is finished */
        video = test_path(folder, "video/binary/obj1_cat_mask.mp4");
        clip = clip_read(video, NULL);
        assert_true(clip.count == 2 || clip.count == 3);
        clip_free(&clip);
        free(video);
        free(name);
        test_folder_remove(folder);
    }
}

/* A folder where a video should be. */
static void test_blocked_video(void **state)
{
    char *folder = test_folder_make();
    struct track_output_options options = track_case_options(folder, WIDTH, HEIGHT);
    struct track_output *output;

    (void)state;
    test_write_text(folder, "video/binary/merged_mask.mp4/x", "in the way");
    assert_int_equal(track_output_open(&options, &output), 0);
    (void)add_frames(output, 1, 1);
    assert_int_equal(track_output_close(&output, true, NULL), SOWLV2_ERROR_IO);
    expect_message("video/binary/merged_mask.mp4");
    expect_message("is a folder");
    assert_int_equal(count_rows(folder), 0);
    test_folder_remove(folder);
}

/* Fills the frame with what no encoder can make small. */
static void fill_noise(struct output_frame *frame)
{
    uint32_t bits = (uint32_t)frame->number * 2654435761u + 1;

    for (size_t i = 0; i < (size_t)WIDTH * HEIGHT * 3; i++) {
        bits = bits * 1664525u + 1013904223u;
        frame->image.pixels[i] = (uint8_t)(bits >> 24);
    }
}

/* A disk that is full, played by a limit on files: the overlay stays as far as it was written, and plays. */
static void run_full_disk(enum sowlv2_mask_codec mask_codec)
{
    char *folder = test_folder_make(), *video = test_path(folder, "video/overlay/merged_overlay.mp4"),
         *videos = test_path(folder, "video/overlay");
    struct track_output_options options = track_case_options(folder, WIDTH, HEIGHT);
    struct rlimit before, small;
    struct track_output *output;
    int status = 0;
    int64_t number = 1;
    struct clip clip;

    options.outputs.pictures = false;
    options.threads = 2;
    track_case_job.mask_codec = mask_codec;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 60000;
    notices_begin();
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    if (track_output_open(&options, &output) != 0)
        status = -100;
    for (; !status && number < 500; number++) {
        struct output_frame frame = make_frame(number);

        fill_noise(&frame);
        status = track_output_add(output, &frame);
    }
    if (status != -100)
        status = track_output_close(&output, true, NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, SOWLV2_ERROR_IO);
    expect_message("/video/overlay/");
    expect_message("File too large");
    assert_non_null(strstr(notices(), "kept as far as it was written"));
    notices_end();
    assert_int_equal(test_count_entries(videos), 3);
    clip = clip_read(video, NULL);
    assert_true(clip.count >= 2 && clip.count <= (int)number);
    clip_free(&clip);
    assert_true(count_rows(folder) >= 2 && count_rows(folder) < (size_t)number);
    free(videos);
    free(video);
    test_folder_remove(folder);
}

static void test_full_disk(void **state)
{
    (void)state;
    run_full_disk(SOWLV2_MASK_H264);
    run_full_disk(SOWLV2_MASK_FFV1);
}

/* Rows that cannot be written. */
static void test_full_rows(void **state)
{
    char *folder = test_folder_make();
    struct track_output_options options = track_case_options(folder, WIDTH, HEIGHT);
    struct track_output_report report;
    struct track_output *output;
    char *path = test_path(folder, "results.jsonl");
    int reader;

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(mkfifo(path, 0600), 0);
    reader = open(path, O_RDONLY | O_NONBLOCK);
    assert_int_equal(track_output_open(&options, &output), 0);
    close(reader);
    assert_int_equal(add_frames(output, 1, 100), SOWLV2_ERROR_IO);
    assert_int_equal(track_output_close(&output, true, &report), SOWLV2_ERROR_IO);
    expect_message("results.jsonl");
    expect_message("Broken pipe");
    assert_int_equal(report.frames, 0);
    free(path);
    test_folder_remove(folder);
}

/* Frames and masks of another size are refused, nothing else; a time that goes back ends the output. */
static void test_wrong_frames(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        char *folder = test_folder_make();
        struct track_output_options options = track_case_options(folder, WIDTH, HEIGHT);
        struct output_frame frame = i == 0 ? track_case_frame(WIDTH - 1, HEIGHT, 2, 1) : make_frame(2);
        struct track_output *output;
        int status;

        if (i == 1)
            frame.objects[1].mask.runs[0]++;
        if (i == 2)
            frame.time = 0.01;
        assert_int_equal(track_output_open(&options, &output), 0);
        assert_int_equal(add_frames(output, 1, 1), 0);
        status = track_output_add(output, &frame);
        assert_null(frame.image.pixels);
        if (i < 2) {
            assert_int_equal(status, SOWLV2_ERROR_ARGUMENT);
            expect_message("clip.mp4: frame 2");
            assert_int_equal(add_frames(output, 2, 1), 0);
        }
        status = track_output_close(&output, true, NULL);
        assert_int_equal(status, i < 2 ? 0 : SOWLV2_ERROR_ARGUMENT);
        if (i == 2)
            expect_message("a picture at 0.01 s");
        assert_int_equal(count_rows(folder), i < 2 ? 2 : 1);
        test_folder_remove(folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),       cmocka_unit_test(test_blocked_folders),
        cmocka_unit_test(test_close_orders),  cmocka_unit_test(test_blocked_picture),
        cmocka_unit_test(test_blocked_video), cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_full_rows),     cmocka_unit_test(test_wrong_frames),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
