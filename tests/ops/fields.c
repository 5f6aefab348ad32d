/* Tensors of a test in guarded memory. */
#include "ops/fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t poison = 0x7fc0dead;
enum { GUARD_WORDS = 80 };

struct field {
    struct field *next;
    struct tensor tensor;
    struct buffer buffer;
    bool written; /* an op may change its elements */
    size_t words;
    uint32_t *memory, *copy; /* copy: the memory as it was when last sealed */
};

static struct field *fields;

/* Memory that the device under test can read: of a GPU what it shares with the host. */
static void *allocate(size_t bytes)
{
    static int (*managed)(uint64_t *, size_t, unsigned);
    if (!device_under_test())
        return malloc(bytes);
    uint64_t address = 0;
    if (!managed)
        *(void **)&managed = driver_function("cuMemAllocManaged");
    assert_int_equal(managed(&address, bytes, 1), 0);
    return (void *)(uintptr_t)address;
}

static void release(void *memory)
{
    static int (*free_managed)(uint64_t);
    if (!device_under_test()) {
        free(memory);
        return;
    }
    if (!free_managed)
        *(void **)&free_managed = driver_function("cuMemFree_v2");
    assert_int_equal(free_managed((uint64_t)(uintptr_t)memory), 0);
}

static void seal(struct field *field)
{
    memcpy(field->copy, field->memory, field->words * sizeof(*field->memory));
}

static struct field *make(bool gaps, bool written, enum dtype dtype, int rank, const int64_t *dim)
{
    struct field *const field = calloc(1, sizeof(*field));
    assert_non_null(field);
    field->tensor = (struct tensor){.dtype = dtype, .rank = rank};
    field->written = written;
    int64_t extent = 1;
    for (int i = rank - 1; i >= 0; i--) {
        field->tensor.dim[i] = dim[i];
        field->tensor.stride[i] = i == rank - 1 ? 1 : extent + (gaps ? random_range(1, 9) : 0);
        extent = field->tensor.stride[i] * dim[i];
    }
    field->words = (size_t)extent + 2 * GUARD_WORDS;
    field->memory = allocate(field->words * sizeof(*field->memory));
    field->copy = malloc(field->words * sizeof(*field->copy));
    assert_true(field->memory && field->copy);
    for (size_t i = 0; i < field->words; i++)
        field->memory[i] = poison;
    field->buffer = (struct buffer){.memory = field->memory, .bytes = field->words * sizeof(*field->memory)};
    field->tensor.buffer = &field->buffer;
    field->tensor.offset = (size_t)(GUARD_WORDS - (gaps ? random_range(0, 15) : 0)) * sizeof(*field->memory);
    field->next = fields;
    fields = field;
    seal(field);
    return field;
}

static struct tensor make_random(bool gaps, bool written, float low, float high, int rank, const int64_t *dim)
{
    struct field *const field = make(gaps, written, DTYPE_F32, rank, dim);
    for (int64_t i = 0; i < tensor_count(&field->tensor); i++)
        *tensor_element(&field->tensor, i) = random_float(low, high);
    seal(field);
    return field->tensor;
}

struct tensor field_in(bool gaps, float low, float high, int rank, const int64_t *dim)
{
    return make_random(gaps, false, low, high, rank, dim);
}

struct tensor field_inout(bool gaps, float low, float high, int rank, const int64_t *dim)
{
    return make_random(gaps, true, low, high, rank, dim);
}

struct tensor field_copy(bool gaps, const struct tensor *from)
{
    struct field *const field = make(gaps, true, DTYPE_F32, from->rank, from->dim);
    for (int64_t i = 0; i < tensor_count(&field->tensor); i++)
        *tensor_element(&field->tensor, i) = *tensor_element(from, i);
    seal(field);
    return field->tensor;
}

struct tensor field_out(bool gaps, int rank, const int64_t *dim)
{
    return make(gaps, true, DTYPE_F32, rank, dim)->tensor;
}

struct tensor field_out_i32(int rank, const int64_t *dim)
{
    return make(false, true, DTYPE_I32, rank, dim)->tensor;
}

struct tensor field_in_i32(int rank, const int64_t *dim, const int32_t *values)
{
    struct field *const field = make(false, false, DTYPE_I32, rank, dim);
    memcpy(host_data(field->tensor), values, (size_t)tensor_count(&field->tensor) * sizeof(*values));
    seal(field);
    return field->tensor;
}

void fields_seal(void)
{
    for (struct field *field = fields; field; field = field->next)
        seal(field);
}

static void check_unchanged(const struct field *field)
{
    assert_memory_equal(field->memory, field->copy, field->words * sizeof(*field->memory));
}

static void check_around(const struct field *field)
{
    char *const is_element = calloc(field->words, 1);
    assert_non_null(is_element);
    for (int64_t i = 0; i < tensor_count(&field->tensor); i++)
        is_element[(const uint32_t *)(const void *)tensor_element(&field->tensor, i) - field->memory] = 1;
    for (size_t i = 0; i < field->words; i++)
        if (!is_element[i] && field->memory[i] != field->copy[i])
            fail_msg("word %zu of %zu, outside of the output, was overwritten", i, field->words);
    free(is_element);
}

void fields_check_untouched(void)
{
    for (const struct field *field = fields; field; field = field->next)
        check_unchanged(field);
}

void fields_check(void)
{
    for (const struct field *field = fields; field; field = field->next)
        if (field->written)
            check_around(field);
        else
            check_unchanged(field);
    fields_free(NULL);
}

int fields_free(void **state)
{
    (void)state;
    while (fields) {
        struct field *const old = fields;
        fields = old->next;
        release(old->memory);
        free(old->copy);
        free(old);
    }
    return 0;
}
