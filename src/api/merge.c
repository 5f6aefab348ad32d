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
    float score;      /* of its best detection */
    float last_score; /* of the best one on its last frame, whose box is remembered */
};

struct sowlv2_merger {
    float iou;
    struct sowlv2_merged_object *items; /* [count] */
    struct memory *memories;            /* likewise */
    size_t count, capacity;
};

static float score_of(const struct sowlv2_detection *detection)
{
    return isnan(detection->score) ? -INFINITY : detection->score;
}

static int check_iou(const char *caller, float iou)
{
    return iou >= 0.0F && iou <= 1.0F
               ? 0
               : error_set(SOWLV2_ERROR_ARGUMENT, "%s: an IoU from 0 to 1 is needed, this is %g", caller, (double)iou);
}

int sowlv2_merger_create(float iou, sowlv2_merger **out)
{
    if (out)
        *out = NULL;
    if (!out)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_merger_create: out is needed");
    if (check_iou("sowlv2_merger_create", iou) != 0)
        return SOWLV2_ERROR_ARGUMENT;
    sowlv2_merger *const merger = calloc(1, sizeof(*merger));
    if (!merger)
        return error_memory("objects");
    merger->iou = iou;
    *out = merger;
    return 0;
}

void sowlv2_merger_free(sowlv2_merger **merger)
{
    if (!merger || !*merger)
        return;
    free((*merger)->items);
    free((*merger)->memories);
    free(*merger);
    *merger = NULL;
}

int64_t sowlv2_merger_find(const sowlv2_merger *merger, const struct sowlv2_detection *detection, const bool *taken)
{
    int64_t found = -1;
    if (!merger || !detection)
        return found;
    float most = merger->iou;
    for (size_t i = 0; i < merger->count; i++) {
        const struct memory *const memory = &merger->memories[i];
        const size_t known = memory->taken < REMEMBERED ? memory->taken : REMEMBERED;
        if (merger->items[i].prompt != detection->prompt || (taken && taken[i]))
            continue;
        for (size_t k = 0; k < known; k++) {
            const float here = box_iou(memory->boxes[k], detection->box);
            if (here > most) {
                most = here;
                found = (int64_t)i;
            }
        }
    }
    return found;
}

static int add_object(sowlv2_merger *merger, size_t frame)
{
    if (merger->count == merger->capacity) {
        const size_t capacity = merger->capacity > 0 ? 2 * merger->capacity : 16;
        struct sowlv2_merged_object *const items = realloc(merger->items, capacity * sizeof(*items));
        merger->items = items ? items : merger->items;
        struct memory *const memories = realloc(merger->memories, capacity * sizeof(*memories));
        merger->memories = memories ? memories : merger->memories;
        if (!items || !memories)
            return error_memory("objects");
        merger->capacity = capacity;
    }
    merger->memories[merger->count] = (struct memory){0};
    merger->items[merger->count++] = (struct sowlv2_merged_object){.first_frame = frame};
    return 0;
}

/* Of each frame the box of the best detection is remembered. */
static void remember(struct memory *memory, const struct sowlv2_detection *detection, bool new_frame)
{
    const float score = score_of(detection);
    if (!new_frame && !(score > memory->last_score))
        return;
    memory->taken += new_frame;
    memory->last_score = score;
    for (int i = 0; i < 4; i++)
        memory->boxes[(memory->taken - 1) % REMEMBERED][i] = detection->box[i];
}

int sowlv2_merger_add(sowlv2_merger *merger, int64_t object, size_t frame, size_t index,
                      const struct sowlv2_detection *detection, size_t *out)
{
    if (out)
        *out = 0;
    if (!merger || !detection || !out || object < -1 || (object >= 0 && (uint64_t)object >= merger->count)) {
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "sowlv2_merger_add: a merger, one of its objects or -1, a detection and out are needed");
    }
    const int status = object < 0 ? add_object(merger, frame) : 0;
    if (status != 0)
        return status;
    *out = object < 0 ? merger->count - 1 : (size_t)object;
    struct sowlv2_merged_object *const item = &merger->items[*out];
    struct memory *const memory = &merger->memories[*out];
    remember(memory, detection, item->detections == 0 || item->last_frame != frame);
    if (item->detections == 0 || score_of(detection) > memory->score) {
        memory->score = score_of(detection);
        item->prompt = detection->prompt;
        item->best_frame = frame;
        item->best_detection = index;
    }
    item->last_frame = frame;
    item->detections++;
    return 0;
}

const struct sowlv2_merged_object *sowlv2_merger_objects(const sowlv2_merger *merger, size_t *count)
{
    if (count)
        *count = merger ? merger->count : 0;
    return merger ? merger->items : NULL;
}

/* ---- all at once ---- */

struct place {
    float score;
    size_t index;
};

/* Best score first, then in order. */
static int compare(const void *left, const void *right)
{
    const struct place *const a = left, *const b = right;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

/* `objects` get what each of the frame's detections belongs to. */
static int merge_frame(sowlv2_merger *merger, size_t frame, const struct sowlv2_detections *detections,
                       struct place *order, size_t *objects)
{
    int status = 0;
    for (size_t i = 0; i < detections->count; i++)
        order[i] = (struct place){score_of(&detections->items[i]), i};
    qsort(order, detections->count, sizeof(*order), compare);
    for (size_t i = 0; i < detections->count && status == 0; i++) {
        const size_t index = order[i].index;
        const struct sowlv2_detection *const detection = &detections->items[index];
        status = sowlv2_merger_add(merger, sowlv2_merger_find(merger, detection, NULL), frame, index, detection,
                                   &objects[index]);
    }
    return status;
}

static int merge(const struct sowlv2_detections *frames, size_t count, float iou, struct place *order,
                 struct sowlv2_merged *out)
{
    sowlv2_merger *merger = NULL;
    size_t first = 0;
    int status = sowlv2_merger_create(iou, &merger);
    for (size_t frame = 0; frame < count && status == 0; frame++) {
        status = merge_frame(merger, frame, &frames[frame], order, out->objects + first);
        first += frames[frame].count;
    }
    if (status == 0) {
        out->items = merger->items;
        out->count = merger->count;
        merger->items = NULL;
    }
    sowlv2_merger_free(&merger);
    return status;
}

int sowlv2_merge_detections(const struct sowlv2_detections *frames, size_t count, float iou, struct sowlv2_merged *out)
{
    size_t total = 0, most = 0;
    if (out)
        *out = (struct sowlv2_merged){0};
    if (!out || (!frames && count > 0))
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_merge_detections: frames and out are needed");
    if (check_iou("sowlv2_merge_detections", iou) != 0)
        return SOWLV2_ERROR_ARGUMENT;
    for (size_t i = 0; i < count; i++) {
        if (!frames[i].items && frames[i].count > 0)
            return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_merge_detections: frame %zu has a count and no items", i);
        total += frames[i].count;
        most = frames[i].count > most ? frames[i].count : most;
    }
    struct place *const order = calloc(most + 1, sizeof(*order));
    out->objects = calloc(total + 1, sizeof(*out->objects));
    out->detection_count = total;
    const int status = out->objects && order ? merge(frames, count, iou, order, out) : error_memory("objects");
    free(order);
    if (status != 0)
        sowlv2_merged_free(out);
    return status;
}

void sowlv2_merged_free(struct sowlv2_merged *merged)
{
    if (!merged)
        return;
    free(merged->items);
    free(merged->objects);
    *merged = (struct sowlv2_merged){0};
}
