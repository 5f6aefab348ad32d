/* Colours of objects, told apart also by people who see fewer. */
#ifndef OUTPUT_PALETTE_H
#define OUTPUT_PALETTE_H

#include <stdbool.h>
#include <stdint.h>

struct colour {
    uint8_t red, green, blue;
};

enum { PALETTE_COLOURS = 16 };

/* The colour of object `index`; they repeat after PALETTE_COLOURS. Any index is valid. */
struct colour palette_colour(int index);

/* Whether text on this colour reads better in black than in white (WCAG contrast). */
bool palette_wants_black_text(struct colour background);

#endif
