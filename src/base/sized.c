/* See sized.h. */
#include "base/sized.h"

#include "base/error.h"

#include <string.h>

enum { MOST_BYTES = 1 << 16 }; /* no struct of options gets that large: what the size says is no size */

void sized_fill(void *out, size_t size, const void *defaults, size_t known)
{
    if (!out || size < sizeof(size))
        return;
    memset(out, 0, size);
    memcpy(out, defaults, size < known ? size : known);
    memcpy(out, &size, sizeof(size));
}

int sized_take(const char *what, const void *given, void *out, size_t known)
{
    if (!given)
        return 0;
    size_t size;
    memcpy(&size, given, sizeof(size));
    if (size <= sizeof(size) || size > MOST_BYTES)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: size is %zu: make the options with their _default() function",
                         what, size);
    for (size_t i = known; i < size; i++)
        if (((const unsigned char *)given)[i] != 0)
            return error_set(SOWLV2_ERROR_UNSUPPORTED,
                             "%s: an option is set that this version of the library does not know: install a later one",
                             what);
    memcpy(out, given, size < known ? size : known);
    memcpy(out, &known, sizeof(known));
    return 0;
}
