/* "~" in paths. A shell replaces it in "--output ~/x" alone: not behind '=', and not in a configuration file. */
#include "base/error.h"
#include "base/file.h"
#include "cli/options.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Whether what "~name" stands for is there under that very name, as "*" of a shell gives it, or is a pattern. */
static bool is_meant_itself(const char *first)
{
    struct stat info;

    return lstat(first, &info) == 0 || strpbrk(first, "*?[{");
}

static int refuse(const char *where, const char *text, const char *user)
{
    if (!*user)
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "%s: '%s': your home folder is not known: set HOME, or write the path without ~", where, text);
    return error_set(SOWLV2_ERROR_ARGUMENT,
                     "%s: '%s': there is no user '%s': write ./%s if the name really begins with ~", where, text, user,
                     text);
}

int option_expand_path(const char *where, const char *text, char **out)
{
    const size_t length = strcspn(text, "/");
    struct string path = {0};
    char *first;
    int status = 0;

    *out = NULL;
    first = *text == '~' ? strndup(text, length) : NULL;
    if (*text == '~' && !first)
        return error_memory(where);
    if (first && !path_append_home(first + 1, &path) && !path.failed) {
        if (!first[1] || !is_meant_itself(first))
            status = refuse(where, text, first + 1);
        else
            string_append_text(&path, first);
    }
    if (!status)
        string_append_text(&path, first ? text + length : text);
    free(first);
    if (!status && path.failed)
        status = error_memory(where);
    if (status)
        string_free(&path);
    *out = path.data;
    return status;
}
