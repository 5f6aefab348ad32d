/* TIFF through libtiff: its first page. Samples become 8-bit RGB as in Pillow. */
#include "media/image_tiff.h"

#include "base/error.h"
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_A_CHECK = 64 };

static tmsize_t read_bytes(thandle_t handle, void *to, tmsize_t count)
{
    struct tiff_reader *reader = handle;
    size_t size = reader->source->size;
    size_t left = reader->at < size ? size - (size_t)reader->at : 0;
    size_t bytes = count < 0 ? 0 : (size_t)count < left ? (size_t)count : left;
    if (bytes)
        memcpy(to, reader->source->data + reader->at, bytes);
    reader->at += bytes;
    return (tmsize_t)bytes;
}

static tmsize_t write_nothing(thandle_t handle, void *from, tmsize_t count)
{
    (void)handle;
    (void)from;
    (void)count;
    return 0;
}

static toff_t seek_to(thandle_t handle, toff_t offset, int whence)
{
    struct tiff_reader *reader = handle;
    uint64_t base = whence == SEEK_CUR ? reader->at : whence == SEEK_END ? reader->source->size : 0;
    reader->at = base + offset; /* wraps for negative ones, which is meant */
    return reader->at;
}

static int close_nothing(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t size_of(thandle_t handle)
{
    const struct tiff_reader *reader = handle;
    return reader->source->size;
}

/* The library reads straight from memory, and writes to what it maps nowhere. */
static int map_bytes(thandle_t handle, void **base, toff_t *size)
{
    const struct tiff_reader *reader = handle;
    union {
        const uint8_t *in;
        void *out;
    } address = {.in = reader->source->data};
    *base = address.out;
    *size = reader->source->size;
    return 1;
}

static void unmap_nothing(thandle_t handle, void *base, toff_t size)
{
    (void)handle;
    (void)base;
    (void)size;
}

__attribute__((format(printf, 4, 0))) static int on_error(TIFF *tiff, void *user_data, const char *module,
                                                          const char *format, va_list arguments)
{
    struct tiff_reader *reader = user_data;
    (void)tiff;
    (void)module;
    if (reader->errors++ == 0 || !*reader->why)
        vsnprintf(reader->why, sizeof(reader->why), format, arguments);
    return 1;
}

/* Warnings about odd tags change no pixel. Those of the JPEG decoder tell of pixels made up, and tags that cannot be
 * read, of a file that was cut; without its colours a palette would pass for grey. */
__attribute__((format(printf, 4, 0))) static int on_warning(TIFF *tiff, void *user_data, const char *module,
                                                            const char *format, va_list arguments)
{
    static const char *const grave[] = {"Premature", "bad ", "Corrupt JPEG data: found", "IO error", "ColorMap"};
    struct tiff_reader *reader = user_data;
    char text[sizeof(reader->why)];
    (void)tiff;
    (void)module;
    vsnprintf(text, sizeof(text), format, arguments);
    for (size_t i = 0; i < sizeof(grave) / sizeof(*grave); i++)
        if (strstr(text, grave[i]) && reader->warnings++ == 0)
            memcpy(reader->why, text, sizeof(text));
    return 1;
}

int tiff_error(const struct tiff_reader *reader)
{
    return error_set(SOWLV2_ERROR_FORMAT, "%s: damaged or truncated TIFF: %s: copy or export the file again",
                     reader->source->name, *reader->why ? reader->why : "it cannot be read");
}

static int unsupported(const struct tiff_reader *reader)
{
    return error_set(SOWLV2_ERROR_UNSUPPORTED,
                     "%s: a TIFF of an unusual kind (photometric %u, %u samples of %u bits, format %u): export it as "
                     "8-bit RGB",
                     reader->source->name, reader->photometric, reader->samples, reader->bits, reader->format);
}

static void read_tags(struct tiff_reader *reader)
{
    TIFF *tiff = reader->tiff;
    uint16_t *kinds = NULL, count = 0, most = 0;
    TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &reader->width);
    TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &reader->height);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &reader->bits);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &reader->samples);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &reader->format);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &reader->planar);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &reader->compression);
    if (!TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &reader->photometric))
        reader->photometric = PHOTOMETRIC_MINISWHITE; /* as Pillow takes it */
    if (TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds) && count > 0)
        reader->associated = kinds[0] == EXTRASAMPLE_ASSOCALPHA;
    /* Colours multiplied by their alpha mean nothing without it. */
    reader->depth = (struct image_depth){.shift = 8, .fixed = reader->associated};
    if (TIFFGetField(tiff, TIFFTAG_MAXSAMPLEVALUE, &most) && most > 0)
        reader->depth.declared = 32 - (unsigned)__builtin_clz(most);
    if (reader->photometric == PHOTOMETRIC_YCBCR && reader->compression == COMPRESSION_JPEG &&
        reader->planar == PLANARCONFIG_CONTIG && reader->samples == 3) {
        TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
        reader->photometric = PHOTOMETRIC_RGB;
    }
}

/* Whether a strip or tile reaches beyond the end of the file. */
static bool is_cut(const struct tiff_reader *reader)
{
    uint32_t count = TIFFIsTiled(reader->tiff) ? TIFFNumberOfTiles(reader->tiff) : TIFFNumberOfStrips(reader->tiff);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t offset = TIFFGetStrileOffset(reader->tiff, i), bytes = TIFFGetStrileByteCount(reader->tiff, i);
        if (offset > reader->source->size || bytes > reader->source->size - offset)
            return true;
    }
    return false;
}

/* After strips or tiles that could not be read: an error, unless the file was cut and that is allowed. */
static int reading_failed(const struct tiff_reader *reader)
{
    return is_cut(reader) ? image_truncated(reader->source, "TIFF") : tiff_error(reader);
}

/* Rows from `buffer`, one behind the other, to the picture at (x, y). */
static void convert_block(struct tiff_reader *reader, const struct tiff_block *block, const struct image *out)
{
    for (uint32_t row = 0; row < block->height; row++) {
        uint8_t *to = out->pixels + ((size_t)(block->y + row) * (size_t)out->width + block->x) * 3;
        tiff_convert_row(reader, block->bytes + (size_t)row * block->row_bytes, to, block->width);
    }
}

static int read_scanlines(struct tiff_reader *reader, const struct image *out)
{
    size_t bytes = (size_t)TIFFScanlineSize64(reader->tiff);
    size_t needed = ((size_t)reader->width * reader->samples * reader->bits + 7) / 8;
    if (bytes < needed)
        return tiff_error(reader);
    bool direct = reader->photometric == PHOTOMETRIC_RGB && reader->bits == 8 && reader->samples == 3 &&
                  bytes == (size_t)reader->width * 3;
    uint8_t *row = direct ? NULL : malloc(bytes);
    int status = direct || row ? 0 : error_memory(reader->source->name);
    for (uint32_t y = 0; !status && y < reader->height; y++) {
        uint8_t *to = out->pixels + (size_t)y * reader->width * 3;
        if (TIFFReadScanline(reader->tiff, direct ? to : row, y, 0) != 1 || reader->errors + reader->warnings) {
            status = reading_failed(reader);
            break;
        }
        if (!direct)
            tiff_convert_row(reader, row, to, reader->width);
        if (y % ROWS_A_CHECK == 0)
            status = image_check_time(reader->source);
    }
    free(row);
    return status;
}

/* Bytes of a tile; 0: it is larger than the picture may be. */
static size_t tile_bytes(const struct tiff_reader *reader, uint32_t *width, uint32_t *height)
{
    *width = *height = 0;
    TIFFGetField(reader->tiff, TIFFTAG_TILEWIDTH, width);
    TIFFGetField(reader->tiff, TIFFTAG_TILELENGTH, height);
    uint64_t most = (uint64_t)reader->source->options->max_pixels + (1 << 20);
    uint64_t bytes = TIFFTileSize64(reader->tiff);
    if (*width == 0 || *height == 0 || (uint64_t)*width * *height > most || bytes > most * 16)
        return 0;
    return (size_t)bytes;
}

static int read_tiles(struct tiff_reader *reader, const struct image *out)
{
    uint32_t width, height;
    size_t bytes = tile_bytes(reader, &width, &height);
    size_t row_bytes = (size_t)TIFFTileRowSize64(reader->tiff);
    if (bytes == 0 || row_bytes < ((size_t)width * reader->samples * reader->bits + 7) / 8 ||
        bytes / height < row_bytes)
        return tiff_error(reader);
    uint8_t *tile = malloc(bytes);
    int status = tile ? 0 : error_memory(reader->source->name);
    for (uint32_t y = 0; !status && y < reader->height; y += height) {
        for (uint32_t x = 0; !status && x < reader->width; x += width) {
            struct tiff_block block = {x,
                                       y,
                                       reader->width - x < width ? reader->width - x : width,
                                       reader->height - y < height ? reader->height - y : height,
                                       tile,
                                       row_bytes};
            uint32_t index = TIFFComputeTile(reader->tiff, x, y, 0, 0);
            if (TIFFReadEncodedTile(reader->tiff, index, tile, (tmsize_t)bytes) < (tmsize_t)bytes ||
                reader->errors + reader->warnings) {
                status = reading_failed(reader);
                y = reader->height - height; /* what is there was taken */
                break;
            }
            convert_block(reader, &block, out);
            status = image_check_time(reader->source);
        }
        if (reader->height - y <= height)
            break; /* y + height could wrap */
    }
    free(tile);
    return status;
}

/* Each channel in strips or tiles of its own: gathered as 8-bit samples, then converted. */
static int read_planes(struct tiff_reader *reader, const struct image *out)
{
    struct tiff_reader together = *reader;
    uint16_t most = reader->photometric == PHOTOMETRIC_RGB ? 3 : reader->photometric == PHOTOMETRIC_SEPARATED ? 4 : 1;
    together.samples = (uint16_t)(most + (reader->associated ? 1 : 0));
    together.bits = 8;
    if (reader->samples < together.samples || (reader->bits != 8 && reader->bits != 16) || TIFFIsTiled(reader->tiff))
        return unsupported(reader);
    size_t channels = together.samples, bytes = (size_t)TIFFScanlineSize64(reader->tiff), step = reader->bits / 8;
    if (bytes < (size_t)reader->width * step)
        return tiff_error(reader);
    size_t count = (size_t)reader->width * reader->height;
    size_t colours = reader->photometric == PHOTOMETRIC_SEPARATED ? 0 : most;
    uint8_t *row = malloc(bytes), *gathered = calloc(count, channels);
    int status = row && gathered ? 0 : error_memory(reader->source->name);
    reader->pixels = gathered;
    reader->bytes = count * channels;
    for (size_t c = 0; !status && c < channels; c++) {
        for (uint32_t y = 0; !status && y < reader->height; y++) {
            if (TIFFReadScanline(reader->tiff, row, y, (uint16_t)c) != 1 || reader->errors + reader->warnings) {
                status = reading_failed(reader);
                c = channels; /* what is there was taken */
                break;
            }
            uint8_t *to = gathered + (size_t)y * reader->width * channels + c;
            if (c < colours)
                tiff_measure_row(reader, row, reader->width, 1, 1);
            for (uint32_t x = 0; x < reader->width; x++)
                to[x * channels] = tiff_byte(reader, row + x * step);
            if (y % ROWS_A_CHECK == 0)
                status = image_check_time(reader->source);
        }
    }
    const struct tiff_block all = {0, 0, reader->width, reader->height, gathered, reader->width * channels};
    if (!status)
        convert_block(&together, &all, out);
    free(row);
    free(gathered);
    return status;
}

/* YCbCr outside of JPEG goes through the library's own conversion, in bands of a strip or of a row of tiles. */
static int read_ycbcr(struct tiff_reader *reader, const struct image *out)
{
    TIFFRGBAImage rgba;
    char why[1024] = "";
    uint32_t rows = 0;
    if (TIFFIsTiled(reader->tiff)) {
        uint32_t width;
        rows = tile_bytes(reader, &width, &rows) ? rows : 0;
    } else {
        TIFFGetFieldDefaulted(reader->tiff, TIFFTAG_ROWSPERSTRIP, &rows);
    }
    rows = rows < reader->height ? rows : reader->height;
    if (rows == 0)
        return tiff_error(reader);
    if (!TIFFRGBAImageOK(reader->tiff, why) || !TIFFRGBAImageBegin(&rgba, reader->tiff, 1, why))
        return unsupported(reader);
    rgba.orientation = rgba.req_orientation = ORIENTATION_TOPLEFT;
    uint32_t *band = calloc((size_t)reader->width * rows, sizeof(*band));
    int status = band ? 0 : error_memory(reader->source->name);
    for (uint32_t y = 0; !status && y < reader->height;) {
        uint32_t count = reader->height - y < rows ? reader->height - y : rows;
        rgba.row_offset = (int)y;
        rgba.col_offset = 0;
        if (!TIFFRGBAImageGet(&rgba, band, reader->width, count) || reader->errors + reader->warnings) {
            status = reading_failed(reader);
            break;
        }
        uint8_t *to = out->pixels + (size_t)y * reader->width * 3;
        for (size_t i = 0; i < (size_t)reader->width * count; i++) {
            to[3 * i] = (uint8_t)TIFFGetR(band[i]);
            to[3 * i + 1] = (uint8_t)TIFFGetG(band[i]);
            to[3 * i + 2] = (uint8_t)TIFFGetB(band[i]);
        }
        y += count;
        status = image_check_time(reader->source);
    }
    free(band);
    TIFFRGBAImageEnd(&rgba);
    return status;
}

/* Some writers leave the palette's colours at 8 bits of the 16 they should have. */
static bool find_palette(struct tiff_reader *reader)
{
    uint16_t *red, *green, *blue;
    if (!TIFFGetField(reader->tiff, TIFFTAG_COLORMAP, &red, &green, &blue))
        return false;
    if (!red || !green || !blue) /* there was no memory for it */
        return false;
    unsigned used = 0;
    for (size_t i = 0; reader->bits <= 8 && i < (size_t)1 << reader->bits; i++)
        used |= red[i] | green[i] | blue[i];
    reader->byte_map = used > 0 && used < 256;
    return true;
}

static int read_pixels(struct tiff_reader *reader, const struct image *out)
{
    reader->pixels = out->pixels;
    reader->bytes = (size_t)out->width * (size_t)out->height * 3;
    if (reader->photometric == PHOTOMETRIC_YCBCR && reader->samples >= 3)
        return reader->bits == 8 ? read_ycbcr(reader, out) : unsupported(reader);
    if (!tiff_can_convert(reader))
        return unsupported(reader);
    if (reader->photometric == PHOTOMETRIC_PALETTE && !find_palette(reader))
        return tiff_error(reader);
    if (reader->planar == PLANARCONFIG_SEPARATE && reader->samples > 1)
        return read_planes(reader, out);
    return TIFFIsTiled(reader->tiff) ? read_tiles(reader, out) : read_scanlines(reader, out);
}

static int orientation_of(const struct tiff_reader *reader)
{
    uint16_t orientation = 0;
    uint32_t size = 0;
    const void *xmp = NULL;
    if (TIFFGetField(reader->tiff, TIFFTAG_ORIENTATION, &orientation))
        return orientation >= 1 && orientation <= 8 ? orientation : 1;
    if (TIFFGetField(reader->tiff, TIFFTAG_XMLPACKET, &size, &xmp) && xmp && size > 0)
        orientation = (uint16_t)image_xmp_orientation(xmp, size);
    return orientation ? orientation : 1;
}

static void tell(const struct tiff_reader *reader)
{
    const char *name = reader->source->name;
    if (reader->clipped)
        log_notice("%s: grey of more than 8 bits: values above 255 become white, as in the reference implementation: "
                   "convert it to 8 bits first if it looks too bright",
                   name);
    if (reader->brightest > 0 && reader->brightest <= 1)
        log_notice("%s: grey in fractions up to %g is black, as in the reference implementation: convert it to 8 bits "
                   "first",
                   name, reader->brightest);
    if (reader->byte_map)
        log_notice("%s: the colours of its palette use 8 of 16 bits: taken as such, so that it is not black", name);
    image_depth_tell(&reader->depth, name);
    if (!TIFFLastDirectory(reader->tiff))
        log_notice("%s: has several pages: the first is taken", name);
}

static int decode(struct tiff_reader *reader, struct image *out, int *orientation)
{
    read_tags(reader);
    if (reader->warnings)
        return tiff_error(reader);
    int status = image_allocate(reader->source, reader->width, reader->height, out);
    if (status)
        return status;
    uint64_t block = TIFFIsTiled(reader->tiff) ? TIFFTileSize64(reader->tiff) : (uint64_t)TIFFStripSize64(reader->tiff);
    uint64_t most = (uint64_t)reader->width * reader->height * 16;
    status = image_reserve(reader->source, 2 * (block < most ? block : most));
    if (status)
        return status;
    reader->errors = 0; /* of tags: those that matter are missed where they are needed */
    status = read_pixels(reader, out);
    if (status)
        return status;
    *orientation = orientation_of(reader);
    tell(reader);
    return 0;
}

static int decode_file(const struct image_source *source, struct image *out, int *orientation)
{
    struct tiff_reader reader = {.source = source};
    int status = image_reserve(source, 0);
    if (status)
        return status;
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options)
        return error_memory(source->name);
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, &reader);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, &reader);
    /* What no picture of the allowed size needs at once. */
    uint64_t most = ((uint64_t)source->options->max_pixels + (1 << 20)) * 16;
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, most < PTRDIFF_MAX ? (tmsize_t)most : PTRDIFF_MAX);
    reader.tiff = TIFFClientOpenExt("image", "r", &reader, read_bytes, write_nothing, seek_to, close_nothing, size_of,
                                    map_bytes, unmap_nothing, options);
    TIFFOpenOptionsFree(options);
    if (!reader.tiff)
        return tiff_error(&reader);
    status = decode(&reader, out, orientation);
    TIFFClose(reader.tiff);
    if (status)
        image_free(out);
    return status;
}

static bool begins(const uint8_t *data, size_t size)
{
    return IMAGE_HAS(data, size, 0, "II*\0") || IMAGE_HAS(data, size, 0, "MM\0*") ||
           IMAGE_HAS(data, size, 0, "II+\0") || IMAGE_HAS(data, size, 0, "MM\0+");
}

const struct image_format image_format_tiff = {
    .name = "TIFF",
    .suffixes = (const char *const[]){".tif", ".tiff", NULL},
    .begins = begins,
    .decode = decode_file,
};
