/* How many processors there are to compute with. */
#ifndef BASE_PROCESSORS_H
#define BASE_PROCESSORS_H

/* Those this process may run on, or fewer where the time it may take of them is limited (a container's quota, as it was
 * when this was first asked): at least 1. */
int processors_count(void);

/* How many processors' time the control group `group` ("/" or "/a/b") under `root` ("/sys/fs/cgroup") and the groups
 * that it is in may take, rounded up; 0: as much as there is. For the function above and its test. */
int processors_quota(const char *root, const char *group);

#endif
