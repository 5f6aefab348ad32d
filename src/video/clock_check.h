/* Whether one clock runs through a whole file. */
#ifndef VIDEO_CLOCK_CHECK_H
#define VIDEO_CLOCK_CHECK_H

#include "video/input.h"

/* Looks at the stream's times at some places of the file. False: they go back, so pieces with clocks of their own were
 * joined, and a time is no place in it. Moves reading: a seek has to follow. True for formats in which that is not done
 * and where nothing is known. */
bool clock_check(const struct input *input, int index);

#endif
