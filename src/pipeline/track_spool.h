/* Masks of frames that come last to first, kept in a file without a name until the frames are written first to last. */
#ifndef PIPELINE_TRACK_SPOOL_H
#define PIPELINE_TRACK_SPOOL_H

#include "sowlv2.h"

struct track_spool;

/* One object on one frame. */
struct track_spooled {
    size_t object;
    struct sowlv2_mask mask; /* runs, area, box, scores */
};

/* Makes the file in `folder`, which must exist; `frames` is the highest frame number. Errors: IO, MEMORY. */
int track_spool_open(const char *folder, int64_t frames, struct track_spool **out);
void track_spool_close(struct track_spool **spool);

/* Keeps the objects of a frame, once. Errors: IO (disk full), MEMORY. */
int track_spool_put(struct track_spool *spool, int64_t frame, const struct track_spooled *objects, size_t count);

/* Gives them back; none where nothing was kept. `*out` is given to track_spooled_free. Errors: IO, MEMORY. */
int track_spool_get(const struct track_spool *spool, int64_t frame, struct track_spooled **out, size_t *count);
void track_spooled_free(struct track_spooled *objects, size_t count);

#endif
