/* See clips.h. */
#include "scoring/clips.h"

#include "analysis/importance.h"
#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HISTORY = 4, CLASSES = SOWLV2_CLIP_LABELS }; /* HISTORY: tubelets that a change is measured against */

static int64_t patches_of(const struct scoring_clips *clips)
{
    return clips->info->grid * clips->info->grid;
}

/* The most tubelets a clip can have. */
static int64_t most_tubelets(const struct scoring_clips *clips)
{
    const int64_t tubelets = scorer_tubelets(clips->scorer, clips->frames);
    return tubelets > clips->info->tubelet_size ? tubelets : clips->info->tubelet_size;
}

/* Surprise: the last half of a clip is predicted from the first. */
static int64_t predicted_tubelets(int64_t tubelets)
{
    return tubelets / 2;
}

static void *allocate(int64_t a, int64_t b, int64_t c, size_t size)
{
    const uint64_t most = SIZE_MAX / 4 / size;
    if (a < 1 || b < 1 || c < 1 || (uint64_t)a > most || (uint64_t)b > most / (uint64_t)a ||
        (uint64_t)c > most / (uint64_t)a / (uint64_t)b)
        return NULL;
    return malloc((size_t)a * (size_t)b * (size_t)c * size);
}

static int allocate_all(struct scoring_clips *clips)
{
    const int64_t tubelets = most_tubelets(clips), patches = patches_of(clips), width = clips->info->width;
    const bool surprise = clips->options->importance == SOWLV2_IMPORTANCE_SURPRISE;
    clips->features = allocate(HISTORY + tubelets, patches, width, sizeof(float));
    clips->scores = allocate(tubelets, 1, 1, sizeof(float));
    clips->pooled = allocate(tubelets, width, 1, sizeof(float));
    if (surprise)
        clips->expected = allocate(tubelets, patches, width, sizeof(float));
    if (clips->options->labels)
        clips->logits = allocate(clips->info->label_count, 1, 1, sizeof(float));
    if (!clips->features || !clips->scores || !clips->pooled || (surprise && !clips->expected) ||
        (clips->options->labels && !clips->logits))
        return error_memory("a clip");
    return 0;
}

int scoring_clips_open(const struct scorer *scorer, const struct sowlv2_score_options *options,
                       struct scoring_clips *out)
{
    const struct scorer_info *const info = scorer_info(scorer);
    int64_t overlap = options->clip_overlap;
    *out = (struct scoring_clips){.scorer = scorer, .info = info, .options = options};
    out->frames = options->frames_per_clip > 0 ? options->frames_per_clip : info->frames_per_clip;
    if (options->importance == SOWLV2_IMPORTANCE_SURPRISE) {
        /* So that every frame but the first ones is in some clip's predicted part. */
        const int64_t predicted = predicted_tubelets(scorer_tubelets(scorer, out->frames)) * info->tubelet_size;
        overlap = overlap > out->frames - predicted ? overlap : out->frames - predicted;
    }
    out->step = out->frames - overlap;
    out->control = (struct model_control){options->progress, options->progress_user_data};
    int status = scorer_session_create(scorer, &out->session);
    if (!status)
        status = scorer_session_hold(out->session, out->frames);
    return status ? status : allocate_all(out);
}

int scoring_clips_take(struct scoring_clips *clips, int64_t index, const struct sowlv2_image *image)
{
    return scorer_session_take(clips->session, image, clips->options->whole_frame ? SCORER_WHOLE : SCORER_CENTRE,
                               index % clips->frames);
}

bool scoring_clips_due(const struct scoring_clips *clips, int64_t count)
{
    return count >= clips->frames && (clips->end == 0 || count - clips->end >= clips->step);
}

int64_t scoring_clips_known(const struct scoring_clips *clips)
{
    return clips->end >= clips->frames ? clips->end + 1 - clips->frames : 0;
}

/* Encodes frames first .. first + count - 1, which the session holds. */
static int encode(struct scoring_clips *clips, int64_t first, int64_t count, const struct scorer_wanted *wanted)
{
    const struct scorer_clips clip = scorer_session_clip(clips->session, first % clips->frames, count);
    return scorer_session_encode(clips->session, &clip, &clips->control, wanted);
}

/* What is worked out of a clip's features for each of its tubelets by itself. */
struct tubelet_work {
    float *features;       /* of the clip */
    const float *expected; /* of surprise */
    int64_t history;       /* of change: tubelets that lie before them */
    struct importance_shape shape;
    float *out; /* scores[tubelets], or pooled[tubelets][width] */
};

static void pool_tubelet(void *data, size_t index, size_t worker)
{
    const struct tubelet_work *const work = data;
    const int64_t patches = work->shape.patches, width = work->shape.width;
    const float *const features = work->features + (int64_t)index * patches * width;
    (void)worker;
    for (int64_t c = 0; c < width; c++) {
        double sum = 0;
        for (int64_t p = 0; p < patches; p++)
            sum += (double)features[p * width + c];
        work->out[(int64_t)index * width + c] = (float)(sum / (double)patches);
    }
}

static void score_change(void *data, size_t index, size_t worker)
{
    const struct tubelet_work *const work = data;
    const float *const first = work->features - work->history * work->shape.patches * work->shape.width;
    (void)worker;
    work->out[index] = importance_change_at(first, work->shape, HISTORY, work->history + (int64_t)index);
}

/* To mean 0 and variance 1 along the width: what the predictor was trained to give. */
static void normalise_rows(float *rows, int64_t count, int64_t width)
{
    for (float *row = rows; row < rows + count * width; row += width) {
        double mean = 0, squares = 0;
        for (int64_t c = 0; c < width; c++)
            mean += (double)row[c];
        mean /= (double)width;
        for (int64_t c = 0; c < width; c++)
            squares += ((double)row[c] - mean) * ((double)row[c] - mean);
        for (int64_t c = 0; c < width; c++)
            row[c] = (float)(((double)row[c] - mean) / sqrt(squares / (double)width + 1e-5));
    }
}

/* Changes the features. */
static void score_surprise_of(void *data, size_t index, size_t worker)
{
    const struct tubelet_work *const work = data;
    const struct importance_shape one = {1, work->shape.patches, work->shape.width};
    const int64_t at = (int64_t)index * one.patches * one.width;
    (void)worker;
    normalise_rows(work->features + at, one.patches, one.width);
    importance_surprise(work->expected + at, work->features + at, one, work->out + index);
}

static int give_features(struct scoring_clips *clips, float *features, int64_t first, int64_t frames)
{
    const struct sowlv2_score_options *const options = clips->options;
    const int64_t tubelets = scorer_tubelets(clips->scorer, frames);
    struct sowlv2_clip_features given = {features, scorer_tokens(clips->scorer, frames), clips->info->width, first,
                                         frames};
    if (!options->features)
        return 0;
    if (options->pooled) {
        struct tubelet_work work = {
            .features = features, .shape = {tubelets, patches_of(clips), clips->info->width}, .out = clips->pooled};
        scorer_share(clips->scorer, (size_t)tubelets, pool_tubelet, &work);
        given.values = clips->pooled;
        given.rows = tubelets;
    }
    return options->features(&given, options->features_user_data)
               ? 0
               : error_set(SOWLV2_ERROR_CANCELLED, "key frames: stopped by the caller");
}

/* The classes of the largest logits, with their softmax. */
static void take_classes(const float *logits, int64_t count, struct sowlv2_clip *out)
{
    double sum = 0;
    float most = logits[0];
    for (int64_t i = 1; i < count; i++)
        most = logits[i] > most ? logits[i] : most;
    for (int64_t i = 0; i < count; i++)
        sum += exp((double)logits[i] - (double)most);
    for (int64_t i = 0; i < count; i++) {
        int place = CLASSES;
        while (place > 0 && (out->labels[place - 1] < 0 || logits[i] > logits[out->labels[place - 1]]))
            place--;
        if (place == CLASSES)
            continue;
        memmove(out->labels + place + 1, out->labels + place, (size_t)(CLASSES - 1 - place) * sizeof(*out->labels));
        out->labels[place] = (int)i;
    }
    for (int k = 0; k < CLASSES && out->labels[k] >= 0; k++)
        out->label_scores[k] = (float)(exp((double)logits[out->labels[k]] - (double)most) / sum);
}

static int note_clip(struct scoring_clips *clips, const struct scoring_numbers *numbers, int64_t first)
{
    struct sowlv2_clip clip = {.start = numbers->frames[first].time, .end = numbers->frames[numbers->count - 1].time};
    for (int k = 0; k < CLASSES; k++)
        clip.labels[k] = -1;
    if (clips->logits)
        take_classes(clips->logits, clips->info->label_count, &clip);
    if (clips->done_count == clips->done_capacity) {
        const int64_t capacity = clips->done_capacity > 0 ? 2 * clips->done_capacity : 64;
        struct sowlv2_clip *const done = realloc(clips->done, (size_t)capacity * sizeof(*done));
        if (!done)
            return error_memory("clips");
        clips->done = done;
        clips->done_capacity = capacity;
    }
    clips->done[clips->done_count++] = clip;
    return 0;
}

/* scores[tubelets] of the clip of `count` frames from frame `first`; changes `features`. The first part is encoded
 * alone, so that nothing of what comes is known to the predictor. */
static int score_surprise(struct scoring_clips *clips, int64_t first, int64_t count, float *features, float *scores)
{
    const int64_t tubelets = scorer_tubelets(clips->scorer, count), wanted = predicted_tubelets(tubelets);
    const int64_t seen = tubelets - wanted, patches = patches_of(clips), width = clips->info->width;
    for (int64_t t = 0; t < tubelets; t++)
        scores[t] = NAN;
    if (wanted < 1 || count < clips->info->tubelet_size)
        return 0; /* a video of less than a tubelet is one repeated moment */
    int32_t *const ids = allocate(wanted, patches, 1, sizeof(*ids));
    if (!ids)
        return error_memory("token positions");
    for (int64_t i = 0; i < wanted * patches; i++)
        ids[i] = (int32_t)(seen * patches + i);
    const struct scorer_positions target = {ids, wanted * patches};
    int status = encode(clips, first, seen * clips->info->tubelet_size, &(struct scorer_wanted){.keep = true});
    if (!status)
        status = scorer_session_predict(clips->session, NULL, &target, &clips->control, clips->expected);
    free(ids);
    if (status)
        return status;
    struct tubelet_work work = {.features = features + seen * patches * width,
                                .expected = clips->expected,
                                .shape = {wanted, patches, width},
                                .out = scores + seen};
    scorer_share(clips->scorer, (size_t)wanted, score_surprise_of, &work);
    return 0;
}

/* The tubelets right before this clip, so that its first ones have something to be compared with. */
static void keep_history(struct scoring_clips *clips, int64_t tubelets)
{
    const size_t tubelet = (size_t)patches_of(clips) * (size_t)clips->info->width;
    const int64_t kept = tubelets < HISTORY ? tubelets : HISTORY;
    memmove(clips->features + (size_t)(HISTORY - kept) * tubelet,
            clips->features + (size_t)(HISTORY + tubelets - kept) * tubelet, (size_t)kept * tubelet * sizeof(float));
    clips->history = kept;
}

int scoring_clips_run(struct scoring_clips *clips, struct scoring_numbers *numbers)
{
    const int64_t count = numbers->count < clips->frames ? numbers->count : clips->frames;
    const int64_t first = numbers->count - count, tubelets = scorer_tubelets(clips->scorer, count);
    const int64_t patches = patches_of(clips), width = clips->info->width;
    float *const features = clips->features + HISTORY * patches * width, *const scores = clips->scores;
    if (first != clips->end)
        clips->history = 0;
    struct scorer_wanted wanted = {.features = features, .logits = clips->logits};
    if (clips->options->importance == SOWLV2_IMPORTANCE_VARIANCE) {
        wanted.variance = scores;
        wanted.features = clips->options->features ? features : NULL;
    }
    int status = encode(clips, first, count, &wanted);
    if (!status)
        status = give_features(clips, features, first, count);
    if (!status)
        status = note_clip(clips, numbers, first);
    if (status)
        return status;
    if (clips->options->importance == SOWLV2_IMPORTANCE_CHANGE) {
        struct tubelet_work work = {
            .features = features, .history = clips->history, .shape = {tubelets, patches, width}, .out = scores};
        scorer_share(clips->scorer, (size_t)tubelets, score_change, &work);
        if (clips->history == 0)
            scores[0] = NAN;
        keep_history(clips, tubelets);
    } else if (clips->options->importance == SOWLV2_IMPORTANCE_SURPRISE) {
        status = score_surprise(clips, first, count, features, scores);
    }
    if (!status)
        scoring_numbers_score(numbers, first, count, clips->info->tubelet_size, scores, tubelets,
                              clips->options->importance == SOWLV2_IMPORTANCE_SURPRISE);
    clips->end = numbers->count;
    return status;
}

void scoring_clips_free(struct scoring_clips *clips)
{
    scorer_session_free(&clips->session);
    free(clips->features);
    free(clips->expected);
    free(clips->scores);
    free(clips->pooled);
    free(clips->logits);
    free(clips->done);
    *clips = (struct scoring_clips){0};
}
