/* Copies between views, and filling. */
#include "ops/reference/reference.h"

#include <string.h>

/* Where element (i, 0) of the flattened leading axes lies, in elements. */
static int64_t row_offset(const struct tensor *tensor, int64_t i)
{
    int64_t offset = 0;
    for (int axis = tensor->rank - 2; axis >= 0; axis--) {
        offset += i % tensor->dim[axis] * tensor->stride[axis];
        i /= tensor->dim[axis];
    }
    return offset;
}

/* One element, of any types that op_copy takes. */
static void copy_element(const char *from, enum dtype from_type, char *to, enum dtype to_type)
{
    float value;
    uint16_t half;
    if (from_type == to_type) {
        memcpy(to, from, dtype_size(from_type));
    } else if (to_type == DTYPE_BF16) {
        memcpy(&value, from, sizeof(value));
        half = host_round_bf16(value);
        memcpy(to, &half, sizeof(half));
    } else {
        memcpy(&half, from, from_type == DTYPE_BF16 ? sizeof(half) : 0);
        value = from_type == DTYPE_BF16 ? host_widen_bf16(half) : (float)*(const uint8_t *)from;
        memcpy(to, &value, sizeof(value));
    }
}

void reference_copy(struct compute *compute, struct tensor from, struct tensor out)
{
    (void)compute;
    const int last = from.rank - 1;
    const int64_t columns = from.dim[last], rows = tensor_count(&from) / columns;
    const int64_t from_size = (int64_t)dtype_size(from.dtype), out_size = (int64_t)dtype_size(out.dtype);
    for (int64_t i = 0; i < rows; i++) {
        const char *source = (const char *)host_data(from) + row_offset(&from, i) * from_size;
        char *target = (char *)host_data(out) + row_offset(&out, i) * out_size;
        for (int64_t j = 0; j < columns; j++) {
            copy_element(source + j * from.stride[last] * from_size, from.dtype,
                         target + j * out.stride[last] * out_size, out.dtype);
        }
    }
}

void reference_fill(struct compute *compute, float value, struct tensor out)
{
    (void)compute;
    const int64_t columns = out.dim[out.rank - 1], rows = tensor_count(&out) / columns;
    const double element = (double)value;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            reference_store(&out, row_offset(&out, i) + j, 1, &element);
}
