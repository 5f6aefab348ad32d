/* Masks at an image's size: from pixels to runs, which are small and quick to compare, and back. */
#ifndef MASKS_MASKS_H
#define MASKS_MASKS_H

#include "sowlv2.h"

/* Fills width, height, runs, area and box of `mask` from `pixels` [height][width], which are 0 or 1; the
 * other fields stay. width * height must be at most UINT32_MAX. Errors: MEMORY. */
int mask_set_pixels(struct sowlv2_mask *mask, const uint8_t *pixels, int width, int height);

/* The same from bits: [height][bits_words(width)], rows as in base/bits.h. */
int mask_set_bits(struct sowlv2_mask *mask, const uint64_t *bits, int width, int height);

/* Writes `value` to `out` [height][width] wherever the mask's runs are of the object; the rest stays. */
void mask_paint(const struct sowlv2_mask *mask, uint8_t value, uint8_t *out);

/* Decides which of `count` masks to keep[]: from the best score down, one that overlaps a kept one by more
 * than `iou` is dropped; equal scores in their order. Returns how many are kept, or MEMORY. */
int64_t masks_dedupe(const struct sowlv2_mask *const *masks, const float *scores, size_t count, double iou, bool *keep);

/* Bytes of memory that the mask holds. */
size_t mask_bytes(const struct sowlv2_mask *mask);

#endif
