/* From the text of a value to times and frames. */
#include "base/error.h"
#include "cli/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A decimal number from the beginning of `text`, not below 0; NULL: there is none. */
static const char *scan_number(const char *text, double *out)
{
    char *end = NULL;

    if (*text < '0' || *text > '9')
        return NULL;
    *out = strtod(text, &end);
    return strspn(text, "0123456789.") >= (size_t)(end - text) && *out <= 1e9 ? end : NULL;
}

int option_read_time(const char *where, const char *text, double *out)
{
    double total = 0, part = 0;
    const char *at = scan_number(text, &part);
    int colons = 0;

    total = part;
    while (at && *at == ':' && colons++ < 2) {
        at = scan_number(at + 1, &part);
        if (!at || part >= 60)
            break;
        total = 60 * total + part;
    }
    if (!at || *at || (colons > 0 && part >= 60))
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: '%s' is not a time: give seconds, or m:ss, or h:mm:ss", where,
                         text);
    *out = total;
    return 0;
}

/* A whole number over 0; `*end` is what comes after. */
static bool scan_count(const char *text, const char **end, int64_t *out)
{
    char *after = NULL;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *out = strtoll(text, &after, 10);
    *end = after;
    return errno == 0 && *out > 0;
}

int option_read_interval(const char *where, const char *text, struct sowlv2_interval *out)
{
    const char *end = text;
    double seconds = 0;

    *out = (struct sowlv2_interval){0};
    if (strcmp(text, "off") == 0)
        return 0;
    if (scan_count(text, &end, &out->frames) && !*end)
        return 0;
    out->frames = 0;
    end = scan_number(text, &seconds);
    if (!end || strcmp(end, "s") != 0 || seconds <= 0)
        return error_set(
            SOWLV2_ERROR_ARGUMENT,
            "%s: '%s' is not an interval: give a number of frames, such as 30, seconds, such as 2s, or off", where,
            text);
    out->seconds = seconds;
    return 0;
}

int option_read_range(const char *where, const char *text, struct sowlv2_frame_range *out)
{
    const char *at = text;
    bool good = true;

    *out = (struct sowlv2_frame_range){0};
    if (*at != ':')
        good = scan_count(at, &at, &out->first);
    if (good && *at == ':' && at[1])
        good = scan_count(at + 1, &at, &out->last) && (out->first == 0 || out->last >= out->first);
    else if (good && *at == ':')
        at++;
    else
        good = false;
    if (!good || *at || (out->first == 0 && out->last == 0))
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "%s: '%s' is not a range of frames: give A:B, A: or :B, counted from 1, with A at most B",
                         where, text);
    return 0;
}
