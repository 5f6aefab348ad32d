/* See hub_list.h. */
#include "weights/hub_list.h"

#include "base/error.h"
#include "base/file.h"
#include "base/strings.h"
#include "weights/demo.h"
#include "weights/hub.h"
#include "weights/hub_cache.h"
#include "weights/hub_snapshot.h"
#include "weights/model_kind.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Folders in folders that are followed: file names on the hub have few. */
enum { DEEPEST = 8, COMMIT_LIMIT = 256 };

static const char prefix[] = "models--";

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* "org/name" of "models--org--name", freed by the caller; NULL: not such a name, or out of memory. */
static char *read_id(const char *name)
{
    char *id = strncmp(name, prefix, sizeof(prefix) - 1) == 0 ? strdup(name + sizeof(prefix) - 1) : NULL;
    char *dashes = id ? strstr(id, "--") : NULL;
    if (dashes) {
        *dashes = '/';
        memmove(dashes + 1, dashes + 2, strlen(dashes + 2) + 1);
    }
    if (id && !hub_id_is_valid(id)) {
        free(id);
        id = NULL;
    }
    return id;
}

/* Bytes of all files below `folder`, links followed. */
static int64_t measure(const char *folder, int depth)
{
    int64_t size = 0;
    DIR *directory = depth < DEEPEST ? opendir(folder) : NULL;
    if (!directory)
        return 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        struct stat status;
        char *path = is_dots(entry->d_name) ? NULL : path_join(folder, entry->d_name);
        if (path && stat(path, &status) == 0)
            size += S_ISDIR(status.st_mode) ? measure(path, depth + 1) : (int64_t)status.st_size;
        free(path);
    }
    closedir(directory);
    return size;
}

/* Appends the refs below `folder` that name `commit`; `name` is what they begin with. */
static void find_refs(const char *folder, const char *name, const char *commit, int depth, struct string *out)
{
    DIR *directory = depth < DEEPEST ? opendir(folder) : NULL;
    if (!directory)
        return;
    for (struct dirent *entry; (entry = readdir(directory));) {
        struct string path = {0}, full = {0};
        char *text = NULL;
        size_t size;
        if (is_dots(entry->d_name))
            continue;
        string_append_format(&path, "%s/%s", folder, entry->d_name);
        string_append_format(&full, "%s%s%s", name, *name ? "/" : "", entry->d_name);
        if (path.failed || full.failed)
            out->failed = true;
        else if (file_is_directory(path.data))
            find_refs(path.data, full.data, commit, depth + 1, out);
        else if (file_read(path.data, COMMIT_LIMIT, &text, &size) == 0 && strcmp(text, commit) == 0)
            string_append_format(out, "%s%s", out->length > 0 ? ", " : "", full.data);
        free(text);
        string_free(&path);
        string_free(&full);
    }
    closedir(directory);
}

static void free_listed(struct hub_listed *item)
{
    free(item->id);
    free(item->revisions);
    free(item->commit);
}

static int append(struct hub_list *list, struct hub_listed *item)
{
    struct hub_listed *larger = realloc(list->items, (list->count + 1) * sizeof(*larger));
    if (!larger)
        return error_memory("list of models");
    list->items = larger;
    list->items[list->count++] = *item;
    return 0;
}

static int add_snapshot(const char *repository, const char *id, const char *commit, struct hub_list *list)
{
    struct string snapshot = {0}, refs = {0}, names = {0};
    struct hub_listed item = {.id = strdup(id), .commit = strdup(commit)};
    string_append_format(&snapshot, "%s/snapshots/%s", repository, commit);
    string_append_format(&refs, "%s/refs", repository);
    string_append_text(&names, "");
    bool failed = snapshot.failed || refs.failed || !item.id || !item.commit;
    if (!failed)
        find_refs(refs.data, "", commit, 0, &names);
    item.revisions = names.data;
    failed |= names.failed;
    int status = failed ? error_memory("list of models") : 0;
    const bool folder = !status && file_is_directory(snapshot.data);
    if (folder) {
        item.kind = model_kind_of_folder(snapshot.data);
        item.size = measure(snapshot.data, 0);
        if (item.kind && hub_snapshot_is_complete(snapshot.data, item.kind, &item.complete) != 0)
            item.complete = false;
        status = append(list, &item);
    }
    if (status || !folder)
        free_listed(&item);
    string_free(&snapshot);
    string_free(&refs);
    return status;
}

static int add_installed(const char *folder, struct hub_list *list)
{
    struct hub_listed item = {
        .id = strdup("demo"), .revisions = strdup(""), .commit = strdup(""), .kind = model_kind_of_folder(folder)};
    int status = item.id && item.revisions && item.commit ? 0 : error_memory("list of models");
    item.size = measure(folder, 0);
    if (item.kind && hub_snapshot_is_complete(folder, item.kind, &item.complete) != 0)
        item.complete = false;
    if (!status && item.kind)
        status = append(list, &item);
    if (status || !item.kind)
        free_listed(&item);
    return status;
}

int hub_list_add_installed(struct hub_list *list)
{
    static const char *const kinds[] = {"owlv2", "sam2", "vjepa2"};
    int status = 0;
    for (size_t i = 0; !status && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        char *folder = NULL;
        const int found = demo_locate(kinds[i], &folder);
        if (!found)
            status = add_installed(folder, list);
        else if (found != SOWLV2_ERROR_MODEL)
            status = found;
        free(folder);
    }
    return status;
}

static int add_model(const char *cache, const char *name, struct hub_list *list)
{
    struct string repository = {0};
    char *id = read_id(name), *snapshots = NULL;
    int status = 0;
    if (!id)
        return 0;
    string_append_format(&repository, "%s/%s", cache, name);
    if (!repository.failed)
        snapshots = path_join(repository.data, "snapshots");
    DIR *directory = snapshots ? opendir(snapshots) : NULL;
    if (!snapshots)
        status = error_memory("list of models");
    for (struct dirent *entry; directory && !status && (entry = readdir(directory));)
        if (hub_commit_is_valid(entry->d_name))
            status = add_snapshot(repository.data, id, entry->d_name, list);
    if (directory)
        closedir(directory);
    free(snapshots);
    free(id);
    string_free(&repository);
    return status;
}

static int compare(const void *a, const void *b)
{
    const struct hub_listed *first = a, *second = b;
    const int order = strcmp(first->id, second->id);
    return order ? order : strcmp(first->commit, second->commit);
}

int hub_list_read(const char *cache_dir, struct hub_list *out)
{
    *out = (struct hub_list){0};
    int status = hub_cache_directory(cache_dir, &out->cache);
    DIR *directory = status ? NULL : opendir(out->cache);
    for (struct dirent *entry; directory && !status && (entry = readdir(directory));)
        status = add_model(out->cache, entry->d_name, out);
    if (directory)
        closedir(directory);
    if (out->count > 1)
        qsort(out->items, out->count, sizeof(*out->items), compare);
    if (status)
        hub_list_free(out);
    return status;
}

void hub_list_free(struct hub_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free_listed(&list->items[i]);
    free(list->items);
    free(list->cache);
    *list = (struct hub_list){0};
}
