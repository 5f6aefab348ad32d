/* How an object moved as a whole: a coarse search over steps, then Lucas-Kanade from coarse to fine, with weights that
 * pass over what does not fit (something in front of the object). */
#include "base/error.h"
#include "masks/between_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_SAMPLES = 2000,
    LEAST_SAMPLES = 24,
    ITERATIONS = 6,
    REACH = 12,   /* pixels of the coarse search's level, in each direction */
    UNKNOWNS = 5, /* step, scale, turn, brightness */
};

/* What something in front of the object may add at each pixel. */
static const float MOST_ERROR = 40.0F;

/* One pixel of the object. */
struct sample {
    float x, y; /* from the object's centre, in pixels of its level */
    float value, across, along, weight;
};

struct samples {
    struct sample items[MOST_SAMPLES];
    int count;
    float radius; /* about the distance of the farthest from the centre */
};

struct between_point between_move_point(const struct between_move *move, struct between_point point)
{
    const float x = point.x - move->centre.x, y = point.y - move->centre.y;
    return (struct between_point){move->centre.x + move->step.x + (1.0F + move->a) * x - move->b * y,
                                  move->centre.y + move->step.y + move->b * x + (1.0F + move->a) * y};
}

struct between_move between_move_inverse(const struct between_move *move)
{
    const float c = 1.0F + move->a, s = move->b, square = c * c + s * s;
    return (struct between_move){.centre = {move->centre.x + move->step.x, move->centre.y + move->step.y},
                                 .step = {-move->step.x, -move->step.y},
                                 .a = c / square - 1.0F,
                                 .b = -s / square};
}

/* The object's pixels at a level, and a rim of what is around it, since its edge moves with it. */
static void take_samples(const struct between_picture *from, int at, const struct between_field *field,
                         struct between_point centre, struct samples *out)
{
    const struct between_level *level = &from->level[at];
    const float across = (float)from->source_width / (float)level->width;
    const float along = (float)from->source_height / (float)level->height;
    const int rim = field->cell * 2;
    int left = (int)((float)(field->left * field->cell - rim) / across);
    int top = (int)((float)(field->top * field->cell - rim) / along);
    int right = (int)((float)((field->left + field->width) * field->cell + rim) / across) + 1;
    int bottom = (int)((float)((field->top + field->height) * field->cell + rim) / along) + 1;
    left = left > 0 ? left : 0;
    top = top > 0 ? top : 0;
    right = right < level->width ? right : level->width;
    bottom = bottom < level->height ? bottom : level->height;
    int stride = 1;
    while (right > left && bottom > top &&
           (int64_t)((right - left) / stride + 1) * ((bottom - top) / stride + 1) > MOST_SAMPLES)
        stride++;
    out->count = 0;
    out->radius = 1.0F;
    for (int y = top; y < bottom; y += stride) {
        for (int x = left; x < right; x += stride) {
            const float distance =
                between_field_at(field, ((float)x + 0.5F) * across - 0.5F, ((float)y + 0.5F) * along - 0.5F) / across;
            if (distance <= -1.5F || out->count == MOST_SAMPLES)
                continue;
            struct sample *sample = &out->items[out->count++];
            const float fx = (float)x, fy = (float)y;
            *sample = (struct sample){
                .x = fx - centre.x,
                .y = fy - centre.y,
                .value = between_sample(level, fx, fy),
                .across = 0.5F * (between_sample(level, fx + 1.0F, fy) - between_sample(level, fx - 1.0F, fy)),
                .along = 0.5F * (between_sample(level, fx, fy + 1.0F) - between_sample(level, fx, fy - 1.0F)),
                .weight = distance >= 0.5F ? 1.0F : 0.5F * (distance + 1.5F)};
            out->radius = fmaxf(out->radius, fmaxf(fabsf(sample->x), fabsf(sample->y)));
        }
    }
}

/* Solves the system in place; false where it has no solution. */
static bool solve(double m[UNKNOWNS][UNKNOWNS + 1])
{
    for (int i = 0; i < UNKNOWNS; i++) {
        int pivot = i;
        for (int j = i + 1; j < UNKNOWNS; j++)
            pivot = fabs(m[j][i]) > fabs(m[pivot][i]) ? j : pivot;
        if (!(fabs(m[pivot][i]) > 1e-9))
            return false;
        for (int k = i; k <= UNKNOWNS && pivot != i; k++) {
            const double kept = m[i][k];
            m[i][k] = m[pivot][k];
            m[pivot][k] = kept;
        }
        for (int j = 0; j < UNKNOWNS; j++) {
            const double share = j != i ? m[j][i] / m[i][i] : 0.0;
            for (int k = i; k <= UNKNOWNS && share != 0.0; k++)
                m[j][k] -= share * m[i][k];
        }
    }
    for (int i = 0; i < UNKNOWNS; i++)
        m[i][UNKNOWNS] /= m[i][i];
    return true;
}

/* What is left at a sample; `move` is in pixels of the level. */
static float difference(const struct between_level *to, const struct between_move *move, const struct sample *sample)
{
    const float c = 1.0F + move->a, s = move->b;
    const float x = move->centre.x + move->step.x + c * sample->x - s * sample->y;
    const float y = move->centre.y + move->step.y + s * sample->x + c * sample->y;
    return between_sample(to, x, y) - sample->value;
}

/* The mean difference that is left, brightness apart: the middle one of all differences, which something in front of
 * less than half of the object does not change. */
static float remaining(const struct between_level *to, const struct between_move *move, const struct samples *samples,
                       float *brightness)
{
    float bins[2 * 255 + 1] = {0}, total = 1e-9F, sum = 0.0F;
    double left = 0.0;
    for (int i = 0; i < samples->count; i++) {
        const int bin = (int)lrintf(difference(to, move, &samples->items[i])) + 255;
        bins[bin] += samples->items[i].weight;
        total += samples->items[i].weight;
    }
    int middle = 0;
    while (middle < 2 * 255 && sum + bins[middle] < 0.5F * total)
        sum += bins[middle++];
    *brightness = (float)(middle - 255);
    for (int i = 0; i <= 2 * 255; i++) {
        const float off = fabsf((float)(i - middle));
        left += (double)(bins[i] * (off < MOST_ERROR ? off : MOST_ERROR));
    }
    return (float)left / total;
}

/* One step of the inverse compositional method; gives the length of the step. */
static float improve(const struct between_level *to, const struct samples *samples, bool turns, float left,
                     float brightness, struct between_move *move)
{
    const float scale = 1.0F / (2.0F * left + 4.0F), unit = 1.0F / samples->radius;
    double m[UNKNOWNS][UNKNOWNS + 1] = {{0}};
    for (int i = 0; i < samples->count; i++) {
        const struct sample *sample = &samples->items[i];
        const float error = difference(to, move, sample), off = (error - brightness) * scale;
        const float weight = sample->weight / (1.0F + off * off);
        const float x = sample->x * unit, y = sample->y * unit;
        const float row[UNKNOWNS + 1] = {sample->across,
                                         sample->along,
                                         sample->across * x + sample->along * y,
                                         sample->along * x - sample->across * y,
                                         1.0F,
                                         error};
        for (int j = 0; j < UNKNOWNS; j++) {
            const float share = weight * row[j];
            for (int k = j; k <= UNKNOWNS; k++)
                m[j][k] += (double)(share * row[k]);
        }
    }
    for (int j = 1; j < UNKNOWNS; j++)
        for (int k = 0; k < j; k++)
            m[j][k] = m[k][j];
    /* What the pictures do not say stays as it is: an object without texture is not turned. */
    const double firm = 0.5 * samples->count;
    for (int j = 0; j < 2; j++) {
        m[j][j] += firm;
        m[j + 2][j + 2] += turns ? 4.0 * firm : 1e12;
    }
    m[4][4] += 1e-3;
    if (!solve(m))
        return 0.0F;
    const float tx = (float)m[0][UNKNOWNS], ty = (float)m[1][UNKNOWNS];
    const float da = (float)m[2][UNKNOWNS] * unit, db = (float)m[3][UNKNOWNS] * unit;
    /* move after the inverse of the small one */
    const float c = 1.0F + move->a, s = move->b, dc = 1.0F + da, square = dc * dc + db * db;
    const float rc = (c * dc + s * db) / square, rs = (s * dc - c * db) / square;
    move->a = rc - 1.0F;
    move->b = rs;
    move->step.x -= rc * tx - rs * ty;
    move->step.y -= rs * tx + rc * ty;
    return fabsf(tx) + fabsf(ty) + (fabsf(da) + fabsf(db)) * samples->radius;
}

static bool is_sane(const struct between_move *move, const struct between_level *level)
{
    const float size = (1.0F + move->a) * (1.0F + move->a) + move->b * move->b;
    return size > 0.3F && size < 3.0F && fabsf(move->step.x) < (float)level->width &&
           fabsf(move->step.y) < (float)level->height;
}

static struct between_move at_level(const struct between_move *move, float scale)
{
    struct between_move out = *move;
    /* Pixel centres: the first level's pixel x is at (x + 0.5) scale - 0.5. */
    out.centre = (struct between_point){(move->centre.x + 0.5F) * scale - 0.5F, (move->centre.y + 0.5F) * scale - 0.5F};
    out.step = (struct between_point){move->step.x * scale, move->step.y * scale};
    return out;
}

static float level_scale(const struct between_picture *picture, int level)
{
    return (float)picture->level[level].width / (float)picture->level[0].width;
}

/* Goes down from level `level` to the finest; `move` is in pixels of the first level. Returns what is left. */
static float descend(const struct between_picture *from, const struct between_picture *to,
                     const struct between_field *field, int level, struct samples *samples, struct between_move *move,
                     float *brightness)
{
    float left = 255.0F;
    for (; level >= 0; level--) {
        const float scale = level_scale(from, level);
        struct between_move here = at_level(move, scale);
        take_samples(from, level, field, here.centre, samples);
        if (samples->count < LEAST_SAMPLES && level > 0)
            continue;
        float light = 0.0F;
        struct between_move best = here;
        left = remaining(&to->level[level], &here, samples, &light);
        *brightness = light;
        for (int i = 0; i < ITERATIONS && samples->count > 0; i++) {
            const float length =
                improve(&to->level[level], samples, samples->count >= 4 * LEAST_SAMPLES, left, light, &here);
            if (!is_sane(&here, &to->level[level]))
                break;
            const float now = remaining(&to->level[level], &here, samples, &light);
            if (now < left) {
                left = now;
                *brightness = light;
                best = here;
            }
            if (length < 0.02F)
                break;
        }
        move->step = (struct between_point){best.step.x / scale, best.step.y / scale};
        move->a = best.a;
        move->b = best.b;
    }
    return left;
}

/* How much lighter one picture is than the other. */
static float compare_light(const struct between_level *from, const struct between_level *to)
{
    int64_t sum = 0;
    for (int i = 0; i < from->width * from->height; i++)
        sum += to->pixels[i] - from->pixels[i];
    return (float)sum / (float)(from->width * from->height);
}

/* The best step of all whole ones around none; of two alike the nearer one is right. */
static void search(const struct between_picture *from, const struct between_picture *to,
                   const struct between_field *field, int at, struct samples *samples, struct between_move *move)
{
    const struct between_level *level = &to->level[at];
    const float scale = level_scale(from, at), light = compare_light(&from->level[at], level);
    const struct between_move here = at_level(move, scale);
    take_samples(from, at, field, here.centre, samples);
    const int stride = samples->count / 250 + 1;
    float best = 1e30F;
    for (int dy = -REACH; dy <= REACH; dy++) {
        for (int dx = -REACH; dx <= REACH; dx++) {
            float sum = 0.0F, weights = 1e-9F;
            for (int i = 0; i < samples->count; i += stride) {
                const struct sample *sample = &samples->items[i];
                const int x = (int)(sample->x + here.centre.x + 0.5F) + dx;
                const int y = (int)(sample->y + here.centre.y + 0.5F) + dy;
                if (x < 0 || y < 0 || x >= level->width || y >= level->height)
                    continue;
                const float off = fabsf((float)level->pixels[y * level->width + x] - sample->value - light);
                sum += sample->weight * (off < MOST_ERROR ? off : MOST_ERROR);
                weights += sample->weight;
            }
            const float cost = sum / weights + 0.25F * sqrtf((float)(dx * dx + dy * dy));
            if (weights > 1.0F && cost < best) {
                best = cost;
                move->step = (struct between_point){(float)dx / scale, (float)dy / scale};
            }
        }
    }
}

int between_fit(const struct between_picture *from, const struct between_picture *to, const struct between_field *field,
                const struct between_move *guess, struct between_move *out, struct between_left *left)
{
    struct samples *samples = malloc(sizeof(*samples));
    if (!samples)
        return error_memory("motion of an object");
    const int coarse = from->levels > 2 ? 2 : from->levels - 1;
    struct between_move found = {.centre = guess->centre}, guessed = *guess;
    search(from, to, field, coarse, samples, &found);
    struct between_left with_found = {0}, with_guess = {0};
    with_found.error = descend(from, to, field, coarse, samples, &found, &with_found.brightness);
    with_guess.error = descend(from, to, field, coarse > 0 ? coarse - 1 : 0, samples, &guessed, &with_guess.brightness);
    /* A find that is no better than the guess is chance. */
    const bool is_better = with_found.error < 0.95F * with_guess.error;
    *out = is_better ? found : guessed;
    *left = is_better ? with_found : with_guess;
    free(samples);
    return 0;
}
