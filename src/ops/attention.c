/* The checked ops of attention: between tokens, between few tokens and many rows, and rotary positions. */
#include "ops/check.h"

void op_attention(struct compute *compute, struct tensor q, struct tensor k, struct tensor v, float scale, bool causal,
                  struct tensor out)
{
    const char *const op = "op_attention";
    const int64_t batch = q.dim[0], queries = q.dim[1], heads = q.dim[2], keys = k.dim[1], width = v.dim[3];
    if (!CHECK_OPERANDS(compute, op, {"q", &q, IS_NARROW, SHAPE(ANY, ANY, ANY, ANY)},
                        {"k", &k, IS_NARROW, SHAPE(batch, ANY, heads, q.dim[3])},
                        {"v", &v, IS_NARROW, SHAPE(batch, keys, heads, ANY)},
                        {"out", &out, IS_NARROW | IS_OUT, SHAPE(batch, queries, heads, width)}))
        return;
    if (k.dtype != q.dtype || v.dtype != q.dtype) {
        check_failed(compute, op, "q is %s, k is %s, v is %s: one type is needed", dtype_name(q.dtype),
                     dtype_name(k.dtype), dtype_name(v.dtype));
    } else if (keys == 0 || q.dim[3] == 0) {
        check_failed(compute, op, "k is %s: there is nothing to attend to", shape_text(&k).text);
    } else if (causal && queries != keys) {
        check_failed(compute, op, "q is %s, k is %s: causal attention needs as many keys as queries",
                     shape_text(&q).text, shape_text(&k).text);
    } else if (tensor_count(&out) > 0) {
        set_of(compute)->attention(compute, q, k, v, scale, causal, out);
    }
}

void op_rope(struct compute *compute, struct tensor x, struct tensor cosines, struct tensor sines)
{
    const char *const op = "op_rope";
    const int64_t tables = one_or(cosines.dim[0], x.dim[0]), rotated = cosines.dim[2];
    if (!CHECK_OPERANDS(compute, op, {"x", &x, IS_NARROW | IS_OUT, SHAPE(ANY, ANY, ANY, ANY)},
                        {"cosines", &cosines, IS_F32, SHAPE(tables, x.dim[1], ANY)},
                        {"sines", &sines, IS_F32, shape_of(&cosines)}))
        return;
    if (rotated % 2 != 0 || rotated > x.dim[3]) {
        check_failed(compute, op, "cosines %s do not fit x %s: an even width of at most %lld is needed",
                     shape_text(&cosines).text, shape_text(&x).text, (long long)x.dim[3]);
    } else if (tensor_count(&x) > 0 && rotated > 0) {
        set_of(compute)->rope(compute, x, cosines, sines);
    }
}

/* There are rows, and they are something. */
static bool check_rows(struct compute *compute, const char *op, const struct tensor *x)
{
    return (x->dim[1] > 0 && x->dim[2] > 0) ||
           check_failed(compute, op, "x is %s: there is nothing to attend to", shape_text(x).text);
}

void op_attend_rows(struct compute *compute, struct tensor q, struct tensor x, struct tensor positions, float scale,
                    struct tensor out)
{
    const char *const op = "op_attend_rows";
    const int64_t rows = x.dim[1], width = x.dim[2];
    if (CHECK_OPERANDS(compute, op, {"q", &q, IS_DENSE, SHAPE(ANY, ANY, width)},
                       {"x", &x, IS_DENSE, SHAPE(one_or(x.dim[0], q.dim[0]), ANY, ANY)},
                       {"positions", &positions, IS_DENSE, SHAPE(rows, width)},
                       {"out", &out, IS_DENSE | IS_OUT, shape_of(&q)}) &&
        check_rows(compute, op, &x) && tensor_count(&out) > 0)
        set_of(compute)->attend_rows(compute, q, x, positions, scale, out);
}

void op_attend_tokens(struct compute *compute, const struct token_attention *a, struct tensor out)
{
    const char *const op = "op_attend_tokens";
    const int64_t batch = out.dim[0], tokens = a->k.dim[1], heads = a->k.dim[2];
    const int64_t rows = a->x.dim[1], width = a->x.dim[2];
    const bool own = a->x.dim[0] == batch;
    if (!CHECK_OPERANDS(compute, op, {"out", &out, IS_DENSE | IS_OUT, SHAPE(ANY, rows, width)},
                        {"x", &a->x, IS_DENSE | (own ? IS_IN_PLACE : 0), SHAPE(one_or(a->x.dim[0], batch), ANY, ANY)},
                        {"positions", &a->positions, IS_DENSE, SHAPE(rows, width)},
                        {"k", &a->k, IS_DENSE, SHAPE(batch, ANY, ANY, width)},
                        {"v", &a->v, IS_DENSE, SHAPE(batch, tokens, heads, width)},
                        {"bias", &a->bias, IS_DENSE, SHAPE(batch, tokens, heads)},
                        {"gamma", &a->gamma, IS_DENSE, SHAPE(width)}, {"beta", &a->beta, IS_DENSE, SHAPE(width)}) ||
        !check_rows(compute, op, &a->x))
        return;
    if (tokens == 0 || heads == 0)
        check_failed(compute, op, "k is %s: there is nothing to attend to", shape_text(&a->k).text);
    else if (tensor_count(&out) > 0)
        set_of(compute)->attend_tokens(compute, a, out);
}
