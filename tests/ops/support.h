/* What the tests of ops share: tensors with guarded memory, random values, comparisons, and a device
 * under test beside the reference. */
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

/* A repeatable stream of random numbers. */
void random_seed(uint64_t seed);
uint32_t random_bits(void);
int64_t random_range(int64_t low, int64_t high); /* both included */
float random_float(float low, float high);
/* One of the entries. */
#define RANDOM_OF(array) ((array)[random_range(0, COUNT(array) - 1)])

/* The nearest bfloat16, by trying both neighbours: of two as near, the even one. */
float nearest_bf16(float value);

/* A tensor in memory of its own, with a guard before and after and, where wanted, gaps between rows.
 * Everything that is not the tensor's holds NaN of a certain pattern. */
struct field {
    struct tensor tensor;
    struct buffer *buffer; /* what it shows: the memory */
    uint32_t *memory;
    uint32_t *copy; /* the memory as it was when last sealed */
    size_t words;
};

/* Elements are NaN too. `gaps`: every stride but the last is larger than needed. */
struct field field_poisoned(bool gaps, int rank, const int64_t *dim);
struct field field_random(bool gaps, float low, float high, int rank, const int64_t *dim);
struct field field_i32(int rank, const int64_t *dim, const int32_t *values);
#define DIMS(...)                                                                                                      \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[])                                             \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }
void field_free(struct field *field);

/* Remembers the memory, after elements were set by hand. */
void field_seal(struct field *field);
/* Nothing at all has changed since. */
void field_check_input(const struct field *field);
/* Nothing but elements has changed since. */
void field_check_output(const struct field *field);

/* Element number `i` in row-major order. */
float *tensor_element(const struct tensor *tensor, int64_t i);

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

/* The device under test and the reference. */
enum { UNDER_TEST, REFERENCE, SIDES };
struct sides {
    struct device *device[SIDES];
    struct compute *compute[SIDES];
};
void sides_open(int threads, struct sides *sides);
void sides_close(struct sides *sides);
void sides_begin(struct sides *sides);
/* Both passes went well. */
void sides_check(const struct sides *sides);

/* op_resize_image and op_resize_planes with what they are given uploaded: rows of 3-channel pixels, filters.
 * `mean` NULL: the bytes of an 8-bit resize; `threshold` NULL: the values themselves. */
void resize_image(struct compute *compute, const uint8_t *pixels, size_t row_bytes, const struct filter *vertical,
                  const struct filter *horizontal, float scale, const float mean[3], const float std[3],
                  struct tensor out);
void resize_image_u8(struct compute *compute, const uint8_t *pixels, size_t row_bytes, const struct filter_u8 *vertical,
                     const struct filter_u8 *horizontal, float scale, const float mean[3], const float std[3],
                     struct tensor out);
void resize_planes(struct compute *compute, struct tensor x, const struct filter *vertical,
                   const struct filter *horizontal, const float *threshold, struct tensor out);

/* The 8-bit noise that tests/reference/make_ops.py makes its images of. */
uint8_t noise(uint32_t y, uint32_t x, uint32_t c);

/* The groups of test_sets.c. `*state` is a struct sides. */
int sets_products(void);
int sets_attention(void);
int sets_elementwise(void);
int sets_resize(void);
int sides_setup(void **state);
int sides_teardown(void **state);

#endif
