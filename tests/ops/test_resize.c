/* Resizes of images and planes: each level against the reference set, and against the reference implementation
 * (tests/reference/make_resize_u8.py); parts of resizes against the whole; and what is rejected. The filters
 * themselves: test_filter.c. */
#include "ops/expected.h"
#include "ops/sides.h"

#include "base/bits.h"
#include "base/error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* f32 sums of weights that add up to 1 times values to 255, scaled by 1/255 and divided by 0.26: some
 * roundings of 2^-24 * 4. */
static const double tolerance = 2e-6;

static const float mean[3] = {0.48145466F, 0.4578275F, 0.40821073F}, std[3] = {0.26862954F, 0.26130258F, 0.27577711F};

/* An image whose last row ends where its memory ends, so that the sanitizer sees a read beyond it. */
static uint8_t *make_pixels(int64_t height, int64_t width, size_t row_bytes)
{
    const size_t bytes = (size_t)(height - 1) * row_bytes + (size_t)width * 3;
    uint8_t *pixels = malloc(bytes);
    assert_non_null(pixels);
    for (size_t i = 0; i < bytes; i++)
        pixels[i] = (uint8_t)random_bits();
    return pixels;
}

static void check_resize(const struct filter *vertical, const struct filter *horizontal, bool gaps)
{
    const size_t row_bytes = (size_t)horizontal->inputs * 3 + (gaps ? (size_t)random_range(1, 30) : 0);
    uint8_t *pixels = make_pixels(vertical->inputs, horizontal->inputs, row_bytes);
    struct tensor out[SIDES];
    sides_out(out, gaps, DIMS(vertical->outputs, horizontal->outputs, 3));
    sides_begin();
    for (int i = 0; i < SIDES; i++)
        resize_image(sides.compute[i], pixels, row_bytes, vertical, horizontal, 1.0F / 255.0F, mean, std, out[i]);
    sides_compare(out, tolerance, tolerance, "resize %d x %d to %d x %d", vertical->inputs, horizontal->inputs,
                  vertical->outputs, horizontal->outputs);
    fields_check();
    free(pixels);
}

static void test_blur(void **state)
{
    (void)state;
    static const int sizes[][3] = {{1, 1, 5},    {1, 50, 33},  {50, 1, 33},  {37, 91, 64},   {91, 37, 96}, {64, 64, 64},
                                   {65, 50, 64}, {200, 3, 17}, {3, 200, 17}, {333, 277, 48}, {16, 15, 127}};
    for (int i = 0; i < COUNT(sizes); i++) {
        const int height = sizes[i][0], width = sizes[i][1], target = sizes[i][2];
        const int side = height > width ? height : width;
        struct filter vertical, horizontal;
        assert_int_equal(filter_blur_bilinear(height, side, target, &vertical), 0);
        assert_int_equal(filter_blur_bilinear(width, side, target, &horizontal), 0);
        check_resize(&vertical, &horizontal, i % 2 == 0);
        filter_free(&vertical);
        filter_free(&horizontal);
    }
}

static void test_antialias(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++) {
        struct filter vertical, horizontal;
        assert_int_equal(filter_bilinear_antialias((int)random_range(1, 90), (int)random_range(1, 70), &vertical), 0);
        assert_int_equal(filter_bilinear_antialias((int)random_range(1, 90), (int)random_range(1, 70), &horizontal), 0);
        check_resize(&vertical, &horizontal, i % 2 == 0);
        filter_free(&vertical);
        filter_free(&horizontal);
    }
}

/* Filters of any taps, also none: then the output is that of a black pixel. */
static struct filter random_filter(int inputs, int outputs)
{
    struct filter filter;
    assert_int_equal(filter_bilinear_antialias(inputs, outputs, &filter), 0);
    for (int i = 0; i < outputs; i++) {
        const int most = filter.stride < inputs ? filter.stride : inputs;
        filter.count[i] = (int32_t)random_range(0, most);
        filter.first[i] = (int32_t)random_range(0, inputs - filter.count[i]);
        for (int j = 0; j < filter.count[i]; j++)
            filter.weight[i * filter.stride + j] = random_float(-1.0F, 1.0F) / (float)filter.count[i];
    }
    return filter;
}

static void test_any_filter(void **state)
{
    (void)state;
    for (int i = 0; i < 40; i++) {
        struct filter vertical = random_filter((int)random_range(1, 50), (int)random_range(1, 40));
        struct filter horizontal = random_filter((int)random_range(1, 50), (int)random_range(1, 40));
        check_resize(&vertical, &horizontal, i % 2 == 0);
        const struct tensor x = field_in(i % 2 == 0, -2.0F, 2.0F, DIMS(3, vertical.inputs, horizontal.inputs));
        struct tensor out[SIDES];
        sides_out(out, i % 2 == 0, DIMS(3, vertical.outputs, horizontal.outputs));
        sides_begin();
        for (int side = 0; side < SIDES; side++)
            resize_planes(sides.compute[side], x, &vertical, &horizontal, NULL, out[side]);
        sides_compare(out, tolerance, tolerance, "planes");
        fields_check();
        filter_free(&vertical);
        filter_free(&horizontal);
    }
}

/* Planes with filters from the first size to the second. */
static void test_planes_expected(void **state)
{
    (void)state;
    struct safetensors *file = expected_open("resize_u8.safetensors");
    char group[32];
    int cases = 0;
    for (;; cases++) {
        snprintf(group, sizeof(group), "planes.%d", cases);
        const struct host_tensor *x = expected_find(file, group, "x");
        if (!x)
            break;
        const struct host_tensor *y = expected_get(file, group, "y");
        struct filter vertical, horizontal;
        assert_int_equal(filter_bilinear((int)x->dim[0], (int)y->dim[0], &vertical), 0);
        assert_int_equal(filter_bilinear((int)x->dim[1], (int)y->dim[1], &horizontal), 0);
        for (int side = 0; side < SIDES; side++) {
            struct compute *const compute = sides.compute[side];
            compute_begin(compute);
            const struct tensor in = expected_upload(compute, file, group, "x");
            const struct tensor planes = TENSOR_RESHAPE(in, 1, x->dim[0], x->dim[1]);
            const struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, 1, y->dim[0], y->dim[1]);
            resize_planes(compute, planes, &vertical, &horizontal, NULL, out);
            const struct tensor plane = tensor_at(out, 0);
            expected_compare(compute, &plane, file, group, "y", 1e-6, 1e-6);
        }
        filter_free(&vertical);
        filter_free(&horizontal);
    }
    assert_int_equal(cases, 5);
    safetensors_close(&file);
}

/* Where planes are over a threshold, as bits: of what the same device makes of them as values; NaN is not over it. Rows
 * end anywhere in a byte and a word, and the bits after their last pixel are 0. */
static void test_planes_above(void **state)
{
    (void)state;
    enum { PLANES = 3, GAP = 5 };
    static const int widths[] = {1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 71, 100, 127, 128, 131, 192, 250};
    for (int n = 0; n < 2 * COUNT(widths); n++) {
        const int width = widths[n / 2], height = (int)random_range(1, 9), rows = height + n % 2 * GAP;
        const float threshold = n % 4 < 2 ? 0.1F : -0.1F;
        struct filter vertical, horizontal;
        assert_int_equal(filter_bilinear((int)random_range(1, 12), height, &vertical), 0);
        assert_int_equal(filter_bilinear((int)random_range(1, 90), width, &horizontal), 0);
        const struct tensor x = field_in(n % 2 == 0, -1.0F, 1.0F, DIMS(PLANES, vertical.inputs, horizontal.inputs));
        *tensor_element(&x, random_range(0, tensor_count(&x) - 1)) = NAN;
        fields_seal();
        const int64_t row = bits_bytes(width);
        uint8_t *const dirt = malloc((size_t)(PLANES * rows * row));
        assert_non_null(dirt);
        for (int side = 0; side < SIDES; side++) {
            struct compute *const compute = sides.compute[side];
            memset(dirt, 0xA5, (size_t)(PLANES * rows * row));
            compute_begin(compute);
            const struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, PLANES, height, width);
            const struct tensor whole = op_upload(compute, DTYPE_U8, 3, (int64_t[]){PLANES, rows, row}, dirt);
            resize_planes(compute, x, &vertical, &horizontal, NULL, out);
            resize_planes(compute, x, &vertical, &horizontal, &threshold, tensor_slice(whole, 1, 0, height));
            uint8_t *const bits = fetch_elements(compute, whole);
            float *const values = fetch_elements(compute, out);
            for (int64_t i = 0; i < PLANES * rows * row * 8; i++) {
                const int64_t column = i % (row * 8), y = i / (row * 8) % rows, plane = i / (row * 8) / rows;
                const int bit = bits[i / 8] >> i % 8 & 1;
                if (y >= height)
                    assert_int_equal(bit, 0xA5 >> i % 8 & 1);
                else if (column >= width)
                    assert_int_equal(bit, 0);
                else
                    assert_int_equal(bit, values[(plane * height + y) * width + column] > threshold);
            }
            free(bits);
            free(values);
        }
        fields_check();
        free(dirt);
        filter_free(&vertical);
        filter_free(&horizontal);
    }
}

static uint8_t *make_noise(int height, int width)
{
    uint8_t *const pixels = malloc((size_t)height * (size_t)width * 3);
    assert_non_null(pixels);
    for (int i = 0; i < height * width * 3; i++)
        pixels[i] = noise((uint32_t)(i / 3 / width), (uint32_t)(i / 3 % width), (uint32_t)(i % 3));
    return pixels;
}

/* 8-bit resizes: exact, pixel by pixel. */
static void test_u8_expected(void **state)
{
    (void)state;
    const float none[3] = {0.0F, 0.0F, 0.0F}, one[3] = {1.0F, 1.0F, 1.0F};
    struct safetensors *file = expected_open("resize_u8.safetensors");
    char group[32];
    int cases = 0;
    for (;; cases++) {
        snprintf(group, sizeof(group), "%d", cases);
        const struct host_tensor *size = expected_find(file, group, "size");
        if (!size)
            break;
        const int height = (int)expected_number(size, 0), width = (int)expected_number(size, 1);
        const int new_height = (int)expected_number(size, 2), new_width = (int)expected_number(size, 3);
        uint8_t *pixels = make_noise(height, width);
        struct filter_u8 vertical, horizontal;
        assert_int_equal(filter_u8_bilinear_antialias(height, new_height, &vertical), 0);
        assert_int_equal(filter_u8_bilinear_antialias(width, new_width, &horizontal), 0);
        for (int side = 0; side < SIDES; side++) {
            struct compute *const compute = sides.compute[side];
            compute_begin(compute);
            const struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, new_height, new_width, 3);
            resize_image_u8(compute, pixels, (size_t)width * 3, &vertical, &horizontal, 1.0F, none, one, out);
            expected_compare(compute, &out, file, group, "pixels", 0.0, 0.0);
        }
        filter_u8_free(&vertical);
        filter_u8_free(&horizontal);
        free(pixels);
    }
    assert_int_equal(cases, 10);
    safetensors_close(&file);
}

/* Parts of a resize, down to one output, give the same bits as the whole does there, from no more pixels than they
 * read; and so they do in a later pass, where they were kept. */
static void test_parts(void **state)
{
    (void)state;
    const struct pixel_scale scale = pixel_scale(1.0F / 255.0F, mean, std);
    int smaller = 0;
    for (int n = 0; n < 60; n++) {
        struct compute *const compute = sides.compute[n % SIDES];
        const int height = (int)random_range(1, 40), width = (int)random_range(1, 40);
        const int down = (int)random_range(1, 30), across = (int)random_range(1, 30);
        const int top = (int)random_range(0, down - 1), left = (int)random_range(0, across - 1);
        const int rows = (int)random_range(1, down - top), columns = (int)random_range(1, across - left);
        const size_t row_bytes = (size_t)width * 3;
        uint8_t *pixels = make_pixels(height, width, row_bytes);
        const struct tensor whole = field_out(true, DIMS(down, across, 3));
        const struct tensor part = field_out(true, DIMS(rows, columns, 3));
        const struct tensor later = field_out(true, DIMS(rows, columns, 3));
        int first_row, first_column;
        compute_begin(compute);
        const struct resize vertical = op_filter_u8_bilinear(compute, height, down);
        const struct resize horizontal = op_filter_u8_bilinear(compute, width, across);
        assert_true(vertical.inputs == height && horizontal.inputs == width);
        const struct resize vertical_part = op_filter_u8_bilinear_part(compute, height, down, top, rows, &first_row);
        const struct resize horizontal_part =
            op_filter_u8_bilinear_part(compute, width, across, left, columns, &first_column);
        assert_in_range(first_row, 0, height - vertical_part.inputs);
        assert_in_range(first_column, 0, width - horizontal_part.inputs);
        smaller += vertical_part.inputs < height && horizontal_part.inputs < width;
        const struct tensor image = op_upload_rows(compute, pixels, row_bytes, height, 3 * (int64_t)width);
        op_resize_image(compute, image, &vertical, &horizontal, &scale, whole);
        const uint8_t *const first = pixels + (size_t)first_row * row_bytes + (size_t)first_column * 3;
        const struct tensor inner =
            op_upload_rows(compute, first, row_bytes, vertical_part.inputs, 3 * (int64_t)horizontal_part.inputs);
        op_resize_image(compute, inner, &vertical_part, &horizontal_part, &scale, part);
        struct resize kept[] = {op_keep_filter(compute, &vertical_part), op_keep_filter(compute, &horizontal_part)};
        assert_int_equal(compute_finish(compute), 0);
        compute_begin(compute);
        op_fill(compute, 7.0F, COMPUTE_TENSOR(compute, DTYPE_F32, 4096)); /* where the pass before had them */
        op_resize_image(compute, op_upload_rows(compute, first, row_bytes, kept[0].inputs, 3 * (int64_t)kept[1].inputs),
                        &kept[0], &kept[1], &scale, later);
        assert_int_equal(compute_finish(compute), 0);
        for (int i = 0; i < 2; i++)
            resize_free(compute_device(compute), &kept[i]);
        compare_tensors("a part that was kept", &later, &part, 0.0, 0.0);
        const struct tensor cut = tensor_slice(tensor_slice(whole, 0, top, rows), 1, left, columns);
        compare_tensors("a part", &part, &cut, 0.0, 0.0);
        fields_check();
        free(pixels);
    }
    assert_in_range(smaller, 20, 60);
    /* Of a failed pass there is nothing, but its size. */
    struct compute *const compute = sides.compute[UNDER_TEST];
    int first_input;
    compute_begin(compute);
    compute_fail(compute, error_set(SOWLV2_ERROR_MEMORY, "no memory"));
    const struct resize part = op_filter_u8_bilinear_part(compute, 9, 7, 2, 3, &first_input);
    assert_true(part.outputs == 3 && !part.taps.buffer);
    struct resize kept = op_keep_filter(compute, &part);
    assert_true(kept.outputs == 3 && !kept.taps.buffer && !kept.weight.buffer);
    resize_free(compute_device(compute), &kept);
    assert_true(kept.outputs == 0);
}

/* Operands of resizes as fields. */
static struct tensor as_type(struct tensor field, enum dtype dtype, int rank, const int64_t *dim)
{
    struct tensor tensor;
    size_t bytes;
    assert_true(tensor_layout(dtype, rank, dim, &tensor, &bytes));
    tensor.buffer = field.buffer;
    tensor.offset = field.offset;
    return tensor;
}

/* From 4 to 3 values, with 2 taps each. */
static struct resize as_resize(struct tensor taps, struct tensor weight)
{
    return (struct resize){.outputs = 3, .inputs = 4, .precision = 4, .taps = taps, .weight = weight};
}

#define T(i) given[i].tensor
static const struct pixel_scale plain = {1.0F, {0.0F}, {1.0F, 1.0F, 1.0F}};

static void call_image(struct compute *compute, const struct given *given)
{
    const struct resize vertical = as_resize(T(1), T(2)), horizontal = as_resize(T(3), T(4));
    op_resize_image(compute, T(0), &vertical, &horizontal, &plain, T(5));
}

static void call_planes(struct compute *compute, const struct given *given)
{
    const struct resize vertical = as_resize(T(1), T(2)), horizontal = as_resize(T(3), T(4));
    op_resize_planes(compute, T(0), &vertical, &horizontal, T(5));
}

static void call_planes_above(struct compute *compute, const struct given *given)
{
    const struct resize vertical = as_resize(T(1), T(2)), horizontal = as_resize(T(3), T(4));
    op_resize_planes_above(compute, T(0), &vertical, &horizontal, 0.5F, T(5));
}

#define F32(...) field_inout(false, -1.0F, 1.0F, DIMS(__VA_ARGS__))

static void test_rejections(void **state)
{
    (void)state;
    static const int32_t numbers[12] = {0, 1, 2, 2, 2, 2}; /* first, count; and any bytes */
#define TAPS field_in_i32(DIMS(2, 3), numbers)
#define WEIGHT F32(3, 2), GIVEN_FREE << 1
#define WEIGHT_I16 as_type(field_in_i32(DIMS(3), numbers), DTYPE_I16, DIMS(3, 2)), GIVEN_FREE << 1
#define PIXELS as_type(field_in_i32(DIMS(12), numbers), DTYPE_U8, DIMS(4, 12))
    CHECK_REJECTIONS("op_resize_image", call_image, {"pixels", PIXELS, 0}, {"vertical taps", TAPS, 0},
                     {"vertical weights", WEIGHT}, {"horizontal taps", TAPS, 0}, {"horizontal weights", WEIGHT},
                     {"out", F32(3, 3, 3), GIVEN_OUT});
    CHECK_REJECTIONS("op_resize_image", call_image, {"pixels", PIXELS, 0}, {"vertical taps", TAPS, 0},
                     {"vertical weights", WEIGHT_I16}, {"horizontal taps", TAPS, 0}, {"horizontal weights", WEIGHT_I16},
                     {"out", F32(3, 3, 3), GIVEN_OUT});
    CHECK_REJECTIONS("op_resize_planes", call_planes, {"x", F32(2, 4, 4), 0}, {"vertical taps", TAPS, 0},
                     {"vertical weights", WEIGHT}, {"horizontal taps", TAPS, 0}, {"horizontal weights", WEIGHT},
                     {"out", F32(2, 3, 3), GIVEN_OUT});
    CHECK_REJECTIONS("op_resize_planes_above", call_planes_above, {"x", F32(2, 4, 4), 0}, {"vertical taps", TAPS, 0},
                     {"vertical weights", WEIGHT}, {"horizontal taps", TAPS, 0}, {"horizontal weights", WEIGHT},
                     {"out", as_type(F32(12), DTYPE_U8, DIMS(2, 3, 8)), GIVEN_OUT});

    const struct resize resize = as_resize(TAPS, F32(3, 2));
    const struct tensor pixels = PIXELS;
    REJECTED(op_resize_image, pixels, &resize, &resize, &plain, F32(3, 4, 3));
    REJECTED(op_resize_image, pixels, &resize, &resize, &plain, F32(3, 3, 4));
    REJECTED(op_resize_image, tensor_slice(pixels, 1, 0, 11), &resize, &resize, &plain, F32(3, 3, 3));
    REJECTED(op_resize_image, pixels, &resize, &resize, &plain, as_type(F32(7), DTYPE_U8, DIMS(3, 3, 3)));
    REJECTED(op_resize_planes, F32(1, 4, 5), &resize, &resize, F32(1, 3, 3));
    REJECTED(op_resize_planes, F32(1, 4, 4), &resize, &resize, F32(1, 3, 4));
    REJECTED(op_resize_planes_above, F32(1, 4, 4), &resize, &resize, 0.5F, as_type(F32(3), DTYPE_U8, DIMS(1, 3, 3)));

    /* Taps outside of the inputs are seen when a filter goes to the device. */
    struct filter filter;
    assert_int_equal(filter_bilinear_antialias(4, 3, &filter), 0);
    struct filter wrong = filter;
    int32_t first[3] = {filter.first[0], filter.first[1], 4}, count[3] = {1, 1, 1};
    wrong.first = first;
    REJECTED(op_upload_filter, &wrong);
    first[2] = -1;
    REJECTED(op_upload_filter, &wrong);
    first[2] = 0;
    wrong.count = count;
    count[1] = -1;
    REJECTED(op_upload_filter, &wrong);
    count[1] = filter.stride + 1;
    REJECTED(op_upload_filter, &wrong);
    wrong = filter;
    wrong.outputs = 0;
    REJECTED(op_upload_filter, &wrong);
    filter_free(&filter);
    fields_check();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_blur),         TEST(test_antialias),   TEST(test_any_filter), TEST(test_planes_expected),
        TEST(test_planes_above), TEST(test_u8_expected), TEST(test_parts),      TEST(test_rejections),
    };
    return sides_run(tests, COUNT(tests));
}
