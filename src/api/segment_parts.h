/* Parts of sowlv2_segment() that tracking uses too. */
#ifndef API_SEGMENT_PARTS_H
#define API_SEGMENT_PARTS_H

#include "engine/segmenter.h"
#include "sowlv2.h"

/* How masks are made, from the options of a segment or a track session. Errors: ARGUMENT (a threshold that is not
 * finite, areas below 0). */
int segment_take_rules(float threshold, int fill_holes, int remove_sprinkles, struct mask_rules *out);

/* Fills a mask's runs, area and box of its bits (see struct segment_result), and its pixels where they are `wanted`.
 * Errors: MEMORY; what `out` holds then is freed by the caller. */
int segment_take_bits(struct segment_session *session, const uint64_t *bits, bool wanted, struct sowlv2_mask *out);

#endif
