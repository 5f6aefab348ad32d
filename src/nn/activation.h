/* Activations as configurations name them. */
#ifndef NN_ACTIVATION_H
#define NN_ACTIVATION_H

#include "ops/ops.h"
#include "weights/config.h"

/* The activation that the key names, or the one called `fallback`. Errors: FORMAT, MODEL (not supported). */
int model_read_activation(const struct config *file, const struct config_node *node, const char *key,
                          const char *fallback, enum activation *out);

#endif
