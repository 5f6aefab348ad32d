/* See lock.h. */
#include "hub/lock.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

/* The name of a process, as process lists show it. */
static void read_process_name(long process, char *out, size_t size)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%ld/comm", process);
    FILE *file = fopen(path, "re");
    if (!file || !fgets(out, (int)size, file))
        snprintf(out, size, "another program");
    if (file)
        fclose(file);
    out[strcspn(out, "\n")] = '\0';
    text_make_printable(out);
}

/* The process that holds a lock on the file, from the system's list of locks; 0: not known. */
static long find_holder(int descriptor)
{
    struct stat status;
    char line[256], kind[16], state[16], access[16];
    long holder = 0, process;
    unsigned major_number, minor_number;
    unsigned long long inode;
    FILE *file = fstat(descriptor, &status) == 0 ? fopen("/proc/locks", "re") : NULL;
    if (!file)
        return 0;
    while (!holder && fgets(line, sizeof(line), file))
        /* NOLINTNEXTLINE(cert-err34-c): the kernel writes these numbers */
        if (sscanf(line, "%*d: %15s %15s %15s %ld %x:%x:%llu", kind, state, access, &process, &major_number,
                   &minor_number, &inode) == 7 &&
            strcmp(kind, "FLOCK") == 0 && inode == (unsigned long long)status.st_ino &&
            major_number == major(status.st_dev) && minor_number == minor(status.st_dev) && process > 0)
            holder = process;
    fclose(file);
    return holder;
}

static void say_waiting(int descriptor, const char *what)
{
    char name[64];
    const long holder = find_holder(descriptor);
    if (holder) {
        read_process_name(holder, name, sizeof(name));
        log_notice("%s: is being downloaded by process %ld (%s): waiting for it", what, holder, name);
    } else {
        log_notice("%s: is being downloaded by another process: waiting for it", what);
    }
}

/* Opens the lock file, with huggingface_hub's mode; one of another user that may only be read can be locked too. */
static int open_file(const char *path, int *descriptor)
{
    *descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0664);
    if (*descriptor < 0 && (errno == EACCES || errno == EPERM))
        *descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (*descriptor < 0)
        return error_set(SOWLV2_ERROR_IO,
                         "%s: cannot be written: %s: give a writable folder with --cache-dir or HF_HUB_CACHE", path,
                         strerror(errno));
    return 0;
}

/* Whether the file still has its name: a process that cleans up may have removed it meanwhile. */
static bool has_name(int descriptor)
{
    struct stat status;
    return fstat(descriptor, &status) == 0 && status.st_nlink > 0;
}

static int make_folder(const char *path)
{
    char *folder = strndup(path, (size_t)(path_base(path) - path));
    int status = folder ? file_make_directories(folder) : error_memory(path);
    free(folder);
    return status;
}

int hub_lock_take(const char *path, const char *what, const struct hub_settings *settings,
                  bool (*alive)(void *user_data), void *user_data, struct hub_lock *out)
{
    const struct timespec pause = {.tv_sec = settings->lock_poll_ms / 1000,
                                   .tv_nsec = (long)(settings->lock_poll_ms % 1000) * 1000000};
    unsigned waited = 0;
    bool said = false;
    out->descriptor = -1;
    int status = make_folder(path), descriptor;
    while (!status && !(status = open_file(path, &descriptor))) {
        if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) {
            if (has_name(descriptor)) {
                out->descriptor = descriptor;
                return 0;
            }
        } else if (errno != EWOULDBLOCK && errno != EAGAIN && errno != EINTR) {
            close(descriptor); /* no locks on this file system: the hash tells whether two writers met */
            return 0;
        } else {
            if (!said && waited >= settings->lock_say_ms) {
                say_waiting(descriptor, what);
                said = true;
            }
            nanosleep(&pause, NULL);
            waited += settings->lock_poll_ms;
        }
        close(descriptor);
        if (alive && !alive(user_data))
            status = error_set(SOWLV2_ERROR_CANCELLED, "download: stopped: the next run continues from here");
    }
    return status;
}

void hub_lock_release(struct hub_lock *lock)
{
    if (lock->descriptor >= 0)
        close(lock->descriptor);
    lock->descriptor = -1;
}
