/* What the reference implementation computed for the ops: tests/ops/data, made by
 * tests/reference/make_ops.py. */
#ifndef TESTS_OPS_EXPECTED_H
#define TESTS_OPS_EXPECTED_H

#include "ops/ops.h"
#include "weights/safetensors.h"

/* Opens tests/ops/data/NAME. */
struct safetensors *expected_open(const char *name);

/* Tensor "group.name"; fails the test where there is none, or, by _find, gives NULL. */
const struct host_tensor *expected_find(const struct safetensors *file, const char *group, const char *name);
const struct host_tensor *expected_get(const struct safetensors *file, const char *group, const char *name);

/* Element `i` of an F32 or I32 tensor as a number. */
double expected_number(const struct host_tensor *tensor, int64_t i);

/* A copy of the tensor in the pass's memory. */
struct tensor expected_upload(struct compute *compute, const struct safetensors *file, const char *group,
                              const char *name);

/* A tensor of that shape and type in the pass's memory. */
struct tensor expected_like(struct compute *compute, const struct safetensors *file, const char *group,
                            const char *name);

/* Waits for the pass, which must have gone well, and compares its result with "group.name", shapes too. NaN is equal to
 * NaN alone. */
void expected_compare(struct compute *compute, const struct tensor *found, const struct safetensors *file,
                      const char *group, const char *name, double absolute, double relative);

#endif
