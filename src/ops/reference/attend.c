/* Attention between few tokens and many rows, row by row. */
#include "ops/reference/reference.h"

#include <math.h>

/* Where row `i` of entry `b` of a dense [1 or batch, rows, width] tensor begins. */
static int64_t row_of(const struct tensor *tensor, int64_t b, int64_t i)
{
    return ((tensor->dim[0] == 1 ? 0 : b) * tensor->dim[1] + i) * tensor->dim[2];
}

/* row = x + positions, as a factor. */
static void place(const struct compute *compute, const double *x, const struct tensor *positions, int64_t i,
                  double *row)
{
    const int64_t width = positions->dim[1];
    const float *position = (const float *)host_data(*positions) + i * width;
    for (int64_t j = 0; j < width; j++)
        row[j] = x[j] + (double)position[j];
    reference_round(compute, width, row);
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

void reference_attend_rows(struct compute *compute, struct tensor q, struct tensor x, struct tensor positions,
                           float scale, struct tensor out)
{
    const int64_t rows = x.dim[1], width = x.dim[2];
    const size_t mark = compute_mark(compute);
    double *weight = reference_doubles(compute, rows), *query = reference_doubles(compute, width);
    double *row = reference_doubles(compute, width), *placed = reference_doubles(compute, width);
    double *sum = reference_doubles(compute, width);
    for (int64_t i = 0; sum && i < q.dim[0] * q.dim[1]; i++) {
        const int64_t b = i / q.dim[1];
        reference_load_factors(compute, &q, i * width, width, query);
        for (int64_t n = 0; n < rows; n++) {
            reference_load(&x, row_of(&x, b, n), width, row);
            place(compute, row, &positions, n, placed);
            weight[n] = (double)scale * reference_dot(placed, query, width);
        }
        softmax(weight, rows, 1);
        for (int64_t j = 0; j < width; j++)
            sum[j] = 0.0;
        for (int64_t n = 0; n < rows; n++) {
            reference_load_factors(compute, &x, row_of(&x, b, n), width, row);
            for (int64_t j = 0; j < width; j++)
                sum[j] += weight[n] * row[j];
        }
        reference_store(&out, i * width, width, sum);
    }
    compute_release(compute, mark);
}

/* What the rows of one batch entry share, and a row of each, in doubles. */
struct tokens {
    double *k, *v; /* [tokens * heads, width] */
    double *score, *row, *placed, *sum;
};

/* Row `n` of entry `b`: what tokens give it is added, then the norm. */
static void attend_row(const struct compute *compute, const struct token_attention *a, int64_t b, int64_t n,
                       const struct tokens *t, const struct tensor *out)
{
    const int64_t tokens = a->k.dim[1], heads = a->k.dim[2], width = a->x.dim[2], columns = tokens * heads;
    const float *bias = (const float *)host_data(a->bias) + b * columns;
    const float *gamma = host_data(a->gamma), *beta = host_data(a->beta);
    reference_load(&a->x, row_of(&a->x, b, n), width, t->row);
    place(compute, t->row, &a->positions, n, t->placed);
    for (int64_t i = 0; i < columns; i++)
        t->score[i] = (double)a->scale * (reference_dot(t->placed, t->k + i * width, width) + (double)bias[i]);
    for (int64_t h = 0; h < heads; h++)
        softmax(t->score + h, tokens, heads);
    double mean = 0.0, variance = 0.0;
    for (int64_t j = 0; j < width; j++) {
        t->sum[j] = t->row[j];
        for (int64_t i = 0; i < columns; i++)
            t->sum[j] += t->score[i] * t->v[i * width + j];
        mean += t->sum[j] / (double)width;
    }
    for (int64_t j = 0; j < width; j++)
        variance += (t->sum[j] - mean) * (t->sum[j] - mean) / (double)width;
    for (int64_t j = 0; j < width; j++)
        t->sum[j] = (t->sum[j] - mean) / sqrt(variance + (double)a->eps) * (double)gamma[j] + (double)beta[j];
    reference_store(out, (b * a->x.dim[1] + n) * width, width, t->sum);
}

void reference_attend_tokens(struct compute *compute, const struct token_attention *a, struct tensor out)
{
    const int64_t rows = a->x.dim[1], width = a->x.dim[2], columns = a->k.dim[1] * a->k.dim[2];
    const size_t mark = compute_mark(compute);
    const struct tokens tokens = {
        .k = reference_doubles(compute, columns * width),
        .v = reference_doubles(compute, columns * width),
        .score = reference_doubles(compute, columns),
        .row = reference_doubles(compute, width),
        .placed = reference_doubles(compute, width),
        .sum = reference_doubles(compute, width),
    };
    for (int64_t b = 0; compute_status(compute) == 0 && b < out.dim[0]; b++) {
        reference_load_factors(compute, &a->k, b * columns * width, columns * width, tokens.k);
        reference_load_factors(compute, &a->v, b * columns * width, columns * width, tokens.v);
        for (int64_t n = 0; n < rows; n++)
            attend_row(compute, a, b, n, &tokens, &out);
    }
    compute_release(compute, mark);
}
