/* Where a reader's pictures come from: a stream that FFmpeg decodes, or a folder of images. */
#ifndef VIDEO_SOURCE_H
#define VIDEO_SOURCE_H

#include "video/convert.h"
#include "video/input.h"
#include "video/video_in.h"

enum { PICTURES = 3 };

/* One decoded picture, not yet converted. */
struct picture {
    AVFrame *frame;     /* of a stream */
    struct image image; /* of a folder */
    double time;        /* seconds, rising strictly from picture to picture */
    double duration;    /* seconds, a guess where the stream does not say */
    int64_t number;     /* from 1, in the source; by its time and the frame rate where reading began in the middle */
    const char *name;   /* of an image, below the folder; the source's; else NULL */
    int slot;           /* which of the reader's PICTURES it is */
};

int picture_create(const char *name, int slot, struct picture *out);
void picture_free(struct picture *picture);

struct source;

/* The functions of a kind of source; each returns 0 or an error as video_reader_open and _next do. */
struct source_kind {
    /* The next picture, or VIDEO_END (again on every further call). */
    int (*read)(struct source *source, struct picture *out);
    /* To RGB of the size in `info`; the picture is used up. */
    int (*convert)(struct source *source, struct picture *picture, struct image *out);
    /* Goes to a place from which the pictures up to the last one not after `time` are read again. */
    int (*seek)(struct source *source, double time);
    void (*close)(struct source *source);
};

struct source {
    const struct source_kind *kind;
    const char *name;       /* for messages; the reader's */
    bool quiet;             /* but for errors there are none */
    const char *pieces;     /* what it consists of, for messages: "pieces", "images" */
    struct video_info info; /* frame_rate of the whole source; frames: all of them, 0: unknown */
    struct video_damage damage;
    double tolerance; /* seconds: times closer than that are the same (rounded timestamps) */
    int broken;       /* why the data ended too early, a status; 0: they did not; */
    const char *why;  /* a text for it, the source's; */
    double reached;   /* and the time of the last picture before that */
};

/* Opens and reads far enough to know the size of the first picture, which read() then gives. The names and the
 * interrupt outlive the source. `*out` is freed by its kind's close. */
int source_open_stream(const char *source, const struct video_reader_options *options,
                       const struct interrupt *interrupt, struct source **out);
int source_open_folder(const char *folder, const struct video_reader_options *options,
                       const struct interrupt *interrupt, struct source **out);
/* The same as source_open_stream(), by a decoder of options->isolation. */
int source_open_isolated(const char *source, const struct video_reader_options *options,
                         const struct interrupt *interrupt, struct source **out);
/* Of options->stream. */
int source_open_memory(const char *name, const struct video_reader_options *options, struct source **out);

#endif
