/* Memory that is chosen: which frames an object is remembered by.
 *
 * After "A Distractor-Aware Memory for Visual Object Tracking with SAM2" (DAM4SAM) and "SAM2Long: Enhancing SAM 2 for
 * Long Video Segmentation with a Training-Free Memory Tree":
 *   - A frame on which the object is not seen, or its mask is poor or changes at once, is remembered on the next frame
 *     alone, so that what was seen before an occlusion is still there after it.
 *   - A frame on which another of the decoder's masks takes in much more than the one that counts shows something that
 *     is like the object beside it. Where the object is seen well on it, it is kept apart, for longer than the others:
 *     an anchor, which tells the two apart.
 *   - Remembered frames count as if they followed each other, however far apart they are. */
#include "models/sam2/memory_choice.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A mask whose estimated IoU is at least this is remembered, and one that may be an anchor. */
static const float GOOD_IOU = 0.5F, ANCHOR_IOU = 0.8F;
/* The area changes by at most this from one frame to the next, and is this close to the mean for an anchor. */
static const float SUDDEN = 2.0F, STEADY = 0.2F;
/* The part of the union with another mask that is the object's where nothing like it is beside it. */
static const float APART = 0.7F;
/* An alternative counts whose estimated IoU is at least this part of the best one's. */
static const float ALTERNATIVE = 0.5F;
/* Frames from anchor to anchor. */
enum { BETWEEN_ANCHORS = 5 };
/* The mean area follows with this share. */
static const float FOLLOW = 0.1F;

bool sam2_choice_distracted(const struct sam2_alternatives *alternatives)
{
    const int64_t count = alternatives->count;
    const int64_t best = alternatives->best;
    const float *const shared = alternatives->shared;
    const float area = shared[best * count + best];
    for (int64_t i = 1; i < count; i++) {
        const float all = area + shared[i * count + i] - shared[best * count + i];
        if (i != best && alternatives->iou[i] >= ALTERNATIVE * alternatives->iou[best] && area < APART * all)
            return true;
    }
    return false;
}

void sam2_choice_judge(struct sam2_choice *choice, int64_t frame, float iou, float object_score,
                       const struct sam2_alternatives *alternatives, bool *good, bool *anchor)
{
    const bool known = alternatives && alternatives->best >= 0;
    const float area = known ? alternatives->shared[alternatives->best * (alternatives->count + 1)] : choice->last_area;
    const float before = choice->last_area;
    const bool seen = object_score > 0.0F && area > 0.0F;
    const bool sudden = before > 0.0F && (area > SUDDEN * before || area * SUDDEN < before);
    const bool again = choice->anchored && choice->last_anchor == frame;
    *good = seen && iou >= GOOD_IOU && !sudden;
    *anchor = *good && known && alternatives->best > 0 && iou >= ANCHOR_IOU && choice->mean_area > 0.0F &&
              fabsf(area - choice->mean_area) <= STEADY * choice->mean_area &&
              (!choice->anchored || again || llabs(frame - choice->last_anchor) >= BETWEEN_ANCHORS) &&
              sam2_choice_distracted(alternatives);
    if (*anchor) {
        choice->anchored = true;
        choice->last_anchor = frame;
    } else if (again) {
        choice->anchored = false; /* it was one before it was run again */
    }
    if (seen) {
        choice->last_area = area;
        choice->mean_area = choice->mean_area > 0.0F ? choice->mean_area + FOLLOW * (area - choice->mean_area) : area;
    }
}

/* Whether a frame was run between the memory's and `frame`. */
static bool is_passed(const struct sam2_memories *memories, const struct sam2_memory *memory, int64_t frame, int sign)
{
    for (int64_t i = 0; i < memories->count; i++) {
        const int64_t back = (frame - memories->item[i].frame) * sign;
        if (back > 0 && back < (frame - memory->frame) * sign)
            return true;
    }
    return false;
}

/* Tracked memories on the side that is looked back to, the nearest first. Returns how many. */
static int64_t sort(const struct sam2_object *object, int64_t frame, int sign, const struct sam2_memory **out)
{
    const struct sam2_memories *const tracked = &object->tracked;
    int64_t count = 0;
    for (int64_t i = 0; i < tracked->count; i++) {
        const struct sam2_memory *const memory = &tracked->item[i];
        const int64_t back = (frame - memory->frame) * sign;
        int64_t at = count;
        if (back <= 0 || !memory->pointer.buffer)
            continue;
        if (memory->poor &&
            (is_passed(tracked, memory, frame, sign) || is_passed(&object->conditioning, memory, frame, sign)))
            continue; /* it counts on the next frame alone, however long memories stay */
        for (; at > 0 && (frame - out[at - 1]->frame) * sign > back; at--)
            out[at] = out[at - 1];
        out[at] = memory;
        count++;
    }
    return count;
}

/* Of the sorted memories those that are recalled, the nearest ones and the nearest anchors: recalled[]. */
static void choose(const struct sam2_memory **sorted, int64_t count, int64_t room, bool *recalled)
{
    int64_t anchors = 0;
    memset(recalled, 0, (size_t)count * sizeof(*recalled));
    for (int64_t i = 0; i < count && anchors < SAM2_ANCHORS && anchors < room; i++) {
        recalled[i] = sorted[i]->anchor && sorted[i]->features.buffer;
        anchors += recalled[i];
    }
    for (int64_t i = 0; i < count && anchors < room; i++) {
        if (recalled[i] || !sorted[i]->features.buffer)
            continue;
        recalled[i] = true;
        anchors++;
    }
}

int sam2_choice_recall(const struct sam2_object *object, const struct sam2_video_config *config, int64_t frame,
                       bool reverse, struct sam2_recalled *out)
{
    const int64_t count = object->tracked.count;
    const struct sam2_memory **const sorted = calloc((size_t)count + 1, sizeof(*sorted));
    bool *const recalled = calloc((size_t)count + 1, sizeof(*recalled));
    int64_t place = 0, pointers = 0;
    int status = sorted && recalled ? 0 : error_memory("an object's memory");
    const int64_t found = status == 0 ? sort(object, frame, reverse ? -1 : 1, sorted) : 0;
    if (status == 0)
        choose(sorted, found, config->memories - 1, recalled);
    for (int64_t i = 0; i < found; i++)
        place += recalled[i];
    for (int64_t i = found - 1; i >= 0; i--)
        if (recalled[i])
            sam2_recall_memory(out, sorted[i], (int)--place);
    for (int64_t i = 0; i < found && pointers < config->pointers - 1; i++) {
        const int64_t back = llabs(frame - sorted[i]->frame);
        sam2_recall_pointer(out, sorted[i], back < config->pointers ? back : config->pointers - 1);
        pointers++;
    }
    free((void *)sorted);
    free(recalled);
    return status;
}

void sam2_choice_prune(struct sam2_object *object, struct sam2_bank *bank, int64_t frame, int memories, int pointers,
                       int window)
{
    for (int64_t i = object->tracked.count - 1; i >= 0; i--) {
        struct sam2_memory *const memory = &object->tracked.item[i];
        const int64_t away = llabs(memory->frame - frame);
        int64_t nearer = 0, anchors = 0;
        if (away < window)
            continue;
        for (int64_t k = 0; k < object->tracked.count; k++) {
            const struct sam2_memory *const other = &object->tracked.item[k];
            const bool near = k != i && llabs(other->frame - frame) < away;
            nearer += near && !other->poor;
            anchors += near && other->anchor;
        }
        const bool kept = memory->anchor && anchors < SAM2_ANCHORS;
        if (memory->poor && away > 0)
            sam2_memories_remove(&object->tracked, bank, memory->frame);
        else if (nearer >= pointers && !kept)
            sam2_memories_remove(&object->tracked, bank, memory->frame);
        else if (nearer >= memories && !kept)
            sam2_pool_give(&bank->features, &memory->features);
    }
}
