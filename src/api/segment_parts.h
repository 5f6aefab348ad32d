/* Parts of sowlv2_segment() that tracking uses too. */
#ifndef API_SEGMENT_PARTS_H
#define API_SEGMENT_PARTS_H

#include "engine/segmenter.h"
#include "sowlv2.h"

/* Errors: ARGUMENT (a threshold that is not finite, areas below 0). */
int segment_check_options(const struct sowlv2_segment_options *options);

/* Fills a mask's runs, area and box of pixels [height][width], and gives it a copy of them where `pixels_too`. Errors:
 * MEMORY; what `out` holds then is freed by the caller. */
int segment_take_pixels(struct segment_session *session, const uint8_t *pixels, bool pixels_too,
                        struct sowlv2_mask *out);

#endif
