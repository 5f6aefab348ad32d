/* Frames of a video are prepared by the video processor, images by the image processor: a checkpoint may have both. */
#include "base/test_folder.h"
#include "track_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MODEL TEST_DATA "/models/data/sam2_video_tiny/"
#define PLAIN "{\"size\": 128}"
#define OTHER "{\"size\": 128, \"image_mean\": [0.1, 0.2, 0.3], \"image_std\": 0.5}"

/* Object scores of the same box, on a video's frames and on an image. */
struct scores {
    float frames[2], image;
};

static void track(const struct track_case *goldens, const sowlv2_segmenter *segmenter, struct scores *out)
{
    sowlv2_track_session *session = NULL;
    assert_int_equal(sowlv2_track_session_create(segmenter, NULL, &session), 0);
    for (int frame = 0; frame < 2; frame++) {
        const struct sowlv2_image image = case_image(goldens->file, frame);
        struct sowlv2_tracks tracks;
        assert_int_equal(sowlv2_track_set_frame(session, frame, &image), 0);
        if (frame == 0)
            assert_int_equal(sowlv2_track_prompt(session, 1, &case_boxed), 0);
        assert_int_equal(sowlv2_track_run(session, NULL, &tracks), 0);
        out->frames[frame] = tracks.items[0].mask.object_score;
        sowlv2_tracks_free(&tracks);
    }
    sowlv2_track_session_free(&session);
}

static void segment(const struct track_case *goldens, const sowlv2_segmenter *segmenter, struct scores *out)
{
    const struct sowlv2_image image = case_image(goldens->file, 0);
    const struct sowlv2_segment_prompt prompt = {.box = case_box};
    sowlv2_segment_session *session = NULL;
    struct sowlv2_mask mask;
    assert_int_equal(sowlv2_segment_session_create(segmenter, &session), 0);
    assert_int_equal(sowlv2_segment_set_image(session, &image, NULL), 0);
    assert_int_equal(sowlv2_segment(session, &prompt, 1, NULL, &mask), 0);
    out->image = mask.object_score;
    sowlv2_masks_free(&mask, 1);
    sowlv2_segment_session_free(&session);
}

/* With these files of the processors; NULL: none. */
static struct scores measure(const struct track_case *goldens, const char *image_file, const char *video_file)
{
    struct sowlv2_model_options options = sowlv2_segmenter_options_default();
    char *folder = test_folder_make();
    sowlv2_segmenter *segmenter = NULL;
    struct scores scores;
    test_link(MODEL "config.json", folder, "config.json");
    test_link(MODEL "model.safetensors", folder, "model.safetensors");
    test_write_text(folder, "preprocessor_config.json", image_file);
    if (video_file)
        test_write_text(folder, "video_preprocessor_config.json", video_file);
    options.model = folder;
    assert_int_equal(sowlv2_segmenter_open(&options, &segmenter), 0);
    assert_int_equal(sowlv2_segmenter_prepare_tracking(segmenter), 0);
    track(goldens, segmenter, &scores);
    segment(goldens, segmenter, &scores);
    sowlv2_segmenter_free(&segmenter);
    test_folder_remove(folder);
    return scores;
}

static void test_frames_have_their_own_processor(void **state)
{
    struct track_case goldens = case_open("sam2_video_tiny", "one", NULL);
    const struct scores plain = measure(&goldens, PLAIN, NULL), other = measure(&goldens, OTHER, NULL),
                        mixed = measure(&goldens, PLAIN, OTHER);

    (void)state;
    for (int frame = 0; frame < 2; frame++) {
        assert_true(mixed.frames[frame] == other.frames[frame]);
        assert_true(mixed.frames[frame] != plain.frames[frame]);
    }
    assert_true(mixed.image == plain.image);
    assert_true(mixed.image != other.image);
    case_close(&goldens);
}

/* What is wrong with frames shows before there is one. */
static void test_tracking_is_prepared(void **state)
{
    struct sowlv2_model_options options = sowlv2_segmenter_options_default();
    sowlv2_segmenter *segmenter = NULL;

    (void)state;
    options.model = TEST_DATA "/models/data/sam2_topdown";
    assert_int_equal(sowlv2_segmenter_open(&options, &segmenter), 0);
    assert_int_equal(sowlv2_segmenter_prepare_tracking(segmenter), SOWLV2_ERROR_MODEL);
    assert_non_null(strstr(sowlv2_error_message(), "tracking through video needs \"sam2_video\""));
    sowlv2_segmenter_free(&segmenter);
    assert_int_equal(sowlv2_segmenter_prepare_tracking(NULL), SOWLV2_ERROR_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_have_their_own_processor),
        cmocka_unit_test(test_tracking_is_prepared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
