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
    for (int64_t b = 0; b < index.dim[0]; b++) {
        const int32_t *const row = (const int32_t *)host_data(index) + b * index.stride[0];
        const float *const from = (const float *)host_data(x) + (x.dim[0] > 1 ? b : 0) * x.stride[0];
        float *const to = (float *)host_data(out) + b * out.stride[0];
        for (int64_t m = 0; m < index.dim[1]; m++) {
            if (row[m] < 0 || row[m] >= x.dim[1]) {
                compute_fail(compute, error_set(SOWLV2_ERROR_ARGUMENT,
                                                "op_gather_rows: index %d of entry [%lld, %lld]: there are %lld rows",
                                                (int)row[m], (long long)b, (long long)m, (long long)x.dim[1]));
                return;
            }
            memcpy(to + m * out.stride[1], from + row[m] * x.stride[1], (size_t)x.dim[2] * sizeof(float));
        }
    }
}
