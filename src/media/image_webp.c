/* WebP through libwebp: the first frame on its canvas; alpha is dropped, as in Pillow. */
#include "media/image_decoders.h"

#include "base/error.h"
#include "base/log.h"

#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

/* A slice costs up to 8 rows twice, so not many; the least one makes small files more than one, to be tested. */
enum { SLICES = 64, LEAST_SLICE = 256 };
enum { BYTES_A_PIXEL = 5 }; /* that a lossless picture takes besides its RGB */

static int webp_error(const struct image_source *source, const char *why)
{
    return error_set(SOWLV2_ERROR_FORMAT, "%s: damaged WebP: %s: copy or export the file again", source->name, why);
}

static int orientation_of(WebPDemuxer *demuxer)
{
    WebPChunkIterator chunk;
    int orientation = 0;
    if (WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk)) {
        orientation = image_exif_orientation_marked(chunk.chunk.bytes, chunk.chunk.size);
        WebPDemuxReleaseChunkIterator(&chunk);
    }
    if (orientation == 0 && WebPDemuxGetChunk(demuxer, "XMP ", 1, &chunk)) {
        orientation = image_xmp_orientation(chunk.chunk.bytes, chunk.chunk.size);
        WebPDemuxReleaseChunkIterator(&chunk);
    }
    return orientation ? orientation : 1;
}

/* Gives the decoder the data bit by bit, and looks at the time in between. */
static int feed(const struct image_source *source, WebPIDecoder *decoder, const WebPData *data, VP8StatusCode *code)
{
    size_t step = data->size / SLICES + LEAST_SLICE, given = 0;
    while (given < data->size && (*code == VP8_STATUS_SUSPENDED || *code == VP8_STATUS_NOT_ENOUGH_DATA)) {
        int status = image_check_time(source);
        if (status)
            return status;
        given = data->size - given > step ? given + step : data->size;
        *code = WebPIUpdate(decoder, data->bytes, given);
    }
    return 0;
}

/* The frame's pixels into their place; those that a cut file lacks stay as they are. */
static int decode_frame(const struct image_source *source, const WebPIterator *frame, const struct image *out,
                        bool *cut)
{
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return webp_error(source, "the library is of another version");
    size_t stride = (size_t)out->width * 3;
    size_t before = (size_t)frame->y_offset * stride + (size_t)frame->x_offset * 3;
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = out->pixels + before;
    config.output.u.RGBA.stride = (int)stride;
    config.output.u.RGBA.size = stride * (size_t)out->height - before;
    WebPIDecoder *decoder = WebPIDecode(NULL, 0, &config);
    if (!decoder)
        return error_memory(source->name);
    VP8StatusCode code = VP8_STATUS_SUSPENDED;
    int status = feed(source, decoder, &frame->fragment, &code);
    WebPIDelete(decoder);
    if (status)
        return status;
    switch (code) {
    case VP8_STATUS_OK:
        return 0;
    case VP8_STATUS_SUSPENDED:
    case VP8_STATUS_NOT_ENOUGH_DATA:
        *cut = true;
        return 0;
    case VP8_STATUS_OUT_OF_MEMORY:
        return error_memory(source->name);
    default:
        return webp_error(source, "its picture cannot be decoded");
    }
}

static int decode(const struct image_source *source, WebPDemuxer *demuxer, struct image *out, bool *cut)
{
    uint32_t width = WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_WIDTH);
    uint32_t height = WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_HEIGHT);
    int status = image_check_size(source, width, height);
    if (status)
        return status;
    WebPIterator frame;
    if (!WebPDemuxGetFrame(demuxer, 1, &frame))
        return error_set(SOWLV2_ERROR_FORMAT, "%s: the WebP data is truncated before any pixel: replace the file",
                         source->name);
    bool inside = frame.x_offset >= 0 && frame.y_offset >= 0 && frame.width > 0 && frame.height > 0 &&
                  (uint64_t)frame.x_offset + (uint64_t)frame.width <= width &&
                  (uint64_t)frame.y_offset + (uint64_t)frame.height <= height;
    status = inside ? image_allocate(source, width, height, out) : webp_error(source, "a frame outside of its canvas");
    if (!status)
        status = image_reserve(source, (uint64_t)width * height * BYTES_A_PIXEL);
    if (!status) {
        if ((uint32_t)frame.width < width || (uint32_t)frame.height < height)
            memset(out->pixels, 0, (size_t)width * height * 3);
        status = decode_frame(source, &frame, out, cut);
    }
    if (!status && WebPDemuxGetI(demuxer, WEBP_FF_FRAME_COUNT) > 1)
        log_notice("%s: an animation: its first frame is taken", source->name);
    WebPDemuxReleaseIterator(&frame);
    return status;
}

static int decode_file(const struct image_source *source, struct image *out, int *orientation)
{
    const WebPData data = {source->data, source->size};
    WebPDemuxState state;
    int status = image_reserve(source, 0);
    if (status)
        return status;
    WebPDemuxer *demuxer = WebPDemuxPartial(&data, &state);
    if (!demuxer && state == WEBP_DEMUX_PARSING_HEADER)
        return error_set(SOWLV2_ERROR_FORMAT, "%s: the WebP data is truncated before any pixel: replace the file",
                         source->name);
    if (!demuxer)
        return webp_error(source, "its parts do not fit together");
    bool cut = state != WEBP_DEMUX_DONE;
    status = decode(source, demuxer, out, &cut);
    if (!status && cut) /* what lies behind the pixels may tell how to turn them */
        status = image_truncated(source, "WebP");
    if (!status)
        *orientation = orientation_of(demuxer);
    WebPDemuxDelete(demuxer);
    if (status)
        image_free(out);
    return status;
}

static bool begins(const uint8_t *data, size_t size)
{
    return IMAGE_HAS(data, size, 8, "WEBP");
}

static void measure(const uint8_t *data, size_t size, uint64_t *pixels, uint64_t *bytes)
{
    enum { HEAD = 8 }; /* which is not counted */
    (void)size;
    (void)pixels;
    *bytes = HEAD + (uint64_t)image_read_low_u32(data + 4);
}

static bool moves(int file, const uint8_t *head, size_t size)
{
    (void)file;
    return size >= 21 && IMAGE_HAS(head, size, 12, "VP8X") && (head[20] & 2) != 0;
}

const struct image_format image_format_webp = {
    .name = "WebP",
    .suffixes = (const char *const[]){".webp", NULL},
    .begins = begins,
    .decode = decode_file,
    .measure = measure,
    .moves = moves,
};
