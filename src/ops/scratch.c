/* Scratch memory: a chain of blocks with one running position, joined into one block by a reset. */
#include "ops/scratch.h"

#include "base/error.h"

#include <stdlib.h>

enum { BLOCK_MINIMUM = 1 << 20 };

/* Positions count the bytes handed out over all blocks, without the unused tails. */
struct block {
    struct block *next, *previous;
    struct buffer buffer;
    size_t capacity;
    size_t used;
    size_t start; /* position at which this block was entered */
};

struct scratch {
    struct device *device;
    struct block *first;
    struct block *current; /* the blocks after it are empty */
    size_t peak;
};

static void hide(const struct scratch *scratch, const struct block *block, size_t offset, size_t bytes)
{
    scratch->device->set->guard(scratch->device, &block->buffer, offset, bytes, false);
}

/* NULL: out of memory; the message is set. */
static struct block *block_create(const struct scratch *scratch, size_t capacity)
{
    struct block *block = calloc(1, sizeof(*block));
    if (!block) {
        error_memory("scratch of a forward pass");
        return NULL;
    }
    if (scratch->device->set->allocate(scratch->device, capacity, &block->buffer) != 0) {
        free(block);
        return NULL;
    }
    block->capacity = capacity;
    hide(scratch, block, 0, capacity);
    return block;
}

static void block_free(const struct scratch *scratch, struct block *block)
{
    scratch->device->set->release(scratch->device, &block->buffer);
    free(block);
}

static void free_blocks(struct scratch *scratch)
{
    for (struct block *block = scratch->first, *next; block; block = next) {
        next = block->next;
        block_free(scratch, block);
    }
    scratch->first = scratch->current = NULL;
}

int scratch_create(struct device *device, struct scratch **out)
{
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return error_memory("a forward pass");
    (*out)->device = device;
    return 0;
}

void scratch_free(struct scratch **scratch)
{
    if (!*scratch)
        return;
    free_blocks(*scratch);
    free(*scratch);
    *scratch = NULL;
}

size_t scratch_mark(const struct scratch *scratch)
{
    return scratch->current ? scratch->current->start + scratch->current->used : 0;
}

/* Makes the block after the current one (or the first) the current one, with room for `bytes`. */
static int enter_block(struct scratch *scratch, size_t bytes)
{
    size_t position = scratch_mark(scratch);
    struct block *next = scratch->current ? scratch->current->next : scratch->first;
    if (!next || next->capacity < bytes) {
        struct block *block = block_create(scratch, bytes > BLOCK_MINIMUM ? bytes : BLOCK_MINIMUM);
        if (!block)
            return SOWLV2_ERROR_MEMORY;
        block->previous = scratch->current;
        block->next = next;
        if (next)
            next->previous = block;
        if (scratch->current)
            scratch->current->next = block;
        else
            scratch->first = block;
        next = block;
    }
    next->start = position;
    next->used = 0;
    scratch->current = next;
    return 0;
}

int scratch_allocate(struct scratch *scratch, size_t bytes, struct buffer **buffer, size_t *offset)
{
    if (bytes > SIZE_MAX / 2)
        return error_memory("scratch of a forward pass");
    const size_t wanted = bytes ? bytes : 1;
    const size_t rounded = (wanted + SCRATCH_ALIGNMENT - 1) / SCRATCH_ALIGNMENT * SCRATCH_ALIGNMENT;
    struct block *block = scratch->current;
    if (!block || block->capacity - block->used < rounded) {
        const int status = enter_block(scratch, rounded);
        if (status != 0)
            return status;
        block = scratch->current;
    }
    *buffer = &block->buffer;
    *offset = block->used;
    scratch->device->set->guard(scratch->device, &block->buffer, block->used, bytes, true);
    block->used += rounded;
    const size_t position = block->start + block->used;
    if (position > scratch->peak)
        scratch->peak = position;
    return 0;
}

void scratch_release(struct scratch *scratch, size_t mark)
{
    struct block *block = scratch->current;
    if (!block)
        return;
    while (block->previous && block->start >= mark) {
        hide(scratch, block, 0, block->used);
        block->used = 0;
        block = block->previous;
    }
    size_t kept = mark > block->start ? mark - block->start : 0;
    if (kept < block->used) {
        hide(scratch, block, kept, block->used - kept);
        block->used = kept;
    }
    scratch->current = block;
}

bool scratch_in_parts(const struct scratch *scratch)
{
    return scratch->first && scratch->first->next;
}

void scratch_reset(struct scratch *scratch)
{
    scratch_release(scratch, 0);
    if (!scratch_in_parts(scratch))
        return;
    free_blocks(scratch);
    /* Without memory for one large block the next pass grows a chain again, or reports the failure. */
    scratch->first = scratch->current = block_create(scratch, scratch->peak);
}

size_t scratch_peak(const struct scratch *scratch)
{
    return scratch->peak;
}
