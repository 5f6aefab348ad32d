/* Tracking in two passes: the order of the passes, and the last of them. */
#include "pipeline/track_both.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Of a video's length: frames that come later are more than a mistake of rounding. */
static const double FAR_BEYOND = 1.1;

/* The object of an earlier scene which the seed is again, where it has not been given up; NULL: there is none. */
static struct track_object *find_earlier(const struct track_both *both, const struct track_seed *seed)
{
    while (seed->returned >= 0) {
        seed = &both->seeds[track_seeds_resolve(both, (size_t)seed->returned)];
        if (seed->id > 0)
            return track_objects_find(&both->run->objects, seed->id);
    }
    return NULL;
}

/* The object is what the key frames say of the seed, and its masks come from the spool. */
static void take_seed(const struct track_both *both, struct track_seed *seed, struct track_object *object)
{
    seed->id = object->id;
    object->score = seed->score;
    object->objectness = seed->objectness;
    object->confirmed_frame = seed->frame;
    object->confirmed_time = track_both_known(both, seed->frame)->time;
    memcpy(object->confirmed_box, seed->box, sizeof(object->confirmed_box));
    object->elsewhere = true;
    object->asleep = object->earlier = false;
    track_doubt_free(&object->doubt);
    object->doubt = seed->doubt;
    object->doubt.against = 0; /* of its last look, which is still to come */
    seed->doubt = (struct track_doubt){0};
}

/* The object of a seed, made when it first comes into a row. Errors: MEMORY. */
static int get_object(struct track_both *both, struct track_seed *seed, int64_t frame, struct track_object **out)
{
    int status = 0;

    *out = seed->id > 0 ? track_objects_find(&both->run->objects, seed->id) : NULL;
    if (*out || seed->id > 0)
        return 0;
    *out = find_earlier(both, seed);
    if (!*out)
        status = track_objects_add(&both->run->objects, seed->prompt, seed->score, frame, out);
    if (!status)
        take_seed(both, seed, *out);
    return status;
}

/* What comes from the spool is out of sight on a frame of which the spool says nothing. */
static int hide_spooled(const struct track_both *both, int64_t frame)
{
    int status = 0;

    for (size_t i = 0; !status && i < both->run->objects.count; i++) {
        struct track_object *const object = &both->run->objects.items[i];

        if (!object->elsewhere || !object->visible)
            continue;
        status = track_object_hide(object);
        object->last_seen = frame; /* it is coming */
    }
    return status;
}

/* Takes what the backward pass saw on the frame over, of objects that have not begun yet. */
static int take_spooled(struct track_both *both, int64_t frame)
{
    struct track_spooled *spooled;
    size_t count;
    int status = track_spool_get(both->spool, frame, &spooled, &count);

    if (!status)
        status = hide_spooled(both, frame);
    for (size_t i = 0; !status && i < count; i++) {
        struct track_seed *seed = &both->seeds[spooled[i].object];
        struct track_object *object;

        if (seed->same_as >= 0 || frame < seed->first)
            continue;
        status = get_object(both, seed, frame, &object);
        if (status || !object || object->asleep)
            continue;
        if (!object->visible)
            object->visible_from = frame;
        sowlv2_masks_free(&object->mask, 1);
        object->mask = spooled[i].mask;
        spooled[i].mask = (struct sowlv2_mask){0};
        object->visible = object->mask.area > 0;
        object->last_seen = frame; /* it is coming */
    }
    track_spooled_free(spooled, count);
    return status;
}

/* The object that a seed's box shows, where it is followed already. */
static int64_t find_followed(const struct track_both *both, const struct track_seed *seed,
                             const struct sowlv2_mask *mask)
{
    const size_t index = (size_t)(seed - both->seeds);
    const struct track_run *run = both->run;

    for (size_t i = 0; i < run->objects.count; i++) {
        const struct track_object *object = &run->objects.items[i];

        if (object->visible && track_is_same(run, object->prompt, seed->prompt, sowlv2_mask_iou(&object->mask, mask)) &&
            !track_seeds_are_apart_from(both, index, object->id))
            return object->id;
    }
    return 0;
}

/* Begins a seed, or corrects the object it turned out to be. */
static int begin_seed(struct track_both *both, size_t index, int64_t frame)
{
    struct track_run *run = both->run;
    struct track_seed *const seed = &both->seeds[track_seeds_resolve(both, index)];
    const struct sowlv2_segment_prompt prompt = {.box = both->seeds[index].box};
    struct track_object *object;
    int status = 0;

    if (seed->id == 0 && run->objects.count > 0) {
        const struct sowlv2_segment_prompt box = {.box = seed->box};
        struct sowlv2_mask mask = {0};

        status = sowlv2_segment(sowlv2_track_frame(run->tracker), &box, 1, run->job->segment, &mask);
        if (!status)
            seed->id = find_followed(both, seed, &mask);
        sowlv2_masks_free(&mask, 1);
    }
    if (!status)
        status = get_object(both, seed, frame, &object);
    if (!status && object) { /* else it was given up before */
        object->asleep = object->elsewhere = object->strayed = false;
        status = track_ask(run, run->tracker, object->id, &prompt, object);
    }
    return status;
}

static bool is_any_in_session(const struct track_run *run)
{
    for (size_t i = 0; i < run->objects.count; i++)
        if (!run->objects.items[i].asleep && !run->objects.items[i].elsewhere)
            return true;
    return false;
}

/* Whether the tracker has anything to do on the frame. */
static bool is_needed(const struct track_both *both, int64_t frame)
{
    for (size_t i = 0; i < both->seed_count; i++) {
        const struct track_seed *seed = &both->seeds[i];

        if (seed->frame == frame)
            return true;
    }
    return is_any_in_session(both->run);
}

/* Whether a later scene shows the object again. */
static bool comes_back(const struct track_both *both, int64_t id)
{
    for (size_t i = 0; i < both->seed_count; i++)
        if (both->seeds[i].id == id && track_seeds_return(both, &both->seeds[i]))
            return true;
    return false;
}

/* What is followed ends with its scene, or is lost until it comes back. */
static int end_scene(struct track_both *both)
{
    struct track_objects *const objects = &both->run->objects;
    int status = 0;

    for (size_t i = objects->count; !status && i-- > 0;) {
        struct track_object *const object = &objects->items[i];

        if (object->elsewhere)
            continue;
        object->earlier = true;
        status = comes_back(both, object->id) ? track_put_to_sleep(both->run, object) : track_let_go(both->run, i);
    }
    return status;
}

static int follow(struct track_both *both, const struct track_feed_frame *frame)
{
    struct track_run *run = both->run;
    const struct sowlv2_track_run_options fresh = track_fresh_only(run);
    const struct sowlv2_image view = image_view(&frame->image);
    struct sowlv2_tracks tracks = {0};
    double start = clock_seconds();
    int status = sowlv2_track_set_frame(run->tracker, frame->number, &view);

    run->report->tracked++;
    run->report->encode_seconds += clock_seconds() - start;
    start = clock_seconds();
    if (!status && is_any_in_session(run))
        status = sowlv2_track_run(run->tracker, NULL, &tracks);
    track_objects_take(&run->objects, &tracks, frame->number);
    sowlv2_tracks_free(&tracks);
    if (!status)
        status = track_both_look(both, frame);
    for (size_t i = 0; !status && i < both->seed_count; i++)
        if (both->seeds[i].frame == frame->number)
            status = begin_seed(both, i, frame->number);
    if (!status)
        status = sowlv2_track_run(run->tracker, &fresh, &tracks);
    track_objects_take(&run->objects, &tracks, frame->number);
    sowlv2_tracks_free(&tracks);
    run->report->track_seconds += clock_seconds() - start;
    return status;
}

static int step(struct track_both *both, struct track_feed_frame *frame)
{
    struct track_run *run = both->run;
    struct output_object *objects = NULL;
    size_t count = 0;
    const struct track_known *known = track_both_known(both, frame->number);
    const bool tracked =
        known ? known->tracked
              : run->objects.count == 0 ||
                    budget_stream_next(&both->budget, track_importance(run->options->plan, frame), frame->cut);
    int status = 0;

    if (!tracked && run->job->frame_budget < 1)
        return track_emitter_add(run->emitter, frame, false, NULL, 0);
    status = track_drop_joined(run);
    if (!status && frame->cut && run->job->doubt)
        status = end_scene(both);
    if (!status)
        status = take_spooled(both, frame->number);
    if (!status && is_needed(both, frame->number))
        status = follow(both, frame);
    if (!status && run->job->doubt)
        status = track_join_doubles(run, frame);
    if (!status)
        status = track_give_up(run, frame->number);
    if (!status)
        track_judge(run, frame);
    if (!status)
        status = track_objects_list(&run->objects, &objects, &count);
    if (status) {
        image_free(&frame->image);
        return status;
    }
    return track_emitter_add(run->emitter, frame, true, objects, count);
}

/* Equal steps through a length that ends far before the frames do leave the rest out. */
static void tell_longer(const struct track_both *both, double end)
{
    const struct track_plan *plan = both->run->options->plan;

    if (plan->steps > 0 && plan->end > 0 && end > plan->end * FAR_BEYOND + 1)
        log_notice("%s: its frames go on to %.2f s, beyond the %.2f s that it declares: no key frame lies in the rest: "
                   "use --detect-every without --use-temporal-detection to look there",
                   both->run->options->source, end, plan->end);
}

int track_both_forward(struct track_both *both, struct track_feed *feed)
{
    double end = 0;
    int status = 0;

    while (!status) {
        struct track_feed_frame frame = {0};
        const double start = clock_seconds();

        status = track_feed_next(feed, &frame);
        both->run->report->read_seconds += clock_seconds() - start;
        if (status)
            break;
        end = frame.time + frame.duration;
        status = step(both, &frame);
        track_tell_progress(both->run, track_feed_info(feed));
    }
    if (status == VIDEO_END)
        tell_longer(both, end);
    return status == VIDEO_END ? 0 : status;
}

static bool is_interrupted(void *user_data)
{
    return track_is_interrupted(user_data);
}

int track_both_open_budget(struct track_both *both)
{
    const struct budget budget = {.fraction = both->run->job->frame_budget, .most_gap = BUDGET_MOST_GAP};

    return budget_stream_open(&budget, &both->budget);
}

/* The passes after the output is there. */
static int passes(struct track_both *both, struct track_feed *feed)
{
    const struct track_run *run = both->run;
    struct video_reader_options reader = run->options->reader;
    int status = track_both_open_budget(both);

    reader.interrupted = is_interrupted;
    reader.user_data = both->run;
    reader.quiet = true; /* the feed says it */
    both->run->seeded = true;
    if (!status)
        status = video_reader_open(run->options->source, &reader, &both->reader);
    if (!status)
        status = track_both_discover(both);
    if (!status && both->known_count > 0 && both->last >= both->first)
        status = track_both_backward(both);
    video_reader_close(&both->reader);
    return status ? status : track_both_forward(both, feed);
}

int track_both_ways(struct track_run *run)
{
    struct track_both both = {.run = run};
    struct track_feed *feed = NULL;
    int status = track_open_feed(run, &feed);

    if (!status)
        status = track_open_output(run, track_feed_info(feed));
    if (!status && !track_feed_info(feed)->seekable) {
        log_notice("%s: it cannot be read twice: objects are followed forward only", run->options->source);
        status = track_forward(run, feed);
    } else if (!status) {
        status = passes(&both, feed);
    }
    if (!status)
        status = track_end(run, feed);
    track_feed_close(&feed);
    track_spool_close(&both.spool);
    for (size_t i = 0; i < both.seed_count; i++)
        track_doubt_free(&both.seeds[i].doubt);
    free(both.seeds);
    free(both.sightings);
    free(both.known);
    free(both.motion);
    return status;
}
