/* The table of followed objects. */
#include "base/error.h"
#include "pipeline/track_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Cosine of object pointers from which two are of one thing: an object after a cut, a new find and one that was lost.
 */
static const double SAME_LOOK = 0.85;

static void free_object(struct track_object *object)
{
    sowlv2_masks_free(&object->mask, 1);
    free(object->pointer);
    free(object->proof);
    track_doubt_free(&object->doubt);
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
                                                           .last_seen = frame,
                                                           .confirmed_frame = frame,
                                                           .visible_from = frame};
    *out = &objects->items[objects->count++];
    return 0;
}

int track_object_hide(struct track_object *object)
{
    const int width = object->mask.width, height = object->mask.height;
    uint32_t *const runs = malloc(sizeof(*runs));

    if (!runs)
        return error_memory("objects");
    runs[0] = (uint32_t)width * (uint32_t)height;
    free(object->mask.runs);
    object->mask = (struct sowlv2_mask){.width = width,
                                        .height = height,
                                        .runs = runs,
                                        .run_count = 1,
                                        .mask_score = object->mask.mask_score,
                                        .object_score = object->mask.object_score};
    object->visible = false;
    return 0;
}

double track_object_like(const struct track_object *object)
{
    return object->pointer && object->proof ? track_cosine(object->pointer, object->proof, object->pointer_length)
                                            : (double)NAN;
}

int track_object_prove(struct track_object *object)
{
    const size_t length = (size_t)object->pointer_length;

    if (!object->pointer)
        return 0;
    if (!object->proof)
        object->proof = calloc(length + 1, sizeof(*object->proof));
    if (!object->proof)
        return error_memory("objects");
    memcpy(object->proof, object->pointer, length * sizeof(*object->proof));
    return 0;
}

bool track_objects_any(const struct track_objects *objects)
{
    for (size_t i = 0; i < objects->count; i++)
        if (!objects->items[i].asleep)
            return true;
    return false;
}

double track_cosine(const float *a, const float *b, int length)
{
    double dot = 0, first = 0, second = 0;

    for (int i = 0; i < length; i++) {
        dot += (double)a[i] * (double)b[i];
        first += (double)a[i] * (double)a[i];
        second += (double)b[i] * (double)b[i];
    }
    return first > 0 && second > 0 ? dot / sqrt(first * second) : 0;
}

bool track_looks_same(double cosine)
{
    return cosine >= SAME_LOOK;
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
        if (object->mask.area > 0 && !object->visible)
            object->visible_from = frame;
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

/* Numbers objects that are told of from here on. */
static void number(struct track_objects *objects)
{
    for (size_t i = 0; i < objects->count; i++)
        if (objects->items[i].row_id == 0 && !objects->items[i].probation)
            objects->items[i].row_id = ++objects->told;
}

static int by_id(const void *left, const void *right)
{
    const struct output_object *const a = left, *const b = right;

    return (a->id > b->id) - (a->id < b->id);
}

int track_objects_list(struct track_objects *objects, struct output_object **out, size_t *count)
{
    struct output_object *views = calloc(objects->count + 1, sizeof(*views));
    int status = views ? 0 : error_memory("objects");

    number(objects);
    *count = 0;
    for (size_t i = 0; !status && i < objects->count; i++) {
        const struct track_object *object = &objects->items[i];
        const struct track_object *const other =
            object->merged_into > 0 ? track_objects_find(objects, object->merged_into) : NULL;

        if (object->row_id == 0)
            continue;
        views[(*count)++] = (struct output_object){.id = object->row_id,
                                                   .prompt = object->prompt,
                                                   .score = object->score,
                                                   .objectness = object->objectness,
                                                   .confirmed_frame = object->confirmed_frame,
                                                   .confidence = object->confidence,
                                                   .merged_into = other ? other->row_id : 0,
                                                   .mask = object->mask,
                                                   .lost = !object->visible};
    }
    if (!status) {
        qsort(views, *count, sizeof(*views), by_id);
        status = output_objects_copy(views, *count, out);
    }
    free(views);
    return status;
}
