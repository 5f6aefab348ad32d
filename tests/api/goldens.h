/* Goldens read by name, and comparisons with them. Every function asserts that it worked. */
#ifndef TESTS_API_GOLDENS_H
#define TESTS_API_GOLDENS_H

#include "sowlv2.h"
#include "weights/safetensors.h"

#include <stdbool.h>

#define MODELS TEST_DATA "/models/data/"

struct safetensors *goldens_open(const char *path);

/* NULL where it is absent. */
__attribute__((format(printf, 2, 3))) const struct host_tensor *goldens_find(struct safetensors *file,
                                                                             const char *format, ...);
/* Must be there. */
__attribute__((format(printf, 2, 3))) const struct host_tensor *golden(struct safetensors *file, const char *format,
                                                                       ...);

/* The values, aligned; freed by the caller. */
float *golden_floats(const struct host_tensor *tensor);
int32_t *golden_integers(const struct host_tensor *tensor);

/* A picture [h, w, 3]; its pixels belong to the file. */
struct sowlv2_image golden_image(const struct host_tensor *pixels);

/* Within 1e-4 + 1e-4 |b|; NaN is not. */
bool is_near(float a, float b);

/* The mask's pixels, runs, area and box agree with each other. */
void check_mask(const struct sowlv2_mask *mask);

/* The mask equals plane `index` of `bits` [n, h, w]: 1 in the mask, 2 where rounding may turn it, which the
 * reference's low-resolution `logits` (may be NULL) tell too. All other pixels are equal. */
void check_bits(const struct sowlv2_mask *mask, const struct host_tensor *bits, size_t index, const float *logits);

sowlv2_segmenter *open_segmenter(const char *model, int threads);

/* Fails the test with the message. */
void must(int status);

#endif
