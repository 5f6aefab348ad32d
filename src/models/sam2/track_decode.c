/* A frame's forward passes: memory attention and decoder for all objects, batch by batch, then their pointers and
 * memories. */
#include "models/sam2/tracker.h"

#include "base/error.h"

#include <stdlib.h>

/* Asks for what chosen memory wants to know of all masks of the rows: their IoUs, which one counts, what they share. */
static void compare(const struct sam2_frame *frame, const struct sam2_decoded *decoded, struct tensor index,
                    int64_t first, int64_t n)
{
    struct compute *compute = frame->compute;
    const int64_t tokens = decoded->masks.dim[1], area = decoded->masks.dim[2] * decoded->masks.dim[3];
    struct tensor inside = COMPUTE_TENSOR(compute, DTYPE_F32, tokens, area);
    op_download(compute, index, frame->best + first);
    for (int64_t i = 0; i < n; i++) {
        float *const out = frame->alternatives + (first + i) * tokens * (tokens + 1);
        struct tensor shared = COMPUTE_TENSOR(compute, DTYPE_F32, tokens, tokens);
        op_step(compute, TENSOR_RESHAPE(tensor_slice(decoded->masks, 0, i, 1), tokens, area), 0.0F, 0.0F, 1.0F, inside);
        op_matmul_transposed(compute, inside, inside, shared);
        op_download(compute, tensor_slice(decoded->iou, 0, i, 1), out);
        op_download(compute, shared, out + tokens);
    }
}

/* Rows first to first + n of what is computed of every job. */
static void take(const struct sam2_frame *frame, const struct sam2_decoded *decoded, int64_t first, int64_t n,
                 bool several)
{
    struct compute *compute = frame->compute;
    const struct sam2_video *video = frame->tracker->video;
    const struct sam2_config *config = &video->model->config;
    const int64_t area = config->mask_side * config->mask_side;
    struct tensor masks = tensor_slice(frame->results.masks, 0, first, n);
    struct tensor scores = tensor_slice(frame->results.object_scores, 0, first, n);
    struct tensor tokens = tensor_slice(frame->tokens, 0, first, n);
    const struct tensor index = sam2_choose(video->model, compute, decoded, several);
    if (frame->tracker->options.chosen)
        compare(frame, decoded, index, first, n);
    sam2_pick(compute, decoded->masks, index, masks);
    sam2_pick(compute, decoded->iou, index, tensor_slice(frame->results.iou, 0, first, n));
    /* Also where a single mask gave way to another, the pointer stays with the first token: the reference's rule. */
    if (several)
        sam2_pick(compute, decoded->tokens, index, tokens);
    else
        op_copy(compute, TENSOR_RESHAPE(tensor_slice(decoded->tokens, 1, 0, 1), n, config->width), tokens);
    op_copy(compute, decoded->object, scores);
    op_copy(compute, decoded->object, tensor_slice(frame->appears, 0, first, n));
    masks = TENSOR_RESHAPE(masks, n, area);
    op_select(compute, scores, 0.0F, masks, video->weights.no_object, masks);
}

/* The batch's image embeddings [1 or n, P, C] with the dense embedding of no mask. */
static struct tensor embed(const struct sam2_frame *frame, const struct sam2_job *jobs,
                           const struct sowlv2_segment_prompt *prompts, int64_t n)
{
    const struct sam2_video *video = frame->tracker->video;
    const struct sam2_config *config = &video->model->config;
    struct compute *compute = frame->compute;
    if (jobs[0].kind == SAM2_JOB_SEGMENT)
        return sam2_prompt_dense(video->model, compute, frame->features, prompts, NULL, n);
    struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, n, config->grid * config->grid, config->width);
    struct sam2_recall *recalls = calloc((size_t)n, sizeof(*recalls));
    if (!recalls) {
        compute_fail(compute, error_memory("a frame's objects"));
        return out;
    }
    for (int64_t i = 0; i < n; i++)
        recalls[i] = jobs[i].recalled.recall;
    sam2_memory_attention(video, compute, frame->image, recalls, n, false, frame->run.trace, out);
    op_add(compute, out, TENSOR_RESHAPE(video->model->weights.no_mask, 1, 1, config->width), out);
    free(recalls);
    return out;
}

static void decode_batch(struct sam2_frame *frame, int64_t first, int64_t n)
{
    const struct sam2 *model = frame->tracker->video->model;
    struct compute *compute = frame->compute;
    const struct sam2_job *jobs = frame->jobs + first;
    struct sowlv2_segment_prompt *prompts = calloc((size_t)n, sizeof(*prompts));
    if (!prompts) {
        compute_fail(compute, error_memory("a frame's objects"));
        return;
    }
    for (int64_t i = 0; i < n; i++)
        prompts[i] = jobs[i].prompt;
    const size_t mark = compute_mark(compute);
    const struct tensor image = embed(frame, jobs, prompts, n);
    const struct tensor tokens = sam2_prompt_sparse(model, compute, frame->features, prompts, n);
    const struct sam2_decoded decoded =
        sam2_decode_tokens(model, compute, frame->features, tokens, image, frame->run.trace);
    take(frame, &decoded, first, n, jobs[0].several);
    compute_release(compute, mark);
    free(prompts);
}

static size_t scratch_limit(const struct sam2_frame *frame)
{
    const size_t limit = frame->tracker->options.scratch_limit;
    return limit > 0 ? limit : (size_t)device_hints(compute_device(frame->compute)).batch_bytes;
}

/* How many jobs from `first` on make one batch. */
static int64_t batch_size(const struct sam2_frame *frame, int64_t first)
{
    const struct sam2_job *jobs = frame->jobs + first;
    const struct sam2_config *config = &frame->tracker->video->model->config;
    const size_t each = sam2_prompt_bytes(config, sam2_prompt_tokens(&jobs[0].prompt)) +
                        (size_t)(config->grid * config->grid * config->width) * sizeof(float);
    const int64_t most = (int64_t)(scratch_limit(frame) / each);
    int64_t n = 1;
    while (first + n < frame->count && n < most && jobs[n].kind == jobs[0].kind &&
           jobs[n].prompt.point_count == jobs[0].prompt.point_count)
        n++;
    return n;
}

void sam2_frame_decode(struct sam2_frame *frame)
{
    for (int64_t i = 0, n = 1; i < frame->count; i += n, n = 1) {
        const enum sam2_job_kind kind = frame->jobs[i].kind;
        if (kind == SAM2_JOB_GIVE)
            continue;
        if (!model_keep_going(frame->run.control, frame->compute, frame->step, frame->steps, "segmentation"))
            return;
        if (kind == SAM2_JOB_MASK) {
            sam2_frame_decode_mask(frame, i);
        } else {
            n = batch_size(frame, i);
            decode_batch(frame, i, n);
        }
        frame->step += n;
    }
}

/* Whether the memory of the job's mask is made of 0 and 1. */
static bool is_binary(const struct sam2_frame *frame, const struct sam2_job *job)
{
    bool any = false;
    for (int64_t i = 0; i < frame->count; i++)
        any = any || frame->jobs[i].input != NULL;
    return frame->tracker->options.reference_rules ? any : job->input != NULL;
}

/* Scratch that one object's memory takes. */
static size_t memory_bytes(const struct sam2_video *video)
{
    const struct sam2_config *config = &video->model->config;
    const int64_t pixels = config->grid * config->grid, image = (int64_t)config->image_size * config->image_size;
    const int64_t full = 16 * config->mask_side * config->mask_side;
    return (size_t)(image + 3 * full + pixels * (4 * config->width + video->config.fuser_hidden)) * sizeof(float);
}

/* Masks of the rows from `first` on that are remembered alike -> their memories. */
static void remember(struct sam2_frame *frame, struct tensor features, int64_t first, int64_t n)
{
    const struct sam2_video *video = frame->tracker->video;
    const struct sam2_job *jobs = frame->jobs + first;
    struct compute *compute = frame->compute;
    const size_t mark = compute_mark(compute);
    const struct tensor scores = tensor_slice(frame->results.object_scores, 0, first, n);
    struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, n, features.dim[0], video->config.memory_width);
    struct tensor masks = tensor_slice(frame->results.masks, 0, first, n);
    if (jobs[0].kind == SAM2_JOB_MASK)
        masks = sam2_frame_full_mask(frame, jobs[0].input);
    masks = sam2_memory_mask(video, compute, masks, is_binary(frame, &jobs[0]));
    sam2_encode_memory(video, compute, masks, features, scores, frame->run.trace, out);
    for (int64_t i = 0; i < n; i++)
        op_copy(compute, tensor_at(out, i), jobs[i].features);
    compute_release(compute, mark);
}

/* How many rows from `first` on are remembered as one batch. */
static int64_t memory_batch(const struct sam2_frame *frame, int64_t first)
{
    const struct sam2_job *jobs = frame->jobs + first;
    const int64_t most = (int64_t)(scratch_limit(frame) / memory_bytes(frame->tracker->video));
    const bool binary = is_binary(frame, &jobs[0]);
    int64_t n = 1;
    while (first + n < frame->count && n < most && jobs[0].kind != SAM2_JOB_MASK && jobs[n].kind != SAM2_JOB_MASK &&
           is_binary(frame, &jobs[n]) == binary)
        n++;
    return n;
}

void sam2_frame_remember(struct sam2_frame *frame)
{
    const struct sam2_video *video = frame->tracker->video;
    const struct sam2_config *config = &video->model->config;
    struct compute *compute = frame->compute;
    int64_t first = 0;
    while (first < frame->count && frame->jobs[first].kind == SAM2_JOB_GIVE)
        first++;
    const int64_t count = frame->count - first;
    if (count == 0 || compute_status(compute) != 0)
        return;
    sam2_object_pointers(video, compute, tensor_slice(frame->tokens, 0, first, count),
                         tensor_slice(frame->appears, 0, first, count),
                         tensor_slice(frame->results.pointers, 0, first, count));
    struct tensor features = COMPUTE_TENSOR(compute, DTYPE_F32, config->grid * config->grid, config->width);
    sam2_memory_features(video, compute, frame->image, features);
    for (int64_t n; first < frame->count; first += n) {
        n = memory_batch(frame, first);
        if (!model_keep_going(frame->run.control, compute, frame->step, frame->steps, "segmentation"))
            return;
        remember(frame, features, first, n);
        frame->step += n;
    }
}
