/* What several calls of the API share: checks of what callers give, models. */
#ifndef API_CHECKS_H
#define API_CHECKS_H

#include "hub/model_find.h"
#include "ops/ops.h"
#include "sowlv2.h"

enum { API_MAX_BATCH = 4096 }; /* images of one call */

/* The callers' images, as image_take_view() (media/image.h) takes them, into out[count]. Errors: ARGUMENT. */
int take_images(const struct sowlv2_image *images, size_t count, struct sowlv2_image *out);

/* The same for an image whose masks are asked for. Errors: ARGUMENT (also more pixels than a mask's runs can count). */
int take_segment_image(const struct sowlv2_image *image, struct sowlv2_image *out);

/* The folder of the model that the options name, for what models of `kind` do (weights/model_kind.h), downloaded where
 * that is needed and allowed, and, unless `device` is NULL, the device to compute on, closed with
 * shared_device_close(); `folder` is freed by the caller. `caller` is what messages call the function. Errors: MODEL,
 * IO, CANCELLED, FORMAT, ARGUMENT, UNSUPPORTED, MEMORY. */
int find_model(const char *caller, const struct sowlv2_model_options *options, const char *kind, char **folder,
               struct device **device);

/* The same options as finding and pulling take them; of this version's size. */
struct model_source model_source_of(const struct sowlv2_model_options *options, const char *kind);

/* Opens the device that the options (NULL: the defaults) name, closed with shared_device_close(). Errors: ARGUMENT,
 * UNSUPPORTED, MEMORY. */
int open_device(const struct sowlv2_device_options *options, struct device **out);

#endif
