/* Finding a model: a local folder, or a hub id in the user's Hugging Face cache. Nothing here uses the network;
 * hub/model_find.h does where it may. */
#ifndef WEIGHTS_HUB_H
#define WEIGHTS_HUB_H

#include "weights/hub_request.h"

#include <stdbool.h>

/* Resolves `model` to a folder, freed by the caller.
 * 1. A path of an existing folder (it must hold config.json) is itself.
 * 2. "demo" is the demo model `kind` ("owlv2", "sam2", "vjepa2") that comes with the project.
 * 3. Otherwise "org/name", "name" or either with "@revision" is looked up in the hub cache:
 *    models--org--name/refs/<revision> names the commit, or `revision` is a commit, and
 *    snapshots/<commit> is the folder. `revision` NULL: what follows '@', else "main".
 * `cache_dir` NULL: HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, $HF_HOME/hub,
 * $XDG_CACHE_HOME/huggingface/hub, ~/.cache/huggingface/hub, in this order; "~" and "$VAR" expanded.
 * Errors: MODEL, naming what was looked for, where, and what to do. */
int hub_locate(const char *model, const char *kind, const char *revision, const char *cache_dir, char **folder);

/* Rules 1 and 2 alone. Where neither fits, `*is_local` is false, `*folder` NULL, and 0 is returned. */
int hub_locate_local(const char *model, const char *kind, bool *is_local, char **folder);

/* The error (MODEL) for a model that is not there: `why` and the cache's folder, and the command that gets it. */
int hub_report_missing(const struct hub_request *request, const char *why);

/* The cache folder by the rules above (not necessarily there), freed by the caller. */
int hub_cache_directory(const char *cache_dir, char **folder);

#endif
