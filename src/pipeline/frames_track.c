/* The numbers of every frame: from the sums that clips add to scores, scenes and the choice. */
#include "analysis/importance.h"
#include "base/error.h"
#include "pipeline/frames_parts.h"

#include <math.h>
#include <stdlib.h>

enum {
    DEFAULT_TARGET = 8,
    CLIPS_TO_COMPARE = 8, /* surprise: as many clips make a mean of each distance worth something */
    MOST_SLOTS = 1 << 15,
};

static bool grow(struct frames_track *track)
{
    const int64_t capacity = track->capacity > 0 ? track->capacity * 2 : 256;
    void *items, *scored, *slot;

    if ((uint64_t)capacity > SIZE_MAX / sizeof(*track->items))
        return false;
    items = realloc(track->items, (size_t)capacity * sizeof(*track->items));
    track->items = items ? items : track->items;
    scored = realloc(track->scored, (size_t)capacity * sizeof(*track->scored));
    track->scored = scored ? scored : track->scored;
    slot = realloc(track->slot, (size_t)capacity * sizeof(*track->slot));
    track->slot = slot ? slot : track->slot;
    if (!items || !scored || !slot)
        return false;
    track->capacity = capacity;
    return true;
}

int frames_track_add(struct frames_track *track, const struct frames_item *item)
{
    if (track->count == track->capacity && !grow(track))
        return error_memory("scores of frames");
    track->items[track->count] = *item;
    track->items[track->count].raw = 0;
    track->scored[track->count] = 0;
    track->slot[track->count] = 0;
    track->count++;
    return 0;
}

void frames_track_score(struct frames_track *track, int64_t first, int64_t frames, int64_t tubelet_size,
                        const float *scores, int64_t tubelets, bool once)
{
    for (int64_t i = 0; i < frames; i++) {
        const int64_t tubelet = i / tubelet_size < tubelets ? i / tubelet_size : tubelets - 1, at = first + i;

        if (isnan(scores[tubelet]) || track->scored[at] == UINT16_MAX || (once && track->scored[at] > 0))
            continue;
        track->items[at].raw += scores[tubelet];
        track->scored[at]++;
        track->slot[at] = (int16_t)(tubelet < MOST_SLOTS ? tubelet : MOST_SLOTS - 1);
    }
}

/* The predictor errs the more the further ahead it looks: each frame's error through the mean of its distance. */
static int compare_distances(struct frames_track *track)
{
    double *sums = calloc(MOST_SLOTS, sizeof(*sums));
    int64_t *counts = calloc(MOST_SLOTS, sizeof(*counts));

    if (!sums || !counts) {
        free(sums);
        free(counts);
        return error_memory("scores of frames");
    }
    for (int64_t i = 0; i < track->count; i++) {
        if (isfinite(track->items[i].raw)) {
            sums[track->slot[i]] += (double)track->items[i].raw;
            counts[track->slot[i]]++;
        }
    }
    for (int64_t i = 0; i < track->count; i++) {
        const int16_t slot = track->slot[i];

        if (isfinite(track->items[i].raw) && sums[slot] > 0)
            track->items[i].raw = (float)((double)track->items[i].raw * (double)counts[slot] / sums[slot]);
    }
    free(sums);
    free(counts);
    return 0;
}

static void normalise(const struct frames_options *options, int64_t count, float *scores)
{
    if (options->window > 0)
        importance_normalise_window(scores, count, options->window, scores);
    else
        importance_normalise(scores, count, scores);
}

/* Scores from `raw` and `motion`; `motion` gets the pixels' alone, as importance_scenes() wants them. */
static void make_scores(struct frames_track *track, const struct frames_options *options, float *scores, float *motion)
{
    for (int64_t i = 0; i < track->count; i++)
        motion[i] = track->items[i].motion;
    normalise(options, track->count, motion);
    for (int64_t i = 0; i < track->count; i++)
        scores[i] = track->items[i].raw;
    normalise(options, track->count, scores);
    importance_mix(scores, motion, options->motion_weight, track->count, scores);
    normalise(options, track->count, scores);
    for (int64_t i = 0; i < track->count; i++) {
        track->items[i].score = scores[i];
        motion[i] = track->items[i].motion;
    }
}

static int64_t wanted_frames(const struct frames_options *options, int64_t count)
{
    if (options->target_fraction > 0) {
        const int64_t wanted = llround(options->target_fraction * (double)count);

        return wanted < 1 ? 1 : wanted;
    }
    return options->target_frames > 0 ? options->target_frames : DEFAULT_TARGET;
}

static int choose(struct frames_track *track, const struct frames_options *options, float *scores, float *motion,
                  int64_t *starts, int64_t *chosen, struct frames_report *report)
{
    struct importance_choice choice = {wanted_frames(options, track->count), options->spacing, starts, 0};
    int status;

    make_scores(track, options, scores, motion);
    choice.scene_count = report->scene_count = importance_scenes(motion, track->count, starts);
    for (int64_t i = 0; i < choice.scene_count; i++)
        track->items[starts[i]].scene_start = true;
    status = importance_select(scores, track->count, &choice, chosen, &report->chosen_count);
    for (int64_t i = 0; !status && i < report->chosen_count; i++)
        track->items[chosen[i]].chosen = true;
    return status;
}

int frames_track_finish(struct frames_track *track, const struct frames_options *options, int64_t clips,
                        struct frames_report *report)
{
    const size_t count = track->count > 0 ? (size_t)track->count : 1;
    float *scores = malloc(count * sizeof(*scores)), *motion = malloc(count * sizeof(*motion));
    int64_t *starts = malloc(count * sizeof(*starts)), *chosen = malloc(count * sizeof(*chosen));
    int status = scores && motion && starts && chosen ? 0 : error_memory("scores of frames");

    for (int64_t i = 0; i < track->count; i++) {
        struct frames_item *item = &track->items[i];

        item->raw = track->scored[i] > 0 ? item->raw / (float)track->scored[i] : NAN;
    }
    if (!status && options->kind == FRAMES_SURPRISE && clips >= CLIPS_TO_COMPARE)
        status = compare_distances(track);
    /* A clip's first tubelet may have had nothing to be compared with: it is like the frame before it. */
    for (int64_t i = 1; i < track->count; i++)
        if (isnan(track->items[i].raw))
            track->items[i].raw = track->items[i - 1].raw;
    if (!status)
        status = choose(track, options, scores, motion, starts, chosen, report);
    if (!status) {
        report->items = track->items;
        report->count = track->count;
        track->items = NULL;
    }
    free(scores);
    free(motion);
    free(starts);
    free(chosen);
    return status;
}

void frames_track_free(struct frames_track *track)
{
    free(track->items);
    free(track->scored);
    free(track->slot);
    *track = (struct frames_track){0};
}
