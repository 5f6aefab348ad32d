/* A mask as signed distances to its edge, which can be moved and mixed. */
#include "base/error.h"
#include "masks/between_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_CELLS = 20000, /* of a grid: what keeps the time of a large object down */
    MARGIN = 3,         /* cells around the object */
};

/* The grid over the mask's box. */
static void place_grid(const struct sowlv2_mask *mask, struct between_field *field)
{
    const double width = (double)(mask->box[2] - mask->box[0]), height = (double)(mask->box[3] - mask->box[1]);
    field->cell = (int)ceil(sqrt(width * height / MOST_CELLS));
    field->cell = field->cell < 1 ? 1 : field->cell;
    const double cell = field->cell;
    field->left = (int)floor((double)mask->box[0] / cell) - MARGIN;
    field->top = (int)floor((double)mask->box[1] / cell) - MARGIN;
    field->width = (int)ceil((double)mask->box[2] / cell) + MARGIN - field->left;
    field->height = (int)ceil((double)mask->box[3] / cell) + MARGIN - field->top;
}

/* Adds the mask's pixels [begin, end) of row `y` to the cells. */
static void add_span(struct between_field *field, int y, int begin, int end)
{
    float *row = field->values + (size_t)(y / field->cell - field->top) * (size_t)field->width;
    const int cell = field->cell;
    if (cell == 1) {
        for (int x = begin; x < end; x++)
            row[x - field->left] = 1.0F;
        return;
    }
    while (begin < end) {
        const int at = begin / cell, stop = (at + 1) * cell < end ? (at + 1) * cell : end;
        row[at - field->left] += (float)(stop - begin);
        begin = stop;
    }
}

static void add_runs(const struct sowlv2_mask *mask, struct between_field *field)
{
    const size_t width = (size_t)mask->width;
    size_t at = 0;
    for (size_t i = 0; i < mask->run_count; i++) {
        const size_t end = at + mask->runs[i];
        while (i % 2 == 1 && at < end) {
            const size_t row_end = (at / width + 1) * width, stop = end < row_end ? end : row_end;
            const int begin = (int)(at % width);
            add_span(field, (int)(at / width), begin, begin + (int)(stop - at));
            at = stop;
        }
        at = end;
    }
}

static int clamp(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

/* Pixels of the frame, `size` long, in cell `at` of that direction. */
static int inside(int at, int cell, int size)
{
    return (at + 1) * cell <= size ? cell : size - at * cell;
}

/* From pixels in each cell to -0.5 .. 0.5, and the object's centre and area. What lies outside of the frame is like
 * the frame's edge: an object that leaves the frame does not end there. */
static void measure(const struct sowlv2_mask *mask, struct between_field *field)
{
    const int cell = field->cell, w = field->width;
    const int first_x = clamp(-field->left, 0, w - 1), first_y = clamp(-field->top, 0, field->height - 1);
    const int last_x = clamp((mask->width - 1) / cell - field->left, first_x, w - 1);
    const int last_y = clamp((mask->height - 1) / cell - field->top, first_y, field->height - 1);
    double sum = 0.0, sum_x = 0.0, sum_y = 0.0;
    for (int y = first_y; y <= last_y; y++) {
        for (int x = first_x; x <= last_x; x++) {
            float *value = &field->values[y * w + x];
            sum += (double)*value;
            sum_x += (double)*value * (field->left + x + 0.5);
            sum_y += (double)*value * (field->top + y + 0.5);
            *value = *value / (float)(inside(field->left + x, cell, mask->width) *
                                      inside(field->top + y, cell, mask->height)) -
                     0.5F;
        }
    }
    for (int y = 0; y < field->height; y++)
        for (int x = 0; x < w; x++)
            field->values[y * w + x] = field->values[clamp(y, first_y, last_y) * w + clamp(x, first_x, last_x)];
    field->area = sum;
    field->empty = !(sum > 0.0);
    if (!field->empty)
        field->centre = (struct between_point){(float)(sum_x / sum * cell) - 0.5F, (float)(sum_y / sum * cell) - 0.5F};
}

/* The part of a cell's side from the value at one cell to the edge towards another; 2 where there is none. */
static float crossing(float value, float other)
{
    return (value >= 0.0F) != (other >= 0.0F) ? fabsf(value) / (fabsf(value) + fabsf(other)) : 2.0F;
}

/* Distances, in cells, of the cells that the edge passes by; the others get a large number. */
static void seed(const struct between_field *field, float *out)
{
    const int w = field->width, h = field->height;
    for (int y = 0; y < h; y++) {
        for (int x = 0; x < w; x++) {
            const float *at = field->values + y * w + x;
            const float left = x > 0 ? crossing(at[0], at[-1]) : 2.0F,
                        right = x + 1 < w ? crossing(at[0], at[1]) : 2.0F;
            const float up = y > 0 ? crossing(at[0], at[-w]) : 2.0F, down = y + 1 < h ? crossing(at[0], at[w]) : 2.0F;
            const float across = left < right ? left : right, along = up < down ? up : down;
            float distance = 1e9F;
            if (across <= 1.0F && along <= 1.0F)
                distance = across * along / (sqrtf(across * across + along * along) + 1e-6F);
            else if (across <= 1.0F || along <= 1.0F)
                distance = across < along ? across : along;
            out[y * w + x] = distance;
        }
    }
}

static float least(float a, float b)
{
    return a < b ? a : b;
}

/* Chamfer distances, in two passes. */
static void spread(float *d, int w, int h)
{
    const float diagonal = 1.41421356F;
    for (int y = 0; y < h; y++) {
        for (int x = 0; x < w; x++) {
            float *at = d + y * w + x, value = *at;
            value = x > 0 ? least(value, at[-1] + 1.0F) : value;
            if (y > 0) {
                value = least(value, at[-w] + 1.0F);
                value = x > 0 ? least(value, at[-w - 1] + diagonal) : value;
                value = x + 1 < w ? least(value, at[-w + 1] + diagonal) : value;
            }
            *at = value;
        }
    }
    for (int y = h - 1; y >= 0; y--) {
        for (int x = w - 1; x >= 0; x--) {
            float *at = d + y * w + x, value = *at;
            value = x + 1 < w ? least(value, at[1] + 1.0F) : value;
            if (y + 1 < h) {
                value = least(value, at[w] + 1.0F);
                value = x > 0 ? least(value, at[w - 1] + diagonal) : value;
                value = x + 1 < w ? least(value, at[w + 1] + diagonal) : value;
            }
            *at = value;
        }
    }
}

int between_field_make(const struct sowlv2_mask *mask, struct between_field *out)
{
    if (!mask || mask->area <= 0 || !mask->runs) {
        out->empty = true;
        return 0;
    }
    place_grid(mask, out);
    const size_t cells = (size_t)out->width * (size_t)out->height;
    out->values = calloc(cells, sizeof(*out->values));
    float *distances = calloc(cells, sizeof(*distances));
    if (!out->values || !distances) {
        free(distances);
        return error_memory("mask");
    }
    add_runs(mask, out);
    measure(mask, out);
    seed(out, distances);
    spread(distances, out->width, out->height);
    for (size_t i = 0; i < cells; i++) {
        const float distance = distances[i] * (float)out->cell;
        out->values[i] = out->values[i] >= 0.0F ? distance : -distance;
    }
    free(distances);
    return 0;
}

void between_field_free(struct between_field *field)
{
    free(field->values);
    *field = (struct between_field){0};
}

float between_field_at(const struct between_field *field, float x, float y)
{
    const float cell = (float)field->cell;
    const float u = (x + 0.5F) / cell - (float)field->left - 0.5F, v = (y + 0.5F) / cell - (float)field->top - 0.5F;
    const float right = (float)(field->width - 1), bottom = (float)(field->height - 1);
    const float cu = u > 0.0F ? (u < right ? u : right) : 0.0F, cv = v > 0.0F ? (v < bottom ? v : bottom) : 0.0F;
    const int left = (int)cu < field->width - 1 ? (int)cu : field->width - 2;
    const int top = (int)cv < field->height - 1 ? (int)cv : field->height - 2;
    const float *at = field->values + top * field->width + left;
    const float fu = cu - (float)left, fv = cv - (float)top;
    const float upper = at[0] + fu * (at[1] - at[0]),
                lower = at[field->width] + fu * (at[field->width + 1] - at[field->width]);
    const float value = upper + fv * (lower - upper);
    if (cu == u && cv == v)
        return value;
    return value - cell * sqrtf((u - cu) * (u - cu) + (v - cv) * (v - cv)); /* beyond the grid: ever further out */
}
