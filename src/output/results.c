/* The file results.jsonl. */
#include "output/results.h"

#include "base/error.h"
#include "base/file.h"
#include "output/claim_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct results {
    int descriptor;
    char *path;
    off_t size; /* bytes of whole rows */
};

/* Results are never written through a link. */
static int check_link(const char *path, bool *regular)
{
    struct stat info;

    *regular = false;
    if (lstat(path, &info) != 0)
        return 0;
    *regular = S_ISREG(info.st_mode);
    return S_ISLNK(info.st_mode) ? output_link_error(path) : 0;
}

int results_check(const char *folder)
{
    char *path = path_join(folder, "results.jsonl");
    bool regular;
    const int status = path ? check_link(path, &regular) : error_memory("results.jsonl");

    free(path);
    return status;
}

static int open_file(struct results *results, bool anew)
{
    bool regular;
    int status = check_link(results->path, &regular);

    if (status)
        return status;
    if (anew && regular) /* not emptied: another name of the file, in a copy say, keeps its rows */
        unlink(results->path);
    results->descriptor = open(results->path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | (anew ? O_TRUNC : 0), 0666);
    if (results->descriptor >= 0)
        results->size = lseek(results->descriptor, 0, SEEK_END);
    if (results->descriptor >= 0 && (results->size >= 0 || errno == ESPIPE))
        return 0;
    return error_set(SOWLV2_ERROR_IO, "%s: cannot be written: %s: choose another --output folder", results->path,
                     strerror(errno));
}

static int open_results(const char *folder, bool anew, struct results **out)
{
    struct results *results = calloc(1, sizeof(*results));
    int status;

    *out = NULL;
    if (!results)
        return error_memory("results.jsonl");
    results->descriptor = -1;
    results->path = path_join(folder, "results.jsonl");
    status = results->path ? open_file(results, anew) : error_memory("results.jsonl");
    if (status)
        results_close(&results);
    else
        *out = results;
    return status;
}

int results_open(const char *folder, struct results **out)
{
    return open_results(folder, true, out);
}

int results_open_again(const char *folder, struct results **out)
{
    return open_results(folder, false, out);
}

int results_write(struct results *results, const char *row, size_t size)
{
    size_t written = 0;

    while (written < size) {
        ssize_t count = write(results->descriptor, row + written, size - written);

        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0) {
            const char *why = count < 0 ? strerror(errno) : "nothing could be written";
            bool whole = ftruncate(results->descriptor, results->size) == 0 &&
                         lseek(results->descriptor, results->size, SEEK_SET) >= 0;

            return error_set(SOWLV2_ERROR_IO, "%s: cannot be written: %s: free space, or choose another --output%s",
                             results->path, why, whole ? "" : " (its last row is cut)");
        }
        written += (size_t)count;
    }
    results->size += (off_t)size;
    return 0;
}

int results_close(struct results **results)
{
    int status = 0;

    if (!*results)
        return 0;
    if ((*results)->descriptor >= 0 && close((*results)->descriptor) != 0 && errno != EINTR)
        status = error_set(SOWLV2_ERROR_IO, "%s: cannot be closed: %s", (*results)->path, strerror(errno));
    free((*results)->path);
    free(*results);
    *results = NULL;
    return status;
}
