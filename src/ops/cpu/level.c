/* What the CPU can do, as the ordered levels that sets of ops come in. */
#include "ops/cpu/level.h"

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

static const char *const level_names[CPU_LEVEL_COUNT] = {
    [CPU_REFERENCE] = "reference",     [CPU_AVX2] = "avx2", [CPU_AVX512] = "avx512", [CPU_AVX512_VNNI] = "avx512_vnni",
    [CPU_AVX512_BF16] = "avx512_bf16", [CPU_AMX] = "amx",
};

const char *cpu_level_name(enum cpu_level level)
{
    return (int)level >= 0 && level < CPU_LEVEL_COUNT ? level_names[level] : "unknown";
}

bool cpu_level_parse(const char *name, enum cpu_level *out)
{
    for (int i = 0; i < CPU_LEVEL_COUNT; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *out = (enum cpu_level)i;
            return true;
        }
    }
    return false;
}

#if defined(__x86_64__)
/* Bits of CPUID leaf 7, EDX, and of the system's list of register states. */
enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24, AMX_INT8 = 1 << 25 };
enum { ARCH_GET_SUPPORTED_STATES = 0x1021, STATE_TILE_DATA = 18 };

/* AMX needs the system too: its tile registers are switched on for a process that asks. Whether asking
 * would help can be told without asking, which cannot be undone. */
static bool has_amx(void)
{
    unsigned eax, ebx, ecx, edx;
    const unsigned needed = AMX_BF16 | AMX_TILE | AMX_INT8;
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || (edx & needed) != needed)
        return false;
#if defined(__linux__)
    uint64_t states = 0;
    return syscall(SYS_arch_prctl, ARCH_GET_SUPPORTED_STATES, &states) == 0 && (states >> STATE_TILE_DATA & 1) != 0;
#else
    return false;
#endif
}

enum cpu_level cpu_level_best(void)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return CPU_REFERENCE;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return CPU_AVX2;
    if (!__builtin_cpu_supports("avx512vnni"))
        return CPU_AVX512;
    if (!__builtin_cpu_supports("avx512bf16"))
        return CPU_AVX512_VNNI;
    return has_amx() ? CPU_AMX : CPU_AVX512_BF16;
}

bool cpu_level_has_int8(enum cpu_level level)
{
    enum { AVX_VNNI = 1 << 4 }; /* CPUID leaf 7, part 1, EAX */
    unsigned eax = 0, ebx, ecx, edx;
    return level >= CPU_AVX512_VNNI ||
           (level == CPU_AVX2 && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax & AVX_VNNI) != 0);
}

bool cpu_dots_are_fast(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_is("amd") != 0;
}
#else
bool cpu_level_has_int8(enum cpu_level level)
{
    (void)level;
    return false;
}

bool cpu_dots_are_fast(void)
{
    return false;
}

enum cpu_level cpu_level_best(void)
{
    return CPU_REFERENCE;
}
#endif
