#include "ops/int8.h"

#include <float.h>
#include <stdbool.h>
#include <string.h>

float int8_weights(const float *weight, int64_t count, int8_t *values)
{
    float most = 0.0F;
    bool finite = true;
    for (int64_t i = 0; i < count; i++) {
        const float magnitude = fabsf(weight[i]);
        finite = finite && magnitude <= FLT_MAX;
        most = magnitude > most ? magnitude : most;
    }
    const float scale = most / INT8_MOST_WEIGHT;
    if (!finite || scale < INT8_LEAST_SCALE) {
        memset(values, 0, (size_t)count * sizeof(*values));
        return finite ? 0.0F : NAN;
    }
    const float inverse = 1.0F / scale;
    for (int64_t i = 0; i < count; i++) {
        const long value = lrintf(weight[i] * inverse);
        const long low = value < -INT8_MOST_WEIGHT ? -INT8_MOST_WEIGHT : value;
        values[i] = (int8_t)(low > INT8_MOST_WEIGHT ? INT8_MOST_WEIGHT : low);
    }
    return scale;
}
