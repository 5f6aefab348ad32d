/* Positions as rotations: each axis (tubelet, row, column) turns its own part of a head. */
#include "models/vjepa2/forward.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>

/* Cosines and sines of one position along one axis. Value i of `count` has frequency i modulo count / 2: the
 * published models were trained with frequencies repeated as halves while values turn as neighbouring pairs,
 * so that the two of a pair turn by different angles. Their weights depend on it. */
static void fill_position(int64_t position, int64_t count, float *cosines, float *sines)
{
    const int64_t half = count / 2;
    for (int64_t i = 0; i < half; i++) {
        const float omega = 1.0F / powf(10000.0F, (float)i / ((float)count / 2.0F));
        const float angle = (float)position * omega;
        cosines[i] = cosines[half + i] = cosf(angle);
        sines[i] = sines[half + i] = sinf(angle);
    }
}

float *vjepa2_axis_table(int64_t positions, int64_t axis)
{
    size_t count, bytes;
    if (__builtin_mul_overflow((size_t)positions, (size_t)axis, &count) ||
        __builtin_mul_overflow(count, 2 * sizeof(float), &bytes))
        return NULL;
    float *const table = malloc(bytes);
    for (int64_t i = 0; table && i < positions; i++)
        fill_position(i, axis, table + i * axis, table + (positions + i) * axis);
    return table;
}

/* The tower's table, for at least `positions`: the model's own where it reaches so far. */
static struct tensor axis_table(struct compute *compute, struct tensor own, int64_t positions, int64_t axis)
{
    if (compute_status(compute) != 0 || positions <= own.dim[1])
        return own;
    float *const longer = vjepa2_axis_table(positions, axis);
    if (!longer) {
        compute_fail(compute, error_memory("rotation tables"));
        return own;
    }
    struct tensor table = op_upload(compute, DTYPE_F32, 3, (int64_t[]){2, positions, axis}, longer);
    free(longer);
    return table;
}

const struct nn_rope *vjepa2_rope_of_clip(struct compute *compute, const struct vjepa2_config *config,
                                          const struct nn_tower *tower, struct tensor table, int64_t tubelets,
                                          struct nn_rope *out)
{
    const int64_t grid = config->grid, axis = vjepa2_axis(tower);
    if (axis == 0)
        return NULL;
    table = axis_table(compute, table, tubelets, axis);
    if (compute_status(compute) != 0)
        return NULL;
    struct tensor *const turns[2] = {&out->cosines, &out->sines};
    for (int i = 0; i < 2; i++) {
        struct tensor all = COMPUTE_TENSOR(compute, DTYPE_F32, tubelets, grid, grid, 3 * axis);
        for (int a = 0; a < 3; a++) { /* time, row, column */
            const int64_t count = a == 0 ? tubelets : grid;
            struct tensor from = tensor_slice(tensor_at(table, i), 0, 0, count);
            from = TENSOR_RESHAPE(from, a == 0 ? count : 1, a == 1 ? count : 1, a == 2 ? count : 1, axis);
            for (int other = 0; other < 3; other++)
                if (other != a)
                    from = tensor_repeat(from, other, other == 0 ? tubelets : grid);
            op_copy(compute, from, tensor_slice(all, 3, a * axis, axis));
        }
        *turns[i] = TENSOR_RESHAPE(all, 1, tubelets * grid * grid, 3 * axis);
    }
    return out;
}

/* Each axis' positions of tokens: out[3][count]. Returns the largest. */
static int64_t split_ids(const int32_t *ids, int64_t count, int64_t grid, int32_t *out)
{
    int32_t most = 0;
    for (int64_t i = 0; i < count; i++) {
        const int32_t patches = (int32_t)(grid * grid), side = (int32_t)grid;
        out[i] = ids[i] / patches;
        out[count + i] = ids[i] % patches / side;
        out[2 * count + i] = ids[i] % side;
        most = out[i] > most ? out[i] : most;
    }
    return most;
}

const struct nn_rope *vjepa2_rope_of_tokens(struct compute *compute, const struct vjepa2_config *config,
                                            const struct nn_tower *tower, struct tensor table, const int32_t *ids,
                                            int64_t batch, int64_t count, struct nn_rope *out)
{
    const int64_t axis = vjepa2_axis(tower), tokens = batch * count;
    if (axis == 0 || compute_status(compute) != 0)
        return NULL;
    int32_t *const split = malloc((size_t)(3 * tokens) * sizeof(*split));
    if (!split) {
        compute_fail(compute, error_memory("token positions"));
        return NULL;
    }
    table = axis_table(compute, table, split_ids(ids, tokens, config->grid, split) + 1, axis);
    const struct tensor index = op_upload(compute, DTYPE_I32, 3, (int64_t[]){3, batch, count}, split);
    free(split);
    if (compute_status(compute) != 0)
        return NULL;
    struct tensor *const turns[2] = {&out->cosines, &out->sines};
    for (int i = 0; i < 2; i++) {
        *turns[i] = COMPUTE_TENSOR(compute, DTYPE_F32, batch, count, 3 * axis);
        for (int a = 0; a < 3; a++)
            op_gather_rows(compute, tensor_slice(table, 0, i, 1), tensor_at(index, a),
                           tensor_slice(*turns[i], 2, a * axis, axis));
    }
    return out;
}
