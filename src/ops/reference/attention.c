/* Attention row by row: the scores of one query, their softmax, the weighted sum of the values. */
#include "ops/reference/reference.h"

#include <math.h>

/* Scores of one query against `count` keys, as weights that sum up to 1. */
static void softmax_scores(const double *query, const double *keys, int64_t depth, int64_t count, float scale,
                           double *weight)
{
    double maximum = -INFINITY, sum = 0.0;
    for (int64_t j = 0; j < count; j++) {
        weight[j] = reference_dot(query, keys + j * depth, depth) * (double)scale;
        maximum = fmax(maximum, weight[j]);
    }
    for (int64_t j = 0; j < count; j++) {
        weight[j] = exp(weight[j] - maximum);
        sum += weight[j];
    }
    for (int64_t j = 0; j < count; j++)
        weight[j] /= sum;
}

/* What one batch entry and head needs, in doubles: the keys [keys, d], the values [keys, dv], and a row of each. */
struct head {
    double *keys, *values, *query, *weight, *sum;
};

static void load_rows(const struct compute *compute, const struct tensor *rows, double *to)
{
    for (int64_t i = 0; i < rows->dim[0]; i++)
        reference_load_factors(compute, rows, i * rows->stride[0], rows->dim[2], to + i * rows->dim[2]);
}

/* One batch entry and head: [rows, 1, depth] each. */
static void attend(const struct compute *compute, const struct tensor *q, const struct tensor *k,
                   const struct tensor *v, float scale, bool causal, const struct tensor *out, const struct head *head)
{
    const int64_t depth = q->dim[2], depth_v = v->dim[2];
    load_rows(compute, k, head->keys);
    load_rows(compute, v, head->values);
    for (int64_t i = 0; i < q->dim[0]; i++) {
        const int64_t count = causal ? i + 1 : k->dim[0];
        reference_load_factors(compute, q, i * q->stride[0], depth, head->query);
        softmax_scores(head->query, head->keys, depth, count, scale, head->weight);
        for (int64_t d = 0; d < depth_v; d++) {
            head->sum[d] = 0.0;
            for (int64_t j = 0; j < count; j++)
                head->sum[d] += head->weight[j] * head->values[j * depth_v + d];
        }
        reference_store(out, i * out->stride[0], depth_v, head->sum);
    }
}

void reference_attention(struct compute *compute, struct tensor q, struct tensor k, struct tensor v, float scale,
                         bool causal, struct tensor out)
{
    const size_t mark = compute_mark(compute);
    const int64_t keys = k.dim[1], depth = k.dim[3], depth_v = v.dim[3];
    const struct head head = {
        .keys = reference_doubles(compute, keys * depth),
        .values = reference_doubles(compute, keys * depth_v),
        .query = reference_doubles(compute, depth),
        .weight = reference_doubles(compute, keys),
        .sum = reference_doubles(compute, depth_v),
    };
    for (int64_t b = 0; b < q.dim[0] && compute_status(compute) == 0; b++) {
        for (int64_t h = 0; h < q.dim[2]; h++) {
            struct tensor head_q = tensor_slice(tensor_at(q, b), 1, h, 1);
            struct tensor head_k = tensor_slice(tensor_at(k, b), 1, h, 1);
            struct tensor head_v = tensor_slice(tensor_at(v, b), 1, h, 1);
            struct tensor head_out = tensor_slice(tensor_at(out, b), 1, h, 1);
            attend(compute, &head_q, &head_k, &head_v, scale, causal, &head_out, &head);
        }
    }
    compute_release(compute, mark);
}
