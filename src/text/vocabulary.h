/* The vocabulary of a tokenizer while it is being loaded: token -> id, and what merging needs of it. */
#ifndef TEXT_VOCABULARY_H
#define TEXT_VOCABULARY_H

#include "text/bpe.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vocabulary {
    json_t *ids;      /* object: token -> id; borrowed */
    const char *file; /* what messages call the file; borrowed */
    size_t count;
    int32_t largest; /* largest id, -1 where there is none */
};

/* Checks every entry of `ids`. Errors: FORMAT (not an object, an id that is no whole number from 0 to
 * INT32_MAX - 1, an id twice), MEMORY. */
int vocabulary_open(const char *file, json_t *ids, struct vocabulary *out);

bool vocabulary_find(const struct vocabulary *vocabulary, const char *token, int32_t *id);

/* Fills `bpe->symbol` and `bpe->last_symbol`; a byte without a token gets that of `unknown`. Errors:
 * FORMAT (a byte without a token, and no `unknown` in the vocabulary). */
int vocabulary_symbols(const struct vocabulary *vocabulary, const char *unknown, struct bpe *bpe);

/* Fills `bpe->merges` from the text of merges.txt: a pair a line, parted by one space. Errors, with
 * the line: FORMAT (not a pair, a token that the vocabulary lacks), MEMORY. */
int vocabulary_merges_from_text(const struct vocabulary *vocabulary, const char *file, const char *text, size_t size,
                                struct bpe *bpe);

/* The same from a list whose items are "a b" or ["a", "b"]; NULL is an empty list. */
int vocabulary_merges_from_list(const struct vocabulary *vocabulary, const char *file, const json_t *list,
                                struct bpe *bpe);

#endif
