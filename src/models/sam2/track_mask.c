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
    if (!host) {
        compute_fail(compute, error_memory("a mask"));
        return out;
    }
    for (int64_t i = 0; i < count; i++)
        host[i] = input->mask[i] != 0 ? 1.0F : 0.0F;
    const size_t mark = compute_mark(compute);
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
    compute_release(compute, mark);
    return out;
}

struct tensor sam2_frame_full_mask(const struct sam2_frame *frame, const struct sam2_input *input)
{
    struct tensor mask = mask_at_size(frame, input);
    op_step(frame->compute, mask, 0.0F, OUTSIDE, INSIDE, mask);
    return mask;
}

/* The mask as the prompt encoder takes it, [1, mask_side, mask_side]. */
static struct tensor mask_prompt(const struct sam2_frame *frame, struct tensor mask)
{
    const struct sam2_video *video = frame->tracker->video;
    const int64_t size = video->model->config.image_size, side = (size - 4) / 4 + 1;
    struct compute *compute = frame->compute;
    struct tensor small = COMPUTE_TENSOR(compute, DTYPE_F32, 1, side, side, 1);
    op_conv2d(compute, video->weights.mask_to_logits, TENSOR_RESHAPE(mask, 1, size, size, 1), NULL, small);
    return sam2_resize_planes(compute, TENSOR_RESHAPE(small, 1, side, side), video->model->config.mask_side, true);
}

/* The decoder on the features without memory, asked by the mask. */
static struct sam2_decoded decode(const struct sam2_frame *frame, struct tensor mask)
{
    const struct sowlv2_segment_prompt prompt = {0};
    const struct sam2 *model = frame->tracker->video->model;
    struct compute *compute = frame->compute;
    struct sam2_features plain = *frame->features;
    plain.embedding = frame->image;
    struct tensor image = sam2_prompt_dense(model, compute, &plain, &prompt, &mask, 1);
    struct tensor tokens = sam2_prompt_sparse(model, compute, frame->features, &prompt, 1);
    return sam2_decode_tokens(model, compute, frame->features, tokens, image, frame->run.trace);
}

/* The decoder's output token, and its object score where there is anything of the mask (`any` [1, 1] over 0). */
static void take_decoded(const struct sam2_frame *frame, const struct sam2_decoded *decoded, bool several,
                         struct tensor any, int64_t row)
{
    const struct sam2_config *config = &frame->tracker->video->model->config;
    struct compute *compute = frame->compute;
    struct tensor token = sam2_frame_row(frame->tokens, row), outside = COMPUTE_TENSOR(compute, DTYPE_F32, 1, 1);
    const struct tensor index = sam2_choose(frame->tracker->video->model, compute, decoded, several);
    if (several)
        sam2_pick(compute, decoded->tokens, index, token);
    else
        op_copy(compute, TENSOR_RESHAPE(tensor_slice(decoded->tokens, 1, 0, 1), 1, config->width), token);
    op_fill(compute, OUTSIDE, outside);
    op_select(compute, any, 0.0F, decoded->object, outside, sam2_frame_row(frame->appears, row));
}

void sam2_frame_decode_mask(struct sam2_frame *frame, int64_t row)
{
    const struct sam2_config *config = &frame->tracker->video->model->config;
    const struct sam2_job *job = &frame->jobs[row];
    const int64_t size = config->image_size;
    struct compute *compute = frame->compute;
    const size_t mark = compute_mark(compute);
    struct tensor any = COMPUTE_TENSOR(compute, DTYPE_F32, 1, 1);
    const struct tensor binary = mask_at_size(frame, job->input);
    const struct tensor low = mask_prompt(frame, binary);
    op_max_rows(compute, TENSOR_RESHAPE(binary, 1, size * size), any);
    op_step(compute, binary, 0.0F, OUTSIDE, INSIDE, binary);
    op_copy(compute, sam2_resize_planes(compute, binary, config->mask_side, true),
            sam2_frame_row(frame->results.masks, row));
    op_step(compute, any, 0.0F, OUTSIDE, INSIDE, sam2_frame_row(frame->results.object_scores, row));
    op_fill(compute, 1.0F, sam2_frame_row(frame->results.iou, row));
    const struct sam2_decoded decoded = decode(frame, low);
    take_decoded(frame, &decoded, job->several, any, row);
    compute_release(compute, mark);
}
