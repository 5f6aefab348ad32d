/* One frame of a tracker: what is to be done with each object, and what is kept of it. */
#include "models/sam2/memory_choice.h"
#include "models/sam2/tracker.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

static bool wants_several(const struct sam2_video_config *config, bool first, int64_t points)
{
    return config->multimask && (first || config->multimask_tracking) && config->multimask_from <= points &&
           points <= config->multimask_to;
}

/* What happens to the object at `place`; false: nothing. */
static bool plan(const struct sam2_frame *frame, int64_t place, struct sam2_job *job)
{
    const struct track_run *run = &frame->run;
    const struct sam2_tracker *tracker = frame->tracker;
    struct sam2_object *object = &tracker->objects[place];
    struct sam2_input *input = sam2_object_input(object, run->frame);
    const struct sam2_memory *given = sam2_memories_find(&object->conditioning, run->frame);
    const bool tracked = sam2_memories_find(&object->tracked, run->frame);
    input = input && input->fresh ? input : NULL;
    *job = (struct sam2_job){.object = object, .place = place, .input = input};
    if (!input && (run->prompted_only || object->conditioning.count == 0))
        return false;
    if (!input) {
        job->kind = given ? SAM2_JOB_GIVE : SAM2_JOB_TRACK;
    } else if (input->mask) {
        job->kind = SAM2_JOB_MASK;
    } else {
        /* A correction of a tracked frame has memories to go by. */
        job->kind = tracked && object->conditioning.count > 0 ? SAM2_JOB_TRACK : SAM2_JOB_SEGMENT;
        job->prompt = input->prompt;
    }
    job->several = job->kind == SAM2_JOB_MASK ? tracker->options.reference_rules
                                              : wants_several(&tracker->video->config, job->kind == SAM2_JOB_SEGMENT,
                                                              (int64_t)job->prompt.point_count);
    job->conditions = input && !(tracker->options.reference_rules && tracked);
    return true;
}

/* Takes what the object needs so that keeping the results cannot fail. */
static int prepare(struct sam2_frame *frame, struct sam2_job *job)
{
    struct sam2_tracker *tracker = frame->tracker;
    const struct tracker_options *options = &tracker->options;
    int status = 0;
    if (job->kind == SAM2_JOB_GIVE)
        return 0;
    if (job->kind == SAM2_JOB_TRACK) {
        status = sam2_object_recall(job->object, tracker->video, frame->run.frame, frame->run.reverse, options,
                                    &job->recalled);
    }
    if (status != 0 || (status = sam2_memories_reserve(&job->object->conditioning)) != 0 ||
        (status = sam2_memories_reserve(&job->object->tracked)) != 0 ||
        (status = sam2_pool_take(&tracker->bank.features, &job->features)) != 0 ||
        (status = sam2_pool_take(&tracker->bank.pointers, &job->pointer)) != 0)
        return status;
    return job->conditions ? sam2_pool_take(&tracker->bank.masks, &job->mask) : 0;
}

/* Whether two jobs may make one batch. */
static bool alike(const struct sam2_job *a, const struct sam2_job *b)
{
    return a->kind == b->kind && a->prompt.point_count == b->prompt.point_count &&
           a->recalled.recall.memories == b->recalled.recall.memories &&
           a->recalled.recall.pointers == b->recalled.recall.pointers;
}

/* Puts the last job behind those that are alike; what is given again comes first. */
static void sort_in(struct sam2_frame *frame)
{
    const struct sam2_job last = frame->jobs[frame->count - 1];
    int64_t at = frame->count - 1;
    while (at > 0 && !alike(&last, &frame->jobs[at - 1]))
        at--;
    if (at == 0 && last.kind != SAM2_JOB_GIVE)
        at = frame->count - 1;
    memmove(frame->jobs + at + 1, frame->jobs + at, (size_t)(frame->count - 1 - at) * sizeof(*frame->jobs));
    frame->jobs[at] = last;
}

static int create_jobs(struct sam2_frame *frame)
{
    struct sam2_tracker *tracker = frame->tracker;
    const size_t count = (size_t)tracker->count + 1;
    if (tracker->count > tracker->tracks_capacity) {
        struct track *tracks = realloc(tracker->tracks, (size_t)tracker->count * sizeof(*tracks));
        if (!tracks)
            return error_memory("tracks");
        tracker->tracks = tracks;
        tracker->tracks_capacity = tracker->count;
    }
    frame->jobs = calloc(count, sizeof(*frame->jobs));
    if (!frame->jobs)
        return error_memory("a frame's objects");
    int status = 0;
    for (int64_t i = 0; i < tracker->count && status == 0; i++) {
        if (plan(frame, i, &frame->jobs[frame->count])) {
            frame->count++;
            status = prepare(frame, &frame->jobs[frame->count - 1]);
            sort_in(frame);
        }
    }
    frame->steps = 2 * frame->count;
    if (status == 0 && tracker->options.chosen) {
        const int64_t tokens = tracker->video->model->config.mask_tokens;
        frame->alternatives = calloc(count, (size_t)(tokens * (tokens + 1)) * sizeof(*frame->alternatives));
        frame->best = calloc(count, sizeof(*frame->best));
        status = frame->alternatives && frame->best ? 0 : error_memory("a frame's objects");
        for (int64_t i = 0; i < frame->count && status == 0; i++)
            frame->best[i] = -1;
    }
    return status;
}

static void free_frame(struct sam2_frame *frame)
{
    struct sam2_bank *bank = &frame->tracker->bank;
    for (int64_t i = 0; i < frame->count && frame->jobs; i++) {
        struct sam2_job *job = &frame->jobs[i];
        sam2_recalled_free(&job->recalled);
        sam2_pool_give(&bank->features, &job->features);
        sam2_pool_give(&bank->pointers, &job->pointer);
        sam2_pool_give(&bank->masks, &job->mask);
    }
    free(frame->jobs);
    free(frame->alternatives);
    free(frame->best);
    free(frame);
}

void sam2_tracker_drop(struct sam2_tracker *tracker)
{
    if (tracker->frame)
        free_frame(tracker->frame);
    tracker->frame = NULL;
}

/* The results' places, and the image that memory is about. */
static void begin(struct sam2_frame *frame)
{
    struct compute *compute = frame->compute;
    const struct sam2_config *config = &frame->tracker->video->model->config;
    const int64_t count = frame->count, side = config->mask_side, width = config->width;
    compute_begin(compute);
    frame->results.masks = COMPUTE_TENSOR(compute, DTYPE_F32, count, side, side);
    frame->results.iou = COMPUTE_TENSOR(compute, DTYPE_F32, count, 1);
    frame->results.object_scores = COMPUTE_TENSOR(compute, DTYPE_F32, count, 1);
    frame->results.pointers = COMPUTE_TENSOR(compute, DTYPE_F32, count, width);
    frame->tokens = COMPUTE_TENSOR(compute, DTYPE_F32, count, width);
    frame->appears = COMPUTE_TENSOR(compute, DTYPE_F32, count, 1);
    frame->image = COMPUTE_TENSOR(compute, DTYPE_F32, config->grid * config->grid, width);
    op_add(compute, frame->features->embedding, frame->tracker->video->weights.minus_no_memory, frame->image);
}

struct tensor sam2_frame_row(struct tensor rows, int64_t row)
{
    return tensor_slice(rows, 0, row, 1);
}

/* A conditioning frame's results once more. */
static void give_again(const struct sam2_frame *frame, int64_t row)
{
    struct compute *compute = frame->compute;
    const struct tracks *results = &frame->results;
    const struct sam2_memory *memory = sam2_memories_find(&frame->jobs[row].object->conditioning, frame->run.frame);
    op_copy(compute, memory->mask, tensor_at(results->masks, row));
    op_copy(compute, memory->pointer, sam2_frame_row(results->pointers, row));
    op_fill(compute, memory->iou, sam2_frame_row(results->iou, row));
    op_fill(compute, memory->object_score, sam2_frame_row(results->object_scores, row));
}

/* Pointers, and masks of prompted frames, where the tracker will look for them. */
static void store(const struct sam2_frame *frame, int64_t row)
{
    const struct sam2_job *job = &frame->jobs[row];
    if (job->kind == SAM2_JOB_GIVE)
        return;
    op_copy(frame->compute, sam2_frame_row(frame->results.pointers, row), job->pointer);
    if (job->conditions)
        op_copy(frame->compute, tensor_at(frame->results.masks, row), job->mask);
}

int sam2_tracker_run(struct sam2_tracker *tracker, struct compute *compute, const struct sam2_features *features,
                     const struct track_run *run, struct tracks *out)
{
    *out = (struct tracks){0};
    sam2_tracker_drop(tracker);
    if (sam2_features_width(features) < 1)
        return error_set(SOWLV2_ERROR_ARGUMENT, "tracking: no image was encoded");
    struct sam2_frame *frame = calloc(1, sizeof(*frame));
    if (!frame)
        return error_memory("a frame's objects");
    *frame = (struct sam2_frame){.tracker = tracker, .compute = compute, .features = features, .run = *run};
    int status = create_jobs(frame);
    if (status == 0) {
        begin(frame);
        for (int64_t i = 0; i < frame->count && frame->jobs[i].kind == SAM2_JOB_GIVE; i++)
            give_again(frame, i);
        sam2_frame_decode(frame);
        sam2_frame_remember(frame);
        for (int64_t i = 0; i < frame->count; i++)
            store(frame, i);
        status = compute_status(compute);
    }
    if (status != 0) {
        compute_finish(compute); /* what was asked for comes back before its place goes */
        free_frame(frame);
        return status;
    }
    for (int64_t i = 0; i < frame->count; i++) {
        const struct sam2_job *job = &frame->jobs[i];
        tracker->tracks[i] = (struct track){.object = job->object->id,
                                            .place = job->place,
                                            .conditioning = job->conditions || job->kind == SAM2_JOB_GIVE};
    }
    *out = frame->results;
    out->items = tracker->tracks;
    out->count = frame->count;
    tracker->frame = frame;
    return 0;
}

/* What is known of the decoder's other masks of a row. */
static struct sam2_alternatives alternatives_of(const struct sam2_frame *frame, int64_t row)
{
    const int64_t tokens = frame->tracker->video->model->config.mask_tokens;
    const float *const at = frame->alternatives + row * tokens * (tokens + 1);
    return (struct sam2_alternatives){.count = tokens, .best = frame->best[row], .iou = at, .shared = at + tokens};
}

/* With chosen memory: whether a tracked frame is worth remembering. */
static void choose_memory(const struct sam2_frame *frame, const struct sam2_job *job, struct sam2_memory *memory)
{
    const struct sam2_alternatives alternatives = alternatives_of(frame, job - frame->jobs);
    bool good;
    sam2_choice_judge(&job->object->choice, memory->frame, memory->iou, memory->object_score, &alternatives, &good,
                      &memory->anchor);
    memory->poor = !good && !job->conditions;
}

/* The new memory of one object. */
static void keep_memory(struct sam2_frame *frame, struct sam2_job *job, float iou, float object_score)
{
    struct sam2_bank *bank = &frame->tracker->bank;
    struct sam2_object *object = job->object;
    const int64_t number = frame->run.frame;
    struct sam2_memory *memory =
        sam2_memories_add(job->conditions ? &object->conditioning : &object->tracked, bank, number);
    memory->features = job->features;
    memory->pointer = job->pointer;
    memory->mask = job->mask;
    memory->iou = iou;
    memory->object_score = object_score;
    memory->anchor = memory->poor = false;
    job->features = job->pointer = job->mask = (struct tensor){0};
    if (frame->tracker->options.chosen)
        choose_memory(frame, job, memory);
    if (job->conditions)
        sam2_memories_remove(&object->tracked, bank, number);
}

static void keep_job(struct sam2_frame *frame, struct sam2_job *job, float iou, float object_score)
{
    struct sam2_tracker *tracker = frame->tracker;
    struct sam2_object *object = job->object;
    const struct sam2_video_config *config = &tracker->video->config;
    const int64_t number = frame->run.frame;
    if (job->kind != SAM2_JOB_GIVE)
        keep_memory(frame, job, iou, object_score);
    if (job->input) {
        job->input->fresh = false;
        if (job->input->mask)
            sam2_object_free_input(object, number);
    }
    if (!tracker->options.reference_rules && job->input) {
        /* Where memory is short, one more conditioning frame stays until the next time. */
        (void)sam2_object_limit(object, &tracker->bank, number + (frame->run.reverse ? -1 : 1),
                                tracker->options.max_conditioning);
    }
    if (!frame->run.prompted_only && tracker->options.chosen)
        sam2_choice_prune(object, &tracker->bank, number, config->memories, config->pointers, tracker->options.window);
    else if (!frame->run.prompted_only)
        sam2_object_prune(object, &tracker->bank, number, config->memories, config->pointers, tracker->options.window);
}

void sam2_tracker_keep(struct sam2_tracker *tracker, const float *iou, const float *object_scores)
{
    struct sam2_frame *frame = tracker->frame;
    for (int64_t i = 0; frame && i < frame->count; i++)
        keep_job(frame, &frame->jobs[i], iou[i], object_scores[i]);
    sam2_tracker_drop(tracker);
}
