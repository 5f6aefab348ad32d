/* How downloads of models show: a line on a terminal, a sentence elsewhere. */
#ifndef CLI_DOWNLOAD_H
#define CLI_DOWNLOAD_H

#include "cli/settings.h"
#include "sowlv2.h"

#include <stddef.h>

struct download {
    double start, last; /* seconds on the pipeline's clock: when it began, 0: not yet; when it was drawn */
    bool said;          /* that something is being downloaded */
};

/* A sowlv2_download_callback; `user_data` is a struct download, zeros at first. Stops at Ctrl-C. */
bool download_update(const struct sowlv2_download *state, void *user_data);

/* Where a model comes from, with the line in `download` while it is fetched; not where it computes. */
void download_options(const struct settings *settings, const char *model, const char *revision,
                      struct download *download, struct sowlv2_model_options *options);

/* Takes the line away. */
void download_end(struct download *download);

/* Writes the line for a state into `line` (of `size` bytes): a bar, what is there of what, the rate, the time left,
 * the file, as far as `width` columns go. `elapsed` is in seconds. */
void download_format(char *line, size_t size, size_t width, const struct sowlv2_download *state, double elapsed);

/* "620 MB" into `text`. */
void download_format_size(char *text, size_t size, int64_t bytes);

#endif
