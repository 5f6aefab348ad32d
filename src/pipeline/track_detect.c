/* What the detector finds on a frame, and which followed object each find is. */
#include "base/box.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "pipeline/track_run.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* An object that strayed is looked for around the place where it was confirmed last, so many of its sizes wide. */
static const double STRAYED_SIZES = 1.5;
static const float NEAR_BOX = 0.2F;
/* And so is one that doubt made lost, for so long after it was confirmed. */
static const double ASLEEP_SECONDS = 5.0;
bool track_is_interrupted(const struct track_run *run)
{
    return *run->job->stop != 0;
}

int track_detect(struct track_run *run, const struct image *image, struct sowlv2_detections *out)
{
    const struct sowlv2_image view = image_view(image);
    const double start = clock_seconds();
    int status = sowlv2_detect(run->session, run->prompts, &view, 1, run->job->detect, out);

    run->report->detect_seconds += clock_seconds() - start;
    return status;
}

static bool is_taken(const struct track_candidates *candidates, int64_t id)
{
    for (size_t i = 0; i < candidates->count; i++)
        if (candidates->items[i].match == id)
            return true;
    return false;
}

/* Greedy: the largest overlap of all first. */
int track_candidates_match(struct track_candidates *candidates, const struct track_objects *objects, double iou)
{
    const size_t count = candidates->count, others = objects->count;
    double *overlap = calloc(count * others + 1, sizeof(*overlap));

    if (!overlap)
        return error_memory("detections");
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < others; j++)
            if (objects->items[j].visible && objects->items[j].prompt == candidates->items[i].detection.prompt)
                overlap[i * others + j] = sowlv2_mask_iou(&candidates->items[i].mask, &objects->items[j].mask);
    for (;;) {
        double best = 0;
        size_t at = 0;

        for (size_t i = 0; i < count * others; i++)
            if (overlap[i] > best && overlap[i] >= iou && candidates->items[i / others].match == 0 &&
                !is_taken(candidates, objects->items[i % others].id)) {
                best = overlap[i];
                at = i;
            }
        if (best <= 0)
            break;

        const struct track_object *object = &objects->items[at % others];
        struct track_candidate *candidate = &candidates->items[at / others];

        candidate->match = object->id;
    }
    free(overlap);
    return 0;
}

void track_candidates_match_any(const struct track_run *run, struct track_candidates *candidates,
                                const struct track_objects *objects)
{
    for (size_t i = 0; i < candidates->count; i++) {
        struct track_candidate *const candidate = &candidates->items[i];
        double most = track_dedupe_iou(run);
        int64_t match = candidate->match;

        for (size_t j = 0; candidate->match == 0 && j < objects->count; j++) {
            const struct track_object *const object = &objects->items[j];
            const double iou = object->visible ? sowlv2_mask_iou(&candidate->mask, &object->mask) : 0;

            if (iou > most) {
                most = iou;
                match = object->id;
            }
        }
        candidate->match = match;
    }
}

/* Whether a find may be the object: it is out of sight, or nothing was found where the tracker sees it. With key
 * frames, which lie far apart, the tracker is trusted more than a likeness. */
static bool may_be_found(const struct track_run *run, const struct track_object *object)
{
    return object->pointer && (!object->visible || (object->strayed && !run->seeded));
}

static bool has_lost(const struct track_run *run, int prompt)
{
    for (size_t i = 0; i < run->objects.count; i++)
        if (may_be_found(run, &run->objects.items[i]) && run->objects.items[i].prompt == prompt)
            return true;
    return false;
}

static double distance(const float *a, const float *b)
{
    return hypot((double)(a[0] + a[2] - b[0] - b[2]) / 2, (double)(a[1] + a[3] - b[1] - b[3]) / 2);
}

void track_candidates_match_strayed(struct track_candidates *candidates, const struct track_objects *objects,
                                    double time, double sizes)
{
    for (size_t i = 0; i < candidates->count; i++) {
        struct track_candidate *const candidate = &candidates->items[i];
        const float *const box = candidate->detection.box;
        double least = sizes * sqrt((double)((box[2] - box[0]) * (box[3] - box[1])));

        for (size_t k = 0; candidate->match <= 0 && k < objects->count; k++) {
            const struct track_object *const object = &objects->items[k];
            const double away = distance(object->confirmed_box, box);

            const bool recent = fabs(time - object->confirmed_time) <= ASLEEP_SECONDS;
            const bool may_be = object->strayed || (object->asleep && !object->earlier && recent);

            if (!may_be || object->prompt != candidate->detection.prompt || is_taken(candidates, object->id) ||
                away > least)
                continue;
            least = away;
            candidate->match = -object->id; /* until all were compared */
        }
        candidate->match = llabs(candidate->match);
    }
}

bool track_is_near(const struct track_object *object, const float *box)
{
    return box_iou(object->confirmed_box, box) >= NEAR_BOX;
}

/* The lost object that looks most like what was found; 0: none does. */
static int64_t find_lost(const struct track_run *run, const struct track_candidates *candidates,
                         const struct sowlv2_detection *detection, const struct sowlv2_track *track)
{
    const int prompt = detection->prompt;
    const float *const box = detection->box;
    double best = -1;
    int64_t found = 0;

    for (size_t i = 0; i < run->objects.count; i++) {
        const struct track_object *object = &run->objects.items[i];
        double like;

        if (!may_be_found(run, object) || object->prompt != prompt || is_taken(candidates, object->id) ||
            (object->earlier && !track_is_near(object, box)))
            continue;
        like = track_cosine(object->proof ? object->proof : object->pointer, track->pointer, track->pointer_length);
        log_debug("object %" PRId64 " is lost: a new find looks %.3f like it (%s)", object->id, like,
                  object->visible ? "strayed" : "lost");
        if (track_looks_same(like) && like >= best) {
            best = like;
            found = object->id;
        }
    }
    return found;
}

/* Gives unmatched candidates the lost objects that look the same. To see what a candidate looks like it is taken up
 * as an object for a moment, under a number below 0. */
static int relink(struct track_run *run, struct track_candidates *candidates)
{
    struct sowlv2_track_run_options fresh = sowlv2_track_run_options_default();
    struct sowlv2_tracks tracks = {0};
    size_t tried = 0;
    int status = 0;

    fresh.prompted_only = true;
    for (size_t i = 0; !status && i < candidates->count; i++) {
        struct track_candidate *candidate = &candidates->items[i];
        const struct sowlv2_track_prompt prompt = {.box = candidate->detection.box};

        if (candidate->match != 0 || !has_lost(run, candidate->detection.prompt))
            continue;
        status = sowlv2_track_prompt(run->tracker, -1 - (int64_t)i, &prompt);
        tried += !status;
    }
    if (tried > 0 && !status)
        status = sowlv2_track_run(run->tracker, &fresh, &tracks);
    for (size_t i = 0; i < tracks.count; i++) {
        struct track_candidate *candidate = &candidates->items[-1 - tracks.items[i].object];

        candidate->match = find_lost(run, candidates, &candidate->detection, &tracks.items[i]);
        sowlv2_track_remove(run->tracker, tracks.items[i].object);
    }
    sowlv2_tracks_free(&tracks);
    return status;
}

/* A new object, where there is room. `*id` is 0 without. */
static int add_new(struct track_run *run, const struct sowlv2_detection *detection, int64_t frame, int64_t *id)
{
    struct track_object *object;
    int status;

    *id = 0;
    if (run->seeded)
        return 0;
    if ((int64_t)run->objects.count >= run->job->max_objects) {
        if (!run->told_full)
            log_notice("%s: more than %" PRId64 " objects at frame %" PRId64
                       ": the others are left out: --max-objects N takes more",
                       run->options->source, run->job->max_objects, frame);
        run->told_full = true;
        return 0;
    }
    status = track_objects_add(&run->objects, detection->prompt, detection->score, frame, &object);
    if (status)
        return status;
    object->probation = run->job->doubt && !run->scene_begins;
    if (object->probation)
        track_schedule_ask(run->schedule);
    *id = object->id;
    return 0;
}

/* Finds objects with a new prompt alone; all where their masks must not overlap. */
struct sowlv2_track_run_options track_fresh_only(const struct track_run *run)
{
    struct sowlv2_track_run_options options = sowlv2_track_run_options_default();

    options.prompted_only = !run->job->track->separate;
    return options;
}

/* Takes one up that is followed from here on: a new object, or one that was lost. */
static int take_up(struct track_run *run, struct track_candidates *candidates, size_t index,
                   const struct track_feed_frame *frame)
{
    struct track_candidate *const candidate = &candidates->items[index];
    const struct sowlv2_segment_prompt prompt = {.box = candidate->detection.box};
    int status = 0;

    if (candidate->match == 0)
        status = add_new(run, &candidate->detection, frame->number, &candidate->match);
    if (status || candidate->match == 0)
        return status;

    struct track_object *const object = track_objects_find(&run->objects, candidate->match);

    if (object->asleep) { /* what spoke against it spoke of another thing */
        object->doubt.there = 0;
        object->doubt.against = 0;
    }
    object->asleep = object->strayed = object->earlier = false;
    status = track_confirm(run, candidates, object, &candidate->detection, frame);
    return status ? status : track_ask(run, run->tracker, candidate->match, &prompt, object);
}

/* Gives candidates that nothing was matched with what an earlier pass took them for, if it is not seen elsewhere. */
static void match_known(const struct track_run *run, struct track_candidates *candidates)
{
    for (size_t i = 0; i < candidates->count; i++) {
        struct track_candidate *const candidate = &candidates->items[i];
        const struct track_object *const object = candidate->match == 0 && candidate->known_as != 0
                                                      ? track_objects_find(&run->objects, candidate->known_as)
                                                      : NULL;

        if (object && !object->visible && !is_taken(candidates, object->id))
            candidate->match = object->id;
    }
}

int track_candidates_adopt(struct track_run *run, struct track_candidates *candidates,
                           const struct track_feed_frame *frame)
{
    const struct sowlv2_track_run_options fresh = track_fresh_only(run);
    struct sowlv2_tracks tracks = {0};
    bool any = false, *old = calloc(candidates->count + 1, sizeof(*old));
    int status = old ? 0 : error_memory("detections");

    for (size_t i = 0; !status && i < candidates->count; i++)
        old[i] = candidates->items[i].match != 0; /* is followed already */
    match_known(run, candidates);
    track_candidates_match_strayed(candidates, &run->objects, frame->time, STRAYED_SIZES);
    if (!status)
        status = relink(run, candidates);
    for (size_t i = 0; !status && i < candidates->count; i++) {
        if (old[i])
            continue;
        status = take_up(run, candidates, i, frame);
        any = any || candidates->items[i].match != 0;
    }
    if (!status && any)
        status = sowlv2_track_run(run->tracker, &fresh, &tracks);
    track_objects_take(&run->objects, &tracks, frame->number);
    sowlv2_tracks_free(&tracks);
    for (size_t i = 0; !status && i < candidates->count; i++)
        if (!old[i] && candidates->items[i].match != 0)
            status = track_object_prove(track_objects_find(&run->objects, candidates->items[i].match));
    free(old);
    return status;
}
