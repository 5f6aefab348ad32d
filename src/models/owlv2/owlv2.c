/* Opening a model, and the whole image pass. */
#include "models/owlv2/forward.h"

#include "base/error.h"

#include <float.h>
#include <stdlib.h>

static int open_parts(const char *folder, struct owlv2 *model)
{
    int status = owlv2_config_read(folder, &model->config);
    if (status != 0 || (status = tokenizer_open(folder, &model->tokenizer)) != 0)
        return status;
    if (tokenizer_vocab_size(model->tokenizer) > model->config.vocab_size) {
        return error_set(SOWLV2_ERROR_MODEL,
                         "%s: the tokenizer's largest token id is %d, but the model has %lld tokens: the tokenizer's "
                         "files are not this model's",
                         folder, (int)tokenizer_vocab_size(model->tokenizer) - 1, (long long)model->config.vocab_size);
    }
    if ((status = checkpoint_open(folder, &model->checkpoint)) != 0 ||
        (status = parameters_create(model->device, &model->parameters)) != 0)
        return status;
    return owlv2_weights_load(&model->config, model->checkpoint, model->parameters, &model->weights);
}

int owlv2_open(const char *folder, struct device *device, struct owlv2 **out)
{
    struct owlv2 *model = calloc(1, sizeof(*model));
    if (model == NULL)
        return error_memory("model");
    model->device = device;
    const int status = open_parts(folder, model);
    if (status != 0) {
        owlv2_free(&model);
        return status;
    }
    *out = model;
    return 0;
}

void owlv2_free(struct owlv2 **model)
{
    struct owlv2 *old = *model;
    if (old == NULL)
        return;
    parameters_free(&old->parameters);
    owlv2_weights_free(&old->weights);
    checkpoint_close(&old->checkpoint);
    tokenizer_free(&old->tokenizer);
    free(old);
    *model = NULL;
}

const struct owlv2_config *owlv2_get_config(const struct owlv2 *model)
{
    return &model->config;
}

const struct tokenizer *owlv2_get_tokenizer(const struct owlv2 *model)
{
    return model->tokenizer;
}

/* The logits of masked queries. */
static void mask_logits(float *logits, int64_t rows, const struct owlv2_queries *queries)
{
    for (int64_t q = 0; q < queries->count; q++)
        for (int64_t i = 0; queries->masked[q] && i < rows; i++)
            logits[i * queries->count + q] = -FLT_MAX;
}

/* A part of a pass: `batch` images at once. */
static void detect_together(const struct owlv2 *model, struct compute *compute, const struct owlv2_image *images,
                            int64_t batch, struct tensor queries, const struct model_trace *trace,
                            const struct model_control *control, const struct owlv2_output *out)
{
    const struct owlv2_config *config = &model->config;
    const int64_t size = config->image_size, patches = config->grid * config->grid;
    const size_t start = compute_mark(compute);
    struct tensor features = COMPUTE_TENSOR(compute, DTYPE_F32, batch, patches, config->vision.width);
    const size_t mark = compute_mark(compute);
    struct tensor pixel_values = COMPUTE_TENSOR(compute, DTYPE_F32, batch, size, size, 3);
    for (int64_t b = 0; b < batch; b++)
        owlv2_preprocess(compute, config, &images[b], tensor_at(pixel_values, b));
    model_emit(trace, compute, pixel_values, "pixel_values");
    owlv2_image_tower(model, compute, pixel_values, trace, control, features);
    compute_release(compute, mark);

    struct tensor boxes = COMPUTE_TENSOR(compute, DTYPE_F32, batch, patches, 4);
    struct tensor logits = COMPUTE_TENSOR(compute, DTYPE_F32, batch, patches, queries.dim[0]);
    owlv2_box_head(model, compute, features, boxes);
    owlv2_class_head(model, compute, features, queries, logits);
    op_download(compute, boxes, out->boxes);
    op_download(compute, logits, out->logits);
    if (out->objectness != NULL) {
        struct tensor objectness = COMPUTE_TENSOR(compute, DTYPE_F32, batch, patches, 1);
        owlv2_objectness_head(model, compute, features, objectness);
        op_download(compute, objectness, out->objectness);
    }
    compute_release(compute, start);
}

/* Progress of one part of a pass as progress of the pass. */
struct parts {
    const struct model_control *control;
    int done, total;
};

static bool keep_going(int done, int total, void *user_data)
{
    const struct parts *parts = user_data;
    return parts->control->keep_going(parts->done * total + done, parts->total * total, parts->control->user_data);
}

int owlv2_detect(const struct owlv2 *model, struct compute *compute, const struct owlv2_image *images, int64_t batch,
                 const struct owlv2_queries *queries, const struct model_trace *trace,
                 const struct model_control *control, const struct owlv2_output *out)
{
    /* Images go through together as long as one alone does not fill the products: beyond that a batch is
     * no faster, and only takes memory. */
    const int64_t patches = model->config.grid * model->config.grid;
    const int64_t enough = device_hints(model->device).enough_rows;
    const int64_t together = patches >= enough ? 1 : enough / patches;
    struct parts parts = {control, 0, (int)((batch + together - 1) / together)};
    const struct model_control part = {keep_going, &parts};
    const bool asked = control != NULL && control->keep_going != NULL;
    compute_begin(compute);
    for (int64_t first = 0; first < batch && compute_status(compute) == 0; first += together, parts.done++) {
        const int64_t count = batch - first < together ? batch - first : together;
        const struct owlv2_output slice = {out->logits + first * patches * queries->count,
                                           out->boxes + first * patches * 4,
                                           out->objectness != NULL ? out->objectness + first * patches : NULL};
        detect_together(model, compute, images + first, count, queries->vectors, trace, asked ? &part : NULL, &slice);
    }
    const int status = compute_finish(compute);
    if (status == 0)
        mask_logits(out->logits, batch * patches, queries);
    return status;
}
