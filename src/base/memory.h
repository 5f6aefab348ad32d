/* Looking whether there is memory before something is called that crashes, or blames its input, where it gets none. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdint.h>

/* Whether the system has `bytes` now, and 8 MiB besides for what does not depend on sizes. Errors: MEMORY, which names
 * `what`. */
int memory_check(const char *what, uint64_t bytes);

/* Bytes that this process may have in all, and those of them that are free now, as the system and the limits of its
 * group say; 0 where nothing does. */
void memory_read(int64_t *total, int64_t *available);

#endif
