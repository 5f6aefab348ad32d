/* The text tower: token ids -> queries. */
#include "models/owlv2/forward.h"

#include "base/error.h"

#include <stdlib.h>

/* Where the reference pools: the first position of the largest id (the end token's). */
static int32_t pooled_position(const int32_t *ids, int length)
{
    int32_t best = 0;
    for (int i = 1; i < length; i++)
        if (ids[i] > ids[best])
            best = i;
    return best;
}

/* The first `used` ids of each prompt and each prompt's pooled position, on the device. Attention is
 * causal, so what follows the last pooled position changes nothing and is not computed. */
static int upload_ids(struct compute *compute, const int32_t *ids, int64_t count, int length, struct tensor *tokens,
                      struct tensor *pooled)
{
    int32_t *positions = malloc((size_t)count * sizeof(*positions));
    if (positions == NULL)
        return error_memory("prompts");
    int32_t used = 1;
    for (int64_t n = 0; n < count; n++) {
        positions[n] = pooled_position(ids + n * length, length);
        used = positions[n] + 1 > used ? positions[n] + 1 : used;
    }
    int32_t *head = malloc((size_t)count * (size_t)used * sizeof(*head));
    if (head == NULL) {
        free(positions);
        return error_memory("prompts");
    }
    for (int64_t n = 0; n < count; n++)
        for (int32_t i = 0; i < used; i++)
            head[n * used + i] = ids[n * length + i];
    *tokens = op_upload(compute, DTYPE_I32, 2, (int64_t[]){count, used}, head);
    *pooled = op_upload(compute, DTYPE_I32, 2, (int64_t[]){count, 1}, positions);
    free(head);
    free(positions);
    return compute_finish(compute);
}

int owlv2_encode_text(const struct owlv2 *model, struct compute *compute, const int32_t *ids, int64_t count,
                      const struct model_trace *trace, float *queries)
{
    const struct owlv2_config *config = &model->config;
    const struct owlv2_weights *weights = &model->weights;
    const int64_t width = config->text.width;
    struct tensor tokens, pooled;

    compute_begin(compute);
    const int status = upload_ids(compute, ids, count, config->text_length, &tokens, &pooled);
    if (status != 0)
        return status;
    struct tensor x = COMPUTE_TENSOR(compute, DTYPE_F32, count, tokens.dim[1], width);
    op_embed(compute, tokens, weights->token_embedding, weights->text_positions, x);
    nn_tower_forward(compute, &config->text, weights->text_layers, true, NULL,
                     &(struct nn_watch){.trace = trace, .name = "text.block", .what = "prompts"}, x);
    struct tensor last = COMPUTE_TENSOR(compute, DTYPE_F32, count, width);
    op_gather_rows(compute, x, pooled, TENSOR_RESHAPE(last, count, 1, width));
    nn_norm_forward(compute, &weights->text_final_norm, config->text.eps, last, last);
    struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, count, config->projection);
    op_linear(compute, weights->text_projection, last, ACTIVATION_NONE, NULL, out);
    op_l2_normalize(compute, out, 0.0F, out);
    op_download(compute, out, queries);
    return compute_finish(compute);
}
