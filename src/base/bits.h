/* Rows of pixels as bits, in whole words: pixel x of a row is bit x % 64 of its word x / 64; the bits after its last
 * pixel are 0. A word's first byte is its lowest one, so that pixel x is bit x % 8 of the row's byte x / 8 too. */
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "bits are handed on as bytes and as words");

/* Words of a row. */
static inline int64_t bits_words(int64_t width)
{
    return (width + 63) / 64;
}

/* Bytes of a row. */
static inline int64_t bits_bytes(int64_t width)
{
    return 8 * bits_words(width);
}

#endif
