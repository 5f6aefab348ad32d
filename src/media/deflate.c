#include "media/deflate.h"

#include "media/huffman.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h> /* adler32 */

enum {
    BLOCK_TOKENS = 1 << 16,
    END = 256,          /* the symbol that ends a block */
    FIRST_LENGTH = 257, /* the first symbol of a run's length */
    RUN_MINIMUM = 3,
    RUN_MAXIMUM = 258,
    LENGTH_CODES = 29,
    TOKEN_VALUES = 256 + RUN_MAXIMUM - RUN_MINIMUM + 1,
    TOKEN_BYTES = 3, /* 15 bits of a length's code, 5 more, 1 for the distance */
    HEADER_BYTES = 1024,
    LENGTHS = 19, /* symbols of the code that the codes' lengths are written in */
};

struct deflate {
    deflate_sink sink;
    void *user_data;
    uint32_t adler;
    uint64_t bits;
    unsigned bit_count;
    size_t used; /* bytes of `out` */
    size_t count;
    uint16_t tokens[BLOCK_TOKENS]; /* a literal, or 256 + a run's length - RUN_MINIMUM: again the byte before */
    uint8_t out[BLOCK_TOKENS * TOKEN_BYTES + HEADER_BYTES];
};

/* ---- bits ---- */

static void put(struct deflate *deflate, uint64_t bits, unsigned count)
{
    deflate->bits |= bits << deflate->bit_count;
    deflate->bit_count += count;
}

/* Whole bytes go out; fewer than 8 bits stay. */
static void flush(struct deflate *deflate)
{
    for (; deflate->bit_count >= 8; deflate->bit_count -= 8) {
        deflate->out[deflate->used++] = (uint8_t)deflate->bits;
        deflate->bits >>= 8;
    }
}

static int deliver(struct deflate *deflate)
{
    size_t size = deflate->used;
    deflate->used = 0;
    return size > 0 ? deflate->sink(deflate->user_data, deflate->out, size) : 0;
}

/* ---- a block ---- */

static const uint16_t length_base[LENGTH_CODES] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                                   31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
static const uint8_t length_bits[LENGTH_CODES] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                                  2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};

static int length_code(int length)
{
    int code = LENGTH_CODES - 1;
    while (length < length_base[code])
        code--;
    return code;
}

/* How often each symbol occurs. Four tables, since a count that was just written is slow to read again. */
static void count_symbols(const struct deflate *deflate, uint32_t *count)
{
    uint32_t values[4][TOKEN_VALUES] = {{0}};
    size_t i = 0;
    for (; i + 4 <= deflate->count; i += 4)
        for (int k = 0; k < 4; k++)
            values[k][deflate->tokens[i + (size_t)k]]++;
    for (; i < deflate->count; i++)
        values[0][deflate->tokens[i]]++;
    memset(count, 0, HUFFMAN_SYMBOLS * sizeof(*count));
    for (int value = 0; value < TOKEN_VALUES; value++) {
        int symbol = value < 256 ? value : FIRST_LENGTH + length_code(value - 256 + RUN_MINIMUM);
        count[symbol] += values[0][value] + values[1][value] + values[2][value] + values[3][value];
    }
    count[END] = 1;
}

/* The block's head: the lengths of its codes, one after another, in a code of their own. The only distance is 1. */
static void put_codes(struct deflate *deflate, const uint8_t *length)
{
    static const uint8_t order[LENGTHS] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    uint32_t count[LENGTHS] = {0};
    uint8_t bits[LENGTHS];
    uint16_t code[LENGTHS];
    int symbols = HUFFMAN_SYMBOLS;
    while (length[symbols - 1] == 0)
        symbols--;
    for (int i = 0; i < symbols; i++)
        count[length[i]]++;
    count[1]++; /* the distance's */
    huffman_make(count, LENGTHS, 7, bits, code);
    put(deflate, (uint64_t)(symbols - 257), 5);
    put(deflate, 0, 5);           /* one distance */
    put(deflate, LENGTHS - 4, 4); /* all of them */
    flush(deflate);
    for (int i = 0; i < LENGTHS; i++) {
        put(deflate, bits[order[i]], 3);
        flush(deflate);
    }
    for (int i = 0; i < symbols; i++) {
        put(deflate, code[length[i]], bits[length[i]]);
        flush(deflate);
    }
    put(deflate, code[1], bits[1]);
    flush(deflate);
}

/* Bits and their number of everything a token can be. */
struct entry {
    uint32_t bits;
    uint32_t count;
};

static void make_entries(const uint8_t *length, const uint16_t *code, struct entry *entries)
{
    for (int i = 0; i < 256; i++)
        entries[i] = (struct entry){code[i], length[i]};
    for (int run = RUN_MINIMUM; run <= RUN_MAXIMUM; run++) {
        int index = length_code(run), symbol = FIRST_LENGTH + index;
        unsigned bits = code[symbol], count = length[symbol];
        bits |= (unsigned)(run - length_base[index]) << count;
        count += length_bits[index];
        entries[256 + run - RUN_MINIMUM] = (struct entry){bits, count + 1}; /* the distance's code is one 0 bit */
    }
}

/* Eight bytes at once, of which the whole ones count. */
static void store_bits(uint8_t *out, uint64_t bits)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(out, &bits, sizeof(bits));
#else
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(bits >> 8 * i);
#endif
}

static void put_tokens(struct deflate *deflate, const struct entry *entries)
{
    uint64_t bits = deflate->bits;
    unsigned count = deflate->bit_count;
    uint8_t *out = deflate->out + deflate->used;
    const uint16_t *token = deflate->tokens, *end = token + deflate->count;
    while (token < end) {
        /* At most 7 + 2 * 21 bits. */
        for (int i = 0; i < 2 && token < end; i++, token++) {
            bits |= (uint64_t)entries[*token].bits << count;
            count += entries[*token].count;
        }
        store_bits(out, bits);
        out += count / 8;
        bits >>= count / 8 * 8;
        count %= 8;
    }
    deflate->bits = bits;
    deflate->bit_count = count;
    deflate->used = (size_t)(out - deflate->out);
}

static int put_block(struct deflate *deflate, bool last)
{
    uint32_t count[HUFFMAN_SYMBOLS];
    uint8_t length[HUFFMAN_SYMBOLS];
    uint16_t code[HUFFMAN_SYMBOLS];
    struct entry entries[TOKEN_VALUES];
    count_symbols(deflate, count);
    huffman_make(count, HUFFMAN_SYMBOLS, HUFFMAN_LIMIT, length, code);
    put(deflate, last ? 5 : 4, 3); /* whether it is the last one; codes of its own */
    flush(deflate);
    put_codes(deflate, length);
    make_entries(length, code, entries);
    put_tokens(deflate, entries);
    put(deflate, code[END], length[END]);
    flush(deflate);
    deflate->count = 0;
    return deliver(deflate);
}

/* ---- tokens ---- */

/* How many of data[0..size) are as data[-1], at most RUN_MAXIMUM. */
static size_t run_length(const uint8_t *data, size_t size)
{
    size_t limit = size < RUN_MAXIMUM ? size : RUN_MAXIMUM, length = 0;
    uint64_t same = data[-1] * 0x0101010101010101u, next;
    for (; length + 8 <= limit; length += 8) {
        memcpy(&next, data + length, 8);
        if (next != same)
            break;
    }
    while (length < limit && data[length] == data[-1])
        length++;
    return length;
}

/* Bytes to tokens, as many bytes as there is room for tokens; data[-1] is the byte before. */
static void tokenize(struct deflate *deflate, const uint8_t *data, size_t size)
{
    uint16_t *token = deflate->tokens + deflate->count;
    size_t i = 0;
    while (i + RUN_MINIMUM <= size) {
        uint32_t four;
        memcpy(&four, data + i - 1, 4);
        if (four >> 8 == (four & 0xffffff)) { /* all the same */
            size_t length = run_length(data + i, size - i);
            *token++ = (uint16_t)(256 + length - RUN_MINIMUM);
            i += length;
        } else {
            *token++ = data[i++];
        }
    }
    while (i < size)
        *token++ = data[i++];
    deflate->count = (size_t)(token - deflate->tokens);
}

struct deflate *deflate_create(deflate_sink sink, void *user_data)
{
    struct deflate *deflate = malloc(sizeof(*deflate));
    if (!deflate)
        return NULL;
    deflate->sink = sink;
    deflate->user_data = user_data;
    deflate->adler = (uint32_t)adler32(0, NULL, 0);
    deflate->bits = 0;
    deflate->bit_count = 0;
    deflate->count = 0;
    deflate->out[0] = 0x78; /* deflate, a window of 32 kB */
    deflate->out[1] = 0x01; /* fast */
    deflate->used = 2;
    return deflate;
}

int deflate_push(struct deflate *deflate, const uint8_t *data, size_t size)
{
    int status = 0;
    if (size == 0)
        return 0;
    deflate->adler = (uint32_t)adler32_z(deflate->adler, data, size);
    for (size_t i = 0; i < size && !status;) {
        size_t room = BLOCK_TOKENS - deflate->count, piece = size - i < room ? size - i : room;
        if (i == 0) { /* the byte before the first one lies elsewhere: a literal */
            deflate->tokens[deflate->count++] = data[0];
            i = 1;
        } else {
            tokenize(deflate, data + i, piece);
            i += piece;
        }
        if (deflate->count == BLOCK_TOKENS)
            status = put_block(deflate, false);
    }
    return status;
}

int deflate_finish(struct deflate *deflate)
{
    int status = put_block(deflate, true);
    if (status)
        return status;
    if (deflate->bit_count > 0)
        deflate->out[deflate->used++] = (uint8_t)deflate->bits;
    for (int shift = 24; shift >= 0; shift -= 8)
        deflate->out[deflate->used++] = (uint8_t)(deflate->adler >> shift);
    return deliver(deflate);
}

void deflate_free(struct deflate **deflate)
{
    free(*deflate);
    *deflate = NULL;
}
