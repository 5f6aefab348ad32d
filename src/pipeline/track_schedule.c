/* When to detect. */
#include "base/error.h"
#include "base/log.h"
#include "pipeline/track_run.h"

#include <math.h>
#include <stdlib.h>

/* Frames without a find after which the detector looks less often, and how often then. */
enum { EAGER = 8 };
static const double SEARCH_SECONDS = 0.5;
/* Looks that doubt asks for are at least so far apart. */
static const double ASKED_SECONDS = 0.25;
/* A picture that has changed less than this since it was looked at holds nothing new. */
static const double NO_CHANGE = 1e-5;
static const double SAME_TIME = 1e-6;

struct track_schedule {
    const struct track_options *options;
    bool begun;
    int64_t last_number; /* of the last frame that was looked at */
    double last_time;
    double moved;           /* change since then */
    int misses;             /* in a row */
    bool asked;             /* for a look soon */
    struct track_keys keys; /* of the plan */
};

int track_schedule_create(const struct track_options *options, struct track_schedule **out)
{
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return error_memory("detection");
    (*out)->options = options;
    if (options->plan)
        (*out)->keys = (struct track_keys){options->plan->key_times, options->plan->key_count, 0};
    return 0;
}

void track_schedule_free(struct track_schedule **schedule)
{
    free(*schedule);
    *schedule = NULL;
}

bool track_keys_pass(struct track_keys *keys, double until)
{
    const size_t before = keys->passed;

    while (keys->passed < keys->count && keys->times[keys->passed] < until - SAME_TIME)
        keys->passed++;
    return keys->passed > before;
}

size_t track_keys_after(const struct track_keys *keys, double end)
{
    size_t count = 0;

    for (size_t i = keys->passed; i < keys->count; i++)
        count += keys->times[i] > end + SAME_TIME;
    return count;
}

/* Whether a key frame of the plan has come. */
static bool key_is_due(struct track_schedule *schedule, const struct track_feed_frame *frame)
{
    const size_t late = isinf(frame->until) ? track_keys_after(&schedule->keys, frame->time + frame->duration) : 0;

    if (late > 0)
        log_notice("%s: it ends at %.2f s, before %zu of its key frames: the last frame is looked at instead",
                   schedule->options->source, frame->time + frame->duration, late);
    return track_keys_pass(&schedule->keys, frame->until);
}

/* Whether to look for something to follow. */
static bool search_is_due(const struct track_schedule *schedule, double time)
{
    if (schedule->moved < NO_CHANGE)
        return false;
    return schedule->misses < EAGER || time - schedule->last_time >= SEARCH_SECONDS - 1e-6;
}

/* Whether it is time for a look, for whatever reason. */
static bool is_due(const struct track_schedule *schedule, const struct track_feed_frame *frame, bool searching)
{
    const struct sowlv2_run_options *const job = schedule->options->job;
    const double passed = frame->time - schedule->last_time;

    if (!schedule->begun || (job->cuts && frame->cut))
        return true;
    if (job->detect_every.frames > 0 && frame->number - schedule->last_number >= job->detect_every.frames)
        return true;
    if (job->detect_every.seconds > 0 && passed >= job->detect_every.seconds - 1e-6)
        return true;
    if (schedule->asked && passed >= ASKED_SECONDS - 1e-6)
        return true;
    return searching && search_is_due(schedule, frame->time);
}

bool track_schedule_wants(struct track_schedule *schedule, const struct track_feed_frame *frame, bool searching)
{
    const bool key = key_is_due(schedule, frame);

    schedule->moved += (double)frame->motion;
    if (!key && !is_due(schedule, frame, searching))
        return false;
    schedule->asked = false;
    return true;
}

bool track_schedule_repeats(const struct track_schedule *schedule)
{
    const struct sowlv2_interval *const every = &schedule->options->job->detect_every;

    return every->frames > 0 || every->seconds > 0;
}

void track_schedule_ask(struct track_schedule *schedule)
{
    schedule->asked = track_schedule_repeats(schedule);
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
