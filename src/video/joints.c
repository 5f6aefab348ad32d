/* Times of decoding rise within a piece, so where they go back another one begins. */
#include "video/joints.h"

#include "base/error.h"

#include <libavutil/mathematics.h>
#include <stdlib.h>
#include <string.h>

/* Microseconds: steps ahead and back that are a jump of the clock (times that were guessed at the beginning of a piece
 * go back by less); how near another stream's shift must come to be the same joint; how long a packet lasts where
 * nothing says it. */
static const int64_t AHEAD = 10000000, BACK = 100000, SAME = 500000, STEP = 40000;

static int64_t packet_length(const AVStream *stream, const AVPacket *packet)
{
    if (packet->duration > 0 && av_rescale_q(packet->duration, stream->time_base, AV_TIME_BASE_Q) < AHEAD)
        return av_rescale_q(packet->duration, stream->time_base, AV_TIME_BASE_Q);
    AVRational rate = stream->avg_frame_rate;
    if (rate.num > 0 && rate.den > 0)
        return av_rescale_q(1, av_inv_q(rate), AV_TIME_BASE_Q);
    return STEP;
}

static int reserve(struct joints *joints, unsigned count)
{
    if (count <= joints->count)
        return 0;
    struct joints_stream *streams = realloc(joints->streams, count * sizeof(*streams));
    if (!streams)
        return error_memory("times");
    memset(streams + joints->count, 0, (count - joints->count) * sizeof(*streams));
    joints->streams = streams;
    joints->count = count;
    return 0;
}

static bool is_near(int64_t a, int64_t b)
{
    int64_t difference = av_sat_sub64(a, b);
    return difference > -SAME && difference < SAME;
}

static bool is_jump(const struct joints_stream *stream, int64_t now, int64_t length)
{
    const int64_t back = 3 * length > BACK ? 3 * length : BACK;
    return now < av_sat_sub64(stream->last, back) || now > av_sat_add64(stream->next, AHEAD);
}

/* Where the stream's clock begins anew at `time`: finds its shift, for all streams the same if that fits. */
static void follow(struct joints *joints, struct joints_stream *stream, int64_t time, int64_t length)
{
    int64_t now = av_sat_add64(time, stream->shift);
    if (stream->begun && is_jump(stream, now, length)) {
        if (joints->latest != stream->shift && is_near(av_sat_add64(time, joints->latest), stream->next)) {
            stream->shift = joints->latest;
        } else {
            stream->shift = joints->latest = av_sat_sub64(stream->next, time);
            joints->found++;
        }
        now = av_sat_add64(time, stream->shift);
    }
    stream->begun = true;
    stream->last = now;
    stream->next = av_sat_add64(now, length);
}

int joints_apply(struct joints *joints, const AVFormatContext *format, AVPacket *packet)
{
    if (!(format->iformat->flags & AVFMT_TS_DISCONT))
        return 0;
    int status = reserve(joints, format->nb_streams);
    if (status)
        return status;
    const AVStream *from = format->streams[packet->stream_index];
    struct joints_stream *stream = &joints->streams[packet->stream_index];
    if (packet->dts != AV_NOPTS_VALUE)
        follow(joints, stream, av_rescale_q(packet->dts, from->time_base, AV_TIME_BASE_Q), packet_length(from, packet));
    int64_t shift = av_rescale_q(stream->shift, AV_TIME_BASE_Q, from->time_base);
    if (packet->dts != AV_NOPTS_VALUE)
        packet->dts = av_sat_add64(packet->dts, shift);
    if (packet->pts != AV_NOPTS_VALUE)
        packet->pts = av_sat_add64(packet->pts, shift);
    return 0;
}

void joints_forget(struct joints *joints)
{
    for (unsigned i = 0; i < joints->count; i++)
        joints->streams[i] = (struct joints_stream){0};
    joints->latest = 0;
}

void joints_free(struct joints *joints)
{
    free(joints->streams);
    *joints = (struct joints){0};
}
