/* Reading the merges, from merges.txt and from the list in tokenizer.json. */
#include "base/error.h"
#include "base/strings.h"
#include "text/vocabulary.h"

#include <stdlib.h>
#include <string.h>

/* Merges being read. */
struct reader {
    const struct vocabulary *vocabulary;
    const char *file;
    struct bpe *bpe;
    size_t capacity;
    struct string left, right, merged; /* reused from merge to merge */
    size_t place;                      /* line of merges.txt, or item of the list, from 1 */
};

static int read_token(struct reader *reader, const struct string *token, int32_t *id)
{
    if (token->failed)
        return error_memory(reader->file);
    /* Shortened, so that a damaged file does not fill the screen; a NUL would hide what follows it. */
    if (memchr(token->data, '\0', token->length) || !vocabulary_find(reader->vocabulary, token->data, id))
        return error_set(SOWLV2_ERROR_FORMAT,
                         "%s: merge %zu needs the token \"%.64s\", which the vocabulary lacks: the tokenizer's files "
                         "do not belong together: get them again",
                         reader->file, reader->place, token->data);
    return 0;
}

static void set(struct string *string, const char *bytes, size_t count)
{
    string_clear(string);
    string_append(string, bytes, count);
}

static int add_merge(struct reader *reader, const char *left, size_t left_size, const char *right, size_t right_size)
{
    struct bpe *bpe = reader->bpe;
    if (bpe->merge_count == reader->capacity) {
        size_t capacity = reader->capacity < 256 ? 256 : reader->capacity * 2;
        if (capacity > SIZE_MAX / sizeof(*bpe->merges))
            return error_memory(reader->file);
        struct bpe_merge *merges = realloc(bpe->merges, capacity * sizeof(*merges));
        if (!merges)
            return error_memory(reader->file);
        bpe->merges = merges;
        reader->capacity = capacity;
    }
    struct bpe_merge merge = {.rank = (uint32_t)bpe->merge_count};
    set(&reader->left, left, left_size);
    set(&reader->right, right, right_size);
    set(&reader->merged, left, left_size);
    string_append(&reader->merged, right, right_size);
    int status = read_token(reader, &reader->left, &merge.left);
    if (!status)
        status = read_token(reader, &reader->right, &merge.right);
    if (!status)
        status = read_token(reader, &reader->merged, &merge.merged);
    if (!status)
        bpe->merges[bpe->merge_count++] = merge;
    return status;
}

/* A merge written as "a b". */
static int add_pair(struct reader *reader, const char *text, size_t size)
{
    const char *space = size > 0 ? memchr(text, ' ', size) : NULL;
    size_t left = space ? (size_t)(space - text) : 0;
    if (!space || memchr(space + 1, ' ', size - left - 1))
        return error_set(SOWLV2_ERROR_FORMAT,
                         "%s: merge %zu is not two tokens parted by one space: the file is damaged: get it again",
                         reader->file, reader->place);
    return add_merge(reader, text, left, space + 1, size - left - 1);
}

static int finish(struct reader *reader, int status)
{
    string_free(&reader->left);
    string_free(&reader->right);
    string_free(&reader->merged);
    if (status)
        bpe_free(reader->bpe);
    else
        bpe_sort_merges(reader->bpe);
    return status;
}

int vocabulary_merges_from_text(const struct vocabulary *vocabulary, const char *file, const char *text, size_t size,
                                struct bpe *bpe)
{
    static const char version[] = "#version";
    struct reader reader = {.vocabulary = vocabulary, .file = file, .bpe = bpe};
    int status = 0;
    const char *end = text + size;
    while (text < end && !status) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *next = newline ? newline + 1 : end;
        size_t length = (size_t)((newline ? newline : end) - text);
        if (newline && length > 0 && text[length - 1] == '\r')
            length--;
        reader.place++;
        if (length < sizeof(version) - 1 || memcmp(text, version, sizeof(version) - 1) != 0)
            status = add_pair(&reader, text, length);
        text = next;
    }
    return finish(&reader, status);
}

int vocabulary_merges_from_list(const struct vocabulary *vocabulary, const char *file, const json_t *list,
                                struct bpe *bpe)
{
    struct reader reader = {.vocabulary = vocabulary, .file = file, .bpe = bpe};
    if (list && !json_is_array(list))
        return error_set(SOWLV2_ERROR_FORMAT, "%s: the merges are not a list: it is not a CLIP tokenizer's file", file);
    int status = 0;
    for (size_t i = 0; i < json_array_size(list) && !status; i++) {
        const json_t *item = json_array_get(list, i);
        const json_t *left = json_array_get(item, 0), *right = json_array_get(item, 1);
        reader.place = i + 1;
        if (json_is_string(item))
            status = add_pair(&reader, json_string_value(item), json_string_length(item));
        else if (json_array_size(item) == 2 && json_is_string(left) && json_is_string(right))
            status = add_merge(&reader, json_string_value(left), json_string_length(left), json_string_value(right),
                               json_string_length(right));
        else
            status = error_set(SOWLV2_ERROR_FORMAT,
                               "%s: merge %zu is neither \"a b\" nor [\"a\", \"b\"]: the file is damaged: get it again",
                               file, reader.place);
    }
    return finish(&reader, status);
}
