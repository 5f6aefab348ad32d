/* The CPU set: oneDNN's products and our own kernels, a table for each family of levels. What is not worth a kernel of
 * its own is the reference's, by name. */
#include "ops/cpu/cpu.h"
#include "ops/cpu/copy.h"
#include "ops/cpu/int8.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/linear.h"
#include "ops/cpu/narrow.h"
#include "ops/cpu/onednn.h"
#include "ops/reference/reference.h"

#include "base/error.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

static const struct ops_set avx2_set, avx512_set, bf16_set, amx_set, avx2_int8_set, avx512_int8_set;

/* The level of the process's devices, once there was one. */
static pthread_mutex_t level_mutex = PTHREAD_MUTEX_INITIALIZER;
static bool level_taken;
static enum cpu_level level_of_process;

/* Asks the system for AMX's tile registers, for the rest of the process's life. */
static bool request_amx(void)
{
#if defined(__x86_64__) && defined(__linux__)
    enum { ARCH_REQUEST_STATE = 0x1023, STATE_TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQUEST_STATE, STATE_TILE_DATA) == 0;
#else
    return false;
#endif
}

static int check_precision(enum dtype precision, enum cpu_level level)
{
    if (precision == DTYPE_F32 || (precision == DTYPE_BF16 && level >= CPU_AVX512_BF16) ||
        (precision == DTYPE_I8 && cpu_level_has_int8(level)))
        return 0;
    if (precision == DTYPE_I8) {
        return error_set(SOWLV2_ERROR_UNSUPPORTED,
                         "precision int8: CPU level %s has no dot products of 8-bit numbers (AVX512-VNNI or AVX-VNNI), "
                         "and without them it would be no faster than f32: use f32%s",
                         cpu_level_name(level), cpu_level_has_int8(cpu_level_best()) ? " or CPU level auto" : "");
    }
    if (precision != DTYPE_BF16) {
        return error_set(SOWLV2_ERROR_UNSUPPORTED,
                         "precision %s: the CPU computes in f32, bf16 or int8: use one of them", dtype_name(precision));
    }
    return error_set(SOWLV2_ERROR_UNSUPPORTED,
                     "precision bf16: CPU level %s has no instructions for it, and without them it would be slower "
                     "than f32: use f32%s",
                     cpu_level_name(level), cpu_level_best() >= CPU_AVX512_BF16 ? " or CPU level auto" : "");
}

/* Makes `level` the process's, where it has what is wanted. Called with the mutex held. */
static int take_level(enum cpu_level level, enum dtype precision)
{
    int status = check_precision(precision, level);
    if (status != 0)
        return status;
    if (level_taken && level != level_of_process) {
        return error_set(SOWLV2_ERROR_UNSUPPORTED,
                         "CPU level %s: this process runs at level %s already: use one level a process",
                         cpu_level_name(level), cpu_level_name(level_of_process));
    }
    if (level == CPU_AMX && !request_amx()) {
        return error_set(SOWLV2_ERROR_UNSUPPORTED, "CPU level amx: the system does not allow its registers: use %s",
                         cpu_level_name(CPU_AVX512_BF16));
    }
    status = onednn_start(level);
    if (status == 0) {
        level_taken = true;
        level_of_process = level;
    }
    return status;
}

static int check_level(enum cpu_level level)
{
    const enum cpu_level best = cpu_level_best();
    if (level <= best && level > CPU_REFERENCE)
        return 0;
    return error_set(SOWLV2_ERROR_UNSUPPORTED, "CPU level %s: this machine reaches %s: use that or a lower level",
                     cpu_level_name(level), cpu_level_name(best));
}

/* The level for "auto": the process's own where it has one, else the best that can be had. */
static int take_best(enum dtype precision, enum cpu_level *level)
{
    if (level_taken) {
        *level = level_of_process;
        return check_precision(precision, *level);
    }
    *level = cpu_level_best();
    int status = check_level(*level);
    if (status == 0 && (status = take_level(*level, precision)) == SOWLV2_ERROR_UNSUPPORTED && *level == CPU_AMX) {
        *level = CPU_AVX512_BF16;
        status = take_level(*level, precision);
    }
    return status;
}

/* The level that `name` (in the options, else the environment) asks for. */
static int choose_level(const struct device_options *options, enum cpu_level *level)
{
    const char *name = options->cpu_level, *source = "CPU level";
    if (!name || strcmp(name, "auto") == 0) {
        name = getenv("SOWLV2_CPU");
        source = "SOWLV2_CPU";
    }
    if (!name || name[0] == '\0' || strcmp(name, "auto") == 0)
        return take_best(options->precision, level);
    if (!cpu_level_parse(name, level)) {
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "%s: %s: there is no such level: use auto, reference, avx2, avx512, avx512_vnni, "
                         "avx512_bf16 or amx",
                         source, name);
    }
    const int status = check_level(*level);
    return status != 0 ? status : take_level(*level, options->precision);
}

static enum { BEST, DOTS, NO_DOTS } dots;

bool cpu_uses_dots(void)
{
    return dots == BEST ? cpu_dots_are_fast() : dots == DOTS;
}

void cpu_use_dots(bool use)
{
    dots = use ? DOTS : NO_DOTS;
}

enum cpu_level cpu_level_of(const struct device *device)
{
    return *(const enum cpu_level *)device->state;
}

static int open_device(struct device *device, const struct device_options *options)
{
    enum cpu_level level;
    int status = host_threads(options, &device->threads);
    if (status != 0)
        return status;
    pthread_mutex_lock(&level_mutex);
    status = choose_level(options, &level);
    pthread_mutex_unlock(&level_mutex);
    if (status != 0)
        return status;
    static enum cpu_level levels[CPU_LEVEL_COUNT] = {
        CPU_REFERENCE, CPU_AVX2, CPU_AVX512, CPU_AVX512_VNNI, CPU_AVX512_BF16, CPU_AMX,
    };
    device->state = &levels[level];
    if (options->precision == DTYPE_BF16)
        device->set = level == CPU_AMX ? &amx_set : &bf16_set;
    else if (options->precision == DTYPE_I8)
        device->set = level == CPU_AVX2 ? &avx2_int8_set : &avx512_int8_set;
    else
        device->set = level == CPU_AVX2 ? &avx2_set : &avx512_set;
    device->hints = (struct device_hints){
        .chunk_bytes = 16 << 20, .enough_rows = 1024, .batch_bytes = 160 << 20, .transfer_bytes = 64 << 20};
    snprintf(device->name, sizeof(device->name), "cpu %s", cpu_level_name(level));
    return 0;
}

static void close_device(struct device *device)
{
    (void)device;
}

#define RESIZE_IMAGE(SUFFIX)                                                                                           \
    static void resize_image_##SUFFIX(struct compute *compute, struct tensor pixels, const struct resize *vertical,    \
                                      const struct resize *horizontal, const struct pixel_scale *scale,                \
                                      struct tensor out)                                                               \
    {                                                                                                                  \
        if (vertical->weight.dtype == DTYPE_I16)                                                                       \
            kernel_resize_image_u8_##SUFFIX(compute, pixels, vertical, horizontal, scale, out);                        \
        else                                                                                                           \
            kernel_resize_image_##SUFFIX(compute, pixels, vertical, horizontal, scale, out);                           \
    }
RESIZE_IMAGE(avx2)
RESIZE_IMAGE(avx512)
RESIZE_IMAGE(avx512_bf16)

static void attention_bf16(struct compute *compute, struct tensor q, struct tensor k, struct tensor v, float scale,
                           bool causal, struct tensor out)
{
    (cpu_uses_dots() ? kernel_attention_avx512_bf16 : narrow_attention)(compute, q, k, v, scale, causal, out);
}

#define TABLE(SUFFIX, LINEAR, PRODUCTS, ATTENTION)                                                                     \
    {                                                                                                                  \
        .name = "cpu", .open = open_device, .close = close_device, .allocate = host_allocate, .release = host_release, \
        .guard = host_guard, .memory = host_memory, .memory_release = host_memory_release, .share = host_share,        \
        .constant_create = host_constant_create, .linear_create = LINEAR##_linear_create,                              \
        .linear_free = LINEAR##_linear_free, .conv2d_create = PRODUCTS##_conv2d_create,                                \
        .conv2d_free = PRODUCTS##_linear_free, .compute_create = host_compute_create,                                  \
        .compute_free = host_compute_free, .upload = host_upload, .upload_rows = host_upload_rows,                     \
        .download = host_download, .wait = host_wait, .linear = LINEAR##_linear, .conv2d = PRODUCTS##_conv2d,          \
        .matmul_transposed = PRODUCTS##_matmul_transposed, .layer_norm = kernel_layer_norm_##SUFFIX,                   \
        .l2_normalize = reference_l2_normalize, .attention = ATTENTION, .attend_rows = kernel_attend_rows_##SUFFIX,    \
        .attend_tokens = kernel_attend_tokens_##SUFFIX, .upscale_masks = kernel_upscale_masks_##SUFFIX,                \
        .rope = kernel_rope_##SUFFIX, .add = kernel_add_##SUFFIX, .mul = kernel_mul_##SUFFIX,                          \
        .activation = kernel_activation_##SUFFIX, .embed = reference_embed, .gather_rows = reference_gather_rows,      \
        .gather_blocks = host_gather_blocks, .shift_scale = reference_shift_scale, .copy = cpu_copy, .fill = cpu_fill, \
        .max_pool2d = kernel_max_pool2d_##SUFFIX, .depthwise_conv2d = kernel_depthwise_conv2d_##SUFFIX,                \
        .step = reference_step, .affine = kernel_affine_##SUFFIX, .select = reference_select,                          \
        .max_rows = reference_max_rows, .variance = reference_variance, .sine = reference_sine,                        \
        .embed_points = reference_embed_points, .choose_mask = reference_choose_mask,                                  \
        .clean_masks = reference_clean_masks, .separate_masks = reference_separate_masks,                              \
        .resize_planes = kernel_resize_planes_##SUFFIX, .resize_image = resize_image_##SUFFIX,                         \
    }
static const struct ops_set avx2_set = TABLE(avx2, cpu, cpu, kernel_attention_avx2),
                            avx512_set = TABLE(avx512, cpu, cpu, kernel_attention_avx512),
                            bf16_set = TABLE(avx512_bf16, narrow, narrow, attention_bf16),
                            amx_set = TABLE(avx512_bf16, narrow, narrow, kernel_attention_amx),
                            avx2_int8_set = TABLE(avx2, int8, cpu, kernel_attention_avx2),
                            avx512_int8_set = TABLE(avx512, int8, cpu, kernel_attention_avx512);

const struct ops_set ops_cpu = {.name = "cpu", .open = open_device};
