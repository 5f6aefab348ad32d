/* Which device the tool computes on. */
#ifndef CLI_DEVICE_H
#define CLI_DEVICE_H

#include "cli/settings.h"

enum { DEVICE_MOST = 16 };

/* How many devices --device asks for that can be used, at least 1: where they are GPUs none of which can be used it is
 * the CPU, after a notice that says why. They are looked for once. */
size_t device_count(const struct settings *settings);

/* Where and how models compute: the device of this number, from 0, in the precision of --precision as it has it. */
struct sowlv2_device_options device_options(const struct settings *settings, size_t number);

/* For what computes on one device alone: a notice where --device asks for several. */
void device_only_one(const struct settings *settings);

/* With --verbose, at the end of a run: what was taken of a GPU's memory. `device` may be NULL. */
void device_tell_memory(const struct settings *settings, const sowlv2_device *device);

#endif
