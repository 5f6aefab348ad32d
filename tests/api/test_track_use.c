/* Use of a tracking session: threads, bad input, options, cancelling, memory. */
#include "track_case.h"

#include "base/sanitized.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* One thread's video through a shared segmenter. */
struct job {
    struct track_case test;
    float scores[12];
};

static void *follow(void *argument)
{
    struct job *job = argument;

    for (int frame = 0; frame < 12; frame++) {
        const struct sowlv2_image image = case_image(job->test.file, frame);
        struct sowlv2_tracks tracks = {0};

        job->scores[frame] = NAN;
        if (sowlv2_track_set_frame(job->test.session, frame, &image) == 0 &&
            (frame > 0 || sowlv2_track_prompt(job->test.session, 1, &case_other_boxed) == 0) &&
            sowlv2_track_run(job->test.session, NULL, &tracks) == 0 && tracks.count == 1)
            job->scores[frame] = tracks.items[0].mask.object_score;
        sowlv2_tracks_free(&tracks);
    }
    return NULL;
}

static void *create(void *argument)
{
    struct job *job = argument;

    if (sowlv2_track_session_create(job->test.segmenter, NULL, &job->test.session) != 0)
        return NULL;
    return follow(argument);
}

static void test_threads(void **state)
{
    struct track_case first = case_open("sam2_video_tiny", "one", NULL);
    struct job alone = {.test = first}, jobs[2];
    pthread_t threads[2];

    (void)state;
    follow(&alone);
    for (int i = 0; i < 2; i++) { /* also the video part is opened by whoever comes first */
        jobs[i] = (struct job){.test = {.file = first.file, .segmenter = first.segmenter}};
        assert_int_equal(pthread_create(&threads[i], NULL, create, &jobs[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        for (int frame = 0; frame < 12; frame++)
            assert_true(fabsf(jobs[i].scores[frame] - alone.scores[frame]) <= 1e-4f);
        sowlv2_track_session_free(&jobs[i].test.session);
    }
    case_close(&first);
}

static void expect(int status, const char *part)
{
    assert_int_equal(status, SOWLV2_ERROR_ARGUMENT);
    if (!strstr(sowlv2_error_message(), part))
        fail_msg("%s: not about '%s'", sowlv2_error_message(), part);
}

static void test_bad_options(void **state)
{
    sowlv2_segmenter *segmenter = open_segmenter("sam2_video_tiny", 0), *image_only = open_segmenter("sam2_flat", 0);
    struct sowlv2_track_options wrong[6];
    sowlv2_track_session *session = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        wrong[i] = sowlv2_track_options_default();
    wrong[0].max_cond_frames = 0;
    wrong[1].max_cond_frames = -2;
    wrong[2].keep_frames = -1;
    wrong[3].mask_threshold = NAN;
    wrong[4].fill_holes = -1;
    wrong[5].remove_sprinkles = -1;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(sowlv2_track_session_create(segmenter, &wrong[i], &session), SOWLV2_ERROR_ARGUMENT);
        assert_null(session);
    }
    assert_int_equal(sowlv2_track_session_create(NULL, NULL, &session), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_track_session_create(segmenter, NULL, NULL), SOWLV2_ERROR_ARGUMENT);
    /* A model of images alone, and once more: the failure is no half-opened part. */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sowlv2_track_session_create(image_only, NULL, &session), SOWLV2_ERROR_MODEL);
        assert_null(session);
    }
    sowlv2_track_session_free(&session);
    sowlv2_track_session_free(NULL);
    sowlv2_segmenter_free(&segmenter);
    sowlv2_segmenter_free(&image_only);
}

static void test_no_frame(void **state)
{
    struct track_case test = case_open("sam2_video_tiny", "one", NULL);
    const struct sowlv2_image image = case_image(test.file, 0);
    struct sowlv2_image wrong = image;
    struct sowlv2_tracks tracks;

    (void)state;
    expect(sowlv2_track_run(test.session, NULL, &tracks), "no current frame");
    expect(sowlv2_track_prompt(test.session, 1, &case_boxed), "no current frame");
    expect(sowlv2_track_return(test.session, 0), "not kept");
    expect(sowlv2_track_remove(test.session, 1), "no object");
    expect(sowlv2_track_set_frame(test.session, 0, NULL), "needed");
    expect(sowlv2_track_set_frame(NULL, 0, &image), "needed");
    expect(sowlv2_track_set_frame(test.session, INT64_MAX, &image), "number");
    must(sowlv2_track_set_frame(test.session, 0, &image));
    tracks = case_run(&test, NULL);
    assert_int_equal(tracks.count, 0); /* no objects yet */
    sowlv2_tracks_free(&tracks);
    expect(sowlv2_track_return(test.session, 1), "not kept");
    expect(sowlv2_track_run(test.session, NULL, NULL), "needed");
    expect(sowlv2_track_run(NULL, NULL, &tracks), "needed");
    must(sowlv2_track_prompt(test.session, 1, &case_boxed));

    /* After an error there is no current frame. */
    wrong.height--;
    expect(sowlv2_track_set_frame(test.session, 1, &wrong), "52 x 35");
    expect(sowlv2_track_run(test.session, NULL, &tracks), "no current frame");
    wrong = image;
    wrong.stride = 5;
    expect(sowlv2_track_set_frame(test.session, 1, &wrong), "stride");
    expect(sowlv2_track_prompt(test.session, 1, &case_boxed), "no current frame");
    must(sowlv2_track_set_frame(test.session, 0, &image));
    tracks = case_run(&test, NULL);
    assert_int_equal(tracks.count, 1); /* the prompt counts still */
    sowlv2_tracks_free(&tracks);

    /* Files are frames too. */
    struct sowlv2_decoded_image file;
    must(sowlv2_image_decode(TEST_DATA "/media/data/exif_1.jpg", NULL, 0, NULL, &file));
    expect(sowlv2_track_set_frame(test.session, 1, &file.image), "but those");
    sowlv2_track_session_free(&test.session);
    must(sowlv2_track_session_create(test.segmenter, NULL, &test.session));
    must(sowlv2_track_set_frame(test.session, 1, &file.image));
    must(sowlv2_track_prompt(test.session, 1, &(struct sowlv2_track_prompt){.box = (const float[]){1, 1, 6, 5}}));
    tracks = case_run(&test, NULL);
    assert_int_equal(tracks.items[0].mask.width, file.image.width);
    assert_int_equal(tracks.items[0].mask.height, file.image.height);
    sowlv2_decoded_image_free(&file);
    sowlv2_tracks_free(&tracks);
    case_close(&test);
}

static void test_bad_prompts(void **state)
{
    static const float nan_box[] = {8, NAN, 30, 25}, reversed[] = {30, 9, 8, 25}, outside[] = {60, 9, 70, 25};
    static const float inside[] = {3, 4}, nan_point[] = {3, NAN}, outside_point[] = {3, 40};
    static const int32_t label = 2;
    static const uint8_t mask[4] = {1};
    const struct sowlv2_track_prompt wrong[] = {
        {0},
        {.box = nan_box},
        {.box = reversed},
        {.box = outside},
        {.points = nan_point, .point_count = 1},
        {.points = outside_point, .point_count = 1},
        {.point_count = 1},
        {.points = inside, .point_count = 1, .labels = &label},
        {.points = inside, .point_count = SIZE_MAX},
        {.box = case_box, .mask = mask, .mask_width = 2, .mask_height = 2},
        {.mask = mask, .mask_width = 0, .mask_height = 2},
        {.mask = mask, .mask_width = 2, .mask_height = -2},
        {.box = case_box, .refine = true},
    };
    struct track_case test = case_open("sam2_video_tiny", "one", NULL);
    struct sowlv2_tracks tracks;

    (void)state;
    case_set_frame(&test, 0);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(sowlv2_track_prompt(test.session, 1, &wrong[i]), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_track_prompt(test.session, 1, NULL), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(sowlv2_track_prompt(NULL, 1, &case_boxed), SOWLV2_ERROR_ARGUMENT);
    tracks = case_run(&test, NULL);
    assert_int_equal(tracks.count, 0);
    sowlv2_tracks_free(&tracks);
    sowlv2_tracks_free(&tracks);
    sowlv2_tracks_free(NULL);
    case_close(&test);
}

/* The current frame as an image: masks on it cost the decoder only; another image there ends the frame. */
static void test_frame_as_image(void **state)
{
    struct track_case test = case_open("sam2_video_tiny", "one", NULL);
    const struct sowlv2_image image = case_image(test.file, 0), other = case_image(test.file, 5);
    const struct sowlv2_segment_prompt prompt = {.box = case_other_box};
    struct sowlv2_segment_options options = sowlv2_segment_options_default();
    struct sowlv2_mask mask;
    struct sowlv2_tracks tracks;

    (void)state;
    options.pixels = false;
    case_set_frame(&test, 0);
    must(sowlv2_track_prompt(test.session, 4, &case_other_boxed));
    must(sowlv2_segment(sowlv2_track_frame(test.session), &prompt, 1, &options, &mask));
    tracks = case_run(&test, NULL);
    assert_null(tracks.items[0].mask.pixels);
    /* An object's first mask is that of the same box on the image. */
    assert_true(mask.object_score > 0 && tracks.items[0].mask.area > 0);
    assert_true(sowlv2_mask_iou(&mask, &tracks.items[0].mask) >= 0.999);
    sowlv2_tracks_free(&tracks);
    sowlv2_masks_free(&mask, 1);
    must(sowlv2_segment_set_image(sowlv2_track_frame(test.session), &other, NULL));
    expect(sowlv2_track_run(test.session, NULL, &tracks), "no current frame");
    expect(sowlv2_track_prompt(test.session, 4, &case_boxed), "no current frame");
    must(sowlv2_track_set_frame(test.session, 1, &image));
    tracks = case_run(&test, NULL);
    assert_int_equal(tracks.count, 1);
    sowlv2_tracks_free(&tracks);
    case_close(&test);
}

/* `separate` and `pixels`; an object that is not seen is no hole to fill. */
static void test_options(void **state)
{
    struct sowlv2_track_options options = sowlv2_track_options_default();
    struct track_case test, plain = case_open("sam2_video_tiny", "one", NULL);
    struct sowlv2_tracks tracks, overlapping;
    size_t shared = 0, unseen = 0;

    (void)state;
    options.separate = options.pixels = true;
    options.fill_holes = options.remove_sprinkles = 1 << 20;
    test = case_open("sam2_video_tiny", "one", &options);
    for (int frame = 0; frame < 10; frame++) {
        case_set_frame(&test, frame);
        case_set_frame(&plain, frame);
        if (frame == 0) {
            must(sowlv2_track_prompt(test.session, 1, &case_other_boxed));
            must(sowlv2_track_prompt(test.session, 2, &case_other_boxed));
            must(sowlv2_track_prompt(plain.session, 1, &case_other_boxed));
            must(sowlv2_track_prompt(plain.session, 2, &case_other_boxed));
        }
        tracks = case_run(&test, NULL);
        overlapping = case_run(&plain, NULL);
        assert_int_equal(tracks.count, 2);
        for (size_t i = 0; i < 2; i++) {
            assert_non_null(tracks.items[i].mask.pixels);
            unseen += !(tracks.items[i].mask.object_score > 0);
            if (!(tracks.items[i].mask.object_score > 0))
                assert_int_equal(tracks.items[i].mask.area, 0);
        }
        shared += sowlv2_mask_iou(&overlapping.items[0].mask, &overlapping.items[1].mask) > 0.5;
        sowlv2_tracks_free(&tracks);
        sowlv2_tracks_free(&overlapping);
    }
    assert_true(shared > 0 && unseen > 0);
    case_close(&test);
    options.fill_holes = options.remove_sprinkles = 0;
    test = case_open("sam2_video_tiny", "one", &options);
    case_set_frame(&test, 0);
    must(sowlv2_track_prompt(test.session, 1, &case_other_boxed));
    must(sowlv2_track_prompt(test.session, 2, &case_other_boxed));
    tracks = case_run(&test, NULL);
    assert_true(tracks.items[0].mask.area > 0);
    assert_true(sowlv2_mask_iou(&tracks.items[0].mask, &tracks.items[1].mask) <= 0);
    sowlv2_tracks_free(&tracks);
    case_close(&test);
    case_close(&plain);
}

static bool stop_at_once(int done, int total, void *user_data)
{
    const bool *go_on = user_data;

    assert_true(done <= total);
    return *go_on;
}

static void test_cancelled(void **state)
{
    struct sowlv2_track_options options = sowlv2_track_options_default();
    struct sowlv2_image image;
    struct sowlv2_tracks tracks;
    struct track_case test;
    bool go_on = false;

    (void)state;
    options.progress = stop_at_once;
    options.progress_user_data = &go_on;
    test = case_open("sam2_video_tiny", "one", &options);
    image = case_image(test.file, 0);
    assert_int_equal(sowlv2_track_set_frame(test.session, 0, &image), SOWLV2_ERROR_CANCELLED);
    expect(sowlv2_track_prompt(test.session, 1, &case_boxed), "no current frame");
    go_on = true;
    must(sowlv2_track_set_frame(test.session, 0, &image));
    must(sowlv2_track_prompt(test.session, 1, &case_other_boxed));
    go_on = false;
    assert_int_equal(sowlv2_track_run(test.session, NULL, &tracks), SOWLV2_ERROR_CANCELLED);
    assert_null(tracks.items);
    go_on = true;
    tracks = case_run(&test, NULL);
    assert_true(tracks.count == 1 && tracks.items[0].prompted && tracks.items[0].mask.area > 0);
    sowlv2_tracks_free(&tracks);
    case_close(&test);
}

static long resident_pages(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long all, resident;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld %ld", &all, &resident), 2);
    fclose(file);
    return resident;
}

/* Frames without end, objects that come and go, prompts again and again: memory stays as it is. */
static void test_memory(void **state)
{
    enum { WARM = 60, MOST = 260, SLACK_PAGES = 512 };
    struct sowlv2_track_options options = sowlv2_track_options_default();
    struct track_case test;
    long warm = 0;

    (void)state;
    options.keep_frames = 3;
    test = case_open("sam2_video_fields", "point", &options);
    for (int frame = 0; frame < MOST; frame++) {
        const struct sowlv2_image image = case_image(test.file, frame % 12);
        struct sowlv2_tracks tracks;

        must(sowlv2_track_set_frame(test.session, frame, &image));
        if (frame % 5 == 0)
            must(sowlv2_track_prompt(test.session, 1, &case_boxed));
        if (frame % 10 == 0)
            must(sowlv2_track_prompt(test.session, 100 + frame, &case_other_boxed));
        tracks = case_run(&test, NULL);
        assert_in_range(tracks.count, 1, 2);
        sowlv2_tracks_free(&tracks);
        if (frame % 10 == 9)
            must(sowlv2_track_remove(test.session, 100 + frame - 9));
        if (frame == WARM)
            warm = resident_pages();
    }
    print_message("%ld pages after %d frames, %ld after %d\n", warm, WARM, resident_pages(), MOST);
#if !SANITIZED /* sanitizers keep what was freed for a while */
    assert_true(resident_pages() <= warm + SLACK_PAGES);
#endif
    case_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),     cmocka_unit_test(test_bad_options),    cmocka_unit_test(test_no_frame),
        cmocka_unit_test(test_bad_prompts), cmocka_unit_test(test_frame_as_image), cmocka_unit_test(test_options),
        cmocka_unit_test(test_cancelled),   cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
