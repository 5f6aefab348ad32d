/* --config: a YAML file whose keys are the names of flags. */
#ifndef CLI_CONFIG_FILE_H
#define CLI_CONFIG_FILE_H

#include "cli/options.h"

/* Applies the file to the settings. The file is untrusted: one mapping of keys to single values or plain
 * lists is all that is read; aliases and anything nested are errors. Errors: IO, FORMAT, ARGUMENT, UNSUPPORTED
 * (all name the file, and the line where there is one), MEMORY. */
int config_file_apply(const char *path, unsigned verb, struct settings *settings);

#endif
