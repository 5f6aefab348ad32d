/* Attention and rotary positions: against the portable reference, against what the reference implementation computed or
 * the formula says, and what they reject. Between few tokens and many rows: test_attend.c. */
#include "ops/expected.h"
#include "ops/sides.h"

#include <math.h>

static const int64_t widths[] = {1, 2, 3, 7, 8, 15, 16, 17, 32, 33, 64, 65, 80, 127, 128, 256};
static const int64_t counts[] = {1, 2, 3, 5, 6, 7, 31, 47, 48, 49, 63, 64, 65, 100, 255, 256, 257, 300, 513};

struct dimensions {
    int64_t batch, queries, keys, heads, d, dv;
    bool causal;
};

/* Weights and sums of f32 are good to some 1e-6 of the values, which are about 1; a score of size s is
 * itself known to s * 2^-24 only, times some roundings, and its weight is as uncertain as that. */
static double attention_tolerance(float q_size, const struct dimensions *shape, float scale)
{
    const double score = (double)q_size * sqrt((double)shape->d) * (double)scale;
    return 5e-6 + 16.0 * 0x1p-24 * score;
}

static void check_attention(const struct dimensions *s, float q_size, float scale, bool gaps)
{
    const struct tensor q = field_in(gaps, -q_size, q_size, DIMS(s->batch, s->queries, s->heads, s->d));
    const struct tensor k = field_in(gaps, -1.0F, 1.0F, DIMS(s->batch, s->keys, s->heads, s->d));
    const struct tensor v = field_in(gaps, -1.0F, 1.0F, DIMS(s->batch, s->keys, s->heads, s->dv));
    struct tensor out[SIDES];
    sides_out(out, gaps, DIMS(s->batch, s->queries, s->heads, s->dv));
    sides_begin();
    for (int i = 0; i < SIDES; i++)
        op_attention(sides.compute[i], q, k, v, scale, s->causal, out[i]);
    sides_compare(out, attention_tolerance(q_size, s, scale), 0.0,
                  "%lld x %lld x %lld, d %lld, dv %lld, batch %lld, causal %d, size %g", (long long)s->queries,
                  (long long)s->keys, (long long)s->heads, (long long)s->d, (long long)s->dv, (long long)s->batch,
                  s->causal, (double)q_size);
    fields_check();
}

static struct dimensions random_dimensions(void)
{
    struct dimensions shape = {random_range(1, 2), RANDOM_OF(counts), RANDOM_OF(counts),      random_range(1, 3),
                               RANDOM_OF(widths),  RANDOM_OF(widths), random_range(0, 2) == 0};
    if (random_range(0, 1) != 0)
        shape.dv = shape.d;
    if (shape.causal)
        shape.keys = shape.queries;
    return shape;
}

static void test_attention_sizes(void **state)
{
    (void)state;
    for (int i = 0; i < 70; i++) {
        const struct dimensions shape = random_dimensions();
        check_attention(&shape, 3.0F, 1.0F / sqrtf((float)shape.d), random_range(0, 1) != 0);
    }
}

/* Scores of hundreds and thousands: one key takes all the weight, everything else underflows. */
static void test_attention_large_scores(void **state)
{
    (void)state;
    for (int i = 0; i < 24; i++) {
        const struct dimensions shape = random_dimensions();
        check_attention(&shape, i % 2 == 0 ? 100.0F : 3000.0F, 1.0F, random_range(0, 1) != 0);
    }
}

/* Every score far below zero, and all equal: weights 1 / keys. */
static void test_attention_equal_scores(void **state)
{
    (void)state;
    enum { KEYS = 300, WIDTH = 16 };
    const struct tensor q = field_in(false, -200.0F, -200.0F, DIMS(1, 7, 1, WIDTH));
    const struct tensor k = field_in(false, 1.0F, 1.0F, DIMS(1, KEYS, 1, WIDTH));
    const struct tensor v = field_in(false, -1.0F, 1.0F, DIMS(1, KEYS, 1, WIDTH));
    const struct tensor out = field_out(false, DIMS(1, 7, 1, WIDTH));
    sides_begin();
    op_attention(sides.compute[UNDER_TEST], q, k, v, 1.0F, false, out);
    sides_finish();
    for (int64_t i = 0; i < 7 * WIDTH; i++) {
        double mean = 0.0;
        for (int64_t j = 0; j < KEYS; j++)
            mean += (double)*tensor_element(&v, j * WIDTH + i % WIDTH) / KEYS;
        /* The mean of 300 values of about 1. */
        assert_true(fabs((double)*tensor_element(&out, i) - mean) <= 2e-6);
    }
    fields_check();
}

/* Scores that grow along the keys: the running maximum of an online softmax changes at every block. */
static void test_attention_growing_scores(void **state)
{
    (void)state;
    enum { KEYS = 777, WIDTH = 8 };
    const struct tensor q = field_in(false, 1.0F, 1.0F, DIMS(1, 50, 1, WIDTH));
    const struct tensor k = field_in(false, 0.0F, 0.0F, DIMS(1, KEYS, 1, WIDTH));
    const struct tensor v = field_in(false, -1.0F, 1.0F, DIMS(1, KEYS, 1, WIDTH));
    struct tensor out[SIDES];
    sides_out(out, false, DIMS(1, 50, 1, WIDTH));
    for (int64_t i = 0; i < KEYS; i++)
        *tensor_element(&k, i * WIDTH) = -300.0F + 0.5F * (float)i;
    fields_seal();
    sides_begin();
    for (int i = 0; i < SIDES; i++)
        op_attention(sides.compute[i], q, k, v, 1.0F, false, out[i]);
    /* Scores to 388: 388 * 2^-24 * some roundings. */
    sides_compare(out, 1e-4, 0.0, "attention with growing scores");
    fields_check();
}

/* A NaN spoils what depends on it and nothing else: a query its row, a key all rows (where causal, those from it on),
 * a value its column. */
static void test_attention_nan(void **state)
{
    (void)state;
    enum { TOKENS = 70, WIDTH = 20, AT = 37 };
    for (int which = 0; which < 4; which++) {
        struct tensor in[3], out[SIDES];
        for (int i = 0; i < 3; i++)
            in[i] = field_in(false, -1.0F, 1.0F, DIMS(1, TOKENS, 1, WIDTH));
        *tensor_element(&in[which < 3 ? which : 1], AT * WIDTH + 3) = NAN;
        fields_seal();
        sides_out(out, false, DIMS(1, TOKENS, 1, WIDTH));
        sides_begin();
        for (int i = 0; i < SIDES; i++)
            op_attention(sides.compute[i], in[0], in[1], in[2], 0.5F, which == 3, out[i]);
        sides_finish();
        for (int64_t i = 0; i < TOKENS * WIDTH; i++) {
            const float expected = *tensor_element(&out[REFERENCE], i), got = *tensor_element(&out[UNDER_TEST], i);
            assert_true(isnan(expected) ? isnan(got) : fabsf(got - expected) <= 5e-6F);
        }
        fields_check();
    }
}

/* Queries, keys and values as one linear layer gives them, [batch, tokens, 3, heads, d]; the result in the
 * columns of a wider tensor. */
static void test_attention_fused_slices(void **state)
{
    (void)state;
    enum { BATCH = 2, TOKENS = 61, HEADS = 3, WIDTH = 20 };
    const struct tensor fused = field_in(false, -2.0F, 2.0F, DIMS(BATCH, TOKENS, 3, HEADS * WIDTH));
    struct tensor part[3], wide[SIDES];
    for (int i = 0; i < 3; i++) {
        const struct tensor slice = tensor_slice(fused, 2, i, 1);
        part[i] = TENSOR_RESHAPE(slice, BATCH, TOKENS, HEADS, WIDTH);
    }
    sides_begin();
    for (int i = 0; i < SIDES; i++) {
        wide[i] = field_inout(false, 7.0F, 7.0F, DIMS(BATCH, TOKENS, 2 * HEADS * WIDTH));
        const struct tensor right = tensor_slice(wide[i], 2, HEADS * WIDTH, HEADS * WIDTH);
        op_attention(sides.compute[i], part[0], part[1], part[2], 0.25F, false,
                     TENSOR_RESHAPE(right, BATCH, TOKENS, HEADS, WIDTH));
    }
    sides_compare(wide, 5e-6, 0.0, "attention of slices");
    assert_true(*tensor_element(&wide[UNDER_TEST], 0) == 7.0F);
    fields_check();
}

static void test_attention_expected(void **state)
{
    (void)state;
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
    struct safetensors *file = expected_open("ops.safetensors");
    for (int i = 0; i < COUNT(cases) * SIDES; i++) {
        const char *const group = cases[i / SIDES].group;
        struct compute *const compute = sides.compute[i % SIDES];
        compute_begin(compute);
        const struct tensor q = expected_upload(compute, file, group, "q");
        const struct tensor k = expected_upload(compute, file, group, "k");
        const struct tensor v = expected_upload(compute, file, group, "v");
        const struct tensor out = expected_like(compute, file, group, "out");
        const float scale = (float)expected_number(expected_get(file, group, "scale"), 0);
        const bool causal = expected_number(expected_get(file, group, "causal"), 0) != 0.0;
        op_attention(compute, q, k, v, scale, causal, out);
        expected_compare(compute, &out, file, group, "out", cases[i / SIDES].tolerance, 2e-6);
    }
    safetensors_close(&file);
}

/* One head of 6, 4 of them turned: by hand. Angles of 90 and 180 degrees, and tables whose two values of a pair
 * differ. */
static void test_rope_formula(void **state)
{
    (void)state;
    const float x[] = {1, 2, 3, 4, 5, 6}, c[] = {0, 0, -1, 0.5F}, s[] = {1, 1, 0, 0.25F};
    const float expected[] = {-2, 1, -3, 2.75F, 5, 6};
    for (int side = 0; side < SIDES; side++) {
        struct compute *const compute = sides.compute[side];
        float found[6];
        compute_begin(compute);
        const struct tensor tensor = op_upload(compute, DTYPE_F32, DIMS(1, 1, 1, 6), x);
        const struct tensor cosines = op_upload(compute, DTYPE_F32, DIMS(1, 1, 4), c);
        const struct tensor sines = op_upload(compute, DTYPE_F32, DIMS(1, 1, 4), s);
        op_rope(compute, tensor, cosines, sines);
        op_download(compute, tensor, found);
        assert_int_equal(compute_finish(compute), 0);
        assert_memory_equal(found, expected, sizeof(expected));
    }
}

static void check_rope(bool gaps, int64_t tables, const int64_t dim[4], int64_t rotated)
{
    struct tensor x[SIDES];
    x[UNDER_TEST] = field_inout(gaps, -2.0F, 2.0F, 4, dim);
    x[REFERENCE] = field_copy(false, &x[UNDER_TEST]);
    const struct tensor cosines = field_in(gaps, -1.0F, 1.0F, DIMS(tables, dim[1], rotated));
    const struct tensor sines = field_in(!gaps, -1.0F, 1.0F, DIMS(tables, dim[1], rotated));
    sides_begin();
    for (int i = 0; i < SIDES; i++)
        op_rope(sides.compute[i], x[i], cosines, sines);
    sides_compare(x, 5e-7, 1e-6, "rope of %lld among %lld", (long long)rotated, (long long)dim[3]);
    fields_check();
}

static void test_rope_sizes(void **state)
{
    (void)state;
    static const int64_t heads[] = {2, 5, 16, 20, 24, 31, 32, 64, 80, 88, 256};
    for (int i = 0; i < 150; i++) {
        const int64_t dim[] = {random_range(1, 3), random_range(1, 40), random_range(1, 5), RANDOM_OF(heads)};
        const int64_t rotated = i % 3 == 0 ? dim[3] / 2 * 2 : random_range(0, dim[3] / 2) * 2;
        check_rope(i % 2 == 0, i % 4 < 2 ? 1 : dim[0], dim, rotated);
    }
    const int64_t large[] = {2, 100, 4, 64}; /* enough for several threads */
    check_rope(true, 1, large, 60);
    check_rope(false, 2, large, 64);
}

static void call_attention(struct compute *compute, const struct given *given)
{
    op_attention(compute, given[0].tensor, given[1].tensor, given[2].tensor, 0.5F, false, given[3].tensor);
}

static void call_rope(struct compute *compute, const struct given *given)
{
    op_rope(compute, given[0].tensor, given[1].tensor, given[2].tensor);
}

#define F32(...) field_inout(false, -1.0F, 1.0F, DIMS(__VA_ARGS__))

static void test_rejections(void **state)
{
    (void)state;
    CHECK_REJECTIONS("op_attention", call_attention, {"q", F32(2, 5, 3, 8), 0}, {"k", F32(2, 6, 3, 8), 0},
                     {"v", F32(2, 6, 3, 4), 0}, {"out", F32(2, 5, 3, 4), GIVEN_OUT});
    const struct tensor q = F32(1, 5, 2, 8), k = F32(1, 6, 2, 8), v = F32(1, 6, 2, 4), out = F32(1, 5, 2, 4);
    REJECTED(op_attention, q, k, F32(1, 5, 2, 4), 1.0F, false, out);
    REJECTED(op_attention, q, F32(1, 6, 1, 8), v, 1.0F, false, out);
    REJECTED(op_attention, q, F32(2, 6, 2, 8), v, 1.0F, false, out);
    REJECTED(op_attention, q, k, v, 1.0F, false, q);
    REJECTED(op_attention, q, k, v, 1.0F, true, out); /* more keys than queries */
    REJECTED(op_attention, q, F32(1, 0, 2, 8), F32(1, 0, 2, 4), 1.0F, false, out);
    REJECTED(op_attention, F32(1, 5, 2, 0), F32(1, 6, 2, 0), v, 1.0F, false, out);
    REJECTED(op_attention, q, q, q, 1.0F, false, q);

    CHECK_REJECTIONS("op_rope", call_rope, {"x", F32(2, 3, 4, 8), GIVEN_OUT | GIVEN_FREE << 2 | GIVEN_FREE << 3},
                     {"cosines", F32(2, 3, 6), 0}, {"sines", F32(2, 3, 6), 0});
    REJECTED(op_rope, F32(2, 3, 4, 8), F32(1, 3, 7), F32(1, 3, 7));   /* odd */
    REJECTED(op_rope, F32(2, 3, 4, 8), F32(1, 3, 10), F32(1, 3, 10)); /* wider than a head */
    REJECTED(op_rope, F32(2, 3, 4, 8), F32(1, 4, 8), F32(1, 4, 8));   /* other tokens */
    REJECTED(op_rope, F32(3, 3, 4, 8), F32(2, 3, 8), F32(2, 3, 8));   /* neither one nor one a batch entry */
    REJECTED(op_rope, F32(2, 3, 4, 8), F32(1, 3, 8), F32(1, 3, 6));   /* tables that differ */
    REJECTED(op_rope, F32(3, 4, 8), F32(1, 3, 8), F32(1, 3, 8));      /* rank */

    /* Nothing to do is no error. */
    sides_begin();
    struct compute *const compute = sides.compute[UNDER_TEST];
    op_attention(compute, F32(0, 3, 1, 4), F32(0, 3, 1, 4), F32(0, 3, 1, 4), 1.0F, false, F32(0, 3, 1, 4));
    op_rope(compute, F32(0, 3, 4, 8), F32(1, 3, 8), F32(1, 3, 8));
    op_rope(compute, F32(2, 3, 4, 8), F32(1, 3, 0), F32(1, 3, 0));
    sides_finish();
    fields_check();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_attention_sizes),
        TEST(test_attention_large_scores),
        TEST(test_attention_equal_scores),
        TEST(test_attention_growing_scores),
        TEST(test_attention_nan),
        TEST(test_attention_fused_slices),
        TEST(test_attention_expected),
        TEST(test_rope_formula),
        TEST(test_rope_sizes),
        TEST(test_rejections),
    };
    return sides_run(tests, COUNT(tests));
}
