/* The antialiased bilinear filter of 8-bit pixels, in whole numbers, as PyTorch resizes uint8 images. */
#include "ops/filter_internal.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>

void filter_u8_free(struct filter_u8 *filter)
{
    free(filter->first);
    free(filter->count);
    free(filter->weight);
    *filter = (struct filter_u8){0};
}

static int allocate(int inputs, int outputs, int64_t stride, struct filter_u8 *out)
{
    size_t taps;
    if (stride > INT32_MAX || __builtin_mul_overflow((size_t)outputs, (size_t)stride, &taps) ||
        taps > PTRDIFF_MAX / sizeof(double))
        return error_memory("a resize filter");
    *out = (struct filter_u8){.outputs = outputs, .inputs = inputs, .stride = (int)stride};
    out->first = calloc((size_t)outputs, sizeof(*out->first));
    out->count = calloc((size_t)outputs, sizeof(*out->count));
    out->weight = calloc(taps, sizeof(*out->weight));
    if (!out->first || !out->count || !out->weight) {
        filter_u8_free(out);
        return error_memory("a resize filter");
    }
    return 0;
}

/* The taps of output `i` in `weight`; returns the largest. Sets first and count. */
static double make_taps(int i, struct filter_u8 *filter, double *weight)
{
    const double scale = (double)filter->inputs / (double)filter->outputs;
    const double support = scale >= 1.0 ? scale : 1.0, inverse = scale >= 1.0 ? 1.0 / scale : 1.0;
    const double centre = scale * ((double)i + 0.5);
    int64_t first = (int64_t)(centre - support + 0.5), end = (int64_t)(centre + support + 0.5);
    first = first < 0 ? 0 : first;
    end = end > filter->inputs ? filter->inputs : end;
    int64_t count = end - first;
    count = count < 0 ? 0 : count > filter->stride ? filter->stride : count;
    double total = 0.0, largest = 0.0;
    for (int64_t j = 0; j < count; j++) {
        const double distance = fabs(((double)(j + first) - centre + 0.5) * inverse);
        weight[j] = distance < 1.0 ? 1.0 - distance : 0.0;
        total += weight[j];
    }
    for (int64_t j = 0; j < count; j++) {
        weight[j] = total != 0.0 ? weight[j] / total : weight[j];
        largest = weight[j] > largest ? weight[j] : largest;
    }
    filter->first[i] = (int32_t)first;
    filter->count[i] = (int32_t)count;
    return largest;
}

/* Fraction bits: as many as let the largest weight stay under 2^15. */
static int choose_precision(double largest)
{
    enum { MAX_PRECISION = 22 };
    int precision = 0;
    while (precision < MAX_PRECISION && (int)(0.5 + largest * (double)(1 << (precision + 1))) < 1 << 15)
        precision++;
    return precision;
}

int filter_u8_bilinear_antialias(int inputs, int outputs, struct filter_u8 *out)
{
    *out = (struct filter_u8){0};
    int status = filter_check_size("an input", inputs);
    if (status == 0)
        status = filter_check_size("an output", outputs);
    if (status != 0)
        return status;
    const double scale = (double)inputs / (double)outputs;
    status = allocate(inputs, outputs, (int64_t)ceil(scale >= 1.0 ? scale : 1.0) * 2 + 1, out);
    double *taps = NULL;
    if (status == 0 && !(taps = malloc((size_t)out->stride * sizeof(*taps)))) {
        filter_u8_free(out);
        status = error_memory("a resize filter");
    }
    double largest = 0.0;
    for (int i = 0; status == 0 && i < outputs; i++) {
        const double weight = make_taps(i, out, taps);
        largest = weight > largest ? weight : largest;
    }
    if (status == 0) {
        out->precision = choose_precision(largest);
        const double one = (double)(1 << out->precision);
        for (int i = 0; i < outputs; i++) {
            make_taps(i, out, taps);
            for (int32_t j = 0; j < out->count[i]; j++)
                out->weight[(int64_t)i * out->stride + j] = (int16_t)(0.5 + taps[j] * one);
        }
    }
    free(taps);
    return status;
}
