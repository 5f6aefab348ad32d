/* The parts behind image_decode: one decoder a format, EXIF orientation, turning. */
#ifndef MEDIA_IMAGE_DECODERS_H
#define MEDIA_IMAGE_DECODERS_H

#include "media/image.h"

/* Each decodes to stored (not yet turned) pixels and sets `*orientation` to EXIF's 1 to 8.
 * On error nothing is left to free. Errors as image_decode. */
int image_decode_jpeg(const char *name, const uint8_t *data, size_t size, int64_t max_pixels, struct image *out,
                      int *orientation);
int image_decode_png(const char *name, const uint8_t *data, size_t size, int64_t max_pixels, struct image *out,
                     int *orientation);

/* Checks width x height against `max_pixels` and allocates out->pixels. Errors: FORMAT (no pixels),
 * ARGUMENT (too many), MEMORY. */
int image_allocate(const char *name, uint32_t width, uint32_t height, int64_t max_pixels, struct image *out);

enum image_format { IMAGE_FORMAT_JPEG, IMAGE_FORMAT_PNG, IMAGE_FORMAT_OTHER };

/* What a file is, from its first bytes. For IMAGE_FORMAT_OTHER `*description` is its name with an
 * article ("a TIFF image"), or NULL where it is not known; static storage. */
enum image_format image_format_detect(const uint8_t *data, size_t size, const char **description);

/* Orientation in a TIFF structure (EXIF without its "Exif\0\0"), reading what Pillow reads of a
 * damaged one. 0: it has none; 1 also for values without a meaning. */
int image_exif_orientation(const uint8_t *data, size_t size);

/* The same behind up to two "Exif\0\0" markers. */
int image_exif_orientation_marked(const uint8_t *data, size_t size);

/* The first tiff:Orientation of an XMP packet; 0: it has none. */
int image_xmp_orientation(const uint8_t *data, size_t size);

/* EXIF in PNG text as ImageMagick writes it ("\nexif\n  length\nhex digits"). 0: none, or damaged. */
int image_text_profile_orientation(const char *text, size_t size);

/* Turns the pixels as `orientation` says; sizes swap for 5 to 8. Errors: MEMORY (pixels unchanged). */
int image_apply_orientation(const char *name, struct image *image, int orientation);

#endif
