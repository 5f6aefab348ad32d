/* Frames of a video, read ahead by a thread of their own: how much each differs from the one before, and where a
 * scene begins. */
#ifndef PIPELINE_TRACK_FEED_H
#define PIPELINE_TRACK_FEED_H

#include "media/image.h"
#include "video/video_in.h"

#include <signal.h>

struct track_feed;

struct track_feed_options {
    const char *source;                 /* anything video_reader_open() takes */
    struct video_reader_options reader; /* its `interrupted` is the feed's own */
    bool cuts;                          /* say where scenes begin; looks a few frames ahead */
    bool ahead;                         /* say when the frame after each one comes */
    bool realtime; /* of a camera, a stream or a pipe, drop frames that are not taken in time, instead of waiting */
    const volatile sig_atomic_t *interrupted;
};

struct track_feed_frame {
    struct image image;    /* owned */
    int64_t number;        /* from 1; numbers of dropped frames are left out */
    double time;           /* seconds */
    double duration;       /* seconds that it is shown, as far as the source says */
    double until;          /* time of the frame after it, with options.ahead; INFINITY: it is the last one; where nobody
                              knows (live), its own time and duration */
    int64_t source_number; /* as in struct video_frame, */
    const char *source_name; /* and this; good until the feed is closed */
    float motion;            /* mean change of the pixels since the frame before, 0 to 1; 0 of the first; after dropped
                                frames the largest of theirs */
    bool cut;                /* a scene begins */
};

/* Opens the source and starts reading. `*out` is closed by the caller. Errors: as video_reader_open, MEMORY. */
int track_feed_open(const struct track_feed_options *options, struct track_feed **out);

const struct video_info *track_feed_info(const struct track_feed *feed);

/* Waits for the next frame, which the caller takes over (image_free). Gives 0 or VIDEO_END, also when interrupted or
 * where an error ended reading: see track_feed_broken(). */
int track_feed_next(struct track_feed *feed, struct track_feed_frame *out);

/* After VIDEO_END: whether it came before the source's own end: 0, or what video_reader_next() or video_reader_broken()
 * gave, with this thread's message. */
int track_feed_broken(struct track_feed *feed);

/* Frames so far that were dropped to keep up. */
int64_t track_feed_dropped(struct track_feed *feed);

/* Stops reading and frees all; clears the pointer; NULL inside is fine. */
void track_feed_close(struct track_feed **feed);

#endif
