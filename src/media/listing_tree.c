/* What is in a folder and in the folders in it. */
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"
#include "media/listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

enum {
    SHOWN = 3,     /* names of what is left out */
    MANY = 100000, /* files and folders after which the walk says that it goes on */
};

/* What a folder is, however it was reached. */
struct identity {
    dev_t device;
    ino_t inode;
};

/* What is told of in one line. */
struct met {
    struct string_list some; /* the first, below the root */
    size_t count;
};

struct walk {
    const char *root;
    const struct listing_options *options;
    struct listing *out;
    struct string_list *gone_through;  /* paths of folders; NULL: not wanted, else files do not matter */
    struct string_list folders, links; /* below the root, to be gone through: links when no folder is left */
    struct met known_links, outputs;   /* links to folders that were gone through already; results of other runs */
    struct identity *seen;
    size_t seen_count, seen_capacity;
    size_t looked_at;
    bool quiet_root; /* the root is the run's own output */
    bool finished;
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
        const size_t capacity = walk->seen_capacity ? 2 * walk->seen_capacity : 64;
        struct identity *const larger = realloc(walk->seen, capacity * sizeof(*larger));

        if (!larger)
            return error_memory("list of folders");
        walk->seen = larger;
        walk->seen_capacity = capacity;
    }
    walk->seen[walk->seen_count++] = (struct identity){info->st_dev, info->st_ino};
    return 0;
}

static void sort(struct string_list *names)
{
    if (names->count > 1)
        qsort(names->items, names->count, sizeof(*names->items), listing_compare_items);
}

static int leave_out(struct walk *walk, const char *name, bool folder)
{
    struct string_list *const some = &walk->out->some;
    int status;

    *(folder ? &walk->out->folders : &walk->out->files) += 1;
    if (folder)
        return 0;
    if (some->count == SHOWN) { /* the first in the order of names, not in that of the disk */
        if (listing_compare(name, some->items[SHOWN - 1]) >= 0)
            return 0;
        free(some->items[--some->count]);
    }
    status = string_list_append(some, name);
    sort(some);
    return status;
}

/* Whether what is below the root is a result of the tool, or a folder for results: nothing that was left out. */
static bool is_of_output(const struct walk *walk, const char *below)
{
    char *const path = full_path(walk, below);
    const bool found = path && (listing_is_result(path) || (file_is_directory(path) && listing_holds_results(path)));

    free(path);
    return found;
}

static int take_folder(struct walk *walk, const char *below, const struct stat *info, bool link)
{
    bool met = false;

    if (walk->options->recursive)
        return string_list_append(link ? &walk->links : &walk->folders, below);
    for (size_t i = 0; i < walk->seen_count; i++) /* the run's output */
        met = met || (walk->seen[i].device == info->st_dev && walk->seen[i].inode == info->st_ino);
    return met || is_of_output(walk, below) ? 0 : leave_out(walk, below, true);
}

static int take_file(struct walk *walk, const char *below, const struct stat *info, bool known)
{
    enum listing_kind kind = LISTING_OTHER;
    int status = 0;

    if (walk->gone_through)
        return 0;
    if (known && S_ISREG(info->st_mode)) {
        char *const path = full_path(walk, below);

        if (!path)
            return error_memory("list of images");
        kind = listing_kind_in_folder(path);
        free(path);
    } else if ((!known || S_ISLNK(info->st_mode)) && (listing_is_image_name(below) || listing_is_video_name(below))) {
        kind = LISTING_IMAGE; /* what cannot be looked at, and links to nowhere: their error is reported */
    }
    if (kind == LISTING_OTHER && strcmp(path_base(below), "results.jsonl") == 0 && is_of_output(walk, below))
        return 0;
    if (kind == LISTING_OTHER)
        return leave_out(walk, below, false);
    status = string_list_append(kind == LISTING_IMAGE ? &walk->out->images : &walk->out->videos, below);
    walk->finished = walk->finished || walk->options->any;
    return status;
}

/* Puts one entry where it belongs. */
static int take_entry(struct walk *walk, DIR *stream, const struct dirent *entry, const char *below)
{
    struct stat info = {0}, target;
    char *name;
    bool known, link;
    int status;

    if (entry->d_name[0] == '.')
        return 0;
    if (++walk->looked_at == MANY)
        log_notice("%s: over %d files and folders so far, and there are more: Ctrl-C stops this", walk->root, MANY);
    if (walk->options->most > 0 && walk->looked_at > walk->options->most) {
        walk->out->cut = walk->finished = true;
        return 0;
    }
    known = fstatat(dirfd(stream), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0;
    link = known && S_ISLNK(info.st_mode);
    if (link && fstatat(dirfd(stream), entry->d_name, &target, 0) == 0)
        info = target;
    name = *below ? path_join(below, entry->d_name) : strdup(entry->d_name);
    if (!name)
        return error_memory("list of images");
    status =
        known && S_ISDIR(info.st_mode) ? take_folder(walk, name, &info, link) : take_file(walk, name, &info, known);
    free(name);
    return status;
}

/* Goes through one folder that was opened. */
static int read_entries(struct walk *walk, DIR *stream, const char *below, const char *path)
{
    int status = 0;

    while (!status && !walk->finished) {
        const struct dirent *entry;

        errno = 0;
        entry = readdir(stream);
        if (!entry)
            return errno ? error_set(SOWLV2_ERROR_IO, "%s: cannot list the folder: %s", path, strerror(errno)) : 0;
        status = take_entry(walk, stream, entry, below);
    }
    return status;
}

/* Whether a folder is no place on a disk, but what the kernel says of itself: files without end. */
static bool is_of_kernel(DIR *stream)
{
    struct statfs info;

    if (fstatfs(dirfd(stream), &info) != 0)
        return false;
    switch ((unsigned long)info.f_type) {
    case PROC_SUPER_MAGIC:
    case SYSFS_MAGIC:
    case DEBUGFS_MAGIC:
    case TRACEFS_MAGIC:
    case CGROUP_SUPER_MAGIC:
    case CGROUP2_SUPER_MAGIC:
        return true;
    default:
        return false;
    }
}

static int note(struct met *met, const char *below)
{
    return met->count++ < SHOWN ? string_list_append(&met->some, below) : 0;
}

static int visit_open(struct walk *walk, DIR *stream, const char *below, const char *path, bool by_link)
{
    struct stat info;
    bool met = false;
    int status;

    if (fstat(dirfd(stream), &info) != 0)
        return error_set(SOWLV2_ERROR_IO, "%s: cannot list the folder: %s", path, strerror(errno));
    if (*below && is_of_kernel(stream)) {
        log_notice("%s: files of the kernel: left out", path);
        return 0;
    }
    status = meet(walk, &info, &met);
    if (!status && met && by_link)
        status = note(&walk->known_links, below);
    if (status || met)
        return status;
    if (walk->gone_through)
        status = string_list_append(walk->gone_through, path);
    return status ? status : read_entries(walk, stream, below, path);
}

/* A folder below the root that cannot be opened becomes a name of the list: reading it reports why. */
static int visit(struct walk *walk, const char *below, bool by_link)
{
    char *const path = full_path(walk, below);
    DIR *stream;
    int status = 0;

    if (!path)
        return error_memory("list of folders");
    if (*below && listing_is_result(path)) {
        log_debug("%s: results: left out", path);
        free(path);
        return 0;
    }
    stream = opendir(path);
    if (stream) {
        const bool output = walk->options->recursive && listing_is_output(path);

        if (output && !*below && !walk->quiet_root)
            log_notice("%s: the results of an earlier run in it are left out", path);
        if (output && *below)
            status = note(&walk->outputs, below);
        if (!status)
            status = visit_open(walk, stream, below, path, by_link);
        closedir(stream);
    } else if (walk->gone_through && *below) {
        log_warning("%s: cannot list the folder: %s: left out", path, strerror(errno));
    } else if (*below) {
        status = string_list_append(&walk->out->images, below);
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

static bool is_same(const char *path, const struct stat *info)
{
    struct stat other;

    return stat(path, &other) == 0 && other.st_dev == info->st_dev && other.st_ino == info->st_ino;
}

/* "3 links to folders ...: a, b, ...": one line for all of them, since folders of systems have hundreds. */
static void tell_met(const struct walk *walk, const struct met *met, const char *one, const char *several)
{
    struct string names = {0};

    for (size_t i = 0; i < met->some.count; i++)
        string_append_format(&names, "%s%s", i > 0 ? ", " : "", met->some.items[i]);
    if (met->count > met->some.count)
        string_append_text(&names, ", ...");
    if (met->count > 0 && !names.failed)
        log_notice("%s: %zu %s: %s", walk->root, met->count, met->count == 1 ? one : several, names.data);
    string_free(&names);
}

static int run(struct walk *walk)
{
    const char *const apart = walk->options->leave_out;
    struct stat info;
    bool met;
    int status = 0;

    if (apart && stat(apart, &info) == 0) {
        walk->quiet_root = is_same(walk->root, &info);
        if (!walk->quiet_root)
            status = meet(walk, &info, &met);
    }
    if (!status)
        status = visit(walk, "", false);
    while (!status && !walk->finished && walk->folders.count + walk->links.count > 0) {
        const bool by_link = walk->folders.count == 0;
        char *const below = take_last(by_link ? &walk->links : &walk->folders);

        status = visit(walk, below, by_link);
        free(below);
    }
    tell_met(walk, &walk->known_links, "link to a folder that is listed already: not gone through again",
             "links to folders that are listed already: not gone through again");
    tell_met(walk, &walk->outputs, "folder in it has the results of an earlier run, which are left out",
             "folders in it have the results of earlier runs, which are left out");
    string_list_free(&walk->known_links.some);
    string_list_free(&walk->outputs.some);
    string_list_free(&walk->folders);
    string_list_free(&walk->links);
    free(walk->seen);
    return status;
}

int listing_walk(const char *folder, const struct listing_options *options, struct listing *out)
{
    struct walk walk = {.root = folder, .options = options, .out = out};

    *out = (struct listing){0};
    const int status = run(&walk);
    sort(&out->images);
    sort(&out->videos);
    return status;
}

void listing_free(struct listing *listing)
{
    string_list_free(&listing->images);
    string_list_free(&listing->videos);
    string_list_free(&listing->some);
    *listing = (struct listing){0};
}

int listing_folders(const char *folder, const char *leave_out, struct string_list *paths)
{
    const struct listing_options options = {.recursive = true, .leave_out = leave_out};
    struct listing unread = {0};
    struct walk walk = {.root = folder, .options = &options, .out = &unread, .gone_through = paths};
    const int status = run(&walk);

    listing_free(&unread);
    return status;
}
