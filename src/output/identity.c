/* Which input results were made from. */
#include "output/identity.h"

#include "base/error.h"
#include "base/file.h"
#include "media/listing.h"
#include "output/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Two names of one folder give one path; a link to a file keeps its own name. NULL: it is gone, or no memory. */
static char *absolute_path(const char *path)
{
    const size_t folder_length = (size_t)(path_base(path) - path);
    char *folder = folder_length > 0 ? strndup(path, folder_length) : strdup(".");
    char *real = folder ? realpath(folder, NULL) : NULL;
    char *joined = real ? path_join(real, path_base(path)) : NULL;

    free(folder);
    free(real);
    return joined;
}

/* A URL is kept as its hash, without what stands before an '@': it may hold passwords, and folders are passed on. */
static int identify_url(const char *url, struct output_identity *out)
{
    const char *host = strstr(url, "://") + 3;
    const size_t length = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', length);
    uint64_t hash = hash_bytes(HASH_START, url, (size_t)(host - url));

    hash = hash_bytes(hash, at ? at + 1 : host, strlen(at ? at + 1 : host));
    out->size = out->modified = -1;
    if (asprintf(&out->path, "url:%016" PRIx64, hash) < 0) {
        out->path = NULL;
        return error_memory("name of an input");
    }
    return 0;
}

static int64_t time_of(const struct stat *info)
{
    return (int64_t)info->st_mtim.tv_sec * INT64_C(1000000000) + info->st_mtim.tv_nsec;
}

/* The images of a folder that is a video. The folder's own time would change with an output in it. */
static void measure_folder(const char *folder, struct output_identity *out)
{
    struct string_list names;

    out->size = out->modified = 0;
    if (listing_folder(folder, &names) != 0)
        return;
    for (size_t i = 0; i < names.count; i++) {
        char *path = path_join(folder, names.items[i]);
        struct stat info;

        if (path && stat(path, &info) == 0) {
            out->size += info.st_size + 1; /* so that empty files count too */
            if (time_of(&info) > out->modified)
                out->modified = time_of(&info);
        }
        free(path);
    }
    string_list_free(&names);
}

int output_identity_of(const char *source, struct output_identity *out)
{
    struct stat info;

    *out = (struct output_identity){0};
    if (strstr(source, "://"))
        return identify_url(source, out);
    if (strcmp(source, "-") == 0 || stat(source, &info) != 0 || !(S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)))
        return 0;
    out->path = S_ISDIR(info.st_mode) ? realpath(source, NULL) : absolute_path(source);
    if (!out->path) /* gone since: reading it says so */
        return 0;
    if (S_ISDIR(info.st_mode)) {
        measure_folder(source, out);
    } else {
        out->size = info.st_size;
        out->modified = time_of(&info);
    }
    return 0;
}

void output_identity_free(struct output_identity *identity)
{
    free(identity->path);
    *identity = (struct output_identity){0};
}

enum output_match output_identity_compare(const struct output_identity *old, const char *old_name,
                                          const struct output_identity *now, const char *name)
{
    const bool same_content = old->size == now->size && old->modified == now->modified;

    if (!old->path || !now->path)
        return !old->path && !now->path && strcmp(old_name, name) == 0 ? OUTPUT_CHANGED : OUTPUT_OTHER;
    if (strcmp(old->path, now->path) == 0)
        return same_content ? OUTPUT_SAME : OUTPUT_CHANGED;
    return same_content && strcmp(old_name, name) == 0 && !file_exists(old->path) && now->size >= 0 ? OUTPUT_SAME
                                                                                                    : OUTPUT_OTHER;
}
