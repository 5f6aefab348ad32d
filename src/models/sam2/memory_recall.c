/* Which memories and pointers an object recalls on a frame. */
#include "models/sam2/memory_choice.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

void sam2_recall_memory(struct sam2_recalled *out, const struct sam2_memory *memory, int place)
{
    out->memory[out->recall.memories] = memory->features;
    out->place[out->recall.memories++] = place;
}

void sam2_recall_pointer(struct sam2_recalled *out, const struct sam2_memory *memory, int64_t frames)
{
    out->pointer[out->recall.pointers] = memory->pointer;
    out->frames[out->recall.pointers++] = (float)frames;
}

/* What stands for the frame among the tracked ones: a tracked memory, or a conditioning one that was not selected. */
static const struct sam2_memory *passed(const struct sam2_object *object, const bool *selected, int64_t frame,
                                        bool others)
{
    const struct sam2_memory *memory = sam2_memories_find(&object->tracked, frame);
    if (memory || !others)
        return memory;
    memory = sam2_memories_find(&object->conditioning, frame);
    return memory && !selected[memory - object->conditioning.item] ? memory : NULL;
}

static int allocate(int64_t memories, int64_t pointers, struct sam2_recalled *out)
{
    memset(out, 0, sizeof(*out));
    out->memory = calloc((size_t)memories, sizeof(*out->memory));
    out->place = calloc((size_t)memories, sizeof(*out->place));
    out->pointer = calloc((size_t)pointers, sizeof(*out->pointer));
    out->frames = calloc((size_t)pointers, sizeof(*out->frames));
    if (!out->memory || !out->place || !out->pointer || !out->frames) {
        sam2_recalled_free(out);
        return error_memory("an object's memory");
    }
    return 0;
}

/* The last frames', as the model was published. */
static void recall_last(const struct sam2_object *object, const struct sam2_video_config *config, int64_t frame,
                        int sign, const bool *selected, bool reference_rules, struct sam2_recalled *out)
{
    for (int back = config->memories - 1; back > 0; back--) {
        const struct sam2_memory *memory = passed(object, selected, frame - back * sign, true);
        if (memory && memory->features.buffer)
            sam2_recall_memory(out, memory, back - 1);
    }
    for (int back = 1; back < config->pointers; back++) {
        const struct sam2_memory *memory = passed(object, selected, frame - back * sign, !reference_rules);
        if (memory)
            sam2_recall_pointer(out, memory, back);
    }
}

int sam2_object_recall(const struct sam2_object *object, const struct sam2_video *video, int64_t frame, bool reverse,
                       const struct tracker_options *options, struct sam2_recalled *out)
{
    const struct sam2_memories *conditioning = &object->conditioning;
    const int memories = video->config.memories, pointers = video->config.pointers, sign = reverse ? -1 : 1;
    const int64_t count = conditioning->count;
    const bool reference_rules = options->reference_rules;
    bool *selected = calloc((size_t)count + 1, sizeof(*selected));
    int status = !selected ? error_memory("an object's memory") : allocate(count + memories, count + pointers, out);
    if (status != 0) {
        free(selected);
        return status;
    }
    sam2_select_conditioning(conditioning, frame, options->max_conditioning, selected);
    for (int64_t i = 0; i < count; i++) {
        const int64_t back = (frame - conditioning->item[i].frame) * sign;
        if (selected[i])
            sam2_recall_memory(out, &conditioning->item[i], memories - 1);
        if ((selected[i] || reference_rules) && back >= 0)
            sam2_recall_pointer(out, &conditioning->item[i], back);
    }
    if (options->chosen)
        status = sam2_choice_recall(object, &video->config, frame, reverse, out);
    else
        recall_last(object, &video->config, frame, sign, selected, reference_rules, out);
    free(selected);
    out->recall.memory = out->memory;
    out->recall.place = out->place;
    out->recall.pointer = out->pointer;
    out->recall.frames = out->frames;
    if (status != 0)
        sam2_recalled_free(out);
    return status;
}

void sam2_recalled_free(struct sam2_recalled *recalled)
{
    free(recalled->memory);
    free(recalled->place);
    free(recalled->pointer);
    free(recalled->frames);
    memset(recalled, 0, sizeof(*recalled));
}
