/* A stream that FFmpeg decodes. */
#include "base/error.h"
#include "base/log.h"
#include "video/clock_check.h"
#include "video/decoder.h"
#include "video/formats.h"
#include "video/frame_clock.h"
#include "video/libav.h"
#include "video/shown.h"
#include "video/source.h"

#include <errno.h>
#include <libavutil/avstring.h>
#include <libavutil/rational.h>
#include <stdio.h>
#include <stdlib.h>

static const double DEFAULT_RATE = 25;
/* How far the clock may go ahead between two frames: see video_in.h. */
static const double BROADCAST_JUMP = 10, OTHER_JUMP = 3600;
static const double MOST_TOLERANCE = 1e-3;

struct stream {
    struct source source;
    struct decoder decoder;
    struct frame_clock clock;
    AVFrame *held; /* the picture to read next, where it was decoded already */
    double held_time;
    bool has_held;
    int64_t number; /* pictures read since the beginning; */
    bool counted;   /* unless reading began elsewhere */

    bool unreliable;   /* timestamps needed repair: seek from the beginning only */
    bool checked;      /* whether pieces with clocks of their own were joined */
    bool again;        /* reading what was read before: damage is counted already */
    double furthest;   /* time of the last picture that was ever read */
    bool corrupt;      /* so was the last picture that was decoded */
    int width, height; /* of the first frame */
    bool told_size;
    struct converter converter;
};

static double average_rate(const AVStream *video)
{
    AVRational rate = video->avg_frame_rate.num > 0 ? video->avg_frame_rate : video->r_frame_rate;
    double value = rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 0;
    return value >= 1e-3 && value <= 1e4 ? value : 0;
}

static void start_clock(struct stream *stream)
{
    const AVStream *video = decoder_stream(&stream->decoder);
    double rate = average_rate(video), unit = av_q2d(video->time_base);
    bool broadcast = (stream->decoder.input.format->iformat->flags & AVFMT_TS_DISCONT) != 0;
    frame_clock_start(&stream->clock, unit, 1 / (rate > 0 ? rate : DEFAULT_RATE),
                      broadcast ? BROADCAST_JUMP : OTHER_JUMP);
    stream->source.tolerance = (unit < MOST_TOLERANCE ? unit : MOST_TOLERANCE) * 1.001;
}

static bool is_elementary(const struct stream *stream)
{
    return formats_is_elementary(stream->decoder.input.format->iformat->name);
}

static int open_decoder(struct stream *stream)
{
    int status = decoder_open(&stream->decoder);
    stream->has_held = false;
    stream->number = 0;
    stream->counted = true;
    if (!status)
        start_clock(stream);
    return status;
}

/* The data have ended: keeps why, if it was too early. A stream without a container has no other mark of it than that
 * its last picture is not whole. */
static void note_end(struct stream *stream, bool failed)
{
    struct decoder *decoder = &stream->decoder;
    if (stream->source.broken)
        return;
    if (!decoder->broken && (failed || stream->corrupt) && is_elementary(stream)) {
        decoder->broken = SOWLV2_ERROR_FORMAT;
        snprintf(decoder->why, sizeof(decoder->why), "its data stop in the middle of a frame");
    }
    stream->source.broken = decoder->broken;
    stream->source.reached = stream->clock.last;
}

/* Decodes the next frame, or returns VIDEO_END. */
static int decode(struct stream *stream, AVFrame *frame)
{
    struct decoder *decoder = &stream->decoder;
    int64_t failures = decoder->failures, joints = decoder->joints.found;
    int status = decoder_next(decoder, frame);
    if (!stream->again)
        stream->source.damage.skipped += decoder->failures - failures;
    if (decoder->joints.found > joints) {
        stream->unreliable = true;
        if (!stream->again)
            stream->source.damage.joints += decoder->joints.found - joints;
    }
    if (status == VIDEO_END)
        note_end(stream, decoder->failures > failures);
    return status;
}

/* Dirac without a container: FFmpeg's times of it count pictures in the unit of a clock. */
static bool has_times(const struct stream *stream)
{
    return stream->decoder.context->codec_id != AV_CODEC_ID_DIRAC || !is_elementary(stream);
}

static double frame_time(struct stream *stream, const AVFrame *frame)
{
    int64_t before = stream->clock.repaired, missing = stream->clock.missing;
    double time =
        frame_clock_next(&stream->clock, has_times(stream) ? frame->best_effort_timestamp : FRAME_CLOCK_MISSING);
    if (time > stream->furthest) {
        stream->furthest = time;
        stream->again = false;
    }
    if (stream->clock.repaired > before) {
        stream->unreliable = true;
        stream->source.damage.repaired += !stream->again && stream->clock.missing == missing;
    }
    return time;
}

static int check_frame(struct stream *stream, const AVFrame *frame)
{
    const bool corrupt = frame->decode_error_flags || (frame->flags & AV_FRAME_FLAG_CORRUPT);
    stream->corrupt = corrupt || (stream->corrupt && stream->decoder.draining);
    if (corrupt)
        stream->source.damage.concealed += !stream->again;
    if (frame->width <= 0 || frame->height <= 0 || frame->height > stream->decoder.max_pixels / frame->width)
        return image_too_large(stream->source.name, frame->width, frame->height, stream->decoder.max_pixels);
    if (stream->width > 0 && !stream->told_size && !stream->source.quiet &&
        (frame->width != stream->width || frame->height != stream->height)) {
        stream->told_size = true;
        log_notice("%s: the picture changes from %d x %d to %d x %d at %.3f s: it is scaled to the first size",
                   stream->source.name, stream->width, stream->height, frame->width, frame->height, stream->clock.last);
    }
    return 0;
}

static int stream_read(struct source *source, struct picture *out)
{
    struct stream *stream = (struct stream *)source;
    av_frame_unref(out->frame);
    if (stream->has_held) {
        av_frame_move_ref(out->frame, stream->held);
        out->time = stream->held_time;
        stream->has_held = false;
    } else {
        int status = decode(stream, out->frame);
        if (status)
            return status;
        out->time = frame_time(stream, out->frame);
        status = check_frame(stream, out->frame);
        if (status)
            return status;
    }
    double duration = (double)libav_frame_duration(out->frame) * stream->clock.unit;
    out->duration = duration > 0 && duration < OTHER_JUMP ? duration : stream->clock.step;
    stream->number++;
    out->number = stream->counted ? stream->number : (int64_t)(out->time / stream->clock.step + 0.5) + 1;
    return 0;
}

/* Decodes the next picture to be held, leaving out what is before a key frame when `key` is set. */
static int hold_next(struct stream *stream, bool key)
{
    for (;;) {
        av_frame_unref(stream->held);
        int status = decode(stream, stream->held);
        if (status)
            return status;
        if (key && !libav_frame_is_key(stream->held))
            continue;
        stream->held_time = frame_time(stream, stream->held);
        status = check_frame(stream, stream->held);
        if (status)
            return status;
        stream->has_held = true;
        return 0;
    }
}

static int restart(struct stream *stream)
{
    decoder_close(&stream->decoder);
    int status = open_decoder(stream);
    if (!status)
        status = hold_next(stream, false);
    return status == VIDEO_END ? error_set(SOWLV2_ERROR_FORMAT, "%s: it cannot be read again", stream->source.name)
                               : status;
}

/* Tries the index: 0 where a key frame not after `time` comes first. VIDEO_END: use another way. */
static int seek_before(struct stream *stream, double time, double margin)
{
    const struct frame_clock *clock = &stream->clock;
    double steps = (time - margin) / clock->unit;
    if (time - margin <= 0 || !(steps < 9e15))
        return VIDEO_END;
    int64_t stamp = clock->origin + (int64_t)steps; /* both far from the ends: the origin's times were below 1e9 s */
    errno = 0;
    const int code = av_seek_frame(stream->decoder.input.format, stream->decoder.index, stamp, AVSEEK_FLAG_BACKWARD);
    if (libav_is_short())
        return error_memory(stream->source.name);
    if (code < 0)
        return VIDEO_END;
    decoder_flush(&stream->decoder);
    stream->has_held = false;
    stream->counted = false;
    frame_clock_resume(&stream->clock);
    int status = hold_next(stream, true);
    if (status)
        return status;
    return stream->held_time <= time && !stream->unreliable ? 0 : VIDEO_END;
}

/* Whether pieces with clocks of their own were joined. Moves reading. */
static int check_clock(struct stream *stream)
{
    bool one = true;
    const int status =
        stream->checked ? 0 : clock_check(&stream->decoder.input, stream->source.name, stream->decoder.index, &one);
    stream->unreliable |= !one;
    stream->checked = !status;
    return status;
}

static int stream_seek(struct source *source, double time)
{
    struct stream *stream = (struct stream *)source;
    stream->again = true;
    /* After a failure to open again there is no decoder. */
    if (stream->decoder.context && !stream->unreliable && time > 0) {
        const int status = check_clock(stream);
        if (status)
            return status;
    }
    bool indexed = stream->decoder.context && stream->clock.has_origin &&
                   !(stream->decoder.input.format->iformat->flags & AVFMT_NOTIMESTAMPS);
    for (double margin = 0; indexed && !stream->unreliable && margin <= 64; margin = margin > 0 ? margin * 8 : 1) {
        int status = seek_before(stream, time, margin);
        if (status != VIDEO_END)
            return status;
    }
    return restart(stream);
}

static int stream_convert(struct source *source, struct picture *picture, struct image *out)
{
    struct stream *stream = (struct stream *)source;
    return converter_run(&stream->converter, source->name, picture->frame, out);
}

static void stream_close(struct source *source)
{
    struct stream *stream = (struct stream *)source;
    decoder_close(&stream->decoder);
    av_frame_free(&stream->held);
    converter_free(&stream->converter);
    free(stream);
}

static struct orientation find_orientation(const struct stream *stream)
{
    const int32_t *matrix = libav_display_matrix(decoder_stream(&stream->decoder));
    const AVFrameSideData *side = av_frame_get_side_data(stream->held, AV_FRAME_DATA_DISPLAYMATRIX);
    struct orientation orientation;
    if (!matrix && side && side->size >= 9 * sizeof(int32_t))
        matrix = (const int32_t *)(const void *)side->data;
    if (!orientation_from_matrix(matrix, &orientation) && !stream->source.quiet)
        log_notice("%s: its rotation is not by quarter turns: the nearest one is used", stream->source.name);
    return orientation;
}

/* Sizes and colours of the pictures that are given, by the first frame. */
static void start_converter(struct stream *stream)
{
    struct video_info *info = &stream->source.info;
    AVFormatContext *format = stream->decoder.input.format;
    AVStream *video = format->streams[stream->decoder.index];
    AVFrame *frame = stream->held;
    const char *name = stream->source.name;
    struct orientation orientation = find_orientation(stream);
    double peak = tone_peak(frame, video);
    int width, height;
    stream->width = frame->width;
    stream->height = frame->height;
    if (!shown_size(format, video, frame, stream->decoder.max_pixels, &width, &height) && !stream->source.quiet)
        log_notice("%s: the shape it gives its pixels makes no sense: they are taken as square", name);
    if (!stream->source.quiet)
        shown_tell_colours(name, frame, video, peak);
    converter_start(&stream->converter, width, height, orientation, peak);
    info->width = orientation.exchange ? height : width;
    info->height = orientation.exchange ? width : height;
}

/* What is known once the first frame is decoded. */
static void fill_info(struct stream *stream)
{
    struct video_info *info = &stream->source.info;
    const AVStream *video = decoder_stream(&stream->decoder);
    const AVFormatContext *format = stream->decoder.input.format;
    start_converter(stream);
    info->frame_rate = average_rate(video);
    info->has_audio = stream->decoder.has_audio;
    info->codec = stream->decoder.context->codec->name;
    info->seekable = input_is_seekable(&stream->decoder.input);
    info->again = input_can_be_opened_again(&stream->decoder.input);
    if (video->duration != AV_NOPTS_VALUE && video->duration > 0)
        info->duration = (double)video->duration * av_q2d(video->time_base);
    else if (format->duration != AV_NOPTS_VALUE && format->duration > 0)
        info->duration = (double)format->duration / AV_TIME_BASE;
    info->frames = video->nb_frames > 0 ? video->nb_frames : 0;
    if (info->frames == 0 && info->duration > 0 && info->duration < 1e9)
        info->frames = (int64_t)(info->duration * info->frame_rate + 0.5);
    info->live =
        stream->decoder.input.camera || (!info->seekable && !stream->decoder.input.pipe && info->duration <= 0);
    info->origin = stream->clock.has_origin ? (double)stream->clock.origin * stream->clock.unit : 0;
}

/* The length of joined pieces is not what the last one's clock says, and one that is guessed from the size is none. */
static int check_length(struct stream *stream)
{
    const AVFormatContext *format = stream->decoder.input.format;
    bool guessed = format->duration_estimation_method == AVFMT_DURATION_FROM_BITRATE;
    if (!guessed && !(format->iformat->flags & AVFMT_TS_DISCONT))
        return 0;
    stream->again = true;
    const int status = check_clock(stream);
    if (status)
        return status;
    if (guessed || stream->unreliable) {
        stream->source.info.duration = 0;
        stream->source.info.frames = 0;
    }
    return restart(stream);
}

/* The data ended without a picture. */
static int explain_no_frame(const struct stream *stream)
{
    const struct decoder *decoder = &stream->decoder;
    const char *name = stream->source.name;
    if (decoder->input.pipe)
        return error_set(SOWLV2_ERROR_FORMAT,
                         "%s: not one frame in it could be decoded: a pipe cannot be read backwards: give the file "
                         "itself, or an mp4 whose index is in front",
                         name);
    if (!input_is_seekable(&decoder->input) && av_match_name("mov", decoder->input.format->iformat->name))
        return error_set(SOWLV2_ERROR_FORMAT,
                         "%s: not one frame in it could be decoded: its index is at its end, and the server does not "
                         "give parts of a file: download it first",
                         name);
    if (input_is_encrypted(&decoder->input))
        return input_refuse_encrypted(name);
    if (decoder->broken)
        return error_set(SOWLV2_ERROR_FORMAT, "%s: not one frame in it could be decoded: %s", name, decoder->why);
    return error_set(SOWLV2_ERROR_FORMAT, "%s: not one frame in it could be decoded", name);
}

int source_open_stream(const char *address, const struct video_reader_options *options,
                       const struct interrupt *interrupt, struct source **out)
{
    static const struct source_kind kind = {stream_read, stream_convert, stream_seek, stream_close};
    struct stream *stream = calloc(1, sizeof(*stream));
    *out = NULL;
    if (!stream)
        return error_memory(address);
    stream->source.kind = &kind;
    stream->source.name = libav_source_name(address);
    stream->source.pieces = "pieces";
    stream->source.quiet = options->quiet;
    stream->decoder = (struct decoder){.name = stream->source.name,
                                       .address = address,
                                       .descriptor = options->descriptor ? *options->descriptor : -1,
                                       .max_pixels = options->max_pixels,
                                       .threads = options->threads,
                                       .playlists = options->allow_playlists,
                                       .interrupt = interrupt,
                                       .input.descriptor = -1};
    stream->furthest = -1;
    stream->source.why = stream->decoder.why;
    stream->held = av_frame_alloc();
    if (!stream->held) {
        stream_close(&stream->source);
        return error_memory(address);
    }
    int status = open_decoder(stream);
    if (!status)
        status = hold_next(stream, false);
    if (status == VIDEO_END)
        status = explain_no_frame(stream);
    if (status) {
        stream_close(&stream->source);
        return status;
    }
    fill_info(stream);
    if (options->check_length)
        status = check_length(stream);
    if (status) {
        stream_close(&stream->source);
        return status;
    }
    *out = &stream->source;
    return 0;
}
