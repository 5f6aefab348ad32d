/* Orientation from EXIF and XMP. Follows Pillow also where a file is damaged: which entries of a
 * broken directory still count decides how the picture is turned. */
#include "media/image_decoders.h"

#include "base/error.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { ORIENTATION_TAG = 0x0112, HEADER_BYTES = 8, ENTRY_BYTES = 12 };

/* A TIFF structure in memory. */
struct tiff {
    const uint8_t *data;
    size_t size;
    bool big_endian;
};

static uint64_t get_uint(const struct tiff *tiff, const uint8_t *at, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << 8 * (tiff->big_endian ? bytes - 1 - i : i);
    return value;
}

/* Bytes of one value of a TIFF type; 0: not a type. */
static size_t type_bytes(unsigned type)
{
    static const uint8_t bytes[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8};
    return type < sizeof(bytes) ? bytes[type] : 0;
}

static bool is_integer_type(unsigned type)
{
    enum { SHORT = 3, LONG = 4, SBYTE = 6, SSHORT = 8, SLONG = 9, IFD = 13, LONG8 = 16 };
    return type == SHORT || type == LONG || type == SBYTE || type == SSHORT || type == SLONG || type == IFD ||
           type == LONG8;
}

static int meaning(uint64_t value)
{
    return value >= 1 && value <= 8 ? (int)value : 1;
}

/* Walks one directory. Values outside the file end it, as they do in Pillow; entries whose declared
 * bytes add up to more than the file are passed over. */
static int directory_orientation(const struct tiff *tiff, size_t offset)
{
    if (offset > tiff->size || tiff->size - offset < 2)
        return 0;
    size_t count = (size_t)get_uint(tiff, tiff->data + offset, 2);
    size_t position = offset + 2;
    uint64_t declared = 0;
    for (size_t i = 0; i < count; i++, position += ENTRY_BYTES) {
        if (tiff->size - position < ENTRY_BYTES)
            return 0;
        const uint8_t *entry = tiff->data + position;
        unsigned tag = (unsigned)get_uint(tiff, entry, 2);
        unsigned type = (unsigned)get_uint(tiff, entry + 2, 2);
        uint64_t bytes = get_uint(tiff, entry + 4, 4) * type_bytes(type); /* below 2^35: no overflow */
        const uint8_t *value = entry + 8;
        if (bytes > 4) {
            declared += bytes;
            if (declared > tiff->size)
                continue;
            uint64_t at = get_uint(tiff, value, 4);
            if (at > tiff->size || tiff->size - at < bytes)
                return 0;
            value = tiff->data + at;
        }
        if (tag == ORIENTATION_TAG && bytes > 0)
            return is_integer_type(type) ? meaning(get_uint(tiff, value, type_bytes(type))) : 1;
    }
    return 0;
}

int image_exif_orientation(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct tiff tiff = {data, size, false};
    if (size < HEADER_BYTES)
        return 1;
    /* The second form of each has the number 42 in the wrong byte order; such files exist. */
    if (memcmp(data, "MM\0*", 4) == 0 || memcmp(data, "MM*\0", 4) == 0)
        tiff.big_endian = true;
    else if (memcmp(data, "II*\0", 4) != 0 && memcmp(data, "II\0*", 4) != 0)
        return 1;
    return directory_orientation(&tiff, (size_t)get_uint(&tiff, data + 4, 4));
}

int image_exif_orientation_marked(const uint8_t *data, size_t size)
{
    for (int i = 0; i < 2 && size >= 6 && memcmp(data, "Exif\0\0", 6) == 0; i++) {
        data += 6;
        size -= 6;
    }
    return image_exif_orientation(data, size);
}

int image_xmp_orientation(const uint8_t *data, size_t size)
{
    static const char key[] = "tiff:Orientation";
    const uint8_t *end = data + size;
    while (data < end) {
        const uint8_t *found = memmem(data, (size_t)(end - data), key, sizeof(key) - 1);
        if (!found)
            return 0;
        const uint8_t *after = found + sizeof(key) - 1;
        size_t left = (size_t)(end - after);
        size_t skip = left >= 2 && memcmp(after, "=\"", 2) == 0 ? 2 : left >= 1 && *after == '>' ? 1 : 0;
        if (skip && left > skip && isdigit(after[skip]))
            return meaning((uint64_t)(after[skip] - '0'));
        data = found + 1;
    }
    return 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int image_text_profile_orientation(const uint8_t *text, size_t size)
{
    /* Three lines before the digits: an empty one, the kind, the length. */
    const uint8_t *end = text + size;
    for (int line = 0; line < 3; line++) {
        const uint8_t *newline = memchr(text, '\n', (size_t)(end - text));
        if (!newline)
            return 0;
        text = newline + 1;
    }
    uint8_t *bytes = malloc((size_t)(end - text) / 2 + 1);
    if (!bytes)
        return error_memory("EXIF");
    size_t count = 0;
    int high = -1;
    bool valid = true;
    for (; text < end && valid; text++) {
        int digit = hex_digit((char)*text);
        if (digit < 0) {
            valid = isspace(*text) && high < 0;
        } else if (high < 0) {
            high = digit;
        } else {
            bytes[count++] = (uint8_t)(high << 4 | digit);
            high = -1;
        }
    }
    int orientation = valid && high < 0 ? image_exif_orientation_marked(bytes, count) : 0;
    free(bytes);
    return orientation;
}
