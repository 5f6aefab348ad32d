/* Memory that runs out while a layer is made and a product is computed. The answer is the product, to the bit, or the
 * error MEMORY: oneDNN that lacks memory for one of its kernels takes another, which rounds otherwise. */
#include "base/error.h"
#include "base/shortage.h"
#include "ops/support.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef SHORTAGE
struct product {
    int64_t rows, inputs, outputs;
    bool bias;
    enum activation activation;
};

/* What the processes share that compute it. */
struct answer {
    long allocations;
    int wrong; /* answers: OpenMP's runtime ends a process as the test's own do */
    float values[];
};

struct sample {
    struct product product;
    struct weight weight, bias;
    float *x;
    size_t bytes; /* of the answer's values */
    struct answer *answer;
};

static int pass(const struct sample *sample, struct device *device, const struct linear *linear, float *out)
{
    const struct product *const product = &sample->product;
    struct compute *compute = NULL;
    int status = compute_create(device, &compute);

    if (!status) {
        compute_begin(compute);
        const struct tensor x = op_upload(compute, DTYPE_F32, DIMS(product->rows, product->inputs), sample->x),
                            y = COMPUTE_TENSOR(compute, DTYPE_F32, product->rows, product->outputs);
        op_linear(compute, linear, x, product->activation, NULL, y);
        op_download(compute, y, out);
        status = compute_finish(compute);
    }
    compute_free(&compute);
    return status;
}

static int compute_product(const struct sample *sample, struct device *device, float *out)
{
    const struct host_tensor *const weight = &sample->weight.tensor, *const bias = sample->product.bias
                                                                                       ? &sample->bias.tensor
                                                                                       : NULL;
    struct parameters *parameters = NULL;
    const struct linear *linear;
    int status = parameters_create(device, &parameters);

    if (!status)
        status = parameters_linear(parameters, 1, &weight, &bias, sample->product.rows, &linear);
    if (!status)
        status = pass(sample, device, linear, out);
    parameters_free(&parameters);
    return status;
}

/* Each in a process that has computed nothing yet, so that all is made anew. `number` below 0: none fails. */
static bool compute_once(const void *data, long number)
{
    enum { MANY = 1 << 30 };
    const struct sample *const sample = data;
    struct device *device;
    float *const out = malloc(sample->bytes);

    if (!out || device_open(&(struct device_options){.device = "cpu", .threads = 2}, &device))
        return false;
    shortage.wanted = number < 0 ? MANY : number;
    shortage.armed = true;
    const int status = compute_product(sample, device, out);
    shortage.armed = false;
    if (number < 0) {
        sample->answer->allocations = MANY - shortage.wanted;
        memcpy(sample->answer->values, out, sample->bytes);
        return !status;
    }
    if (status ? status == SOWLV2_ERROR_MEMORY : memcmp(out, sample->answer->values, sample->bytes) == 0)
        return true;
    print_error("allocation %ld: %d: %s\n", number, status, status ? error_message() : "other values");
    sample->answer->wrong++;
    return false;
}

static struct sample make_sample(const struct product *product)
{
    const int64_t in = product->rows * product->inputs, out = product->rows * product->outputs;
    struct sample sample = {.product = *product, .bytes = (size_t)out * sizeof(float)};

    sample.weight = weight_random(-0.1F, 0.1F, 0, DIMS(product->outputs, product->inputs));
    sample.bias = weight_random(-1.0F, 1.0F, 0, DIMS(product->outputs));
    sample.x = malloc((size_t)in * sizeof(float));
    sample.answer =
        mmap(NULL, sizeof(*sample.answer) + sample.bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(sample.x && sample.answer != MAP_FAILED);
    for (int64_t i = 0; i < in; i++)
        sample.x[i] = random_float(-2.0F, 2.0F);
    return sample;
}

static void free_sample(struct sample *sample)
{
    munmap(sample->answer, sizeof(*sample->answer) + sample->bytes);
    weight_free(&sample->weight);
    weight_free(&sample->bias);
    free(sample->x);
}

/* Many rows, few, and one. A single allocation that fails makes oneDNN and OpenMP's runtime end some processes, which
 * nobody outside can mend. */
static void test_products(void **state)
{
    static const struct product products[] = {{577, 192, 256, true, ACTIVATION_GELU},
                                              {7, 256, 100, true, ACTIVATION_NONE},
                                              {1, 64, 33, false, ACTIVATION_RELU}};
    enum { MOST_RUNS = 60 };
    int wrong = 0;

    (void)state;
    for (int i = 0; i < COUNT(products); i++) {
        struct sample sample = make_sample(&products[i]);
        assert_int_equal(shortage_in_child(compute_once, &sample, -1), 0);
        const long all = sample.answer->allocations, step = all / MOST_RUNS + 1;
        int ended = 0;
        for (long n = 0; n < all; n += step)
            ended += shortage_in_child(compute_once, &sample, n) != 0;
        wrong += sample.answer->wrong;
        print_message("%lld rows: %ld allocations, %d processes ended\n", (long long)products[i].rows, all, ended);
        assert_true(ended < MOST_RUNS / 4);
        free_sample(&sample);
    }
    assert_int_equal(wrong, 0);
}
#else
static void test_products(void **state)
{
    (void)state;
    skip(); /* the sanitizers have allocators of their own */
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_products)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
