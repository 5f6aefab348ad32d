/* The V-JEPA 2 model that the settings name, for frames and for detect. */
#ifndef CLI_VJEPA2_MODEL_H
#define CLI_VJEPA2_MODEL_H

#include "cli/settings.h"
#include "engine/scorer.h"

/* Finds it (with a download where that is needed, which shows) and opens it. The device, which is
 * shared with the other models, must outlive the model; both start as NULL and are the caller's to give to
 * vjepa2_model_close, also after an error: a device that stays NULL could not be opened. Errors: as device_open,
 * model_find, scorer_open. */
int vjepa2_model_open(const struct settings *settings, const char *revision, struct device **device,
                      struct scorer **model);
void vjepa2_model_close(struct device **device, struct scorer **model);

#endif
