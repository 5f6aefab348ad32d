/* Devices that models share: whoever asks for the same gets the same. */
#ifndef ENGINE_SHARED_DEVICE_H
#define ENGINE_SHARED_DEVICE_H

#include "ops/ops.h"

/* The device with these options: the one that is open already, or a new one. Each call is matched by one of
 * shared_device_close. Errors: as device_open. */
int shared_device_open(const struct device_options *options, struct device **out);

/* The first GPU that can be used with these options, else the CPU; which it is, and why, is told to those who want
 * details. `wanted` has a CPU level where it must be the CPU; `precision` is the name of one. Errors: as
 * shared_device_open() of the CPU. */
int shared_device_open_best(const struct device_options *wanted, const char *precision, struct device **out);
void shared_device_close(struct device **device);

/* One more user of a device that is open here, who closes it too. */
struct device *shared_device_keep(struct device *device);

/* The precision that `name` (NULL: "auto") stands for on the device called `device` (NULL: "auto"): bfloat16 on a GPU
 * and f32 on the CPU where it is "auto". Errors: UNSUPPORTED. */
int precision_of_name(const char *device, const char *name, enum dtype *out);
/* The name of a precision that a device has. */
const char *precision_name(enum dtype precision);

#endif
