/* Builds safetensors files in memory, right or wrong ones. */
#include "weights/build_file.h"

#include "base/test_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Exactly as large as needed, so that a sanitizer sees a read past the end. */
static struct built build(uint64_t length, const void *header, size_t header_size, size_t data_size)
{
    struct built built = {.size = 8 + header_size + data_size};
    built.bytes = malloc(built.size);
    assert_non_null(built.bytes);
    for (int i = 0; i < 8; i++)
        built.bytes[i] = (unsigned char)(length >> (8 * i));
    memcpy(built.bytes + 8, header, header_size);
    for (size_t i = 0; i < data_size; i++)
        built.bytes[8 + header_size + i] = (unsigned char)i;
    return built;
}

struct built build_bytes(const void *header, size_t header_size, size_t data_size)
{
    return build(header_size, header, header_size, data_size);
}

struct built build_file(const char *header, size_t data_size)
{
    return build(strlen(header), header, strlen(header), data_size);
}

struct built build_with_length(uint64_t length, const char *header, size_t data_size)
{
    return build(length, header, strlen(header), data_size);
}

void built_free(struct built *built)
{
    free(built->bytes);
    *built = (struct built){0};
}

void build_on_disk(const char *folder, const char *name, const char *header, size_t data_size)
{
    struct built built = build_file(header, data_size);
    test_write(folder, name, built.bytes, built.size);
    built_free(&built);
}
