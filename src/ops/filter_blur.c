/* OWLv2's resize along one axis: zero padding, Gaussian blur and bilinear sampling as one filter.
 *
 * All three are linear and separable, so their composition is one table of taps. Positions and
 * deviations are computed in f32, as the reference does: on long axes more exact positions would give
 * other weights. */
#include "ops/filter_internal.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>

/* The Gaussian's taps from the middle, [half + 1]; the other side is the same. */
struct blur {
    int64_t half;
    double *tap;
};

float filter_blur_sigma(int inputs, int outputs)
{
    float sigma = ((float)inputs / (float)outputs - 1.0F) / 2.0F;
    return sigma > 0.0F ? sigma : 0.0F;
}

/* tap[j] = softmax(-(x_j / sigma)^2) over 2 half + 1 points x_j, `1 / sqrt 2` apart. */
static int blur_create(float sigma, struct blur *out)
{
    *out = (struct blur){.half = (int64_t)ceilf(3.0F * sigma)};
    out->tap = malloc((size_t)(out->half + 1) * sizeof(*out->tap));
    if (!out->tap)
        return error_memory("a resize filter");
    double sum = 0.0;
    /* NOLINTBEGIN(clang-analyzer-core.*): loops that the analyzer leaves too early fill these arrays. */
    for (int64_t j = 0; j <= out->half; j++) {
        double x = sigma > 0.0F ? (double)j / (double)sigma : 0.0;
        out->tap[j] = exp(-0.5 * x * x);
        sum += j == 0 ? out->tap[j] : 2.0 * out->tap[j];
    }
    for (int64_t j = 0; j <= out->half; j++)
        out->tap[j] /= sum;
    return 0;
}

/* The entry that stands at `index` when an axis of `size` entries is reflected at its first and last. */
static int64_t reflect(int64_t index, int64_t size)
{
    if (size == 1)
        return 0;
    int64_t period = 2 * (size - 1);
    index %= period;
    index = index < 0 ? index + period : index;
    return index < size ? index : period - index;
}

/* Where one output samples the blurred axis: between entries index[0] and index[1]. */
struct sample {
    int64_t index[2];
    double weight[2];
};

static struct sample bilinear_sample(int output, int inputs, int outputs)
{
    if (inputs == outputs)
        return (struct sample){{output, output}, {1.0, 0.0}};
    float scale = (float)inputs / (float)outputs;
    float position = scale * ((float)output + 0.5F) - 0.5F;
    position = position > 0.0F ? position : 0.0F;
    int64_t index = (int64_t)position;
    index = index < inputs - 1 ? index : inputs - 1;
    float lambda = position - (float)index;
    lambda = lambda < 1.0F ? lambda : 1.0F;
    return (struct sample){{index, index < inputs - 1 ? index + 1 : index}, {1.0 - (double)lambda, (double)lambda}};
}

/* Adds up output `i`'s taps in `tap` [inputs_padded] and keeps those on valid inputs. */
static void compose(const struct blur *blur, int inputs_valid, int inputs_padded, int i, double *tap,
                    struct filter *filter)
{
    struct sample sample = bilinear_sample(i, inputs_padded, filter->outputs);
    int64_t last = inputs_padded - 1;
    int64_t from = sample.index[0] - blur->half, to = sample.index[1] + blur->half;
    int64_t low = from < 0 ? 0 : from, high = to > last ? last : to;
    /* What is reflected lands within as many entries from the border as stick out of it. */
    if (from < 0 && -from > high)
        high = -from < last ? -from : last;
    if (to > last && 2 * last - to < low)
        low = 2 * last - to > 0 ? 2 * last - to : 0;
    for (int64_t j = low; j <= high; j++)
        tap[j] = 0.0;
    for (int s = 0; s < 2; s++)
        for (int64_t j = -blur->half; sample.weight[s] != 0.0 && j <= blur->half; j++)
            tap[reflect(sample.index[s] + j, inputs_padded)] += sample.weight[s] * blur->tap[j < 0 ? -j : j];
    high = high < inputs_valid - 1 ? high : inputs_valid - 1;
    if (low > high)
        return;
    float *weight = filter->weight + (int64_t)i * filter->stride;
    filter->first[i] = (int32_t)low;
    filter->count[i] = (int32_t)(high - low + 1);
    for (int64_t j = low; j <= high; j++)
        weight[j - low] = (float)tap[j];
}
/* NOLINTEND(clang-analyzer-core.*) */

int filter_sigma_bilinear(int inputs_valid, int inputs_padded, int outputs, float sigma, struct filter *out)
{
    *out = (struct filter){0};
    int status = filter_check_size("an input", inputs_padded);
    if (status == 0)
        status = filter_check_size("an output", outputs);
    if (status == 0 && (inputs_valid < 1 || inputs_valid > inputs_padded)) {
        status =
            error_set(SOWLV2_ERROR_ARGUMENT, "resize: %d pixels cannot be padded to %d", inputs_valid, inputs_padded);
    }
    struct blur blur = {0};
    if (status == 0)
        status = blur_create(sigma, &blur);
    double *tap = NULL;
    if (status == 0) {
        int64_t window = 2 * blur.half + 2;
        status = filter_allocate(inputs_valid, outputs, window < inputs_valid ? window : inputs_valid, out);
    }
    if (status == 0) {
        tap = malloc((size_t)inputs_padded * sizeof(*tap));
        if (!tap) {
            filter_free(out);
            status = error_memory("a resize filter");
        }
    }
    for (int i = 0; status == 0 && i < outputs; i++)
        compose(&blur, inputs_valid, inputs_padded, i, tap, out);
    free(blur.tap);
    free(tap);
    return status;
}

int filter_blur_bilinear(int inputs_valid, int inputs_padded, int outputs, struct filter *out)
{
    return filter_sigma_bilinear(inputs_valid, inputs_padded, outputs, filter_blur_sigma(inputs_padded, outputs), out);
}
