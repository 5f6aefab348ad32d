/* The parts behind image_decode: one decoder a format, EXIF orientation, turning. */
#ifndef MEDIA_IMAGE_DECODERS_H
#define MEDIA_IMAGE_DECODERS_H

#include "media/image.h"

#include <string.h>

/* A file in memory, and how it is to be read. */
struct image_source {
    const char *name; /* what messages call it */
    const uint8_t *data;
    size_t size;
    const struct image_options *options;
    double deadline; /* of this thread's processor time, in seconds; 0: none */
};

/* A format that is read: a file image_NAME.c, and its line in the table of image_format.c. */
struct image_format {
    const char *name;            /* of messages */
    const char *const *suffixes; /* of files, lower case; NULL behind the last */

    /* Whether a file that begins so is one. */
    bool (*begins)(const uint8_t *data, size_t size);

    /* Decodes to stored (not yet turned) pixels and sets `*orientation`, 1 at first, to EXIF's 1 to 8. On error nothing
     * is left to free. Errors as image_decode. */
    int (*decode)(const struct image_source *source, struct image *out, int *orientation);

    /* How large a file is, as its first bytes say it, of which there are at least 32: sets `*pixels`, or `*bytes`, or
     * neither. NULL: they do not. */
    void (*measure)(const uint8_t *data, size_t size, uint64_t *pixels, uint64_t *bytes);

    /* Whether it holds pictures that follow each other; `file` is open and may be read at any place. NULL: never. */
    bool (*moves)(int file, const uint8_t *head, size_t size);
};

extern const struct image_format image_format_jpeg, image_format_gif; /* which can be called what videos are called */

/* The format of number 0, 1, ...; NULL behind the last. */
const struct image_format *image_format_at(size_t index);

/* What a file is, from its first bytes; NULL: none of the formats, and `*description` is its name with an article ("an
 * icon (ICO)"), or NULL where it is not known; static storage. */
const struct image_format *image_format_detect(const uint8_t *data, size_t size, const char **description);

/* More bytes than that no file of this format (NULL: of none) has that begins with these and is to be read: by its size
 * in pixels, its length where it tells that, and room for text, profiles and the like. */
uint64_t image_most_bytes(const struct image_format *format, const uint8_t *data, size_t size, uint64_t max_pixels);

/* Whether these are among the bytes, a string literal, at the offset. */
#define IMAGE_HAS(data, size, offset, literal)                                                                         \
    ((size) >= (offset) + sizeof(literal) - 1 && memcmp((data) + (offset), literal, sizeof(literal) - 1) == 0)

/* Of AVIF and HEIF, which share their container: which of them a file is, 'a', 'h' or 0; how long it is at least; and
 * whether it is a sequence. */
char image_container_kind(const uint8_t *data, size_t size);
void image_container_measure(const uint8_t *data, size_t size, uint64_t *pixels, uint64_t *bytes);
bool image_container_moves(int file, const uint8_t *head, size_t size);

/* Checks width x height against the source's options. Errors: FORMAT (no pixels), ARGUMENT (too many). */
int image_check_size(const struct image_source *source, uint64_t width, uint64_t height);

/* The same, then allocates out->pixels, black where they may stay unwritten because the file is cut. Errors:
 * also MEMORY. */
int image_allocate(const struct image_source *source, uint64_t width, uint64_t height, struct image *out);

/* Memory for pixels, in large pages where it is much, which saves a fifth of a JPEG's time; in a process that decodes
 * for another one, memory of both. NULL: out of memory. */
uint8_t *image_pixels(size_t bytes);
void image_free_pixels(uint8_t *pixels);

/* Asks ahead for as much memory as a library is going to want, and a little: some of them end the process when they get
 * none. Nothing keeps it, so other threads may still take it away. Errors: MEMORY. */
int image_reserve(const struct image_source *source, uint64_t bytes);

/* A number of four bytes, the highest first. */
static inline uint32_t image_read_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The same, the lowest first. */
static inline uint32_t image_read_low_u32(const uint8_t *at)
{
    return __builtin_bswap32(image_read_u32(at));
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
