/* Objects that a user marked with boxes and points. */
#ifndef PIPELINE_GIVEN_H
#define PIPELINE_GIVEN_H

#include "sowlv2.h"

#include <stddef.h>
#include <stdint.h>

/* Turns this thread's message about one of the `count` objects given ("prompt 2: the box ...", the library's words)
 * into one about `name` and the option that the user wrote; returns `status`. `index` is the object's where it was
 * asked for alone, otherwise GIVEN_ANY: the message tells it. Messages of other kinds stay. */
#define GIVEN_ANY SIZE_MAX
int given_explain(int status, const char *name, const struct sowlv2_segment_prompt *given, size_t count, size_t index);

#endif
