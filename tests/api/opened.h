/* A model of each kind, a session of each, and an image, for tests of how they are called. */
#ifndef TESTS_API_OPENED_H
#define TESTS_API_OPENED_H

#include "goldens.h"

extern sowlv2_detector *detector;
extern sowlv2_prompts *prompts; /* "cat" and "dog" */
extern sowlv2_detect_session *session;
extern sowlv2_segmenter *segmenter;
extern sowlv2_segment_session *segment_session; /* of the image, as the next one's current frame is */
extern sowlv2_track_session *track;
extern sowlv2_scorer *scorer;
extern sowlv2_score_session *score; /* no frames yet */

extern const struct sowlv2_image image;
extern const char *const words[2];

int opened_set_up(void **state);
int opened_tear_down(void **state);

#endif
