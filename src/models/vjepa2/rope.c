/* Positions as rotations: each axis (tubelet, row, column) turns its own part of a head. */
#include "models/vjepa2/forward.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>

/* Cosines and sines of one position along one axis. Value i of `count` has frequency i modulo count / 2: the
 * published models were trained with frequencies repeated as halves while values turn as neighbouring pairs,
 * so that the two of a pair turn by different angles. Their weights depend on it. */
static void fill_axis(int64_t position, int64_t count, float *cosines, float *sines)
{
    const int64_t half = count / 2;
    for (int64_t i = 0; i < half; i++) {
        const float omega = 1.0F / powf(10000.0F, (float)i / ((float)count / 2.0F));
        const float angle = (float)position * omega;
        cosines[i] = cosines[half + i] = cosf(angle);
        sines[i] = sines[half + i] = sinf(angle);
    }
}

/* Every position of an axis, so that tokens only copy: a clip has few positions and many tokens. */
struct axis_table {
    int64_t count;
    float *cosines, *sines; /* [positions][count] */
};

static int make_axis(int64_t positions, int64_t count, struct axis_table *out)
{
    size_t values;
    *out = (struct axis_table){.count = count};
    if (__builtin_mul_overflow((size_t)positions, (size_t)count, &values) ||
        (out->cosines = calloc(values + 1, sizeof(float))) == NULL ||
        (out->sines = calloc(values + 1, sizeof(float))) == NULL)
        return error_memory("rotation tables"); /* the caller frees both */
    for (int64_t i = 0; i < positions; i++)
        fill_axis(i, count, out->cosines + i * count, out->sines + i * count);
    return 0;
}

static void put(const struct axis_table *table, int64_t position, float *cosines, float *sines)
{
    for (int64_t i = 0; i < table->count; i++) {
        cosines[i] = table->cosines[position * table->count + i];
        sines[i] = table->sines[position * table->count + i];
    }
}

struct nn_rope vjepa2_rope_tables(struct compute *compute, const struct vjepa2_config *config,
                                  const struct nn_tower *tower, const int32_t *ids, int64_t batch, int64_t count)
{
    const int64_t grid = config->grid, patches = grid * grid, axis = vjepa2_axis(tower),
                  tables = ids != NULL ? batch : 1;
    const int64_t dim[] = {tables, count, 3 * axis}, rows = tables * count;
    struct nn_rope rope = {{0}, {0}};
    if (compute_status(compute) != 0)
        return rope; /* sizes are only known to be sane where memory for the tokens was there */
    int64_t last = ids != NULL ? 0 : count - 1;
    for (int64_t i = 0; ids != NULL && i < rows; i++)
        last = ids[i] > last ? ids[i] : last;
    const int64_t depth = last / patches + 1, positions = depth > grid ? depth : grid;
    struct axis_table table = {0};
    const size_t values = (size_t)(rows * 3 * axis) + 1; /* where no axis turns, there is nothing else */
    float *cosines = malloc(values * sizeof(float)), *sines = malloc(values * sizeof(float));
    int status =
        cosines == NULL || sines == NULL ? error_memory("rotation tables") : make_axis(positions, axis, &table);
    for (int64_t i = 0; i < rows && status == 0; i++) {
        const int64_t id = ids != NULL ? ids[i] : i, at = i * 3 * axis;
        put(&table, id / patches, cosines + at, sines + at);
        put(&table, id % patches / grid, cosines + at + axis, sines + at + axis);
        put(&table, id % patches % grid, cosines + at + 2 * axis, sines + at + 2 * axis);
    }
    if (status == 0) {
        rope.cosines = op_upload(compute, DTYPE_F32, 3, dim, cosines);
        rope.sines = op_upload(compute, DTYPE_F32, 3, dim, sines);
    } else {
        compute_fail(compute, status);
    }
    free(table.cosines);
    free(table.sines);
    free(cosines);
    free(sines);
    return rope;
}
