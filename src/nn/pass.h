/* What the forward passes of all models share: traces for tests, and a caller that may end a pass. Images are struct
 * sowlv2_image, as the caller holds them; below the API their stride is never 0. */
#ifndef NN_PASS_H
#define NN_PASS_H

#include "ops/ops.h"
#include "sowlv2.h"

/* Receives intermediate tensors by name, for tests; each model's header lists its names. `tensor` is valid during the
 * call; op_download gives its values. NULL: none. */
struct model_trace {
    void (*receive)(struct compute *compute, const char *name, struct tensor tensor, void *user_data);
    void *user_data;
};

/* `keep_going` (may be NULL) is asked between the parts of a pass; when it returns false the pass ends with
 * CANCELLED. */
struct model_control {
    sowlv2_progress_callback keep_going;
    void *user_data;
};

/* Shows a tensor to the trace, unless the pass has failed. */
void model_emit(const struct model_trace *trace, struct compute *compute, struct tensor tensor, const char *name);
__attribute__((format(printf, 4, 5))) void model_emit_numbered(const struct model_trace *trace, struct compute *compute,
                                                               struct tensor tensor, const char *format, ...);

/* Whether the pass is to go on; otherwise it has failed, where it was cancelled with the message "<what>: cancelled".
 */
bool model_keep_going(const struct model_control *control, struct compute *compute, int64_t done, int64_t total,
                      const char *what);

#endif
