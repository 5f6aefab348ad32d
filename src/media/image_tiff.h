/* What the parts of the TIFF decoder share. */
#ifndef MEDIA_IMAGE_TIFF_H
#define MEDIA_IMAGE_TIFF_H

#include "media/image_decoders.h"
#include "media/image_depth.h"

#include <tiffio.h>

struct tiff_reader {
    const struct image_source *source;
    uint64_t at; /* where the library reads next */
    TIFF *tiff;
    size_t errors, warnings; /* that the library reported; of warnings those that matter */
    char why[200];           /* the first of them */
    uint32_t width, height;
    uint16_t bits, samples, format, planar, compression, photometric;
    bool associated;  /* the colours are multiplied by the alpha behind them */
    bool clipped;     /* grey above 255 was met */
    double brightest; /* of floating-point grey */
    bool byte_map;    /* the palette's colours have 8 bits, not 16 */
    struct image_depth depth;
    uint8_t *pixels; /* of the picture, or of its planes */
    size_t bytes;    /* of them */
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

/* Looks at the colours of a row of 16 bits before they are converted. */
void tiff_measure_row(struct tiff_reader *reader, const uint8_t *row, uint32_t count, size_t colours, size_t step);

/* Converts `count` pixels of a row, 16-bit and larger samples in this machine's order. */
void tiff_convert_row(struct tiff_reader *reader, const uint8_t *row, uint8_t *rgb, uint32_t count);

/* The sample of 8 or 16 bits as 8 bits. */
uint8_t tiff_byte(const struct tiff_reader *reader, const uint8_t *sample);

#endif
