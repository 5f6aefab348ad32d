/* The rate that a device's own products reach, for bench/models.c. */
#ifndef BENCH_PRODUCT_H
#define BENCH_PRODUCT_H

#include "ops/ops.h"

/* The median seconds of one linear layer, [rows, inputs] x [inputs, outputs], a pass each, on a device of its own. */
int product_time(const struct device_options *options, int64_t rows, int64_t inputs, int64_t outputs, double *out);

#endif
