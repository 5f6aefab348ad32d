/* A scorer: the weights of a model that looks at clips of a video, whichever model that is, and one thread's sessions
 * with it. */
#ifndef ENGINE_SCORER_H
#define ENGINE_SCORER_H

#include "nn/scorer_model.h"

struct scorer;

/* Opens the model of `folder` on `device`, which must outlive it. Errors: MODEL, FORMAT, IO, MEMORY, UNSUPPORTED. */
int scorer_open(const char *folder, struct device *device, struct scorer **out);
void scorer_free(struct scorer **scorer);
const struct scorer_info *scorer_info(const struct scorer *scorer);

/* Of a clip of `frames` frames, at least 1. */
int64_t scorer_tubelets(const struct scorer *scorer, int64_t frames);
int64_t scorer_tokens(const struct scorer *scorer, int64_t frames);

/* As device_share(), on its device. */
void scorer_share(const struct scorer *scorer, size_t count, pool_task task, void *data);

/* ---- clips ---- */

struct scorer_session;

int scorer_session_create(const struct scorer *scorer, struct scorer_session **out);
void scorer_session_free(struct scorer_session **session);

/* Makes room on the device for `count` frames, to hold what the model sees of each; what was held is gone. Errors:
 * MEMORY. */
int scorer_session_hold(struct scorer_session *session, int64_t count);
/* Holds a frame at `place`, below that count, as scorer_model's `prepare`. */
int scorer_session_take(struct scorer_session *session, const struct sowlv2_image *frame, enum scorer_view view,
                        int64_t place);
/* The clip of `count` frames from `place` on, around the last place to the first. */
struct scorer_clips scorer_session_clip(const struct scorer_session *session, int64_t place, int64_t count);

/* What is wanted of clips, in host memory of the caller; NULL: not wanted, and not computed. */
struct scorer_wanted {
    float *features; /* [batch][tokens][width] */
    float *logits;   /* [batch][label_count]: needs a classifier */
    float *variance; /* [batch][tubelets] */
    bool keep;       /* the features stay on the device, for the functions below, until others are kept */
};
/* Errors: as scorer_model's `encode`; on error no features are kept. */
int scorer_session_encode(struct scorer_session *session, const struct scorer_clips *clips,
                          const struct model_control *control, const struct scorer_wanted *wanted);

/* Of the features that were kept; ARGUMENT where there are none. Else as scorer_model's. */
int scorer_session_predict(struct scorer_session *session, const struct scorer_positions *context,
                           const struct scorer_positions *target, const struct model_control *control, float *out);

#endif
