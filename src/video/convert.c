/* Colour conversion by libswscale, and turning. */
#include "video/convert.h"

#include "base/error.h"
#include "video/libav.h"

#include <errno.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
#include <stdlib.h>
#include <string.h>

/* The flags that video_in.h names: chroma interpolated at full width, the same pixels on every CPU. */
enum { SCALE_FLAGS = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_BITEXACT };
enum { ROOM_BEHIND = 64, TILE = 32 };

bool orientation_from_matrix(const int32_t *matrix, struct orientation *out)
{
    *out = (struct orientation){0};
    if (!matrix)
        return true;
    /* Stored (x, y) is shown at (a x + c y, b x + d y); rows run downwards. */
    double a = matrix[0], b = matrix[1], c = matrix[3], d = matrix[4];
    double straight = (a < 0 ? -a : a) + (d < 0 ? -d : d), crossed = (b < 0 ? -b : b) + (c < 0 ? -c : c);
    if (straight == 0 && crossed == 0)
        return true; /* all zero: nothing was meant */
    out->exchange = crossed > straight;
    out->mirror_columns = (out->exchange ? c : a) < 0;
    out->mirror_rows = (out->exchange ? b : d) < 0;
    double less = out->exchange ? straight : crossed, more = out->exchange ? crossed : straight;
    return less < more * 0.02;
}

void converter_start(struct converter *converter, int width, int height, struct orientation orientation, double peak)
{
    *converter = (struct converter){.width = width, .height = height, .orientation = orientation, .peak = peak};
}

void converter_free(struct converter *converter)
{
    sws_freeContext(converter->context);
    converter->context = NULL;
    tone_free(&converter->tone);
    free(converter->deep);
    converter->deep = NULL;
    free(converter->upright);
    converter->upright = NULL;
}

int converter_prepare(const char *name, struct image *image, int width, int height)
{
    if (image->pixels && image->width == width && image->height == height)
        return 0;
    image_free(image);
    size_t bytes;
    if (width <= 0 || height <= 0 || __builtin_mul_overflow((size_t)width * 3, (size_t)height, &bytes))
        return error_set(SOWLV2_ERROR_FORMAT, "%s: a picture of %d x %d pixels", name, width, height);
    uint8_t *pixels = malloc(bytes + ROOM_BEHIND);
    if (!pixels)
        return error_memory(name);
    *image = (struct image){width, height, pixels};
    return 0;
}

/* The old formats that mean "full range" by their name: libswscale wants the plain ones and the range. */
static enum AVPixelFormat plain_format(int format, int *range)
{
    enum AVPixelFormat plain;
    switch (format) {
    case AV_PIX_FMT_YUVJ420P:
        plain = AV_PIX_FMT_YUV420P;
        break;
    case AV_PIX_FMT_YUVJ422P:
        plain = AV_PIX_FMT_YUV422P;
        break;
    case AV_PIX_FMT_YUVJ444P:
        plain = AV_PIX_FMT_YUV444P;
        break;
    case AV_PIX_FMT_YUVJ440P:
        plain = AV_PIX_FMT_YUV440P;
        break;
    case AV_PIX_FMT_YUVJ411P:
        plain = AV_PIX_FMT_YUV411P;
        break;
    default:
        return (enum AVPixelFormat)format;
    }
    *range = 1;
    return plain;
}

/* What libswscale makes 16 bits of a full signal: 255 times 256 of video range, else all the bits there are. */
static int deep_white(const AVFrame *frame)
{
    const AVPixFmtDescriptor *format = av_pix_fmt_desc_get(frame->format);
    if (!format || (format->flags & AV_PIX_FMT_FLAG_RGB))
        return 65535;
    return frame->color_range == AVCOL_RANGE_JPEG ? 65536 - (65536 >> format->comp[0].depth) : 255 * 256;
}

/* Makes what turns HDR into standard range, or frees it. */
static int update_tone(struct converter *converter, const char *name, const AVFrame *frame)
{
    enum tone_kind kind = tone_kind(frame);
    int white = deep_white(frame);
    if (converter->from_kind == kind &&
        (kind == TONE_NONE ||
         (converter->from_primaries == (int)frame->color_primaries && converter->from_white == white)))
        return 0;
    tone_free(&converter->tone);
    converter->from_kind = TONE_NONE;
    if (kind == TONE_NONE)
        return 0;
    converter->tone = tone_create(kind, frame->color_primaries, white, converter->peak);
    if (!converter->deep)
        converter->deep =
            malloc((size_t)converter->width * (size_t)converter->height * 3 * sizeof(uint16_t) + ROOM_BEHIND);
    if (!converter->tone || !converter->deep)
        return error_memory(name);
    converter->from_kind = kind;
    converter->from_primaries = frame->color_primaries;
    converter->from_white = white;
    return 0;
}

static int update_context(struct converter *converter, const char *name, const AVFrame *frame)
{
    int range = frame->color_range == AVCOL_RANGE_JPEG, space = frame->colorspace;
    bool deep = converter->tone, was_deep = converter->target == AV_PIX_FMT_RGB48;
    enum AVPixelFormat format = plain_format(frame->format, &range);
    if (deep && space == AVCOL_SPC_UNSPECIFIED)
        space = AVCOL_SPC_BT2020_NCL;
    if (converter->context && converter->from_width == frame->width && converter->from_height == frame->height &&
        converter->from_format == (int)format && converter->from_space == space && converter->from_range == range &&
        deep == was_deep)
        return 0;
    sws_freeContext(converter->context);
    converter->context = NULL;
    converter->target = deep ? AV_PIX_FMT_RGB48 : AV_PIX_FMT_RGB24;
    const char *format_name = av_get_pix_fmt_name(format);
    if (!sws_isSupportedInput(format))
        return error_set(SOWLV2_ERROR_UNSUPPORTED, "%s: pixels of format %s cannot be converted", name,
                         format_name ? format_name : "unknown");
    errno = 0;
    converter->context = sws_getContext(frame->width, frame->height, format, converter->width, converter->height,
                                        converter->target, SCALE_FLAGS, NULL, NULL, NULL);
    if (!converter->context && !libav_is_short())
        return error_set(SOWLV2_ERROR_UNSUPPORTED, "%s: no conversion from %s of %d x %d to RGB of %d x %d", name,
                         format_name ? format_name : "unknown", frame->width, frame->height, converter->width,
                         converter->height);
    /* Fails for formats without a matrix (RGB, grey), which need none. */
    if (converter->context)
        sws_setColorspaceDetails(converter->context, sws_getCoefficients(space), range,
                                 sws_getCoefficients(SWS_CS_DEFAULT), 0, 0, 1 << 16, 1 << 16);
    /* Also where there is one: its tables may be missing. */
    if (libav_is_short()) {
        sws_freeContext(converter->context);
        converter->context = NULL;
        return error_memory(name);
    }
    converter->from_width = frame->width;
    converter->from_height = frame->height;
    converter->from_format = (int)format;
    converter->from_space = space;
    converter->from_range = range;
    return 0;
}

/* Converts the whole frame into `pixels`, of the converter's size. */
static int convert(struct converter *converter, const char *name, const AVFrame *frame, uint8_t *pixels)
{
    uint8_t *target = converter->tone ? (uint8_t *)converter->deep : pixels;
    uint8_t *const planes[4] = {target};
    const int strides[4] = {converter->width * (converter->tone ? 6 : 3)};
    errno = 0;
    int rows = sws_scale(converter->context, (const uint8_t *const *)frame->data, frame->linesize, 0, frame->height,
                         planes, strides);
    if (rows == AVERROR(ENOMEM) || libav_is_short())
        return error_memory(name);
    if (rows != converter->height)
        return error_set(SOWLV2_ERROR_FORMAT, "%s: a frame cannot be converted to RGB", name);
    if (converter->tone)
        tone_convert(converter->tone, converter->deep, pixels, (size_t)converter->width * (size_t)converter->height);
    return 0;
}

/* Tile by tile, so that both sides of a copy stay in the first-level cache. */
static void turn(const struct orientation *how, const uint8_t *from, struct image *to)
{
    ptrdiff_t width = to->width, height = to->height;
    ptrdiff_t step_x = 3, step_y = 3 * width; /* in `from`, for a step in `to` */
    if (how->exchange) {
        step_x = 3 * height;
        step_y = 3;
    }
    if (how->mirror_columns) {
        from += (width - 1) * step_x;
        step_x = -step_x;
    }
    if (how->mirror_rows) {
        from += (height - 1) * step_y;
        step_y = -step_y;
    }
    for (ptrdiff_t top = 0; top < height; top += TILE) {
        ptrdiff_t bottom = height - top < TILE ? height : top + TILE;
        for (ptrdiff_t left = 0; left < width; left += TILE) {
            ptrdiff_t right = width - left < TILE ? width : left + TILE;
            for (ptrdiff_t y = top; y < bottom; y++)
                for (ptrdiff_t x = left; x < right; x++)
                    memcpy(to->pixels + (y * width + x) * 3, from + y * step_y + x * step_x, 3);
        }
    }
}

int converter_run(struct converter *converter, const char *name, const AVFrame *frame, struct image *out)
{
    const struct orientation *how = &converter->orientation;
    bool turned = how->exchange || how->mirror_columns || how->mirror_rows;
    int width = how->exchange ? converter->height : converter->width;
    int height = how->exchange ? converter->width : converter->height;
    int status = update_tone(converter, name, frame);
    if (!status)
        status = update_context(converter, name, frame);
    if (!status)
        status = converter_prepare(name, out, width, height);
    if (status)
        return status;
    if (turned && !converter->upright) {
        converter->upright = malloc((size_t)width * (size_t)height * 3 + ROOM_BEHIND);
        if (!converter->upright)
            return error_memory(name);
    }
    uint8_t *target = turned ? converter->upright : out->pixels;
    status = convert(converter, name, frame, target);
    if (!status && turned)
        turn(how, target, out);
    return status;
}
