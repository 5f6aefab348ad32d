/* The ops of the CPU set that oneDNN computes: see ops/set.h for shapes. */
#ifndef OPS_CPU_LINEAR_H
#define OPS_CPU_LINEAR_H

#include "ops/host.h"

int cpu_linear_create(struct device *device, const struct linear_source *source, void **state);
void cpu_linear_free(struct device *device, void *state);
int cpu_conv2d_create(struct device *device, const struct linear_source *source, const struct conv2d *conv,
                      void **state);
void cpu_linear(struct compute *compute, const struct linear *linear, struct tensor x, enum activation activation,
                const struct tensor *residual, struct tensor out);
void cpu_matmul_transposed(struct compute *compute, struct tensor a, struct tensor b, struct tensor out);
/* Gathers each output's input window into a row, then one product. */
void cpu_conv2d(struct compute *compute, const struct conv2d *conv, struct tensor x, const struct tensor *residual,
                struct tensor out);

#endif
