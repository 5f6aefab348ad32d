/* A label's text, made safe to lay out: prompts and file names may hold anything. */
#include "output/overlay_internal.h"

#include "base/strings.h"

#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

/* What is kept of a longer text; its end holds the score. */
enum { HEAD_BYTES = 768, TAIL_BYTES = 128 };

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* Leaves out the middle of a very long text, which would cost time and not be visible anyway. */
static void append_shortened(struct string *out, const char *text)
{
    size_t length = strlen(text);
    if (length <= HEAD_BYTES + TAIL_BYTES) {
        string_append(out, text, length);
        return;
    }
    size_t head = HEAD_BYTES, tail = length - TAIL_BYTES;
    for (int i = 0; i < 3 && is_continuation(text[head]); i++)
        head--;
    for (int i = 0; i < 3 && is_continuation(text[tail]); i++)
        tail++;
    string_append(out, text, head);
    string_append_text(out, "\xe2\x80\xa6"); /* ellipsis */
    string_append(out, text + tail, length - tail);
}

/* Characters that reorder what follows them, beyond this label's own words. */
static bool is_direction_control(utf8proc_int32_t c)
{
    return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static bool breaks_line(utf8proc_int32_t c)
{
    return utf8proc_category(c) == UTF8PROC_CATEGORY_CC || c == 0x2028 || c == 0x2029;
}

char *overlay_clean_text(const char *label)
{
    struct string shortened = {0}, clean = {0};
    append_shortened(&shortened, label);
    if (shortened.failed) {
        string_free(&shortened);
        return NULL;
    }
    string_append_text(&clean, ""); /* so that an empty label is an empty string */
    utf8proc_ssize_t left = (utf8proc_ssize_t)shortened.length;
    for (const char *at = shortened.data; left > 0;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t bytes = utf8proc_iterate((const utf8proc_uint8_t *)at, left, &c);
        if (bytes <= 0) {
            string_append_text(&clean, "\xef\xbf\xbd"); /* the replacement character */
            bytes = 1;
        } else if (breaks_line(c)) {
            string_append_text(&clean, " ");
        } else if (!is_direction_control(c)) {
            string_append(&clean, at, (size_t)bytes);
        }
        at += bytes;
        left -= bytes;
    }
    string_free(&shortened);
    if (clean.failed) {
        string_free(&clean);
        return NULL;
    }
    return clean.data;
}
