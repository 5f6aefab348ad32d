/* What the tests of ops share. */
#include "ops/support.h"

#include "base/error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t poison = 0x7fc0dead;
enum { GUARD_WORDS = 80 };

bool level_under_test(enum cpu_level *level)
{
    const char *name = getenv("SOWLV2_CPU");
    *level = cpu_level_best();
    if (name == NULL)
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

static struct field field_make(bool gaps, enum dtype dtype, int rank, const int64_t *dim)
{
    struct field field = {.tensor = {.dtype = dtype, .rank = rank}};
    int64_t extent = 1;
    for (int i = rank - 1; i >= 0; i--) {
        field.tensor.dim[i] = dim[i];
        field.tensor.stride[i] = i == rank - 1 ? 1 : extent + (gaps ? random_range(1, 9) : 0);
        extent = field.tensor.stride[i] * dim[i];
    }
    field.words = (size_t)extent + 2 * GUARD_WORDS;
    field.memory = malloc(field.words * sizeof(*field.memory));
    field.copy = malloc(field.words * sizeof(*field.copy));
    assert_non_null(field.memory);
    assert_non_null(field.copy);
    for (size_t i = 0; i < field.words; i++)
        field.memory[i] = poison;
    field.buffer = malloc(sizeof(*field.buffer));
    assert_non_null(field.buffer);
    *field.buffer = (struct buffer){.memory = field.memory, .bytes = field.words * sizeof(*field.memory)};
    field.tensor.buffer = field.buffer;
    /* Not always on a boundary of the vector width. */
    field.tensor.offset = (size_t)(GUARD_WORDS - (gaps ? random_range(0, 15) : 0)) * sizeof(*field.memory);
    field_seal(&field);
    return field;
}

struct field field_poisoned(bool gaps, int rank, const int64_t *dim)
{
    return field_make(gaps, DTYPE_F32, rank, dim);
}

struct field field_random(bool gaps, float low, float high, int rank, const int64_t *dim)
{
    struct field field = field_make(gaps, DTYPE_F32, rank, dim);
    for (int64_t i = 0; i < tensor_count(&field.tensor); i++)
        *tensor_element(&field.tensor, i) = random_float(low, high);
    field_seal(&field);
    return field;
}

struct field field_i32(int rank, const int64_t *dim, const int32_t *values)
{
    struct field field = field_make(false, DTYPE_I32, rank, dim);
    memcpy(host_data(field.tensor), values, (size_t)tensor_count(&field.tensor) * sizeof(*values));
    field_seal(&field);
    return field;
}

void field_free(struct field *field)
{
    free(field->buffer);
    free(field->memory);
    free(field->copy);
    *field = (struct field){0};
}

void field_seal(struct field *field)
{
    memcpy(field->copy, field->memory, field->words * sizeof(*field->memory));
}

void field_check_input(const struct field *field)
{
    assert_memory_equal(field->memory, field->copy, field->words * sizeof(*field->memory));
}

void field_check_output(const struct field *field)
{
    char *is_element = calloc(field->words, 1);
    assert_non_null(is_element);
    for (int64_t i = 0; i < tensor_count(&field->tensor); i++)
        is_element[(const uint32_t *)(const void *)tensor_element(&field->tensor, i) - field->memory] = 1;
    for (size_t i = 0; i < field->words; i++)
        if (!is_element[i] && field->memory[i] != field->copy[i])
            fail_msg("word %zu of %zu, outside of the output, was overwritten", i, field->words);
    free(is_element);
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

static void require(int status)
{
    if (status != 0)
        fail_msg("%s", error_message());
}

void sides_open(int threads, struct sides *sides)
{
    enum cpu_level level;
    assert_true(level_under_test(&level));
    require(device_open(&(struct device_options){.cpu_level = cpu_level_name(level), .threads = threads},
                        &sides->device[UNDER_TEST]));
    require(device_open(&(struct device_options){.device = "reference", .threads = 1}, &sides->device[REFERENCE]));
    for (int i = 0; i < SIDES; i++)
        require(compute_create(sides->device[i], &sides->compute[i]));
}

void sides_close(struct sides *sides)
{
    for (int i = 0; i < SIDES; i++) {
        compute_free(&sides->compute[i]);
        device_close(&sides->device[i]);
    }
}

void sides_begin(struct sides *sides)
{
    for (int i = 0; i < SIDES; i++)
        compute_begin(sides->compute[i]);
}

void sides_check(const struct sides *sides)
{
    for (int i = 0; i < SIDES; i++)
        require(compute_finish(sides->compute[i]));
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
    const struct pixel_scale values = mean != NULL ? pixel_scale(scale, mean, std) : (struct pixel_scale){0};
    const struct resize down = op_upload_filter_u8(compute, vertical);
    const struct resize across = op_upload_filter_u8(compute, horizontal);
    const struct tensor rows =
        op_upload_rows(compute, pixels, row_bytes, vertical->inputs, 3 * (int64_t)horizontal->inputs);
    op_resize_image(compute, rows, &down, &across, mean != NULL ? &values : NULL, out);
}

void resize_planes(struct compute *compute, struct tensor x, const struct filter *vertical,
                   const struct filter *horizontal, const float *threshold, struct tensor out)
{
    const struct resize down = op_upload_filter(compute, vertical), across = op_upload_filter(compute, horizontal);
    if (threshold != NULL)
        op_resize_planes_above(compute, x, &down, &across, *threshold, out);
    else
        op_resize_planes(compute, x, &down, &across, out);
}

uint8_t noise(uint32_t y, uint32_t x, uint32_t c)
{
    uint32_t v = y * 73856093u ^ x * 19349663u ^ c * 83492791u;
    v = (v ^ v >> 13) * 0x5bd1e995u;
    return (uint8_t)((v ^ v >> 15) & 255u);
}
