/* --config: a YAML file read through libyaml's events. */
#include "cli/config_file.h"

#include "base/error.h"
#include "base/file.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

enum { LARGEST_FILE = 1 << 20, MOST_ITEMS = 10000, LONGEST_QUOTE = 60 };

struct reader {
    yaml_parser_t parser;
    yaml_event_t event;
    const char *path;
    unsigned verb;
    struct settings *settings;
    bool *seen; /* [option_count()]: keys so far */
};

/* Reads the next event in place of the last one. */
static int next_event(struct reader *reader)
{
    yaml_event_delete(&reader->event);
    if (yaml_parser_parse(&reader->parser, &reader->event))
        return 0;
    if (reader->parser.error == YAML_MEMORY_ERROR)
        return error_memory(reader->path);
    return error_set(SOWLV2_ERROR_FORMAT, "%s:%zu: not YAML: %s", reader->path, reader->parser.problem_mark.line + 1,
                     reader->parser.problem ? reader->parser.problem : "unreadable");
}

static size_t event_line(const struct reader *reader)
{
    return reader->event.start_mark.line + 1;
}

static int wrong(const struct reader *reader, const char *why)
{
    return error_set(SOWLV2_ERROR_FORMAT, "%s:%zu: %s", reader->path, event_line(reader), why);
}

/* The scalar's text, kept by the settings; NULL with an error set where it is not one. */
static const char *scalar_text(struct reader *reader)
{
    struct string_list *owned = &reader->settings->owned;
    const char *text = (const char *)reader->event.data.scalar.value;

    if (strlen(text) != reader->event.data.scalar.length) {
        wrong(reader, "a value contains a zero byte: remove it");
        return NULL;
    }
    if (string_list_append(owned, text) != 0) {
        error_memory(reader->path);
        return NULL;
    }
    return owned->items[owned->count - 1];
}

/* "key:" with nothing after it, "~" or "null", unquoted: the key is as good as absent. */
static bool is_null(const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;

    return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (!*text || strcmp(text, "~") == 0 || strcasecmp(text, "null") == 0);
}

/* Stores the scalar at hand; messages name file, line and key. */
static int set_scalar(struct reader *reader, const struct option_spec *spec)
{
    struct string where = {0};
    const char *text = scalar_text(reader);
    int status;

    if (!text)
        return SOWLV2_ERROR_FORMAT;
    string_append_format(&where, "%s:%zu: %s", reader->path, event_line(reader), spec->name);
    status = where.failed ? error_memory(reader->path) : option_set(reader->settings, spec, where.data, text);
    string_free(&where);
    return status;
}

/* The items of a list, after its start: prompts, boxes and points one by one, or the parts of --draw joined by
 * commas. */
static int read_list(struct reader *reader, const struct option_spec *spec)
{
    struct string joined = {0}, where = {0};
    int status = 0;
    const bool one_by_one = option_is_list(spec) || spec->kind == OPTION_BOX || spec->kind == OPTION_POINT;

    if (!one_by_one && spec->kind != OPTION_DRAW)
        return error_set(SOWLV2_ERROR_FORMAT, "%s:%zu: %s: takes one value, not a list", reader->path,
                         event_line(reader), spec->name);
    string_append_format(&where, "%s:%zu: %s", reader->path, event_line(reader), spec->name);
    for (size_t items = 0; !status; items++) {
        status = next_event(reader);
        if (status || reader->event.type == YAML_SEQUENCE_END_EVENT)
            break;
        if (reader->event.type != YAML_SCALAR_EVENT)
            status = wrong(reader, "a list contains something other than plain values: write one text per item");
        else if (items >= MOST_ITEMS)
            status = wrong(reader, "the list is too long");
        else if (one_by_one)
            status = set_scalar(reader, spec);
        else
            string_append_format(&joined, "%s%s", joined.length ? "," : "",
                                 (const char *)reader->event.data.scalar.value);
    }
    if (!status && (joined.failed || where.failed))
        status = error_memory(reader->path);
    if (!status && spec->kind == OPTION_DRAW)
        status = option_set(reader->settings, spec, where.data, joined.data ? joined.data : "");
    string_free(&joined);
    string_free(&where);
    return status;
}

/* The option that the scalar at hand names. Errors: FORMAT. */
static int read_key(struct reader *reader, const struct option_spec **out)
{
    const char *key = (const char *)reader->event.data.scalar.value;
    const struct option_spec *spec = NULL;
    size_t index = 0;

    if (strlen(key) == reader->event.data.scalar.length)
        spec = option_find(key, reader->verb, &index);
    if (!spec || spec->command_line_only)
        return error_set(SOWLV2_ERROR_FORMAT, "%s:%zu: '%.*s' is not a known key: use the flags' names without dashes",
                         reader->path, event_line(reader), LONGEST_QUOTE, key);
    if (reader->seen[index])
        return error_set(SOWLV2_ERROR_FORMAT, "%s:%zu: '%s' is given twice: keep one", reader->path, event_line(reader),
                         spec->name);
    reader->seen[index] = true;
    *out = spec;
    return 0;
}

static int read_value(struct reader *reader, const struct option_spec *spec)
{
    int status = next_event(reader);

    if (status)
        return status;
    switch (reader->event.type) {
    case YAML_SCALAR_EVENT:
        return is_null(&reader->event) ? 0 : set_scalar(reader, spec);
    case YAML_SEQUENCE_START_EVENT:
        return read_list(reader, spec);
    case YAML_ALIAS_EVENT:
        return wrong(reader, "aliases (*name) are not supported: write the value itself");
    default:
        return error_set(SOWLV2_ERROR_FORMAT, "%s:%zu: %s: takes a plain value, not a mapping", reader->path,
                         event_line(reader), spec->name);
    }
}

static int read_mapping(struct reader *reader)
{
    for (;;) {
        const struct option_spec *spec = NULL;
        int status = next_event(reader);

        if (status)
            return status;
        if (reader->event.type == YAML_MAPPING_END_EVENT)
            return 0;
        if (reader->event.type != YAML_SCALAR_EVENT)
            return wrong(reader, "a key is not a plain word: use the flags' names without dashes");
        status = read_key(reader, &spec);
        if (!status)
            status = read_value(reader, spec);
        if (status)
            return status;
    }
}

/* One document, a mapping or nothing. */
static int read_stream(struct reader *reader)
{
    bool document = false;
    int status;

    while ((status = next_event(reader)) == 0 && reader->event.type != YAML_STREAM_END_EVENT) {
        if (reader->event.type == YAML_DOCUMENT_START_EVENT) {
            if (document)
                return wrong(reader, "a second YAML document begins here: keep one of them");
            document = true;
        } else if (reader->event.type == YAML_MAPPING_START_EVENT) {
            status = read_mapping(reader);
            if (status)
                return status;
        } else if (reader->event.type != YAML_STREAM_START_EVENT && reader->event.type != YAML_DOCUMENT_END_EVENT &&
                   !(reader->event.type == YAML_SCALAR_EVENT && is_null(&reader->event))) {
            return wrong(reader, "not a mapping of keys to values: write lines such as 'threshold: 0.2'");
        }
    }
    return status;
}

int config_file_apply(const char *path, unsigned verb, struct settings *settings)
{
    struct reader reader = {.path = path, .verb = verb, .settings = settings};
    char *text = NULL;
    size_t size = 0;
    int status = file_read(path, LARGEST_FILE, &text, &size);

    if (status)
        return error_prefix(status, "--config");
    reader.seen = calloc(option_count(), sizeof(*reader.seen));
    if (!reader.seen || !yaml_parser_initialize(&reader.parser)) {
        status = error_memory(path);
    } else {
        yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, size);
        status = read_stream(&reader);
        yaml_event_delete(&reader.event);
        yaml_parser_delete(&reader.parser);
    }
    free(reader.seen);
    free(text);
    return status;
}
