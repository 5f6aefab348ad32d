/* Opens what FFmpeg reads: files, URLs, pipes and cameras. */
#ifndef VIDEO_INPUT_H
#define VIDEO_INPUT_H

#include <libavformat/avformat.h>
#include <stdbool.h>

/* Whether the caller wants to stop; checked wherever reading waits. */
struct interrupt {
    bool (*interrupted)(void *user_data); /* NULL: never */
    void *user_data;
};

bool interrupt_wanted(const struct interrupt *interrupt);

struct input {
    AVFormatContext *format;
    AVIOContext *pipe; /* ours where the source is a pipe, else NULL */
    int descriptor;    /* of the pipe; -1: none, or standard input, which is not ours to close */
    bool camera;
    const struct interrupt *interrupt;
};

/* Opens `source` (as video_reader_open) and finds its streams. `interrupt` outlives it, and `*out` stays in its place.
 * On error nothing stays open. Errors: as video_reader_open. */
int input_open(struct input *out, const char *source, const struct interrupt *interrupt);
void input_close(struct input *input);

/* Whether it can be read from another place again: neither a pipe nor a camera nor an endless stream. */
bool input_is_seekable(const struct input *input);

/* Reads a descriptor for FFmpeg so that waiting can be interrupted. `*out` is the context to hand over and
 * `descriptor` stays the caller's. Freed by pipe_input_free. Errors: MEMORY. */
int pipe_input_create(const char *name, int descriptor, const struct interrupt *interrupt, AVIOContext **out);
void pipe_input_free(AVIOContext **context);

#endif
