/* Which device the tool computes on. */
#ifndef CLI_DEVICE_H
#define CLI_DEVICE_H

#include "cli/settings.h"

/* The device that --device asks for, or "cpu", after a notice that says why, where that is a GPU that cannot be used.
 * It is looked for once. */
const char *device_chosen(const struct settings *settings);

/* --precision, as that device has it. */
const char *precision_chosen(const struct settings *settings);

#endif
