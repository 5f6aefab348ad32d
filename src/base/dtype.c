/* Element types: sizes, names, and exact widening of half-precision values to f32. */
#include "base/dtype.h"

#include "base/error.h"

#include <string.h>

size_t dtype_size(enum dtype type)
{
    switch (type) {
    case DTYPE_F32:
    case DTYPE_I32:
        return 4;
    case DTYPE_F16:
    case DTYPE_BF16:
    case DTYPE_I16:
        return 2;
    case DTYPE_I64:
        return 8;
    case DTYPE_I8:
    case DTYPE_U8:
        return 1;
    case DTYPE_OTHER:
        break;
    }
    return 0;
}

const char *dtype_name(enum dtype type)
{
    switch (type) {
    case DTYPE_F32:
        return "F32";
    case DTYPE_F16:
        return "F16";
    case DTYPE_BF16:
        return "BF16";
    case DTYPE_I64:
        return "I64";
    case DTYPE_I32:
        return "I32";
    case DTYPE_I16:
        return "I16";
    case DTYPE_I8:
        return "I8";
    case DTYPE_U8:
        return "U8";
    case DTYPE_OTHER:
        break;
    }
    return "another type";
}

int64_t host_tensor_count(const struct host_tensor *tensor)
{
    int64_t count = 1;
    for (int i = 0; i < tensor->rank; i++)
        count *= tensor->dim[i];
    return count;
}

/* Every half-precision value is an f32 value. No step makes a subnormal f32, so the result does not
 * depend on the thread's flush-to-zero mode. NaN keeps its payload. */
static inline float half_to_float(uint16_t half)
{
    const uint32_t exponent_mask = 0x7C00u << 13;
    uint32_t bits = (half & 0x7FFFu) << 13;
    uint32_t exponent = bits & exponent_mask;
    uint32_t normal = bits + ((127u - 15u) << 23);
    uint32_t special = bits | 0x7F800000u;

    /* A subnormal is mantissa * 2^-24: put the mantissa below a leading one, then take the one away. */
    const uint32_t one_bits = 113u << 23;
    uint32_t lifted_bits = bits + one_bits;
    float lifted, one;
    memcpy(&lifted, &lifted_bits, sizeof(lifted));
    memcpy(&one, &one_bits, sizeof(one));
    float small = lifted - one;
    uint32_t subnormal;
    memcpy(&subnormal, &small, sizeof(subnormal));

    uint32_t magnitude = exponent == 0 ? subnormal : exponent == exponent_mask ? special : normal;
    uint32_t result_bits = magnitude | ((uint32_t)(half & 0x8000u) << 16);
    float result;
    memcpy(&result, &result_bits, sizeof(result));
    return result;
}

static void convert_half(const unsigned char *from, int64_t count, float *to)
{
    for (int64_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, from + 2 * i, sizeof(half));
        to[i] = half_to_float(half);
    }
}

static void convert_brain(const unsigned char *from, int64_t count, float *to)
{
    for (int64_t i = 0; i < count; i++) {
        uint16_t high;
        memcpy(&high, from + 2 * i, sizeof(high));
        uint32_t bits = (uint32_t)high << 16;
        memcpy(&to[i], &bits, sizeof(bits));
    }
}

int dtype_to_f32(enum dtype type, const void *from, int64_t count, float *to)
{
    switch (type) {
    case DTYPE_F32:
        if (count > 0)
            memcpy(to, from, (size_t)count * sizeof(float));
        return 0;
    case DTYPE_F16:
        convert_half(from, count, to);
        return 0;
    case DTYPE_BF16:
        convert_brain(from, count, to);
        return 0;
    default:
        return error_set(SOWLV2_ERROR_UNSUPPORTED, "tensor of type %s: cannot be read as numbers: use F32, F16 or BF16",
                         dtype_name(type));
    }
}
