/* Opening sources. A file or a pipe is opened by the formats that bring their pictures with them; what refers to other
 * files and addresses only where playlists were asked for. */
#include "video/input.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/url.h"
#include "video/formats.h"
#include "video/libav.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libavutil/dict.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
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

AVIOInterruptCB input_interrupt(const struct input *input)
{
    return (AVIOInterruptCB){interrupt_callback, (void *)(uintptr_t)input};
}

/* Length of the scheme of "scheme://", as RFC 3986 spells it; 0: it is no address. */
static size_t scheme_length(const char *source)
{
    const char *end = source;
    if (!isalpha((unsigned char)*end))
        return 0;
    while (isalnum((unsigned char)*end) || *end == '+' || *end == '-' || *end == '.')
        end++;
    return strncmp(end, "://", 3) == 0 ? (size_t)(end - source) : 0;
}

/* Whether an address says by its name that it is a playlist: who gives it asks for one. */
static bool is_playlist_address(const char *url)
{
    static const char *const suffixes[] = {".m3u8", ".m3u", ".mpd"};
    size_t length = strcspn(url, "?#");
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
        size_t size = strlen(suffixes[i]);
        if (length > size && strncasecmp(url + length - size, suffixes[i], size) == 0)
            return true;
    }
    return false;
}

static int open_pipe(struct input *input, const char *source, int descriptor, struct address *address)
{
    address->formats = formats_demuxers(false, address->playlists);
    address->protocols = formats_protocols(address->playlists);
    return pipe_input_create(libav_source_name(source), descriptor, input->interrupt, &input->pipe);
}

static int find_camera(const char *source, struct address *address)
{
    address->format = av_find_input_format("video4linux2");
    address->formats = NULL;
    if (!address->format)
        return error_set(SOWLV2_ERROR_UNSUPPORTED,
                         "%s: cameras are not built in: build with libavdevice, or pipe the camera's stream to '-'",
                         source);
    return 0;
}

static int make_url(const char *source, const char *prefix, struct address *address)
{
    const int length = (int)url_asked_length(source);
    if (asprintf(&address->url, "%s%.*s", prefix, length, source) >= 0)
        return 0;
    address->url = NULL;
    return error_memory(source);
}

/* The format of a file by its content alone; NULL: not known. */
static const AVInputFormat *probe_content(AVIOContext *pb)
{
    uint8_t head[INPUT_HEAD + AVPROBE_PADDING_SIZE] = {0};
    const int count = pb ? avio_read(pb, head, INPUT_HEAD) : 0;
    AVProbeData data = {.filename = "", .buf = head, .buf_size = count > 0 ? count : 0};
    int score = 0;
    return av_probe_input_format3(&data, 1, &score);
}

static int make_file_url(const struct input *input, const char *path, struct address *address)
{
    AVIOContext *pb = input->file;
    const int status = make_url(path, "file:", address);
    if (status)
        return status;
    /* An image's name with a '%' is a pattern of many to FFmpeg. */
    if (strchr(path, '%')) {
        if (!pb && avio_open(&pb, address->url, AVIO_FLAG_READ) < 0)
            pb = NULL;
        address->format = probe_content(pb);
        if (pb == input->file && pb)
            avio_seek(pb, 0, SEEK_SET);
        else
            avio_closep(&pb);
    }
    address->formats = formats_demuxers(false, address->playlists);
    address->protocols = formats_protocols(address->playlists);
    return 0;
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
    if (S_ISREG(state.st_mode))
        return make_file_url(input, source, address);
    if (S_ISDIR(state.st_mode))
        return error_set(SOWLV2_ERROR_IO, "%s: is a folder", source);
    /* Waiting for the other side to open a FIFO happens in the reads, where it can be interrupted. */
    input->descriptor = open(source, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (input->descriptor < 0)
        return error_set(SOWLV2_ERROR_IO, "%s: cannot open: %s", source, strerror(errno));
    return open_pipe(input, source, input->descriptor, address);
}

static int find_network(const char *source, size_t scheme, struct address *address)
{
    if (!formats_is_scheme(source, scheme))
        return error_set(
            SOWLV2_ERROR_UNSUPPORTED,
            "%s: unknown protocol '%.*s': give a file, or an address of http, https, ftp, rtsp, rtmp, srt, "
            "udp or the like",
            source, (int)scheme, source);
    address->playlists |= is_playlist_address(source);
    address->formats = formats_demuxers(true, address->playlists);
    return make_url(source, "", address);
}

static int find_address(struct input *input, const char *source, struct address *address)
{
    if (strcmp(source, "-") == 0) {
        struct stat state;
        /* "< clip.mp4" can be read like the file it is. */
        if (fstat(STDIN_FILENO, &state) == 0 && S_ISREG(state.st_mode))
            return make_file_url(input, "/dev/stdin", address);
        return open_pipe(input, source, STDIN_FILENO, address);
    }
    size_t scheme = scheme_length(source);
    if (scheme == 4 && strncasecmp(source, "file", 4) == 0)
        return find_file(input, source + strlen("file://"), address);
    return scheme > 0 ? find_network(source, scheme, address) : find_file(input, source, address);
}

bool input_is_address(const char *source)
{
    const size_t scheme = scheme_length(source);
    return scheme > 0 && !(scheme == 4 && strncasecmp(source, "file", 4) == 0);
}

const char *input_path(const char *source)
{
    if (strcmp(source, "-") == 0)
        return "/dev/stdin";
    return scheme_length(source) > 0 ? source + strlen("file://") : source;
}

/* What was opened by somebody else. */
static int take_given(struct input *input, const char *source, int descriptor, struct address *address)
{
    if (lseek(descriptor, 0, SEEK_SET) != 0)
        return open_pipe(input, source, descriptor, address);
    const int status = file_input_create(libav_source_name(source), descriptor, &input->file);
    return status ? status : make_file_url(input, input_path(source), address);
}

static int set_option(AVDictionary **options, const char *key, const char *value)
{
    return value && av_dict_set(options, key, value, 0) < 0 ? SOWLV2_ERROR_MEMORY : 0;
}

static int open_format(struct input *input, const char *source, const struct address *address)
{
    const char *name = libav_source_name(source);
    AVDictionary *options = NULL;
    input->format = avformat_alloc_context();
    if (!input->format)
        return error_memory(name);
    input->format->interrupt_callback = input_interrupt(input);
    if (input->pipe || input->file) {
        input->format->pb = input->pipe ? input->pipe : input->file;
        input->format->flags |= AVFMT_FLAG_CUSTOM_IO;
    }
    if (input->camera)
        input->format->flags |= AVFMT_FLAG_NONBLOCK;
    if (set_option(&options, "protocol_whitelist", address->protocols) ||
        set_option(&options, "format_whitelist", address->formats)) {
        av_dict_free(&options);
        return error_memory(name);
    }
    int status = memory_check(name, 0);
    if (status) {
        av_dict_free(&options);
        return status;
    }
    errno = 0;
    int code = avformat_open_input(&input->format, address->url, address->format, &options);
    av_dict_free(&options);
    if (code < 0)
        return libav_is_short() ? error_memory(name) : input_explain(input, source, address, code);
    /* A camera delivers nothing for a moment after it is switched on, and says all of its format at once. */
    if (!input->camera)
        code = avformat_find_stream_info(input->format, NULL);
    /* Also where it has gone well: a stream, or what is known of it, may be lost. */
    if (libav_is_short())
        return error_memory(name);
    if (code >= 0)
        return 0;
    return input_is_encrypted(input) ? input_refuse_encrypted(name)
                                     : libav_error(name, "cannot find its streams", code);
}

int input_open(struct input *out, const char *source, int descriptor, bool playlists, const struct interrupt *interrupt)
{
    struct address address = {.playlists = playlists};
    *out = (struct input){.descriptor = -1, .interrupt = interrupt};
    int status = libav_start(libav_source_name(source));
    if (!status)
        status = descriptor >= 0 ? take_given(out, source, descriptor, &address) : find_address(out, source, &address);
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
    file_input_free(&input->file);
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

bool input_can_be_opened_again(const struct input *input)
{
    const AVFormatContext *format = input->format;
    if (input->camera || input->pipe)
        return false;
    if (input_is_seekable(input) || format->duration > 0)
        return true;
    return format->pb && avio_size(format->pb) > 0;
}
