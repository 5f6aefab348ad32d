/* Reads a pipe for FFmpeg. Its own pipe protocol waits inside read(), where Ctrl-C does not reach. */
#include "base/error.h"
#include "video/input.h"

#include <errno.h>
#include <libavutil/mem.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

enum { BUFFER_BYTES = 65536, POLL_MILLISECONDS = 100 };

struct pipe_input {
    int descriptor;
    const struct interrupt *interrupt;
};

static int read_some(void *opaque, uint8_t *buffer, int size)
{
    const struct pipe_input *input = opaque;
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
            return (int)count;
        if (count == 0)
            return AVERROR_EOF;
        if (errno != EINTR && errno != EAGAIN)
            return AVERROR(errno);
    }
}

int pipe_input_create(const char *name, int descriptor, const struct interrupt *interrupt, AVIOContext **out)
{
    struct pipe_input *input = malloc(sizeof(*input));
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

void pipe_input_free(AVIOContext **context)
{
    if (!*context)
        return;
    free((*context)->opaque);
    av_freep(&(*context)->buffer);
    avio_context_free(context);
}
