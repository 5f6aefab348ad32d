/* A look of the detector at what is followed: which objects it confirms, and what becomes of the others. */
#include "base/box.h"
#include "base/error.h"
#include "base/log.h"
#include "pipeline/track_run.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Boxes that overlap an object's so much are of its place. */
static const float SAME_PLACE = 0.5F;
/* Seconds for which looks are asked for where nothing is found of an object any more. */
static const double ASKED_FOR = 1.0;
/* Looks that must confirm a find before it is told of, where they say so much; more where they say less, or where it
 * covers what is followed already, since two things that overlap are easily taken for a third. */
enum { TOLD_AFTER = 2, TOLD_LATE = 4 };
static const double SURE = 5.5;
/* Two masks overlap where they share this part of the smaller one. */
static const double OVER = 0.4;
/* A find's mask takes the place of a tracked one that overlaps it less than this. */
static const double CORRECT_BELOW = 0.75;

/* What is found there and is another object says nothing of this one. */
static void leave_out_others(const struct track_candidates *candidates, const struct track_object *object,
                             const float *box, float *scores)
{
    for (size_t i = 0; i < candidates->count; i++) {
        const struct track_candidate *const other = &candidates->items[i];

        if (other->match != 0 && other->match != object->id && box_iou(other->detection.box, box) >= SAME_PLACE)
            scores[other->detection.prompt] = 0;
    }
}

/* Adds up what the detector's scores at `box` say of the object. */
static int weigh(struct track_run *run, const struct track_candidates *candidates, struct track_object *object,
                 const float *box, const struct sowlv2_detection *detection, const struct track_feed_frame *frame)
{
    const size_t count = run->job->prompt_count;
    float *const scores = calloc(count + 1, sizeof(*scores));
    int status =
        scores ? sowlv2_detect_scores(run->session, 0, box, SAME_PLACE, scores, count) : error_memory("objects");

    if (!status && candidates)
        leave_out_others(candidates, object, box, scores);
    if (!status && detection && detection->score > scores[detection->prompt])
        scores[detection->prompt] = detection->score; /* its box may lie beside the place */
    const struct track_look look = {.scores = scores,
                                    .prompts = count,
                                    .threshold = (double)run->job->detect->threshold,
                                    .passed = fabs(frame->time - object->looked_time),
                                    .trust = (double)object->mask.mask_score};

    object->looked_time = frame->time;
    if (!status)
        status = track_doubt_look(&object->doubt, object->prompt, &look);
    free(scores);
    return status;
}

int track_confirm(struct track_run *run, const struct track_candidates *candidates, struct track_object *object,
                  const struct sowlv2_detection *detection, const struct track_feed_frame *frame)
{
    if (!run->seeded || detection->score > object->score) { /* rows tell of a seed's best detection */
        object->score = detection->score;
        object->objectness = detection->objectness;
        object->confirmed_frame = frame->number;
    }
    object->confirmed_time = frame->time;
    memcpy(object->confirmed_box, detection->box, sizeof(object->confirmed_box));
    return run->job->doubt ? weigh(run, candidates, object, detection->box, detection, frame) : 0;
}

int track_put_to_sleep(struct track_run *run, struct track_object *object)
{
    const int status = track_object_hide(object);

    if (status || object->asleep)
        return status;
    object->asleep = true;
    object->signs = (struct track_signs){0};
    track_schedule_ask(run->schedule);
    return object->elsewhere ? 0 : sowlv2_track_remove(run->tracker, object->id);
}

static struct track_candidate *find_of(const struct track_candidates *candidates, int64_t id)
{
    for (size_t i = 0; i < candidates->count; i++)
        if (candidates->items[i].match == id)
            return &candidates->items[i];
    return NULL;
}

/* Finds that were taken for the object are new ones. */
static void unmatch(struct track_candidates *candidates, int64_t id)
{
    for (size_t i = 0; i < candidates->count; i++)
        if (candidates->items[i].match == id)
            candidates->items[i].match = 0;
}

/* It has another name from here on, which this find confirms. */
static void rename_object(struct track_run *run, struct track_object *object, int label,
                          const struct track_candidate *find, const struct track_feed_frame *frame)
{
    log_debug("%s: frame %" PRId64 ": object %" PRId64 " is %s, not %s", run->options->source, frame->number,
              object->id, run->job->prompts[label], run->job->prompts[object->prompt]);
    object->prompt = label;
    object->doubt.confirmed = 0;
    object->doubt.against = 0;
    if (!find || find->detection.prompt != label)
        return;
    object->doubt.confirmed = 1;
    object->confirmed_frame = frame->number;
    object->confirmed_time = frame->time;
    memcpy(object->confirmed_box, find->detection.box, sizeof(object->confirmed_box));
    object->score = find->detection.score;
    object->objectness = find->detection.objectness;
}

/* The tracker's mask has strayed from what the detector sees: it goes on from there. */
static int correct(struct track_run *run, struct track_object *object, const struct track_candidate *find, bool *asked)
{
    const struct sowlv2_segment_prompt prompt = {.box = find->detection.box};

    if (sowlv2_mask_iou(&object->mask, &find->mask) >= CORRECT_BELOW || find->mask.mask_score < object->mask.mask_score)
        return 0;
    *asked = true;
    return track_ask(run, run->tracker, object->id, &prompt, object);
}

/* Whether an object with this label is out of sight. */
static bool is_sought(const struct track_run *run, int label)
{
    for (size_t i = 0; i < run->objects.count; i++)
        if (!run->objects.items[i].visible && run->objects.items[i].prompt == label)
            return true;
    return false;
}

/* It is not there any more. What was found in its place is another thing. */
static int drop(struct track_run *run, struct track_object *object, struct track_candidates *candidates,
                const struct track_feed_frame *frame)
{
    log_debug("%s: frame %" PRId64 ": object %" PRId64 " is not there any more", run->options->source, frame->number,
              object->id);
    unmatch(candidates, object->id);
    return track_put_to_sleep(run, object);
}

/* An object of the scene before, which this one does not show. */
static int end_with_scene(struct track_run *run, struct track_object *object, struct track_candidates *candidates)
{
    log_debug("object %" PRId64 " ends with its scene", object->id);
    unmatch(candidates, object->id);
    object->earlier = true;
    return track_put_to_sleep(run, object);
}

/* Whether the object's mask covers another one that rows tell of, or is covered by it. */
static bool is_over_others(const struct track_run *run, const struct track_object *object)
{
    for (size_t i = 0; i < run->objects.count; i++) {
        const struct track_object *const other = &run->objects.items[i];
        const double all = (double)(object->mask.area + other->mask.area);
        const double least = (double)(object->mask.area < other->mask.area ? object->mask.area : other->mask.area);

        if (other == object || !other->visible || other->probation)
            continue;

        const double iou = sowlv2_mask_iou(&object->mask, &other->mask);

        if (iou / (1 + iou) * all >= OVER * least)
            return true;
    }
    return false;
}

static int question(struct track_run *run, struct track_object *object, struct track_candidates *candidates,
                    const struct track_feed_frame *frame, bool *asked)
{
    const struct track_candidate *const find = find_of(candidates, object->id);
    const bool same = find && find->detection.prompt == object->prompt;
    const double like = track_object_like(object);
    const bool cut = frame->cut && run->job->cuts;
    int label = object->prompt, status;

    if (cut && !(same && track_looks_same(like)))
        return end_with_scene(run, object, candidates);
    status = same ? track_confirm(run, candidates, object, &find->detection, frame)
                  : weigh(run, candidates, object, find ? find->detection.box : object->mask.box,
                          find ? &find->detection : NULL, frame);
    if (status)
        return status;
    if (object->probation) {
        const bool plain = object->doubt.labels[object->prompt] >= SURE && !is_over_others(run, object);

        object->probation = object->doubt.confirmed < (plain ? TOLD_AFTER : TOLD_LATE);
        if (object->probation)
            track_schedule_ask(run->schedule);
    }
    log_debug("%s: frame %" PRId64 ": object %" PRId64 " %s: find %d, own %.1f, there %.1f, margin %.1f, like %.2f",
              run->options->source, frame->number, object->id, run->job->prompts[object->prompt],
              find ? find->detection.prompt : -1, object->doubt.last, object->doubt.there,
              track_doubt_margin(&object->doubt, object->prompt), like);
    object->strayed = !same && object->doubt.last < 0;
    if (object->strayed && frame->time - object->confirmed_time < ASKED_FOR)
        track_schedule_ask(run->schedule);
    if (object->probation && object->doubt.against > 0)
        return drop(run, object, candidates, frame);
    switch (track_doubt_verdict(&object->doubt, is_sought(run, object->doubt.seen), &label)) {
    case TRACK_CONFIRMED:
        status = same ? track_object_prove(object) : 0;
        return status || !same ? status : correct(run, object, find, asked);
    case TRACK_UNSURE:
        track_schedule_ask(run->schedule);
        return 0;
    case TRACK_RELABEL:
        rename_object(run, object, label, find, frame);
        return 0;
    case TRACK_REPLACED:
    case TRACK_GONE:
        return drop(run, object, candidates, frame);
    }
    return 0;
}

int track_question(struct track_run *run, struct track_candidates *candidates, const struct track_feed_frame *frame)
{
    const struct sowlv2_track_run_options fresh = track_fresh_only(run);
    struct sowlv2_tracks tracks = {0};
    bool asked = false;
    int status = 0;

    for (size_t i = 0; !status && i < run->objects.count; i++)
        if (run->objects.items[i].visible && !run->objects.items[i].elsewhere)
            status = question(run, &run->objects.items[i], candidates, frame, &asked);
    for (size_t i = 0; !status && frame->cut && run->job->cuts && i < run->objects.count; i++)
        if (!run->objects.items[i].visible) /* what was out of sight before the cut too */
            status = end_with_scene(run, &run->objects.items[i], candidates);
    if (!status && asked)
        status = sowlv2_track_run(run->tracker, &fresh, &tracks);
    track_objects_take(&run->objects, &tracks, frame->number);
    sowlv2_tracks_free(&tracks);
    return status;
}

/* Seconds for which no look has confirmed the object; 0 where none would come: no news says nothing then. */
static double unconfirmed(const struct track_run *run, const struct track_object *object, double time)
{
    const bool two_passes = run->options->plan && run->job->key_frames; /* the looks came before */
    const bool looks = !run->job->marks && !two_passes && track_schedule_repeats(run->schedule);

    return looks ? fabs(time - object->confirmed_time) : 0;
}

void track_judge(struct track_run *run, const struct track_feed_frame *frame)
{
    for (size_t i = 0; i < run->objects.count; i++) {
        struct track_object *const object = &run->objects.items[i];
        const struct sowlv2_mask *const mask = &object->mask;
        const struct track_sign sign = {.mask_score = (double)mask->mask_score,
                                        .object_score = (double)mask->object_score,
                                        .area = (double)mask->area,
                                        .box = mask->box};
        const struct track_sureness sureness = {.mask_score = (double)mask->mask_score,
                                                .object_score = (double)mask->object_score,
                                                .there = object->doubt.there,
                                                .margin = track_doubt_margin(&object->doubt, object->prompt),
                                                .since = unconfirmed(run, object, frame->time)};

        object->confidence = object->visible ? track_confidence(&sureness) : 0;
        if (run->job->doubt && object->visible && track_signs_take(&object->signs, &sign))
            track_schedule_ask(run->schedule);
    }
}
