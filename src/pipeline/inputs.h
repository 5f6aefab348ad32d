/* The images that an --input means: their paths, the names rows give them, the stems of their files. */
#ifndef PIPELINE_INPUTS_H
#define PIPELINE_INPUTS_H

#include "base/strings.h"

#include <stdint.h>

struct inputs {
    struct string_list names; /* below the input; the file's own name where the input is one file */
    struct string_list paths; /* to open them */
    struct string_list stems; /* of output files; distinct; from inputs_name_files() */
};

/* Lists `input`, an image file or a folder of images in natural order. `*out` starts empty and is freed by
 * the caller, also after an error. Errors: IO (nothing there, unreadable), ARGUMENT (a folder without
 * images, neither file nor folder), UNSUPPORTED (a video), MEMORY. */
int inputs_list(const char *input, struct inputs *out);

/* Gives each input its stem, with a notice for each that is changed. Errors: MEMORY. */
int inputs_name_files(struct inputs *inputs);

/* Takes out the inputs whose names are among `done`; returns how many. Errors: MEMORY. */
int64_t inputs_remove(struct inputs *inputs, const struct string_list *done);

void inputs_free(struct inputs *inputs);

#endif
