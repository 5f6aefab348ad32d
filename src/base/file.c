/* Files: mapping, reading whole, folders, paths. */
#include "base/file.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens a regular file for reading; never waits on a pipe or a device. */
static int open_regular(const char *path, int *descriptor, size_t *size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_set(SOWLV2_ERROR_IO, "%s: cannot open: %s: check the path and its permissions", path,
                         strerror(errno));
    struct stat status;
    if (fstat(fd, &status) != 0) {
        int code = errno;
        close(fd);
        return error_set(SOWLV2_ERROR_IO, "%s: cannot read: %s", path, strerror(code));
    }
    if (!S_ISREG(status.st_mode)) {
        close(fd);
        return error_set(SOWLV2_ERROR_IO, "%s: %s: give the path of a file", path,
                         S_ISDIR(status.st_mode) ? "is a folder" : "is not a regular file");
    }
    if ((uintmax_t)status.st_size > SIZE_MAX / 2) {
        close(fd);
        return error_set(SOWLV2_ERROR_IO, "%s: too large for this machine", path);
    }
    *descriptor = fd;
    *size = (size_t)status.st_size;
    return 0;
}

int file_map_open(const char *path, struct file_map *out)
{
    *out = (struct file_map){0};
    int fd = -1;
    size_t size = 0;
    int status = open_regular(path, &fd, &size);
    if (status)
        return status;
    if (size > 0) {
        void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) {
            int code = errno;
            close(fd);
            return error_set(SOWLV2_ERROR_IO, "%s: cannot map into memory: %s", path, strerror(code));
        }
        out->data = data;
        out->size = size;
    }
    close(fd);
    return 0;
}

/* The whole pages inside [data, data+bytes); empty where there is none. */
static void whole_pages(const void *data, size_t bytes, uintptr_t *begin, uintptr_t *end)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    *begin = ((uintptr_t)data + page - 1) / page * page;
    *end = ((uintptr_t)data + bytes) / page * page;
}

void file_map_close(struct file_map *map)
{
    if (map->data) {
        uintptr_t address = (uintptr_t)map->data;
        munmap((void *)address, map->size);
    }
    *map = (struct file_map){0};
}

void file_map_drop(const void *data, size_t bytes)
{
    if (!data || bytes == 0)
        return;
    uintptr_t begin, end;
    whole_pages(data, bytes, &begin, &end);
    if (begin < end)
        madvise((void *)begin, end - begin, MADV_DONTNEED);
}

static int read_all(int fd, const char *path, size_t limit, size_t expected, char **out, size_t *size)
{
    size_t capacity = expected + 1, length = 0;
    char *data = malloc(capacity + 1);
    if (!data)
        return error_memory(path);
    for (;;) {
        if (length == capacity) { /* the file grew while it was read */
            char *larger = realloc(data, 2 * capacity + 1);
            if (!larger) {
                free(data);
                return error_memory(path);
            }
            data = larger;
            capacity *= 2;
        }
        ssize_t count = read(fd, data + length, capacity - length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0) {
            int code = errno;
            free(data);
            return error_set(SOWLV2_ERROR_IO, "%s: cannot read: %s", path, strerror(code));
        }
        if (count == 0)
            break;
        length += (size_t)count;
        if (length > limit) {
            free(data);
            return error_set(SOWLV2_ERROR_FORMAT, "%s: larger than %zu bytes: not a file of the expected kind", path,
                             limit);
        }
    }
    data[length] = '\0';
    *out = data;
    *size = length;
    return 0;
}

int file_read(const char *path, size_t limit, char **out, size_t *size)
{
    int fd = -1;
    size_t expected = 0;
    *out = NULL;
    *size = 0;
    int status = open_regular(path, &fd, &expected);
    if (status)
        return status;
    if (expected > limit)
        status =
            error_set(SOWLV2_ERROR_FORMAT, "%s: larger than %zu bytes: not a file of the expected kind", path, limit);
    else
        status = read_all(fd, path, limit, expected, out, size);
    close(fd);
    return status;
}

int file_read_descriptor(int descriptor, const char *name, size_t limit, char **out, size_t *size)
{
    *out = NULL;
    *size = 0;
    return read_all(descriptor, name, limit, 65535, out, size);
}

bool file_exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0;
}

bool file_is_broken_link(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && S_ISLNK(status.st_mode) && !file_exists(path);
}

bool file_is_directory(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static int make_directory(const char *path)
{
    if (mkdir(path, 0777) == 0)
        return 0;
    const int code = errno; /* before it is looked at, which may fail for another reason */
    if (file_is_directory(path))
        return 0;
    if (code == EEXIST)
        return error_set(SOWLV2_ERROR_IO, "%s: cannot make this folder: a file of that name is in the way", path);
    return error_set(SOWLV2_ERROR_IO, "%s: cannot make this folder: %s", path, strerror(code));
}

int file_make_directories(const char *path)
{
    if (!*path)
        return error_set(SOWLV2_ERROR_IO, "folder name is empty: give the path of a folder");
    if (file_is_directory(path))
        return 0;
    char *part = strdup(path);
    if (!part)
        return error_memory(path);
    int status = 0;
    for (char *slash = strchr(part + 1, '/'); slash && !status; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        status = make_directory(part);
        *slash = '/';
    }
    if (!status)
        status = make_directory(part);
    free(part);
    return status;
}

char *path_join(const char *folder, const char *name)
{
    size_t length = strlen(folder), rest = strlen(name);
    bool slash = length > 0 && folder[length - 1] != '/';
    char *path = malloc(length + slash + rest + 1);
    if (!path)
        return NULL;
    memcpy(path, folder, length);
    if (slash)
        path[length++] = '/';
    memcpy(path + length, name, rest + 1);
    return path;
}

const char *path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}
