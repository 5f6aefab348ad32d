/* The models that there are, by kind of checkpoint: adding one is its folder and a line in models.c. */
#ifndef ENGINE_MODELS_H
#define ENGINE_MODELS_H

#include "nn/segmenter_model.h"

/* The segmenter that the model folder is for. Errors: MODEL (none of ours), FORMAT, IO, MEMORY. */
int find_segmenter(const char *folder, const struct segmenter_model **out);

#endif
