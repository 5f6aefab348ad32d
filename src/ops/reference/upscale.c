/* Masks from a grid, pixel by pixel. */
#include "ops/reference/reference.h"

#include <math.h>

enum { TAPS = 4 }; /* pixels of a step */

/* out[n] = features[n] + bias[n] + x[k] weight[k][n] */
static void product(const double *x, int64_t inputs, const float *weight, const float *bias, const float *features,
                    int64_t outputs, double *out)
{
    for (int64_t n = 0; n < outputs; n++) {
        out[n] = (double)features[n] + (double)bias[n];
        for (int64_t k = 0; k < inputs; k++)
            out[n] += x[k] * (double)weight[k * outputs + n];
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

/* fine [2 x 2 pixels][c2] of entry b, tap i of grid pixel p -> the masks. */
static void write_masks(const struct mask_upscaling *u, int64_t b, int64_t p, int64_t i, const double *fine,
                        struct tensor *out)
{
    const int64_t masks = out->dim[1], size = out->dim[2], side = size / 4, c2 = u->hyper.dim[2];
    for (int64_t m = 0; m < masks; m++) {
        const float *hyper = (const float *)host_data(u->hyper) + (b * masks + m) * c2;
        for (int64_t j = 0; j < TAPS; j++) {
            const int64_t y = p / side * 4 + i / 2 * 2 + j / 2, x = p % side * 4 + i % 2 * 2 + j % 2;
            double sum = 0.0;
            for (int64_t k = 0; k < c2; k++)
                sum += (double)hyper[k] * fine[j * c2 + k];
            ((float *)host_data(*out))[((b * masks + m) * size + y) * size + x] = (float)sum;
        }
    }
}

void reference_upscale_masks(struct compute *compute, const struct mask_upscaling *u, struct tensor out)
{
    const int64_t pixels = u->x.dim[1], c = u->x.dim[2], c1 = u->gamma.dim[0], c2 = u->hyper.dim[2];
    const size_t mark = compute_mark(compute);
    /* Doubles: eight bytes each, whatever the type is called. */
    double *input = host_data(COMPUTE_TENSOR(compute, DTYPE_I64, c));
    double *middle = host_data(COMPUTE_TENSOR(compute, DTYPE_I64, TAPS * c1));
    double *fine = host_data(COMPUTE_TENSOR(compute, DTYPE_I64, TAPS * c2));
    for (int64_t n = 0; compute_status(compute) == 0 && n < out.dim[0] * pixels; n++) {
        const int64_t b = n / pixels, p = n % pixels;
        for (int64_t k = 0; k < c; k++)
            input[k] = (double)((const float *)host_data(u->x))[n * c + k];
        product(input, c, host_data(u->weight1), host_data(u->bias1),
                (const float *)host_data(u->features1) + p * TAPS * c1, TAPS * c1, middle);
        for (int64_t i = 0; i < TAPS; i++) {
            double *pixel = middle + i * c1;
            normalize(pixel, c1, host_data(u->gamma), host_data(u->beta), (double)u->eps);
            gelu(pixel, c1);
            product(pixel, c1, host_data(u->weight2), host_data(u->bias2),
                    (const float *)host_data(u->features2) + (p * TAPS + i) * TAPS * c2, TAPS * c2, fine);
            gelu(fine, TAPS * c2);
            write_masks(u, b, p, i, fine, &out);
        }
    }
    compute_release(compute, mark);
}
