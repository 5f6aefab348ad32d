/* See fetch.h. */
#include "video/fetch.h"

#include "base/error.h"
#include "video/libav.h"

#include <libavformat/avformat.h>
#include <libavutil/dict.h>
#include <stdlib.h>
#include <string.h>

/* Microseconds without a byte after which the other side counts as gone. */
#define PATIENCE "30000000"

enum { PIECE = 1 << 16, FIRST_CAPACITY = 1 << 18 };

static int ask(void *opaque)
{
    const struct fetch_interrupt *const interrupt = opaque;

    return interrupt && interrupt->interrupted && interrupt->interrupted(interrupt->user_data);
}

static int open_url(const char *url, const struct fetch_interrupt *interrupt, AVIOContext **out)
{
    const AVIOInterruptCB callback = {ask, (void *)(uintptr_t)interrupt};
    AVDictionary *options = NULL;
    const int status = libav_start(url);
    int code;

    if (status)
        return status;
    if (av_dict_set(&options, "rw_timeout", PATIENCE, 0) < 0 ||
        av_dict_set(&options, "protocol_whitelist", "http,https,httpproxy,ftp,tcp,tls", 0) < 0) {
        av_dict_free(&options);
        return error_memory(url);
    }
    code = avio_open2(out, url, AVIO_FLAG_READ, &callback, &options);
    av_dict_free(&options);
    return code < 0 ? libav_error(url, "cannot be opened", code) : 0;
}

/* Reads on until `capacity` is full or there is no more; how many bytes, or an error. */
static int64_t read_pieces(AVIOContext *context, const char *url, uint8_t *to, size_t capacity)
{
    size_t length = 0;

    while (length < capacity) {
        const size_t left = capacity - length;
        const int count = avio_read_partial(context, to + length, (int)(left < PIECE ? left : PIECE));

        if (count == AVERROR_EOF || count == 0)
            break;
        if (count < 0)
            return libav_error(url, "cannot be read", count);
        length += (size_t)count;
    }
    return (int64_t)length;
}

static int read_all(AVIOContext *context, const char *url, size_t most, char **out, size_t *size)
{
    size_t capacity = FIRST_CAPACITY, length = 0;
    char *data = NULL;

    for (;;) {
        char *const larger = realloc(data, capacity);
        int64_t count;

        if (!larger) {
            free(data);
            return error_memory(url);
        }
        data = larger;
        count = read_pieces(context, url, (uint8_t *)data + length, capacity - length);
        if (count < 0) {
            free(data);
            return (int)count;
        }
        length += (size_t)count;
        if (length > most) {
            free(data);
            return error_set(SOWLV2_ERROR_FORMAT, "%s: larger than %zu bytes: not an image", url, most);
        }
        if (length < capacity)
            break;
        capacity *= 2;
    }
    *out = data;
    *size = length;
    return 0;
}

int fetch_all(const char *url, size_t most, const struct fetch_interrupt *interrupt, char **out, size_t *size)
{
    AVIOContext *context = NULL;
    int status = open_url(url, interrupt, &context);

    *out = NULL;
    *size = 0;
    if (!status)
        status = read_all(context, url, most, out, size);
    avio_closep(&context);
    return status;
}

int fetch_head(const char *url, uint8_t *head, size_t capacity, const struct fetch_interrupt *interrupt)
{
    AVIOContext *context = NULL;
    const int status = open_url(url, interrupt, &context);
    const int64_t count = status ? status : read_pieces(context, url, head, capacity);

    avio_closep(&context);
    return (int)count;
}
