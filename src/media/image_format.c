/* File formats by their first bytes, so that an error can say what a file really is. */
#include "media/image_decoders.h"

#include <string.h>

struct signature {
    size_t offset, length;
    const char *bytes;
    const char *description;
};

#define SIGNATURE(offset, bytes, description)                                                                          \
    {                                                                                                                  \
        offset, sizeof(bytes) - 1, bytes, description                                                                  \
    }

/* The first match wins: longer ones stand before their prefixes. */
static const struct signature signatures[] = {
    SIGNATURE(0, "BM", "a BMP image"),
    SIGNATURE(0, "GIF87a", "a GIF image"),
    SIGNATURE(0, "GIF89a", "a GIF image"),
    SIGNATURE(0, "II*\0", "a TIFF image"),
    SIGNATURE(0, "MM\0*", "a TIFF image"),
    SIGNATURE(0, "II+\0", "a TIFF image"),
    SIGNATURE(0, "MM\0+", "a TIFF image"),
    SIGNATURE(8, "WEBP", "a WebP image"),
    SIGNATURE(8, "AVI ", "an AVI video"),
    SIGNATURE(4, "ftypavif", "an AVIF image"),
    SIGNATURE(4, "ftypavis", "an AVIF image"),
    SIGNATURE(4, "ftyphei", "an HEIC image"),
    SIGNATURE(4, "ftyphev", "an HEIC image"),
    SIGNATURE(4, "ftypmif1", "an HEIC or AVIF image"),
    SIGNATURE(4, "ftypmsf1", "an HEIC or AVIF image"),
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
};

static bool has_bytes(const uint8_t *data, size_t size, size_t offset, const char *bytes, size_t length)
{
    return size >= offset + length && memcmp(data + offset, bytes, length) == 0;
}

enum image_format image_format_detect(const uint8_t *data, size_t size, const char **description)
{
    *description = NULL;
    if (has_bytes(data, size, 0, "\xff\xd8\xff", 3))
        return IMAGE_FORMAT_JPEG;
    if (has_bytes(data, size, 0, "\x89PNG\r\n\x1a\n", 8))
        return IMAGE_FORMAT_PNG;
    for (size_t i = 0; i < sizeof(signatures) / sizeof(*signatures); i++) {
        const struct signature *s = &signatures[i];
        if (has_bytes(data, size, s->offset, s->bytes, s->length)) {
            *description = s->description;
            break;
        }
    }
    return IMAGE_FORMAT_OTHER;
}
