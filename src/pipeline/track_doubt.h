/* Doubt: what speaks for and against a followed object, and what follows from it. Plain functions, which know neither
 * the tracker nor the detector.
 *
 * Evidence is in log odds. A score of the detector's speaks for a prompt by as much as it is over the threshold that
 * the job finds things by, and against it below. Evidence of one look is bounded, so that one look's mistake does not
 * decide for ever, and fades from look to look, so that what was seen lately counts more. */
#ifndef PIPELINE_TRACK_DOUBT_H
#define PIPELINE_TRACK_DOUBT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- the evidence of looks ---- */

/* What looks have said of one object. Starts as {0}. */
struct track_doubt {
    double *labels; /* [prompts] evidence for each prompt; NULL: no look yet */
    size_t prompts;
    double there;  /* evidence for its being there at all */
    double last;   /* what the last look said for its label */
    int seen;      /* the label that the last look said most for */
    int confirmed; /* looks that have spoken for its label since it has it */
    int against;   /* looks since the last of those that spoke for another one */
};

/* What a score says in favour of its prompt, at a threshold that finds are over. */
double track_doubt_evidence(double score, double threshold);

/* What one look says. */
struct track_look {
    const float *scores; /* [prompts]: each prompt's at the object's place */
    size_t prompts;
    double threshold; /* of the job */
    double passed;    /* seconds since the look before: what two looks see that follow soon is much the same */
    double trust;     /* in the tracker's own mask, 0 to 1: a look that sees nothing says less against a good mask */
};

/* Adds a look up; `label` is the object's prompt. Errors: MEMORY. */
int track_doubt_look(struct track_doubt *doubt, int label, const struct track_look *look);
void track_doubt_free(struct track_doubt *doubt);

/* The label that has most for it; `label` where none has more, or before any look. */
int track_doubt_best(const struct track_doubt *doubt, int label);

/* Whether so many looks have confirmed its label that it was no first mistake. */
bool track_doubt_is_settled(const struct track_doubt *doubt);

/* What is to be done with the object after a look. */
enum track_verdict {
    TRACK_CONFIRMED, /* its label has most for it */
    TRACK_UNSURE,    /* neither */
    TRACK_RELABEL,   /* it was another thing all along */
    TRACK_REPLACED,  /* its place shows another thing now */
    TRACK_GONE,      /* too much speaks against its being there */
};

/* `sought`: an object of the label that the last look saw here is out of sight. The label that has most for it goes to
 * *label where it is another one now. */
enum track_verdict track_doubt_verdict(const struct track_doubt *doubt, bool sought, int *label);

/* How much more speaks for a label than for any other, and for its being there; 0 without a look. */
double track_doubt_margin(const struct track_doubt *doubt, int label);

/* ---- a track's own signs ---- */

/* How a track has been of late. Starts as {0}. */
struct track_signs {
    int frames;                            /* seen since the signs began */
    double mask_score, object_score, area; /* means of late */
    double x, y;                           /* of the middle, on the last frame, in pixels */
    double step;                           /* mean length of its way from frame to frame */
};

/* One frame's. */
struct track_sign {
    double mask_score, object_score, area;
    const float *box; /* [4] */
};

/* Takes a frame on which the object is seen. Whether it got so much worse, or its area or its way changed so suddenly,
 * that the detector had better look; the signs then begin anew, so that it is asked once. */
bool track_signs_take(struct track_signs *signs, const struct track_sign *sign);

/* ---- how sure a track is ---- */

/* What is known of a track on a frame. */
struct track_sureness {
    double mask_score, object_score; /* SAM's */
    double there, margin;            /* evidence so far: track_doubt */
    double since;                    /* seconds since the last confirmation */
};

/* The probability that the track is right on this frame: that its mask is on the thing that its label names. */
double track_confidence(const struct track_sureness *sureness);

#endif
