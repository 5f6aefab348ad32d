/* How an object's parts moved apart from the whole: limbs, turning away, what perspective does. */
#include "base/error.h"
#include "masks/between_parts.h"

#include <math.h>
#include <stdlib.h>

enum {
    WINDOW = 8, /* pixels from a node to each side that are compared */
    REACH = 3,  /* pixels a part may have gone */
    MOST_NODES = 110,
    STEPS = 2 * REACH + 1,
};

/* The moved object, where the frame shows it. */
struct moved {
    int left, top, width, height; /* in picture pixels */
    float *values;                /* [height][width] grey */
    float *weights;               /* [height][width] 1 inside the object, 0 outside */
};

static int make_moved(const struct between_picture *from, const struct between_picture *to,
                      const struct between_field *field, const struct between_move *back, float brightness,
                      struct moved *out)
{
    const float across = (float)from->source_width / (float)from->level[0].width;
    const float along = (float)from->source_height / (float)from->level[0].height;
    const struct between_move there = between_move_inverse(back);
    const float left = (float)(field->left * field->cell) / across, top = (float)(field->top * field->cell) / along;
    const float right = left + (float)(field->width * field->cell) / across;
    const float bottom = top + (float)(field->height * field->cell) / along;
    const struct between_point corners[4] = {{left, top}, {right, top}, {left, bottom}, {right, bottom}};
    float box[4] = {1e9F, 1e9F, -1e9F, -1e9F};
    for (int i = 0; i < 4; i++) {
        const struct between_point at = between_move_point(&there, corners[i]);
        box[0] = fminf(box[0], at.x);
        box[1] = fminf(box[1], at.y);
        box[2] = fmaxf(box[2], at.x);
        box[3] = fmaxf(box[3], at.y);
    }
    const float limit_x = (float)to->level[0].width + WINDOW, limit_y = (float)to->level[0].height + WINDOW;
    out->left = (int)fmaxf(box[0], -WINDOW) - REACH;
    out->top = (int)fmaxf(box[1], -WINDOW) - REACH;
    out->width = (int)fminf(box[2], limit_x) + REACH + 1 - out->left;
    out->height = (int)fminf(box[3], limit_y) + REACH + 1 - out->top;
    if (out->width < 1 || out->height < 1) {
        out->width = out->height = 0;
        return 0;
    }
    const size_t count = (size_t)out->width * (size_t)out->height;
    out->values = malloc(count * sizeof(float));
    out->weights = malloc(count * sizeof(float));
    if (!out->values || !out->weights)
        return error_memory("motion of an object");
    for (int y = 0; y < out->height; y++) {
        for (int x = 0; x < out->width; x++) {
            const struct between_point at =
                between_move_point(back, (struct between_point){(float)(out->left + x), (float)(out->top + y)});
            const float distance =
                between_field_at(field, (at.x + 0.5F) * across - 0.5F, (at.y + 0.5F) * along - 0.5F) / across;
            const size_t i = (size_t)y * (size_t)out->width + (size_t)x;
            out->values[i] = between_sample(&from->level[0], at.x, at.y) + brightness;
            out->weights[i] = distance >= 0.5F ? 1.0F : distance <= -1.5F ? 0.0F : 0.5F * (distance + 1.5F);
        }
    }
    return 0;
}

static int within(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

/* How much of the object is around a node. */
static float weigh(const struct moved *moved, int x, int y)
{
    const int right = within(x - moved->left + WINDOW, -1, moved->width - 1);
    const int bottom = within(y - moved->top + WINDOW, -1, moved->height - 1);
    float sum = 0.0F;
    for (int v = within(y - moved->top - WINDOW, 0, moved->height); v <= bottom; v += 2)
        for (int u = within(x - moved->left - WINDOW, 0, moved->width); u <= right; u += 2)
            sum += moved->weights[v * moved->width + u];
    return sum;
}

/* Mean difference around a node after a step; large where there is nothing to compare. */
static float compare(const struct moved *moved, const struct between_level *to, int x, int y, int dx, int dy)
{
    const int left = within(x - WINDOW, moved->left - dx > 0 ? moved->left - dx : 0, to->width);
    const int top = within(y - WINDOW, moved->top - dy > 0 ? moved->top - dy : 0, to->height);
    const int right = within(x + WINDOW, -1, to->width - 1), bottom = within(y + WINDOW, -1, to->height - 1);
    const int most_x = moved->left + moved->width - 1 - dx, most_y = moved->top + moved->height - 1 - dy;
    float sum = 0.0F, weights = 1e-3F;
    for (int v = top; v <= bottom && v <= most_y; v += 2) {
        const uint8_t *row = to->pixels + v * to->width;
        const int at = (v + dy - moved->top) * moved->width + dx - moved->left;
        for (int u = left; u <= right && u <= most_x; u += 2) {
            const float off = (float)row[u] - moved->values[at + u], size = off < 0.0F ? -off : off;
            sum += moved->weights[at + u] * (size < 40.0F ? size : 40.0F);
            weights += moved->weights[at + u];
        }
    }
    return weights > 2.0F ? sum / weights : 40.0F;
}

/* Where between its neighbours a parabola has its lowest point. */
static float lowest(float before, float here, float after)
{
    const float bend = before - 2.0F * here + after;
    const float at = bend > 1e-6F ? 0.5F * (before - after) / bend : 0.0F;
    return at > 0.5F ? 0.5F : at < -0.5F ? -0.5F : at;
}

/* The step of a node and how far it is to be trusted, 0 to 1. */
static float find_step(float cost[STEPS][STEPS], float weight, struct between_point *step)
{
    int best_x = REACH, best_y = REACH;
    float best = cost[REACH][REACH] - 0.3F, mean = 0.0F;
    for (int y = 0; y < STEPS; y++) {
        for (int x = 0; x < STEPS; x++) {
            const float far = (float)((x - REACH) * (x - REACH) + (y - REACH) * (y - REACH));
            const float here = cost[y][x] + 0.1F * far;
            mean += cost[y][x] / (float)(STEPS * STEPS);
            if (here < best) {
                best = here;
                best_x = x;
                best_y = y;
            }
        }
    }
    *step = (struct between_point){(float)(best_x - REACH), (float)(best_y - REACH)};
    if (best_x > 0 && best_x < STEPS - 1)
        step->x += lowest(cost[best_y][best_x - 1], cost[best_y][best_x], cost[best_y][best_x + 1]);
    if (best_y > 0 && best_y < STEPS - 1)
        step->y += lowest(cost[best_y - 1][best_x], cost[best_y][best_x], cost[best_y + 1][best_x]);
    /* No texture, no say. */
    const float contrast = mean - cost[best_y][best_x];
    return fminf(weight / 20.0F, 1.0F) * contrast / (contrast + 3.0F);
}

/* Means over neighbours, by trust; a node without any keeps to the whole. */
static void smooth(struct between_bend *bend, const float *trust, struct between_point *scratch)
{
    for (int y = 0; y < bend->rows; y++) {
        for (int x = 0; x < bend->columns; x++) {
            struct between_point sum = {0};
            float weights = 0.15F;
            for (int v = y - 1; v <= y + 1; v++) {
                for (int u = x - 1; u <= x + 1; u++) {
                    if (u < 0 || v < 0 || u >= bend->columns || v >= bend->rows)
                        continue;
                    const float near = u == x && v == y ? 2.0F : u == x || v == y ? 1.0F : 0.5F;
                    const float weight = near * trust[v * bend->columns + u];
                    sum.x += weight * bend->steps[v * bend->columns + u].x;
                    sum.y += weight * bend->steps[v * bend->columns + u].y;
                    weights += weight;
                }
            }
            scratch[y * bend->columns + x] = (struct between_point){sum.x / weights, sum.y / weights};
        }
    }
    for (int i = 0; i < bend->rows * bend->columns; i++)
        bend->steps[i] = scratch[i];
}

int between_bend_make(const struct between_picture *from, const struct between_picture *to,
                      const struct between_field *field, const struct between_move *back, float brightness,
                      struct between_bend *out)
{
    struct moved moved = {0};
    int status = make_moved(from, to, field, back, brightness, &moved);
    out->spacing = 8.0F;
    while ((float)(moved.width * moved.height) / (out->spacing * out->spacing) > (float)MOST_NODES)
        out->spacing *= 1.25F;
    out->left = (float)(moved.left + REACH);
    out->top = (float)(moved.top + REACH);
    out->columns = moved.width > 0 ? (int)((float)moved.width / out->spacing) + 2 : 1;
    out->rows = moved.height > 0 ? (int)((float)moved.height / out->spacing) + 2 : 1;
    const size_t nodes = (size_t)out->columns * (size_t)out->rows;
    out->steps = calloc(nodes, sizeof(*out->steps));
    struct between_point *scratch = calloc(nodes, sizeof(*scratch));
    float *trust = calloc(nodes, sizeof(*trust));
    if (status == 0 && (!out->steps || !scratch || !trust))
        status = error_memory("motion of an object");
    for (int i = 0; status == 0 && moved.width > 0 && i < (int)nodes; i++) {
        const int column = i % out->columns, row = i / out->columns;
        const int x = (int)(out->left + out->spacing * (float)column);
        const int y = (int)(out->top + out->spacing * (float)row);
        float cost[STEPS][STEPS];
        const float weight = weigh(&moved, x, y);
        if (weight <= 4.0F)
            continue;
        for (int k = 0; k < STEPS * STEPS; k++)
            cost[k / STEPS][k % STEPS] = compare(&moved, &to->level[0], x, y, k % STEPS - REACH, k / STEPS - REACH);
        trust[i] = find_step(cost, weight, &out->steps[i]);
    }
    if (status == 0)
        smooth(out, trust, scratch);
    free(scratch);
    free(trust);
    free(moved.values);
    free(moved.weights);
    return status;
}

void between_bend_free(struct between_bend *bend)
{
    free(bend->steps);
    *bend = (struct between_bend){0};
}

struct between_point between_bend_at(const struct between_bend *bend, struct between_point point)
{
    const float right = (float)(bend->columns - 1), bottom = (float)(bend->rows - 1);
    float u = (point.x - bend->left) / bend->spacing, v = (point.y - bend->top) / bend->spacing;
    u = u > 0.0F ? (u < right ? u : right) : 0.0F;
    v = v > 0.0F ? (v < bottom ? v : bottom) : 0.0F;
    const int left = (int)u, top = (int)v;
    const int across = left + 1 < bend->columns ? 1 : 0, down = top + 1 < bend->rows ? bend->columns : 0;
    const float fu = u - (float)left, fv = v - (float)top;
    const struct between_point *at = bend->steps + top * bend->columns + left;
    const float ux = at[0].x + fu * (at[across].x - at[0].x), uy = at[0].y + fu * (at[across].y - at[0].y);
    const float lx = at[down].x + fu * (at[down + across].x - at[down].x);
    const float ly = at[down].y + fu * (at[down + across].y - at[down].y);
    return (struct between_point){ux + fv * (lx - ux), uy + fv * (ly - uy)};
}
