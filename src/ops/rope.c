/* The checked op of rotary position embedding. */
#include "ops/check.h"

void op_rope(struct compute *compute, struct tensor x, struct tensor cosines, struct tensor sines)
{
    const char *op = "op_rope";
    if (compute_status(compute) != 0 || !check_narrow(compute, op, "x", &x, 4) ||
        !check_tensor(compute, op, "cosines", &cosines, DTYPE_F32, 3) ||
        !check_tensor(compute, op, "sines", &sines, DTYPE_F32, 3) ||
        !CHECK_SHAPE(compute, op, "cosines", &cosines, cosines.dim[0], x.dim[1], cosines.dim[2]) ||
        !CHECK_SHAPE(compute, op, "sines", &sines, cosines.dim[0], cosines.dim[1], cosines.dim[2]))
        return;
    const int64_t tables = cosines.dim[0], rotated = cosines.dim[2];
    if ((tables != 1 && tables != x.dim[0]) || rotated % 2 != 0 || rotated > x.dim[3]) {
        check_failed(compute, op,
                     "tables %s do not fit x %s: one table or one a batch entry is needed, of an even width",
                     shape_text(3, cosines.dim).text, shape_text(4, x.dim).text);
        return;
    }
    if (check_overlap(compute, op, "cosines", &cosines, &x, false) &&
        check_overlap(compute, op, "sines", &sines, &x, false) && tensor_count(&x) > 0 && rotated > 0)
        compute_device(compute)->set->rope(compute, x, cosines, sines);
}
