/* Boxes and points that the user gives. */
#include "cli/marks.h"

#include "base/error.h"
#include "base/log.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NUMBERS = 4 };

/* Numbers between commas, in decimal notation; how many, or -1 where something else stands there. */
static int read_numbers(const char *text, float *out)
{
    int count = 0;

    if (strspn(text, "0123456789+-.eE,") != strlen(text))
        return -1;
    for (const char *at = text; count < MOST_NUMBERS; at++) {
        char *end;
        float value = strtof(at, &end);

        if (end == at || !isfinite(value))
            return -1;
        out[count++] = value;
        at = end;
        if (!*at)
            return count;
        if (*at != ',')
            return -1;
    }
    return -1;
}

static int add(struct marks *marks, struct mark mark)
{
    if (marks->count == marks->capacity) {
        size_t capacity = marks->capacity ? 2 * marks->capacity : 8;
        struct mark *items = realloc(marks->items, capacity * sizeof(*items));

        if (!items)
            return error_memory("boxes and points");
        marks->items = items;
        marks->capacity = capacity;
    }
    marks->items[marks->count++] = mark;
    return 0;
}

int marks_add_box(struct marks *marks, const char *where, const char *text)
{
    struct mark mark = {.is_box = true};

    if (read_numbers(text, mark.values) != 4)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: '%s' is not a box: give x0,y0,x1,y1 in pixels", where, text);
    if (mark.values[0] >= mark.values[2] || mark.values[1] >= mark.values[3])
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "%s: '%s' is empty or reversed: give x0,y0,x1,y1 with x0 < x1 and y0 < y1", where, text);
    return add(marks, mark);
}

int marks_add_point(struct marks *marks, const char *where, const char *text)
{
    struct mark mark = {.label = 1};
    int count = read_numbers(text, mark.values);

    if (count != 2 && count != 3)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: '%s' is not a point: give x,y or x,y,label in pixels", where,
                         text);
    if (count == 3 && mark.values[2] != 0.0F && mark.values[2] != 1.0F)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: '%s': a label is 1 (of the object) or 0 (not of it)", where, text);
    if (count == 3)
        mark.label = mark.values[2] == 1.0F;
    return add(marks, mark);
}

/* Whether all of the values are from 0 to 1, as fractions of an image are. */
static bool is_fraction(const struct mark *mark)
{
    const int count = mark->is_box ? 4 : 2;
    bool whole = true;

    for (int i = 0; i < count; i++) {
        if (mark->values[i] < 0 || mark->values[i] > 1)
            return false;
        whole = whole && floorf(mark->values[i]) == mark->values[i];
    }
    return mark->is_box || !whole; /* 0,0 and 1,1 are pixels too */
}

void marks_tell_odd(const struct marks *marks)
{
    const struct mark *fraction = NULL;
    size_t boxes = 0, points_of_it = 0;

    for (size_t i = 0; i < marks->count; i++) {
        const struct mark *mark = &marks->items[i];

        boxes += mark->is_box;
        points_of_it += !mark->is_box && mark->label != 0;
        if (!fraction && is_fraction(mark))
            fraction = mark;
    }
    if (fraction && fraction->is_box)
        log_notice("--box: %g,%g,%g,%g is no larger than a pixel: boxes are in pixels, not in fractions of the image",
                   (double)fraction->values[0], (double)fraction->values[1], (double)fraction->values[2],
                   (double)fraction->values[3]);
    else if (fraction)
        log_notice("--point: %g,%g lies in the first pixel: points are in pixels, not in fractions of the image",
                   (double)fraction->values[0], (double)fraction->values[1]);
    if (boxes == 0 && points_of_it == 0 && marks->count > 0)
        log_notice("--point: every point has label 0 (not of the object), so nothing says where the object is: add a "
                   "--box, or a --point with label 1");
}

void marks_free(struct marks *marks)
{
    free(marks->items);
    *marks = (struct marks){0};
}

static void fill(const struct marks *marks, struct mark_objects *out)
{
    size_t points = 0;

    for (size_t i = 0; i < marks->count; i++) {
        const struct mark *mark = &marks->items[i];
        struct sowlv2_segment_prompt *object;

        if (mark->is_box) {
            out->items[out->count++].box = mark->values;
            continue;
        }
        if (out->count == 0)
            out->count = 1;
        object = &out->items[out->count - 1];
        if (object->point_count++ == 0) {
            object->points = out->points + 2 * points;
            object->labels = out->labels + points;
        }
        memcpy(out->points + 2 * points, mark->values, 2 * sizeof(*out->points));
        out->labels[points++] = mark->label;
    }
}

int marks_group(const struct marks *marks, struct mark_objects *out)
{
    size_t boxes = 0;

    *out = (struct mark_objects){0};
    for (size_t i = 0; i < marks->count; i++)
        boxes += marks->items[i].is_box;
    if (boxes > 0 && !marks->items[0].is_box)
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "--point: comes before the first --box: a point belongs to the box before it");
    out->items = calloc(marks->count + 1, sizeof(*out->items));
    out->points = calloc(marks->count + 1, 2 * sizeof(*out->points));
    out->labels = calloc(marks->count + 1, sizeof(*out->labels));
    if (!out->items || !out->points || !out->labels) {
        mark_objects_free(out);
        return error_memory("boxes and points");
    }
    fill(marks, out);
    return 0;
}

void mark_objects_free(struct mark_objects *objects)
{
    free(objects->items);
    free(objects->points);
    free(objects->labels);
    *objects = (struct mark_objects){0};
}
