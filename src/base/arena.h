/* Scratch memory of a forward pass: allocate forward, release back to a mark.
 * After the first pass of a shape it holds one block as large as that pass needed, so that steady
 * state allocates nothing. Not thread-safe: one arena, one thread. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena;

enum { ARENA_ALIGNMENT = 64 };

struct arena *arena_create(void); /* NULL: out of memory */
void arena_free(struct arena **arena);

/* `bytes` bytes at 64-byte alignment, not cleared; NULL: out of memory. Zero bytes gives a valid
 * pointer. */
void *arena_alloc(struct arena *arena, size_t bytes);

/* A mark, and the release of everything allocated after it. Memory before the mark is untouched. */
size_t arena_mark(const struct arena *arena);
void arena_release(struct arena *arena, size_t mark);

/* Releases everything and, where several blocks were needed, joins them into one. */
void arena_reset(struct arena *arena);

/* Most bytes that were ever in use at once. */
size_t arena_peak(const struct arena *arena);

#endif
