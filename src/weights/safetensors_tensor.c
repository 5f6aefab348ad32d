/* One tensor's description in a safetensors header: type, shape and byte range, all of them checked. */
#include "weights/safetensors_tensor.h"

#include "base/error.h"

#include <stdbool.h>
#include <string.h>

/* What the header says about a tensor, before it is known to be true. */
struct tensor_claim {
    const char *file, *name;
    const json_t *info;
    const char *type;
    size_t rank;
    uint64_t begin, end; /* bytes of the data section */
};

/* Every type that the format defines, with the bits of one element. */
static const struct {
    const char *name;
    enum dtype dtype;
    unsigned bits;
} element_types[] = {
    {"F32", DTYPE_F32, 32},          {"F16", DTYPE_F16, 16},      {"BF16", DTYPE_BF16, 16},
    {"I64", DTYPE_I64, 64},          {"I32", DTYPE_I32, 32},      {"U8", DTYPE_U8, 8},
    {"BOOL", DTYPE_OTHER, 8},        {"I8", DTYPE_OTHER, 8},      {"F8_E5M2", DTYPE_OTHER, 8},
    {"F8_E4M3", DTYPE_OTHER, 8},     {"F8_E8M0", DTYPE_OTHER, 8}, {"F8_E5M2FNUZ", DTYPE_OTHER, 8},
    {"F8_E4M3FNUZ", DTYPE_OTHER, 8}, {"F4", DTYPE_OTHER, 4},      {"F6_E2M3", DTYPE_OTHER, 6},
    {"F6_E3M2", DTYPE_OTHER, 6},     {"I16", DTYPE_OTHER, 16},    {"U16", DTYPE_OTHER, 16},
    {"U32", DTYPE_OTHER, 32},        {"F64", DTYPE_OTHER, 64},    {"U64", DTYPE_OTHER, 64},
    {"C64", DTYPE_OTHER, 64},
};

/* Names can be as long as the header, so they are cut. */
int safetensors_tensor_error(const char *file, const char *name, const char *why)
{
    return error_set(SOWLV2_ERROR_FORMAT, "%s: tensor \"%.200s\": %s: " SAFETENSORS_DAMAGED, file, name, why);
}

static int claim_error(const struct tensor_claim *claim, const char *why)
{
    return safetensors_tensor_error(claim->file, claim->name, why);
}

/* A non-negative JSON integer. */
static bool read_size(const json_t *value, uint64_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static int claim_read(struct tensor_claim *claim)
{
    if (!json_is_object(claim->info))
        return claim_error(claim, "its description is not an object");
    const json_t *type = json_object_get(claim->info, "dtype");
    if (!json_is_string(type))
        return claim_error(claim, "has no dtype");
    claim->type = json_string_value(type);
    if (!json_is_array(json_object_get(claim->info, "shape")))
        return claim_error(claim, "has no shape");
    const json_t *offsets = json_object_get(claim->info, "data_offsets");
    if (!json_is_array(offsets) || json_array_size(offsets) != 2 ||
        !read_size(json_array_get(offsets, 0), &claim->begin) || !read_size(json_array_get(offsets, 1), &claim->end))
        return claim_error(claim, "data_offsets are not two sizes");
    if (claim->begin > claim->end)
        return claim_error(claim, "ends before it begins");
    return 0;
}

/* Fills dimensions and element count. A tensor of more dimensions than struct host_tensor holds is
 * no model's weight here: it is kept as a list of elements of another type. */
static int claim_shape(struct tensor_claim *claim, struct host_tensor *tensor, int64_t *count)
{
    const json_t *shape = json_object_get(claim->info, "shape");
    size_t rank = json_array_size(shape);
    claim->rank = rank;
    int64_t product = 1;
    for (size_t i = 0; i < rank; i++) {
        uint64_t size;
        if (!read_size(json_array_get(shape, i), &size))
            return claim_error(claim, "its shape is not a list of sizes");
        if (__builtin_mul_overflow(product, (int64_t)size, &product))
            return claim_error(claim, "its shape is too large");
        if (rank <= TENSOR_MAX_RANK)
            tensor->dim[i] = (int64_t)size;
    }
    tensor->rank = rank > TENSOR_MAX_RANK ? 1 : (int)rank;
    if (rank > TENSOR_MAX_RANK)
        tensor->dim[0] = product;
    *count = product;
    return 0;
}

/* Whether `count` elements of the claimed type take the claimed bytes; a type that the format does
 * not define (a later version's) has no known width and passes. */
static int claim_check_bytes(const struct tensor_claim *claim, struct host_tensor *tensor, int64_t count)
{
    for (size_t i = 0; i < sizeof(element_types) / sizeof(element_types[0]); i++) {
        if (strcmp(element_types[i].name, claim->type) != 0)
            continue;
        if (claim->rank <= TENSOR_MAX_RANK)
            tensor->dtype = element_types[i].dtype;
        uint64_t bits;
        if (__builtin_mul_overflow((uint64_t)count, (uint64_t)element_types[i].bits, &bits))
            return claim_error(claim, "its shape is too large");
        if (bits % 8 != 0 || bits / 8 != claim->end - claim->begin)
            return claim_error(claim, "its byte count does not fit its shape and type");
        break;
    }
    return 0;
}

int safetensors_tensor_read(const char *file, const char *name, const json_t *info, const unsigned char *data,
                            size_t data_size, struct host_tensor *out)
{
    struct tensor_claim claim = {.file = file, .name = name, .info = info};
    struct host_tensor tensor = {.dtype = DTYPE_OTHER};
    int64_t count = 0;
    int status = claim_read(&claim);
    if (!status && claim.end > data_size)
        status = claim_error(&claim, "lies past the end of the file");
    if (!status)
        status = claim_shape(&claim, &tensor, &count);
    if (!status)
        status = claim_check_bytes(&claim, &tensor, count);
    if (status)
        return status;
    tensor.data = data + claim.begin;
    tensor.bytes = (size_t)(claim.end - claim.begin);
    *out = tensor;
    return 0;
}
