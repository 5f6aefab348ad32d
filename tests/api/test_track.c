/* Tracking through the public API: masks, scores and pointers against the reference's streaming session, frame by
 * frame, where its rules and ours are the same (see src/models/sam2/video.h); corrections, objects that come and go. */
#include "track_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Runs the first `steps` steps of a run; of the objects of each only `only` is given and compared, -1: all. */
static void check_run(const char *model, const char *run, int steps, int only)
{
    struct track_case test = case_open(model, run, NULL);
    int32_t *frames = golden_integers(golden(test.file, "%s.steps", run));
    int64_t both = 0, either = 0, current = -1;

    for (int step = 0; step < steps; step++) {
        const struct host_tensor *tensor = golden(test.file, "%s.%d.objects", run, step);
        int32_t *objects = golden_integers(tensor);
        struct sowlv2_tracks tracks;

        if (frames[step] != current)
            case_set_frame(&test, frames[step]);
        current = frames[step];
        case_prompt(&test, step, only);
        tracks = case_run(&test, NULL);
        assert_int_equal(tracks.count, only < 0 ? tensor->dim[0] : 1);
        for (int64_t row = 0; row < tensor->dim[0]; row++) {
            if (only >= 0 && objects[row] != only)
                continue;
            assert_true(only >= 0 || tracks.items[row].object == objects[row]);
            check_track(&test, step, row, find_track(&tracks, objects[row]), &both, &either);
        }
        sowlv2_tracks_free(&tracks);
        assert_null(tracks.items);
        free(objects);
    }
    print_message("%s %s, %d steps: masks' IoU %.5f\n", model, run, steps, (double)both / (double)either);
    assert_true(either > 0 && (double)both >= 0.99 * (double)either);
    free(frames);
    case_close(&test);
}

/* A box over 20 frames with one object that goes and comes back; several objects, of which one is refined on a frame
 * that comes once more; a click. Up to where the reference's rules differ. */
static void test_box(void **state)
{
    (void)state;
    check_run("sam2_video_tiny", "one", 20, -1);
}

static void test_objects_and_refining(void **state)
{
    (void)state;
    check_run("sam2_video_tiny", "three", 7, -1);
}

static void test_point(void **state)
{
    (void)state;
    check_run("sam2_video_fields", "point", 12, -1);
}

/* A box and a point in one prompt; a mask's own frame. */
static void test_box_and_point(void **state)
{
    (void)state;
    check_run("sam2_video_fields", "masks", 5, 1);
}

/* What a mask prompt gives on its frame is that mask: of the frame's size, and of another one. */
static void test_mask(void **state)
{
    static const struct {
        int number, object, frame;
    } rows[] = {{0, 0, 0}, {3, 3, 6}};

    (void)state;
    for (size_t r = 0; r < 2; r++) {
        struct track_case test = case_open("sam2_video_fields", "masks", NULL);
        const struct host_tensor *mask = golden(test.file, "masks.prompt.%d.mask", rows[r].number);
        const int width = (int)mask->dim[1], height = (int)mask->dim[0];
        const uint8_t *given = mask->data;
        const struct sowlv2_track_prompt masked = {.mask = given, .mask_width = width, .mask_height = height};
        struct sowlv2_tracks tracks;
        int64_t same = 0, total;
        uint8_t *pixels;

        case_set_frame(&test, rows[r].frame);
        must(sowlv2_track_prompt(test.session, rows[r].object, &masked));
        tracks = case_run(&test, NULL);
        assert_int_equal(tracks.count, 1);
        assert_true(tracks.items[0].prompted);
        total = (int64_t)tracks.items[0].mask.width * tracks.items[0].mask.height;
        pixels = malloc((size_t)total);
        must(sowlv2_mask_to_pixels(&tracks.items[0].mask, pixels));
        for (int64_t i = 0; i < total; i++) {
            const int64_t x = i % tracks.items[0].mask.width, y = i / tracks.items[0].mask.width;
            const int64_t u = x * width / tracks.items[0].mask.width, v = y * height / tracks.items[0].mask.height;

            same += pixels[i] == given[v * width + u];
        }
        assert_true((double)same >= 0.9 * (double)total); /* it went through low-resolution logits */
        free(pixels);
        sowlv2_tracks_free(&tracks);
        case_close(&test);
    }
}

/* Objects come and go while the others go on as if they were alone. */
static void test_add_and_remove(void **state)
{
    struct track_case alone = case_open("sam2_video_tiny", "one", NULL),
                      test = case_open("sam2_video_tiny", "one", NULL);

    (void)state;
    for (int frame = 0; frame < 12; frame++) {
        struct sowlv2_tracks wanted, found;
        const struct sowlv2_track *mine;

        case_set_frame(&alone, frame);
        case_set_frame(&test, frame);
        if (frame == 0)
            must(sowlv2_track_prompt(alone.session, 7, &case_other_boxed));
        if (frame == 0)
            must(sowlv2_track_prompt(test.session, 7, &case_other_boxed));
        if (frame == 4)
            must(sowlv2_track_prompt(test.session, -3, &case_boxed));
        if (frame == 9)
            must(sowlv2_track_remove(test.session, -3));
        wanted = case_run(&alone, NULL);
        found = case_run(&test, NULL);
        assert_int_equal(wanted.count, 1);
        assert_int_equal(found.count, frame >= 4 && frame < 9 ? 2 : 1);
        assert_int_equal(found.items[0].object, 7); /* in the order in which they came */
        assert_int_equal(found.items[0].prompted, frame == 0);
        if (frame >= 4 && frame < 9)
            assert_int_equal(find_track(&found, -3)->prompted, frame == 4);
        mine = find_track(&found, 7);
        assert_true(fabsf(mine->mask.object_score - wanted.items[0].mask.object_score) <= 1e-3f);
        assert_int_equal(mine->mask.area > 0, wanted.items[0].mask.area > 0);
        assert_true(mine->mask.area == 0 || sowlv2_mask_iou(&mine->mask, &wanted.items[0].mask) >= 0.99);
        sowlv2_tracks_free(&wanted);
        sowlv2_tracks_free(&found);
    }
    assert_int_equal(sowlv2_track_remove(test.session, -3), SOWLV2_ERROR_ARGUMENT);
    case_close(&alone);
    case_close(&test);
}

/* A prompt on an earlier frame that is kept: it is as if it had been given there, and what follows goes by it. */
static void test_return(void **state)
{
    struct sowlv2_track_options options = sowlv2_track_options_default();
    struct sowlv2_track_run_options fresh = sowlv2_track_run_options_default();
    fresh.prompted_only = true;
    struct track_case test, plain;
    struct sowlv2_tracks tracks, before, after;

    (void)state;
    options.keep_frames = 4;
    test = case_open("sam2_video_tiny", "one", &options);
    plain = case_open("sam2_video_tiny", "one", &options);
    for (int frame = 0; frame < 8; frame++) {
        case_set_frame(&test, frame);
        case_set_frame(&plain, frame);
        if (frame == 0) {
            must(sowlv2_track_prompt(test.session, 7, &case_other_boxed));
            must(sowlv2_track_prompt(plain.session, 7, &case_other_boxed));
        }
        tracks = case_run(&test, NULL);
        sowlv2_tracks_free(&tracks);
        tracks = case_run(&plain, NULL);
        sowlv2_tracks_free(&tracks);
    }
    assert_int_equal(sowlv2_track_return(test.session, 3), SOWLV2_ERROR_ARGUMENT);
    assert_non_null(strstr(sowlv2_error_message(), "keep_frames"));
    assert_int_equal(sowlv2_track_return(test.session, 8), SOWLV2_ERROR_ARGUMENT);
    must(sowlv2_track_return(test.session, 7)); /* the current one */
    must(sowlv2_track_return(test.session, 4));
    before = case_run(&test, NULL);
    assert_false(before.items[0].prompted);
    must(sowlv2_track_prompt(test.session, 7, &case_boxed));
    after = case_run(&test, &fresh);
    assert_int_equal(after.count, 1);
    assert_true(after.items[0].prompted);
    assert_true(memcmp(before.items[0].pointer, after.items[0].pointer, sizeof(float)) != 0);
    sowlv2_tracks_free(&after);
    sowlv2_tracks_free(&before);
    after = case_run(&test, &fresh); /* nothing new */
    assert_int_equal(after.count, 0);
    sowlv2_tracks_free(&after);
    for (int64_t frame = 5; frame < 9; frame++) {
        if (frame < 8)
            must(sowlv2_track_return(test.session, frame));
        else
            case_set_frame(&test, frame);
        after = case_run(&test, NULL);
        assert_int_equal(after.count, 1);
        sowlv2_tracks_free(&after);
    }
    case_set_frame(&plain, 8);
    before = case_run(&plain, NULL);
    must(sowlv2_track_return(test.session, 8));
    after = case_run(&test, NULL);
    assert_true(fabsf(before.items[0].mask.object_score - after.items[0].mask.object_score) > 1e-3f);
    sowlv2_tracks_free(&before);
    sowlv2_tracks_free(&after);
    case_close(&test);
    case_close(&plain);
}

/* Through the video backward is as through the frames in the other order. */
static void test_backward(void **state)
{
    struct sowlv2_track_run_options reverse = sowlv2_track_run_options_default();
    reverse.reverse = true;
    struct track_case back = case_open("sam2_video_tiny", "one", NULL),
                      forth = case_open("sam2_video_tiny", "one", NULL);

    (void)state;
    for (int i = 0; i < 10; i++) {
        const struct sowlv2_image image = case_image(back.file, 19 - i);
        struct sowlv2_tracks one, two;

        must(sowlv2_track_set_frame(back.session, 19 - i, &image));
        must(sowlv2_track_set_frame(forth.session, i, &image));
        if (i == 0) {
            must(sowlv2_track_prompt(back.session, 1, &case_boxed));
            must(sowlv2_track_prompt(forth.session, 1, &case_boxed));
        }
        one = case_run(&back, &reverse);
        two = case_run(&forth, NULL);
        assert_int_equal(one.count, 1);
        check_near("object score", one.items[0].mask.object_score, two.items[0].mask.object_score);
        check_near("mask score", one.items[0].mask.mask_score, two.items[0].mask.mask_score);
        for (int k = 0; k < one.items[0].pointer_length; k++)
            check_near("pointer", one.items[0].pointer[k], two.items[0].pointer[k]);
        assert_int_equal(one.items[0].mask.area, two.items[0].mask.area);
        sowlv2_tracks_free(&one);
        sowlv2_tracks_free(&two);
    }
    case_close(&back);
    case_close(&forth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_box),    cmocka_unit_test(test_objects_and_refining),
        cmocka_unit_test(test_point),  cmocka_unit_test(test_box_and_point),
        cmocka_unit_test(test_mask),   cmocka_unit_test(test_add_and_remove),
        cmocka_unit_test(test_return), cmocka_unit_test(test_backward),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
