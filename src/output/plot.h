/* A picture of importance over time with the chosen frames below it. */
#ifndef OUTPUT_PLOT_H
#define OUTPUT_PLOT_H

#include "media/image.h"

#include <stdbool.h>
#include <stdint.h>

enum { PLOT_THUMB_WIDTH = 184, PLOT_THUMB_HEIGHT = 138, PLOT_MOST_THUMBS = 48 };

/* One frame of the curve; times rise. */
struct plot_point {
    double time; /* seconds */
    float score; /* 0 to 1 */
    bool chosen, scene_start;
};

struct plot_thumb {
    struct image image; /* from plot_shrink() */
    int64_t number;
    double time;
};

struct plot {
    const char *title;
    const struct plot_point *points;
    int64_t count;
    const struct plot_thumb *thumbs; /* [thumb_count], at most PLOT_MOST_THUMBS are shown, evenly taken */
    int64_t thumb_count;
};

/* `image` made small enough for a thumbnail, its shape kept; freed by the caller. Errors: MEMORY. */
int plot_shrink(const struct image *image, struct image *out);

/* Writes the PNG `path`. Errors: IO, MEMORY. */
int plot_write(const char *path, const struct plot *plot);

#endif
