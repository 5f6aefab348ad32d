/* OWLv2 as the engine sees it. */
#include "models/owlv2/detector.h"

#include "base/error.h"
#include "models/owlv2/owlv2.h"

#include <stdlib.h>
#include <string.h>

static int open_weights(const char *folder, struct device *device, void **out)
{
    struct owlv2 *model = NULL;
    const int status = owlv2_open(folder, device, &model);
    *out = model;
    return status;
}

static void free_weights(void *weights)
{
    struct owlv2 *model = weights;
    owlv2_free(&model);
}

static struct detector_info info(const void *weights)
{
    const struct owlv2_config *const config = owlv2_get_config(weights);
    return (struct detector_info){
        .image_size = config->image_size, .text_length = config->text_length, .places = config->grid * config->grid};
}

static int tokenize(const void *weights, const char *text, int32_t *ids, bool *truncated)
{
    return tokenizer_encode(owlv2_get_tokenizer(weights), text, strlen(text), owlv2_get_config(weights)->text_length,
                            ids, truncated);
}

static int create_prompts(const void *weights, struct compute *compute, const int32_t *ids, int64_t count, void **out)
{
    struct owlv2_queries *const queries = calloc(1, sizeof(*queries));
    *out = NULL;
    if (!queries)
        return error_memory("prompts");
    const int status = owlv2_encode_text(weights, compute, ids, count, NULL, queries);
    if (status != 0)
        free(queries);
    else
        *out = queries;
    return status;
}

static void free_prompts(const void *weights, void *prompts)
{
    owlv2_queries_free(weights, prompts);
    free(prompts);
}

static int detect(const void *weights, struct compute *compute, const struct sowlv2_image *images, int64_t count,
                  const void *const *prompts, const struct model_control *control, const struct detector_output *out)
{
    return owlv2_detect(weights, compute, images, count, prompts, NULL, control, out);
}

static int64_t choose(const void *weights, const float *logits, const float *boxes, int64_t prompts, int width,
                      int height, float threshold, struct detection *out)
{
    return owlv2_select(logits, boxes, info(weights).places, prompts, width, height, threshold, out);
}

const struct detector_model owlv2_detector = {
    .kind = "owlv2",
    .open = open_weights,
    .free = free_weights,
    .info = info,
    .tokenize = tokenize,
    .prompts_create = create_prompts,
    .prompts_free = free_prompts,
    .detect = detect,
    .select = choose,
};
