/* Boxes and points that the user gives, in the order given. */
#ifndef CLI_MARKS_H
#define CLI_MARKS_H

#include "sowlv2.h"

struct mark {
    bool is_box;
    float values[4]; /* x0, y0, x1, y1, or x, y */
    int32_t label;   /* of a point: 1 of the object, 0 not of it */
};

/* Start from {0}. */
struct marks {
    struct mark *items;
    size_t count, capacity;
};

/* "x0,y0,x1,y1" with x0 < x1 and y0 < y1; `where` is what messages call the option. Errors: ARGUMENT, MEMORY. */
int marks_add_box(struct marks *marks, const char *where, const char *text);
/* "x,y" or "x,y,label". Errors: the same. */
int marks_add_point(struct marks *marks, const char *where, const char *text);
void marks_free(struct marks *marks);

/* Notices of what is allowed and hardly meant: fractions of the image in place of pixels, points that only say what the
 * object is not. */
void marks_tell_odd(const struct marks *marks);

/* The marks as objects: each box is one, with the points behind it; points without any box are one together. */
struct mark_objects {
    struct sowlv2_segment_prompt *items;
    size_t count;
    float *points;   /* of all objects */
    int32_t *labels; /* likewise */
};

/* The marks must outlive the objects. Errors: ARGUMENT (a point before the first of several objects), MEMORY. */
int marks_group(const struct marks *marks, struct mark_objects *out);
void mark_objects_free(struct mark_objects *objects);

#endif
