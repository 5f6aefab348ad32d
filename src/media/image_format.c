/* File formats by their first bytes: those that are read, and what an error can call the others. */
#include "media/image_decoders.h"

/* In the order in which messages name them. */
extern const struct image_format image_format_png, image_format_tiff, image_format_webp, image_format_bmp,
    image_format_avif, image_format_heif;
static const struct image_format *const formats[] = {
    &image_format_jpeg, &image_format_png, &image_format_tiff, &image_format_webp,
    &image_format_bmp,  &image_format_gif, &image_format_avif, &image_format_heif,
};

enum { FORMAT_COUNT = sizeof(formats) / sizeof(formats[0]) };

struct signature {
    size_t offset, length;
    const char *bytes;
    const char *description;
};

#define SIGNATURE(offset, bytes, description)                                                                          \
    {                                                                                                                  \
        offset, sizeof(bytes) - 1, bytes, description                                                                  \
    }

/* What is not read. The first match wins: longer ones stand before their prefixes. */
static const struct signature others[] = {
    SIGNATURE(8, "AVI ", "an AVI video"),
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

const struct image_format *image_format_at(size_t index)
{
    return index < FORMAT_COUNT ? formats[index] : NULL;
}

const struct image_format *image_format_detect(const uint8_t *data, size_t size, const char **description)
{
    *description = NULL;
    for (size_t i = 0; i < FORMAT_COUNT; i++)
        if (formats[i]->begins(data, size))
            return formats[i];
    for (size_t i = 0; i < sizeof(others) / sizeof(*others) && !*description; i++) {
        const struct signature *const other = &others[i];
        if (size >= other->offset + other->length && memcmp(data + other->offset, other->bytes, other->length) == 0)
            *description = other->description;
    }
    return NULL;
}

uint64_t image_most_bytes(const struct image_format *format, const uint8_t *data, size_t size, uint64_t max_pixels)
{
    static const uint64_t a_pixel = 16, beside = (uint64_t)64 << 20;
    uint64_t pixels = max_pixels, bytes = 0;
    if (size < 32)
        return beside;
    if (format && format->measure)
        format->measure(data, size, &pixels, &bytes);
    if (bytes > 0)
        return bytes + beside;
    if (pixels > max_pixels) /* which decoding refuses */
        pixels = max_pixels;
    return pixels > UINT32_MAX ? UINT64_MAX : pixels * a_pixel + beside;
}

/* ---- AVIF and HEIF ---- */

/* Whether one of the brands that an ISO file names is AVIF: the general ones may be that too. */
static bool has_avif_brand(const uint8_t *data, size_t size)
{
    size_t end = image_read_u32(data);
    for (size_t at = 16; at + 4 <= end && at + 4 <= size; at += 4)
        if (memcmp(data + at, "avif", 4) == 0 || memcmp(data + at, "avis", 4) == 0)
            return true;
    return false;
}

char image_container_kind(const uint8_t *data, size_t size)
{
    if (IMAGE_HAS(data, size, 4, "ftypavif") || IMAGE_HAS(data, size, 4, "ftypavis"))
        return 'a';
    if (!IMAGE_HAS(data, size, 4, "ftyphei") && !IMAGE_HAS(data, size, 4, "ftyphev") &&
        !IMAGE_HAS(data, size, 4, "ftypmif1") && !IMAGE_HAS(data, size, 4, "ftypmsf1"))
        return 0;
    return has_avif_brand(data, size) ? 'a' : 'h';
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

void image_container_measure(const uint8_t *data, size_t size, uint64_t *pixels, uint64_t *bytes)
{
    (void)pixels;
    *bytes = boxes_end(data, size);
}

bool image_container_moves(int file, const uint8_t *head, size_t size)
{
    (void)file;
    return IMAGE_HAS(head, size, 8, "avis") || IMAGE_HAS(head, size, 8, "hevc") || IMAGE_HAS(head, size, 8, "msf1");
}
