/* See memory_bank.h. */
#include "models/sam2/memory_bank.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

int sam2_pool_take(struct sam2_pool *pool, struct tensor *out)
{
    if (pool->free_count > 0) {
        *out = pool->free[--pool->free_count];
        return 0;
    }
    /* Room to give it back, so that giving back cannot fail. */
    if (pool->total == pool->free_capacity) {
        const int64_t capacity = pool->free_capacity == 0 ? 16 : 2 * pool->free_capacity;
        struct tensor *grown = realloc(pool->free, (size_t)capacity * sizeof(*grown));
        if (!grown)
            return error_memory("an object's memory");
        pool->free = grown;
        pool->free_capacity = capacity;
    }
    const int status = DEVICE_TENSOR_CREATE(pool->device, pool->dtype, out, pool->dim[0], pool->dim[1]);
    pool->total += status == 0;
    return status;
}

void sam2_pool_give(struct sam2_pool *pool, struct tensor *tensor)
{
    if (tensor->buffer)
        pool->free[pool->free_count++] = *tensor;
    memset(tensor, 0, sizeof(*tensor));
}

void sam2_pool_free(struct sam2_pool *pool)
{
    for (int64_t i = 0; i < pool->free_count; i++)
        device_tensor_free(pool->device, &pool->free[i]);
    free(pool->free);
    memset(pool, 0, sizeof(*pool));
}

struct sam2_memory *sam2_memories_find(const struct sam2_memories *memories, int64_t frame)
{
    for (int64_t i = 0; i < memories->count; i++)
        if (memories->item[i].frame == frame)
            return &memories->item[i];
    return NULL;
}

struct sam2_input *sam2_object_input(const struct sam2_object *object, int64_t frame)
{
    for (int64_t i = 0; i < object->input_count; i++)
        if (object->inputs[i].frame == frame)
            return &object->inputs[i];
    return NULL;
}

int sam2_memories_reserve(struct sam2_memories *memories)
{
    if (memories->count < memories->capacity)
        return 0;
    const int64_t capacity = memories->capacity == 0 ? 4 : 2 * memories->capacity;
    struct sam2_memory *grown = realloc(memories->item, (size_t)capacity * sizeof(*grown));
    if (!grown)
        return error_memory("an object's memory");
    memset(grown + memories->capacity, 0, (size_t)(capacity - memories->capacity) * sizeof(*grown));
    memories->item = grown;
    memories->capacity = capacity;
    return 0;
}

static void empty(struct sam2_memory *memory, struct sam2_bank *bank)
{
    sam2_pool_give(&bank->features, &memory->features);
    sam2_pool_give(&bank->pointers, &memory->pointer);
    sam2_pool_give(&bank->masks, &memory->mask);
}

struct sam2_memory *sam2_memories_add(struct sam2_memories *memories, struct sam2_bank *bank, int64_t frame)
{
    struct sam2_memory *memory = sam2_memories_find(memories, frame);
    memory = memory ? memory : &memories->item[memories->count++];
    empty(memory, bank);
    memory->frame = frame;
    return memory;
}

/* The others keep their order. */
static void remove_at(struct sam2_memories *memories, struct sam2_bank *bank, int64_t index)
{
    empty(&memories->item[index], bank);
    memmove(memories->item + index, memories->item + index + 1,
            (size_t)(memories->count - index - 1) * sizeof(*memories->item));
    memset(&memories->item[--memories->count], 0, sizeof(*memories->item));
}

void sam2_memories_remove(struct sam2_memories *memories, struct sam2_bank *bank, int64_t frame)
{
    for (int64_t i = 0; i < memories->count; i++) {
        if (memories->item[i].frame == frame) {
            remove_at(memories, bank, i);
            return;
        }
    }
}

static void free_memories(struct sam2_memories *memories, struct sam2_bank *bank)
{
    for (int64_t i = 0; i < memories->count; i++)
        empty(&memories->item[i], bank);
    free(memories->item);
    memset(memories, 0, sizeof(*memories));
}

void sam2_input_free(struct sam2_input *input)
{
    free(input->points);
    free(input->mask);
}

void sam2_object_free_input(struct sam2_object *object, int64_t frame)
{
    struct sam2_input *input = sam2_object_input(object, frame);
    if (input) {
        sam2_input_free(input);
        *input = object->inputs[--object->input_count];
    }
}

void sam2_object_free(struct sam2_object *object, struct sam2_bank *bank)
{
    free_memories(&object->conditioning, bank);
    free_memories(&object->tracked, bank);
    for (int64_t i = 0; i < object->input_count; i++)
        sam2_input_free(&object->inputs[i]);
    free(object->inputs);
    memset(object, 0, sizeof(*object));
}

static int64_t distance(int64_t a, int64_t b)
{
    return a < b ? b - a : a - b;
}

void sam2_object_prune(struct sam2_object *object, struct sam2_bank *bank, int64_t frame, int memories, int pointers,
                       int window)
{
    for (int64_t i = object->tracked.count - 1; i >= 0; i--) {
        struct sam2_memory *memory = &object->tracked.item[i];
        const int64_t away = distance(memory->frame, frame);
        if (away >= pointers && away >= memories && away >= window)
            remove_at(&object->tracked, bank, i);
        else if (away >= memories && away >= window)
            sam2_pool_give(&bank->features, &memory->features);
    }
}

void sam2_select_conditioning(const struct sam2_memories *conditioning, int64_t frame, int limit, bool *selected)
{
    const int64_t count = conditioning->count;
    const struct sam2_memory *item = conditioning->item;
    int64_t before = -1, after = -1, left = limit;
    for (int64_t i = 0; i < count; i++) {
        selected[i] = limit < 0 || count <= limit;
        if (item[i].frame < frame)
            before = before < 0 || item[i].frame > item[before].frame ? i : before;
        else
            after = after < 0 || item[i].frame < item[after].frame ? i : after;
    }
    if (limit < 0 || count <= limit)
        return;
    if (before >= 0 && left > 0) {
        selected[before] = true;
        left--;
    }
    if (after >= 0 && left > 0) {
        selected[after] = true;
        left--;
    }
    for (; left > 0; left--) {
        int64_t best = -1;
        for (int64_t i = 0; i < count; i++)
            if (!selected[i] && (best < 0 || distance(item[i].frame, frame) < distance(item[best].frame, frame)))
                best = i;
        selected[best] = true;
    }
}

int sam2_object_limit(struct sam2_object *object, struct sam2_bank *bank, int64_t frame, int limit)
{
    struct sam2_memories *conditioning = &object->conditioning;
    if (limit < 0 || conditioning->count <= limit)
        return 0;
    bool *selected = calloc((size_t)conditioning->count, sizeof(*selected));
    int status = !selected ? error_memory("an object's memory") : 0;
    if (status == 0)
        sam2_select_conditioning(conditioning, frame, limit, selected);
    for (int64_t i = conditioning->count - 1; i >= 0 && status == 0; i--) {
        if (selected[i])
            continue;
        status = sam2_memories_reserve(&object->tracked);
        if (status == 0) {
            struct sam2_memory *from = &conditioning->item[i];
            struct sam2_memory *to = sam2_memories_add(&object->tracked, bank, from->frame);
            to->features = from->features;
            to->pointer = from->pointer;
            memset(&from->features, 0, sizeof(from->features));
            memset(&from->pointer, 0, sizeof(from->pointer));
            to->iou = from->iou;
            to->object_score = from->object_score;
            sam2_object_free_input(object, from->frame);
            remove_at(conditioning, bank, i);
        }
    }
    free(selected);
    return status;
}
