/* Norms, sums, activations, choices and sine embeddings against what the reference implementation computed. */
#include "ops/expected.h"
#include "ops/sides.h"

#include <stdio.h>

/* Both sides compute in f32, so each may be off by some roundings. */
static const double relative = 2e-6;

/* A pass on one side, with tensors of one group of a file. */
static struct pass {
    struct compute *compute;
    struct safetensors *file;
    const char *group;
} pass;

static struct tensor given(const char *name)
{
    return expected_upload(pass.compute, pass.file, pass.group, name);
}

static struct tensor like(const char *name)
{
    return expected_like(pass.compute, pass.file, pass.group, name);
}

static void compare(const struct tensor *found, const char *group, const char *name, double absolute, double off)
{
    expected_compare(pass.compute, found, pass.file, group, name, absolute, off);
}

/* Calls `check` on both sides. */
static void on_both_sides(const char *file, const char *group, void (*check)(void))
{
    pass = (struct pass){.file = expected_open(file), .group = group};
    for (int side = 0; side < SIDES; side++) {
        pass.compute = sides.compute[side];
        compute_begin(pass.compute);
        check();
    }
    safetensors_close(&pass.file);
}

static void check_activations(void)
{
    static const char *const names[] = {"none", "relu", "gelu", "gelu_tanh", "quick_gelu", "sigmoid"};
    for (int a = 0; a < COUNT(names); a++) {
        char name[64];
        snprintf(name, sizeof(name), "out_%s", names[a]);
        const struct tensor x = given("x");
        op_activation(pass.compute, x, (enum activation)a, x);
        /* Values to 30; torch's own erf, exp and tanh are good to some units of the last place. */
        compare(&x, "activation", name, 1e-6, 1e-6);
    }
}

static void check_layer_norm(void)
{
    static const char *const groups[] = {"layer_norm.a", "layer_norm.b", "layer_norm.c"};
    for (int i = 0; i < COUNT(groups); i++) {
        const struct tensor x = given("x");
        const float eps = (float)expected_number(expected_get(pass.file, groups[i], "eps"), 0);
        op_layer_norm(pass.compute, x, given("gamma"), given("beta"), eps, x);
        /* A mean of 30 is known to 2e-6, the deviation is 1, gamma goes to 3. */
        compare(&x, groups[i], "out", 2e-5, relative);
    }
}

static void check_l2_normalize(void)
{
    const struct tensor out = like("out");
    op_l2_normalize(pass.compute, given("x"), 1e-6F, out);
    compare(&out, pass.group, "out", 1e-7, relative);
}

static void check_pairs(void)
{
    static const char *const groups[] = {"pair.same",   "pair.batch",  "pair.row",
                                         "pair.column", "pair.middle", "pair.one"};
    for (int i = 0; i < COUNT(groups); i++) {
        const struct tensor a = given("a"), out = like("a");
        const struct tensor b = expected_upload(pass.compute, pass.file, groups[i], "b");
        op_add(pass.compute, a, b, out);
        op_mul(pass.compute, a, b, a);
        compare(&out, groups[i], "add", 0.0, 0.0); /* one rounding: the same bits */
        compare(&a, groups[i], "mul", 0.0, 0.0);
    }
}

static void check_shift_scale(void)
{
    const struct tensor x = given("x");
    op_shift_scale(pass.compute, x, given("shift"), given("scale"), x);
    compare(&x, pass.group, "out", 1e-6, relative);
}

static void check_affine(void)
{
    const struct tensor x = given("x");
    op_affine(pass.compute, x, 20.0F, -10.0F, x);
    compare(&x, pass.group, "out", 1e-5, relative); /* values to 300 */
}

static void check_select(void)
{
    static const char *const groups[] = {"select.row", "select.column", "select.one", "select.whole"};
    for (int i = 0; i < COUNT(groups); i++) {
        const struct tensor out = like("x"), other = expected_upload(pass.compute, pass.file, groups[i], "other");
        op_select(pass.compute, given("score"), 0.25F, given("x"), other, out);
        compare(&out, groups[i], "out", 0.0, 0.0);
    }
}

static void check_max_rows(void)
{
    const struct tensor out = like("out");
    op_max_rows(pass.compute, given("x"), out);
    compare(&out, pass.group, "out", 0.0, 0.0);
}

static void check_variance(void)
{
    const struct tensor out = like("out");
    op_variance(pass.compute, given("x"), out);
    compare(&out, pass.group, "out", 1e-12, 2e-7);
}

static void check_sine(void)
{
    const struct tensor out = like("out");
    op_sine(pass.compute, given("x"), given("periods"), out);
    compare(&out, pass.group, "out", 2e-6, 0.0); /* angles to 15, known to 15 * 2^-24 */
}

static void test_rows(void **state)
{
    (void)state;
    on_both_sides("ops.safetensors", "activation", check_activations);
    on_both_sides("ops.safetensors", "layer_norm", check_layer_norm);
    on_both_sides("ops.safetensors", "l2_normalize", check_l2_normalize);
}

static void test_sums(void **state)
{
    (void)state;
    on_both_sides("ops.safetensors", "pair", check_pairs);
    on_both_sides("ops.safetensors", "shift_scale", check_shift_scale);
    on_both_sides("choices.safetensors", "affine", check_affine);
}

static void test_choices(void **state)
{
    (void)state;
    on_both_sides("choices.safetensors", "select", check_select);
    on_both_sides("choices.safetensors", "max_rows", check_max_rows);
    on_both_sides("choices.safetensors", "variance", check_variance);
    on_both_sides("choices.safetensors", "sine", check_sine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_rows), TEST(test_sums), TEST(test_choices)};
    return sides_run(tests, COUNT(tests));
}
