/* OWLv2: open-vocabulary detection (Minderer, Gritsenko, Houlsby 2023, "Scaling Open-Vocabulary Object
 * Detection"), as the reference implementation computes it.
 *
 *   pixels --preprocess--> [b, size, size, 3] --image tower--> tokens [b, 1 + patches, width]
 *     --merge class token--> features [b, patches, width] --heads--> boxes, class logits, objectness
 *   token ids [n, length] --text tower--> queries [n, projection], unit length
 *
 * A model is immutable once open; any number of threads may compute with it, each with a struct
 * compute of its own. */
#ifndef MODELS_OWLV2_OWLV2_H
#define MODELS_OWLV2_OWLV2_H

#include "models/owlv2/config.h"
#include "nn/detector_model.h"
#include "ops/ops.h"
#include "text/tokenizer.h"

#include <stdbool.h>

struct owlv2;

/* Opens the model folder on `device`, which must outlive the model. Errors: MODEL, FORMAT, IO, MEMORY,
 * UNSUPPORTED. */
int owlv2_open(const char *folder, struct device *device, struct owlv2 **out);
void owlv2_free(struct owlv2 **model);

const struct owlv2_config *owlv2_get_config(const struct owlv2 *model);
const struct tokenizer *owlv2_get_tokenizer(const struct owlv2 *model);

/* What a trace receives: "pixel_values" [b, size, size, 3],
 * "vision.embeddings" (after the pre-layer norm) [b, 1 + patches, width], "vision.block.0" ...,
 * "features" [b, patches, width], "text.block.0" ... [n, length, width]. */

/* Encoded prompts, on the model's device; any number of threads may detect with them. */
struct owlv2_queries {
    int64_t count;
    struct tensor vectors; /* [count, projection], each of unit length */
    bool *masked; /* [count]: the lowest float is the query's logit (the reference's rule for prompts whose first
                   * token id is 0) */
};

/* Encodes `count` prompts of config.text_length token ids each, ids [count][text_length]. `out` is freed by
 * owlv2_queries_free; on error nothing is left. Errors: ARGUMENT (an id that the model has not), MEMORY. */
int owlv2_encode_text(const struct owlv2 *model, struct compute *compute, const int32_t *ids, int64_t count,
                      const struct model_trace *trace, struct owlv2_queries *out);
void owlv2_queries_free(const struct owlv2 *model, struct owlv2_queries *queries);

/* The image tower and all heads for `batch` images, each with its queries[batch]: places are the patches in row-major
 * order of the grid, boxes are center x, center y, width, height, 0 to 1 of the padded square. `control` is asked
 * between layers. */
int owlv2_detect(const struct owlv2 *model, struct compute *compute, const struct sowlv2_image *images, int64_t batch,
                 const void *const *queries, const struct model_trace *trace, const struct model_control *control,
                 const struct detector_output *out);

/* ---- post-processing (host) ---- */

/* Detections of one image in patch order: score = sigmoid(max over queries) > threshold, boxes scaled
 * by max(width, height) on both axes, not clipped. logits [patches][query_count], boxes [patches][4].
 * `out` has room for `patches`; returns how many were kept. */
int64_t owlv2_select(const float *logits, const float *boxes, int64_t patches, int64_t query_count, int width,
                     int height, float threshold, struct detection *out);

#endif
