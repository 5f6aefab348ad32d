/* Fragmented mp4 to plain mp4, packet by packet. */
#include "video/remux.h"

#include "base/error.h"
#include "base/log.h"
#include "video/libav.h"

#include <libavutil/dict.h>
#include <libavutil/mathematics.h>
#include <math.h>
#include <stdlib.h>

struct copy {
    const char *name;
    AVFormatContext *from, *to;
    AVPacket *packet, *after; /* the next one of the video, and the one behind it */
    bool has_packet, has_after, has_first;
    int64_t first, latest; /* pts of the first picture, and of the one that is shown last */
    int64_t first_dts;     /* before 0 where pictures are stored in another order */
    double last;           /* seconds that the latest one is shown */
};

char *remux_file_url(const char *path)
{
    char *url;
    return asprintf(&url, "file:%s", path) >= 0 ? url : NULL;
}

static int fail(const struct copy *copy, int code)
{
    return libav_error(copy->name, "cannot finish the video", code);
}

/* Into `after`. */
static int read_picture(struct copy *copy)
{
    copy->has_after = false;
    av_packet_unref(copy->after);
    int code = av_read_frame(copy->from, copy->after);
    if (libav_is_short()) /* asked before anything else sets errno: what was read is less than what there is */
        return error_memory(copy->name);
    if (code == AVERROR_EOF)
        return 0;
    if (code < 0)
        return fail(copy, code);
    AVPacket *packet = copy->after;
    if (packet->pts == AV_NOPTS_VALUE || packet->dts == AV_NOPTS_VALUE)
        return fail(copy, AVERROR_INVALIDDATA);
    if (!copy->has_first) {
        copy->has_first = true;
        copy->first = packet->pts;
        copy->first_dts = packet->dts - packet->pts;
    }
    packet->pts -= copy->first;
    packet->dts -= copy->first;
    if (packet->pts > copy->latest)
        copy->latest = packet->pts;
    copy->has_after = true;
    return 0;
}

/* Fragments do not say how long their picture is. The last one in the file fills the video's length up where another
 * one is shown later. */
static int next_picture(struct copy *copy)
{
    double unit = av_q2d(copy->from->streams[0]->time_base);
    copy->has_packet = copy->has_after;
    if (!copy->has_packet)
        return 0;
    av_packet_unref(copy->packet);
    av_packet_move_ref(copy->packet, copy->after);
    int status = read_picture(copy);
    copy->packet->duration = llrint(copy->last / unit);
    int64_t rest = copy->latest + copy->first_dts - copy->packet->dts;
    if (!copy->has_after && rest > 0 && copy->packet->pts < copy->latest)
        copy->packet->duration += rest;
    return status;
}

static int add_stream(struct copy *copy, const AVStream *from)
{
    AVStream *stream = avformat_new_stream(copy->to, NULL);
    if (!stream || avcodec_parameters_copy(stream->codecpar, from->codecpar) < 0)
        return error_memory(copy->name);
    stream->codecpar->codec_tag = 0; /* containers number codecs differently */
    stream->time_base = from->time_base;
    stream->avg_frame_rate = from->avg_frame_rate;
    stream->sample_aspect_ratio = from->sample_aspect_ratio;
    return 0;
}

static int open_output(struct copy *copy, const char *url, const struct audio *audio)
{
    int code = avformat_alloc_output_context2(&copy->to, NULL, "mp4", url);
    if (code < 0)
        return fail(copy, code);
    copy->to->strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL; /* FLAC, as FFmpeg 5 files it */
    int status = add_stream(copy, copy->from->streams[0]);
    if (!status && audio->index >= 0)
        status = add_stream(copy, audio_stream(audio));
    if (status)
        return status;
    code = avio_open(&copy->to->pb, url, AVIO_FLAG_WRITE);
    if (code < 0)
        return fail(copy, code);
    AVDictionary *options = NULL;
    code = av_dict_set(&options, "movflags", "+faststart", 0);
    if (code >= 0)
        code = avformat_write_header(copy->to, &options);
    av_dict_free(&options);
    return code < 0 ? fail(copy, code) : 0;
}

static int write_packet(struct copy *copy, AVPacket *packet, int index, AVRational unit)
{
    packet->stream_index = index;
    packet->pos = -1;
    av_packet_rescale_ts(packet, unit, copy->to->streams[index]->time_base);
    int code = av_interleaved_write_frame(copy->to, packet);
    if (libav_is_short())
        return error_memory(copy->name);
    if (code >= 0)
        code = copy->to->pb->error;
    return code < 0 ? fail(copy, code) : 0;
}

/* Both streams in the order of their times. */
static int copy_packets(struct copy *copy, struct audio *audio)
{
    AVRational video_unit = copy->from->streams[0]->time_base;
    AVRational audio_unit = audio->index >= 0 ? audio_stream(audio)->time_base : video_unit;
    int status = read_picture(copy);
    if (!status)
        status = next_picture(copy);
    while (!status && (copy->has_packet || (audio->index >= 0 && audio->has_packet))) {
        bool sound =
            audio->index >= 0 && audio->has_packet &&
            (!copy->has_packet || av_compare_ts(audio->packet->dts, audio_unit, copy->packet->dts, video_unit) < 0);
        if (sound) {
            status = write_packet(copy, audio->packet, 1, audio_unit);
            if (!status)
                status = audio_next(audio);
        } else {
            status = write_packet(copy, copy->packet, 0, video_unit);
            if (!status)
                status = next_picture(copy);
        }
    }
    if (status)
        return status;
    int code = av_write_trailer(copy->to);
    if (libav_is_short())
        return error_memory(copy->name);
    if (code >= 0)
        code = avio_closep(&copy->to->pb);
    return code < 0 ? fail(copy, code) : 0;
}

int remux(const char *name, const char *from, const char *to, double last, struct audio *audio)
{
    struct copy copy = {.name = name, .packet = av_packet_alloc(), .after = av_packet_alloc(), .last = last};
    char *from_url = remux_file_url(from), *to_url = remux_file_url(to);
    int status = copy.packet && copy.after && from_url && to_url ? 0 : error_memory(name);
    int code = status ? 0 : avformat_open_input(&copy.from, from_url, av_find_input_format("mp4"), NULL);
    if (code >= 0 && !status)
        code = avformat_find_stream_info(copy.from, NULL);
    if (code < 0)
        status = fail(&copy, code);
    else if (!status && libav_is_short())
        status = error_memory(name);
    else if (!status && copy.from->nb_streams != 1)
        status = fail(&copy, AVERROR_INVALIDDATA);
    if (!status)
        status = open_output(&copy, to_url, audio);
    if (!status)
        status = copy_packets(&copy, audio);
    if (copy.to && copy.to->pb)
        avio_closep(&copy.to->pb);
    avformat_free_context(copy.to);
    avformat_close_input(&copy.from);
    av_packet_free(&copy.packet);
    av_packet_free(&copy.after);
    free(from_url);
    free(to_url);
    return status;
}
