/* Writing into the hub cache as huggingface_hub lays it out:
 *   models--org--name/refs/<revision>             the commit, without a newline
 *   models--org--name/blobs/<etag>                content, <etag>.incomplete while it comes
 *   models--org--name/snapshots/<commit>/<name>   a relative link to the blob
 *   models--org--name/.no_exist/<commit>/<name>   empty: the model has no such file
 *   .locks/models--org--name/<etag>.lock          held while the blob is written
 * Every function gives IO (naming the path and what to do) or MEMORY on error. */
#ifndef HUB_STORE_H
#define HUB_STORE_H

#include "weights/hub_request.h"

#include <stdint.h>

/* Paths, freed by the caller; NULL: out of memory. */
char *hub_store_blob(const struct hub_request *request, const char *etag);
char *hub_store_lock(const struct hub_request *request, const char *etag);
char *hub_store_snapshot(const struct hub_request *request, const char *commit);
char *hub_store_file(const struct hub_request *request, const char *commit, const char *name);

/* Makes the cache, the model's folder and the folder of its blobs. */
int hub_store_prepare(const struct hub_request *request);

/* Lets snapshots/<commit>/<name> lead to the blob; where the disk has no links, the blob becomes that file. */
int hub_store_link(const struct hub_request *request, const char *commit, const char *name, const char *etag);

/* Writes the ref unless the revision is the commit itself. */
int hub_store_ref(const struct hub_request *request, const char *commit);

/* Notes that the model has no such file; that it cannot be noted is no error. */
void hub_store_absent(const struct hub_request *request, const char *commit, const char *name);

/* The error for a write that failed with `code`, an errno: no space, read-only, no permission, ... */
int hub_store_failed(const char *path, int code);

#endif
