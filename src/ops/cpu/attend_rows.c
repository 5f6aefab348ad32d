/* Few queries over many rows (op_attend_rows): an online softmax as in attention.c, but the queries are the columns of
 * the scores and the rows are read where they lie, once for scores and sums. Maximum, sum and weights of 16 queries
 * are one vector. Rows are split into chunks of their own maxima, so that one query set keeps all threads busy and
 * the result does not depend on how many there are; the chunks are joined at the end. */
#include "ops/cpu/columns.h"
#include "ops/cpu/kernels.h"

#include <omp.h>
#include <string.h>

enum {
    ROW_BLOCK = 48, /* multiple of TILE_ROWS */
    CHUNK = 960,    /* multiple of ROW_BLOCK */
};

struct job {
    struct columns columns;
    const float *x, *positions;
    int64_t x_stride; /* from one batch entry's rows to the next one's; 0: shared */
    int64_t rows, chunks;
    float *packed;        /* [batch][padded * c] queries, scaled to base 2 */
    float *maximum, *sum; /* [batch][chunks][padded] */
    float *total;         /* [batch][chunks][count][c] */
};

/* Of one thread. */
struct scratch {
    float *placed;     /* [ROW_BLOCK][c] */
    float *factors;    /* [ROW_BLOCK][c]: rows as factors, where that is another number */
    float *scores;     /* [ROW_BLOCK][padded] */
    float *correction; /* [padded] */
};

static __attribute__((noinline)) void score_rows(const struct job *job, const float *packed, int64_t rows,
                                                 const struct scratch *scratch)
{
    columns_product(&job->columns, packed, rows, scratch->placed, false, scratch->scores);
}

/* total[count][c] += scores^T x */
static __attribute__((noinline)) void add_rows(const struct job *job, const float *scores, const float *x, int64_t rows,
                                               float *total)
{
    const int64_t width = job->columns.depth;
    for (int64_t n = 0; n < width; n += TILE_COLUMNS) {
        const int64_t left = (width - n) / SIMD_LANES;
        tile_rows(job->columns.count, left < SIMD_PANEL_VECTORS ? (int)left : SIMD_PANEL_VECTORS, true, rows, scores, 1,
                  job->columns.padded, x + n, width, total + n, width);
    }
}

/* Scores become weights relative to each column's running maximum. */
static void weigh(const struct job *job, int64_t rows, const struct scratch *scratch, float *maximum, float *sum)
{
    const int64_t padded = job->columns.padded;
    for (int64_t n = 0; n < padded; n += SIMD_LANES) {
        const vfloat before = v_load(maximum + n);
        vfloat top = before;
        for (int64_t r = 0; r < rows; r++)
            top = v_max(top, v_load(scratch->scores + r * padded + n));
        const vfloat correction = v_exp2(v_sub(before, top));
        vfloat total = v_mul(v_load(sum + n), correction);
        for (int64_t r = 0; r < rows; r++) {
            const vfloat weight = v_exp2(v_sub(v_load(scratch->scores + r * padded + n), top));
            total = v_add(total, weight);
            v_store(scratch->scores + r * padded + n, weight);
        }
        v_store(maximum + n, top);
        v_store(sum + n, total);
        v_store(scratch->correction + n, correction);
    }
}

static void scale_row(float *row, int64_t width, float factor)
{
    for (int64_t i = 0; i < width; i += SIMD_LANES)
        v_store(row + i, v_mul(v_load(row + i), v_set(factor)));
}

static void attend_chunk(const struct job *job, int64_t b, int64_t chunk, const struct scratch *scratch)
{
    const int64_t width = job->columns.depth, padded = job->columns.padded, count = job->columns.count;
    const int64_t first = chunk * CHUNK, last = first + CHUNK < job->rows ? first + CHUNK : job->rows;
    const int64_t index = b * job->chunks + chunk;
    float *maximum = job->maximum + index * padded, *sum = job->sum + index * padded;
    float *total = job->total + index * count * width;
    for (int64_t j = 0; j < padded; j++) {
        maximum[j] = MASKED;
        sum[j] = 0.0F;
    }
    memset(total, 0, (size_t)(count * width) * sizeof(float));
    for (int64_t row = first; row < last; row += ROW_BLOCK) {
        const int64_t rows = last - row < ROW_BLOCK ? last - row : ROW_BLOCK;
        const float *x = job->x + b * job->x_stride + row * width, *place = job->positions + row * width;
        for (int64_t i = 0; i < rows * width; i += SIMD_LANES)
            v_store(scratch->placed + i, v_factor(v_add(v_load(x + i), v_load(place + i))));
        score_rows(job, job->packed + b * padded * width, rows, scratch);
        weigh(job, rows, scratch, maximum, sum);
        for (int64_t j = 0; j < count; j++)
            if (scratch->correction[j] != 1.0F)
                scale_row(total + j * width, width, scratch->correction[j]);
        add_rows(job, scratch->scores, factors_of(x, rows * width, scratch->factors), rows, total);
    }
}

/* Query `j` of entry `b` from all chunks. */
static void join_chunks(const struct job *job, int64_t b, int64_t j, float *out)
{
    const int64_t width = job->columns.depth, padded = job->columns.padded;
    const float *maximum = job->maximum + b * job->chunks * padded + j, *sum = job->sum + b * job->chunks * padded + j;
    float top = maximum[0], all = 0.0F;
    for (int64_t c = 1; c < job->chunks; c++)
        top = maximum[c * padded] > top ? maximum[c * padded] : top;
    for (int64_t c = 0; c < job->chunks; c++)
        all += sum[c * padded] * __builtin_exp2f(maximum[c * padded] - top);
    memset(out, 0, (size_t)width * sizeof(float));
    for (int64_t c = 0; c < job->chunks; c++) {
        const float *total = job->total + ((b * job->chunks + c) * job->columns.count + j) * width;
        const vfloat factor = v_set(__builtin_exp2f(maximum[c * padded] - top) / all);
        for (int64_t i = 0; i < width; i += SIMD_LANES)
            v_store(out + i, v_fma(v_load(total + i), factor, v_load(out + i)));
    }
}

static float *floats(struct compute *compute, int64_t count)
{
    return host_data(COMPUTE_TENSOR(compute, DTYPE_F32, count));
}

void SIMD_NAME(kernel_attend_rows)(struct compute *compute, struct tensor q, struct tensor x, struct tensor positions,
                                   float scale, struct tensor out)
{
    const int64_t batch = q.dim[0], count = q.dim[1], width = q.dim[2], rows = x.dim[1];
    if (width % SIMD_LANES != 0) {
        ops_reference.attend_rows(compute, q, x, positions, scale, out);
        return;
    }
    const int threads = device_threads(compute_device(compute));
    const size_t mark = compute_mark(compute);
    struct job job = {
        .columns = columns_of(count, width), .x = host_data(x), .positions = host_data(positions), .rows = rows};
    const int64_t padded = job.columns.padded, per_thread = ROW_BLOCK * (2 * width + padded) + padded;
    job.x_stride = x.dim[0] == 1 ? 0 : rows * width;
    job.chunks = (rows + CHUNK - 1) / CHUNK;
    job.packed = floats(compute, batch * padded * width);
    job.maximum = floats(compute, batch * job.chunks * padded);
    job.sum = floats(compute, batch * job.chunks * padded);
    job.total = floats(compute, batch * job.chunks * count * width);
    float *memory = floats(compute, threads * per_thread);
    if (compute_status(compute) == 0) {
        const float log2e = 1.44269504F;
        const bool large = batch * rows * count * width > TILE_SMALL_WORK;
#pragma omp parallel for num_threads(threads) schedule(static) if (large)
        for (int64_t b = 0; b < batch; b++) {
            columns_pack(&job.columns, (const float *)host_data(q) + b * count * width, scale * log2e,
                         job.packed + b * padded * width);
        }
#pragma omp parallel for num_threads(threads) schedule(dynamic) if (large)
        for (int64_t i = 0; i < batch * job.chunks; i++) {
            float *base = memory + omp_get_thread_num() * per_thread;
            const struct scratch scratch = {base, base + ROW_BLOCK * width, base + 2 * ROW_BLOCK * width,
                                            base + ROW_BLOCK * (2 * width + padded)};
            attend_chunk(&job, i / job.chunks, i % job.chunks, &scratch);
        }
#pragma omp parallel for num_threads(threads) schedule(static) if (large)
        for (int64_t i = 0; i < batch * count; i++)
            join_chunks(&job, i / count, i % count, (float *)host_data(out) + i * width);
    }
    compute_release(compute, mark);
}
