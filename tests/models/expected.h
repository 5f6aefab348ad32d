/* The goldens of tests/models/data/<case>/expected.safetensors (made by tests/reference/make_owlv2.py)
 * and comparisons with them. */
#ifndef TESTS_MODELS_EXPECTED_H
#define TESTS_MODELS_EXPECTED_H

#include "base/dtype.h"
#include "sowlv2.h"

#include <stdbool.h>

/* design: |a - b| <= TOLERANCE + TOLERANCE * |b| for every f32 tensor, scores likewise in absolute terms. */
#define TOLERANCE 1e-4
#define BOX_TOLERANCE_PER_PIXEL 5e-5 /* 0.05 px at 1000 px */

enum { EXPECTED_MAX_PROMPTS = 16 };

extern const char *const expected_cases[];
extern const int expected_case_count;
/* "one" and "many": the sets of prompts that every case has. */
extern const char *const expected_sets[2];

struct expected {
    char folder[4096]; /* the model */
    struct safetensors *file;
    int images; /* how many pictures the case has */
};

/* What main() returns where SOWLV2_CPU names a level that this machine lacks: ctest counts it as skipped. */
enum { TEST_SKIPPED = 77 };
bool expected_level_missing(void);

/* Asserts that it is there. */
void expected_open(const char *name, struct expected *expected);
void expected_close(struct expected *expected);

/* The tensor called by the format; fails the test where it is absent. */
__attribute__((format(printf, 2, 3))) const struct host_tensor *expected_tensor(const struct expected *expected,
                                                                                const char *format, ...);
/* NULL where it is absent. */
__attribute__((format(printf, 2, 3))) const struct host_tensor *expected_find(const struct expected *expected,
                                                                              const char *format, ...);

/* First value of an F32 tensor. */
float expected_value(const struct host_tensor *tensor);
/* Element `index` of an F32 or I32 tensor; the file's data is not aligned. */
float expected_f32(const struct host_tensor *tensor, int64_t index);
int32_t expected_i32(const struct host_tensor *tensor, int64_t index);

struct sowlv2_image expected_image(const struct expected *expected, int index);

/* The texts of a set, to be freed by expected_prompts_free. */
struct expected_prompts {
    size_t count;
    char *text;
    const char *items[EXPECTED_MAX_PROMPTS];
};
void expected_prompts(const struct expected *expected, const char *set, struct expected_prompts *prompts);
void expected_prompts_free(struct expected_prompts *prompts);

/* Compares `count` values with the tensor's from element `first` on; NaN fails. `what` names it in the failure. */
void expected_compare(const char *what, const float *found, const struct host_tensor *tensor, int64_t first,
                      int64_t count);

/* Compares with the golden of `set`, image and `stage` ("", ".clipped" or ".nms"): number, order, labels, scores,
 * boxes. */
void expected_compare_detections(const struct expected *expected, const char *set, int image, const char *stage,
                                 const struct sowlv2_detections *found);

#endif
