/* What of a model is in the hub cache, and which files a model needs. */
#ifndef WEIGHTS_HUB_SNAPSHOT_H
#define WEIGHTS_HUB_SNAPSHOT_H

#include "base/strings.h"
#include "weights/hub_request.h"

/* The kinds of model: "owlv2", "sam2", "vjepa2", and "tokenizer", an OWLv2 model without its weights. */

/* Names of the files beside config.json and the weights that a model of `kind` may have, ended by NULL. */
const char *const *hub_side_files(const char *kind);

/* Whether models of `kind` need their weights. */
bool hub_needs_weights(const char *kind);

/* Finds snapshots/<commit> of the request's revision. `*folder`, freed by the caller, is NULL where it is not there
 * or lacks its config.json. `*why`, static, says which; it is NULL where the folder is there. A file in it that is a
 * link out of the cache is an error (MODEL), as is a damaged ref (FORMAT). */
int hub_snapshot_find(const struct hub_request *request, char **folder, const char **why);

/* The first name of what a model of `kind` needs and `folder` lacks, shards included; `weights` false: of all but the
 * weights. `*missing` is freed by the caller; NULL: nothing. Errors: FORMAT (a damaged file), MODEL (a link whose
 * target is missing), IO, MEMORY. */
int hub_snapshot_find_missing(const char *folder, const char *kind, bool weights, char **missing);

/* Whether nothing is missing. Errors: the same. */
int hub_snapshot_is_complete(const char *folder, const char *kind, bool *complete);

#endif
