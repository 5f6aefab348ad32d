/* Whether one clock runs through a whole file. */
#ifndef VIDEO_CLOCK_CHECK_H
#define VIDEO_CLOCK_CHECK_H

#include "video/input.h"

/* Looks at the stream's times at some places of the file. Not `*one`: they go back, so pieces with clocks of their own
 * were joined, and a time is no place in it. Moves reading: a seek has to follow. `*one` for formats in which that is
 * not done and where nothing is known. `name` is for messages. Errors: MEMORY. */
int clock_check(const struct input *input, const char *name, int index, bool *one);

#endif
