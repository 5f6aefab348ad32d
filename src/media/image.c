/* Reading an image: find its format, decode, turn as EXIF says. */
#include "media/image.h"

#include "base/error.h"
#include "base/file.h"
#include "media/image_decoders.h"

#include <limits.h>
#include <stdlib.h>

/* No image of IMAGE_DEFAULT_MAX_PIXELS needs more; a file this large is something else. */
static const size_t largest_file = (size_t)1 << 31;

int image_allocate(const char *name, uint32_t width, uint32_t height, int64_t max_pixels, struct image *out)
{
    if (width == 0 || height == 0 || width > INT_MAX || height > INT_MAX)
        return error_set(SOWLV2_ERROR_FORMAT, "%s: its size, %u x %u pixels, is not valid: the file is damaged", name,
                         width, height);
    int64_t count = (int64_t)width * height;
    if (count > max_pixels)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: %u x %u is more than %lld pixels: make it smaller", name, width,
                         height, (long long)max_pixels);
    if ((uint64_t)count > PTRDIFF_MAX / 3)
        return error_memory(name);
    uint8_t *pixels = malloc((size_t)count * 3);
    if (!pixels)
        return error_memory(name);
    *out = (struct image){(int)width, (int)height, pixels};
    return 0;
}

int image_decode(const char *name, const void *data, size_t size, int64_t max_pixels, struct image *out)
{
    *out = (struct image){0};
    if (size == 0)
        return error_set(SOWLV2_ERROR_FORMAT, "%s: the file is empty: replace it", name);

    const char *description = NULL;
    int orientation = 1;
    int status;
    switch (image_format_detect(data, size, &description)) {
    case IMAGE_FORMAT_JPEG:
        status = image_decode_jpeg(name, data, size, max_pixels, out, &orientation);
        break;
    case IMAGE_FORMAT_PNG:
        status = image_decode_png(name, data, size, max_pixels, out, &orientation);
        break;
    default:
        if (description)
            return error_set(SOWLV2_ERROR_UNSUPPORTED, "%s: is %s: give a JPEG or PNG image", name, description);
        return error_set(SOWLV2_ERROR_UNSUPPORTED, "%s: is not an image of a known format: give a JPEG or PNG image",
                         name);
    }
    if (!status)
        status = image_apply_orientation(name, out, orientation);
    if (status)
        image_free(out);
    return status;
}

int image_read(const char *path, int64_t max_pixels, struct image *out)
{
    *out = (struct image){0};
    char *data;
    size_t size;
    int status = file_read(path, largest_file, &data, &size);
    if (status)
        return status;
    status = image_decode(path, data, size, max_pixels, out);
    free(data);
    return status;
}

void image_free(struct image *image)
{
    free(image->pixels);
    *image = (struct image){0};
}
