/* Pre-tokenisation: cutting normalised text into the words that byte-pair merging works on. */
#ifndef TEXT_WORDS_H
#define TEXT_WORDS_H

#include <stddef.h>

struct word_splitter; /* the compiled pattern; immutable, any number of threads may split */

/* Errors: MEMORY, UNSUPPORTED (a PCRE2 without Unicode). */
int word_splitter_create(struct word_splitter **out);
void word_splitter_free(struct word_splitter **splitter);

/* Takes one word; not 0 ends the splitting. */
typedef int (*word_callback)(void *context, const char *word, size_t size);

/* Calls `callback` with each word of `size` bytes of valid, normalised UTF-8 (white space is single
 * U+0020), in order. Returns 0 or what the callback returned. Errors of its own: MEMORY. */
int word_splitter_run(const struct word_splitter *splitter, const char *text, size_t size, word_callback callback,
                      void *context);

#endif
