/* V-JEPA 2 as the engine sees it. */
#ifndef MODELS_VJEPA2_SCORER_H
#define MODELS_VJEPA2_SCORER_H

#include "nn/scorer_model.h"

extern const struct scorer_model vjepa2_scorer;

#endif
