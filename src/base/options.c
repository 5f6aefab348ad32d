/* See options.h. */
#include "base/options.h"

#include "base/error.h"

#include <string.h>

enum { LARGEST = 4096 }; /* bytes of any options struct of any version */

void options_init(void *options, size_t size, const void *defaults, size_t known)
{
    if (!options || size < sizeof(size))
        return;
    memset(options, 0, size);
    memcpy(options, defaults, size < known ? size : known);
    memcpy(options, &size, sizeof(size));
}

int options_take(const char *struct_name, const char *maker, const void *given, void *out, size_t known)
{
    size_t size;
    if (!given)
        return 0;
    memcpy(&size, given, sizeof(size));
    if (size < 2 * sizeof(size) || size > LARGEST || size % sizeof(void *) != 0)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: its size is %zu: make it with %s, then change fields", struct_name,
                         size, maker);
    for (size_t i = known; i < size; i++)
        if (((const unsigned char *)given)[i] != 0)
            return error_set(SOWLV2_ERROR_UNSUPPORTED,
                             "%s: a field is set that version %s of the library does not have: leave it as %s makes "
                             "it, or use a newer library",
                             struct_name, sowlv2_version(), maker);
    memcpy(out, given, size < known ? size : known);
    memcpy(out, &known, sizeof(known));
    return 0;
}
