/* Many rows over few tokens (op_attend_tokens): a block of rows stays in the cache from its scores to its norm. The
 * columns of the scores are (token, head) pairs, heads together, so that with a power of two of heads one vector
 * holds the same heads as every other and the softmax over tokens needs no head to be told apart. */
#include "ops/cpu/columns.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/norm_row.h"

#include <omp.h>
#include <string.h>

enum { ROW_BLOCK = 24 }; /* multiple of TILE_ROWS */

struct job {
    const struct token_attention *attention;
    struct columns columns;
    int heads;
    int64_t rows, x_stride;
    float *keys;   /* [batch][padded * c], scaled to base 2 */
    float *values; /* [batch][c in panels of TILE_COLUMNS][columns][panel] */
    float *bias;   /* [batch][padded], scaled likewise; MASKED where there is no column */
};

/* Of one thread. */
struct scratch {
    float *placed; /* [ROW_BLOCK][c] */
    float *scores; /* [ROW_BLOCK][padded] */
    float *sum;    /* [ROW_BLOCK][c] */
};

/* Columns of `values` from `n` on that make its panel. */
static int64_t panel_width(int64_t width, int64_t n)
{
    return width - n < TILE_COLUMNS ? width - n : TILE_COLUMNS;
}

static void pack(const struct job *job, int64_t b, float factor)
{
    const struct token_attention *a = job->attention;
    const int64_t width = job->columns.depth, padded = job->columns.padded, count = job->columns.count;
    const float *bias = (const float *)host_data(a->bias) + b * count,
                *v = (const float *)host_data(a->v) + b * count * width;
    float *to = job->bias + b * padded, *values = job->values + b * count * width;
    columns_pack(&job->columns, (const float *)host_data(a->k) + b * count * width, factor,
                 job->keys + b * padded * width);
    for (int64_t j = 0; j < padded; j++)
        to[j] = j < count ? bias[j] * factor : MASKED;
    for (int64_t n = 0; n < width; n += TILE_COLUMNS) {
        const int64_t panel = panel_width(width, n);
        for (int64_t j = 0; j < count; j++)
            factors_copy(v + j * width + n, panel, values + n * count + j * panel);
    }
}

/* One row's scores to weights: the largest, then the sum, of lanes that are `heads` apart. */
static void softmax_row(float *scores, int64_t padded, int heads)
{
    vfloat top = v_load(scores);
    for (int64_t n = SIMD_LANES; n < padded; n += SIMD_LANES)
        top = v_max(top, v_load(scores + n));
    for (int by = SIMD_LANES / 2; by >= heads; by /= 2)
        top = v_max(top, v_rotate(top, by));
    vfloat sum = v_zero();
    for (int64_t n = 0; n < padded; n += SIMD_LANES) {
        const vfloat weight = v_exp2(v_sub(v_load(scores + n), top));
        v_store(scores + n, weight);
        sum = v_add(sum, weight);
    }
    for (int by = SIMD_LANES / 2; by >= heads; by /= 2)
        sum = v_add(sum, v_rotate(sum, by));
    const vfloat inverse = v_div(v_set(1.0F), sum);
    for (int64_t n = 0; n < padded; n += SIMD_LANES)
        v_store(scores + n, v_mul(v_load(scores + n), inverse));
}

static __attribute__((noinline)) void score_rows(const struct job *job, const float *keys, int64_t rows,
                                                 const struct scratch *scratch)
{
    columns_product(&job->columns, keys, rows, scratch->placed, true, scratch->scores);
}

static __attribute__((noinline)) void add_values(const struct job *job, const float *values, int64_t rows,
                                                 const struct scratch *scratch)
{
    const int64_t width = job->columns.depth, count = job->columns.count;
    for (int64_t n = 0; n < width; n += TILE_COLUMNS) {
        const int64_t panel = panel_width(width, n);
        tile_rows(rows, (int)(panel / SIMD_LANES), true, count, scratch->scores, job->columns.padded, 1,
                  values + n * count, panel, scratch->sum + n, width);
    }
}

static void attend_block(const struct job *job, int64_t b, int64_t first, const struct scratch *scratch, float *out)
{
    const struct token_attention *a = job->attention;
    const int64_t width = job->columns.depth, padded = job->columns.padded;
    const int64_t rows = job->rows - first < ROW_BLOCK ? job->rows - first : ROW_BLOCK;
    const float *x = (const float *)host_data(a->x) + b * job->x_stride + first * width;
    const float *place = (const float *)host_data(a->positions) + first * width;
    for (int64_t i = 0; i < rows * width; i += SIMD_LANES) {
        const vfloat value = v_load(x + i);
        v_store(scratch->sum + i, value);
        v_store(scratch->placed + i, v_factor(v_add(value, v_load(place + i))));
    }
    for (int64_t r = 0; r < rows; r++)
        memcpy(scratch->scores + r * padded, job->bias + b * padded, (size_t)padded * sizeof(float));
    score_rows(job, job->keys + b * padded * width, rows, scratch);
    for (int64_t r = 0; r < rows; r++)
        softmax_row(scratch->scores + r * padded, padded, job->heads);
    add_values(job, job->values + b * job->columns.count * width, rows, scratch);
    for (int64_t r = 0; r < rows; r++) {
        norm_row(elements_f32(scratch->sum + r * width), width, host_data(a->gamma), host_data(a->beta), a->eps,
                 elements_f32(out + (b * job->rows + first + r) * width));
    }
}

static float *floats(struct compute *compute, int64_t count)
{
    return host_data(COMPUTE_TENSOR(compute, DTYPE_F32, count));
}

void SIMD_NAME(kernel_attend_tokens)(struct compute *compute, const struct token_attention *a, struct tensor out)
{
    const int64_t batch = out.dim[0], rows = out.dim[1], width = out.dim[2], heads = a->k.dim[2];
    if (width % SIMD_LANES != 0 || heads > SIMD_LANES || SIMD_LANES % heads != 0) {
        ops_reference.attend_tokens(compute, a, out);
        return;
    }
    const int threads = device_threads(compute_device(compute));
    const size_t mark = compute_mark(compute);
    struct job job = {.attention = a, .columns = columns_of(a->k.dim[1] * heads, width), .heads = (int)heads};
    const int64_t padded = job.columns.padded, count = job.columns.count;
    const int64_t per_thread = ROW_BLOCK * (2 * width + padded);
    job.rows = rows;
    job.x_stride = a->x.dim[0] == 1 ? 0 : rows * width;
    job.keys = floats(compute, batch * padded * width);
    job.values = floats(compute, batch * count * width);
    job.bias = floats(compute, batch * padded);
    float *memory = floats(compute, threads * per_thread);
    if (compute_status(compute) == 0) {
        const float log2e = 1.44269504F;
        const int64_t blocks = (rows + ROW_BLOCK - 1) / ROW_BLOCK;
        const bool large = batch * rows * count * width > TILE_SMALL_WORK;
#pragma omp parallel for num_threads(threads) schedule(static) if (large)
        for (int64_t b = 0; b < batch; b++)
            pack(&job, b, a->scale * log2e);
#pragma omp parallel for num_threads(threads) schedule(dynamic, 8) if (large)
        for (int64_t i = 0; i < batch * blocks; i++) {
            float *base = memory + omp_get_thread_num() * per_thread;
            const struct scratch scratch = {base, base + ROW_BLOCK * width, base + ROW_BLOCK * (width + padded)};
            attend_block(&job, i / blocks, i % blocks * ROW_BLOCK, &scratch, host_data(out));
        }
    }
    compute_release(compute, mark);
}
