/* Added tokens: strings that the reference takes out of a text before it is cut into words. */
#ifndef TEXT_ADDED_TOKENS_H
#define TEXT_ADDED_TOKENS_H

#include "text/vocabulary.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ADDED_TOKENS_MAX = 4096, ADDED_TOKEN_MAX_BYTES = 1024 };

/* How a file describes one. */
struct added_token {
    const char *content;
    bool single_word;    /* only where no word character is next to it */
    bool lstrip, rstrip; /* takes the white space before it, after it */
    bool normalized;     /* normalised itself, and looked for in normalised text; else in the raw text */
    bool special;
};

struct added_tokens;

struct added_tokens *added_tokens_create(void); /* NULL: out of memory */
void added_tokens_free(struct added_tokens **tokens);

/* Adds a token, or changes the flags of one that is there. Its id is the vocabulary's, or for one
 * that is not in there the next free one after it. `file` is what messages call the token's file.
 * Errors: FORMAT (too long, too many, no id left), MEMORY. */
int added_tokens_add(struct added_tokens *tokens, const struct vocabulary *vocabulary, const char *file,
                     const struct added_token *token);

/* The id of a token of this list, else of the vocabulary. */
bool added_tokens_find(const struct added_tokens *tokens, const struct vocabulary *vocabulary, const char *content,
                       int32_t *id);

/* Largest id in the list; -1 where it is empty. */
int32_t added_tokens_largest(const struct added_tokens *tokens);

/* To be called once after the last token. With `split_special`, special tokens are left in the text.
 * Errors: MEMORY. */
int added_tokens_compile(struct added_tokens *tokens, bool split_special);

/* Takes a piece of text, `id` -1, or the token `id` with the text that it stands for; not 0 ends the
 * splitting. */
typedef int (*added_tokens_callback)(void *context, const char *text, size_t size, int32_t id);

/* Cuts `size` bytes of valid UTF-8 at the leftmost longest tokens: with `normalized` those that are
 * looked for in normalised text, else the others. Returns 0 or what the callback returned. Immutable
 * from here on: any number of threads may split. */
int added_tokens_split(const struct added_tokens *tokens, bool normalized, const char *text, size_t size,
                       added_tokens_callback callback, void *context);

#endif
