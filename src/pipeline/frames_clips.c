/* One clip after the other through V-JEPA 2: features, classes, scores. */
#include "analysis/importance.h"
#include "base/error.h"
#include "pipeline/frames_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HISTORY = 4 }; /* tubelets that a change is measured against */

static size_t square_bytes(const struct frames_clips *clips)
{
    return (size_t)clips->info->side * (size_t)clips->info->side * 3;
}

static int64_t patches_of(const struct frames_clips *clips)
{
    return clips->info->grid * clips->info->grid;
}

/* The most tubelets a clip can have. */
static int64_t most_tubelets(const struct frames_clips *clips)
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

static int allocate_all(struct frames_clips *clips)
{
    const int64_t tubelets = most_tubelets(clips), patches = patches_of(clips), width = clips->info->width;
    const bool surprise = clips->options->kind == FRAMES_SURPRISE;

    clips->squares = allocate(clips->frames, (int64_t)square_bytes(clips), 1, 1);
    clips->clip = allocate(clips->frames, 1, 1, sizeof(*clips->clip));
    clips->features = allocate(HISTORY + tubelets, patches, width, sizeof(float));
    clips->scores = allocate(HISTORY + tubelets, 1, 1, sizeof(float));
    clips->pooled = allocate(tubelets, width, 1, sizeof(float));
    if (surprise)
        clips->expected = allocate(tubelets, patches, width, sizeof(float));
    if (clips->options->labels)
        clips->logits = allocate(clips->info->label_count, 1, 1, sizeof(float));
    if (!clips->squares || !clips->clip || !clips->features || !clips->scores || !clips->pooled ||
        (surprise && !clips->expected) || (clips->options->labels && !clips->logits))
        return error_memory("a clip");
    return 0;
}

static bool keep_going(int done, int total, void *user_data)
{
    const struct frames_clips *clips = user_data;
    const volatile sig_atomic_t *interrupted = clips->options->interrupted;

    (void)done;
    (void)total;
    return !interrupted || !*interrupted;
}

/* The shape of a row of the features' file, for clips of `frames` frames. */
static void shape_features(const struct frames_clips *clips, int64_t frames, int64_t dim[3])
{
    dim[0] = 0;
    dim[1] = clips->options->pooled ? scorer_tubelets(clips->scorer, frames) : scorer_tokens(clips->scorer, frames);
    dim[2] = clips->info->width;
}

int frames_clips_open(const struct scorer *scorer, const struct frames_options *options, struct frames_clips *out)
{
    const struct scorer_info *info = scorer_info(scorer);
    int64_t overlap = options->clip_overlap, dim[3];
    int status;

    *out = (struct frames_clips){.scorer = scorer, .info = info, .options = options};
    out->frames = options->frames_per_clip > 0 ? options->frames_per_clip : info->frames_per_clip;
    if (options->kind == FRAMES_SURPRISE) {
        /* So that every frame but the video's first is in some clip's predicted part. */
        const int64_t predicted = predicted_tubelets(scorer_tubelets(scorer, out->frames)) * info->tubelet_size;

        overlap = overlap > out->frames - predicted ? overlap : out->frames - predicted;
    }
    out->step = out->frames - overlap;
    out->control = (struct model_control){keep_going, out};
    status = scorer_session_create(scorer, &out->session);
    if (!status)
        status = allocate_all(out);
    if (!status && options->features) {
        shape_features(out, out->frames, dim);
        status =
            safetensors_writer_open(options->features, options->pooled ? "pooled" : "features", 3, dim, &out->writer);
    }
    return status;
}

uint8_t *frames_clips_square(struct frames_clips *clips, int64_t index)
{
    return clips->squares + (size_t)(index % clips->frames) * square_bytes(clips);
}

/* Encodes frames first .. first + count - 1, which the ring holds. */
static int encode(struct frames_clips *clips, int64_t first, int64_t count, const struct scorer_wanted *wanted)
{
    const int side = clips->info->side;
    const struct scorer_clips batch = {clips->clip, 1, count, SCORER_WHOLE};

    for (int64_t i = 0; i < count; i++)
        clips->clip[i] = (struct model_image){frames_clips_square(clips, first + i), side, side, (size_t)side * 3};
    return scorer_session_encode(clips->session, &batch, &clips->control, wanted);
}

/* The mean over the patches of each tubelet. */
static void pool(const struct frames_clips *clips, const float *features, int64_t tubelets)
{
    const int64_t patches = patches_of(clips), width = clips->info->width;

    for (int64_t t = 0; t < tubelets; t++)
        for (int64_t c = 0; c < width; c++) {
            double sum = 0;

            for (int64_t p = 0; p < patches; p++)
                sum += (double)features[(t * patches + p) * width + c];
            clips->pooled[t * width + c] = (float)(sum / (double)patches);
        }
}

static int give_features(struct frames_clips *clips, const float *features, int64_t first, int64_t frames)
{
    const int64_t tubelets = scorer_tubelets(clips->scorer, frames), width = clips->info->width;
    const struct frames_options *options = clips->options;

    if (!options->clip)
        return 0;
    if (!options->pooled)
        return options->clip(features, scorer_tokens(clips->scorer, frames), width, first, frames,
                             options->clip_user_data);
    pool(clips, features, tubelets);
    return options->clip(clips->pooled, tubelets, width, first, frames, options->clip_user_data);
}

static int write_features(struct frames_clips *clips, const float *features, int64_t frames)
{
    if (!clips->options->features)
        return 0;
    if (clips->writer.dim[0] == 0)
        shape_features(clips, frames, clips->writer.dim); /* a video shorter than a clip has fewer tokens */
    if (!clips->options->pooled)
        return safetensors_writer_append(&clips->writer, features);
    pool(clips, features, scorer_tubelets(clips->scorer, frames));
    return safetensors_writer_append(&clips->writer, clips->pooled);
}

/* The classes of the largest logits, with their softmax. */
static void take_classes(const float *logits, int64_t count, struct frames_clip *out)
{
    double sum = 0;
    float most = logits[0];

    for (int64_t i = 1; i < count; i++)
        most = logits[i] > most ? logits[i] : most;
    for (int64_t i = 0; i < count; i++)
        sum += exp((double)logits[i] - (double)most);
    for (int k = 0; k < FRAMES_CLASSES; k++)
        out->label[k] = -1;
    for (int64_t i = 0; i < count; i++) {
        int place = FRAMES_CLASSES;

        while (place > 0 && (out->label[place - 1] < 0 || logits[i] > logits[out->label[place - 1]]))
            place--;
        if (place == FRAMES_CLASSES)
            continue;
        memmove(out->label + place + 1, out->label + place, (size_t)(FRAMES_CLASSES - 1 - place) * sizeof(*out->label));
        out->label[place] = (int32_t)i;
    }
    for (int k = 0; k < FRAMES_CLASSES && out->label[k] >= 0; k++)
        out->score[k] = (float)(exp((double)logits[out->label[k]] - (double)most) / sum);
}

static int note_clip(struct frames_clips *clips, const struct frames_track *track, int64_t first)
{
    struct frames_clip clip = {.start = track->items[first].time, .end = track->items[track->count - 1].time};

    if (clips->logits)
        take_classes(clips->logits, clips->info->label_count, &clip);
    if (clips->done_count == clips->done_capacity) {
        const int64_t capacity = clips->done_capacity > 0 ? 2 * clips->done_capacity : 64;
        struct frames_clip *done = realloc(clips->done, (size_t)capacity * sizeof(*done));

        if (!done)
            return error_memory("clips");
        clips->done = done;
        clips->done_capacity = capacity;
    }
    clips->done[clips->done_count++] = clip;
    return 0;
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

/* scores[tubelets] of the clip of `count` frames from frame `first`; changes `features`. The first part is encoded
 * alone, so that nothing of what comes is known to the predictor. */
static int surprise(struct frames_clips *clips, int64_t first, int64_t count, float *features, float *scores)
{
    const int64_t tubelets = scorer_tubelets(clips->scorer, count), wanted = predicted_tubelets(tubelets),
                  seen = tubelets - wanted, patches = patches_of(clips);
    const int64_t width = clips->info->width;
    struct scorer_positions target = {NULL, wanted * patches};
    int32_t *ids;
    int status;

    for (int64_t t = 0; t < tubelets; t++)
        scores[t] = NAN;
    if (wanted < 1 || count < clips->info->tubelet_size)
        return 0; /* a video of less than a tubelet is one repeated moment */
    ids = allocate(wanted, patches, 1, sizeof(*ids));
    if (!ids)
        return error_memory("token positions");
    for (int64_t i = 0; i < wanted * patches; i++)
        ids[i] = (int32_t)(seen * patches + i);
    target.ids = ids;
    status = encode(clips, first, seen * clips->info->tubelet_size, &(struct scorer_wanted){.keep = true});
    if (!status)
        status = scorer_session_predict(clips->session, NULL, &target, &clips->control, clips->expected);
    free(ids);
    if (status)
        return status;
    normalise_rows(features + seen * patches * width, wanted * patches, width);
    importance_surprise(clips->expected, features + seen * patches * width,
                        (struct importance_shape){wanted, patches, width}, scores + seen);
    return 0;
}

/* The tubelets right before this clip, so that its first ones have something to be compared with. */
static void keep_history(struct frames_clips *clips, int64_t tubelets)
{
    const size_t tubelet = (size_t)patches_of(clips) * (size_t)clips->info->width;
    const int64_t kept = tubelets < HISTORY ? tubelets : HISTORY;

    memmove(clips->features + (size_t)(HISTORY - kept) * tubelet,
            clips->features + (size_t)(HISTORY + tubelets - kept) * tubelet, (size_t)kept * tubelet * sizeof(float));
    clips->history = kept;
}

int frames_clips_run(struct frames_clips *clips, struct frames_track *track)
{
    const int64_t count = track->count < clips->frames ? track->count : clips->frames, first = track->count - count;
    const int64_t tubelets = scorer_tubelets(clips->scorer, count), patches = patches_of(clips);
    const int64_t width = clips->info->width;
    float *features = clips->features + HISTORY * patches * width, *scores = clips->scores;
    int status;

    if (first != clips->end)
        clips->history = 0;
    status = encode(clips, first, count, &(struct scorer_wanted){.features = features, .logits = clips->logits});
    if (!status)
        status = write_features(clips, features, count);
    if (!status)
        status = give_features(clips, features, first, count);
    if (!status)
        status = note_clip(clips, track, first);
    if (status)
        return status;
    if (clips->options->kind == FRAMES_CHANGE) {
        importance_change(features - clips->history * patches * width,
                          (struct importance_shape){clips->history + tubelets, patches, width}, HISTORY, scores);
        scores += clips->history;
        if (clips->history == 0)
            scores[0] = NAN;
        keep_history(clips, tubelets);
    } else if (clips->options->kind == FRAMES_VARIANCE) {
        status = importance_variance(features, (struct importance_shape){tubelets, patches, width}, scores);
    } else {
        status = surprise(clips, first, count, features, scores);
    }
    if (!status)
        frames_track_score(track, first, count, clips->info->tubelet_size, scores, tubelets,
                           clips->options->kind == FRAMES_SURPRISE);
    clips->end = track->count;
    return status;
}

void frames_clips_free(struct frames_clips *clips)
{
    safetensors_writer_abort(&clips->writer);
    scorer_session_free(&clips->session);
    free(clips->squares);
    free(clips->clip);
    free(clips->features);
    free(clips->expected);
    free(clips->scores);
    free(clips->pooled);
    free(clips->logits);
    free(clips->done);
    *clips = (struct frames_clips){0};
}
