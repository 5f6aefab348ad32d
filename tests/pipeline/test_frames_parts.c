/* Scores of frames from those of clips, the choice, and the pictures kept of a pipe. */
#include "pipeline/frames_parts.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct frames_track make_track(int64_t count)
{
    struct frames_track track = {0};

    for (int64_t i = 0; i < count; i++) {
        const struct frames_item item = {.number = i + 1, .time = (double)i, .motion = 0.01F};
        assert_int_equal(frames_track_add(&track, &item), 0);
    }
    return track;
}

static void test_scores(void **state)
{
    const float first[] = {NAN, 2}, second[] = {NAN, 6, 4};
    const struct frames_options options = {.target_frames = 2, .spacing = 3};
    const double raw[] = {NAN, NAN, 2, 2, 2, 6, 6, 4, 4, 4};
    struct frames_track track = make_track(10);
    struct frames_report report = {0};

    (void)state;
    frames_track_score(&track, 0, 4, 2, first, 2, false);
    frames_track_score(&track, 3, 7, 2, second, 3, false); /* an odd frame at the end */
    assert_int_equal(frames_track_finish(&track, &options, 2, &report), 0);
    assert_int_equal(report.count, 10);
    assert_int_equal(report.scene_count, 1);
    assert_int_equal(report.chosen_count, 2);
    for (int i = 0; i < 10; i++) {
        if (isnan(raw[i]) ? !isnan(report.items[i].raw) : report.items[i].raw != (float)raw[i])
            fail_msg("frame %d: %g, expected %g", i, (double)report.items[i].raw, raw[i]);
        const float score = isnan(raw[i]) ? 0.0F : ((float)raw[i] - 2) / 4;
        assert_true(fabsf(report.items[i].score - score) < 1e-6F);
        assert_int_equal(report.items[i].chosen, i == 5 || i == 8);
    }
    frames_track_free(&track);
    frames_report_free(&report);
}

static void test_average_and_once(void **state)
{
    const float low[] = {1}, high[] = {3};
    const struct frames_options options = {.target_fraction = 0.5, .spacing = 1};
    struct frames_track track = make_track(2);
    struct frames_report report = {0};

    (void)state;
    frames_track_score(&track, 0, 2, 2, low, 1, false);
    frames_track_score(&track, 0, 1, 2, high, 1, false);
    frames_track_score(&track, 1, 1, 2, high, 1, true);
    assert_int_equal(frames_track_finish(&track, &options, 2, &report), 0);
    assert_true(report.items[0].raw == 2.0F && report.items[1].raw == 1.0F);
    assert_int_equal(report.chosen_count, 1);
    assert_true(report.items[0].chosen);
    frames_track_free(&track);
    frames_report_free(&report);
}

/* Errors that only grow with the distance predicted say nothing once there are clips enough to see that. */
static void test_distances(void **state)
{
    const float scores[] = {1, 2, 3};
    const struct frames_options options = {.kind = FRAMES_SURPRISE, .target_frames = 1, .spacing = 1};
    struct frames_track track = make_track(30);
    struct frames_report report = {0};

    (void)state;
    for (int clip = 0; clip < 10; clip++) {
        float own[3];
        for (int t = 0; t < 3; t++)
            own[t] = scores[t] * (clip == 4 ? 1.5F : 1.0F);
        frames_track_score(&track, clip * 3, 3, 1, own, 3, true);
    }
    assert_int_equal(frames_track_finish(&track, &options, 10, &report), 0);
    for (int i = 0; i < 30; i++)
        assert_true(fabsf(report.items[i].score - (i / 3 == 4 ? 1.0F : 0.0F)) < 1e-5F);
    frames_track_free(&track);
    frames_report_free(&report);
}

static void test_kept(void **state)
{
    enum { BYTES = 4 * 2 * 3 };
    struct frames_track track = make_track(10);
    struct frames_kept kept = {.limit = 3 * BYTES};
    uint8_t pixels[BYTES];
    const struct image image = {4, 2, pixels};
    const float scores[] = {5, 1, 9};

    (void)state;
    for (int64_t i = 0; i < 3; i++) {
        memset(pixels, (int)i, sizeof(pixels));
        assert_int_equal(frames_kept_add(&kept, &track, i, &image), 0);
    }
    frames_track_score(&track, 0, 3, 1, scores, 3, false);
    for (int64_t i = 3; i < 5; i++) /* the lowest scores go first */
        assert_int_equal(frames_kept_add(&kept, &track, i, &image), 0);
    assert_int_equal(kept.count, 3);
    assert_int_equal(kept.bytes, 3 * BYTES);
    const int64_t left[] = {2, 3, 4};
    assert_memory_equal(kept.index, left, sizeof(left));
    assert_int_equal(kept.images[0].pixels[BYTES - 1], 2);
    frames_kept_free(&kept);
    frames_track_free(&track);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_scores), cmocka_unit_test(test_average_and_once),
                                       cmocka_unit_test(test_distances), cmocka_unit_test(test_kept)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
