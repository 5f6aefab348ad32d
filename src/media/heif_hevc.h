/* What bounds the pictures that libheif decodes: their time, and their size by what the file says of them. */
#ifndef MEDIA_HEIF_HEVC_H
#define MEDIA_HEIF_HEVC_H

#include "media/image_decoders.h"

/* The bounds of one file, and what they refused. */
struct heif_bounds {
    const struct image_source *source;
    double deadline;      /* by clock_seconds(), for what other threads decode; 0: none */
    uint64_t most_pixels; /* of one stored picture, with what coding adds at the right and below */
    bool oversized;       /* the file declares pictures of more pixels than the options allow */
    bool late;            /* the time was up */
    int width, height;    /* of a picture that is larger than most_pixels; 0: none was */
};

/* Sets the bounds for the file that this thread decodes until heif_bounds_leave. Where libde265 is built in, HEVC is
 * decoded by it here, in this thread, and no picture over most_pixels is allocated; else libheif's own decoder works
 * and only the time is asked, before each picture. `bounds` must stay until then. */
void heif_bounds_enter(struct heif_bounds *bounds, const struct image_source *source);
void heif_bounds_leave(void);

/* The error of what the bounds refused; 0: nothing. Errors: FORMAT (late, a picture larger than declared), ARGUMENT. */
int heif_bounds_status(const struct heif_bounds *bounds);

/* The most pixels of a coded picture by the sizes ("ispe") that the file declares, those of more than `max_pixels`
 * left out and told in `*oversized`. 0: it declares none. */
uint64_t heif_declared_pixels(const uint8_t *data, size_t size, int64_t max_pixels, bool *oversized);

/* The size in an HEVC sequence parameter set, a NAL unit of `size` bytes with its header, as it is in the stream.
 * False: it is damaged. */
bool heif_sequence_size(const uint8_t *nal, size_t size, int *width, int *height);

#endif
