#include "engine/detections.h"

#include "base/box.h"
#include "base/error.h"

#include <math.h>
#include <stdlib.h>

static bool clip_box(float box[4], int width, int height)
{
    box[0] = fminf(fmaxf(box[0], 0.0F), (float)width);
    box[1] = fminf(fmaxf(box[1], 0.0F), (float)height);
    box[2] = fminf(fmaxf(box[2], 0.0F), (float)width);
    box[3] = fminf(fmaxf(box[3], 0.0F), (float)height);
    return box[2] > box[0] && box[3] > box[1];
}

int64_t detections_clip(struct detection *detections, int64_t count, int width, int height)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < count; i++)
        if (clip_box(detections[i].box, width, height))
            detections[kept++] = detections[i];
    return kept;
}

struct ranked {
    float score;
    int64_t index;
};

static int by_score(const void *left, const void *right)
{
    const struct ranked *const a = left, *const b = right;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

int64_t detections_suppress(struct detection *detections, int64_t count, float iou)
{
    if (count < 2)
        return count;
    struct ranked *const order = malloc((size_t)count * sizeof(*order));
    bool *const dropped = calloc((size_t)count, sizeof(*dropped));
    if (!order || !dropped) {
        free(order);
        free(dropped);
        return error_memory("non-maximum suppression");
    }
    for (int64_t i = 0; i < count; i++)
        order[i] = (struct ranked){detections[i].score, i};
    qsort(order, (size_t)count, sizeof(*order), by_score);
    for (int64_t i = 0; i < count; i++) {
        const struct detection *const best = &detections[order[i].index];
        for (int64_t j = i + 1; j < count && !dropped[order[i].index]; j++) {
            const struct detection *const other = &detections[order[j].index];
            if (other->prompt == best->prompt && box_iou(best->box, other->box) > iou)
                dropped[order[j].index] = true;
        }
    }
    int64_t kept = 0;
    for (int64_t i = 0; i < count; i++)
        if (!dropped[i])
            detections[kept++] = detections[i];
    free(order);
    free(dropped);
    return kept;
}
