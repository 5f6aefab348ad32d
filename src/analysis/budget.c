/* Which frames are tracked for a budget: the choice that leaves least change unseen. */
#include "analysis/budget.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>

/* What a frame costs beside its change, so that quiet stretches are thinned out evenly. */
static const double LEAST_CHANGE = 0.25;
enum { HALVINGS = 30 };

struct plan {
    const struct budget_frames *frames;
    const struct budget *budget;
    double *change; /* [count + 1] sums of change up to each frame */
    double *best;   /* [count + 1] least cost of the frames before, this one being tracked */
    int64_t *from;  /* [count + 1] the tracked frame before in that choice */
    int64_t *used;  /* [count + 1] tracked frames of it */
};

static int check(const struct budget *budget)
{
    if (!(budget->fraction > 0.0 && budget->fraction <= 1.0)) {
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "a frame budget of %g: it is a part of the frames: over 0 and at most 1", budget->fraction);
    }
    if (budget->most_gap < 1) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "a gap of %lld frames: at least 1 must be allowed",
                         (long long)budget->most_gap);
    }
    return 0;
}

static double change_of(const struct budget_frames *frames, int64_t at)
{
    const double value = frames->importance ? (double)frames->importance[at] : 0.0;
    /* No two frames cost quite the same, so that a price parts them. */
    const double odd = fmod((double)at * 0.6180339887, 1.0);
    return LEAST_CHANGE * (1.0 + 0.02 * odd) + (value > 0.0 && value < 1e6 ? value : 0.0);
}

static bool is_start(const struct budget_frames *frames, int64_t at)
{
    return at == 0 || (frames->scene_start && frames->scene_start[at]);
}

static bool is_fixed(const struct budget_frames *frames, int64_t at)
{
    return is_start(frames, at) || (frames->must && frames->must[at]);
}

/* What filling the frames between `first` and `last` costs: each one's change to the nearer of the two. */
static double gap_cost(const struct plan *plan, int64_t first, int64_t last, bool open)
{
    double sum = 0.0;
    for (int64_t i = first + 1; i < last; i++) {
        const double since = plan->change[i] - plan->change[first], until = plan->change[last] - plan->change[i];
        sum += open || since < until ? since : until;
    }
    return sum;
}

/* The best choice where each tracked frame costs `price`; gives how many it tracks. */
static int64_t solve(struct plan *plan, double price)
{
    const int64_t count = plan->frames->count, reach = plan->budget->most_gap + 1;
    plan->best[0] = 0.0;
    plan->used[0] = 1;
    for (int64_t i = 1; i <= count; i++) {
        plan->best[i] = INFINITY;
        const bool open = i == count || is_start(plan->frames, i);
        for (int64_t j = i - 1; j >= 0 && j >= i - reach; j--) {
            const double cost = plan->best[j] + gap_cost(plan, j, i, open);
            if (cost < plan->best[i]) {
                plan->best[i] = cost;
                plan->from[i] = j;
            }
            if (is_fixed(plan->frames, j))
                break; /* it is tracked: no gap reaches over it */
        }
        plan->used[i] = plan->used[plan->from[i]] + (i < count ? 1 : 0);
        plan->best[i] += i < count ? price : 0.0;
    }
    return plan->used[count];
}

static void take(const struct plan *plan, bool *tracked)
{
    for (int64_t i = 0; i < plan->frames->count; i++)
        tracked[i] = false;
    for (int64_t i = plan->from[plan->frames->count]; i > 0; i = plan->from[i])
        tracked[i] = true;
    tracked[0] = true;
}

/* Tracks `more` of the frames that are left, those in the middle of the costliest gaps first. */
static void add_frames(const struct plan *plan, int64_t more, bool *tracked)
{
    while (more-- > 0) {
        const int64_t count = plan->frames->count;
        int64_t best = -1, last = 0;
        double most = -1.0;
        for (int64_t i = 1; i <= count; i++) {
            if (i < count && !tracked[i])
                continue;
            if (i - last > 1) {
                const bool open = i == count || is_start(plan->frames, i);
                const double cost = gap_cost(plan, last, i, open);
                best = cost > most ? (open ? i - 1 : (last + i) / 2) : best;
                most = cost > most ? cost : most;
            }
            last = i;
        }
        if (best < 0)
            return;
        tracked[best] = true;
    }
}

static void choose(struct plan *plan, bool *tracked)
{
    const int64_t count = plan->frames->count, wanted = llround(plan->budget->fraction * (double)count);
    double low = 0.0, high = plan->change[count] * (double)(plan->budget->most_gap + 1) + 1.0;
    int64_t used = solve(plan, 0.0);
    if (wanted >= count) {
        for (int64_t i = 0; i < count; i++)
            tracked[i] = true;
        return;
    }
    for (int i = 0; i < HALVINGS && used != wanted; i++) {
        const double price = 0.5 * (low + high);
        used = solve(plan, price);
        low = used > wanted ? price : low;
        high = used > wanted ? high : price;
    }
    if (used > wanted)
        used = solve(plan, high);
    take(plan, tracked);
    /* Where many frames cost the same, the number jumps over the one that is wanted. */
    add_frames(plan, wanted - used, tracked);
}

int budget_choose(const struct budget_frames *frames, const struct budget *budget, bool *tracked,
                  int64_t *tracked_count)
{
    const int status = check(budget);
    if (status != 0)
        return status;
    if (tracked_count)
        *tracked_count = 0;
    if (frames->count < 1)
        return 0;
    const size_t room = (size_t)frames->count + 1;
    struct plan plan = {.frames = frames, .budget = budget};
    plan.change = calloc(room, sizeof(double));
    plan.best = calloc(room, sizeof(double));
    plan.from = calloc(room, sizeof(int64_t));
    plan.used = calloc(room, sizeof(int64_t));
    const bool complete = plan.change && plan.best && plan.from && plan.used;
    for (int64_t i = 1; complete && i <= frames->count; i++) {
        /* change[i] - change[i - 1] is how frame i differs from the one before; at the end nothing comes. */
        plan.change[i] = plan.change[i - 1] + (i < frames->count ? change_of(frames, i) : 0.0);
    }
    if (complete) {
        choose(&plan, tracked);
        for (int64_t i = 0; i < frames->count && tracked_count; i++)
            *tracked_count += tracked[i];
    }
    free(plan.change);
    free(plan.best);
    free(plan.from);
    free(plan.used);
    return complete ? 0 : error_memory("the frame budget");
}

int budget_stream_open(const struct budget *budget, struct budget_stream *out)
{
    *out = (struct budget_stream){.budget = *budget};
    return check(budget);
}

bool budget_stream_next(struct budget_stream *stream, float importance, bool must)
{
    const double fraction = stream->budget.fraction;
    const double value = importance > 0.0F && importance < 1e6F ? (double)importance : 0.0;
    const double change = LEAST_CHANGE + value, share = stream->seen < 100 ? 1.0 / (double)(stream->seen + 1) : 0.01;
    stream->mean += share * (change - stream->mean);
    stream->seen++;
    stream->change += change;
    /* A frame is tracked for every mean / fraction of change; frames tracked beyond their share put the price up. */
    const double debt = (double)stream->tracked + 1.0 - fraction * (double)stream->seen;
    const double price = stream->mean / fraction * (1.0 + 0.5 * (debt > 0.0 ? debt : 0.5 * debt));
    const bool takes = must || stream->seen == 1 || stream->gap >= stream->budget.most_gap || fraction >= 1.0 ||
                       stream->change >= price;
    if (takes) {
        stream->tracked++;
        stream->gap = 0;
        stream->change = stream->change > price ? fmin(stream->change - price, price) : 0.0;
    } else {
        stream->gap++;
    }
    return takes;
}

void budget_spread(const double *score_times, const float *scores, int64_t scored, const double *times, int64_t count,
                   bool share, float *out)
{
    int64_t at = 0, first = 0;
    for (int64_t i = 0; i <= count; i++) {
        const int64_t before = at;
        while (i < count && at + 1 < scored && score_times[at + 1] <= times[i])
            at++;
        if (i < count && at == before)
            continue;
        for (int64_t k = first; k < i; k++)
            out[k] = scores[before] / (share ? (float)(i - first) : 1.0F);
        first = i;
    }
}
