/* --help, to standard output. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "cli/verbs.h"

void help_tool(void);
void help_verb(const struct verb *verb);

#endif
