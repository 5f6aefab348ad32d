/* The JSON header of a safetensors file, turned into checked entries. */
#ifndef WEIGHTS_SAFETENSORS_HEADER_H
#define WEIGHTS_SAFETENSORS_HEADER_H

#include "weights/safetensors.h"

/* Reads the header `text` of `size` bytes, whose data section is `data` of `data_size` bytes, and
 * checks every tensor against it. `*entries` (count of them, sorted by name) and `*names` (which holds
 * their names) are freed by the caller. `file` is what messages call it. Errors: FORMAT, MEMORY. */
int safetensors_header_parse(const char *file, const char *text, size_t size, const unsigned char *data,
                             size_t data_size, struct safetensors_entry **entries, size_t *count, char **names);

#endif
