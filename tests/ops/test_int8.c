/* Linear layers on a device that computes in int8: beside the reference set in int8, beside sums of the same whole
 * numbers that are worked out here, and how far they may be from f32. */
#include "ops/int8.h"
#include "ops/layers.h"

#include "base/error.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The whole numbers are the same and their sums exact; what is left are a few roundings in f32, and the activation. */
static const double tolerance = 2e-6;

/* A layer of random weights that may be in 8 bits on both sides. */
struct layer {
    int64_t inputs, outputs;
    struct weight weight, bias;
    struct layers sides;
};

static const float *values_of(const struct weight *weight)
{
    return weight->tensor.data;
}

static void layer_open(struct layer *layer, const struct host_tensor *bias)
{
    const struct host_tensor *const weight = &layer->weight.tensor;
    for (int i = 0; i < SIDES; i++) {
        assert_int_equal(parameters_create(sides.device[i], &layer->sides.parameters[i]), 0);
        parameters_let_int8(layer->sides.parameters[i], true);
        assert_int_equal(parameters_linear(layer->sides.parameters[i], 1, &weight, &bias, 8, &layer->sides.linear[i]),
                         0);
    }
}

static struct layer layer_random(int64_t inputs, int64_t outputs, bool has_bias)
{
    const float size = sqrtf(3.0F / (float)inputs);
    struct layer layer = {.inputs = inputs, .outputs = outputs};
    layer.weight = weight_random(-size, size, 0, DIMS(outputs, inputs));
    layer.bias = weight_random(-1.0F, 1.0F, 0, DIMS(outputs));
    layer_open(&layer, has_bias ? &layer.bias.tensor : NULL);
    return layer;
}

static void layer_free(struct layer *layer)
{
    layers_free(&layer->sides);
    weight_free(&layer->weight);
    weight_free(&layer->bias);
}

static void check_beside_reference(int64_t rows, int64_t inputs, int64_t outputs, enum activation activation,
                                   enum residual residual, bool gaps, float low, float high)
{
    struct layer layer = layer_random(inputs, outputs, random_range(0, 3) != 0);
    const struct tensor x = field_in(gaps, low, high, DIMS(rows, inputs));
    struct tensor out[SIDES];
    const struct tensor added = residual_out(out, residual, gaps, DIMS(rows, outputs));
    sides_begin();
    for (int i = REFERENCE; i >= UNDER_TEST; i--) {
        op_linear(sides.compute[i], layer.sides.linear[i], x, activation, residual != RESIDUAL_NONE ? &added : NULL,
                  out[i]);
    }
    sides_compare(out, tolerance * fmax(1.0, fmax(fabs((double)low), fabs((double)high))), tolerance,
                  "%lld x %lld -> %lld, activation %d, residual %d, gaps %d, %g to %g", (long long)rows,
                  (long long)inputs, (long long)outputs, (int)activation, (int)residual, gaps, (double)low,
                  (double)high);
    layer_free(&layer);
    fields_check();
}

static void test_beside_reference(void **state)
{
    (void)state;
    static const int64_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 32, 33, 47, 48, 49, 64, 65, 100, 130};
    /* Around 0, on one side of it, nearly so, far from it. */
    static const float ranges[][2] = {{-2.0F, 2.0F}, {0.5F, 3.0F}, {-4.0F, -1.0F}, {-0.17F, 5.0F}, {90.0F, 100.0F}};
    for (int i = 0; i < 200; i++) {
        const float *const range = ranges[random_range(0, 1) == 0 ? 0 : random_range(0, COUNT(ranges) - 1)];
        check_beside_reference(RANDOM_OF(sizes), RANDOM_OF(sizes), RANDOM_OF(sizes),
                               (enum activation)(i % (ACTIVATION_SIGMOID + 1)), (enum residual)random_range(0, 2),
                               random_range(0, 1) != 0, range[0], range[1]);
    }
    /* More rows than a block has, and panels in whole and in part. */
    check_beside_reference(500, 96, 288, ACTIVATION_NONE, RESIDUAL_NONE, false, -2.0F, 2.0F);
    check_beside_reference(211, 768, 200, ACTIVATION_GELU, RESIDUAL_APART, true, -2.0F, 2.0F);
    check_beside_reference(70, 3072, 130, ACTIVATION_QUICK_GELU, RESIDUAL_IN_PLACE, false, -0.17F, 8.0F);
    check_beside_reference(3, 1024, 4096, ACTIVATION_NONE, RESIDUAL_NONE, true, -2.0F, 2.0F);
}

/* What ops/int8.h says, once more: to the nearest of 255 steps from the lowest to the highest number, 0 among them. */
static double quantize_row(const float *x, int64_t count, int32_t *values)
{
    float low = 0.0F, high = 0.0F;
    for (int64_t i = 0; i < count; i++) {
        low = fminf(low, x[i]);
        high = fmaxf(high, x[i]);
    }
    const float scale = high / 255.0F - low / 255.0F, inverse = 1.0F / scale;
    const float zero = rintf(-low * inverse);
    for (int64_t i = 0; i < count; i++)
        values[i] = (int32_t)fminf(fmaxf(rintf(x[i] * inverse) + zero, 0.0F), 255.0F) - (int32_t)zero;
    return (double)scale;
}

static double quantize_weights(const float *w, int64_t count, int32_t *values)
{
    float most = 0.0F;
    for (int64_t i = 0; i < count; i++)
        most = fmaxf(most, fabsf(w[i]));
    const float scale = most / 127.0F, inverse = 1.0F / scale;
    for (int64_t i = 0; i < count; i++)
        values[i] = (int32_t)rintf(w[i] * inverse);
    return (double)scale;
}

/* The largest |y - exact| in units of what f32 may do to it, and the largest |y - f32| of what quantization may. */
struct errors {
    double rounding, quantization;
};

/* One output of a row: `a` and `b` have the whole numbers. Each factor is off by half a step at most (and by what the
 * step's own rounding adds), so a product is by so much of the other factor. */
static void check_output(float found, const float *x, double x_scale, const int32_t *a, const float *w, double w_scale,
                         const int32_t *b, int64_t count, double bias, struct errors *errors)
{
    double exact = 0.0, plain = 0.0, bound = 0.0;
    for (int64_t i = 0; i < count; i++) {
        exact += (double)a[i] * (double)b[i];
        plain += (double)x[i] * (double)w[i];
        bound += 0.501 * (x_scale * fabs((double)w[i]) + w_scale * fabs((double)x[i]) + 0.501 * x_scale * w_scale);
    }
    exact *= x_scale * w_scale;
    const double room = tolerance * (fabs(exact) + fabs(bias));
    errors->rounding = fmax(errors->rounding, fabs((double)found - bias - exact) / room);
    errors->quantization = fmax(errors->quantization, fabs((double)found - bias - plain) / bound);
    assert_true(fabs((double)found - bias - exact) <= room);
    assert_true(fabs((double)found - bias - plain) <= bound + room);
}

static void check_exact(int64_t rows, int64_t inputs, int64_t outputs, float low, float high, struct errors *errors)
{
    struct layer layer = layer_random(inputs, outputs, true);
    const struct tensor x = field_in(false, low, high, DIMS(rows, inputs)), out = field_out(true, DIMS(rows, outputs));
    int32_t *const a = calloc((size_t)(2 * inputs), sizeof(*a)), *const b = a + inputs;
    assert_non_null(a);
    sides_begin();
    op_linear(sides.compute[UNDER_TEST], layer.sides.linear[UNDER_TEST], x, ACTIVATION_NONE, NULL, out);
    sides_finish();
    for (int64_t o = 0; o < outputs; o++) {
        const float *const w = values_of(&layer.weight) + o * inputs;
        const double w_scale = quantize_weights(w, inputs, b);
        for (int64_t r = 0; r < rows; r++) {
            const float *const row = tensor_element(&x, r * inputs);
            const double x_scale = quantize_row(row, inputs, a);
            check_output(*tensor_element(&out, r * outputs + o), row, x_scale, a, w, w_scale, b, inputs,
                         (double)values_of(&layer.bias)[o], errors);
        }
    }
    free(a);
    layer_free(&layer);
    fields_check();
}

static void test_exact(void **state)
{
    (void)state;
    struct errors errors = {0};
    check_exact(17, 96, 49, -2.0F, 2.0F, &errors);
    check_exact(5, 768, 70, -0.17F, 6.0F, &errors);
    check_exact(30, 33, 18, 1.0F, 3.0F, &errors);
    print_message("of what f32 may round: %.2f; of what quantization may be off by: %.3f\n", errors.rounding,
                  errors.quantization);
    assert_true(errors.quantization > 0.01); /* it was in 8 bits */
}

/* All products as large as they can be, as many as are summed, and one more, which is left in f32. */
static void test_largest_sums(void **state)
{
    (void)state;
    static const float factors[] = {3.0F, -3.0F};
    for (int64_t inputs = INT8_MOST_INPUTS; inputs <= INT8_MOST_INPUTS + 1; inputs++) {
        struct layer layer = {.inputs = inputs, .outputs = 3};
        layer.weight = weight_random(-0.5F, -0.5F, 0, DIMS(3, inputs));
        layer.bias = weight_random(0.0F, 0.0F, 0, DIMS(3));
        layer_open(&layer, NULL);
        for (int i = 0; i < COUNT(factors); i++) {
            const struct tensor x = field_in(false, factors[i], factors[i], DIMS(2, inputs));
            const struct tensor out = field_out(false, DIMS(2, 3));
            sides_begin();
            op_linear(sides.compute[UNDER_TEST], layer.sides.linear[UNDER_TEST], x, ACTIVATION_NONE, NULL, out);
            sides_finish();
            for (int64_t j = 0; j < 6; j++) {
                const double wanted = -0.5 * (double)factors[i] * (double)inputs, found = *tensor_element(&out, j);
                if (!(fabs(found - wanted) <= 1e-5 * fabs(wanted)))
                    fail_msg("%lld inputs: %.9g, not %.9g", (long long)inputs, found, wanted);
            }
            fields_check();
        }
        layer_free(&layer);
    }
}

/* Rows and weights that are zeros, or so small that they count as such, give the bias; NaN and infinity spoil the row
 * or the output that they are in, and nothing else. */
static void test_special_values(void **state)
{
    (void)state;
    enum { ROWS = 16, INPUTS = 37, OUTPUTS = 20 };
    struct layer layer = {.inputs = INPUTS, .outputs = OUTPUTS};
    layer.weight = weight_random(-0.5F, 0.5F, 0, DIMS(OUTPUTS, INPUTS));
    layer.bias = weight_random(-1.0F, 1.0F, 0, DIMS(OUTPUTS));
    float *const w = (float *)(void *)layer.weight.memory;
    assert_ptr_equal(w, layer.weight.tensor.data);
    w[3 * INPUTS + 36] = NAN;
    w[4 * INPUTS] = INFINITY;
    memset(w + 5 * (ptrdiff_t)INPUTS, 0, INPUTS * sizeof(float));
    for (int i = 0; i < INPUTS; i++)
        w[6 * INPUTS + i] = FLT_MIN * 1e-3F;
    layer_open(&layer, &layer.bias.tensor);
    const struct tensor x = field_in(true, -2.0F, 2.0F, DIMS(ROWS, INPUTS));
    struct tensor out[SIDES];
    for (int i = 0; i < INPUTS; i++) {
        *tensor_element(&x, 2 * INPUTS + i) = 0.0F;
        *tensor_element(&x, 5 * INPUTS + i) = FLT_MIN * 0.01F;
        *tensor_element(&x, 6 * INPUTS + i) = i == 8 ? FLT_MAX : i == 9 ? -FLT_MAX : 0.0F;
    }
    *tensor_element(&x, 1 * INPUTS + 36) = NAN;
    *tensor_element(&x, 7 * INPUTS) = INFINITY;
    *tensor_element(&x, 9 * INPUTS + 20) = -INFINITY;
    fields_seal();
    sides_out(out, true, DIMS(ROWS, OUTPUTS));
    sides_begin();
    for (int i = 0; i < SIDES; i++)
        op_linear(sides.compute[i], layer.sides.linear[i], x, ACTIVATION_NONE, NULL, out[i]);
    sides_finish();
    for (int64_t i = 0; i < (int64_t)ROWS * OUTPUTS; i++) {
        const int64_t r = i / OUTPUTS, o = i % OUTPUTS;
        const double a = (double)*tensor_element(&out[UNDER_TEST], i), b = (double)*tensor_element(&out[REFERENCE], i);
        const bool spoilt = r == 1 || r == 7 || r == 9 || o == 3 || o == 4;
        const bool nothing = r == 2 || r == 5 || o == 5 || o == 6;
        assert_true(isnan(a) == spoilt && isnan(b) == spoilt);
        if (!spoilt && nothing && r != 6)
            assert_true(a == (double)values_of(&layer.bias)[o]);
        if (!spoilt)
            assert_true(fabs(a - b) <= (r == 6 ? 1e33 : 1e-5));
    }
    layer_free(&layer);
    fields_check();
}

/* A layer that was not let is what it is on a device in f32, to the last bit, and so is a convolution. */
static void test_not_let(void **state)
{
    (void)state;
    enum { ROWS = 40, INPUTS = 64, OUTPUTS = 48 };
    enum cpu_level level;
    assert_true(level_under_test(&level));
    const struct device_options options = {.cpu_level = cpu_level_name(level),
                                           .threads = device_threads(sides.device[UNDER_TEST])};
    struct weight weight = weight_random(-0.5F, 0.5F, 0, DIMS(OUTPUTS, INPUTS));
    struct weight kernel = weight_random(-0.5F, 0.5F, 0, DIMS(OUTPUTS, INPUTS, 1, 1));
    const struct host_tensor *const weights = &weight.tensor;
    const struct tensor x = field_in(false, -2.0F, 2.0F, DIMS(ROWS, INPUTS));
    struct tensor out[2], map[2];
    for (int i = 0; i < 2; i++) {
        struct device *device = sides.device[UNDER_TEST];
        struct parameters *parameters;
        struct compute *compute;
        const struct linear *linear;
        const struct conv2d *conv;
        if (i == 1)
            assert_int_equal(device_open(&options, &device), 0);
        assert_int_equal(compute_create(device, &compute), 0);
        assert_int_equal(parameters_create(device, &parameters), 0);
        parameters_let_int8(parameters, true);
        assert_int_equal(parameters_conv2d(parameters, &kernel.tensor, NULL, 1, 0, &conv), 0);
        parameters_let_int8(parameters, false);
        assert_int_equal(parameters_linear(parameters, 1, &weights, NULL, ROWS, &linear), 0);
        out[i] = field_out(false, DIMS(ROWS, OUTPUTS));
        map[i] = field_out(false, DIMS(1, ROWS / 8, 8, OUTPUTS));
        compute_begin(compute);
        op_linear(compute, linear, x, ACTIVATION_GELU, NULL, out[i]);
        op_conv2d(compute, conv, TENSOR_RESHAPE(x, 1, ROWS / 8, 8, INPUTS), NULL, map[i]);
        assert_int_equal(compute_finish(compute), 0);
        assert_int_equal(compute_narrow(compute), DTYPE_F32);
        parameters_free(&parameters);
        compute_free(&compute);
        if (i == 1)
            device_close(&device);
    }
    compare_tensors("linear, not let", &out[0], &out[1], 0.0, 0.0);
    compare_tensors("conv2d", &map[0], &map[1], 0.0, 0.0);
    weight_free(&weight);
    weight_free(&kernel);
    fields_check();
}

/* A level without dot products of 8-bit numbers says so, and what to do. */
static int check_refused(enum cpu_level level)
{
    struct device *device;
    const int status =
        device_open(&(struct device_options){.cpu_level = cpu_level_name(level), .precision = DTYPE_I8}, &device);
    printf("level %s: %s\n", cpu_level_name(level), error_message());
    return status == SOWLV2_ERROR_UNSUPPORTED && !device && strstr(error_message(), "precision int8") &&
                   strstr(error_message(), cpu_level_name(level)) && strstr(error_message(), "use f32")
               ? 0
               : 1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_beside_reference), TEST(test_exact),   TEST(test_largest_sums),
        TEST(test_special_values),   TEST(test_not_let),
    };
    enum cpu_level level;
    if (!level_under_test(&level))
        return EXIT_SKIPPED;
    if (level != CPU_REFERENCE && !cpu_level_has_int8(level))
        return check_refused(level);
    sides.precision = DTYPE_I8;
    return sides_run(tests, COUNT(tests));
}
