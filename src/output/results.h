/* The file results.jsonl: one JSON object a line, each row appended whole. */
#ifndef OUTPUT_RESULTS_H
#define OUTPUT_RESULTS_H

#include "sowlv2.h"

#include <stddef.h>

struct results; /* an open results.jsonl */

/* Makes `folder`/results.jsonl, in place of one that is there; a pipe or a device of that name is written to. The
 * folder must exist. Errors: IO (a symbolic link among others), MEMORY. */
int results_open(const char *folder, struct results **out);

/* The same, behind the rows that are there. */
int results_open_again(const char *folder, struct results **out);

/* Whether results_open() would be kept from it by a symbolic link. Errors: IO, MEMORY. */
int results_check(const char *folder);

/* Appends `size` bytes of `row` (one or more whole lines, newline included) to the file at once. On error
 * (IO) what was written of it is taken back, so that the file keeps whole rows. */
int results_write(struct results *results, const char *row, size_t size);

/* Closes the file; the rows stay. Errors: IO. */
int results_close(struct results **results);

#endif
