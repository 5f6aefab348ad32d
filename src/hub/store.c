/* See store.h. */
#include "hub/store.h"

#include "base/error.h"
#include "base/file.h"
#include "base/strings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char cache_tag[] = "Signature: 8a477f597d28d172789f06886806bc55\n"
                                "# This file marks a cache of downloaded models, which backups may leave out.\n";

static char *join(const char *a, const char *b, const char *c, const char *d)
{
    struct string path = {0};
    string_append_format(&path, "%s/%s/%s%s", a, b, c, d);
    if (path.failed)
        string_free(&path);
    return path.data;
}

char *hub_store_blob(const struct hub_request *request, const char *etag)
{
    return join(request->repository, "blobs", etag, "");
}

char *hub_store_lock(const struct hub_request *request, const char *etag)
{
    struct string path = {0};
    string_append_format(&path, "%s/.locks/%s/%s.lock", request->cache, path_base(request->repository), etag);
    if (path.failed)
        string_free(&path);
    return path.data;
}

char *hub_store_snapshot(const struct hub_request *request, const char *commit)
{
    return join(request->repository, "snapshots", commit, "");
}

char *hub_store_file(const struct hub_request *request, const char *commit, const char *name)
{
    struct string path = {0};
    string_append_format(&path, "%s/snapshots/%s/%s", request->repository, commit, name);
    if (path.failed)
        string_free(&path);
    return path.data;
}

int hub_store_failed(const char *path, int code)
{
    if (code == ENOSPC || code == EDQUOT || code == EFBIG)
        return error_set(SOWLV2_ERROR_IO,
                         "%s: cannot be written: %s: make room and run it again, which continues where it stopped, or "
                         "give a folder on another disk with --cache-dir or HF_HUB_CACHE",
                         path, strerror(code));
    return error_set(SOWLV2_ERROR_IO,
                     "%s: cannot be written: %s: give a writable folder with --cache-dir or HF_HUB_CACHE", path,
                     strerror(code));
}

/* Makes a folder and those above it. */
static int make_folders(const char *path)
{
    char *part = strdup(path);
    int status = part ? 0 : error_memory(path);
    for (char *slash = part ? strchr(part + 1, '/') : NULL; part && !status; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = '\0';
        const int code = mkdir(part, 0777) == 0 ? 0 : errno;
        if (code && !file_is_directory(part))
            status = hub_store_failed(part, code);
        if (!slash)
            break;
        *slash = '/';
    }
    free(part);
    return status;
}

static int make_parents(const char *path)
{
    char *folder = strndup(path, (size_t)(path_base(path) - path - 1));
    int status = folder ? make_folders(folder) : error_memory(path);
    free(folder);
    return status;
}

/* Marks the cache, for backup programs, once. */
static void write_tag(const struct hub_request *request)
{
    char *path = path_join(request->cache, "CACHEDIR.TAG");
    const int descriptor = path ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666) : -1;
    if (descriptor >= 0) {
        if (file_write_whole(descriptor, cache_tag, sizeof(cache_tag) - 1) != 0)
            unlink(path);
        close(descriptor);
    }
    free(path);
}

int hub_store_prepare(const struct hub_request *request)
{
    char *blobs = path_join(request->repository, "blobs");
    int status = blobs ? make_folders(blobs) : error_memory("cache");
    if (!status && access(blobs, W_OK) != 0)
        status = hub_store_failed(blobs, errno);
    if (!status)
        write_tag(request);
    free(blobs);
    return status;
}

/* Whether `path` is a link that says exactly `target`. */
static bool is_link_to(const char *path, const char *target)
{
    char text[512];
    const ssize_t length = readlink(path, text, sizeof(text));
    return length == (ssize_t)strlen(target) && memcmp(text, target, (size_t)length) == 0;
}

/* Puts a link at `path`, over what is there, at one stroke. */
static int replace_link(const char *target, const char *path)
{
    struct string temporary = {0};
    string_append_format(&temporary, "%s.sowlv2-%ld.link", path, (long)getpid());
    int code = temporary.failed ? ENOMEM : 0;
    if (!code) {
        unlink(temporary.data); /* of a process that had our number */
        if (symlink(target, temporary.data) != 0 || rename(temporary.data, path) != 0) {
            code = errno;
            unlink(temporary.data);
        }
    }
    string_free(&temporary);
    return code;
}

int hub_store_link(const struct hub_request *request, const char *commit, const char *name, const char *etag)
{
    char *path = hub_store_file(request, commit, name), *blob = hub_store_blob(request, etag);
    struct string target = {0};
    for (const char *c = name; *c; c++)
        if (*c == '/')
            string_append_text(&target, "../");
    string_append_format(&target, "../../blobs/%s", etag);
    int status = path && blob && !target.failed ? make_parents(path) : error_memory("cache");
    if (!status && !is_link_to(path, target.data)) {
        int code = replace_link(target.data, path);
        if (code == EPERM || code == EOPNOTSUPP || code == ENOSYS)
            code = rename(blob, path) == 0 ? 0 : errno;
        if (code)
            status = hub_store_failed(path, code);
    }
    free(path);
    free(blob);
    string_free(&target);
    return status;
}

int hub_store_ref(const struct hub_request *request, const char *commit)
{
    struct file_writer writer = {0};
    struct string path = {0};
    if (strcmp(request->revision, commit) == 0)
        return 0;
    string_append_format(&path, "%s/refs/%s", request->repository, request->revision);
    int status = path.failed ? error_memory("cache") : make_parents(path.data);
    if (!status)
        status = file_writer_open(path.data, &writer);
    if (!status) {
        fputs(commit, writer.stream);
        status = file_writer_commit(&writer);
    }
    file_writer_abort(&writer);
    string_free(&path);
    return status;
}

void hub_store_absent(const struct hub_request *request, const char *commit, const char *name)
{
    struct string path = {0};
    string_append_format(&path, "%s/.no_exist/%s/%s", request->repository, commit, name);
    if (!path.failed && make_parents(path.data) == 0) {
        const int descriptor = open(path.data, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
        if (descriptor >= 0)
            close(descriptor);
    }
    string_free(&path);
}
