#include "media/huffman.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_NODES = 2 * HUFFMAN_SYMBOLS };

struct leaf {
    uint32_t count;
    int symbol;
};

static int compare_leaves(const void *a, const void *b)
{
    const struct leaf *x = a, *y = b;
    if (x->count != y->count)
        return x->count < y->count ? -1 : 1;
    return x->symbol - y->symbol;
}

/* Depths of the tree over `count` >= 2 leaves in rising order: of_depth[d] says how many lie d deep. Both the leaves
 * and the nodes made of them come in rising order, so the two smallest are always at a front. */
static void measure_tree(const struct leaf *leaves, int count, uint32_t *of_depth)
{
    uint32_t weight[MOST_NODES];
    int parent[MOST_NODES], depth[MOST_NODES];
    int leaf = 0, node = count, made = count;
    for (int i = 0; i < count; i++)
        weight[i] = leaves[i].count;
    for (; made < 2 * count - 1; made++) {
        weight[made] = 0;
        for (int side = 0; side < 2; side++) {
            int least = leaf < count && (node >= made || weight[leaf] <= weight[node]) ? leaf++ : node++;
            weight[made] += weight[least];
            parent[least] = made;
        }
    }
    depth[made - 1] = 0;
    for (int i = made - 2; i >= 0; i--) {
        depth[i] = depth[parent[i]] + 1;
        if (i < count)
            of_depth[depth[i]]++;
    }
}

/* Cuts depths beyond `limit` and makes room for what was cut: the code must use up its space exactly. Space is counted
 * in codes of `limit` bits. */
static void limit_depths(uint32_t *of_depth, int count, int limit)
{
    uint32_t space = 0;
    for (int d = limit + 1; d < count; d++) {
        of_depth[limit] += of_depth[d];
        of_depth[d] = 0;
    }
    for (int d = 1; d <= limit; d++)
        space += of_depth[d] << (limit - d);
    for (; space > 1u << limit; space--) { // NOLINT(clang-analyzer-core.*): limit is at least 1
        /* A leaf of the deepest level moves beside one that goes a level down: one place is freed. */
        int d = limit - 1;
        while (of_depth[d] == 0)
            d--;
        of_depth[d]--;
        of_depth[d + 1] += 2;
        of_depth[limit]--;
    }
}

static uint16_t reverse(unsigned code, int length)
{
    unsigned out = 0;
    for (int i = 0; i < length; i++, code >>= 1)
        out = out << 1 | (code & 1);
    return (uint16_t)out;
}

static void assign_codes(const uint32_t *of_depth, int symbols, const uint8_t *length, uint16_t *code)
{
    unsigned next[HUFFMAN_LIMIT + 1] = {0};
    for (int d = 1; d < HUFFMAN_LIMIT; d++)
        next[d + 1] = (next[d] + of_depth[d]) << 1;
    for (int i = 0; i < symbols; i++)
        if (length[i] > 0)
            code[i] = reverse(next[length[i]]++, length[i]);
}

void huffman_make(const uint32_t *count, int symbols, int limit, uint8_t *length, uint16_t *code)
{
    struct leaf leaves[HUFFMAN_SYMBOLS];
    uint32_t of_depth[HUFFMAN_SYMBOLS + HUFFMAN_LIMIT + 1] = {0};
    int used = 0;
    memset(length, 0, (size_t)symbols);
    for (int i = 0; i < symbols; i++)
        if (count[i] > 0)
            leaves[used++] = (struct leaf){count[i], i};
    if (used < 2) {
        of_depth[1] = (uint32_t)used;
    } else {
        qsort(leaves, (size_t)used, sizeof(*leaves), compare_leaves);
        measure_tree(leaves, used, of_depth);
        limit_depths(of_depth, used, limit);
    }
    /* The rarest get the longest. */
    int next = 0;
    for (int d = limit; d > 0; d--)
        for (uint32_t i = 0; i < of_depth[d] && next < used; i++)
            length[leaves[next++].symbol] = (uint8_t)d;
    assign_codes(of_depth, symbols, length, code);
}
