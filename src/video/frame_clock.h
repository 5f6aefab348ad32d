/* A stream's timestamps to times that begin at 0 and rise strictly. */
#ifndef VIDEO_FRAME_CLOCK_H
#define VIDEO_FRAME_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* A timestamp that is not there (FFmpeg's AV_NOPTS_VALUE). */
#define FRAME_CLOCK_MISSING INT64_MIN

struct frame_clock {
    double unit;     /* seconds of one step of the timestamps */
    double step;     /* seconds between frames where nothing else is known */
    double jump;     /* seconds ahead that are a jump of the clock and not a long frame */
    bool has_origin; /* the timestamp of time 0 is known */
    int64_t origin;
    double offset; /* what closing jumps has added */
    bool has_last;
    double last;      /* time of the last frame */
    int64_t repaired; /* timestamps that were missing, repeated or jumped; */
    int64_t missing;  /* of them missing: many formats leave out what can be counted */
};

void frame_clock_start(struct frame_clock *clock, double unit, double step, double jump);

/* The next frame's time from its timestamp. */
double frame_clock_next(struct frame_clock *clock, int64_t timestamp);

/* Forgets the last frame, as after a seek; the origin stays. */
void frame_clock_resume(struct frame_clock *clock);

#endif
