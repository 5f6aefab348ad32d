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
