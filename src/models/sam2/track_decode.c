/* A frame's forward passes: memory attention and decoder for all objects, batch by batch, then their pointers and
 * memories. */
#include "models/sam2/tracker.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const float NO_OBJECT = -1024.0F;

struct tensor sam2_frame_image(const struct sam2_frame *frame)
{
    const struct sam2_config *config = &frame->tracker->video->model->config;
    struct tensor image = COMPUTE_TENSOR(frame->compute, DTYPE_F32, config->grid * config->grid, config->width);
    op_add(frame->compute, frame->features->embedding, frame->tracker->video->weights.minus_no_memory, image);
    return image;
}

void sam2_job_take(const struct sam2_frame *frame, struct sam2_job *job, const struct sam2_decoded *decoded,
                   int64_t index)
{
    const struct sam2_config *config = &frame->tracker->video->model->config;
    const int64_t area = config->mask_side * config->mask_side, planes = config->mask_tokens, width = config->width;
    const float *masks = decoded->masks + index * planes * area, *iou = decoded->iou + index * planes;
    const float *tokens = decoded->queries + index * planes * width;
    struct sam2_choice choice = sam2_choose(config, masks, iou, job->multimask);
    /* Also where a single mask gave way to another, the pointer stays with the first token: the reference's rule. */
    int64_t token = 0;
    if (job->multimask) {
        choice.first += sam2_best(iou + choice.first, choice.count);
        token = choice.first;
    }
    memcpy(job->token, tokens + token * width, (size_t)width * sizeof(*tokens));
    memcpy(job->mask, masks + choice.first * area, (size_t)area * sizeof(*masks));
    job->iou = iou[choice.first];
    job->object_score = decoded->object[index];
    job->appears = job->object_score > 0.0F;
    for (int64_t i = 0; i < area && !job->appears; i++)
        job->mask[i] = NO_OBJECT;
}

/* The batch's image embeddings [1 or n, P, C] with the dense embedding of no mask. */
static struct tensor embed(struct sam2_frame *frame, struct sam2_job *const *jobs, int64_t n,
                           const struct sam2_prompt *prompts)
{
    const struct sam2_video *video = frame->tracker->video;
    const struct sam2_config *config = &video->model->config;
    struct compute *compute = frame->compute;
    if (jobs[0]->kind == SAM2_JOB_SEGMENT) // NOLINT(clang-analyzer-core.NullDereference): n is at least 1
        return sam2_prompt_dense(video->model, compute, frame->features, prompts, n);
    struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, n, config->grid * config->grid, config->width);
    struct sam2_recall *recalls = calloc((size_t)n, sizeof(*recalls));
    if (recalls == NULL) {
        compute_fail(compute, error_memory("a frame's objects"));
        return out;
    }
    for (int64_t i = 0; i < n; i++)
        recalls[i] = jobs[i]->recalled.recall;
    const size_t mark = compute_mark(compute);
    sam2_memory_attention(video, compute, sam2_frame_image(frame), recalls, n, false, frame->run->trace, out);
    compute_release(compute, mark);
    op_add(compute, out, TENSOR_RESHAPE(video->model->weights.no_mask, 1, 1, config->width), out);
    free(recalls);
    return out;
}

static int decode_batch(struct sam2_frame *frame, struct sam2_job *const *jobs, int64_t n, struct sam2_prompt *prompts)
{
    const struct sam2_video *video = frame->tracker->video;
    struct compute *compute = frame->compute;
    struct sam2_decoded decoded = {0};
    int status = sam2_decoded_create(&video->model->config, n, &decoded);
    if (status != 0)
        return status;
    for (int64_t i = 0; i < n; i++)
        prompts[i] = jobs[i]->prompt;
    compute_begin(compute);
    if (model_keep_going(frame->run->control, compute, frame->step, frame->steps, "segmentation")) {
        struct tensor image = embed(frame, jobs, n, prompts);
        struct tensor tokens = sam2_prompt_sparse(video->model, compute, frame->features, prompts, n);
        sam2_decode_tokens(video->model, compute, frame->features, tokens, image, frame->run->trace, &decoded);
    }
    status = compute_status(compute);
    for (int64_t i = 0; i < n && status == 0; i++) {
        sam2_job_take(frame, jobs[i], &decoded, i);
        jobs[i]->done = true;
    }
    frame->step += n;
    sam2_decoded_free(&decoded);
    return status;
}

int sam2_frame_decode(struct sam2_frame *frame)
{
    struct sam2_job **batch = calloc((size_t)frame->count + 1, sizeof(*batch));
    struct sam2_prompt *prompts = calloc((size_t)frame->count + 1, sizeof(*prompts));
    int status = batch == NULL || prompts == NULL ? error_memory("a frame's objects") : 0;
    for (int64_t i = 0; i < frame->count && status == 0; i++) {
        struct sam2_job *first = &frame->jobs[i];
        if (first->done || first->kind == SAM2_JOB_GIVE)
            continue;
        if (first->kind == SAM2_JOB_MASK) {
            status = sam2_frame_decode_mask(frame, first);
            continue;
        }
        int64_t n = 0;
        for (int64_t j = i; j < frame->count && n < frame->batch; j++) {
            struct sam2_job *job = &frame->jobs[j];
            if (!job->done && job->kind == first->kind && job->prompt.point_count == first->prompt.point_count)
                batch[n++] = job;
        }
        status = decode_batch(frame, batch, n, prompts);
    }
    free(batch);
    free(prompts);
    return status;
}

/* Whether the memory of the job's mask is made of 0 and 1. */
static bool is_binary(const struct sam2_frame *frame, const struct sam2_job *job)
{
    bool any = false;
    for (int64_t i = 0; i < frame->count; i++)
        any = any || frame->jobs[i].input != NULL;
    return frame->tracker->options.reference_rules ? any : job->input != NULL;
}

static void remember(struct sam2_frame *frame, struct sam2_job *job, struct tensor features)
{
    const struct sam2_video *video = frame->tracker->video;
    const struct sam2_config *config = &video->model->config;
    struct compute *compute = frame->compute;
    const size_t mark = compute_mark(compute);
    const bool whole = job->full_mask != NULL;
    struct tensor mask = sam2_memory_mask(video, compute, whole ? job->full_mask : job->mask,
                                          whole ? config->image_size : config->mask_side, is_binary(frame, job));
    sam2_encode_memory(video, compute, mask, features, !(job->object_score > 0.0F), frame->run->trace, job->features);
    compute_release(compute, mark);
}

/* Pointers of all jobs as one batch. */
static int make_pointers(struct sam2_frame *frame)
{
    const int64_t width = frame->tracker->video->model->config.width;
    bool *appears = calloc((size_t)frame->count, sizeof(*appears));
    float *pointers = calloc((size_t)(frame->count * width), sizeof(*pointers));
    int status = appears == NULL || pointers == NULL ? error_memory("object pointers") : 0;
    if (status == 0) {
        for (int64_t i = 0; i < frame->count; i++)
            appears[i] = frame->jobs[i].appears;
        sam2_object_pointers(frame->tracker->video, frame->compute, frame->tokens, appears, frame->count, pointers);
        status = compute_status(frame->compute);
    }
    for (int64_t i = 0; i < frame->count && status == 0; i++)
        if (frame->jobs[i].kind != SAM2_JOB_GIVE)
            memcpy(frame->jobs[i].pointer, pointers + i * width, (size_t)width * sizeof(*pointers));
    free(appears);
    free(pointers);
    return status;
}

int sam2_frame_remember(struct sam2_frame *frame)
{
    const struct sam2_config *config = &frame->tracker->video->model->config;
    struct compute *compute = frame->compute;
    bool any = false;
    for (int64_t i = 0; i < frame->count; i++)
        any = any || frame->jobs[i].kind != SAM2_JOB_GIVE;
    if (!any)
        return 0;
    compute_begin(compute);
    int status = make_pointers(frame);
    if (status != 0)
        return status;
    struct tensor features = COMPUTE_TENSOR(compute, DTYPE_F32, config->grid * config->grid, config->width);
    const size_t mark = compute_mark(compute);
    sam2_memory_features(frame->tracker->video, compute, sam2_frame_image(frame), features);
    compute_release(compute, mark);
    for (int64_t i = 0; i < frame->count; i++)
        if (frame->jobs[i].kind != SAM2_JOB_GIVE &&
            model_keep_going(frame->run->control, compute, frame->step++, frame->steps, "segmentation"))
            remember(frame, &frame->jobs[i], features);
    return compute_status(compute);
}
