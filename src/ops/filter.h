/* Builders of the resize filters that the models' image processors amount to. Host memory. */
#ifndef OPS_FILTER_H
#define OPS_FILTER_H

#include "ops/ops.h"

/* One axis of a separable resize in host memory, owned by whoever made it: see struct resize. */
struct filter {
    int outputs, inputs;
    int stride; /* most taps of an output */
    int32_t *first, *count;
    float *weight; /* [outputs][stride] */
};

/* The same for 8-bit pixels in whole numbers. */
struct filter_u8 {
    int outputs, inputs;
    int stride;
    int precision; /* fraction bits, 0 to 22 */
    int32_t *first, *count;
    int16_t *weight;
};

enum { FILTER_MAX_SIZE = 1 << 24 }; /* larger positions are not exact in f32 */

/* OWLv2's processor along one axis, as one step: `inputs_valid` entries, zeros behind them up to
 * `inputs_padded`; Gaussian blur with sigma = max(0, (inputs_padded / outputs - 1) / 2) and
 * 2 ceil(3 sigma) + 1 taps, borders reflected; bilinear samples at pixel centres, not antialiased.
 * The filter's inputs are the valid ones: the zeros' taps are left out, and an output that sees only
 * zeros has none. Errors: ARGUMENT (a size below 1 or over FILTER_MAX_SIZE, more valid than padded),
 * MEMORY. */
int filter_blur_bilinear(int inputs_valid, int inputs_padded, int outputs, struct filter *out);

/* That sigma, and the same filter with any other one, which is not negative. */
float filter_blur_sigma(int inputs, int outputs);
int filter_sigma_bilinear(int inputs_valid, int inputs_padded, int outputs, float sigma, struct filter *out);

/* Bilinear with antialiasing: a triangle as wide as the step between outputs, cut off at the borders
 * and made to sum up to 1. Errors: as above. */
int filter_bilinear_antialias(int inputs, int outputs, struct filter *out);

/* Bilinear samples at pixel centres, not antialiased; the border's entries are repeated outside.
 * Errors: as above. */
int filter_bilinear(int inputs, int outputs, struct filter *out);

/* Frees what a builder made and empties the filter; harmless on {0}. */
void filter_free(struct filter *filter);

/* Bilinear with antialiasing of 8-bit pixels: weights in f64, then as whole numbers of 16 bits with as
 * many fraction bits as the largest one leaves room for. Errors: as above. */
int filter_u8_bilinear_antialias(int inputs, int outputs, struct filter_u8 *out);
void filter_u8_free(struct filter_u8 *filter);

#endif
