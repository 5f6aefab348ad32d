/* What people give where a model's folder is wanted: Meta's checkpoints, adapters, weights alone. */
#ifndef WEIGHTS_FOREIGN_H
#define WEIGHTS_FOREIGN_H

#include <stdbool.h>

/* Each sets the error (MODEL) that says what it is and what to give instead. */
int foreign_report_file(const char *path);     /* a file */
int foreign_report_folder(const char *folder); /* a folder without config.json, or without weights that can be read */
int foreign_report_name(const char *name);     /* a name for which foreign_is_file_name holds, where an id is wanted */

/* Whether the folder has something that foreign_report_folder knows more about than what it lacks. */
bool foreign_is_known_folder(const char *folder);

/* Whether a name that is no path here is a file's, or a published model's file without its ending, and so no id of a
 * model on the hub. */
bool foreign_is_file_name(const char *name);

/* Whether an adapter (LoRA, ...) is in the folder. Errors: MEMORY. */
int foreign_find_adapter(const char *folder, bool *there);

#endif
