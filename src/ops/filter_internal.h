/* What the builders of filters share. */
#ifndef OPS_FILTER_INTERNAL_H
#define OPS_FILTER_INTERNAL_H

#include "ops/filter.h"

/* Checks the sizes and allocates a filter with room for `stride` taps an output. */
int filter_allocate(int inputs, int outputs, int64_t stride, struct filter *out);
/* A size of an axis is in range. */
int filter_check_size(const char *name, int size);

#endif
