/* Object pointers: what one mask's output token says about an object, and how memory attention reads it. */
#include "models/sam2/video_forward.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void sam2_object_pointers(const struct sam2_video *video, struct compute *compute, const float *tokens,
                          const bool *appears, int64_t n, float *out)
{
    const int64_t width = video->model->config.width;
    const size_t mark = compute_mark(compute);
    struct tensor x = op_upload(compute, DTYPE_F32, 2, (int64_t[]){n, width}, tokens);
    struct tensor pointers = COMPUTE_TENSOR(compute, DTYPE_F32, n, width);
    sam2_feed_forward(compute, &video->weights.pointer, ACTIVATION_RELU, ACTIVATION_NONE, NULL, x, pointers);
    op_download(compute, pointers, out);
    compute_release(compute, mark);
    for (int64_t i = 0; i < n; i++)
        if (!appears[i])
            memcpy(out + i * width, video->weights.no_pointer, (size_t)width * sizeof(*out));
}

/* The sine embedding of a distance in time, relative to the longest one: out [width], sines then cosines. */
static void sine_of_time(float frames, float longest, int64_t width, float *out)
{
    const int64_t half = width / 2;
    const float position = frames / longest;
    for (int64_t i = 0; i < half; i++) {
        const float angle = position / (float)pow(10000.0, (double)((float)(i - i % 2) / (float)half));
        out[i] = sinf(angle);
        out[half + i] = cosf(angle);
    }
}

/* -> [pointers, M]: the projected embeddings of the pointers' distances. The longest one is always that of a full
 * memory: in a clip that is shorter the reference divides by less where it knows the whole clip, but not where it gets
 * frame after frame. */
static struct tensor times(const struct sam2_video *video, struct compute *compute, const struct sam2_recall *recall)
{
    const int64_t width = video->model->config.width, count = recall->pointers;
    struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, count, video->config.memory_width);
    float *host = malloc((size_t)(count * width) * sizeof(*host));
    if (host == NULL) {
        compute_fail(compute, error_memory("object pointers"));
        return out;
    }
    for (int64_t i = 0; i < count; i++)
        sine_of_time(recall->frames[i], (float)(video->config.pointers - 1), width, host + i * width);
    op_linear(compute, video->weights.pointer_time, op_upload(compute, DTYPE_F32, 2, (int64_t[]){count, width}, host),
              ACTIVATION_NONE, NULL, out);
    free(host);
    return out;
}

void sam2_pointer_tokens(const struct sam2_video *video, struct compute *compute, const struct sam2_recall *recall,
                         struct tensor values, struct tensor keys)
{
    const int64_t count = recall->pointers, parts = video->config.pointer_parts, memory = video->config.memory_width;
    const size_t mark = compute_mark(compute);
    struct tensor tokens = op_upload(compute, DTYPE_F32, 3, (int64_t[]){count, parts, memory}, recall->pointer);
    op_copy(compute, tokens, TENSOR_RESHAPE(values, count, parts, memory));
    if (video->weights.pointer_time != NULL) {
        struct tensor when = TENSOR_RESHAPE(times(video, compute, recall), count, 1, memory);
        op_add(compute, tokens, when, TENSOR_RESHAPE(keys, count, parts, memory));
    } else {
        op_copy(compute, tokens, TENSOR_RESHAPE(keys, count, parts, memory));
    }
    compute_release(compute, mark);
}
