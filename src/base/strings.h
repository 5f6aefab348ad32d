/* Growing strings and growing lists of strings. */
#ifndef BASE_STRINGS_H
#define BASE_STRINGS_H

#include <stdbool.h>
#include <stddef.h>

/* A growing, always NUL-terminated string. Start from {0}. After a failed allocation `failed` is
 * set and further appends do nothing: check once at the end. */
struct string {
    char *data; /* NULL while nothing was appended */
    size_t length, capacity;
    bool failed;
};

void string_append(struct string *string, const char *bytes, size_t count);
void string_append_text(struct string *string, const char *text);
__attribute__((format(printf, 2, 3))) void string_append_format(struct string *string, const char *format, ...);
void string_clear(struct string *string); /* empties, keeps the memory */
void string_free(struct string *string);

/* A growing list of owned strings. Start from {0}. */
struct string_list {
    char **items;
    size_t count, capacity;
};

/* Appends a copy of `text`. Returns 0 or SOWLV2_ERROR_MEMORY. */
int string_list_append(struct string_list *list, const char *text);
void string_list_free(struct string_list *list);

/* The first few of many, for a message that names them: "a, b, c, ...". Start from {0}; freed with string_free(&text).
 */
struct few {
    size_t count; /* of all that were added */
    struct string text;
};

__attribute__((format(printf, 2, 3))) void few_add(struct few *few, const char *format, ...);

/* Shows control characters (C0, DEL, C1) as '?', in place, so that foreign text stays one line and
 * cannot steer a terminal. */
void text_make_printable(char *text);

#endif
