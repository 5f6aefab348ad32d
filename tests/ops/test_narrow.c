/* A device that computes in bfloat16, beside the reference set in bfloat16: every op that takes narrow tensors, in all
 * types of what it reads and writes, and those that round their factors. What both sides may differ by is said with
 * each: a result that is narrow may fall on the other side of a rounding, which is up to two units of 2^-8. */
#include "ops/cpu/cpu.h"
#include "ops/cpu/kernels.h"
#include "ops/layers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UNIT 0x1p-8

static const enum dtype types[] = {DTYPE_F32, DTYPE_BF16};

/* Random values, the same for both sides. */
struct values {
    int rank;
    int64_t dim[TENSOR_MAX_RANK], count;
    float *host;
};

static struct values values_random(float low, float high, int rank, const int64_t *dim)
{
    struct values values = {.rank = rank, .count = 1};
    for (int i = 0; i < rank; i++)
        values.count *= values.dim[i] = dim[i];
    values.host = malloc((size_t)values.count * sizeof(float));
    assert_non_null(values.host);
    for (int64_t i = 0; i < values.count; i++)
        values.host[i] = random_float(low, high);
    return values;
}

static struct tensor put(int side, const struct values *values, enum dtype dtype)
{
    struct compute *const compute = sides.compute[side];
    const struct tensor from = op_upload(compute, DTYPE_F32, values->rank, values->dim, values->host);
    if (dtype == DTYPE_F32)
        return from;
    const struct tensor out = compute_tensor(compute, dtype, values->rank, values->dim);
    op_copy(compute, from, out);
    return out;
}

/* Each element is within `absolute` of the reference's, and where the result is narrow one rounding more. */
static void compare(const char *what, const struct tensor out[SIDES], double absolute)
{
    float *found[SIDES];
    const int64_t count = tensor_count(&out[0]);
    for (int i = 0; i < SIDES; i++) {
        struct compute *const compute = sides.compute[i];
        struct tensor wide = out[i];
        if (wide.dtype == DTYPE_BF16) {
            wide = compute_tensor(compute, DTYPE_F32, out[i].rank, out[i].dim);
            op_copy(compute, out[i], wide);
        }
        found[i] = malloc((size_t)count * sizeof(float));
        assert_non_null(found[i]);
        op_download(compute, wide, found[i]);
    }
    sides_finish();
    const double unit = out[0].dtype == DTYPE_BF16 ? 2 * UNIT : 1e-5;
    for (int64_t i = 0; i < count; i++) {
        const double a = (double)found[UNDER_TEST][i], b = (double)found[REFERENCE][i];
        if (!(fabs(a - b) <= absolute + unit * fabs(b)))
            fail_msg("%s, out %s: element %lld of %lld is %.9g, not %.9g", what, dtype_name(out[0].dtype), (long long)i,
                     (long long)count, a, b);
    }
    for (int i = 0; i < SIDES; i++)
        free(found[i]);
}

static void results(struct tensor out[SIDES], enum dtype dtype, int rank, const int64_t *dim)
{
    for (int i = 0; i < SIDES; i++)
        out[i] = compute_tensor(sides.compute[i], dtype, rank, dim);
}

/* In the program that is compiled for it: the device does what one with AMX does, its products oneDNN's, its attention
 * the kernel with AMX on an emulation of the tiles. */
static void emulate(void)
{
#if defined(SOWLV2_AMX_EMULATED)
    static struct ops_set set;
    set = *sides.device[UNDER_TEST]->set;
    set.attention = kernel_attention_amx_emulated;
    sides.device[UNDER_TEST]->set = &set;
    *(enum cpu_level *)sides.device[UNDER_TEST]->state = CPU_AMX;
#endif
}

/* Of the softmax: on a CPU that computes in f32 of rounded values, not elsewhere. */
static bool weights_are_f32(void)
{
#if defined(SOWLV2_AMX_EMULATED)
    return false;
#else
    enum cpu_level level;
    return !device_under_test() && level_under_test(&level) && level == CPU_AVX512_BF16 && !cpu_uses_dots();
#endif
}

static void check_linear(int64_t rows, int64_t inputs, int64_t outputs, enum activation activation, int which)
{
    const bool residual = which >= 4;
    const enum dtype in = types[which % 2], to = residual ? DTYPE_F32 : types[which / 2];
    struct weight weight = weight_random(-0.5F, 0.5F, 0, DIMS(outputs, inputs));
    struct weight bias = weight_random(-1.0F, 1.0F, 0, DIMS(outputs));
    struct values x = values_random(-2.0F, 2.0F, DIMS(rows, inputs)),
                  added = values_random(-2.0F, 2.0F, DIMS(rows, outputs));
    struct layers layers;
    struct tensor out[SIDES];
    layers_linear(&weight.tensor, which % 3 == 0 ? NULL : &bias.tensor, rows, &layers);
    sides_begin();
    results(out, to, DIMS(rows, outputs));
    for (int i = 0; i < SIDES; i++) {
        const struct tensor more = put(i, &added, DTYPE_F32);
        op_linear(sides.compute[i], layers.linear[i], put(i, &x, in), activation, residual ? &more : NULL, out[i]);
    }
    compare("linear", out, 1e-4);
    layers_free(&layers);
    weight_free(&weight);
    weight_free(&bias);
    free(x.host);
    free(added.host);
}

static void test_linear(void **state)
{
    (void)state;
    emulate();
    static const int64_t sizes[] = {1, 7, 8, 16, 33, 64, 65, 100, 130};
    for (int i = 0; i < 48; i++) {
        check_linear(RANDOM_OF(sizes), RANDOM_OF(sizes), RANDOM_OF(sizes),
                     (enum activation)(i % (ACTIVATION_SIGMOID + 1)), i % 6);
    }
    /* Enough rows and outputs for large tiles, in whole and in part. */
    static const int64_t large[][3] = {{128, 64, 128}, {300, 96, 130}, {65, 8, 65}, {129, 200, 264}, {200, 40, 300}};
    for (int i = 0; i < COUNT(large) * 2; i++)
        check_linear(large[i / 2][0], large[i / 2][1], large[i / 2][2], ACTIVATION_GELU, i % 2 == 0 ? 3 : 5);
}

static void test_conv2d(void **state)
{
    (void)state;
    emulate();
    static const int64_t channels[] = {1, 3, 8, 16, 24};
    for (int i = 0; i < 24; i++) {
        const int64_t size = random_range(5, 14), kernel = random_range(1, 4), inputs = RANDOM_OF(channels);
        const int64_t outputs = i % 6 == 5 ? 72 : RANDOM_OF(channels); /* large tiles, where inputs allow */
        const int stride = (int)random_range(1, 3), padding = (int)random_range(0, 2);
        const int64_t to = (size + 2 * padding - kernel) / stride + 1;
        struct weight weight = weight_random(-0.5F, 0.5F, 0, DIMS(outputs, inputs, kernel, kernel));
        struct values x = values_random(-2.0F, 2.0F, DIMS(2, size, size, inputs));
        struct values added = values_random(-2.0F, 2.0F, DIMS(2, to, to, outputs));
        struct layers layers;
        struct tensor out[SIDES];
        layers_conv2d(&weight.tensor, NULL, stride, padding, &layers);
        sides_begin();
        results(out, i % 3 == 0 ? DTYPE_F32 : types[i / 2 % 2], DIMS(2, to, to, outputs));
        for (int side = 0; side < SIDES; side++) {
            const struct tensor more = put(side, &added, DTYPE_F32);
            op_conv2d(sides.compute[side], layers.conv[side], put(side, &x, types[i % 2]), i % 3 == 0 ? &more : NULL,
                      out[side]);
        }
        compare("conv2d", out, 1e-4);
        layers_free(&layers);
        weight_free(&weight);
        free(x.host);
        free(added.host);
    }
}

static void test_matmul(void **state)
{
    (void)state;
    emulate();
    for (int i = 0; i < 12; i++) {
        const int64_t rows = random_range(1, 80), columns = random_range(1, 80), d = random_range(1, 70);
        struct values a = values_random(-2.0F, 2.0F, DIMS(rows, d)), b = values_random(-2.0F, 2.0F, DIMS(columns, d));
        struct tensor out[SIDES];
        sides_begin();
        results(out, DTYPE_F32, DIMS(rows, columns));
        for (int side = 0; side < SIDES; side++) {
            op_matmul_transposed(sides.compute[side], put(side, &a, types[i % 2]), put(side, &b, types[i / 2 % 2]),
                                 out[side]);
        }
        compare("matmul_transposed", out, 1e-4);
        free(a.host);
        free(b.host);
    }
}

struct attention {
    int64_t batch, queries, keys, heads, d, dv;
    bool causal;
};

/* q, k and v lie beside each other, as one layer gives them, with `gap` values between. Weights of the softmax may be
 * rounded as well, by half a unit each: of values up to 1 that is half a unit of their mean. */
static void check_attention(const struct attention *s, float scale, int64_t gap, enum dtype in, enum dtype to)
{
    const int64_t width = s->heads * (s->d + gap), width_v = s->heads * (s->dv + gap);
    struct values q = values_random(-1.5F, 1.5F, DIMS(s->batch, s->queries, s->heads, s->d + gap));
    struct values k = values_random(-1.5F, 1.5F, DIMS(s->batch, s->keys, 1, width + width_v));
    struct tensor out[SIDES];
    sides_begin();
    results(out, to, DIMS(s->batch, s->queries, s->heads, s->dv));
    for (int side = 0; side < SIDES; side++) {
        const struct tensor both = put(side, &k, in);
        const struct tensor keys = tensor_slice(both, 3, 0, width), values = tensor_slice(both, 3, width, width_v);
        op_attention(sides.compute[side], tensor_slice(put(side, &q, in), 3, 0, s->d),
                     tensor_slice(TENSOR_RESHAPE(keys, s->batch, s->keys, s->heads, s->d + gap), 3, 0, s->d),
                     tensor_slice(TENSOR_RESHAPE(values, s->batch, s->keys, s->heads, s->dv + gap), 3, 0, s->dv), scale,
                     s->causal, out[side]);
    }
    compare("attention", out, weights_are_f32() ? 2e-5 : 1.5 * UNIT);
    free(q.host);
    free(k.host);
}

static void test_attention(void **state)
{
    (void)state;
    emulate();
    static const struct attention shapes[] = {
        {1, 70, 70, 2, 64, 64, false},
        {2, 64, 64, 1, 64, 64, false},
        {1, 16, 16, 3, 64, 64, true},
        {1, 130, 130, 1, 64, 64, true},
        {3, 9, 25, 2, 32, 32, false},
        {1, 5, 200, 1, 80, 80, false},
        {1, 33, 33, 1, 128, 100, false},
        {1, 40, 150, 1, 256, 64, false},
        {1, 65, 97, 1, 256, 256, false},
        {1, 7, 9, 2, 5, 3, false},
        {1, 20, 40, 1, 300, 20, false},
        {1, 20, 40, 1, 20, 300, true},
        {1, 1, 1, 1, 16, 16, true},
        /* Large blocks of queries, in whole and in part, and small ones. */
        {2, 200, 150, 1, 64, 64, false},
        {1, 250, 250, 2, 64, 64, true},
        {2, 200, 70, 1, 96, 96, false},
        {2, 230, 90, 1, 128, 72, false},
        {2, 256, 100, 1, 250, 64, false},
        {3, 16, 16, 2, 96, 96, false},
        {2, 64, 64, 2, 96, 91, false},
        {1, 70, 70, 6, 64, 64, false},
        /* So many keys that several blocks share those of a tile of queries. */
        {1, 20, 1100, 1, 64, 63, false},
        {1, 250, 700, 3, 64, 64, false},
        {1, 70, 900, 1, 128, 128, false},
        {1, 40, 800, 1, 256, 64, false},
        {1, 30, 800, 1, 256, 256, false},
        {1, 9, 530, 1, 80, 80, false},
        /* As the kernels for Hopper take them. */
        {1, 400, 600, 1, 64, 64, false},
        {2, 200, 300, 1, 232, 48, false},
        {1, 130, 400, 1, 256, 256, false},
        /* More queries than a block has. */
        {1, 300, 300, 1, 64, 64, true},
        {1, 530, 530, 1, 48, 33, true},
        {1, 290, 515, 1, 64, 64, false},
    };
    for (int i = 0; i < COUNT(shapes); i++) {
        struct attention shape = shapes[i];
        if (shape.causal)
            shape.keys = shape.queries;
        for (int j = 0; j < 4; j++)
            check_attention(&shape, 1.0F / sqrtf((float)shape.d),
                            j == 0   ? 0
                            : j == 1 ? 8
                                     : 3,
                            types[j < 3], types[j % 2]);
    }
}

static void test_attention_scales(void **state)
{
    (void)state;
    emulate();
    static const float scales[] = {0.0F, -0.3F, 1e-30F, 3.0F};
    const struct attention all = {1, 40, 50, 2, 64, 64, false}, causal = {1, 70, 70, 1, 64, 64, true};
    for (int i = 0; i < COUNT(scales); i++) {
        check_attention(&all, scales[i], 0, DTYPE_BF16, DTYPE_F32);
        check_attention(&causal, scales[i], 0, DTYPE_BF16, DTYPE_F32);
    }
}

/* Scores that grow along the keys, by much and by little, so that the running maximum of an online softmax changes at
 * every step or seldom; and a NaN, which spoils what depends on it and nothing else: a query its row, a key all rows
 * (where causal, those from it on), a value its column. */
static void test_attention_online(void **state)
{
    (void)state;
    emulate();
    enum { TOKENS = 600, WIDTH = 64, AT = 37, NANS = 4 };
    static const float steps[] = {0.5F, 0.02F, -0.5F};
    for (int i = 0; i < COUNT(steps) + NANS; i++) {
        const int spoilt = i - COUNT(steps); /* below 0: none */
        const int64_t tokens = spoilt < 0 ? TOKENS : TOKENS / 6;
        struct values in[3];
        for (int j = 0; j < 3; j++)
            in[j] = values_random(-1.0F, 1.0F, DIMS(1, tokens, 1, WIDTH));
        for (int64_t t = 0; t < tokens && spoilt < 0; t++) {
            in[0].host[t * WIDTH] = 1.0F;
            in[1].host[t * WIDTH] = steps[i] * (float)(t - tokens / 2);
        }
        if (spoilt >= 0)
            in[spoilt < 3 ? spoilt : 1].host[AT * WIDTH + 3] = NAN;
        struct tensor out[SIDES];
        float *found[SIDES];
        sides_begin();
        results(out, DTYPE_F32, DIMS(1, tokens, 1, WIDTH));
        for (int side = 0; side < SIDES; side++) {
            op_attention(sides.compute[side], put(side, &in[0], DTYPE_BF16), put(side, &in[1], DTYPE_BF16),
                         put(side, &in[2], DTYPE_BF16), 0.5F, spoilt == 3, out[side]);
            found[side] = malloc((size_t)in[0].count * sizeof(float));
            assert_non_null(found[side]);
            op_download(sides.compute[side], out[side], found[side]);
        }
        sides_finish();
        for (int64_t j = 0; j < in[0].count; j++) {
            const float expected = found[REFERENCE][j], got = found[UNDER_TEST][j];
            if (isnan(expected) ? !isnan(got) : !(fabsf(got - expected) <= 1.5F * (float)UNIT))
                fail_msg("case %d: value %lld is %.9g, not %.9g", i, (long long)j, (double)got, (double)expected);
        }
        for (int j = 0; j < SIDES; j++)
            free(found[j]);
        for (int j = 0; j < 3; j++)
            free(in[j].host);
    }
}

/* `shared`: all batch entries have the same rows. */
static void check_few_tokens(int64_t queries, int64_t count, int64_t heads, int64_t rows, int64_t width, bool shared)
{
    struct values q = values_random(-1.0F, 1.0F, DIMS(2, queries, width)),
                  x = values_random(-1.0F, 1.0F, DIMS(shared ? 1 : 2, rows, width));
    struct values places = values_random(-0.5F, 0.5F, DIMS(rows, width)),
                  norm = values_random(-1.0F, 1.0F, DIMS(width));
    struct values k = values_random(-1.0F, 1.0F, DIMS(2, count, heads, width)),
                  v = values_random(-1.0F, 1.0F, DIMS(2, count, heads, width));
    struct values bias = values_random(-2.0F, 2.0F, DIMS(2, count, heads));
    struct tensor out[SIDES];
    sides_begin();
    results(out, DTYPE_F32, DIMS(2, queries, width));
    for (int side = 0; side < SIDES; side++) {
        op_attend_rows(sides.compute[side], put(side, &q, DTYPE_F32), put(side, &x, DTYPE_F32),
                       put(side, &places, DTYPE_F32), 0.35F, out[side]);
    }
    compare("attend_rows", out, 1e-4);
    sides_begin();
    results(out, DTYPE_F32, DIMS(2, rows, width));
    for (int side = 0; side < SIDES; side++) {
        const struct token_attention attention = {
            .x = put(side, &x, DTYPE_F32),
            .positions = put(side, &places, DTYPE_F32),
            .k = put(side, &k, DTYPE_F32),
            .v = put(side, &v, DTYPE_F32),
            .bias = put(side, &bias, DTYPE_F32),
            .gamma = put(side, &norm, DTYPE_F32),
            .beta = put(side, &norm, DTYPE_F32),
            .scale = 0.35F,
            .eps = 1e-5F,
        };
        op_attend_tokens(sides.compute[side], &attention, out[side]);
    }
    compare("attend_tokens", out, 1e-3);
    struct values *const all[] = {&q, &x, &places, &norm, &k, &v, &bias};
    for (int j = 0; j < COUNT(all); j++)
        free(all[j]->host);
}

static void test_few_tokens(void **state)
{
    (void)state;
    static const int64_t counts[] = {1, 8, 9, 24}, widths[] = {8, 32, 48, 5};
    for (int i = 0; i < 16; i++) {
        const int64_t count = RANDOM_OF(counts);
        check_few_tokens(count, count, 1 + i % 4, random_range(1, 600), RANDOM_OF(widths), false);
    }
    /* The models' width and heads: a warp's queries in part, more than one block's, tokens up to the most and over. */
    static const struct {
        int64_t queries, count, rows;
    } models[] = {{1, 1, 1}, {16, 2, 33}, {72, 9, 130}, {80, 10, 64}, {88, 11, 100}, {170, 16, 48}, {3, 17, 40}};
    for (int i = 0; i < COUNT(models); i++)
        check_few_tokens(models[i].queries, models[i].count, 8, models[i].rows, 256, i % 2 == 1);
    check_few_tokens(5, 3, 4, 50, 256, false); /* other heads */
}

/* Values between the products are rounded too, and may be so to the other side: a unit of one of them. */
static void check_upscale(int64_t masks, int64_t side_length, int64_t c, int64_t c1, int64_t c2)
{
    enum { BATCH = 2 };
    const int64_t pixels = side_length * side_length;
    const float size1 = c > 70 ? 0.1F : 0.3F; /* rows of the models are longer */
    struct values x = values_random(-1.0F, 1.0F, DIMS(BATCH, pixels, c));
    struct values weight1 = values_random(-size1, size1, DIMS(c, 4 * c1)),
                  bias1 = values_random(-1.0F, 1.0F, DIMS(4 * c1));
    struct values features1 = values_random(-1.0F, 1.0F, DIMS(pixels, 4 * c1)),
                  norm = values_random(-1.0F, 1.0F, DIMS(c1));
    struct values weight2 = values_random(-size1, size1, DIMS(c1, 4 * c2)),
                  bias2 = values_random(-1.0F, 1.0F, DIMS(4 * c2));
    struct values features2 = values_random(-1.0F, 1.0F, DIMS(4 * pixels, 4 * c2));
    struct values hyper = values_random(-1.0F, 1.0F, DIMS(BATCH, masks, c2));
    struct tensor out[SIDES];
    sides_begin();
    results(out, DTYPE_F32, DIMS(BATCH, masks, 4 * side_length, 4 * side_length));
    for (int side = 0; side < SIDES; side++) {
        const struct mask_upscaling upscaling = {
            .x = put(side, &x, DTYPE_F32),
            .weight1 = put(side, &weight1, DTYPE_F32),
            .bias1 = put(side, &bias1, DTYPE_F32),
            .features1 = put(side, &features1, DTYPE_F32),
            .gamma = put(side, &norm, DTYPE_F32),
            .beta = put(side, &norm, DTYPE_F32),
            .weight2 = put(side, &weight2, DTYPE_F32),
            .bias2 = put(side, &bias2, DTYPE_F32),
            .features2 = put(side, &features2, DTYPE_F32),
            .hyper = put(side, &hyper, DTYPE_F32),
            .eps = 1e-6F,
        };
        op_upscale_masks(sides.compute[side], &upscaling, out[side]);
    }
    compare("upscale_masks", out, 4 * UNIT);
    struct values *const all[] = {&x, &weight1, &bias1, &features1, &norm, &weight2, &bias2, &features2, &hyper};
    for (int j = 0; j < COUNT(all); j++)
        free(all[j]->host);
}

static void test_upscale(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++)
        check_upscale(3, 5, random_range(1, 70), random_range(4, 40), random_range(1, 20));
    /* The models' widths: as many masks as they have, one, the most of a tile, and more. */
    static const int64_t masks[] = {4, 1, 8, 9};
    for (int i = 0; i < COUNT(masks); i++)
        check_upscale(masks[i], 3 + 2 * i, 256, 64, 32);
}

/* Ops that multiply nothing with weights: computed as they come, rounded where they are stored. */
static void test_the_others(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        const enum dtype in = types[i % 2], to = types[i / 2 % 2];
        const int64_t n = random_range(1, 3), h = random_range(2, 9), w = random_range(2, 9),
                      c = 2 * random_range(1, 40);
        struct values x = values_random(-3.0F, 3.0F, DIMS(n, h, w, c)),
                      y = values_random(-2.0F, 2.0F, DIMS(1, h, 1, c));
        struct values norm = values_random(-2.0F, 2.0F, DIMS(c)), table = values_random(-1.0F, 1.0F, DIMS(1, h, c));
        struct tensor out[SIDES];
#define BOTH(what, type, absolute, op, ...)                                                                            \
    do {                                                                                                               \
        sides_begin();                                                                                                 \
        results(out, type, DIMS(__VA_ARGS__));                                                                         \
        for (int s = 0; s < SIDES; s++)                                                                                \
            op;                                                                                                        \
        compare(what, out, absolute);                                                                                  \
    } while (0)
        BOTH("layer_norm", to, 1e-4,
             op_layer_norm(sides.compute[s], put(s, &x, in), put(s, &norm, DTYPE_F32), put(s, &norm, DTYPE_F32), 1e-5F,
                           out[s]),
             n, h, w, c);
        BOTH("add", to, 1e-5, op_add(sides.compute[s], put(s, &x, in), put(s, &y, DTYPE_F32), out[s]), n, h, w, c);
        BOTH("mul", to, 1e-5, op_mul(sides.compute[s], put(s, &x, in), put(s, &y, DTYPE_F32), out[s]), n, h, w, c);
        for (int a = ACTIVATION_NONE; a <= ACTIVATION_SIGMOID; a++)
            BOTH("activation", to, 1e-5, op_activation(sides.compute[s], put(s, &x, in), (enum activation)a, out[s]), n,
                 h, w, c);
        BOTH("fill", to, 0.0, op_fill(sides.compute[s], 0.3F, out[s]), n, h, w, c);
        BOTH("max_pool2d", to, 0.0, op_max_pool2d(sides.compute[s], put(s, &x, in), 2, out[s]), n, h / 2, w / 2, c);
        BOTH("copy", in, 0.0, op_copy(sides.compute[s], put(s, &x, in), out[s]), n, h, w, c);
        BOTH("rope", in, 1e-5,
             (op_copy(sides.compute[s], put(s, &x, in), out[s]),
              op_rope(sides.compute[s], out[s], put(s, &table, DTYPE_F32), put(s, &table, DTYPE_F32))),
             n, h, w, c);
#undef BOTH
        struct values *const all[] = {&x, &y, &norm, &table};
        for (int j = 0; j < COUNT(all); j++)
            free(all[j]->host);
    }
}

/* In all types, bit by bit: one rounding, and what was rounded is added to. */
static void test_gather_blocks(void **state)
{
    (void)state;
    for (int which = 0; which < 4 * SIDES; which++) {
        struct blocks_case test = {3, 4, 5, 64, 5, false, types[which / SIDES % 2], types[which / SIDES / 2]};
        check_gather_blocks(sides.compute[which % SIDES], &test);
        test.columns = 7;
        test.position_rows = 1;
        test.in_order = true;
        check_gather_blocks(sides.compute[which % SIDES], &test);
        test.position_rows = 0;
        check_gather_blocks(sides.compute[which % SIDES], &test);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attention),        cmocka_unit_test(test_attention_scales),
        cmocka_unit_test(test_attention_online), cmocka_unit_test(test_linear),
        cmocka_unit_test(test_conv2d),           cmocka_unit_test(test_matmul),
        cmocka_unit_test(test_few_tokens),       cmocka_unit_test(test_upscale),
        cmocka_unit_test(test_the_others),       cmocka_unit_test(test_gather_blocks),
    };
    const char *const dots = getenv("SOWLV2_TEST_DOTS");
    if (dots)
        cpu_use_dots(strcmp(dots, "1") == 0);
    sides.precision = DTYPE_BF16;
    return sides_run(tests, COUNT(tests));
}
