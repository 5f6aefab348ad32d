/* Byte-pair merging with a heap of candidates over a linked list of symbols. */
#include "text/bpe.h"

#include "base/error.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const size_t none = SIZE_MAX;

struct bpe_symbol {
    int32_t id; /* -1: merged into an earlier one */
    size_t previous, next;
};

/* A pair that may be merged, at the place of its left symbol; stale once either of the two changed. */
struct bpe_candidate {
    size_t at;
    uint32_t rank;
    int32_t merged;
};

static int compare_merges(const void *a, const void *b)
{
    const struct bpe_merge *x = a, *y = b;
    if (x->left != y->left)
        return x->left < y->left ? -1 : 1;
    if (x->right != y->right)
        return x->right < y->right ? -1 : 1;
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

void bpe_sort_merges(struct bpe *bpe)
{
    if (bpe->merge_count == 0)
        return;
    qsort(bpe->merges, bpe->merge_count, sizeof(*bpe->merges), compare_merges);
    size_t kept = 0;
    for (size_t i = 0; i < bpe->merge_count; i++) {
        if (kept > 0 && bpe->merges[kept - 1].left == bpe->merges[i].left &&
            bpe->merges[kept - 1].right == bpe->merges[i].right)
            kept--;
        bpe->merges[kept++] = bpe->merges[i];
    }
    bpe->merge_count = kept;
}

void bpe_free(struct bpe *bpe)
{
    free(bpe->merges);
    bpe->merges = NULL;
    bpe->merge_count = 0;
}

void bpe_workspace_free(struct bpe_workspace *workspace)
{
    free(workspace->symbols);
    free(workspace->heap);
    free(workspace->ids);
    *workspace = (struct bpe_workspace){0};
}

static const struct bpe_merge *find_merge(const struct bpe *bpe, int32_t left, int32_t right)
{
    size_t low = 0, high = bpe->merge_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct bpe_merge *merge = &bpe->merges[middle];
        if (merge->left == left && merge->right == right)
            return merge;
        if (merge->left < left || (merge->left == left && merge->right < right))
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* Makes `*memory` hold at least `needed` items; keeps what is there. */
static int reserve(void **memory, size_t *capacity, size_t needed, size_t item)
{
    if (needed <= *capacity)
        return 0;
    size_t larger = *capacity < 64 ? 64 : *capacity * 2;
    if (larger < needed)
        larger = needed;
    if (larger > SIZE_MAX / item)
        return error_memory("text");
    void *moved = realloc(*memory, larger * item);
    if (!moved)
        return error_memory("text");
    *memory = moved;
    *capacity = larger;
    return 0;
}

static bool comes_before(const struct bpe_candidate *a, const struct bpe_candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static int heap_push(struct bpe_workspace *workspace, size_t at, const struct bpe_merge *merge)
{
    void *memory = workspace->heap;
    int status = reserve(&memory, &workspace->heap_capacity, workspace->heap_count + 1, sizeof(*workspace->heap));
    workspace->heap = memory;
    if (status)
        return status;
    struct bpe_candidate candidate = {at, merge->rank, merge->merged};
    size_t slot = workspace->heap_count++;
    while (slot > 0) {
        size_t parent = (slot - 1) / 2;
        if (!comes_before(&candidate, &workspace->heap[parent]))
            break;
        workspace->heap[slot] = workspace->heap[parent];
        slot = parent;
    }
    workspace->heap[slot] = candidate;
    return 0;
}

static struct bpe_candidate heap_pop(struct bpe_workspace *workspace)
{
    struct bpe_candidate *heap = workspace->heap;
    struct bpe_candidate top = heap[0], last = heap[--workspace->heap_count];
    size_t count = workspace->heap_count, slot = 0;
    while (2 * slot + 1 < count) {
        size_t child = 2 * slot + 1;
        if (child + 1 < count && comes_before(&heap[child + 1], &heap[child]))
            child++;
        if (!comes_before(&heap[child], &last))
            break;
        heap[slot] = heap[child];
        slot = child;
    }
    heap[slot] = last;
    return top;
}

/* Notes the pair that starts at `at`, if it can be merged. */
static int consider(const struct bpe *bpe, struct bpe_workspace *workspace, size_t at)
{
    const struct bpe_symbol *symbol = &workspace->symbols[at];
    if (symbol->next == none)
        return 0;
    const struct bpe_merge *merge = find_merge(bpe, symbol->id, workspace->symbols[symbol->next].id);
    return merge ? heap_push(workspace, at, merge) : 0;
}

static int merge_all(const struct bpe *bpe, struct bpe_workspace *workspace)
{
    struct bpe_symbol *symbols = workspace->symbols;
    while (workspace->heap_count > 0) {
        struct bpe_candidate candidate = heap_pop(workspace);
        struct bpe_symbol *left = &symbols[candidate.at];
        if (left->id < 0 || left->next == none)
            continue;
        struct bpe_symbol *right = &symbols[left->next];
        const struct bpe_merge *merge = find_merge(bpe, left->id, right->id);
        if (!merge || merge->merged != candidate.merged)
            continue;

        left->id = merge->merged;
        right->id = -1;
        left->next = right->next;
        if (left->next != none)
            symbols[left->next].previous = candidate.at;

        int status = left->previous != none ? consider(bpe, workspace, left->previous) : 0;
        if (!status)
            status = consider(bpe, workspace, candidate.at);
        if (status)
            return status;
    }
    return 0;
}

int bpe_encode(const struct bpe *bpe, const char *word, size_t size, struct bpe_workspace *workspace)
{
    workspace->id_count = 0;
    workspace->heap_count = 0;
    void *memory = workspace->symbols;
    int status = reserve(&memory, &workspace->symbol_capacity, size, sizeof(*workspace->symbols));
    workspace->symbols = memory;
    if (status)
        return status;
    memory = workspace->ids;
    status = reserve(&memory, &workspace->id_capacity, size, sizeof(*workspace->ids));
    workspace->ids = memory;
    if (status)
        return status;

    for (size_t i = 0; i < size; i++) {
        bool last = i + 1 == size;
        unsigned char byte = (unsigned char)word[i];
        workspace->symbols[i] = (struct bpe_symbol){
            .id = last ? bpe->last_symbol[byte] : bpe->symbol[byte],
            .previous = i > 0 ? i - 1 : none,
            .next = last ? none : i + 1,
        };
    }
    for (size_t i = 0; i < size && !status; i++)
        status = consider(bpe, workspace, i);
    if (!status)
        status = merge_all(bpe, workspace);
    if (status)
        return status;
    for (size_t i = 0; i != none; i = workspace->symbols[i].next)
        workspace->ids[workspace->id_count++] = workspace->symbols[i].id;
    return 0;
}
