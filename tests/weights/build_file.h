/* Builds safetensors files in memory, right or wrong ones. */
#ifndef TESTS_WEIGHTS_BUILD_FILE_H
#define TESTS_WEIGHTS_BUILD_FILE_H

#include <stddef.h>
#include <stdint.h>

struct built {
    unsigned char *bytes;
    size_t size;
};

/* Header length, the `header_size` bytes of `header`, then `data_size` bytes 0, 1, 2, ... */
struct built build_bytes(const void *header, size_t header_size, size_t data_size);
struct built build_file(const char *header, size_t data_size);
/* The same with a header length that is not the header's. */
struct built build_with_length(uint64_t length, const char *header, size_t data_size);
void built_free(struct built *built);

/* Writes `folder`/`name` with this header and data of `data_size` bytes. */
void build_on_disk(const char *folder, const char *name, const char *header, size_t data_size);

#endif
