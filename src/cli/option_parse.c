/* The command line: getopt_long over the table, then the configuration file, then the values. */
#include "base/error.h"
#include "base/file.h"
#include "cli/config_file.h"
#include "cli/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An option as it was typed. */
struct given {
    const struct option_spec *spec;
    const char *text; /* NULL for flags */
};

struct scan {
    int count_of_words; /* of `words`, the verb at 0 */
    char **words;
    unsigned verb;
    const char *verb_name;
    struct option *options; /* for getopt_long, ends with zeros */
    struct given *given;    /* [count], in the order typed */
    size_t count;
    const struct option_spec *last; /* the option that plain words belong to; NULL: none */
    bool hungry;                    /* `last` has no value yet */
};

enum { FIRST_LONG = 256 };

static int has_argument(const struct option_spec *spec)
{
    if (spec->kind == OPTION_FLAG)
        return no_argument;
    /* "optional" makes getopt return the words after it one by one, so that they can be several. */
    return option_is_list(spec) ? optional_argument : required_argument;
}

static int make_options(struct scan *scan)
{
    const struct option_spec *spec;
    size_t count = 0;

    scan->options = calloc(option_count() + 1, sizeof(*scan->options));
    scan->given = calloc((size_t)scan->count_of_words + 1, sizeof(*scan->given));
    if (!scan->options || !scan->given)
        return error_memory("options");
    for (size_t i = 0; (spec = option_at(i)); i++)
        if (spec->verbs & scan->verb)
            scan->options[count++] =
                (struct option){.name = spec->name, .has_arg = has_argument(spec), .val = FIRST_LONG + (int)i};
    return 0;
}

/* Steps from one text to another by changing, adding or removing a letter; at most 64 letters are looked at. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[65], columns = strnlen(b, 64);

    for (size_t j = 0; j <= columns; j++)
        row[j] = j;
    for (size_t i = 1; i <= strnlen(a, 64); i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= columns; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            if (row[j] + 1 < change)
                change = row[j] + 1;
            row[j] = row[j - 1] + 1 < change ? row[j - 1] + 1 : change;
        }
    }
    return row[columns];
}

/* The option that a name was to be; `*matches` is how many begin with it. NULL: none is near. */
static const char *nearest_option(const struct scan *scan, const char *name, size_t *matches)
{
    const char *nearest = NULL;
    size_t best = 3;

    *matches = 0;
    for (const struct option *option = scan->options; option->name; option++) {
        const size_t distance = edit_distance(name, option->name);

        *matches += strncmp(option->name, name, strlen(name)) == 0;
        if (distance < best) {
            best = distance;
            nearest = option->name;
        }
    }
    return nearest;
}

/* The name of an option as it was typed, without what is before it and without its value. */
static void copy_name(const char *typed, char name[65])
{
    snprintf(name, 65, "%.64s", typed);
    name[strcspn(name, "=")] = '\0';
}

/* The option that a word means which begins with a typographic dash, its value left out; NULL: none. */
static const char *find_dashed(const struct scan *scan, const char *word)
{
    const char *const rest = option_after_dashes(word);
    const struct option_spec *exact;
    const char *nearest;
    char name[65];
    size_t matches;

    if (!rest || !*rest)
        return NULL;
    copy_name(rest, name);
    exact = option_find(name, scan->verb, NULL);
    if (exact || strcmp(name, "h") == 0)
        return exact ? exact->name : "help";
    nearest = nearest_option(scan, name, &matches);
    for (const struct option *option = scan->options; matches == 1 && option->name; option++)
        if (strncmp(option->name, name, strlen(name)) == 0)
            return option->name;
    return strlen(name) > 3 ? nearest : NULL;
}

/* Whether it is an option whose hyphens became other dashes. A text may begin with a dash too. */
static bool is_dashed_option(const struct scan *scan, const char *word)
{
    return find_dashed(scan, word);
}

static int refuse_dash(const struct scan *scan, const char *word)
{
    const char *const name = find_dashed(scan, word), *const rest = option_after_dashes(word);
    const char *const value = name ? strchr(rest, '=') : NULL;

    if (name)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: begins with a typographic dash: write --%s%s", word, name,
                         value ? value : "");
    return error_set(SOWLV2_ERROR_ARGUMENT,
                     "%s: begins with a typographic dash: options begin with two hyphens, --: see 'sowlv2 %s --help'",
                     word, scan->verb_name);
}

/* A word that begins with one dash: an option typed wrong, or a value that looks like one. */
static int unknown_word(const struct scan *scan, const char *word)
{
    char name[65];
    const char *nearest;
    size_t matches;

    copy_name(word + 1, name);
    nearest = nearest_option(scan, name, &matches);
    if (option_find(name, scan->verb, NULL))
        nearest = option_find(name, scan->verb, NULL)->name;
    if (file_exists(word))
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "%s: begins with a dash, so it is taken for an option: write ./%s for "
                         "the file",
                         word, word);
    if (nearest && name[0] && name[1] && (option_find(name, scan->verb, NULL) || edit_distance(name, nearest) < 2))
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: no such option: did you mean --%s? See 'sowlv2 %s --help'", word,
                         nearest, scan->verb_name);
    if (scan->last)
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "%s: no such option: write --%s=%s if it is a value of --%s, see 'sowlv2 %s --help'", word,
                         scan->last->name, word, scan->last->name, scan->verb_name);
    return error_set(SOWLV2_ERROR_ARGUMENT, "%s: no such option: see 'sowlv2 %s --help'", word, scan->verb_name);
}

/* Reports a word that getopt did not take, with the nearest option where one is near. */
static int unknown_option(const struct scan *scan, const char *word)
{
    char name[65];
    const char *nearest;
    size_t matches;

    if (option_after_dashes(word) && !file_exists(word))
        return refuse_dash(scan, word);
    if (strncmp(word, "--", 2) != 0)
        return unknown_word(scan, word);
    copy_name(word + 2, name);
    nearest = nearest_option(scan, name, &matches);
    if (matches > 1)
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "--%s: could be several options: write it in full, see 'sowlv2 %s --help'", name,
                         scan->verb_name);
    if (matches == 1)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: this option takes no value: leave out what follows '='", word);
    if (file_exists(word))
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "%s: begins with dashes, so it is taken for an option: write ./%s for "
                         "the file",
                         word, word);
    if (nearest)
        return error_set(SOWLV2_ERROR_ARGUMENT, "--%s: no such option: did you mean --%s? See 'sowlv2 %s --help'", name,
                         nearest, scan->verb_name);
    return error_set(SOWLV2_ERROR_ARGUMENT, "--%s: no such option: see 'sowlv2 %s --help'", name, scan->verb_name);
}

/* Whether a value is rather the next option: its own was forgotten. "--input=--output" says that it is meant. */
static bool is_forgotten(const struct scan *scan, const char *text)
{
    char name[65];

    if (strncmp(text, "--", 2) == 0)
        return true;
    copy_name(text + 1, name);
    return *text == '-' && name[0] && name[1] && option_find(name, scan->verb, NULL);
}

static int check_fed(const struct scan *scan)
{
    const struct option_spec *const last = scan->last;

    if (scan->hungry && last->kind == OPTION_PATHS)
        return error_set(SOWLV2_ERROR_ARGUMENT, "--%s: its value is missing: give one %.*s or several", last->name,
                         (int)strcspn(last->value, "."), last->value);
    if (scan->hungry)
        return error_set(SOWLV2_ERROR_ARGUMENT, "--%s: needs at least one text after it, for example --%s cat dog",
                         last->name, last->name);
    return 0;
}

static int take_option(struct scan *scan, const struct option_spec *spec, const char *text)
{
    int status = check_fed(scan);

    if (status)
        return status;
    const bool own = text && text == scan->words[optind - 1]; /* a word of its own, not behind '=' */

    if (!option_is_list(spec) && own && is_dashed_option(scan, text))
        return refuse_dash(scan, text);
    if (!option_is_list(spec) && own && is_forgotten(scan, text))
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "--%s: its value is missing: found %s instead (write --%s=%s if you mean it)", spec->name,
                         text, spec->name, text);
    scan->last = option_is_list(spec) ? spec : NULL;
    scan->hungry = scan->last && !text && spec->kind != OPTION_AS_VIDEO;
    if (!scan->hungry)
        scan->given[scan->count++] = (struct given){spec, text};
    return 0;
}

/* A word that is no option: another value of --prompt, a text of tokenize, an id of pull. */
static int take_word(struct scan *scan, const char *word, struct settings *settings)
{
    if (is_dashed_option(scan, word))
        return refuse_dash(scan, word);
    if (scan->last) {
        scan->hungry = false;
        scan->given[scan->count++] = (struct given){scan->last, word};
        return 0;
    }
    if (scan->verb == FOR_TOKENIZE || scan->verb == FOR_PULL)
        return string_list_append(&settings->texts, word);
    if (option_after_dashes(word) && !file_exists(word))
        return refuse_dash(scan, word);
    if (file_exists(word) && option_find("input", scan->verb, NULL))
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: unexpected argument: write --input %s", word, word);
    return error_set(SOWLV2_ERROR_ARGUMENT, "%s: unexpected argument: put its option before it, see 'sowlv2 %s --help'",
                     word, scan->verb_name);
}

/* One word, or an option with its value: what getopt made of it. */
static int take_code(struct scan *scan, int code, const char *word, struct settings *settings)
{
    if (code == 1)
        return take_word(scan, optarg, settings);
    if (code == 'h' && strcmp(word, "-h") == 0)
        return take_option(scan, option_find("help", scan->verb, NULL), NULL);
    if (code >= FIRST_LONG)
        return take_option(scan, option_at((size_t)(code - FIRST_LONG)), optarg);
    if (code == ':')
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: its value is missing: see 'sowlv2 %s --help'", word,
                         scan->verb_name);
    return unknown_option(scan, word);
}

/* Sorts the arguments into `given` and the settings' texts. */
static int scan_arguments(struct scan *scan, struct settings *settings)
{
    int status = 0;

    opterr = 0;
    optind = 0; /* glibc: start afresh */
    while (!status) {
        const int at = optind > 0 ? optind : 1; /* it moves on, but in the middle of a word such as "-abc" */
        const int code = getopt_long(scan->count_of_words, scan->words, "-:h", scan->options, NULL);

        if (code == -1)
            break;
        status = take_code(scan, code, scan->words[at], settings);
    }
    for (int i = optind; !status && i < scan->count_of_words; i++) /* after "--" */
        status = take_word(scan, scan->words[i], settings);
    return status ? status : check_fed(scan);
}

/* Applies what was typed; with `only` just that option, otherwise all. */
static int apply(const struct scan *scan, const struct option_spec *only, struct settings *settings)
{
    int status = 0;

    for (size_t i = 0; !status && i < scan->count; i++) {
        const struct given *given = &scan->given[i];
        char where[80] = "--";

        if (only && given->spec != only)
            continue;
        strncat(where, given->spec->name, sizeof(where) - 3);
        status = option_set(settings, given->spec, where, given->text);
    }
    return status;
}

static bool is_given(const struct scan *scan, const char *name)
{
    for (size_t i = 0; i < scan->count; i++)
        if (strcmp(scan->given[i].spec->name, name) == 0)
            return true;
    return false;
}

static void clear_list(const struct option_spec *spec, struct settings *settings)
{
    void *const field = (char *)settings + spec->offset;

    if (spec->kind == OPTION_AS_VIDEO) {
        struct as_video *const as_video = field;

        as_video->all = false;
        string_list_free(&as_video->paths);
    } else {
        string_list_free(field);
    }
}

/* The configuration file first, then the command line over it. */
static int apply_all(const struct scan *scan, struct settings *settings)
{
    int status = 0;

    if (is_given(scan, "config"))
        status = apply(scan, option_find("config", scan->verb, NULL), settings);
    if (!status && settings->config)
        status = config_file_apply(settings->config, scan->verb, settings);
    for (size_t i = 0; !status && i < scan->count; i++)
        if (option_is_list(scan->given[i].spec))
            clear_list(scan->given[i].spec, settings); /* the list as a whole is replaced, not lengthened */
    if (!status && (is_given(scan, "prompt") || is_given(scan, "prompts-file"))) {
        string_list_free(&settings->prompts);
        string_list_free(&settings->prompt_files);
    }
    if (!status && (is_given(scan, "box") || is_given(scan, "point")))
        marks_free(&settings->marks);
    return status ? status : apply(scan, NULL, settings);
}

int options_parse(int count, char **words, unsigned verb, const char *verb_name, struct settings *settings)
{
    struct scan scan = {.count_of_words = count, .words = words, .verb = verb, .verb_name = verb_name};
    int status = make_options(&scan);

    if (!status)
        status = scan_arguments(&scan, settings);
    if (!status) {
        settings->help = is_given(&scan, "help");
        settings->version = is_given(&scan, "version");
        if (!settings->help && !settings->version)
            status = apply_all(&scan, settings);
    }
    free(scan.options);
    free(scan.given);
    return status;
}
