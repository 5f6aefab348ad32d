/* File names of the output folder. */
#include "output/names.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* A string and where it stood, for sorting. */
struct entry {
    const char *text;
    size_t index;
};

static int compare_entries(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;
    int order = strcmp(left->text, right->text);

    return order ? order : (left->index > right->index) - (left->index < right->index);
}

/* The list's items sorted by text, then place; freed by the caller; NULL: out of memory. */
static struct entry *sort_entries(const struct string_list *list)
{
    struct entry *entries = calloc(list->count + 1, sizeof(*entries));

    if (!entries)
        return NULL;
    for (size_t i = 0; i < list->count; i++)
        entries[i] = (struct entry){list->items[i], i};
    qsort(entries, list->count, sizeof(*entries), compare_entries);
    return entries;
}

static bool contains(const struct entry *entries, size_t count, const char *text)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(entries[middle].text, text);

        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* Appends to `unique` the items of `plain`, with "~2", "~3" on each that repeats an earlier one, avoiding
 * names that are in `plain` themselves. Two different texts cannot meet: what stands before the last '~'
 * differs. */
static int make_unique(const struct string_list *plain, struct string_list *unique)
{
    struct entry *entries = sort_entries(plain);
    char **renamed = calloc(plain->count + 1, sizeof(*renamed));
    int status = entries && renamed ? 0 : error_memory("file names");

    for (size_t i = 1, number = 2; !status && i < plain->count; i++) {
        struct string name = {0};

        if (strcmp(entries[i].text, entries[i - 1].text) != 0) {
            number = 2;
            continue;
        }
        do {
            string_clear(&name);
            string_append_format(&name, "%s~%zu", entries[i].text, number++);
        } while (!name.failed && contains(entries, plain->count, name.data));
        if (name.failed) {
            string_free(&name);
            status = error_memory("file names");
        }
        renamed[entries[i].index] = name.data;
    }
    for (size_t i = 0; !status && i < plain->count; i++)
        status = string_list_append(unique, renamed[i] ? renamed[i] : plain->items[i]);
    for (size_t i = 0; renamed && i < plain->count; i++)
        free(renamed[i]);
    free(renamed);
    free(entries);
    return status;
}

/* Whether a slug keeps this character. A combining mark belongs to the letter before it: scripts as
 * Devanagari or Thai write their vowels so. */
static bool slug_keeps(utf8proc_int32_t character, bool after_letter)
{
    switch (utf8proc_category(character)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_ND:
        return true;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
        return after_letter;
    default:
        return character == '-' || character == '_';
    }
}

static void append_slug(struct string *slug, const char *prompt)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)prompt;
    utf8proc_ssize_t left = (utf8proc_ssize_t)strlen(prompt);
    bool after_letter = false;

    while (left > 0) {
        utf8proc_int32_t character = -1;
        utf8proc_ssize_t size = utf8proc_iterate(at, left, &character);
        bool keep = size > 0 && slug_keeps(character, after_letter);

        if (size <= 0)
            size = 1;
        if (slug->length + (keep ? (size_t)size : 1) > NAMES_SLUG_BYTES)
            break;
        if (keep)
            string_append(slug, (const char *)at, (size_t)size);
        else
            string_append_text(slug, "_");
        after_letter = keep && character != '-' && character != '_';
        at += size;
        left -= size;
    }
    if (slug->length == 0)
        string_append_text(slug, "_");
}

/* The place of the first prompt equal to the i-th: a prompt given twice has one slug. */
static size_t first_equal(const char *const *prompts, size_t i)
{
    size_t first = 0;

    while (strcmp(prompts[first], prompts[i]) != 0)
        first++;
    return first;
}

int names_slugs(const char *const *prompts, size_t count, struct string_list *slugs)
{
    struct string_list plain = {0}, unique = {0};
    size_t *place = calloc(count + 1, sizeof(*place)); /* of each prompt's slug in `unique` */
    int status = place ? 0 : error_memory("file names");

    for (size_t i = 0; !status && i < count; i++) {
        size_t first = first_equal(prompts, i);
        struct string slug = {0};

        if (first < i) {
            place[i] = place[first];
            continue;
        }
        place[i] = plain.count;
        append_slug(&slug, prompts[i]);
        status = slug.failed ? error_memory("file names") : string_list_append(&plain, slug.data);
        string_free(&slug);
    }
    if (!status)
        status = make_unique(&plain, &unique);
    for (size_t i = 0; !status && i < count; i++)
        status = string_list_append(slugs, unique.items[place[i]]);
    string_list_free(&plain);
    string_list_free(&unique);
    free(place);
    return status;
}

/* How many bytes of `name` are its stem: without the last suffix, cut between characters where too long. */
static size_t stem_length(const char *name)
{
    const char *dot = strrchr(name, '.');
    size_t length = dot && dot != name ? (size_t)(dot - name) : strlen(name);

    if (length > NAMES_STEM_BYTES) {
        length = NAMES_STEM_BYTES;
        while (length > NAMES_STEM_BYTES - 4 && ((unsigned char)name[length] & 0xC0) == 0x80)
            length--;
    }
    return length;
}

int names_stems(const char *const *inputs, size_t count, struct string_list *stems)
{
    struct string_list plain = {0}, unique = {0};
    int status = 0;

    for (size_t i = 0; !status && i < count; i++) {
        const char *name = path_base(inputs[i]);
        struct string stem = {0};

        string_append(&stem, name, stem_length(name));
        status = stem.failed ? error_memory("file names") : string_list_append(&plain, stem.data ? stem.data : "");
        string_free(&stem);
    }
    if (!status)
        status = make_unique(&plain, &unique);
    for (size_t i = 0; !status && i < count; i++) {
        if (strcmp(plain.items[i], unique.items[i]) != 0) // NOLINT(clang-analyzer-core.*): one for each input
            log_notice("%s: another input has the name '%s' too: its pictures are named '%s_...'", inputs[i],
                       plain.items[i], unique.items[i]);
        status = string_list_append(stems, unique.items[i]);
    }
    string_list_free(&plain);
    string_list_free(&unique);
    return status;
}

static const struct {
    const char *folder, *ending; /* of pictures, without the suffix */
    const char *video_folder;
    bool object;
} kinds[] = {
    [NAMES_OBJECT_MASK] = {"binary/frames", "mask", "video/binary", true},
    [NAMES_MERGED_MASK] = {"binary/merged", "merged_mask", "video/binary", false},
    [NAMES_OBJECT_OVERLAY] = {"overlay/frames", "overlay", "video/overlay", true},
    [NAMES_MERGED_OVERLAY] = {"overlay/merged", "merged_overlay", "video/overlay", false},
    [NAMES_OBJECT_CROP] = {"crops", "crop", NULL, true},
};

const char *names_folder(enum names_kind kind)
{
    return kinds[kind].folder;
}

/* The path, or NULL: out of memory. */
static char *take_path(struct string *path)
{
    if (path->failed)
        string_free(path);
    return path->data;
}

char *names_path(enum names_kind kind, const char *stem, size_t object, const char *slug)
{
    struct string path = {0};

    string_append_format(&path, "%s/%s_", kinds[kind].folder, stem);
    if (kinds[kind].object)
        string_append_format(&path, "obj%zu_%s%s", object, slug ? slug : "", slug ? "_" : "");
    string_append_format(&path, "%s.png", kinds[kind].ending);
    return take_path(&path);
}

const char *names_video_folder(enum names_kind kind)
{
    return kinds[kind].video_folder;
}

char *names_video_path(enum names_kind kind, int64_t object, const char *slug, const char *suffix)
{
    struct string path = {0};

    string_append_format(&path, "%s/", kinds[kind].video_folder);
    if (kinds[kind].object)
        string_append_format(&path, "obj%" PRId64 "_%s%s", object, slug ? slug : "", slug ? "_" : "");
    string_append_format(&path, "%s%s", kinds[kind].ending, suffix);
    return take_path(&path);
}
