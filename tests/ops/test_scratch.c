/* Scratch: alignment, marks, growth, and one block after a reset. */
#include "ops/scratch.h"

#include "base/error.h"
#include "ops/support.h"

#include <stdlib.h>
#include <string.h>

enum { MEBIBYTE = 1 << 20 };

static struct device *device;

static struct scratch *create(void)
{
    struct scratch *scratch;
    assert_int_equal(scratch_create(device, &scratch), 0);
    return scratch;
}

static void *alloc(struct scratch *scratch, size_t bytes)
{
    struct buffer *buffer;
    size_t offset;
    assert_int_equal(scratch_allocate(scratch, bytes, &buffer, &offset), 0);
    void *const memory = (char *)buffer->memory + offset;
    assert_int_equal((uintptr_t)memory % SCRATCH_ALIGNMENT, 0);
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
    struct scratch *scratch = create();
    unsigned char *pieces[200];
    for (int i = 0; i < 200; i++) { /* 4 MB: several blocks */
        size_t bytes = (size_t)i * 211;
        pieces[i] = alloc(scratch, bytes);
        memset(pieces[i], i, bytes);
    }
    for (int i = 0; i < 200; i++)
        assert_true(filled_with(pieces[i], (size_t)i * 211, (unsigned char)i));
    assert_ptr_not_equal(pieces[0], pieces[1]); /* zero bytes are a piece too */
    scratch_free(&scratch);
    assert_null(scratch);
    scratch_free(&scratch);
}

static void release_keeps_what_was_before_the_mark(void **state)
{
    (void)state;
    struct scratch *scratch = create();
    unsigned char *before = alloc(scratch, 1000);
    memset(before, 7, 1000);
    size_t mark = scratch_mark(scratch);
    unsigned char *first = alloc(scratch, 5000);
    alloc(scratch, 3 * MEBIBYTE); /* another block */
    alloc(scratch, 5 * MEBIBYTE);
    scratch_release(scratch, mark);
    assert_int_equal(scratch_mark(scratch), mark);
    assert_ptr_equal(alloc(scratch, 5000), first);
    assert_true(filled_with(before, 1000, 7));
    scratch_release(scratch, 0);
    assert_ptr_equal(alloc(scratch, 1000), before);
    scratch_free(&scratch);
}

static void mark_at_the_edge_of_a_block(void **state)
{
    (void)state;
    struct scratch *scratch = create();
    assert_int_equal(scratch_mark(scratch), 0);
    unsigned char *whole = alloc(scratch, MEBIBYTE);
    memset(whole, 1, MEBIBYTE);
    size_t mark = scratch_mark(scratch);
    unsigned char *next = alloc(scratch, 64);
    scratch_release(scratch, mark);
    assert_ptr_equal(alloc(scratch, 64), next);
    size_t inner = scratch_mark(scratch);
    alloc(scratch, 128);
    scratch_release(scratch, inner);
    assert_int_equal(scratch_mark(scratch), inner);
    assert_true(filled_with(whole, MEBIBYTE, 1));
    scratch_free(&scratch);
}

static void one_pass(struct scratch *scratch, void **pieces)
{
    for (int i = 0; i < 8; i++) {
        pieces[i] = alloc(scratch, (size_t)(i + 1) * MEBIBYTE);
        memset(pieces[i], i, (size_t)(i + 1) * MEBIBYTE);
    }
}

static void second_pass_uses_one_block(void **state)
{
    (void)state;
    struct scratch *scratch = create();
    void *first[8], *second[8], *third[8];
    one_pass(scratch, first);
    assert_int_equal(scratch_peak(scratch), 36 * MEBIBYTE);
    scratch_reset(scratch);
    one_pass(scratch, second);
    for (int i = 1; i < 8; i++)
        assert_ptr_equal((char *)second[i], (char *)second[i - 1] + (size_t)i * MEBIBYTE);
    scratch_reset(scratch);
    one_pass(scratch, third);
    assert_memory_equal(second, third, sizeof(second));
    assert_int_equal(scratch_peak(scratch), 36 * MEBIBYTE);
    scratch_free(&scratch);
}

static void a_released_block_that_is_too_small_is_passed_over(void **state)
{
    (void)state;
    struct scratch *scratch = create();
    unsigned char *first = alloc(scratch, MEBIBYTE);
    memset(first, 3, MEBIBYTE);
    size_t mark = scratch_mark(scratch);
    alloc(scratch, 2 * MEBIBYTE);
    scratch_release(scratch, mark);
    unsigned char *larger = alloc(scratch, 3 * MEBIBYTE);
    memset(larger, 4, 3 * MEBIBYTE);
    unsigned char *after = alloc(scratch, 2 * MEBIBYTE);
    memset(after, 5, 2 * MEBIBYTE);
    assert_true(filled_with(first, MEBIBYTE, 3));
    assert_true(filled_with(larger, 3 * MEBIBYTE, 4));
    assert_int_equal(scratch_peak(scratch), 6 * MEBIBYTE);
    scratch_reset(scratch);
    scratch_reset(scratch);
    scratch_free(&scratch);
}

static void impossible_sizes_fail(void **state)
{
    (void)state;
    struct scratch *scratch = create();
    struct buffer *buffer;
    size_t offset;
    assert_int_not_equal(scratch_allocate(scratch, SIZE_MAX, &buffer, &offset), 0);
    assert_int_not_equal(scratch_allocate(scratch, SIZE_MAX - 10, &buffer, &offset), 0);
    assert_int_not_equal(scratch_allocate(scratch, SIZE_MAX / 2 + 1, &buffer, &offset), 0);
    alloc(scratch, 10);
    scratch_free(&scratch);
}

static bool out_of_memory;

static int allocate(struct device *of, size_t bytes, struct buffer *out)
{
    return out_of_memory ? error_memory("a test") : ops_reference.allocate(of, bytes, out);
}

static void out_of_memory_is_an_error_and_nothing_more(void **state)
{
    (void)state;
    struct ops_set set = ops_reference;
    struct device *failing;
    struct scratch *scratch;
    struct buffer *buffer;
    size_t offset;
    set.allocate = allocate;
    assert_int_equal(device_open_set(&set, &(struct device_options){.threads = 1}, &failing), 0);
    assert_int_equal(scratch_create(failing, &scratch), 0);
    out_of_memory = true;
    assert_int_equal(scratch_allocate(scratch, 100, &buffer, &offset), SOWLV2_ERROR_MEMORY);
    out_of_memory = false;
    alloc(scratch, 100);
    alloc(scratch, 3 * MEBIBYTE);
    out_of_memory = true;
    scratch_reset(scratch); /* cannot join: the next pass starts from nothing */
    out_of_memory = false;
    assert_int_equal(scratch_mark(scratch), 0);
    memset(alloc(scratch, 3 * MEBIBYTE), 1, 3 * MEBIBYTE);
    scratch_free(&scratch);
    device_close(&failing);
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
        cmocka_unit_test(out_of_memory_is_an_error_and_nothing_more),
    };
    if (device_open(&(struct device_options){.device = "reference", .threads = 1}, &device) != 0)
        return 1;
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close(&device);
    return failed;
}
