/* The arena: alignment, marks, growth, and one block after a reset. */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MEBIBYTE = 1 << 20 };

static void *alloc(struct arena *arena, size_t bytes)
{
    void *memory = arena_alloc(arena, bytes);
    assert_non_null(memory);
    assert_int_equal((uintptr_t)memory % ARENA_ALIGNMENT, 0);
    return memory;
}

static bool filled_with(const unsigned char *memory, size_t bytes, unsigned char value)
{
    for (size_t i = 0; i < bytes; i++)
        if (memory[i] != value)
            return false;
    return true;
}

static void pieces_are_aligned_and_apart(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    unsigned char *pieces[200];
    for (int i = 0; i < 200; i++) { /* 4 MB: several blocks */
        size_t bytes = (size_t)i * 211;
        pieces[i] = alloc(arena, bytes);
        memset(pieces[i], i, bytes);
    }
    for (int i = 0; i < 200; i++)
        assert_true(filled_with(pieces[i], (size_t)i * 211, (unsigned char)i));
    assert_ptr_not_equal(pieces[0], pieces[1]); /* zero bytes are a piece too */
    arena_free(&arena);
    assert_null(arena);
    arena_free(&arena);
}

static void release_keeps_what_was_before_the_mark(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    unsigned char *before = alloc(arena, 1000);
    memset(before, 7, 1000);
    size_t mark = arena_mark(arena);
    unsigned char *first = alloc(arena, 5000);
    alloc(arena, 3 * MEBIBYTE); /* another block */
    alloc(arena, 5 * MEBIBYTE);
    arena_release(arena, mark);
    assert_int_equal(arena_mark(arena), mark);
    assert_ptr_equal(alloc(arena, 5000), first);
    assert_true(filled_with(before, 1000, 7));
    arena_release(arena, 0);
    assert_ptr_equal(alloc(arena, 1000), before);
    arena_free(&arena);
}

static void mark_at_the_edge_of_a_block(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    assert_int_equal(arena_mark(arena), 0);
    unsigned char *whole = alloc(arena, MEBIBYTE);
    memset(whole, 1, MEBIBYTE);
    size_t mark = arena_mark(arena);
    unsigned char *next = alloc(arena, 64);
    arena_release(arena, mark);
    assert_ptr_equal(alloc(arena, 64), next);
    size_t inner = arena_mark(arena);
    alloc(arena, 128);
    arena_release(arena, inner);
    assert_int_equal(arena_mark(arena), inner);
    assert_true(filled_with(whole, MEBIBYTE, 1));
    arena_free(&arena);
}

static void one_pass(struct arena *arena, void **pieces)
{
    for (int i = 0; i < 8; i++) {
        pieces[i] = alloc(arena, (size_t)(i + 1) * MEBIBYTE);
        memset(pieces[i], i, (size_t)(i + 1) * MEBIBYTE);
    }
}

static void second_pass_uses_one_block(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    void *first[8], *second[8], *third[8];
    one_pass(arena, first);
    assert_int_equal(arena_peak(arena), 36 * MEBIBYTE);
    arena_reset(arena);
    one_pass(arena, second);
    for (int i = 1; i < 8; i++)
        assert_ptr_equal((char *)second[i], (char *)second[i - 1] + (size_t)i * MEBIBYTE);
    arena_reset(arena);
    one_pass(arena, third);
    assert_memory_equal(second, third, sizeof(second));
    assert_int_equal(arena_peak(arena), 36 * MEBIBYTE);
    arena_free(&arena);
}

static void a_released_block_that_is_too_small_is_passed_over(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    unsigned char *first = alloc(arena, MEBIBYTE);
    memset(first, 3, MEBIBYTE);
    size_t mark = arena_mark(arena);
    alloc(arena, 2 * MEBIBYTE);
    arena_release(arena, mark);
    unsigned char *larger = alloc(arena, 3 * MEBIBYTE);
    memset(larger, 4, 3 * MEBIBYTE);
    unsigned char *after = alloc(arena, 2 * MEBIBYTE);
    memset(after, 5, 2 * MEBIBYTE);
    assert_true(filled_with(first, MEBIBYTE, 3));
    assert_true(filled_with(larger, 3 * MEBIBYTE, 4));
    assert_int_equal(arena_peak(arena), 6 * MEBIBYTE);
    arena_reset(arena);
    arena_reset(arena);
    arena_free(&arena);
}

static void impossible_sizes_fail(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    assert_null(arena_alloc(arena, SIZE_MAX));
    assert_null(arena_alloc(arena, SIZE_MAX - 10));
    assert_null(arena_alloc(arena, SIZE_MAX / 2 + 1));
    alloc(arena, 10);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_apart),
        cmocka_unit_test(release_keeps_what_was_before_the_mark),
        cmocka_unit_test(mark_at_the_edge_of_a_block),
        cmocka_unit_test(second_pass_uses_one_block),
        cmocka_unit_test(a_released_block_that_is_too_small_is_passed_over),
        cmocka_unit_test(impossible_sizes_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
