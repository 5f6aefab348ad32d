/* BMP: Windows and OS/2 headers, palettes, bit fields, run lengths. Read here, since the libraries at hand take
 * files that were cut for whole ones. */
#include "media/image_decoders.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { FILE_HEADER = 14, ROWS_A_CHECK = 64 };
enum { RAW = 0, RLE8 = 1, RLE4 = 2, BITFIELDS = 3, ALPHA_BITFIELDS = 6 };

struct bmp {
    const struct image_source *source;
    uint32_t width, height;
    bool top_down;
    unsigned bits, compression;
    uint32_t colours;          /* entries of the palette */
    size_t palette_at, pixels; /* offsets in the file */
    unsigned entry_bytes;      /* of the palette: 3 or 4 */
    uint32_t masks[3];         /* red, green, blue */
    uint8_t palette[256][3];
};

static uint32_t get16(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static uint32_t get32(const uint8_t *at)
{
    return get16(at) | get16(at + 2) << 16;
}

static int damaged(const struct bmp *bmp, const char *why)
{
    return error_set(SOWLV2_ERROR_FORMAT, "%s: damaged BMP: %s: copy or export the file again", bmp->source->name, why);
}

static int unsupported(const struct bmp *bmp, const char *what, unsigned value)
{
    return error_set(SOWLV2_ERROR_UNSUPPORTED, "%s: a BMP of an unusual kind (%s %u): export it as PNG",
                     bmp->source->name, what, value);
}

static void take_size(struct bmp *bmp, const uint8_t *header)
{
    bmp->width = get32(header + 4);
    bmp->height = get32(header + 8);
    bmp->top_down = (bmp->height & 0x80000000u) != 0;
    if (bmp->top_down)
        bmp->height = 0u - bmp->height;
    bmp->bits = get16(header + 14);
    bmp->compression = get32(header + 16);
    bmp->colours = get32(header + 32);
    bmp->entry_bytes = 4;
}

/* The header with what follows from it. `size` bytes of it are in the file. */
static int read_header(struct bmp *bmp)
{
    const uint8_t *data = bmp->source->data, *header = data + FILE_HEADER;
    size_t size = bmp->source->size;
    if (size < FILE_HEADER + 12)
        return damaged(bmp, "it is truncated in its header");
    uint32_t bytes = get32(header);
    bool known =
        bytes == 12 || bytes == 40 || bytes == 52 || bytes == 56 || bytes == 64 || bytes == 108 || bytes == 124;
    if (!known)
        return unsupported(bmp, "a header of size", bytes);
    if (size < FILE_HEADER + bytes)
        return damaged(bmp, "it is truncated in its header");
    if (bytes == 12) {
        bmp->width = get16(header + 4);
        bmp->height = get16(header + 6);
        bmp->bits = get16(header + 10);
        bmp->entry_bytes = 3;
    } else {
        take_size(bmp, header);
    }
    if (bmp->compression > BITFIELDS && bmp->compression != ALPHA_BITFIELDS)
        return unsupported(bmp, "compression", bmp->compression);
    bool fields = bmp->compression == BITFIELDS || bmp->compression == ALPHA_BITFIELDS;
    bmp->palette_at = FILE_HEADER + bytes;
    if (fields) {
        /* Behind the oldest header, inside the later ones: the same place. */
        size_t end = FILE_HEADER + 40 + 12;
        if (size < end)
            return damaged(bmp, "it is truncated in its header");
        for (int i = 0; i < 3; i++)
            bmp->masks[i] = get32(header + 40 + 4 * i);
        bmp->palette_at = bytes == 40 ? end : bmp->palette_at;
    }
    if (bmp->colours == 0 && bmp->bits <= 8)
        bmp->colours = 1u << bmp->bits;
    bmp->pixels = get32(data + 10);
    if (bmp->bits <= 8 && bmp->pixels == FILE_HEADER + bytes) /* written as if there were no palette */
        bmp->pixels += (size_t)bmp->entry_bytes * bmp->colours;
    if (bmp->pixels == 0)
        bmp->pixels = bmp->palette_at + (bmp->bits <= 8 ? (size_t)bmp->entry_bytes * bmp->colours : 0);
    return 0;
}

/* Fills the masks of the layouts that have none, and refuses what makes no sense. */
static int check_layout(struct bmp *bmp)
{
    bool runs = bmp->compression == RLE8 || bmp->compression == RLE4;
    switch (bmp->bits) {
    case 1:
    case 4:
    case 8:
        if (runs ? bmp->bits != (bmp->compression == RLE8 ? 8u : 4u) : bmp->compression != RAW)
            return unsupported(bmp, "compression", bmp->compression);
        if (bmp->colours > 65536)
            return damaged(bmp, "its palette is too large");
        return 0;
    case 16:
    case 24:
    case 32:
        break;
    default:
        return unsupported(bmp, "bits a pixel:", bmp->bits);
    }
    if (runs)
        return unsupported(bmp, "compression", bmp->compression);
    bool none = (bmp->masks[0] | bmp->masks[1] | bmp->masks[2]) == 0;
    if (bmp->compression == RAW || (bmp->bits == 32 && none)) {
        uint32_t wide[3] = {0xff0000, 0xff00, 0xff}, narrow[3] = {0x7c00, 0x3e0, 0x1f};
        memcpy(bmp->masks, bmp->bits == 16 ? narrow : wide, sizeof(wide));
    }
    for (int i = 0; i < 3; i++) {
        uint32_t mask = bmp->masks[i];
        uint32_t low = mask ? mask >> __builtin_ctz(mask) : 0;
        if (mask == 0 || (low & (low + 1)) != 0 || (bmp->bits < 32 && mask >> bmp->bits != 0))
            return unsupported(bmp, "a mask of", mask);
    }
    return 0;
}

/* A palette of greys in order stands for all 256 of them, also where it is shorter. */
static int read_palette(struct bmp *bmp)
{
    if (bmp->bits > 8)
        return 0;
    size_t bytes = (size_t)bmp->entry_bytes * bmp->colours;
    if (bmp->source->size - bmp->palette_at < bytes)
        return damaged(bmp, "it is truncated in its palette");
    const uint8_t *at = bmp->source->data + bmp->palette_at;
    bool greys = true;
    for (uint32_t i = 0; i < bmp->colours; i++, at += bmp->entry_bytes) {
        unsigned grey = bmp->colours == 2 && i == 1 ? 255 : i;
        greys &= at[0] == grey && at[1] == grey && at[2] == grey;
        for (int c = 0; c < 3 && i < 256; c++)
            bmp->palette[i][c] = at[2 - c];
    }
    for (unsigned i = bmp->colours; greys && bmp->colours > 2 && i < 256; i++)
        memset(bmp->palette[i], (int)i, 3);
    return 0;
}

static uint8_t *row_of(const struct bmp *bmp, const struct image *out, uint32_t y)
{
    return out->pixels + (size_t)(bmp->top_down ? y : bmp->height - 1 - y) * bmp->width * 3;
}

static void packed_row(const struct bmp *bmp, const uint8_t *from, uint8_t *to)
{
    unsigned mask = (1u << bmp->bits) - 1;
    for (size_t x = 0; x < bmp->width; x++, to += 3) {
        size_t bit = x * bmp->bits;
        memcpy(to, bmp->palette[from[bit / 8] >> (8 - bmp->bits - bit % 8) & mask], 3);
    }
}

static void masked_row(const struct bmp *bmp, const uint8_t *from, uint8_t *to)
{
    size_t bytes = bmp->bits / 8;
    for (size_t x = 0; x < bmp->width; x++, from += bytes, to += 3) {
        uint32_t pixel = 0;
        for (size_t i = 0; i < bytes; i++)
            pixel |= (uint32_t)from[i] << 8 * i;
        for (int c = 0; c < 3; c++) {
            int shift = __builtin_ctz(bmp->masks[c]);
            uint64_t most = bmp->masks[c] >> shift;
            to[c] = (uint8_t)(((pixel & bmp->masks[c]) >> shift) * (uint64_t)255 / most);
        }
    }
}

static void bgr_row(const struct bmp *bmp, const uint8_t *from, uint8_t *to)
{
    size_t bytes = bmp->bits / 8;
    for (size_t x = 0; x < bmp->width; x++, from += bytes, to += 3) {
        to[0] = from[2];
        to[1] = from[1];
        to[2] = from[0];
    }
}

static int read_rows(const struct bmp *bmp, struct image *out)
{
    size_t stride = ((size_t)bmp->width * bmp->bits + 31) / 32 * 4, used = ((size_t)bmp->width * bmp->bits + 7) / 8;
    bool bytes = bmp->bits >= 24 && bmp->masks[0] == 0xff0000 && bmp->masks[1] == 0xff00 && bmp->masks[2] == 0xff;
    size_t left = bmp->source->size > bmp->pixels ? bmp->source->size - bmp->pixels : 0;
    const uint8_t *from = bmp->source->data + (left ? bmp->pixels : 0);
    for (uint32_t y = 0; y < bmp->height; y++, from += stride, left -= stride) {
        int status = y % ROWS_A_CHECK == 0 ? image_check_time(bmp->source) : 0;
        if (!status && left < used)
            return image_truncated(bmp->source, "BMP");
        if (status)
            return status;
        uint8_t *to = row_of(bmp, out, y);
        if (bmp->bits <= 8)
            packed_row(bmp, from, to);
        else if (bytes)
            bgr_row(bmp, from, to);
        else
            masked_row(bmp, from, to);
        if (left < stride) /* the last row's padding may be missing */
            return y + 1 < bmp->height ? image_truncated(bmp->source, "BMP") : 0;
    }
    return 0;
}

/* Where run lengths are being written. */
struct cursor {
    uint32_t x, y;
};

static void put(const struct bmp *bmp, struct image *out, struct cursor *at, unsigned index)
{
    if (at->x < bmp->width)
        memcpy(row_of(bmp, out, at->y) + (size_t)at->x++ * 3, bmp->palette[index], 3);
}

/* Runs: pairs of count and colour, and escapes; what they leave out has the first colour. */
static int read_runs(const struct bmp *bmp, struct image *out)
{
    const uint8_t *data = bmp->source->data;
    size_t at = bmp->pixels, size = bmp->source->size;
    bool nibbles = bmp->compression == RLE4;
    struct cursor cursor = {0, 0};
    for (size_t i = 0; i < (size_t)bmp->width * bmp->height; i++)
        memcpy(out->pixels + 3 * i, bmp->palette[0], 3);
    for (size_t pairs = 0; cursor.y < bmp->height; pairs++) {
        int status = pairs % 65536 == 0 ? image_check_time(bmp->source) : 0;
        if (status)
            return status;
        if (at >= size || size - at < 2)
            /* The end marker alone may be missing. */
            return cursor.y + 1 == bmp->height && cursor.x == bmp->width ? 0 : image_truncated(bmp->source, "BMP");
        unsigned count = data[at], value = data[at + 1];
        at += 2;
        if (count > 0) {
            for (unsigned i = 0; i < count; i++)
                put(bmp, out, &cursor, !nibbles ? value : i % 2 ? value & 15 : value >> 4);
        } else if (value == 0) {
            cursor = (struct cursor){0, cursor.y + 1};
        } else if (value == 1) {
            return 0;
        } else if (value == 2) {
            if (size - at < 2)
                return image_truncated(bmp->source, "BMP");
            cursor.x = cursor.x + data[at] < bmp->width ? cursor.x + data[at] : bmp->width;
            cursor.y += data[at + 1];
            at += 2;
        } else {
            size_t bytes = nibbles ? (value + 1) / 2 : value;
            if (size - at < bytes)
                return image_truncated(bmp->source, "BMP");
            for (unsigned i = 0; i < value; i++)
                put(bmp, out, &cursor, !nibbles ? data[at + i] : data[at + i / 2] >> (i % 2 ? 0 : 4) & 15);
            at += bytes;
            at += at % 2;
        }
    }
    return 0;
}

static int decode_file(const struct image_source *source, struct image *out, int *orientation)
{
    struct bmp bmp = {.source = source};
    (void)orientation; /* the format has none */
    int status = read_header(&bmp);
    if (!status)
        status = check_layout(&bmp);
    if (!status)
        status = read_palette(&bmp);
    if (!status)
        status = image_allocate(source, bmp.width, bmp.height, out);
    if (!status)
        status = bmp.compression == RLE8 || bmp.compression == RLE4 ? read_runs(&bmp, out) : read_rows(&bmp, out);
    if (status)
        image_free(out);
    return status;
}

static bool begins(const uint8_t *data, size_t size)
{
    return IMAGE_HAS(data, size, 0, "BM");
}

static void measure(const uint8_t *data, size_t size, uint64_t *pixels, uint64_t *bytes)
{
    (void)size;
    (void)bytes;

    if (image_read_low_u32(data + 14) == 12) {
        *pixels = (uint64_t)(data[18] | data[19] << 8) * (uint64_t)(data[20] | data[21] << 8);
        return;
    }
    int64_t height = (int32_t)image_read_low_u32(data + 22); /* negative: from the top */
    *pixels = (uint64_t)image_read_low_u32(data + 18) * (uint64_t)(height < 0 ? -height : height);
}

const struct image_format image_format_bmp = {
    .name = "BMP",
    .suffixes = (const char *const[]){".bmp", ".dib", NULL},
    .begins = begins,
    .decode = decode_file,
    .measure = measure,
};
