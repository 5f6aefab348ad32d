/* One frame of the forward pass. */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "masks/masks.h"
#include "pipeline/prompts.h"
#include "pipeline/track_run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* With doubt, a find is the followed object of its prompt that it overlaps so little where nothing overlaps more: the
 * tracker has strayed. */
static const double NEAR_IOU = 0.15;

/* Encodes the frame and finds again what is followed. */
static int follow(struct track_run *run, const struct track_feed_frame *frame)
{
    const struct sowlv2_image view = image_view(&frame->image);
    double start = clock_seconds(), encoded;
    struct sowlv2_tracks tracks = {0};
    int status = sowlv2_track_set_frame(run->tracker, frame->number, &view);

    encoded = clock_seconds();
    run->report->encode_seconds += encoded - start;
    run->report->tracked++;
    if (!status && track_objects_any(&run->objects))
        status = sowlv2_track_run(run->tracker, NULL, &tracks);
    if (!status)
        track_objects_take(&run->objects, &tracks, frame->number);
    sowlv2_tracks_free(&tracks);
    run->report->track_seconds += clock_seconds() - encoded;
    return status;
}

/* Every find of a followed object's prompt confirms it. */
static int confirm_all(struct track_run *run, const struct track_candidates *candidates,
                       const struct track_feed_frame *frame)
{
    int status = 0;

    for (size_t i = 0; !status && i < candidates->count; i++) {
        const struct sowlv2_detection *const detection = &candidates->items[i].detection;
        struct track_object *const object = track_objects_find(&run->objects, candidates->items[i].match);

        if (object && object->prompt == detection->prompt)
            status = track_confirm(run, candidates, object, detection, frame);
    }
    return status;
}

int track_candidates_find(struct track_run *run, const struct sowlv2_detections *detections,
                          struct track_candidates *out)
{
    int status = track_candidates_make(run, run->tracker, detections, run->job->match_iou, out);

    if (!status)
        status = track_candidates_match(out, &run->objects, run->job->match_iou);
    if (!status && run->job->doubt)
        status = track_candidates_match(out, &run->objects, NEAR_IOU);
    if (!status)
        track_candidates_match_any(run, out, &run->objects);
    return status;
}

/* Finds become objects, or are those that are followed. */
static int take_in(struct track_run *run, const struct track_feed_frame *frame,
                   const struct sowlv2_detections *detections)
{
    struct track_candidates candidates = {0};
    double start = clock_seconds();
    int status = track_candidates_find(run, detections, &candidates);

    if (!status)
        status = run->job->doubt ? track_question(run, &candidates, frame) : confirm_all(run, &candidates, frame);
    if (!status)
        status = track_candidates_adopt(run, &candidates, frame);
    track_candidates_free(&candidates);
    run->report->track_seconds += clock_seconds() - start;
    return status;
}

/* Which of the marked objects are followed: of those whose masks overlap too much, the best. */
static int choose_marks(const struct track_run *run, bool *keep)
{
    const size_t count = run->job->mark_count;
    struct sowlv2_find_options options = sowlv2_find_options_default();
    struct sowlv2_objects objects;
    int status;

    options.segment = run->job->segment;
    options.dedupe_iou = run->job->dedupe_iou;
    status = sowlv2_segment_objects(sowlv2_track_frame(run->tracker), NULL, run->job->marks, count, &options, &objects);
    if (status)
        return marks_explain(status, run->options->name, run->job, MARKS_ANY);
    run->report->covered = (int64_t)objects.duplicates;
    memset(keep, false, count);
    for (size_t i = 0; i < objects.count; i++)
        keep[objects.items[i].index] = true;
    if (objects.duplicates > 0)
        log_debug("%s: %zu of %zu objects dropped: other masks cover them", run->options->source, objects.duplicates,
                  count);
    sowlv2_objects_free(&objects);
    return 0;
}

/* Begins to follow what was marked. */
static int take_marks(struct track_run *run, const struct track_feed_frame *frame)
{
    struct sowlv2_track_run_options fresh = sowlv2_track_run_options_default();
    const size_t count = run->job->mark_count;
    struct sowlv2_tracks tracks = {0};
    bool *const keep = malloc((count + 1) * sizeof(*keep));
    int status = keep ? 0 : error_memory("boxes and points");

    fresh.prompted_only = true;
    if (!status)
        memset(keep, true, count);
    if (!status && run->job->dedupe_iou > 0)
        status = choose_marks(run, keep);
    for (size_t i = 0; !status && i < count; i++) {
        struct track_object *object;

        if (!keep[i])
            continue;
        status = track_objects_add(&run->objects, -1, 0, frame->number, &object);
        if (!status) {
            object->confirmed_time = frame->time;
            status = track_ask(run, run->tracker, object->id, &run->job->marks[i], object);
        }
        if (status)
            status = marks_explain(status, run->options->name, run->job, i);
    }
    free(keep);
    if (!status)
        status = sowlv2_track_run(run->tracker, &fresh, &tracks);
    track_objects_take(&run->objects, &tracks, frame->number);
    sowlv2_tracks_free(&tracks);
    run->marks_taken = true;
    return status;
}

int track_let_go(struct track_run *run, size_t index)
{
    const struct track_object *const object = &run->objects.items[index];
    int status = object->row_id > 0 ? track_emitter_end_object(run->emitter, object->row_id) : 0;

    if (!status && !object->asleep && !object->elsewhere)
        status = sowlv2_track_remove(run->tracker, object->id);
    track_objects_remove(&run->objects, index);
    return status;
}

int track_give_up(struct track_run *run, int64_t frame)
{
    int status = 0;

    for (size_t i = run->objects.count; !status && i-- > 0;) {
        const struct track_object *object = &run->objects.items[i];

        if (frame - object->last_seen <= run->job->lost_after)
            continue;
        log_debug("object %" PRId64 " was last seen at frame %" PRId64 ": it is given up", object->id,
                  object->last_seen);
        status = track_let_go(run, i);
    }
    return status;
}

static int look(struct track_run *run, const struct track_feed_frame *frame, struct sowlv2_detections *out)
{
    run->report->detections++;
    return track_detect(run, &frame->image, out);
}

int track_frame_run(struct track_run *run, const struct track_feed_frame *frame, bool detect, bool *tracked)
{
    struct sowlv2_detections detections = {0};
    int status = track_drop_joined(run);

    *tracked = false;
    run->scene_begins = !track_objects_any(&run->objects) || (frame->cut && run->job->cuts);
    if (!status && detect)
        status = look(run, frame, &detections);
    const bool marks = run->job->marks && !run->marks_taken;

    if (!status && (track_objects_any(&run->objects) || detections.count > 0 || marks)) {
        *tracked = true;
        status = follow(run, frame);
        if (!status && marks)
            status = take_marks(run, frame);
        if (!status && (detections.count > 0 || (detect && run->job->doubt)))
            status = take_in(run, frame, &detections);
        if (!status && run->job->doubt && !run->job->marks)
            status = track_join_doubles(run, frame);
    }
    if (!status)
        status = track_give_up(run, frame->number);
    if (!status && detect)
        track_schedule_done(run->schedule, frame, track_objects_any(&run->objects));
    if (!status)
        track_judge(run, frame);
    sowlv2_detections_free(&detections);
    return status;
}
