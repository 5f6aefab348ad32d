/* Decoded pictures to RGB as they are shown: turned, HDR in standard range. */
#ifndef VIDEO_CONVERT_H
#define VIDEO_CONVERT_H

#include "media/image.h"
#include "video/tone.h"

#include <libavutil/frame.h>
#include <stdbool.h>
#include <stdint.h>

/* How a stored picture becomes the one shown: exchange rows and columns first, then mirror. */
struct orientation {
    bool exchange;       /* shown (x, y) is stored (y, x) */
    bool mirror_columns; /* left and right, of the shown picture */
    bool mirror_rows;    /* top and bottom */
};

/* From a display matrix of 9 numbers (NULL: none), to the nearest quarter turn. Returns false where the matrix asks
 * for something in between. */
bool orientation_from_matrix(const int32_t *matrix, struct orientation *out);

struct SwsContext;

struct converter {
    struct orientation orientation;
    int width, height; /* every picture's, before turning */
    struct SwsContext *context;
    /* What `context` and `tone` are for. */
    int from_width, from_height, from_format, from_space, from_range, from_primaries, from_white;
    enum tone_kind from_kind;
    enum AVPixelFormat target; /* that `context` gives */
    double peak;               /* of HDR, in nits */
    struct tone *tone;         /* NULL: standard range */
    uint16_t *deep;            /* scratch: HDR before it is mapped */
    uint8_t *upright;          /* scratch for turning */
};

/* Starts a converter to pictures of width x height before turning; `peak` is tone_peak()'s. */
void converter_start(struct converter *converter, int width, int height, struct orientation orientation, double peak);
void converter_free(struct converter *converter);

/* Converts `frame`, scaling it where its size is another, into `out`, whose memory is kept where its size fits.
 * Errors: UNSUPPORTED (pixel format), MEMORY; `name` is for messages. */
int converter_run(struct converter *converter, const char *name, const AVFrame *frame, struct image *out);

/* Gives `image` the size, keeping its memory where it has it. Its pixels have room behind them for what SIMD
 * code writes past the end of a row. */
int converter_prepare(const char *name, struct image *image, int width, int height);

#endif
