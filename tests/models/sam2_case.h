/* The goldens of tests/models/data/sam2_* (made by tests/reference/make_sam2.py), and a model and a device to
 * compare with them. */
#ifndef TESTS_MODELS_SAM2_CASE_H
#define TESTS_MODELS_SAM2_CASE_H

#include "models/sam2/forward.h"
#include "weights/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* design: |a - b| <= SAM2_TOLERANCE + SAM2_TOLERANCE * |b| for every f32 tensor. */
#define SAM2_TOLERANCE 1e-4

extern const char *const sam2_cases[];
extern const int sam2_case_count;

struct sam2_case {
    char folder[4096];
    struct safetensors *file;
    struct device *device;
    struct compute *compute;
    struct sam2 *model;
    const struct sam2_config *config;
    int compared; /* tensors that compare_tensor compared */
    char set[64]; /* what comes before a traced tensor's name */
};

/* What main() returns where SOWLV2_CPU names a level that this machine lacks. */
enum { SAM2_SKIPPED = 77 };
bool sam2_level_missing(void);

void sam2_case_open(const char *name, struct sam2_case *test);
void sam2_case_close(struct sam2_case *test);
void sam2_check(int status);

/* NULL where it is absent; the second fails the test then. */
__attribute__((format(printf, 2, 3))) const struct host_tensor *sam2_find(const struct sam2_case *test,
                                                                          const char *format, ...);
__attribute__((format(printf, 2, 3))) const struct host_tensor *sam2_golden(const struct sam2_case *test,
                                                                            const char *format, ...);
/* The F32 tensor's values, aligned; freed by the caller. */
float *sam2_values(const struct host_tensor *tensor);
int32_t sam2_whole(const struct host_tensor *tensor, int64_t index); /* of an I32 tensor */

/* Memory for `count` values, none of which would pass a comparison. */
float *sam2_floats(int64_t count);
/* NaN fails. */
void sam2_compare(const struct sam2_case *test, const char *what, const float *found, const struct host_tensor *golden);
/* The tensor has as many elements as the golden and equals it. */
void sam2_compare_tensor(struct sam2_case *test, struct tensor tensor, const struct host_tensor *golden);

struct sowlv2_image sam2_case_image(const struct sam2_case *test, int index);
/* The features of image `index`; `trace` may be NULL. */
struct sam2_features *sam2_case_features(struct sam2_case *test, int index, const struct model_trace *trace);

/* The prompts of a set such as "boxes.0". */
struct sam2_case_prompts {
    int64_t count;
    int image;
    float *boxes, *points, *masks;
    int32_t *labels;
    struct sowlv2_segment_prompt *prompts;
};
void sam2_case_prompts(const struct sam2_case *test, const char *set, struct sam2_case_prompts *out);
void sam2_case_prompts_free(struct sam2_case_prompts *prompts);

#endif
