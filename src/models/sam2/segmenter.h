/* SAM 2 and 2.1 as a segmenter of the engine. */
#ifndef MODELS_SAM2_SEGMENTER_H
#define MODELS_SAM2_SEGMENTER_H

#include "nn/segmenter_model.h"

extern const struct segmenter_model sam2_segmenter;

#endif
