/* When to detect. */
#include "base/error.h"
#include "pipeline/track_run.h"

#include <math.h>
#include <stdlib.h>

/* Frames without a find after which the detector looks less often, and how often then. */
enum { EAGER = 8 };
static const double SEARCH_SECONDS = 0.5;
/* A picture that has changed less than this since it was looked at holds nothing new. */
static const double NO_CHANGE = 1e-5;

struct track_schedule {
    const struct track_options *options;
    bool begun;
    int64_t last_number; /* of the last frame that was looked at */
    double last_time;
    double moved;  /* change since then */
    int misses;    /* in a row */
    size_t passed; /* key frames of the plan */
};

int track_schedule_create(const struct track_options *options, struct track_schedule **out)
{
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return error_memory("detection");
    (*out)->options = options;
    return 0;
}

void track_schedule_free(struct track_schedule **schedule)
{
    free(*schedule);
    *schedule = NULL;
}

/* Whether a key frame of the plan has come. */
static bool key_is_due(struct track_schedule *schedule, double time)
{
    const struct track_plan *plan = schedule->options->plan;
    bool due = false;

    while (plan && schedule->passed < plan->key_count && plan->key_times[schedule->passed] <= time + 1e-6) {
        due = true;
        schedule->passed++;
    }
    return due;
}

/* Whether to look for something to follow. */
static bool search_is_due(const struct track_schedule *schedule, double time)
{
    if (schedule->moved < NO_CHANGE)
        return false;
    return schedule->misses < EAGER || time - schedule->last_time >= SEARCH_SECONDS - 1e-6;
}

bool track_schedule_wants(struct track_schedule *schedule, const struct track_feed_frame *frame, bool searching)
{
    const struct track_options *options = schedule->options;
    const bool key = key_is_due(schedule, frame->time);

    schedule->moved += (double)frame->motion;
    if (!schedule->begun || key || (options->cuts && frame->cut))
        return true;
    if (options->every_frames > 0 && frame->number - schedule->last_number >= options->every_frames)
        return true;
    if (options->every_seconds > 0 && frame->time - schedule->last_time >= options->every_seconds - 1e-6)
        return true;
    return searching && search_is_due(schedule, frame->time);
}

void track_schedule_done(struct track_schedule *schedule, const struct track_feed_frame *frame, bool found)
{
    schedule->begun = true;
    schedule->last_number = frame->number;
    schedule->last_time = frame->time;
    schedule->moved = 0;
    schedule->misses = found ? 0 : schedule->misses + 1;
    if (frame->cut && !found)
        schedule->misses = 1;
}
