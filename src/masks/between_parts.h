/* The parts of one masks_between(). Points are in pixels of a picture's first level, pixel centres at whole numbers. */
#ifndef MASKS_BETWEEN_PARTS_H
#define MASKS_BETWEEN_PARTS_H

#include "masks/between.h"

#include <stdbool.h>

struct between_point {
    float x, y;
};

/* The grey value at a point, between pixels; the edge's outside. */
float between_sample(const struct between_level *level, float x, float y);

/* ---- an object in one frame, on a grid of square cells ---- */

/* Signed distance to the mask's edge, in pixels of the mask; positive inside. */
struct between_field {
    int cell;                    /* pixels of a cell's side */
    int left, top;               /* of the grid, in cells */
    int width, height;           /* of the grid */
    float *values;               /* [height][width] */
    bool empty;                  /* there is no object: no values */
    struct between_point centre; /* of the object, in pixels of the mask */
    double area;                 /* in pixels of the mask */
};

/* `out` starts as {0}; also on error it is given to between_field_free(). Errors: MEMORY. */
int between_field_make(const struct sowlv2_mask *mask, struct between_field *out);
void between_field_free(struct between_field *field);

/* The distance at a point in pixels of the mask, wherever it is. */
float between_field_at(const struct between_field *field, float x, float y);

/* ---- where an object went from one frame to another ---- */

/* A turn with a scale around `centre`, and a step: p -> centre + step + (1 + a, -b; b, 1 + a) (p - centre). */
struct between_move {
    struct between_point centre, step;
    float a, b;
};

struct between_point between_move_point(const struct between_move *move, struct between_point point);
struct between_move between_move_inverse(const struct between_move *move);

/* How the moved object differs from what is there, in grey values of 0 to 255. */
struct between_left {
    float error;      /* mean difference, brightness apart */
    float brightness; /* how much lighter it is there */
};

/* Finds how the object of `field` in picture `from` moved until picture `to`, from the first guess `guess`.
 * Errors: MEMORY. */
int between_fit(const struct between_picture *from, const struct between_picture *to, const struct between_field *field,
                const struct between_move *guess, struct between_move *out, struct between_left *left);

/* ---- how its parts moved apart from the whole ---- */

/* Steps on a grid over picture `to`: point p there shows what is at p + step in the moved object. */
struct between_bend {
    float left, top, spacing; /* of the nodes, in picture pixels */
    int columns, rows;
    struct between_point *steps; /* [rows][columns] */
};

/* `back` leads from `to` to `from`; `to` is lighter by `brightness`. `out` starts as {0}; between_bend_free() in any
 * case. Errors: MEMORY. */
int between_bend_make(const struct between_picture *from, const struct between_picture *to,
                      const struct between_field *field, const struct between_move *back, float brightness,
                      struct between_bend *out);
void between_bend_free(struct between_bend *bend);
struct between_point between_bend_at(const struct between_bend *bend, struct between_point point);

#endif
