/* Attention between few tokens and many rows, row by row. */
#include "ops/reference/reference.h"

#include <math.h>

/* Row `i` of entry `b` of a dense [1 or batch, rows, width] tensor. */
static const float *row_of(const struct tensor *tensor, int64_t b, int64_t i)
{
    return (const float *)host_data(*tensor) + ((tensor->dim[0] == 1 ? 0 : b) * tensor->dim[1] + i) * tensor->dim[2];
}

/* (x + positions) . other */
static double placed_dot(const float *x, const float *positions, const float *other, int64_t count)
{
    double sum = 0.0;
    for (int64_t i = 0; i < count; i++)
        sum += ((double)x[i] + (double)positions[i]) * (double)other[i];
    return sum;
}

/* Scores become weights; every `step`-th of `count` entries belongs together. */
static void softmax(double *score, int64_t count, int64_t step)
{
    double maximum = -INFINITY, sum = 0.0;
    for (int64_t i = 0; i < count; i++)
        maximum = fmax(maximum, score[i * step]);
    for (int64_t i = 0; i < count; i++) {
        score[i * step] = exp(score[i * step] - maximum);
        sum += score[i * step];
    }
    for (int64_t i = 0; i < count; i++)
        score[i * step] /= sum;
}

static double *doubles(struct compute *compute, int64_t count)
{
    return host_data(COMPUTE_TENSOR(compute, DTYPE_I64, count)); /* eight bytes each, whatever the type is called */
}

void reference_attend_rows(struct compute *compute, struct tensor q, struct tensor x, struct tensor positions,
                           float scale, struct tensor out)
{
    const int64_t rows = x.dim[1], width = x.dim[2];
    const size_t mark = compute_mark(compute);
    double *weight = doubles(compute, rows);
    for (int64_t i = 0; weight != NULL && i < q.dim[0] * q.dim[1]; i++) {
        const int64_t b = i / q.dim[1];
        const float *query = (const float *)host_data(q) + i * width;
        float *to = (float *)host_data(out) + i * width;
        for (int64_t n = 0; n < rows; n++) {
            const float *place = (const float *)host_data(positions) + n * width;
            weight[n] = (double)scale * placed_dot(row_of(&x, b, n), place, query, width);
        }
        softmax(weight, rows, 1);
        for (int64_t j = 0; j < width; j++) {
            double sum = 0.0;
            for (int64_t n = 0; n < rows; n++)
                sum += weight[n] * (double)row_of(&x, b, n)[j];
            to[j] = (float)sum;
        }
    }
    compute_release(compute, mark);
}

/* One row: what tokens give it is added, [c] of doubles; then the norm. */
static void attend_row(const struct token_attention *a, int64_t b, int64_t n, double *score, double *sum, float *to)
{
    const int64_t tokens = a->k.dim[1], heads = a->k.dim[2], width = a->x.dim[2], columns = tokens * heads;
    const float *row = row_of(&a->x, b, n), *place = (const float *)host_data(a->positions) + n * width;
    const float *k = (const float *)host_data(a->k) + b * columns * width;
    const float *v = (const float *)host_data(a->v) + b * columns * width;
    const float *bias = (const float *)host_data(a->bias) + b * columns;
    const float *gamma = host_data(a->gamma), *beta = host_data(a->beta);
    for (int64_t i = 0; i < columns; i++)
        score[i] = (double)a->scale * (placed_dot(row, place, k + i * width, width) + (double)bias[i]);
    for (int64_t h = 0; h < heads; h++)
        softmax(score + h, tokens, heads);
    double mean = 0.0, variance = 0.0;
    for (int64_t j = 0; j < width; j++) {
        sum[j] = (double)row[j];
        for (int64_t i = 0; i < columns; i++)
            sum[j] += score[i] * (double)v[i * width + j];
        mean += sum[j] / (double)width;
    }
    for (int64_t j = 0; j < width; j++)
        variance += (sum[j] - mean) * (sum[j] - mean) / (double)width;
    for (int64_t j = 0; j < width; j++)
        to[j] = (float)((sum[j] - mean) / sqrt(variance + (double)a->eps) * (double)gamma[j] + (double)beta[j]);
}

void reference_attend_tokens(struct compute *compute, const struct token_attention *a, struct tensor out)
{
    const int64_t rows = a->x.dim[1], width = a->x.dim[2];
    const size_t mark = compute_mark(compute);
    double *score = doubles(compute, a->k.dim[1] * a->k.dim[2]), *sum = doubles(compute, width);
    for (int64_t i = 0; compute_status(compute) == 0 && i < out.dim[0] * rows; i++)
        attend_row(a, i / rows, i % rows, score, sum, (float *)host_data(out) + i * width);
    compute_release(compute, mark);
}
