/* What a run is asked for, as far as its results depend on it. An option of the table counts unless it is named here:
 * a new one that is forgotten makes --resume too careful, not wrong. */
#include "cli/job.h"

#include "base/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The same results with and without. What a file of prompts says is in the prompts. */
static const char *const beside[] = {
    "input",           "output",           "recursive",   "config",     "resume",       "cache-dir",
    "offline",         "batch-size",       "max-workers", "max-pixels", "prompts-file", "disable-gpu-batching",
    "allow-truncated", "thread-pool-size", "device",      "threads",    "cpu",          "require-vjepa2",
    "quiet",           "verbose",          "version",     "help",       "memory-limit", "isolate",
};

static bool counts(const char *name)
{
    for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++)
        if (strcmp(beside[i], name) == 0)
            return false;
    return true;
}

static int add(struct string_list *job, const char *name, const char *value)
{
    char option[80];
    int status;

    snprintf(option, sizeof(option), "--%s", name);
    status = string_list_append(job, option);
    return status ? status : string_list_append(job, value);
}

/* The fewest digits that read back as the same number. */
static void write_number(double value, bool single, char *text, size_t size)
{
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, size, "%.*g", digits, value);
        if (single ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
            return;
    }
}

static int add_choice(const struct settings *settings, const struct option_spec *spec, struct string_list *job)
{
    char choice[80];
    const char *at = spec->choices;

    for (int64_t place = option_integer(settings, spec); place > 0; place--)
        at = strchr(at, '|') + 1;
    snprintf(choice, sizeof(choice), "%.*s", (int)strcspn(at, "|"), at);
    return add(job, spec->name, choice);
}

static int add_marks(const struct marks *marks, const struct option_spec *spec, struct string_list *job)
{
    int status = 0;

    /* In the order given, which says which points belong to which box: all under one of the two names. */
    for (size_t i = 0; !status && spec->kind == OPTION_BOX && i < marks->count; i++) {
        const struct mark *mark = &marks->items[i];
        struct string text = {0};

        for (size_t k = 0; k < (mark->is_box ? 4 : 2); k++)
            string_append_format(&text, "%s%.9g", k > 0 ? "," : "", (double)mark->values[k]);
        if (!mark->is_box)
            string_append_format(&text, ",%" PRId32, mark->label);
        status = text.failed ? error_memory("job") : add(job, mark->is_box ? "box" : "point", text.data);
        string_free(&text);
    }
    return status;
}

static int add_texts(const struct string_list *texts, const char *name, struct string_list *job)
{
    int status = 0;

    for (size_t i = 0; !status && i < texts->count; i++)
        status = add(job, name, texts->items[i]);
    return status;
}

static int add_interval(const struct sowlv2_interval *interval, const char *name, struct string_list *job)
{
    char text[40], seconds[32];

    write_number(interval->seconds, false, seconds, sizeof(seconds));
    if (interval->frames > 0)
        snprintf(text, sizeof(text), "%" PRId64, interval->frames);
    else
        snprintf(text, sizeof(text), "%ss", seconds);
    return add(job, name, text);
}

/* The value that `settings` have at an option; nothing where it has none, or is a flag that was not given. */
static int add_value(const struct settings *settings, const struct option_spec *spec, struct string_list *job)
{
    const char *at = (const char *)settings + spec->offset;
    const struct sowlv2_frame_range *range = (const void *)at;
    const char *text;
    char number[48];

    switch (spec->kind) {
    case OPTION_FLAG:
        return option_is_on(settings, spec) ? add(job, spec->name, "on") : 0;
    case OPTION_CHOICE:
        if (spec->size == sizeof(int))
            return add_choice(settings, spec, job);
        /* fallthrough */
    case OPTION_TEXT:
    case OPTION_PATH:
        memcpy(&text, at, sizeof(text));
        return text ? add(job, spec->name, text) : 0;
    case OPTION_INTEGER:
    case OPTION_COUNT:
        snprintf(number, sizeof(number), "%" PRId64, option_integer(settings, spec));
        return add(job, spec->name, number);
    case OPTION_NUMBER:
    case OPTION_TIME:
        write_number(option_number(settings, spec), spec->size == sizeof(float), number, sizeof(number));
        return add(job, spec->name, number);
    case OPTION_AS_VIDEO: /* which paths are, their rows say */
        return ((const struct as_video *)(const void *)at)->all ? add(job, spec->name, "on") : 0;
    case OPTION_TEXTS:
    case OPTION_PATHS:
        return add_texts((const void *)at, spec->name, job);
    case OPTION_DRAW:
        snprintf(number, sizeof(number), "%u", *(const unsigned *)(const void *)at);
        return add(job, spec->name, number);
    case OPTION_BOX:
    case OPTION_POINT:
        return add_marks((const void *)at, spec, job);
    case OPTION_INTERVAL:
        return add_interval((const void *)at, spec->name, job);
    case OPTION_MEMORY: /* changes no results */
        return 0;
    case OPTION_RANGE:
        snprintf(number, sizeof(number), "%" PRId64 ":%" PRId64, range->first, range->last);
        return add(job, spec->name, number);
    }
    return 0;
}

int job_describe(const struct settings *settings, unsigned verb, struct string_list *job)
{
    int status = string_list_append(job, "the verb");

    if (!status)
        status = string_list_append(job, verb == FOR_SEGMENT ? "segment" : "detect");
    for (size_t i = 0; !status && i < option_count(); i++) {
        const struct option_spec *spec = option_at(i);

        if ((spec->verbs & verb) && counts(spec->name))
            status = add_value(settings, spec, job);
    }
    return status;
}
