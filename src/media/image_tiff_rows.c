/* Samples of a TIFF to 8-bit RGB, as Pillow's modes and its convert("RGB") give them. */
#include "media/image_tiff.h"

#include <string.h>

uint8_t tiff_byte(const struct tiff_reader *reader, const uint8_t *sample)
{
    uint16_t value;
    if (reader->bits == 8)
        return *sample;
    memcpy(&value, sample, 2);
    return (uint8_t)(value >> reader->depth.shift);
}

void tiff_measure_row(struct tiff_reader *reader, const uint8_t *row, uint32_t count, size_t colours, size_t step)
{
    if (reader->bits == 16)
        image_depth_row(&reader->depth, row, count, colours, step, reader->pixels, reader->bytes);
}

static bool is_grey(const struct tiff_reader *reader)
{
    return reader->photometric == PHOTOMETRIC_MINISWHITE || reader->photometric == PHOTOMETRIC_MINISBLACK ||
           (reader->photometric == PHOTOMETRIC_YCBCR && reader->samples == 1);
}

bool tiff_can_convert(const struct tiff_reader *reader)
{
    unsigned bits = reader->bits;
    bool small = bits == 1 || bits == 2 || bits == 4 || bits == 8;
    bool whole = reader->format == SAMPLEFORMAT_UINT || reader->format == SAMPLEFORMAT_VOID;
    if (is_grey(reader) && reader->samples == 1)
        return (whole && (small || bits == 12 || bits == 16 || bits == 32)) ||
               (reader->format == SAMPLEFORMAT_INT && (bits == 8 || bits == 16 || bits == 32)) ||
               (reader->format == SAMPLEFORMAT_IEEEFP && bits == 32);
    if (is_grey(reader))
        return whole && reader->samples == 2 && (bits == 8 || bits == 16);
    switch (reader->photometric) {
    case PHOTOMETRIC_RGB:
        return whole && reader->samples >= 3 && (bits == 8 || bits == 16);
    case PHOTOMETRIC_SEPARATED:
        return whole && reader->samples >= 4 && (bits == 8 || bits == 16);
    case PHOTOMETRIC_PALETTE:
        return whole && (reader->samples == 1 ? small : reader->samples == 2 && bits == 8);
    default:
        return false;
    }
}

static unsigned packed_sample(const uint8_t *row, size_t index, unsigned bits)
{
    size_t bit = index * bits;
    if (bits == 12)
        return index % 2 ? (row[bit / 8] & 15u) << 8 | row[bit / 8 + 1]
                         : (unsigned)row[bit / 8] << 4 | row[bit / 8 + 1] >> 4;
    return (unsigned)(row[bit / 8] >> (8 - bits - bit % 8)) & ((1u << bits) - 1);
}

/* A sample of more than 8 bits, clipped to 0..255 as Pillow does instead of scaling. */
static uint8_t clipped_sample(struct tiff_reader *reader, const uint8_t *row, size_t index)
{
    double value;
    uint16_t half;
    int32_t word;
    float real;
    if (reader->bits == 12) {
        value = packed_sample(row, index, 12);
    } else if (reader->bits == 16) {
        memcpy(&half, row + 2 * index, 2);
        value = reader->format == SAMPLEFORMAT_INT ? (double)(int16_t)half : (double)half;
    } else if (reader->format == SAMPLEFORMAT_IEEEFP) {
        memcpy(&real, row + 4 * index, 4);
        value = (double)real;
        reader->brightest = value > reader->brightest ? value : reader->brightest;
    } else {
        memcpy(&word, row + 4 * index, 4);
        value = word; /* Pillow takes unsigned ones for signed */
    }
    if (!(value > 0)) /* also what is not a number */
        return 0;
    reader->clipped |= value > 255;
    return value > 255 ? 255 : (uint8_t)value;
}

static uint8_t divided(unsigned colour, unsigned alpha)
{
    unsigned value = alpha ? colour * 255 / alpha : 0;
    return value > 255 ? 255 : (uint8_t)value;
}

static void grey_row(struct tiff_reader *reader, const uint8_t *row, uint8_t *rgb, uint32_t count)
{
    unsigned bits = reader->bits, step = bits / 8 * reader->samples, invert = 0;
    if (bits <= 8 && reader->photometric == PHOTOMETRIC_MINISWHITE)
        invert = 255;
    if (reader->samples == 2)
        tiff_measure_row(reader, row, count, 1, 2);
    for (size_t x = 0; x < count; x++, rgb += 3) {
        unsigned value;
        if (reader->samples == 2) {
            value = tiff_byte(reader, row + x * step) ^ invert;
            if (reader->associated)
                value = divided(value, tiff_byte(reader, row + x * step + bits / 8));
        } else if (bits == 8) {
            value = row[x] ^ invert;
        } else if (bits < 8) {
            value = packed_sample(row, x, bits) * (255 / ((1u << bits) - 1)) ^ invert;
        } else {
            value = clipped_sample(reader, row, x);
        }
        rgb[0] = rgb[1] = rgb[2] = (uint8_t)value;
    }
}

static void rgb_row(struct tiff_reader *reader, const uint8_t *row, uint8_t *rgb, uint32_t count)
{
    unsigned bytes = reader->bits / 8;
    size_t step = (size_t)reader->samples * bytes;
    bool divide = reader->associated && reader->samples > 3;
    tiff_measure_row(reader, row, count, 3, reader->samples);
    for (uint32_t x = 0; x < count; x++, row += step, rgb += 3) {
        unsigned alpha = divide ? tiff_byte(reader, row + 3 * bytes) : 255;
        for (unsigned c = 0; c < 3; c++) {
            uint8_t value = tiff_byte(reader, row + c * bytes);
            rgb[c] = alpha == 255 ? value : divided(value, alpha);
        }
    }
}

static void cmyk_row(const struct tiff_reader *reader, const uint8_t *row, uint8_t *rgb, uint32_t count)
{
    unsigned bytes = reader->bits / 8;
    size_t step = (size_t)reader->samples * bytes;
    for (uint32_t x = 0; x < count; x++, row += step, rgb += 3) {
        uint8_t ink[4];
        for (unsigned c = 0; c < 4; c++)
            ink[c] = tiff_byte(reader, row + c * bytes);
        image_cmyk_to_rgb(ink, false, rgb, 1);
    }
}

static void palette_row(const struct tiff_reader *reader, const uint8_t *row, uint8_t *rgb, uint32_t count)
{
    uint16_t *red = NULL, *green = NULL, *blue = NULL;
    if (!TIFFGetField(reader->tiff, TIFFTAG_COLORMAP, &red, &green, &blue) || !red || !green || !blue) {
        memset(rgb, 0, (size_t)count * 3);
        return;
    }
    int shift = reader->byte_map ? 0 : 8;
    for (size_t x = 0; x < count; x++, rgb += 3) {
        unsigned index = reader->bits == 8 ? row[x * reader->samples] : packed_sample(row, x, reader->bits);
        rgb[0] = (uint8_t)(red[index] >> shift);
        rgb[1] = (uint8_t)(green[index] >> shift);
        rgb[2] = (uint8_t)(blue[index] >> shift);
    }
}

void tiff_convert_row(struct tiff_reader *reader, const uint8_t *row, uint8_t *rgb, uint32_t count)
{
    if (is_grey(reader))
        grey_row(reader, row, rgb, count);
    else if (reader->photometric == PHOTOMETRIC_RGB)
        rgb_row(reader, row, rgb, count);
    else if (reader->photometric == PHOTOMETRIC_SEPARATED)
        cmyk_row(reader, row, rgb, count);
    else
        palette_row(reader, row, rgb, count);
}
