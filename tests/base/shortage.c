#include "base/shortage.h"

#ifdef SHORTAGE
#include <errno.h>
#include <malloc.h>

/* Those that follow take the place of the C library's in every library of the process. */
#define EXPORTED __attribute__((visibility("default")))
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

struct shortage shortage;

static bool is_refused(void)
{
    if (!shortage.armed)
        return false;
    long left = shortage.wanted--;
    if (left > 0 || (left < 0 && !shortage.lasting))
        return false;
    shortage.refused++;
    errno = ENOMEM;
    return true;
}

EXPORTED void *malloc(size_t size)
{
    return is_refused() ? NULL : __libc_malloc(size);
}

EXPORTED void *calloc(size_t count, size_t size)
{
    return is_refused() ? NULL : __libc_calloc(count, size);
}

EXPORTED void *realloc(void *old, size_t size)
{
    return is_refused() ? NULL : __libc_realloc(old, size);
}

EXPORTED void *aligned_alloc(size_t alignment, size_t size)
{
    return is_refused() ? NULL : __libc_memalign(alignment, size);
}

EXPORTED void *memalign(size_t alignment, size_t size)
{
    return is_refused() ? NULL : __libc_memalign(alignment, size);
}

EXPORTED int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *memory = is_refused() ? NULL : __libc_memalign(alignment, size);
    if (!memory)
        return ENOMEM;
    *out = memory;
    return 0;
}
#endif
