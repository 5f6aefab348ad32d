/* Checks of what callers give. */
#include "api/checks.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int check_images(const struct sowlv2_image *images, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct sowlv2_image *image = &images[i];
        if (!image->pixels || image->width < 1 || image->height < 1)
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

size_t image_row_bytes(const struct sowlv2_image *image)
{
    return image->stride != 0 ? image->stride : (size_t)image->width * 3;
}
