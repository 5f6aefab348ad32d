/* Rows picked by number. */
#include "ops/reference/reference.h"

#include "base/error.h"

#include <string.h>

void reference_embed(struct compute *compute, struct tensor ids, struct tensor table, struct tensor positions,
                     struct tensor out)
{
    for (int64_t b = 0; b < ids.dim[0]; b++) {
        const int32_t *id = (const int32_t *)host_data(ids) + b * ids.stride[0];
        for (int64_t n = 0; n < ids.dim[1]; n++) {
            if (id[n] < 0 || id[n] >= table.dim[0]) {
                compute_fail(compute, error_set(SOWLV2_ERROR_ARGUMENT,
                                                "op_embed: id %d of entry [%lld, %lld]: the table has %lld rows",
                                                (int)id[n], (long long)b, (long long)n, (long long)table.dim[0]));
                return;
            }
            const float *row = matrix_row(&table, id[n]), *position = matrix_row(&positions, n);
            float *to = (float *)host_data(out) + b * out.stride[0] + n * out.stride[1];
            for (int64_t j = 0; j < table.dim[1]; j++)
                to[j] = row[j] + position[j];
        }
    }
}

void reference_gather_rows(struct compute *compute, struct tensor x, struct tensor index, struct tensor out)
{
    const int32_t *row = host_data(index);
    for (int64_t b = 0; b < x.dim[0]; b++) {
        if (row[b] < 0 || row[b] >= x.dim[1]) {
            compute_fail(compute,
                         error_set(SOWLV2_ERROR_ARGUMENT, "op_gather_rows: index %d of entry %lld: there are %lld rows",
                                   (int)row[b], (long long)b, (long long)x.dim[1]));
            return;
        }
        const float *from = (const float *)host_data(x) + b * x.stride[0] + row[b] * x.stride[1];
        memcpy(matrix_row(&out, b), from, (size_t)x.dim[2] * sizeof(float));
    }
}
