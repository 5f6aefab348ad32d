/* Turning a picture as EXIF's orientation says. */
#include "media/image_decoders.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { TILE = 32 }; /* both sides of a tile's copy stay in the first-level cache */

static inline void copy_pixel(uint8_t *to, const uint8_t *from)
{
    to[0] = from[0];
    to[1] = from[1];
    to[2] = from[2];
}

static void swap_pixel(uint8_t *a, uint8_t *b)
{
    uint8_t keep[3];
    copy_pixel(keep, a);
    copy_pixel(a, b);
    copy_pixel(b, keep);
}

static void mirror_rows(struct image *image)
{
    for (int y = 0; y < image->height; y++) {
        uint8_t *left = image->pixels + (size_t)y * image->width * 3;
        uint8_t *right = left + ((size_t)image->width - 1) * 3;
        for (; left < right; left += 3, right -= 3)
            swap_pixel(left, right);
    }
}

static int flip_rows(const char *name, struct image *image)
{
    size_t bytes = (size_t)image->width * 3;
    uint8_t *keep = malloc(bytes);
    if (!keep)
        return error_memory(name);
    for (int top = 0, bottom = image->height - 1; top < bottom; top++, bottom--) {
        uint8_t *a = image->pixels + (size_t)top * bytes;
        uint8_t *b = image->pixels + (size_t)bottom * bytes;
        memcpy(keep, a, bytes);
        memcpy(a, b, bytes);
        memcpy(b, keep, bytes);
    }
    free(keep);
    return 0;
}

/* Exchanges rows and columns: new pixel (x, y) is old pixel (y, x). */
static int transpose(const char *name, struct image *image)
{
    int width = image->width, height = image->height;
    uint8_t *turned = image_pixels((size_t)width * (size_t)height * 3);
    if (!turned)
        return error_memory(name);
    for (int y0 = 0; y0 < height; y0 += TILE) {
        int y1 = height - y0 < TILE ? height : y0 + TILE;
        for (int x0 = 0; x0 < width; x0 += TILE) {
            int x1 = width - x0 < TILE ? width : x0 + TILE;
            for (int x = x0; x < x1; x++)
                for (int y = y0; y < y1; y++)
                    copy_pixel(turned + ((size_t)x * height + y) * 3, image->pixels + ((size_t)y * width + x) * 3);
        }
    }
    image_free_pixels(image->pixels);
    *image = (struct image){height, width, turned};
    return 0;
}

int image_apply_orientation(const char *name, struct image *image, int orientation)
{
    bool exchange = orientation >= 5 && orientation <= 8;
    bool mirror = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
    bool flip = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
    int status = 0;
    if (exchange)
        status = transpose(name, image);
    if (!status && flip)
        status = flip_rows(name, image);
    if (!status && mirror)
        mirror_rows(image);
    return status;
}
