/* Object pointers: what one mask's output token says about an object, and all that an object recalls as rows that
 * memory attention reads. */
#include "models/sam2/video_forward.h"

#include "base/error.h"

#include <stdlib.h>

void sam2_object_pointers(const struct sam2_video *video, struct compute *compute, struct tensor tokens,
                          struct tensor appears, struct tensor out)
{
    nn_feed_forward(compute, &video->weights.pointer, ACTIVATION_RELU, ACTIVATION_NONE, NULL, tokens, out);
    op_select(compute, appears, 0.0F, out, video->weights.no_pointer, out);
}

/* -> [n * pointers, M]: the projected embeddings of the pointers' distances. The longest one is always that of a full
 * memory: in a clip that is shorter the reference divides by less where it knows the whole clip, but not where it gets
 * frame after frame. */
static struct tensor embed_times(const struct sam2_video *video, struct compute *compute,
                                 const struct sam2_recall *recalls, int64_t n)
{
    const int64_t width = video->model->config.width, pointers = recalls[0].pointers, count = n * pointers;
    const float longest = (float)(video->config.pointers - 1);
    struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, count, video->config.memory_width);
    float *const distance = malloc((size_t)count * sizeof(*distance));
    if (!distance) {
        compute_fail(compute, error_memory("object pointers"));
        return out;
    }
    for (int64_t i = 0; i < count; i++)
        distance[i] = recalls[i / pointers].frames[i % pointers] / longest;
    const size_t mark = compute_mark(compute);
    struct tensor sines = COMPUTE_TENSOR(compute, DTYPE_F32, count, width);
    op_sine(compute, op_upload(compute, DTYPE_F32, 2, (int64_t[]){count, 1}, distance), video->weights.pointer_periods,
            sines);
    op_linear(compute, video->weights.pointer_time, sines, ACTIVATION_NONE, NULL, out);
    compute_release(compute, mark);
    free(distance);
    return out;
}

/* The pointers' parts of one object: values and keys [pointers * parts, M]; `times` [pointers, M] or without memory. */
static void gather_pointers(const struct sam2_video *video, struct compute *compute, const struct sam2_recall *recall,
                            const struct tensor *times, struct tensor values, struct tensor keys)
{
    const int64_t count = recall->pointers, parts = video->config.pointer_parts, memory = video->config.memory_width;
    struct tensor rows = TENSOR_RESHAPE(values, count, parts, memory);
    struct tensor placed = TENSOR_RESHAPE(keys, count, parts, memory);
    for (int64_t i = 0; i < count; i++)
        op_copy(compute, TENSOR_RESHAPE(recall->pointer[i], parts, memory), tensor_at(rows, i));
    if (times)
        op_add(compute, rows, TENSOR_RESHAPE(*times, count, 1, memory), placed);
    else
        op_copy(compute, rows, placed);
}

void sam2_gather_recalls(const struct sam2_video *video, struct compute *compute, const struct sam2_recall *recalls,
                         int64_t n, struct tensor values, struct tensor keys)
{
    const int64_t pixels = video->model->config.grid * video->model->config.grid, pointers = recalls[0].pointers;
    const int64_t first = recalls[0].memories * pixels, rest = values.dim[1] - first;
    const size_t mark = compute_mark(compute);
    const bool timed = video->weights.pointer_time && pointers > 0;
    const struct tensor times = timed ? embed_times(video, compute, recalls, n) : (struct tensor){0};
    for (int64_t i = 0; i < n; i++) {
        const struct sam2_recall *const recall = &recalls[i];
        struct tensor rows = tensor_at(values, i), placed = tensor_at(keys, i);
        for (int64_t m = 0; m < recall->memories; m++) {
            const struct tensor memory = tensor_slice(rows, 0, m * pixels, pixels);
            op_copy(compute, recall->memory[m], memory);
            op_add(compute, memory, tensor_at(video->weights.memory_positions, recall->place[m]),
                   tensor_slice(placed, 0, m * pixels, pixels));
        }
        if (pointers > 0) {
            const struct tensor mine = timed ? tensor_slice(times, 0, i * pointers, pointers) : times;
            gather_pointers(video, compute, recall, timed ? &mine : NULL, tensor_slice(rows, 0, first, rest),
                            tensor_slice(placed, 0, first, rest));
        }
    }
    compute_release(compute, mark);
}
