#include "analysis/importance.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* 1 - cos of one patch and the mean of `count` patches, `step` apart, that end before it. */
static double distance(const float *patch, int64_t count, int64_t step, int64_t width)
{
    double product = 0.0, own = 0.0, others = 0.0;
    for (int64_t c = 0; c < width; c++) {
        double mean = 0.0;
        for (int64_t i = 1; i <= count; i++)
            mean += (double)patch[c - i * step];
        mean /= (double)count;
        product += (double)patch[c] * mean;
        own += (double)patch[c] * (double)patch[c];
        others += mean * mean;
    }
    return own == 0.0 || others == 0.0 ? 0.0 : 1.0 - product / (sqrt(own) * sqrt(others));
}

float importance_change_at(const float *features, struct importance_shape shape, int64_t history, int64_t tubelet)
{
    const int64_t step = shape.patches * shape.width, before = tubelet < history ? tubelet : history;
    double sum = 0.0;
    for (int64_t p = 0; p < shape.patches && before > 0; p++)
        sum += distance(features + tubelet * step + p * shape.width, before, step, shape.width);
    return (float)(sum / (double)shape.patches);
}

void importance_change(const float *features, struct importance_shape shape, int64_t history, float *scores)
{
    for (int64_t t = 0; t < shape.tubelets; t++)
        scores[t] = importance_change_at(features, shape, history, t);
}

void importance_surprise(const float *predicted, const float *features, struct importance_shape shape, float *scores)
{
    const int64_t values = shape.patches * shape.width;
    for (int64_t t = 0; t < shape.tubelets; t++) {
        double sum = 0.0;
        for (int64_t i = t * values; i < (t + 1) * values; i++)
            sum += fabs((double)predicted[i] - (double)features[i]);
        scores[t] = (float)(sum / (double)values);
    }
}

float importance_motion(const uint8_t *before, const uint8_t *after, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (uint64_t)(before[i] > after[i] ? before[i] - after[i] : after[i] - before[i]);
    return count == 0 ? 0.0F : (float)((double)sum / (255.0 * (double)count));
}

/* The lowest and the highest number among scores first .. last. */
struct range {
    float low, high;
};

static struct range find_range(const float *scores, int64_t first, int64_t last)
{
    struct range range = {INFINITY, -INFINITY};
    for (int64_t i = first; i <= last; i++) {
        if (isfinite(scores[i])) {
            range.low = scores[i] < range.low ? scores[i] : range.low;
            range.high = scores[i] > range.high ? scores[i] : range.high;
        }
    }
    return range;
}

static float place(float score, struct range range)
{
    return isfinite(score) && range.high > range.low
               ? (float)(((double)score - (double)range.low) / ((double)range.high - (double)range.low))
               : 0.0F;
}

void importance_normalise(const float *scores, int64_t count, float *out)
{
    const struct range range = find_range(scores, 0, count - 1);
    for (int64_t i = 0; i < count; i++)
        out[i] = place(scores[i], range);
}

void importance_normalise_window(const float *scores, int64_t first, int64_t count, int64_t window, float *out)
{
    /* From the end, so that `out` may be `scores`: no score is needed after those behind it are done. */
    for (int64_t i = count - 1; i >= first; i--)
        out[i] = place(scores[i], find_range(scores, i < window ? 0 : i - window + 1, i));
}

void importance_mix(const float *a, const float *b, float weight, int64_t count, float *out)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = (1.0F - weight) * a[i] + weight * b[i];
}
