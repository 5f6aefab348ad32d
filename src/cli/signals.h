/* Ctrl-C and closed pipes. */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

#include <signal.h>

/* Set to non-zero by the first SIGINT or SIGTERM after signals_catch_interrupts(). */
extern volatile sig_atomic_t signals_interrupted;

/* Writing to a closed pipe becomes an error of that write instead of the end of the process: a run whose messages
 * nobody reads any more goes on. Verbs that print to standard output leave it, and end quietly as others do. */
void signals_ignore_pipe(void);

/* A file that grows over its limit (ulimit -f) becomes an error of that write, too. */
void signals_ignore_limit(void);

/* What the first of these signals says, "interrupted: ..."; NULL: that the images in hand are being finished. The text
 * must stay. */
void signals_set_message(const char *message);

/* From now on the first SIGINT or SIGTERM asks for a clean end; a second one ends the process. */
void signals_catch_interrupts(void);

#endif
