/* The per-thread error message behind error_set() and sowlv2_error_message(). */
#include "base/error.h"

#undef error_set /* as the header shows them to the analyzer */
#undef error_memory

#include "base/strings.h"
#include "base/url.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_CAPACITY = 4096 };

static _Thread_local char message[MESSAGE_CAPACITY];

/* Copies `text` into the message, cut at a whole UTF-8 character where it is too long. */
static void message_store(const char *text, size_t length)
{
    if (length >= MESSAGE_CAPACITY) {
        length = MESSAGE_CAPACITY - 1;
        while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80)
            length--;
    }
    memmove(message, text, length);
    message[length] = '\0';
    text_make_printable(message);
    url_hide_secrets(message);
}

/* Formats away from `message`: an argument may be the message itself. */
static size_t message_format(char *buffer, size_t capacity, const char *format, va_list arguments)
{
    int length = vsnprintf(buffer, capacity, format, arguments);
    if (length < 0) {
        buffer[0] = '\0';
        return 0;
    }
    return (size_t)length < capacity ? (size_t)length : capacity - 1;
}

int error_set(int status, const char *format, ...)
{
    char buffer[MESSAGE_CAPACITY + 1];
    va_list arguments;
    va_start(arguments, format);
    size_t length = message_format(buffer, sizeof(buffer), format, arguments);
    va_end(arguments);
    message_store(buffer, length);
    return status;
}

int error_prefix(int status, const char *format, ...)
{
    char buffer[2 * MESSAGE_CAPACITY + 2];
    va_list arguments;
    va_start(arguments, format);
    size_t length = message_format(buffer, MESSAGE_CAPACITY, format, arguments);
    va_end(arguments);
    memcpy(buffer + length, ": ", 2);
    length += 2;
    size_t rest = strlen(message);
    memcpy(buffer + length, message, rest + 1);
    message_store(buffer, length + rest);
    return status;
}

int error_memory(const char *what)
{
    return error_set(SOWLV2_ERROR_MEMORY, "%s: out of memory: close other programs or use smaller inputs", what);
}

const char *error_message(void)
{
    return message;
}

const char *sowlv2_error_message(void)
{
    return message;
}

#define VERSION_TEXT_OF(number) #number
#define VERSION_TEXT(number) VERSION_TEXT_OF(number)

const char *sowlv2_version(void)
{
    return VERSION_TEXT(SOWLV2_VERSION_MAJOR) "." VERSION_TEXT(SOWLV2_VERSION_MINOR) "." VERSION_TEXT(
        SOWLV2_VERSION_PATCH);
}

void sowlv2_string_free(char **text)
{
    if (!text)
        return;
    free(*text);
    *text = NULL;
}
