/* Steps, and the rounding to bfloat16. */
#include "ops/reference/reference.h"

#include <string.h>

void reference_step(struct compute *compute, struct tensor x, float threshold, float low, float high, struct tensor out)
{
    (void)compute;
    for (int64_t i = 0; i < x.dim[0]; i++) {
        const float *row = matrix_row(&x, i);
        float *to = matrix_row(&out, i);
        for (int64_t j = 0; j < x.dim[1]; j++)
            to[j] = row[j] > threshold ? high : low;
    }
}

static float round_bf16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    if ((bits & 0x7FFFFFFFU) > 0x7F800000U)
        return value; /* NaN: rounding might carry into its exponent */
    bits = (bits + 0x7FFFU + (bits >> 16 & 1U)) & 0xFFFF0000U;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

void reference_round_bf16(struct compute *compute, struct tensor x, struct tensor out)
{
    (void)compute;
    for (int64_t i = 0; i < x.dim[0]; i++) {
        const float *row = matrix_row(&x, i);
        float *to = matrix_row(&out, i);
        for (int64_t j = 0; j < x.dim[1]; j++)
            to[j] = round_bf16(row[j]);
    }
}
