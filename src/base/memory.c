#include "base/memory.h"

#include "base/error.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

int memory_check(const char *what, uint64_t bytes)
{
    static const uint64_t always = (uint64_t)8 << 20;
    if (bytes > PTRDIFF_MAX - always)
        return error_memory(what);
    const size_t wanted = (size_t)(bytes + always);
    void *memory = mmap(NULL, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return error_memory(what);
    munmap(memory, wanted);
    return 0;
}

/* The number after `key` at the beginning of a line of a file; "" is the first line. -1: there is none, or it is "max".
 */
static int64_t read_number(const char *path, const char *key)
{
    FILE *const file = fopen(path, "r");
    char line[256];
    int64_t found = -1;
    while (file && found < 0 && fgets(line, sizeof(line), file))
        if (strncmp(line, key, strlen(key)) != 0 || sscanf(line + strlen(key), "%" SCNd64, &found) != 1)
            found = -1;
    if (file)
        fclose(file);
    return found;
}

void memory_read(int64_t *total, int64_t *available)
{
    static const char meminfo[] = "/proc/meminfo";
    const int64_t all = read_number(meminfo, "MemTotal:"), now = read_number(meminfo, "MemAvailable:");
    const int64_t limit = read_number("/sys/fs/cgroup/memory.max", ""),
                  used = read_number("/sys/fs/cgroup/memory.current", "");
    *total = all > 0 ? 1024 * all : 0;
    *available = now > 0 ? 1024 * now : 0;
    if (limit <= 0 || used < 0)
        return;
    const int64_t left = limit > used ? limit - used : 0;
    *total = *total == 0 || limit < *total ? limit : *total;
    *available = *available == 0 || left < *available ? left : *available;
}
