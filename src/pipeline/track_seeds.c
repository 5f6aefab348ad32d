/* What the key frames found: which finds are of one object. */
#include "base/box.h"
#include "base/error.h"
#include "base/log.h"
#include "pipeline/track_both.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* An object that the tracker lost between key frames is looked for so many of its sizes around its last place. */
static const double BETWEEN_KEYS_SIZES = 2.5;
/* Finds of one key frame whose boxes overlap less than this are of two things. */
static const float APART = 0.2F;
/* The detector's find on a frame, looked at again: its box is the same but for rounding. */
static const float SAME_FIND = 0.9F;

size_t track_seeds_resolve(const struct track_both *both, size_t seed)
{
    while (both->seeds[seed].same_as >= 0)
        seed = (size_t)both->seeds[seed].same_as;
    return seed;
}

int64_t track_seeds_object(const struct track_both *both, size_t seed)
{
    return both->run->backward ? (int64_t)seed + 1 : both->seeds[seed].id;
}

void track_seeds_join(struct track_both *both, size_t from, size_t into)
{
    struct track_seed *const gone = &both->seeds[from], *const stays = &both->seeds[into];

    gone->same_as = (int64_t)into;
    if (gone->returned >= 0 && stays->returned < 0)
        stays->returned = gone->returned;
    if (!both->run->job->doubt || !gone->doubt.labels || !stays->doubt.labels) {
        if (gone->score > stays->score)
            stays->prompt = gone->prompt; /* another one where they are deduped */
        return;
    }
    for (size_t i = 0; i < stays->doubt.prompts; i++)
        stays->doubt.labels[i] += gone->doubt.labels[i];
    stays->doubt.confirmed += gone->doubt.confirmed;
    stays->prompt = track_doubt_best(&stays->doubt, stays->prompt);
    stays->settled = track_doubt_is_settled(&stays->doubt);
}

/* Whether both were found on one key frame at different places. */
static bool were_apart(const struct track_both *both, size_t one, size_t other)
{
    for (size_t i = 0; i < both->sighting_count; i++) {
        const struct track_sighting *const mine = &both->sightings[i];

        if (track_seeds_resolve(both, mine->seed) != one || mine->detection.prompt != both->seeds[one].prompt)
            continue;
        for (size_t j = 0; j < both->sighting_count; j++) {
            const struct track_sighting *const theirs = &both->sightings[j];

            if (theirs->frame == mine->frame && track_seeds_resolve(both, theirs->seed) == other &&
                theirs->detection.prompt == both->seeds[other].prompt &&
                box_iou(mine->detection.box, theirs->detection.box) < APART)
                return true;
        }
    }
    return false;
}

bool track_seeds_are_apart(const struct track_both *both, size_t one, size_t other)
{
    const struct track_seed *const a = &both->seeds[one], *const b = &both->seeds[other];

    return both->run->job->doubt &&
           ((a->settled && b->settled && a->prompt != b->prompt) || were_apart(both, one, other));
}

bool track_seeds_are_apart_from(const struct track_both *both, size_t seed, int64_t id)
{
    for (size_t i = 0; i < both->seed_count; i++)
        if (both->seeds[i].same_as < 0 && track_seeds_object(both, i) == id && track_seeds_are_apart(both, seed, i))
            return true;
    return false;
}

bool track_seeds_return(const struct track_both *both, const struct track_seed *seed)
{
    for (size_t i = 0; i < both->seed_count; i++)
        if (both->seeds[i].returned >= 0 && both->seeds[i].scene > seed->scene &&
            &both->seeds[track_seeds_resolve(both, (size_t)both->seeds[i].returned)] == seed)
            return true;
    return false;
}

int track_seeds_see(struct track_both *both, size_t seed, const struct sowlv2_detection *detection, int64_t frame)
{
    log_debug("frame %" PRId64 ": %s %.2f at %.0f,%.0f-%.0f,%.0f is taken for object %zu of the key frames", frame,
              both->run->job->prompts[detection->prompt], (double)detection->score, (double)detection->box[0],
              (double)detection->box[1], (double)detection->box[2], (double)detection->box[3], seed + 1);
    if (both->sighting_count == both->sighting_capacity) {
        const size_t capacity = both->sighting_capacity > 0 ? 2 * both->sighting_capacity : 32;
        struct track_sighting *const grown = realloc(both->sightings, capacity * sizeof(*grown));

        if (!grown)
            return error_memory("objects");
        both->sightings = grown;
        both->sighting_capacity = capacity;
    }
    both->sightings[both->sighting_count++] =
        (struct track_sighting){.frame = frame, .seed = seed, .detection = *detection};
    return 0;
}

int64_t track_seeds_of(const struct track_both *both, const struct sowlv2_detection *detection, int64_t frame)
{
    float best = SAME_FIND;
    int64_t found = -1;

    for (size_t i = 0; i < both->sighting_count; i++) {
        const struct track_sighting *const one = &both->sightings[i];

        if (one->frame != frame || one->detection.prompt != detection->prompt)
            continue;

        const float iou = box_iou(one->detection.box, detection->box);

        if (iou >= best) {
            best = iou;
            found = (int64_t)track_seeds_resolve(both, one->seed);
        }
    }
    return found;
}

int64_t track_seeds_before(const struct track_both *both, int64_t frame)
{
    int64_t before = -1;

    for (size_t i = 0; i < both->seed_count; i++)
        if (both->seeds[i].frame < frame && both->seeds[i].frame > before)
            before = both->seeds[i].frame;
    for (size_t i = 0; both->run->job->doubt && i < both->sighting_count; i++)
        if (both->sightings[i].frame < frame && both->sightings[i].frame > before)
            before = both->sightings[i].frame;
    return before;
}

/* Notes the seeds that were matched. */
static void take(const struct track_candidates *candidates, bool *taken)
{
    for (size_t i = 0; i < candidates->count; i++)
        if (candidates->items[i].match != 0)
            taken[candidates->items[i].match - 1] = true; /* ids count from 1 */
}

/* Seeds that were not found again where they are followed may have been found elsewhere. `settled`: those whose name is
 * sure alone. */
static void match_strayed(const struct track_both *both, const struct track_objects *objects,
                          struct track_candidates *candidates, bool settled, bool *taken)
{
    for (size_t i = 0; i < both->seed_count; i++) {
        struct track_object *const object = &objects->items[i];

        object->strayed = !taken[i] && (!settled || track_doubt_is_settled(&object->doubt));
    }
    track_candidates_match_strayed(candidates, objects, INFINITY, BETWEEN_KEYS_SIZES);
    take(candidates, taken);
}

/* What is found in the place of a seed whose name is sure, under another one, is another thing. */
static void unmatch_replaced(const struct track_objects *objects, struct track_candidates *candidates)
{
    for (size_t i = 0; i < candidates->count; i++) {
        struct track_candidate *const candidate = &candidates->items[i];
        const struct track_object *const object = candidate->match != 0 ? &objects->items[candidate->match - 1] : NULL;

        if (object && object->prompt != candidate->detection.prompt && track_doubt_is_settled(&object->doubt))
            candidate->match = 0;
    }
}

int track_seeds_match(const struct track_both *both, const struct track_objects *objects, int64_t scene,
                      struct track_candidates *candidates, bool *taken)
{
    const struct track_run *const run = both->run;
    const int status = track_candidates_match(candidates, objects, run->job->merge_iou);

    if (status)
        return status;
    for (size_t i = 0; i < both->seed_count; i++)
        taken[i] = both->seeds[i].scene != scene; /* nothing is followed through a cut */
    take(candidates, taken);
    if (run->job->doubt)
        match_strayed(both, objects, candidates, true, taken);
    track_candidates_match_any(run, candidates, objects);
    if (run->job->doubt)
        unmatch_replaced(objects, candidates);
    take(candidates, taken);
    if (run->job->doubt)
        match_strayed(both, objects, candidates, false, taken);
    return 0;
}

int64_t track_seeds_find_earlier(const struct track_both *both, const struct track_objects *objects, size_t seed)
{
    const struct track_object *const object = &objects->items[seed];
    double best = -1;
    int64_t found = -1;

    for (size_t i = 0; object->proof && i < seed; i++) {
        const struct track_object *const other = &objects->items[i];
        const double like = other->proof ? track_cosine(object->proof, other->proof, object->pointer_length) : 0;
        /* From one scene into the next nothing goes on: there must be one between. */
        bool taken = both->seeds[i].scene + 1 >= both->seeds[seed].scene || other->prompt != object->prompt;

        for (size_t k = 0; k < both->seed_count; k++) /* that is a later part of it already */
            taken = taken || both->seeds[k].returned == (int64_t)i;
        if (!taken && like > best && track_looks_same(like) && track_is_near(other, object->confirmed_box)) {
            best = like;
            found = (int64_t)i;
        }
    }
    return found;
}
