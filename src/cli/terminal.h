/* Everything that goes to standard error: messages, and the progress line where it is a terminal. Any thread
 * may call these. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include "sowlv2.h"

#include <stdbool.h>
#include <stddef.h>

/* What may be printed; until then notices and warnings are. `quiet` leaves out notices, the progress line and
 * terminal_say(); `verbose` adds details. Also makes the library's notices and warnings come here, each text once. */
void terminal_open(bool quiet, bool verbose);

/* "sowlv2: message". */
void terminal_error(const char *message);

/* A line as it is, except with `quiet`. */
__attribute__((format(printf, 1, 2))) void terminal_say(const char *format, ...);

/* Whether standard error is a terminal that can show a progress line. */
bool terminal_is_live(void);

/* Shows `line` in place of the progress line, cut to the width; control characters become '?'. Does nothing
 * where there is no terminal or with `quiet`. */
void terminal_progress(const char *line);

/* Takes the progress line away. */
void terminal_progress_end(void);

/* Columns of the terminal. */
size_t terminal_width(void);

#endif
