/* Numbers as whole ones of 8 bits, for sets that multiply these in the host's memory. What a model lets be multiplied
 * so is said with its weights (parameters_let_int8).
 *
 * A row of what comes in has a scale and a zero of its own, found when it is there: x stands for
 * scale * (value - zero), values from 0 to 255; so a row that is nearly all on one side of 0, as after GELU, loses no
 * bit. An output's weights have a scale, found when the model opens: w stands for scale * value, values from -127 to
 * 127. Sums of products are exact in 32 bits as long as there are no more than INT8_MOST_INPUTS of them. */
#ifndef OPS_INT8_H
#define OPS_INT8_H

#include <math.h>
#include <stdint.h>

enum { INT8_MOST_INPUTS = 65536, INT8_MOST_VALUE = 255, INT8_MOST_WEIGHT = 127 };

/* A row whose numbers are all under 255 times this is one of zeros. */
#define INT8_LEAST_SCALE 0x1p-100F

struct int8_row {
    float scale, inverse;
    int32_t zero;
};

/* For numbers from `low` to `high`, of which 0 is one. A row that has an infinite one or NaN (so that it is not
 * `finite`) has the scale NaN, and so have the results. */
static inline struct int8_row int8_row_of(float low, float high, int finite)
{
    const float scale = high / INT8_MOST_VALUE - low / INT8_MOST_VALUE;
    if (!finite)
        return (struct int8_row){.scale = NAN};
    if (scale < INT8_LEAST_SCALE)
        return (struct int8_row){0};
    const float inverse = 1.0F / scale;
    return (struct int8_row){scale, inverse, (int32_t)lrintf(-low * inverse)};
}

/* The value that `x` of such a row gets: to the nearest, ties to even. */
static inline int32_t int8_value(const struct int8_row *row, float x)
{
    const long value = lrintf(x * row->inverse) + row->zero;
    return value < 0 ? 0 : value > INT8_MOST_VALUE ? INT8_MOST_VALUE : (int32_t)value;
}

/* An output's weights as values; returns their scale, which is NaN where a weight is NaN or infinite. */
float int8_weights(const float *weight, int64_t count, int8_t *values);

#endif
