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

/* The precision that `name` (NULL: "auto") stands for on the device called `device` (NULL: "auto"): bfloat16 on a GPU
 * and f32 on the CPU where it is "auto". Errors: UNSUPPORTED. */
int precision_of_name(const char *device, const char *name, enum dtype *out);

#endif
