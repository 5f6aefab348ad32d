/* The chunks of a PNG file. */
#include "media/image_png_parts.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

#include <zlib.h>

enum { SIGNATURE_BYTES = 8, AROUND = 12, HEADER_BYTES = 13, HEADER_END = SIGNATURE_BYTES + AROUND + HEADER_BYTES };
enum { COLOR_TYPE_AT = SIGNATURE_BYTES + 8 + 9, GREY = 0, INDEXED = 3, GREY_ALPHA = 4 };
enum { MOST_KEYWORD = 79 };

/* Of a compressed text: what comes behind is not looked at. */
static const size_t most_text = (size_t)16 << 20;

/* `data` has `size` bytes, and the checksum behind them. */
struct chunk {
    const uint8_t *type, *data;
    size_t size;
    bool cut; /* the file ends in it */
};

static bool is_type(const struct chunk *chunk, const char *type)
{
    return memcmp(chunk->type, type, 4) == 0;
}

/* The chunk at `at`; false where the file ends before its type is told, or where there is none. */
static bool chunk_at(const struct image_source *source, size_t at, struct chunk *out)
{
    if (at > source->size || source->size - at < 8)
        return false;
    const uint8_t *from = source->data + at;
    *out = (struct chunk){.type = from + 4, .data = from + 8, .size = image_read_u32(from)};
    for (int i = 0; i < 4; i++)
        if ((out->type[i] | 32) < 'a' || (out->type[i] | 32) > 'z')
            return false;
    size_t left = source->size - at - 8;
    out->cut = left < 4 || left - 4 < out->size;
    return true;
}

static bool is_whole(const struct chunk *chunk)
{
    return !chunk->cut &&
           crc32(crc32(0, NULL, 0), chunk->type, (uInt)chunk->size + 4) == image_read_u32(chunk->data + chunk->size);
}

static struct png_part part_behind(const uint8_t *from, const uint8_t *end, bool compressed)
{
    return (struct png_part){from, (size_t)(end - from), compressed};
}

/* Where text chunks with these two keywords hold something, takes it. False: the chunk is something else. */
static bool take_text(const struct chunk *chunk, struct png_parts *parts)
{
    const uint8_t *end = chunk->data + chunk->size;
    size_t most = chunk->size < MOST_KEYWORD + 1 ? chunk->size : MOST_KEYWORD + 1;
    const uint8_t *nul = memchr(chunk->data, 0, most);
    if (!nul)
        return false;
    const char *keyword = (const char *)chunk->data;
    struct png_part *part = strcmp(keyword, "Raw profile type exif") == 0 ? &parts->exif_text
                            : strcmp(keyword, "XML:com.adobe.xmp") == 0   ? &parts->xmp
                                                                          : NULL;
    if (!part)
        return false;
    const uint8_t *from = nul + 1;
    if (is_type(chunk, "tEXt")) {
        *part = part_behind(from, end, false);
    } else if (is_type(chunk, "zTXt")) {
        if (from < end && *from == 0)
            *part = part_behind(from + 1, end, true);
    } else if (end - from >= 2) {
        bool compressed = from[0] != 0, known = !compressed || from[1] == 0;
        const uint8_t *language = memchr(from + 2, 0, (size_t)(end - from - 2));
        const uint8_t *keyword_end = language ? memchr(language + 1, 0, (size_t)(end - language - 1)) : NULL;
        if (keyword_end && known)
            *part = part_behind(keyword_end + 1, end, compressed);
    }
    return true;
}

/* sBIT has a byte a sample, colours first. */
static void take_significant(const struct chunk *chunk, unsigned color_type, struct png_parts *parts)
{
    size_t colours = color_type == GREY || color_type == GREY_ALPHA ? 1 : 3;
    if (chunk->size < colours)
        return;
    parts->significant = 0;
    for (size_t i = 0; i < colours; i++)
        if (chunk->data[i] <= 16 && chunk->data[i] > parts->significant)
            parts->significant = chunk->data[i];
}

/* Whether the chunk is one of those that are needed; then it was taken. */
static bool take(const struct chunk *chunk, unsigned color_type, bool before_pixels, struct png_parts *parts)
{
    if (is_type(chunk, "tEXt") || is_type(chunk, "zTXt") || is_type(chunk, "iTXt"))
        return take_text(chunk, parts);
    if (is_type(chunk, "eXIf"))
        parts->exif = part_behind(chunk->data, chunk->data + chunk->size, false);
    else if (is_type(chunk, "PLTE") && before_pixels && color_type == INDEXED)
        parts->palette = part_behind(chunk->data, chunk->data + chunk->size, false);
    else if (is_type(chunk, "acTL") && before_pixels && chunk->size >= 8)
        parts->frames = image_read_u32(chunk->data);
    else if (is_type(chunk, "cICP") && before_pixels && chunk->size == 4)
        parts->transfer = chunk->data[1];
    else if (is_type(chunk, "sBIT") && before_pixels)
        take_significant(chunk, color_type, parts);
    else
        return false;
    return true;
}

static bool is_known_critical(const struct chunk *chunk)
{
    return is_type(chunk, "IHDR") || is_type(chunk, "PLTE") || is_type(chunk, "IDAT") || is_type(chunk, "IEND");
}

int png_parts_find(const struct image_source *source, struct png_parts *out)
{
    *out = (struct png_parts){0};
    bool before_pixels = true;
    unsigned color_type = source->size > COLOR_TYPE_AT ? source->data[COLOR_TYPE_AT] : GREY;
    struct chunk chunk;
    for (size_t at = SIGNATURE_BYTES; chunk_at(source, at, &chunk) && !chunk.cut; at += AROUND + chunk.size) {
        if (is_type(&chunk, "IEND"))
            break;
        before_pixels &= !is_type(&chunk, "IDAT");
        if (!(chunk.type[0] & 32) && !is_known_critical(&chunk) && before_pixels && !out->unknown_critical)
            out->unknown_critical = (const char *)chunk.type;
        if (take(&chunk, color_type, before_pixels, out) && !is_whole(&chunk))
            return error_set(SOWLV2_ERROR_FORMAT,
                             "%s: damaged PNG: the checksum of its chunk %.4s is wrong: copy or export the file again",
                             source->name, (const char *)chunk.type);
    }
    return 0;
}

/* The text of a part, decompressed where it has to be: what is damaged in that form counts up to there. `*owned` is
 * freed by the caller. */
static int text_of(const struct image_source *source, const struct png_part *part, struct png_part *text,
                   uint8_t **owned)
{
    *owned = NULL;
    *text = *part;
    if (!part->compressed)
        return 0;
    size_t capacity = 4096 + 4 * part->size;
    capacity = capacity < most_text ? capacity : most_text;
    uint8_t *bytes = malloc(capacity);
    z_stream stream = {.next_in = (z_const Bytef *)(uintptr_t)part->data, .avail_in = (uInt)part->size};
    if (!bytes || inflateInit(&stream) != Z_OK) {
        free(bytes);
        return error_memory(source->name);
    }
    int code = Z_OK;
    while (code == Z_OK && stream.total_out < most_text) {
        if (stream.total_out == capacity) {
            capacity = 2 * capacity < most_text ? 2 * capacity : most_text;
            uint8_t *larger = realloc(bytes, capacity);
            if (!larger) {
                code = Z_MEM_ERROR;
                break;
            }
            bytes = larger;
        }
        stream.next_out = bytes + stream.total_out;
        stream.avail_out = (uInt)(capacity - stream.total_out);
        code = inflate(&stream, Z_NO_FLUSH);
    }
    *text = (struct png_part){bytes, stream.total_out, false};
    inflateEnd(&stream);
    *owned = bytes;
    return code == Z_MEM_ERROR ? error_memory(source->name) : 0;
}

/* What `orientation_of` finds in the text. */
static int text_orientation(const struct image_source *source, const struct png_part *part,
                            int (*orientation_of)(const uint8_t *, size_t))
{
    struct png_part text;
    uint8_t *owned;
    int result = text_of(source, part, &text, &owned);
    if (!result)
        result = orientation_of(text.data, text.size);
    free(owned);
    return result;
}

/* The EXIF chunk first, then the text that holds EXIF where there is no such chunk, then XMP. */
int png_parts_orientation(const struct image_source *source, const struct png_parts *parts)
{
    int orientation = 0;
    if (parts->exif.data)
        orientation = image_exif_orientation(parts->exif.data, parts->exif.size);
    else if (parts->exif_text.data)
        orientation = text_orientation(source, &parts->exif_text, image_text_profile_orientation);
    if (orientation == 0 && parts->xmp.data)
        orientation = text_orientation(source, &parts->xmp, image_xmp_orientation);
    return orientation;
}

int png_feed_start(struct png_feed *feed, const struct image_source *source)
{
    *feed = (struct png_feed){.source = source, .at = HEADER_END, .span = source->data, .left = HEADER_END};
    struct chunk header = {.cut = true};
    bool is_header = chunk_at(source, SIGNATURE_BYTES, &header) && is_type(&header, "IHDR");
    if (header.cut)
        return error_set(SOWLV2_ERROR_FORMAT, "%s: the PNG data is truncated before any pixel: replace the file",
                         source->name);
    if (!is_header || header.size != HEADER_BYTES || !is_whole(&header))
        return error_set(SOWLV2_ERROR_FORMAT,
                         "%s: damaged PNG: its header is missing or broken: copy or export the file again",
                         source->name);
    bool packed = header.data[8] <= 8; /* more bits are an error in an indexed picture, not in a grey one */
    if (header.data[9] != INDEXED || !packed)
        return 0;
    feed->indexed = true;
    memcpy(feed->header, source->data, HEADER_END);
    feed->header[COLOR_TYPE_AT] = GREY;
    uLong sum = crc32(crc32(0, NULL, 0), feed->header + SIGNATURE_BYTES + 4, HEADER_BYTES + 4);
    for (int i = 0; i < 4; i++)
        feed->header[HEADER_END - 4 + i] = (uint8_t)(sum >> (24 - 8 * i));
    feed->span = feed->header;
    return 0;
}

/* Goes to the next chunk of pixels, or the end. */
static bool next_span(struct png_feed *feed)
{
    struct chunk chunk;
    while (chunk_at(feed->source, feed->at, &chunk)) {
        size_t begin = feed->at, bytes = AROUND + chunk.size;
        bool wanted = is_type(&chunk, "IDAT") || is_type(&chunk, "IEND");
        feed->at = chunk.cut ? feed->source->size : begin + bytes;
        if (wanted) {
            feed->span = feed->source->data + begin;
            feed->left = feed->at - begin;
            return true;
        }
    }
    feed->damaged |= feed->at < feed->source->size && feed->source->size - feed->at >= 8;
    return false;
}

bool png_feed_read(struct png_feed *feed, void *to, size_t size)
{
    uint8_t *next = to;
    while (size > 0) {
        if (feed->left == 0 && !next_span(feed))
            return false;
        size_t step = size < feed->left ? size : feed->left;
        memcpy(next, feed->span, step);
        next += step;
        size -= step;
        feed->span += step;
        feed->left -= step;
    }
    return true;
}
