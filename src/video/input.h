/* Opens what FFmpeg reads: files, URLs, pipes and cameras. */
#ifndef VIDEO_INPUT_H
#define VIDEO_INPUT_H

#include <libavformat/avformat.h>
#include <stdbool.h>
#include <stdint.h>

/* Bytes of an input's beginning and end that can be looked at. */
enum { INPUT_HEAD = 4096, INPUT_TAIL = 1 << 16 };

/* Whether the caller wants to stop; checked wherever reading waits. */
struct interrupt {
    bool (*interrupted)(void *user_data); /* NULL: never */
    void *user_data;
};

bool interrupt_wanted(const struct interrupt *interrupt);

struct input {
    AVFormatContext *format;
    AVIOContext *pipe; /* ours where the source is a pipe, else NULL */
    AVIOContext *file; /* ours where the source was given as an open file, else NULL */
    int descriptor;    /* of the pipe; -1: none, or one that is not ours to close */
    bool camera;
    const struct interrupt *interrupt;
};

/* Opens `source` (as video_reader_open) and finds its streams; a playlist only with `playlists`. `descriptor` is that
 * of its file or pipe, which stays the caller's, and then nothing is opened; -1: it is opened by its name. `interrupt`
 * outlives it, and `*out` stays in its place. On error nothing stays open. Errors: as video_reader_open. */
int input_open(struct input *out, const char *source, int descriptor, bool playlists,
               const struct interrupt *interrupt);
void input_close(struct input *input);

/* For FFmpeg's waiting: ends it when the input's interrupt is wanted. */
AVIOInterruptCB input_interrupt(const struct input *input);

/* Whether it can be read from another place again: neither a pipe nor a camera nor an endless stream. */
bool input_is_seekable(const struct input *input);

/* Whether it can be opened a second time and then gives the same from its beginning: a file, or an address that is not
 * live. */
bool input_can_be_opened_again(const struct input *input);

/* What the source begins with, into `head`, and ends with as far as it was read, into `tail` (NULL: not wanted); the
 * position of an input that can be read from another place is kept. Both counts are 0 where it is not known. `total`:
 * the size of all its data; -1: not known. */
struct input_view {
    uint8_t head[INPUT_HEAD + AVPROBE_PADDING_SIZE], tail[INPUT_TAIL];
    int head_size, tail_size;
    int64_t total;
};
void input_look(const struct input *input, struct input_view *out);

/* Whether what it begins with is protected against copying, as far as that tells. */
bool input_is_encrypted(const struct input *input);
/* Sets the message for it and returns UNSUPPORTED. */
int input_refuse_encrypted(const char *name);

/* Where the data ended, by the last packet of the pictures. */
struct input_end {
    int64_t packet_end; /* place behind it by its own size; -1: not known */
    bool corrupt;       /* FFmpeg says that it is not whole */
};

/* Whether data that have ended should go on, by what the input itself says of its size, or because it ends within a
 * frame. `why` receives a text for messages. */
enum { INPUT_WHY = 96 };
bool input_ends_early(const struct input *input, const struct input_end *end, char why[INPUT_WHY]);

/* What FFmpeg was given to open. */
struct address {
    char *url;                   /* NULL: read from the pipe */
    const AVInputFormat *format; /* NULL: by content */
    const char *formats;         /* that may be found by content; NULL: any */
    const char *protocols;       /* that it may open; NULL: those of its own protocol */
    bool playlists;              /* are opened too */
};

/* Why FFmpeg did not open the address with `code` (an error of its own), as this thread's error. `input` holds the
 * pipe, or its interrupt. Files and addresses are looked at again. */
int input_explain(const struct input *input, const char *source, const struct address *address, int code);

/* Reads a descriptor for FFmpeg so that waiting can be interrupted. `*out` is the context to hand over and
 * `descriptor` stays the caller's. Freed by pipe_input_free. Errors: MEMORY. */
int pipe_input_create(const char *name, int descriptor, const struct interrupt *interrupt, AVIOContext **out);
void pipe_input_free(AVIOContext **context);
/* The same of an open file, which may be read at any place. Freed by file_input_free. Errors: MEMORY. */
int file_input_create(const char *name, int descriptor, AVIOContext **out);
void file_input_free(AVIOContext **context);

/* The path of what is no pipe and no address: "-" is /dev/stdin. Inside `source`, or static. */
const char *input_path(const char *source);
/* Whether it is an address, other than of a file. */
bool input_is_address(const char *source);

/* What came so far. */
void pipe_input_look(const AVIOContext *context, struct input_view *out);

#endif
