/* The V-JEPA 2 model that the settings name, for frames and for detect. */
#ifndef CLI_VJEPA2_MODEL_H
#define CLI_VJEPA2_MODEL_H

#include "cli/settings.h"
#include "sowlv2.h"

/* Finds it (with a download where that is needed, which shows) and opens it. Errors: as sowlv2_scorer_open(). */
int vjepa2_model_open(const struct settings *settings, const char *revision, sowlv2_scorer **out);

#endif
