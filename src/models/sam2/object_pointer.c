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

/* Blocks of all objects, `each` of every one, as rows of values and keys from `first` on. */
static void gather(struct compute *compute, const struct row_blocks *blocks, int64_t each, int64_t first,
                   struct tensor values, struct tensor keys)
{
    const int64_t n = values.dim[0], rows = blocks->from[0].dim[0], width = values.dim[2];
    op_gather_blocks(compute, blocks, TENSOR_RESHAPE(tensor_slice(values, 1, first, each * rows), n, each, rows, width),
                     TENSOR_RESHAPE(tensor_slice(keys, 1, first, each * rows), n, each, rows, width));
}

static void gather_memories(const struct sam2_video *video, struct compute *compute, const struct sam2_recall *recalls,
                            struct tensor *from, int *place, struct tensor values, struct tensor keys)
{
    const int64_t each = recalls[0].memories, count = values.dim[0] * each;
    for (int64_t i = 0; i < count; i++) {
        from[i] = recalls[i / each].memory[i % each];
        place[i] = recalls[i / each].place[i % each];
    }
    gather(compute, &(struct row_blocks){count, from, &video->weights.memory_positions, place}, each, 0, values, keys);
}

/* A pointer's parts are a block of rows. */
static void gather_pointers(const struct sam2_video *video, struct compute *compute, const struct sam2_recall *recalls,
                            struct tensor *from, int64_t first, struct tensor values, struct tensor keys)
{
    const int64_t each = recalls[0].pointers, n = values.dim[0], width = video->config.memory_width;
    struct row_blocks blocks = {.count = n * each, .from = from};
    struct tensor times = {0};
    if (video->weights.pointer_time) {
        times = TENSOR_RESHAPE(embed_times(video, compute, recalls, n), n * each, 1, width);
        blocks.positions = &times;
    }
    for (int64_t i = 0; i < n * each; i++)
        from[i] = TENSOR_RESHAPE(recalls[i / each].pointer[i % each], video->config.pointer_parts, width);
    gather(compute, &blocks, each, first, values, keys);
}

void sam2_gather_recalls(const struct sam2_video *video, struct compute *compute, const struct sam2_recall *recalls,
                         int64_t n, struct tensor values, struct tensor keys)
{
    const int64_t pixels = video->model->config.grid * video->model->config.grid;
    const int64_t memories = recalls[0].memories, pointers = recalls[0].pointers;
    const int64_t most = n * (memories > pointers ? memories : pointers);
    const size_t mark = compute_mark(compute);
    struct tensor *const from = calloc((size_t)most + 1, sizeof(*from));
    int *const place = calloc((size_t)most + 1, sizeof(*place));
    if (!from || !place)
        compute_fail(compute, error_memory("an object's memory"));
    if (from && place && memories > 0)
        gather_memories(video, compute, recalls, from, place, values, keys);
    if (from && place && pointers > 0)
        gather_pointers(video, compute, recalls, from, memories * pixels, values, keys);
    free(from);
    free(place);
    compute_release(compute, mark);
}
