/* One video stream of an input, packet by packet to frames. */
#ifndef VIDEO_DECODER_H
#define VIDEO_DECODER_H

#include "video/input.h"
#include "video/joints.h"

#include <libavcodec/avcodec.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct decoder {
    /* Set by the caller before decoder_open. */
    const char *name; /* for messages */
    const char *address;
    int descriptor; /* of its open file or pipe; -1: it is opened by its address */
    int64_t max_pixels;
    int threads;    /* 0: one a core, at most 4 */
    bool playlists; /* are opened too */
    const struct interrupt *interrupt;

    struct input input;
    int index; /* of the stream in the input */
    bool has_audio;
    AVCodecContext *context;
    AVPacket *packet;
    bool packet_waits; /* the packet was read, but the codec did not take it yet */
    bool draining, ended;
    int drain_failures;
    atomic_bool short_of_memory; /* the codec got none, in whatever thread */
    int64_t failures;            /* packets that could not be decoded */
    struct joints joints;
    struct input_end end; /* of the packets so far */
    bool begun;           /* a packet was decoded */

    /* Why the data ended before they should; 0 and "" where they did not. Stays when it is opened again. */
    int broken; /* IO, FORMAT or UNSUPPORTED (encrypted from there on) */
    char why[INPUT_WHY];
};

/* Opens the address and its best video stream. Closed by decoder_close, also after an error. Errors: as
 * video_reader_open. */
int decoder_open(struct decoder *decoder);
/* May be opened again afterwards. */
void decoder_close(struct decoder *decoder);

const AVStream *decoder_stream(const struct decoder *decoder);

/* The next frame, in the order of showing; what cannot be decoded is counted and left out. Returns 0, VIDEO_END (again
 * on every further call) or an error (CANCELLED, MEMORY). */
int decoder_next(struct decoder *decoder, AVFrame *frame);

/* Forgets everything between the input and the next frame, after the input was moved. */
void decoder_flush(struct decoder *decoder);

#endif
