/* Reads descriptors for FFmpeg. Its own pipe protocol waits inside read(), where Ctrl-C does not reach; its protocol
 * for files opens them by their names. */
#include "base/error.h"
#include "video/input.h"

#include <errno.h>
#include <libavutil/mem.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER_BYTES = 65536, POLL_MILLISECONDS = 100 };

struct pipe_input {
    int descriptor;
    const struct interrupt *interrupt;
    uint8_t head[INPUT_HEAD],
        tail[INPUT_TAIL]; /* what came first; and last, a ring in which byte i is at i % INPUT_TAIL
                           */
    int64_t total;        /* bytes that came */
};

static int keep(struct pipe_input *input, const uint8_t *bytes, int count)
{
    for (int i = 0; i < count && input->total + i < INPUT_HEAD; i++)
        input->head[input->total + i] = bytes[i];
    for (int done = 0, part; done < count; done += part) {
        int place = (int)((input->total + done) % INPUT_TAIL);
        part = INPUT_TAIL - place < count - done ? INPUT_TAIL - place : count - done;
        memcpy(input->tail + place, bytes + done, (size_t)part);
    }
    input->total += count;
    return count;
}

static int read_some(void *opaque, uint8_t *buffer, int size)
{
    struct pipe_input *input = opaque;
    for (;;) {
        if (interrupt_wanted(input->interrupt))
            return AVERROR_EXIT;
        struct pollfd wait = {.fd = input->descriptor, .events = POLLIN};
        int ready = poll(&wait, 1, POLL_MILLISECONDS);
        if (ready < 0 && errno != EINTR)
            return AVERROR(errno);
        if (ready <= 0)
            continue;
        ssize_t count = read(input->descriptor, buffer, (size_t)size);
        if (count > 0)
            return keep(input, buffer, (int)count);
        if (count == 0)
            return AVERROR_EOF;
        if (errno != EINTR && errno != EAGAIN)
            return AVERROR(errno);
    }
}

int pipe_input_create(const char *name, int descriptor, const struct interrupt *interrupt, AVIOContext **out)
{
    struct pipe_input *input = calloc(1, sizeof(*input));
    uint8_t *buffer = av_malloc(BUFFER_BYTES);
    *out = NULL;
    if (input && buffer) {
        *input = (struct pipe_input){.descriptor = descriptor, .interrupt = interrupt};
        *out = avio_alloc_context(buffer, BUFFER_BYTES, 0, input, read_some, NULL, NULL);
    }
    if (!*out) {
        av_free(buffer);
        free(input);
        return error_memory(name);
    }
    (*out)->seekable = 0;
    return 0;
}

void pipe_input_look(const AVIOContext *context, struct input_view *out)
{
    const struct pipe_input *input = context->opaque;
    *out = (struct input_view){.total = input->total};
    out->head_size = input->total < INPUT_HEAD ? (int)input->total : INPUT_HEAD;
    out->tail_size = input->total < INPUT_TAIL ? (int)input->total : INPUT_TAIL;
    memcpy(out->head, input->head, (size_t)out->head_size);
    for (int i = 0; i < out->tail_size; i++)
        out->tail[i] = input->tail[(input->total - out->tail_size + i) % INPUT_TAIL];
}

void pipe_input_free(AVIOContext **context)
{
    if (!*context)
        return;
    free((*context)->opaque);
    av_freep(&(*context)->buffer);
    avio_context_free(context);
}

/* ---- files ---- */

static int read_file(void *opaque, uint8_t *buffer, int size)
{
    const int *const descriptor = opaque;
    ssize_t count;
    do
        count = read(*descriptor, buffer, (size_t)size);
    while (count < 0 && errno == EINTR);
    return count > 0 ? (int)count : count == 0 ? AVERROR_EOF : AVERROR(errno);
}

static int64_t seek_file(void *opaque, int64_t place, int whence)
{
    const int *const descriptor = opaque;
    /* Not by fstat(): of some C libraries that is newfstatat(), which a decoder of its own process may not call. */
    if (whence == AVSEEK_SIZE) {
        const off_t here = lseek(*descriptor, 0, SEEK_CUR), size = lseek(*descriptor, 0, SEEK_END);
        return here >= 0 && size >= 0 && lseek(*descriptor, here, SEEK_SET) == here ? size : AVERROR(errno);
    }
    const off_t now = lseek(*descriptor, place, whence & ~AVSEEK_FORCE);
    return now >= 0 ? now : AVERROR(errno);
}

int file_input_create(const char *name, int descriptor, AVIOContext **out)
{
    int *const opaque = malloc(sizeof(*opaque));
    uint8_t *buffer = av_malloc(BUFFER_BYTES);
    *out = NULL;
    if (opaque && buffer) {
        *opaque = descriptor;
        *out = avio_alloc_context(buffer, BUFFER_BYTES, 0, opaque, read_file, NULL, seek_file);
    }
    if (!*out) {
        av_free(buffer);
        free(opaque);
        return error_memory(name);
    }
    return 0;
}

void file_input_free(AVIOContext **context)
{
    pipe_input_free(context);
}
