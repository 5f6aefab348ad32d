/* The words that a small model was taught, from known_words.json in its folder: {"nouns": {"cat": ["kitty"], ...},
 * "colours": {"cat": ["black"], ...}}. Published models have no such file. */
#ifndef WEIGHTS_KNOWN_WORDS_H
#define WEIGHTS_KNOWN_WORDS_H

#include <stdbool.h>

struct known_words;

/* `*out` is NULL where the folder has no such file. Errors: FORMAT, IO, MEMORY. */
int known_words_open(const char *folder, struct known_words **out);
void known_words_free(struct known_words **words);

/* Whether a prompt is one of the nouns or their synonyms, perhaps with an article and a colour or size that was taught
 * with that noun in front; upper and lower case are alike. */
bool known_words_has(const struct known_words *words, const char *prompt);

/* "cat, dog, ...": the nouns, freed by the caller; NULL: out of memory. */
char *known_words_list(const struct known_words *words);

#endif
