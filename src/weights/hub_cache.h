/* Names and folders of the Hugging Face hub cache. */
#ifndef WEIGHTS_HUB_CACHE_H
#define WEIGHTS_HUB_CACHE_H

#include "base/strings.h"

/* Appends `path` with a leading "~" or "~user", then "$NAME" and "${NAME}", replaced as a shell would;
 * what is not known stays as it is. */
void hub_expand_path(const char *path, struct string *out);

/* Whether `id` is "name" or "org/name" by the hub's rules: letters, digits, '_', '-' and '.'; no part
 * begins or ends with '-' or '.'; no "--", no "..". Such an id cannot leave the cache folder. */
bool hub_id_is_valid(const char *id);

/* Whether `revision` can be a branch, tag or commit: '/'-separated parts, none empty, "." or "..", no
 * control characters. */
bool hub_revision_is_valid(const char *revision);

#endif
