/* See numbers.h. */
#include "scoring/numbers.h"

#include "analysis/importance.h"
#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_TARGET = 8,
    CLIPS_TO_COMPARE = 8, /* surprise: as many clips make a mean of each distance worth something */
    MOST_SLOTS = 1 << 15,
};

static bool grow_one(void *array, int64_t capacity, size_t size)
{
    void *old;
    memcpy(&old, array, sizeof(old));
    void *const larger = realloc(old, (size_t)capacity * size);
    if (larger)
        memcpy(array, &larger, sizeof(larger));
    return larger;
}

static bool grow(struct scoring_numbers *numbers)
{
    const int64_t capacity = numbers->capacity > 0 ? numbers->capacity * 2 : 256;
    if ((uint64_t)capacity > SIZE_MAX / sizeof(*numbers->frames) ||
        !grow_one(&numbers->frames, capacity, sizeof(*numbers->frames)) ||
        !grow_one(&numbers->sums, capacity, sizeof(*numbers->sums)) ||
        !grow_one(&numbers->scored, capacity, sizeof(*numbers->scored)) ||
        !grow_one(&numbers->slot, capacity, sizeof(*numbers->slot)) ||
        !grow_one(&numbers->mixed, capacity, sizeof(*numbers->mixed)))
        return false;
    numbers->capacity = capacity;
    return true;
}

int scoring_numbers_add(struct scoring_numbers *numbers, const struct sowlv2_frame *frame)
{
    if (numbers->count == numbers->capacity && !grow(numbers))
        return error_memory("scores of frames");
    const int64_t at = numbers->count++;
    numbers->frames[at] = *frame;
    numbers->frames[at].importance = numbers->frames[at].score = NAN;
    numbers->sums[at] = 0.0F;
    numbers->scored[at] = 0;
    numbers->slot[at] = 0;
    return 0;
}

void scoring_numbers_score(struct scoring_numbers *numbers, int64_t first, int64_t frames, int64_t tubelet_size,
                           const float *scores, int64_t tubelets, bool once)
{
    for (int64_t i = 0; i < frames; i++) {
        const int64_t tubelet = i / tubelet_size < tubelets ? i / tubelet_size : tubelets - 1, at = first + i;
        if (isnan(scores[tubelet]) || numbers->scored[at] == UINT16_MAX || (once && numbers->scored[at] > 0))
            continue;
        numbers->sums[at] += scores[tubelet];
        numbers->scored[at]++;
        numbers->slot[at] = (int16_t)(tubelet < MOST_SLOTS ? tubelet : MOST_SLOTS - 1);
        numbers->frames[at].importance = numbers->sums[at] / (float)numbers->scored[at];
    }
}

/* The predictor errs the more the further ahead it looks: each frame's error through the mean of its distance. */
static int compare_distances(struct scoring_numbers *numbers)
{
    double *const sums = calloc(MOST_SLOTS, sizeof(*sums));
    int64_t *const counts = calloc(MOST_SLOTS, sizeof(*counts));
    const int status = sums && counts ? 0 : error_memory("scores of frames");
    for (int64_t i = 0; !status && i < numbers->count; i++) {
        if (isfinite(numbers->frames[i].importance)) {
            sums[numbers->slot[i]] += (double)numbers->frames[i].importance;
            counts[numbers->slot[i]]++;
        }
    }
    for (int64_t i = 0; !status && i < numbers->count; i++) {
        struct sowlv2_frame *const frame = &numbers->frames[i];
        const int16_t slot = numbers->slot[i];
        if (isfinite(frame->importance) && sums[slot] > 0)
            frame->importance = (float)((double)frame->importance * (double)counts[slot] / sums[slot]);
    }
    free(sums);
    free(counts);
    return status;
}

/* Scores `first` and later from 0 to 1; those before are only looked at. `out` may be `scores`. */
static void normalise(const struct sowlv2_score_options *options, const float *scores, int64_t first, int64_t count,
                      float *out)
{
    if (options->score_window > 0)
        importance_normalise_window(scores, first, count, options->score_window, out);
    else
        importance_normalise(scores, count, out);
}

/* The scores of frames from .. to - 1 from importance and motion; without a window `from` is 0 and `to` the end. */
static int give_scores(struct scoring_numbers *numbers, const struct sowlv2_score_options *options, int64_t from,
                       int64_t to)
{
    const int64_t window = options->score_window;
    const int64_t before = window <= 0 ? 0 : from < window ? from : window - 1; /* frames that are looked at too */
    const int64_t base = from - before, count = to - base;
    float *const importance = malloc((size_t)count * sizeof(*importance));
    float *const motion = malloc((size_t)count * sizeof(*motion));
    const int status = importance && motion ? 0 : error_memory("scores of frames");
    for (int64_t i = 0; !status && i < count; i++) {
        importance[i] = numbers->frames[base + i].importance;
        motion[i] = numbers->frames[base + i].motion;
    }
    if (!status) {
        normalise(options, motion, before, count, motion);
        normalise(options, importance, before, count, importance);
        importance_mix(importance + before, motion + before, options->motion_weight, to - from, numbers->mixed + from);
        normalise(options, numbers->mixed + base, before, count, importance);
        for (int64_t i = from; i < to; i++)
            numbers->frames[i].score = importance[i - base];
    }
    free(importance);
    free(motion);
    return status;
}

/* Frame 0, and where the motion stands out from that of the frames around. */
static bool begins_scene(const struct scoring_numbers *numbers, int64_t index)
{
    enum { REACH = IMPORTANCE_CUT_REACH };
    const int64_t first = index - REACH > 1 ? index - REACH : 1;
    float motion[2 * REACH + 1];
    int64_t count = 0;
    for (int64_t i = first; i <= index + REACH && i < numbers->count; i++)
        motion[count++] = numbers->frames[i].motion;
    return index == 0 || importance_is_cut(motion, count, index - first);
}

/* What is left to do where importance is known up to `to`. */
static int make_final(struct scoring_numbers *numbers, const struct sowlv2_score_options *options, int64_t to,
                      bool scores)
{
    const int64_t from = numbers->final;
    /* A clip's first tubelet may have had nothing to be compared with: it is like the frame before it. */
    for (int64_t i = from > 1 ? from : 1; i < to; i++)
        if (isnan(numbers->frames[i].importance))
            numbers->frames[i].importance = numbers->frames[i - 1].importance;
    for (int64_t i = from; i < to; i++)
        numbers->frames[i].scene_start = begins_scene(numbers, i);
    const int64_t unscored = options->score_window > 0 ? from : 0;
    const int status = scores && unscored < to ? give_scores(numbers, options, unscored, to) : 0;
    if (!status)
        numbers->final = to;
    return status;
}

int scoring_numbers_settle(struct scoring_numbers *numbers, const struct sowlv2_score_options *options, int64_t known)
{
    const int64_t seen_around = numbers->count - IMPORTANCE_CUT_REACH, to = known < seen_around ? known : seen_around;
    if (options->importance == SOWLV2_IMPORTANCE_SURPRISE || to <= numbers->final)
        return 0;
    return make_final(numbers, options, to, options->score_window > 0);
}

int scoring_numbers_finish(struct scoring_numbers *numbers, const struct sowlv2_score_options *options, int64_t clips)
{
    const bool compare = options->importance == SOWLV2_IMPORTANCE_SURPRISE && clips >= CLIPS_TO_COMPARE;
    const int status = compare ? compare_distances(numbers) : 0;
    return status ? status : make_final(numbers, options, numbers->count, true);
}

static int64_t wanted_frames(const struct sowlv2_choice_options *options, int64_t count)
{
    if (options->target_fraction > 0) {
        const int64_t wanted = llround(options->target_fraction * (double)count);
        return wanted < 1 ? 1 : wanted;
    }
    return options->target_frames > 0 ? options->target_frames : DEFAULT_TARGET;
}

int scoring_numbers_choose(const struct scoring_numbers *numbers, const struct sowlv2_choice_options *options,
                           struct sowlv2_frames *out)
{
    const size_t count = (size_t)numbers->count;
    float *const scores = malloc((count + 1) * sizeof(*scores));
    int64_t *const starts = malloc((count + 1) * sizeof(*starts)), *const chosen =
                                                                       malloc((count + 1) * sizeof(*chosen));
    struct importance_choice choice = {wanted_frames(options, numbers->count), options->spacing, starts, 0};
    int64_t chosen_count = 0;
    out->items = malloc((count + 1) * sizeof(*out->items));
    int status = scores && starts && chosen && out->items ? 0 : error_memory("scores of frames");
    for (size_t i = 0; !status && i < count; i++) {
        out->items[i] = numbers->frames[i];
        scores[i] = out->items[i].score;
        if (out->items[i].scene_start)
            starts[choice.scene_count++] = (int64_t)i;
    }
    if (!status)
        status = importance_select(scores, numbers->count, &choice, chosen, &chosen_count);
    for (int64_t i = 0; !status && i < chosen_count; i++)
        out->items[chosen[i]].chosen = true;
    out->count = count;
    out->chosen_count = (size_t)chosen_count;
    out->scene_count = (size_t)choice.scene_count;
    free(scores);
    free(starts);
    free(chosen);
    return status;
}

void scoring_numbers_free(struct scoring_numbers *numbers)
{
    free(numbers->frames);
    free(numbers->sums);
    free(numbers->scored);
    free(numbers->slot);
    free(numbers->mixed);
    *numbers = (struct scoring_numbers){0};
}
