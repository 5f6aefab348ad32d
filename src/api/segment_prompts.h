/* A caller's prompts, checked, as the model takes them. */
#ifndef API_SEGMENT_PROMPTS_H
#define API_SEGMENT_PROMPTS_H

#include "nn/segmenter_model.h"
#include "sowlv2.h"

/* Checks a prompt for an image of width x height. Messages call it by its number, from 1, or "prompt" where that is 0.
 * Errors: ARGUMENT. */
int segment_prompt_check(const struct sowlv2_segment_prompt *prompt, size_t number, int width, int height,
                         int mask_side);

enum { SEGMENT_MAX_POINTS = 1024, SEGMENT_MAX_COORDINATE = 10000000 };

#endif
