/* bench_ops: the time of each op at shapes of the real models, by CPU level and number of threads.
 *
 *     bench_ops [LEVEL [THREADS [WORD]]]
 *
 * Without arguments: every level of this machine but the reference, with one thread and with all. WORD
 * picks the rows that contain it. Each row is a median; these machines are shared, so compare rows of
 * one run only. */
#include "ops/ops.h"
#include "base/error.h"
#include "ops/cpu/level.h"
#include "ops/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

enum kind {
    LINEAR,
    MATMUL,
    CONV,
    ATTENTION,
    ATTEND_ROWS,
    ATTEND_TOKENS,
    UPSCALE,
    LAYER_NORM,
    L2,
    ADD,
    MUL,
    ACTIVATION,
    EMBED,
    SHIFT_SCALE,
    RESIZE
};

/* One row. What the numbers mean depends on the kind. */
struct row {
    const char *name;
    enum kind kind;
    int64_t n[6];
    int option; /* LINEAR, ACTIVATION: the activation, + RESIDUAL; ATTENTION: causal */
};

enum { RESIDUAL = 64 };

static const struct row rows[] = {
    /* rows, inputs, outputs */
    {"linear owlv2 base qkv", LINEAR, {3601, 768, 2304}, ACTIVATION_NONE},
    {"linear owlv2 base projection", LINEAR, {3601, 768, 768}, ACTIVATION_NONE | RESIDUAL},
    {"linear owlv2 base mlp up", LINEAR, {3601, 768, 3072}, ACTIVATION_QUICK_GELU},
    {"linear owlv2 base mlp down", LINEAR, {3601, 3072, 768}, ACTIVATION_NONE | RESIDUAL},
    {"linear owlv2 base box head", LINEAR, {3600, 768, 768}, ACTIVATION_GELU},
    {"linear owlv2 base boxes", LINEAR, {3600, 768, 4}, ACTIVATION_NONE},
    {"linear owlv2 large mlp up", LINEAR, {5185, 1024, 4096}, ACTIVATION_QUICK_GELU},
    {"linear text 4 prompts qkv", LINEAR, {64, 512, 1536}, ACTIVATION_NONE},
    {"linear text 4 prompts mlp up", LINEAR, {64, 512, 2048}, ACTIVATION_QUICK_GELU},
    {"linear sam2 stage 1 qkv", LINEAR, {65536, 96, 288}, ACTIVATION_NONE},
    {"linear sam2 stage 3 mlp up", LINEAR, {4096, 384, 1536}, ACTIVATION_GELU},
    {"linear sam2 memory mlp up", LINEAR, {4096, 256, 2048}, ACTIVATION_RELU},
    {"linear vjepa2 large mlp up", LINEAR, {2048, 1024, 4096}, ACTIVATION_GELU},
    /* n, m, d */
    {"matmul_transposed 4 prompts", MATMUL, {3600, 4, 512}, 0},
    {"matmul_transposed 80 prompts", MATMUL, {3600, 80, 512}, 0},
    /* height = width, inputs, outputs, kernel, stride, padding */
    {"conv2d owlv2 base patches", CONV, {960, 3, 768, 16, 16, 0}, 0},
    {"conv2d sam2 patches", CONV, {1024, 3, 96, 7, 4, 3}, 0},
    {"conv2d sam2 neck 3 x 3", CONV, {64, 64, 256, 3, 1, 1}, 0},
    /* batch, queries, keys, heads, d, dv */
    {"attention owlv2 base", ATTENTION, {1, 3601, 3601, 12, 64, 64}, 0},
    {"attention owlv2 large", ATTENTION, {1, 5185, 5185, 16, 64, 64}, 0},
    {"attention text 4 prompts", ATTENTION, {4, 16, 16, 8, 64, 64}, 1},
    {"attention sam2 windows of 16", ATTENTION, {1024, 16, 16, 2, 96, 96}, 0},
    {"attention sam2 windows of 64", ATTENTION, {1024, 64, 64, 1, 96, 96}, 0},
    {"attention sam2 windows of 196", ATTENTION, {25, 196, 196, 4, 96, 96}, 0},
    {"attention sam2 global", ATTENTION, {1, 4096, 4096, 4, 96, 96}, 0},
    {"attention sam2 memory", ATTENTION, {1, 4096, 28736, 1, 256, 64}, 0},
    {"attention sam2 memory, to itself", ATTENTION, {1, 4096, 4096, 1, 256, 256}, 0},
    {"attention vjepa2 large", ATTENTION, {1, 2048, 2048, 16, 64, 64}, 0},
    /* batch, rows, tokens, heads, channels */
    {"attend_rows sam2 8 boxes", ATTEND_ROWS, {8, 4096, 9, 8, 256}, 0},
    {"attend_tokens sam2 8 boxes", ATTEND_TOKENS, {8, 4096, 9, 8, 256}, 0},
    /* batch, side, channels, of the first step, of the second, masks */
    {"upscale_masks sam2 8 boxes", UPSCALE, {8, 64, 256, 64, 32, 4}, 0},
    /* rows, columns */
    {"layer_norm owlv2 base", LAYER_NORM, {3601, 768}, 0},
    {"layer_norm sam2 stage 1", LAYER_NORM, {65536, 96}, 0},
    {"l2_normalize owlv2 base", L2, {3600, 512}, 0},
    {"add owlv2 base", ADD, {3601, 768}, 0},
    {"mul owlv2 base, one row", MUL, {3601, 768}, 0},
    {"activation gelu", ACTIVATION, {3601, 768}, ACTIVATION_GELU},
    {"activation sigmoid", ACTIVATION, {3600, 4}, ACTIVATION_SIGMOID},
    {"embed 4 prompts", EMBED, {4, 16, 512}, 0},
    {"shift_scale 80 prompts", SHIFT_SCALE, {3600, 80}, 0},
    /* height, width, target */
    {"resize 4000 x 3000 to 960", RESIZE, {3000, 4000, 960}, 0},
    {"resize 640 x 480 to 960", RESIZE, {480, 640, 960}, 0},
};

struct bench {
    struct compute *compute;
    struct parameters *parameters;
    const struct linear *linear;
    const struct conv2d *conv;
    struct resize vertical, horizontal;
    struct tensor image;
    uint8_t *pixels; /* what it shows */
    struct tensor x, y, z, out;
    struct token_attention tokens;
    struct mask_upscaling upscaling;
};

static void stop(int status)
{
    if (status != 0) {
        fprintf(stderr, "bench_ops: %s\n", error_message());
        exit(1);
    }
}

static uint32_t random_state = 1;

static float random_float(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (float)(random_state >> 8) * 0x1p-23F - 1.0F;
}

static struct tensor random_tensor(struct bench *bench, int rank, const int64_t *dim)
{
    struct tensor tensor = compute_tensor(bench->compute, DTYPE_F32, rank, dim);
    stop(compute_status(bench->compute));
    for (int64_t i = 0; i < tensor_count(&tensor); i++)
        ((float *)host_data(tensor))[i] = random_float();
    return tensor;
}
#define TENSOR(...) random_tensor(bench, (int)(sizeof((int64_t[]){__VA_ARGS__}) / 8), (int64_t[]){__VA_ARGS__})

static struct host_tensor host_view(const struct tensor *tensor)
{
    struct host_tensor host = {.dtype = DTYPE_F32, .rank = tensor->rank, .data = host_data(*tensor)};
    memcpy(host.dim, tensor->dim, sizeof(host.dim));
    host.bytes = (size_t)tensor_count(tensor) * sizeof(float);
    return host;
}

static void prepare_weights(struct bench *bench, const struct row *row)
{
    const int64_t *n = row->n;
    if (row->kind == LINEAR) {
        struct tensor weight = TENSOR(n[2], n[1]), bias = TENSOR(n[2]);
        struct host_tensor weight_view = host_view(&weight), bias_view = host_view(&bias);
        const struct host_tensor *weights = &weight_view, *biases = &bias_view;
        stop(parameters_linear(bench->parameters, 1, &weights, &biases, n[0], &bench->linear));
        bench->x = TENSOR(n[0], n[1]);
        bench->out = TENSOR(n[0], n[2]);
        bench->y = TENSOR(n[0], n[2]);
        return;
    }
    struct tensor weight = TENSOR(n[2], n[1], n[3], n[3]), bias = TENSOR(n[2]);
    struct host_tensor weight_view = host_view(&weight), bias_view = host_view(&bias);
    stop(parameters_conv2d(bench->parameters, &weight_view, &bias_view, (int)n[4], (int)n[5], &bench->conv));
    int64_t side = (n[0] + 2 * n[5] - n[3]) / n[4] + 1;
    bench->x = TENSOR(1, n[0], n[0], n[1]);
    bench->out = TENSOR(1, side, side, n[2]);
}

static void prepare_image(struct bench *bench, const int64_t *n)
{
    int side = (int)(n[0] > n[1] ? n[0] : n[1]);
    bench->vertical = op_filter_blur_bilinear(bench->compute, (int)n[0], side, (int)n[2]);
    bench->horizontal = op_filter_blur_bilinear(bench->compute, (int)n[1], side, (int)n[2]);
    stop(compute_status(bench->compute));
    bench->pixels = malloc((size_t)(n[0] * n[1] * 3));
    stop(bench->pixels ? 0 : error_memory("an image"));
    for (int64_t i = 0; i < n[0] * n[1] * 3; i++)
        bench->pixels[i] = (uint8_t)(i * 37 % 251);
    bench->image = op_upload_rows(bench->compute, bench->pixels, (size_t)n[1] * 3, n[0], n[1] * 3);
    bench->out = TENSOR(n[2], n[2], 3);
}

static void prepare_tokens(struct bench *bench, const struct row *row)
{
    const int64_t *n = row->n;
    bench->x = TENSOR(n[0], n[1], n[4]);
    bench->z = TENSOR(n[1], n[4]);
    if (row->kind == ATTEND_ROWS) {
        bench->y = TENSOR(n[0], n[2] * n[3], n[4]);
        bench->out = TENSOR(n[0], n[2] * n[3], n[4]);
        return;
    }
    bench->tokens = (struct token_attention){.x = bench->x,
                                             .positions = bench->z,
                                             .k = TENSOR(n[0], n[2], n[3], n[4]),
                                             .v = TENSOR(n[0], n[2], n[3], n[4]),
                                             .bias = TENSOR(n[0], n[2], n[3]),
                                             .gamma = TENSOR(n[4]),
                                             .beta = TENSOR(n[4]),
                                             .scale = 0.25F,
                                             .eps = 1e-5F};
    bench->out = TENSOR(n[0], n[1], n[4]);
}

static void prepare_upscaling(struct bench *bench, const int64_t *n)
{
    const int64_t pixels = n[1] * n[1];
    bench->upscaling = (struct mask_upscaling){.x = TENSOR(n[0], pixels, n[2]),
                                               .weight1 = TENSOR(n[2], 4 * n[3]),
                                               .bias1 = TENSOR(4 * n[3]),
                                               .features1 = TENSOR(pixels, 4 * n[3]),
                                               .gamma = TENSOR(n[3]),
                                               .beta = TENSOR(n[3]),
                                               .weight2 = TENSOR(n[3], 4 * n[4]),
                                               .bias2 = TENSOR(4 * n[4]),
                                               .features2 = TENSOR(4 * pixels, 4 * n[4]),
                                               .hyper = TENSOR(n[0], n[5], n[4]),
                                               .eps = 1e-6F};
    bench->out = TENSOR(n[0], n[5], 4 * n[1], 4 * n[1]);
}

static void prepare(struct bench *bench, const struct row *row)
{
    const int64_t *n = row->n;
    switch (row->kind) {
    case LINEAR:
    case CONV:
        prepare_weights(bench, row);
        break;
    case MATMUL:
        bench->x = TENSOR(n[0], n[2]);
        bench->y = TENSOR(n[1], n[2]);
        bench->out = TENSOR(n[0], n[1]);
        break;
    case ATTENTION:
        bench->x = TENSOR(n[0], n[1], n[3], n[4]);
        bench->y = TENSOR(n[0], n[2], n[3], n[4]);
        bench->z = TENSOR(n[0], n[2], n[3], n[5]);
        bench->out = TENSOR(n[0], n[1], n[3], n[5]);
        break;
    case ATTEND_ROWS:
    case ATTEND_TOKENS:
        prepare_tokens(bench, row);
        break;
    case UPSCALE:
        prepare_upscaling(bench, n);
        break;
    case EMBED:
        bench->x = COMPUTE_TENSOR(bench->compute, DTYPE_I32, n[0], n[1]);
        stop(compute_status(bench->compute));
        memset(host_data(bench->x), 0, (size_t)(n[0] * n[1]) * 4);
        bench->y = TENSOR(49408, n[2]);
        bench->z = TENSOR(n[1], n[2]);
        bench->out = TENSOR(n[0], n[1], n[2]);
        break;
    case RESIZE:
        prepare_image(bench, n);
        break;
    default:
        bench->x = TENSOR(n[0], n[1]);
        bench->y = row->kind == ADD           ? TENSOR(n[0], n[1])
                   : row->kind == MUL         ? TENSOR(1, n[1])
                   : row->kind == SHIFT_SCALE ? TENSOR(n[0], 1)
                                              : TENSOR(n[1]);
        bench->out = TENSOR(n[0], n[1]);
    }
}

static void run(struct bench *bench, const struct row *row)
{
    static const struct pixel_scale scale = {1.0F / 255.0F, {1.0F, 1.0F, 1.0F}, {1.0F, 1.0F, 1.0F}};
    struct compute *compute = bench->compute;
    switch (row->kind) {
    case LINEAR:
        op_linear(compute, bench->linear, bench->x, (enum activation)(row->option % RESIDUAL),
                  row->option >= RESIDUAL ? &bench->y : NULL, bench->out);
        break;
    case MATMUL:
        op_matmul_transposed(compute, bench->x, bench->y, bench->out);
        break;
    case CONV:
        op_conv2d(compute, bench->conv, bench->x, NULL, bench->out);
        break;
    case ATTENTION:
        op_attention(compute, bench->x, bench->y, bench->z, 0.125F, row->option != 0, bench->out);
        break;
    case ATTEND_ROWS:
        op_attend_rows(compute, bench->y, bench->x, bench->z, 0.25F, bench->out);
        break;
    case ATTEND_TOKENS:
        op_attend_tokens(compute, &bench->tokens, bench->out);
        break;
    case UPSCALE:
        op_upscale_masks(compute, &bench->upscaling, bench->out);
        break;
    case LAYER_NORM:
        op_layer_norm(compute, bench->x, bench->y, bench->y, 1e-5F, bench->out);
        break;
    case L2:
        op_l2_normalize(compute, bench->x, 1e-6F, bench->out);
        break;
    case ADD:
        op_add(compute, bench->x, bench->y, bench->out);
        break;
    case MUL:
        op_mul(compute, bench->x, bench->y, bench->out);
        break;
    case ACTIVATION:
        op_activation(compute, bench->x, (enum activation)row->option, bench->out);
        break;
    case EMBED:
        op_embed(compute, bench->x, bench->y, bench->z, bench->out);
        break;
    case SHIFT_SCALE:
        op_shift_scale(compute, bench->x, bench->y, bench->y, bench->out);
        break;
    case RESIZE:
        op_resize_image(compute, bench->image, &bench->vertical, &bench->horizontal, &scale, bench->out);
        break;
    }
    stop(compute_finish(compute));
}

/* Floating-point operations of a row of products, else 0. */
static double row_operations(const struct bench *bench, const struct row *row)
{
    const int64_t *n = row->n;
    switch (row->kind) {
    case LINEAR:
    case MATMUL:
        return 2.0 * (double)n[0] * (double)n[1] * (double)n[2];
    case CONV:
        return 2.0 * (double)tensor_count(&bench->out) * (double)(n[1] * n[3] * n[3]);
    case ATTENTION:
        return 2.0 * (double)(n[0] * n[1] * n[3]) * (double)n[2] * (double)(n[4] + n[5]);
    case ATTEND_ROWS:
    case ATTEND_TOKENS:
        return 4.0 * (double)(n[0] * n[1]) * (double)(n[2] * n[3] * n[4]);
    case UPSCALE:
        return 8.0 * (double)(n[0] * n[1] * n[1]) * (double)(n[2] * n[3] + 4 * n[3] * n[4] + 4 * n[4] * n[5]);
    default:
        return 0.0;
    }
}

/* Bytes that a row must at least read and write. */
static double row_bytes(const struct bench *bench, const struct row *row)
{
    if (row->kind == RESIZE)
        return 3.0 * (double)(row->n[0] * row->n[1]) + 4.0 * (double)tensor_count(&bench->out);
    return (row->kind == ADD ? 12.0 : 8.0) * (double)tensor_count(&bench->out);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of at least 5 runs and, where they are short, of as many as fit into half a second. */
static double measure(struct bench *bench, const struct row *row)
{
    enum { MOST = 201, LEAST = 5 };
    static double times[MOST];
    run(bench, row);
    int count = 0;
    double start = seconds();
    while (count < LEAST || (count < MOST && seconds() - start < 0.5)) {
        double before = seconds();
        run(bench, row);
        times[count++] = seconds() - before;
    }
    qsort(times, (size_t)count, sizeof(times[0]), compare_doubles);
    return times[count / 2];
}

static void bench_row(struct device *device, const struct row *row)
{
    struct bench state = {0}, *bench = &state;
    stop(compute_create(device, &bench->compute));
    stop(parameters_create(device, &bench->parameters));
    compute_begin(bench->compute);
    prepare(bench, row);
    double time = measure(bench, row), operations = row_operations(bench, row);
    printf("%-16s %3d  %-32s %10.3f ms", device_name(device), device_threads(device), row->name, time * 1e3);
    if (operations > 0.0)
        printf("  %8.1f GFLOP/s\n", operations / time * 1e-9);
    else
        printf("  %8.1f GB/s\n", row_bytes(bench, row) / time * 1e-9);
    fflush(stdout);
    free(bench->pixels);
    parameters_free(&bench->parameters);
    compute_free(&bench->compute);
}

static void bench_all(enum cpu_level level, int threads, const char *word)
{
    struct device *device;
    stop(device_open(&(struct device_options){.cpu_level = cpu_level_name(level), .threads = threads}, &device));
    for (int i = 0; i < COUNT(rows); i++)
        if (!word || strstr(rows[i].name, word))
            bench_row(device, &rows[i]);
    device_close(&device);
}

/* A process has one level, so each combination gets one of its own. */
static int bench_combinations(void)
{
    int failed = 0;
    for (int level = CPU_REFERENCE + 1; level <= (int)cpu_level_best(); level++) {
        for (int threads = 1; threads >= 0; threads--) {
            pid_t child = fork();
            if (child == 0) {
                bench_all((enum cpu_level)level, threads, NULL);
                exit(0);
            }
            int status = 1;
            failed += child < 0 || waitpid(child, &status, 0) < 0 || status != 0;
        }
    }
    return failed == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    printf("%-16s %3s  %-32s %10s\n", "level", "thr", "op", "median");
    fflush(stdout);
    if (argc < 2)
        return bench_combinations();
    enum cpu_level level = cpu_level_best();
    if (strcmp(argv[1], "auto") != 0 && !cpu_level_parse(argv[1], &level)) {
        fprintf(stderr, "bench_ops: %s: there is no such level\n", argv[1]);
        return 2;
    }
    bench_all(level, argc > 2 ? atoi(argv[2]) : 0, argc > 3 ? argv[3] : NULL);
    return 0;
}
