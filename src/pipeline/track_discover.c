/* The first of three passes: what the key frames show. */
#include "analysis/importance.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "pipeline/track_both.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The tracker that goes from key frame to key frame. */
struct discovery {
    struct track_both *both;
    sowlv2_track_session *session;
    struct track_objects objects; /* object i is seed i: none is ever removed */
    sowlv2_merger *merger;        /* its object i likewise */
    struct track_keys keys;
    double *chosen; /* keys.times, where they were chosen anew */
    uint8_t grey[2][IMPORTANCE_GREY];
    double end;    /* of the last frame that was read */
    int64_t scene; /* of the last key frame */
};

const struct track_known *track_both_known(const struct track_both *both, int64_t frame)
{
    const int64_t index = frame - both->first;

    return index >= 0 && index < both->known_count ? &both->known[index] : NULL;
}

static int reserve_known(struct track_both *both)
{
    const int64_t capacity = both->known_capacity > 0 ? 2 * both->known_capacity : 1024;

    if (both->known_count < both->known_capacity)
        return 0;

    struct track_known *const known = realloc(both->known, (size_t)capacity * sizeof(*known));
    both->known = known ? known : both->known;
    float *const motion = known ? realloc(both->motion, (size_t)capacity * sizeof(*motion)) : NULL;

    both->motion = motion ? motion : both->motion;
    if (!motion)
        return error_memory("frames");
    both->known_capacity = capacity;
    return 0;
}

static int add_known(struct track_both *both, double time, float motion, bool tracked)
{
    const int status = reserve_known(both);

    if (status)
        return status;
    both->known[both->known_count] = (struct track_known){.time = time, .tracked = tracked};
    both->motion[both->known_count++] = motion;
    return 0;
}

/* Counts scenes over the frames so far; those at the end may turn out to go on. */
static void count_scenes(const struct track_both *both)
{
    const struct sowlv2_run_options *const job = both->run->job;
    int64_t scene = 0;

    for (int64_t i = 0; i < both->known_count; i++) {
        if (i > 0 && job->cuts && job->doubt && importance_is_cut(both->motion + 1, both->known_count - 1, i - 1))
            scene++;
        both->known[i].scene = scene;
    }
}

static int add_seed(struct discovery *discovery, const struct sowlv2_detection *detection, int64_t frame)
{
    struct track_both *both = discovery->both;
    struct track_object *object;

    if (both->seed_count == both->seed_capacity) {
        const size_t capacity = both->seed_capacity > 0 ? 2 * both->seed_capacity : 8;
        struct track_seed *grown = realloc(both->seeds, capacity * sizeof(*grown));

        if (!grown)
            return error_memory("objects");
        both->seeds = grown;
        both->seed_capacity = capacity;
    }
    both->seeds[both->seed_count++] = (struct track_seed){.prompt = detection->prompt,
                                                          .frame = frame,
                                                          .first = frame,
                                                          .same_as = -1,
                                                          .returned = -1,
                                                          .scene = discovery->scene};
    return track_objects_add(&discovery->objects, detection->prompt, detection->score, frame, &object);
}

/* Notes a detection of a seed. What all detections say together is its prompt. */
static int note(const struct discovery *discovery, size_t index, const struct sowlv2_detection *detection,
                int64_t frame)
{
    struct track_run *const run = discovery->both->run;
    struct track_seed *const seed = &discovery->both->seeds[index];
    struct track_object *const object = &discovery->objects.items[index];
    const struct track_feed_frame same = {.number = frame};
    int label = object->prompt;
    int status = run->job->doubt ? track_confirm(run, NULL, object, detection, &same) : 0;

    if (detection->score > seed->score) {
        seed->score = detection->score;
        seed->objectness = detection->objectness;
        seed->prompt = detection->prompt; /* another one where they are deduped */
        seed->frame = seed->first = frame;
        memcpy(seed->box, detection->box, sizeof(seed->box));
    }
    if (!status && object->doubt.labels)
        seed->prompt = track_doubt_best(&object->doubt, label);
    object->prompt = seed->prompt;
    return status;
}

/* Puts the detections of a key frame to the seeds, and asks the tracker to follow those that it does not. */
static int take_in(struct discovery *discovery, struct track_candidates *candidates, int64_t frame)
{
    struct track_both *const both = discovery->both;
    const struct track_run *const run = both->run;
    bool *const taken = calloc(both->seed_count + candidates->count + 1, sizeof(*taken)); /* [seeds] */
    int status = taken ? track_seeds_match(both, &discovery->objects, discovery->scene, candidates, taken)
                       : error_memory("objects");

    for (size_t i = 0; !status && i < candidates->count; i++) {
        struct track_candidate *candidate = &candidates->items[i];
        const struct sowlv2_segment_prompt prompt = {.box = candidate->detection.box};
        int64_t seed = candidate->match - 1;
        const bool followed = seed >= 0 && !discovery->objects.items[seed].strayed;
        size_t object;

        if (seed < 0) /* the tracker may have lost it between key frames */
            seed = sowlv2_merger_find(discovery->merger, &candidate->detection, taken);
        if (seed < 0 && (int64_t)both->seed_count >= run->job->max_objects)
            continue;
        status = sowlv2_merger_add(discovery->merger, seed, (size_t)frame, i, &candidate->detection, &object);
        if (!status && seed < 0)
            status = add_seed(discovery, &candidate->detection, frame);
        if (status)
            break;
        seed = (int64_t)object;
        taken[seed] = true;
        candidate->match = seed + 1;
        discovery->objects.items[seed].asleep = discovery->objects.items[seed].strayed = false;
        status = note(discovery, (size_t)seed, &candidate->detection, frame);
        if (!status)
            status = track_seeds_see(both, (size_t)seed, &candidate->detection, frame);
        if (!status && !followed)
            status = track_ask(run, discovery->session, seed + 1, &prompt, NULL);
    }
    free(taken);
    return status;
}

/* Keeps how the finds of this frame look, and says which new ones are objects of an earlier scene. */
static int link_scenes(struct discovery *discovery, const struct track_candidates *candidates, size_t before)
{
    struct track_both *const both = discovery->both;
    int status = 0;

    for (size_t i = 0; !status && i < candidates->count; i++)
        if (candidates->items[i].match > 0)
            status = track_object_prove(&discovery->objects.items[candidates->items[i].match - 1]);
    for (size_t i = before; !status && both->run->job->doubt && i < both->seed_count; i++)
        both->seeds[i].returned = track_seeds_find_earlier(both, &discovery->objects, i);
    return status;
}

/* What was followed in an earlier scene is not followed into this one. */
static int enter_scene(struct discovery *discovery, int64_t frame)
{
    const struct track_both *const both = discovery->both;
    int status = 0;

    count_scenes(both);
    if (track_both_known(both, frame)->scene == discovery->scene)
        return 0;
    discovery->scene = track_both_known(both, frame)->scene;
    for (size_t i = 0; !status && i < discovery->objects.count; i++) {
        struct track_object *const object = &discovery->objects.items[i];

        object->visible = false;
        if (!object->asleep)
            status = sowlv2_track_remove(discovery->session, object->id);
        object->asleep = true;
    }
    return status;
}

/* A key frame. */
static int look(struct discovery *discovery, const struct video_frame *frame)
{
    struct sowlv2_track_run_options fresh = sowlv2_track_run_options_default();
    struct track_run *run = discovery->both->run;
    const struct sowlv2_image view = image_view(&frame->image);
    struct sowlv2_detections detections = {0};
    struct track_candidates candidates = {0};
    struct sowlv2_tracks tracks = {0};
    const size_t before = discovery->both->seed_count;
    int status = enter_scene(discovery, frame->number);

    run->report->detections++;
    if (!status)
        status = track_detect(run, &frame->image, &detections);

    double start = clock_seconds();

    fresh.prompted_only = true;
    if (!status && (detections.count > 0 || track_objects_any(&discovery->objects)))
        status = sowlv2_track_set_frame(discovery->session, frame->number, &view);
    run->report->encode_seconds += clock_seconds() - start;
    start = clock_seconds();
    if (!status && track_objects_any(&discovery->objects))
        status = sowlv2_track_run(discovery->session, NULL, &tracks);
    track_objects_take(&discovery->objects, &tracks, frame->number);
    sowlv2_tracks_free(&tracks);
    if (!status && detections.count > 0)
        status = track_candidates_make(run, discovery->session, &detections, run->job->match_iou, &candidates);
    if (!status && candidates.count > 0)
        status = take_in(discovery, &candidates, frame->number);
    if (!status && candidates.count > 0)
        status = sowlv2_track_run(discovery->session, &fresh, &tracks);
    track_objects_take(&discovery->objects, &tracks, frame->number);
    sowlv2_tracks_free(&tracks);
    if (!status)
        status = link_scenes(discovery, &candidates, before);
    track_candidates_free(&candidates);
    sowlv2_detections_free(&detections);
    run->report->track_seconds += clock_seconds() - start;
    return status;
}

/* `until`: when the next frame comes. */
static int take_frame(struct discovery *discovery, const struct video_frame *frame, double until)
{
    struct track_both *both = discovery->both;
    const struct track_plan *plan = both->run->options->plan;
    int64_t index;
    struct track_feed_frame same = {.number = frame->number, .time = frame->time};
    bool key;
    int status = 0;

    if (both->known_count == 0) {
        both->first = frame->number;
        both->last = frame->number - 1;
    }
    while (!status && both->known_count < frame->number - both->first) /* a number that was left out */
        status = add_known(both, frame->time, 0, false);
    index = both->known_count;
    if (status)
        return status;
    importance_grey(frame->image.pixels, frame->image.width, frame->image.height, (size_t)frame->image.width * 3,
                    discovery->grey[index % 2]);
    if (index > 0)
        same.motion = importance_motion(discovery->grey[(index + 1) % 2], discovery->grey[index % 2], IMPORTANCE_GREY);
    key = track_keys_pass(&discovery->keys, until);
    status = add_known(both, frame->time, same.motion,
                       budget_stream_next(&both->budget, track_importance(plan, &same), key));
    if (status || !key)
        return status;
    both->known[index].key = true;
    track_tell_pass(both->run, (int64_t)discovery->keys.passed - 1, (int64_t)discovery->keys.count,
                    "looking at key frames");
    return look(discovery, frame);
}

static void tell_late(const struct discovery *discovery)
{
    const size_t late = track_keys_after(&discovery->keys, discovery->end);

    if (late > 0)
        log_notice("%s: it ends at %.2f s, before %zu of its key frames: the last frame is looked at instead",
                   discovery->both->run->options->source, discovery->end, late);
}

/* Reads until all keys have passed; without any, to the end. The last frame is that of all later keys, unless they are
 * a `guess`, of which those that come after its end are left. */
static int read_frames(struct discovery *discovery, bool guess)
{
    struct track_both *both = discovery->both;
    struct video_frame frames[2] = {0};
    int status = video_reader_next(both->reader, &frames[0]), ahead = 0;

    for (int64_t i = 0; !status && !ahead; i++) {
        const struct video_frame *now = &frames[i % 2];
        struct video_frame *next = &frames[(i + 1) % 2];
        double until;

        ahead = video_reader_next(both->reader, next);
        discovery->end = now->time + now->duration;
        until = ahead == 0 ? next->time : guess ? discovery->end : INFINITY;
        if (isinf(until))
            tell_late(discovery);
        status = ahead < 0 ? ahead : take_frame(discovery, now, until);
        if (discovery->keys.count > 0 && discovery->keys.passed == discovery->keys.count)
            break;
    }
    video_frame_free(&frames[0]);
    video_frame_free(&frames[1]);
    return status == VIDEO_END ? 0 : status;
}

/* What follows objects from key frame to key frame: by their masks, and by their boxes. */
static int open_trackers(struct discovery *discovery)
{
    const struct track_run *const run = discovery->both->run;
    const int status = sowlv2_track_session_create(run->segmenter, run->job->track, &discovery->session);

    return status ? status : sowlv2_merger_create((float)run->job->merge_iou, &discovery->merger);
}

/* Forgets the pass so far and goes back to the first frame. */
static int begin_again(struct discovery *discovery)
{
    struct track_both *both = discovery->both;
    int status = video_reader_seek(both->reader, both->first, both->known[0].time);

    both->known_count = 0;
    both->seed_count = 0;
    both->sighting_count = 0;
    discovery->scene = 0;
    track_objects_free(&discovery->objects);
    discovery->objects = (struct track_objects){0};
    sowlv2_track_session_free(&discovery->session);
    sowlv2_merger_free(&discovery->merger);
    if (!status)
        status = open_trackers(discovery);
    return status ? status : track_both_open_budget(both);
}

/* Key frames in equal steps through the frames that were read: the length that the plan was made for is another one. */
static int choose_anew(struct discovery *discovery)
{
    const struct track_both *both = discovery->both;
    const struct track_plan *plan = both->run->options->plan;
    const size_t known = (size_t)both->known_count, count = plan->steps < known ? plan->steps : known;
    const double first = both->known[0].time, step = (discovery->end - first) / (double)count;
    struct string text = {0};

    free(discovery->chosen);
    discovery->chosen = calloc(count + 1, sizeof(*discovery->chosen));
    if (!discovery->chosen)
        return error_memory("key frames");
    for (size_t i = 0; i < count; i++) {
        discovery->chosen[i] = first + ((double)i + 0.5) * step;
        string_append_format(&text, "%s%.2f", i > 0 ? ", " : "", discovery->chosen[i]);
    }
    log_notice("%s: its frames end at %.2f s, %s: key frames by equal steps at %s s", both->run->options->source,
               discovery->end,
               plan->key_count > 0 ? "before the length that it declares" : "a length that it does not declare",
               text.failed ? "?" : text.data);
    string_free(&text);
    discovery->keys = (struct track_keys){discovery->chosen, count, 0};
    return begin_again(discovery);
}

int track_both_discover(struct track_both *both)
{
    const struct track_run *run = both->run;
    const struct track_plan *plan = run->options->plan;
    struct discovery *discovery = calloc(1, sizeof(*discovery));
    const bool guess = plan->steps > 0;
    int status = discovery ? 0 : error_memory("key frames");

    if (status)
        return status;
    discovery->both = both;
    discovery->keys = (struct track_keys){plan->key_times, plan->key_count, 0};
    status = open_trackers(discovery);
    if (!status)
        status = read_frames(discovery, guess);
    if (!status && guess && both->known_count > 0 &&
        (discovery->keys.count == 0 || discovery->keys.passed < discovery->keys.count)) {
        status = choose_anew(discovery);
        if (!status)
            status = read_frames(discovery, false);
    }
    count_scenes(both);
    for (size_t i = 0; i < both->seed_count; i++) {
        if (both->seeds[i].frame > both->last)
            both->last = both->seeds[i].frame;
        both->seeds[i].doubt = discovery->objects.items[i].doubt;
        both->seeds[i].settled = track_doubt_is_settled(&both->seeds[i].doubt);
        discovery->objects.items[i].doubt = (struct track_doubt){0};
    }
    sowlv2_track_session_free(&discovery->session);
    sowlv2_merger_free(&discovery->merger);
    track_objects_free(&discovery->objects);
    free(discovery->chosen);
    free(discovery);
    return status;
}
