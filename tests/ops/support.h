/* What the tests of ops share: levels, random values, comparisons, weights, resizes. */
#ifndef TESTS_OPS_SUPPORT_H
#define TESTS_OPS_SUPPORT_H

#include "ops/cpu/level.h"
#include "ops/filter.h"
#include "ops/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* What ctest counts as skipped. */
enum { EXIT_SKIPPED = 77 };

/* The level that SOWLV2_CPU names, or the best. Returns false, after saying so, where this machine
 * lacks it. */
bool level_under_test(enum cpu_level *level);

/* The device that SOWLV2_TEST_DEVICE names ("cuda"); NULL: the CPU at that level. */
const char *device_under_test(void);

/* A function of the CUDA driver. */
void *driver_function(const char *name);

/* A repeatable stream of random numbers. */
void random_seed(uint64_t seed);
uint32_t random_bits(void);
int64_t random_range(int64_t low, int64_t high); /* both included */
float random_float(float low, float high);
/* One of the entries. */
#define RANDOM_OF(array) ((array)[random_range(0, COUNT(array) - 1)])

/* The nearest bfloat16, by trying both neighbours: of two as near, the even one. */
float nearest_bf16(float value);

/* A rank and dimensions, as arguments. */
#define DIMS(...)                                                                                                      \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[])                                             \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }

/* Element number `i` in row-major order. */
float *tensor_element(const struct tensor *tensor, int64_t i);

/* A tensor's elements, dense, once the pass is done: freed by the caller. The pass went well. */
void *fetch_elements(struct compute *compute, struct tensor tensor);

/* |found - expected| <= absolute + relative * |expected| for every element. NaN fails. */
void compare_tensors(const char *what, const struct tensor *found, const struct tensor *expected, double absolute,
                     double relative);

/* Random weights as a file holds them: F32, not aligned where `shift` is 1 to 3. */
struct weight {
    struct host_tensor tensor;
    char *memory;
};
struct weight weight_random(float low, float high, int shift, int rank, const int64_t *dim);
void weight_free(struct weight *weight);

/* op_resize_image and op_resize_planes with what they are given uploaded: rows of 3-channel pixels, filters.
 * `threshold` NULL: the values themselves. */
void resize_image(struct compute *compute, const uint8_t *pixels, size_t row_bytes, const struct filter *vertical,
                  const struct filter *horizontal, float scale, const float mean[3], const float std[3],
                  struct tensor out);
void resize_image_u8(struct compute *compute, const uint8_t *pixels, size_t row_bytes, const struct filter_u8 *vertical,
                     const struct filter_u8 *horizontal, float scale, const float mean[3], const float std[3],
                     struct tensor out);
void resize_planes(struct compute *compute, struct tensor x, const struct filter *vertical,
                   const struct filter *horizontal, const float *threshold, struct tensor out);

/* op_gather_blocks of n x each random blocks [rows, columns] against op_copy and op_add of each, bit by bit: positions
 * of 1 or all rows, or none; at places in any order, or (`in_order`) their own. Within wider tensors. */
struct blocks_case {
    int64_t n, each, rows, columns;
    int64_t position_rows; /* 0: none */
    bool in_order;
    enum dtype from, out;
};
void check_gather_blocks(struct compute *compute, const struct blocks_case *test);

/* The 8-bit noise that tests/reference/make_ops.py makes its images of. */
uint8_t noise(uint32_t y, uint32_t x, uint32_t c);

#endif
