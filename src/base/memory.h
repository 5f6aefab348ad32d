/* Looking whether there is memory before something is called that crashes, or blames its input, where it gets none. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdint.h>

/* Whether the system has `bytes` now, and 8 MiB besides for what does not depend on sizes. Errors: MEMORY, which names
 * `what`. */
int memory_check(const char *what, uint64_t bytes);

#endif
