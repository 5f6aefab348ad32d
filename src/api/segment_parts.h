/* Parts of sowlv2_segment() that tracking uses too. */
#ifndef API_SEGMENT_PARTS_H
#define API_SEGMENT_PARTS_H

#include "engine/segmenter.h"
#include "sowlv2.h"

/* How masks are made, from the options of a segment or a track session. Errors: ARGUMENT (a threshold that is not
 * finite, areas below 0). */
int segment_take_rules(float threshold, int fill_holes, int remove_sprinkles, struct mask_rules *out);

/* Fills a mask's runs, area and box of pixels [height][width], and gives it a copy of them where `pixels_too`. Errors:
 * MEMORY; what `out` holds then is freed by the caller. */
int segment_take_pixels(struct segment_session *session, const uint8_t *pixels, bool pixels_too,
                        struct sowlv2_mask *out);

#endif
