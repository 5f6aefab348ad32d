/* The images of a folder and of the folders in it. */
#include "media/listing.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What a folder is, however it was reached. */
struct identity {
    dev_t device;
    ino_t inode;
};

struct walk {
    const char *root;
    struct string_list *names;
    struct string_list folders, links; /* below the root, to be gone through: links when no folder is left */
    struct identity *seen;
    size_t seen_count, seen_capacity;
    bool quiet_root; /* the root is the run's own output */
};

/* The path of `below`, which "" makes the root's. */
static char *full_path(const struct walk *walk, const char *below)
{
    return *below ? path_join(walk->root, below) : strdup(walk->root);
}

/* Whether the folder was met before; notes it. Errors: MEMORY. */
static int meet(struct walk *walk, const struct stat *info, bool *met)
{
    *met = false;
    for (size_t i = 0; i < walk->seen_count; i++)
        if (walk->seen[i].device == info->st_dev && walk->seen[i].inode == info->st_ino)
            *met = true;
    if (*met)
        return 0;
    if (walk->seen_count == walk->seen_capacity) {
        size_t capacity = walk->seen_capacity ? 2 * walk->seen_capacity : 64;
        struct identity *larger = realloc(walk->seen, capacity * sizeof(*larger));
        if (!larger)
            return error_memory("list of folders");
        walk->seen = larger;
        walk->seen_capacity = capacity;
    }
    walk->seen[walk->seen_count++] = (struct identity){info->st_dev, info->st_ino};
    return 0;
}

/* Puts one entry where it belongs: images to the names, folders and links to folders to their lists. */
static int take_entry(struct walk *walk, DIR *stream, const struct dirent *entry, const char *below)
{
    if (entry->d_name[0] == '.')
        return 0;
    struct stat info, target;
    bool known = fstatat(dirfd(stream), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0;
    bool link = known && S_ISLNK(info.st_mode);
    if (link && fstatat(dirfd(stream), entry->d_name, &target, 0) == 0)
        info = target;
    bool folder = known && S_ISDIR(info.st_mode);
    /* What cannot be looked at, and links to nowhere, are kept, so that their error is reported. */
    bool file = !known || S_ISREG(info.st_mode) || S_ISLNK(info.st_mode);
    if (!folder && !(file && listing_is_image_name(entry->d_name)))
        return 0;
    char *name = *below ? path_join(below, entry->d_name) : strdup(entry->d_name);
    int status = name ? 0 : error_memory("list of images");
    if (!status)
        status = string_list_append(!folder ? walk->names : link ? &walk->links : &walk->folders, name);
    free(name);
    return status;
}

/* Goes through one folder that was opened. */
static int read_entries(struct walk *walk, DIR *stream, const char *below, const char *path)
{
    int status = 0;
    while (!status) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (!entry)
            return errno ? error_set(SOWLV2_ERROR_IO, "%s: cannot list the folder: %s", path, strerror(errno)) : 0;
        status = take_entry(walk, stream, entry, below);
    }
    return status;
}

static int visit_open(struct walk *walk, DIR *stream, const char *below, const char *path, bool by_link)
{
    struct stat info;
    bool met = false;
    if (fstat(dirfd(stream), &info) != 0)
        return error_set(SOWLV2_ERROR_IO, "%s: cannot list the folder: %s", path, strerror(errno));
    int status = meet(walk, &info, &met);
    if (met && by_link)
        log_notice("%s: links to a folder that is listed already: not gone through again", path);
    return status || met ? status : read_entries(walk, stream, below, path);
}

/* A folder below the root that cannot be opened becomes a name of the list: reading it reports why. */
static int visit(struct walk *walk, const char *below, bool by_link)
{
    char *path = full_path(walk, below);
    if (!path)
        return error_memory("list of folders");
    int status = 0;
    bool left_out = *below && listing_is_result(path);
    DIR *stream = left_out ? NULL : opendir(path);
    if (left_out) {
        log_debug("%s: results: left out", path);
    } else if (stream) {
        if (listing_is_output(path) && !(walk->quiet_root && !*below))
            log_notice("%s: the results of an earlier run in it are left out", path);
        status = visit_open(walk, stream, below, path, by_link);
        closedir(stream);
    } else if (*below) {
        status = string_list_append(walk->names, below);
    } else {
        status =
            error_set(SOWLV2_ERROR_IO, "%s: cannot list the folder: %s: check its permissions", path, strerror(errno));
    }
    free(path);
    return status;
}

/* Takes the last item off a list; freed by the caller; NULL: the list is empty. */
static char *take_last(struct string_list *list)
{
    return list->count > 0 ? list->items[--list->count] : NULL;
}

static int compare_items(const void *a, const void *b)
{
    return listing_compare(*(char *const *)a, *(char *const *)b);
}

int listing_tree(const char *folder, const char *leave_out, struct string_list *names)
{
    *names = (struct string_list){0};
    struct walk walk = {.root = folder, .names = names};
    struct stat info;
    bool met;
    int status = 0;
    struct stat root;
    if (leave_out && stat(leave_out, &info) == 0) {
        walk.quiet_root = stat(folder, &root) == 0 && root.st_dev == info.st_dev && root.st_ino == info.st_ino;
        if (!walk.quiet_root)
            status = meet(&walk, &info, &met);
    }
    if (!status)
        status = visit(&walk, "", false);
    while (!status && walk.folders.count + walk.links.count > 0) {
        bool by_link = walk.folders.count == 0;
        char *below = take_last(by_link ? &walk.links : &walk.folders);
        status = visit(&walk, below, by_link);
        free(below);
    }
    string_list_free(&walk.folders);
    string_list_free(&walk.links);
    free(walk.seen);
    if (status)
        string_list_free(names);
    else if (names->count > 1)
        qsort(names->items, names->count, sizeof(*names->items), compare_items);
    return status;
}
