/* Convolutions: against the portable reference, against what the reference implementation computed or the formula says,
 * and what they reject. */
#include "ops/expected.h"
#include "ops/layers.h"

#include <math.h>

/* As of products: sums of up to 800 terms whose result is about 1. */
static const double tolerance = 1e-5;

static void check_conv2d(int64_t batch, const int64_t *size, int64_t inputs, int64_t outputs, const int *kernel,
                         int stride, int padding, enum residual residual, bool gaps)
{
    const float scale = sqrtf(3.0F / (float)(inputs * kernel[0] * kernel[1]));
    struct weight weight = weight_random(-scale, scale, gaps, DIMS(outputs, inputs, kernel[0], kernel[1]));
    struct weight bias = weight_random(-1.0F, 1.0F, 0, DIMS(outputs));
    struct layers layers;
    layers_conv2d(&weight.tensor, inputs % 2 == 0 ? NULL : &bias.tensor, stride, padding, &layers);
    weight_free(&weight);
    weight_free(&bias);

    const int64_t height = (size[0] + 2 * padding - kernel[0]) / stride + 1;
    const int64_t width = (size[1] + 2 * padding - kernel[1]) / stride + 1;
    const struct tensor x = field_in(gaps, -2.0F, 2.0F, DIMS(batch, size[0], size[1], inputs));
    struct tensor out[SIDES];
    const struct tensor added = residual_out(out, residual, gaps, DIMS(batch, height, width, outputs));
    sides_begin();
    for (int i = REFERENCE; i >= UNDER_TEST; i--)
        op_conv2d(sides.compute[i], layers.conv[i], x, residual != RESIDUAL_NONE ? &added : NULL, out[i]);
    sides_compare(out, tolerance, tolerance,
                  "%lld x %lld x %lld -> %lld, kernel %d x %d, stride %d, padding %d, gaps %d", (long long)size[0],
                  (long long)size[1], (long long)inputs, (long long)outputs, kernel[0], kernel[1], stride, padding,
                  gaps);
    layers_free(&layers);
    fields_check();
}

static void test_conv2d(void **state)
{
    (void)state;
    static const int64_t outputs[] = {1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 33, 63, 64, 65, 127, 130};
    for (int i = 0; i < 60; i++) {
        const int kernel[2] = {(int)random_range(1, 5), (int)random_range(1, 5)};
        const int64_t size[2] = {random_range(5, 19), random_range(5, 19)};
        check_conv2d(random_range(1, 3), size, random_range(1, 9), RANDOM_OF(outputs), kernel, (int)random_range(1, 4),
                     (int)random_range(0, 3), (enum residual)random_range(0, 2), random_range(0, 1) != 0);
    }
    const int patch[2] = {16, 16};
    const int64_t size[2] = {80, 64};
    check_conv2d(2, size, 3, 768, patch, 16, 0, RESIDUAL_NONE, false);
}

/* Rows in the model's layout: the image tokens of a longer sequence, filled behind a first one. */
static void test_conv2d_into_slice(void **state)
{
    (void)state;
    struct weight weight = weight_random(-0.1F, 0.1F, 0, DIMS(24, 3, 4, 4));
    struct layers layers;
    layers_conv2d(&weight.tensor, NULL, 4, 0, &layers);
    weight_free(&weight);
    const struct tensor x = field_in(false, -1.0F, 1.0F, DIMS(2, 16, 12, 3));
    struct tensor tokens[SIDES];
    sides_begin();
    for (int i = 0; i < SIDES; i++) {
        tokens[i] = field_inout(false, 5.0F, 5.0F, DIMS(2, 13, 24));
        const struct tensor patches = tensor_slice(tokens[i], 1, 1, 12);
        op_conv2d(sides.compute[i], layers.conv[i], x, NULL, TENSOR_RESHAPE(patches, 2, 4, 3, 24));
    }
    sides_compare(tokens, tolerance, tolerance, "conv2d into tokens");
    for (int i = 0; i < SIDES; i++) {
        assert_true(*tensor_element(&tokens[i], 0) == 5.0F);
        assert_true(*tensor_element(&tokens[i], 13 * 24 + 23) == 5.0F);
    }
    layers_free(&layers);
    fields_check();
}

static void test_conv2d_expected(void **state)
{
    (void)state;
    static const char *const groups[] = {"conv2d.same", "conv2d.patch", "conv2d.overlap", "conv2d.oblong",
                                         "conv2d.pointwise"};
    struct safetensors *file = expected_open("ops.safetensors");
    for (int i = 0; i < COUNT(groups) * SIDES; i++) {
        const char *const group = groups[i / SIDES];
        struct compute *const compute = sides.compute[i % SIDES];
        const struct host_tensor *geometry = expected_get(file, group, "geometry");
        struct layers layers;
        layers_conv2d(expected_get(file, group, "weight"), expected_find(file, group, "bias"),
                      (int)expected_number(geometry, 0), (int)expected_number(geometry, 1), &layers);
        compute_begin(compute);
        const struct tensor x = expected_upload(compute, file, group, "x");
        const struct tensor residual = expected_upload(compute, file, group, "residual");
        const struct tensor out = expected_like(compute, file, group, "out");
        op_conv2d(compute, layers.conv[i % SIDES], x, NULL, out);
        expected_compare(compute, &out, file, group, "out", 1e-5, 2e-6);
        op_conv2d(compute, layers.conv[i % SIDES], x, &residual, out);
        expected_compare(compute, &out, file, group, "out_residual", 1e-5, 2e-6);
        layers_free(&layers);
    }
    safetensors_close(&file);
}

/* The formula on any tensors, with its own loop over positions. */
static double convolved(const struct tensor *x, const struct tensor *weight, const struct tensor *bias, int padding,
                        int64_t n, int64_t y, int64_t column, int64_t c)
{
    const int64_t *size = x->dim, *kernel = weight->dim;
    double sum = (double)*tensor_element(bias, c);
    for (int64_t row = 0; row < size[1]; row++) {
        for (int64_t i = 0; i < size[2]; i++) {
            const int64_t dy = row - y + padding, dx = i - column + padding;
            if (dy >= 0 && dy < kernel[0] && dx >= 0 && dx < kernel[1]) {
                sum += (double)*tensor_element(x, ((n * size[1] + row) * size[2] + i) * size[3] + c) *
                       (double)*tensor_element(weight, (dy * kernel[1] + dx) * size[3] + c);
            }
        }
    }
    return sum;
}

static void test_depthwise(void **state)
{
    (void)state;
    for (int i = 0; i < 60; i++) {
        const int64_t kh = random_range(1, 7), kw = random_range(1, 7), n = random_range(1, 3), c = random_range(1, 70);
        const int padding = (int)random_range(0, 4);
        const int64_t low_h = kh - 2 * padding > 1 ? kh - 2 * padding : 1;
        const int64_t low_w = kw - 2 * padding > 1 ? kw - 2 * padding : 1;
        const int64_t h = random_range(low_h, low_h + 9), w = random_range(low_w, low_w + 9);
        const int64_t oh = h + 2 * padding - kh + 1, ow = w + 2 * padding - kw + 1;
        const struct tensor x = field_in(i % 2 == 0, -1.0F, 1.0F, DIMS(n, h, w, c));
        const struct tensor weight = field_in(i % 3 == 0, -1.0F, 1.0F, DIMS(kh, kw, c));
        const struct tensor bias = field_in(false, -1.0F, 1.0F, DIMS(c));
        struct tensor out[SIDES];
        sides_out(out, i % 5 < 2, DIMS(n, oh, ow, c));
        sides_begin();
        for (int side = 0; side < SIDES; side++)
            op_depthwise_conv2d(sides.compute[side], x, weight, bias, padding, out[side]);
        sides_compare(out, tolerance, tolerance, "depthwise");
        for (int64_t k = 0; k < tensor_count(&out[REFERENCE]); k += 7) {
            const double wanted =
                convolved(&x, &weight, &bias, padding, k / c / ow / oh, k / c / ow % oh, k / c % ow, k % c);
            assert_true(fabs((double)*tensor_element(&out[REFERENCE], k) - wanted) <= 1e-5);
        }
        fields_check();
    }
}

static struct layers rejecting; /* 2 channels, 4 outputs, kernel 2 x 2, stride 1 */

static void call_conv2d(struct compute *compute, const struct given *given)
{
    op_conv2d(compute, rejecting.conv[UNDER_TEST], given[0].tensor, NULL, given[1].tensor);
}

static void call_conv2d_added(struct compute *compute, const struct given *given)
{
    op_conv2d(compute, rejecting.conv[UNDER_TEST], given[0].tensor, &given[2].tensor, given[1].tensor);
}

static void call_depthwise(struct compute *compute, const struct given *given)
{
    op_depthwise_conv2d(compute, given[0].tensor, given[1].tensor, given[2].tensor, 1, given[3].tensor);
}

#define F32(...) field_inout(false, -1.0F, 1.0F, DIMS(__VA_ARGS__))

static void test_rejections(void **state)
{
    (void)state;
    struct weight weight = weight_random(-1.0F, 1.0F, 0, DIMS(4, 2, 2, 2));
    layers_conv2d(&weight.tensor, NULL, 1, 0, &rejecting);
    weight_free(&weight);
    const struct conv2d *const conv = rejecting.conv[UNDER_TEST];
    CHECK_REJECTIONS("op_conv2d", call_conv2d, {"x", F32(3, 5, 6, 2), 0}, {"out", F32(3, 4, 5, 4), GIVEN_OUT});
    CHECK_REJECTIONS("op_conv2d", call_conv2d_added, {"x", F32(3, 5, 6, 2), 0}, {"out", F32(3, 4, 5, 4), GIVEN_OUT},
                     {"residual", F32(3, 4, 5, 4), GIVEN_IN_PLACE});
    const struct tensor map = F32(1, 5, 5, 2);
    REJECTED(op_conv2d, conv, F32(1, 5, 5, 3), NULL, F32(1, 4, 4, 4));
    REJECTED(op_conv2d, conv, map, NULL, F32(1, 5, 5, 4));
    REJECTED(op_conv2d, conv, F32(1, 1, 1, 2), NULL, F32(1, 4, 4, 4));
    REJECTED(op_conv2d, conv, F32(1, 1, 5, 2), NULL, F32(1, 0, 4, 4)); /* smaller than the kernel: not nothing */
    REJECTED(op_conv2d, conv, map, &map, F32(1, 4, 4, 4));
    fields_check();

    CHECK_REJECTIONS("op_depthwise_conv2d", call_depthwise, {"x", F32(2, 4, 6, 5), 0}, {"weight", F32(3, 3, 5), 0},
                     {"bias", F32(5), 0}, {"out", F32(2, 4, 6, 5), GIVEN_OUT});
    const struct tensor x = F32(1, 3, 4, 5), kernel = F32(3, 3, 5), bias = F32(5), out = F32(1, 3, 4, 5);
    REJECTED(op_depthwise_conv2d, x, tensor_slice(kernel, 2, 0, 4), bias, 1, out);
    REJECTED(op_depthwise_conv2d, x, kernel, tensor_slice(bias, 0, 0, 4), 1, out);
    REJECTED(op_depthwise_conv2d, x, kernel, bias, 1, tensor_slice(out, 1, 0, 2));
    REJECTED(op_depthwise_conv2d, x, kernel, bias, -1, out);
    REJECTED(op_depthwise_conv2d, x, kernel, bias, 2, out);
    REJECTED(op_depthwise_conv2d, x, F32(0, 3, 5), bias, 1, F32(1, 6, 4, 5));
    REJECTED(op_depthwise_conv2d, F32(1, 1, 4, 5), kernel, bias, 0, F32(1, 0, 2, 5));

    /* Nothing to do is no error. */
    sides_begin();
    op_conv2d(sides.compute[UNDER_TEST], conv, F32(0, 5, 5, 2), NULL, F32(0, 4, 4, 4));
    op_depthwise_conv2d(sides.compute[UNDER_TEST], F32(0, 3, 4, 5), kernel, bias, 1, F32(0, 3, 4, 5));
    sides_finish();
    fields_check();
    layers_free(&rejecting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_conv2d),    TEST(test_conv2d_into_slice), TEST(test_conv2d_expected),
        TEST(test_depthwise), TEST(test_rejections),
    };
    return sides_run(tests, COUNT(tests));
}
