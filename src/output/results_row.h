/* Rows of results.jsonl, in the form of the contract page. */
#ifndef OUTPUT_RESULTS_ROW_H
#define OUTPUT_RESULTS_ROW_H

#include "output/frame.h"

/* What rows need beside the frames. */
struct results_row_options {
    const char *const *prompts; /* [prompt_count], bare; an object without one has neither prompt nor score */
    size_t prompt_count;
    bool masks;      /* objects of images have masks */
    const char *job; /* what tells the run's job; NULL: left out */
};

/* Appends the row of an image or of a video's frame, newline included, to `row`; `row->failed` says that memory ran
 * out. Of a frame's objects, scores that are not numbers are left out. */
void results_row(const struct output_frame *frame, const struct results_row_options *options, struct string *row);

#endif
