/* Resize filters: memory, and the antialiased bilinear one. */
#include "ops/filter_internal.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>

int filter_check_size(const char *name, int size)
{
    if (size < 1 || size > FILTER_MAX_SIZE) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "resize: %s of %d pixels: sizes from 1 to %d can be resized", name,
                         size, FILTER_MAX_SIZE);
    }
    return 0;
}

int filter_allocate(int inputs, int outputs, int64_t stride, struct filter *out)
{
    size_t taps;
    if (stride < 1 || stride > INT32_MAX || __builtin_mul_overflow((size_t)outputs, (size_t)stride, &taps) ||
        taps > PTRDIFF_MAX / sizeof(float))
        return error_memory("a resize filter");
    *out = (struct filter){.outputs = outputs, .inputs = inputs, .stride = (int)stride};
    out->first = calloc((size_t)outputs, sizeof(*out->first));
    out->count = calloc((size_t)outputs, sizeof(*out->count));
    out->weight = calloc(taps, sizeof(*out->weight));
    if (!out->first || !out->count || !out->weight) {
        filter_free(out);
        return error_memory("a resize filter");
    }
    return 0;
}

void filter_free(struct filter *filter)
{
    free(filter->first);
    free(filter->count);
    free(filter->weight);
    *filter = (struct filter){0};
}

/* Positions are computed in f32, as the reference does: on long axes a more exact position would give
 * other weights. */
int filter_bilinear_antialias(int inputs, int outputs, struct filter *out)
{
    *out = (struct filter){0};
    int status = filter_check_size("an input", inputs);
    if (status == 0)
        status = filter_check_size("an output", outputs);
    float scale = (float)inputs / (float)outputs;
    float support = scale >= 1.0F ? scale : 1.0F, inverse = scale >= 1.0F ? 1.0F / scale : 1.0F;
    if (status == 0)
        status = filter_allocate(inputs, outputs, (int64_t)ceilf(support) * 2 + 1, out);
    for (int i = 0; status == 0 && i < outputs; i++) {
        float centre = scale * ((float)i + 0.5F);
        int64_t first = (int64_t)(centre - support + 0.5F), end = (int64_t)(centre + support + 0.5F);
        first = first < 0 ? 0 : first;
        end = end > inputs ? inputs : end;
        int64_t count = end - first < out->stride ? end - first : out->stride;
        float *weight = out->weight + (int64_t)i * out->stride;
        double total = 0.0;
        for (int64_t j = 0; j < count; j++) {
            float distance = fabsf(((float)(j + first) - centre + 0.5F) * inverse);
            weight[j] = distance < 1.0F ? 1.0F - distance : 0.0F;
            total += (double)weight[j];
        }
        for (int64_t j = 0; j < count && total > 0.0; j++)
            weight[j] = (float)((double)weight[j] / total);
        out->first[i] = (int32_t)first;
        out->count[i] = (int32_t)(count > 0 ? count : 0);
    }
    return status;
}
