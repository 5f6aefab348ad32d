/* Patterns that no shell has seen: "*", "?", "[a-z]", "{a,b}", and "**" for any folders between. */
#include "pipeline/inputs_list.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "media/listing.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SHOWN = 3 };

static int match_plain(const char *pattern, struct string_list *matches)
{
    glob_t found = {0};
    const int code = glob(pattern, GLOB_NOSORT | GLOB_BRACE, NULL, &found);
    int status = code == GLOB_NOSPACE ? error_memory("list of inputs") : 0;

    for (size_t i = 0; !status && code == 0 && i < found.gl_pathc; i++)
        status = string_list_append(matches, found.gl_pathv[i]);
    globfree(&found);
    return status;
}

/* The "**" of a pattern that is a whole part of the path; NULL: there is none. In other places it is a "*". */
static const char *find_deep(const char *pattern)
{
    for (const char *at = strstr(pattern, "**"); at; at = strstr(at + 2, "**"))
        if ((at == pattern || at[-1] == '/') && (at[2] == '/' || !at[2]))
            return at;
    return NULL;
}

/* A path as a pattern that means it alone. */
static void append_escaped(struct string *out, const char *path)
{
    for (; *path; path++) {
        if (strchr("*?[]{},\\", *path))
            string_append_text(out, "\\");
        string_append(out, path, 1);
    }
}

static int match_deep(const char *pattern, const char *leave_out, struct string_list *matches);

/* What the rest of a pattern matches in one folder. */
static int match_in(const char *folder, const char *rest, const char *leave_out, struct string_list *matches)
{
    struct string pattern = {0};
    int status;

    if (strcmp(folder, "./") != 0)
        append_escaped(&pattern, folder);
    if (pattern.length > 0 && pattern.data[pattern.length - 1] != '/')
        string_append_text(&pattern, "/");
    string_append_text(&pattern, *rest ? rest : "*");
    status = pattern.failed ? error_memory("list of inputs") : match_deep(pattern.data, leave_out, matches);
    string_free(&pattern);
    return status;
}

/* All folders that what is before a "**" means, and those in them. */
static int find_folders(const char *pattern, size_t length, const char *leave_out, struct string_list *folders)
{
    char *const before = length > 0 ? strndup(pattern, length) : strdup("./");
    struct string_list roots = {0};
    int status = before ? match_plain(before, &roots) : error_memory("list of inputs");

    for (size_t i = 0; !status && i < roots.count; i++)
        if (file_is_directory(roots.items[i]))
            status = listing_folders(roots.items[i], leave_out, folders);
    string_list_free(&roots);
    free(before);
    return status;
}

static int match_deep(const char *pattern, const char *leave_out, struct string_list *matches)
{
    const char *const deep = find_deep(pattern), *rest;
    struct string_list folders = {0};
    int status;

    if (!deep)
        return match_plain(pattern, matches);
    for (rest = deep + 2; *rest == '/' || strncmp(rest, "**/", 3) == 0 || strcmp(rest, "**") == 0;)
        rest += *rest == '/' ? 1 : 2;
    status = find_folders(pattern, (size_t)(deep - pattern), leave_out, &folders);
    for (size_t i = 0; !status && i < folders.count; i++)
        status = match_in(folders.items[i], rest, leave_out, matches);
    string_list_free(&folders);
    return status;
}

/* Whether the pattern asks for whatever there is, and not for files that it names: what is neither an image nor a video
 * is left out then, as of a folder. */
static bool takes_all(const char *pattern)
{
    const char *const base = path_base(pattern);

    return base[strspn(base, "*")] == '\0';
}

/* What was left out. */
struct rest {
    size_t files;
    struct string_list some;
};

static int take_match(struct inputs_lister *lister, const char *path, bool all, bool deep, struct rest *rest)
{
    struct stat info;
    int status;

    if (all && stat(path, &info) == 0 && !listing_is_result(path)) {
        if (S_ISDIR(info.st_mode) && deep)
            return 0; /* what is in it is matched itself */
        if (!S_ISDIR(info.st_mode) && (!S_ISREG(info.st_mode) || listing_kind_in_folder(path) == LISTING_OTHER)) {
            rest->files++;
            return rest->some.count < SHOWN ? string_list_append(&rest->some, path_base(path)) : 0;
        }
    }
    status = inputs_add_path(lister, path);
    if (all && status == SOWLV2_ERROR_ARGUMENT)
        return 0; /* a folder with nothing in it */
    lister->good += !status;
    return status ? inputs_keep_failed(lister, status, path) : 0;
}

int inputs_add_pattern(struct inputs_lister *lister, const char *pattern)
{
    const bool all = takes_all(pattern) && !lister->forced;
    const bool deep = find_deep(pattern);
    const size_t before = lister->count + lister->results;
    struct string_list matches = {0};
    struct rest rest = {0};
    int status = match_deep(pattern, lister->options->output, &matches);

    if (!status && matches.count == 0)
        status = error_set(SOWLV2_ERROR_IO, "%s: no file matches this pattern: check the pattern given as %s", pattern,
                           inputs_option(lister));
    if (matches.count > 0)
        qsort(matches.items, matches.count, sizeof(*matches.items), listing_compare_items);
    for (size_t i = 0; !status && i < matches.count; i++)
        if (i == 0 || strcmp(matches.items[i], matches.items[i - 1]) != 0)
            status = take_match(lister, matches.items[i], all, deep, &rest);
    if (!status)
        inputs_tell_left_out(pattern, rest.files, 0, &rest.some);
    if (!status && lister->count + lister->results == before)
        status = error_set(SOWLV2_ERROR_ARGUMENT, "%s: matches neither images nor videos", pattern);
    string_list_free(&matches);
    string_list_free(&rest.some);
    return status;
}
