/* Fuzzes the safetensors reader: whatever is accepted must be safe to read in full. */
#include "base/error.h"
#include "weights/safetensors.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* Every entry lies in the input, has a sensible shape, and is found by its name. */
static void check_entries(const struct safetensors *file, const uint8_t *data, size_t size)
{
    const struct safetensors_entry *entries = safetensors_entries(file);
    size_t total = 0;
    unsigned char sum = 0;
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const struct host_tensor *tensor = &entries[i].tensor;
        const uint8_t *bytes = tensor->data;
        check(bytes >= data && bytes <= data + size && tensor->bytes <= (size_t)(data + size - bytes));
        check(tensor->rank >= 0 && tensor->rank <= TENSOR_MAX_RANK);
        size_t width = dtype_size(tensor->dtype);
        check(width == 0 || (size_t)host_tensor_count(tensor) == tensor->bytes / width);
        check(safetensors_find(file, entries[i].name) == tensor);
        for (size_t k = 0; k < tensor->bytes; k++)
            sum ^= bytes[k];
        total += tensor->bytes;
    }
    check(total <= size);
    volatile unsigned char sink = sum;
    (void)sink;
}

static void parse_and_check(const uint8_t *data, size_t size)
{
    struct safetensors *file;
    int status = safetensors_parse("fuzz", data, size, &file);
    check((status == 0) == (file != NULL));
    check(status == 0 || (status == SOWLV2_ERROR_FORMAT && strlen(error_message()) > 0));
    if (file)
        check_entries(file, data, size);
    safetensors_close(&file);
}

/* The same input with a header length that ends at the last '}', so that mutations of the header are
 * not all refused for their length. */
static void parse_with_true_length(const uint8_t *data, size_t size)
{
    const uint8_t *end = size > 8 ? memrchr(data + 8, '}', size - 8) : NULL;
    uint8_t *copy = end ? malloc(size) : NULL;
    if (!copy)
        return;
    uint64_t length = (uint64_t)(end + 1 - (data + 8));
    memcpy(copy, data, size);
    for (int i = 0; i < 8; i++)
        copy[i] = (uint8_t)(length >> (8 * i));
    parse_and_check(copy, size);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    parse_and_check(data, size);
    parse_with_true_length(data, size);
    return 0;
}
