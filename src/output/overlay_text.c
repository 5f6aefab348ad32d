/* A label's text, made safe to lay out: prompts and file names may hold anything. */
#include "output/overlay_internal.h"

#include "base/strings.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

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
static bool is_direction_control(gunichar c)
{
    return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static bool breaks_line(gunichar c)
{
    return g_unichar_iscntrl(c) || c == 0x2028 || c == 0x2029;
}

char *overlay_clean_text(const char *label)
{
    struct string shortened = {0}, clean = {0};
    append_shortened(&shortened, label);
    if (shortened.failed) {
        string_free(&shortened);
        return NULL;
    }
    char *valid = g_utf8_make_valid(shortened.data ? shortened.data : "", -1);
    string_free(&shortened);
    string_append_text(&clean, ""); /* so that an empty label is an empty string */
    for (const char *at = valid; *at;) {
        gunichar c = g_utf8_get_char(at);
        size_t bytes = (size_t)g_utf8_skip[(unsigned char)*at];
        if (breaks_line(c))
            string_append_text(&clean, " ");
        else if (!is_direction_control(c))
            string_append(&clean, at, bytes);
        at += bytes;
    }
    g_free(valid);
    if (clean.failed) {
        string_free(&clean);
        return NULL;
    }
    return clean.data;
}
