/* Files that appear complete or not at all: written beside their final name, then renamed. A writer holds a lock on
 * its temporary until that has its final name; one that nobody holds was left behind. */
#include "base/error.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* A short hidden name in the folder of `path`, new in this process; NULL: out of memory. */
static char *temporary_name(const char *path)
{
    static atomic_uint counter;
    int folder = (int)(path_base(path) - path);
    char *name;
    if (asprintf(&name, "%.*s.sowlv2-%ld-%u.part", folder, path, (long)getpid(), atomic_fetch_add(&counter, 1)) < 0)
        return NULL;
    return name;
}

/* Renaming over a device, a pipe or a folder would destroy it or fail late. */
static int check_target(const char *path)
{
    struct stat status;
    if (!*path_base(path))
        return error_set(SOWLV2_ERROR_IO, "%s: cannot write: no file name: give the path of a file", path);
    if (stat(path, &status) != 0 || S_ISREG(status.st_mode))
        return 0;
    return error_set(SOWLV2_ERROR_IO, "%s: cannot write: %s: give the path of a file", path,
                     S_ISDIR(status.st_mode) ? "is a folder" : "is not a regular file");
}

/* Locks a file of ours that is new. False where someone removing leftovers was faster. File systems without locks
 * protect nobody, and nothing is removed on them. */
static bool lock_temporary(int fd)
{
    struct stat status;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return errno != EWOULDBLOCK;
    return fstat(fd, &status) != 0 || status.st_nlink > 0;
}

int file_write_whole(int descriptor, const void *data, size_t size)
{
    const char *at = data;
    while (size > 0) {
        const ssize_t written = write(descriptor, at, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written == 0)
            errno = ENOSPC; /* no disk says so without a reason but a full one */
        if (written <= 0)
            return -1;
        at += written;
        size -= (size_t)written;
    }
    return 0;
}

/* ---- the stream: the C library's own gives a file up where a signal interrupts a write ---- */

struct file_writer_output {
    int descriptor;
    int error; /* errno of the first write that failed */
};

static ssize_t write_output(void *cookie, const char *data, size_t size)
{
    struct file_writer_output *output = cookie;
    if (file_write_whole(output->descriptor, data, size) == 0)
        return (ssize_t)size;
    if (!output->error)
        output->error = errno;
    return 0; /* how a stream is told of a failure */
}

static int seek_output(void *cookie, off64_t *place, int from)
{
    const struct file_writer_output *output = cookie;
    const off_t at = lseek(output->descriptor, (off_t)*place, from);
    if (at < 0)
        return -1;
    *place = at;
    return 0;
}

static int close_output(void *cookie)
{
    const struct file_writer_output *output = cookie;
    return close(output->descriptor) == 0 || errno == EINTR ? 0 : -1; /* it is closed then, too */
}

/* Takes the descriptor; closed where it fails. */
static int open_output(struct file_writer *writer, int descriptor)
{
    const cookie_io_functions_t functions = {.write = write_output, .seek = seek_output, .close = close_output};
    writer->output = malloc(sizeof(*writer->output));
    if (writer->output) {
        *writer->output = (struct file_writer_output){.descriptor = descriptor};
        writer->descriptor = descriptor;
        writer->stream = fopencookie(writer->output, "wb", functions);
    }
    if (writer->stream)
        return 0;
    close(descriptor);
    return error_memory(path_base(writer->temporary));
}

int file_writer_open(const char *path, struct file_writer *out)
{
    *out = (struct file_writer){0};
    int status = check_target(path);
    if (status)
        return status;
    int fd = -1;
    bool taken;
    do { /* a name left by a crashed process with our number is passed over */
        free(out->temporary);
        out->temporary = temporary_name(path);
        if (!out->temporary)
            return error_memory(path);
        fd = open(out->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        taken = fd < 0 && errno == EEXIST;
        if (fd >= 0 && !lock_temporary(fd)) {
            close(fd);
            unlink(out->temporary);
            taken = true;
        }
    } while (taken);
    if (fd < 0) {
        status = error_set(SOWLV2_ERROR_IO, "%s: cannot write: %s", path, strerror(errno));
        free(out->temporary);
        out->temporary = NULL;
        return status;
    }
    status = open_output(out, fd);
    if (!status) {
        out->path = strdup(path);
        status = out->path ? 0 : error_memory(path);
    }
    if (status)
        file_writer_abort(out);
    return status;
}

int file_writer_commit(struct file_writer *writer)
{
    if (!writer->stream)
        return error_set(SOWLV2_ERROR_ARGUMENT, "file writer: nothing is open");
    int locked = fcntl(writer->descriptor, F_DUPFD_CLOEXEC, 0); /* shares the lock, past the stream's end */
    errno = 0;
    bool failed = fflush(writer->stream) != 0;
    failed |= ferror(writer->stream) != 0;
    int why = writer->output->error, status = 0;
    errno = 0;
    failed |= fclose(writer->stream) != 0;
    writer->stream = NULL;
    if (!failed)
        failed = rename(writer->temporary, writer->path) != 0;
    why = why ? why : errno;
    if (locked >= 0)
        close(locked);
    if (failed) {
        status =
            error_set(SOWLV2_ERROR_IO, "%s: cannot write: %s", writer->path, why ? strerror(why) : "a write failed");
    } else {
        free(writer->temporary);
        writer->temporary = NULL;
    }
    file_writer_abort(writer);
    return status;
}

void file_writer_abort(struct file_writer *writer)
{
    if (writer->temporary)
        unlink(writer->temporary);
    if (writer->stream)
        fclose(writer->stream);
    free(writer->output);
    free(writer->temporary);
    free(writer->path);
    *writer = (struct file_writer){0};
}

static bool is_temporary_name(const char *name)
{
    static const char digits[] = "0123456789";
    size_t process, number;
    if (strncmp(name, ".sowlv2-", 8) != 0)
        return false;
    name += 8;
    process = strspn(name, digits);
    if (process == 0 || name[process] != '-')
        return false;
    name += process + 1;
    number = strspn(name, digits);
    return number > 0 && strcmp(name + number, ".part") == 0;
}

/* Holding the lock, nobody else has the file: a writer that opens it now sees that it lost it. */
static void remove_leftover(int folder, const char *name)
{
    struct stat status;
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && flock(fd, LOCK_EX | LOCK_NB) == 0)
        unlinkat(folder, name, 0);
    close(fd);
}

void file_remove_leftovers(const char *folder)
{
    DIR *stream = opendir(folder);
    if (!stream)
        return;
    for (const struct dirent *entry; (entry = readdir(stream));)
        if (is_temporary_name(entry->d_name))
            remove_leftover(dirfd(stream), entry->d_name);
    closedir(stream);
}
