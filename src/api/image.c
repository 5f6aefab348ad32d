/* Images of callers: from files to pixels. */
#include "media/image.h"
#include "base/error.h"
#include "base/options.h"

#include <stdlib.h>

void sowlv2_image_options_init(struct sowlv2_image_options *options, size_t size)
{
    const struct sowlv2_image_options defaults = {.max_pixels = IMAGE_DEFAULT_MAX_PIXELS};
    options_init(options, size, &defaults, sizeof(defaults));
}

int sowlv2_image_decode(const char *name, const void *data, size_t size, const struct sowlv2_image_options *options,
                        struct sowlv2_decoded_image *out)
{
    if (out)
        *out = (struct sowlv2_decoded_image){0};
    if (!out || (!name && !data))
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_image_decode: a file's name or its data, and out, are needed");
    struct sowlv2_image_options mine;
    int status = OPTIONS_TAKE(image, options, &mine);
    if (status != 0)
        return status;
    struct image_options inner = image_options_default();
    struct image image;
    inner.max_pixels = mine.max_pixels;
    inner.allow_truncated = mine.allow_truncated;
    status = data ? image_decode_with(name ? name : "image", data, size, &inner, &image)
                  : image_read_with(name, &inner, &image);
    if (status != 0)
        return status;
    out->image = image_view(&image);
    out->pixels = image.pixels;
    return 0;
}

void sowlv2_decoded_image_free(struct sowlv2_decoded_image *image)
{
    if (!image)
        return;
    free(image->pixels);
    *image = (struct sowlv2_decoded_image){0};
}
