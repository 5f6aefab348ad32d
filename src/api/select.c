/* The choice of frames by numbers of any origin. */
#include "analysis/budget.h"
#include "analysis/importance.h"
#include "base/error.h"
#include "sowlv2.h"

#include <stdlib.h>

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
    if (chosen_count)
        *chosen_count = 0;
    for (size_t i = 1; scenes && i < scene_count; i++)
        rising = rising && scenes[i] > scenes[i - 1];
    if ((!scores && count > 0) || !chosen || !chosen_count || !rising || count > INT64_MAX / 16) {
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "sowlv2_select_frames: scores, room for the chosen frames and rising scenes are needed");
    }
    if (!scenes)
        scene_count = 0;
    int64_t *starts = new_numbers(scene_count), *found = new_numbers(wanted < count ? wanted : count), found_count = 0;
    int status = 0;
    if (!starts || !found) {
        status = error_memory("the choice of frames");
    } else {
        for (size_t i = 0; scenes && i < scene_count; i++)
            starts[i] = (int64_t)(scenes[i] < count ? scenes[i] : count);
        const struct importance_choice choice = {(int64_t)(wanted < count ? wanted : count),
                                                 (int64_t)(spacing < count ? spacing : count), scenes ? starts : NULL,
                                                 (int64_t)scene_count};
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
    if (chosen_count)
        *chosen_count = 0;
    if (!chosen || !chosen_count || count > INT64_MAX / 16)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_uniform_frames: room for the chosen frames is needed");
    int64_t *found = new_numbers(wanted < count ? wanted : count);
    if (!found)
        return error_memory("the choice of frames");
    copy_numbers(found, importance_uniform((int64_t)count, (int64_t)(wanted < count ? wanted : count), found), chosen,
                 chosen_count);
    free(found);
    return 0;
}

int sowlv2_budget_frames(const float *importance, const bool *scene_starts, size_t count, double fraction,
                         size_t most_gap, bool *tracked)
{
    if (!tracked || count > INT64_MAX / 16)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_budget_frames: room for the decisions is needed");
    const struct budget budget = {fraction, (int64_t)(most_gap < count ? most_gap : count)};
    const struct budget_frames frames = {
        .count = (int64_t)count, .importance = importance, .scene_start = scene_starts};
    return count > 0 ? budget_choose(&frames, &budget, tracked, NULL) : 0;
}
