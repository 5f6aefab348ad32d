/* Time that passes. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

/* Seconds on a clock that never jumps. */
double clock_seconds(void);

#endif
