/* Untrusted JSON through jansson: flags, and errors that name the file. */
#include "weights/json.h"

#include "base/error.h"
#include "base/json_load.h"

#include <stdbool.h>
#include <string.h>

/* Turns jansson's error into ours. */
static int json_report(const char *name, const json_error_t *error)
{
    if (json_error_is_memory(error))
        return error_memory(name);
    return error_set(SOWLV2_ERROR_FORMAT,
                     "%s: not valid JSON: %s (line %d, column %d): the file is damaged: get it again", name,
                     error->text, error->line, error->column);
}

int json_parse_object(const char *name, const char *text, size_t size, json_t **out)
{
    json_error_t error;
    *out = NULL;
    json_t *root = json_load(text, size, JSON_REJECT_DUPLICATES, &error);
    if (!root && json_error_code(&error) == json_error_numeric_overflow)
        root = json_load(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
    if (!root)
        return json_report(name, &error);
    if (!json_is_object(root)) {
        json_decref(root);
        return error_set(SOWLV2_ERROR_FORMAT, "%s: not a JSON object: the file is damaged: get it again", name);
    }
    *out = root;
    return 0;
}

json_t *json_parse_value(const char *text, size_t size, json_error_t *error)
{
    return json_load(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, error);
}

static void skip_space(const char *text, size_t size, size_t *at)
{
    while (*at < size && (text[*at] == ' ' || text[*at] == '\t' || text[*at] == '\n' || text[*at] == '\r'))
        ++*at;
}

/* Moves behind the string that begins at `*at`; false where it does not end. */
static bool skip_string(const char *text, size_t size, size_t *at)
{
    for (size_t i = *at + 1; i < size; i++) {
        if (text[i] == '\\') {
            i++;
        } else if (text[i] == '"') {
            *at = i + 1;
            return true;
        }
    }
    return false;
}

/* Moves behind the object or list that begins at `*at`; false where it does not end. */
static bool skip_container(const char *text, size_t size, size_t *at)
{
    size_t depth = 0;
    while (*at < size) {
        char c = text[*at];
        if (c == '"') {
            if (!skip_string(text, size, at))
                return false;
            continue;
        }
        ++*at;
        depth += c == '{' || c == '[';
        if ((c == '}' || c == ']') && --depth == 0)
            return true;
    }
    return false;
}

static bool skip_value(const char *text, size_t size, size_t *at)
{
    if (text[*at] == '"')
        return skip_string(text, size, at);
    if (text[*at] == '{' || text[*at] == '[')
        return skip_container(text, size, at);
    size_t begin = *at;
    while (*at < size && !strchr(",:}] \t\n\r", text[*at])) /* a NUL ends it, too */
        ++*at;
    return *at > begin;
}

enum json_next json_next_member(const char *text, size_t size, size_t *at, struct json_member *out)
{
    bool first = *at == 0;
    if (first && (size == 0 || text[0] != '{'))
        return JSON_NEXT_BROKEN;
    *at += first;
    skip_space(text, size, at);
    if (*at < size && text[*at] == '}') {
        ++*at;
        return JSON_NEXT_END;
    }
    if (!first) {
        if (*at >= size || text[*at] != ',')
            return JSON_NEXT_BROKEN;
        ++*at;
        skip_space(text, size, at);
    }
    size_t key = *at;
    if (key >= size || text[key] != '"' || !skip_string(text, size, at))
        return JSON_NEXT_BROKEN;
    *out = (struct json_member){.key = text + key, .key_size = *at - key};
    skip_space(text, size, at);
    if (*at >= size || text[*at] != ':')
        return JSON_NEXT_BROKEN;
    ++*at;
    skip_space(text, size, at);
    size_t value = *at;
    if (value >= size || !skip_value(text, size, at))
        return JSON_NEXT_BROKEN;
    out->value = text + value;
    out->value_size = *at - value;
    return JSON_NEXT_MEMBER;
}
