/* Which device the tool computes on. */
#ifndef CLI_DEVICE_H
#define CLI_DEVICE_H

#include "cli/settings.h"

/* The device that --device asks for, or "cpu", after a notice that says why, where that is a GPU that cannot be used.
 * It is looked for once. */
const char *device_chosen(const struct settings *settings);

/* Where and how models compute: that device, in the precision of --precision as it has it. */
struct sowlv2_device_options device_options(const struct settings *settings);

/* With --verbose, at the end of a run: what was taken of a GPU's memory. `device` may be NULL. */
void device_tell_memory(const struct settings *settings, const sowlv2_device *device);

#endif
