/* A look of the detector at what is followed: which objects it confirms, and what becomes of the others. */
#include "base/error.h"
#include "base/log.h"
#include "pipeline/track_run.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* Boxes that overlap an object's so much are of its place. */
static const float SAME_PLACE = 0.5F;
/* Cosine of object pointers from which an object looks the same across a cut. */
static const double SAME_LOOK = 0.85;
/* Looks that must confirm a find before it is told of. */
enum { TOLD_AFTER = 2 };
/* A find's mask takes the place of a tracked one that overlaps it less than this. */
static const double CORRECT_BELOW = 0.75;

/* Adds up what the detector's scores at `box` say of the object. */
static int weigh(struct track_run *run, struct track_object *object, const float *box,
                 const struct sowlv2_detection *detection)
{
    const size_t count = run->job->prompt_count;
    float *const scores = calloc(count + 1, sizeof(*scores));
    int status =
        scores ? sowlv2_detect_scores(run->session, 0, box, SAME_PLACE, scores, count) : error_memory("objects");

    if (!status && detection && detection->score > scores[detection->prompt])
        scores[detection->prompt] = detection->score; /* its box may lie beside the place */
    const struct track_look look = {.scores = scores,
                                    .prompts = count,
                                    .threshold = (double)run->job->detect->threshold,
                                    .trust = (double)object->mask.mask_score};

    if (!status)
        status = track_doubt_look(&object->doubt, object->prompt, &look);
    free(scores);
    return status;
}

int track_confirm(struct track_run *run, struct track_object *object, const struct sowlv2_detection *detection,
                  const struct track_feed_frame *frame)
{
    object->score = detection->score;
    object->objectness = detection->objectness;
    object->confirmed_frame = frame->number;
    object->confirmed_time = frame->time;
    return run->job->doubt ? weigh(run, object, detection->box, detection) : 0;
}

int track_put_to_sleep(struct track_run *run, struct track_object *object)
{
    const int status = track_object_hide(object);

    if (status || object->asleep)
        return status;
    object->asleep = true;
    object->signs = (struct track_signs){0};
    track_schedule_ask(run->schedule);
    return sowlv2_track_remove(run->tracker, object->id);
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
    object->doubt.confirmed = 1;
    object->doubt.against = 0;
    object->confirmed_frame = frame->number;
    object->confirmed_time = frame->time;
    if (find && find->detection.prompt == label) {
        object->score = find->detection.score;
        object->objectness = find->detection.objectness;
    }
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

static int question(struct track_run *run, struct track_object *object, struct track_candidates *candidates,
                    const struct track_feed_frame *frame, bool *asked)
{
    const struct track_candidate *const find = find_of(candidates, object->id);
    const bool same = find && find->detection.prompt == object->prompt;
    const double like = track_object_like(object);
    const bool cut = frame->cut && run->job->cuts;
    int label = object->prompt, status;

    if (cut && !(same && like >= SAME_LOOK)) {
        log_debug("%s: frame %" PRId64 ": object %" PRId64 " ends with its scene", run->options->source, frame->number,
                  object->id);
        unmatch(candidates, object->id);
        return track_put_to_sleep(run, object);
    }
    status = same ? track_confirm(run, object, &find->detection, frame)
                  : weigh(run, object, find ? find->detection.box : object->mask.box, find ? &find->detection : NULL);
    if (status)
        return status;
    if (object->probation) {
        object->probation = object->doubt.confirmed < TOLD_AFTER;
        if (object->probation)
            track_schedule_ask(run->schedule);
    }
    object->strayed = !same && object->doubt.last < 0;
    switch (track_doubt_verdict(&object->doubt, like, &label)) {
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
        log_debug("%s: frame %" PRId64 ": object %" PRId64 " is not there any more", run->options->source,
                  frame->number, object->id);
        unmatch(candidates, object->id);
        return track_put_to_sleep(run, object);
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
        if (run->objects.items[i].visible)
            status = question(run, &run->objects.items[i], candidates, frame, &asked);
    if (!status && asked)
        status = sowlv2_track_run(run->tracker, &fresh, &tracks);
    track_objects_take(&run->objects, &tracks, frame->number);
    sowlv2_tracks_free(&tracks);
    return status;
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
                                                .since = frame->time - object->confirmed_time};

        object->confidence = object->visible ? track_confidence(&sureness) : 0;
        if (run->job->doubt && object->visible && track_signs_take(&object->signs, &sign))
            track_schedule_ask(run->schedule);
    }
}
