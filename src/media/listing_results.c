/* Telling results of the tool from pictures to take. */
#include "media/listing.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const listing_result_folders[] = {"binary/frames", "binary/merged", "overlay/frames", "overlay/merged",
                                              "video/binary",  "video/overlay", "crops",          NULL};

/* Whether `below` is, of the folder of results `own`, the folder itself or a path in it. */
static bool is_in(const char *below, const char *own)
{
    const size_t length = strlen(own);

    return strncmp(below, own, length) == 0 && (below[length] == '\0' || below[length] == '/');
}

static bool is_result(const char *below)
{
    if (strcmp(below, "results.jsonl") == 0)
        return true;
    for (size_t i = 0; listing_result_folders[i]; i++)
        if (is_in(below, listing_result_folders[i]))
            return true;
    return false;
}

/* Whether folders of results may be in `below`. */
static bool is_parent(const char *below)
{
    for (size_t i = 0; listing_result_folders[i]; i++)
        if (is_in(listing_result_folders[i], below))
            return true;
    return false;
}

bool listing_is_output(const char *folder)
{
    char *journal = path_join(folder, LISTING_MARK "/journal");
    const bool marked = journal && access(journal, F_OK) == 0;

    free(journal);
    return marked;
}

/* The path without links in its folders, and, of a folder, in itself. */
static char *resolve(const char *path)
{
    char *folder, *real, *joined;

    if (file_is_directory(path))
        return realpath(path, NULL);
    folder = strndup(path, (size_t)(path_base(path) - path));
    real = folder ? realpath(*folder ? folder : ".", NULL) : NULL;
    joined = real ? path_join(real, path_base(path)) : NULL;
    free(folder);
    free(real);
    return joined;
}

/* Whether a folder above the path is an output, and what is below it in the path satisfies `test`. */
static bool is_below_output(const char *path, bool (*test)(const char *below))
{
    char *real = resolve(path), *below = real ? strrchr(real, '/') : NULL;
    bool found = false;

    /* Results are at most three folders deep. */
    for (int depth = 0; !found && depth < 3 && below; depth++) {
        char *higher;

        *below = '\0';
        found = test(below + 1) && listing_is_output(*real ? real : "/");
        higher = strrchr(real, '/');
        *below = '/';
        below = higher;
    }
    free(real);
    return found;
}

bool listing_is_result(const char *path)
{
    return is_below_output(path, is_result);
}

bool listing_holds_results(const char *folder)
{
    return listing_is_output(folder) || is_below_output(folder, is_parent);
}
