/* From the text of a value to the setting: strict, with ranges. */
#include "base/error.h"
#include "cli/options.h"
#include "sowlv2_run.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int read_number(const struct option_spec *spec, const char *where, const char *text, void *field)
{
    char *end = NULL;
    double value = 0;

    /* Decimal notation only: strtod would also take "nan", "inf", "0x1p3" and leading spaces. */
    if (*text && strspn(text, "0123456789+-.eE") == strlen(text))
        value = strtod(text, &end);
    if (!end || end == text || *end || !(value >= spec->minimum && value <= spec->maximum))
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: '%s' is not a number from %g to %g", where, text, spec->minimum,
                         spec->maximum);
    if (spec->size == sizeof(float))
        *(float *)field = (float)value;
    else
        *(double *)field = value;
    return 0;
}

static void keep_integer(const struct option_spec *spec, int64_t value, void *field)
{
    if (spec->size == sizeof(int))
        *(int *)field = (int)value;
    else
        *(int64_t *)field = value;
}

static int read_integer(const struct option_spec *spec, const char *where, const char *text, void *field)
{
    char *end = NULL;
    long long value = 0;

    if (spec->kind == OPTION_COUNT && strcmp(text, "auto") == 0) {
        keep_integer(spec, 0, field);
        return 0;
    }
    errno = 0;
    if (*text && strspn(text, "0123456789+-") == strlen(text))
        value = strtoll(text, &end, 10);
    if (!end || end == text || *end || errno || value < (long long)spec->minimum || value > (long long)spec->maximum)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: '%s' is not a whole number from %.0f to %.0f%s", where, text,
                         spec->minimum, spec->maximum, spec->kind == OPTION_COUNT ? ", or auto" : "");
    keep_integer(spec, value, field);
    return 0;
}

enum { MOST_DIGITS = 4 };

/* Numbers with commas between them, as "0" or "0,1". */
static bool are_numbers(const char *text)
{
    for (size_t digits; (digits = strspn(text, "0123456789")) > 0 && digits <= MOST_DIGITS; text += digits + 1) {
        if (text[digits] == '\0')
            return true;
        if (text[digits] != ',')
            return false;
    }
    return false;
}

/* The place of `text` among `choices`, which '|' separates; ":N" at the end of one stands for a number or several with
 * commas; -1: it is none. */
static int find_choice(const char *choices, const char *text)
{
    const size_t length = strcspn(text, "|");
    int place = 0;

    for (const char *at = choices; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL, place++) {
        const size_t known = strcspn(at, "|"),
                     name = known > 1 && strncmp(at + known - 2, ":N", 2) == 0 ? known - 1 : 0;

        if (length > 0 && !text[length] && length == known && !name && strncmp(at, text, length) == 0)
            return place;
        if (name && length > name && strncmp(at, text, name) == 0 && are_numbers(text + name))
            return place;
    }
    return -1;
}

static int read_choice(const struct option_spec *spec, const char *where, const char *text, void *field)
{
    const int place = find_choice(spec->choices, text);

    if (place < 0)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: '%s' is not one of %s", where, text, spec->choices);
    if (spec->size == sizeof(int))
        *(int *)field = place;
    else
        *(const char **)field = text;
    return 0;
}

static int read_draw(const char *where, const char *text, unsigned *out)
{
    static const struct {
        const char *name;
        unsigned bit;
    } parts[] = {{"boxes", SOWLV2_DRAW_BOXES}, {"labels", SOWLV2_DRAW_LABELS}, {"masks", SOWLV2_DRAW_MASKS}};
    unsigned draw = 0;

    for (const char *at = text; at;) {
        size_t length = strcspn(at, ",");
        size_t part = 0;

        while (part < 3 && (strlen(parts[part].name) != length || strncmp(parts[part].name, at, length) != 0))
            part++;
        if (part == 3)
            return error_set(SOWLV2_ERROR_ARGUMENT, "%s: '%s' is not a list of boxes, labels, masks", where, text);
        draw |= parts[part].bit;
        at = at[length] ? at + length + 1 : NULL;
    }
    *out = draw;
    return 0;
}

/* The words that YAML 1.1 takes for booleans. */
static int read_flag(const char *where, const char *text, bool *out)
{
    static const char *const yes[] = {"true", "yes", "on", "y"}, *const no[] = {"false", "no", "off", "n"};

    for (size_t i = 0; text && i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (strcasecmp(text, no[i]) == 0) {
            *out = false;
            return 0;
        }
        if (strcasecmp(text, yes[i]) == 0)
            text = NULL;
    }
    if (text)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: '%s' is not true or false", where, text);
    *out = true;
    return 0;
}

/* Keeps the path that a text means in the settings. */
static int read_path(struct settings *settings, const char *where, const char *text, const char **out)
{
    char *path;
    int status = option_expand_path(where, text, &path);

    if (!status)
        status = string_list_append(&settings->owned, path);
    free(path);
    if (!status)
        *out = settings->owned.items[settings->owned.count - 1];
    return status;
}

/* One of several. An input that is no good stops none of the others: as it stands it is not there, which the list of
 * inputs reports. */
static int add_path(const char *where, const char *text, bool input, struct string_list *out)
{
    char *path;
    int status = option_expand_path(where, text, &path);

    if (status == SOWLV2_ERROR_ARGUMENT && input)
        return string_list_append(out, text);
    if (!status)
        status = string_list_append(out, path);
    free(path);
    return status;
}

/* A flag, or a path. */
static int read_as_video(const char *where, const char *text, struct as_video *out)
{
    bool on = true;

    if (text && read_flag("", text, &on) != 0) {
        out->all = false;
        return add_path(where, text, true, &out->paths);
    }
    out->all = on;
    return 0;
}

static int read_empty(const struct option_spec *spec, const char *where)
{
    return error_set(SOWLV2_ERROR_ARGUMENT, "%s: its value is empty: give a %s", where, spec->value);
}

bool option_is_list(const struct option_spec *spec)
{
    return spec->kind == OPTION_TEXTS || spec->kind == OPTION_PATHS || spec->kind == OPTION_AS_VIDEO;
}

static int read_value(struct settings *settings, const struct option_spec *spec, const char *where, const char *text)
{
    void *field = (char *)settings + spec->offset;
    int status = 0;

    switch (spec->kind) {
    case OPTION_FLAG:
        status = read_flag(where, text, field);
        if (!status && spec->negates)
            *(bool *)field = !*(bool *)field;
        break;
    case OPTION_TEXT:
        if (!*text)
            return read_empty(spec, where);
        *(const char **)field = text;
        break;
    case OPTION_PATH:
        status = *text ? read_path(settings, where, text, field) : read_empty(spec, where);
        break;
    case OPTION_CHOICE:
        status = read_choice(spec, where, text, field);
        break;
    case OPTION_INTEGER:
    case OPTION_COUNT:
        status = read_integer(spec, where, text, field);
        break;
    case OPTION_NUMBER:
        status = read_number(spec, where, text, field);
        break;
    case OPTION_TEXTS:
        status = string_list_append(field, text);
        break;
    case OPTION_PATHS:
        status = *text ? add_path(where, text, strcmp(spec->name, "input") == 0, field)
                       : error_set(SOWLV2_ERROR_ARGUMENT, "%s: an empty path: give a %.*s", where,
                                   (int)strcspn(spec->value, "."), spec->value);
        break;
    case OPTION_AS_VIDEO:
        status = text && !*text ? error_set(SOWLV2_ERROR_ARGUMENT, "%s: an empty path: give a PATH", where)
                                : read_as_video(where, text, field);
        break;
    case OPTION_DRAW:
        status = read_draw(where, text, field);
        break;
    case OPTION_BOX:
        status = marks_add_box(field, where, text);
        break;
    case OPTION_POINT:
        status = marks_add_point(field, where, text);
        break;
    case OPTION_TIME:
        status = option_read_time(where, text, field);
        break;
    case OPTION_INTERVAL:
        status = option_read_interval(where, text, field);
        break;
    case OPTION_RANGE:
        status = option_read_range(where, text, field);
        break;
    case OPTION_MEMORY:
        status = option_read_memory(where, text, field);
        break;
    }
    return status;
}

static const void *field_of(const struct settings *settings, const struct option_spec *spec)
{
    return (const char *)settings + spec->offset;
}

bool option_is_on(const struct settings *settings, const struct option_spec *spec)
{
    return *(const bool *)field_of(settings, spec) != spec->negates;
}

double option_number(const struct settings *settings, const struct option_spec *spec)
{
    const void *const field = field_of(settings, spec);

    return spec->size == sizeof(float) ? (double)*(const float *)field : *(const double *)field;
}

int64_t option_integer(const struct settings *settings, const struct option_spec *spec)
{
    const void *const field = field_of(settings, spec);

    return spec->size == sizeof(int) ? *(const int *)field : *(const int64_t *)field;
}

static bool is_numeric(enum option_kind kind)
{
    return kind == OPTION_INTEGER || kind == OPTION_COUNT || kind == OPTION_NUMBER || kind == OPTION_BOX ||
           kind == OPTION_POINT;
}

int option_set(struct settings *settings, const struct option_spec *spec, const char *where, const char *text)
{
    const int status = read_value(settings, spec, where, text);

    if (status == SOWLV2_ERROR_ARGUMENT && is_numeric(spec->kind) && text)
        return option_explain_dash(status, text);
    if (status || (spec->kind == OPTION_FLAG && !option_is_on(settings, spec)))
        return status;
    for (size_t i = 0; i < settings->given.count; i++)
        if (strcmp(settings->given.items[i], spec->name) == 0)
            return 0;
    return string_list_append(&settings->given, spec->name);
}
