/* OWLv2 as the engine sees it. */
#ifndef MODELS_OWLV2_DETECTOR_H
#define MODELS_OWLV2_DETECTOR_H

#include "nn/detector_model.h"

extern const struct detector_model owlv2_detector;

#endif
