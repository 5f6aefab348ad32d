/* Compression for PNG: what zlib makes of it again, codes at their limits, sinks that fail. */
#include "media/deflate.h"
#include "media/huffman.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

struct collected {
    uint8_t *data;
    size_t size, capacity;
    int fails_after; /* calls; -1: never */
};

static int collect(void *user_data, const uint8_t *data, size_t size)
{
    struct collected *collected = user_data;
    if (collected->fails_after >= 0 && collected->fails_after-- == 0)
        return -7;
    assert_true(size > 0);
    if (collected->size + size > collected->capacity) {
        collected->capacity = 2 * (collected->size + size);
        collected->data = realloc(collected->data, collected->capacity);
        assert_non_null(collected->data);
    }
    memcpy(collected->data + collected->size, data, size);
    collected->size += size;
    return 0;
}

/* Pushed in pieces of `piece` bytes; zlib checks the checksum too. Returns the compressed size. */
static size_t round_trip(const uint8_t *data, size_t size, size_t piece)
{
    struct collected collected = {.fails_after = -1};
    struct deflate *deflate = deflate_create(collect, &collected);
    assert_non_null(deflate);
    for (size_t i = 0; i < size; i += piece)
        assert_int_equal(deflate_push(deflate, data + i, size - i < piece ? size - i : piece), 0);
    assert_int_equal(deflate_finish(deflate), 0);
    deflate_free(&deflate);
    assert_null(deflate);

    uint8_t *back = malloc(size + 1);
    uLongf length = size + 1;
    uLong taken = collected.size;
    assert_non_null(back);
    assert_int_equal(uncompress2(back, &length, collected.data, &taken), Z_OK);
    assert_int_equal(length, size);
    assert_int_equal(taken, collected.size);
    assert_true(size == 0 || memcmp(back, data, size) == 0);
    free(back);
    free(collected.data);
    return collected.size;
}

static uint32_t random_state = 5;

static uint32_t random_bits(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

static void test_small(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0, 0, 0, 0, 255, 1, 1, 1, 2};
    for (size_t size = 0; size <= sizeof(bytes); size++)
        for (size_t piece = 1; piece <= size + 1; piece++)
            round_trip(bytes, size, piece);
}

/* Every length that a run can have and more, with other bytes between. */
static void test_runs(void **state)
{
    (void)state;
    static uint8_t data[700 * 701];
    size_t size = 0;
    for (size_t run = 1; run < 700; run++) {
        memset(data + size, (int)(run * 7 % 256), run);
        size += run;
        data[size++] = (uint8_t)(run * 7 % 256 + 1);
    }
    assert_true(round_trip(data, size, size) < 8000);
    round_trip(data, size, 1921);
    memset(data, 9, sizeof(data));
    assert_true(round_trip(data, sizeof(data), 100000) < 1000);
}

/* Noise of several widths, over several blocks, and a block that is exactly full. */
static void test_noise(void **state)
{
    (void)state;
    enum { SIZE = 400000, BLOCK = 1 << 16 };
    uint8_t *data = malloc(SIZE);
    assert_non_null(data);
    for (unsigned mask = 1; mask < 256; mask = 2 * mask + 1) {
        for (size_t i = 0; i < SIZE; i++)
            data[i] = (uint8_t)(random_bits() & mask);
        assert_true(round_trip(data, SIZE, 5761) < SIZE + SIZE / 100 + 100);
    }
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (uint8_t)i; /* no runs: as many tokens as bytes */
    for (size_t size = 2 * BLOCK - 2; size <= 2 * BLOCK + 2; size++)
        round_trip(data, size, 1000);
    free(data);
}

/* Counts that grow like Fibonacci's numbers want codes far longer than deflate allows. */
static void test_rare_bytes(void **state)
{
    (void)state;
    enum { SIZE = 65000 };
    static uint8_t data[SIZE];
    size_t size = 0, count = 1, before = 1;
    for (int value = 0; value < 22; value++) {
        for (size_t i = 0; i < count && size < SIZE; i++)
            data[size++] = (uint8_t)value;
        size_t next = count + before;
        before = count;
        count = next;
    }
    for (size_t i = size - 1; i > 0; i--) { /* shuffled, so that there are few runs */
        size_t other = random_bits() % (i + 1);
        uint8_t swap = data[i];
        data[i] = data[other];
        data[other] = swap;
    }
    round_trip(data, size, size);
}

static void check_code(const uint32_t *count, int symbols, int limit)
{
    uint8_t length[HUFFMAN_SYMBOLS];
    uint16_t code[HUFFMAN_SYMBOLS];
    uint32_t space = 0;
    int used = 0;
    huffman_make(count, symbols, limit, length, code);
    for (int i = 0; i < symbols; i++) {
        assert_true((length[i] > 0) == (count[i] > 0));
        assert_true(length[i] <= limit);
        space += length[i] > 0 ? 1u << (limit - length[i]) : 0;
        used += length[i] > 0;
        for (int j = 0; j < symbols; j++) {
            assert_true(count[i] == 0 || count[j] <= count[i] || length[j] <= length[i]);
            /* No code begins another. */
            if (i != j && length[i] > 0 && length[j] >= length[i])
                assert_true((code[j] & ((1u << length[i]) - 1)) != code[i]);
        }
    }
    assert_true(used < 2 || space == 1u << limit);
}

static void test_codes(void **state)
{
    (void)state;
    uint32_t count[HUFFMAN_SYMBOLS] = {0};
    check_code(count, HUFFMAN_SYMBOLS, HUFFMAN_LIMIT);
    count[100] = 3;
    check_code(count, HUFFMAN_SYMBOLS, HUFFMAN_LIMIT);
    for (int round = 0; round < 200; round++) {
        int symbols = round % 2 == 0 ? HUFFMAN_SYMBOLS : 19, limit = round % 2 == 0 ? HUFFMAN_LIMIT : 7;
        for (int i = 0; i < symbols; i++) /* from even to steep */
            count[i] = random_bits() % 3 == 0
                           ? 0
                           : 1 + ((random_bits() & 0xffff) >> random_bits() % (unsigned)(1 + round % 17));
        check_code(count, symbols, limit);
    }
    uint32_t a = 1, b = 1;
    for (int i = 0; i < 19; i++) {
        count[i] = a;
        b += a;
        a = b - a;
    }
    check_code(count, 19, 7);
    for (int i = 0; i < HUFFMAN_SYMBOLS; i++)
        count[i] = i < 30 ? 1u << i % 30 : 1;
    check_code(count, HUFFMAN_SYMBOLS, HUFFMAN_LIMIT);
}

static void test_sink_fails(void **state)
{
    (void)state;
    enum { SIZE = 200000 };
    uint8_t *data = malloc(SIZE);
    assert_non_null(data);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (uint8_t)random_bits();
    struct collected collected = {.fails_after = 1};
    struct deflate *deflate = deflate_create(collect, &collected);
    assert_non_null(deflate);
    assert_int_equal(deflate_push(deflate, data, SIZE), -7);
    deflate_free(&deflate);
    free(collected.data);
    collected = (struct collected){.fails_after = 0};
    deflate = deflate_create(collect, &collected);
    assert_non_null(deflate);
    assert_int_equal(deflate_push(deflate, data, 10), 0);
    assert_int_equal(deflate_finish(deflate), -7);
    deflate_free(&deflate);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),      cmocka_unit_test(test_runs),  cmocka_unit_test(test_noise),
        cmocka_unit_test(test_rare_bytes), cmocka_unit_test(test_codes), cmocka_unit_test(test_sink_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
