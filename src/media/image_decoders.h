/* The parts behind image_decode: one decoder a format, EXIF orientation, turning. */
#ifndef MEDIA_IMAGE_DECODERS_H
#define MEDIA_IMAGE_DECODERS_H

#include "media/image.h"

/* A file in memory, and how it is to be read. */
struct image_source {
    const char *name; /* what messages call it */
    const uint8_t *data;
    size_t size;
    const struct image_options *options;
    double deadline; /* of this thread's processor time, in seconds; 0: none */
};

/* Each decodes to stored (not yet turned) pixels and sets `*orientation`, 1 at first, to EXIF's 1 to 8.
 * On error nothing is left to free. Errors as image_decode. */
int image_decode_jpeg(const struct image_source *source, struct image *out, int *orientation);
int image_decode_png(const struct image_source *source, struct image *out, int *orientation);
int image_decode_bmp(const struct image_source *source, struct image *out, int *orientation);
int image_decode_gif(const struct image_source *source, struct image *out, int *orientation);
int image_decode_tiff(const struct image_source *source, struct image *out, int *orientation);
int image_decode_webp(const struct image_source *source, struct image *out, int *orientation);
/* Built where the library is there; else they are UNSUPPORTED errors that say so. libavif decodes in one call that
 * nothing can end: the time is asked before and after it. HEIF's time is asked before each of the pictures (tiles,
 * layers) that one is made of and, with libde265, before each unit of their streams; without, it is the clock's,
 * since libheif's decoder works in a thread of its own. */
int image_decode_avif(const struct image_source *source, struct image *out, int *orientation);
int image_decode_heif(const struct image_source *source, struct image *out, int *orientation);

/* Checks width x height against the source's options. Errors: FORMAT (no pixels), ARGUMENT (too many). */
int image_check_size(const struct image_source *source, uint64_t width, uint64_t height);

/* The same, then allocates out->pixels, black where they may stay unwritten because the file is cut. Errors:
 * also MEMORY. */
int image_allocate(const struct image_source *source, uint64_t width, uint64_t height, struct image *out);

/* Memory for pixels, in large pages where it is much, which saves a fifth of a JPEG's time; freed with free().
 * NULL: out of memory. */
uint8_t *image_pixels(size_t bytes);

/* Asks ahead for as much memory as a library is going to want, and a little: some of them end the process when they get
 * none. Nothing keeps it, so other threads may still take it away. Errors: MEMORY. */
int image_reserve(const struct image_source *source, uint64_t bytes);

/* A number of four bytes, the highest first. */
static inline uint32_t image_read_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Whether the time is not up. Errors: FORMAT. Costs a system call: ask once in some rows. */
int image_check_time(const struct image_source *source);

/* The error that it gives. */
int image_out_of_time(const struct image_source *source);

/* A file that was cut, `kind` such as "PNG": 0 and a notice where that is allowed, else the error FORMAT. */
int image_truncated(const struct image_source *source, const char *kind);

/* A notice where the transfer characteristics (ITU-T H.273) are those of HDR, which is not brought to standard range.
 */
void image_tell_hdr(const struct image_source *source, unsigned transfer);

/* CMYK to RGB as Pillow does; `light`: 255 is no ink, as in JPEG; else 255 is full ink. */
void image_cmyk_to_rgb(const uint8_t *cmyk, bool light, uint8_t *rgb, size_t count);

enum image_format {
    IMAGE_FORMAT_JPEG,
    IMAGE_FORMAT_PNG,
    IMAGE_FORMAT_BMP,
    IMAGE_FORMAT_GIF,
    IMAGE_FORMAT_TIFF,
    IMAGE_FORMAT_WEBP,
    IMAGE_FORMAT_AVIF,
    IMAGE_FORMAT_HEIF,
    IMAGE_FORMAT_OTHER
};

/* What a file is, from its first bytes. For IMAGE_FORMAT_OTHER `*description` is its name with an
 * article ("an icon (ICO)"), or NULL where it is not known; static storage. */
enum image_format image_format_detect(const uint8_t *data, size_t size, const char **description);

/* More bytes than that no file of this format has that begins with these and is to be read: by its size in pixels, its
 * length where it tells that, and room for text, profiles and the like. */
uint64_t image_most_bytes(enum image_format format, const uint8_t *data, size_t size, uint64_t max_pixels);

/* Orientation in a TIFF structure (EXIF without its "Exif\0\0"), reading what Pillow reads of a
 * damaged one. 0: it has none; 1 also for values without a meaning. */
int image_exif_orientation(const uint8_t *data, size_t size);

/* The same behind up to two "Exif\0\0" markers. */
int image_exif_orientation_marked(const uint8_t *data, size_t size);

/* The first tiff:Orientation of an XMP packet; 0: it has none. */
int image_xmp_orientation(const uint8_t *data, size_t size);

/* EXIF in PNG text as ImageMagick writes it ("\nexif\n  length\nhex digits"). 0: none, or damaged; a negative number:
 * the error MEMORY. */
int image_text_profile_orientation(const uint8_t *text, size_t size);

/* Turns the pixels as `orientation` says; sizes swap for 5 to 8. Errors: MEMORY (pixels unchanged). */
int image_apply_orientation(const char *name, struct image *image, int orientation);

#endif
