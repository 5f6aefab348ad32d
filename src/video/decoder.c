/* Demuxing and decoding. */
#include "video/decoder.h"

#include "base/error.h"
#include "base/log.h"
#include "video/libav.h"
#include "video/video_in.h"

#include <unistd.h>

enum {
    MOST_THREADS = 4,
    DRAIN_FAILURES = 256,    /* of a decoder that is being emptied: after as many it has nothing more */
    WAIT_MICROSECONDS = 5000 /* for a camera's next picture */
};

const AVStream *decoder_stream(const struct decoder *decoder)
{
    return decoder->input.format->streams[decoder->index];
}

void decoder_close(struct decoder *decoder)
{
    avcodec_free_context(&decoder->context);
    av_packet_free(&decoder->packet);
    input_close(&decoder->input);
    decoder->ended = true;
}

static int find_stream(struct decoder *decoder)
{
    const char *name = decoder->name;
    AVFormatContext *format = decoder->input.format;
    int index = av_find_best_stream(format, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
    /* A cover picture in a sound file is no video. */
    if (index < 0 || (format->streams[index]->disposition & AV_DISPOSITION_ATTACHED_PIC))
        return error_set(SOWLV2_ERROR_FORMAT, "%s: no video stream in it", name);
    decoder->index = index;
    for (unsigned i = 0; i < format->nb_streams; i++) {
        if ((int)i != index)
            format->streams[i]->discard = AVDISCARD_ALL;
        if (format->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_AUDIO)
            decoder->has_audio = true;
    }
    const AVCodecParameters *parameters = format->streams[index]->codecpar;
    if (parameters->width > 0 && parameters->height > decoder->max_pixels / parameters->width)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: %d x %d pixels are more than %lld", name, parameters->width,
                         parameters->height, (long long)decoder->max_pixels);
    return 0;
}

static int default_threads(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > MOST_THREADS ? MOST_THREADS : (int)cores;
}

static int open_codec(struct decoder *decoder)
{
    const char *name = decoder->name;
    const AVStream *video = decoder_stream(decoder);
    const AVCodec *codec = avcodec_find_decoder(video->codecpar->codec_id);
    if (!codec)
        return error_set(SOWLV2_ERROR_UNSUPPORTED, "%s: no decoder for its video (codec %s): convert it first", name,
                         avcodec_get_name(video->codecpar->codec_id));
    decoder->context = avcodec_alloc_context3(codec);
    if (!decoder->context)
        return error_memory(name);
    int code = avcodec_parameters_to_context(decoder->context, video->codecpar);
    if (code < 0)
        return libav_error(name, "cannot set up its decoder", code);
    decoder->context->pkt_timebase = video->time_base;
    decoder->context->max_pixels = decoder->max_pixels;
    decoder->context->thread_count = decoder->threads > 0 ? decoder->threads : default_threads();
    code = avcodec_open2(decoder->context, codec, NULL);
    if (code < 0)
        return libav_error(name, "cannot open its decoder", code);
    return 0;
}

static int begin_draining(struct decoder *decoder, int reason)
{
    if (reason != AVERROR_EOF) {
        char text[AV_ERROR_MAX_STRING_SIZE];
        log_notice("%s: the data breaks off: %s", decoder->name, av_make_error_string(text, sizeof(text), reason));
    }
    decoder->draining = true;
    /* A decoder with threads reports here what it could not decode before. */
    int code = avcodec_send_packet(decoder->context, NULL);
    if (code == AVERROR(ENOMEM))
        return error_memory(decoder->name);
    if (code < 0 && code != AVERROR_EOF)
        decoder->failures++;
    return 0;
}

/* Reads one of the stream's packets into `packet`, or begins to drain the decoder. */
static int read_packet(struct decoder *decoder)
{
    for (;;) {
        if (interrupt_wanted(decoder->interrupt))
            return error_set(SOWLV2_ERROR_CANCELLED, "%s: interrupted", decoder->name);
        int code = av_read_frame(decoder->input.format, decoder->packet);
        if (code == AVERROR(EAGAIN)) {
            usleep(WAIT_MICROSECONDS);
            continue;
        }
        if (code == AVERROR_EXIT || code == AVERROR(ENOMEM))
            return libav_error(decoder->name, "cannot read", code);
        if (code < 0)
            return begin_draining(decoder, code);
        if (decoder->packet->stream_index == decoder->index) {
            decoder->packet_waits = true;
            return 0;
        }
        av_packet_unref(decoder->packet);
    }
}

/* Gives the decoder its next packet. */
static int feed(struct decoder *decoder)
{
    if (!decoder->packet_waits) {
        int status = read_packet(decoder);
        if (status || decoder->draining)
            return status;
    }
    int code = avcodec_send_packet(decoder->context, decoder->packet);
    if (code == AVERROR(EAGAIN))
        return 0; /* it wants to be emptied first */
    av_packet_unref(decoder->packet);
    decoder->packet_waits = false;
    if (code == AVERROR(ENOMEM))
        return error_memory(decoder->name);
    if (code < 0)
        decoder->failures++;
    return 0;
}

/* Decodes the next frame, or returns VIDEO_END. */
int decoder_next(struct decoder *decoder, AVFrame *frame)
{
    while (!decoder->ended) {
        int code = avcodec_receive_frame(decoder->context, frame);
        if (code == 0)
            return 0;
        if (code == AVERROR_EOF)
            break;
        if (code == AVERROR(ENOMEM))
            return error_memory(decoder->name);
        if (code != AVERROR(EAGAIN))
            decoder->failures++;
        if (decoder->draining) {
            if (++decoder->drain_failures > DRAIN_FAILURES)
                break;
            continue;
        }
        int status = feed(decoder);
        if (status)
            return status;
    }
    decoder->ended = true;
    return VIDEO_END;
}

int decoder_open(struct decoder *decoder)
{
    decoder->packet = av_packet_alloc();
    if (!decoder->packet)
        return error_memory(decoder->name);
    decoder->packet_waits = decoder->draining = decoder->ended = false;
    decoder->drain_failures = 0;
    int status = input_open(&decoder->input, decoder->address, decoder->interrupt);
    if (!status)
        status = find_stream(decoder);
    return status ? status : open_codec(decoder);
}

void decoder_flush(struct decoder *decoder)
{
    avcodec_flush_buffers(decoder->context);
    av_packet_unref(decoder->packet);
    decoder->packet_waits = decoder->draining = decoder->ended = false;
    decoder->drain_failures = 0;
}
