/* Checks of what callers give, the device. */
#include "api/checks.h"
#include "base/error.h"
#include "engine/shared_device.h"

#include <stddef.h>
#include <stdint.h>
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
        if (image_row_bytes(image) > (size_t)PTRDIFF_MAX / (size_t)image->height) {
            return error_set(SOWLV2_ERROR_ARGUMENT,
                             "image %zu: a stride of %zu bytes is more than memory has for %d rows", i, image->stride,
                             image->height);
        }
    }
    return 0;
}

int check_segment_image(const struct sowlv2_image *image)
{
    const int status = check_images(image, 1);
    if (status == 0 && (uint64_t)image->width * (uint64_t)image->height > UINT32_MAX) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "image: %d x %d pixels are too many: make it smaller", image->width,
                         image->height);
    }
    return status;
}

int read_image(const char *caller, const char *needs, const char *path, int *width, int *height, struct image *out)
{
    int status = 0;
    *out = (struct image){0};
    if (path == NULL)
        status = error_set(SOWLV2_ERROR_ARGUMENT, "%s: %s are needed", caller, needs);
    else
        status = image_read(path, IMAGE_DEFAULT_MAX_PIXELS, out);
    if (width != NULL)
        *width = out->width;
    if (height != NULL)
        *height = out->height;
    return status;
}

size_t image_row_bytes(const struct sowlv2_image *image)
{
    return image->stride != 0 ? image->stride : (size_t)image->width * 3;
}

int open_named_device(const struct sowlv2_device_options *options, struct device **out)
{
    enum dtype precision;
    const int status = device_precision(options->device, options->precision, &precision);
    if (status != 0)
        return status;
    const struct device_options wanted = {.device = options->device,
                                          .cpu_level = options->cpu_level,
                                          .precision = precision,
                                          .threads = options->threads};
    return shared_device_open(&wanted, out);
}
