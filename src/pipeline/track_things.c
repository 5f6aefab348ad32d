/* The table of followed objects. */
#include "base/error.h"
#include "pipeline/track_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void free_thing(struct track_thing *thing)
{
    sowlv2_masks_free(&thing->mask, 1);
    free(thing->pointer);
}

int track_things_add(struct track_things *things, int prompt, float score, int64_t frame, struct track_thing **out)
{
    if (things->count == things->capacity) {
        const size_t capacity = things->capacity > 0 ? 2 * things->capacity : 8;
        struct track_thing *grown = realloc(things->items, capacity * sizeof(*grown));

        if (!grown)
            return error_memory("objects");
        things->items = grown;
        things->capacity = capacity;
    }
    if (things->next_id == 0)
        things->next_id = 1;
    things->items[things->count] = (struct track_thing){.id = things->next_id++,
                                                        .prompt = prompt,
                                                        .score = score,
                                                        .objectness = -1,
                                                        .asked_score = NAN,
                                                        .last_seen = frame};
    *out = &things->items[things->count++];
    return 0;
}

void track_thing_see(struct track_thing *thing, float score, float objectness)
{
    if (score < thing->score)
        return;
    thing->score = score;
    thing->objectness = objectness;
}

void track_things_remove(struct track_things *things, size_t index)
{
    free_thing(&things->items[index]);
    things->count--;
    memmove(things->items + index, things->items + index + 1, (things->count - index) * sizeof(*things->items));
}

void track_things_free(struct track_things *things)
{
    for (size_t i = 0; i < things->count; i++)
        free_thing(&things->items[i]);
    free(things->items);
    *things = (struct track_things){0};
}

struct track_thing *track_things_find(const struct track_things *things, int64_t id)
{
    for (size_t i = 0; i < things->count; i++)
        if (things->items[i].id == id)
            return &things->items[i];
    return NULL;
}

void track_things_take(struct track_things *things, struct sowlv2_tracks *tracks, int64_t frame)
{
    for (size_t i = 0; i < tracks->count; i++) {
        struct sowlv2_track *track = &tracks->items[i];
        struct track_thing *thing = track_things_find(things, track->object);

        if (!thing)
            continue;
        sowlv2_masks_free(&thing->mask, 1);
        thing->mask = track->mask;
        track->mask = (struct sowlv2_mask){0};
        if (!isnan(thing->asked_score) && thing->mask.area > 0) { /* those of a mask prompt say nothing */
            thing->mask.mask_score = thing->asked_score;
            thing->mask.object_score = thing->asked_object_score;
        }
        thing->asked_score = NAN;
        thing->visible = thing->mask.area > 0;
        if (!thing->visible)
            continue;
        thing->last_seen = frame;
        free(thing->pointer);
        thing->pointer = track->pointer;
        thing->pointer_length = track->pointer_length;
        track->pointer = NULL;
    }
}

int track_things_list(const struct track_things *things, struct output_object **out, size_t *count)
{
    struct output_object *views = calloc(things->count + 1, sizeof(*views));
    int status = views ? 0 : error_memory("objects");

    for (size_t i = 0; !status && i < things->count; i++) {
        const struct track_thing *thing = &things->items[i];

        views[i] = (struct output_object){.id = thing->id,
                                          .prompt = thing->prompt,
                                          .score = thing->score,
                                          .objectness = thing->objectness,
                                          .mask = thing->mask,
                                          .lost = !thing->visible};
    }
    *count = things->count;
    if (!status)
        status = output_objects_copy(views, things->count, out);
    free(views);
    return status;
}
