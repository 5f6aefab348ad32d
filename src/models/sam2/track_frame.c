/* One frame of a tracker: what is to be done with each object, and what is kept of it. */
#include "models/sam2/tracker.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_SCRATCH = 256 << 20 };

/* Scratch that each tracked object of a batch takes. */
static size_t object_bytes(const struct sam2_video *video)
{
    const struct sam2_config *config = &video->model->config;
    const int64_t pixels = config->grid * config->grid, tokens = 3; /* a box's; who gives points gives few */
    return sam2_prompt_bytes(config, tokens) +
           (size_t)(pixels * (2 * config->width + 5 * video->config.inner)) * sizeof(float);
}

static bool wants_several(const struct sam2_video_config *config, bool first, int64_t points)
{
    return config->multimask && (first || config->multimask_tracking) && config->multimask_from <= points &&
           points <= config->multimask_to;
}

/* What happens to `object`, from place `index` of the results; false: nothing. */
static bool plan(struct sam2_frame *frame, struct sam2_object *object, int64_t index, struct sam2_job *job)
{
    const struct sam2_run *run = frame->run;
    const struct sam2_tracker *tracker = frame->tracker;
    const struct sam2_config *config = &tracker->video->model->config;
    struct sam2_input *input = sam2_object_input(object, run->frame);
    const struct sam2_memory *given = sam2_memories_find(&object->conditioning, run->frame);
    const bool tracked = sam2_memories_find(&object->tracked, run->frame) != NULL;
    input = input != NULL && input->fresh ? input : NULL;
    *job = (struct sam2_job){.object = object, .input = input};
    job->mask = tracker->masks + index * config->mask_side * config->mask_side;
    job->pointer = tracker->pointers + index * config->width;
    job->token = frame->tokens + index * config->width;
    if (input == NULL && (run->prompted_only || object->conditioning.count == 0))
        return false;
    if (input == NULL) {
        job->kind = given != NULL ? SAM2_JOB_GIVE : SAM2_JOB_TRACK;
    } else if (input->mask != NULL) {
        job->kind = SAM2_JOB_MASK;
    } else {
        /* A correction of a tracked frame has memories to go by. */
        job->kind = tracked && object->conditioning.count > 0 ? SAM2_JOB_TRACK : SAM2_JOB_SEGMENT;
        job->prompt.points = input->points;
        job->prompt.labels = input->labels;
        job->prompt.point_count = input->point_count;
    }
    job->multimask = wants_several(&tracker->video->config, job->kind == SAM2_JOB_SEGMENT, job->prompt.point_count);
    return true;
}

/* Room for the results of all objects. */
static int reserve_tracks(struct sam2_tracker *tracker)
{
    if (tracker->count <= tracker->tracks_capacity)
        return 0;
    const struct sam2_config *config = &tracker->video->model->config;
    const size_t count = (size_t)tracker->count, area = (size_t)(config->mask_side * config->mask_side);
    struct sam2_track *tracks = realloc(tracker->tracks, count * sizeof(*tracks));
    tracker->tracks = tracks != NULL ? tracks : tracker->tracks;
    float *masks = realloc(tracker->masks, count * area * sizeof(*masks));
    tracker->masks = masks != NULL ? masks : tracker->masks;
    float *pointers = realloc(tracker->pointers, count * (size_t)config->width * sizeof(*pointers));
    tracker->pointers = pointers != NULL ? pointers : tracker->pointers;
    if (tracks == NULL || masks == NULL || pointers == NULL)
        return error_memory("masks");
    tracker->tracks_capacity = tracker->count;
    return 0;
}

/* Takes what the object needs so that keeping the results cannot fail. */
static int prepare(struct sam2_frame *frame, struct sam2_job *job)
{
    struct sam2_tracker *tracker = frame->tracker;
    const struct sam2_tracker_options *options = &tracker->options;
    const int64_t width = tracker->video->model->config.width;
    int status = 0;
    if (job->kind == SAM2_JOB_GIVE)
        return 0;
    if (job->kind == SAM2_JOB_TRACK) {
        status = sam2_object_recall(job->object, tracker->video, frame->run->frame, frame->run->reverse,
                                    options->max_conditioning, options->reference_rules, &job->recalled);
    }
    if (status == 0)
        status = sam2_memories_reserve(&job->object->conditioning, width);
    if (status == 0)
        status = sam2_memories_reserve(&job->object->tracked, width);
    return status == 0 ? sam2_pool_take(&tracker->pool, &job->features) : status;
}

static int create_jobs(struct sam2_frame *frame)
{
    struct sam2_tracker *tracker = frame->tracker;
    const size_t count = (size_t)tracker->count + 1, width = (size_t)tracker->video->model->config.width;
    const size_t limit = tracker->options.scratch_limit > 0 ? tracker->options.scratch_limit : DEFAULT_SCRATCH;
    int status = reserve_tracks(tracker);
    if (status != 0)
        return status;
    frame->jobs = calloc(count, sizeof(*frame->jobs));
    frame->tokens = calloc(count * width, sizeof(*frame->tokens));
    if (frame->jobs == NULL || frame->tokens == NULL)
        return error_memory("a frame's objects");
    frame->batch = (int64_t)(limit / object_bytes(tracker->video));
    frame->batch = frame->batch < 1 ? 1 : frame->batch;
    for (int64_t i = 0; i < tracker->count && status == 0; i++) {
        struct sam2_job *job = &frame->jobs[frame->count];
        if (plan(frame, &tracker->objects[i], frame->count, job)) {
            frame->count++;
            status = prepare(frame, job);
        }
    }
    frame->steps = 2 * frame->count;
    return status;
}

static void free_jobs(struct sam2_frame *frame)
{
    for (int64_t i = 0; i < frame->count && frame->jobs != NULL; i++) {
        sam2_recalled_free(&frame->jobs[i].recalled);
        sam2_pool_give(&frame->tracker->pool, &frame->jobs[i].features);
        free(frame->jobs[i].full_mask);
    }
    free(frame->jobs);
    free(frame->tokens);
}

/* A conditioning frame's results once more. */
static void give_again(struct sam2_frame *frame, struct sam2_job *job)
{
    const struct sam2_config *config = &frame->tracker->video->model->config;
    const struct sam2_memory *memory = sam2_memories_find(&job->object->conditioning, frame->run->frame);
    memcpy(job->mask, memory->mask, (size_t)(config->mask_side * config->mask_side) * sizeof(*job->mask));
    memcpy(job->pointer, memory->pointer, (size_t)config->width * sizeof(*job->pointer));
    job->iou = memory->iou;
    job->object_score = memory->object_score;
}

/* Whether the frame becomes a conditioning one for the job's object. */
static bool conditions(const struct sam2_frame *frame, const struct sam2_job *job)
{
    const bool corrected = sam2_memories_find(&job->object->tracked, frame->run->frame) != NULL;
    return job->input != NULL && !(frame->tracker->options.reference_rules && corrected);
}

/* Room for what keeping takes. */
static int copy_masks(struct sam2_frame *frame, float **copies)
{
    const struct sam2_config *config = &frame->tracker->video->model->config;
    const size_t bytes = (size_t)(config->mask_side * config->mask_side) * sizeof(float);
    for (int64_t i = 0; i < frame->count; i++) {
        const struct sam2_job *job = &frame->jobs[i];
        if (job->kind != SAM2_JOB_GIVE && conditions(frame, job)) {
            copies[i] = malloc(bytes);
            if (copies[i] == NULL)
                return error_memory("masks");
            memcpy(copies[i], job->mask, bytes);
        }
    }
    return 0;
}

static void keep_job(struct sam2_frame *frame, struct sam2_job *job, float *mask)
{
    struct sam2_tracker *tracker = frame->tracker;
    struct sam2_object *object = job->object;
    const struct sam2_video_config *config = &tracker->video->config;
    const int64_t number = frame->run->frame, width = tracker->video->model->config.width;
    if (job->kind != SAM2_JOB_GIVE) {
        const bool conditioning = mask != NULL;
        struct sam2_memory *memory =
            sam2_memories_add(conditioning ? &object->conditioning : &object->tracked, &tracker->pool, number);
        memory->features = job->features;
        memset(&job->features, 0, sizeof(job->features));
        memcpy(memory->pointer, job->pointer, (size_t)width * sizeof(*memory->pointer));
        memory->mask = mask;
        memory->iou = job->iou;
        memory->object_score = job->object_score;
        if (conditioning)
            sam2_memories_remove(&object->tracked, &tracker->pool, number);
    }
    if (job->input != NULL) {
        job->input->fresh = false;
        if (job->input->mask != NULL)
            sam2_object_free_input(object, number);
    }
    if (!tracker->options.reference_rules && job->input != NULL) {
        /* Where memory is short, one more conditioning frame stays until the next time. */
        (void)sam2_object_limit(object, &tracker->pool, number + (frame->run->reverse ? -1 : 1),
                                tracker->options.max_conditioning, width);
    }
    if (!frame->run->prompted_only)
        sam2_object_prune(object, &tracker->pool, number, config->memories, config->pointers, tracker->options.window);
}

static int keep(struct sam2_frame *frame)
{
    float **copies = calloc((size_t)frame->count + 1, sizeof(*copies));
    int status = copies == NULL ? error_memory("masks") : copy_masks(frame, copies);
    for (int64_t i = 0; i < frame->count && copies != NULL; i++)
        if (status == 0)
            keep_job(frame, &frame->jobs[i], copies[i]);
        else
            free(copies[i]);
    free(copies);
    return status;
}

static int finish(struct sam2_frame *frame)
{
    struct sam2_tracker *tracker = frame->tracker;
    const struct sam2_tracker_options *options = &tracker->options;
    const int64_t side = tracker->video->model->config.mask_side;
    int status = 0;
    for (int64_t i = 0; i < frame->count; i++) {
        const struct sam2_job *job = &frame->jobs[i];
        tracker->tracks[i] = (struct sam2_track){
            .object = job->object->id,
            .mask = job->mask,
            .pointer = job->pointer,
            .iou = job->iou,
            .object_score = job->object_score,
            .confidence = job->iou / (1.0F + expf(-job->object_score)),
            .conditioning = sam2_memories_find(&job->object->conditioning, frame->run->frame) != NULL,
        };
        if (status == 0 && job->object_score > 0.0F)
            status = sam2_clean_mask(job->mask, side, 0.0F, options->hole_area, options->sprinkle_area);
    }
    if (options->non_overlapping)
        sam2_separate_masks(tracker->masks, frame->count, side * side);
    return status;
}

int sam2_tracker_run(struct sam2_tracker *tracker, struct compute *compute, const struct sam2_features *features,
                     const struct sam2_run *run, const struct sam2_track **tracks, int64_t *count)
{
    *tracks = NULL;
    *count = 0;
    if (sam2_features_width(features) < 1)
        return error_set(SOWLV2_ERROR_ARGUMENT, "tracking: no image was encoded");
    struct sam2_frame frame = {.tracker = tracker, .compute = compute, .features = features, .run = run};
    int status = create_jobs(&frame);
    for (int64_t i = 0; i < frame.count && status == 0; i++)
        if (frame.jobs[i].kind == SAM2_JOB_GIVE)
            give_again(&frame, &frame.jobs[i]);
    if (status == 0)
        status = sam2_frame_decode(&frame);
    if (status == 0)
        status = sam2_frame_remember(&frame);
    if (status == 0)
        status = keep(&frame);
    if (status == 0)
        status = finish(&frame);
    if (status == 0) {
        *tracks = tracker->tracks;
        *count = frame.count;
    }
    free_jobs(&frame);
    return status;
}
