/* The running file, and its way to the final one. */
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "video/encoder.h"
#include "video/libav.h"
#include "video/remux.h"
#include "video/video_in.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const double MOST_GAP = 10000;

struct video_writer {
    char *path;    /* final name */
    char *running; /* name while it is written; NULL: not made yet, or gone */
    char *audio_source;
    double audio_origin;
    bool audio_quiet, audio_playlists, keep;
    bool failed;       /* a picture could not be added */
    int64_t safe_size; /* of the running file with its whole fragments; 0: none has a picture yet */
    struct encoder encoder;
    AVFormatContext *format;
    bool has_header;
    AVPacket *held; /* waits for the next one, which tells how long it lasts */
    bool has_held;
    int64_t pictures;
    double first, last;       /* times of pictures */
    int64_t last_pts, length; /* of the last picture; how long the one before it was */
};

const char *video_codec_suffix(enum video_codec codec)
{
    return codec == VIDEO_CODEC_FFV1 ? ".mkv" : ".mp4";
}

char *video_running_name(const char *path)
{
    const char *dot = strrchr(path_base(path), '.');
    size_t stem = dot && dot > path_base(path) ? (size_t)(dot - path) : strlen(path);
    char *name;
    return asprintf(&name, "%.*s.unfinished%s", (int)stem, path, path + stem) >= 0 ? name : NULL;
}

/* Makes the running file; one that a killed run left is replaced. */
static int create_running(struct video_writer *writer)
{
    struct file_writer probe;
    int status = file_writer_open(writer->path, &probe); /* says what is wrong with the final name, now */
    if (status)
        return status;
    file_writer_abort(&probe);
    char *name = video_running_name(writer->path);
    if (!name)
        return error_memory(writer->path);
    unlink(name);
    int descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor < 0) {
        status = error_set(SOWLV2_ERROR_IO, "%s: cannot write: %s", name, strerror(errno));
        free(name);
        return status;
    }
    close(descriptor);
    writer->running = name;
    return 0;
}

static int fail(const struct video_writer *writer, int code)
{
    return libav_error(writer->path, "cannot write", code);
}

/* Some encoders and muxers leave out what they had no memory for, and say that all is well. */
static int check_short(const struct video_writer *writer, int status)
{
    return !status && libav_is_short() ? error_memory(writer->path) : status;
}

static int open_muxer(struct video_writer *writer)
{
    bool mkv = writer->encoder.codec == VIDEO_CODEC_FFV1;
    char *url = remux_file_url(writer->running);
    if (!url)
        return error_memory(writer->path);
    int code = avformat_alloc_output_context2(&writer->format, NULL, mkv ? "matroska" : "mp4", url);
    if (code >= 0)
        code = avio_open(&writer->format->pb, url, AVIO_FLAG_WRITE);
    free(url);
    if (code < 0)
        return fail(writer, code);
    AVStream *stream = avformat_new_stream(writer->format, NULL);
    if (!stream || avcodec_parameters_from_context(stream->codecpar, writer->encoder.context) < 0)
        return error_memory(writer->path);
    stream->time_base = writer->encoder.context->time_base;
    stream->avg_frame_rate = writer->encoder.context->framerate;
    stream->sample_aspect_ratio = writer->encoder.context->sample_aspect_ratio;
    AVDictionary *options = NULL;
    /* The index of a plain mp4 is written at its end: after a kill nothing plays. delay_moov keeps the offset that
     * reordered pictures need; without a trailer nothing grows with the number of fragments. */
    code =
        mkv ? 0 : av_dict_set(&options, "movflags", "+frag_every_frame+delay_moov+default_base_moof+skip_trailer", 0);
    if (code >= 0)
        code = avformat_write_header(writer->format, &options);
    av_dict_free(&options);
    if (code < 0)
        return fail(writer, code);
    writer->has_header = true;
    return 0;
}

static int check_options(const char *path, const struct video_writer_options *options)
{
    if (options->width < 1 || options->height < 1 || (options->channels != 1 && options->channels != 3))
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: pictures of %d x %d with %d channels", path, options->width,
                         options->height, options->channels);
    if (options->quality < 0 || options->quality > 51)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: quality %d: give 1 (best) to 51", path, options->quality);
    if (!(options->frame_rate >= 0 && options->frame_rate <= 1e5) || options->threads < 0)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: %g frames a second, %d threads", path, options->frame_rate,
                         options->threads);
    return 0;
}

int video_writer_open(const char *path, const struct video_writer_options *options, struct video_writer **out)
{
    *out = NULL;
    int status = check_options(path, options);
    if (status)
        return status;
    struct video_writer *writer = calloc(1, sizeof(*writer));
    errno = 0; /* for libav_is_short(), here and in the functions below */
    if (!writer)
        return error_memory(path);
    writer->path = strdup(path);
    writer->audio_origin = options->audio_origin;
    writer->audio_quiet = options->audio_quiet;
    writer->audio_playlists = options->audio_playlists;
    writer->keep = options->keep;
    if (options->audio_source)
        writer->audio_source = strdup(options->audio_source);
    writer->held = av_packet_alloc();
    if (!writer->path || !writer->held || (options->audio_source && !writer->audio_source))
        status = error_memory(path);
    if (!status)
        status = encoder_open(writer->path, options, &writer->encoder);
    if (!status)
        status = create_running(writer);
    if (!status)
        status = check_short(writer, open_muxer(writer));
    if (status) {
        video_writer_abort(&writer);
        return status;
    }
    *out = writer;
    return 0;
}

/* Writes out what the muxer has, through all buffers into the file. */
static int flush(struct video_writer *writer)
{
    int code = av_write_frame(writer->format, NULL);
    if (code >= 0)
        avio_flush(writer->format->pb);
    return code >= 0 ? writer->format->pb->error : code;
}

/* Writes the packet that is held. */
static int write_held(struct video_writer *writer, int64_t duration)
{
    if (!writer->has_held)
        return 0;
    writer->has_held = false;
    writer->held->stream_index = 0;
    writer->held->duration = duration;
    av_packet_rescale_ts(writer->held, writer->encoder.context->time_base, writer->format->streams[0]->time_base);
    int code = av_write_frame(writer->format, writer->held);
    av_packet_unref(writer->held);
    if (code >= 0)
        code = flush(writer);
    /* The first time mp4 writes what comes before the fragments alone: a file that nothing plays yet. */
    if (code >= 0 && writer->safe_size == 0)
        code = flush(writer);
    if (code < 0)
        return fail(writer, code);
    writer->safe_size = avio_tell(writer->format->pb);
    return 0;
}

/* Writes the packets that the encoder has. A fragment begins where the one before it ended, so durations must be
 * exact: each packet is held until the next one is there. */
static int write_packets(struct video_writer *writer)
{
    AVPacket *packet = writer->encoder.packet;
    for (;;) {
        int status = encoder_receive(&writer->encoder, writer->path);
        if (status)
            return status == VIDEO_END ? 0 : status;
        if (writer->has_held)
            status = write_held(writer, packet->dts - writer->held->dts);
        av_packet_move_ref(writer->held, packet);
        writer->has_held = true;
        if (status)
            return status;
    }
}

static int add_picture(struct video_writer *writer, const uint8_t *pixels, size_t stride, double time)
{
    AVRational unit = writer->encoder.context->time_base;
    int64_t pts = 0;
    if (!isfinite(time))
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: a picture without a time", writer->path);
    if (writer->pictures > 0) {
        if (!(time > writer->last && time - writer->last <= MOST_GAP))
            return error_set(SOWLV2_ERROR_ARGUMENT, "%s: a picture at %g s after one at %g s", writer->path, time,
                             writer->last);
        pts = llrint((time - writer->first) / av_q2d(unit));
        if (pts <= writer->last_pts)
            pts = writer->last_pts + 1;
        writer->length = pts - writer->last_pts;
    } else {
        AVRational rate = writer->encoder.context->framerate;
        double length = (rate.num > 0 && rate.den > 0 ? 1 / av_q2d(rate) : 1.0 / VIDEO_FOLDER_RATE) / av_q2d(unit);
        writer->first = time;
        writer->length = length >= 1 ? llrint(length < 1e9 ? length : 1e9) : 1;
    }
    int status = encoder_send(&writer->encoder, writer->path, pixels, stride, pts);
    if (status)
        return status;
    writer->last = time;
    writer->last_pts = pts;
    writer->pictures++;
    return write_packets(writer);
}

int video_writer_add(struct video_writer *writer, const uint8_t *pixels, size_t stride, double time)
{
    errno = 0;
    int status = check_short(writer, add_picture(writer, pixels, stride, time));
    if (status)
        writer->failed = true;
    return status;
}

int video_writer_rename(struct video_writer *writer, const char *path)
{
    char *const other = strdup(path);

    if (!other)
        return error_memory(path);
    free(writer->path);
    writer->path = other;
    return 0;
}

void video_writer_hold(struct video_writer *writer, double duration)
{
    double steps = duration / av_q2d(writer->encoder.context->time_base);
    if (writer->pictures > 0 && steps >= 1 && duration <= MOST_GAP)
        writer->length = llrint(steps);
}

/* Ends the running file. */
static int finish_running(struct video_writer *writer)
{
    int status = encoder_send(&writer->encoder, writer->path, NULL, 0, 0);
    if (!status)
        status = write_packets(writer);
    if (!status)
        status = write_held(writer, writer->length);
    if (status)
        return status;
    writer->has_header = false;
    int code = av_write_trailer(writer->format);
    if (code >= 0)
        code = writer->format->pb->error;
    int closed = avio_closep(&writer->format->pb);
    if (code >= 0)
        code = closed;
    return check_short(writer, code < 0 ? fail(writer, code) : 0);
}

/* The copy with its index in front, under the final name. */
static int make_copy(struct video_writer *writer, struct audio *audio)
{
    struct file_writer file;
    int status = file_writer_open(writer->path, &file);
    if (status)
        return status;
    double last = (double)writer->length * av_q2d(writer->encoder.context->time_base);
    errno = 0;
    status = check_short(writer, remux(writer->path, writer->running, file.temporary, last, audio));
    if (!status)
        return file_writer_commit(&file);
    file_writer_abort(&file);
    return status;
}

static int make_final(struct video_writer *writer)
{
    struct audio audio = {.index = -1, .input.descriptor = -1};
    double unit = av_q2d(writer->encoder.context->time_base);
    double begin = writer->audio_origin + writer->first;
    double end = begin + (double)(writer->last_pts + writer->length) * unit;
    int status = 0;
    if (writer->audio_source)
        status = audio_open(writer->audio_quiet ? NULL : writer->path, writer->audio_source, writer->audio_playlists,
                            begin, end, &audio);
    if (!status)
        status = make_copy(writer, &audio);
    bool sound = audio.index >= 0;
    audio_close(&audio);
    if (status && status != SOWLV2_ERROR_MEMORY && sound) {
        log_notice("%s: the sound cannot be copied and is left out: %s", writer->path, error_message());
        status = make_copy(writer, &audio);
    }
    return status;
}

/* Gives the running file its final name; sets this thread's message only where that fails. */
static int take_final_name(struct video_writer *writer)
{
    if (rename(writer->running, writer->path) != 0)
        return error_set(SOWLV2_ERROR_IO, "%s: cannot write: %s", writer->path, strerror(errno));
    free(writer->running);
    writer->running = NULL;
    return 0;
}

/* After an error: the fragments that are whole, without anything new on a disk that may be full. */
static void keep_running(struct video_writer *writer)
{
    if (writer->safe_size <= 0 || !writer->running)
        return;
    if (writer->format && writer->format->pb) {
        writer->format->pb->error = AVERROR(EIO); /* so that what is in its buffer stays there */
        if (writer->has_header)
            av_write_trailer(writer->format);
        writer->has_header = false;
        avio_closep(&writer->format->pb);
    }
    /* Some file systems find out late that they are full: then it is shorter than what was written. */
    struct stat info;
    if (stat(writer->running, &info) == 0 && info.st_size >= writer->safe_size &&
        truncate(writer->running, writer->safe_size) == 0 && rename(writer->running, writer->path) == 0) {
        log_notice("%s: kept as far as it was written", writer->path);
        free(writer->running);
        writer->running = NULL;
    }
}

int video_writer_close(struct video_writer **closed)
{
    struct video_writer *writer = *closed;
    if (!writer || writer->pictures == 0 || writer->failed) {
        if (writer && writer->keep)
            keep_running(writer);
        video_writer_abort(closed);
        return 0;
    }
    errno = 0;
    int status = finish_running(writer);
    bool mkv = writer->encoder.codec == VIDEO_CODEC_FFV1;
    bool copied = false;
    if (!status && !mkv) {
        copied = make_final(writer) == 0;
        if (!copied)
            log_notice("%s: left as it was written, without sound and with its index at the end: %s", writer->path,
                       error_message());
    }
    if (!status && !copied)
        status = take_final_name(writer);
    if (status && writer->keep)
        keep_running(writer);
    video_writer_abort(closed);
    return status;
}

void video_writer_abort(struct video_writer **aborted)
{
    struct video_writer *writer = *aborted;
    if (!writer)
        return;
    if (writer->format) {
        /* Frees what the muxer holds; what it writes is removed below. */
        if (writer->has_header)
            av_write_trailer(writer->format);
        avio_closep(&writer->format->pb);
        avformat_free_context(writer->format);
    }
    if (writer->running)
        unlink(writer->running);
    av_packet_free(&writer->held);
    encoder_free(&writer->encoder);
    free(writer->running);
    free(writer->path);
    free(writer->audio_source);
    free(writer);
    *aborted = NULL;
}
