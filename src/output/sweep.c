/* Removing what earlier runs wrote, and nothing else: files that the journal names, in folders of results alone. */
#include "base/error.h"
#include "base/file.h"
#include "media/listing.h"
#include "output/claim_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_FOLDERS = 16 };

struct sweep {
    struct output_claim *claim;
    int folders[MOST_FOLDERS]; /* descriptor of each folder of results; -1: there is none, or not looked for */
    bool opened[MOST_FOLDERS];
    const struct string_list *others; /* sorted: files that are not removed; NULL: all are */
    struct string_list files;         /* to be removed, where some stay */
    bool *stays;                      /* [files.count] */
};

int output_open_below(int folder, const char *below)
{
    const char *slash = strchr(below, '/');
    char *first = slash ? strndup(below, (size_t)(slash - below)) : NULL;
    int parent = -1, found = -1;

    if (!slash)
        return openat(folder, below, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (first)
        parent = openat(folder, first, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (parent >= 0) {
        found = openat(parent, slash + 1, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        close(parent);
    }
    free(first);
    return found;
}

const char *output_own_name(const char *file, size_t *folder)
{
    for (size_t i = 0; listing_result_folders[i] && i < MOST_FOLDERS; i++) {
        const size_t length = strlen(listing_result_folders[i]);

        if (strncmp(file, listing_result_folders[i], length) != 0 || file[length] != '/')
            continue;
        *folder = i;
        file += length + 1;
        return *file && !strchr(file, '/') && strcmp(file, ".") != 0 && strcmp(file, "..") != 0 ? file : NULL;
    }
    return NULL;
}

static void remove_file(struct sweep *sweep, const char *file)
{
    size_t folder = 0;
    const char *name = output_own_name(file, &folder);

    if (!name)
        return;
    if (!sweep->opened[folder])
        sweep->folders[folder] = output_open_below(sweep->claim->descriptor, listing_result_folders[folder]);
    sweep->opened[folder] = true;
    if (sweep->folders[folder] >= 0)
        unlinkat(sweep->folders[folder], name, 0);
}

/* The record of the next image's line; NULL: no record was made of it. */
static const struct output_record *next_record(const struct output_claim *claim, size_t *at)
{
    return *at < claim->record_count ? &claim->records[(*at)++] : NULL;
}

/* Where a line's files begin; 0: it has none. */
static size_t first_file(const struct journal_line *line)
{
    if (strcmp(line->fields[0], "image") == 0)
        return 6;
    return strcmp(line->fields[0], "files") == 0 ? 1 : 0;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(struct string_list *list)
{
    if (list->count > 0)
        qsort(list->items, list->count, sizeof(*list->items), compare_texts);
}

/* Its place in a sorted list; NULL: it is not in it. */
static char **find(const struct string_list *list, const char *file)
{
    return list->count > 0 ? bsearch(&file, list->items, list->count, sizeof(*list->items), compare_texts) : NULL;
}

/* Marks a file of an image that stays. */
static void keep_file(struct sweep *sweep, const char *file)
{
    char **found = find(&sweep->files, file);

    if (found)
        sweep->stays[found - sweep->files.items] = true;
}

enum pass { REMOVE_ALL, COLLECT, KEEP };

/* Goes through the journal once. A damaged line, in a journal that nothing else is taken from, is passed over. */
static int go_through(struct sweep *sweep, FILE *stream, enum pass pass)
{
    struct journal_line line = {0};
    size_t record_at = 0;
    int status = 0, got;

    rewind(stream);
    while (!status &&
           ((got = journal_next(stream, sweep->claim->journal_path, &line)) == 1 || got == SOWLV2_ERROR_FORMAT)) {
        const size_t first = got == 1 ? first_file(&line) : 0;
        const struct output_record *record = NULL;

        if (pass != REMOVE_ALL && first == 6)
            record = next_record(sweep->claim, &record_at);
        if (pass != REMOVE_ALL && (record && record->stays) != (pass == KEEP))
            continue;
        for (size_t i = first; first > 0 && !status && i < line.count; i++)
            if (pass == REMOVE_ALL && !(sweep->others && find(sweep->others, line.fields[i])))
                remove_file(sweep, line.fields[i]);
            else if (pass == REMOVE_ALL)
                continue;
            else if (pass == KEEP)
                keep_file(sweep, line.fields[i]);
            else
                status = string_list_append(&sweep->files, line.fields[i]);
    }
    journal_line_free(&line);
    return status ? status : got;
}

/* Files of what does not stay, unless what stays has them too. */
static int remove_rest(struct sweep *sweep, FILE *stream)
{
    int status = go_through(sweep, stream, COLLECT);

    if (status || sweep->files.count == 0)
        return status;
    sort(&sweep->files);
    sweep->stays = calloc(sweep->files.count, sizeof(*sweep->stays));
    status = sweep->stays ? go_through(sweep, stream, KEEP) : error_memory("journal");
    for (size_t i = 0; !status && i < sweep->files.count; i++)
        if (!sweep->stays[i])
            remove_file(sweep, sweep->files.items[i]);
    return status;
}

void output_remove_empty(const struct output_claim *claim)
{
    const int root = claim->descriptor;

    for (size_t i = 0; listing_result_folders[i]; i++) {
        const char *below = listing_result_folders[i], *slash = strchr(below, '/');
        char *parent_name = slash ? strndup(below, (size_t)(slash - below)) : NULL;
        const int parent = parent_name ? output_open_below(root, parent_name) : -1;

        if (!slash)
            unlinkat(root, below, AT_REMOVEDIR);
        if (parent >= 0) {
            unlinkat(parent, slash + 1, AT_REMOVEDIR);
            close(parent);
            unlinkat(root, parent_name, AT_REMOVEDIR);
        }
        free(parent_name);
    }
}

static int run_sweep(struct sweep *sweep, bool keep)
{
    struct output_claim *claim = sweep->claim;
    FILE *stream = NULL;
    int status = output_open_file(claim->mark, "journal", claim->journal_path, &stream);

    for (size_t i = 0; i < MOST_FOLDERS; i++)
        sweep->folders[i] = -1;
    if (!status && stream)
        status = keep ? remove_rest(sweep, stream) : go_through(sweep, stream, REMOVE_ALL);
    if (!status && stream && !keep)
        output_remove_empty(claim);
    for (size_t i = 0; i < MOST_FOLDERS; i++)
        if (sweep->folders[i] >= 0)
            close(sweep->folders[i]);
    if (stream)
        fclose(stream);
    string_list_free(&sweep->files);
    free(sweep->stays);
    return status;
}

int output_sweep(struct output_claim *claim, bool keep)
{
    struct sweep sweep = {.claim = claim};

    return run_sweep(&sweep, keep);
}

int output_sweep_others(struct output_claim *claim, struct string_list *stay)
{
    struct sweep sweep = {.claim = claim, .others = stay};

    sort(stay);
    return run_sweep(&sweep, false);
}
