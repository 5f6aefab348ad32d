/* What the parts of the CPU set know of a device. */
#ifndef OPS_CPU_CPU_H
#define OPS_CPU_CPU_H

#include "ops/cpu/level.h"
#include "ops/set.h"

enum cpu_level cpu_level_of(const struct device *device);

/* Whether products in bfloat16 without AMX are AVX512-BF16's, or are in f32 of rounded values: what this CPU is better
 * at, or for tests what was last said here. */
bool cpu_uses_dots(void);
void cpu_use_dots(bool use);

#endif
