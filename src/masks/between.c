/* Two neighbours' masks, moved to the frame between them, become one. */
#include "masks/between.h"

#include "base/error.h"
#include "masks/between_parts.h"
#include "masks/masks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* How far what the frame shows goes before what the time says, where the sides do not agree. */
static const float CERTAIN = 0.8F;

/* One neighbour. */
struct side {
    const struct between_picture *picture; /* NULL: there is no such frame */
    struct sowlv2_mask runs;               /* of a mask that came as pixels */
    struct between_field field;
    struct between_move back; /* from this frame to the neighbour, in picture pixels */
    struct between_bend bend;
    struct between_left left;
    float weight; /* of its mask */
};

/* The grid of cells that the new mask is made on. */
struct grid {
    int cell, left, top, width, height; /* as in struct between_field */
    float *values;                      /* [height][width] signed distances */
};

/* What a neighbour says of one point. */
struct say {
    float distance;
    float error; /* how far the grey value is from what the neighbour has there */
    bool known;  /* the point was inside the neighbour's frame */
};

static void side_free(struct side *side)
{
    sowlv2_masks_free(&side->runs, 1);
    between_field_free(&side->field);
    between_bend_free(&side->bend);
}

static int side_open(const struct between_picture *picture, const struct between_picture *now,
                     const struct sowlv2_mask *mask, struct side *side)
{
    side->picture = picture;
    side->field.empty = true;
    if (!picture || !mask || mask->area <= 0)
        return 0;
    if (mask->width != now->source_width || mask->height != now->source_height ||
        picture->source_width != now->source_width || picture->source_height != now->source_height) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "masks between frames: a mask of %d x %d pixels, frames of %d x %d",
                         mask->width, mask->height, now->source_width, now->source_height);
    }
    if (!mask->runs && mask->pixels) {
        const int status = mask_set_pixels(&side->runs, mask->pixels, mask->width, mask->height);
        return status != 0 ? status : between_field_make(&side->runs, &side->field);
    }
    return between_field_make(mask, &side->field);
}

static struct between_point to_picture(const struct between_picture *picture, struct between_point point)
{
    const float across = (float)picture->level[0].width / (float)picture->source_width;
    const float along = (float)picture->level[0].height / (float)picture->source_height;
    return (struct between_point){(point.x + 0.5F) * across - 0.5F, (point.y + 0.5F) * along - 0.5F};
}

/* Where the object of `side` may be now, if it goes its way to the other side evenly. */
static struct between_move guess_move(const struct side *side, const struct side *other, float share)
{
    struct between_move guess = {.centre = to_picture(side->picture, side->field.centre)};
    if (other->field.empty)
        return guess;
    const struct between_point goal = to_picture(side->picture, other->field.centre);
    const double ratio = other->field.area / side->field.area;
    guess.step = (struct between_point){share * (goal.x - guess.centre.x), share * (goal.y - guess.centre.y)};
    if (ratio > 0.5 && ratio < 2.0)
        guess.a = (float)pow(ratio, 0.5 * (double)share) - 1.0F;
    return guess;
}

static int follow(struct side *side, const struct side *other, const struct between_picture *now, float share)
{
    if (side->field.empty)
        return 0;
    const struct between_move guess = guess_move(side, other, share);
    struct between_move there;
    int status = between_fit(side->picture, now, &side->field, &guess, &there, &side->left);
    if (status == 0) {
        side->back = between_move_inverse(&there);
        status = between_bend_make(side->picture, now, &side->field, &side->back, side->left.brightness, &side->bend);
    }
    side->weight = (1.0F - share) * expf(-side->left.error / 12.0F) + 1e-4F;
    return status;
}

/* Widens the box, in pixels of the frame, by where the side's object is now. */
static void widen(const struct side *side, float box[4])
{
    if (side->field.empty)
        return;
    const struct between_move there = between_move_inverse(&side->back);
    const float cell = (float)side->field.cell;
    const float left = (float)side->field.left * cell, top = (float)side->field.top * cell;
    const float right = left + (float)side->field.width * cell, bottom = top + (float)side->field.height * cell;
    const struct between_point corners[4] = {{left, top}, {right, top}, {left, bottom}, {right, bottom}};
    const float across = (float)side->picture->source_width / (float)side->picture->level[0].width;
    const float along = (float)side->picture->source_height / (float)side->picture->level[0].height;
    for (int i = 0; i < 4; i++) {
        const struct between_point at = between_move_point(&there, to_picture(side->picture, corners[i]));
        const float x = (at.x + 0.5F) * across, y = (at.y + 0.5F) * along;
        box[0] = fminf(box[0], x - 2.0F * across);
        box[1] = fminf(box[1], y - 2.0F * along);
        box[2] = fmaxf(box[2], x + 2.0F * across);
        box[3] = fmaxf(box[3], y + 2.0F * along);
    }
}

static int grid_open(const struct side sides[2], const struct between_picture *now, struct grid *grid)
{
    float box[4] = {1e9F, 1e9F, -1e9F, -1e9F};
    grid->cell = 1;
    for (int i = 0; i < 2; i++) {
        widen(&sides[i], box);
        grid->cell = !sides[i].field.empty && sides[i].field.cell > grid->cell ? sides[i].field.cell : grid->cell;
    }
    const float right = (float)now->source_width, bottom = (float)now->source_height;
    const int x0 = (int)fmaxf(box[0], 0.0F), y0 = (int)fmaxf(box[1], 0.0F);
    const int x1 = (int)ceilf(fminf(box[2], right)), y1 = (int)ceilf(fminf(box[3], bottom));
    if (x1 <= x0 || y1 <= y0)
        return 0;
    grid->left = x0 / grid->cell;
    grid->top = y0 / grid->cell;
    grid->width = (x1 - 1) / grid->cell + 1 - grid->left;
    grid->height = (y1 - 1) / grid->cell + 1 - grid->top;
    grid->values = calloc((size_t)grid->width * (size_t)grid->height, sizeof(*grid->values));
    return grid->values ? 0 : error_memory("mask");
}

static struct say ask(const struct side *side, struct between_point at, float grey)
{
    const struct between_level *level = &side->picture->level[0];
    const float across = (float)side->picture->source_width / (float)level->width;
    const float along = (float)side->picture->source_height / (float)level->height;
    const struct between_point step = between_bend_at(&side->bend, at);
    const struct between_point there =
        between_move_point(&side->back, (struct between_point){at.x + step.x, at.y + step.y});
    return (struct say){
        .distance = between_field_at(&side->field, (there.x + 0.5F) * across - 0.5F, (there.y + 0.5F) * along - 0.5F),
        .error = fabsf(between_sample(level, there.x, there.y) + side->left.brightness - grey),
        .known = there.x >= -0.5F && there.y >= -0.5F && there.x <= (float)level->width - 0.5F &&
                 there.y <= (float)level->height - 0.5F,
    };
}

/* What both sides say of every cell. */
struct answers {
    float *distance[2], *error[2]; /* [cells]; error below 0: not known there */
    float *scratch;
};

static void ask_all(const struct side sides[2], const struct between_picture *now, const struct grid *grid,
                    struct answers *answers)
{
    const float cell = (float)grid->cell;
    for (int y = 0; y < grid->height; y++) {
        for (int x = 0; x < grid->width; x++) {
            const struct between_point at =
                to_picture(now, (struct between_point){((float)(grid->left + x) + 0.5F) * cell - 0.5F,
                                                       ((float)(grid->top + y) + 0.5F) * cell - 0.5F});
            const float grey = between_sample(&now->level[0], at.x, at.y);
            for (int i = 0; i < 2; i++) {
                struct say say = {.distance = -1e3F, .error = -1.0F};
                if (!sides[i].field.empty)
                    say = ask(&sides[i], at, grey);
                answers->distance[i][y * grid->width + x] = say.distance;
                answers->error[i][y * grid->width + x] = say.known ? say.error : -1.0F;
            }
        }
    }
}

/* The mean error where both see the object: what noise and light leave. */
static float usual_error(const struct side sides[2], const struct grid *grid, const struct answers *answers, int side)
{
    double sum = 0.0, count = 1e-9;
    for (int i = 0; i < grid->width * grid->height; i++) {
        const bool both = (answers->distance[0][i] > 0.0F || sides[0].field.empty) &&
                          (answers->distance[1][i] > 0.0F || sides[1].field.empty);
        if (both && answers->error[side][i] >= 0.0F) {
            sum += fmin((double)answers->error[side][i], 30.0);
            count += 1.0;
        }
    }
    return (float)(sum / count);
}

/* Means over 2 reach + 1 values of a line, `step` apart, of those that are known. */
static void blur_line(const float *line, int count, int step, int reach, float *out)
{
    float sum = 0.0F, known = 0.0F;
    for (int i = -reach; i < count; i++) {
        if (i + reach < count && line[(i + reach) * step] >= 0.0F) {
            sum += line[(i + reach) * step];
            known += 1.0F;
        }
        if (i - reach - 1 >= 0 && line[(i - reach - 1) * step] >= 0.0F) {
            sum -= line[(i - reach - 1) * step];
            known -= 1.0F;
        }
        if (i >= 0)
            out[i * step] = known > 0.5F ? (sum > 0.0F ? sum / known : 0.0F) : -1.0F;
    }
}

/* Means over squares around each cell, where the error is known. */
static void blur_errors(const struct grid *grid, int reach, float *errors, float *scratch)
{
    for (int y = 0; y < grid->height; y++)
        blur_line(errors + y * grid->width, grid->width, 1, reach, scratch + y * grid->width);
    for (int x = 0; x < grid->width; x++)
        blur_line(scratch + x, grid->height, grid->width, reach, errors + x);
}

static float part(float value)
{
    return value < 0.0F ? 0.0F : value > 1.0F ? 1.0F : value;
}

/* -1 to 1: whether the frame shows what a side sees of the object there. */
static float evidence(float error, float usual)
{
    const float ratio = error / (usual + 2.0F);
    return ratio <= 1.0F ? 1.0F : ratio >= 3.0F ? -1.0F : 2.0F - ratio;
}

static float decide(const struct side sides[2], const struct answers *answers, int at, const float usual[2])
{
    float weight[2], total = 0.0F;
    for (int i = 0; i < 2; i++) {
        const bool known = answers->error[i][at] >= 0.0F;
        if (!sides[i].picture)
            return answers->distance[1 - i][at];
        weight[i] = sides[i].field.empty && !sides[1 - i].field.empty ? 0.5F : sides[i].weight;
        weight[i] *= known || sides[i].field.empty ? 1.0F : 0.02F;
        total += weight[i];
    }
    const float d0 = answers->distance[0][at], d1 = answers->distance[1][at];
    float share = weight[1] / total;
    if ((d0 > 0.0F) != (d1 > 0.0F)) {
        const int seen = d1 > 0.0F;
        if (answers->error[seen][at] >= 0.0F) {
            const float say = CERTAIN * evidence(answers->error[seen][at], usual[seen]);
            share = part(share + (seen ? say : -say));
        }
    }
    return d0 + share * (d1 - d0);
}

static int combine(const struct side sides[2], const struct between_picture *now, struct grid *grid)
{
    const size_t cells = (size_t)grid->width * (size_t)grid->height;
    float *memory = calloc(5 * cells, sizeof(*memory));
    if (!memory)
        return error_memory("mask");
    struct answers answers = {{memory, memory + cells}, {memory + 2 * cells, memory + 3 * cells}, memory + 4 * cells};
    const float scale = (float)now->source_width / (float)now->level[0].width / (float)grid->cell;
    float usual[2];
    ask_all(sides, now, grid, &answers);
    for (int i = 0; i < 2; i++) {
        usual[i] = usual_error(sides, grid, &answers, i);
        blur_errors(grid, (int)(scale + 0.5F), answers.error[i], answers.scratch);
    }
    for (size_t i = 0; i < cells; i++)
        grid->values[i] = decide(sides, &answers, (int)i, usual);
    free(memory);
    return 0;
}

static int clamp(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

/* The grid's distances to pixels; between cells they are mixed, so that a coarse grid leaves no steps. */
/* The grid's distances to pixels; between cells they are mixed, so that a coarse grid leaves no steps. */
static void paint(const struct grid *grid, int width, int height, uint8_t *pixels)
{
    const int right = (grid->left + grid->width) * grid->cell, bottom = (grid->top + grid->height) * grid->cell;
    const float unit = 1.0F / (float)grid->cell;
    for (int y = grid->top * grid->cell; y < bottom && y < height; y++) {
        const float v = ((float)y + 0.5F) * unit - 0.5F - (float)grid->top;
        const int top = v > 0.0F ? (int)v : 0, down = clamp(top + 1, 0, grid->height - 1);
        const float fv = part(v - (float)top);
        const float *upper = grid->values + (size_t)top * (size_t)grid->width;
        const float *lower = grid->values + (size_t)down * (size_t)grid->width;
        uint8_t *row = pixels + (size_t)y * (size_t)width;
        for (int x = grid->left * grid->cell; x < right && x < width; x++) {
            const float u = ((float)x + 0.5F) * unit - 0.5F - (float)grid->left;
            const int left = u > 0.0F ? (int)u : 0, next = clamp(left + 1, 0, grid->width - 1);
            const float fu = part(u - (float)left);
            const float above = upper[left] + fu * (upper[next] - upper[left]);
            const float below = lower[left] + fu * (lower[next] - lower[left]);
            row[x] = above + fv * (below - above) > 0.0F;
        }
    }
}

static int make_mask(const struct grid *grid, const struct between_picture *now, struct sowlv2_mask *out)
{
    uint8_t *pixels = calloc((size_t)now->source_width, (size_t)now->source_height);
    if (!pixels)
        return error_memory("mask");
    if (grid->values)
        paint(grid, now->source_width, now->source_height, pixels);
    const int status = mask_set_pixels(out, pixels, now->source_width, now->source_height);
    free(pixels);
    return status;
}

static void mix_scores(const struct sowlv2_mask *before, const struct sowlv2_mask *after, float share,
                       struct sowlv2_mask *out)
{
    const struct sowlv2_mask *first = before ? before : after, *last = after ? after : before;
    if (first) {
        out->mask_score = first->mask_score + share * (last->mask_score - first->mask_score);
        out->object_score = first->object_score + share * (last->object_score - first->object_score);
    }
}

int masks_between(const struct between_frames *frames, const struct sowlv2_mask *before,
                  const struct sowlv2_mask *after, struct sowlv2_mask *out)
{
    struct side sides[2] = {0};
    struct grid grid = {0};
    const double position = !frames->after ? 0.0 : fmin(fmax(frames->position, 0.0), 1.0);
    const float share = (float)position;
    *out = (struct sowlv2_mask){0};
    after = frames->after ? after : NULL;
    int status = side_open(frames->before, frames->now, before, &sides[0]);
    status = status != 0 ? status : side_open(frames->after, frames->now, after, &sides[1]);
    status = status != 0 ? status : follow(&sides[0], &sides[1], frames->now, share);
    status = status != 0 ? status : follow(&sides[1], &sides[0], frames->now, 1.0F - share);
    if (status == 0 && (!sides[0].field.empty || !sides[1].field.empty))
        status = grid_open(sides, frames->now, &grid);
    if (status == 0 && grid.values)
        status = combine(sides, frames->now, &grid);
    if (status == 0)
        status = make_mask(&grid, frames->now, out);
    if (status == 0)
        mix_scores(before, after, share, out);
    free(grid.values);
    side_free(&sides[0]);
    side_free(&sides[1]);
    return status;
}
