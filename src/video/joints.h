/* Pieces of broadcasts joined to one stream, each with a clock of its own: their packets to one clock that goes on. */
#ifndef VIDEO_JOINTS_H
#define VIDEO_JOINTS_H

#include <libavformat/avformat.h>
#include <stdbool.h>
#include <stdint.h>

struct joints_stream {
    bool begun;
    int64_t last, next; /* times of decoding, microseconds on the one clock: the last one, and the one expected */
    int64_t shift;      /* from the piece's clock to the one clock */
};

/* Starts as {0}. */
struct joints {
    struct joints_stream *streams; /* [count] */
    unsigned count;
    int64_t latest; /* the shift that was found last, of whatever stream */
    int64_t found;  /* joints so far */
};

/* Puts the packet's times on the one clock. Does nothing in formats whose clock never begins anew. Errors: MEMORY. */
int joints_apply(struct joints *joints, const AVFormatContext *format, AVPacket *packet);

/* After reading was moved; the number of joints stays. */
void joints_forget(struct joints *joints);
void joints_free(struct joints *joints);

#endif
