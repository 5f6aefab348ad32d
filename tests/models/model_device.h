/* The device that the tests of models compute on. */
#ifndef TESTS_MODELS_MODEL_DEVICE_H
#define TESTS_MODELS_MODEL_DEVICE_H

#include "ops/ops.h"

/* The CPU at the level of SOWLV2_CPU, where SOWLV2_TEST_DEVICE is "cpu bf16" or "cpu int8" in that precision. Where
 * SOWLV2_TEST_DEVICE is "late", it is wrapped in the set of tests/ops/late_set.h, so that a pass that reads results too
 * early fails its goldens; where that is "bf16" or "int8", it is the reference set in that precision; where it is
 * "cuda" or "cuda bf16", a GPU, or the driver without one of tests/cuda, in f32 or in bfloat16. */
int model_device_open(struct device **out);

/* Values that linear layers and attention read on the bfloat16 device since the last call: of BF16, and of F32. */
struct values_read {
    int64_t narrow, wide;
};
struct values_read model_device_values_read(void);

#endif
