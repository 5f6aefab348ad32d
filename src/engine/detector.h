/* A detector: one model's weights, whichever model that is, prompts encoded with it, and one thread's sessions. */
#ifndef ENGINE_DETECTOR_H
#define ENGINE_DETECTOR_H

#include "nn/detector_model.h"

struct detector;

/* Opens the model of `folder` on `device`, which must outlive it. Errors: MODEL, FORMAT, IO, MEMORY, UNSUPPORTED. */
int detector_open(const char *folder, struct device *device, struct detector **out);
void detector_free(struct detector **detector);
const struct detector_info *detector_info(const struct detector *detector);

/* A text as ids[text_length]. A notice tells where its end did not fit. Errors: ARGUMENT, MEMORY. */
int detector_tokenize(const struct detector *detector, const char *text, int32_t *ids);
/* The same without a notice where its end is left out: that is in `*cut`. */
int detector_tokenize_quietly(const struct detector *detector, const char *text, int32_t *ids, bool *cut);

/* ---- prompts ---- */

struct detector_prompts;

/* Encodes texts, each put where `template` has "{}", once for any number of images and threads. The detector must
 * outlive them. Unless `quiet`, a notice tells of those whose ends did not fit. Errors: ARGUMENT, MEMORY. */
int detector_prompts_encode(const struct detector *detector, const char *const *texts, int64_t count,
                            const char *template, bool quiet, struct detector_prompts **out);
void detector_prompts_free(struct detector_prompts **prompts);

/* ---- images ---- */

struct detect_session;

int detect_session_create(const struct detector *detector, struct detect_session **out);
void detect_session_free(struct detect_session **session);

struct detect_request {
    const struct sowlv2_image *images;
    int64_t count;
    const struct detector_prompts *const *prompts; /* [count], of the session's detector; may be one and the same */
    float threshold;                               /* scores over it */
    float nms_iou;   /* of two boxes of one prompt that overlap by more, the better one stays; 0: both */
    bool clip;       /* boxes end at the image; those outside of it are dropped */
    bool objectness; /* computed too */
};

/* What was found in an image, in the order of the model's places; valid during the call that gives it. */
struct detect_result {
    const struct detection *items;
    int64_t count;
    int64_t dropped; /* by clipping */
};
/* Called for each image in order; not 0 ends the run with that status. */
typedef int (*detect_taker)(int64_t image, const struct detect_result *result, void *user_data);

/* Computes all images, then gives what was found. Errors: ARGUMENT (prompts of another detector), CANCELLED, MEMORY. */
int detect_session_run(struct detect_session *session, const struct detect_request *request,
                       const struct model_control *control, detect_taker take, void *user_data);

/* Of the boxes of image `image` of the last run, whatever their scores, those whose IoU with `box` is at least `iou`:
 * the best score of each prompt, to scores[count]; 0 where there are none. Errors: ARGUMENT (no such image, another
 * number of prompts). */
int detect_session_scores(struct detect_session *session, int64_t image, const float box[4], float iou, float *scores,
                          int64_t count);

#endif
