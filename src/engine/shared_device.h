/* Devices that models share: whoever asks for the same gets the same. */
#ifndef ENGINE_SHARED_DEVICE_H
#define ENGINE_SHARED_DEVICE_H

#include "ops/ops.h"

/* The device with these options: the one that is open already, or a new one. Each call is matched by one of
 * shared_device_close. Errors: as device_open. */
int shared_device_open(const struct device_options *options, struct device **out);
void shared_device_close(struct device **device);

/* One more user of a device that is open here, who closes it too. */
struct device *shared_device_keep(struct device *device);

#endif
