/* Pictures to packets of one of the codecs of video_out.h. */
#ifndef VIDEO_ENCODER_H
#define VIDEO_ENCODER_H

#include "video/video_out.h"

#include <libavcodec/avcodec.h>

struct SwsContext;

struct encoder {
    enum video_codec codec; /* in use: MPEG-4 where H.264 was asked for and is not there */
    AVCodecContext *context;
    AVFrame *frame;
    AVPacket *packet; /* what encoder_receive gives */
    struct SwsContext *scale;
    uint8_t *padded; /* RGB of even size, with room behind it; NULL of 1 channel */
    int width, height, channels;
};

/* `*out` is zero before; freed by encoder_free, also after an error. The options are complete. `name` is for messages,
 * here and below. Errors: UNSUPPORTED, ARGUMENT, MEMORY. */
int encoder_open(const char *name, const struct video_writer_options *options, struct encoder *out);
void encoder_free(struct encoder *encoder);

/* Gives a picture, `pts` in units of context->time_base, rising; NULL: there are no more. */
int encoder_send(struct encoder *encoder, const char *name, const uint8_t *pixels, size_t stride, int64_t pts);

/* The next packet, which the caller unrefs; returns VIDEO_END where another picture is needed first, or all is out. */
int encoder_receive(struct encoder *encoder, const char *name);

#endif
