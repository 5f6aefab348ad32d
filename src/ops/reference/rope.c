/* Rotary position embedding. */
#include "ops/reference/reference.h"

static void rotate(double *x, const float *cosines, const float *sines, int64_t count)
{
    for (int64_t i = 0; i < count; i += 2) {
        const double even = x[i], odd = x[i + 1];
        x[i] = even * (double)cosines[i] - odd * (double)sines[i];
        x[i + 1] = odd * (double)cosines[i + 1] + even * (double)sines[i + 1];
    }
}

void reference_rope(struct compute *compute, struct tensor x, struct tensor cosines, struct tensor sines)
{
    const int64_t count = cosines.dim[2];
    const size_t mark = compute_mark(compute);
    double *row = reference_doubles(compute, count);
    for (int64_t b = 0; b < x.dim[0] && row; b++) {
        const int64_t table = cosines.dim[0] == 1 ? 0 : b;
        for (int64_t t = 0; t < x.dim[1]; t++) {
            const float *c = (const float *)host_data(cosines) + table * cosines.stride[0] + t * cosines.stride[1];
            const float *s = (const float *)host_data(sines) + table * sines.stride[0] + t * sines.stride[1];
            for (int64_t h = 0; h < x.dim[2]; h++) {
                const int64_t at = b * x.stride[0] + t * x.stride[1] + h * x.stride[2];
                reference_load(&x, at, count, row);
                rotate(row, c, s, count);
                reference_store(&x, at, count, row);
            }
        }
    }
    compute_release(compute, mark);
}
