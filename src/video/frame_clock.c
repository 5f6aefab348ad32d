/* Repairs timestamps: see video_in.h for the rules. */
#include "video/frame_clock.h"

/* Repeated stamps are put a quarter of a step apart, so that the next good one is not passed. */
static const double REPEAT_SHARE = 0.25;
/* Further back than this is a clock that began anew; less is disorder. */
static const double BACK_SECONDS = 1.0;
/* Beyond any video: a damaged stamp. */
static const double MOST_SECONDS = 1e9;

void frame_clock_start(struct frame_clock *clock, double unit, double step, double jump)
{
    *clock = (struct frame_clock){.unit = unit, .step = step, .jump = jump};
}

void frame_clock_resume(struct frame_clock *clock)
{
    clock->has_last = false;
}

static double repaired(struct frame_clock *clock, double time)
{
    clock->repaired++;
    clock->has_last = true;
    clock->last = time;
    return time;
}

double frame_clock_next(struct frame_clock *clock, int64_t timestamp)
{
    double following = clock->has_last ? clock->last + clock->step : 0;
    if (timestamp == FRAME_CLOCK_MISSING) {
        clock->missing++;
        return repaired(clock, following);
    }
    if (!clock->has_origin) {
        clock->has_origin = true;
        clock->origin = timestamp;
        clock->offset = following;
    }
    /* The difference of hostile stamps need not fit. */
    int64_t difference;
    double raw = __builtin_sub_overflow(timestamp, clock->origin, &difference)
                     ? MOST_SECONDS * 2
                     : (double)difference * clock->unit + clock->offset;
    if (!(raw > -MOST_SECONDS && raw < MOST_SECONDS))
        return repaired(clock, following);
    if (!clock->has_last) {
        clock->has_last = true;
        clock->last = raw;
        return raw;
    }
    if (raw > clock->last + clock->jump || raw < clock->last - BACK_SECONDS) {
        clock->offset += following - raw;
        return repaired(clock, following);
    }
    if (raw <= clock->last)
        return repaired(clock, clock->last + clock->step * REPEAT_SHARE);
    clock->last = raw;
    return raw;
}
