/* Word processors, chats and web pages turn the hyphens of a command line into dashes that look alike. */
#include "base/error.h"
#include "cli/options.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of the typographic dash that the text begins with; 0: it begins with none. */
static size_t dash_length(const char *text)
{
    static const char *const dashes[] = {
        "\xe2\x80\x90",                                /* hyphen */
        "\xe2\x80\x91",                                /* that does not break */
        "\xe2\x80\x92",                                /* figure dash */
        "\xe2\x80\x93",                                /* en dash */
        "\xe2\x80\x94",                                /* em dash */
        "\xe2\x80\x95",                                /* bar */
        "\xe2\x88\x92",                                /* minus */
        "\xef\xb9\x98", "\xef\xb9\xa3", "\xef\xbc\x8d" /* small and wide ones */
    };

    for (size_t i = 0; i < sizeof(dashes) / sizeof(dashes[0]); i++)
        if (strncmp(text, dashes[i], strlen(dashes[i])) == 0)
            return strlen(dashes[i]);
    return 0;
}

const char *option_after_dashes(const char *word)
{
    const char *at = word;
    bool any = false;

    for (size_t length; *at == '-' || dash_length(at) > 0; at += length) {
        length = *at == '-' ? 1 : dash_length(at);
        any |= *at != '-';
    }
    return any ? at : NULL;
}

int option_explain_dash(int status, const char *text)
{
    while (*text && dash_length(text) == 0)
        text++;
    if (!*text)
        return status;

    char *const why = strdup(error_message());

    error_set(status, "%s: a dash in it is a typographic one: write -", why ? why : "out of memory");
    free(why);
    return status;
}
