/* Demuxing and decoding. */
#include "video/decoder.h"

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/processors.h"
#include "video/formats.h"
#include "video/libav.h"
#include "video/video_in.h"

#include <errno.h>
#include <libavutil/avstring.h>
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
    joints_free(&decoder->joints);
    decoder->ended = true;
}

/* Whether the container says that the stream can be read with a key only. */
static bool is_encrypted(const struct decoder *decoder)
{
    static const char *const tags[] = {"encv", "drmi"};
    const AVStream *video = decoder_stream(decoder);
    for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++)
        if (video->codecpar->codec_tag == MKTAG(tags[i][0], tags[i][1], tags[i][2], tags[i][3]))
            return true;
    return av_match_name("matroska", decoder->input.format->iformat->name) && libav_has_encryption(video);
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
        return image_too_large(name, parameters->width, parameters->height, decoder->max_pixels);
    return is_encrypted(decoder) ? input_refuse_encrypted(decoder->name) : 0;
}

static int default_threads(void)
{
    const int count = processors_count();
    return count > MOST_THREADS ? MOST_THREADS : count;
}

/* What the threads of a codec ask for beyond the picture in hand: some FFmpeg crash where they do not get it. */
static int check_memory(const struct decoder *decoder)
{
    enum { BYTES_A_PIXEL = 8 };
    const AVCodecContext *context = decoder->context;
    const uint64_t pixels =
        context->width > 0 && context->height > 0 ? (uint64_t)context->width * (uint64_t)context->height : 0;
    return memory_check(decoder->name, pixels * BYTES_A_PIXEL * (uint64_t)context->thread_count);
}

/* Whether memory was short since errno was set to 0, whatever the call gave: some codecs leave a picture out then and
 * say that all is well. */
static bool was_short(struct decoder *decoder, int code)
{
    return code == AVERROR(ENOMEM) || libav_is_short() ||
           atomic_load_explicit(&decoder->short_of_memory, memory_order_relaxed);
}

/* Whether frames may be decoded beside each other, each in a thread of its own. */
static bool may_have_frame_threads(const struct decoder *decoder, const AVCodec *codec)
{
    /* In these a frame that gets no memory says to nobody how far it is, and a thread that needs it waits for ever. */
    if (codec->id == AV_CODEC_ID_VP9 || codec->id == AV_CODEC_ID_MPEG4)
        return false;
    /* That such a stream was cut shows in its last frame alone, which may be here before what is wrong with it is
     * known.
     */
    return !formats_is_elementary(decoder->input.format->iformat->name);
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
    if (!may_have_frame_threads(decoder, codec))
        decoder->context->thread_type = FF_THREAD_SLICE;
    libav_watch_memory(decoder->context, &decoder->short_of_memory);
    int status = check_memory(decoder);
    if (status)
        return status;
    errno = 0;
    code = avcodec_open2(decoder->context, codec, NULL);
    if (code < 0)
        return libav_error(name, "cannot open its decoder", code);
    return was_short(decoder, code) ? error_memory(name) : 0; /* what the container says of the pictures may be lost */
}

/* The data have ended with `code`: notes whether they should have gone on. */
static void note_end(struct decoder *decoder, int code)
{
    const AVIOContext *pb = decoder->input.format->pb;
    char text[AV_ERROR_MAX_STRING_SIZE];
    if (decoder->broken)
        return;
    /* Most demuxers take an error of reading for the end; some say that the end is an error of reading. */
    if (code == AVERROR_EOF && pb && pb->error < 0 && pb->error != AVERROR_EOF)
        code = pb->error;
    bool short_of = code == AVERROR(EIO) && pb && pb->error >= 0;
    if (code == AVERROR_EOF || short_of) {
        if (input_ends_early(&decoder->input, &decoder->end, decoder->why) || short_of)
            decoder->broken = SOWLV2_ERROR_FORMAT;
        if (short_of && !*decoder->why)
            snprintf(decoder->why, sizeof(decoder->why), "its data stop in the middle of a frame");
        return;
    }
    decoder->broken = code == AVERROR_INVALIDDATA ? SOWLV2_ERROR_FORMAT : SOWLV2_ERROR_IO;
    snprintf(decoder->why, sizeof(decoder->why), "%s", av_make_error_string(text, sizeof(text), code));
}

static int begin_draining(struct decoder *decoder)
{
    decoder->draining = true;
    /* A decoder with threads reports here what it could not decode before. */
    errno = 0;
    int code = avcodec_send_packet(decoder->context, NULL);
    if (was_short(decoder, code))
        return error_memory(decoder->name);
    if (code < 0 && code != AVERROR_EOF)
        decoder->failures++;
    return 0;
}

/* One of the stream's packets was read. */
static int take_packet(struct decoder *decoder)
{
    const AVPacket *packet = decoder->packet;
    if (av_packet_get_side_data(packet, AV_PKT_DATA_ENCRYPTION_INFO, NULL)) {
        if (!decoder->begun)
            return input_refuse_encrypted(decoder->name);
        if (!decoder->broken)
            snprintf(decoder->why, sizeof(decoder->why), "it is encrypted from there on");
        decoder->broken = SOWLV2_ERROR_UNSUPPORTED;
        av_packet_unref(decoder->packet);
        return begin_draining(decoder);
    }
    decoder->begun = decoder->packet_waits = true;
    decoder->end.corrupt = (packet->flags & AV_PKT_FLAG_CORRUPT) != 0;
    decoder->end.packet_end = packet->pos >= 0 ? packet->pos + packet->size : -1;
    return joints_apply(&decoder->joints, decoder->input.format, decoder->packet);
}

/* Reads one of the stream's packets into `packet`, or begins to drain the decoder. */
static int read_packet(struct decoder *decoder)
{
    for (;;) {
        errno = 0;
        int code =
            interrupt_wanted(decoder->interrupt) ? AVERROR_EXIT : av_read_frame(decoder->input.format, decoder->packet);
        if (code == AVERROR(EAGAIN)) {
            usleep(WAIT_MICROSECONDS);
            continue;
        }
        /* An interrupt is the end of the data, too, for some demuxers. */
        if (code != AVERROR(EAGAIN) && libav_is_short())
            code = AVERROR(ENOMEM); /* what was read is less than what there is */
        if (code < 0 && code != AVERROR(ENOMEM) && interrupt_wanted(decoder->interrupt))
            code = AVERROR_EXIT;
        if (code == AVERROR_EXIT || code == AVERROR(ENOMEM))
            return libav_error(decoder->name, "cannot read", code);
        if (code < 0) {
            note_end(decoder, code);
            return begin_draining(decoder);
        }
        if (decoder->packet->stream_index == decoder->index)
            return take_packet(decoder);
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
    int status = check_memory(decoder);
    if (status)
        return status;
    errno = 0;
    int code = avcodec_send_packet(decoder->context, decoder->packet);
    if (code == AVERROR(EAGAIN))
        return 0; /* it wants to be emptied first */
    av_packet_unref(decoder->packet);
    decoder->packet_waits = false;
    if (was_short(decoder, code))
        return error_memory(decoder->name);
    if (code < 0)
        decoder->failures++;
    return 0;
}

/* Decodes the next frame, or returns VIDEO_END. */
int decoder_next(struct decoder *decoder, AVFrame *frame)
{
    while (!decoder->ended) {
        errno = 0;
        int code = avcodec_receive_frame(decoder->context, frame);
        if (was_short(decoder, code))
            return error_memory(decoder->name);
        if (code == 0)
            return 0;
        if (code == AVERROR_EOF)
            break;
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
    decoder->begun = false;
    decoder->end = (struct input_end){.packet_end = -1};
    decoder->short_of_memory = false;
    int status =
        input_open(&decoder->input, decoder->address, decoder->descriptor, decoder->playlists, decoder->interrupt);
    if (!status) {
        status = find_stream(decoder);
        if (status == SOWLV2_ERROR_FORMAT && input_is_encrypted(&decoder->input))
            status = input_refuse_encrypted(decoder->name);
    }
    return status ? status : open_codec(decoder);
}

void decoder_flush(struct decoder *decoder)
{
    errno = 0;
    avcodec_flush_buffers(decoder->context);
    av_packet_unref(decoder->packet);
    joints_forget(&decoder->joints);
    decoder->packet_waits = decoder->draining = decoder->ended = false;
    decoder->drain_failures = 0;
}
