/* The parts of V-JEPA 2's forward pass. All write into tensors of the caller's compute. */
#ifndef MODELS_VJEPA2_FORWARD_H
#define MODELS_VJEPA2_FORWARD_H

#include "models/vjepa2/vjepa2.h"
#include "models/vjepa2/weights.h"

struct vjepa2 {
    struct vjepa2_config config;
    struct vjepa2_weights weights;
    struct device *device; /* not owned */
    struct checkpoint *checkpoint;
    struct parameters *parameters;
};

/* Rotations of a tower's queries and keys by the tokens' positions: of a clip's tubelets in their order, or of
 * positions ids[batch][count] not below 0. `table`: the tower's (weights.h). `out`, filled, or NULL where nothing is
 * turned. */
const struct nn_rope *vjepa2_rope_of_clip(struct compute *compute, const struct vjepa2_config *config,
                                          const struct nn_tower *tower, struct tensor table, int64_t tubelets,
                                          struct nn_rope *out);
const struct nn_rope *vjepa2_rope_of_tokens(struct compute *compute, const struct vjepa2_config *config,
                                            const struct nn_tower *tower, struct tensor table, const int32_t *ids,
                                            int64_t batch, int64_t count, struct nn_rope *out);

/* frames[count] -> out [count, crop, crop, 3], as the reference's video processor. */
void vjepa2_preprocess(struct compute *compute, const struct vjepa2_config *config, const struct sowlv2_image *frames,
                       int64_t count, enum scorer_view view, struct tensor out);

/* ARGUMENT unless they are [clips, tokens, width]. */
int vjepa2_features_check(const struct vjepa2 *model, struct tensor features);

/* clips -> features [batch, tokens, width]. */
void vjepa2_encoder(const struct vjepa2 *model, struct compute *compute, const struct scorer_clips *clips,
                    const struct model_trace *trace, const struct model_control *control, struct tensor features);

/* x [batch, tokens, width], which it changes -> pooled [batch, 1, width]. */
void vjepa2_pooler(const struct vjepa2 *model, struct compute *compute, struct tensor x,
                   const struct model_trace *trace, struct tensor pooled);

#endif
