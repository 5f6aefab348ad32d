/* A tracking session of the public API over a model and a run of the goldens. */
#ifndef TESTS_API_TRACK_CASE_H
#define TESTS_API_TRACK_CASE_H

#include "goldens.h"

struct track_case {
    struct safetensors *file;
    sowlv2_segmenter *segmenter;
    sowlv2_track_session *session;
    const char *run;
};

struct track_case case_open(const char *model, const char *run, const struct sowlv2_track_options *options);
void case_close(struct track_case *test);
struct sowlv2_image case_image(struct safetensors *file, int64_t frame);
void case_set_frame(struct track_case *test, int64_t frame);
struct sowlv2_tracks case_run(struct track_case *test, const struct sowlv2_track_run_options *options);
const struct sowlv2_track *find_track(const struct sowlv2_tracks *tracks, int64_t object);

/* Gives the session the golden's prompts that come before this step, all or one object's. */
void case_prompt(struct track_case *test, int step, int only);
void check_near(const char *what, float found, float wanted);

/* The object on row `row` of the goldens of a step. */
void check_track(const struct track_case *test, int step, int64_t row, const struct sowlv2_track *track, int64_t *both,
                 int64_t *either);

/* Boxes around two objects of the goldens' frames, and prompts with them. */
extern const float case_box[4], case_other_box[4];
extern const struct sowlv2_track_prompt case_boxed, case_other_boxed;

#endif
