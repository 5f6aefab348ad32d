/* Huffman codes as deflate wants them. */
#ifndef MEDIA_HUFFMAN_H
#define MEDIA_HUFFMAN_H

#include <stdint.h>

enum { HUFFMAN_SYMBOLS = 286, HUFFMAN_LIMIT = 15 };

/* The code of each of `symbols` (at most HUFFMAN_SYMBOLS) that occurs: length[i] bits (0 where count[i] is), at most
 * `limit`, and code[i] with its first bit lowest. Counts sum up to less than 2^32. */
void huffman_make(const uint32_t *count, int symbols, int limit, uint8_t *length, uint16_t *code);

#endif
