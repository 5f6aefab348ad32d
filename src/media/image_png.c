/* PNG through libspng. Samples become 8-bit RGB as in Pillow: alpha is dropped, colour profiles and
 * gamma are not applied. */
#include "media/image_decoders.h"

#include "base/error.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#include <spng.h>

/* Limits of one ancillary chunk (decompressed) and of all that are kept. */
static const size_t chunk_limit = (size_t)64 << 20, chunks_limit = (size_t)128 << 20;

enum { ROWS_A_CHECK = 64 };

struct png_reader {
    const struct image_source *source;
    spng_ctx *spng;
    struct spng_ihdr header;
    uint8_t palette[256][3];
    bool clipped; /* 16-bit grey above 255 was met */
    bool cut;     /* the pixels ended early */
};

static int png_error(const struct png_reader *reader, int code)
{
    switch (code) {
    case SPNG_EMEM:
        return error_memory(reader->source->name);
    case SPNG_IO_EOF:
        return image_truncated(reader->source, "PNG");
    default:
        return error_set(SOWLV2_ERROR_FORMAT, "%s: damaged PNG: %s: copy or export the file again",
                         reader->source->name, spng_strerror(code));
    }
}

static unsigned packed_sample(const uint8_t *row, size_t index, unsigned depth)
{
    size_t bit = index * depth;
    return (unsigned)(row[bit / 8] >> (8 - depth - bit % 8)) & ((1u << depth) - 1);
}

static void grey_row(struct png_reader *reader, const uint8_t *row, uint8_t *to, size_t width)
{
    unsigned depth = reader->header.bit_depth;
    unsigned scale = depth < 8 ? 255 / ((1u << depth) - 1) : 1;
    for (size_t x = 0; x < width; x++, to += 3) {
        unsigned value;
        if (depth == 16) {
            /* Pillow clips its mode "I;16" instead of scaling it. */
            uint16_t sample;
            memcpy(&sample, row + 2 * x, 2);
            reader->clipped |= sample > 255;
            value = sample > 255 ? 255 : sample;
        } else {
            value = (depth == 8 ? row[x] : packed_sample(row, x, depth)) * scale;
        }
        to[0] = to[1] = to[2] = (uint8_t)value;
    }
}

static void palette_row(const struct png_reader *reader, const uint8_t *row, uint8_t *to, size_t width)
{
    unsigned depth = reader->header.bit_depth;
    for (size_t x = 0; x < width; x++, to += 3)
        memcpy(to, reader->palette[depth == 8 ? row[x] : packed_sample(row, x, depth)], 3);
}

/* 8 or 16 bits a sample; 16-bit samples are in host order and keep their high byte. */
static void samples_row(const struct png_reader *reader, const uint8_t *row, uint8_t *to, size_t width)
{
    bool grey = reader->header.color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA;
    bool alpha = grey || reader->header.color_type == SPNG_COLOR_TYPE_TRUECOLOR_ALPHA;
    size_t colours = grey ? 1 : 3, channels = colours + (alpha ? 1 : 0);
    for (size_t x = 0; x < width; x++, to += 3) {
        for (size_t c = 0; c < 3; c++) {
            size_t index = x * channels + (grey ? 0 : c);
            if (reader->header.bit_depth == 8) {
                to[c] = row[index];
            } else {
                uint16_t sample;
                memcpy(&sample, row + 2 * index, 2);
                to[c] = (uint8_t)(sample >> 8);
            }
        }
    }
}

static void convert_row(struct png_reader *reader, const uint8_t *row, uint8_t *to, size_t width)
{
    switch (reader->header.color_type) {
    case SPNG_COLOR_TYPE_GRAYSCALE:
        grey_row(reader, row, to, width);
        break;
    case SPNG_COLOR_TYPE_INDEXED:
        palette_row(reader, row, to, width);
        break;
    default:
        samples_row(reader, row, to, width);
    }
}

/* Rows that come in order are converted one by one; interlaced ones are gathered first. */
static int read_rows(struct png_reader *reader, struct image *out)
{
    size_t bytes;
    int code = spng_decoded_image_size(reader->spng, SPNG_FMT_PNG, &bytes);
    if (code)
        return png_error(reader, code);
    size_t width = reader->header.width, height = reader->header.height, row_bytes = bytes / height;
    bool interlaced = reader->header.interlace_method != 0;
    bool direct = reader->header.color_type == SPNG_COLOR_TYPE_TRUECOLOR && reader->header.bit_depth == 8;
    uint8_t *raw = direct ? NULL : calloc(interlaced ? height : 1, row_bytes);
    if (!direct && !raw)
        return error_memory(reader->source->name);

    code = spng_decode_image(reader->spng, NULL, 0, SPNG_FMT_PNG, SPNG_DECODE_PROGRESSIVE);
    int status = 0;
    for (uint32_t rows = 0; !code && !status; rows++) {
        struct spng_row_info info;
        if (rows % ROWS_A_CHECK == 0)
            status = image_check_time(reader->source);
        code = spng_get_row_info(reader->spng, &info);
        if (code)
            break;
        uint8_t *pixels = out->pixels + (size_t)info.row_num * width * 3;
        uint8_t *row = direct ? pixels : raw + (interlaced ? (size_t)info.row_num * row_bytes : 0);
        code = spng_decode_row(reader->spng, row, row_bytes);
        if ((!code || code == SPNG_EOI) && !direct && !interlaced)
            convert_row(reader, row, pixels, width);
    }
    reader->cut = code == SPNG_IO_EOF;
    if ((code == SPNG_EOI || reader->cut) && !direct && interlaced)
        for (size_t y = 0; y < height; y++)
            convert_row(reader, raw + y * row_bytes, out->pixels + y * width * 3, width);
    free(raw);
    return status ? status : code == SPNG_EOI ? 0 : png_error(reader, code);
}

/* EXIF chunk first, then the text chunks that carry EXIF or XMP; of several the last counts. */
static int read_orientation(const struct png_reader *reader)
{
    struct spng_exif exif;
    int orientation = 0;
    bool has_exif = spng_get_exif(reader->spng, &exif) == 0;
    if (has_exif)
        orientation = image_exif_orientation((const uint8_t *)exif.data, exif.length);

    uint32_t count = 0;
    if (orientation != 0 || spng_get_text(reader->spng, NULL, &count) != 0 || count == 0)
        return orientation;
    struct spng_text *texts = calloc(count, sizeof(*texts));
    if (!texts || spng_get_text(reader->spng, texts, &count) != 0) {
        free(texts);
        return 0;
    }
    const struct spng_text *profile = NULL, *xmp = NULL;
    for (uint32_t i = 0; i < count; i++) {
        if (strncmp(texts[i].keyword, "Raw profile type exif", sizeof(texts[i].keyword)) == 0)
            profile = &texts[i];
        if (strncmp(texts[i].keyword, "XML:com.adobe.xmp", sizeof(texts[i].keyword)) == 0)
            xmp = &texts[i];
    }
    if (profile && !has_exif)
        orientation = image_text_profile_orientation(profile->text, profile->length);
    if (xmp && orientation == 0)
        orientation = image_xmp_orientation((const uint8_t *)xmp->text, xmp->length);
    free(texts);
    return orientation;
}

/* What comes before the pixels: a file that was cut there holds no picture. */
static int header_error(const struct png_reader *reader, int code)
{
    if (code != SPNG_IO_EOF)
        return png_error(reader, code);
    return error_set(SOWLV2_ERROR_FORMAT, "%s: the PNG data is truncated before any pixel: replace the file",
                     reader->source->name);
}

static int decode(struct png_reader *reader, struct image *out, int *orientation)
{
    int code = spng_set_png_buffer(reader->spng, reader->source->data, reader->source->size);
    if (!code)
        code = spng_set_chunk_limits(reader->spng, chunk_limit, chunks_limit);
    if (!code)
        code = spng_get_ihdr(reader->spng, &reader->header);
    if (code)
        return header_error(reader, code);
    int status = image_allocate(reader->source, reader->header.width, reader->header.height, out);
    if (status)
        return status;
    if (reader->header.color_type == SPNG_COLOR_TYPE_INDEXED) {
        struct spng_plte palette;
        code = spng_get_plte(reader->spng, &palette);
        if (code)
            return header_error(reader, code);
        for (uint32_t i = 0; i < palette.n_entries && i < 256; i++) {
            reader->palette[i][0] = palette.entries[i].red;
            reader->palette[i][1] = palette.entries[i].green;
            reader->palette[i][2] = palette.entries[i].blue;
        }
    }
    status = read_rows(reader, out);
    if (status)
        return status;
    code = reader->cut ? 0 : spng_decode_chunks(reader->spng); /* those behind the pixels, up to the end marker */
    status = code ? png_error(reader, code) : 0;
    if (status)
        return status;
    *orientation = read_orientation(reader);
    if (reader->clipped)
        log_notice("%s: 16-bit grey: values above 255 become white, as in the reference implementation: "
                   "convert it to 8 bits first if it looks too bright",
                   reader->source->name);
    return 0;
}

int image_decode_png(const struct image_source *source, struct image *out, int *orientation)
{
    struct png_reader reader = {.source = source, .spng = spng_ctx_new(0)};
    if (!reader.spng)
        return error_memory(source->name);
    int status = decode(&reader, out, orientation);
    spng_ctx_free(reader.spng);
    if (status)
        image_free(out);
    return status;
}
