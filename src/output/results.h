/* results.jsonl: one JSON object a line, in the form of the contract page, each row appended whole. */
#ifndef OUTPUT_RESULTS_H
#define OUTPUT_RESULTS_H

#include "base/strings.h"
#include "sowlv2.h"

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

/* What a row says of an object's files; each is owned, NULL: there is none. */
struct results_files {
    char *mask, *crop; /* paths below the output folder */
    char *rle;         /* COCO's compressed counts */
};

/* One image's row. */
struct results_image {
    const char *name;                           /* the path below the input */
    int width, height;                          /* as shown, pixels */
    const struct sowlv2_detections *detections; /* clipped; ids count from 1 in their order */
    const struct sowlv2_mask *masks;            /* one a detection; NULL: none were made */
    const struct results_files *files;          /* likewise; with masks */
    const char *const *prompts;                 /* bare prompts, indexed by a detection's `prompt`; where that is
                                                   negative the object has neither prompt nor score */
    bool objectness;                            /* write each detection's objectness */
    const char *job;                            /* what tells the run's job; NULL: left out */
};

/* Appends the row of an image, newline included, to `row`; `row->failed` says that memory ran out. */
void results_image_row(const struct results_image *image, struct string *row);

#endif
