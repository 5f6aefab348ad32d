/* What a SAM 2 video checkpoint's config.json says about memory, and its video processor's JSON about frames, with the
 * reference's class defaults. */
#ifndef MODELS_SAM2_VIDEO_CONFIG_H
#define MODELS_SAM2_VIDEO_CONFIG_H

#include "models/sam2/config.h"

enum { SAM2_MAX_MEMORIES = 64 };

struct sam2_video_config {
    struct pixel_scale scale; /* of frames */
    int memories;             /* num_maskmem: spatial memories of tracked frames, and one more */
    int pointers;             /* max_object_pointers_in_encoder: pointers of tracked frames, and one more */
    int64_t memory_width;     /* M: channels of a memory */
    int pointer_parts;        /* tokens of M channels that a pointer makes */
    int max_conditioning;     /* conditioning frames that are attended to; -1: all */
    bool pointer_time;        /* pointers carry their distance in time */
    bool occlusion_embedding;
    float mask_scale, mask_bias; /* of mask probabilities, before they are encoded */

    /* Which prompts ask for several masks: from and to how many points (a box counts as 2). */
    bool multimask, multimask_tracking;
    int64_t multimask_from, multimask_to;

    /* Memory attention. */
    int attention_layers;
    int64_t heads, inner; /* inner: width of queries and keys of all heads */
    int64_t feed_forward;
    enum activation feed_forward_activation;
    double rope_theta;

    /* Memory encoder. */
    int downsampler_layers, downsampler_kernel, downsampler_stride, downsampler_padding;
    enum activation downsampler_activation;
    int fuser_layers, fuser_kernel, fuser_padding;
    int64_t fuser_hidden;
    enum activation fuser_activation;
};

/* Reads the files of `folder`, whose image model is `image`. Errors: MODEL (no video model), FORMAT. */
int sam2_video_config_read(const char *folder, const struct sam2_config *image, struct sam2_video_config *out);

#endif
