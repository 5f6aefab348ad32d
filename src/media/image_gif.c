/* GIF through giflib: the first frame on its canvas, as Pillow shows it: a transparent colour is that colour. */
#include "media/image_decoders.h"

#include "base/error.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#include <gif_lib.h>

enum { ROWS_A_CHECK = 64 };

struct gif_reader {
    const struct image_source *source;
    size_t at;
    GifFileType *gif;
    int transparent; /* index, or -1 */
    uint8_t palette[256][3];
};

static int read_bytes(GifFileType *gif, GifByteType *to, int count)
{
    struct gif_reader *reader = gif->UserData;
    size_t left = reader->source->size - reader->at;
    size_t bytes = count < 0 ? 0 : (size_t)count < left ? (size_t)count : left;
    memcpy(to, reader->source->data + reader->at, bytes);
    reader->at += bytes;
    return (int)bytes;
}

static bool is_cut(int code)
{
    return code == D_GIF_ERR_READ_FAILED || code == D_GIF_ERR_EOF_TOO_SOON;
}

/* What comes before the first pixels. */
static int gif_error(const struct gif_reader *reader, int code)
{
    if (code == D_GIF_ERR_NOT_ENOUGH_MEM)
        return error_memory(reader->source->name);
    if (is_cut(code))
        return error_set(SOWLV2_ERROR_FORMAT, "%s: the GIF data is truncated before any pixel: replace the file",
                         reader->source->name);
    const char *why = GifErrorString(code);
    return error_set(SOWLV2_ERROR_FORMAT, "%s: damaged GIF: %s: copy or export the file again", reader->source->name,
                     why ? why : "it cannot be read");
}

/* An extension; of those that matter, the one before the picture that names its transparent colour. */
static int read_extension(struct gif_reader *reader)
{
    GifByteType *block;
    int kind;
    if (DGifGetExtension(reader->gif, &kind, &block) == GIF_ERROR)
        return gif_error(reader, reader->gif->Error);
    if (kind == GRAPHICS_EXT_FUNC_CODE && block && block[0] >= 4)
        reader->transparent = block[1] & 1 ? block[4] : reader->transparent;
    while (block)
        if (DGifGetExtensionNext(reader->gif, &block) == GIF_ERROR)
            return gif_error(reader, reader->gif->Error);
    return 0;
}

/* Goes to the next picture; `*found` is false at the end. */
static int find_picture(struct gif_reader *reader, bool *found)
{
    *found = false;
    for (;;) {
        GifRecordType kind;
        int status = 0;
        if (DGifGetRecordType(reader->gif, &kind) == GIF_ERROR)
            return gif_error(reader, reader->gif->Error);
        if (kind == EXTENSION_RECORD_TYPE)
            status = read_extension(reader);
        else if (kind == TERMINATE_RECORD_TYPE)
            return 0;
        else if (kind == IMAGE_DESC_RECORD_TYPE)
            *found = true;
        if (status || *found)
            return status;
    }
}

/* The palette; greys in order stand for all 256 of them, also where it is shorter, as having none does. */
static void take_palette(struct gif_reader *reader)
{
    const ColorMapObject *map = reader->gif->Image.ColorMap ? reader->gif->Image.ColorMap : reader->gif->SColorMap;
    bool greys = true;
    int count = map ? map->ColorCount : 0;
    for (int i = 0; i < count && i < 256; i++) {
        const GifColorType *colour = &map->Colors[i];
        greys &= colour->Red == i && colour->Green == i && colour->Blue == i;
        reader->palette[i][0] = colour->Red;
        reader->palette[i][1] = colour->Green;
        reader->palette[i][2] = colour->Blue;
    }
    for (int i = count; greys && i < 256; i++)
        memset(reader->palette[i], i, 3);
}

/* The row that comes i-th in the file. */
static int stored_row(int i, int height, bool interlaced)
{
    static const int first[] = {0, 4, 2, 1}, step[] = {8, 8, 4, 2};
    if (!interlaced)
        return i;
    for (int pass = 0; pass < 4; pass++) {
        int rows = height > first[pass] ? (height - first[pass] + step[pass] - 1) / step[pass] : 0;
        if (i < rows)
            return first[pass] + i * step[pass];
        i -= rows;
    }
    return 0; /* unreached: the passes hold all rows */
}

static int read_rows(struct gif_reader *reader, const struct image *out)
{
    const GifImageDesc *frame = &reader->gif->Image;
    int status = 0;
    uint8_t *row = malloc((size_t)frame->Width);
    if (!row)
        return error_memory(reader->source->name);
    for (int i = 0; !status && i < frame->Height; i++) {
        int y = frame->Top + stored_row(i, frame->Height, frame->Interlace);
        if (DGifGetLine(reader->gif, row, frame->Width) == GIF_ERROR) {
            status = is_cut(reader->gif->Error) ? image_truncated(reader->source, "GIF")
                                                : gif_error(reader, reader->gif->Error);
            break;
        }
        uint8_t *to = out->pixels + ((size_t)y * (size_t)out->width + (size_t)frame->Left) * 3;
        for (int x = 0; x < frame->Width; x++, to += 3)
            memcpy(to, reader->palette[row[x]], 3);
        if (i % ROWS_A_CHECK == 0)
            status = image_check_time(reader->source);
    }
    free(row);
    return status;
}

static int decode(struct gif_reader *reader, struct image *out)
{
    bool found;
    int status = find_picture(reader, &found);
    if (!status && !found)
        return gif_error(reader, D_GIF_ERR_NO_IMAG_DSCR);
    if (!status && DGifGetImageDesc(reader->gif) == GIF_ERROR)
        return gif_error(reader, reader->gif->Error);
    if (status)
        return status;
    const GifImageDesc *frame = &reader->gif->Image;
    if (frame->Width <= 0 || frame->Height <= 0)
        return gif_error(reader, D_GIF_ERR_NO_IMAG_DSCR);
    int width = frame->Left + frame->Width, height = frame->Top + frame->Height; /* 16 bits each */
    width = width > reader->gif->SWidth ? width : reader->gif->SWidth;
    height = height > reader->gif->SHeight ? height : reader->gif->SHeight;
    take_palette(reader);
    status = image_allocate(reader->source, (uint64_t)width, (uint64_t)height, out);
    if (status)
        return status;
    const uint8_t *background = reader->palette[reader->transparent < 0 ? 0 : reader->transparent];
    for (size_t i = 0; i < (size_t)width * (size_t)height; i++)
        memcpy(out->pixels + 3 * i, background, 3);
    status = read_rows(reader, out);
    if (!status && find_picture(reader, &found) == 0 && found)
        log_notice("%s: an animation: its first frame is taken: --as-video takes all", reader->source->name);
    return status;
}

static int decode_file(const struct image_source *source, struct image *out, int *orientation)
{
    struct gif_reader reader = {.source = source, .transparent = -1};
    int code = 0, status;
    (void)orientation; /* the format has none */
    reader.gif = DGifOpen(&reader, read_bytes, &code);
    if (!reader.gif)
        return gif_error(&reader, code);
    status = decode(&reader, out);
    DGifCloseFile(reader.gif, &code);
    if (status)
        image_free(out);
    return status;
}

static bool begins(const uint8_t *data, size_t size)
{
    return IMAGE_HAS(data, size, 0, "GIF87a") || IMAGE_HAS(data, size, 0, "GIF89a");
}

static void measure(const uint8_t *data, size_t size, uint64_t *pixels, uint64_t *bytes)
{
    (void)size;
    (void)bytes;
    *pixels = (uint64_t)(data[6] | data[7] << 8) * (uint64_t)(data[8] | data[9] << 8);
}

/* One that does not is a video of one frame. */
static bool moves(int file, const uint8_t *head, size_t size)
{
    (void)file;
    (void)head;
    (void)size;
    return true;
}

const struct image_format image_format_gif = {
    .name = "GIF",
    .suffixes = (const char *const[]){".gif", NULL},
    .begins = begins,
    .decode = decode_file,
    .measure = measure,
    .moves = moves,
};
