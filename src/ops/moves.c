/* The checked ops that move: copies between views, filling, rows picked by number, pooling. */
#include "ops/check.h"
#include "ops/rows.h"

void op_copy(struct compute *compute, struct tensor from, struct tensor out)
{
    const char *const op = "op_copy";
    if (!CHECK_OPERANDS(compute, op, {"from", &from, IS_ANY_TYPE | IS_VIEW, ANY_SHAPE},
                        {"out", &out, IS_ANY_TYPE | IS_VIEW | IS_OUT, shape_of(&from)}))
        return;
    const bool rounds = from.dtype == DTYPE_F32 && out.dtype == DTYPE_BF16;
    const bool widens = (from.dtype == DTYPE_BF16 || from.dtype == DTYPE_U8) && out.dtype == DTYPE_F32;
    if (from.dtype != out.dtype && !rounds && !widens)
        check_failed(compute, op, "from is %s, out is %s", dtype_name(from.dtype), dtype_name(out.dtype));
    else if (tensor_count(&out) > 0)
        set_of(compute)->copy(compute, rows_widen(from, TENSOR_MAX_RANK), rows_widen(out, TENSOR_MAX_RANK));
}

void op_fill(struct compute *compute, float value, struct tensor out)
{
    enum { RANK = 4 };
    const char *const op = "op_fill";
    if (!CHECK_OPERANDS(compute, op, {"out", &out, IS_NARROW | IS_OUT, ANY_SHAPE}))
        return;
    if (out.rank > RANK)
        check_failed(compute, op, "out has rank %d, which may be at most %d", out.rank, RANK);
    else if (tensor_count(&out) > 0)
        set_of(compute)->fill(compute, value, rows_widen(out, RANK));
}

void op_embed(struct compute *compute, struct tensor ids, struct tensor table, struct tensor positions,
              struct tensor out)
{
    const char *const op = "op_embed";
    const int64_t width = table.dim[1];
    if (!CHECK_OPERANDS(compute, op, {"ids", &ids, IS_I32, SHAPE(ANY, ANY)}, {"table", &table, IS_F32, SHAPE(ANY, ANY)},
                        {"positions", &positions, IS_F32, SHAPE(ANY, width)},
                        {"out", &out, IS_OUT, SHAPE(ids.dim[0], ids.dim[1], width)}))
        return;
    if (positions.dim[0] < ids.dim[1]) {
        check_failed(compute, op, "ids are %s: there are only %lld positions", shape_text(&ids).text,
                     (long long)positions.dim[0]);
    } else if (tensor_count(&out) > 0) {
        set_of(compute)->embed(compute, ids, table, positions, out);
    }
}

void op_gather_rows(struct compute *compute, struct tensor x, struct tensor index, struct tensor out)
{
    if (CHECK_OPERANDS(compute, "op_gather_rows", {"index", &index, IS_I32, SHAPE(ANY, ANY)},
                       {"x", &x, IS_F32, SHAPE(one_or(x.dim[0], index.dim[0]), ANY, ANY)},
                       {"out", &out, IS_OUT, SHAPE(index.dim[0], index.dim[1], x.dim[2])}) &&
        tensor_count(&out) > 0)
        set_of(compute)->gather_rows(compute, x, index, out);
}

/* Every block is as the first one, and its place is there. */
static bool check_blocks(struct compute *compute, const char *op, const struct row_blocks *blocks,
                         const struct tensor *out, const struct tensor *placed)
{
    const int64_t rows = out->dim[2], columns = out->dim[3];
    const int64_t places = blocks->positions ? blocks->positions->dim[0] : INT64_MAX;
    for (int64_t i = 0; i < blocks->count; i++) {
        const struct tensor *const from = &blocks->from[i];
        const int64_t place = blocks->place ? blocks->place[i] : i;
        if (!CHECK_OPERANDS(compute, op, {"from", from, IS_ANY_TYPE | IS_DENSE, SHAPE(rows, columns)},
                            {"out", out, IS_NARROW | IS_OUT, ANY_SHAPE},
                            {"placed", placed, IS_NARROW | IS_OUT, ANY_SHAPE}))
            return false;
        if (from->dtype != blocks->from[0].dtype || (from->dtype != DTYPE_F32 && from->dtype != DTYPE_BF16))
            return check_failed(compute, op, "block %lld is %s", (long long)i, dtype_name(from->dtype));
        if (place < 0 || place >= places) {
            return check_failed(compute, op, "block %lld is at place %lld of %lld", (long long)i, (long long)place,
                                (long long)places);
        }
    }
    return true;
}

void op_gather_blocks(struct compute *compute, const struct row_blocks *blocks, struct tensor out, struct tensor placed)
{
    const char *const op = "op_gather_blocks";
    const struct tensor *const positions = blocks->positions;
    const int64_t rows = positions ? one_or(positions->dim[1], out.dim[2]) : 1;
    if (!CHECK_OPERANDS(compute, op, {"out", &out, IS_NARROW | IS_OUT, SHAPE(ANY, ANY, ANY, ANY)},
                        {"placed", &placed, IS_NARROW | IS_OUT, shape_of(&out)},
                        {"positions", positions, IS_DENSE, SHAPE(ANY, rows, out.dim[3])}))
        return;
    if (placed.dtype != out.dtype)
        check_failed(compute, op, "out is %s, placed is %s", dtype_name(out.dtype), dtype_name(placed.dtype));
    else if (out.dim[0] * out.dim[1] != blocks->count)
        check_failed(compute, op, "out is %s for %lld blocks", shape_text(&out).text, (long long)blocks->count);
    else if (check_blocks(compute, op, blocks, &out, &placed) && tensor_count(&out) > 0)
        set_of(compute)->gather_blocks(compute, blocks, out, placed);
}

void op_max_pool2d(struct compute *compute, struct tensor x, int size, struct tensor out)
{
    const char *const op = "op_max_pool2d";
    const int64_t step = size > 0 ? size : 1;
    if (!CHECK_OPERANDS(compute, op, {"x", &x, IS_NARROW, SHAPE(ANY, ANY, ANY, ANY)},
                        {"out", &out, IS_NARROW | IS_OUT, SHAPE(x.dim[0], x.dim[1] / step, x.dim[2] / step, x.dim[3])}))
        return;
    if (size < 1)
        check_failed(compute, op, "windows of %d", size);
    else if (tensor_count(&out) > 0)
        set_of(compute)->max_pool2d(compute, x, size, out);
}
