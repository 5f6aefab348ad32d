/* The table of followed objects. */
#include "base/error.h"
#include "pipeline/track_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void free_object(struct track_object *object)
{
    sowlv2_masks_free(&object->mask, 1);
    free(object->pointer);
}

int track_objects_add(struct track_objects *objects, int prompt, float score, int64_t frame, struct track_object **out)
{
    if (objects->count == objects->capacity) {
        const size_t capacity = objects->capacity > 0 ? 2 * objects->capacity : 8;
        struct track_object *grown = realloc(objects->items, capacity * sizeof(*grown));

        if (!grown)
            return error_memory("objects");
        objects->items = grown;
        objects->capacity = capacity;
    }
    if (objects->next_id == 0)
        objects->next_id = 1;
    objects->items[objects->count] = (struct track_object){.id = objects->next_id++,
                                                           .prompt = prompt,
                                                           .score = score,
                                                           .objectness = -1,
                                                           .asked_score = NAN,
                                                           .last_seen = frame};
    *out = &objects->items[objects->count++];
    return 0;
}

void track_object_see(struct track_object *object, float score, float objectness)
{
    if (score < object->score)
        return;
    object->score = score;
    object->objectness = objectness;
}

void track_objects_remove(struct track_objects *objects, size_t index)
{
    free_object(&objects->items[index]);
    objects->count--;
    memmove(objects->items + index, objects->items + index + 1, (objects->count - index) * sizeof(*objects->items));
}

void track_objects_free(struct track_objects *objects)
{
    for (size_t i = 0; i < objects->count; i++)
        free_object(&objects->items[i]);
    free(objects->items);
    *objects = (struct track_objects){0};
}

struct track_object *track_objects_find(const struct track_objects *objects, int64_t id)
{
    for (size_t i = 0; i < objects->count; i++)
        if (objects->items[i].id == id)
            return &objects->items[i];
    return NULL;
}

void track_objects_take(struct track_objects *objects, struct sowlv2_tracks *tracks, int64_t frame)
{
    for (size_t i = 0; i < tracks->count; i++) {
        struct sowlv2_track *track = &tracks->items[i];
        struct track_object *object = track_objects_find(objects, track->object);

        if (!object)
            continue;
        sowlv2_masks_free(&object->mask, 1);
        object->mask = track->mask;
        track->mask = (struct sowlv2_mask){0};
        if (!isnan(object->asked_score) && object->mask.area > 0) { /* those of a mask prompt say nothing */
            object->mask.mask_score = object->asked_score;
            object->mask.object_score = object->asked_object_score;
        }
        object->asked_score = NAN;
        object->visible = object->mask.area > 0;
        if (!object->visible)
            continue;
        object->last_seen = frame;
        free(object->pointer);
        object->pointer = track->pointer;
        object->pointer_length = track->pointer_length;
        track->pointer = NULL;
    }
}

int track_objects_list(const struct track_objects *objects, struct output_object **out, size_t *count)
{
    struct output_object *views = calloc(objects->count + 1, sizeof(*views));
    int status = views ? 0 : error_memory("objects");

    for (size_t i = 0; !status && i < objects->count; i++) {
        const struct track_object *object = &objects->items[i];

        views[i] = (struct output_object){.id = object->id,
                                          .prompt = object->prompt,
                                          .score = object->score,
                                          .objectness = object->objectness,
                                          .mask = object->mask,
                                          .lost = !object->visible};
    }
    *count = objects->count;
    if (!status)
        status = output_objects_copy(views, objects->count, out);
    free(views);
    return status;
}
