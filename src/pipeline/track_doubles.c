/* Two objects on one mask. */
#include "base/error.h"
#include "base/log.h"
#include "pipeline/track_run.h"

#include <inttypes.h>
#include <stdlib.h>

/* Frames in a row after which two masks that overlap so much are one. */
enum { FRAMES = 3 };
static const double SAME_MASK = 0.7;

/* Two objects, the lower id first, whose masks are one since `frames` frames. */
struct track_pair {
    int64_t first, second, since;
    int frames;
    bool seen; /* on the current frame */
};

static bool boxes_meet(const float *a, const float *b)
{
    return a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
}

/* Whether the two masks are of one thing: of another prompt, where the job wants that. */
static bool are_one(const struct track_run *run, const struct track_object *a, const struct track_object *b)
{
    const double least = a->prompt == b->prompt ? SAME_MASK : track_dedupe_iou(run);

    return boxes_meet(a->mask.box, b->mask.box) && sowlv2_mask_iou(&a->mask, &b->mask) > least;
}

static struct track_pair *find_pair(const struct track_run *run, int64_t first, int64_t second)
{
    for (size_t i = 0; i < run->pair_count; i++)
        if (run->pairs[i].first == first && run->pairs[i].second == second)
            return &run->pairs[i];
    return NULL;
}

static int note(struct track_run *run, int64_t first, int64_t second, int64_t frame)
{
    struct track_pair *pair = find_pair(run, first, second);

    if (!pair && run->pair_count == run->pair_capacity) {
        const size_t capacity = run->pair_capacity > 0 ? 2 * run->pair_capacity : 8;
        struct track_pair *const grown = realloc(run->pairs, capacity * sizeof(*grown));

        if (!grown)
            return error_memory("objects");
        run->pairs = grown;
        run->pair_capacity = capacity;
    }
    if (!pair) {
        pair = &run->pairs[run->pair_count++];
        *pair = (struct track_pair){.first = first, .second = second, .since = frame};
    }
    pair->frames++;
    pair->seen = true;
    return 0;
}

/* Which of the two the thing under both masks is: that with more evidence for its label; of two with one label that
 * which looks more like itself, and the older one. */
static struct track_object *choose(struct track_object *a, struct track_object *b)
{
    if (a->prompt != b->prompt && a->doubt.labels && b->doubt.labels)
        return b->doubt.labels[b->prompt] > a->doubt.labels[a->prompt] ? b : a;
    return track_object_like(b) > track_object_like(a) ? b : a;
}

int track_merge(struct track_run *run, struct track_object *goes, struct track_object *stays)
{
    stays->probation = stays->probation && goes->probation;
    goes->merged_into = stays->id;
    return track_put_to_sleep(run, goes);
}

/* In two passes the key frames may be sure that they are two things: one has taken the other's place. */
static bool is_replaced(const struct track_run *run, const struct track_object *a, const struct track_object *b)
{
    return run->seeded && a->prompt != b->prompt && track_doubt_is_settled(&a->doubt) &&
           track_doubt_is_settled(&b->doubt);
}

/* Ends the double. Two things that were seen apart are two still, of which one has strayed: it is lost. */
static int resolve(struct track_run *run, const struct track_pair *pair, int64_t frame)
{
    struct track_object *const a = track_objects_find(&run->objects, pair->first);
    struct track_object *const b = track_objects_find(&run->objects, pair->second);
    struct track_object *const last = (a->visible_from > b->visible_from) != run->backward ? a : b; /* to come */
    const bool replaced = is_replaced(run, a, b);
    const bool two = replaced || llabs(pair->since - last->visible_from) > 1;
    struct track_object *const stays = replaced ? last : choose(a, b), *const goes = stays == a ? b : a;

    log_debug("%s: frame %" PRId64 ": objects %" PRId64 " and %" PRId64 " are one: %" PRId64 " %s",
              run->options->source, frame, a->id, b->id, goes->id, two ? "is lost" : "ends");
    if (!two)
        return track_merge(run, goes, stays);
    stays->probation = stays->probation && goes->probation;
    return track_put_to_sleep(run, goes);
}

int track_join_doubles(struct track_run *run, const struct track_feed_frame *frame)
{
    const struct track_objects *const objects = &run->objects;
    size_t kept = 0;
    int status = 0;

    for (size_t i = 0; i < run->pair_count; i++)
        run->pairs[i].seen = false;
    for (size_t i = 0; !status && i < objects->count; i++)
        for (size_t j = i + 1; !status && j < objects->count; j++)
            if (objects->items[i].visible && objects->items[j].visible &&
                are_one(run, &objects->items[i], &objects->items[j]))
                status = note(run, objects->items[i].id, objects->items[j].id, frame->number);
    for (size_t i = 0; !status && i < run->pair_count; i++) {
        const struct track_pair *const pair = &run->pairs[i];

        if (!pair->seen)
            continue;
        if (pair->frames < FRAMES) {
            track_schedule_ask(run->schedule); /* who it is shows best where the detector looks */
            run->pairs[kept++] = *pair;
        } else if (track_objects_find(objects, pair->first)->visible &&
                   track_objects_find(objects, pair->second)->visible) {
            status = resolve(run, pair, frame->number);
        }
    }
    run->pair_count = kept;
    return status;
}

int track_drop_joined(struct track_run *run)
{
    int status = 0;

    for (size_t i = run->objects.count; !status && i-- > 0;) {
        const struct track_object *const object = &run->objects.items[i];

        if (object->merged_into > 0 || (object->probation && (object->asleep || object->doubt.there < 0)))
            status = track_let_go(run, i);
    }
    return status;
}
