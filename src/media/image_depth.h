/* Samples of 16 bits to 8: their high bytes, as in Pillow, unless the picture uses the lowest of the bits only.
 * Cameras, microscopes and scanners put 10 or 12 bits into 16 as they come: of those the high bytes alone are black. */
#ifndef MEDIA_IMAGE_DEPTH_H
#define MEDIA_IMAGE_DEPTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One picture's, row by row. */
struct image_depth {
    bool fixed;             /* high bytes whatever it uses */
    unsigned declared;      /* bits that the file says its samples have; 0: it does not */
    unsigned used;          /* all samples so far, or-ed */
    unsigned shift;         /* sample >> shift is what the picture holds now */
    uint64_t count, bright; /* samples, and those of them above the lowest sixteenth of the range */
};

/* Looks at a row of `pixels` times `colours` samples of 16 bits in this machine's order, `step` samples from pixel to
 * pixel, before it is converted: sets `shift`. Where a larger sample than before needs more of it, what is in the
 * `bytes` of `converted` by now is shifted after it. */
void image_depth_row(struct image_depth *depth, const uint8_t *row, size_t pixels, size_t colours, size_t step,
                     uint8_t *converted, size_t bytes);

/* Says so where not the high bytes were taken, or where those are nearly black. */
void image_depth_tell(const struct image_depth *depth, const char *name);

#endif
