/* The prompts of detect: read from files, and looked at for what people did not mean. */
#ifndef CLI_PROMPTS_H
#define CLI_PROMPTS_H

#include "cli/settings.h"

/* Appends the lines of --prompts-file to the prompts, and checks all of them. Notices say where one prompt looks like
 * several. Errors: ARGUMENT (a prompt that names nothing, standard input asked for twice), IO, FORMAT (not UTF-8, no
 * prompt in it), MEMORY. */
int prompts_read(struct settings *settings);

#endif
