/* Lines of the journal of an output folder. */
#include "output/journal.h"

#include "base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Control characters, and what an escape begins with, are written %XX. */
static bool is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte != 0x7f && byte != '%';
}

void journal_field(struct string *line, const char *text)
{
    if (line->length > 0)
        string_append_text(line, "\t");
    while (*text) {
        size_t plain = 0;

        while (text[plain] && is_plain((unsigned char)text[plain]))
            plain++;
        string_append(line, text, plain);
        text += plain;
        if (*text)
            string_append_format(line, "%%%02X", (unsigned char)*text++);
    }
}

void journal_number(struct string *line, int64_t number)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, number);
    journal_field(line, text);
}

void journal_input(struct string *line, const char *name, const struct output_identity *identity)
{
    journal_field(line, name);
    journal_field(line, identity->path ? identity->path : "");
    journal_number(line, identity->size);
    journal_number(line, identity->modified);
}

void journal_end(struct string *line)
{
    string_append_text(line, "\n");
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Takes the escapes out of a field, in place. False where one is none, or stands for the end of a string. */
static bool unescape(char *field)
{
    char *to = field;

    for (const char *from = field; *from; from++) {
        if (*from != '%') {
            *to++ = *from;
            continue;
        }
        const int high = hex_digit(from[1]), low = high >= 0 ? hex_digit(from[2]) : -1;

        if (low < 0 || high + low == 0)
            return false;
        *to++ = (char)(16 * high + low);
        from += 2;
    }
    *to = '\0';
    return true;
}

static int add_field(struct journal_line *line, char *field)
{
    if (line->count == line->field_capacity) {
        const size_t capacity = line->field_capacity > 0 ? 2 * line->field_capacity : 16;
        const char **grown = realloc(line->fields, capacity * sizeof(*grown));

        if (!grown)
            return error_memory("journal");
        line->fields = grown;
        line->field_capacity = capacity;
    }
    line->fields[line->count++] = field;
    return 0;
}

static int split(struct journal_line *line, const char *path)
{
    char *rest = line->text;
    int status = 0;

    line->count = 0;
    while (!status && rest) {
        char *field = strsep(&rest, "\t");

        if (!unescape(field))
            return error_set(SOWLV2_ERROR_FORMAT, "%s:%zu: damaged", path, line->number);
        status = add_field(line, field);
    }
    return status;
}

int journal_next(FILE *stream, const char *path, struct journal_line *line)
{
    ssize_t length;
    int status;

    errno = 0;
    length = getline(&line->text, &line->capacity, stream);
    if (length < 0 && errno == ENOMEM)
        return error_memory(path);
    if (ferror(stream))
        return error_set(SOWLV2_ERROR_IO, "%s: cannot read: %s", path, strerror(errno));
    if (length <= 0 || line->text[length - 1] != '\n')
        return 0;
    line->number++;
    line->text[length - 1] = '\0';
    if (strlen(line->text) != (size_t)length - 1)
        return error_set(SOWLV2_ERROR_FORMAT, "%s:%zu: damaged", path, line->number);
    status = split(line, path);
    return status ? status : 1;
}

void journal_line_free(struct journal_line *line)
{
    free(line->text);
    free(line->fields);
    *line = (struct journal_line){0};
}

bool journal_parse_number(const char *field, int64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoll(field, &end, 10);
    return end != field && !*end && errno == 0;
}

bool journal_parse_input(const struct journal_line *line, const char **name, struct output_identity *identity)
{
    char *path;

    if (line->count < 5)
        return false;
    path = line->text + (line->fields[2] - line->text);
    *name = line->fields[1];
    *identity = (struct output_identity){.path = *path ? path : NULL};
    return journal_parse_number(line->fields[3], &identity->size) &&
           journal_parse_number(line->fields[4], &identity->modified);
}
