/* What inputs.c needs of the listing. */
#ifndef PIPELINE_INPUTS_LIST_H
#define PIPELINE_INPUTS_LIST_H

/* Sets the error of a folder that stands for images: it cannot be listed, or holds none. */
int inputs_folder_error(const char *path);

/* Rows are UTF-8: each byte that belongs to no character is written as \xNN in the name. Errors: MEMORY. */
int inputs_make_utf8(char **name);

#endif
