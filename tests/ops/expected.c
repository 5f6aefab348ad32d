/* What the reference implementation computed for the ops. */
#include "ops/expected.h"

#include "base/error.h"
#include "ops/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct safetensors *expected_open(const char *name)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/ops/data/%s", TEST_DATA, name);
    struct safetensors *file = NULL;
    if (safetensors_open(path, &file) != 0)
        fail_msg("%s", error_message());
    return file;
}

const struct host_tensor *expected_find(const struct safetensors *file, const char *group, const char *name)
{
    char full[256];
    snprintf(full, sizeof(full), "%s.%s", group, name);
    return safetensors_find(file, full);
}

const struct host_tensor *expected_get(const struct safetensors *file, const char *group, const char *name)
{
    const struct host_tensor *tensor = expected_find(file, group, name);
    if (!tensor)
        fail_msg("there is no %s.%s", group, name);
    return tensor;
}

double expected_number(const struct host_tensor *tensor, int64_t i)
{
    assert_in_range(i, 0, host_tensor_count(tensor) - 1);
    if (tensor->dtype == DTYPE_I32) {
        int32_t value;
        memcpy(&value, (const char *)tensor->data + (size_t)i * sizeof(value), sizeof(value));
        return (double)value;
    }
    assert_int_equal(tensor->dtype, DTYPE_F32);
    float value;
    memcpy(&value, (const char *)tensor->data + (size_t)i * sizeof(value), sizeof(value));
    return (double)value;
}

struct tensor expected_upload(struct compute *compute, const struct safetensors *file, const char *group,
                              const char *name)
{
    const struct host_tensor *tensor = expected_get(file, group, name);
    return op_upload(compute, tensor->dtype, tensor->rank, tensor->dim, tensor->data);
}

struct tensor expected_like(struct compute *compute, const struct safetensors *file, const char *group,
                            const char *name)
{
    const struct host_tensor *tensor = expected_get(file, group, name);
    return compute_tensor(compute, tensor->dtype, tensor->rank, tensor->dim);
}

void expected_compare(struct compute *compute, const struct tensor *found, const struct safetensors *file,
                      const char *group, const char *name, double absolute, double relative)
{
    const struct host_tensor *expected = expected_get(file, group, name);
    void *const elements = fetch_elements(compute, *found);
    assert_int_equal(found->rank, expected->rank);
    for (int i = 0; i < found->rank; i++)
        assert_int_equal(found->dim[i], expected->dim[i]);
    for (int64_t i = 0; i < tensor_count(found); i++) {
        const double a =
            found->dtype == DTYPE_I32 ? (double)((const int32_t *)elements)[i] : (double)((const float *)elements)[i];
        const double b = expected_number(expected, i);
        if (!(fabs(a - b) <= absolute + relative * fabs(b)) && !(isnan(a) && isnan(b)) && a != b)
            fail_msg("%s.%s: element %lld is %.9g, not %.9g (off by %.3g)", group, name, (long long)i, a, b, a - b);
    }
    free(elements);
}
