/* The progress line of a run over many images. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    double start, last; /* seconds on the pipeline's clock; last: when it was drawn */
    const char *name;   /* what progress_show() tells of */
};

void progress_begin(struct progress *progress);

/* A pipeline_progress callback; `user_data` is the struct progress. */
void progress_update(size_t done, size_t total, const char *name, void *user_data);

/* The same as a callback of sowlv2_run.h; true: go on. total 0: not known. */
bool progress_show(int64_t done, int64_t total, void *user_data);

/* Writes the line for a state into `line` (of `size` bytes): a bar, the count, the rate, the time left, the
 * name, as far as `width` columns go. `elapsed` is in seconds. */
void progress_format(char *line, size_t size, size_t width, size_t done, size_t total, double elapsed,
                     const char *name);

/* "4:42", or "1:04:42", into `text`. */
void progress_format_time(char *text, size_t size, double seconds);

#endif
