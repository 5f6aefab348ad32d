/* The devices that this machine has. */
#ifndef ENGINE_DEVICES_H
#define ENGINE_DEVICES_H

#include <stdbool.h>

enum { DEVICES_MOST = 2 };

/* The name of device `number`, as device_open() takes it, and its kind, static storage; number 0 is the one that "auto"
 * takes. False after the last one. */
bool devices_get(int number, const char **name, const char **kind);

/* A line about a device for people, freed by the caller. Errors: MEMORY. */
int devices_describe(const char *name, char **out);

/* The name of CPU level `number`, the lowest first; NULL: the machine has no more. */
const char *devices_cpu_level(int number);

#endif
