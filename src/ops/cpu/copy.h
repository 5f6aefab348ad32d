/* The CPU set's copies. */
#ifndef OPS_CPU_COPY_H
#define OPS_CPU_COPY_H

#include "ops/host.h"

void cpu_copy(struct compute *compute, struct tensor from, struct tensor out);
void cpu_fill(struct compute *compute, float value, struct tensor out);

#endif
