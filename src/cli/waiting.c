#include "cli/waiting.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

void waiting_choose(char **argv)
{
    /* About half a millisecond: longer than between two products of a pass, shorter than a time slice. */
    static const char *const spins = "10000";

    if (!getenv("GOMP_SPINCOUNT") && !getenv("OMP_WAIT_POLICY") && setenv("GOMP_SPINCOUNT", spins, 1) == 0) {
        char path[PATH_MAX]; /* the real path, so that process lists show the tool's name */
        const ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
        if (length > 0) {
            path[length] = '\0';
            execv(path, argv); /* comes back only where it failed: then all runs on as it was */
        }
    }
}
