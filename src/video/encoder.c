/* Encoders, and the conversion of pictures to what they take. */
#include "video/encoder.h"

#include "base/error.h"
#include "base/log.h"
#include "video/libav.h"
#include "video/video_in.h"

#include <libavutil/dict.h>
#include <libavutil/imgutils.h>
#include <libswscale/swscale.h>
#include <stdlib.h>
#include <string.h>

/* Every usual rate is whole steps of 1/120000 s: 24, 25, 30, 50, 60 and their 1000/1001 relatives. MPEG-4 allows
 * no finer unit than 1/65535 s, mkv none than 1 ms. */
enum { H264_UNITS = 120000, MPEG4_UNITS = 60000, FFV1_UNITS = 1000 };
enum { DEFAULT_CRF = 18, DEFAULT_QUANTISER = 3, MOST_QUANTISER = 31 };
enum { ROOM_BEHIND = 64 }; /* bytes that swscale may read beyond a picture */
static const char DEFAULT_PRESET[] = "veryfast";

static const AVCodec *find_codec(const char *name, struct encoder *encoder)
{
    const AVCodec *codec = NULL;
    if (encoder->codec == VIDEO_CODEC_FFV1)
        return avcodec_find_encoder(AV_CODEC_ID_FFV1);
    if (encoder->codec == VIDEO_CODEC_H264) {
        codec = avcodec_find_encoder_by_name("libx264");
        if (codec)
            return codec;
        log_notice("%s: this FFmpeg has no libx264: written as MPEG-4, which browsers do not play", name);
        encoder->codec = VIDEO_CODEC_MPEG4;
    }
    return avcodec_find_encoder(AV_CODEC_ID_MPEG4);
}

static int set_option(AVDictionary **options, const char *name, const char *key, const char *value)
{
    return av_dict_set(options, key, value, 0) < 0 ? error_memory(name) : 0;
}

/* What differs between the codecs; sets the pixel format, too. */
static int set_codec(struct encoder *encoder, const char *name, const struct video_writer_options *options,
                     AVDictionary **extra)
{
    AVCodecContext *context = encoder->context;
    char number[16];
    int quality = options->quality, status;
    switch (encoder->codec) {
    case VIDEO_CODEC_H264:
        context->pix_fmt = AV_PIX_FMT_YUV420P;
        context->time_base = (AVRational){1, H264_UNITS};
        snprintf(number, sizeof(number), "%d", quality > 0 ? quality : DEFAULT_CRF);
        status = set_option(extra, name, "crf", number);
        return status ? status : set_option(extra, name, "preset", options->preset ? options->preset : DEFAULT_PRESET);
    case VIDEO_CODEC_MPEG4:
        context->pix_fmt = AV_PIX_FMT_YUV420P;
        context->time_base = (AVRational){1, MPEG4_UNITS};
        context->flags |= AV_CODEC_FLAG_QSCALE;
        if (options->codec != VIDEO_CODEC_MPEG4 || quality == 0) /* a crf means nothing here */
            quality = DEFAULT_QUANTISER;
        context->global_quality = FF_QP2LAMBDA * (quality > MOST_QUANTISER ? MOST_QUANTISER : quality);
        return 0;
    case VIDEO_CODEC_FFV1:
        break;
    }
    context->pix_fmt = encoder->channels == 1 ? AV_PIX_FMT_GRAY8 : AV_PIX_FMT_BGR0;
    context->time_base = (AVRational){1, FFV1_UNITS};
    context->gop_size = 1;
    context->level = 3; /* with check sums of slices */
    return set_option(extra, name, "slicecrc", "1");
}

static void set_colours(AVCodecContext *context)
{
    bool yuv = context->pix_fmt == AV_PIX_FMT_YUV420P;
    context->color_range = yuv ? AVCOL_RANGE_MPEG : AVCOL_RANGE_JPEG;
    context->colorspace = yuv                                   ? AVCOL_SPC_BT709
                          : context->pix_fmt == AV_PIX_FMT_BGR0 ? AVCOL_SPC_RGB
                                                                : AVCOL_SPC_UNSPECIFIED;
    if (yuv) {
        context->color_primaries = AVCOL_PRI_BT709;
        context->color_trc = AVCOL_TRC_BT709;
    }
}

/* libx264 prints what it does not know to stderr by itself. */
static bool is_preset(const char *name)
{
    static const char *const presets[] = {"ultrafast", "superfast", "veryfast", "faster",   "fast",
                                          "medium",    "slow",      "slower",   "veryslow", "placebo"};
    for (size_t i = 0; i < sizeof(presets) / sizeof(*presets); i++)
        if (strcmp(name, presets[i]) == 0)
            return true;
    return false;
}

static int open_context(struct encoder *encoder, const char *name, const struct video_writer_options *options)
{
    if (options->preset && !is_preset(options->preset))
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: preset '%s': give one of x264's, ultrafast to placebo", name,
                         options->preset);
    const AVCodec *codec = find_codec(name, encoder);
    if (!codec)
        return error_set(SOWLV2_ERROR_UNSUPPORTED, "%s: this FFmpeg has no encoder for it", name);
    AVCodecContext *context = encoder->context = avcodec_alloc_context3(codec);
    if (!context)
        return error_memory(name);
    AVDictionary *extra = NULL;
    int status = set_codec(encoder, name, options, &extra);
    bool even = context->pix_fmt == AV_PIX_FMT_YUV420P;
    context->width = even ? (options->width + 1) & ~1 : options->width;
    context->height = even ? (options->height + 1) & ~1 : options->height;
    if (options->frame_rate > 0)
        context->framerate = av_d2q(options->frame_rate, 1001000);
    context->sample_aspect_ratio = (AVRational){1, 1};
    context->thread_count = options->threads > 0 ? options->threads : 1;
    context->flags |= AV_CODEC_FLAG_GLOBAL_HEADER; /* mp4 and mkv keep it apart */
    set_colours(context);
    int code = status ? 0 : avcodec_open2(context, codec, &extra);
    av_dict_free(&extra);
    if (code == AVERROR(ENOMEM) || (code < 0 && libav_is_short()))
        return error_memory(name);
    if (code < 0)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: the encoder %s refuses %d x %d with these settings", name,
                         codec->name, options->width, options->height);
    return status;
}

static int open_frame(struct encoder *encoder, const char *name)
{
    const AVCodecContext *context = encoder->context;
    encoder->frame = av_frame_alloc();
    encoder->packet = av_packet_alloc();
    if (!encoder->frame || !encoder->packet)
        return error_memory(name);
    encoder->frame->format = context->pix_fmt;
    encoder->frame->width = context->width;
    encoder->frame->height = context->height;
    encoder->frame->color_range = context->color_range;
    encoder->frame->colorspace = context->colorspace;
    encoder->frame->quality = context->global_quality;
    if (av_frame_get_buffer(encoder->frame, 0) < 0)
        return error_memory(name);
    if (encoder->channels == 1)
        return 0;
    encoder->padded = malloc((size_t)context->width * (size_t)context->height * 3 + ROOM_BEHIND);
    if (!encoder->padded)
        return error_memory(name);
    encoder->scale = sws_getContext(
        context->width, context->height, AV_PIX_FMT_RGB24, context->width, context->height, context->pix_fmt,
        SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INP | SWS_BITEXACT, NULL, NULL, NULL);
    if (!encoder->scale)
        return error_memory(name);
    if (context->pix_fmt == AV_PIX_FMT_YUV420P)
        sws_setColorspaceDetails(encoder->scale, sws_getCoefficients(SWS_CS_DEFAULT), 1,
                                 sws_getCoefficients(SWS_CS_ITU709), 0, 0, 1 << 16, 1 << 16);
    return 0;
}

int encoder_open(const char *name, const struct video_writer_options *options, struct encoder *out)
{
    *out = (struct encoder){
        .codec = options->codec, .width = options->width, .height = options->height, .channels = options->channels};
    int status = libav_start(name);
    if (status)
        return status;
    /* Room for the padding and for three bytes a pixel in an int. */
    if (av_image_check_size2((unsigned)options->width + 1, (unsigned)options->height + 1, INT_MAX / 4, AV_PIX_FMT_NONE,
                             0, NULL) < 0)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: pictures of %d x %d are too large for a video", name,
                         options->width, options->height);
    status = open_context(out, name, options);
    return status ? status : open_frame(out, name);
}

void encoder_free(struct encoder *encoder)
{
    avcodec_free_context(&encoder->context);
    av_frame_free(&encoder->frame);
    av_packet_free(&encoder->packet);
    sws_freeContext(encoder->scale);
    free(encoder->padded);
    *encoder = (struct encoder){0};
}

/* Grey to the luma of yuv420p in video range, without colour; the last column and row repeat. */
static void fill_grey_yuv(struct encoder *encoder, const uint8_t *pixels, size_t stride)
{
    AVFrame *frame = encoder->frame;
    uint8_t luma[256];
    for (int value = 0; value < 256; value++)
        luma[value] = (uint8_t)(16 + (value * 219 + 127) / 255);
    for (int y = 0; y < frame->height; y++) {
        const uint8_t *from = pixels + (size_t)(y < encoder->height ? y : encoder->height - 1) * stride;
        uint8_t *to = frame->data[0] + (ptrdiff_t)y * frame->linesize[0];
        for (int x = 0; x < encoder->width; x++)
            to[x] = luma[from[x]];
        if (frame->width > encoder->width)
            to[encoder->width] = to[encoder->width - 1];
    }
    for (int plane = 1; plane < 3; plane++)
        for (int y = 0; y < frame->height / 2; y++)
            memset(frame->data[plane] + (ptrdiff_t)y * frame->linesize[plane], 128, (size_t)frame->width / 2);
}

static void fill_grey(struct encoder *encoder, const uint8_t *pixels, size_t stride)
{
    AVFrame *frame = encoder->frame;
    for (int y = 0; y < encoder->height; y++)
        memcpy(frame->data[0] + (ptrdiff_t)y * frame->linesize[0], pixels + (size_t)y * stride, (size_t)encoder->width);
}

/* Copies to the even size, repeating the last column and row. Also where the size is even: the conversion reads a
 * little beyond the last row. */
static void pad(struct encoder *encoder, const uint8_t *pixels, size_t stride)
{
    size_t row = (size_t)encoder->context->width * 3, given = (size_t)encoder->width * 3;
    for (int y = 0; y < encoder->context->height; y++) {
        const uint8_t *from = pixels + (size_t)(y < encoder->height ? y : encoder->height - 1) * stride;
        uint8_t *to = encoder->padded + (size_t)y * row;
        memcpy(to, from, given);
        if (row > given)
            memcpy(to + given, from + given - 3, 3);
    }
}

static int fill_colour(struct encoder *encoder, const char *name, const uint8_t *pixels, size_t stride)
{
    AVFrame *frame = encoder->frame;
    pad(encoder, pixels, stride);
    const uint8_t *const planes[4] = {encoder->padded};
    const int strides[4] = {frame->width * 3};
    if (sws_scale(encoder->scale, planes, strides, 0, frame->height, frame->data, frame->linesize) != frame->height)
        return libav_is_short()
                   ? error_memory(name)
                   : error_set(SOWLV2_ERROR_UNSUPPORTED, "%s: a picture cannot be converted for the encoder", name);
    return 0;
}

int encoder_send(struct encoder *encoder, const char *name, const uint8_t *pixels, size_t stride, int64_t pts)
{
    AVFrame *frame = NULL;
    if (pixels) {
        frame = encoder->frame;
        int status = 0;
        if (av_frame_make_writable(frame) < 0)
            return error_memory(name);
        if (encoder->channels == 3)
            status = fill_colour(encoder, name, pixels, stride);
        else if (encoder->context->pix_fmt == AV_PIX_FMT_GRAY8)
            fill_grey(encoder, pixels, stride);
        else
            fill_grey_yuv(encoder, pixels, stride);
        if (status)
            return status;
        frame->pts = pts;
        frame->pict_type = AV_PICTURE_TYPE_NONE;
    }
    int code = avcodec_send_frame(encoder->context, frame);
    return code < 0 && code != AVERROR_EOF ? libav_error(name, "cannot encode", code) : 0;
}

int encoder_receive(struct encoder *encoder, const char *name)
{
    int code = avcodec_receive_packet(encoder->context, encoder->packet);
    if (code == AVERROR(EAGAIN) || code == AVERROR_EOF)
        return VIDEO_END;
    return code < 0 ? libav_error(name, "cannot encode", code) : 0;
}
