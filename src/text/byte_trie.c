/* The trie behind the search for added tokens: nodes with a first child and a next sibling. */
#include "text/byte_trie.h"

#include "base/error.h"

#include <stdlib.h>

/* Index 0 is the root, which is nobody's child, so that 0 means none. */
struct byte_trie_node {
    uint32_t child, sibling;
    int32_t number; /* of the string that ends here, -1: none */
    unsigned char byte;
};

void byte_trie_free(struct byte_trie *trie)
{
    free(trie->nodes);
    *trie = (struct byte_trie){0};
}

bool byte_trie_is_empty(const struct byte_trie *trie)
{
    return trie->count == 0;
}

/* The child of `node` for `byte`; 0: none. */
static uint32_t step(const struct byte_trie *trie, uint32_t node, unsigned char byte)
{
    uint32_t child = trie->nodes[node].child;
    while (child && trie->nodes[child].byte != byte)
        child = trie->nodes[child].sibling;
    return child;
}

static int add_node(struct byte_trie *trie, uint32_t parent, unsigned char byte, uint32_t *out)
{
    if (trie->count == trie->capacity) {
        size_t capacity = trie->capacity < 64 ? 64 : trie->capacity * 2;
        struct byte_trie_node *nodes = realloc(trie->nodes, capacity * sizeof(*nodes));
        if (!nodes)
            return error_memory("added tokens");
        trie->nodes = nodes;
        trie->capacity = capacity;
    }
    uint32_t index = (uint32_t)trie->count++;
    trie->nodes[index] = (struct byte_trie_node){.number = -1, .byte = byte};
    if (index > 0) {
        trie->nodes[index].sibling = trie->nodes[parent].child;
        trie->nodes[parent].child = index;
    }
    *out = index;
    return 0;
}

int byte_trie_add(struct byte_trie *trie, const char *text, size_t size, int32_t number)
{
    uint32_t node = 0;
    int status = trie->count == 0 ? add_node(trie, 0, 0, &node) : 0;
    for (size_t i = 0; i < size && !status; i++) {
        uint32_t child = step(trie, node, (unsigned char)text[i]);
        if (!child)
            status = add_node(trie, node, (unsigned char)text[i], &child);
        node = child;
    }
    if (status)
        return status;
    if (trie->nodes[node].number < 0)
        trie->nodes[node].number = number;
    return 0;
}

int32_t byte_trie_longest(const struct byte_trie *trie, const char *text, size_t size, size_t *length)
{
    int32_t found = -1;
    uint32_t node = 0;
    for (size_t i = 0; i < size && !byte_trie_is_empty(trie); i++) {
        node = step(trie, node, (unsigned char)text[i]);
        if (!node)
            break;
        if (trie->nodes[node].number >= 0) {
            found = trie->nodes[node].number;
            *length = i + 1;
        }
    }
    return found;
}
