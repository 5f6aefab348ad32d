/* A key frame in the passes that follow objects from frame to frame: the questions that one pass asks at a look. */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "pipeline/track_both.h"

#include <inttypes.h>

struct look {
    struct track_both *both;
    const struct track_feed_frame *frame;
    struct track_candidates candidates;
};

/* The followed object that a seed is; NULL: there is none. */
static struct track_object *object_of(const struct look *look, size_t seed)
{
    const int64_t id = track_seeds_object(look->both, seed);

    return id > 0 ? track_objects_find(&look->both->run->objects, id) : NULL;
}

/* The pass backward has let go of the object, or not come to it, and this find is of it: it is followed again. */
static int come_back(struct look *look, size_t seed, struct track_object **out)
{
    const struct track_seed *const known = &look->both->seeds[seed];
    struct track_objects *const objects = &look->both->run->objects;
    int status;

    objects->next_id = (int64_t)seed + 1;
    status = track_objects_add(objects, known->prompt, known->score, look->frame->number, out);
    if (!status)
        (*out)->asleep = true; /* until it is taken up */
    return status;
}

/* Says of each find which object the first pass took it for. */
static int recall(struct look *look)
{
    int status = 0;

    for (size_t i = 0; !status && i < look->candidates.count; i++) {
        struct track_candidate *const candidate = &look->candidates.items[i];
        const int64_t seed = track_seeds_of(look->both, &candidate->detection, look->frame->number);
        struct track_object *object = seed >= 0 ? object_of(look, (size_t)seed) : NULL;

        if (!object && seed >= 0 && look->both->run->backward && candidate->match == 0 &&
            look->both->seeds[seed].prompt == candidate->detection.prompt &&
            look->both->seeds[seed].frame > look->frame->number)
            status = come_back(look, (size_t)seed, &object);
        if (!status && object && !object->elsewhere && object->prompt == candidate->detection.prompt)
            candidate->known_as = object->id;
    }
    return status;
}

/* Backward: halfway between this frame, which shows another thing there, and the one on which the seed was found next.
 */
static int64_t halfway(const struct look *look, size_t seed)
{
    const struct track_both *const both = look->both;
    int64_t found = both->seeds[seed].frame;

    for (size_t i = 0; i < both->sighting_count; i++) {
        const int64_t frame = both->sightings[i].frame;

        if (frame > look->frame->number && frame < found && track_seeds_resolve(both, both->sightings[i].seed) == seed)
            found = frame;
    }
    return (look->frame->number + found + 1) / 2;
}

/* A find of a thing whose name is sure lies on what is followed as another one, whose name is sure too: one has taken
 * the other's place. */
static int end_replaced(struct look *look)
{
    struct track_both *const both = look->both;
    int status = 0;

    for (size_t i = 0; !status && i < look->candidates.count; i++) {
        struct track_candidate *const candidate = &look->candidates.items[i];
        const int64_t seed = track_seeds_of(both, &candidate->detection, look->frame->number);
        struct track_object *const object = track_objects_find(&both->run->objects, candidate->match);
        const int prompt = candidate->detection.prompt;

        if (seed < 0 || !object || object->elsewhere || object->prompt == prompt ||
            both->seeds[seed].prompt != prompt || !both->seeds[seed].settled ||
            !track_seeds_are_apart_from(both, (size_t)seed, object->id))
            continue;
        log_debug("frame %" PRId64 ": object %" PRId64 " has another thing in its place", look->frame->number,
                  object->id);
        candidate->match = 0;
        if (both->run->backward)
            both->seeds[object->id - 1].first = halfway(look, (size_t)object->id - 1);
        status = track_put_to_sleep(both->run, object);
    }
    return status;
}

/* Backward: a find that the first pass took for one seed lies on what another one was followed to. They are one, unless
 * both were seen elsewhere at once. */
static int join_back(struct look *look, size_t seed, size_t followed)
{
    struct track_both *const both = look->both;
    struct track_objects *const objects = &both->run->objects;
    const struct track_object *const object = object_of(look, seed);
    const bool later = both->seeds[seed].frame > look->frame->number; /* it has begun already, in this pass */
    const size_t from = later ? seed : followed;

    if ((object && object->visible) || track_seeds_are_apart(both, seed, followed))
        return 0;
    log_debug("frame %" PRId64 ": objects %zu and %zu of the key frames are one", look->frame->number, seed + 1,
              followed + 1);
    track_seeds_join(both, from, later ? followed : seed);
    for (size_t i = 0; i < objects->count; i++)
        if (objects->items[i].id == (int64_t)from + 1)
            return track_let_go(both->run, i);
    return 0;
}

/* Forward: a find that the first pass took for one seed lies on what is followed. Where that seed's own object, which
 * is still to come, is there too, one find is on both: they are one. */
static int join_forward(struct look *look, const struct track_candidate *find, size_t seed,
                        struct track_object *followed)
{
    struct track_both *const both = look->both;
    struct track_object *const coming = object_of(look, seed);
    const bool same = !coming || (coming->elsewhere && coming->visible && coming->prompt == followed->prompt &&
                                  sowlv2_mask_iou(&coming->mask, &find->mask) >= both->run->job->match_iou);

    if (!same || track_seeds_are_apart_from(both, seed, followed->id))
        return 0;
    for (size_t i = 0; coming && i < both->seed_count; i++)
        if (both->seeds[i].id == coming->id)
            both->seeds[i].id = followed->id;
    if (both->seeds[seed].id == 0)
        both->seeds[seed].id = followed->id;
    return coming ? track_merge(both->run, coming, followed) : 0;
}

/* What is found is followed already, though the first pass took it for something else. */
static int join(struct look *look)
{
    struct track_both *const both = look->both;
    int status = 0;

    for (size_t i = 0; !status && i < look->candidates.count; i++) {
        const struct track_candidate *const candidate = &look->candidates.items[i];
        const int64_t seed = track_seeds_of(both, &candidate->detection, look->frame->number);
        struct track_object *const object = track_objects_find(&both->run->objects, candidate->match);

        if (seed < 0 || !object || !object->visible || object == object_of(look, (size_t)seed))
            continue;
        status = both->run->backward ? join_back(look, (size_t)seed, (size_t)object->id - 1)
                                     : join_forward(look, candidate, (size_t)seed, object);
    }
    return status;
}

/* Relabelled objects are so from their first row on. */
static void keep_labels(const struct look *look)
{
    for (size_t i = 0; look->both->run->backward && i < look->both->seed_count; i++) {
        const struct track_object *const object = object_of(look, i);

        if (object)
            look->both->seeds[i].prompt = object->prompt;
    }
}

/* A find of a seed that is not followed here is not given to what it is known to be apart from. */
static void leave_out(struct look *look)
{
    const struct track_both *const both = look->both;
    const struct track_objects *const objects = &both->run->objects;

    for (size_t i = look->candidates.count; i-- > 0;) {
        const struct track_candidate *const candidate = &look->candidates.items[i];
        const int64_t seed = track_seeds_of(both, &candidate->detection, look->frame->number);
        bool apart = false;

        if (candidate->match != 0 || candidate->known_as != 0 || seed < 0)
            continue;
        for (size_t k = 0; !apart && k < objects->count; k++)
            apart = (!objects->items[k].visible || objects->items[k].strayed) &&
                    objects->items[k].prompt == candidate->detection.prompt &&
                    track_seeds_are_apart_from(both, (size_t)seed, objects->items[k].id);
        if (apart)
            track_candidates_drop(&look->candidates, i);
    }
}

static int take_in(struct look *look, const struct sowlv2_detections *detections)
{
    struct track_run *const run = look->both->run;
    int status = track_candidates_find(run, detections, &look->candidates);

    if (!status)
        status = end_replaced(look);
    if (!status)
        status = recall(look);
    if (!status)
        status = track_question(run, &look->candidates, look->frame);
    if (!status)
        leave_out(look);
    if (!status)
        status = track_candidates_adopt(run, &look->candidates, look->frame);
    if (!status)
        status = join(look);
    if (!status)
        keep_labels(look);
    return status;
}

int track_both_look(struct track_both *both, const struct track_feed_frame *frame)
{
    struct track_run *const run = both->run;
    const struct track_known *const known = track_both_known(both, frame->number);
    struct track_feed_frame same = *frame;
    struct look look = {.both = both, .frame = &same};
    struct sowlv2_detections detections = {0};

    if (!run->job->doubt || !known || !known->key)
        return 0;
    same.cut = false; /* the passes end what is followed at cuts themselves */

    int status = track_detect(run, &frame->image, &detections);
    const double start = clock_seconds();

    if (!status)
        status = take_in(&look, &detections);
    track_candidates_free(&look.candidates);
    sowlv2_detections_free(&detections);
    run->report->track_seconds += clock_seconds() - start;
    return status;
}
