/* Fetching a model: only the files it needs, into the cache of huggingface_hub. */
#ifndef HUB_PULL_H
#define HUB_PULL_H

#include "hub/session.h"

/* Fetches what is missing of the session's model and gives its folder, freed by the caller. config.json comes first:
 * a model that is not of `kind` (NULL: of any that can be used) is refused before its weights are fetched. The ref is
 * written when everything is there. `*fetched` (may be NULL) is the number of bytes that came.
 * Errors: MODEL (no such model, not one for this, no safetensors), IO, CANCELLED, FORMAT, MEMORY. */
int hub_pull(struct hub_session *session, const char *kind, char **folder, int64_t *fetched);

#endif
