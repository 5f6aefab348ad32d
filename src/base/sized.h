/* Structs of options that begin with their size, so that fields can be added behind the others: a program that was
 * compiled with another version of the header gives fewer or more of them. */
#ifndef BASE_SIZED_H
#define BASE_SIZED_H

#include <stddef.h>

/* Copies `defaults`, of `known` bytes, into the first `size` bytes of the caller's struct, whose size is noted. */
void sized_fill(void *out, size_t size, const void *defaults, size_t known);

/* Takes what the caller gave into `out`, which holds the defaults and is `known` bytes: fields that the caller does not
 * know keep them. `given` NULL: so do all. `what` names the struct. Errors: ARGUMENT (a size that no version had),
 * UNSUPPORTED (a field of a later version is not zero). */
int sized_take(const char *what, const void *given, void *out, size_t known);

#endif
