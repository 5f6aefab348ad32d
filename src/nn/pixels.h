/* From bytes to what a model sees, as its processor's JSON says. */
#ifndef NN_PIXELS_H
#define NN_PIXELS_H

#include "ops/ops.h"
#include "weights/processor.h"

/* `mean` and `std` are the class defaults. A step that is switched off leaves values as they are. Errors: FORMAT, also
 * for what the reference cannot compute (null for one of the numbers). */
int pixel_scale_read(const struct processor *processor, const double mean[3], const double std[3],
                     struct pixel_scale *out);

/* FORMAT where a step that is always computed here is switched off. */
int pixel_step_required(const struct processor *processor, const char *key);

/* FORMAT where a step that is never computed here is switched on. */
int pixel_step_refused(const struct processor *processor, const char *key);

/* FORMAT where images are resized in another way than bilinearly. */
int pixel_resample_check(const struct processor *processor);

#endif
