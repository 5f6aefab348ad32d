/* The list of added tokens, and the search for them in a text. */
#include "text/added_tokens.h"

#include "base/error.h"
#include "base/strings.h"
#include "text/byte_trie.h"
#include "text/normalize.h"
#include "text/unicode.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    char *content;
    int32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
    bool replaced; /* another token has taken its id: it is no longer looked for */
};

struct added_tokens {
    struct entry *entries;
    size_t count, capacity;
    int64_t next_id; /* -1 until the first token is added */
    bool split_special;
    struct byte_trie raw, normalized;
};

struct added_tokens *added_tokens_create(void)
{
    struct added_tokens *tokens = calloc(1, sizeof(*tokens));
    if (tokens)
        tokens->next_id = -1;
    return tokens;
}

void added_tokens_free(struct added_tokens **tokens)
{
    if (!*tokens)
        return;
    for (size_t i = 0; i < (*tokens)->count; i++)
        free((*tokens)->entries[i].content);
    free((*tokens)->entries);
    byte_trie_free(&(*tokens)->raw);
    byte_trie_free(&(*tokens)->normalized);
    free(*tokens);
    *tokens = NULL;
}

static struct entry *find_entry(const struct added_tokens *tokens, const char *content)
{
    for (size_t i = 0; i < tokens->count; i++)
        if (!strcmp(tokens->entries[i].content, content))
            return &tokens->entries[i];
    return NULL;
}

bool added_tokens_find(const struct added_tokens *tokens, const struct vocabulary *vocabulary, const char *content,
                       int32_t *id)
{
    const struct entry *entry = find_entry(tokens, content);
    if (entry)
        *id = entry->id;
    return entry || vocabulary_find(vocabulary, content, id);
}

int32_t added_tokens_largest(const struct added_tokens *tokens)
{
    int32_t largest = -1;
    for (size_t i = 0; i < tokens->count; i++)
        if (tokens->entries[i].id > largest)
            largest = tokens->entries[i].id;
    return largest;
}

static int add_entry(struct added_tokens *tokens, const char *content, struct entry **out)
{
    if (tokens->count == tokens->capacity) {
        size_t capacity = tokens->capacity < 8 ? 8 : tokens->capacity * 2;
        struct entry *entries = realloc(tokens->entries, capacity * sizeof(*entries));
        if (!entries)
            return error_memory("added tokens");
        tokens->entries = entries;
        tokens->capacity = capacity;
    }
    char *copy = strdup(content);
    if (!copy)
        return error_memory("added tokens");
    *out = &tokens->entries[tokens->count++];
    **out = (struct entry){.content = copy};
    return 0;
}

int added_tokens_add(struct added_tokens *tokens, const struct vocabulary *vocabulary, const char *file,
                     const struct added_token *token)
{
    if (token->content[0] == '\0')
        return 0; /* the reference passes over it too */
    if (strlen(token->content) > ADDED_TOKEN_MAX_BYTES)
        return error_set(SOWLV2_ERROR_FORMAT, "%s: an added token is longer than %d bytes: \"%.32s...\"", file,
                         ADDED_TOKEN_MAX_BYTES, token->content);
    if (tokens->next_id < 0)
        tokens->next_id = (int64_t)vocabulary->count;

    int32_t id = 0;
    bool known = added_tokens_find(tokens, vocabulary, token->content, &id);
    if (!known) {
        if (tokens->next_id >= INT32_MAX)
            return error_set(SOWLV2_ERROR_FORMAT, "%s: no id is left for the added token \"%.64s\"", file,
                             token->content);
        id = (int32_t)tokens->next_id++;
    }
    struct entry *entry = find_entry(tokens, token->content);
    if (!entry) {
        if (tokens->count == ADDED_TOKENS_MAX)
            return error_set(SOWLV2_ERROR_FORMAT, "%s: more than %d added tokens: it is not a CLIP tokenizer's file",
                             file, ADDED_TOKENS_MAX);
        int status = add_entry(tokens, token->content, &entry);
        if (status)
            return status;
    }
    /* Ids with gaps in a vocabulary can make a new id that of an older token. */
    for (size_t i = 0; i < tokens->count; i++)
        if (tokens->entries[i].id == id)
            tokens->entries[i].replaced = true;
    entry->id = id;
    entry->replaced = false;
    entry->single_word = token->single_word;
    entry->lstrip = token->lstrip;
    entry->rstrip = token->rstrip;
    entry->normalized = token->normalized;
    entry->special = entry->special || token->special;
    return 0;
}

int added_tokens_compile(struct added_tokens *tokens, bool split_special)
{
    tokens->split_special = split_special;
    struct string normal = {0};
    int status = 0;
    /* Of tokens that are the same once normalised the first is found: the reference takes any of them. */
    for (size_t i = 0; i < tokens->count && !status; i++) {
        const struct entry *entry = &tokens->entries[i];
        if (entry->replaced)
            continue;
        if (!entry->normalized) {
            status = byte_trie_add(&tokens->raw, entry->content, strlen(entry->content), (int32_t)i);
            continue;
        }
        string_clear(&normal);
        status = text_normalize(entry->content, strlen(entry->content), &normal);
        if (!status)
            status = byte_trie_add(&tokens->normalized, normal.data, normal.length, (int32_t)i);
    }
    string_free(&normal);
    return status;
}

/* Start of the last character before `at` > 0. */
static size_t step_back(const char *text, size_t at)
{
    do
        at--;
    while (at > 0 && ((unsigned char)text[at] & 0xC0) == 0x80);
    return at;
}

static bool word_before(const char *text, size_t at)
{
    if (at == 0)
        return false;
    size_t start = step_back(text, at);
    int32_t point;
    unicode_read(text + start, at - start, &point);
    return unicode_is_word(point);
}

static bool word_after(const char *text, size_t size, size_t at)
{
    if (at == size)
        return false;
    int32_t point;
    unicode_read(text + at, size - at, &point);
    return unicode_is_word(point);
}

/* Start of the white space that ends at `at`. */
static size_t space_before(const char *text, size_t at)
{
    while (at > 0) {
        size_t start = step_back(text, at);
        int32_t point;
        unicode_read(text + start, at - start, &point);
        if (!unicode_is_space(point))
            break;
        at = start;
    }
    return at;
}

static size_t space_after(const char *text, size_t size, size_t at)
{
    while (at < size) {
        int32_t point;
        size_t length = unicode_read(text + at, size - at, &point);
        if (!unicode_is_space(point))
            break;
        at += length;
    }
    return at;
}

int added_tokens_split(const struct added_tokens *tokens, bool normalized, const char *text, size_t size,
                       added_tokens_callback callback, void *context)
{
    const struct byte_trie *trie = normalized ? &tokens->normalized : &tokens->raw;
    size_t done = 0; /* what lies before has been given out */
    for (size_t at = 0; !byte_trie_is_empty(trie) && at < size;) {
        size_t length = 0;
        int32_t found = byte_trie_longest(trie, text + at, size - at, &length);
        if (found < 0) {
            at++;
            continue;
        }
        const struct entry *entry = &tokens->entries[found];
        size_t start = at, stop = at + length;
        at = stop; /* also where the match is passed over: the reference does not look inside it */
        if (tokens->split_special && entry->special)
            continue;
        if (entry->single_word && (word_before(text, start) || word_after(text, size, stop)))
            continue;
        if (entry->lstrip) {
            start = space_before(text, start);
            if (start < done)
                start = done;
        }
        if (entry->rstrip)
            stop = space_after(text, size, stop);
        if (stop <= start)
            continue; /* a token of white space, all of which an rstrip token has taken */
        int status = done < start ? callback(context, text + done, start - done, -1) : 0;
        if (!status)
            status = callback(context, text + start, stop - start, entry->id);
        if (status)
            return status;
        done = stop;
    }
    return done < size ? callback(context, text + done, size - done, -1) : 0;
}
