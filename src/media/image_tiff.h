/* What the parts of the TIFF decoder share. */
#ifndef MEDIA_IMAGE_TIFF_H
#define MEDIA_IMAGE_TIFF_H

#include "media/image_decoders.h"

#include <tiffio.h>

struct tiff_reader {
    const struct image_source *source;
    uint64_t at; /* where the library reads next */
    TIFF *tiff;
    size_t errors, warnings; /* that the library reported; of warnings those that matter */
    char why[200];           /* the first of them */
    uint32_t width, height;
    uint16_t bits, samples, format, planar, compression, photometric;
    bool associated; /* the colours are multiplied by the alpha behind them */
    bool clipped;    /* grey above 255 was met */
};

/* Rows of samples, and where they belong in the picture. */
struct tiff_block {
    uint32_t x, y, width, height;
    const uint8_t *bytes;
    size_t row_bytes;
};

/* The error of a file that cannot be read, with the library's reason. */
int tiff_error(const struct tiff_reader *reader);

/* Whether tiff_convert_row() knows this layout. */
bool tiff_can_convert(const struct tiff_reader *reader);

/* Converts `count` pixels of a row, 16-bit and larger samples in this machine's order. */
void tiff_convert_row(struct tiff_reader *reader, const uint8_t *row, uint8_t *rgb, uint32_t count);

/* The sample of 8 or 16 bits as 8 bits. */
uint8_t tiff_high_byte(const uint8_t *sample, unsigned bits);

#endif
