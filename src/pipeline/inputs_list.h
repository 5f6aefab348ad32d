/* What the parts of the listing share. */
#ifndef PIPELINE_INPUTS_LIST_H
#define PIPELINE_INPUTS_LIST_H

#include "pipeline/inputs.h"

/* An image or a video. */
struct inputs_entry {
    char *name, *path; /* owned */
    size_t given;      /* which value of --input it comes from */
    bool video;
};

/* A list being made. */
struct inputs_lister {
    const struct inputs_options *options;
    struct inputs_entry *items;
    size_t count, capacity;
    size_t given;   /* the value in hand */
    bool forced;    /* it is a video, whatever it looks like */
    size_t good;    /* values, or files that a pattern matches, that are there */
    int failure;    /* of the last that was no good; its message is the thread's */
    size_t results; /* of the tool, which were left out */
    struct few old; /* the same but for folders, which are named one by one */
    size_t stills;  /* images that --as-video found not to move */
};

/* Errors: MEMORY. */
int inputs_add(struct inputs_lister *lister, const char *name, const char *path, bool video);
/* One that is no good is kept as an image: the others are done, and reading it reports why. Gives errors other than
 * those of an input back. */
int inputs_keep_failed(struct inputs_lister *lister, int status, const char *path);

/* What messages call the option that gave the value in hand. */
const char *inputs_option(const struct inputs_lister *lister);

/* Sets the error of a path that is not there or cannot be looked at, `why` being the errno; `option` gave it (NULL:
 * that is not known). */
int inputs_path_error(const char *path, int why, const char *option);

/* A path that is there. */
int inputs_add_path(struct inputs_lister *lister, const char *path);
/* A pattern. Errors: IO (nothing matches), MEMORY. */
int inputs_add_pattern(struct inputs_lister *lister, const char *pattern);
/* Says what of a folder, or of what a pattern matches, was left out. */
void inputs_tell_left_out(const char *given, size_t files, size_t folders, const struct string_list *some);

/* Sets the error of a folder that stands for images: it cannot be listed, or holds none. */
int inputs_folder_error(const char *path);

/* Takes out what stands there already under another spelling, with a notice. Errors: MEMORY. */
int inputs_drop_repeats(const struct inputs_options *options, struct inputs_entry *items, size_t *count);
/* Gives those of one name others. Errors: MEMORY. */
int inputs_tell_apart(struct inputs_entry *items, size_t count);
/* What an input is called by its path, of an address without what is secret; freed by the caller; NULL: out of memory.
 */
char *inputs_path_name(const char *path);
/* Rows are UTF-8: each byte that belongs to no character is written as \xNN in the name. Errors: MEMORY. */
int inputs_make_utf8(char **name);

#endif
