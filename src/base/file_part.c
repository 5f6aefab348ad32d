/* See file_part.h. */
#include "base/file_part.h"

#include "base/error.h"
#include "base/file.h"
#include "base/first_error.h"
#include "base/pool.h"

#include <errno.h>
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

/* One read by several threads. */
struct shared_read {
    const struct file_part *part;
    size_t offset, bytes;
    uint8_t *to;
    struct first_error error;
};
enum { SHARE_BYTES = 1 << 20, MOST_READERS = 4 };

static void read_share(void *data, size_t index, size_t worker)
{
    struct shared_read *const shared = data;
    const size_t begin = index * SHARE_BYTES, left = shared->bytes - begin;
    (void)worker;
    first_error_keep(&shared->error, file_part_copy(shared->part, shared->offset + begin, shared->to + begin,
                                                    left < SHARE_BYTES ? left : SHARE_BYTES));
}

/* What is in the system's memory already comes as fast as it is copied and as pages are made for it: faster by several
 * threads. */
static int copy_shared(const struct file_part *part, size_t offset, uint8_t *to, size_t bytes)
{
    struct pool *pool = bytes < 2 * (size_t)SHARE_BYTES ? NULL : pool_create(MOST_READERS);
    if (!pool)
        return file_part_copy(part, offset, to, bytes);
    struct shared_read shared = {.part = part, .offset = offset, .bytes = bytes, .to = to};
    first_error_init(&shared.error);
    pool_run(pool, (bytes + SHARE_BYTES - 1) / SHARE_BYTES, read_share, &shared);
    pool_free(&pool);
    return first_error_end(&shared.error);
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
