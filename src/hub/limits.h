/* How much of a disk a download may take, whatever the hub says or sends. */
#ifndef HUB_LIMITS_H
#define HUB_LIMITS_H

#include "hub/session.h"

/* Bytes of the longest file of that name that is taken: more than any model has of its kind. */
int64_t hub_size_limit(const char *name);

/* Whether `bytes` of the file `name` are not too many. Errors: IO (says how many may be). */
int hub_check_size(const struct hub_session *session, const char *name, int64_t bytes);

/* Whether the disk of the cache has room for the `needed` bytes of the file `name` that are still to come (below 0:
 * nobody said how many; then some room must be left). Errors: IO (says what is needed and what is free). */
int hub_check_room(const struct hub_session *session, const char *name, int64_t needed);

#endif
