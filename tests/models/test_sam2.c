/* SAM 2 against the reference, tensor by tensor, for every configuration in tests/models/data/sam2_*. */
#include "sam2_case.h"

#include "base/bits.h"
#include "models/sam2/positions.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const sets[] = {"boxes.0", "point.0", "points.0", "both.0",  "masks.0",
                                   "mask.0",  "none.0",  "boxes.1",  "points.1"};
enum { SETS = sizeof(sets) / sizeof(sets[0]) };

/* Compares what the goldens know of this set. */
static void compare_trace(struct compute *compute, const char *name, struct tensor tensor, void *user_data)
{
    struct sam2_case *test = user_data;
    (void)compute;
    const struct host_tensor *golden = sam2_find(test, "%s.%s", test->set, name);
    if (!golden)
        golden = strcmp(test->set, "image.0") == 0 ? sam2_find(test, "trace.%s", name) : NULL;
    if (golden)
        sam2_compare_tensor(test, tensor, golden);
}

static void test_encoder(void **state)
{
    (void)state;
    for (int c = 0; c < sam2_case_count; c++) {
        struct sam2_case test;
        sam2_case_open(sam2_cases[c], &test);
        const struct model_trace trace = {compare_trace, &test};
        for (int image = 0; image < 2; image++) {
            snprintf(test.set, sizeof(test.set), "image.%d", image);
            test.compared = 0;
            struct sam2_features *features = sam2_case_features(&test, image, &trace);
            /* Embeddings, blocks and at least one level; s0, s1 and the image embedding; pixel values. */
            int wanted = image == 0 ? 1 + test.config->blocks + 1 + 3 : 3;
            wanted += image == 1 && sam2_find(&test, "image.1.pixel_values") ? 1 : 0;
            assert_true(test.compared >= wanted);
            const struct sowlv2_image pixels = sam2_case_image(&test, image);
            assert_int_equal(sam2_features_width(features), pixels.width);
            sam2_features_free(&features);
            assert_null(features);
        }
        sam2_case_close(&test);
    }
}

static void test_sine_positions(void **state)
{
    (void)state;
    struct sam2_case test;
    sam2_case_open("sam2_tiny", &test);
    const struct host_tensor *golden = sam2_golden(&test, "sine");
    float *values = sam2_floats(host_tensor_count(golden));
    sam2_sine_positions(golden->dim[0], golden->dim[1], golden->dim[2], values);
    sam2_compare(&test, "sine", values, golden);
    free(values);
    sam2_case_close(&test);
}

/* Results of one call, all of them poisoned before. */
struct results {
    struct sam2_output out;
    int64_t count, masks;
};

static struct results new_results(const struct sam2_case *test, int64_t count, bool multimask)
{
    const int64_t masks = sam2_masks_per_prompt(test->model, multimask);
    const int64_t area = test->config->mask_side * test->config->mask_side;
    return (struct results){{sam2_floats(count * masks * area), sam2_floats(count * masks), sam2_floats(count),
                             sam2_floats(count * masks * test->config->width)},
                            count,
                            masks};
}

static void free_results(struct results *results)
{
    free(results->out.masks);
    free(results->out.iou);
    free(results->out.object_score);
    free(results->out.tokens);
}

/* Same numbers of values as the goldens', and equal. */
static void compare_results(const struct sam2_case *test, const struct results *results, const char *mode)
{
    const struct host_tensor *masks = sam2_find(test, "%s.%s.masks", test->set, mode);
    const struct host_tensor *tokens = sam2_find(test, "%s.%s.tokens", test->set, mode);
    assert_true(masks || strcmp(mode, "multi") == 0);
    if (masks) {
        assert_int_equal(masks->dim[0], results->count);
        assert_int_equal(masks->dim[1], results->masks);
        sam2_compare(test, "masks", results->out.masks, masks);
        sam2_compare(test, "iou", results->out.iou, sam2_golden(test, "%s.%s.iou", test->set, mode));
    }
    if (tokens)
        sam2_compare(test, "tokens", results->out.tokens, tokens);
    sam2_compare(test, "object", results->out.object_score, sam2_golden(test, "%s.object", test->set));
}

static void check_set(struct sam2_case *test, const struct sam2_features *features, const char *set)
{
    struct sam2_case_prompts prompts;
    sam2_case_prompts(test, set, &prompts);
    snprintf(test->set, sizeof(test->set), "%s", set);
    const struct model_trace trace = {compare_trace, test};
    for (int multimask = 0; multimask < 2; multimask++) {
        struct results results = new_results(test, prompts.count, multimask);
        test->compared = 0;
        sam2_check(sam2_decode(test->model, test->compute, features, prompts.prompts, prompts.count, multimask, 0,
                               &trace, NULL, &results.out));
        assert_true(test->compared >= (strcmp(set, "boxes.0") == 0 ? 3 + 2 * test->config->decoder_layers : 1));
        compare_results(test, &results, multimask ? "multi" : "single");
        free_results(&results);
    }
    sam2_case_prompts_free(&prompts);
}

static void test_decoder(void **state)
{
    (void)state;
    for (int c = 0; c < sam2_case_count; c++) {
        struct sam2_case test;
        sam2_case_open(sam2_cases[c], &test);
        struct sam2_features *features[2] = {sam2_case_features(&test, 0, NULL), sam2_case_features(&test, 1, NULL)};
        for (int s = 0; s < SETS; s++)
            check_set(&test, features[sets[s][strlen(sets[s]) - 1] - '0'], sets[s]);
        sam2_features_free(&features[0]);
        sam2_features_free(&features[1]);
        sam2_case_close(&test);
    }
}

/* All the sets of image 0 in one call, in batches as small and as large as there are: the same masks. */
static void test_batches(void **state)
{
    (void)state;
    struct sam2_case test;
    sam2_case_open("sam2_tiny", &test);
    struct sam2_features *features = sam2_case_features(&test, 0, NULL);
    struct sam2_case_prompts parts[SETS];
    struct sowlv2_segment_prompt all[64];
    int64_t count = 0;
    for (int s = 0; s < 7; s++) {
        sam2_case_prompts(&test, sets[s], &parts[s]);
        memcpy(all + count, parts[s].prompts, (size_t)parts[s].count * sizeof(*all));
        count += parts[s].count;
    }
    const size_t limits[] = {0, 1, 100000};
    for (int l = 0; l < 3; l++) {
        struct results results = new_results(&test, count, true);
        sam2_check(
            sam2_decode(test.model, test.compute, features, all, count, true, limits[l], NULL, NULL, &results.out));
        const float *masks = results.out.masks, *iou = results.out.iou;
        for (int s = 0; s < 7; s++) {
            const struct host_tensor *golden = sam2_golden(&test, "%s.multi.masks", sets[s]);
            snprintf(test.set, sizeof(test.set), "%s", sets[s]);
            sam2_compare(&test, "masks", masks, golden);
            sam2_compare(&test, "iou", iou, sam2_golden(&test, "%s.multi.iou", sets[s]));
            masks += host_tensor_count(golden);
            iou += parts[s].count * results.masks;
        }
        free_results(&results);
    }
    for (int s = 0; s < 7; s++)
        sam2_case_prompts_free(&parts[s]);
    sam2_features_free(&features);
    sam2_case_close(&test);
}

/* Masks at the image's size: the reference's bits, but where a logit is within rounding of the threshold. */
static void check_bits(struct sam2_case *test, const char *set)
{
    const struct host_tensor *golden = sam2_golden(test, "%s.single.bits", set);
    float *masks = sam2_values(sam2_golden(test, "%s.single.masks", set));
    const int64_t count = golden->dim[0], area = golden->dim[1] * golden->dim[2];
    const int height = (int)golden->dim[1], width = (int)golden->dim[2];
    const int64_t row_bytes = bits_bytes(width);
    uint8_t *bits = malloc((size_t)(count * height * row_bytes));
    float *logits = sam2_floats(count * area);
    assert_non_null(bits);
    const int64_t side = test->config->mask_side;
    struct compute *compute = test->compute;
    compute_begin(compute);
    const struct tensor low = op_upload(compute, DTYPE_F32, 3, (int64_t[]){count, side, side}, masks);
    const struct resize vertical = op_filter_bilinear(compute, side, height, false);
    const struct resize horizontal = op_filter_bilinear(compute, side, width, false);
    const struct tensor large = COMPUTE_TENSOR(compute, DTYPE_F32, count, height, width);
    const struct tensor above = COMPUTE_TENSOR(compute, DTYPE_U8, count, height, row_bytes);
    op_resize_planes(compute, low, &vertical, &horizontal, large);
    op_resize_planes_above(compute, low, &vertical, &horizontal, 0.0F, above);
    op_download(compute, large, logits);
    op_download(compute, above, bits);
    sam2_check(compute_finish(compute));
    const uint8_t *wanted = golden->data;
    for (int64_t n = 0; n < count; n++) {
        int64_t both = 0, either = 0;
        for (int64_t i = n * area; i < (n + 1) * area; i++) {
            const int64_t x = i % width;
            const int bit = bits[i / width * row_bytes + x / 8] >> x % 8 & 1;
            both += bit & wanted[i];
            either += bit | wanted[i];
            if (bit != wanted[i] && !(fabsf(logits[i]) < 1e-4F))
                fail_msg("%s %s: pixel %lld is %d at %g", test->folder, set, (long long)i, bit, (double)logits[i]);
        }
        assert_true(either == 0 || (double)both / (double)either >= 0.999);
    }
    const struct host_tensor *wanted_logits = sam2_find(test, "%s.single.logits", set);
    if (wanted_logits) {
        snprintf(test->set, sizeof(test->set), "%s", set);
        sam2_compare(test, "logits", logits, wanted_logits);
    }
    free(bits);
    free(logits);
    free(masks);
}

static void test_masks_at_size(void **state)
{
    (void)state;
    for (int c = 0; c < sam2_case_count; c++) {
        struct sam2_case test;
        sam2_case_open(sam2_cases[c], &test);
        for (int s = 0; s < SETS; s++)
            if (sam2_find(&test, "%s.single.bits", sets[s]))
                check_bits(&test, sets[s]);
        sam2_case_close(&test);
    }
}

static void test_clean_mask(void **state)
{
    (void)state;
    struct sam2_case test;
    sam2_case_open("sam2_tiny", &test);
    static const int areas[][2] = {{0, 3}, {4, 0}, {6, 9}};
    for (int i = 0; i < 3; i++) {
        float *mask = sam2_values(sam2_golden(&test, "clean.mask"));
        const int64_t side = test.config->mask_side;
        compute_begin(test.compute);
        const struct tensor cleaned = op_upload(test.compute, DTYPE_F32, 3, (int64_t[]){1, side, side}, mask);
        op_clean_masks(test.compute, cleaned, 0.0F, areas[i][0], areas[i][1]);
        op_download(test.compute, cleaned, mask);
        sam2_check(compute_finish(test.compute));
        sam2_compare(&test, "clean", mask, sam2_golden(&test, "clean.%d.%d", areas[i][0], areas[i][1]));
        free(mask);
    }
    sam2_case_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encoder), cmocka_unit_test(test_sine_positions), cmocka_unit_test(test_decoder),
        cmocka_unit_test(test_batches), cmocka_unit_test(test_masks_at_size),  cmocka_unit_test(test_clean_mask),
    };
    return sam2_level_missing() ? SAM2_SKIPPED : cmocka_run_group_tests(tests, NULL, NULL);
}
