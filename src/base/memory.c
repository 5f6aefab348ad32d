#include "base/memory.h"

#include "base/error.h"

#include <stddef.h>
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
