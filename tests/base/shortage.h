/* Allocations that fail when a test wants it, in every library of the process: where SHORTAGE is defined, which it is
 * not under sanitizers, whose allocator is their own. */
#ifndef TESTS_SHORTAGE_H
#define TESTS_SHORTAGE_H

#include "base/sanitized.h"

#include <stdbool.h>
#include <stdlib.h> /* defines __GLIBC__ */

#if defined(__GLIBC__) && !SANITIZED
#define SHORTAGE 1
#endif

extern struct shortage {
    _Atomic bool armed;
    bool lasting;         /* all from the chosen one on */
    _Atomic long wanted;  /* allocations until the one that fails */
    _Atomic long refused; /* so far */
} shortage;

/* Runs it in a process of its own, without messages, so that a crash there is not one here, and gives what waitpid()
 * said: 0: it gave true; a child that hangs is ended by SIGALRM. */
int shortage_in_child(bool (*run)(const void *sample, long number), const void *sample, long number);

/* Leaves this process so many kilobytes of addresses beyond those in use; false: it cannot be done. */
bool shortage_limit(long kilobytes);

#endif
