/* Files that appear complete or not at all: written beside their final name, then renamed. */
#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
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

int file_writer_open(const char *path, struct file_writer *out)
{
    *out = (struct file_writer){0};
    int status = check_target(path);
    if (status)
        return status;
    int fd = -1;
    do { /* a name left by a crashed process with our number is passed over */
        free(out->temporary);
        out->temporary = temporary_name(path);
        if (!out->temporary)
            return error_memory(path);
        fd = open(out->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (fd < 0 && errno == EEXIST);
    if (fd < 0) {
        status = error_set(SOWLV2_ERROR_IO, "%s: cannot write: %s", path, strerror(errno));
        free(out->temporary);
        out->temporary = NULL;
        return status;
    }
    out->path = strdup(path);
    out->stream = fdopen(fd, "wb");
    if (!out->stream)
        close(fd);
    if (!out->stream || !out->path) {
        file_writer_abort(out);
        return error_memory(path);
    }
    return 0;
}

int file_writer_commit(struct file_writer *writer)
{
    if (!writer->stream)
        return error_set(SOWLV2_ERROR_ARGUMENT, "file writer: nothing is open");
    errno = 0;
    bool failed = ferror(writer->stream) != 0;
    failed |= fclose(writer->stream) != 0;
    writer->stream = NULL;
    if (!failed)
        failed = rename(writer->temporary, writer->path) != 0;
    int status = 0;
    if (failed) {
        status = error_set(SOWLV2_ERROR_IO, "%s: cannot write: %s", writer->path,
                           errno ? strerror(errno) : "a write failed");
    } else {
        free(writer->temporary);
        writer->temporary = NULL;
    }
    file_writer_abort(writer);
    return status;
}

void file_writer_abort(struct file_writer *writer)
{
    if (writer->stream)
        fclose(writer->stream);
    if (writer->temporary)
        unlink(writer->temporary);
    free(writer->temporary);
    free(writer->path);
    *writer = (struct file_writer){0};
}
