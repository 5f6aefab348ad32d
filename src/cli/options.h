/* The flags of every verb in one table, which the command line, the configuration file and the help share. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "cli/settings.h"

#include <stddef.h>

enum option_kind {
    OPTION_FLAG,     /* bool */
    OPTION_TEXT,     /* const char *, not empty */
    OPTION_PATH,     /* the same, "~" at its beginning being the user's folder */
    OPTION_CHOICE,   /* const char *, one of `choices`, or an enum, the place among them */
    OPTION_INTEGER,  /* int64_t or int in [minimum, maximum] */
    OPTION_COUNT,    /* the same, or "auto" for 0 */
    OPTION_NUMBER,   /* double or float in [minimum, maximum] */
    OPTION_TEXTS,    /* struct string_list: one or more values up to the next option */
    OPTION_PATHS,    /* the same, of paths */
    OPTION_AS_VIDEO, /* struct as_video: a flag, or paths */
    OPTION_DRAW,     /* unsigned: a list of what to draw */
    OPTION_BOX,      /* struct marks: another box */
    OPTION_POINT,    /* struct marks: another point */
    OPTION_TIME,     /* double: seconds, or h:mm:ss */
    OPTION_INTERVAL, /* struct sowlv2_interval: frames, or seconds with an s */
    OPTION_RANGE,    /* struct sowlv2_frame_range: A:B */
    OPTION_MEMORY,   /* struct memory_limit: a size, or a percentage */
};

enum option_group {
    GROUP_MAIN,
    GROUP_OUTPUT,
    GROUP_MODEL,
    GROUP_DETECTION,
    GROUP_MASKS,
    GROUP_SPEED,
    GROUP_VIDEO,
    GROUP_FRAMES,
    GROUP_COMMON,
    GROUP_COUNT,
};

/* Verbs that take an option; bits. */
enum option_verbs {
    FOR_DETECT = 1,
    FOR_TOKENIZE = 2,
    FOR_SEGMENT = 4,
    FOR_IMAGES = 5,
    FOR_FRAMES = 8,
    FOR_PULL = 16,
    FOR_MODELS = 32,
    FOR_ALL = 63,
    FOR_DEVICES = 64, /* takes what needs neither models nor a device */
    FOR_EVERY = 127
};

struct option_spec {
    const char *name; /* without the dashes */
    enum option_kind kind;
    enum option_group group;
    unsigned verbs;
    size_t offset, size;  /* in struct settings */
    bool negates;         /* the flag turns off what is on */
    const char *value;    /* what the help calls the value; NULL for flags */
    const char *fallback; /* the default as the help shows it; NULL: none to show */
    const char *help;
    const char *choices; /* of OPTION_CHOICE, separated by '|' */
    double minimum, maximum;
    bool command_line_only; /* no key of the configuration file */
};

/* The table's rows, in the order of the help; NULL behind the last. Names are not unique, name and verb are. */
size_t option_count(void);
const struct option_spec *option_at(size_t index);

/* The option of that exact name for one of `verbs`, '_' standing for '-' too, and its row (`index` may be NULL).
 * NULL: there is none. */
const struct option_spec *option_find(const char *name, unsigned verbs, size_t *index);

/* Stores a value, and notes that the option was given. `where` is what messages call the option ("--fps", "run.yaml:3:
 * fps"). `text` NULL turns a flag on. The text must outlive the settings, except for lists, which copy, and marks.
 * Errors: ARGUMENT (not a valid value), MEMORY. */
int option_set(struct settings *settings, const struct option_spec *spec, const char *where, const char *text);

/* What a flag says, a number, or a choice in `settings`, whatever type it has there. */
bool option_is_on(const struct settings *settings, const struct option_spec *spec);
double option_number(const struct settings *settings, const struct option_spec *spec);
int64_t option_integer(const struct settings *settings, const struct option_spec *spec);

/* Whether it takes several values, up to the next option. */
bool option_is_list(const struct option_spec *spec);

/* The path that `text` means, "~" and "~user" at its beginning being folders of users; freed by the caller, NULL after
 * an error. A file or folder here whose name begins so is meant itself. Errors: ARGUMENT (no such user), MEMORY. */
int option_expand_path(const char *where, const char *text, char **out);

/* What follows the dashes at the beginning of a word, where one of them is typographic; NULL: none is. */
const char *option_after_dashes(const char *word);
/* Adds to this thread's message that a value holds such a dash, where it does; returns `status`. */
int option_explain_dash(int status, const char *text);

/* Names in notices the options that were given and have no effect, since there are only images, or only videos, or a
 * part that they need is off. */
void options_tell_unused(const struct settings *settings, bool images, bool videos);

/* The kinds that are about time. Errors: ARGUMENT. */
int option_read_time(const char *where, const char *text, double *out);
int option_read_interval(const char *where, const char *text, struct sowlv2_interval *out);
int option_read_range(const char *where, const char *text, struct sowlv2_frame_range *out);

/* Bytes, or K, M, G or T of 1024, or a percentage above 0 to 100. Errors: ARGUMENT. */
int option_read_memory(const char *where, const char *text, struct memory_limit *out);

/* Reads words[1] to words[count-1], a verb's arguments, over the defaults and the configuration file; the
 * command line wins. Stops early, without checking values, where --help or --version is among them. Errors:
 * ARGUMENT, UNSUPPORTED, IO, FORMAT, MEMORY. */
int options_parse(int count, char **words, unsigned verb, const char *verb_name, struct settings *settings);

#endif
