/* See processors.h. */
#include "base/processors.h"

#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 1024 };

/* The first line of root/group/name. */
static bool read_line(const char *root, const char *group, const char *name, char *line, size_t size)
{
    char path[PATH_BYTES];
    if (snprintf(path, sizeof(path), "%s%s/%s", root, strcmp(group, "/") == 0 ? "" : group, name) >= (int)sizeof(path))
        return false;
    FILE *const file = fopen(path, "r");
    const bool found = file && fgets(line, (int)size, file);
    if (file)
        fclose(file);
    return found;
}

/* Microseconds in a period that one group may take of all processors, as processors; 0: no limit. */
static int quota_of(const char *root, const char *group)
{
    char line[64];
    int64_t quota = -1, period = 0;
    if (read_line(root, group, "cpu.max", line, sizeof(line))) { /* "max 100000" has no limit */
        if (sscanf(line, "%" SCNd64 " %" SCNd64, &quota, &period) != 2)
            return 0;
    } else if (read_line(root, group, "cpu.cfs_quota_us", line, sizeof(line)) &&
               sscanf(line, "%" SCNd64, &quota) == 1 && /* version 1: -1 is no limit */
               read_line(root, group, "cpu.cfs_period_us", line, sizeof(line))) {
        if (sscanf(line, "%" SCNd64, &period) != 1)
            return 0;
    }
    if (quota <= 0 || period <= 0 || quota / period >= INT_MAX)
        return 0;
    return (int)((quota + period - 1) / period);
}

int processors_quota(const char *root, const char *group)
{
    char at[PATH_BYTES];
    int least = 0;
    if (snprintf(at, sizeof(at), "%s", group) >= (int)sizeof(at) || at[0] != '/')
        return 0;
    for (;;) {
        const int quota = quota_of(root, at);
        char *const end = strrchr(at, '/');
        if (quota > 0 && (least == 0 || quota < least))
            least = quota;
        if (at[1] == '\0')
            return least;
        end[end == at] = '\0'; /* the group that it is in; at last "/" */
    }
}

/* This process's group: of version 2 the line "0::/group", of version 1 the one that has "cpu" among its controllers.
 */
static void find_group(bool first_version, char *group, size_t size)
{
    FILE *const file = fopen("/proc/self/cgroup", "r");
    char line[PATH_BYTES];
    snprintf(group, size, "/");
    while (file && fgets(line, sizeof(line), file)) {
        char *const controllers = strchr(line, ':'), *const name = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!name)
            continue;
        line[strcspn(line, "\n")] = '\0';
        *controllers = *name = ','; /* ",cpu,cpuacct,/group" */
        if (first_version ? strstr(controllers, ",cpu,") && strstr(controllers, ",cpu,") < name
                          : name == controllers + 1)
            snprintf(group, size, "%s", name + 1);
    }
    if (file)
        fclose(file);
}

static int quota_of_process; /* 0: none; read once, since devices and videos ask again and again */

static void find_quota(void)
{
    static const struct {
        const char *root;
        bool first_version;
    } hierarchies[] = {{"/sys/fs/cgroup", false}, {"/sys/fs/cgroup/cpu", true}};
    for (size_t i = 0; i < sizeof(hierarchies) / sizeof(hierarchies[0]); i++) {
        char group[PATH_BYTES];
        find_group(hierarchies[i].first_version, group, sizeof(group));
        const int quota = processors_quota(hierarchies[i].root, group);
        if (quota > 0 && (quota_of_process == 0 || quota < quota_of_process))
            quota_of_process = quota;
    }
}

int processors_count(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    cpu_set_t set;
    const bool known = sched_getaffinity(0, sizeof(set), &set) == 0;
    const long online = known ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);
    const int count = online < 1 ? 1 : (int)online;
    pthread_once(&once, find_quota);
    return quota_of_process > 0 && quota_of_process < count ? quota_of_process : count;
}
