/* What an earlier run was asked for, beside what this one is. */
#include "base/error.h"
#include "output/claim.h"

#include <string.h>

/* Of more text the message would be too long. */
enum { MOST_SHOWN = 200 };

/* The value of a name after the one at `from`, and its place; NULL: there is no more. */
static const char *next_value(const struct string_list *job, const char *name, size_t *from)
{
    while (*from + 1 < job->count) {
        const size_t at = *from;

        *from += 2;
        if (strcmp(job->items[at], name) == 0)
            return job->items[at + 1];
    }
    return NULL;
}

/* Whether both have the same values of a name, in the same order. */
static bool agree(const struct string_list *a, const struct string_list *b, const char *name)
{
    size_t left = 0, right = 0;

    for (;;) {
        const char *x = next_value(a, name, &left), *y = next_value(b, name, &right);

        if (!x || !y)
            return !x && !y;
        if (strcmp(x, y) != 0)
            return false;
    }
}

/* The first name whose values are not the same; NULL: there is none. */
static const char *find_difference(const struct string_list *a, const struct string_list *b)
{
    for (size_t i = 0; i + 1 < a->count; i += 2)
        if (!agree(a, b, a->items[i]))
            return a->items[i];
    for (size_t i = 0; i + 1 < b->count; i += 2)
        if (!agree(a, b, b->items[i]))
            return b->items[i];
    return NULL;
}

static void show_values(const struct string_list *job, const char *name, struct string *out)
{
    const char *value;
    size_t at = 0;

    while ((value = next_value(job, name, &at))) {
        if (out->length > MOST_SHOWN) {
            string_append_text(out, " ...");
            return;
        }
        string_append_format(out, " '%.*s'", MOST_SHOWN, value);
    }
    if (out->length == 0)
        string_append_text(out, " not given");
}

int output_job_check(const char *folder, const struct string_list *there, const struct string_list *now)
{
    const char *name = find_difference(there, now);
    struct string before = {0}, after = {0};

    if (!name)
        return 0;
    show_values(there, name, &before);
    show_values(now, name, &after);
    error_set(SOWLV2_ERROR_ARGUMENT,
              "--resume: %s: its results were made with %s%s, now%s: ask for the same, leave out --resume to start "
              "over, or choose another --output folder",
              folder, name, before.failed ? "" : before.data, after.failed ? "" : after.data);
    string_free(&before);
    string_free(&after);
    return SOWLV2_ERROR_ARGUMENT;
}
