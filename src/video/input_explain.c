/* A second look at an input: what it begins and ends with, and why it could not be opened. */
#include "base/error.h"
#include "video/formats.h"
#include "video/input.h"
#include "video/libav.h"

#include <libavutil/dict.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void input_look(const struct input *input, struct input_view *out)
{
    *out = (struct input_view){.total = -1};
    if (input->pipe) {
        pipe_input_look(input->pipe, out);
        return;
    }
    AVIOContext *pb = input->camera || !input->format ? NULL : input->format->pb;
    int64_t size = pb && (pb->seekable & AVIO_SEEKABLE_NORMAL) ? avio_size(pb) : 0;
    if (size <= 0)
        return;
    int64_t place = avio_tell(pb);
    if (avio_seek(pb, 0, SEEK_SET) == 0)
        out->head_size = avio_read(pb, out->head, INPUT_HEAD);
    if (avio_seek(pb, size < INPUT_TAIL ? 0 : size - INPUT_TAIL, SEEK_SET) >= 0)
        out->tail_size = avio_read(pb, out->tail, INPUT_TAIL);
    avio_seek(pb, place, SEEK_SET);
    out->head_size = out->head_size > 0 ? out->head_size : 0;
    out->tail_size = out->tail_size > 0 ? out->tail_size : 0;
    out->total = size;
}

int input_refuse_encrypted(const char *name)
{
    return error_set(SOWLV2_ERROR_UNSUPPORTED, "%s: it is encrypted: give a copy without protection", name);
}

bool input_is_encrypted(const struct input *input)
{
    struct input_view *view = malloc(sizeof(*view));
    if (!view)
        return false;
    input_look(input, view);
    bool encrypted = formats_is_encrypted(view->head, (size_t)view->head_size);
    free(view);
    return encrypted;
}

static void read_head(AVIOContext *pb, struct input_view *out, bool *seekable)
{
    int count = avio_read(pb, out->head, INPUT_HEAD);
    out->head_size = count > 0 ? count : 0;
    out->total = count == 0 || count == AVERROR_EOF ? 0 : -1;
    *seekable = (pb->seekable & AVIO_SEEKABLE_NORMAL) != 0;
}

/* What is to be seen of an address that could not be opened as video, without its end. */
static void look_again(const struct input *input, const struct address *address, struct input_view *out, bool *seekable)
{
    AVDictionary *options = NULL;
    AVIOContext *pb = NULL;
    AVIOInterruptCB callback = input_interrupt(input);
    *out = (struct input_view){.total = -1};
    *seekable = true;
    if (input->file) {
        if (avio_seek(input->file, 0, SEEK_SET) == 0)
            read_head(input->file, out, seekable);
        return;
    }
    if (address->protocols)
        av_dict_set(&options, "protocol_whitelist", address->protocols, 0);
    if (avio_open2(&pb, address->url, AVIO_FLAG_READ, &callback, &options) >= 0) {
        read_head(pb, out, seekable);
        avio_closep(&pb);
    }
    av_dict_free(&options);
}

/* Whether all of it, as far as it was looked at, is of one kind. */
static bool is_zeros(const uint8_t *head, int size)
{
    for (int i = 0; i < size; i++)
        if (head[i])
            return false;
    return true;
}

static bool is_text(const uint8_t *head, int size)
{
    for (int i = 0; i < size; i++)
        if (head[i] == 0x7F || (head[i] < 0x20 && !strchr("\t\n\f\r", head[i])))
            return false;
    return true;
}

/* What servers send in place of what is not there, or not for everybody. */
static bool is_web_page(const char *head)
{
    head += strspn(head, " \t\r\n");
    return strncasecmp(head, "<!doctype html", 14) == 0 || strncasecmp(head, "<html", 5) == 0;
}

/* What is no video of any kind, by how it begins. 0: it is not known. */
static int explain_content(const char *name, const struct input *input, const struct input_view *view)
{
    if (view->total == 0)
        return error_set(SOWLV2_ERROR_FORMAT, "%s: %s", name,
                         input->pipe ? "it is empty: nothing came in" : "the file is empty: replace it");
    if (view->head_size == 0)
        return 0;
    if (is_zeros(view->head, view->head_size))
        return error_set(SOWLV2_ERROR_FORMAT,
                         "%s: cannot open as video: it begins with nothing but zeros, like a download or a copy that "
                         "was cut short: get it again",
                         name);
    if (!is_text(view->head, view->head_size))
        return 0;
    if (is_web_page((const char *)view->head)) /* zeros follow it */
        return error_set(SOWLV2_ERROR_FORMAT,
                         "%s: cannot open as video: it is a web page: get the video itself from there", name);
    return error_set(SOWLV2_ERROR_FORMAT, "%s: cannot open as video: it is text", name);
}

/* Whether it is of MP4's family, where an index is needed that may be at the end. */
static bool is_mp4(const struct input_view *view)
{
    return view->head_size >= 8 && memcmp(view->head + 4, "ftyp", 4) == 0;
}

static int explain_data(const char *name, const struct input *input, const struct address *address,
                        const struct input_view *view, bool seekable)
{
    if (!address->playlists && formats_is_playlist(view->head, (size_t)view->head_size))
        return error_set(SOWLV2_ERROR_UNSUPPORTED,
                         "%s: it is a playlist, which opens other files and addresses: --allow-playlists reads it",
                         name);
    if (formats_is_encrypted(view->head, (size_t)view->head_size))
        return input_refuse_encrypted(name);
    int status = explain_content(name, input, view);
    if (status)
        return status;
    if (is_mp4(view) && !seekable && !input->pipe)
        return error_set(SOWLV2_ERROR_FORMAT,
                         "%s: its index is at its end, and the server does not give parts of a file: download it first",
                         name);
    if (input->pipe)
        return error_set(
            SOWLV2_ERROR_FORMAT,
            "%s: cannot open as video: not a format that can be read from a pipe: give the file itself, or "
            "an mp4 whose index is in front",
            name);
    return error_set(SOWLV2_ERROR_FORMAT,
                     "%s: cannot open as video: not a known format, damaged, or cut off before its index", name);
}

int input_explain(const struct input *input, const char *source, const struct address *address, int code)
{
    const char *name = libav_source_name(source);
    struct input_view *view;
    bool seekable = true;
    /* What is not on the list of formats is refused as an invalid argument; what goes back in a pipe, as impossible. */
    bool data = code == AVERROR_INVALIDDATA || code == AVERROR_EOF || code == AVERROR(EINVAL) ||
                (input->pipe && code == AVERROR(ENOSYS)) || (input->pipe && code == AVERROR(ESPIPE));
    if (!data || input->camera)
        return libav_error(name, "cannot open as video", code);
    view = malloc(sizeof(*view));
    if (!view)
        return error_memory(name);
    if (input->pipe)
        pipe_input_look(input->pipe, view);
    else
        look_again(input, address, view, &seekable);
    int status =
        code == AVERROR_EOF ? explain_content(name, input, view) : explain_data(name, input, address, view, seekable);
    if (!status)
        status = error_set(SOWLV2_ERROR_FORMAT, "%s: cannot open as video: the data ends before a video begins", name);
    free(view);
    return status;
}
