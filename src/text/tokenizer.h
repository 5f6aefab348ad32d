/* The CLIP tokenizer, token for token what the pinned reference's CLIPTokenizer gives
 * (byte-level BPE after NFC, whitespace folding and full lower-casing). */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tokenizer;

/* Reads tokenizer.json, or where there is none vocab.json + merges.txt, from `folder` (the reference's
 * order: tokenizer.json wins where a folder has both), and the special tokens from
 * tokenizer_config.json / special_tokens_map.json / added_tokens.json where they are there. Immutable
 * afterwards: any number of threads may encode. Errors: MODEL (files missing), FORMAT (names the file),
 * UNSUPPORTED (padding or truncation on the left), IO, MEMORY. */
int tokenizer_open(const char *folder, struct tokenizer **out);
void tokenizer_free(struct tokenizer **tokenizer);

/* One more than the largest token id: must not exceed the model's vocab_size. */
int32_t tokenizer_vocab_size(const struct tokenizer *tokenizer);
int32_t tokenizer_start_id(const struct tokenizer *tokenizer);
int32_t tokenizer_end_id(const struct tokenizer *tokenizer);
int32_t tokenizer_pad_id(const struct tokenizer *tokenizer);

/* Encodes `size` bytes of UTF-8 (invalid bytes become U+FFFD) as start, tokens, end, then padding up to
 * exactly `length` (>= 2) ids at `ids`. Longer texts lose tokens from the back and keep the end token;
 * `*truncated` (may be NULL) says so. Errors: MEMORY. */
int tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t size, int length, int32_t *ids,
                     bool *truncated);

#endif
