/* Detections of several frames become objects. */
#include "base/box.h"
#include "base/error.h"
#include "sowlv2.h"

#include <math.h>
#include <stdlib.h>

enum { REMEMBERED = 3 };

/* What an object's boxes were on the last frames that it was detected on. */
struct memory {
    float boxes[REMEMBERED][4]; /* a ring */
    size_t taken;
    float score; /* of its best detection */
};

struct place {
    float score;
    size_t index;
};

struct merging {
    const struct sowlv2_detections *frames;
    float iou;
    struct sowlv2_merged *out;
    struct memory *memories; /* [capacity], as out->items */
    size_t capacity;
    struct place *order; /* of one frame, best first */
};

/* The object that a detection belongs to; out->count: none of those there are. */
static size_t find_object(const struct merging *merging, const struct sowlv2_detection *detection)
{
    size_t found = merging->out->count;
    float most = merging->iou;
    for (size_t i = 0; i < merging->out->count; i++) {
        const struct memory *memory = &merging->memories[i];
        const size_t known = memory->taken < REMEMBERED ? memory->taken : REMEMBERED;
        for (size_t k = 0; k < known && merging->out->items[i].prompt == detection->prompt; k++) {
            const float here = box_iou(memory->boxes[k], detection->box);
            if (here > most) {
                most = here;
                found = i;
            }
        }
    }
    return found;
}

static int add_object(struct merging *merging, size_t frame, const struct sowlv2_detection *detection)
{
    struct sowlv2_merged *out = merging->out;
    if (out->count == merging->capacity) {
        const size_t capacity = merging->capacity > 0 ? 2 * merging->capacity : 16;
        struct sowlv2_merged_object *items = realloc(out->items, capacity * sizeof(*items));
        out->items = items != NULL ? items : out->items;
        struct memory *memories = realloc(merging->memories, capacity * sizeof(*memories));
        merging->memories = memories != NULL ? memories : merging->memories;
        if (items == NULL || memories == NULL)
            return error_memory("objects");
        merging->capacity = capacity;
    }
    merging->memories[out->count] = (struct memory){.score = -INFINITY};
    out->items[out->count++] =
        (struct sowlv2_merged_object){.prompt = detection->prompt, .first_frame = frame, .last_frame = frame};
    return 0;
}

/* `first` is the place of the frame's first detection among all. */
static int take(struct merging *merging, size_t frame, size_t first, size_t index)
{
    const struct sowlv2_detection *detection = &merging->frames[frame].items[index];
    const size_t object = find_object(merging, detection);
    const int status = object == merging->out->count ? add_object(merging, frame, detection) : 0;
    if (status != 0)
        return status;
    struct sowlv2_merged_object *item = &merging->out->items[object];
    struct memory *memory = &merging->memories[object];
    if (item->detections == 0 || item->last_frame != frame) {
        for (int i = 0; i < 4; i++)
            memory->boxes[memory->taken % REMEMBERED][i] = detection->box[i];
        memory->taken++;
    }
    if (item->detections == 0 || detection->score > memory->score) {
        memory->score = detection->score;
        item->best_frame = frame;
        item->best_detection = index;
    }
    item->last_frame = frame;
    item->detections++;
    merging->out->objects[first + index] = object;
    return 0;
}

/* Best score first, then in order. */
static int compare(const void *left, const void *right)
{
    const struct place *a = left, *b = right;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

static int run(struct merging *merging, size_t count)
{
    size_t first = 0;
    int status = 0;
    for (size_t frame = 0; frame < count && status == 0; frame++) {
        const struct sowlv2_detections *detections = &merging->frames[frame];
        for (size_t i = 0; i < detections->count; i++) {
            const float score = detections->items[i].score;
            merging->order[i] = (struct place){isnan(score) ? -INFINITY : score, i};
        }
        qsort(merging->order, detections->count, sizeof(*merging->order), compare);
        for (size_t i = 0; i < detections->count && status == 0; i++)
            status = take(merging, frame, first, merging->order[i].index);
        first += detections->count;
    }
    return status;
}

int sowlv2_merge_detections(const struct sowlv2_detections *frames, size_t count, float iou, struct sowlv2_merged *out)
{
    size_t total = 0, most = 0;
    if (out != NULL)
        *out = (struct sowlv2_merged){0};
    if (out == NULL || (frames == NULL && count > 0) || !(iou >= 0.0F && iou <= 1.0F)) {
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "sowlv2_merge_detections: frames, out and an IoU from 0 to 1 are needed");
    }
    for (size_t i = 0; i < count; i++) {
        if (frames[i].items == NULL && frames[i].count > 0)
            return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_merge_detections: frame %zu has a count and no items", i);
        total += frames[i].count;
        most = frames[i].count > most ? frames[i].count : most;
    }
    struct merging merging = {.frames = frames, .iou = iou, .out = out};
    out->objects = calloc(total + 1, sizeof(*out->objects));
    merging.order = calloc(most + 1, sizeof(*merging.order));
    out->detection_count = total;
    const int status = out->objects != NULL && merging.order != NULL ? run(&merging, count) : error_memory("objects");
    free(merging.order);
    free(merging.memories);
    if (status != 0)
        sowlv2_merged_free(out);
    return status;
}

void sowlv2_merged_free(struct sowlv2_merged *merged)
{
    if (merged == NULL)
        return;
    free(merged->items);
    free(merged->objects);
    *merged = (struct sowlv2_merged){0};
}
