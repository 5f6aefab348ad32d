/* Reads a source's sound a second time, from the place where the pictures began. */
#include "video/audio.h"

#include "base/error.h"
#include "base/log.h"
#include "video/libav.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const AVStream *audio_stream(const struct audio *audio)
{
    return audio->input.format->streams[audio->index];
}

static bool fits_mp4(enum AVCodecID codec)
{
    const AVOutputFormat *mp4 = av_guess_format("mp4", NULL, NULL);
    return mp4 && avformat_query_codec(mp4, codec, FF_COMPLIANCE_NORMAL) == 1;
}

/* Says why there is no sound. */
static void leave_out(const char *name, const char *source, const char *why)
{
    if (name)
        log_notice("%s: without sound: %s%s", name, source, why);
}

/* A pipe has given all it had, and opening one with a name would wait for who writes to it. */
static bool is_pipe(const char *source)
{
    struct stat state;
    if (strcmp(source, "-") == 0)
        return fstat(STDIN_FILENO, &state) != 0 || !S_ISREG(state.st_mode);
    return stat(source, &state) == 0 && !S_ISREG(state.st_mode);
}

/* Opens the input and finds its sound; says why not. */
static void find_sound(const char *name, const char *source, bool playlists, struct audio *audio)
{
    if (is_pipe(source)) {
        leave_out(name, libav_source_name(source), " cannot be read a second time");
        return;
    }
    if (input_open(&audio->input, source, -1, playlists, &audio->interrupt) != 0) {
        leave_out(name, error_message(), "");
        return;
    }
    AVFormatContext *format = audio->input.format;
    int index = av_find_best_stream(format, AVMEDIA_TYPE_AUDIO, -1, -1, NULL, 0);
    if (index < 0)
        return;
    if (!input_can_be_opened_again(&audio->input)) {
        leave_out(name, source, " cannot be read a second time");
        return;
    }
    enum AVCodecID codec = format->streams[index]->codecpar->codec_id;
    if (!fits_mp4(codec)) {
        leave_out(name, avcodec_get_name(codec), " does not fit into mp4");
        return;
    }
    audio->index = index;
    for (unsigned i = 0; i < format->nb_streams; i++)
        if ((int)i != index)
            format->streams[i]->discard = AVDISCARD_ALL;
}

/* Goes to where the sound begins. Where that fails, more is read and left out; so it is in formats whose clock may
 * begin anew, in which a time is no place. */
static void go_to_begin(struct audio *audio)
{
    const AVStream *stream = audio_stream(audio);
    if (audio->input.format->iformat->flags & AVFMT_TS_DISCONT || !input_is_seekable(&audio->input))
        return;
    if (stream->start_time == AV_NOPTS_VALUE || audio->offset > stream->start_time)
        av_seek_frame(audio->input.format, audio->index, audio->offset, AVSEEK_FLAG_BACKWARD);
}

int audio_open(const char *name, const char *source, bool playlists, double begin, double end, struct audio *out)
{
    *out = (struct audio){.index = -1, .input.descriptor = -1};
    find_sound(name, source, playlists, out);
    if (out->index < 0)
        return 0;
    const AVStream *stream = audio_stream(out);
    double unit = av_q2d(stream->time_base);
    if (!(fabs(begin / unit) < 9e15 && fabs(end / unit) < 9e15)) {
        out->index = -1;
        return 0;
    }
    out->offset = llrint(begin / unit);
    out->end = llrint(end / unit) - out->offset;
    out->packet = av_packet_alloc();
    if (!out->packet)
        return error_memory(name ? name : "sound");
    go_to_begin(out);
    return audio_next(out);
}

void audio_close(struct audio *audio)
{
    av_packet_free(&audio->packet);
    input_close(&audio->input);
    joints_free(&audio->joints);
    audio->index = -1;
}

int audio_next(struct audio *audio)
{
    AVPacket *packet = audio->packet;
    audio->has_packet = false;
    for (;;) {
        av_packet_unref(packet);
        errno = 0;
        int code = av_read_frame(audio->input.format, packet);
        if (code == AVERROR(ENOMEM) || libav_is_short())
            return error_memory("sound");
        if (code < 0)
            return 0;
        if (packet->stream_index != audio->index)
            continue;
        int status = joints_apply(&audio->joints, audio->input.format, packet);
        if (status)
            return status;
        int64_t time = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
        time = time != AV_NOPTS_VALUE ? av_sat_sub64(time, audio->offset) : audio->expected;
        int64_t length = packet->duration > 0 ? packet->duration : 0;
        if (time >= audio->end)
            return 0;
        bool outside = av_sat_add64(time, length) <= 0;
        /* Sound has no order but that of its times; what goes back would stop the muxer. */
        if (outside || time < audio->expected - length)
            continue;
        audio->expected = av_sat_add64(time, length);
        packet->pts = packet->dts = time;
        audio->has_packet = true;
        return 0;
    }
}
