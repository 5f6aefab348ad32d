/* Each input once, and each under a name of its own. */
#include "pipeline/inputs_list.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/url.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <utf8proc.h>

/* A text and where it stands. */
struct place {
    const char *text;
    size_t index;
};

static int compare_places(const void *a, const void *b)
{
    const struct place *left = a, *right = b;
    const int order = strcmp(left->text, right->text);

    return order ? order : (left->index > right->index) - (left->index < right->index);
}

/* ---- each once ---- */

/* Folders as they are called without links, kept for the next file of the same. */
struct resolver {
    char *folder, *real;
};

/* The file's one path, however it was spelled; addresses and what is not there stay as they are. NULL: out of memory.
 */
static char *resolve(struct resolver *resolver, const char *path)
{
    const char *const base = path_base(path);
    char *folder, *real = NULL;
    struct stat info;

    if (url_is(path) || strcmp(path, "-") == 0 || lstat(path, &info) != 0)
        return strdup(path);
    if (!S_ISREG(info.st_mode)) {
        real = realpath(path, NULL);
        return real ? real : strdup(path);
    }
    folder = base > path ? strndup(path, (size_t)(base - path)) : strdup(".");
    if (!folder)
        return NULL;
    if (!resolver->folder || strcmp(resolver->folder, folder) != 0) {
        free(resolver->folder);
        free(resolver->real);
        resolver->folder = folder;
        resolver->real = realpath(folder, NULL);
    } else {
        free(folder);
    }
    return resolver->real ? path_join(resolver->real, base) : strdup(path);
}

/* Links in one folder are files of their own: the names are what the folder is ordered by. */
static bool is_repeat(const struct inputs_entry *first, const struct inputs_entry *other)
{
    return first->given != other->given || strcmp(first->path, other->path) == 0;
}

static void drop(struct inputs_entry *entry)
{
    free(entry->name);
    free(entry->path);
    entry->name = entry->path = NULL;
}

/* Says for each value of --input how many of its files another one has given before; of values that are one file each,
 * which a shell's pattern gives by thousands, for all together. */
static void tell_repeats(const struct inputs_options *options, const size_t *repeats, char *const *last)
{
    struct few single = {0};

    for (size_t i = 0; i < options->count + options->as_video_count; i++) {
        const char *const given = i < options->count ? options->given[i] : options->as_videos[i - options->count];

        if (repeats[i] == 1)
            few_add(&single, "%s", last[i] ? last[i] : given);
        else if (repeats[i] > 1)
            log_notice("%s: %zu of its files are given more than once: done once", given, repeats[i]);
    }
    if (single.count == 1 && !single.text.failed)
        log_notice("%s: given more than once: done once", single.text.data);
    else if (single.count > 1 && !single.text.failed)
        log_notice("%zu inputs are given more than once: done once: %s", single.count, single.text.data);
    string_free(&single.text);
}

/* Takes out those of equal keys; `repeats` counts them by value, and `last` holds the path of one of each. */
static void drop_equal(struct inputs_entry *items, const struct place *places, size_t count, size_t *repeats,
                       char **last)
{
    for (size_t i = 0, end; i < count; i = end) {
        const struct inputs_entry *const first = &items[places[i].index];

        for (end = i + 1; end < count && strcmp(places[end].text, places[i].text) == 0; end++) {
            struct inputs_entry *const other = &items[places[end].index];

            if (!is_repeat(first, other))
                continue;
            if (other->given != first->given) { /* else a pattern matches a folder and what is in it */
                repeats[other->given]++;
                free(last[other->given]);
                last[other->given] = strdup(other->path);
            }
            drop(other);
        }
    }
}

int inputs_drop_repeats(const struct inputs_options *options, struct inputs_entry *items, size_t *count)
{
    const size_t values = options->count + options->as_video_count;
    struct resolver resolver = {0};
    struct place *const places = calloc(*count + 1, sizeof(*places));
    char **const keys = calloc(*count + 1, sizeof(*keys));
    size_t *const repeats = calloc(values + 1, sizeof(*repeats)), kept = 0;
    char **const last = calloc(values + 1, sizeof(*last));
    int status = places && keys && repeats && last ? 0 : error_memory("list of inputs");

    for (size_t i = 0; !status && i < *count; i++) {
        keys[i] = resolve(&resolver, items[i].path);
        if (!keys[i])
            status = error_memory("list of inputs");
        places[i] = (struct place){keys[i], i};
    }
    if (!status) {
        qsort(places, *count, sizeof(*places), compare_places);
        drop_equal(items, places, *count, repeats, last);
        tell_repeats(options, repeats, last);
        for (size_t i = 0; i < *count; i++)
            if (items[i].path)
                items[kept++] = items[i];
    }
    for (size_t i = 0; keys && i < *count; i++)
        free(keys[i]);
    for (size_t i = 0; last && i < values; i++)
        free(last[i]);
    if (!status)
        *count = kept;
    free(resolver.folder);
    free(resolver.real);
    free(places);
    free(keys);
    free(repeats);
    free(last);
    return status;
}

/* ---- names ---- */

/* Gives an entry a new name, which is taken over. */
static int rename_to(struct inputs_entry *entry, char *name)
{
    if (!name)
        return error_memory("list of inputs");
    free(entry->name);
    entry->name = name;
    return 0;
}

char *inputs_path_name(const char *path)
{
    return url_is(path) ? url_plain(path) : strdup(path);
}

static int name_by_path(struct inputs_entry *entry, bool *changed)
{
    char *const name = inputs_path_name(entry->path);

    if (name && strcmp(name, entry->name) == 0) {
        free(name);
        return 0;
    }
    *changed = true;
    return rename_to(entry, name);
}

static bool has_name(const struct inputs_entry *items, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(items[i].name, name) == 0)
            return true;
    return false;
}

/* Addresses that differ only in what is left out of their names are counted. */
static int name_by_number(struct inputs_entry *items, size_t count, size_t index)
{
    struct string name = {0};

    for (size_t number = 2; !name.failed; number++) {
        string_clear(&name);
        string_append_format(&name, "%s~%zu", items[index].name, number);
        if (name.failed || !has_name(items, count, name.data))
            break;
    }
    if (name.failed)
        string_free(&name);
    return rename_to(&items[index], name.data);
}

static void sort_names(const struct inputs_entry *items, size_t count, struct place *places)
{
    for (size_t i = 0; i < count; i++)
        places[i] = (struct place){items[i].name, i};
    qsort(places, count, sizeof(*places), compare_places);
}

/* Goes once through those of equal names: all are named by their paths, or all but the first by numbers. */
static int rename_equal(struct inputs_entry *items, size_t count, struct place *places, bool by_path, bool *changed)
{
    int status = 0;

    sort_names(items, count, places);
    for (size_t i = 0, end; !status && i < count; i = end) {
        for (end = i + 1; end < count && strcmp(places[end].text, places[i].text) == 0;)
            end++;
        for (size_t j = by_path ? i : i + 1; end - i > 1 && !status && j < end; j++) {
            places[j].text = "";
            status = by_path ? name_by_path(&items[places[j].index], changed)
                             : name_by_number(items, count, places[j].index);
        }
    }
    return status;
}

int inputs_tell_apart(struct inputs_entry *items, size_t count)
{
    struct place *const places = calloc(count + 1, sizeof(*places));
    bool changed = true;
    int status = places ? 0 : error_memory("list of inputs");

    while (!status && changed) {
        changed = false;
        status = rename_equal(items, count, places, true, &changed);
    }
    if (!status)
        status = rename_equal(items, count, places, false, &changed);
    free(places);
    return status;
}

/* Rows are UTF-8: each byte that belongs to no character is written as \xNN in the name. */
int inputs_make_utf8(char **name)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)*name;
    utf8proc_ssize_t left = (utf8proc_ssize_t)strlen(*name);
    struct string text = {0};
    bool valid = true;

    while (left > 0) {
        utf8proc_int32_t character;
        utf8proc_ssize_t size = utf8proc_iterate(at, left, &character);

        if (size > 0)
            string_append(&text, (const char *)at, (size_t)size);
        else
            string_append_format(&text, "\\x%02x", *at);
        valid &= size > 0;
        size = size > 0 ? size : 1;
        at += size;
        left -= size;
    }
    if (text.failed || valid) {
        string_free(&text);
        return valid ? 0 : error_memory("list of images");
    }
    free(*name);
    *name = text.data;
    return 0;
}
