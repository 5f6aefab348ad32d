/* The models that there are, by kind of checkpoint: adding one is its folder and a line in models.c. */
#ifndef ENGINE_MODELS_H
#define ENGINE_MODELS_H

#include "nn/detector_model.h"
#include "nn/scorer_model.h"
#include "nn/segmenter_model.h"

/* The model that the folder's config.json is for. A folder that has none of these gets one all the same, whose opening
 * says what the folder holds and what is needed. Errors: MODEL (no config.json), FORMAT, IO, MEMORY. */
int find_detector(const char *folder, const struct detector_model **out);
int find_segmenter(const char *folder, const struct segmenter_model **out);
int find_scorer(const char *folder, const struct scorer_model **out);

#endif
