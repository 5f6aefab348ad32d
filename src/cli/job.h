/* What a run is asked for, as far as its results depend on it. */
#ifndef CLI_JOB_H
#define CLI_JOB_H

#include "cli/options.h"

/* Appends name, value, name, value, ... of every option of the verb, in the order of the table: defaults too, since
 * they may become others; prompts, boxes and points one by one; of flags those that were given. Left out are the
 * inputs, where the output goes, and what changes only how fast the results come or which inputs fail. Errors: MEMORY.
 */
int job_describe(const struct settings *settings, unsigned verb, struct string_list *job);

#endif
