/* Which tokens are special and which are added, by the reference's rules. */
#ifndef TEXT_SPECIAL_TOKENS_H
#define TEXT_SPECIAL_TOKENS_H

#include "text/added_tokens.h"
#include "text/tokenizer_files.h"

#include <stdbool.h>
#include <stddef.h>

/* The strings are those of the files that it was read from, or constants. */
struct special_tokens {
    const char *start, *end, *unknown, *pad;
    struct added_token *added; /* in the order in which they are to be added; owned */
    size_t added_count, added_capacity;
    const char *file; /* what messages call the file that names most of them */
    bool split;       /* special tokens in a text are cut up like words */
};

/* Errors: FORMAT (names the file and the field), UNSUPPORTED (padding or truncation on the left),
 * MEMORY; `*out` is empty then. */
int special_tokens_read(const struct tokenizer_files *files, struct special_tokens *out);
void special_tokens_free(struct special_tokens *special);

#endif
