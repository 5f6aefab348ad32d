/* Set-up, errors and version differences of the FFmpeg libraries. */
#include "video/libav.h"

#include "base/error.h"
#include "base/log.h"
#include "base/optional.h"

#include <errno.h>
#include <libavutil/log.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#ifdef VIDEO_HAVE_DEVICES
#include <libavdevice/avdevice.h>
#endif

enum { LOG_LINE = 1024, ERROR_TEXT = 256 };

static int get_buffer(AVCodecContext *context, AVFrame *frame, int flags);

/* Whether a message's object is a codec that is watched. Each of its threads has a copy of it. */
static AVCodecContext *watched(void *object)
{
    if (!object || *(const AVClass *const *)object != avcodec_get_class())
        return NULL;
    AVCodecContext *const context = object;
    return context->get_buffer2 == get_buffer ? context : NULL;
}

/* This thread of the codec has got no memory for something. */
static void note_shortage(const AVCodecContext *context)
{
    atomic_bool *const flag = context->opaque;
    atomic_store_explicit(flag, true, memory_order_relaxed);
}

/* Called in the thread that decodes, so that what it lacked since its last picture is seen too, whatever it was for. */
static int get_buffer(AVCodecContext *context, AVFrame *frame, int flags)
{
    bool short_of = libav_is_short();
    errno = 0;
    const int code = avcodec_default_get_buffer2(context, frame, flags);
    short_of |= code == AVERROR(ENOMEM) || libav_is_short();
    if (short_of)
        note_shortage(context);
    return code;
}

void libav_watch_memory(AVCodecContext *context, atomic_bool *flag)
{
    context->opaque = flag;
    context->get_buffer2 = get_buffer;
#if LIBAVCODEC_VERSION_MAJOR < 60 /* there it would be called in this thread alone, and the codec's threads wait */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    context->thread_safe_callbacks = 1;
#pragma GCC diagnostic pop
#endif
}

/* Called from any thread, the decoder's own included, which has just met what it says. */
static void take_log(void *object, int level, const char *format, va_list arguments)
{
    static _Thread_local int prefix = 1;
    char line[LOG_LINE];
    const AVCodecContext *const context = libav_is_short() ? watched(object) : NULL;
    if (context)
        note_shortage(context);
    if (level > AV_LOG_WARNING)
        return;
    if (av_log_format_line2(object, level, format, arguments, line, sizeof(line), &prefix) < 0)
        return;
    size_t length = strcspn(line, "\r\n");
    const int saved = errno; /* for libav_is_short() */
    line[length] = '\0';
    if (length > 0)
        log_debug("FFmpeg: %s", line);
    errno = saved;
}

static void start(void)
{
    av_log_set_callback(take_log);
    avformat_network_init();
#ifdef VIDEO_HAVE_DEVICES
    avdevice_register_all();
#endif
}

int libav_start(const char *name)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const int status = optional_need("ffmpeg", name);

    if (!status)
        pthread_once(&once, start);
    return status;
}

static int status_of(int code)
{
    switch (code) {
    case AVERROR(ENOMEM):
        return SOWLV2_ERROR_MEMORY;
    case AVERROR_EXIT:
        return SOWLV2_ERROR_CANCELLED;
    case AVERROR_INVALIDDATA:
    case AVERROR_EOF:
    case AVERROR_STREAM_NOT_FOUND:
    case AVERROR(EINVAL): /* how demuxers and decoders refuse what makes no sense to them */
        return SOWLV2_ERROR_FORMAT;
    case AVERROR_PATCHWELCOME:
    case AVERROR_DECODER_NOT_FOUND:
    case AVERROR_ENCODER_NOT_FOUND:
    case AVERROR_PROTOCOL_NOT_FOUND:
    case AVERROR_DEMUXER_NOT_FOUND:
        return SOWLV2_ERROR_UNSUPPORTED;
    default:
        return SOWLV2_ERROR_IO;
    }
}

bool libav_is_short(void)
{
    return errno == ENOMEM;
}

int libav_error(const char *name, const char *what, int code)
{
    char text[ERROR_TEXT];
    if (code == AVERROR(ENOMEM) || libav_is_short())
        return error_memory(name);
    if (code == AVERROR_EXIT)
        return error_set(SOWLV2_ERROR_CANCELLED, "%s: %s: interrupted", name, what);
    if (av_strerror(code, text, sizeof(text)) < 0)
        snprintf(text, sizeof(text), "FFmpeg's error %d", code);
    return error_set(status_of(code), "%s: %s: %s", name, what, text);
}

const char *libav_source_name(const char *source)
{
    return strcmp(source, "-") == 0 ? "standard input" : source;
}

int64_t libav_frame_duration(const AVFrame *frame)
{
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(57, 30, 100)
    return frame->duration;
#else
    return frame->pkt_duration;
#endif
}

bool libav_frame_is_key(const AVFrame *frame)
{
#ifdef AV_FRAME_FLAG_KEY
    return (frame->flags & AV_FRAME_FLAG_KEY) != 0;
#else
    return frame->key_frame != 0;
#endif
}

const void *libav_side_data(const AVStream *stream, enum AVPacketSideDataType type, size_t *size)
{
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 102)
    const AVPacketSideData *side =
        av_packet_side_data_get(stream->codecpar->coded_side_data, stream->codecpar->nb_coded_side_data, type);
    *size = side ? side->size : 0;
    return side ? side->data : NULL;
#else
    *size = 0;
    return av_stream_get_side_data(stream, type, size);
#endif
}

const int32_t *libav_display_matrix(const AVStream *stream)
{
    size_t size;
    const void *data = libav_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
    return data && size >= 9 * sizeof(int32_t) ? data : NULL;
}

bool libav_has_encryption(const AVStream *stream)
{
    size_t size;
    return libav_side_data(stream, AV_PKT_DATA_ENCRYPTION_INIT_INFO, &size);
}
