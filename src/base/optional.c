#include "base/optional.h"

#include "base/error.h"

#include <string.h>

const char *optional_missing(const char *library)
{
    return sowlv2_lazy_missing ? sowlv2_lazy_missing(library) : NULL;
}

static const char *title(const char *library)
{
    static const char *const titles[][2] = {
        {"ffmpeg", "FFmpeg's libraries"}, {"heif", "libheif"}, {"avif", "libavif"}, {"pango", "Pango"}};

    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
        if (strcmp(library, titles[i][0]) == 0)
            return titles[i][1];
    return library;
}

int optional_need(const char *library, const char *name)
{
    const char *const missing = optional_missing(library);

    if (!missing)
        return 0;
    return error_set(SOWLV2_ERROR_UNSUPPORTED, "%s: needs %s, and %s is not there: install it by your system's means",
                     name, title(library), missing);
}
