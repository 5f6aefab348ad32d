#include "opened.h"

sowlv2_detector *detector;
sowlv2_prompts *prompts;
sowlv2_detect_session *session;
sowlv2_segmenter *segmenter;
sowlv2_segment_session *segment_session;
sowlv2_track_session *track;
sowlv2_scorer *scorer;
sowlv2_score_session *score;

static uint8_t grey[30][40][3];
const struct sowlv2_image image = {&grey[0][0][0], 40, 30, 0};
const char *const words[2] = {"cat", "dog"};

int opened_set_up(void **state)
{
    (void)state;
    struct sowlv2_model_options options = sowlv2_model_options_default();
    options.model = MODELS "owlv2_tiny";
    must(sowlv2_detector_open(&options, &detector));
    must(sowlv2_prompts_encode(detector, words, 2, NULL, &prompts));
    must(sowlv2_detect_session_create(detector, &session));
    options.model = MODELS "vjepa2_tiny";
    must(sowlv2_scorer_open(&options, &scorer));
    must(sowlv2_score_session_create(scorer, NULL, &score));
    segmenter = open_segmenter("sam2_video_tiny", 0);
    must(sowlv2_segment_session_create(segmenter, &segment_session));
    must(sowlv2_segment_set_image(segment_session, &image, NULL));
    must(sowlv2_track_session_create(segmenter, NULL, &track));
    must(sowlv2_track_set_frame(track, 0, &image));
    return 0;
}

int opened_tear_down(void **state)
{
    (void)state;
    sowlv2_track_session_free(&track);
    sowlv2_segment_session_free(&segment_session);
    sowlv2_segmenter_free(&segmenter);
    sowlv2_score_session_free(&score);
    sowlv2_scorer_free(&scorer);
    sowlv2_detect_session_free(&session);
    sowlv2_prompts_free(&prompts);
    sowlv2_detector_free(&detector);
    return 0;
}
