/* Growing strings, lists of strings, and text made fit for one line of output. */
#include "base/strings.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for `extra` more bytes and the terminator. */
static bool string_reserve(struct string *string, size_t extra)
{
    if (string->failed)
        return false;
    if (extra > SIZE_MAX / 2 - 1 - string->length) {
        string->failed = true;
        return false;
    }
    size_t needed = string->length + extra + 1;
    if (needed <= string->capacity)
        return true;
    size_t capacity = string->capacity < 32 ? 32 : string->capacity * 2;
    if (capacity < needed)
        capacity = needed;
    char *data = realloc(string->data, capacity);
    if (!data) {
        string->failed = true;
        return false;
    }
    string->data = data;
    string->capacity = capacity;
    return true;
}

void string_append(struct string *string, const char *bytes, size_t count)
{
    if (!string_reserve(string, count))
        return;
    if (count > 0)
        memcpy(string->data + string->length, bytes, count);
    string->length += count;
    string->data[string->length] = '\0';
}

void string_append_text(struct string *string, const char *text)
{
    string_append(string, text, strlen(text));
}

__attribute__((format(printf, 2, 0))) static void append_arguments(struct string *string, const char *format,
                                                                   va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    if (length < 0)
        string->failed = true;
    if (length >= 0 && string_reserve(string, (size_t)length)) {
        vsnprintf(string->data + string->length, (size_t)length + 1, format, again);
        string->length += (size_t)length;
    }
    va_end(again);
}

void string_append_format(struct string *string, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    append_arguments(string, format, arguments);
    va_end(arguments);
}

void string_clear(struct string *string)
{
    string->length = 0;
    string->failed = false;
    if (string->data)
        string->data[0] = '\0';
}

void string_free(struct string *string)
{
    free(string->data);
    *string = (struct string){0};
}

void few_add(struct few *few, const char *format, ...)
{
    enum { SHOWN = 3 };
    va_list arguments;
    few->count++;
    if (few->count > SHOWN + 1)
        return;
    if (few->count > 1)
        string_append_text(&few->text, ", ");
    va_start(arguments, format);
    if (few->count <= SHOWN)
        append_arguments(&few->text, format, arguments);
    else
        string_append_text(&few->text, "...");
    va_end(arguments);
}

int string_list_append(struct string_list *list, const char *text)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 8;
        char **items = capacity > SIZE_MAX / sizeof(*items) ? NULL : realloc(list->items, capacity * sizeof(*items));
        if (!items)
            return error_memory("list of strings");
        list->items = items;
        list->capacity = capacity;
    }
    char *copy = strdup(text);
    if (!copy)
        return error_memory("list of strings");
    list->items[list->count++] = copy;
    return 0;
}

void string_list_free(struct string_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct string_list){0};
}

void text_make_printable(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c; c++)
        if (*c < 0x20 || *c == 0x7F)
            *c = '?';
        else if (*c == 0xC2 && c[1] >= 0x80 && c[1] <= 0x9F)
            *c++ = '?', *c = '?'; /* U+0080 to U+009F: terminals act on them too */
}
