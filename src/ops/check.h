/* Checks of what an op is given. Each returns false after it made the pass fail with a message that
 * names the op and the shapes. */
#ifndef OPS_CHECK_H
#define OPS_CHECK_H

#include "ops/set.h"

/* A tensor of `dtype` and `rank` (-1: any from 1) in device memory, with strides as ops.h allows. */
bool check_tensor(struct compute *compute, const char *op, const char *name, const struct tensor *tensor,
                  enum dtype dtype, int rank);

/* The same where ops.h says narrow: F32, or the device's narrow type. */
bool check_narrow(struct compute *compute, const char *op, const char *name, const struct tensor *tensor, int rank);

/* The tensor has exactly these dimensions. */
bool check_shape(struct compute *compute, const char *op, const char *name, const struct tensor *tensor, int rank,
                 const int64_t *dim);
#define CHECK_SHAPE(compute, op, name, tensor, ...)                                                                    \
    check_shape((compute), (op), (name), (tensor), (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),          \
                (int64_t[]){__VA_ARGS__})

/* `out` does not overlap `input`, or is the very same view where `may_be_same`. Only what is cheap to
 * see is seen: overlaps of tensors that are not dense, from different first elements, are not. */
bool check_overlap(struct compute *compute, const char *op, const char *name, const struct tensor *input,
                   const struct tensor *out, bool may_be_same);

/* Fails with "op: text". Always returns false. */
__attribute__((format(printf, 3, 4))) bool check_failed(struct compute *compute, const char *op, const char *format,
                                                        ...);

/* A shape as text, "[3, 5]". */
struct shape_text {
    char text[128];
};
struct shape_text shape_text(int rank, const int64_t *dim);

#endif
