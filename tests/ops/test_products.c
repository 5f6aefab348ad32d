/* Linear layers, matrix products and convolutions: against the portable reference, against what the reference
 * implementation computed, and what they reject. */
#include "ops/expected.h"
#include "ops/layers.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>

/* Sums of up to 800 products in f32 whose result is about 1: rounding errors of 2^-24 add up to about
 * 2e-6; the bound is five times that. */
static const double tolerance = 1e-5;

/* Of what the reference implementation computed in f32: each may be off by some roundings of the largest term, products
 * of two normal deviates summed over up to 150 terms. */
static const double absolute = 1e-5, relative = 2e-6;

static const int64_t sizes[] = {1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 33, 63, 64, 65, 127, 130};

/* Leading dimensions in `lead` (rank - 1 of them). */
static void check_linear(int rank, const int64_t *lead, int64_t inputs, int64_t outputs, bool has_bias,
                         enum activation activation, enum residual residual, bool gaps)
{
    const float size = sqrtf(3.0F / (float)inputs);
    struct weight weight = weight_random(-size, size, (int)random_range(0, 3), DIMS(outputs, inputs)),
                  bias = weight_random(-1.0F, 1.0F, 0, DIMS(outputs));
    struct layers layers;
    layers_linear(&weight.tensor, has_bias ? &bias.tensor : NULL, lead[0], &layers);
    weight_free(&weight);
    weight_free(&bias);

    int64_t in[5] = {0}, dim[5] = {0};
    for (int i = 0; i < rank - 1; i++)
        in[i] = dim[i] = lead[i];
    in[rank - 1] = inputs;
    dim[rank - 1] = outputs;
    const struct tensor x = field_in(gaps, -2.0F, 2.0F, rank, in);
    struct tensor out[SIDES];
    const struct tensor added = residual_out(out, residual, gaps, rank, dim);
    sides_begin();
    for (int i = REFERENCE; i >= UNDER_TEST; i--)
        op_linear(sides.compute[i], layers.linear[i], x, activation, residual != RESIDUAL_NONE ? &added : NULL, out[i]);
    sides_compare(out, tolerance, tolerance,
                  "%lld x %lld -> %lld, rank %d, bias %d, activation %d, residual %d, gaps %d", (long long)lead[0],
                  (long long)inputs, (long long)outputs, rank, has_bias, (int)activation, (int)residual, gaps);
    layers_free(&layers);
    fields_check();
}

static void test_linear_sizes(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        int64_t lead[3] = {RANDOM_OF(sizes), random_range(1, 4), random_range(1, 3)};
        const int rank = (int)random_range(1, 4);
        lead[0] = rank > 2 && lead[0] > 40 ? 40 : lead[0];
        check_linear(rank, lead, RANDOM_OF(sizes), RANDOM_OF(sizes), random_range(0, 3) != 0,
                     (enum activation)random_range(0, ACTIVATION_SIGMOID), (enum residual)random_range(0, 2),
                     random_range(0, 1) != 0);
    }
}

/* Shapes of the models, with few rows. */
static void test_linear_model_shapes(void **state)
{
    (void)state;
    static const int64_t shapes[][3] = {{37, 768, 2304}, {64, 768, 768}, {129, 768, 800}, {16, 512, 512}, {1, 512, 3}};
    for (int i = 0; i < COUNT(shapes); i++) {
        check_linear(2, shapes[i], shapes[i][1], shapes[i][2], true, (enum activation)i, (enum residual)(i % 3),
                     i % 2 == 0);
    }
}

/* One layer serves inputs of changing numbers of rows. */
static void test_linear_changing_rows(void **state)
{
    (void)state;
    struct weight weight = weight_random(-0.1F, 0.1F, 0, DIMS(48, 96)), bias = weight_random(-1.0F, 1.0F, 0, DIMS(48));
    struct layers layers;
    layers_linear(&weight.tensor, &bias.tensor, 64, &layers);
    weight_free(&weight);
    weight_free(&bias);
    for (int n = 0; n < 24; n++) {
        const int64_t rows = n % 3 == 0 ? 64 : random_range(1, 200);
        const struct tensor x = field_in(n % 2 == 0, -2.0F, 2.0F, DIMS(rows, 96));
        struct tensor out[SIDES];
        sides_out(out, n % 2 == 0, DIMS(rows, 48));
        sides_begin();
        for (int i = 0; i < SIDES; i++)
            op_linear(sides.compute[i], layers.linear[i], x, ACTIVATION_GELU, NULL, out[i]);
        sides_compare(out, tolerance, tolerance, "linear with changing rows");
        fields_check();
    }
    layers_free(&layers);
}

/* What the two threads of test_linear_shared do: the same layer, scratch of their own. */
struct shared {
    const struct linear *linear;
    struct tensor x, out;
    int status;
};

static void *run_shared(void *argument)
{
    struct shared *shared = argument;
    struct compute *compute;
    shared->status = compute_create(sides.device[UNDER_TEST], &compute);
    if (shared->status != 0)
        return NULL;
    for (int i = 0; i < 20 && shared->status == 0; i++) {
        compute_begin(compute);
        op_linear(compute, shared->linear, shared->x, ACTIVATION_QUICK_GELU, NULL, shared->out);
        shared->status = compute_finish(compute);
    }
    compute_free(&compute);
    return NULL;
}

static void test_linear_shared(void **state)
{
    (void)state;
    struct weight weight = weight_random(-0.1F, 0.1F, 0, DIMS(65, 96));
    struct layers layers;
    layers_linear(&weight.tensor, NULL, 40, &layers);
    weight_free(&weight);
    const struct tensor x = field_in(false, -2.0F, 2.0F, DIMS(40, 96)), expected = field_out(false, DIMS(40, 65));
    sides_begin();
    op_linear(sides.compute[REFERENCE], layers.linear[REFERENCE], x, ACTIVATION_QUICK_GELU, NULL, expected);
    struct shared shared[2];
    pthread_t thread[2];
    for (int i = 0; i < 2; i++) {
        shared[i] = (struct shared){layers.linear[UNDER_TEST], x, field_out(true, DIMS(40, 65)), -1};
        assert_int_equal(pthread_create(&thread[i], NULL, run_shared, &shared[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        assert_int_equal(shared[i].status, 0);
        compare_tensors("linear in two threads", &shared[i].out, &expected, tolerance, tolerance);
    }
    fields_check();
    layers_free(&layers);
}

/* Activations over a wide range, through a layer that copies its one input. Beyond what exp can hold there must be no
 * infinity. */
static void test_activations(void **state)
{
    (void)state;
    enum { ROWS = 1025 };
    struct weight weight = weight_random(1.0F, 1.0F, 0, DIMS(1, 1)), bias = weight_random(0.0F, 0.0F, 0, DIMS(1));
    struct layers layers;
    layers_linear(&weight.tensor, &bias.tensor, ROWS, &layers);
    weight_free(&weight);
    weight_free(&bias);
    for (int a = ACTIVATION_NONE; a <= ACTIVATION_SIGMOID; a++) {
        const struct tensor x = field_in(false, -1.0F, 1.0F, DIMS(ROWS, 1));
        for (int64_t i = 0; i < ROWS; i++) {
            const float t = (float)i / (ROWS - 1) * 2.0F - 1.0F;
            *tensor_element(&x, i) = i % 8 == 0 ? 3000.0F * t * t * t : 15.0F * t;
        }
        fields_seal();
        struct tensor out[SIDES];
        sides_out(out, false, DIMS(ROWS, 1));
        sides_begin();
        for (int i = 0; i < SIDES; i++)
            op_linear(sides.compute[i], layers.linear[i], x, (enum activation)a, NULL, out[i]);
        /* Fast forms of erf, exp and tanh are good to some units of the last place of the function's largest
         * value near x: 2e-6 absolute, and the same relative to x where it passes through. */
        sides_compare(out, 2e-6, 2e-6, "activation %d in a layer", a);
        fields_check();
    }
    layers_free(&layers);
}

static void test_linear_expected(void **state)
{
    (void)state;
    static const char *const names[] = {"none", "relu", "gelu", "gelu_tanh", "quick_gelu", "sigmoid"};
    struct safetensors *file = expected_open("ops.safetensors");
    struct layers layers;
    layers_linear(expected_get(file, "linear", "weight"), expected_get(file, "linear", "bias"), 15, &layers);
    for (int i = 0; i < COUNT(names) * SIDES; i++) {
        const int side = i % SIDES;
        const enum activation activation = (enum activation)(i / SIDES);
        struct compute *const compute = sides.compute[side];
        char name[64];
        compute_begin(compute);
        const struct tensor x = expected_upload(compute, file, "linear", "x");
        const struct tensor residual = expected_upload(compute, file, "linear", "residual");
        const struct tensor out = compute_tensor(compute, DTYPE_F32, residual.rank, residual.dim);
        op_linear(compute, layers.linear[side], x, activation, NULL, out);
        op_linear(compute, layers.linear[side], x, activation, &residual, residual);
        snprintf(name, sizeof(name), "out_%s", names[activation]);
        expected_compare(compute, &out, file, "linear", name, absolute, relative);
        snprintf(name, sizeof(name), "residual_%s", names[activation]);
        expected_compare(compute, &residual, file, "linear", name, absolute, relative);
    }
    layers_free(&layers);
    safetensors_close(&file);
}

static void test_linear_joined_expected(void **state)
{
    (void)state;
    struct safetensors *file = expected_open("ops.safetensors");
    const struct host_tensor *weight[] = {expected_get(file, "joined", "q"), expected_get(file, "joined", "k"),
                                          expected_get(file, "joined", "v")};
    const struct host_tensor *bias[] = {expected_get(file, "joined", "q_bias"), NULL,
                                        expected_get(file, "joined", "v_bias")};
    for (int side = 0; side < SIDES; side++) {
        struct parameters *parameters;
        const struct linear *linear;
        assert_int_equal(parameters_create(sides.device[side], &parameters), 0);
        assert_int_equal(parameters_linear(parameters, 3, weight, bias, 15, &linear), 0);
        assert_int_equal(linear_outputs(linear), 21);
        struct compute *const compute = sides.compute[side];
        compute_begin(compute);
        const struct tensor x = expected_upload(compute, file, "linear", "x");
        const struct tensor out = expected_like(compute, file, "joined", "out");
        op_linear(compute, linear, x, ACTIVATION_NONE, NULL, out);
        expected_compare(compute, &out, file, "joined", "out", absolute, relative);
        parameters_free(&parameters);
    }
    safetensors_close(&file);
}

static void test_matmul_transposed(void **state)
{
    (void)state;
    for (int n = 0; n < 60; n++) {
        const int64_t rows = RANDOM_OF(sizes), columns = RANDOM_OF(sizes), d = n == 0 ? 768 : RANDOM_OF(sizes);
        const bool gaps = random_range(0, 1) != 0;
        const float size = sqrtf(3.0F / (float)d);
        const struct tensor a = field_in(gaps, -1.0F, 1.0F, DIMS(rows, d)),
                            b = field_in(gaps, -size, size, DIMS(columns, d));
        struct tensor out[SIDES];
        sides_out(out, gaps, DIMS(rows, columns));
        sides_begin();
        for (int i = 0; i < SIDES; i++)
            op_matmul_transposed(sides.compute[i], a, b, out[i]);
        sides_compare(out, tolerance, tolerance, "matmul_transposed");
        fields_check();
    }
}

static void test_matmul_transposed_expected(void **state)
{
    (void)state;
    const char *const group = "matmul_transposed";
    struct safetensors *file = expected_open("ops.safetensors");
    for (int side = 0; side < SIDES; side++) {
        struct compute *const compute = sides.compute[side];
        compute_begin(compute);
        const struct tensor out = expected_like(compute, file, group, "out");
        op_matmul_transposed(compute, expected_upload(compute, file, group, "a"),
                             expected_upload(compute, file, group, "b"), out);
        expected_compare(compute, &out, file, group, "out", absolute, relative);
    }
    safetensors_close(&file);
}

static struct layers rejecting; /* 3 inputs, 4 outputs */

static void call_linear(struct compute *compute, const struct given *given)
{
    op_linear(compute, rejecting.linear[UNDER_TEST], given[0].tensor, ACTIVATION_RELU, NULL, given[1].tensor);
}

static void call_linear_added(struct compute *compute, const struct given *given)
{
    op_linear(compute, rejecting.linear[UNDER_TEST], given[0].tensor, ACTIVATION_NONE, &given[2].tensor,
              given[1].tensor);
}

static void call_matmul_transposed(struct compute *compute, const struct given *given)
{
    op_matmul_transposed(compute, given[0].tensor, given[1].tensor, given[2].tensor);
}

#define F32(...) field_inout(false, -1.0F, 1.0F, DIMS(__VA_ARGS__))

static void test_rejections(void **state)
{
    (void)state;
    struct weight weight = weight_random(-1.0F, 1.0F, 0, DIMS(4, 3));
    layers_linear(&weight.tensor, NULL, 5, &rejecting);
    weight_free(&weight);
    CHECK_REJECTIONS("op_linear", call_linear, {"x", F32(2, 5, 3), 0}, {"out", F32(2, 5, 4), GIVEN_OUT});
    CHECK_REJECTIONS("op_linear", call_linear_added, {"x", F32(5, 3), 0}, {"out", F32(5, 4), GIVEN_OUT},
                     {"residual", F32(5, 4), GIVEN_IN_PLACE});
    const struct linear *const layer = rejecting.linear[UNDER_TEST];
    const struct tensor x = F32(5, 3), out = F32(5, 4), deep = F32(5, 1, 4);
    REJECTED(op_linear, layer, out, ACTIVATION_NONE, NULL, out);
    REJECTED(op_linear, layer, x, ACTIVATION_NONE, NULL, deep);
    REJECTED(op_linear, layer, tensor_slice(x, 0, 0, 4), ACTIVATION_NONE, NULL, out);
    REJECTED(op_linear, layer, x, (enum activation)99, NULL, out);
    REJECTED(op_linear, layer, x, (enum activation) - 1, NULL, out);
    CHECK_REJECTIONS("op_matmul_transposed", call_matmul_transposed, {"a", F32(5, 3), 0}, {"b", F32(6, 3), 0},
                     {"out", F32(5, 6), GIVEN_OUT});
    REJECTED(op_matmul_transposed, F32(5, 0), F32(6, 0), F32(5, 6));
    fields_check();

    /* Nothing to do is no error. */
    sides_begin();
    op_linear(sides.compute[UNDER_TEST], layer, F32(0, 3), ACTIVATION_RELU, NULL, F32(0, 4));
    op_linear(sides.compute[UNDER_TEST], layer, F32(2, 0, 3), ACTIVATION_RELU, NULL, F32(2, 0, 4));
    op_matmul_transposed(sides.compute[UNDER_TEST], F32(0, 3), F32(2, 3), F32(0, 2));
    sides_finish();
    fields_check();
    layers_free(&rejecting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_linear_sizes),
        TEST(test_linear_model_shapes),
        TEST(test_linear_changing_rows),
        TEST(test_linear_shared),
        TEST(test_activations),
        TEST(test_linear_expected),
        TEST(test_linear_joined_expected),
        TEST(test_matmul_transposed),
        TEST(test_matmul_transposed_expected),
        TEST(test_rejections),
    };
    return sides_run(tests, COUNT(tests));
}
