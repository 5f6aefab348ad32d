/* PNG through libspng. Samples become 8-bit RGB as in Pillow: alpha is dropped, colour profiles and
 * gamma are not applied. */
#include "media/image_decoders.h"

#include "base/error.h"
#include "base/log.h"
#include "media/image_depth.h"
#include "media/image_png_parts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <spng.h>

enum { ROWS_A_CHECK = 64 };

struct png_reader {
    const struct image_source *source;
    spng_ctx *spng;
    struct spng_ihdr header; /* as it is shown to the library */
    struct png_parts parts;
    struct png_feed feed;
    struct image_depth depth;
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
        if (!reader->feed.damaged)
            return image_truncated(reader->source, "PNG");
        return error_set(SOWLV2_ERROR_FORMAT, "%s: damaged PNG: its chunks do not follow each other: %s",
                         reader->source->name, "copy or export the file again");
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

/* 8 or 16 bits a sample; 16-bit samples are in host order. */
static void samples_row(struct png_reader *reader, const uint8_t *row, uint8_t *to, size_t width,
                        const struct image *out)
{
    bool grey = reader->header.color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA;
    bool alpha = grey || reader->header.color_type == SPNG_COLOR_TYPE_TRUECOLOR_ALPHA;
    size_t colours = grey ? 1 : 3, channels = colours + (alpha ? 1 : 0);
    if (reader->header.bit_depth == 16)
        image_depth_row(&reader->depth, row, width, colours, channels, out->pixels, (size_t)(to - out->pixels));
    unsigned shift = reader->depth.shift;
    for (size_t x = 0; x < width; x++, to += 3) {
        for (size_t c = 0; c < 3; c++) {
            size_t index = x * channels + (grey ? 0 : c);
            if (reader->header.bit_depth == 8) {
                to[c] = row[index];
            } else {
                uint16_t sample;
                memcpy(&sample, row + 2 * index, 2);
                to[c] = (uint8_t)(sample >> shift);
            }
        }
    }
}

/* The rows of a picture come from the top. */
static void convert_row(struct png_reader *reader, const uint8_t *row, size_t y, const struct image *out)
{
    size_t width = reader->header.width;
    uint8_t *to = out->pixels + y * width * 3;
    if (reader->feed.indexed)
        palette_row(reader, row, to, width);
    else if (reader->header.color_type == SPNG_COLOR_TYPE_GRAYSCALE)
        grey_row(reader, row, to, width);
    else
        samples_row(reader, row, to, width, out);
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
        size_t y = info.row_num;
        uint8_t *row = direct ? out->pixels + y * width * 3 : raw + (interlaced ? y * row_bytes : 0);
        code = spng_decode_row(reader->spng, row, row_bytes);
        if ((!code || code == SPNG_EOI) && !direct && !interlaced)
            convert_row(reader, row, y, out);
    }
    reader->cut = code == SPNG_IO_EOF;
    if ((code == SPNG_EOI || reader->cut) && !direct && interlaced)
        for (size_t y = 0; y < height; y++)
            convert_row(reader, raw + y * row_bytes, y, out);
    free(raw);
    return status ? status : code == SPNG_EOI ? 0 : png_error(reader, code);
}

static int read_stream(spng_ctx *spng, void *user_data, void *to, size_t size)
{
    (void)spng;
    return png_feed_read(user_data, to, size) ? 0 : SPNG_IO_EOF;
}

/* Colours beyond the palette's end are black. */
static int take_palette(struct png_reader *reader)
{
    const struct png_part *palette = &reader->parts.palette;
    if (palette->size < 3)
        return error_set(SOWLV2_ERROR_FORMAT, "%s: damaged PNG: it has no palette: copy or export the file again",
                         reader->source->name);
    memcpy(reader->palette, palette->data,
           palette->size < sizeof(reader->palette) ? palette->size / 3 * 3 : sizeof(reader->palette));
    return 0;
}

static void tell(const struct png_reader *reader)
{
    const char *name = reader->source->name;
    if (reader->clipped)
        log_notice("%s: 16-bit grey: values above 255 become white, as in the reference implementation: "
                   "convert it to 8 bits first if it looks too bright",
                   name);
    image_depth_tell(&reader->depth, name);
    image_tell_hdr(reader->source, reader->parts.transfer);
    if (reader->parts.frames > 1)
        log_notice("%s: an animation: its first frame is taken: --as-video takes all", name);
}

static int decode(struct png_reader *reader, struct image *out, int *orientation)
{
    const struct image_source *source = reader->source;
    int status = png_parts_find(source, &reader->parts);
    if (status)
        return status;
    if (reader->parts.unknown_critical)
        return error_set(SOWLV2_ERROR_UNSUPPORTED,
                         "%s: a PNG of an unusual kind: its picture needs a chunk '%.4s': export it as a plain PNG",
                         source->name, reader->parts.unknown_critical);
    status = png_feed_start(&reader->feed, source);
    if (status)
        return status;
    int code = spng_set_png_stream(reader->spng, read_stream, &reader->feed);
    if (!code)
        code = spng_get_ihdr(reader->spng, &reader->header);
    if (code)
        return png_error(reader, code);
    status = image_allocate(source, reader->header.width, reader->header.height, out);
    if (!status && reader->feed.indexed)
        status = take_palette(reader);
    reader->depth.declared = reader->parts.significant;
    if (!status)
        status = read_rows(reader, out);
    if (status)
        return status;
    code = reader->cut ? 0 : spng_decode_chunks(reader->spng); /* up to the end marker */
    if (code)
        return png_error(reader, code);
    int found = png_parts_orientation(source, &reader->parts);
    if (found < 0)
        return found;
    *orientation = found;
    tell(reader);
    return 0;
}

static int decode_file(const struct image_source *source, struct image *out, int *orientation)
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

static bool begins(const uint8_t *data, size_t size)
{
    return IMAGE_HAS(data, size, 0, "\x89PNG\r\n\x1a\n");
}

static void measure(const uint8_t *data, size_t size, uint64_t *pixels, uint64_t *bytes)
{
    (void)size;
    (void)bytes;
    *pixels = (uint64_t)image_read_u32(data + 16) * image_read_u32(data + 20);
}

/* Whether it says before its pixels that it is an animation. */
static bool moves(int file, const uint8_t *head, size_t size)
{
    enum { MOST_CHUNKS = 4096 };
    uint8_t chunk[8];
    off_t at = 8;
    (void)head;
    (void)size;

    for (int i = 0; i < MOST_CHUNKS && pread(file, chunk, sizeof(chunk), at) == sizeof(chunk); i++) {
        if (memcmp(chunk + 4, "acTL", 4) == 0)
            return true;
        if (memcmp(chunk + 4, "IDAT", 4) == 0)
            return false;
        at += 12 + (off_t)image_read_u32(chunk);
    }
    return false;
}

const struct image_format image_format_png = {
    .name = "PNG",
    .suffixes = (const char *const[]){".png", ".apng", NULL},
    .begins = begins,
    .decode = decode_file,
    .measure = measure,
    .moves = moves,
};
