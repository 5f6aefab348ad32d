#include "ops/cpu/onednn.h"

#include "ops/cpu/onednn_guard.h"
#include "ops/host.h"

#include "base/error.h"

#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- engine and errors ---- */

static dnnl_engine_t engine; /* one a process; set by onednn_start, then only read */

static int check(dnnl_status_t status, const char *what)
{
    if (status == dnnl_success)
        return 0;
    if (status == dnnl_out_of_memory)
        return error_memory(what);
    return error_set(SOWLV2_ERROR_UNSUPPORTED, "oneDNN: %s failed (status %d)", what, (int)status);
}

int onednn_start(enum cpu_level level)
{
    static const dnnl_cpu_isa_t isa[CPU_LEVEL_COUNT] = {
        [CPU_AVX2] = dnnl_cpu_isa_avx2,
        [CPU_AVX512] = dnnl_cpu_isa_avx512_core,
        [CPU_AVX512_VNNI] = dnnl_cpu_isa_avx512_core_vnni,
        [CPU_AVX512_BF16] = dnnl_cpu_isa_avx512_core_bf16,
        [CPU_AMX] = dnnl_cpu_isa_all,
    };
    if (engine)
        return 0;
    const int status = check(guarded_set_max_cpu_isa(isa[level]), "setting the CPU level");
    return status != 0 ? status : check(guarded_engine_create(&engine, dnnl_cpu, 0), "creating the engine");
}

/* oneDNN reads the number of threads from OpenMP's setting of the calling thread, when it compiles and
 * when it runs. Sets it and returns what to restore. */
static int use_threads(int threads)
{
    const int before = omp_get_max_threads();
    if (before != threads)
        omp_set_num_threads(threads);
    return before;
}

/* Starting a second thread and meeting it again costs more than this much work, above all on a machine
 * that is busy with other things. */
enum { SMALL_PRODUCT = 1 << 21, SMALL_COPY = 1 << 18 };

int onednn_start_threads(int threads)
{
    if (guarded_threads_start(threads) == dnnl_success)
        return 0;
    return error_set(
        SOWLV2_ERROR_MEMORY,
        "threads: %d cannot be started: use fewer, close other programs or raise the process limit (ulimit -u)",
        threads);
}

static int threads_for(int64_t multiplications, int threads)
{
    return multiplications < SMALL_PRODUCT ? 1 : threads;
}

/* ---- plans: compiled primitives for one shape ---- */

struct plan_key {
    int64_t rows;
    enum activation activation;
    bool accumulate;
    enum dtype type, out; /* of what is multiplied, and of what is written */
};

struct plan {
    struct plan_key key;
    dnnl_primitive_t primitive;
    dnnl_memory_desc_t x, weight, bias, out;
    size_t scratch_bytes;
    atomic_bool ran;
    struct plan *next;
};

struct onednn_product {
    int threads;
    enum dtype type;
    int64_t outputs, inputs;
    dnnl_memory_desc_t weight_desc;
    void *weight;
    float *bias; /* NULL: none */
    pthread_mutex_t mutex;
    struct plan *plans; /* only grows while the product lives, so that a plan found may be used unlocked */
};

static void plan_free(struct plan *plan)
{
    if (plan) {
        dnnl_primitive_destroy(plan->primitive);
        free(plan);
    }
}

static int append_activation(dnnl_post_ops_t ops, enum activation activation)
{
    switch (activation) {
    case ACTIVATION_NONE:
        return 0;
    case ACTIVATION_RELU:
        return check(guarded_post_ops_append_eltwise(ops, 1.0F, dnnl_eltwise_relu, 0.0F, 0.0F), "relu");
    case ACTIVATION_GELU:
        return check(guarded_post_ops_append_eltwise(ops, 1.0F, dnnl_eltwise_gelu_erf, 0.0F, 0.0F), "gelu");
    case ACTIVATION_GELU_TANH:
        return check(guarded_post_ops_append_eltwise(ops, 1.0F, dnnl_eltwise_gelu_tanh, 0.0F, 0.0F), "gelu");
    case ACTIVATION_QUICK_GELU:
        return check(guarded_post_ops_append_eltwise(ops, 1.0F, dnnl_eltwise_swish, 1.702F, 0.0F), "quick gelu");
    case ACTIVATION_SIGMOID:
        return check(guarded_post_ops_append_eltwise(ops, 1.0F, dnnl_eltwise_logistic, 0.0F, 0.0F), "sigmoid");
    }
    return error_set(SOWLV2_ERROR_ARGUMENT, "linear: no such activation: %d", (int)activation);
}

/* Attributes: the activation, then the sum with what the output holds; scratch given by the caller, so
 * that threads may run one primitive at once. Destroyed by the caller, after an error too. */
static int make_attributes(enum activation activation, bool accumulate, dnnl_primitive_attr_t *out)
{
    dnnl_post_ops_t ops = NULL;
    int status = check(guarded_attr_create(out), "attributes");
    if (status != 0)
        return status;
    status = check(dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user), "scratchpad mode");
    if (status == 0)
        status = check(guarded_post_ops_create(&ops), "post-ops");
    if (status == 0)
        status = append_activation(ops, activation);
    if (status == 0 && accumulate)
        status = check(guarded_post_ops_append_sum(ops, 1.0F), "sum");
    if (status == 0)
        status = check(guarded_attr_set_post_ops(*out, ops), "post-ops");
    dnnl_post_ops_destroy(ops);
    return status;
}

static dnnl_data_type_t type_of(enum dtype type)
{
    return type == DTYPE_BF16 ? dnnl_bf16 : dnnl_f32;
}

static int describe(dnnl_memory_desc_t *desc, enum dtype type, int64_t rows, int64_t columns, int64_t row_stride,
                    int64_t column_stride)
{
    const dnnl_dims_t dims = {rows, columns}, strides = {row_stride, column_stride};
    return check(dnnl_memory_desc_init_by_strides(desc, 2, dims, type_of(type), strides), "describing memory");
}

/* Compiles out = x weight with the weights as `weight` says (its layout may be left to oneDNN). */
static int plan_compile(const struct plan_key *key, int64_t outputs, int64_t inputs, const dnnl_memory_desc_t *weight,
                        bool has_bias, struct plan **out)
{
    struct plan *plan = calloc(1, sizeof(*plan));
    if (!plan)
        return error_memory("matrix product");
    plan->key = *key;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t described = NULL;
    dnnl_matmul_desc_t product;
    int status = describe(&plan->x, key->type, key->rows, inputs, inputs, 1);
    if (status == 0)
        status = describe(&plan->out, key->out, key->rows, outputs, outputs, 1);
    if (status == 0)
        status = describe(&plan->bias, DTYPE_F32, 1, outputs, outputs, 1);
    if (status == 0) {
        status = check(dnnl_matmul_desc_init(&product, &plan->x, weight, has_bias ? &plan->bias : NULL, &plan->out),
                       "describing a matrix product");
    }
    if (status == 0)
        status = make_attributes(key->activation, key->accumulate, &attributes);
    if (status == 0) {
        status =
            check(guarded_primitive_desc_create(&described, &product, attributes, engine), "planning a matrix product");
    }
    if (status == 0) {
        plan->weight = *dnnl_primitive_desc_query_md(described, dnnl_query_weights_md, 0);
        const dnnl_memory_desc_t *scratch = dnnl_primitive_desc_query_md(described, dnnl_query_scratchpad_md, 0);
        plan->scratch_bytes = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
        status = check(guarded_primitive_create(&plan->primitive, described), "compiling a matrix product");
    }
    dnnl_primitive_desc_destroy(described);
    dnnl_primitive_attr_destroy(attributes);
    if (status != 0) {
        free(plan);
        return status;
    }
    *out = plan;
    return 0;
}

/* ---- running ---- */

enum { MAX_ARGUMENTS = 5 };

struct arguments {
    dnnl_exec_arg_t items[MAX_ARGUMENTS];
    int count;
    int status;
};

static void add_argument(struct arguments *arguments, int index, const dnnl_memory_desc_t *desc, const void *data)
{
    if (arguments->status != 0)
        return;
    dnnl_memory_t memory = NULL;
    union {
        const void *read;
        void *handle; /* oneDNN's argument type has no const; inputs are only read */
    } pointer = {data};
    arguments->status = check(guarded_memory_create(&memory, desc, engine, pointer.handle), "wrapping memory");
    if (arguments->status == 0)
        arguments->items[arguments->count++] = (dnnl_exec_arg_t){index, memory};
}

static int execute(dnnl_primitive_t primitive, struct arguments *arguments, bool first)
{
    dnnl_stream_t stream = NULL;
    int status = arguments->status;
    if (status == 0)
        status = check(guarded_stream_create(&stream, engine), "creating a stream");
    if (status == 0)
        status = check(guarded_primitive_execute(primitive, stream, arguments->count, arguments->items, first),
                       "running a matrix product");
    if (stream)
        dnnl_stream_destroy(stream);
    for (int i = 0; i < arguments->count; i++)
        dnnl_memory_destroy(arguments->items[i].memory);
    return status;
}

static int plan_run(struct plan *plan, struct compute *compute, const void *x, const void *weight, const float *bias,
                    void *out)
{
    const size_t mark = compute_mark(compute);
    struct arguments arguments = {.count = 0};
    add_argument(&arguments, DNNL_ARG_SRC, &plan->x, x);
    add_argument(&arguments, DNNL_ARG_WEIGHTS, &plan->weight, weight);
    add_argument(&arguments, DNNL_ARG_DST, &plan->out, out);
    if (bias)
        add_argument(&arguments, DNNL_ARG_BIAS, &plan->bias, bias);
    if (plan->scratch_bytes > 0) {
        const dnnl_dims_t dims = {(dnnl_dim_t)plan->scratch_bytes};
        dnnl_memory_desc_t desc;
        const struct tensor scratch = COMPUTE_TENSOR(compute, DTYPE_U8, (int64_t)plan->scratch_bytes);
        if (compute_status(compute) != 0) {
            arguments.status = compute_status(compute);
        } else if (arguments.status == 0) {
            arguments.status =
                check(dnnl_memory_desc_init_by_tag(&desc, 1, dims, dnnl_u8, dnnl_a), "describing scratch");
            add_argument(&arguments, DNNL_ARG_SCRATCHPAD, &desc, host_data(scratch));
        }
    }
    const int status = execute(plan->primitive, &arguments, !atomic_load(&plan->ran));
    if (status == 0)
        atomic_store(&plan->ran, true);
    compute_release(compute, mark);
    return status;
}

/* ---- products with prepacked weights ---- */

static bool same_key(const struct plan_key *a, const struct plan_key *b)
{
    return a->rows == b->rows && a->activation == b->activation && a->accumulate == b->accumulate &&
           a->type == b->type && a->out == b->out;
}

/* The plan for `key`, compiled where it is new. `*kept`: it stays with the product; else it is the
 * caller's to free, since so many shapes were asked for that one more is not worth keeping. */
static int find_plan(struct onednn_product *product, const struct plan_key *key, struct plan **out, bool *kept)
{
    enum { MOST_PLANS = 64 };
    int status = 0, count = 0;
    pthread_mutex_lock(&product->mutex);
    struct plan *plan = product->plans;
    for (; plan && !same_key(&plan->key, key); plan = plan->next)
        count++;
    *kept = plan || count < MOST_PLANS;
    if (!plan) {
        status = plan_compile(key, product->outputs, product->inputs, &product->weight_desc, product->bias, &plan);
        if (status == 0 && *kept) {
            plan->next = product->plans;
            product->plans = plan;
        }
    }
    pthread_mutex_unlock(&product->mutex);
    *out = plan;
    return status;
}

/* Asks oneDNN for its layout of the weights at `rows` rows, and copies them into it. */
static int pack_weights(struct onednn_product *product, const float *weight, int64_t rows)
{
    const dnnl_dims_t dims = {product->inputs, product->outputs};
    const struct plan_key key = {rows, ACTIVATION_NONE, false, product->type, product->type};
    dnnl_memory_desc_t any, plain;
    struct plan *plan = NULL;
    int status = check(dnnl_memory_desc_init_by_tag(&any, 2, dims, type_of(product->type), dnnl_format_tag_any),
                       "describing weights");
    if (status == 0)
        status = plan_compile(&key, product->outputs, product->inputs, &any, product->bias, &plan);
    if (status != 0)
        return status;
    product->weight_desc = plan->weight;
    plan_free(plan); /* compiled for the packing's threads, not for those of a pass */
    status = describe(&plain, DTYPE_F32, product->inputs, product->outputs, 1, product->inputs);
    if (status != 0)
        return status;
    const size_t bytes = (dnnl_memory_desc_get_size(&product->weight_desc) + 63) / 64 * 64;
    product->weight = aligned_alloc(64, bytes > 0 ? bytes : 64);
    if (!product->weight)
        return error_memory("packed weights");

    dnnl_primitive_desc_t described = NULL;
    dnnl_primitive_t reorder = NULL;
    struct arguments arguments = {.count = 0};
    status = check(guarded_reorder_desc_create(&described, &plain, &product->weight_desc, engine),
                   "planning the packing of weights");
    if (status == 0)
        status = check(guarded_primitive_create(&reorder, described), "compiling the packing of weights");
    if (status == 0) {
        add_argument(&arguments, DNNL_ARG_FROM, &plain, weight);
        add_argument(&arguments, DNNL_ARG_TO, &product->weight_desc, product->weight);
        status = execute(reorder, &arguments, true);
    }
    if (reorder)
        dnnl_primitive_destroy(reorder);
    dnnl_primitive_desc_destroy(described);
    return status;
}

int onednn_product_create(int threads, enum dtype type, int64_t outputs, int64_t inputs, const float *weight,
                          const float *bias, int64_t rows_hint, struct onednn_product **out)
{
    struct onednn_product *product = calloc(1, sizeof(*product));
    if (!product)
        return error_memory("matrix product");
    pthread_mutex_init(&product->mutex, NULL);
    product->threads = threads;
    product->type = type;
    product->outputs = outputs;
    product->inputs = inputs;
    int status = onednn_start_threads(threads);
    if (status == 0 && bias) {
        product->bias = malloc((size_t)outputs * sizeof(float));
        if (!product->bias)
            status = error_memory("bias");
        else
            memcpy(product->bias, bias, (size_t)outputs * sizeof(float));
    }
    if (status == 0) {
        const int before = use_threads(outputs * inputs < SMALL_COPY ? 1 : threads);
        status = pack_weights(product, weight, rows_hint > 0 ? rows_hint : 1);
        use_threads(before);
    }
    if (status != 0) {
        onednn_product_free(product);
        return status;
    }
    *out = product;
    return 0;
}

void onednn_product_free(struct onednn_product *product)
{
    if (!product)
        return;
    while (product->plans) {
        struct plan *next = product->plans->next;
        plan_free(product->plans);
        product->plans = next;
    }
    pthread_mutex_destroy(&product->mutex);
    free(product->weight);
    free(product->bias);
    free(product);
}

int onednn_product_run(struct onednn_product *product, struct compute *compute, int64_t rows, const void *x,
                       enum activation activation, bool accumulate, enum dtype out_type, void *out)
{
    const struct plan_key key = {rows, activation, accumulate, product->type, out_type};
    int status = onednn_start_threads(product->threads);
    if (status != 0)
        return status;
    const int before = use_threads(threads_for(rows * product->inputs * product->outputs, product->threads));
    struct plan *plan = NULL;
    bool kept = false;
    status = find_plan(product, &key, &plan, &kept);
    if (status == 0)
        status = plan_run(plan, compute, x, product->weight, product->bias, out);
    if (!kept)
        plan_free(plan);
    use_threads(before);
    return status;
}

/* ---- products without weights ---- */

int onednn_matmul_transposed(struct compute *compute, int64_t n, int64_t m, int64_t d, const float *a, const float *b,
                             float *out)
{
    const struct plan_key key = {n, ACTIVATION_NONE, false, DTYPE_F32, DTYPE_F32};
    dnnl_memory_desc_t weight;
    struct plan *plan = NULL;
    const int threads = device_threads(compute_device(compute));
    int status = onednn_start_threads(threads);
    if (status != 0)
        return status;
    const int before = use_threads(threads_for(n * m * d, threads));
    status = describe(&weight, DTYPE_F32, d, m, 1, d);
    if (status == 0)
        status = plan_compile(&key, m, d, &weight, false, &plan);
    if (status == 0)
        status = plan_run(plan, compute, a, b, NULL, out);
    plan_free(plan);
    use_threads(before);
    return status;
}
