/* Compression for PNG: zlib streams made of literals and runs alone, which is what filtered pixels and masks hold, with
 * a Huffman code for each block. Several times as fast as a general search and hardly larger. */
#ifndef MEDIA_DEFLATE_H
#define MEDIA_DEFLATE_H

#include <stddef.h>
#include <stdint.h>

struct deflate;

/* Takes compressed bytes; anything but 0 ends the work and is handed on. */
typedef int (*deflate_sink)(void *user_data, const uint8_t *data, size_t size);

/* NULL: out of memory. */
struct deflate *deflate_create(deflate_sink sink, void *user_data);
/* Both return what the sink does. */
int deflate_push(struct deflate *deflate, const uint8_t *data, size_t size);
int deflate_finish(struct deflate *deflate);
void deflate_free(struct deflate **deflate);

#endif
