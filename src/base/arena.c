/* Scratch memory: a chain of blocks with one running position, joined into one block by a reset. */
#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISON 1
#endif
#endif

#ifdef ARENA_POISON
#include <sanitizer/asan_interface.h>
#define arena_hide(address, bytes) __asan_poison_memory_region(address, bytes)
#define arena_show(address, bytes) __asan_unpoison_memory_region(address, bytes)
#else
#define arena_hide(address, bytes) ((void)(address), (void)(bytes))
#define arena_show(address, bytes) ((void)(address), (void)(bytes))
#endif

enum { BLOCK_MINIMUM = 1 << 20, HUGE_PAGE = 2 << 20 };

/* Positions count the bytes handed out over all blocks, without the unused tails. */
struct block {
    struct block *next, *previous;
    unsigned char *data;
    size_t capacity;
    size_t used;
    size_t start; /* position at which this block was entered */
};

struct arena {
    struct block *first;
    struct block *current; /* the blocks after it are empty */
    size_t peak;
};

static struct block *block_create(size_t capacity)
{
    struct block *block = calloc(1, sizeof(*block));
    if (!block)
        return NULL;
    bool huge = capacity >= 2 * (size_t)HUGE_PAGE;
    void *data;
    if (posix_memalign(&data, huge ? HUGE_PAGE : ARENA_ALIGNMENT, capacity) != 0) {
        free(block);
        return NULL;
    }
    if (huge)
        madvise(data, capacity / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE); /* a wish: failure changes nothing */
    block->data = data;
    block->capacity = capacity;
    arena_hide(block->data, block->capacity);
    return block;
}

static void block_free(struct block *block)
{
    arena_show(block->data, block->capacity);
    free(block->data);
    free(block);
}

static void arena_free_blocks(struct arena *arena)
{
    for (struct block *block = arena->first, *next; block; block = next) {
        next = block->next;
        block_free(block);
    }
    arena->first = arena->current = NULL;
}

struct arena *arena_create(void)
{
    return calloc(1, sizeof(struct arena));
}

void arena_free(struct arena **arena)
{
    if (!arena || !*arena)
        return;
    arena_free_blocks(*arena);
    free(*arena);
    *arena = NULL;
}

size_t arena_mark(const struct arena *arena)
{
    return arena->current ? arena->current->start + arena->current->used : 0;
}

/* Makes the block after the current one (or the first) the current one, with room for `bytes`. */
static bool arena_enter_block(struct arena *arena, size_t bytes)
{
    size_t position = arena_mark(arena);
    struct block *next = arena->current ? arena->current->next : arena->first;
    if (!next || next->capacity < bytes) {
        struct block *block = block_create(bytes > BLOCK_MINIMUM ? bytes : BLOCK_MINIMUM);
        if (!block)
            return false;
        block->previous = arena->current;
        block->next = next;
        if (next)
            next->previous = block;
        if (arena->current)
            arena->current->next = block;
        else
            arena->first = block;
        next = block;
    }
    next->start = position;
    next->used = 0;
    arena->current = next;
    return true;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX / 2)
        return NULL;
    size_t wanted = bytes ? bytes : 1;
    size_t rounded = (wanted + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
    struct block *block = arena->current;
    if (!block || block->capacity - block->used < rounded) {
        if (!arena_enter_block(arena, rounded))
            return NULL;
        block = arena->current;
    }
    unsigned char *result = block->data + block->used;
    block->used += rounded;
    arena_show(result, bytes);
    size_t position = block->start + block->used;
    if (position > arena->peak)
        arena->peak = position;
    return result;
}

void arena_release(struct arena *arena, size_t mark)
{
    struct block *block = arena->current;
    if (!block)
        return;
    while (block->previous && block->start >= mark) {
        arena_hide(block->data, block->used);
        block->used = 0;
        block = block->previous;
    }
    size_t kept = mark > block->start ? mark - block->start : 0;
    if (kept < block->used) {
        arena_hide(block->data + kept, block->used - kept);
        block->used = kept;
    }
    arena->current = block;
}

void arena_reset(struct arena *arena)
{
    arena_release(arena, 0);
    if (!arena->first || !arena->first->next)
        return;
    arena_free_blocks(arena);
    /* Without memory for one large block the next pass grows a chain again, or reports the failure. */
    struct block *joined = block_create(arena->peak);
    arena->first = arena->current = joined;
}

size_t arena_peak(const struct arena *arena)
{
    return arena->peak;
}
