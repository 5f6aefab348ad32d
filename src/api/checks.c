/* Checks of what callers give. */
#include "api/checks.h"
#include "base/error.h"
#include "media/image.h"

#include <stdio.h>

int take_images(const struct sowlv2_image *images, size_t count, struct sowlv2_image *out)
{
    int status = 0;
    for (size_t i = 0; i < count && status == 0; i++) {
        char name[32];
        snprintf(name, sizeof(name), "image %zu", i);
        status = image_take_view(name, &images[i], &out[i]);
    }
    return status;
}

int take_segment_image(const struct sowlv2_image *image, struct sowlv2_image *out)
{
    const int status = image_take_view("image", image, out);
    if (status == 0 && (uint64_t)image->width * (uint64_t)image->height > UINT32_MAX) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "image: %d x %d pixels are too many: make it smaller", image->width,
                         image->height);
    }
    return status;
}
