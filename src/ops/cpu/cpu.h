/* What the parts of the CPU set know of a device. */
#ifndef OPS_CPU_CPU_H
#define OPS_CPU_CPU_H

#include "ops/cpu/level.h"
#include "ops/set.h"

enum cpu_level cpu_level_of(const struct device *device);

#endif
