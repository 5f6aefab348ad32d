/* Byte-pair merging of one word. */
#ifndef TEXT_BPE_H
#define TEXT_BPE_H

#include <stddef.h>
#include <stdint.h>

struct bpe_merge {
    int32_t left, right; /* ids of the pair */
    int32_t merged;      /* id of what they become */
    uint32_t rank;       /* lower merges first */
};

struct bpe {
    int32_t symbol[256];      /* id of each byte inside a word */
    int32_t last_symbol[256]; /* id of each byte at a word's end, "</w>" */
    struct bpe_merge *merges; /* by left, then right; owned */
    size_t merge_count;
};

/* Memory that merging reuses from word to word; one per thread. Start from {0}. */
struct bpe_workspace {
    struct bpe_symbol *symbols;
    size_t symbol_capacity;
    struct bpe_candidate *heap;
    size_t heap_count, heap_capacity;
    int32_t *ids; /* the last word's tokens */
    size_t id_count, id_capacity;
};

/* Puts `bpe->merges` in order; of two merges of one pair the one of higher rank stays, as in the
 * reference. */
void bpe_sort_merges(struct bpe *bpe);
void bpe_free(struct bpe *bpe);

/* Tokens of a word of `size` > 0 bytes, in `workspace->ids`. Takes time in proportion to
 * size * log(size). Errors: MEMORY. */
int bpe_encode(const struct bpe *bpe, const char *word, size_t size, struct bpe_workspace *workspace);
void bpe_workspace_free(struct bpe_workspace *workspace);

#endif
