/* Masks from a grid, pixel by pixel. */
#include "ops/reference/reference.h"

#include <math.h>

enum { TAPS = 4 }; /* pixels of a step */

/* out[n] = features[n] + bias[n] + x[k] weight[k][n] */
static void product(const double *x, int64_t inputs, const double *weight, const float *bias, const float *features,
                    int64_t outputs, double *out)
{
    for (int64_t n = 0; n < outputs; n++) {
        out[n] = (double)features[n] + (double)bias[n];
        for (int64_t k = 0; k < inputs; k++)
            out[n] += x[k] * weight[k * outputs + n];
    }
}

static void normalize(double *x, int64_t count, const float *gamma, const float *beta, double eps)
{
    double mean = 0.0, variance = 0.0;
    for (int64_t i = 0; i < count; i++)
        mean += x[i] / (double)count;
    for (int64_t i = 0; i < count; i++)
        variance += (x[i] - mean) * (x[i] - mean) / (double)count;
    for (int64_t i = 0; i < count; i++)
        x[i] = (x[i] - mean) / sqrt(variance + eps) * (double)gamma[i] + (double)beta[i];
}

static void gelu(double *x, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        x[i] = reference_activate(ACTIVATION_GELU, x[i]);
}

/* fine [2 x 2 pixels][c2] of entry b, tap i of grid pixel p -> the masks; hyper [masks][c2] of that entry. */
static void write_masks(const double *hyper, int64_t c2, int64_t b, int64_t p, int64_t i, const double *fine,
                        struct tensor *out)
{
    const int64_t masks = out->dim[1], size = out->dim[2], side = size / 4;
    for (int64_t m = 0; m < masks; m++) {
        for (int64_t j = 0; j < TAPS; j++) {
            const int64_t y = p / side * 4 + i / 2 * 2 + j / 2, x = p % side * 4 + i % 2 * 2 + j % 2;
            ((float *)host_data(*out))[((b * masks + m) * size + y) * size + x] =
                (float)reference_dot(hyper + m * c2, fine + j * c2, c2);
        }
    }
}

/* Factors of the products, in doubles, and what lies between them. */
struct parts {
    double *weight1, *weight2, *hyper; /* hyper of one batch entry */
    double *input, *middle, *fine;
};

/* Grid pixel `p` of entry `b`. */
static void upscale_pixel(const struct compute *compute, const struct mask_upscaling *u, const struct parts *parts,
                          int64_t b, int64_t p, struct tensor *out)
{
    const int64_t c = u->x.dim[2], c1 = u->gamma.dim[0], c2 = u->hyper.dim[2];
    reference_load_factors(compute, &u->x, (b * u->x.dim[1] + p) * c, c, parts->input);
    product(parts->input, c, parts->weight1, host_data(u->bias1),
            (const float *)host_data(u->features1) + p * TAPS * c1, TAPS * c1, parts->middle);
    for (int64_t i = 0; i < TAPS; i++) {
        double *pixel = parts->middle + i * c1;
        normalize(pixel, c1, host_data(u->gamma), host_data(u->beta), (double)u->eps);
        gelu(pixel, c1);
        reference_round(compute, c1, pixel);
        product(pixel, c1, parts->weight2, host_data(u->bias2),
                (const float *)host_data(u->features2) + (p * TAPS + i) * TAPS * c2, TAPS * c2, parts->fine);
        gelu(parts->fine, TAPS * c2);
        reference_round(compute, TAPS * c2, parts->fine);
        write_masks(parts->hyper, c2, b, p, i, parts->fine, out);
    }
}

void reference_upscale_masks(struct compute *compute, const struct mask_upscaling *u, struct tensor out)
{
    const int64_t pixels = u->x.dim[1], c = u->x.dim[2], c1 = u->gamma.dim[0], c2 = u->hyper.dim[2];
    const int64_t hyper = u->hyper.dim[1] * c2;
    const size_t mark = compute_mark(compute);
    const struct parts parts = {
        .weight1 = reference_doubles(compute, c * TAPS * c1),
        .weight2 = reference_doubles(compute, c1 * TAPS * c2),
        .hyper = reference_doubles(compute, hyper),
        .input = reference_doubles(compute, c),
        .middle = reference_doubles(compute, TAPS * c1),
        .fine = reference_doubles(compute, TAPS * c2),
    };
    if (compute_status(compute) == 0) {
        reference_load_factors(compute, &u->weight1, 0, c * TAPS * c1, parts.weight1);
        reference_load_factors(compute, &u->weight2, 0, c1 * TAPS * c2, parts.weight2);
    }
    for (int64_t b = 0; compute_status(compute) == 0 && b < out.dim[0]; b++) {
        reference_load_factors(compute, &u->hyper, b * hyper, hyper, parts.hyper);
        for (int64_t p = 0; p < pixels; p++)
            upscale_pixel(compute, u, &parts, b, p, &out);
    }
    compute_release(compute, mark);
}
