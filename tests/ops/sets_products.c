/* Linear layers, matrix products and convolutions against the portable reference. */
#include "ops/support.h"

#include "base/error.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>

/* Sums of up to 800 products in f32 whose result is about 1: rounding errors of 2^-24 add up to about
 * 2e-6; the bound is five times that. */
static const double tolerance = 1e-5;

static const int64_t sizes[] = {1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 33, 63, 64, 65, 127, 130};

/* The layer on both sides, from the same weights. */
struct layers {
    struct parameters *parameters[SIDES];
    const struct linear *linear[SIDES];
};

static void layers_create(struct sides *sides, const struct weight *weight, const struct weight *bias,
                          int64_t rows_hint, struct layers *layers)
{
    const struct host_tensor *weights = &weight->tensor, *biases = bias->memory != NULL ? &bias->tensor : NULL;
    for (int i = 0; i < SIDES; i++) {
        assert_int_equal(parameters_create(sides->device[i], &layers->parameters[i]), 0);
        int status = parameters_linear(layers->parameters[i], 1, &weights, &biases, rows_hint, &layers->linear[i]);
        assert_int_equal(status, 0);
        assert_int_equal(linear_inputs(layers->linear[i]), weight->tensor.dim[1]);
        assert_int_equal(linear_outputs(layers->linear[i]), weight->tensor.dim[0]);
    }
}

static void layers_free(struct layers *layers)
{
    for (int i = 0; i < SIDES; i++) {
        parameters_free(&layers->parameters[i]);
        assert_null(layers->parameters[i]);
    }
}

enum residual { RESIDUAL_NONE, RESIDUAL_APART, RESIDUAL_IN_PLACE };

/* One case: leading dimensions in `lead` (rank - 1 of them). */
static void check_linear(struct sides *sides, int rank, const int64_t *lead, int64_t inputs, int64_t outputs,
                         bool has_bias, enum activation activation, enum residual residual, bool gaps)
{
    float size = sqrtf(3.0F / (float)inputs);
    struct weight weight = weight_random(-size, size, (int)random_range(0, 3), DIMS(outputs, inputs)), bias = {0};
    if (has_bias)
        bias = weight_random(-1.0F, 1.0F, 0, DIMS(outputs));
    struct layers layers;
    layers_create(sides, &weight, &bias, lead[0], &layers);
    weight_free(&weight);
    weight_free(&bias);

    int64_t in[5] = {0}, dim[5] = {0};
    for (int i = 0; i < rank - 1; i++)
        in[i] = dim[i] = lead[i];
    in[rank - 1] = inputs;
    dim[rank - 1] = outputs;
    struct field x = field_random(gaps, -2.0F, 2.0F, rank, in);
    struct field added = field_random(gaps, -2.0F, 2.0F, rank, dim);
    struct field out = field_poisoned(gaps, rank, dim), expected = field_poisoned(false, rank, dim);

    sides_begin(sides);
    op_linear(sides->compute[REFERENCE], layers.linear[REFERENCE], x.tensor, activation,
              residual != RESIDUAL_NONE ? &added.tensor : NULL, expected.tensor);
    struct field *to = residual == RESIDUAL_IN_PLACE ? &added : &out;
    op_linear(sides->compute[UNDER_TEST], layers.linear[UNDER_TEST], x.tensor, activation,
              residual != RESIDUAL_NONE ? &added.tensor : NULL, to->tensor);
    sides_check(sides);

    char what[160];
    snprintf(what, sizeof(what), "linear %lld x %lld -> %lld, rank %d, bias %d, activation %d, residual %d, gaps %d",
             (long long)lead[0], (long long)inputs, (long long)outputs, rank, has_bias, (int)activation, (int)residual,
             gaps);
    compare_tensors(what, &to->tensor, &expected.tensor, tolerance, tolerance);
    field_check_input(&x);
    field_check_output(to);
    if (residual == RESIDUAL_APART)
        field_check_input(&added);
    layers_free(&layers);
    field_free(&x);
    field_free(&added);
    field_free(&out);
    field_free(&expected);
}

static void test_linear_sizes(void **state)
{
    for (int i = 0; i < 200; i++) {
        int64_t lead[3] = {RANDOM_OF(sizes), random_range(1, 4), random_range(1, 3)};
        int rank = (int)random_range(1, 4);
        lead[0] = rank > 2 && lead[0] > 40 ? 40 : lead[0];
        check_linear(*state, rank, lead, RANDOM_OF(sizes), RANDOM_OF(sizes), random_range(0, 3) != 0,
                     (enum activation)random_range(0, ACTIVATION_SIGMOID), (enum residual)random_range(0, 2),
                     random_range(0, 1) != 0);
    }
}

/* Shapes of the models, with few rows. */
static void test_linear_model_shapes(void **state)
{
    static const int64_t shapes[][3] = {{37, 768, 2304}, {64, 768, 768}, {129, 768, 800}, {16, 512, 512}, {1, 512, 3}};
    for (int i = 0; i < COUNT(shapes); i++) {
        check_linear(*state, 2, shapes[i], shapes[i][1], shapes[i][2], true, (enum activation)i, (enum residual)(i % 3),
                     i % 2 == 0);
    }
}

/* One layer serves inputs of changing numbers of rows. */
static void test_linear_changing_rows(void **state)
{
    struct sides *sides = *state;
    struct weight weight = weight_random(-0.1F, 0.1F, 0, DIMS(48, 96)), bias = weight_random(-1.0F, 1.0F, 0, DIMS(48));
    struct layers layers;
    layers_create(sides, &weight, &bias, 64, &layers);
    weight_free(&weight);
    weight_free(&bias);
    for (int i = 0; i < 24; i++) {
        int64_t rows = i % 3 == 0 ? 64 : random_range(1, 200);
        struct field x = field_random(i % 2 == 0, -2.0F, 2.0F, DIMS(rows, 96));
        struct field out = field_poisoned(i % 2 == 0, DIMS(rows, 48)), expected = field_poisoned(false, DIMS(rows, 48));
        sides_begin(sides);
        op_linear(sides->compute[REFERENCE], layers.linear[REFERENCE], x.tensor, ACTIVATION_GELU, NULL,
                  expected.tensor);
        op_linear(sides->compute[UNDER_TEST], layers.linear[UNDER_TEST], x.tensor, ACTIVATION_GELU, NULL, out.tensor);
        sides_check(sides);
        compare_tensors("linear with changing rows", &out.tensor, &expected.tensor, tolerance, tolerance);
        field_check_output(&out);
        field_free(&x);
        field_free(&out);
        field_free(&expected);
    }
    layers_free(&layers);
}

/* Activations over a wide range: y = activation(x) through a layer that copies its one input, and alone.
 * Beyond what exp can hold there must be no infinity. */
static void test_activations(void **state)
{
    struct sides *sides = *state;
    enum { ROWS = 1025 };
    const float one = 1.0F, zero = 0.0F;
    struct weight weight = weight_random(one, one, 0, DIMS(1, 1)), bias = weight_random(zero, zero, 0, DIMS(1));
    struct layers layers;
    layers_create(sides, &weight, &bias, ROWS, &layers);
    weight_free(&weight);
    weight_free(&bias);
    struct field x = field_random(false, -1.0F, 1.0F, DIMS(ROWS, 1));
    for (int64_t i = 0; i < ROWS; i++) {
        float t = (float)i / (ROWS - 1) * 2.0F - 1.0F;
        *tensor_element(&x.tensor, i) = i % 8 == 0 ? 3000.0F * t * t * t : 15.0F * t;
    }
    field_seal(&x);
    for (int a = ACTIVATION_NONE; a <= ACTIVATION_SIGMOID; a++) {
        struct field out = field_poisoned(false, DIMS(ROWS, 1)), alone = field_poisoned(true, DIMS(ROWS, 1));
        struct field expected = field_poisoned(false, DIMS(ROWS, 1));
        sides_begin(sides);
        op_activation(sides->compute[REFERENCE], x.tensor, (enum activation)a, expected.tensor);
        op_activation(sides->compute[UNDER_TEST], x.tensor, (enum activation)a, alone.tensor);
        op_linear(sides->compute[UNDER_TEST], layers.linear[UNDER_TEST], x.tensor, (enum activation)a, NULL,
                  out.tensor);
        sides_check(sides);
        char what[64];
        snprintf(what, sizeof(what), "activation %d in a layer", a);
        /* Fast forms of erf, exp and tanh are good to some units of the last place of the function's largest
         * value near x: 2e-6 absolute, and the same relative to x where it passes through. */
        compare_tensors(what, &out.tensor, &expected.tensor, 2e-6, 2e-6);
        compare_tensors("activation alone", &alone.tensor, &expected.tensor, 2e-6, 2e-6);
        field_check_output(&alone);
        field_free(&out);
        field_free(&alone);
        field_free(&expected);
    }
    field_free(&x);
    layers_free(&layers);
}

static void test_matmul_transposed(void **state)
{
    struct sides *sides = *state;
    for (int i = 0; i < 60; i++) {
        int64_t n = RANDOM_OF(sizes), m = RANDOM_OF(sizes), d = i == 0 ? 768 : RANDOM_OF(sizes);
        bool gaps = random_range(0, 1) != 0;
        float size = sqrtf(3.0F / (float)d);
        struct field a = field_random(gaps, -1.0F, 1.0F, DIMS(n, d)), b = field_random(gaps, -size, size, DIMS(m, d));
        struct field out = field_poisoned(gaps, DIMS(n, m)), expected = field_poisoned(false, DIMS(n, m));
        sides_begin(sides);
        op_matmul_transposed(sides->compute[REFERENCE], a.tensor, b.tensor, expected.tensor);
        op_matmul_transposed(sides->compute[UNDER_TEST], a.tensor, b.tensor, out.tensor);
        sides_check(sides);
        compare_tensors("matmul_transposed", &out.tensor, &expected.tensor, tolerance, tolerance);
        field_check_input(&a);
        field_check_input(&b);
        field_check_output(&out);
        field_free(&a);
        field_free(&b);
        field_free(&out);
        field_free(&expected);
    }
}

static void check_conv2d(struct sides *sides, int64_t batch, const int64_t *size, int64_t inputs, int64_t outputs,
                         const int *kernel, int stride, int padding, enum residual residual, bool gaps)
{
    float scale = sqrtf(3.0F / (float)(inputs * kernel[0] * kernel[1]));
    struct weight weight = weight_random(-scale, scale, gaps, DIMS(outputs, inputs, kernel[0], kernel[1]));
    struct weight bias = weight_random(-1.0F, 1.0F, 0, DIMS(outputs));
    struct parameters *parameters[SIDES];
    const struct conv2d *conv[SIDES];
    for (int i = 0; i < SIDES; i++) {
        assert_int_equal(parameters_create(sides->device[i], &parameters[i]), 0);
        const struct host_tensor *biases = inputs % 2 == 0 ? NULL : &bias.tensor;
        assert_int_equal(parameters_conv2d(parameters[i], &weight.tensor, biases, stride, padding, &conv[i]), 0);
    }
    weight_free(&weight);
    weight_free(&bias);

    int64_t height = (size[0] + 2 * padding - kernel[0]) / stride + 1;
    int64_t width = (size[1] + 2 * padding - kernel[1]) / stride + 1;
    struct field x = field_random(gaps, -2.0F, 2.0F, DIMS(batch, size[0], size[1], inputs));
    struct field added = field_random(gaps, -2.0F, 2.0F, DIMS(batch, height, width, outputs));
    struct field out = field_poisoned(gaps, DIMS(batch, height, width, outputs));
    struct field expected = field_poisoned(false, DIMS(batch, height, width, outputs));
    sides_begin(sides);
    const struct tensor *given = residual != RESIDUAL_NONE ? &added.tensor : NULL;
    op_conv2d(sides->compute[REFERENCE], conv[REFERENCE], x.tensor, given, expected.tensor);
    struct field *to = residual == RESIDUAL_IN_PLACE ? &added : &out;
    op_conv2d(sides->compute[UNDER_TEST], conv[UNDER_TEST], x.tensor, given, to->tensor);
    sides_check(sides);
    char what[160];
    snprintf(what, sizeof(what), "conv2d %lld x %lld x %lld -> %lld, kernel %d x %d, stride %d, padding %d, gaps %d",
             (long long)size[0], (long long)size[1], (long long)inputs, (long long)outputs, kernel[0], kernel[1],
             stride, padding, gaps);
    compare_tensors(what, &to->tensor, &expected.tensor, tolerance, tolerance);
    field_check_input(&x);
    field_check_output(to);
    for (int i = 0; i < SIDES; i++)
        parameters_free(&parameters[i]);
    field_free(&x);
    field_free(&added);
    field_free(&out);
    field_free(&expected);
}

static void test_conv2d(void **state)
{
    for (int i = 0; i < 60; i++) {
        int kernel[2] = {(int)random_range(1, 5), (int)random_range(1, 5)};
        int64_t size[2] = {random_range(5, 19), random_range(5, 19)};
        check_conv2d(*state, random_range(1, 3), size, random_range(1, 9), RANDOM_OF(sizes), kernel,
                     (int)random_range(1, 4), (int)random_range(0, 3), (enum residual)random_range(0, 2),
                     random_range(0, 1) != 0);
    }
    const int patch[2] = {16, 16};
    const int64_t size[2] = {80, 64};
    check_conv2d(*state, 2, size, 3, 768, patch, 16, 0, RESIDUAL_NONE, false);
}

/* Rows in the model's layout: the image tokens of a longer sequence, filled behind a first one. */
static void test_conv2d_into_slice(void **state)
{
    struct sides *sides = *state;
    struct weight weight = weight_random(-0.1F, 0.1F, 0, DIMS(24, 3, 4, 4));
    struct parameters *parameters[SIDES];
    struct field x = field_random(false, -1.0F, 1.0F, DIMS(2, 16, 12, 3));
    struct field tokens[SIDES];
    sides_begin(sides);
    for (int i = 0; i < SIDES; i++) {
        const struct conv2d *conv;
        assert_int_equal(parameters_create(sides->device[i], &parameters[i]), 0);
        assert_int_equal(parameters_conv2d(parameters[i], &weight.tensor, NULL, 4, 0, &conv), 0);
        tokens[i] = field_random(false, 5.0F, 5.0F, DIMS(2, 13, 24));
        struct tensor patches = tensor_slice(tokens[i].tensor, 1, 1, 12);
        op_conv2d(sides->compute[i], conv, x.tensor, NULL, TENSOR_RESHAPE(patches, 2, 4, 3, 24));
    }
    sides_check(sides);
    compare_tensors("conv2d into tokens", &tokens[UNDER_TEST].tensor, &tokens[REFERENCE].tensor, tolerance, tolerance);
    for (int i = 0; i < SIDES; i++) {
        assert_true(*tensor_element(&tokens[i].tensor, 0) == 5.0F);
        assert_true(*tensor_element(&tokens[i].tensor, 13 * 24 + 23) == 5.0F);
        field_check_output(&tokens[i]);
        field_free(&tokens[i]);
        parameters_free(&parameters[i]);
    }
    weight_free(&weight);
    field_free(&x);
}

/* What the two threads of test_linear_shared do: the same layer, scratch of their own. */
struct shared {
    struct device *device;
    const struct linear *linear;
    struct tensor x, out;
    int status;
};

static void *run_shared(void *argument)
{
    struct shared *shared = argument;
    struct compute *compute;
    shared->status = compute_create(shared->device, &compute);
    if (shared->status != 0)
        return NULL;
    for (int i = 0; i < 20 && shared->status == 0; i++) {
        compute_begin(compute);
        op_linear(compute, shared->linear, shared->x, ACTIVATION_QUICK_GELU, NULL, shared->out);
        shared->status = compute_status(compute);
    }
    compute_free(&compute);
    return NULL;
}

static void test_linear_shared(void **state)
{
    struct sides *sides = *state;
    struct weight weight = weight_random(-0.1F, 0.1F, 0, DIMS(65, 96)), bias = {0};
    struct layers layers;
    layers_create(sides, &weight, &bias, 40, &layers);
    weight_free(&weight);
    struct field x = field_random(false, -2.0F, 2.0F, DIMS(40, 96)), expected = field_poisoned(false, DIMS(40, 65));
    struct field out[2] = {field_poisoned(true, DIMS(40, 65)), field_poisoned(true, DIMS(40, 65))};
    sides_begin(sides);
    op_linear(sides->compute[REFERENCE], layers.linear[REFERENCE], x.tensor, ACTIVATION_QUICK_GELU, NULL,
              expected.tensor);
    struct shared shared[2];
    pthread_t thread[2];
    for (int i = 0; i < 2; i++) {
        shared[i] = (struct shared){sides->device[UNDER_TEST], layers.linear[UNDER_TEST], x.tensor, out[i].tensor, -1};
        assert_int_equal(pthread_create(&thread[i], NULL, run_shared, &shared[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        assert_int_equal(shared[i].status, 0);
        compare_tensors("linear in two threads", &out[i].tensor, &expected.tensor, tolerance, tolerance);
        field_free(&out[i]);
    }
    field_free(&x);
    field_free(&expected);
    layers_free(&layers);
}

int sets_products(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear_sizes),         cmocka_unit_test(test_linear_model_shapes),
        cmocka_unit_test(test_linear_changing_rows), cmocka_unit_test(test_activations),
        cmocka_unit_test(test_matmul_transposed),    cmocka_unit_test(test_conv2d),
        cmocka_unit_test(test_conv2d_into_slice),    cmocka_unit_test(test_linear_shared),
    };
    return cmocka_run_group_tests_name("products", tests, sides_setup, sides_teardown);
}
