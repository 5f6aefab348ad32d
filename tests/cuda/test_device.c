/* The CUDA set's device on the driver of tests/cuda: memory, several computes, and every call of the driver failing. */
#include "ops/support.h"

#include "base/error.h"
#include "ops/set.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the driver has for tests: see driver.cpp. */
static void (*driver_fail)(long call);
static long (*driver_calls)(void);
static long (*driver_held)(void), (*driver_held_bytes)(void), (*driver_pinned_bytes)(void);
static void (*driver_memory)(size_t bytes);
static const char *(*driver_failed)(void);
static long (*driver_graph_launches)(void);

static void find(const char *name, void *function)
{
    static void *library;
    if (!library)
        library = dlopen("libcuda.so.1", RTLD_NOW);
    assert_non_null(library);
    void *const found = dlsym(library, name);
    assert_non_null(found);
    memcpy(function, &found, sizeof(found));
}

static int set_up(void **state)
{
    (void)state;
    find("cuda_on_cpu_fail", &driver_fail);
    find("cuda_on_cpu_calls", &driver_calls);
    find("cuda_on_cpu_held", &driver_held);
    find("cuda_on_cpu_held_bytes", &driver_held_bytes);
    find("cuda_on_cpu_pinned_bytes", &driver_pinned_bytes);
    find("cuda_on_cpu_memory", &driver_memory);
    find("cuda_on_cpu_failed", &driver_failed);
    find("cuda_on_cpu_graph_launches", &driver_graph_launches);
    return 0;
}

static void require(int status)
{
    if (status != 0)
        fail_msg("%s", error_message());
}

static struct device *open_gpu(size_t limit)
{
    struct device *device;
    require(device_open(&(struct device_options){.device = "cuda", .memory_limit = limit}, &device));
    return device;
}

/* Weights larger than the memory they go through, of every type, in rows that are padded: what arrives are their
 * values.
 */
static void test_weights(void **state)
{
    (void)state;
    enum { PARTS = 4, OUTPUTS = 1500, INPUTS = 1031, ALL = PARTS * OUTPUTS, PICKED = 3 };
    static const enum dtype types[PARTS] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_F32};
    static float rows[PICKED][INPUTS], found[PICKED][ALL], table[ALL];
    struct host_tensor part[PARTS], bias[PARTS];
    const struct host_tensor *weights[PARTS], *biases[PARTS];
    const int64_t picked[PICKED] = {0, 700, INPUTS - 1};
    for (int i = 0; i < PICKED; i++)
        rows[i][picked[i]] = 1.0F;
    for (int i = 0; i < PARTS; i++) {
        char *const values = malloc((size_t)OUTPUTS * INPUTS * sizeof(float) + 1);
        float *const some = malloc(OUTPUTS * sizeof(*some));
        assert_non_null(values);
        assert_non_null(some);
        part[i] = (struct host_tensor){
            .dtype = types[i], .rank = 2, .dim = {OUTPUTS, INPUTS}, .data = values + (i == 3)}; /* odd addresses too */
        part[i].bytes = (size_t)OUTPUTS * INPUTS * dtype_size(types[i]);
        for (size_t at = 0; at < (size_t)OUTPUTS * INPUTS; at++) {
            const float value = 1.0F + (float)(at * 7919 % 1000) / 1024.0F;
            const uint16_t half = (uint16_t)(0x3C00U + at * 7919 % 1000); /* 1 to 2, of either type a number */
            if (types[i] == DTYPE_F32)
                memcpy(values + (i == 3) + at * sizeof(value), &value, sizeof(value));
            else
                memcpy(values + at * sizeof(half), &half, sizeof(half));
        }
        for (int at = 0; at < OUTPUTS; at++)
            some[at] = (float)(at % 64);
        bias[i] = (struct host_tensor){
            .dtype = DTYPE_F32, .rank = 1, .dim = {OUTPUTS}, .data = some, .bytes = OUTPUTS * sizeof(*some)};
        weights[i] = &part[i];
        biases[i] = i == 1 ? NULL : &bias[i];
    }
    for (int narrow = 0; narrow < 2; narrow++) {
        const enum dtype precision = narrow ? DTYPE_BF16 : DTYPE_F32;
        struct device *device;
        struct parameters *parameters;
        struct compute *compute;
        const struct linear *linear;
        struct tensor kept;
        require(device_open(&(struct device_options){.device = "cuda", .precision = precision, .threads = 3}, &device));
        require(parameters_create(device, &parameters));
        require(parameters_linear(parameters, PARTS, weights, biases, PICKED, &linear));
        require(parameters_tensor(parameters, weights[1], &kept));
        require(compute_create(device, &compute));
        compute_begin(compute);
        const struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, PICKED, ALL);
        op_linear(compute, linear, op_upload(compute, DTYPE_F32, 2, (int64_t[]){PICKED, INPUTS}, rows), ACTIVATION_NONE,
                  NULL, out);
        op_download(compute, out, found);
        op_download(compute, tensor_slice(kept, 0, OUTPUTS - 1, 1), table);
        require(compute_finish(compute));
        for (int i = 0; i < PICKED; i++) {
            for (int at = 0; at < ALL; at++) {
                const int p = at / OUTPUTS;
                const size_t place = (size_t)(at % OUTPUTS) * INPUTS + (size_t)picked[i];
                float expected;
                require(
                    dtype_to_f32(types[p], (const char *)part[p].data + place * dtype_size(types[p]), 1, &expected));
                if (narrow) { /* 8 bits of it, ties to even; the parts that are not of a half have no more than 11 */
                    uint32_t bits;
                    memcpy(&bits, &expected, sizeof(bits));
                    bits = (bits + 0x7FFFU + (bits >> 16 & 1U)) & 0xFFFF0000U;
                    memcpy(&expected, &bits, sizeof(bits));
                }
                expected += p == 1 ? 0.0F : (float)(at % OUTPUTS % 64);
                if (found[i][at] != expected)
                    fail_msg("row %d, output %d: %g is not %g", i, at, (double)found[i][at], (double)expected);
            }
        }
        for (int at = 0; at < INPUTS; at++) {
            float expected;
            const size_t place = (size_t)(OUTPUTS - 1) * INPUTS + (size_t)at;
            require(dtype_to_f32(DTYPE_F16, (const char *)part[1].data + place * 2, 1, &expected));
            assert_true(table[at] == expected);
        }
        compute_free(&compute);
        parameters_free(&parameters);
        device_close(&device);
    }
    for (int i = 0; i < PARTS; i++) {
        free((char *)(uintptr_t)part[i].data - (i == 3));
        free((void *)(uintptr_t)bias[i].data);
    }
    assert_int_equal(driver_held(), 0);
}

/* A model and some passes: everything that calls the driver. 0, or the first error. */
static int use_everything(enum dtype precision)
{
    enum { ROWS = 5, WIDTH = 70, LARGE = 300 };
    static float values[ROWS * LARGE], weights[WIDTH * WIDTH];
    static uint8_t pixels[4 * 12];
    static const int32_t ids[] = {0, 2, 1};
    struct device *device = NULL;
    struct parameters *parameters = NULL;
    struct compute *compute = NULL;
    struct device_memory memory;
    struct tensor kept = {0};
    float result[ROWS * WIDTH], other[3 * WIDTH], part[ROWS * 3];
    const struct host_tensor weight = {
        .dtype = DTYPE_F32, .rank = 2, .dim = {WIDTH, WIDTH}, .data = weights, .bytes = sizeof(weights)};
    const struct host_tensor *const weight_p = &weight;
    const struct linear *linear;
    struct tensor table;
    int status = device_open(&(struct device_options){.device = "cuda:0", .precision = precision}, &device);
    if (status == 0)
        status = parameters_create(device, &parameters);
    if (status == 0)
        status = parameters_linear(parameters, 1, &weight_p, NULL, ROWS, &linear);
    if (status == 0)
        status = parameters_tensor(parameters, &weight, &table);
    if (status == 0)
        status = DEVICE_TENSOR_CREATE(device, DTYPE_F32, &kept, ROWS, WIDTH);
    if (status == 0)
        status = compute_create(device, &compute);
    if (status == 0)
        status = device_memory(device, &memory);
    if (status == 0)
        status = device_memory_release(device);
    for (int pass = 0; status == 0 && pass < 4; pass++) {
        compute_begin(compute);
        const struct tensor x = op_upload(compute, DTYPE_F32, 2, (int64_t[]){ROWS, WIDTH}, values);
        const struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, ROWS, WIDTH);
        const struct tensor picked = COMPUTE_TENSOR(compute, DTYPE_F32, 1, 3, WIDTH);
        op_upload_rows(compute, pixels, 12, 4, 9);
        op_linear(compute, linear, x, ACTIVATION_GELU, NULL, out);
        op_copy(compute, out, kept);
        op_embed(compute, op_upload(compute, DTYPE_I32, 2, (int64_t[]){1, 3}, ids), table, table, picked);
        /* More shared memory than a kernel has unasked. */
        const struct tensor wide =
            TENSOR_RESHAPE(op_upload(compute, DTYPE_F32, 2, (int64_t[]){ROWS, LARGE}, values), 1, ROWS, LARGE);
        const struct tensor read = COMPUTE_TENSOR(compute, DTYPE_F32, 1, ROWS, LARGE);
        op_attend_rows(compute, wide, wide, tensor_at(wide, 0), 0.1F, read);
        for (int i = 0; i < 8; i++) /* enough for a graph, which the last pass changes */
            op_affine(compute, x, 1.0F, pass == 3 && i == 4 ? 2.0F : 1.0F, x);
        op_download(compute, kept, result);
        op_download(compute, picked, other);
        op_download(compute, tensor_slice(out, 1, 2, 3), part);
        status = compute_finish(compute);
    }
    char message[512];
    snprintf(message, sizeof(message), "%s", error_message());
    compute_free(&compute);
    if (device)
        device_tensor_free(device, &kept);
    parameters_free(&parameters);
    device_close(&device);
    return status != 0 ? error_set(status, "%s", message) : 0;
}

/* A call whose failing loses what it was to give back, or nothing at all. */
static bool is_release(const char *call)
{
    static const char *const calls[] = {"cuMemFree_v2",      "cuMemFreeHost",   "cuStreamDestroy_v2",
                                        "cuModuleUnload",    "cuCtxSetCurrent", "cuDevicePrimaryCtxRelease_v2",
                                        "cuDeviceGetName",   "cuCtxGetCurrent", "cuGraphDestroy",
                                        "cuGraphExecDestroy"};
    for (int i = 0; i < COUNT(calls); i++)
        if (strcmp(calls[i], call) == 0)
            return true;
    return false;
}

static void test_every_call_fails(void **state)
{
    (void)state;
    for (int narrow = 0; narrow < 2; narrow++) {
        const enum dtype precision = narrow ? DTYPE_BF16 : DTYPE_F32;
        const long before = driver_calls(), held_before = driver_held();
        require(use_everything(precision));
        const long calls = driver_calls() - before;
        assert_in_range(calls, 50, 2000);
        assert_int_equal(driver_held(), held_before);
        for (long i = 0; i < calls; i++) {
            const long held = driver_held();
            driver_fail(i);
            const int status = use_everything(precision);
            const char *const call = driver_failed();
            driver_fail(-1);
            if (call[0] == '\0') /* an earlier error, or fewer calls: it was not reached */
                continue;
            char name[64];
            snprintf(name, sizeof(name), "%.*s", (int)(strcspn(call, "_")), call);
            if (status == 0 && !is_release(call) && strcmp(call, "cuMemAlloc_v2") != 0 &&
                strcmp(call, "cuGraphInstantiateWithFlags") != 0) /* without room kernels are launched one by one */
                fail_msg("call %ld, %s, fails and nobody is told", i, call);
            if (status != 0 && !strstr(error_message(), name) && strcmp(call, "cuMemAlloc_v2") != 0)
                fail_msg("call %ld, %s, fails: \"%s\"", i, call, error_message());
            if (driver_held() != held && !is_release(call))
                fail_msg("call %ld, %s, fails: %ld things are not given back", i, call, driver_held() - held);
        }
    }
    require(use_everything(DTYPE_F32)); /* nothing lasts */
}

/* Memory that is given back while work is queued is not given out before that work is done. */
static void test_memory_in_use(void **state)
{
    (void)state;
    enum { COUNT_OF = 1000 };
    struct device *device = open_gpu(0);
    struct compute *compute;
    struct tensor first, second, third;
    static float found[COUNT_OF];
    require(compute_create(device, &compute));
    require(DEVICE_TENSOR_CREATE(device, DTYPE_F32, &first, COUNT_OF));
    const void *const place = first.buffer->memory;
    compute_begin(compute);
    op_fill(compute, 1.0F, first);
    op_download(compute, first, found);
    device_tensor_free(device, &first);
    require(DEVICE_TENSOR_CREATE(device, DTYPE_F32, &second, COUNT_OF));
    assert_ptr_not_equal(second.buffer->memory, place);
    assert_true(found[0] == 0.0F); /* not there before the wait */
    require(compute_finish(compute));
    assert_true(found[0] == 1.0F && found[COUNT_OF - 1] == 1.0F);
    require(DEVICE_TENSOR_CREATE(device, DTYPE_F32, &third, COUNT_OF));
    assert_ptr_equal(third.buffer->memory, place);
    device_tensor_free(device, &second);
    device_tensor_free(device, &third);
    compute_free(&compute);
    device_close(&device);
    assert_int_equal(driver_held(), 0);
}

/* A limit, and a card that is full: an error that says how much; after it everything goes on. */
static void test_out_of_memory(void **state)
{
    (void)state;
    enum { MEBI = 1 << 20 };
    for (int i = 0; i < 2; i++) {
        if (i == 1)
            driver_memory((size_t)96 * MEBI);
        struct device *device = open_gpu(i == 0 ? (size_t)96 * MEBI : 0);
        struct compute *compute;
        struct tensor tensor, large;
        float found = 0.0F;
        require(compute_create(device, &compute));
        compute_begin(compute);
        op_fill(compute, 2.0F, COMPUTE_TENSOR(compute, DTYPE_F32, 10 * MEBI));
        large = COMPUTE_TENSOR(compute, DTYPE_F32, 30 * MEBI);
        op_fill(compute, 2.0F, large);
        assert_int_equal(compute_finish(compute), SOWLV2_ERROR_MEMORY);
        if (!strstr(error_message(), "out of memory: 120.0 MiB were asked for"))
            fail_msg("%s", error_message());
        compute_begin(compute);
        tensor = COMPUTE_TENSOR(compute, DTYPE_F32, MEBI);
        op_fill(compute, 3.0F, tensor);
        op_download(compute, tensor_slice(tensor, 0, MEBI - 1, 1), &found);
        require(compute_finish(compute));
        assert_true(found == 3.0F);
        compute_free(&compute);
        device_close(&device);
        driver_memory((size_t)4096 * MEBI);
    }
    assert_int_equal(driver_held(), 0);
}

/* A part of the card, taken as it is needed or at once; what is told of it; giving back what is not used. */
static void test_memory_limits(void **state)
{
    (void)state;
    enum { MEBI = 1 << 20 };
    static const struct {
        size_t limit;
        double fraction;
        bool at_once;
        int64_t total, reserved; /* MiB: told, taken after opening */
    } cases[] = {
        {0, 0.0, false, 512, 0},
        {(size_t)64 * MEBI, 0.0, false, 64, 0},
        {0, 0.25, false, 128, 0},
        {(size_t)64 * MEBI, 0.25, true, 64, 64},
        {(size_t)900 * MEBI, 0.25, true, 128, 128},
        {0, 1.0, true, 512, 512},
    };
    driver_memory((size_t)512 * MEBI);
    for (int i = 0; i < COUNT(cases); i++) {
        const struct device_options options = {.device = "cuda",
                                               .memory_limit = cases[i].limit,
                                               .memory_fraction = cases[i].fraction,
                                               .memory_at_once = cases[i].at_once};
        struct device_memory memory;
        struct device *device;
        struct tensor tensor, more = {0};
        require(device_open(&options, &device));
        assert_false(device_is_host(device));
        require(device_memory(device, &memory));
        assert_int_equal(memory.total, cases[i].total * MEBI);
        assert_int_equal(memory.available, cases[i].total * MEBI);
        assert_int_equal(memory.reserved, cases[i].reserved * MEBI);
        assert_int_equal(memory.used, 0);
        assert_int_equal(driver_held_bytes(), memory.reserved);
        require(DEVICE_TENSOR_CREATE(device, DTYPE_F32, &tensor, 5 * MEBI));
        require(DEVICE_TENSOR_CREATE(device, DTYPE_F32, &more, 5 * MEBI));
        device_tensor_free(device, &more);
        require(device_memory(device, &memory));
        assert_int_equal(memory.used, 20 * MEBI);
        assert_int_equal(memory.peak, 40 * MEBI);
        assert_int_equal(memory.available, (cases[i].total - 20) * MEBI);
        assert_true(memory.reserved >= 40 * MEBI && driver_held_bytes() == memory.reserved);
        assert_int_equal(DEVICE_TENSOR_CREATE(device, DTYPE_F32, &more, cases[i].total * MEBI / 4 + 64),
                         SOWLV2_ERROR_MEMORY);
        device_tensor_free(device, &tensor);
        require(device_memory_release(device));
        require(device_memory(device, &memory));
        assert_int_equal(memory.reserved, 0);
        assert_int_equal(driver_held_bytes(), 0);
        require(DEVICE_TENSOR_CREATE(device, DTYPE_F32, &tensor, MEBI)); /* and it is taken again */
        device_tensor_free(device, &tensor);
        device_close(&device);
    }
    struct device *device;
    assert_int_equal(
        device_open(&(struct device_options){.device = "cuda", .memory_limit = 1, .memory_at_once = true}, &device),
        SOWLV2_ERROR_MEMORY);
    driver_memory((size_t)4096 * MEBI);
    assert_int_equal(driver_held(), 0);
}

/* From the second pass on nothing is asked of the driver but copies, kernels and the wait. */
static void test_steady(void **state)
{
    (void)state;
    struct device *device = open_gpu(0);
    struct compute *compute;
    static float values[3 << 20];
    long calls[4];
    require(compute_create(device, &compute));
    for (int pass = 0; pass < COUNT(calls); pass++) {
        const long before = driver_calls();
        compute_begin(compute);
        for (int i = 0; i < 2; i++) {
            const struct tensor x = op_upload(compute, DTYPE_F32, 1, (int64_t[]){COUNT(values)}, values);
            op_affine(compute, x, 1.0F, 1.0F, x);
            op_download(compute, x, values);
        }
        require(compute_finish(compute));
        calls[pass] = driver_calls() - before;
    }
    assert_true(calls[3] == calls[2]);
    /* Two copies there and back and two kernels, a wait, and asking whose context it is before each. */
    assert_in_range(calls[3], 7, 14);
    compute_free(&compute);
    device_close(&device);
}

/* Kernels one after the other, each on what the one before wrote: the first `changed` add `shift`, the others 1. */
static void run_chain(struct compute *compute, int count, int changed, float shift, float *found)
{
    enum { LENGTH = 8 };
    compute_begin(compute);
    const struct tensor x = COMPUTE_TENSOR(compute, DTYPE_F32, LENGTH);
    op_fill(compute, 0.0F, x);
    for (int i = 1; i < count; i++)
        op_affine(compute, x, 1.0F, i <= changed ? shift : 1.0F, x);
    op_download(compute, tensor_slice(x, 0, LENGTH - 1, 1), found);
    require(compute_finish(compute));
}

/* What a pass does again is a graph; one with other arguments, too, and what it computes is what it computes one by
 * one. */
static void test_graphs(void **state)
{
    (void)state;
    enum { MANY = 20, LARGE = 150 };
    static const struct {
        int count, changed, graphs; /* graphs that run in the second pass and later ones */
    } cases[] = {
        {3, 0, 0},     {MANY, 0, 1},   {MANY, 2, 1},      {MANY, MANY, 1},
        {LARGE, 0, 3}, {LARGE, 10, 3}, {LARGE, LARGE, 3}, {64, 5, 1},
    };
    for (int i = 0; i < COUNT(cases); i++) {
        struct device *device = open_gpu(0);
        struct compute *compute;
        require(compute_create(device, &compute));
        for (int pass = 0; pass < 12; pass++) {
            const long before = driver_graph_launches(), calls = driver_calls();
            const float shift = (float)(pass % 7) + 2.0F;
            const int changed = cases[i].changed < cases[i].count - 1 ? cases[i].changed : cases[i].count - 1;
            float found;
            run_chain(compute, cases[i].count, changed, shift, &found);
            const float expected = (float)changed * shift + (float)(cases[i].count - 1 - changed);
            if (found != expected)
                fail_msg("case %d, pass %d: %g is not %g", i, pass, (double)found, (double)expected);
            assert_int_equal(driver_graph_launches() - before, pass > 0 ? cases[i].graphs : 0);
            /* A call for each graph and for each kernel that changes, beside a copy, a wait, and asking for the
             * context. */
            if (pass > 8 && cases[i].graphs > 0)
                assert_in_range(driver_calls() - calls, cases[i].graphs, cases[i].graphs + changed + 9);
        }
        compute_free(&compute);
        device_close(&device);
        assert_int_equal(driver_held(), 0);
    }
}

/* Sequences without end do not fill the card's memory with graphs. */
static void test_many_graphs(void **state)
{
    (void)state;
    struct device *device = open_gpu(0);
    struct compute *compute;
    long held[2] = {0};
    require(compute_create(device, &compute));
    for (int i = 0; i < 300; i++) {
        for (int again = 0; again < 3; again++) {
            compute_begin(compute);
            const struct tensor x = COMPUTE_TENSOR(compute, DTYPE_F32, 4);
            float found, expected = 0.0F;
            op_fill(compute, expected, x);
            for (int at = 0; at < 9; at++) {
                const bool fills = (i >> at & 1) != 0;
                expected = fills ? (float)at : expected + 1.0F;
                if (fills)
                    op_fill(compute, expected, x);
                else
                    op_affine(compute, x, 1.0F, 1.0F, x);
            }
            op_download(compute, tensor_slice(x, 0, 3, 1), &found);
            require(compute_finish(compute));
            assert_true(found == expected);
        }
        if (i == 199)
            held[0] = driver_held();
    }
    held[1] = driver_held();
    assert_in_range(held[1], 2, held[0] + 1); /* memory may have grown by a piece */
    compute_free(&compute);
    device_close(&device);
    assert_int_equal(driver_held(), 0);
}

/* What a kernel writes that is recorded and not queued yet is not given to the driver, where there is too little. */
static void test_recorded_memory(void **state)
{
    (void)state;
    enum { MEBI = 1 << 20 };
    driver_memory((size_t)96 * MEBI);
    struct device *device = open_gpu(0);
    struct compute *compute;
    struct tensor large, other;
    require(compute_create(device, &compute));
    require(DEVICE_TENSOR_CREATE(device, DTYPE_F32, &large, 12 * MEBI));
    compute_begin(compute);
    op_fill(compute, 1.0F, tensor_slice(large, 0, 0, 64));
    device_tensor_free(device, &large);
    assert_int_equal(DEVICE_TENSOR_CREATE(device, DTYPE_F32, &other, 14 * MEBI), SOWLV2_ERROR_MEMORY);
    require(compute_finish(compute)); /* the driver ends the program where the memory is gone */
    require(DEVICE_TENSOR_CREATE(device, DTYPE_F32, &other, 14 * MEBI));
    device_tensor_free(device, &other);
    compute_free(&compute);
    device_close(&device);
    driver_memory((size_t)4096 * MEBI);
    assert_int_equal(driver_held(), 0);
}

struct worker {
    struct device *device;
    float start, found[64];
    int status;
};

static void *work(void *given)
{
    struct worker *const worker = given;
    struct compute *compute;
    worker->status = compute_create(worker->device, &compute);
    for (int pass = 0; pass < 20 && worker->status == 0; pass++) {
        compute_begin(compute);
        const struct tensor x = COMPUTE_TENSOR(compute, DTYPE_F32, 64);
        struct tensor own;
        op_fill(compute, worker->start, x);
        worker->status = DEVICE_TENSOR_CREATE(worker->device, DTYPE_F32, &own, 64);
        if (worker->status != 0)
            break;
        op_affine(compute, x, 2.0F, 1.0F, own);
        op_download(compute, own, worker->found);
        device_tensor_free(worker->device, &own);
        worker->status = compute_finish(compute);
    }
    compute_free(&compute);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    enum { WORKERS = 4 };
    struct worker workers[WORKERS];
    pthread_t threads[WORKERS];
    struct device *device = open_gpu(0);
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.device = device, .start = (float)i};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(workers[i].status, 0);
        for (int j = 0; j < COUNT(workers[i].found); j++)
            assert_true(workers[i].found[j] == 2.0F * (float)i + 1.0F);
    }
    device_close(&device);
    assert_int_equal(driver_held(), 0);
}

/* What only the device sees is told by the wait, once. */
static void test_fault(void **state)
{
    (void)state;
    static const float values[12] = {0};
    static const int32_t right[] = {2}, wrong[] = {3};
    struct device *device = open_gpu(0);
    struct compute *compute;
    require(compute_create(device, &compute));
    for (int pass = 0; pass < 3; pass++) {
        compute_begin(compute);
        const struct tensor x = op_upload(compute, DTYPE_F32, 3, (int64_t[]){1, 3, 4}, values);
        const struct tensor index = op_upload(compute, DTYPE_I32, 2, (int64_t[]){1, 1}, pass == 1 ? wrong : right);
        op_gather_rows(compute, x, index, COMPUTE_TENSOR(compute, DTYPE_F32, 1, 1, 4));
        require(compute_status(compute));
        const int status = compute_finish(compute);
        assert_int_equal(status, pass == 1 ? SOWLV2_ERROR_ARGUMENT : 0);
        if (pass == 1)
            assert_string_equal(error_message(), "op_gather_rows: index 3 of entry [0, 0]: there are 3 rows");
    }
    compute_free(&compute);
    device_close(&device);
}

/* What a pass left that nobody waited for is there, though the next one fails. */
static void test_failed_pass(void **state)
{
    (void)state;
    struct device *device = open_gpu(0);
    struct compute *compute;
    struct tensor kept, other;
    float found = 0.0F;
    require(DEVICE_TENSOR_CREATE(device, DTYPE_F32, &kept, 1));
    require(DEVICE_TENSOR_CREATE(device, DTYPE_F32, &other, 2));
    require(compute_create(device, &compute));
    compute_begin(compute);
    op_fill(compute, 1.0F, kept);
    compute_begin(compute);
    op_fill(compute, 2.0F, kept);
    require(compute_status(compute));
    compute_begin(compute);
    op_copy(compute, kept, other);
    assert_int_equal(compute_finish(compute), SOWLV2_ERROR_ARGUMENT);
    compute_begin(compute);
    op_download(compute, kept, &found);
    require(compute_finish(compute));
    assert_true(found == 2.0F);
    device_tensor_free(device, &kept);
    device_tensor_free(device, &other);
    compute_free(&compute);
    device_close(&device);
    assert_int_equal(driver_held(), 0);
}

struct shared {
    pthread_mutex_t lock;
    int done[100];
};

static void count_task(void *data, size_t index, size_t worker)
{
    struct shared *const shared = data;
    (void)worker;
    pthread_mutex_lock(&shared->lock);
    shared->done[index]++;
    pthread_mutex_unlock(&shared->lock);
}

/* Each task is done once, on a device that has threads for them and on one that has none. */
static void test_share(void **state)
{
    (void)state;
    static const char *const names[] = {"cuda", "cuda", "cpu", "reference"};
    for (int i = 0; i < COUNT(names); i++) {
        struct device *device;
        struct shared shared = {.lock = PTHREAD_MUTEX_INITIALIZER};
        require(device_open(&(struct device_options){.device = names[i], .threads = i == 0 ? 4 : 1}, &device));
        for (int round = 1; round < 20; round++) {
            device_share(device, (size_t)(5 * round), count_task, &shared);
            for (int at = 0; at < COUNT(shared.done); at++)
                assert_int_equal(shared.done[at], at < 5 * round ? round - at / 5 : 0);
        }
        device_close(&device);
    }
    assert_int_equal(driver_held(), 0);
}

/* Uploads that nobody waits for take no more than so much of the host's pinned memory, and arrive. */
static void test_many_uploads(void **state)
{
    (void)state;
    enum { ROWS = 1 << 12, COLUMNS = 1 << 10, UPLOADS = 60, MEBI = 1 << 20, MOST_PINNED = 144 * MEBI };
    struct device *device = open_gpu(0);
    struct compute *compute;
    struct tensor kept;
    uint8_t *const rows = malloc((size_t)ROWS * COLUMNS), found[UPLOADS];
    assert_non_null(rows);
    require(DEVICE_TENSOR_CREATE(device, DTYPE_U8, &kept, UPLOADS, 1));
    require(compute_create(device, &compute));
    for (int i = 0; i < UPLOADS; i++) {
        compute_begin(compute);
        memset(rows, i, (size_t)ROWS * COLUMNS);
        const struct tensor x = op_upload_rows(compute, rows, COLUMNS, ROWS, COLUMNS);
        op_copy(compute, tensor_slice(tensor_slice(x, 0, ROWS - 1, 1), 1, COLUMNS - 1, 1), tensor_slice(kept, 0, i, 1));
        require(compute_status(compute));
        assert_in_range(driver_pinned_bytes(), 0, MOST_PINNED);
    }
    compute_begin(compute);
    op_download(compute, kept, found);
    require(compute_finish(compute));
    for (int i = 0; i < UPLOADS; i++)
        assert_int_equal(found[i], i);
    free(rows);
    device_tensor_free(device, &kept);
    compute_free(&compute);
    device_close(&device);
    assert_int_equal(driver_held(), 0);
}

static void test_names(void **state)
{
    (void)state;
    static const char *const wrong[] = {"cuda:", "cuda:x",  "cuda:-1",         "cuda:1x",
                                        "cuda1", "cudax:1", "cuda:99999999999"};
    struct device *device;
    for (int i = 0; i < COUNT(wrong); i++) {
        assert_int_equal(device_open(&(struct device_options){.device = wrong[i]}, &device), SOWLV2_ERROR_ARGUMENT);
        assert_non_null(strstr(error_message(), wrong[i]));
    }
    assert_int_equal(device_open(&(struct device_options){.device = "cuda", .precision = DTYPE_F16}, &device),
                     SOWLV2_ERROR_UNSUPPORTED);
    require(device_open(&(struct device_options){.device = "cuda:0"}, &device));
    assert_int_equal(strncmp(device_name(device), "cuda:0 (", 8), 0);
    device_close(&device);
}

int main(void)
{
    /* The last one leaves what calls lose that fail to give it back. */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_memory_in_use),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_steady),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_fault),
        cmocka_unit_test(test_graphs),
        cmocka_unit_test(test_many_graphs),
        cmocka_unit_test(test_recorded_memory),
        cmocka_unit_test(test_failed_pass),
        cmocka_unit_test(test_many_uploads),
        cmocka_unit_test(test_share),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_memory_limits),
        cmocka_unit_test(test_every_call_fails),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
