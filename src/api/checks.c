/* Checks of what callers give, the device. */
#include "api/checks.h"
#include "base/error.h"
#include "engine/shared_device.h"

#include <string.h>

int check_images(const struct sowlv2_image *images, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct sowlv2_image *image = &images[i];
        if (image->pixels == NULL || image->width < 1 || image->height < 1)
            return error_set(SOWLV2_ERROR_ARGUMENT, "image %zu: pixels and a size of at least 1x1 are needed", i);
        if (image->stride != 0 && image->stride < (size_t)image->width * 3) {
            return error_set(SOWLV2_ERROR_ARGUMENT, "image %zu: a stride of %zu bytes is less than a row", i,
                             image->stride);
        }
    }
    return 0;
}

size_t image_row_bytes(const struct sowlv2_image *image)
{
    return image->stride != 0 ? image->stride : (size_t)image->width * 3;
}

int open_named_device(const struct sowlv2_device_options *options, struct device **out)
{
    const char *precision = options->precision != NULL ? options->precision : "auto";
    if (strcmp(precision, "auto") != 0 && strcmp(precision, "f32") != 0) {
        return error_set(SOWLV2_ERROR_UNSUPPORTED, "precision %s: this version computes in f32: use f32 or auto",
                         precision);
    }
    const struct device_options wanted = {
        .device = options->device, .cpu_level = options->cpu_level, .threads = options->threads};
    return shared_device_open(&wanted, out);
}
