/* Where the demo models lie, which come with the project: what the model name "demo" means. */
#ifndef WEIGHTS_DEMO_H
#define WEIGHTS_DEMO_H

#include <stdbool.h>

/* Whether a model's name asks for the demo model. */
bool demo_is_name(const char *model);

/* The folder of the demo model `kind` ("owlv2", "sam2", "vjepa2"), freed by the caller: below $SOWLV2_DATA where that
 * is set, else below the installed data folder, else in the source tree that this was built from.
 * Errors: MODEL (not there: names the places). */
int demo_locate(const char *kind, char **folder);

#endif
