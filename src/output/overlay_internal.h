/* Between the files of the overlay. */
#ifndef OUTPUT_OVERLAY_INTERNAL_H
#define OUTPUT_OVERLAY_INTERNAL_H

#include "output/overlay.h"
#include "output/palette.h"

#include <stdbool.h>

/* Whole pixels, right and bottom excluded. */
struct rectangle {
    int left, top, right, bottom;
};

/* What is drawn on. */
struct canvas {
    uint8_t *pixels; /* [height][width][3] */
    int width, height;
};

/* The outer edge of a box's outline, inside the canvas; false: nothing of it is visible. */
bool overlay_outline(const struct canvas *canvas, const float box[4], struct rectangle *outer);

/* How a label is to look. */
struct label_style {
    int text_size, padding;
    int most_width, most_height;
    struct colour paper; /* the text is black or white on it */
};

/* A label by itself, RGB; the pixels are freed by the caller. */
struct label_picture {
    int width, height;
    uint8_t *pixels;
};

/* Text through Pango and Cairo, where fonts_ready() says so: begin before, end behind any number of labels. Errors:
 * MEMORY. */
struct label_layout;
struct label_layout *overlay_pango_begin(int text_size);
int overlay_pango_label(struct label_layout *layout, const char *text, const struct label_style *style,
                        struct label_picture *out);
void overlay_pango_end(struct label_layout *layout);

/* The same with the plain face. Errors: MEMORY. */
int overlay_plain_label(const char *text, const struct label_style *style, struct label_picture *out);

/* Draws the labels of all items. Errors: MEMORY. */
int overlay_draw_labels(const struct canvas *canvas, const struct overlay_item *items, size_t count);

/* `label` as one line of valid UTF-8 of at most OVERLAY_TEXT_BYTES, without what could reorder or break
 * the line; freed by the caller. NULL: out of memory. */
enum { OVERLAY_TEXT_BYTES = 4096 };
char *overlay_clean_text(const char *label);

#endif
