/* See scoring.h. */
#include "scoring/scoring.h"

#include "analysis/importance.h"
#include "base/error.h"
#include "scoring/clips.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GREY = IMPORTANCE_GREY };

struct scoring {
    struct sowlv2_score_options options;
    struct scoring_clips clips;
    struct scoring_numbers numbers;
    uint8_t grey[2][GREY]; /* of the last frame and the one before, taking turns */
    bool finished, failed;
};

int scoring_check(const struct scorer *scorer, const struct sowlv2_score_options *options)
{
    const struct scorer_info *const info = scorer_info(scorer);
    const int frames = options->frames_per_clip > 0 ? options->frames_per_clip : info->frames_per_clip;
    if (frames < info->tubelet_size)
        return error_set(SOWLV2_ERROR_ARGUMENT, "clips of %d frames: the model looks at %d at once: give more", frames,
                         info->tubelet_size);
    if (options->clip_overlap >= frames)
        return error_set(SOWLV2_ERROR_ARGUMENT, "an overlap of %d frames: clips have %d: it must be less",
                         options->clip_overlap, frames);
    if (options->labels && info->label_count == 0)
        return error_set(SOWLV2_ERROR_UNSUPPORTED, "labels: this V-JEPA 2 checkpoint has no classifier: give one that "
                                                   "has, for example facebook/vjepa2-vitl-fpc16-256-ssv2");
    if (options->importance != SOWLV2_IMPORTANCE_SURPRISE)
        return 0;
    if (!info->predictor)
        return error_set(SOWLV2_ERROR_UNSUPPORTED,
                         "surprise: this V-JEPA 2 checkpoint has no predictor: choose another kind of importance");
    if (frames < 2 * (int64_t)info->tubelet_size)
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "surprise: clips of %d frames have nothing to predict from: give at least %d", frames,
                         2 * info->tubelet_size);
    return 0;
}

int scoring_create(const struct scorer *scorer, const struct sowlv2_score_options *options, struct scoring **out)
{
    *out = NULL;
    struct scoring *scoring = calloc(1, sizeof(*scoring));
    if (!scoring)
        return error_memory("score session");
    scoring->options = *options;
    const int status = scoring_clips_open(scorer, &scoring->options, &scoring->clips);
    if (status) {
        scoring_free(&scoring);
        return status;
    }
    *out = scoring;
    return 0;
}

void scoring_free(struct scoring **scoring)
{
    struct scoring *const old = *scoring;
    if (!old)
        return;
    scoring_clips_free(&old->clips);
    scoring_numbers_free(&old->numbers);
    free(old);
    *scoring = NULL;
}

static int check_open(const struct scoring *scoring)
{
    if (scoring->failed)
        return error_set(SOWLV2_ERROR_ARGUMENT, "score session: an earlier call failed: begin another session");
    if (scoring->finished)
        return error_set(SOWLV2_ERROR_ARGUMENT, "score session: it is finished: begin another session");
    return 0;
}

/* A frame's small grey picture in the making. */
struct grey_work {
    const struct sowlv2_image *image;
    uint8_t *grey;
};

enum { GREY_ROWS = 2, GREY_TASKS = IMPORTANCE_GREY_HEIGHT / GREY_ROWS };
_Static_assert(GREY_ROWS *GREY_TASKS == IMPORTANCE_GREY_HEIGHT, "no row is left out");

static void make_grey_rows(void *data, size_t index, size_t worker)
{
    const struct grey_work *const work = data;
    const struct sowlv2_image *const image = work->image;
    const int first = (int)index * GREY_ROWS;
    (void)worker;
    importance_grey_rows(image->pixels, image->width, image->height, image->stride, first, first + GREY_ROWS,
                         work->grey);
}

int scoring_push(struct scoring *scoring, const struct sowlv2_image *image, double time, int64_t source_number)
{
    struct scoring_numbers *const numbers = &scoring->numbers;
    const int64_t index = numbers->count;
    uint8_t *const grey = scoring->grey[index % 2];
    struct sowlv2_frame frame = {.number = index + 1, .source_number = source_number, .time = time};
    int status = check_open(scoring);
    if (status)
        return status;
    if (!isfinite(time) || (index > 0 && time <= numbers->frames[index - 1].time))
        return error_set(SOWLV2_ERROR_ARGUMENT, "frame %" PRId64 ": its time is %g s: give one after %g s",
                         frame.number, time, index > 0 ? numbers->frames[index - 1].time : 0.0);
    status = scoring_clips_take(&scoring->clips, index, image);
    if (status == SOWLV2_ERROR_ARGUMENT)
        return status;
    scorer_share(scoring->clips.scorer, GREY_TASKS, make_grey_rows, &(struct grey_work){image, grey});
    if (index > 0)
        frame.motion = importance_motion(scoring->grey[(index + 1) % 2], grey, GREY);
    if (!status)
        status = scoring_numbers_add(numbers, &frame);
    if (!status && scoring_clips_due(&scoring->clips, numbers->count))
        status = scoring_clips_run(&scoring->clips, numbers);
    if (!status)
        status = scoring_numbers_settle(numbers, &scoring->options, scoring_clips_known(&scoring->clips));
    scoring->failed = status != 0;
    return status;
}

int scoring_finish(struct scoring *scoring)
{
    int status = check_open(scoring);
    if (status)
        return status;
    if (scoring->numbers.count > scoring->clips.end)
        status = scoring_clips_run(&scoring->clips, &scoring->numbers);
    if (!status)
        status = scoring_numbers_finish(&scoring->numbers, &scoring->options, scoring->clips.done_count);
    scoring->failed = status != 0;
    scoring->finished = !status;
    return status;
}

int64_t scoring_count(const struct scoring *scoring)
{
    return scoring->numbers.count;
}

int64_t scoring_final(const struct scoring *scoring)
{
    return scoring->numbers.final;
}

const struct sowlv2_frame *scoring_frame(const struct scoring *scoring, int64_t index)
{
    return index < scoring->numbers.count ? &scoring->numbers.frames[index] : NULL;
}

int scoring_choose(const struct scoring *scoring, const struct sowlv2_choice_options *options,
                   struct sowlv2_frames *out)
{
    const struct scoring_clips *const clips = &scoring->clips;
    if (!scoring->finished)
        return error_set(SOWLV2_ERROR_ARGUMENT, "score session: finish it before frames are chosen");
    const size_t bytes = (size_t)clips->done_count * sizeof(*out->clips);
    out->clips = malloc(bytes + 1);
    if (!out->clips)
        return error_memory("clips");
    if (bytes > 0)
        memcpy(out->clips, clips->done, bytes);
    out->clip_count = (size_t)clips->done_count;
    out->frames_per_clip = (int)clips->frames;
    out->clip_step = (int)clips->step;
    return scoring_numbers_choose(&scoring->numbers, options, out);
}
