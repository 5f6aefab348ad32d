/* A look at some places. */
#include "video/clock_check.h"

#include "base/error.h"
#include "video/libav.h"

#include <errno.h>
#include <libavutil/avstring.h>

enum { PLACES = 16, MOST_PACKETS = 400 };

/* The first time of decoding behind a place; AV_NOPTS_VALUE: there is none near. */
static int64_t time_at(AVFormatContext *format, int index, int64_t place, AVPacket *packet)
{
    int64_t time = AV_NOPTS_VALUE;
    if (av_seek_frame(format, index, place, AVSEEK_FLAG_BYTE) < 0)
        return time;
    for (int i = 0; i < MOST_PACKETS && time == AV_NOPTS_VALUE; i++) {
        if (av_read_frame(format, packet) < 0)
            break;
        if (packet->stream_index == index)
            time = packet->dts;
        av_packet_unref(packet);
    }
    return time;
}

int clock_check(const struct input *input, const char *name, int index, bool *one)
{
    *one = true;
    AVFormatContext *format = input->format;
    if (!av_match_name(format->iformat->name, "mpegts,mpeg") || !input_is_seekable(input))
        return 0;
    int64_t size = avio_size(format->pb), last = AV_NOPTS_VALUE;
    AVPacket *packet = av_packet_alloc();
    errno = 0;
    for (int64_t i = 0; i < PLACES && packet && size > 0 && *one; i++) {
        int64_t time = time_at(format, index, size / PLACES * i, packet);
        if (time == AV_NOPTS_VALUE)
            continue;
        *one = last == AV_NOPTS_VALUE || time >= last;
        last = time;
    }
    const bool short_of = !packet || libav_is_short();
    av_packet_free(&packet);
    return short_of ? error_memory(name) : 0;
}
