/* Copies, filling, picked rows, pooling and images that are shown to a device: each level against the reference set and
 * against what is to be moved, picked rows also against the reference implementation, and what they reject. */
#include "ops/expected.h"
#include "ops/sides.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Any two axes exchanged on either side, any axis repeated, rows with gaps. */
static void test_copy(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        const int rank = (int)random_range(1, TENSOR_MAX_RANK), axis = (int)random_range(0, rank - 1);
        const int a = (int)random_range(0, rank - 1), b = (int)random_range(0, rank - 1);
        int64_t dim[TENSOR_MAX_RANK], source[TENSOR_MAX_RANK];
        for (int j = 0; j < rank; j++)
            dim[j] = source[j] = random_range(1, i % 10 == 0 ? 30 : 6);
        const bool repeats = i % 3 == 0, swap_out = i % 2 == 0;
        source[axis] = repeats ? 1 : source[axis];
        const struct tensor from = field_in(i % 4 < 2, -1.0F, 1.0F, rank, source);
        const struct tensor view = repeats ? tensor_repeat(from, axis, dim[axis]) : from;
        int64_t target[TENSOR_MAX_RANK];
        memcpy(target, dim, sizeof(target));
        target[a] = dim[b];
        target[b] = dim[a];
        struct tensor out[SIDES];
        sides_out(out, i % 5 < 2, rank, target);
        sides_begin();
        for (int side = 0; side < SIDES; side++)
            if (swap_out)
                op_copy(sides.compute[side], view, tensor_swap_axes(out[side], a, b));
            else
                op_copy(sides.compute[side], tensor_swap_axes(view, a, b), out[side]);
        sides_compare(out, 0.0, 0.0, "copy");
        int64_t index[TENSOR_MAX_RANK] = {0};
        for (int64_t k = 0; k < tensor_count(&out[REFERENCE]); k++) {
            int64_t offset = 0, place[TENSOR_MAX_RANK];
            memcpy(place, index, sizeof(place));
            place[a] = index[b];
            place[b] = index[a];
            for (int j = 0; j < rank; j++)
                offset += (repeats && j == axis ? 0 : place[j]) * from.stride[j];
            assert_true(*tensor_element(&out[REFERENCE], k) == ((float *)host_data(from))[offset]);
            for (int j = rank - 1; j >= 0 && ++index[j] == target[j]; j--)
                index[j] = 0;
        }
        fields_check();
    }
}

/* Values whose rounding to bfloat16 is not like the others', and any bits. */
static float odd_value(int64_t i)
{
    static const uint32_t odd[] = {0x00000000, 0x80000000, 0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001,
                                   0xFFFFFFFF, 0x7F7FFFFF, 0xFF7F8000, 0x3F808000, 0x3F818000, 0x3F808001,
                                   0x3F807FFF, 0x00000001, 0x00008000, 0x00018000, 0x80008001, 0x007FFFFF};
    const uint32_t bits = i < COUNT(odd) ? odd[i] : random_bits();
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* The elements as a device has them, dense. */
static void fetch(struct compute *compute, struct tensor tensor, void *out)
{
    op_download(compute, tensor, out);
    assert_int_equal(compute_finish(compute), 0);
}

/* Copies that change the type: F32 to BF16 rounds to the nearest, and back, and bytes become floats; also into and out
 * of views. */
static void test_copy_types(void **state)
{
    (void)state;
    enum { ROWS = 37, COLUMNS = 51, WHOLE = ROWS * COLUMNS };
    static float values[WHOLE], back[WHOLE], floats[WHOLE];
    static uint8_t bytes[WHOLE];
    for (int64_t i = 0; i < WHOLE; i++) {
        values[i] = odd_value(i);
        bytes[i] = (uint8_t)random_bits();
    }
    for (int n = 0; n < SIDES * 2; n++) {
        struct compute *const compute = sides.compute[n % SIDES];
        const bool exchanged = n >= SIDES;
        compute_begin(compute);
        const struct tensor x = op_upload(compute, DTYPE_F32, DIMS(ROWS, COLUMNS), values);
        const struct tensor u = op_upload(compute, DTYPE_U8, DIMS(ROWS, COLUMNS), bytes);
        const struct tensor y = COMPUTE_TENSOR(compute, DTYPE_F32, ROWS, COLUMNS);
        const struct tensor z = COMPUTE_TENSOR(compute, DTYPE_F32, ROWS, COLUMNS);
        struct tensor half =
            COMPUTE_TENSOR(compute, DTYPE_BF16, exchanged ? COLUMNS : ROWS, exchanged ? ROWS : COLUMNS);
        half = exchanged ? tensor_swap_axes(half, 0, 1) : half;
        op_copy(compute, x, half);
        op_copy(compute, half, y);
        op_copy(compute, u, z);
        fetch(compute, y, back);
        fetch(compute, z, floats);
        for (int64_t i = 0; i < WHOLE; i++) {
            const float wanted = nearest_bf16(values[i]);
            if (isnan(wanted) ? !isnan(back[i]) : memcmp(&wanted, &back[i], sizeof(wanted)) != 0)
                fail_msg("%a becomes %a, not %a", (double)values[i], (double)back[i], (double)wanted);
            assert_true(floats[i] == (float)bytes[i]);
        }
        /* One entry shown again and again, and a type that nothing becomes. */
        const struct tensor row = COMPUTE_TENSOR(compute, DTYPE_BF16, ROWS, COLUMNS);
        op_copy(compute, tensor_repeat(tensor_slice(x, 0, 1, 1), 0, ROWS), row);
        op_copy(compute, row, y);
        fetch(compute, y, back);
        for (int64_t i = 0; i < WHOLE; i++)
            assert_true(back[i] == nearest_bf16(values[COLUMNS + i % COLUMNS]) || isnan(back[i]));
        op_copy(compute, row, u);
        assert_int_equal(compute_status(compute), SOWLV2_ERROR_ARGUMENT);
    }
}

/* Rows of an image further apart than they are long; what lies between them is not seen, nor what lies behind the last
 * one, where the memory ends. */
static void test_upload_rows(void **state)
{
    (void)state;
    for (int n = 0; n < 40; n++) {
        const int64_t rows = random_range(1, 9), columns = random_range(1, 40);
        const size_t apart = (size_t)(columns + (n % 4 == 0 ? 0 : random_range(1, 20)));
        uint8_t *const bytes = malloc((size_t)(rows - 1) * apart + (size_t)columns);
        assert_non_null(bytes);
        for (size_t i = 0; i < (size_t)(rows - 1) * apart + (size_t)columns; i++)
            bytes[i] = (uint8_t)random_bits();
        const int64_t skipped = random_range(0, columns - 1), left = columns - skipped;
        uint8_t whole[9 * 40];
        float part[9 * 40];
        for (int side = 0; side < SIDES; side++) {
            struct compute *const compute = sides.compute[side];
            compute_begin(compute);
            const struct tensor image = op_upload_rows(compute, bytes, apart, rows, columns);
            assert_true(image.dtype == DTYPE_U8 && image.rank == 2 && image.dim[0] == rows && image.dim[1] == columns);
            const struct tensor floats = COMPUTE_TENSOR(compute, DTYPE_F32, rows, left);
            op_copy(compute, tensor_slice(image, 1, skipped, left), floats);
            op_download(compute, image, whole);
            op_download(compute, floats, part);
            assert_int_equal(compute_finish(compute), 0);
            for (int64_t i = 0; i < rows; i++) {
                assert_memory_equal(whole + i * columns, bytes + (size_t)i * apart, (size_t)columns);
                for (int64_t j = 0; j < left; j++)
                    assert_true(part[i * left + j] == (float)bytes[(size_t)i * apart + (size_t)(skipped + j)]);
            }
        }
        free(bytes);
    }
}

static void test_fill_and_pool(void **state)
{
    (void)state;
    for (int i = 0; i < 60; i++) {
        const int size = (int)random_range(1, 4);
        const int64_t n = random_range(1, 3), h = random_range(1, 12), w = random_range(1, 12), c = random_range(1, 40);
        const struct tensor x = field_in(i % 2 == 0, -1.0F, 1.0F, DIMS(n, h, w, c));
        struct tensor out[SIDES];
        sides_out(out, i % 3 == 0, DIMS(n, h / size, w / size, c));
        sides_begin();
        for (int side = 0; side < SIDES; side++)
            op_max_pool2d(sides.compute[side], x, size, out[side]);
        sides_compare(out, 0.0, 0.0, "pool");
        for (int side = 0; side < SIDES; side++)
            op_fill(sides.compute[side], 2.5F, out[side]);
        sides_finish();
        for (int64_t k = 0; k < tensor_count(&out[UNDER_TEST]); k++)
            for (int side = 0; side < SIDES; side++)
                assert_true(*tensor_element(&out[side], k) == 2.5F);
        fields_check();
    }
}

/* As torch's max_pool2d: a NaN anywhere in a window is its maximum, whatever comes after it, and reaches no other
 * window or channel. */
static void test_pool_nan(void **state)
{
    (void)state;
    enum { SIZE = 3, CHANNELS = 37 };
    for (int place = 0; place < SIZE * SIZE; place++) {
        const struct tensor x = field_in(true, -1.0F, 1.0F, DIMS(1, SIZE, 2 * SIZE, CHANNELS));
        struct tensor out[SIDES];
        sides_out(out, false, DIMS(1, 1, 2, CHANNELS));
        for (int64_t c = 0; c < CHANNELS; c += 3)
            *tensor_element(&x, ((place / SIZE) * 2 * SIZE + place % SIZE) * CHANNELS + c) = NAN;
        sides_begin();
        for (int side = 0; side < SIDES; side++)
            op_max_pool2d(sides.compute[side], x, SIZE, out[side]);
        sides_finish();
        for (int side = 0; side < SIDES; side++)
            for (int64_t k = 0; k < 2 * (int64_t)CHANNELS; k++)
                if (!isnan(*tensor_element(&out[side], k)) == (k < CHANNELS && k % 3 == 0))
                    fail_msg("NaN at %d of the window: channel %d, side %d: %g", place, (int)k, side,
                             (double)*tensor_element(&out[side], k));
    }
}

/* Numbers outside of what there is are errors that name the op. */
static void check_bad_number(struct compute *compute, const char *op)
{
    assert_int_equal(compute_finish(compute), SOWLV2_ERROR_ARGUMENT);
    assert_non_null(strstr(error_message(), op));
}

static void test_embed(void **state)
{
    (void)state;
    int32_t ids[3 * 5];
    for (int i = 0; i < COUNT(ids); i++)
        ids[i] = (int32_t)random_range(0, 10);
    ids[3] = 10;
    const struct tensor table = field_in(true, -1.0F, 1.0F, DIMS(11, 37));
    const struct tensor positions = field_in(true, -1.0F, 1.0F, DIMS(8, 37));
    const struct tensor id = field_in_i32(DIMS(3, 5), ids);
    struct tensor out[SIDES];
    sides_out(out, true, DIMS(3, 5, 37));
    sides_begin();
    for (int i = 0; i < SIDES; i++)
        op_embed(sides.compute[i], id, table, positions, out[i]);
    sides_compare(out, 0.0, 0.0, "embed");
    static const int32_t bad[] = {-1, 11, INT32_MAX, INT32_MIN};
    for (int i = 0; i < COUNT(bad) * SIDES; i++) {
        ids[14] = bad[i / SIDES];
        compute_begin(sides.compute[i % SIDES]);
        op_embed(sides.compute[i % SIDES], field_in_i32(DIMS(3, 5), ids), table, positions, out[i % SIDES]);
        check_bad_number(sides.compute[i % SIDES], "op_embed");
    }
    fields_check();
}

/* Rows of each entry's own x, and of one that all share; picked ones are slices of a wider tensor of numbers. */
static void test_gather_rows(void **state)
{
    (void)state;
    enum { BATCH = 3, PICKED = 4, ROWS = 5, WIDTH = 19 };
    const int32_t rows[BATCH * (PICKED + 1)] = {4, 0, 2, 2, -9, 1, 3, 0, 0, -9, 4, 4, 3, 1, -9};
    for (int64_t own = 1; own <= BATCH; own += BATCH - 1) {
        const struct tensor index = tensor_slice(field_in_i32(DIMS(BATCH, PICKED + 1), rows), 1, 0, PICKED);
        const struct tensor x = field_in(true, -1.0F, 1.0F, DIMS(own, ROWS, WIDTH));
        struct tensor out[SIDES];
        sides_out(out, true, DIMS(BATCH, PICKED, WIDTH));
        sides_begin();
        for (int i = 0; i < SIDES; i++)
            op_gather_rows(sides.compute[i], x, index, out[i]);
        sides_compare(out, 0.0, 0.0, "gather_rows");
        for (int64_t i = 0; i < BATCH * PICKED * WIDTH; i++) {
            const int64_t b = i / (PICKED * WIDTH), row = rows[b * (PICKED + 1) + i / WIDTH % PICKED];
            assert_true(*tensor_element(&out[REFERENCE], i) ==
                        *tensor_element(&x, ((own == 1 ? 0 : b) * ROWS + row) * WIDTH + i % WIDTH));
        }
        static const int32_t bad[] = {-1, ROWS, INT32_MAX, INT32_MIN};
        for (int i = 0; i < COUNT(bad) * SIDES; i++) {
            int32_t wrong[BATCH * PICKED] = {0};
            wrong[BATCH * PICKED - 1] = bad[i / SIDES];
            compute_begin(sides.compute[i % SIDES]);
            op_gather_rows(sides.compute[i % SIDES], x, field_in_i32(DIMS(BATCH, PICKED), wrong), out[i % SIDES]);
            check_bad_number(sides.compute[i % SIDES], "op_gather_rows");
        }
        fields_check();
    }
}

/* Blocks that are remembered in BF16, and F32 ones; more than go into one launch. */
static void test_gather_blocks(void **state)
{
    (void)state;
    static const struct blocks_case cases[] = {
        {1, 1, 1, 1, 0, false, DTYPE_F32, DTYPE_F32},     {2, 3, 5, 64, 5, false, DTYPE_BF16, DTYPE_F32},
        {2, 3, 5, 7, 5, false, DTYPE_BF16, DTYPE_F32},    {3, 2, 4, 64, 1, true, DTYPE_F32, DTYPE_F32},
        {3, 100, 2, 8, 1, true, DTYPE_F32, DTYPE_F32},    {3, 100, 2, 3, 2, false, DTYPE_BF16, DTYPE_F32},
        {2, 150, 1, 12, 0, false, DTYPE_BF16, DTYPE_F32},
    };
    for (int i = 0; i < COUNT(cases) * SIDES; i++)
        check_gather_blocks(sides.compute[i % SIDES], &cases[i / SIDES]);
}

static void test_lookups_expected(void **state)
{
    (void)state;
    struct safetensors *file = expected_open("ops.safetensors");
    for (int side = 0; side < SIDES; side++) {
        struct compute *const compute = sides.compute[side];
        compute_begin(compute);
        struct tensor out = expected_like(compute, file, "embed", "out");
        op_embed(compute, expected_upload(compute, file, "embed", "ids"),
                 expected_upload(compute, file, "embed", "table"), expected_upload(compute, file, "embed", "positions"),
                 out);
        expected_compare(compute, &out, file, "embed", "out", 0.0, 0.0);

        const struct tensor x = expected_upload(compute, file, "gather_rows", "x");
        const struct tensor index = expected_upload(compute, file, "gather_rows", "index"); /* one row of each entry */
        out = expected_like(compute, file, "gather_rows", "out");
        op_gather_rows(compute, x, TENSOR_RESHAPE(index, index.dim[0], 1),
                       TENSOR_RESHAPE(out, out.dim[0], 1, out.dim[1]));
        expected_compare(compute, &out, file, "gather_rows", "out", 0.0, 0.0);
    }
    safetensors_close(&file);
}

#define T(i) given[i].tensor

static void call_copy(struct compute *compute, const struct given *given)
{
    op_copy(compute, T(0), T(1));
}

static void call_fill(struct compute *compute, const struct given *given)
{
    op_fill(compute, 1.0F, T(0));
}

static void call_embed(struct compute *compute, const struct given *given)
{
    op_embed(compute, T(0), T(1), T(2), T(3));
}

static void call_gather_rows(struct compute *compute, const struct given *given)
{
    op_gather_rows(compute, T(0), T(1), T(2));
}

static void call_max_pool2d(struct compute *compute, const struct given *given)
{
    op_max_pool2d(compute, T(0), 1, T(1));
}

#define F32(...) field_inout(false, -1.0F, 1.0F, DIMS(__VA_ARGS__))

static void test_rejections(void **state)
{
    (void)state;
    static const int32_t zeros[16] = {0};
    CHECK_REJECTIONS("op_copy", call_copy, {"from", F32(2, 3, 4), GIVEN_VIEW},
                     {"out", F32(2, 3, 4), GIVEN_OUT | GIVEN_VIEW});
    CHECK_REJECTIONS(
        "op_fill", call_fill,
        {"out", F32(2, 3, 4), GIVEN_OUT | GIVEN_ANY_RANK | GIVEN_FREE | GIVEN_FREE << 1 | GIVEN_FREE << 2});
    CHECK_REJECTIONS("op_embed", call_embed, {"ids", field_in_i32(DIMS(2, 3), zeros), 0},
                     {"table", F32(9, 5), GIVEN_FREE}, {"positions", F32(4, 5), GIVEN_FREE},
                     {"out", F32(2, 3, 5), GIVEN_OUT});
    CHECK_REJECTIONS("op_gather_rows", call_gather_rows, {"x", F32(3, 3, 5), GIVEN_FREE << 1},
                     {"index", field_in_i32(DIMS(3, 4), zeros), 0}, {"out", F32(3, 4, 5), GIVEN_OUT});
    CHECK_REJECTIONS("op_max_pool2d", call_max_pool2d, {"x", F32(2, 5, 7, 3), 0}, {"out", F32(2, 5, 7, 3), GIVEN_OUT});

    const struct tensor a = F32(2, 3), b = F32(3, 2), ids = field_in_i32(DIMS(2, 3), zeros);
    REJECTED(op_copy, a, b);
    REJECTED(op_copy, a, a);
    REJECTED(op_copy, a, ids);                                                   /* F32 does not become I32 */
    REJECTED(op_copy, F32(2, 3), tensor_repeat(tensor_slice(a, 0, 0, 1), 0, 2)); /* writes one place twice */
    REJECTED(op_fill, 1.0F, F32(1, 1, 1, 1, 2));
    REJECTED(op_embed, ids, F32(9, 5), F32(2, 5), F32(2, 3, 5)); /* too few positions */
    REJECTED(op_gather_rows, F32(2, 3, 5), field_in_i32(DIMS(3, 3), zeros), F32(3, 3, 5));
    REJECTED(op_max_pool2d, TENSOR_RESHAPE(a, 1, 2, 3, 1), 1, TENSOR_RESHAPE(b, 1, 3, 2, 1));
    REJECTED(op_max_pool2d, TENSOR_RESHAPE(a, 1, 2, 3, 1), 0, F32(1, 2, 3, 1));
    REJECTED(op_max_pool2d, TENSOR_RESHAPE(a, 1, 2, 3, 1), -1, F32(1, 2, 3, 1));
    const struct tensor block = F32(3, 5), other = F32(3, 4), table = F32(2, 3, 5), to = F32(1, 2, 3, 5);
    const struct tensor good[2] = {block, F32(3, 5)}, bad[2] = {block, other},
                        own[2] = {block, tensor_at(tensor_at(to, 0), 1)};
    const int place[3][2] = {{0, 1}, {0, 2}, {-1, 0}};
    const struct row_blocks right = {2, good, &table, place[0]};
    REJECTED(op_gather_blocks, &(struct row_blocks){2, bad, &table, place[0]}, to, F32(1, 2, 3, 5));
    REJECTED(op_gather_blocks, &(struct row_blocks){2, own, &table, place[0]}, to, F32(1, 2, 3, 5));
    REJECTED(op_gather_blocks, &(struct row_blocks){2, good, &table, place[1]}, to, F32(1, 2, 3, 5));
    REJECTED(op_gather_blocks, &(struct row_blocks){2, good, &table, place[2]}, to, F32(1, 2, 3, 5));
    REJECTED(op_gather_blocks, &(struct row_blocks){1, good, &table, place[0]}, to, F32(1, 2, 3, 5));
    REJECTED(op_gather_blocks, &(struct row_blocks){2, good, &other, place[0]}, to, F32(1, 2, 3, 5));
    REJECTED(op_gather_blocks, &(struct row_blocks){2, good, &(const struct tensor){0}, place[0]}, to, F32(1, 2, 3, 5));
    REJECTED(op_gather_blocks, &right, to, to);
    REJECTED(op_gather_blocks, &right, to, F32(2, 1, 3, 5));
    REJECTED(op_gather_blocks, &right, F32(2, 3, 5), F32(2, 3, 5));
    const uint8_t bytes[4 * 12] = {0};
    REJECTED(op_upload_rows, bytes, 11, 4, 12);
    REJECTED(op_upload_rows, NULL, 12, 4, 12);
    REJECTED(op_upload_rows, bytes, 12, 0, 12);
    REJECTED(op_upload_rows, bytes, 12, 4, 0);
    struct tensor nothing = a;
    nothing.buffer = NULL;
    float back[6];
    REJECTED(op_download, nothing, back);

    /* Nothing to do is no error. */
    struct compute *const compute = sides.compute[UNDER_TEST];
    sides_begin();
    op_copy(compute, F32(2, 0, 3), F32(2, 0, 3));
    op_fill(compute, 1.0F, F32(0, 3));
    op_embed(compute, field_in_i32(DIMS(0, 3), zeros), F32(9, 5), F32(4, 5), F32(0, 3, 5));
    op_gather_rows(compute, F32(0, 2, 3), field_in_i32(DIMS(0, 1), zeros), F32(0, 1, 3));
    op_max_pool2d(compute, F32(1, 1, 5, 3), 2, F32(1, 0, 2, 3));
    sides_finish();
    fields_check();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_copy),          TEST(test_copy_types),    TEST(test_upload_rows),
        TEST(test_fill_and_pool), TEST(test_pool_nan),      TEST(test_embed),
        TEST(test_gather_rows),   TEST(test_gather_blocks), TEST(test_lookups_expected),
        TEST(test_rejections),
    };
    return sides_run(tests, COUNT(tests));
}
