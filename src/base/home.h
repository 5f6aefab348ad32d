/* Home folders of users, for "~" in paths. */
#ifndef BASE_HOME_H
#define BASE_HOME_H

#include "base/strings.h"

#include <stdbool.h>

/* Appends the home folder of `user` ("": the one who runs this). False, with nothing appended: nobody knows it, or
 * memory is short (`out->failed`). */
bool home_append(const char *user, struct string *out);

#endif
