/* Opening sources. What a file may refer to is limited: a playlist on disk opens no network address, one from
 * a pipe opens nothing. */
#include "video/input.h"

#include "base/error.h"
#include "video/libav.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libavutil/dict.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool interrupt_wanted(const struct interrupt *interrupt)
{
    return interrupt->interrupted && interrupt->interrupted(interrupt->user_data);
}

static int interrupt_callback(void *opaque)
{
    const struct input *input = opaque;
    return interrupt_wanted(input->interrupt);
}

/* "scheme://", as RFC 3986 spells schemes. */
static bool is_url(const char *source)
{
    const char *end = source;
    if (!isalpha((unsigned char)*end))
        return false;
    while (isalnum((unsigned char)*end) || *end == '+' || *end == '-' || *end == '.')
        end++;
    return strncmp(end, "://", 3) == 0;
}

/* What to give FFmpeg for a source: its address, its demuxer, or a pipe of ours. */
struct address {
    char *url;                   /* NULL: read from the pipe */
    const AVInputFormat *format; /* NULL: by content */
    const char *protocols;       /* that it may open; NULL: those of its own protocol */
};

static int open_pipe(struct input *input, const char *source, int descriptor, struct address *address)
{
    address->protocols = "pipe";
    return pipe_input_create(libav_source_name(source), descriptor, input->interrupt, &input->pipe);
}

static int find_camera(const char *source, struct address *address)
{
    address->format = av_find_input_format("video4linux2");
    if (!address->format)
        return error_set(SOWLV2_ERROR_UNSUPPORTED,
                         "%s: cameras are not built in: build with libavdevice, or pipe the camera's stream to '-'",
                         source);
    return 0;
}

static int make_url(const char *source, const char *prefix, struct address *address)
{
    if (asprintf(&address->url, "%s%s", prefix, source) >= 0)
        return 0;
    address->url = NULL;
    return error_memory(source);
}

static int find_file(struct input *input, const char *source, struct address *address)
{
    struct stat state;
    if (stat(source, &state) != 0)
        return error_set(SOWLV2_ERROR_IO, "%s: cannot open: %s", source, strerror(errno));
    if (S_ISCHR(state.st_mode)) {
        int status = find_camera(source, address);
        input->camera = true;
        return status ? status : make_url(source, "", address);
    }
    if (S_ISREG(state.st_mode)) {
        address->protocols = "file,crypto,data";
        return make_url(source, "file:", address);
    }
    if (S_ISDIR(state.st_mode))
        return error_set(SOWLV2_ERROR_IO, "%s: is a folder", source);
    /* Waiting for the other side to open a FIFO happens in the reads, where it can be interrupted. */
    input->descriptor = open(source, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (input->descriptor < 0)
        return error_set(SOWLV2_ERROR_IO, "%s: cannot open: %s", source, strerror(errno));
    return open_pipe(input, source, input->descriptor, address);
}

static int find_address(struct input *input, const char *source, struct address *address)
{
    if (strcmp(source, "-") == 0) {
        struct stat state;
        /* "< clip.mp4" can be read like the file it is. */
        if (fstat(STDIN_FILENO, &state) == 0 && S_ISREG(state.st_mode)) {
            address->protocols = "file,crypto,data";
            return make_url("/dev/stdin", "file:", address);
        }
        return open_pipe(input, source, STDIN_FILENO, address);
    }
    return is_url(source) ? make_url(source, "", address) : find_file(input, source, address);
}

static int open_format(struct input *input, const char *source, const struct address *address)
{
    const char *name = libav_source_name(source);
    AVDictionary *options = NULL;
    input->format = avformat_alloc_context();
    if (!input->format)
        return error_memory(name);
    input->format->interrupt_callback = (AVIOInterruptCB){interrupt_callback, input};
    if (input->pipe) {
        input->format->pb = input->pipe;
        input->format->flags |= AVFMT_FLAG_CUSTOM_IO;
    }
    if (input->camera)
        input->format->flags |= AVFMT_FLAG_NONBLOCK;
    if (address->protocols && av_dict_set(&options, "protocol_whitelist", address->protocols, 0) < 0) {
        av_dict_free(&options);
        return error_memory(name);
    }
    int code = avformat_open_input(&input->format, address->url, address->format, &options);
    av_dict_free(&options);
    if (code == AVERROR_EOF)
        return error_set(SOWLV2_ERROR_FORMAT, "%s: cannot open as video: the data ends before a video begins", name);
    if (code < 0 && input->pipe && code == AVERROR_INVALIDDATA)
        return error_set(SOWLV2_ERROR_FORMAT,
                         "%s: cannot open as video: not a format that can be read from a pipe: give the file "
                         "itself, or an mp4 whose index is in front",
                         name);
    if (code == AVERROR_INVALIDDATA)
        return error_set(SOWLV2_ERROR_FORMAT,
                         "%s: cannot open as video: not a known format, damaged, or cut off before its index", name);
    if (code < 0)
        return libav_error(name, "cannot open as video", code);
    /* A camera delivers nothing for a moment after it is switched on, and says all of its format at once. */
    if (!input->camera)
        code = avformat_find_stream_info(input->format, NULL);
    if (code < 0)
        return libav_error(name, "cannot find its streams", code);
    return 0;
}

int input_open(struct input *out, const char *source, const struct interrupt *interrupt)
{
    struct address address = {0};
    *out = (struct input){.descriptor = -1, .interrupt = interrupt};
    libav_start();
    int status = find_address(out, source, &address);
    if (!status)
        status = open_format(out, source, &address);
    free(address.url);
    if (status)
        input_close(out);
    return status;
}

void input_close(struct input *input)
{
    avformat_close_input(&input->format);
    pipe_input_free(&input->pipe);
    if (input->descriptor >= 0)
        close(input->descriptor);
    input->descriptor = -1;
}

bool input_is_seekable(const struct input *input)
{
    const AVFormatContext *format = input->format;
    if (input->camera || input->pipe || (format->ctx_flags & AVFMTCTX_UNSEEKABLE))
        return false;
    if (format->pb)
        return (format->pb->seekable & AVIO_SEEKABLE_NORMAL) != 0;
    return format->duration != AV_NOPTS_VALUE && format->duration > 0;
}
