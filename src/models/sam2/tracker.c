/* Opening the video part of a model, and a tracker's objects and prompts. */
#include "models/sam2/tracker.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_MASK_SIDE = 1 << 15 };

int sam2_video_open(const char *folder, const struct sam2 *model, struct sam2_video **out)
{
    *out = NULL;
    struct sam2_video *video = calloc(1, sizeof(*video));
    if (!video)
        return error_memory("model");
    video->model = model;
    int status = sam2_video_config_read(folder, &model->config, &video->config);
    if (status == 0)
        status = parameters_create(model->device, &video->parameters);
    if (status == 0) {
        status = sam2_video_weights_load(&model->config, &video->config, model->checkpoint, video->parameters,
                                         &video->weights);
    }
    if (status != 0) {
        sam2_video_free(&video);
        return status;
    }
    *out = video;
    return 0;
}

void sam2_video_free(struct sam2_video **video)
{
    struct sam2_video *old = *video;
    if (!old)
        return;
    parameters_free(&old->parameters);
    sam2_video_weights_free(&old->weights);
    free(old);
    *video = NULL;
}

const struct sam2_video_config *sam2_video_get_config(const struct sam2_video *video)
{
    return &video->config;
}

int sam2_tracker_create(const struct sam2_video *video, const struct tracker_options *options,
                        struct sam2_tracker **out)
{
    *out = NULL;
    if (options && (options->max_conditioning < -1 || options->window < 0)) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "tracker: at most %d conditioning frames and a window of %d frames",
                         options->max_conditioning, options->window);
    }
    struct sam2_tracker *tracker = calloc(1, sizeof(*tracker));
    if (!tracker)
        return error_memory("a tracker");
    tracker->video = video;
    if (options)
        tracker->options = *options;
    if (tracker->options.max_conditioning == 0)
        tracker->options.max_conditioning = video->config.max_conditioning;
    const struct sam2_config *const config = &video->model->config;
    struct device *const device = video->model->device;
    tracker->bank = (struct sam2_bank){
        .features = {.device = device,
                     .dtype = DTYPE_BF16,
                     .dim = {config->grid * config->grid, video->config.memory_width}},
        .pointers = {.device = device, .dtype = DTYPE_F32, .dim = {1, config->width}},
        .masks = {.device = device, .dtype = DTYPE_F32, .dim = {config->mask_side, config->mask_side}},
    };
    *out = tracker;
    return 0;
}

void sam2_tracker_free(struct sam2_tracker **tracker)
{
    struct sam2_tracker *old = *tracker;
    if (!old)
        return;
    sam2_tracker_drop(old);
    for (int64_t i = 0; i < old->count; i++)
        sam2_object_free(&old->objects[i], &old->bank);
    sam2_pool_free(&old->bank.features);
    sam2_pool_free(&old->bank.pointers);
    sam2_pool_free(&old->bank.masks);
    free(old->objects);
    free(old->tracks);
    free(old);
    *tracker = NULL;
}

int64_t sam2_tracker_count(const struct sam2_tracker *tracker)
{
    return tracker->count;
}

int64_t sam2_tracker_object(const struct sam2_tracker *tracker, int64_t index)
{
    return tracker->objects[index].id;
}

static size_t pool_bytes(const struct sam2_pool *pool)
{
    return (size_t)(pool->total * pool->dim[0] * pool->dim[1]) * dtype_size(pool->dtype);
}

size_t sam2_tracker_bytes(const struct sam2_tracker *tracker)
{
    return pool_bytes(&tracker->bank.features) + pool_bytes(&tracker->bank.pointers) + pool_bytes(&tracker->bank.masks);
}

static struct sam2_object *find_object(const struct sam2_tracker *tracker, int64_t id)
{
    for (int64_t i = 0; i < tracker->count; i++)
        if (tracker->objects[i].id == id)
            return &tracker->objects[i];
    return NULL;
}

const struct sam2_object *sam2_tracker_peek(const struct sam2_tracker *tracker, int64_t id)
{
    return find_object(tracker, id);
}

int sam2_tracker_remove(struct sam2_tracker *tracker, int64_t object)
{
    struct sam2_object *found = find_object(tracker, object);
    if (!found)
        return error_set(SOWLV2_ERROR_ARGUMENT, "tracker: there is no object %lld", (long long)object);
    sam2_tracker_drop(tracker);
    sam2_object_free(found, &tracker->bank);
    const int64_t index = found - tracker->objects;
    memmove(found, found + 1, (size_t)(tracker->count - index - 1) * sizeof(*found));
    tracker->count--;
    return 0;
}

static int check_prompt(const struct sam2_video *video, const struct sowlv2_track_prompt *prompt)
{
    const bool points = prompt->point_count > 0 || prompt->box != NULL;
    if (points == (prompt->mask != NULL))
        return error_set(SOWLV2_ERROR_ARGUMENT, "tracker: a prompt is a box, points, both, or a mask alone");
    if (prompt->refine && prompt->box)
        return error_set(SOWLV2_ERROR_ARGUMENT, "tracker: a box cannot come in addition to earlier points");
    if (prompt->mask && (prompt->mask_width < 1 || prompt->mask_height < 1 || prompt->mask_width > MAX_MASK_SIDE ||
                         prompt->mask_height > MAX_MASK_SIDE)) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "tracker: a mask of %d x %d pixels", prompt->mask_width,
                         prompt->mask_height);
    }
    const struct sowlv2_segment_prompt same = segment_prompt_of(prompt);
    return sam2_prompt_check(&video->model->config, &same);
}

/* Points in the order of the reference's video processor: those from before, a box's corners, the new ones. */
static int copy_points(const struct sam2_input *before, const struct sowlv2_track_prompt *prompt,
                       struct sam2_input *out)
{
    const float *const box = prompt->box;
    const struct sowlv2_segment_prompt parts[] = {before && prompt->refine ? before->prompt
                                                                           : (struct sowlv2_segment_prompt){0},
                                                  {.points = box,
                                                   .labels = (const int32_t[]){SEGMENT_TOP_LEFT, SEGMENT_BOTTOM_RIGHT},
                                                   .point_count = box ? 2 : 0},
                                                  segment_prompt_of(prompt)};
    const size_t count = parts[0].point_count + parts[1].point_count + parts[2].point_count;
    if (count > SAM2_MAX_POINTS)
        return error_set(SOWLV2_ERROR_ARGUMENT, "tracker: %zu points on one frame", count);
    float *const points = out->points = calloc(count + 1, 2 * sizeof(*points) + sizeof(int32_t));
    if (!points)
        return error_memory("points");
    int32_t *const labels = (int32_t *)(void *)(points + 2 * count);
    for (size_t i = 0, at = 0; i < 3; i++)
        for (size_t j = 0; j < parts[i].point_count; j++, at++) {
            memcpy(points + 2 * at, parts[i].points + 2 * j, 2 * sizeof(*points));
            labels[at] = segment_label_of(&parts[i], j);
        }
    out->prompt = (struct sowlv2_segment_prompt){.points = points, .labels = labels, .point_count = count};
    return 0;
}

static int copy_mask(const struct sowlv2_track_prompt *prompt, struct sam2_input *out)
{
    const size_t bytes = (size_t)prompt->mask_width * (size_t)prompt->mask_height;
    out->mask = malloc(bytes);
    if (!out->mask)
        return error_memory("a mask");
    memcpy(out->mask, prompt->mask, bytes);
    out->mask_width = prompt->mask_width;
    out->mask_height = prompt->mask_height;
    return 0;
}

/* Room for one more object and one more input of `object`, which may be NULL. */
static int reserve(struct sam2_tracker *tracker, struct sam2_object **object, int64_t id)
{
    if (!*object && tracker->count == tracker->capacity) {
        const int64_t capacity = tracker->capacity == 0 ? 8 : 2 * tracker->capacity;
        struct sam2_object *grown = realloc(tracker->objects, (size_t)capacity * sizeof(*grown));
        if (!grown)
            return error_memory("an object");
        tracker->objects = grown;
        tracker->capacity = capacity;
    }
    const int64_t inputs = !*object ? 0 : (*object)->input_count;
    struct sam2_input *grown = realloc(!*object ? NULL : (*object)->inputs, (size_t)(inputs + 1) * sizeof(*grown));
    if (!grown)
        return error_memory("a prompt");
    if (!*object) {
        *object = &tracker->objects[tracker->count++];
        memset(*object, 0, sizeof(**object));
        (*object)->id = id;
    }
    (*object)->inputs = grown;
    return 0;
}

int sam2_tracker_prompt(struct sam2_tracker *tracker, int64_t object, int64_t frame,
                        const struct sowlv2_track_prompt *prompt)
{
    int status = check_prompt(tracker->video, prompt);
    if (status != 0)
        return status;
    struct sam2_object *found = find_object(tracker, object);
    struct sam2_input input = {.frame = frame, .fresh = true};
    const struct sam2_input *before = found ? sam2_object_input(found, frame) : NULL;
    status = prompt->mask ? copy_mask(prompt, &input) : copy_points(before, prompt, &input);
    if (status == 0)
        status = reserve(tracker, &found, object);
    if (status != 0) {
        sam2_input_free(&input);
        return status;
    }
    sam2_object_free_input(found, frame);
    found->inputs[found->input_count++] = input;
    return 0;
}
