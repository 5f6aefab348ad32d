/* Attention against the portable reference. */
#include "ops/support.h"

#include <math.h>
#include <stdio.h>

static const int64_t widths[] = {1, 2, 3, 7, 8, 15, 16, 17, 32, 33, 64, 65, 80, 127, 128, 256};
static const int64_t counts[] = {1, 2, 3, 5, 6, 7, 31, 47, 48, 49, 63, 64, 65, 100, 255, 256, 257, 300, 513};

struct shape {
    int64_t batch, queries, keys, heads, d, dv;
    bool causal;
};

/* Weights and sums of f32 are good to some 1e-6 of the values, which are about 1; a score of size s is
 * itself known to s * 2^-24 only, times some roundings, and its weight is as uncertain as that. */
static double attention_tolerance(float q_size, const struct shape *shape, float scale)
{
    double score = (double)q_size * sqrt((double)shape->d) * (double)scale;
    return 5e-6 + 16.0 * 0x1p-24 * score;
}

static void check_attention(struct sides *sides, const struct shape *s, float q_size, float scale, bool gaps)
{
    struct field q = field_random(gaps, -q_size, q_size, DIMS(s->batch, s->queries, s->heads, s->d));
    struct field k = field_random(gaps, -1.0F, 1.0F, DIMS(s->batch, s->keys, s->heads, s->d));
    struct field v = field_random(gaps, -1.0F, 1.0F, DIMS(s->batch, s->keys, s->heads, s->dv));
    struct field out = field_poisoned(gaps, DIMS(s->batch, s->queries, s->heads, s->dv));
    struct field expected = field_poisoned(false, DIMS(s->batch, s->queries, s->heads, s->dv));
    sides_begin(sides);
    op_attention(sides->compute[REFERENCE], q.tensor, k.tensor, v.tensor, scale, s->causal, expected.tensor);
    op_attention(sides->compute[UNDER_TEST], q.tensor, k.tensor, v.tensor, scale, s->causal, out.tensor);
    sides_check(sides);
    char what[160];
    snprintf(what, sizeof(what), "attention %lld x %lld x %lld, d %lld, dv %lld, batch %lld, causal %d, size %g",
             (long long)s->queries, (long long)s->keys, (long long)s->heads, (long long)s->d, (long long)s->dv,
             (long long)s->batch, s->causal, (double)q_size);
    compare_tensors(what, &out.tensor, &expected.tensor, attention_tolerance(q_size, s, scale), 0.0);
    field_check_input(&q);
    field_check_input(&k);
    field_check_input(&v);
    field_check_output(&out);
    field_free(&q);
    field_free(&k);
    field_free(&v);
    field_free(&out);
    field_free(&expected);
}

static struct shape random_shape(void)
{
    struct shape shape = {random_range(1, 2), RANDOM_OF(counts), RANDOM_OF(counts),      random_range(1, 3),
                          RANDOM_OF(widths),  RANDOM_OF(widths), random_range(0, 2) == 0};
    if (random_range(0, 1) != 0)
        shape.dv = shape.d;
    if (shape.causal)
        shape.keys = shape.queries;
    return shape;
}

static void test_attention_sizes(void **state)
{
    for (int i = 0; i < 70; i++) {
        struct shape shape = random_shape();
        check_attention(*state, &shape, 3.0F, 1.0F / sqrtf((float)shape.d), random_range(0, 1) != 0);
    }
}

/* Scores of hundreds and thousands: one key takes all the weight, everything else underflows. */
static void test_attention_large_scores(void **state)
{
    for (int i = 0; i < 24; i++) {
        struct shape shape = random_shape();
        check_attention(*state, &shape, i % 2 == 0 ? 100.0F : 3000.0F, 1.0F, random_range(0, 1) != 0);
    }
}

/* Every score far below zero, and all equal: weights 1 / keys. */
static void test_attention_equal_scores(void **state)
{
    struct sides *sides = *state;
    enum { KEYS = 300, WIDTH = 16 };
    struct field q = field_random(false, -200.0F, -200.0F, DIMS(1, 7, 1, WIDTH));
    struct field k = field_random(false, 1.0F, 1.0F, DIMS(1, KEYS, 1, WIDTH));
    struct field v = field_random(false, -1.0F, 1.0F, DIMS(1, KEYS, 1, WIDTH));
    struct field out = field_poisoned(false, DIMS(1, 7, 1, WIDTH));
    sides_begin(sides);
    op_attention(sides->compute[UNDER_TEST], q.tensor, k.tensor, v.tensor, 1.0F, false, out.tensor);
    sides_check(sides);
    for (int64_t i = 0; i < 7 * WIDTH; i++) {
        double mean = 0.0;
        for (int64_t j = 0; j < KEYS; j++)
            mean += (double)*tensor_element(&v.tensor, j * WIDTH + i % WIDTH) / KEYS;
        /* The mean of 300 values of about 1. */
        assert_true(fabs((double)*tensor_element(&out.tensor, i) - mean) <= 2e-6);
    }
    field_free(&q);
    field_free(&k);
    field_free(&v);
    field_free(&out);
}

/* Scores that grow along the keys: the running maximum of an online softmax changes at every block. */
static void test_attention_growing_scores(void **state)
{
    struct sides *sides = *state;
    enum { KEYS = 777, WIDTH = 8 };
    struct field q = field_random(false, 1.0F, 1.0F, DIMS(1, 50, 1, WIDTH));
    struct field k = field_random(false, 0.0F, 0.0F, DIMS(1, KEYS, 1, WIDTH));
    struct field v = field_random(false, -1.0F, 1.0F, DIMS(1, KEYS, 1, WIDTH));
    struct field out = field_poisoned(false, DIMS(1, 50, 1, WIDTH)),
                 expected = field_poisoned(false, DIMS(1, 50, 1, WIDTH));
    for (int64_t i = 0; i < KEYS; i++)
        *tensor_element(&k.tensor, i * WIDTH) = -300.0F + 0.5F * (float)i;
    field_seal(&k);
    sides_begin(sides);
    op_attention(sides->compute[REFERENCE], q.tensor, k.tensor, v.tensor, 1.0F, false, expected.tensor);
    op_attention(sides->compute[UNDER_TEST], q.tensor, k.tensor, v.tensor, 1.0F, false, out.tensor);
    sides_check(sides);
    /* Scores to 388: 388 * 2^-24 * some roundings. */
    compare_tensors("attention with growing scores", &out.tensor, &expected.tensor, 1e-4, 0.0);
    field_free(&q);
    field_free(&k);
    field_free(&v);
    field_free(&out);
    field_free(&expected);
}

/* A NaN spoils what depends on it and nothing else: a query its row, a key all rows (where causal, those from it on),
 * a value its column. */
static void test_attention_nan(void **state)
{
    struct sides *sides = *state;
    enum { TOKENS = 70, WIDTH = 20, AT = 37 };
    for (int which = 0; which < 4; which++) {
        const int which_input = which < 3 ? which : 1;
        struct field in[3], out[SIDES];
        for (int i = 0; i < 3; i++)
            in[i] = field_random(false, -1.0F, 1.0F, DIMS(1, TOKENS, 1, WIDTH));
        *tensor_element(&in[which_input].tensor, AT * WIDTH + 3) = NAN;
        sides_begin(sides);
        for (int i = 0; i < SIDES; i++) {
            out[i] = field_poisoned(false, DIMS(1, TOKENS, 1, WIDTH));
            op_attention(sides->compute[i], in[0].tensor, in[1].tensor, in[2].tensor, 0.5F, which == 3, out[i].tensor);
        }
        sides_check(sides);
        for (int64_t i = 0; i < TOKENS * WIDTH; i++) {
            const float expected = *tensor_element(&out[REFERENCE].tensor, i);
            const float got = *tensor_element(&out[UNDER_TEST].tensor, i);
            assert_true(isnan(expected) ? isnan(got) : fabsf(got - expected) <= 5e-6F);
        }
        for (int i = 0; i < 3; i++)
            field_free(&in[i]);
        for (int i = 0; i < SIDES; i++)
            field_free(&out[i]);
    }
}

/* Queries, keys and values as one linear layer gives them, [batch, tokens, 3, heads, d]; the result in the
 * columns of a wider tensor. */
static void test_attention_fused_slices(void **state)
{
    struct sides *sides = *state;
    enum { BATCH = 2, TOKENS = 61, HEADS = 3, WIDTH = 20 };
    struct field fused = field_random(false, -2.0F, 2.0F, DIMS(BATCH, TOKENS, 3, HEADS * WIDTH));
    struct field wide[SIDES];
    struct tensor part[3];
    for (int i = 0; i < 3; i++) {
        struct tensor slice = tensor_slice(fused.tensor, 2, i, 1);
        part[i] = TENSOR_RESHAPE(slice, BATCH, TOKENS, HEADS, WIDTH);
    }
    sides_begin(sides);
    for (int i = 0; i < SIDES; i++) {
        wide[i] = field_random(false, 7.0F, 7.0F, DIMS(BATCH, TOKENS, 2 * HEADS * WIDTH));
        struct tensor right = tensor_slice(wide[i].tensor, 2, HEADS * WIDTH, HEADS * WIDTH);
        op_attention(sides->compute[i], part[0], part[1], part[2], 0.25F, false,
                     TENSOR_RESHAPE(right, BATCH, TOKENS, HEADS, WIDTH));
    }
    sides_check(sides);
    assert_true(*tensor_element(&wide[UNDER_TEST].tensor, 0) == 7.0F);
    compare_tensors("attention of slices", &wide[UNDER_TEST].tensor, &wide[REFERENCE].tensor, 5e-6, 0.0);
    field_check_input(&fused);
    for (int i = 0; i < SIDES; i++)
        field_free(&wide[i]);
    field_free(&fused);
}

int sets_attention(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attention_sizes),        cmocka_unit_test(test_attention_large_scores),
        cmocka_unit_test(test_attention_equal_scores), cmocka_unit_test(test_attention_growing_scores),
        cmocka_unit_test(test_attention_fused_slices), cmocka_unit_test(test_attention_nan),
    };
    return cmocka_run_group_tests_name("attention", tests, sides_setup, sides_teardown);
}
