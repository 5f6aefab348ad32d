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
    if (!model)
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
    if (!old)
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

/* The queries of image `index`. */
static const struct owlv2_queries *queries_of(const void *const *queries, int64_t index)
{
    return queries[index];
}

/* The logits of masked queries. */
static void mask_logits(float *logits, int64_t rows, const struct owlv2_queries *queries)
{
    for (int64_t q = 0; q < queries->count; q++)
        for (int64_t i = 0; queries->masked[q] && i < rows; i++)
            logits[i * queries->count + q] = -FLT_MAX;
}

/* Results on the device, as struct detector_output has them on the host. */
struct results {
    struct tensor logits, boxes, objectness; /* `objectness` without memory: not wanted */
};

/* `logits` from its value `first_logit` on. */
static struct results part_of(struct results results, int64_t first, int64_t count, int64_t first_logit)
{
    const struct results part = {tensor_slice(results.logits, 0, first_logit, results.logits.dim[0] - first_logit),
                                 tensor_slice(results.boxes, 0, first, count),
                                 results.objectness.rank > 0 ? tensor_slice(results.objectness, 0, first, count)
                                                             : results.objectness};
    return part;
}

/* The class logits of `batch` images to the beginning of `logits`; images with the same queries, one after the other,
 * go together. Returns how many values that were. */
static int64_t classify(const struct owlv2 *model, struct compute *compute, struct tensor features, int64_t batch,
                        const void *const *queries, struct tensor logits)
{
    const int64_t patches = features.dim[1];
    int64_t done = 0;
    for (int64_t first = 0, count; first < batch; first += count) {
        const struct owlv2_queries *const same = queries_of(queries, first);
        for (count = 1; first + count < batch && queries[first + count] == queries[first];)
            count++;
        const int64_t values = count * patches * same->count;
        owlv2_class_head(model, compute, tensor_slice(features, 0, first, count), same->vectors,
                         TENSOR_RESHAPE(tensor_slice(logits, 0, done, values), count, patches, same->count));
        done += values;
    }
    return done;
}

/* `batch` images at once. Returns how many logits they have. */
static int64_t detect_together(const struct owlv2 *model, struct compute *compute, const struct sowlv2_image *images,
                               int64_t batch, const void *const *queries, const struct model_trace *trace,
                               const struct model_control *control, struct results out)
{
    const struct owlv2_config *config = &model->config;
    const int64_t size = config->image_size, patches = config->grid * config->grid;
    const size_t start = compute_mark(compute);
    struct tensor features = COMPUTE_TENSOR(compute, compute_narrow(compute), batch, patches, config->vision.width);
    const size_t mark = compute_mark(compute);
    struct tensor pixel_values = COMPUTE_TENSOR(compute, DTYPE_F32, batch, size, size, 3);
    for (int64_t b = 0; b < batch; b++)
        owlv2_preprocess(compute, config, &images[b], tensor_at(pixel_values, b));
    model_emit(trace, compute, pixel_values, "pixel_values");
    owlv2_image_tower(model, compute, pixel_values, trace, control, features);
    compute_release(compute, mark);
    owlv2_box_head(model, compute, features, out.boxes);
    const int64_t logits = classify(model, compute, features, batch, queries, out.logits);
    if (out.objectness.rank > 0)
        owlv2_objectness_head(model, compute, features, out.objectness);
    compute_release(compute, start);
    return logits;
}

/* Progress of some images as progress of all. */
struct share {
    const struct model_control *control;
    int64_t done, count, total; /* images */
};

static bool keep_going(int done, int total, void *user_data)
{
    const struct share *share = user_data;
    return share->control->keep_going((int)(share->done * total + share->count * done), (int)(share->total * total),
                                      share->control->user_data);
}

/* One pass, of `logits` values. Images go through together as long as one alone does not fill the products: beyond that
 * a batch is no faster, and only takes memory. */
static int detect_pass(const struct owlv2 *model, struct compute *compute, const struct sowlv2_image *images,
                       int64_t batch, const void *const *queries, int64_t logits, const struct model_trace *trace,
                       struct share *share, const struct detector_output *out)
{
    int64_t made = 0;
    const int64_t patches = model->config.grid * model->config.grid;
    const int64_t enough = device_hints(model->device).enough_rows, together = enough > patches ? enough / patches : 1;
    const struct model_control control = {keep_going, share};
    compute_begin(compute);
    struct results all = {
        COMPUTE_TENSOR(compute, DTYPE_F32, logits), COMPUTE_TENSOR(compute, DTYPE_F32, batch, patches, 4), {0}};
    if (out->objectness)
        all.objectness = COMPUTE_TENSOR(compute, DTYPE_F32, batch, patches, 1);
    for (int64_t first = 0; first < batch && compute_status(compute) == 0; first += share->count) {
        share->count = batch - first < together ? batch - first : together;
        made += detect_together(model, compute, images + first, share->count, queries + first, trace,
                                share->control ? &control : NULL, part_of(all, first, share->count, made));
        share->done += share->count;
    }
    op_download(compute, all.boxes, out->boxes);
    op_download(compute, all.logits, out->logits);
    if (out->objectness)
        op_download(compute, all.objectness, out->objectness);
    return compute_finish(compute);
}

int owlv2_detect(const struct owlv2 *model, struct compute *compute, const struct sowlv2_image *images, int64_t batch,
                 const void *const *queries, const struct model_trace *trace, const struct model_control *control,
                 const struct detector_output *out)
{
    /* As many images a pass as have results worth one transfer. */
    const int64_t patches = model->config.grid * model->config.grid;
    const int64_t most = device_hints(model->device).transfer_bytes / (patches * (int64_t)sizeof(float));
    const bool asked = control && control->keep_going;
    struct share share = {.control = asked ? control : NULL, .total = batch};
    int64_t before = 0; /* queries of the images before `first` */
    int status = 0;
    for (int64_t first = 0, count, taken; first < batch && status == 0; first += count, before += taken) {
        taken = queries_of(queries, first)->count;
        for (count = 1; first + count < batch; count++) {
            const int64_t next = queries_of(queries, first + count)->count;
            if (taken + next + 5 * (count + 1) > most)
                break;
            taken += next;
        }
        const struct detector_output part = {out->logits + before * patches, out->boxes + first * patches * 4,
                                             out->objectness ? out->objectness + first * patches : NULL};
        status =
            detect_pass(model, compute, images + first, count, queries + first, taken * patches, trace, &share, &part);
    }
    before = 0;
    for (int64_t i = 0; i < batch && status == 0; i++) {
        mask_logits(out->logits + before * patches, patches, queries_of(queries, i));
        before += queries_of(queries, i)->count;
    }
    return status;
}
