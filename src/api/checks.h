/* What several calls of the API share: checks of what callers give, the device. */
#ifndef API_CHECKS_H
#define API_CHECKS_H

#include "ops/ops.h"
#include "sowlv2.h"

/* Errors: ARGUMENT (no pixels, a size below 1x1, a stride less than a row). */
int check_images(const struct sowlv2_image *images, size_t count);

/* Bytes from row to row. */
size_t image_row_bytes(const struct sowlv2_image *image);

/* Opens the device that the options name. Errors: UNSUPPORTED, MEMORY. */
int open_named_device(const struct sowlv2_device_options *options, struct device **out);

/* The folder of the model that the options name, for what models of `kind` do (weights/model_kind.h), downloaded where
 * that is needed and allowed; freed by the caller. Errors: MODEL, IO, CANCELLED, FORMAT, ARGUMENT, MEMORY. */
int find_model(const struct sowlv2_model_options *options, const char *kind, char **folder);

#endif
