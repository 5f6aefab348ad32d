/* Pictures for people: boxes, labels and masks drawn onto an image's own pixels. */
#ifndef OUTPUT_OVERLAY_H
#define OUTPUT_OVERLAY_H

#include <stddef.h>
#include <stdint.h>

/* What overlay_draw draws; bits. */
enum overlay_parts { OVERLAY_BOXES = 1, OVERLAY_LABELS = 2 };

struct overlay_item {
    float box[4];      /* x0, y0, x1, y1 in pixels; not-a-number or outside the image: not drawn */
    const char *label; /* UTF-8, shown on one line whatever it holds; NULL: none */
    int color_index;   /* of palette_colour */
};

/* Draws `parts` of `count` items onto RGB `pixels` [height][width][3] in place: all boxes, then all
 * labels on top. A label stands above its box, or inside or below it where the image ends or another
 * label is; too long for the image, it loses its middle. Pixels under neither an outline nor a label
 * keep their value. Safe in several threads at once on different pixels.
 * Errors: ARGUMENT (a size below 1), MEMORY. */
int overlay_draw(uint8_t *pixels, int width, int height, const struct overlay_item *items, size_t count,
                 unsigned parts);

/* Mixes the colour into `count` pixels that follow each other: half and half, rounded up. */
void overlay_blend_run(uint8_t *pixels, size_t count, int color_index);

/* Thickness of outlines and height of label text in an image of this size, in pixels. */
int overlay_line_width(int width, int height);
int overlay_text_size(int width, int height);

#endif
