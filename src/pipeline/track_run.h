/* What the parts of one track_video() share. */
#ifndef PIPELINE_TRACK_RUN_H
#define PIPELINE_TRACK_RUN_H

#include "masks/between.h"
#include "pipeline/track.h"
#include "pipeline/track_doubt.h"
#include "pipeline/track_feed.h"
#include "pipeline/track_output.h"

/* ---- objects ---- */

/* An object that is followed. */
struct track_object {
    int64_t id; /* its number in the track session */
    int prompt;
    float score;             /* of the detection that confirmed it last */
    float objectness;        /* likewise; not over 0: not known */
    int64_t confirmed_frame; /* likewise */
    double confirmed_time;   /* likewise, seconds */
    float confirmed_box[4];  /* likewise, the detection's */
    double looked_time;      /* seconds: of the last look at it */
    float asked_score;       /* mask score of the mask it was asked by on the current frame; not a number: none was */
    float asked_object_score;
    int64_t last_seen;       /* frame */
    bool visible;            /* on the current frame */
    struct sowlv2_mask mask; /* on the current frame; runs */
    int64_t visible_from;    /* the frame since which it is, without a gap */
    float *pointer;          /* [pointer_length] when it was last seen; NULL: never */
    float *proof;            /* [pointer_length] when it was last confirmed; NULL: never */
    int pointer_length;

    struct track_doubt doubt;
    struct track_signs signs;
    int64_t row_id;      /* in rows, in the order in which objects are told of; 0: not yet */
    bool probation;      /* a find that another look must confirm before it is told of */
    bool strayed;        /* the detector sees nothing of it at its place: it may be elsewhere */
    bool asleep;         /* doubt has made it lost: the track session does not know it until it is found again */
    bool earlier;        /* likewise: a cut has come since it was seen */
    bool elsewhere;      /* its masks do not come from the track session, which does not know it yet */
    int64_t merged_into; /* another object's id, which it turned out to be: this row is its last; 0: no */
    double confidence;   /* on the current frame */
};

struct track_objects {
    struct track_object *items; /* in the order of their ids */
    size_t count, capacity;
    int64_t next_id;
    int64_t told; /* objects that rows have told of: the highest row_id */
};

/* A new object with the next id. Errors: MEMORY. */
int track_objects_add(struct track_objects *objects, int prompt, float score, int64_t frame, struct track_object **out);
/* Makes it lost on the current frame, whatever the tracker sees. Errors: MEMORY. */
int track_object_hide(struct track_object *object);
/* How much it looks like what it was when it was last confirmed; not a number: nothing is known. */
double track_object_like(const struct track_object *object);
/* Keeps how it looks as what it is known by. Errors: MEMORY. */
int track_object_prove(struct track_object *object);
/* Of two object pointers: 1 where they are alike. */
double track_cosine(const float *a, const float *b, int length);
/* Whether it is so great that they are of one thing. */
bool track_looks_same(double cosine);
/* Whether any is followed, be it out of sight. */
bool track_objects_any(const struct track_objects *objects);
void track_objects_remove(struct track_objects *objects, size_t index);
void track_objects_free(struct track_objects *objects);
struct track_object *track_objects_find(const struct track_objects *objects, int64_t id);

/* Takes the masks (and pointers) of tracks over into the objects of their numbers; others are left. */
void track_objects_take(struct track_objects *objects, struct sowlv2_tracks *tracks, int64_t frame);

/* Copies of the objects as they are on the current frame, ids rising, without those on probation. Errors: MEMORY. */
int track_objects_list(struct track_objects *objects, struct output_object **out, size_t *count);

/* ---- a run ---- */

struct track_run {
    const struct track_options *options;
    const struct sowlv2_run_options *job;
    const sowlv2_detector *detector;
    const sowlv2_segmenter *segmenter;
    struct track_report *report;
    struct track_output *output;
    sowlv2_prompts *prompts;
    sowlv2_detect_session *session;
    sowlv2_track_session *tracker;
    struct track_objects objects;
    struct track_emitter *emitter;
    struct track_schedule *schedule;
    struct track_pair *pairs; /* [pair_count]: objects whose masks are one */
    size_t pair_count, pair_capacity;
    bool scene_begins; /* nothing was followed before this look: what it finds is told of at once */
    bool marks_taken;  /* what was marked is followed */
    bool told_full;    /* more objects than max_objects: said once */
    bool backward;     /* frames come last first */
    bool seeded;       /* objects come from key frames (track_both.h): looks find no others */
};

bool track_is_interrupted(const struct track_run *run);

/* ---- one pass over the video: track.c ---- */

int track_open_output(struct track_run *run, const struct video_info *info);
int track_open_feed(struct track_run *run, struct track_feed **out);
/* Every frame from the feed, to the end of the line. */
int track_forward(struct track_run *run, struct track_feed *feed);
/* After the last frame: writes what waits, and says whether the source ended before it should. */
int track_end(struct track_run *run, struct track_feed *feed);
void track_tell_progress(const struct track_run *run, const struct video_info *info);
/* The same for a pass before the one that writes. */
void track_tell_pass(const struct track_run *run, int64_t done, int64_t total, const char *pass);
float track_importance(const struct track_plan *plan, const struct track_feed_frame *frame);

/* ---- detecting on a frame ---- */

/* IoU over which masks of whatever prompt are of one thing; over 1: they are not. */
double track_dedupe_iou(const struct track_run *run);

/* A detection with its mask on the current frame of a track session. */
struct track_candidate {
    struct sowlv2_detection detection;
    struct sowlv2_mask mask;
    int64_t match;    /* what it was found to be: an object's id; 0: nothing known */
    int64_t known_as; /* what an earlier pass took it for, likewise */
};

struct track_candidates {
    struct track_candidate *items; /* [count], in the detector's order */
    size_t count;
};
void track_candidates_free(struct track_candidates *candidates);
void track_candidates_drop(struct track_candidates *candidates, size_t index);

/* The detector's boxes alone, which the report does not count; `out` is freed by the caller. */
int track_detect(struct track_run *run, const struct image *image, struct sowlv2_detections *out);

/* The masks of detections on the session's current frame; of those of one prompt that overlap at least `iou` the best
 * stays, and none without a mask or where the segmenter sees no object. Errors: as sowlv2_segment. */
int track_candidates_make(struct track_run *run, sowlv2_track_session *session,
                          const struct sowlv2_detections *detections, double iou, struct track_candidates *out);

/* Gives candidates that nothing was matched with the visible object of whatever prompt whose mask they overlap most,
 * more than the run's dedupe_iou. */
void track_candidates_match_any(const struct track_run *run, struct track_candidates *candidates,
                                const struct track_objects *objects);

/* Gives each candidate the visible object of its prompt whose mask it overlaps most, at least `iou`; each object is
 * given once. Errors: MEMORY. */
int track_candidates_match(struct track_candidates *candidates, const struct track_objects *objects, double iou);

/* Gives candidates that nothing was matched with the object of their prompt that strayed, or was made lost not long
 * before `time`, near there, at most so many of its sizes away from where it was confirmed last: the nearest. */
void track_candidates_match_strayed(struct track_candidates *candidates, const struct track_objects *objects,
                                    double time, double sizes);

/* The candidates of a look at what is followed, and which of it they are. Errors: as track_candidates_make. */
int track_candidates_find(struct track_run *run, const struct sowlv2_detections *detections,
                          struct track_candidates *out);

/* Whether the box is where the object was confirmed last: of an earlier scene only such a find may be it, as where a
 * film goes back to a view. */
bool track_is_near(const struct track_object *object, const float *box);

/* Takes unmatched candidates up on the current frame: as what an earlier pass took them for, where that is not seen
 * elsewhere, as objects that were lost and look the same, or as new ones, as many as there is room for. */
int track_candidates_adopt(struct track_run *run, struct track_candidates *candidates,
                           const struct track_feed_frame *frame);

/* ---- doubt: track_look.c, track_doubles.c ---- */

/* Notes that a detection, one of the candidates (NULL: none else is known), confirms the object, and with doubt what
 * the detector's scores at its place say. Errors: MEMORY. */
int track_confirm(struct track_run *run, const struct track_candidates *candidates, struct track_object *object,
                  const struct sowlv2_detection *detection, const struct track_feed_frame *frame);

/* What the detector's look says of each visible object, where it looked just now: it is confirmed, gets another label,
 * or is made lost. Candidates that are no followed object any more are left unmatched. Errors: MEMORY, those of the
 * track session. */
int track_question(struct track_run *run, struct track_candidates *candidates, const struct track_feed_frame *frame);

/* Makes an object lost until the detector finds it again. Errors: MEMORY, those of the track session. */
int track_put_to_sleep(struct track_run *run, struct track_object *object);

/* Objects whose masks have been one for some frames become one, or where they were seen apart the one that strayed is
 * made lost. Asks for a look before. Errors: as track_put_to_sleep. */
int track_join_doubles(struct track_run *run, const struct track_feed_frame *frame);
/* One object turned out to be another one: this row is its last. Errors: as track_put_to_sleep. */
int track_merge(struct track_run *run, struct track_object *goes, struct track_object *stays);
/* Lets go of those that were joined on the frame before, and of those on probation that were not confirmed. */
int track_drop_joined(struct track_run *run);

/* How sure each object is on the frame; asks for a look where one has become worse. */
void track_judge(struct track_run *run, const struct track_feed_frame *frame);

/* Whether two objects with these prompts, whose masks overlap so much, are one. */
bool track_is_same(const struct track_run *run, int prompt, int other, double iou);

/* Asks a session for an object on its current frame: by the prompt, or by the mask that the image's decoder makes of
 * it. `object` (may be NULL) keeps that mask's scores. Errors: as sowlv2_track_prompt, sowlv2_segment. */
int track_ask(const struct track_run *run, sowlv2_track_session *session, int64_t id,
              const struct sowlv2_segment_prompt *prompt, struct track_object *object);

/* For a run after new prompts on a frame that was run already. */
struct sowlv2_track_run_options track_fresh_only(const struct track_run *run);

/* ---- the forward pass ---- */

/* One frame: detection where asked for, tracking, what is lost. `*tracked` false: no object is there, and nothing had
 * to be encoded. */
int track_frame_run(struct track_run *run, const struct track_feed_frame *frame, bool detect, bool *tracked);

/* The object's last frame was added: it is forgotten. Errors: MEMORY, those of the track session. */
int track_let_go(struct track_run *run, size_t index);

/* Gives up what was out of sight for too long. */
int track_give_up(struct track_run *run, int64_t frame);

/* The key frames of a plan as they come by. */
struct track_keys {
    const double *times; /* [count], rising */
    size_t count, passed;
};

/* Whether the frame that is shown from `time` until `until` is a key frame: its time is one's, or would be between this
 * frame and the next. The last frame (`until` INFINITY) is that of all that would come later. */
bool track_keys_pass(struct track_keys *keys, double until);
/* How many keys that have not passed come when a frame shown until then is over. */
size_t track_keys_after(const struct track_keys *keys, double end);

/* Whether to detect on the frame. */
struct track_schedule;
/* Something has become doubtful: a look soon, unless looks are off but for the beginning. */
void track_schedule_ask(struct track_schedule *schedule);
/* Whether looks come at what is followed, other than at cuts and key frames. */
bool track_schedule_repeats(const struct track_schedule *schedule);
int track_schedule_create(const struct track_options *options, struct track_schedule **out);
void track_schedule_free(struct track_schedule **schedule);
/* `searching`: nothing is followed. */
bool track_schedule_wants(struct track_schedule *schedule, const struct track_feed_frame *frame, bool searching);
/* The frame was looked at; `found`: something is followed now. */
void track_schedule_done(struct track_schedule *schedule, const struct track_feed_frame *frame, bool found);

/* ---- the end of the line ---- */

/* Frames that are not tracked wait here until the next tracked one, and get their masks from their neighbours; then
 * all go to the output in order. */
struct track_emitter;
int track_emitter_create(struct track_run *run, struct track_emitter **out);
void track_emitter_free(struct track_emitter **emitter);
/* A frame with its objects (of a frame that is not `tracked`, none), both taken over, also on error. */
int track_emitter_add(struct track_emitter *emitter, struct track_feed_frame *frame, bool tracked,
                      struct output_object *objects, size_t count);
/* An object's last frame was added. */
int track_emitter_end_object(struct track_emitter *emitter, int64_t id);
/* No more frames. */
int track_emitter_flush(struct track_emitter *emitter);

#endif
