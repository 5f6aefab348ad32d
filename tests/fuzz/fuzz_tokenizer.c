/* Fuzzes the tokenizer: its files and a text at once. An input is the text to encode, followed by files,
 * each under a line "%%NAME". Where no vocabulary is among them, a small one stands in. */
#include "base/error.h"
#include "base/strings.h"
#include "text/tokenizer.h"
#include "text/tokenizer_files.h"
#include "weights/json.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* Every byte inside and at the end of a word, some longer tokens, and the special ones. */
static char *default_vocabulary(void)
{
    static const char *const longer[] = {"ca",   "cat</w>",  "th",     "the</w>",         "aa",
                                         "aaaa", "aaaa</w>", "aa</w>", "<|startoftext|>", "<|endoftext|>"};
    struct string text = {0};
    int id = 0;
    string_append_text(&text, "{");
    for (int32_t point = 0x21; point < 0x144; point++) {
        if ((point > 0x7E && point < 0xA1) || point == 0xAD)
            continue;
        char token[8] = {0};
        utf8proc_encode_char(point, (utf8proc_uint8_t *)token);
        const char *escape = point == '"' || point == '\\' ? "\\" : "";
        string_append_format(&text, "\"%s%s\":%d,\"%s%s</w>\":%d,", escape, token, id, escape, token, id + 1);
        id += 2;
    }
    for (size_t i = 0; i < sizeof(longer) / sizeof(longer[0]); i++)
        string_append_format(&text, "%s\"%s\":%d", i ? "," : "", longer[i], id++);
    string_append_text(&text, "}");
    check(!text.failed && id == 522);
    return text.data;
}

/* The part of the input under "%%name"; NULL where there is none. */
static const char *find_part(const char *data, size_t size, const char *name, size_t *length)
{
    char line[64];
    int count = snprintf(line, sizeof(line), "\n%%%%%s\n", name);
    const char *part = memmem(data, size, line, (size_t)count);
    if (!part)
        return NULL;
    part += count;
    const char *end = memmem(part, (size_t)(data + size - part), "\n%%", 3);
    *length = (size_t)((end ? end : data + size) - part);
    return part;
}

static int read_part(const char *data, size_t size, const char *name, struct tokenizer_json *out)
{
    size_t length;
    const char *part = find_part(data, size, name, &length);
    out->path = strdup(name);
    check(out->path);
    return part ? json_parse_object(name, part, length, &out->root) : 0;
}

static int read_files(const char *data, size_t size, struct tokenizer_files *files)
{
    static const char merges[] = "#version: 0.2\nc a\nca t</w>\nt h\nth e</w>\na a\naa aa\naa aa</w>\na a</w>";
    static json_t *vocabulary; /* kept from input to input */
    if (!vocabulary) {
        char *text = default_vocabulary();
        check(json_parse_object("vocab.json", text, strlen(text), &vocabulary) == 0);
        free(text);
    }

    int status = read_part(data, size, "tokenizer.json", &files->tokenizer);
    if (!status)
        status = read_part(data, size, "vocab.json", &files->vocabulary);
    if (!status && !files->tokenizer.root && !files->vocabulary.root)
        files->vocabulary.root = json_incref(vocabulary);
    if (!status)
        status = read_part(data, size, "tokenizer_config.json", &files->config);
    if (!status)
        status = read_part(data, size, "special_tokens_map.json", &files->special_map);
    if (!status)
        status = read_part(data, size, "added_tokens.json", &files->added);

    const char *part = find_part(data, size, "merges.txt", &files->merges_size);
    if (!part) {
        part = merges;
        files->merges_size = sizeof(merges) - 1;
    }
    files->merges_path = strdup("merges.txt");
    files->merges = malloc(files->merges_size + 1);
    check(files->merges_path && files->merges);
    memcpy(files->merges, part, files->merges_size);
    return status;
}

static void check_ids(const struct tokenizer *tokenizer, const int32_t *ids, int length, bool truncated)
{
    check(ids[0] == tokenizer_start_id(tokenizer));
    for (int i = 0; i < length; i++)
        check(ids[i] >= 0 && ids[i] < tokenizer_vocab_size(tokenizer));
    if (truncated)
        check(ids[length - 1] == tokenizer_end_id(tokenizer));
}

static void encode(const struct tokenizer *tokenizer, const char *text, size_t size)
{
    enum { SHORT = 16, LONG = 60 };
    int32_t few[SHORT], many[LONG];
    bool few_truncated, many_truncated;
    check(tokenizer_encode(tokenizer, text, size, SHORT, few, &few_truncated) == 0);
    check(tokenizer_encode(tokenizer, text, size, LONG, many, &many_truncated) == 0);
    check_ids(tokenizer, few, SHORT, few_truncated);
    check_ids(tokenizer, many, LONG, many_truncated);
    check(few_truncated || !many_truncated);
    check(memcmp(few, many, (SHORT - 1) * sizeof(*few)) == 0);
}

/* Most inputs are a text alone: they share a tokenizer. */
static void encode_alone(const char *text, size_t size)
{
    static struct tokenizer *tokenizer;
    if (!tokenizer) {
        struct tokenizer_files files = {0};
        check(read_files("", 0, &files) == 0 && tokenizer_create(&files, &tokenizer) == 0);
        tokenizer_files_close(&files);
    }
    encode(tokenizer, text, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = size ? (const char *)data : "";
    const char *end = memmem(text, size, "\n%%", 3);
    if (!end) {
        encode_alone(text, size);
        return 0;
    }
    struct tokenizer_files files = {0};
    struct tokenizer *tokenizer = NULL;
    int status = read_files(text, size, &files);
    if (!status)
        status = tokenizer_create(&files, &tokenizer);
    check((status == 0) == (tokenizer != NULL));
    check(status == 0 || (status < 0 && strlen(error_message()) > 0));
    if (tokenizer)
        encode(tokenizer, text, (size_t)(end - text));
    tokenizer_free(&tokenizer);
    tokenizer_files_close(&files);
    return 0;
}
