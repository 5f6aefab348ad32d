/* V-JEPA 2 over a video, and the choice of frames: sowlv2.h above the frames layer. */
#include "pipeline/frames.h"
#include "analysis/budget.h"
#include "analysis/importance.h"
#include "api/frames_types.h"
#include "base/error.h"
#include "base/log.h"

#include <limits.h>
#include <stdlib.h>

/* One call, for the callbacks. */
struct call {
    const struct sowlv2_frames_options *options;
    volatile sig_atomic_t stopped;
};

struct sowlv2_frames_options sowlv2_frames_options_default(void)
{
    return (struct sowlv2_frames_options){.fps = 6, .importance = SOWLV2_IMPORTANCE_CHANGE, .spacing = 10};
}

static struct sowlv2_frame public_frame(const struct frames_item *item)
{
    return (struct sowlv2_frame){.number = item->number,
                                 .source_number = item->source_number,
                                 .time = item->time,
                                 .score = item->score,
                                 .importance = item->raw,
                                 .motion = item->motion,
                                 .scene_start = item->scene_start,
                                 .chosen = item->chosen};
}

static int give_clip(const float *features, int64_t rows, int64_t width, int64_t first, int64_t frames, void *user_data)
{
    struct call *call = user_data;
    const struct sowlv2_clip_features clip = {features, rows, width, first, frames};
    return call->options->clip(&clip, call->options->clip_user_data)
               ? 0
               : error_set(SOWLV2_ERROR_CANCELLED, "frames: stopped by the caller");
}

static int give_picture(const struct image *image, const struct frames_item *item, void *user_data)
{
    struct call *call = user_data;
    const struct sowlv2_frame frame = public_frame(item);
    const struct sowlv2_image picture = {image->pixels, image->width, image->height, 0};
    return call->options->picture(&frame, &picture, call->options->picture_user_data)
               ? 0
               : error_set(SOWLV2_ERROR_CANCELLED, "frames: stopped by the caller");
}

static void give_progress(size_t done, size_t total, const char *name, void *user_data)
{
    struct call *call = user_data;
    (void)name;
    if (!call->options->progress(done < INT_MAX ? (int)done : INT_MAX, total < INT_MAX ? (int)total : INT_MAX,
                                 call->options->progress_user_data))
        call->stopped = 1;
}

static int check_options(const struct sowlv2_frames_options *options)
{
    const char *what = NULL;
    if (!(options->motion_weight >= 0.0F && options->motion_weight <= 1.0F))
        what = "motion_weight: a share from 0 to 1";
    else if (!(options->target_fraction >= 0.0 && options->target_fraction <= 1.0))
        what = "target_fraction: a part from 0 to 1";
    else if (options->target_frames < 0 || options->spacing < 0 || options->score_window < 0 ||
             options->frames_per_clip < 0 || options->clip_overlap < 0)
        what = "counts of frames: none is below 0";
    else if ((int)options->importance < SOWLV2_IMPORTANCE_VARIANCE ||
             (int)options->importance > SOWLV2_IMPORTANCE_SURPRISE)
        what = "importance: one of enum sowlv2_importance";
    return what == NULL ? 0 : error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_frames_run: %s is needed", what);
}

static struct frames_options inner_options(const char *source, struct call *call)
{
    static const enum frames_kind kinds[] = {[SOWLV2_IMPORTANCE_VARIANCE] = FRAMES_VARIANCE,
                                             [SOWLV2_IMPORTANCE_CHANGE] = FRAMES_CHANGE,
                                             [SOWLV2_IMPORTANCE_SURPRISE] = FRAMES_SURPRISE};
    const struct sowlv2_frames_options *options = call->options;
    return (struct frames_options){
        .input = source,
        .reader = {.fps = options->fps, .start = options->start, .end = options->end},
        .fps = options->fps,
        .frames_per_clip = options->frames_per_clip,
        .clip_overlap = options->clip_overlap,
        .whole = options->whole_frame,
        .kind = kinds[options->importance],
        .motion_weight = options->motion_weight,
        .window = options->score_window,
        .target_frames = options->target_frames,
        .target_fraction = options->target_fraction,
        .spacing = options->spacing,
        .features = options->features,
        .pooled = options->pooled,
        .labels = options->labels,
        .clip = options->clip != NULL ? give_clip : NULL,
        .clip_user_data = call,
        .picture = options->picture != NULL ? give_picture : NULL,
        .picture_user_data = call,
        .progress = options->progress != NULL ? give_progress : NULL,
        .progress_user_data = call,
        .interrupted = &call->stopped,
    };
}

static int take_report(const struct frames_report *report, struct sowlv2_frames *out)
{
    out->items = calloc((size_t)report->count + 1, sizeof(*out->items));
    out->clips = calloc((size_t)report->clip_count + 1, sizeof(*out->clips));
    if (out->items == NULL || out->clips == NULL)
        return error_memory("scores of frames");
    for (int64_t i = 0; i < report->count; i++)
        out->items[i] = public_frame(&report->items[i]);
    for (int64_t i = 0; i < report->clip_count; i++) {
        const struct frames_clip *clip = &report->clips[i];
        out->clips[i] = (struct sowlv2_clip){.start = clip->start, .end = clip->end};
        for (int k = 0; k < (int)(sizeof(out->clips[i].labels) / sizeof(out->clips[i].labels[0])); k++) {
            const bool is_there = k < report->classes && k < FRAMES_CLASSES;
            out->clips[i].labels[k] = is_there ? clip->label[k] : -1;
            out->clips[i].label_scores[k] = is_there ? clip->score[k] : 0.0F;
        }
    }
    out->count = (size_t)report->count;
    out->chosen_count = (size_t)report->chosen_count;
    out->scene_count = (size_t)report->scene_count;
    out->clip_count = (size_t)report->clip_count;
    out->frames_per_clip = (int)report->frames_per_clip;
    return 0;
}

int sowlv2_frames_run(const sowlv2_frames_model *model, const char *source, const struct sowlv2_frames_options *options,
                      struct sowlv2_frames *out)
{
    const struct sowlv2_frames_options defaults = sowlv2_frames_options_default();
    struct call call = {.options = options != NULL ? options : &defaults};
    struct frames_report report = {0};
    if (out != NULL)
        *out = (struct sowlv2_frames){0};
    if (model == NULL || source == NULL || out == NULL)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_frames_run: a model, a source and out are needed");
    int status = check_options(call.options);
    if (status != 0)
        return status;
    const struct frames_options inner = inner_options(source, &call);
    status = frames_run(model->scorer, &inner, &report);
    if (status == 0 && report.broken != 0)
        log_warning("%s", report.failure != NULL ? report.failure : "out of memory");
    if (status == 0)
        status = take_report(&report, out);
    frames_report_free(&report);
    if (status != 0)
        sowlv2_frames_free(out);
    return status;
}

void sowlv2_frames_free(struct sowlv2_frames *frames)
{
    if (frames == NULL)
        return;
    free(frames->items);
    free(frames->clips);
    *frames = (struct sowlv2_frames){0};
}

static int64_t *new_numbers(size_t count)
{
    return calloc(count + 1, sizeof(int64_t));
}

static void copy_numbers(const int64_t *numbers, int64_t count, size_t *out, size_t *out_count)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = (size_t)numbers[i];
    *out_count = (size_t)count;
}

int sowlv2_select_frames(const float *scores, size_t count, size_t wanted, size_t spacing, const size_t *scenes,
                         size_t scene_count, size_t *chosen, size_t *chosen_count)
{
    bool rising = true;
    if (chosen_count != NULL)
        *chosen_count = 0;
    for (size_t i = 1; scenes != NULL && i < scene_count; i++)
        rising = rising && scenes[i] > scenes[i - 1];
    if ((scores == NULL && count > 0) || chosen == NULL || chosen_count == NULL || !rising || count > INT64_MAX / 16) {
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "sowlv2_select_frames: scores, room for the chosen frames and rising scenes are needed");
    }
    if (scenes == NULL)
        scene_count = 0;
    int64_t *starts = new_numbers(scene_count), *found = new_numbers(wanted < count ? wanted : count), found_count = 0;
    int status = 0;
    if (starts == NULL || found == NULL) {
        status = error_memory("the choice of frames");
    } else {
        for (size_t i = 0; scenes != NULL && i < scene_count; i++)
            starts[i] = (int64_t)(scenes[i] < count ? scenes[i] : count);
        const struct importance_choice choice = {(int64_t)(wanted < count ? wanted : count),
                                                 (int64_t)(spacing < count ? spacing : count),
                                                 scenes != NULL ? starts : NULL, (int64_t)scene_count};
        status = importance_select(scores, (int64_t)count, &choice, found, &found_count);
    }
    if (status == 0)
        copy_numbers(found, found_count, chosen, chosen_count);
    free(starts);
    free(found);
    return status;
}

int sowlv2_uniform_frames(size_t count, size_t wanted, size_t *chosen, size_t *chosen_count)
{
    if (chosen_count != NULL)
        *chosen_count = 0;
    if (chosen == NULL || chosen_count == NULL || count > INT64_MAX / 16)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_uniform_frames: room for the chosen frames is needed");
    int64_t *found = new_numbers(wanted < count ? wanted : count);
    if (found == NULL)
        return error_memory("the choice of frames");
    copy_numbers(found, importance_uniform((int64_t)count, (int64_t)(wanted < count ? wanted : count), found), chosen,
                 chosen_count);
    free(found);
    return 0;
}

int sowlv2_budget_frames(const float *importance, const bool *scene_starts, size_t count, double fraction,
                         size_t most_gap, bool *tracked)
{
    if (tracked == NULL || count > INT64_MAX / 16)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_budget_frames: room for the decisions is needed");
    const struct budget budget = {fraction, (int64_t)(most_gap < count ? most_gap : count)};
    const struct budget_frames frames = {
        .count = (int64_t)count, .importance = importance, .scene_start = scene_starts};
    return count > 0 ? budget_choose(&frames, &budget, tracked, NULL) : 0;
}
