/* Files: reading whole, folders, paths. */
#include "base/file.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int file_open_regular(const char *path, int *descriptor, size_t *size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const int why = errno;
    if (fd < 0 && why == ENOENT && file_is_broken_link(path))
        return error_set(SOWLV2_ERROR_IO, "%s: cannot open: it is a broken link", path);
    if (fd < 0)
        return error_set(SOWLV2_ERROR_IO, "%s: cannot open: %s: check the path and its permissions", path,
                         strerror(why));
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

/* What is being read. */
struct reading {
    const char *name;
    size_t expected;       /* bytes; there may be more or fewer */
    size_t limit, checked; /* checked: bytes that the check has seen */
    file_check check;      /* NULL: none */
    void *user_data;
    char *data;
    size_t capacity, length; /* without the NUL behind them */
};

static int grow(struct reading *reading, size_t capacity)
{
    char *larger = realloc(reading->data, capacity + 1);
    if (!larger)
        return error_memory(reading->name);
    reading->data = larger;
    reading->capacity = capacity;
    return 0;
}

static int check_limit(struct reading *reading, bool ended)
{
    size_t next = reading->checked ? 2 * reading->checked : FILE_HEAD;
    if (reading->check && (reading->length >= next || (ended && reading->checked == 0))) {
        reading->checked = reading->length > 0 ? reading->length : 1;
        int status = reading->check(reading->user_data, reading->data, reading->length, &reading->limit);
        if (status)
            return status;
    }
    bool unseen = reading->check && reading->checked == 0; /* it has the first word */
    size_t bytes = reading->length > reading->expected ? reading->length : reading->expected;
    if (bytes > reading->limit && !unseen)
        return error_set(SOWLV2_ERROR_FORMAT, "%s: larger than %zu bytes: not a file of the expected kind",
                         reading->name, reading->limit);
    return 0;
}

/* What is expected is read at once, but for what the check is to see first. */
static int read_on(struct reading *reading, int fd)
{
    size_t expected = reading->expected;
    int status = check_limit(reading, false);
    if (!status)
        status = grow(reading, expected == 0 || (reading->check && expected > FILE_HEAD) ? FILE_HEAD : expected + 1);
    while (!status) {
        if (reading->length == reading->capacity) {
            size_t doubled = 2 * reading->capacity; /* the file grew while it was read, or nobody knows its size */
            status = grow(reading, expected + 1 > doubled ? expected + 1 : doubled);
            if (status)
                break;
        }
        ssize_t count = read(fd, reading->data + reading->length, reading->capacity - reading->length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return error_set(SOWLV2_ERROR_IO, "%s: cannot read: %s", reading->name, strerror(errno));
        reading->length += (size_t)count;
        status = check_limit(reading, count == 0);
        if (count == 0)
            break;
    }
    return status;
}

static int read_all(struct reading *reading, int fd, char **out, size_t *size)
{
    int status = read_on(reading, fd);
    if (status) {
        free(reading->data);
        return status;
    }
    reading->data[reading->length] = '\0';
    *out = reading->data;
    *size = reading->length;
    return 0;
}

int file_read_checked(const char *path, size_t limit, file_check check, void *user_data, char **out, size_t *size)
{
    size_t expected;
    int fd = -1;
    *out = NULL;
    *size = 0;
    int status = file_open_regular(path, &fd, &expected);
    if (status)
        return status;
    status = file_read_descriptor(fd, path, expected, limit, check, user_data, out, size);
    close(fd);
    return status;
}

int file_read(const char *path, size_t limit, char **out, size_t *size)
{
    return file_read_checked(path, limit, NULL, NULL, out, size);
}

int file_read_descriptor(int descriptor, const char *name, size_t expected, size_t limit, file_check check,
                         void *user_data, char **out, size_t *size)
{
    struct reading reading = {
        .name = name, .expected = expected, .limit = limit, .check = check, .user_data = user_data};
    *out = NULL;
    *size = 0;
    return read_all(&reading, descriptor, out, size);
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

/* What has a folder's name already and is none. */
static int refuse_what_is_there(const char *path)
{
    char target[PATH_MAX];
    struct stat status;
    const ssize_t length = readlink(path, target, sizeof(target) - 1);
    const int why = length >= 0 && stat(path, &status) != 0 ? errno : 0;
    if (why == 0)
        return error_set(SOWLV2_ERROR_IO, "%s: cannot make this folder: a file of that name is in the way", path);
    target[length] = '\0';
    if (why == ENOENT || why == ENOTDIR)
        return error_set(SOWLV2_ERROR_IO,
                         "%s: cannot make this folder: it is a link to %s, which is not there: make that folder, or "
                         "remove the link",
                         path, target);
    if (why == ELOOP)
        return error_set(SOWLV2_ERROR_IO,
                         "%s: cannot make this folder: it is a link that leads back to itself: remove "
                         "the link",
                         path);
    return error_set(SOWLV2_ERROR_IO, "%s: cannot make this folder: it is a link to %s: %s", path, target,
                     strerror(why));
}

static int make_directory(const char *path)
{
    if (mkdir(path, 0777) == 0)
        return 0;
    const int code = errno; /* before it is looked at, which may fail for another reason */
    if (file_is_directory(path))
        return 0;
    if (code == EEXIST)
        return refuse_what_is_there(path);
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
