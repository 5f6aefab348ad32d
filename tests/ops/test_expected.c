/* Every op, at one CPU level (SOWLV2_CPU, or the best), against what the reference implementation
 * computed. */
#include "ops/support.h"

#include "base/error.h"
#include "ops/expected.h"

#include <stdio.h>

/* Both sides compute in f32, so each may be off by some roundings of the largest term: products of two
 * normal deviates summed over up to 150 terms. */
static const double absolute = 1e-5, relative = 2e-6;

static const char *const activation_names[] = {"none", "relu", "gelu", "gelu_tanh", "quick_gelu", "sigmoid"};

struct fixture {
    struct device *device;
    struct compute *compute;
    struct parameters *parameters;
    struct safetensors *file;
};

static int setup(void **state)
{
    static struct fixture fixture;
    enum cpu_level level;
    assert_true(level_under_test(&level));
    assert_int_equal(
        device_open(&(struct device_options){.cpu_level = cpu_level_name(level), .threads = 2}, &fixture.device), 0);
    assert_int_equal(compute_create(fixture.device, &fixture.compute), 0);
    assert_int_equal(parameters_create(fixture.device, &fixture.parameters), 0);
    fixture.file = expected_open("ops.safetensors");
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    safetensors_close(&fixture->file);
    parameters_free(&fixture->parameters);
    compute_free(&fixture->compute);
    device_close(&fixture->device);
    return 0;
}

static struct compute *begin(struct fixture *fixture)
{
    compute_begin(fixture->compute);
    return fixture->compute;
}

static void check(const struct fixture *fixture)
{
    if (compute_status(fixture->compute) != 0)
        fail_msg("%s", error_message());
}

static struct tensor like(struct compute *compute, const struct fixture *fixture, const char *group, const char *name)
{
    const struct host_tensor *tensor = expected_get(fixture->file, group, name);
    return compute_tensor(compute, DTYPE_F32, tensor->rank, tensor->dim);
}

static void test_linear(void **state)
{
    struct fixture *f = *state;
    const struct host_tensor *weight = expected_get(f->file, "linear", "weight");
    const struct host_tensor *bias = expected_get(f->file, "linear", "bias");
    const struct linear *linear;
    assert_int_equal(parameters_linear(f->parameters, 1, &weight, &bias, 15, &linear), 0);
    for (int a = 0; a < COUNT(activation_names); a++) {
        struct compute *compute = begin(f);
        struct tensor x = expected_upload(compute, f->file, "linear", "x");
        struct tensor residual = expected_upload(compute, f->file, "linear", "residual");
        struct tensor out = like(compute, f, "linear", "residual");
        op_linear(compute, linear, x, (enum activation)a, NULL, out);
        check(f);
        char name[64];
        snprintf(name, sizeof(name), "out_%s", activation_names[a]);
        expected_compare(&out, f->file, "linear", name, absolute, relative);
        op_linear(compute, linear, x, (enum activation)a, &residual, residual);
        check(f);
        snprintf(name, sizeof(name), "residual_%s", activation_names[a]);
        expected_compare(&residual, f->file, "linear", name, absolute, relative);
    }
}

static void test_linear_joined(void **state)
{
    struct fixture *f = *state;
    const struct host_tensor *weight[] = {expected_get(f->file, "joined", "q"), expected_get(f->file, "joined", "k"),
                                          expected_get(f->file, "joined", "v")};
    const struct host_tensor *bias[] = {expected_get(f->file, "joined", "q_bias"), NULL,
                                        expected_get(f->file, "joined", "v_bias")};
    const struct linear *linear;
    assert_int_equal(parameters_linear(f->parameters, 3, weight, bias, 15, &linear), 0);
    assert_int_equal(linear_outputs(linear), 21);
    struct compute *compute = begin(f);
    struct tensor x = expected_upload(compute, f->file, "linear", "x");
    struct tensor out = like(compute, f, "joined", "out");
    op_linear(compute, linear, x, ACTIVATION_NONE, NULL, out);
    check(f);
    expected_compare(&out, f->file, "joined", "out", absolute, relative);
}

static void test_activation(void **state)
{
    struct fixture *f = *state;
    for (int a = 0; a < COUNT(activation_names); a++) {
        struct compute *compute = begin(f);
        struct tensor x = expected_upload(compute, f->file, "activation", "x");
        op_activation(compute, x, (enum activation)a, x);
        check(f);
        char name[64];
        snprintf(name, sizeof(name), "out_%s", activation_names[a]);
        /* Values to 30; torch's own erf, exp and tanh are good to some units of the last place. */
        expected_compare(&x, f->file, "activation", name, 1e-6, 1e-6);
    }
}

static void test_matmul_transposed(void **state)
{
    struct fixture *f = *state;
    struct compute *compute = begin(f);
    struct tensor a = expected_upload(compute, f->file, "matmul_transposed", "a");
    struct tensor b = expected_upload(compute, f->file, "matmul_transposed", "b");
    struct tensor out = like(compute, f, "matmul_transposed", "out");
    op_matmul_transposed(compute, a, b, out);
    check(f);
    expected_compare(&out, f->file, "matmul_transposed", "out", absolute, relative);
}

static void test_conv2d(void **state)
{
    struct fixture *f = *state;
    static const char *const groups[] = {"conv2d.same", "conv2d.patch", "conv2d.overlap", "conv2d.oblong",
                                         "conv2d.pointwise"};
    for (int i = 0; i < COUNT(groups); i++) {
        const struct host_tensor *geometry = expected_get(f->file, groups[i], "geometry");
        const struct conv2d *conv;
        int status = parameters_conv2d(f->parameters, expected_get(f->file, groups[i], "weight"),
                                       expected_find(f->file, groups[i], "bias"), (int)expected_number(geometry, 0),
                                       (int)expected_number(geometry, 1), &conv);
        assert_int_equal(status, 0);
        struct compute *compute = begin(f);
        struct tensor x = expected_upload(compute, f->file, groups[i], "x");
        struct tensor residual = expected_upload(compute, f->file, groups[i], "residual");
        struct tensor out = like(compute, f, groups[i], "out");
        op_conv2d(compute, conv, x, NULL, out);
        check(f);
        expected_compare(&out, f->file, groups[i], "out", absolute, relative);
        op_conv2d(compute, conv, x, &residual, out);
        check(f);
        expected_compare(&out, f->file, groups[i], "out_residual", absolute, relative);
    }
}

static void test_layer_norm(void **state)
{
    struct fixture *f = *state;
    static const char *const groups[] = {"layer_norm.a", "layer_norm.b", "layer_norm.c"};
    for (int i = 0; i < COUNT(groups); i++) {
        struct compute *compute = begin(f);
        struct tensor x = expected_upload(compute, f->file, "layer_norm", "x");
        struct tensor gamma = expected_upload(compute, f->file, "layer_norm", "gamma");
        struct tensor beta = expected_upload(compute, f->file, "layer_norm", "beta");
        float eps = (float)expected_number(expected_get(f->file, groups[i], "eps"), 0);
        op_layer_norm(compute, x, gamma, beta, eps, x);
        check(f);
        /* A mean of 30 is known to 2e-6, the deviation is 1, gamma goes to 3. */
        expected_compare(&x, f->file, groups[i], "out", 2e-5, relative);
    }
}

static void test_l2_normalize(void **state)
{
    struct fixture *f = *state;
    struct compute *compute = begin(f);
    struct tensor x = expected_upload(compute, f->file, "l2_normalize", "x");
    struct tensor out = like(compute, f, "l2_normalize", "out");
    op_l2_normalize(compute, x, 1e-6F, out);
    check(f);
    expected_compare(&out, f->file, "l2_normalize", "out", 1e-7, relative);
}

static void test_attention(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *group;
        double tolerance;
    } cases[] = {
        {"attention.plain", 2e-6},
        {"attention.causal", 2e-6},
        {"attention.cross", 2e-6},
        /* Scores to some 80 on both sides: 80 * 2^-24 and a few roundings. */
        {"attention.sharp", 5e-5},
        {"attention.one", 1e-7},
    };
    for (int i = 0; i < COUNT(cases); i++) {
        struct compute *compute = begin(f);
        struct tensor q = expected_upload(compute, f->file, cases[i].group, "q");
        struct tensor k = expected_upload(compute, f->file, cases[i].group, "k");
        struct tensor v = expected_upload(compute, f->file, cases[i].group, "v");
        struct tensor out = like(compute, f, cases[i].group, "out");
        float scale = (float)expected_number(expected_get(f->file, cases[i].group, "scale"), 0);
        bool causal = expected_number(expected_get(f->file, cases[i].group, "causal"), 0) != 0.0;
        op_attention(compute, q, k, v, scale, causal, out);
        check(f);
        expected_compare(&out, f->file, cases[i].group, "out", cases[i].tolerance, relative);
    }
}

static void test_pairs(void **state)
{
    struct fixture *f = *state;
    static const char *const groups[] = {"pair.same",   "pair.batch",  "pair.row",
                                         "pair.column", "pair.middle", "pair.one"};
    for (int i = 0; i < COUNT(groups); i++) {
        struct compute *compute = begin(f);
        struct tensor a = expected_upload(compute, f->file, "pair", "a");
        struct tensor b = expected_upload(compute, f->file, groups[i], "b");
        struct tensor out = like(compute, f, "pair", "a");
        op_add(compute, a, b, out);
        check(f);
        expected_compare(&out, f->file, groups[i], "add", 0.0, 0.0); /* one rounding: the same bits */
        op_mul(compute, a, b, a);
        check(f);
        expected_compare(&a, f->file, groups[i], "mul", 0.0, 0.0);
    }
}

static void test_lookups(void **state)
{
    struct fixture *f = *state;
    struct compute *compute = begin(f);
    struct tensor ids = expected_upload(compute, f->file, "embed", "ids");
    struct tensor table = expected_upload(compute, f->file, "embed", "table");
    struct tensor positions = expected_upload(compute, f->file, "embed", "positions");
    struct tensor out = like(compute, f, "embed", "out");
    op_embed(compute, ids, table, positions, out);
    check(f);
    expected_compare(&out, f->file, "embed", "out", 0.0, 0.0);

    struct tensor x = expected_upload(compute, f->file, "gather_rows", "x");
    struct tensor index = expected_upload(compute, f->file, "gather_rows", "index"); /* one row of each entry */
    out = like(compute, f, "gather_rows", "out");
    op_gather_rows(compute, x, TENSOR_RESHAPE(index, index.dim[0], 1), TENSOR_RESHAPE(out, out.dim[0], 1, out.dim[1]));
    check(f);
    expected_compare(&out, f->file, "gather_rows", "out", 0.0, 0.0);
}

static void test_shift_scale(void **state)
{
    struct fixture *f = *state;
    struct compute *compute = begin(f);
    struct tensor x = expected_upload(compute, f->file, "shift_scale", "x");
    struct tensor shift = expected_upload(compute, f->file, "shift_scale", "shift");
    struct tensor scale = expected_upload(compute, f->file, "shift_scale", "scale");
    op_shift_scale(compute, x, shift, scale, x);
    check(f);
    expected_compare(&x, f->file, "shift_scale", "out", 1e-6, relative);
}

int main(void)
{
    enum cpu_level level;
    if (!level_under_test(&level))
        return EXIT_SKIPPED;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear),       cmocka_unit_test(test_linear_joined),
        cmocka_unit_test(test_activation),   cmocka_unit_test(test_matmul_transposed),
        cmocka_unit_test(test_conv2d),       cmocka_unit_test(test_layer_norm),
        cmocka_unit_test(test_l2_normalize), cmocka_unit_test(test_attention),
        cmocka_unit_test(test_pairs),        cmocka_unit_test(test_lookups),
        cmocka_unit_test(test_shift_scale),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
