/* Masks from a grid (op_upscale_masks): a few pixels of the grid go through both steps while they are in the cache;
 * nothing of the upscaled embedding is kept. */
#include "ops/cpu/factors.h"
#include "ops/cpu/gelu.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/norm_row.h"
#include "ops/cpu/tile.h"

#include <omp.h>
#include <string.h>

enum {
    TAPS = 4,        /* pixels of a step */
    FINE = 16,       /* mask pixels of a pixel */
    PIXEL_BLOCK = 12 /* multiple of TILE_ROWS */
};

struct job {
    const struct mask_upscaling *upscaling;
    int64_t side, masks, c, c1, c2;
    float *weight1; /* panels of TILE_COLUMNS (the last one narrower): [c][panel] */
    float *weight2; /* likewise [c1][panel] */
    float *out;
};

/* Of one thread. */
struct scratch {
    float *middle;  /* [PIXEL_BLOCK][4 c1] */
    float *fine;    /* [PIXEL_BLOCK][4][4 c2] */
    float *factors; /* [PIXEL_BLOCK][c]: the grid as factors, where that is another number */
};

static int64_t panel_width(int64_t width, int64_t n)
{
    return width - n < TILE_COLUMNS ? width - n : TILE_COLUMNS;
}

static void pack(const float *weight, int64_t inputs, int64_t outputs, float *panels)
{
    for (int64_t n = 0; n < outputs; n += TILE_COLUMNS) {
        const int64_t panel = panel_width(outputs, n);
        for (int64_t i = 0; i < inputs; i++)
            factors_copy(weight + i * outputs + n, panel, panels + n * inputs + i * panel);
    }
}

/* out[rows][outputs] = features + bias + x panels */
static __attribute__((noinline)) void product(int64_t rows, const float *x, int64_t inputs, const float *panels,
                                              const float *bias, const float *features, int64_t outputs, float *out)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t n = 0; n < outputs; n += SIMD_LANES)
            v_store(out + r * outputs + n, v_add(v_load(features + r * outputs + n), v_load(bias + n)));
    for (int64_t n = 0; n < outputs; n += TILE_COLUMNS) {
        const int64_t panel = panel_width(outputs, n);
        tile_rows(rows, (int)(panel / SIMD_LANES), true, inputs, x, inputs, 1, panels + n * inputs, panel, out + n,
                  outputs);
    }
}

/* As factors of what comes next. */
static void gelu(float *x, int64_t count)
{
    for (int64_t i = 0; i < count; i += SIMD_LANES)
        v_store(x + i, v_factor(v_gelu(v_load(x + i))));
}

/* 16 pixels [2 x 2][2 x 2] to their places from `to` on in rows of `size`. */
static void place_pixels(const float pixels[FINE], float *to, int64_t size)
{
    for (int i = 0; i < FINE; i += 2) {
        const int tap1 = i / TAPS, tap2 = i % TAPS, y = tap1 / 2 * 2 + tap2 / 2, x = tap1 % 2 * 2;
        memcpy(to + y * size + x, pixels + i, 2 * sizeof(float));
    }
}

/* fine [16][c2] of pixel `p`, and the masks of entry `b`. */
static void write_masks(const struct job *job, int64_t b, int64_t p, const float *fine)
{
    const int64_t size = 4 * job->side, c2 = job->c2;
    const float *hyper = (const float *)host_data(job->upscaling->hyper) + b * job->masks * c2;
    for (int64_t m = 0; m < job->masks; m++, hyper += c2) {
        float pixels[FINE];
        for (int i = 0; i < FINE; i += SIMD_LANES) {
            vfloat sum[SIMD_LANES];
            for (int j = 0; j < SIMD_LANES; j++) {
                const float *row = fine + (i + j) * c2;
                sum[j] = v_mul(v_load(row), v_factor(v_load(hyper)));
                for (int64_t n = SIMD_LANES; n < c2; n += SIMD_LANES)
                    sum[j] = v_fma(v_load(row + n), v_factor(v_load(hyper + n)), sum[j]);
            }
            v_store(pixels + i, v_sums(sum));
        }
        place_pixels(pixels, job->out + ((b * job->masks + m) * size + p / job->side * 4) * size + p % job->side * 4,
                     size);
    }
}

static void upscale_block(const struct job *job, int64_t b, int64_t first, const struct scratch *scratch)
{
    const struct mask_upscaling *u = job->upscaling;
    const int64_t pixels = job->side * job->side, c1 = job->c1, c2 = job->c2;
    const int64_t rows = pixels - first < PIXEL_BLOCK ? pixels - first : PIXEL_BLOCK;
    const float *x = (const float *)host_data(u->x) + (b * pixels + first) * job->c;
    product(rows, factors_of(x, rows * job->c, scratch->factors), job->c, job->weight1, host_data(u->bias1),
            (const float *)host_data(u->features1) + first * TAPS * c1, TAPS * c1, scratch->middle);
    for (int64_t r = 0; r < rows * TAPS; r++) {
        const struct elements row = elements_f32(scratch->middle + r * c1);
        norm_row(row, c1, host_data(u->gamma), host_data(u->beta), u->eps, row);
    }
    gelu(scratch->middle, rows * TAPS * c1);
    product(rows * TAPS, scratch->middle, c1, job->weight2, host_data(u->bias2),
            (const float *)host_data(u->features2) + first * FINE * c2, TAPS * c2, scratch->fine);
    gelu(scratch->fine, rows * FINE * c2);
    for (int64_t r = 0; r < rows; r++)
        write_masks(job, b, first + r, scratch->fine + r * FINE * c2);
}

static float *floats(struct compute *compute, int64_t count)
{
    return host_data(COMPUTE_TENSOR(compute, DTYPE_F32, count));
}

void SIMD_NAME(kernel_upscale_masks)(struct compute *compute, const struct mask_upscaling *u, struct tensor out)
{
    struct job job = {u,    out.dim[2] / 4, out.dim[1],    u->x.dim[2], u->gamma.dim[0], u->hyper.dim[2],
                      NULL, NULL,           host_data(out)};
    if (job.c1 % SIMD_LANES != 0 || job.c2 % SIMD_LANES != 0) {
        ops_reference.upscale_masks(compute, u, out);
        return;
    }
    const int threads = device_threads(compute_device(compute));
    const int64_t batch = out.dim[0], pixels = job.side * job.side;
    const int64_t per_thread = PIXEL_BLOCK * (TAPS * job.c1 + FINE * job.c2 + job.c);
    const size_t mark = compute_mark(compute);
    job.weight1 = floats(compute, job.c * TAPS * job.c1);
    job.weight2 = floats(compute, job.c1 * TAPS * job.c2);
    float *memory = floats(compute, threads * per_thread);
    if (compute_status(compute) == 0) {
        const int64_t blocks = (pixels + PIXEL_BLOCK - 1) / PIXEL_BLOCK;
        pack(host_data(u->weight1), job.c, TAPS * job.c1, job.weight1);
        pack(host_data(u->weight2), job.c1, TAPS * job.c2, job.weight2);
        const bool large = batch * pixels * job.c * job.c1 > TILE_SMALL_WORK;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 8) if (large)
        for (int64_t i = 0; i < batch * blocks; i++) {
            float *base = memory + omp_get_thread_num() * per_thread;
            const struct scratch scratch = {base, base + PIXEL_BLOCK * TAPS * job.c1,
                                            base + PIXEL_BLOCK * (TAPS * job.c1 + FINE * job.c2)};
            upscale_block(&job, i / blocks, i % blocks * PIXEL_BLOCK, &scratch);
        }
    }
    compute_release(compute, mark);
}
