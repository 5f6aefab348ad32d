/* A device: one set of ops at one CPU level with a number of threads. */
#include "ops/set.h"

#include "base/error.h"

#include <omp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum { MAX_THREADS = 1024 };

/* The level of the process's devices, once there was one that uses a library. */
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

/* Fills `set` for `level` and makes that the process's level. Called with the mutex held. */
static int take_level(enum cpu_level level, struct ops_set *set)
{
    if (level_taken && level != level_of_process) {
        return error_set(SOWLV2_ERROR_UNSUPPORTED,
                         "CPU level %s: this process runs at level %s already: use one level a process",
                         cpu_level_name(level), cpu_level_name(level_of_process));
    }
    if (level == CPU_AMX && !request_amx()) {
        return error_set(SOWLV2_ERROR_UNSUPPORTED, "CPU level amx: the system does not allow its registers: use %s",
                         cpu_level_name(CPU_AVX512_BF16));
    }
    int status = ops_cpu_fill(level, set);
    if (status == 0) {
        level_taken = true;
        level_of_process = level;
    }
    return status;
}

int device_open(enum cpu_level level, int threads, struct device **out)
{
    *out = NULL;
    if ((int)level < 0 || level >= CPU_LEVEL_COUNT)
        return error_set(SOWLV2_ERROR_ARGUMENT, "CPU level %d: there is no such level", (int)level);
    if (threads < 0 || threads > MAX_THREADS)
        return error_set(SOWLV2_ERROR_ARGUMENT, "threads: %d: give a number from 0 (all) to %d", threads, MAX_THREADS);
    enum cpu_level best = cpu_level_best();
    if (level > best) {
        return error_set(SOWLV2_ERROR_UNSUPPORTED, "CPU level %s: this machine reaches %s: use that or a lower level",
                         cpu_level_name(level), cpu_level_name(best));
    }
    struct device *device = calloc(1, sizeof(*device));
    if (device == NULL)
        return error_memory("a device");
    device->level = level;
    device->threads = threads > 0 ? threads : omp_get_max_threads();
    device->set = ops_reference;
    int status = 0;
    if (level != CPU_REFERENCE) {
        pthread_mutex_lock(&level_mutex);
        status = take_level(level, &device->set);
        pthread_mutex_unlock(&level_mutex);
    }
    if (status != 0) {
        free(device);
        return status;
    }
    *out = device;
    return 0;
}

/* The level for "auto": the process's own where it has one, else the best that can be had. */
static int open_best(int threads, struct device **out)
{
    pthread_mutex_lock(&level_mutex);
    bool taken = level_taken;
    enum cpu_level level = taken ? level_of_process : cpu_level_best();
    pthread_mutex_unlock(&level_mutex);
    int status = device_open(level, threads, out);
    if (status == SOWLV2_ERROR_UNSUPPORTED && level == CPU_AMX && !taken)
        status = device_open(CPU_AVX512_BF16, threads, out);
    return status;
}

int device_open_named(const char *level, int threads, struct device **out)
{
    *out = NULL;
    const char *source = "CPU level";
    if (level == NULL || strcmp(level, "auto") == 0) {
        level = getenv("SOWLV2_CPU");
        source = "SOWLV2_CPU";
    }
    if (level == NULL || level[0] == '\0' || strcmp(level, "auto") == 0)
        return open_best(threads, out);
    enum cpu_level parsed;
    if (!cpu_level_parse(level, &parsed)) {
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "%s: %s: there is no such level: use auto, reference, avx2, avx512, avx512_vnni, "
                         "avx512_bf16 or amx",
                         source, level);
    }
    return device_open(parsed, threads, out);
}

void device_close(struct device **device)
{
    free(*device);
    *device = NULL;
}

enum cpu_level device_level(const struct device *device)
{
    return device->level;
}

int device_threads(const struct device *device)
{
    return device->threads;
}
