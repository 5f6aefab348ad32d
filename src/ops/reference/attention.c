/* Attention row by row: the scores of one query, their softmax, the weighted sum of the values. */
#include "ops/reference/reference.h"

#include <math.h>

/* Scores of one query against `count` keys, as weights that sum up to 1. */
static void softmax_scores(const float *query, const float *keys, int64_t key_stride, int64_t depth, int64_t count,
                           float scale, double *weight)
{
    double maximum = -INFINITY, sum = 0.0;
    for (int64_t j = 0; j < count; j++) {
        const float *key = keys + j * key_stride;
        double score = 0.0;
        for (int64_t i = 0; i < depth; i++)
            score += (double)query[i] * (double)key[i];
        weight[j] = score * (double)scale;
        maximum = fmax(maximum, weight[j]);
    }
    for (int64_t j = 0; j < count; j++) {
        weight[j] = exp(weight[j] - maximum);
        sum += weight[j];
    }
    for (int64_t j = 0; j < count; j++)
        weight[j] /= sum;
}

/* One batch entry and head: matrices of rows with the given strides. */
static void attend(const struct tensor *q, const struct tensor *k, const struct tensor *v, float scale, bool causal,
                   const struct tensor *out, double *weight)
{
    for (int64_t i = 0; i < q->dim[0]; i++) {
        int64_t count = causal ? i + 1 : k->dim[0];
        softmax_scores(matrix_row(q, i), host_data(*k), k->stride[0], q->dim[2], count, scale, weight);
        float *row = matrix_row(out, i);
        for (int64_t d = 0; d < v->dim[2]; d++) {
            double sum = 0.0;
            for (int64_t j = 0; j < count; j++)
                sum += weight[j] * (double)matrix_row(v, j)[d];
            row[d] = (float)sum;
        }
    }
}

void reference_attention(struct compute *compute, struct tensor q, struct tensor k, struct tensor v, float scale,
                         bool causal, struct tensor out)
{
    size_t mark = compute_mark(compute);
    int64_t keys = k.dim[1];
    /* One row of doubles: eight bytes each, whatever the type is called. */
    double *weight = host_data(COMPUTE_TENSOR(compute, DTYPE_I64, keys));
    for (int64_t b = 0; b < q.dim[0] && compute_status(compute) == 0; b++) {
        for (int64_t h = 0; h < q.dim[2]; h++) {
            struct tensor head_q = tensor_slice(tensor_at(q, b), 1, h, 1);
            struct tensor head_k = tensor_slice(tensor_at(k, b), 1, h, 1);
            struct tensor head_v = tensor_slice(tensor_at(v, b), 1, h, 1);
            struct tensor head_out = tensor_slice(tensor_at(out, b), 1, h, 1);
            attend(&head_q, &head_k, &head_v, scale, causal, &head_out, weight);
        }
    }
    compute_release(compute, mark);
}
