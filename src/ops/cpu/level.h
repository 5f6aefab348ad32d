/* How far the CPU set may go on a machine; each level includes those before it. */
#ifndef OPS_CPU_LEVEL_H
#define OPS_CPU_LEVEL_H

#include <stdbool.h>

enum cpu_level {
    CPU_REFERENCE, /* portable C, no library: the reference set */
    CPU_AVX2,      /* AVX2 + FMA */
    CPU_AVX512,    /* F, BW, DQ, VL */
    CPU_AVX512_VNNI,
    CPU_AVX512_BF16,
    CPU_AMX,
    CPU_LEVEL_COUNT
};

const char *cpu_level_name(enum cpu_level level);
/* False where `name` is none of the names. */
bool cpu_level_parse(const char *name, enum cpu_level *out);
/* Whether the dot products of AVX512-BF16 are faster than multiplications in f32: Intel's do half as much at a time,
 * AMD's are expected to do twice as much (docs/precision.md). */
bool cpu_dots_are_fast(void);
/* Whether products of 8-bit values are faster than those in f32 at this level: it has VNNI's dot products, or is AVX2
 * on a CPU that has them without AVX-512 too. */
bool cpu_level_has_int8(enum cpu_level level);
/* The best level of the machine this runs on. */
enum cpu_level cpu_level_best(void);

#endif
