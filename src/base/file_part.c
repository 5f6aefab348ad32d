/* See file_part.h. */
#include "base/file_part.h"

#include "base/error.h"
#include "base/file.h"
#include "base/first_error.h"

#include <errno.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HUGE_FROM = 4 << 20 };

static int report_changed(const struct file_part *part, const char *how)
{
    return error_set(SOWLV2_ERROR_IO,
                     "%s: %s while it was read: something writes to it: wait until that has ended, and run it again",
                     part->path, how);
}

int file_part_open(const char *path, struct file_part *out)
{
    struct stat now;
    *out = (struct file_part){.descriptor = -1};
    int status = file_open_regular(path, &out->descriptor, &out->file_size);
    if (status)
        return status;
    out->path = strdup(path);
    if (!out->path)
        status = error_memory(path);
    else if (fstat(out->descriptor, &now) != 0)
        status = error_set(SOWLV2_ERROR_IO, "%s: cannot read: %s", path, strerror(errno));
    if (status) {
        file_part_close(out);
        return status;
    }
    out->file_size = (size_t)now.st_size;
    out->modified = now.st_mtim;
    return 0;
}

static void *address(const void *data)
{
    return (void *)(uintptr_t)data;
}

void file_part_close(struct file_part *part)
{
    if (part->data)
        munmap(address(part->data), part->size + 1);
    if (part->descriptor >= 0)
        close(part->descriptor);
    free(part->path);
    *part = (struct file_part){.descriptor = -1};
}

int file_part_copy(const struct file_part *part, size_t offset, void *to, size_t bytes)
{
    for (char *at = to; bytes > 0;) {
        const ssize_t count = pread(part->descriptor, at, bytes, (off_t)offset);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return error_set(SOWLV2_ERROR_IO, "%s: cannot read: %s", part->path, strerror(errno));
        if (count == 0)
            return report_changed(part, "became shorter");
        at += count;
        offset += (size_t)count;
        bytes -= (size_t)count;
    }
    return 0;
}

int file_part_begin(struct file_part *part, size_t begin)
{
    const size_t size = part->file_size - begin;
    void *const data = mmap(NULL, size + 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED)
        return error_memory(part->path);
    part->begin = begin;
    part->data = data;
    part->size = size;
    return 0;
}

/* What is in the system's memory already comes as fast as it is copied, and as pages are made for it: by several
 * threads. */
static int copy_shared(const struct file_part *part, size_t offset, uint8_t *to, size_t bytes)
{
    enum { SHARE = 1 << 20, MOST_THREADS = 8 };
    const size_t shares = bytes / SHARE;
    const int most = omp_get_max_threads() < MOST_THREADS ? omp_get_max_threads() : MOST_THREADS;
    if (shares < 2 || most < 2)
        return file_part_copy(part, offset, to, bytes);
    struct first_error error;
    first_error_init(&error);
#pragma omp parallel for num_threads(most) schedule(dynamic)
    for (size_t i = 0; i < shares; i++) {
        const size_t begin = i * SHARE, count = i + 1 < shares ? SHARE : bytes - begin;
        first_error_keep(&error, file_part_copy(part, offset + begin, to + begin, count));
    }
    return first_error_end(&error);
}

int file_part_read(const struct file_part *part, const void *data, size_t bytes)
{
    if (bytes == 0)
        return 0;
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t begin = (uintptr_t)data / page * page, end = ((uintptr_t)data + bytes + page - 1) / page * page;
    if (mprotect(address((const void *)begin), end - begin, PROT_READ | PROT_WRITE) != 0)
        return error_memory(part->path);
    if (bytes >= HUGE_FROM)
        madvise(address((const void *)begin), end - begin, MADV_HUGEPAGE); /* a wish: failure changes nothing */
    return copy_shared(part, part->begin + (size_t)((const uint8_t *)data - part->data), address(data), bytes);
}

void file_part_forget(const struct file_part *part, const void *data, size_t bytes)
{
    (void)part;
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t begin = ((uintptr_t)data + page - 1) / page * page, end = ((uintptr_t)data + bytes) / page * page;
    if (begin < end)
        madvise(address((const void *)begin), end - begin, MADV_DONTNEED);
}

int file_part_check(const struct file_part *part)
{
    struct stat now;
    if (fstat(part->descriptor, &now) != 0)
        return error_set(SOWLV2_ERROR_IO, "%s: cannot read: %s", part->path, strerror(errno));
    const bool same = (size_t)now.st_size == part->file_size && now.st_mtim.tv_sec == part->modified.tv_sec &&
                      now.st_mtim.tv_nsec == part->modified.tv_nsec;
    return same ? 0 : report_changed(part, "was changed");
}
