/* SAM 2 as the engine sees it. */
#include "models/sam2/segmenter.h"

#include "models/sam2/video.h"

static int open_weights(const char *folder, struct device *device, void **out)
{
    struct sam2 *model = NULL;
    const int status = sam2_open(folder, device, &model);
    *out = model;
    return status;
}

static void free_weights(void *weights)
{
    struct sam2 *model = weights;
    sam2_free(&model);
}

static int64_t mask_side(const void *weights)
{
    return sam2_get_config(weights)->mask_side;
}

static int create_features(const void *weights, void **out)
{
    struct sam2_features *features = NULL;
    const int status = sam2_features_create(weights, &features);
    *out = features;
    return status;
}

static void free_features(void *features)
{
    struct sam2_features *old = features;
    sam2_features_free(&old);
}

static int encode(const void *weights, struct compute *compute, const struct sowlv2_image *image,
                  const struct pixel_scale *scale, const struct model_control *control, void *features)
{
    return sam2_encode(weights, compute, image, scale, NULL, control, features);
}

static int check(const void *weights, const struct sowlv2_segment_prompt *prompt)
{
    return sam2_prompt_check(sam2_get_config(weights), prompt);
}

static int64_t batch(const void *weights, const struct sowlv2_segment_prompt *prompts, int64_t count)
{
    return sam2_batch(weights, prompts, count, 0);
}

static void decode(const void *weights, struct compute *compute, const void *features,
                   const struct sowlv2_segment_prompt *prompts, const struct tensor *masks, int64_t n, bool multimask,
                   const struct segment_best *out)
{
    sam2_decode_best(weights, compute, features, prompts, masks, n, multimask, NULL, out);
}

static int open_video(const char *folder, const void *weights, void **out)
{
    struct sam2_video *video = NULL;
    const int status = sam2_video_open(folder, weights, &video);
    *out = video;
    return status;
}

static void free_video(void *video)
{
    struct sam2_video *old = video;
    sam2_video_free(&old);
}

static const struct pixel_scale *video_scale(const void *video)
{
    return &sam2_video_get_config(video)->scale;
}

static int64_t pointer_width(const void *weights)
{
    return sam2_get_config(weights)->width;
}

static int create_tracker(const void *video, const struct tracker_options *options, void **out)
{
    struct sam2_tracker *tracker = NULL;
    const int status = sam2_tracker_create(video, options, &tracker);
    *out = tracker;
    return status;
}

static void free_tracker(void *tracker)
{
    struct sam2_tracker *old = tracker;
    sam2_tracker_free(&old);
}

static int note_prompt(void *tracker, int64_t object, int64_t frame, const struct sowlv2_track_prompt *prompt)
{
    return sam2_tracker_prompt(tracker, object, frame, prompt);
}

static int remove_object(void *tracker, int64_t object)
{
    return sam2_tracker_remove(tracker, object);
}

static int run(void *tracker, struct compute *compute, const void *features, const struct track_run *options,
               struct tracks *out)
{
    return sam2_tracker_run(tracker, compute, features, options, out);
}

static void keep(void *tracker, const float *iou, const float *object_scores)
{
    sam2_tracker_keep(tracker, iou, object_scores);
}

static void drop(void *tracker)
{
    sam2_tracker_drop(tracker);
}

const struct segmenter_model sam2_segmenter = {
    .kind = "sam2",
    .open = open_weights,
    .free = free_weights,
    .mask_side = mask_side,
    .features_create = create_features,
    .features_free = free_features,
    .encode = encode,
    .check = check,
    .batch = batch,
    .decode = decode,
    .video_open = open_video,
    .video_free = free_video,
    .video_scale = video_scale,
    .pointer_width = pointer_width,
    .tracker_create = create_tracker,
    .tracker_free = free_tracker,
    .prompt = note_prompt,
    .remove = remove_object,
    .run = run,
    .keep = keep,
    .drop = drop,
};
