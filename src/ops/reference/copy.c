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

void reference_copy(struct compute *compute, struct tensor from, struct tensor out)
{
    (void)compute;
    const int last = from.rank - 1;
    const int64_t columns = from.dim[last], rows = tensor_count(&from) / columns;
    const size_t size = dtype_size(from.dtype);
    for (int64_t i = 0; i < rows; i++) {
        const char *source = (const char *)host_data(from) + row_offset(&from, i) * (int64_t)size;
        char *target = (char *)host_data(out) + row_offset(&out, i) * (int64_t)size;
        for (int64_t j = 0; j < columns; j++)
            memcpy(target + j * out.stride[last] * (int64_t)size, source + j * from.stride[last] * (int64_t)size, size);
    }
}

void reference_fill(struct compute *compute, float value, struct tensor out)
{
    (void)compute;
    const int64_t columns = out.dim[out.rank - 1], rows = tensor_count(&out) / columns;
    for (int64_t i = 0; i < rows; i++) {
        float *row = (float *)host_data(out) + row_offset(&out, i);
        for (int64_t j = 0; j < columns; j++)
            row[j] = value;
    }
}
