/* The text tower: token ids -> queries. */
#include "models/owlv2/forward.h"

#include "base/error.h"

#include <stdlib.h>

/* Prompts as the tower takes them, on the device. */
struct tokens {
    struct tensor ids;  /* [count, used]: what follows the last pooled position changes nothing, since attention is
                         * causal, and is not computed */
    struct tensor last; /* [count, 1]: each prompt's pooled position */
    int64_t used;
};

/* Where the reference pools: the first position of the largest id (the end token's). */
static int32_t pooled_position(const int32_t *ids, int length)
{
    int32_t best = 0;
    for (int i = 1; i < length; i++)
        if (ids[i] > ids[best])
            best = i;
    return best;
}

static int check_ids(const int32_t *ids, int64_t count, int length, int64_t vocabulary)
{
    for (int64_t i = 0; i < count * length; i++) {
        if (ids[i] < 0 || ids[i] >= vocabulary) {
            return error_set(SOWLV2_ERROR_ARGUMENT, "prompt %lld: token id %d, but the model has the ids 0 to %lld",
                             (long long)(i / length), (int)ids[i], (long long)vocabulary - 1);
        }
    }
    return 0;
}

static void upload_tokens(struct compute *compute, const int32_t *ids, int64_t count, int length, struct tokens *out)
{
    int32_t *const values = malloc((size_t)count * ((size_t)length + 1) * sizeof(*values));
    if (!values) {
        compute_fail(compute, error_memory("prompts"));
        return;
    }
    int32_t *const positions = values + count * length;
    int32_t used = 1;
    for (int64_t n = 0; n < count; n++) {
        positions[n] = pooled_position(ids + n * length, length);
        used = positions[n] + 1 > used ? positions[n] + 1 : used;
    }
    for (int64_t n = 0; n < count; n++)
        for (int32_t i = 0; i < used; i++)
            values[n * used + i] = ids[n * length + i];
    out->used = used;
    out->ids = op_upload(compute, DTYPE_I32, 2, (int64_t[]){count, used}, values);
    out->last = op_upload(compute, DTYPE_I32, 2, (int64_t[]){count, 1}, positions);
    free(values);
}

/* The tower for some of the prompts -> out [count, projection]. */
static void encode(const struct owlv2 *model, struct compute *compute, struct tokens tokens,
                   const struct model_trace *trace, struct tensor out)
{
    const struct owlv2_weights *weights = &model->weights;
    const struct nn_tower *tower = &model->config.text;
    const int64_t count = tokens.ids.dim[0];
    const size_t mark = compute_mark(compute);
    struct tensor x = COMPUTE_TENSOR(compute, DTYPE_F32, count, tokens.used, tower->width);
    op_embed(compute, tokens.ids, weights->token_embedding, weights->text_positions, x);
    const struct nn_watch watch = {.trace = trace, .name = "text.block", .what = "prompts"};
    nn_tower_forward(compute, tower, weights->text_layers, true, NULL, &watch, x);
    struct tensor last = COMPUTE_TENSOR(compute, DTYPE_F32, count, tower->width);
    op_gather_rows(compute, x, tokens.last, TENSOR_RESHAPE(last, count, 1, tower->width));
    nn_norm_forward(compute, &weights->text_final_norm, tower->eps, last, last);
    op_linear(compute, weights->text_projection, last, ACTIVATION_NONE, NULL, out);
    op_l2_normalize(compute, out, 0.0F, out);
    compute_release(compute, mark);
}

/* Prompts that are encoded at once, so that what they need at the widest place of a layer stays in bounds. */
static int64_t prompts_together(const struct owlv2 *model, int64_t used)
{
    const struct nn_tower *tower = &model->config.text;
    const int64_t beside = tower->mlp_width > 3 * tower->width ? tower->mlp_width : 3 * tower->width;
    const int64_t bytes = used * (2 * tower->width + beside) * (int64_t)sizeof(float);
    const int64_t count = device_hints(model->device).batch_bytes / bytes;
    return count > 0 ? count : 1;
}

int owlv2_encode_text(const struct owlv2 *model, struct compute *compute, const int32_t *ids, int64_t count,
                      const struct model_trace *trace, struct owlv2_queries *out)
{
    const struct owlv2_config *config = &model->config;
    const int length = config->text_length;
    *out = (struct owlv2_queries){.count = count};
    int status = check_ids(ids, count, length, config->vocab_size);
    if (status != 0)
        return status;
    out->masked = calloc((size_t)count, sizeof(*out->masked));
    status = !out->masked ? error_memory("prompts")
                          : DEVICE_TENSOR_CREATE(model->device, DTYPE_F32, &out->vectors, count, config->projection);
    if (status == 0) {
        struct tokens tokens = {.used = 1};
        compute_begin(compute);
        upload_tokens(compute, ids, count, length, &tokens);
        const int64_t together = prompts_together(model, tokens.used);
        for (int64_t first = 0; first < count && compute_status(compute) == 0; first += together) {
            const int64_t some = count - first < together ? count - first : together;
            const struct tokens part = {tensor_slice(tokens.ids, 0, first, some),
                                        tensor_slice(tokens.last, 0, first, some), tokens.used};
            encode(model, compute, part, trace, tensor_slice(out->vectors, 0, first, some));
        }
        status = compute_finish(compute);
    }
    for (int64_t n = 0; n < count && status == 0; n++)
        out->masked[n] = ids[n * length] == 0;
    if (status != 0)
        owlv2_queries_free(model, out);
    return status;
}

void owlv2_queries_free(const struct owlv2 *model, struct owlv2_queries *queries)
{
    device_tensor_free(model->device, &queries->vectors);
    free(queries->masked);
    *queries = (struct owlv2_queries){0};
}
