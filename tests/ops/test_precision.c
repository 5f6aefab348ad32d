/* A device that computes in bfloat16: the reference set beside itself in f32.
 *
 * What is multiplied is rounded to bfloat16, sums are not, and what is stored as BF16 is rounded once more. So each op
 * on such a device is, to the last bit, the f32 op on rounded values, its result rounded where it is narrow (the first
 * tests); and it differs from the f32 op on the values themselves by what those roundings can do (the last test). */
#include "ops/support.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* bfloat16 has 8 bits of significand: rounding to the nearest is off by at most this, relatively. */
#define UNIT 0x1p-8

enum { PLAIN, BRAIN }; /* the f32 device and the other */

static struct device *device[2];
static struct compute *compute[2];
static struct parameters *parameters[2];

static void require(int status)
{
    if (status != 0)
        fail_msg("%s", error_message());
}

static int setup(void **state)
{
    static const enum dtype precision[] = {DTYPE_F32, DTYPE_BF16};
    (void)state;
    random_seed(8);
    for (int i = 0; i < 2; i++) {
        const struct device_options options = {.device = "reference", .precision = precision[i], .threads = 1};
        require(device_open(&options, &device[i]));
        require(compute_create(device[i], &compute[i]));
        require(parameters_create(device[i], &parameters[i]));
        compute_begin(compute[i]);
        assert_int_equal(compute_narrow(compute[i]), precision[i]);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        parameters_free(&parameters[i]);
        compute_free(&compute[i]);
        device_close(&device[i]);
    }
    return 0;
}

/* Values on the host, and tensors of them on both devices. */
struct values {
    int rank;
    int64_t dim[TENSOR_MAX_RANK], count;
    float *host, *rounded;
};

static struct values values_random(float low, float high, int rank, const int64_t *dim)
{
    struct values values = {.rank = rank, .count = 1};
    for (int i = 0; i < rank; i++)
        values.count *= values.dim[i] = dim[i];
    values.host = malloc((size_t)values.count * sizeof(float));
    values.rounded = malloc((size_t)values.count * sizeof(float));
    assert_true(values.host && values.rounded);
    for (int64_t i = 0; i < values.count; i++) {
        values.host[i] = random_float(low, high);
        values.rounded[i] = nearest_bf16(values.host[i]);
    }
    return values;
}

static void values_free(struct values *values)
{
    free(values->host);
    free(values->rounded);
}

static struct tensor plain(const struct values *values, bool rounded)
{
    return op_upload(compute[PLAIN], DTYPE_F32, values->rank, values->dim, rounded ? values->rounded : values->host);
}

/* On the bfloat16 device, as F32 or BF16. */
static struct tensor brain(const struct values *values, enum dtype dtype)
{
    const struct tensor from = op_upload(compute[BRAIN], DTYPE_F32, values->rank, values->dim, values->host);
    if (dtype == DTYPE_F32)
        return from;
    const struct tensor out = compute_tensor(compute[BRAIN], dtype, values->rank, values->dim);
    op_copy(compute[BRAIN], from, out);
    return out;
}

/* The elements as floats, freed by the caller. */
static float *fetch(int side, struct tensor tensor)
{
    float *host = malloc((size_t)tensor_count(&tensor) * sizeof(float));
    assert_non_null(host);
    struct tensor from = tensor;
    if (tensor.dtype == DTYPE_BF16) {
        from = compute_tensor(compute[side], DTYPE_F32, tensor.rank, tensor.dim);
        op_copy(compute[side], tensor, from);
    }
    op_download(compute[side], from, host);
    require(compute_finish(compute[side]));
    return host;
}

/* The bfloat16 device's result is the other's, rounded where it is narrow. */
static void compare_exactly(const char *what, struct tensor found, struct tensor wanted)
{
    assert_int_equal(tensor_count(&found), tensor_count(&wanted));
    float *a = fetch(BRAIN, found), *b = fetch(PLAIN, wanted);
    for (int64_t i = 0; i < tensor_count(&found); i++) {
        const float expected = found.dtype == DTYPE_BF16 ? nearest_bf16(b[i]) : b[i];
        if (a[i] != expected) {
            fail_msg("%s, out %s: element %lld is %.9g, not %.9g", what, dtype_name(found.dtype), (long long)i,
                     (double)a[i], (double)expected);
        }
    }
    free(a);
    free(b);
}

static void begin(void)
{
    compute_begin(compute[PLAIN]);
    compute_begin(compute[BRAIN]);
}

static const enum dtype types[] = {DTYPE_F32, DTYPE_BF16};
#define BRAIN_TENSOR(dtype, ...) COMPUTE_TENSOR(compute[BRAIN], dtype, __VA_ARGS__)
#define PLAIN_TENSOR(...) COMPUTE_TENSOR(compute[PLAIN], DTYPE_F32, __VA_ARGS__)

/* A layer with the same weights on both devices; on the f32 one they are rounded before. */
struct layers {
    struct values weight, bias;
    const struct linear *linear[2];
};

static struct host_tensor host_view(const struct values *values, bool rounded)
{
    struct host_tensor host = {.dtype = DTYPE_F32,
                               .rank = values->rank,
                               .data = rounded ? values->rounded : values->host,
                               .bytes = (size_t)values->count * sizeof(float)};
    memcpy(host.dim, values->dim, sizeof(host.dim));
    return host;
}

static void layers_create(int64_t inputs, int64_t outputs, struct layers *layers)
{
    layers->weight = values_random(-1.0F, 1.0F, DIMS(outputs, inputs));
    layers->bias = values_random(-1.0F, 1.0F, DIMS(outputs));
    for (int i = 0; i < 2; i++) {
        const struct host_tensor weight = host_view(&layers->weight, i == PLAIN),
                                 bias = host_view(&layers->bias, false);
        const struct host_tensor *const weights = &weight, *const biases = &bias;
        require(parameters_linear(parameters[i], 1, &weights, &biases, 1, &layers->linear[i]));
    }
}

static void layers_free(struct layers *layers)
{
    values_free(&layers->weight);
    values_free(&layers->bias);
}

static void test_linear(void **state)
{
    (void)state;
    enum { ROWS = 7, INPUTS = 33, OUTPUTS = 19 };
    struct layers layers;
    layers_create(INPUTS, OUTPUTS, &layers);
    struct values x = values_random(-2.0F, 2.0F, DIMS(ROWS, INPUTS)),
                  added = values_random(-2.0F, 2.0F, DIMS(ROWS, OUTPUTS));
    for (int i = 0; i < 6; i++) {
        const bool residual = i >= 4;
        const enum dtype in = types[i % 2], to = residual ? DTYPE_F32 : types[i / 2];
        begin();
        const struct tensor wanted = PLAIN_TENSOR(ROWS, OUTPUTS), found = BRAIN_TENSOR(to, ROWS, OUTPUTS);
        const struct tensor plain_added = plain(&added, false), brain_added = brain(&added, DTYPE_F32);
        op_linear(compute[PLAIN], layers.linear[PLAIN], plain(&x, true), ACTIVATION_GELU,
                  residual ? &plain_added : NULL, wanted);
        op_linear(compute[BRAIN], layers.linear[BRAIN], brain(&x, in), ACTIVATION_GELU, residual ? &brain_added : NULL,
                  found);
        compare_exactly("linear", found, wanted);
    }
    values_free(&x);
    values_free(&added);
    layers_free(&layers);
}

static void test_matmul_and_conv2d(void **state)
{
    (void)state;
    struct values a = values_random(-2.0F, 2.0F, DIMS(5, 21)), b = values_random(-2.0F, 2.0F, DIMS(6, 21));
    struct values x = values_random(-2.0F, 2.0F, DIMS(2, 6, 7, 3)),
                  kernel = values_random(-1.0F, 1.0F, DIMS(4, 3, 3, 3));
    const struct conv2d *conv[2];
    for (int i = 0; i < 2; i++) {
        const struct host_tensor weight = host_view(&kernel, i == PLAIN);
        require(parameters_conv2d(parameters[i], &weight, NULL, 2, 1, &conv[i]));
    }
    for (int i = 0; i < 4; i++) {
        const enum dtype in = types[i % 2], to = types[i / 2];
        begin();
        struct tensor wanted = PLAIN_TENSOR(5, 6), found = BRAIN_TENSOR(DTYPE_F32, 5, 6);
        op_matmul_transposed(compute[PLAIN], plain(&a, true), plain(&b, true), wanted);
        op_matmul_transposed(compute[BRAIN], brain(&a, in), brain(&b, to), found);
        compare_exactly("matmul_transposed", found, wanted);
        wanted = PLAIN_TENSOR(2, 3, 4, 4);
        found = BRAIN_TENSOR(to, 2, 3, 4, 4);
        op_conv2d(compute[PLAIN], conv[PLAIN], plain(&x, true), NULL, wanted);
        op_conv2d(compute[BRAIN], conv[BRAIN], brain(&x, in), NULL, found);
        compare_exactly("conv2d", found, wanted);
    }
    values_free(&a);
    values_free(&b);
    values_free(&x);
    values_free(&kernel);
}

static void test_attention(void **state)
{
    (void)state;
    struct values q = values_random(-2.0F, 2.0F, DIMS(2, 5, 3, 8)), k = values_random(-2.0F, 2.0F, DIMS(2, 5, 3, 8));
    struct values v = values_random(-2.0F, 2.0F, DIMS(2, 5, 3, 4));
    for (int i = 0; i < 8; i++) {
        const enum dtype in = types[i % 2], to = types[i / 2 % 2];
        begin();
        const struct tensor wanted = PLAIN_TENSOR(2, 5, 3, 4), found = BRAIN_TENSOR(to, 2, 5, 3, 4);
        op_attention(compute[PLAIN], plain(&q, true), plain(&k, true), plain(&v, true), 0.5F, i >= 4, wanted);
        op_attention(compute[BRAIN], brain(&q, in), brain(&k, in), brain(&v, in), 0.5F, i >= 4, found);
        compare_exactly("attention", found, wanted);
    }
    values_free(&q);
    values_free(&k);
    values_free(&v);
}

/* Ops that multiply nothing with weights: computed as they come, rounded where they are stored. */
static void test_the_others(void **state)
{
    (void)state;
    struct values x = values_random(-3.0F, 3.0F, DIMS(3, 4, 2, 12)), y = values_random(-2.0F, 2.0F, DIMS(1, 4, 1, 12));
    struct values gamma = values_random(-2.0F, 2.0F, DIMS(12)), beta = values_random(-2.0F, 2.0F, DIMS(12));
    struct values table = values_random(-1.0F, 1.0F, DIMS(1, 4, 8));
    for (int i = 0; i < 4; i++) {
        const enum dtype in = types[i % 2], to = types[i / 2];
        begin();
        const struct tensor a = plain(&x, in == DTYPE_BF16), b = brain(&x, in);
        const struct tensor wanted = PLAIN_TENSOR(3, 4, 2, 12), found = BRAIN_TENSOR(to, 3, 4, 2, 12);
        op_layer_norm(compute[PLAIN], a, plain(&gamma, false), plain(&beta, false), 1e-5F, wanted);
        op_layer_norm(compute[BRAIN], b, brain(&gamma, DTYPE_F32), brain(&beta, DTYPE_F32), 1e-5F, found);
        compare_exactly("layer_norm", found, wanted);
        op_add(compute[PLAIN], a, plain(&y, false), wanted);
        op_add(compute[BRAIN], b, brain(&y, DTYPE_F32), found);
        compare_exactly("add", found, wanted);
        op_mul(compute[PLAIN], a, plain(&y, false), wanted);
        op_mul(compute[BRAIN], b, brain(&y, DTYPE_F32), found);
        compare_exactly("mul", found, wanted);
        op_activation(compute[PLAIN], a, ACTIVATION_QUICK_GELU, wanted);
        op_activation(compute[BRAIN], b, ACTIVATION_QUICK_GELU, found);
        compare_exactly("activation", found, wanted);
        op_fill(compute[PLAIN], 0.3F, wanted);
        op_fill(compute[BRAIN], 0.3F, found);
        compare_exactly("fill", found, wanted);
        const struct tensor small = PLAIN_TENSOR(3, 2, 1, 12), found_small = BRAIN_TENSOR(to, 3, 2, 1, 12);
        op_max_pool2d(compute[PLAIN], a, 2, small);
        op_max_pool2d(compute[BRAIN], b, 2, found_small);
        compare_exactly("max_pool2d", found_small, small);
        op_rope(compute[PLAIN], a, plain(&table, false), plain(&table, true));
        /* The sines are rounded on both sides: any values will do. */
        op_rope(compute[BRAIN], b, brain(&table, DTYPE_F32),
                op_upload(compute[BRAIN], DTYPE_F32, table.rank, table.dim, table.rounded));
        compare_exactly("rope", b, a);
    }
    values_free(&x);
    values_free(&y);
    values_free(&gamma);
    values_free(&beta);
    values_free(&table);
}

/* |found - wanted| <= `factor` UNIT (|bound| + |wanted|), and roundings that can be seen. */
static void compare_within(const char *what, struct tensor found, struct tensor wanted, struct tensor bound,
                           double factor)
{
    float *a = fetch(BRAIN, found), *b = fetch(PLAIN, wanted), *c = fetch(PLAIN, bound);
    double worst = 0.0;
    for (int64_t i = 0; i < tensor_count(&found); i++) {
        const double error = fabs((double)a[i] - (double)b[i]) / (UNIT * (fabs((double)c[i]) + fabs((double)b[i])));
        if (!(error <= factor))
            fail_msg("%s: element %lld is %.9g, not %.9g", what, (long long)i, (double)a[i], (double)b[i]);
        worst = fmax(worst, error);
    }
    print_message("%s: off by at most %.2f of %.2f units\n", what, worst, factor);
    assert_true(worst > 1e-3);
    free(a);
    free(b);
    free(c);
}

static void absolute(struct values *values)
{
    for (int64_t i = 0; i < values->count; i++)
        values->host[i] = fabsf(values->host[i]);
}

/* Each term of a sum of products may be off by two roundings of its factors, and a narrow result by one of its own: so
 * the same op on the factors' absolute values says how far a sum may be off. (1 + UNIT)^2 - 1 is 2.004 units. */
static void test_bounds(void **state)
{
    (void)state;
    struct layers layers;
    layers_create(96, 40, &layers);
    struct values x = values_random(-2.0F, 2.0F, DIMS(50, 96)), gamma = values_random(-2.0F, 2.0F, DIMS(96));
    struct values weight = values_random(0.0F, 0.0F, DIMS(40, 96));
    memcpy(weight.host, layers.weight.host, (size_t)weight.count * sizeof(float));
    begin();
    const struct tensor wanted = PLAIN_TENSOR(50, 40), bound = PLAIN_TENSOR(50, 40);
    const struct tensor found = BRAIN_TENSOR(DTYPE_BF16, 50, 40), normed = PLAIN_TENSOR(50, 96);
    op_matmul_transposed(compute[PLAIN], plain(&x, false), plain(&weight, false), wanted);
    op_add(compute[PLAIN], wanted, TENSOR_RESHAPE(plain(&layers.bias, false), 1, 40), wanted);
    op_linear(compute[BRAIN], layers.linear[BRAIN], brain(&x, DTYPE_BF16), ACTIVATION_NONE, NULL, found);
    const struct tensor brain_normed = BRAIN_TENSOR(DTYPE_BF16, 50, 96);
    op_layer_norm(compute[PLAIN], plain(&x, false), plain(&gamma, false), plain(&gamma, false), 1e-5F, normed);
    op_layer_norm(compute[BRAIN], brain(&x, DTYPE_F32), brain(&gamma, DTYPE_F32), brain(&gamma, DTYPE_F32), 1e-5F,
                  brain_normed);
    compare_within("layer_norm, rounded once", brain_normed, normed, normed, 0.5);
    absolute(&x);
    absolute(&weight);
    op_matmul_transposed(compute[PLAIN], plain(&x, false), plain(&weight, false), bound);
    compare_within("linear", found, wanted, bound, 2.01);
    values_free(&x);
    values_free(&gamma);
    values_free(&weight);
    layers_free(&layers);
}

/* Softmax weights follow scores. One of 8 products of up to 1, times 0.35, is off by at most 0.35 * 8 * 2 units and a
 * weight by twice that relatively, so that 12 units could never be passed; but signs are random, and 1 unit of the
 * values' largest, 2^-8, is what is asked for. */
static void test_attention_bounds(void **state)
{
    (void)state;
    struct values q = values_random(-1.0F, 1.0F, DIMS(1, 64, 2, 8)), k = values_random(-1.0F, 1.0F, DIMS(1, 64, 2, 8));
    struct values v = values_random(-1.0F, 1.0F, DIMS(1, 64, 2, 8)),
                  ones = values_random(1.0F, 1.0F, DIMS(1, 64, 2, 8));
    begin();
    const struct tensor wanted = PLAIN_TENSOR(1, 64, 2, 8), found = BRAIN_TENSOR(DTYPE_BF16, 1, 64, 2, 8);
    op_attention(compute[PLAIN], plain(&q, false), plain(&k, false), plain(&v, false), 0.35F, false, wanted);
    op_attention(compute[BRAIN], brain(&q, DTYPE_BF16), brain(&k, DTYPE_BF16), brain(&v, DTYPE_BF16), 0.35F, false,
                 found);
    compare_within("attention", found, wanted, plain(&ones, false), 1.0);

    /* The same of the ops with few tokens: their tensors are F32, their factors rounded all the same. */
    struct values rows = values_random(-1.0F, 1.0F, DIMS(1, 64, 8)), places = values_random(-0.5F, 0.5F, DIMS(64, 8));
    struct values queries = values_random(-1.0F, 1.0F, DIMS(1, 5, 8)), one = values_random(1.0F, 1.0F, DIMS(1, 5, 8));
    const struct tensor read = PLAIN_TENSOR(1, 5, 8), found_read = BRAIN_TENSOR(DTYPE_F32, 1, 5, 8);
    op_attend_rows(compute[PLAIN], plain(&queries, false), plain(&rows, false), plain(&places, false), 0.35F, read);
    op_attend_rows(compute[BRAIN], brain(&queries, DTYPE_F32), brain(&rows, DTYPE_F32), brain(&places, DTYPE_F32),
                   0.35F, found_read);
    compare_within("attend_rows", found_read, read, plain(&one, false), 1.0);
    struct values *const all[] = {&q, &k, &v, &ones, &rows, &places, &queries, &one};
    for (int i = 0; i < COUNT(all); i++)
        values_free(all[i]);
}

/* Narrow tensors pass where ops.h says so and the device has that type, and nowhere else. */
static void test_checks(void **state)
{
    (void)state;
    struct layers layers;
    layers_create(12, 12, &layers);
    for (int side = 0; side < 2; side++) {
        struct compute *const c = compute[side];
        for (int i = 0; i < 9; i++) {
            compute_begin(c);
            const struct tensor f = COMPUTE_TENSOR(c, DTYPE_F32, 3, 12), b = COMPUTE_TENSOR(c, DTYPE_BF16, 3, 12);
            const struct tensor f4 = TENSOR_RESHAPE(f, 1, 3, 2, 6), b4 = TENSOR_RESHAPE(b, 1, 3, 2, 6);
            const struct tensor out = COMPUTE_TENSOR(c, DTYPE_F32, 3, 12), out4 = TENSOR_RESHAPE(out, 1, 3, 2, 6);
            bool allowed = side == BRAIN;
            op_fill(c, 1.0F, f);
            op_copy(c, f, b);
            op_copy(c, b, out);
            require(compute_status(c)); /* copies convert on every device */
            switch (i) {
            case 0:
                op_linear(c, layers.linear[side], b, ACTIVATION_NONE, NULL, out);
                break;
            case 1: /* what is added to is F32 */
                op_linear(c, layers.linear[side], f, ACTIVATION_NONE, &out, b);
                allowed = false;
                break;
            case 2:
                op_attention(c, b4, b4, b4, 1.0F, false, out4);
                break;
            case 3: /* queries of another type than the keys */
                op_attention(c, f4, b4, b4, 1.0F, false, out4);
                allowed = false;
                break;
            case 4: /* what is added is F32 */
                op_add(c, f, b, out);
                allowed = false;
                break;
            case 5:
                op_add(c, b, f, b);
                break;
            case 6: /* this one is not a narrow op */
                op_l2_normalize(c, b, 1e-6F, out);
                allowed = false;
                break;
            case 7:
                op_fill(c, 1.0F, b);
                break;
            default: { /* the same bytes, but other types */
                struct tensor same = f;
                same.dtype = DTYPE_BF16;
                op_activation(c, f, ACTIVATION_RELU, same);
                allowed = false;
                break;
            }
            }
            if ((compute_status(c) == 0) != allowed)
                fail_msg("case %d on %s: %s", i, side == BRAIN ? "BF16" : "F32", error_message());
        }
    }
    layers_free(&layers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear),    cmocka_unit_test(test_matmul_and_conv2d),
        cmocka_unit_test(test_attention), cmocka_unit_test(test_the_others),
        cmocka_unit_test(test_bounds),    cmocka_unit_test(test_attention_bounds),
        cmocka_unit_test(test_checks),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
