/* What is done with masks as a whole. */
#include "masks/masks.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

void sowlv2_masks_free(struct sowlv2_mask *masks, size_t count)
{
    for (size_t i = 0; masks && i < count; i++) {
        free(masks[i].pixels);
        free(masks[i].runs);
        free(masks[i].logits);
        masks[i] = (struct sowlv2_mask){0};
    }
}

int sowlv2_mask_to_pixels(const struct sowlv2_mask *mask, uint8_t *pixels)
{
    if (!mask || !pixels || mask->width < 1 || mask->height < 1 || (!mask->pixels && !mask->runs))
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "sowlv2_mask_to_pixels: a mask with pixels or runs, and room for its pixels, are needed");
    const size_t total = (size_t)mask->width * (size_t)mask->height;
    if (mask->pixels) {
        memcpy(pixels, mask->pixels, total);
        return 0;
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < mask->run_count; i++)
        sum += mask->runs[i];
    if (sum != total) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "mask: its runs do not add up to %d x %d pixels", mask->width,
                         mask->height);
    }
    memset(pixels, 0, total);
    mask_paint(mask, 1, pixels);
    return 0;
}

size_t mask_bytes(const struct sowlv2_mask *mask)
{
    const size_t pixels = mask->pixels ? (size_t)mask->width * (size_t)mask->height : 0;
    const size_t side = mask->logits ? (size_t)mask->logits_side : 0;
    return pixels + mask->run_count * sizeof(*mask->runs) + side * side * sizeof(*mask->logits);
}

struct place {
    float score;
    size_t index;
};

/* Best score first; then in order. Not-a-number is last. */
static int compare_places(const void *a, const void *b)
{
    const struct place *left = a, *right = b;
    if (left->score > right->score || (left->score == left->score && right->score != right->score))
        return -1;
    if (left->score < right->score || (left->score != left->score && right->score == right->score))
        return 1;
    return (left->index > right->index) - (left->index < right->index);
}

int64_t masks_dedupe(const struct sowlv2_mask *const *masks, const float *scores, size_t count, double iou, bool *keep)
{
    struct place *places = calloc(count + 1, sizeof(*places));
    int64_t kept = 0;
    if (!places)
        return error_memory("masks");
    for (size_t i = 0; i < count; i++) {
        places[i] = (struct place){scores[i], i};
        keep[i] = false;
    }
    qsort(places, count, sizeof(*places), compare_places);
    for (size_t i = 0; i < count; i++) {
        bool alone = true;
        for (size_t j = 0; j < (size_t)kept && alone; j++)
            alone = !(sowlv2_mask_iou(masks[places[i].index], masks[places[j].index]) > iou);
        if (alone) {
            keep[places[i].index] = true;
            places[kept++] = places[i];
        }
    }
    free(places);
    return kept;
}
