/* Our own CPU kernels, one copy an instruction set: each declaration stands for NAME_avx2,
 * NAME_avx512 and NAME_avx512_bf16. Shapes were checked by the ops (src/ops). */
#ifndef OPS_CPU_KERNELS_H
#define OPS_CPU_KERNELS_H

#include "ops/host.h"

#define CPU_KERNELS(SUFFIX)                                                                                            \
    void kernel_attention_##SUFFIX(struct compute *, struct tensor q, struct tensor k, struct tensor v, float scale,   \
                                   bool causal, struct tensor out);                                                    \
    void kernel_attend_rows_##SUFFIX(struct compute *, struct tensor q, struct tensor x, struct tensor positions,      \
                                     float scale, struct tensor out);                                                  \
    void kernel_attend_tokens_##SUFFIX(struct compute *, const struct token_attention *, struct tensor out);           \
    void kernel_upscale_masks_##SUFFIX(struct compute *, const struct mask_upscaling *, struct tensor out);            \
    void kernel_layer_norm_##SUFFIX(struct compute *, struct tensor x, struct tensor gamma, struct tensor beta,        \
                                    float eps, struct tensor out);                                                     \
    void kernel_rope_##SUFFIX(struct compute *, struct tensor x, struct tensor cosines, struct tensor sines);          \
    void kernel_add_##SUFFIX(struct compute *, struct tensor a, struct tensor b, struct tensor out);                   \
    void kernel_mul_##SUFFIX(struct compute *, struct tensor a, struct tensor b, struct tensor out);                   \
    void kernel_resize_image_##SUFFIX(struct compute *, struct tensor pixels, const struct resize *vertical,           \
                                      const struct resize *horizontal, const struct pixel_scale *scale,                \
                                      struct tensor out);                                                              \
    void kernel_resize_image_u8_##SUFFIX(struct compute *, struct tensor pixels, const struct resize *vertical,        \
                                         const struct resize *horizontal, const struct pixel_scale *scale,             \
                                         struct tensor out);                                                           \
    void kernel_affine_##SUFFIX(struct compute *, struct tensor x, float scale, float shift, struct tensor out);       \
    void kernel_activation_##SUFFIX(struct compute *, struct tensor x, enum activation, struct tensor out);            \
    void kernel_max_pool2d_##SUFFIX(struct compute *, struct tensor x, int size, struct tensor out);                   \
    void kernel_depthwise_conv2d_##SUFFIX(struct compute *, struct tensor x, struct tensor weight, struct tensor bias, \
                                          int padding, struct tensor out);                                             \
    void kernel_resize_planes_##SUFFIX(struct compute *, struct tensor x, const struct resize *vertical,               \
                                       const struct resize *horizontal, float threshold, struct tensor out);

CPU_KERNELS(avx2)
CPU_KERNELS(avx512)
CPU_KERNELS(avx512_bf16)

/* attention_bf16.c with AMX, and in the tests with what emulates it. */
void kernel_attention_amx(struct compute *, struct tensor q, struct tensor k, struct tensor v, float scale, bool causal,
                          struct tensor out);
void kernel_attention_amx_emulated(struct compute *, struct tensor q, struct tensor k, struct tensor v, float scale,
                                   bool causal, struct tensor out);

#endif
