/* Scratch memory of a forward pass: allocate forward, release back to a mark.
 * After the first pass of a shape it holds one block as large as that pass needed, so that steady
 * state allocates nothing. Not thread-safe: one scratch, one thread. */
#ifndef OPS_SCRATCH_H
#define OPS_SCRATCH_H

#include "ops/set.h"

struct scratch;

enum { SCRATCH_ALIGNMENT = 64 };

int scratch_create(struct device *device, struct scratch **out);
void scratch_free(struct scratch **scratch);

/* `bytes` bytes at 64-byte alignment, not cleared: `offset` in `buffer`, which stays the scratch's. Errors: MEMORY. */
int scratch_allocate(struct scratch *scratch, size_t bytes, struct buffer **buffer, size_t *offset);

/* A mark, and the release of everything allocated after it. Memory before the mark is untouched. */
size_t scratch_mark(const struct scratch *scratch);
void scratch_release(struct scratch *scratch, size_t mark);

/* Releases everything and, where several blocks were needed, joins them into one. The device must have finished what
 * uses them. */
void scratch_reset(struct scratch *scratch);
bool scratch_in_parts(const struct scratch *scratch); /* so that a reset gives memory back */

/* Most bytes that were ever in use at once. */
size_t scratch_peak(const struct scratch *scratch);

#endif
