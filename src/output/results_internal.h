/* Between the files of the results. */
#ifndef OUTPUT_RESULTS_INTERNAL_H
#define OUTPUT_RESULTS_INTERNAL_H

#include "output/results.h"

/* Opens `folder`/results.jsonl for writing at its end; `flags` as of open(). Errors: IO, MEMORY. */
int results_open_with(const char *folder, int flags, struct results **out);

#endif
