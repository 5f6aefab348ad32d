/* File formats by their first bytes: which decoder, or what an error can call the file. */
#include "media/image_decoders.h"

#include <string.h>

struct signature {
    size_t offset, length;
    const char *bytes;
    enum image_format format;
    const char *description; /* of IMAGE_FORMAT_OTHER */
};

#define DECODED(offset, bytes, format)                                                                                 \
    {                                                                                                                  \
        offset, sizeof(bytes) - 1, bytes, format, NULL                                                                 \
    }
#define SIGNATURE(offset, bytes, description)                                                                          \
    {                                                                                                                  \
        offset, sizeof(bytes) - 1, bytes, IMAGE_FORMAT_OTHER, description                                              \
    }

/* The first match wins: longer ones stand before their prefixes. */
static const struct signature signatures[] = {
    DECODED(0, "\xff\xd8\xff", IMAGE_FORMAT_JPEG),
    DECODED(0, "\x89PNG\r\n\x1a\n", IMAGE_FORMAT_PNG),
    DECODED(0, "GIF87a", IMAGE_FORMAT_GIF),
    DECODED(0, "GIF89a", IMAGE_FORMAT_GIF),
    DECODED(0, "II*\0", IMAGE_FORMAT_TIFF),
    DECODED(0, "MM\0*", IMAGE_FORMAT_TIFF),
    DECODED(0, "II+\0", IMAGE_FORMAT_TIFF),
    DECODED(0, "MM\0+", IMAGE_FORMAT_TIFF),
    DECODED(8, "WEBP", IMAGE_FORMAT_WEBP),
    SIGNATURE(8, "AVI ", "an AVI video"),
    DECODED(4, "ftypavif", IMAGE_FORMAT_AVIF),
    DECODED(4, "ftypavis", IMAGE_FORMAT_AVIF),
    DECODED(4, "ftyphei", IMAGE_FORMAT_HEIF),
    DECODED(4, "ftyphev", IMAGE_FORMAT_HEIF),
    DECODED(4, "ftypmif1", IMAGE_FORMAT_HEIF),
    DECODED(4, "ftypmsf1", IMAGE_FORMAT_HEIF),
    SIGNATURE(4, "ftypcrx ", "a raw camera image (CR3)"),
    SIGNATURE(4, "ftypqt  ", "a QuickTime video"),
    SIGNATURE(4, "moov", "a QuickTime video"),
    SIGNATURE(4, "ftyp", "an MP4 video"),
    SIGNATURE(0, "\x1a\x45\xdf\xa3", "a Matroska or WebM video"),
    SIGNATURE(0, "\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 image"),
    SIGNATURE(0, "\xff\x4f\xff\x51", "a JPEG 2000 image"),
    SIGNATURE(0, "\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image"),
    SIGNATURE(0, "\xff\x0a", "a JPEG XL image"),
    SIGNATURE(0, "8BPS", "a Photoshop document"),
    SIGNATURE(0, "\0\0\1\0", "an icon (ICO)"),
    SIGNATURE(0, "\x76\x2f\x31\x01", "an OpenEXR image"),
    SIGNATURE(0, "%PDF-", "a PDF document"),
    SIGNATURE(0, "PK\3\4", "a ZIP archive"),
    SIGNATURE(0, "\x1f\x8b", "a gzip archive"),
    SIGNATURE(0, "version https://git-lfs", "a Git LFS pointer, not the image itself"),
    SIGNATURE(0, "<svg", "an SVG drawing"),
    SIGNATURE(0, "<?xml", "an XML document"),
    SIGNATURE(0, "<!DOCTYPE", "a web page, not an image"),
    SIGNATURE(0, "<!doctype", "a web page, not an image"),
    SIGNATURE(0, "<html", "a web page, not an image"),
    SIGNATURE(0, "<HTML", "a web page, not an image"),
    DECODED(0, "BM", IMAGE_FORMAT_BMP), /* two letters only: when nothing else fits */
};

static bool has_bytes(const uint8_t *data, size_t size, size_t offset, const char *bytes, size_t length)
{
    return size >= offset + length && memcmp(data + offset, bytes, length) == 0;
}

/* Whether one of the brands that an ISO file names is AVIF: the general ones may be that too. */
static bool has_avif_brand(const uint8_t *data, size_t size)
{
    size_t end = image_read_u32(data);
    for (size_t at = 16; at + 4 <= end && at + 4 <= size; at += 4)
        if (memcmp(data + at, "avif", 4) == 0 || memcmp(data + at, "avis", 4) == 0)
            return true;
    return false;
}

enum image_format image_format_detect(const uint8_t *data, size_t size, const char **description)
{
    *description = NULL;
    for (size_t i = 0; i < sizeof(signatures) / sizeof(*signatures); i++) {
        const struct signature *s = &signatures[i];
        if (!has_bytes(data, size, s->offset, s->bytes, s->length))
            continue;
        *description = s->description;
        return s->format == IMAGE_FORMAT_HEIF && has_avif_brand(data, size) ? IMAGE_FORMAT_AVIF : s->format;
    }
    return IMAGE_FORMAT_OTHER;
}

/* JPEG's size is in a segment that any number of others precede. */
static bool jpeg_pixels(const uint8_t *data, size_t size, uint64_t *pixels)
{
    for (size_t at = 2; size >= 9 && at <= size - 9;) {
        unsigned marker = data[at + 1];
        if (data[at] != 0xff || marker == 0xff) { /* stray bytes, fill bytes */
            at++;
            continue;
        }
        bool frame = marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
        if (frame) {
            *pixels = (uint64_t)(data[at + 5] << 8 | data[at + 6]) * (uint64_t)(data[at + 7] << 8 | data[at + 8]);
            return true;
        }
        at += 2 + (size_t)(data[at + 2] << 8 | data[at + 3]);
    }
    return false;
}

/* End of the last of the boxes whose beginning is there; 0: its data goes on to the end of the file. */
static uint64_t boxes_end(const uint8_t *data, size_t size)
{
    uint64_t at = 0;
    while (size >= 16 && at <= size - 16) {
        uint64_t length = image_read_u32(data + at);
        if (length == 1)
            length = (uint64_t)image_read_u32(data + at + 8) << 32 | image_read_u32(data + at + 12);
        if (length == 0 && memcmp(data + at + 4, "mdat", 4) == 0)
            return 0;
        if (length < 8 || length > UINT32_MAX)
            break;
        at += length;
    }
    return at;
}

static uint32_t low_first(const uint8_t *at)
{
    return __builtin_bswap32(image_read_u32(at));
}

static uint64_t bmp_pixels(const uint8_t *data)
{
    if (low_first(data + 14) == 12)
        return (uint64_t)(data[18] | data[19] << 8) * (uint64_t)(data[20] | data[21] << 8);
    int64_t height = (int32_t)low_first(data + 22); /* negative: from the top */
    return (uint64_t)low_first(data + 18) * (uint64_t)(height < 0 ? -height : height);
}

uint64_t image_most_bytes(enum image_format format, const uint8_t *data, size_t size, uint64_t max_pixels)
{
    static const uint64_t a_pixel = 16, beside = (uint64_t)64 << 20;
    uint64_t pixels = max_pixels, end;
    if (size < 32)
        return beside;
    switch (format) {
    case IMAGE_FORMAT_JPEG:
        if (!jpeg_pixels(data, size, &pixels))
            pixels = max_pixels;
        break;
    case IMAGE_FORMAT_PNG:
        pixels = (uint64_t)image_read_u32(data + 16) * image_read_u32(data + 20);
        break;
    case IMAGE_FORMAT_GIF:
        pixels = (uint64_t)(data[6] | data[7] << 8) * (uint64_t)(data[8] | data[9] << 8);
        break;
    case IMAGE_FORMAT_BMP:
        pixels = bmp_pixels(data);
        break;
    case IMAGE_FORMAT_WEBP:
        return low_first(data + 4) + beside;
    case IMAGE_FORMAT_AVIF:
    case IMAGE_FORMAT_HEIF:
        end = boxes_end(data, size);
        if (end > 0)
            return end + beside;
        break;
    case IMAGE_FORMAT_TIFF:
    case IMAGE_FORMAT_OTHER:
        break;
    }
    if (pixels > max_pixels) /* which decoding refuses */
        pixels = max_pixels;
    return pixels > UINT32_MAX ? UINT64_MAX : pixels * a_pixel + beside;
}
