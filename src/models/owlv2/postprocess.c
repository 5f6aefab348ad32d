/* From logits and relative boxes to detections, as the reference's post-processing. */
#include "models/owlv2/owlv2.h"

#include "base/box.h"
#include "base/error.h"

#include <math.h>
#include <stdlib.h>

int64_t owlv2_select(const float *logits, const float *boxes, int64_t patches, int64_t query_count, int width,
                     int height, float threshold, struct owlv2_detection *out)
{
    /* The image was padded to a square, so both axes scale by its longer side. */
    const float side = (float)(width > height ? width : height);
    int64_t count = 0;
    for (int64_t p = 0; p < patches; p++) {
        const float *logit = logits + p * query_count, *box = boxes + p * 4;
        int64_t best = 0;
        for (int64_t q = 1; q < query_count; q++)
            if (logit[q] > logit[best])
                best = q;
        const float score = 1.0F / (1.0F + expf(-logit[best]));
        if (!(score > threshold))
            continue;
        const float half_width = 0.5F * box[2], half_height = 0.5F * box[3];
        out[count++] = (struct owlv2_detection){
            .box = {(box[0] - half_width) * side, (box[1] - half_height) * side, (box[0] + half_width) * side,
                    (box[1] + half_height) * side},
            .score = score,
            .patch = p,
            .query = (int)best,
        };
    }
    return count;
}

struct ranked {
    float score;
    int64_t index;
};

static int by_score(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

int64_t owlv2_suppress(struct owlv2_detection *detections, int64_t count, float iou)
{
    if (count < 2)
        return count;
    struct ranked *order = malloc((size_t)count * sizeof(*order));
    bool *dropped = calloc((size_t)count, sizeof(*dropped));
    if (order == NULL || dropped == NULL) {
        free(order);
        free(dropped);
        return error_memory("non-maximum suppression");
    }
    for (int64_t i = 0; i < count; i++)
        order[i] = (struct ranked){detections[i].score, i};
    qsort(order, (size_t)count, sizeof(*order), by_score);
    for (int64_t i = 0; i < count; i++) {
        const struct owlv2_detection *best = &detections[order[i].index];
        for (int64_t j = i + 1; j < count && !dropped[order[i].index]; j++) {
            const struct owlv2_detection *other = &detections[order[j].index];
            if (other->query == best->query && box_iou(best->box, other->box) > iou)
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
