/* Levels, devices, weights, and a forward pass's scratch and sticky error. */
#include "ops/support.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

static void test_level_names(void **state)
{
    (void)state;
    for (int i = 0; i < CPU_LEVEL_COUNT; i++) {
        enum cpu_level level;
        assert_true(cpu_level_parse(cpu_level_name((enum cpu_level)i), &level));
        assert_int_equal(level, i);
    }
    enum cpu_level level;
    assert_false(cpu_level_parse("", &level));
    assert_false(cpu_level_parse("AVX2", &level));
    assert_false(cpu_level_parse("avx51", &level));
    assert_string_equal(cpu_level_name(CPU_LEVEL_COUNT), "unknown");
}

static int open_cpu(const char *level, int threads, struct device **out)
{
    return device_open(&(struct device_options){.cpu_level = level, .threads = threads}, out);
}

/* bfloat16 is refused where a level has no instructions for it, and that does not make the level the process's. */
static void check_narrow(enum cpu_level best)
{
    struct device *device;
    for (int level = CPU_AVX2; level < CPU_AVX512_BF16 && level <= (int)best; level++) {
        const char *const name = cpu_level_name((enum cpu_level)level);
        const struct device_options narrow = {.device = "cpu", .cpu_level = name, .precision = DTYPE_BF16};
        assert_int_equal(device_open(&narrow, &device), SOWLV2_ERROR_UNSUPPORTED);
        assert_non_null(strstr(error_message(), name));
        assert_non_null(strstr(error_message(), "use f32"));
    }
}

/* So is int8. */
static void check_int8(enum cpu_level best)
{
    struct device *device;
    for (int level = CPU_AVX2; level <= (int)best; level++) {
        const char *const name = cpu_level_name((enum cpu_level)level);
        const struct device_options bytes = {.device = "cpu", .cpu_level = name, .precision = DTYPE_I8};
        if (cpu_level_has_int8((enum cpu_level)level))
            continue; /* to open it would make it the process's */
        assert_int_equal(device_open(&bytes, &device), SOWLV2_ERROR_UNSUPPORTED);
        assert_non_null(strstr(error_message(), "precision int8"));
        assert_non_null(strstr(error_message(), name));
        assert_non_null(strstr(error_message(), "use f32"));
    }
}

static void test_device_open(void **state)
{
    (void)state;
    struct device *device;
    enum cpu_level best = cpu_level_best();
    unsetenv("SOWLV2_CPU");
    assert_int_equal(open_cpu("sse9", 1, &device), SOWLV2_ERROR_ARGUMENT);
    assert_non_null(strstr(error_message(), "sse9"));
    assert_null(device);
    setenv("SOWLV2_CPU", "nonsense", 1);
    assert_int_equal(open_cpu(NULL, 1, &device), SOWLV2_ERROR_ARGUMENT);
    assert_non_null(strstr(error_message(), "SOWLV2_CPU"));
    assert_int_equal(open_cpu("reference", -1, &device), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(open_cpu("reference", 1 << 20, &device), SOWLV2_ERROR_ARGUMENT);
    for (int level = (int)best + 1; level < CPU_LEVEL_COUNT; level++) {
        assert_int_equal(open_cpu(cpu_level_name((enum cpu_level)level), 1, &device), SOWLV2_ERROR_UNSUPPORTED);
        assert_non_null(strstr(error_message(), cpu_level_name((enum cpu_level)level)));
    }
    assert_int_equal(device_open(&(struct device_options){.device = "abacus"}, &device), SOWLV2_ERROR_UNSUPPORTED);
    assert_non_null(strstr(error_message(), "abacus"));
    const struct device_options whole = {.device = "reference", .precision = DTYPE_I32};
    assert_int_equal(device_open(&whole, &device), SOWLV2_ERROR_UNSUPPORTED);
    assert_non_null(strstr(error_message(), "I32"));
    if (best != CPU_REFERENCE) {
        unsetenv("SOWLV2_CPU");
        const struct device_options bytes = {.device = "cpu", .precision = DTYPE_U8};
        assert_int_equal(device_open(&bytes, &device), SOWLV2_ERROR_UNSUPPORTED);
        assert_non_null(strstr(error_message(), "U8"));
        check_narrow(best);
        check_int8(best);
    }

    setenv("SOWLV2_CPU", "reference", 1);
    assert_int_equal(open_cpu("auto", 0, &device), 0);
    assert_string_equal(device_name(device), "reference");
    assert_true(device_threads(device) >= 1);
    device_close(&device);
    assert_null(device);
}

/* A set that lacks an op does not open: nothing else does the op's work. */
static void test_incomplete_set(void **state)
{
    (void)state;
    struct ops_set set = ops_reference;
    struct device *device;
    set.name = "halfway";
    set.rope = NULL;
    assert_int_equal(device_open_set(&set, &(struct device_options){0}, &device), SOWLV2_ERROR_UNSUPPORTED);
    assert_non_null(strstr(error_message(), "halfway"));
    assert_non_null(strstr(error_message(), "rope"));
    assert_null(device);
}

/* One level a process; the reference is free of that. */
static void test_one_level(void **state)
{
    (void)state;
    unsetenv("SOWLV2_CPU");
    struct device *first, *second, *reference;
    if (cpu_level_best() == CPU_REFERENCE)
        skip();
    assert_int_equal(open_cpu(NULL, 2, &first), 0);
    enum cpu_level level;
    assert_true(cpu_level_parse(device_name(first) + strlen("cpu "), &level));
    assert_int_equal(device_threads(first), 2);
    assert_int_equal(open_cpu("reference", 1, &reference), 0);
    device_close(&reference);
    assert_int_equal(open_cpu(cpu_level_name(level), 1, &second), 0);
    device_close(&second);
    for (int other = CPU_REFERENCE + 1; other < (int)level; other++) {
        assert_int_equal(open_cpu(cpu_level_name((enum cpu_level)other), 1, &second), SOWLV2_ERROR_UNSUPPORTED);
        assert_non_null(strstr(error_message(), cpu_level_name(level)));
    }
    device_close(&first);
    /* The library keeps its level. */
    if (level > CPU_REFERENCE + 1) {
        const char *const lower = cpu_level_name((enum cpu_level)(level - 1));
        assert_int_equal(open_cpu(lower, 1, &second), SOWLV2_ERROR_UNSUPPORTED);
    }
    assert_int_equal(open_cpu("auto", 1, &second), 0);
    device_close(&second);
}

struct fixture {
    struct device *device;
    struct compute *compute;
    struct parameters *parameters;
};

static int setup(void **state)
{
    static struct fixture fixture;
    assert_int_equal(device_open(&(struct device_options){.device = "reference", .threads = 1}, &fixture.device), 0);
    assert_int_equal(compute_create(fixture.device, &fixture.compute), 0);
    assert_int_equal(parameters_create(fixture.device, &fixture.parameters), 0);
    compute_begin(fixture.compute);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    parameters_free(&fixture->parameters);
    parameters_free(&fixture->parameters);
    compute_free(&fixture->compute);
    compute_free(&fixture->compute);
    device_close(&fixture->device);
    return 0;
}

/* The first error stays, with its message, whatever comes after it. */
static void test_sticky_error(void **state)
{
    struct fixture *f = *state;
    struct tensor a = COMPUTE_TENSOR(f->compute, DTYPE_F32, 2, 3), b = COMPUTE_TENSOR(f->compute, DTYPE_F32, 2, 4);
    assert_int_equal(compute_status(f->compute), 0);
    op_add(f->compute, a, b, a);
    assert_int_equal(compute_status(f->compute), SOWLV2_ERROR_ARGUMENT);
    error_set(SOWLV2_ERROR_IO, "something else");
    op_l2_normalize(f->compute, a, 1e-6F, b);
    compute_fail(f->compute, error_set(SOWLV2_ERROR_MEMORY, "later"));
    assert_int_equal(compute_status(f->compute), SOWLV2_ERROR_ARGUMENT);
    assert_non_null(strstr(error_message(), "op_add"));
    assert_non_null(strstr(error_message(), "[2, 3]"));
    assert_non_null(strstr(error_message(), "[2, 4]"));

    /* No op runs after an error, and scratch has no memory. */
    assert_null(COMPUTE_TENSOR(f->compute, DTYPE_F32, 5).buffer);
    *(float *)host_data(a) = -1.0F;
    op_activation(f->compute, a, ACTIVATION_RELU, a);
    assert_true(*(float *)host_data(a) == -1.0F);
    float untouched = 7.0F;
    op_download(f->compute, tensor_slice(TENSOR_RESHAPE(a, 6), 0, 0, 1), &untouched);
    assert_true(untouched == 7.0F);

    compute_begin(f->compute);
    assert_int_equal(compute_status(f->compute), 0);
    assert_non_null(COMPUTE_TENSOR(f->compute, DTYPE_F32, 5).buffer);
}

static void test_scratch(void **state)
{
    struct fixture *f = *state;
    compute_begin(f->compute);
    size_t mark = compute_mark(f->compute);
    struct tensor first = COMPUTE_TENSOR(f->compute, DTYPE_F32, 3, 5);
    assert_true(tensor_is_dense(&first));
    assert_int_equal((uintptr_t)host_data(first) % 64, 0);
    compute_release(f->compute, mark);
    struct tensor again = COMPUTE_TENSOR(f->compute, DTYPE_F32, 3, 5);
    assert_ptr_equal(host_data(first), host_data(again));
    assert_true(compute_peak_scratch(f->compute) >= 60);
    struct tensor none = COMPUTE_TENSOR(f->compute, DTYPE_F32, 3, 0);
    assert_int_equal(tensor_count(&none), 0);
    assert_int_equal(compute_status(f->compute), 0);

    static const int64_t huge[][2] = {{INT64_MAX, 2}, {-1, 4}, {INT64_MAX / 2, 1}, {1LL << 62, 1LL << 62}};
    for (int i = 0; i < COUNT(huge); i++) {
        compute_begin(f->compute);
        assert_null(compute_tensor(f->compute, DTYPE_F32, 2, huge[i]).buffer);
        assert_int_not_equal(compute_status(f->compute), 0);
    }
    compute_begin(f->compute);
    assert_null(COMPUTE_TENSOR(f->compute, DTYPE_F32, 1, 1, 1, 1, 1, 1).buffer);
    assert_int_equal(compute_status(f->compute), SOWLV2_ERROR_ARGUMENT);
}

static void test_upload_download(void **state)
{
    struct fixture *f = *state;
    compute_begin(f->compute);
    float values[2 * 3 * 4], back[24];
    for (int i = 0; i < COUNT(values); i++)
        values[i] = (float)i;
    struct tensor tensor = op_upload(f->compute, DTYPE_F32, DIMS(2, 3, 4), values);
    op_download(f->compute, tensor, back);
    assert_int_equal(compute_finish(f->compute), 0);
    assert_memory_equal(values, back, sizeof(values));

    op_download(f->compute, tensor_slice(tensor, 1, 1, 2), back); /* rows */
    assert_int_equal(compute_finish(f->compute), 0);
    assert_true(back[0] == 4.0F && back[7] == 11.0F && back[8] == 16.0F && back[15] == 23.0F);
    op_download(f->compute, tensor_slice(tensor, 2, 1, 1), back); /* one column */
    assert_int_equal(compute_finish(f->compute), 0);
    static const float column[] = {1, 5, 9, 13, 17, 21};
    assert_memory_equal(back, column, sizeof(column));
    op_download(f->compute, tensor_slice(tensor_slice(tensor, 0, 1, 1), 2, 2, 2), back);
    assert_int_equal(compute_finish(f->compute), 0);
    static const float corner[] = {14, 15, 18, 19, 22, 23};
    assert_memory_equal(back, corner, sizeof(corner));
}

/* Tensors that outlive passes. */
static void test_device_tensor(void **state)
{
    struct fixture *f = *state;
    const float values[] = {0, 1, 2, 3, 4, 5};
    struct tensor kept;
    assert_int_equal(DEVICE_TENSOR_CREATE(f->device, DTYPE_F32, &kept, INT64_MAX / 2, 8), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(DEVICE_TENSOR_CREATE(f->device, DTYPE_F32, &kept, 3, 4), 0);
    compute_begin(f->compute);
    op_copy(f->compute, op_upload(f->compute, DTYPE_F32, DIMS(2, 3), values),
            tensor_slice(tensor_slice(kept, 0, 0, 2), 1, 0, 3));
    assert_int_equal(compute_finish(f->compute), 0);
    compute_begin(f->compute);
    assert_true(((float *)host_data(kept))[4] == 3.0F);
    device_tensor_free(f->device, &kept);
    assert_null(kept.buffer);
}

/* Weights: a view where the file's bytes serve, a copy else. */
static void test_parameters_tensor(void **state)
{
    struct fixture *f = *state;
    float values[6] = {1, 2, 3, 4, 5, 6};
    struct host_tensor source = {DTYPE_F32, 2, {2, 3}, values, sizeof(values), NULL};
    struct tensor tensor;
    assert_int_equal(parameters_tensor(f->parameters, &source, &tensor), 0);
    assert_ptr_equal(host_data(tensor), values);
    assert_int_equal(tensor.stride[0], 3);

    char unaligned[sizeof(values) + 1];
    memcpy(unaligned + 1, values, sizeof(values));
    source.data = unaligned + 1;
    assert_int_equal(parameters_tensor(f->parameters, &source, &tensor), 0);
    assert_ptr_not_equal(host_data(tensor), source.data);
    assert_memory_equal(host_data(tensor), values, sizeof(values));

    const uint16_t halves[] = {0x3c00, 0xc000, 0x0001}; /* 1, -2, 2^-24 */
    struct host_tensor half = {DTYPE_F16, 1, {3}, halves, sizeof(halves), NULL};
    assert_int_equal(parameters_tensor(f->parameters, &half, &tensor), 0);
    const float converted[] = {1.0F, -2.0F, 0x1p-24F};
    assert_memory_equal(host_data(tensor), converted, sizeof(converted));

    half.bytes--;
    assert_int_equal(parameters_tensor(f->parameters, &half, &tensor), SOWLV2_ERROR_ARGUMENT);
    struct host_tensor whole = {DTYPE_I64, 1, {1}, values, 8, NULL};
    assert_int_equal(parameters_tensor(f->parameters, &whole, &tensor), SOWLV2_ERROR_UNSUPPORTED);
}

/* Values that nobody keeps. */
static void test_parameters_values(void **state)
{
    struct fixture *f = *state;
    float values[6] = {1, 2, 3, 4, 5, 6};
    struct tensor tensor;
    assert_int_equal(parameters_values(f->parameters, values, DIMS(3, 2), &tensor), 0);
    memset(values, 0, sizeof(values));
    assert_true(((const float *)host_data(tensor))[5] == 6.0F);
    assert_int_equal(tensor.dim[0], 3);
}

static void test_parameters_layers(void **state)
{
    struct fixture *f = *state;
    float values[64] = {0};
    struct host_tensor matrix = {DTYPE_F32, 2, {4, 3}, values, 48, NULL},
                       narrow = {DTYPE_F32, 2, {3, 4}, values, 48, NULL};
    struct host_tensor vector = {DTYPE_F32, 1, {4}, values, 16, NULL},
                       short_vector = {DTYPE_F32, 1, {3}, values, 12, NULL};
    const struct host_tensor *weights[] = {&matrix, &narrow}, *bias = &short_vector, *vectors[] = {&vector};
    const struct linear *linear;
    assert_int_equal(parameters_linear(f->parameters, 0, weights, NULL, 1, &linear), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(parameters_linear(f->parameters, 2, weights, NULL, 1, &linear), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(parameters_linear(f->parameters, 1, weights, &bias, 1, &linear), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(parameters_linear(f->parameters, 1, vectors, NULL, 1, &linear), SOWLV2_ERROR_ARGUMENT);
    assert_null(linear);
    bias = &vector;
    assert_int_equal(parameters_linear(f->parameters, 1, weights, &bias, 1, &linear), 0);

    struct host_tensor kernel = {DTYPE_F32, 4, {4, 1, 2, 2}, values, 64, NULL};
    const struct conv2d *conv;
    assert_int_equal(parameters_conv2d(f->parameters, &matrix, NULL, 1, 0, &conv), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(parameters_conv2d(f->parameters, &kernel, &short_vector, 1, 0, &conv), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(parameters_conv2d(f->parameters, &kernel, NULL, 0, 0, &conv), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(parameters_conv2d(f->parameters, &kernel, NULL, 1, -1, &conv), SOWLV2_ERROR_ARGUMENT);
    assert_null(conv);
    assert_int_equal(parameters_conv2d(f->parameters, &kernel, &vector, 1, 0, &conv), 0);
}

int main(void)
{
    const struct CMUnitTest alone[] = {
        cmocka_unit_test(test_level_names),
        cmocka_unit_test(test_device_open),
        cmocka_unit_test(test_incomplete_set),
        cmocka_unit_test(test_one_level),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sticky_error),      cmocka_unit_test(test_scratch),
        cmocka_unit_test(test_upload_download),   cmocka_unit_test(test_device_tensor),
        cmocka_unit_test(test_parameters_tensor), cmocka_unit_test(test_parameters_values),
        cmocka_unit_test(test_parameters_layers),
    };
    int failed = cmocka_run_group_tests_name("devices", alone, NULL, NULL);
    failed += cmocka_run_group_tests_name("passes", tests, setup, teardown);
    return failed == 0 ? 0 : 1;
}
