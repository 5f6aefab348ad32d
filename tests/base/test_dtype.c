/* Element types: every half-precision value widened as torch does it. */
#include "base/dtype.h"
#include "base/error.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PATTERNS = 65536 };

/* All 16-bit patterns, widened from an odd address. */
static float *widen_all(enum dtype type)
{
    unsigned char *bytes = malloc(2 * PATTERNS + 1);
    float *values = malloc(PATTERNS * sizeof(*values));
    assert_non_null(bytes);
    assert_non_null(values);
    for (int i = 0; i < PATTERNS; i++) {
        bytes[1 + 2 * i] = (unsigned char)i;
        bytes[2 + 2 * i] = (unsigned char)(i >> 8);
    }
    assert_int_equal(dtype_to_f32(type, bytes + 1, PATTERNS, values), 0);
    free(bytes);
    return values;
}

/* FNV-1a over the bits of all values but NaN, as tests/reference/make_weights.py does it. */
static uint64_t hash(const float *values)
{
    uint64_t state = UINT64_C(0xCBF29CE484222325);
    for (int i = 0; i < PATTERNS; i++) {
        if (isnan(values[i]))
            continue;
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof(bits));
        for (int byte = 0; byte < 4; byte++)
            state = (state ^ (bits >> (8 * byte) & 0xFF)) * UINT64_C(0x100000001B3);
    }
    return state;
}

static uint64_t expected_hash(const char *type)
{
    char name[8];
    uint64_t value, found = 0;
    FILE *stream = fopen(TEST_DATA "/base/data/widened.txt", "r");
    assert_non_null(stream);
    while (fscanf(stream, "%7s %" SCNx64, name, &value) == 2)
        if (strcmp(name, type) == 0)
            found = value;
    fclose(stream);
    assert_true(found != 0);
    return found;
}

static void every_half_is_exact(void **state)
{
    (void)state;
    float *values = widen_all(DTYPE_F16);
    assert_true(hash(values) == expected_hash("F16"));
    for (int i = 0; i < PATTERNS; i++)
        assert_int_equal(isnan(values[i]) != 0, (i & 0x7C00) == 0x7C00 && (i & 0x3FF) != 0);
    assert_true(values[1] == ldexpf(1, -24)); /* the smallest subnormal */
    assert_true(values[0x03FF] == ldexpf(1023, -24));
    assert_true(values[0x7BFF] == 65504.0f);
    assert_true(values[0x7C00] == INFINITY && values[0xFC00] == -INFINITY);
    assert_true(values[0x8000] == 0 && signbit(values[0x8000]));
    assert_true(signbit(values[0xFE00]) && !signbit(values[0x7E00]));
    free(values);
}

static void every_brain_float_is_exact(void **state)
{
    (void)state;
    float *values = widen_all(DTYPE_BF16);
    assert_true(hash(values) == expected_hash("BF16"));
    for (int i = 0; i < PATTERNS; i++)
        assert_int_equal(isnan(values[i]) != 0, (i & 0x7F80) == 0x7F80 && (i & 0x7F) != 0);
    assert_true(values[0x3F80] == 1.0f && values[0xC000] == -2.0f);
    free(values);
}

static void floats_are_copied(void **state)
{
    (void)state;
    const float values[3] = {1.5f, -0.0f, INFINITY};
    unsigned char bytes[sizeof(values) + 1];
    float out[3];
    memcpy(bytes + 1, values, sizeof(values));
    assert_int_equal(dtype_to_f32(DTYPE_F32, bytes + 1, 3, out), 0);
    assert_memory_equal(out, values, sizeof(values));
    assert_int_equal(dtype_to_f32(DTYPE_F32, NULL, 0, out), 0);
}

static void other_types_are_refused(void **state)
{
    (void)state;
    float out = 3;
    assert_int_equal(dtype_to_f32(DTYPE_I64, "12345678", 1, &out), SOWLV2_ERROR_UNSUPPORTED);
    assert_non_null(strstr(error_message(), "I64"));
    assert_int_equal(dtype_to_f32(DTYPE_OTHER, "12345678", 1, &out), SOWLV2_ERROR_UNSUPPORTED);
    assert_true(out == 3);
}

static void sizes_names_and_counts(void **state)
{
    (void)state;
    const size_t sizes[] = {4, 2, 2, 8, 4, 2, 1, 1, 0};
    const char *const names[] = {"F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8"};
    for (int i = 0; i <= DTYPE_OTHER; i++)
        assert_int_equal(dtype_size((enum dtype)i), sizes[i]);
    for (int i = 0; i < DTYPE_OTHER; i++)
        assert_string_equal(dtype_name((enum dtype)i), names[i]);
    struct host_tensor tensor = {.rank = 0};
    assert_int_equal(host_tensor_count(&tensor), 1);
    tensor = (struct host_tensor){.rank = 3, .dim = {2, 3, 5}};
    assert_int_equal(host_tensor_count(&tensor), 30);
    tensor.dim[1] = 0;
    assert_int_equal(host_tensor_count(&tensor), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_is_exact),    cmocka_unit_test(every_brain_float_is_exact),
        cmocka_unit_test(floats_are_copied),      cmocka_unit_test(other_types_are_refused),
        cmocka_unit_test(sizes_names_and_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
