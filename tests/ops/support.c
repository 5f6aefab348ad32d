/* What the tests of ops share. */
#include "ops/support.h"

#include "base/error.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool level_under_test(enum cpu_level *level)
{
    const char *name = getenv("SOWLV2_CPU");
    *level = cpu_level_best();
    if (!name)
        return true;
    if (!cpu_level_parse(name, level)) {
        fprintf(stderr, "SOWLV2_CPU=%s: no such level\n", name);
        exit(1);
    }
    if (*level > cpu_level_best()) {
        printf("SKIP: this machine lacks level %s\n", name);
        return false;
    }
    return true;
}

const char *device_under_test(void)
{
    return getenv("SOWLV2_TEST_DEVICE");
}

void *driver_function(const char *name)
{
    static void *library;
    if (!library)
        library = dlopen("libcuda.so.1", RTLD_NOW);
    void *const function = library ? dlsym(library, name) : NULL;
    assert_non_null(function);
    return function;
}

static uint64_t random_state = 1;

void random_seed(uint64_t seed)
{
    random_state = seed * 2 + 1;
}

uint32_t random_bits(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    uint64_t x = random_state;
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
    return (uint32_t)(x >> 32);
}

int64_t random_range(int64_t low, int64_t high)
{
    return low + (int64_t)(random_bits() % (uint32_t)(high - low + 1));
}

float random_float(float low, float high)
{
    return low + (high - low) * (float)(random_bits() >> 8) * 0x1p-24F;
}

float nearest_bf16(float value)
{
    if (!isfinite(value))
        return value;
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    const uint32_t low_bits = bits & 0xFFFF0000U, high_bits = low_bits + 0x10000U;
    float low, high;
    memcpy(&low, &low_bits, sizeof(low));
    memcpy(&high, &high_bits, sizeof(high));
    const double below = fabs((double)value - (double)low);
    const double above = fabs((isfinite(high) ? (double)high : copysign(0x1p128, (double)value)) - (double)value);
    return below < above || (below == above && (low_bits >> 16 & 1U) == 0) ? low : high;
}

float *tensor_element(const struct tensor *tensor, int64_t i)
{
    int64_t offset = 0;
    for (int axis = tensor->rank - 1; axis >= 0; axis--) {
        offset += i % tensor->dim[axis] * tensor->stride[axis];
        i /= tensor->dim[axis];
    }
    return (float *)host_data(*tensor) + offset;
}

void *fetch_elements(struct compute *compute, struct tensor tensor)
{
    void *const elements = malloc((size_t)tensor_count(&tensor) * dtype_size(tensor.dtype) + 1);
    assert_non_null(elements);
    op_download(compute, tensor, elements);
    if (compute_finish(compute) != 0)
        fail_msg("%s", error_message());
    return elements;
}

void compare_tensors(const char *what, const struct tensor *found, const struct tensor *expected, double absolute,
                     double relative)
{
    assert_int_equal(tensor_count(found), tensor_count(expected));
    for (int64_t i = 0; i < tensor_count(found); i++) {
        double a = (double)*tensor_element(found, i), b = (double)*tensor_element(expected, i);
        if (!(fabs(a - b) <= absolute + relative * fabs(b))) {
            fail_msg("%s: element %lld of %lld is %.9g, not %.9g (off by %.3g)", what, (long long)i,
                     (long long)tensor_count(found), a, b, a - b);
        }
    }
}

struct weight weight_random(float low, float high, int shift, int rank, const int64_t *dim)
{
    struct weight weight = {.tensor = {.dtype = DTYPE_F32, .rank = rank}};
    for (int i = 0; i < rank; i++)
        weight.tensor.dim[i] = dim[i];
    int64_t count = host_tensor_count(&weight.tensor);
    weight.tensor.bytes = (size_t)count * sizeof(float);
    weight.memory = malloc(weight.tensor.bytes + (size_t)shift);
    assert_non_null(weight.memory);
    weight.tensor.data = weight.memory + shift;
    for (int64_t i = 0; i < count; i++) {
        float value = random_float(low, high);
        memcpy(weight.memory + shift + (size_t)i * sizeof(value), &value, sizeof(value));
    }
    return weight;
}

void weight_free(struct weight *weight)
{
    free(weight->memory);
    *weight = (struct weight){0};
}

void resize_image(struct compute *compute, const uint8_t *pixels, size_t row_bytes, const struct filter *vertical,
                  const struct filter *horizontal, float scale, const float mean[3], const float std[3],
                  struct tensor out)
{
    const struct pixel_scale values = pixel_scale(scale, mean, std);
    const struct resize down = op_upload_filter(compute, vertical), across = op_upload_filter(compute, horizontal);
    const struct tensor rows =
        op_upload_rows(compute, pixels, row_bytes, vertical->inputs, 3 * (int64_t)horizontal->inputs);
    op_resize_image(compute, rows, &down, &across, &values, out);
}

void resize_image_u8(struct compute *compute, const uint8_t *pixels, size_t row_bytes, const struct filter_u8 *vertical,
                     const struct filter_u8 *horizontal, float scale, const float mean[3], const float std[3],
                     struct tensor out)
{
    const struct pixel_scale values = pixel_scale(scale, mean, std);
    const struct resize down = op_upload_filter_u8(compute, vertical);
    const struct resize across = op_upload_filter_u8(compute, horizontal);
    const struct tensor rows =
        op_upload_rows(compute, pixels, row_bytes, vertical->inputs, 3 * (int64_t)horizontal->inputs);
    op_resize_image(compute, rows, &down, &across, &values, out);
}

void resize_planes(struct compute *compute, struct tensor x, const struct filter *vertical,
                   const struct filter *horizontal, const float *threshold, struct tensor out)
{
    const struct resize down = op_upload_filter(compute, vertical), across = op_upload_filter(compute, horizontal);
    if (threshold)
        op_resize_planes_above(compute, x, &down, &across, *threshold, out);
    else
        op_resize_planes(compute, x, &down, &across, out);
}

static struct tensor upload_random(struct compute *compute, enum dtype dtype, int rank, const int64_t *dim)
{
    struct weight values = weight_random(-4.0F, 4.0F, 0, rank, dim);
    const struct tensor from = op_upload(compute, DTYPE_F32, rank, dim, values.memory);
    weight_free(&values);
    if (dtype == DTYPE_F32)
        return from;
    const struct tensor out = compute_tensor(compute, dtype, rank, dim);
    op_copy(compute, from, out);
    return out;
}

/* A tensor for results within one that is wider in all axes but the last, and holds the same number everywhere. */
static struct tensor upload_wide(struct compute *compute, enum dtype dtype, const int64_t dim[4], struct tensor *whole)
{
    *whole = compute_tensor(compute, dtype, 4, (int64_t[]){dim[0], dim[1] + 1, dim[2] + 3, dim[3]});
    op_fill(compute, 7.0F, *whole);
    return tensor_slice(tensor_slice(*whole, 1, 1, dim[1]), 2, 2, dim[2]);
}

void check_gather_blocks(struct compute *compute, const struct blocks_case *test)
{
    const int64_t count = test->n * test->each, places = test->in_order ? count : 3;
    const int64_t dim[4] = {test->n, test->each, test->rows, test->columns};
    struct tensor *const from = calloc((size_t)count, sizeof(*from));
    int *const place = calloc((size_t)count, sizeof(*place));
    assert_true(from && place);
    compute_begin(compute);
    struct tensor positions = {0}, whole[4], part[4];
    if (test->position_rows > 0)
        positions = upload_random(compute, DTYPE_F32, 3, (int64_t[]){places, test->position_rows, test->columns});
    for (int i = 0; i < 4; i++)
        part[i] = upload_wide(compute, test->out, dim, &whole[i]);
    for (int64_t i = 0; i < count; i++) {
        from[i] = upload_random(compute, test->from, 2, dim + 2);
        place[i] = test->in_order ? (int)i : (int)random_range(0, places - 1);
    }
    const struct row_blocks blocks = {.count = count,
                                      .from = from,
                                      .positions = test->position_rows > 0 ? &positions : NULL,
                                      .place = test->in_order ? NULL : place};
    op_gather_blocks(compute, &blocks, part[0], part[1]);
    for (int64_t i = 0; i < count; i++) {
        const struct tensor to = tensor_at(tensor_at(part[2], i / test->each), i % test->each);
        const struct tensor sum = tensor_at(tensor_at(part[3], i / test->each), i % test->each);
        op_copy(compute, from[i], to);
        if (blocks.positions)
            op_add(compute, to, tensor_at(positions, place[i]), sum);
        else
            op_copy(compute, to, sum);
    }
    void *elements[4];
    for (int i = 0; i < 4; i++)
        elements[i] = fetch_elements(compute, whole[i]);
    for (int i = 0; i < 2; i++)
        assert_memory_equal(elements[i], elements[i + 2], (size_t)tensor_count(&whole[i]) * dtype_size(whole[i].dtype));
    for (int i = 0; i < 4; i++)
        free(elements[i]);
    free(from);
    free(place);
}

uint8_t noise(uint32_t y, uint32_t x, uint32_t c)
{
    uint32_t v = y * 73856093u ^ x * 19349663u ^ c * 83492791u;
    v = (v ^ v >> 13) * 0x5bd1e995u;
    return (uint8_t)((v ^ v >> 15) & 255u);
}
