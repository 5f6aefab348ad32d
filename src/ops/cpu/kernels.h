/* Our own CPU kernels, one copy an instruction set: each declaration stands for NAME_avx2 and
 * NAME_avx512. Shapes were checked by ops.c. */
#ifndef OPS_CPU_KERNELS_H
#define OPS_CPU_KERNELS_H

#include "ops/set.h"

#define CPU_KERNELS(SUFFIX)                                                                                            \
    void kernel_attention_##SUFFIX(struct compute *, struct tensor q, struct tensor k, struct tensor v, float scale,   \
                                   bool causal, struct tensor out);                                                    \
    void kernel_layer_norm_##SUFFIX(struct compute *, struct tensor x, struct tensor gamma, struct tensor beta,        \
                                    float eps, struct tensor out);                                                     \
    void kernel_add_##SUFFIX(struct compute *, struct tensor a, struct tensor b, struct tensor out);                   \
    void kernel_mul_##SUFFIX(struct compute *, struct tensor a, struct tensor b, struct tensor out);                   \
    void kernel_resize_normalize_##SUFFIX(struct compute *, const uint8_t *pixels, size_t row_bytes,                   \
                                          const struct filter *vertical, const struct filter *horizontal, float scale, \
                                          const float mean[3], const float std[3], struct tensor out);

CPU_KERNELS(avx2)
CPU_KERNELS(avx512)

#endif
