/* See prompts.h. */
#include "cli/prompts.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utf8proc.h>

enum { LARGEST_FILE = 16 << 20, LONGEST_QUOTE = 60, MOST_PARTS = 3 };

/* The next character and its size; a byte that is not UTF-8 counts as a character that nobody knows. */
static utf8proc_int32_t next_character(const char *text, size_t *size)
{
    utf8proc_int32_t character = -1;
    const utf8proc_ssize_t count =
        utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)strnlen(text, 4), &character);

    *size = count > 0 ? (size_t)count : 1;
    return count > 0 ? character : -1;
}

static bool is_space(utf8proc_int32_t character)
{
    const utf8proc_category_t category = character < 0 ? UTF8PROC_CATEGORY_LO : utf8proc_category(character);

    return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP ||
           category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF;
}

/* Whether the text holds more than spaces and punctuation; symbols may name something, as emoji do. */
static bool names_something(const char *text, size_t length)
{
    for (size_t at = 0, size; at < length; at += size) {
        const utf8proc_int32_t character = next_character(text + at, &size);
        const utf8proc_category_t category = character < 0 ? UTF8PROC_CATEGORY_LO : utf8proc_category(character);

        if (!is_space(character) && !(category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO))
            return true;
    }
    return false;
}

/* How many bytes at the beginning of a text part one prompt from the next, and are none of either; 0: none. A full
 * stop does so only where one also ends the text, as models that take one sentence for all want it. */
static size_t separator_size(const char *text, bool stops)
{
    static const char *const separators[] = {
        ",", ";", "|", "\n", "\r", "\t", " . ", "\xef\xbc\x8c" /* fullwidth , */, "\xe3\x80\x81", "\xef\xbc\x9b"};

    for (size_t i = 0; i < sizeof(separators) / sizeof(separators[0]); i++)
        if (strncmp(text, separators[i], strlen(separators[i])) == 0)
            return strlen(separators[i]);
    return stops && *text == '.' && (text[1] == ' ' || !text[1]) ? 1 : 0;
}

/* Takes the spaces off both ends. */
static void trim(const char **text, size_t *length)
{
    size_t size;

    while (*length > 0 && is_space(next_character(*text, &size)) && size <= *length) {
        *text += size;
        *length -= size;
    }
    for (size_t back; *length > 0; *length -= back) {
        back = 1;
        while (back < *length && back < 4 && ((unsigned char)(*text)[*length - back] & 0xC0) == 0x80)
            back++;
        if (!is_space(next_character(*text + *length - back, &size)) || size != back)
            break;
    }
}

static void append_part(struct string *out, const char *part, size_t length)
{
    const char *const quote = memchr(part, ' ', length) ? "\"" : "";

    string_append_format(out, " %s%.*s%s", quote, (int)length, part, quote);
}

/* The parts that a prompt has, as it would be typed: " fox \"red bus\""; how many. */
static size_t split(const char *prompt, struct string *out)
{
    const size_t all = strlen(prompt);
    const bool stops = all > 0 && prompt[all - 1] == '.';
    size_t count = 0, begin = 0;

    for (size_t at = 0; at <= all;) {
        const size_t size = at < all ? separator_size(prompt + at, stops) : 1;
        const char *part = prompt + begin;
        size_t length = at - begin;

        if (size > 0) {
            trim(&part, &length);
            if (names_something(part, length) && count++ < MOST_PARTS)
                append_part(out, part, length);
            begin = at + size;
        }
        at += size > 0 ? size : 1;
    }
    if (count > MOST_PARTS)
        string_append_text(out, " ...");
    return count;
}

/* How much of a prompt a message shows: its first line, of whole characters. */
static int quote_length(const char *text)
{
    size_t length = 0, size;

    while (text[length] && text[length] != '\n' && text[length] != '\r') {
        next_character(text + length, &size);
        if (length + size > LONGEST_QUOTE)
            break;
        length += size;
    }
    return (int)length;
}

/* A prompt of the command line or the configuration file. */
static int check_prompt(const char *prompt)
{
    struct string parts = {0};

    if (!names_something(prompt, strlen(prompt)))
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "--prompt: '%.*s' names nothing: say what to look for, for example --prompt cat dog",
                         quote_length(prompt), prompt);
    if (strpbrk(prompt, "\r\n") && split(prompt, &parts) > 1)
        log_notice(
            "--prompt: '%.*s...' is taken as one prompt: --prompts-file FILE takes each line of a file as a prompt",
            quote_length(prompt), prompt);
    else if (split(prompt, &parts) > 1 && !parts.failed)
        log_notice("--prompt: '%.*s' is taken as one prompt: for several write --prompt%s", quote_length(prompt),
                   prompt, parts.data);
    else if (strchr(prompt, '.') && file_exists(prompt) && !file_is_directory(prompt))
        log_notice("--prompt: '%s' is taken as a prompt, but there is a file of that name: --prompts-file %s takes the "
                   "prompts in it",
                   prompt, prompt);
    string_free(&parts);
    return 0;
}

/* A file being read. */
struct reader {
    const char *name; /* for messages */
    struct string_list *prompts;
    size_t line, count, several; /* lines so far; prompts; those that look like several */
    size_t first_several;        /* line of the first of them */
};

static int take_line(struct reader *reader, const char *text, size_t length)
{
    struct string parts = {0}, prompt = {0};
    int status;

    for (size_t at = 0, size; at < length; at += size)
        if (next_character(text + at, &size) < 0)
            return error_set(SOWLV2_ERROR_FORMAT, "%s:%zu: is not UTF-8: save the file as UTF-8", reader->name,
                             reader->line);
    trim(&text, &length);
    if (length == 0 || *text == '#')
        return 0;
    if (!names_something(text, length))
        return error_set(SOWLV2_ERROR_FORMAT, "%s:%zu: '%.*s' names nothing: remove the line", reader->name,
                         reader->line, (int)length, text);
    string_append(&prompt, text, length);
    status = prompt.failed ? error_memory(reader->name) : string_list_append(reader->prompts, prompt.data);
    if (!status && split(prompt.data, &parts) > 1 && reader->several++ == 0)
        reader->first_several = reader->line;
    reader->count++;
    string_free(&parts);
    string_free(&prompt);
    return status;
}

static int take_lines(struct reader *reader, const char *text, size_t size)
{
    int status = 0;

    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) { /* a byte order mark, as Windows writes it */
        text += 3;
        size -= 3;
    }
    if (memchr(text, '\0', size))
        return error_set(SOWLV2_ERROR_FORMAT, "%s: is not UTF-8 text (perhaps UTF-16): save the file as UTF-8",
                         reader->name);
    for (size_t at = 0, length; !status && at < size; at += length + 1) {
        length = strcspn(text + at, "\n");
        reader->line++;
        /* Old Macs end lines so; before a newline it is a space and trimmed. */
        for (size_t begin = 0, part; !status && begin <= length; begin += part + 1) {
            part = strcspn(text + at + begin, "\r\n");
            status = take_line(reader, text + at + begin, part);
        }
    }
    return status;
}

static int read_prompts(const char *path, struct string_list *prompts)
{
    const bool standard = strcmp(path, "-") == 0;
    struct reader reader = {.name = standard ? "standard input" : path, .prompts = prompts};
    char *text = NULL;
    size_t size = 0;
    int status = standard ? file_read_descriptor(STDIN_FILENO, reader.name, 0, LARGEST_FILE, NULL, NULL, &text, &size)
                          : file_read(path, LARGEST_FILE, &text, &size);

    if (!status)
        status = take_lines(&reader, text, size);
    free(text);
    if (!status && reader.count == 0)
        status = error_set(SOWLV2_ERROR_FORMAT, "%s: no prompts in it: write one per line", reader.name);
    if (status)
        return error_prefix(status, "--prompts-file");
    if (reader.several > 0)
        log_notice("--prompts-file: %s:%zu: a line is taken as one prompt%s: write one prompt per line", reader.name,
                   reader.first_several, reader.several > 1 ? ", and others like it" : "");
    return 0;
}

static bool has_standard_input(const struct string_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], "-") == 0)
            return true;
    return false;
}

int prompts_read(struct settings *settings)
{
    int status = 0;

    for (size_t i = 0; !status && i < settings->prompts.count; i++)
        status = check_prompt(settings->prompts.items[i]);
    if (!status && has_standard_input(&settings->prompt_files) &&
        (has_standard_input(&settings->inputs) || has_standard_input(&settings->as_video.paths)))
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "--prompts-file: - is standard input, and so is the input: give one of them as a file");
    for (size_t i = 0; !status && i < settings->prompt_files.count; i++)
        status = read_prompts(settings->prompt_files.items[i], &settings->prompts);
    return status;
}
