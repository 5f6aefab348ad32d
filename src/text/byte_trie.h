/* A trie of byte strings, each with a number: which of them is the longest at the start of a text? */
#ifndef TEXT_BYTE_TRIE_H
#define TEXT_BYTE_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Start from {0}. */
struct byte_trie {
    struct byte_trie_node *nodes;
    size_t count, capacity;
};

/* Adds `size` > 0 bytes under `number` >= 0; bytes that are there keep their number. At most UINT32_MAX
 * bytes in all. Errors: MEMORY. */
int byte_trie_add(struct byte_trie *trie, const char *text, size_t size, int32_t number);
bool byte_trie_is_empty(const struct byte_trie *trie);
void byte_trie_free(struct byte_trie *trie);

/* The number of the longest string at the start of `size` bytes, and its length; -1: none. */
int32_t byte_trie_longest(const struct byte_trie *trie, const char *text, size_t size, size_t *length);

#endif
