/* Steps and choices, a line of values, sines. */
#include "ops/reference/reference.h"

#include <math.h>
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

void reference_affine(struct compute *compute, struct tensor x, float scale, float shift, struct tensor out)
{
    (void)compute;
    for (int64_t i = 0; i < x.dim[0]; i++) {
        const float *row = matrix_row(&x, i);
        float *to = matrix_row(&out, i);
        for (int64_t j = 0; j < x.dim[1]; j++)
            to[j] = (float)((double)row[j] * (double)scale + (double)shift);
    }
}

void reference_select(struct compute *compute, struct tensor score, float threshold, struct tensor x,
                      struct tensor other, struct tensor out)
{
    (void)compute;
    const int64_t columns = x.dim[1], step = other.dim[1] == 1 ? 0 : 1;
    for (int64_t i = 0; i < x.dim[0]; i++) {
        const float *const row = matrix_row(&x, i), *const instead = matrix_row(&other, other.dim[0] == 1 ? 0 : i);
        float *const to = matrix_row(&out, i);
        const bool over = *matrix_row(&score, i) > threshold;
        for (int64_t j = 0; j < columns; j++)
            to[j] = over ? row[j] : instead[j * step];
    }
}

void reference_max_rows(struct compute *compute, struct tensor x, struct tensor out)
{
    (void)compute;
    for (int64_t i = 0; i < x.dim[0]; i++) {
        const float *const row = matrix_row(&x, i);
        float largest = row[0];
        for (int64_t j = 1; j < x.dim[1]; j++)
            largest = row[j] > largest || isnan(row[j]) ? row[j] : largest;
        *matrix_row(&out, i) = largest;
    }
}

/* A sum a column: the additions of one alone would wait for each other. */
static double variance(const float *x, struct tensor shape, double *mean, double *squares)
{
    const int64_t rows = shape.dim[1], columns = shape.dim[2], step = shape.stride[1];
    memset(mean, 0, (size_t)columns * sizeof(*mean));
    memset(squares, 0, (size_t)columns * sizeof(*squares));
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            mean[c] += (double)x[r * step + c];
    for (int64_t c = 0; c < columns; c++)
        mean[c] /= (double)rows;
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; c < columns; c++) {
            const double difference = (double)x[r * step + c] - mean[c];
            squares[c] += difference * difference;
        }
    }
    double all = 0.0;
    for (int64_t c = 0; c < columns; c++)
        all += squares[c];
    return all / (double)(rows * columns);
}

void reference_variance(struct compute *compute, struct tensor x, struct tensor out)
{
    const size_t mark = compute_mark(compute);
    double *const sums = reference_doubles(compute, 2 * x.dim[2]);
    for (int64_t i = 0; i < x.dim[0] && sums; i++) {
        const float *const from = (const float *)host_data(x) + i * x.stride[0];
        *matrix_row(&out, i) = (float)variance(from, x, sums, sums + x.dim[2]);
    }
    compute_release(compute, mark);
}

void reference_sine(struct compute *compute, struct tensor x, struct tensor periods, struct tensor out)
{
    (void)compute;
    const int64_t half = periods.dim[0];
    const float *const period = host_data(periods);
    for (int64_t i = 0; i < x.dim[0]; i++) {
        float *const to = matrix_row(&out, i);
        for (int64_t j = 0; j < half; j++) {
            const float angle = *matrix_row(&x, i) / period[j];
            to[j] = sinf(angle);
            to[half + j] = cosf(angle);
        }
    }
}
