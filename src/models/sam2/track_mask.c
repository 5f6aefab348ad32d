/* A mask prompt: the mask itself is the frame's result, and the decoder only makes its pointer. */
#include "models/sam2/tracker.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>

/* Logits of a pixel inside and outside of a given mask. */
static const float INSIDE = 10.0F, OUTSIDE = -10.0F;

/* The mask as 0 and 1 at the model's size, [1, size, size]: antialiased, from one half on inside. */
static struct tensor mask_at_size(const struct sam2_frame *frame, const struct sam2_input *input)
{
    struct compute *compute = frame->compute;
    const int64_t size = frame->tracker->video->model->config.image_size;
    const int64_t count = (int64_t)input->mask_width * input->mask_height;
    struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, 1, size, size);
    float *host = malloc((size_t)count * sizeof(*host));
    if (host == NULL) {
        compute_fail(compute, error_memory("a mask"));
        return out;
    }
    for (int64_t i = 0; i < count; i++)
        host[i] = input->mask[i] != 0 ? 1.0F : 0.0F;
    struct tensor mask = op_upload(compute, DTYPE_F32, 3, (int64_t[]){1, input->mask_height, input->mask_width}, host);
    free(host);
    if (input->mask_height == size && input->mask_width == size) {
        op_copy(compute, mask, out);
    } else {
        const struct resize vertical = op_filter_bilinear(compute, input->mask_height, size, true);
        const struct resize horizontal = op_filter_bilinear(compute, input->mask_width, size, true);
        op_resize_planes(compute, mask, &vertical, &horizontal, out);
        op_step(compute, out, nextafterf(0.5F, 0.0F), 0.0F, 1.0F, out);
    }
    return out;
}

/* The mask as the prompt encoder takes it, in `logits` [mask_side^2]. */
static void mask_prompt(const struct sam2_frame *frame, struct tensor mask, float *logits)
{
    const struct sam2_video *video = frame->tracker->video;
    const int64_t size = video->model->config.image_size, side = (size - 4) / 4 + 1;
    struct compute *compute = frame->compute;
    struct tensor small = COMPUTE_TENSOR(compute, DTYPE_F32, 1, side, side, 1);
    op_conv2d(compute, video->weights.mask_to_logits, TENSOR_RESHAPE(mask, 1, size, size, 1), NULL, small);
    op_download(compute,
                sam2_resize_plane(compute, TENSOR_RESHAPE(small, 1, side, side), video->model->config.mask_side, true),
                logits);
}

/* The decoder on the features without memory, asked by the mask. */
static void decode(const struct sam2_frame *frame, const struct sam2_prompt *prompt, const struct sam2_decoded *out)
{
    const struct sam2 *model = frame->tracker->video->model;
    struct compute *compute = frame->compute;
    struct sam2_features plain = *frame->features;
    plain.embedding = sam2_frame_image(frame);
    struct tensor image = sam2_prompt_dense(model, compute, &plain, prompt, 1);
    struct tensor tokens = sam2_prompt_sparse(model, compute, frame->features, prompt, 1);
    sam2_decode_tokens(model, compute, frame->features, tokens, image, frame->run->trace, out);
}

/* The mask's own results in the place of the decoder's. */
static void take_mask(struct sam2_job *job, bool any, int64_t area, const float *low)
{
    for (int64_t i = 0; i < area; i++)
        job->mask[i] = low[i];
    job->iou = 1.0F;
    job->object_score = any ? INSIDE : OUTSIDE;
    job->appears = job->appears && any;
}

int sam2_frame_decode_mask(struct sam2_frame *frame, struct sam2_job *job)
{
    const struct sam2_config *config = &frame->tracker->video->model->config;
    const int64_t area = config->mask_side * config->mask_side, size = config->image_size;
    struct compute *compute = frame->compute;
    struct sam2_decoded decoded = {0};
    float *logits = malloc((size_t)(2 * area) * sizeof(*logits));
    job->full_mask = malloc((size_t)(size * size) * sizeof(*job->full_mask));
    int status = logits == NULL || job->full_mask == NULL ? error_memory("a mask") : 0;
    if (status == 0)
        status = sam2_decoded_create(config, 1, &decoded);
    if (status == 0) {
        float *low = logits + area;
        compute_begin(compute);
        if (model_keep_going(frame->run->control, compute, frame->step++, frame->steps, "segmentation")) {
            struct tensor mask = mask_at_size(frame, job->input);
            const struct sam2_prompt prompt = {.mask = logits};
            mask_prompt(frame, mask, logits);
            op_step(compute, mask, 0.0F, OUTSIDE, INSIDE, mask);
            op_download(compute, mask, job->full_mask);
            op_download(compute, sam2_resize_plane(compute, mask, config->mask_side, true), low);
            decode(frame, &prompt, &decoded);
        }
        status = compute_status(compute);
        if (status == 0) {
            bool any = false;
            for (int64_t i = 0; i < size * size; i++)
                any = any || job->full_mask[i] > 0.0F; // NOLINT(clang-analyzer-core.*): downloaded above
            job->multimask = frame->tracker->options.reference_rules;
            sam2_job_take(frame, job, &decoded, 0);
            take_mask(job, any, area, low);
            job->done = true;
        }
    }
    sam2_decoded_free(&decoded);
    free(logits);
    return status;
}
