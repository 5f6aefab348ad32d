/* Parts of sowlv2_segment() that tracking uses too. */
#ifndef API_SEGMENT_PARTS_H
#define API_SEGMENT_PARTS_H

#include "sowlv2.h"

/* Errors: ARGUMENT (a threshold that is not finite, areas below 0). */
int segment_check_options(const struct sowlv2_segment_options *options);

/* Fills `out` from low-resolution logits [mask_side][mask_side], which are changed, at the size of the session's
 * image: the options say what. Errors: MEMORY; what `out` holds then is freed by the caller. */
int segment_finish_mask(sowlv2_segment_session *session, const struct sowlv2_segment_options *options, float *logits,
                        struct sowlv2_mask *out);

#endif
