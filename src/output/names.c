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

/* What names may not be: those of the same list, and those that are taken. */
struct taken {
    struct entry *plain, *reserved;
    size_t plain_count, reserved_count;
};

static bool is_reserved(const struct taken *taken, const char *text)
{
    return contains(taken->reserved, taken->reserved_count, text);
}

/* "TEXT~N" with the next number that is free; NULL: out of memory. */
static char *number_name(const struct taken *taken, const char *text, size_t *number)
{
    struct string name = {0};

    do {
        string_clear(&name);
        string_append_format(&name, "%s~%zu", text, (*number)++);
    } while (!name.failed && (contains(taken->plain, taken->plain_count, name.data) || is_reserved(taken, name.data)));
    if (name.failed)
        string_free(&name);
    return name.data;
}

/* Appends to `unique` the items of `plain`, with "~2", "~3" on each that repeats an earlier one or is reserved,
 * avoiding names that are in `plain` or `reserved` (NULL: none) themselves. Two different texts cannot meet: what
 * stands before the last '~' differs. */
static int make_unique(const struct string_list *plain, const struct string_list *reserved, struct string_list *unique)
{
    const struct string_list nothing = {0};
    const struct taken taken = {.plain = sort_entries(plain),
                                .plain_count = plain->count,
                                .reserved = sort_entries(reserved ? reserved : &nothing),
                                .reserved_count = reserved ? reserved->count : 0};
    char **renamed = calloc(plain->count + 1, sizeof(*renamed));
    int status = taken.plain && taken.reserved && renamed ? 0 : error_memory("file names");

    for (size_t i = 0, number = 2; !status && i < plain->count; i++) {
        const struct entry *entry = &taken.plain[i];
        const bool repeats = i > 0 && strcmp(entry->text, entry[-1].text) == 0;

        if (!repeats)
            number = 2;
        if (!repeats && !is_reserved(&taken, entry->text))
            continue;
        renamed[entry->index] = number_name(&taken, entry->text, &number);
        if (!renamed[entry->index])
            status = error_memory("file names");
    }
    for (size_t i = 0; !status && i < plain->count; i++)
        status = string_list_append(unique, renamed[i] ? renamed[i] : plain->items[i]);
    for (size_t i = 0; renamed && i < plain->count; i++)
        free(renamed[i]);
    free(renamed);
    free(taken.plain);
    free(taken.reserved);
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
        status = make_unique(&plain, NULL, &unique);
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

/* The stems of the inputs; for `folders` none is empty or begins with a dot. */
static int plain_stems(const char *const *inputs, size_t count, bool folders, struct string_list *plain)
{
    int status = 0;

    for (size_t i = 0; !status && i < count; i++) {
        const char *name = path_base(inputs[i]);
        struct string stem = {0};

        string_append(&stem, name, stem_length(name));
        if (folders && stem.length == 0)
            string_append_text(&stem, "_");
        for (size_t at = 0; folders && !stem.failed && stem.data[at] == '.'; at++)
            stem.data[at] = '_';
        status = stem.failed ? error_memory("file names") : string_list_append(plain, stem.data ? stem.data : "");
        string_free(&stem);
    }
    return status;
}

/* One notice for all: a folder of a burst's JPEG and raw pictures has thousands of such pairs. */
static void tell_stems(const struct few *renamed)
{
    if (renamed->count > 0 && !renamed->text.failed)
        log_notice("%zu input%s named like another one except for folder and suffix: %s pictures have a number in "
                   "their names: %s",
                   renamed->count, renamed->count == 1 ? " is" : "s are", renamed->count == 1 ? "its" : "their",
                   renamed->text.data);
}

int names_stems(const char *const *inputs, size_t count, const struct string_list *reserved, struct string_list *stems)
{
    struct string_list plain = {0}, unique = {0};
    struct few renamed = {0};
    int status = plain_stems(inputs, count, false, &plain);

    if (!status)
        status = make_unique(&plain, reserved, &unique);
    for (size_t i = 0; !status && i < count; i++) {
        if (strcmp(plain.items[i], unique.items[i]) != 0) // NOLINT(clang-analyzer-core.*): one for each input
            few_add(&renamed, "%s (%s_...)", inputs[i], unique.items[i]);
        status = string_list_append(stems, unique.items[i]);
    }
    if (!status)
        tell_stems(&renamed);
    string_free(&renamed.text);
    string_list_free(&plain);
    string_list_free(&unique);
    return status;
}

/* The names of `taken`, and those that the output folder's own files have. */
static int reserve_own(const struct string_list *taken, struct string_list *reserved)
{
    static const char *const own[] = {"binary", "overlay", "video", "crops", "results.jsonl"};
    int status = 0;

    for (size_t i = 0; !status && i < sizeof(own) / sizeof(own[0]); i++)
        status = string_list_append(reserved, own[i]);
    for (size_t i = 0; !status && taken && i < taken->count; i++)
        status = string_list_append(reserved, taken->items[i]);
    return status;
}

int names_folders(const char *const *inputs, size_t count, const struct string_list *taken, struct string_list *folders)
{
    struct string_list plain = {0}, reserved = {0};
    struct few renamed = {0};
    int status = plain_stems(inputs, count, true, &plain);

    if (!status)
        status = reserve_own(taken, &reserved);
    if (!status)
        status = make_unique(&plain, &reserved, folders);
    for (size_t i = 0; !status && i < count; i++) {
        const char *name = path_base(inputs[i]), *folder = folders->items[folders->count - count + i];

        if (strlen(folder) != stem_length(name) || strncmp(folder, name, strlen(folder)) != 0)
            few_add(&renamed, "%s (%s)", inputs[i], folder);
    }
    if (!status && renamed.count > 0 && !renamed.text.failed)
        log_notice("%zu video%s results in a folder of another name: %s", renamed.count,
                   renamed.count == 1 ? " has its" : "s have their", renamed.text.data);
    string_free(&renamed.text);
    string_list_free(&plain);
    string_list_free(&reserved);
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
