/* The hub cache's place, from the environment, and what names it may hold. */
#include "weights/hub_cache.h"

#include "base/error.h"
#include "base/file.h"
#include "weights/hub.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PART_LIMIT = 96, REVISION_LIMIT = 255, USER_LIMIT = 64 };

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* A set environment variable; an empty one counts as unset. */
static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* Appends the home folder for a leading "~" or "~user" and returns what follows it. */
static const char *expand_tilde(const char *path, struct string *out)
{
    char user[USER_LIMIT];
    if (path[0] != '~')
        return path;
    size_t length = strcspn(path + 1, "/");
    if (length >= sizeof(user))
        return path;
    memcpy(user, path + 1, length);
    user[length] = '\0';
    return path_append_home(user, out) ? path + 1 + length : path;
}

/* Appends the variable that `*at` begins with ("$NAME" or "${NAME}") and moves past it; false, with
 * nothing done, where there is none of that name. */
static bool expand_variable(const char **at, struct string *out)
{
    const char *begin = *at + 1;
    bool braces = *begin == '{';
    begin += braces;
    size_t length = 0;
    if (braces)
        length = strcspn(begin, "}");
    else
        while (is_word(begin[length]))
            length++;
    if (length == 0 || (braces && begin[length] != '}'))
        return false;
    char *name = strndup(begin, length);
    const char *value = name ? getenv(name) : NULL;
    out->failed |= !name;
    free(name);
    if (!value)
        return false;
    string_append_text(out, value);
    *at = begin + length + braces;
    return true;
}

void hub_expand_path(const char *path, struct string *out)
{
    const char *at = expand_tilde(path, out);
    while (*at) {
        if (*at == '$' && expand_variable(&at, out))
            continue;
        string_append(out, at++, 1);
    }
}

/* The cache folder before expansion. */
static void append_cache_root(struct string *out)
{
    const char *value = environment("HF_HUB_CACHE");
    if (!value)
        value = environment("HUGGINGFACE_HUB_CACHE");
    if (value)
        string_append_text(out, value);
    else if ((value = environment("HF_HOME")))
        string_append_format(out, "%s/hub", value);
    else if ((value = environment("XDG_CACHE_HOME")))
        string_append_format(out, "%s/huggingface/hub", value);
    else
        string_append_text(out, "~/.cache/huggingface/hub");
}

int hub_cache_directory(const char *cache_dir, char **folder)
{
    struct string root = {0}, expanded = {0};
    *folder = NULL;
    if (cache_dir && *cache_dir)
        string_append_text(&root, cache_dir);
    else
        append_cache_root(&root);
    if (!root.failed)
        hub_expand_path(root.data, &expanded);
    bool failed = root.failed || expanded.failed;
    string_free(&root);
    if (failed || !expanded.data) {
        string_free(&expanded);
        return failed ? error_memory("hub cache folder")
                      : error_set(SOWLV2_ERROR_MODEL, "hub cache folder: its name is empty: set HF_HUB_CACHE");
    }
    *folder = expanded.data;
    return 0;
}

static bool part_is_valid(const char *part, size_t length)
{
    if (length == 0 || length > PART_LIMIT || !is_word(part[0]) || !is_word(part[length - 1]))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!is_word(part[i]) && part[i] != '-' && part[i] != '.')
            return false;
        if (i > 0 && part[i] == part[i - 1] && !is_word(part[i]))
            return false;
    }
    return true;
}

bool hub_id_is_valid(const char *id)
{
    static const char ending[] = ".git";
    size_t length = strlen(id), first = strcspn(id, "/");
    if (length >= sizeof(ending) - 1 && strcmp(id + length - (sizeof(ending) - 1), ending) == 0)
        return false;
    if (!part_is_valid(id, first))
        return false;
    return id[first] == '\0' || part_is_valid(id + first + 1, length - first - 1);
}

bool hub_revision_is_valid(const char *revision)
{
    size_t length = strlen(revision);
    if (length == 0 || length > REVISION_LIMIT)
        return false;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)revision[i] < 0x20 || revision[i] == 0x7F || revision[i] == '\\')
            return false;
    for (const char *part = revision;; part++) {
        size_t size = strcspn(part, "/");
        if (size == 0 || (part[0] == '.' && (size == 1 || (size == 2 && part[1] == '.'))))
            return false;
        part += size;
        if (!*part)
            return true;
    }
}
