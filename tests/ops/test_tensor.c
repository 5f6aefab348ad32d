/* Tensor handles and their views. */
#include "ops/support.h"

static void test_views(void **state)
{
    (void)state;
    float memory[2 * 3 * 4];
    for (int i = 0; i < COUNT(memory); i++)
        memory[i] = (float)i;
    struct buffer buffer = {.memory = memory, .bytes = sizeof(memory)};
    struct tensor tensor = {DTYPE_F32, 3, {2, 3, 4}, {12, 4, 1}, &buffer, 0};
    assert_int_equal(tensor_count(&tensor), 24);
    assert_true(tensor_is_dense(&tensor));

    struct tensor slice = tensor_slice(tensor, 1, 1, 2); /* [2, 2, 4] */
    assert_false(tensor_is_dense(&slice));
    assert_int_equal(tensor_count(&slice), 16);
    assert_true(*tensor_element(&slice, 0) == 4.0F && *tensor_element(&slice, 15) == 23.0F);
    assert_true(*tensor_element(&slice, 8) == 16.0F);

    struct tensor entry = tensor_at(slice, 1); /* [2, 4] */
    assert_int_equal(entry.rank, 2);
    assert_true(tensor_is_dense(&entry));
    assert_true(*tensor_element(&entry, 0) == 16.0F);

    struct tensor column = tensor_slice(tensor, 2, 3, 1); /* [2, 3, 1] */
    assert_false(tensor_is_dense(&column));
    assert_true(*tensor_element(&column, 5) == 23.0F);

    struct tensor none = tensor_slice(tensor, 0, 2, 0);
    assert_int_equal(tensor_count(&none), 0);
    assert_true(tensor_is_dense(&none));
}

/* Every element of `view` is that of `tensor` with the same number. */
static void check_same_elements(const struct tensor *view, const struct tensor *tensor)
{
    assert_int_equal(tensor_count(view), tensor_count(tensor));
    for (int64_t i = 0; i < tensor_count(view); i++)
        assert_ptr_equal(tensor_element(view, i), tensor_element(tensor, i));
}

static void test_reshape(void **state)
{
    (void)state;
    float memory[2 * 7 * 12];
    struct buffer buffer = {.memory = memory, .bytes = sizeof(memory)};
    struct tensor dense = {DTYPE_F32, 3, {2, 6, 12}, {72, 12, 1}, &buffer, 0};
    struct tensor view = TENSOR_RESHAPE(dense, 144);
    check_same_elements(&view, &dense);
    view = TENSOR_RESHAPE(dense, 3, 1, 4, 12);
    check_same_elements(&view, &dense);

    /* Rows 1 to 6 of 7: axes 1 and 2 lie densely, axis 0 does not. */
    struct tensor padded = {DTYPE_F32, 3, {2, 7, 12}, {84, 12, 1}, &buffer, 0};
    struct tensor slice = tensor_slice(padded, 1, 1, 6);
    view = TENSOR_RESHAPE(slice, 2, 72);
    check_same_elements(&view, &slice);
    view = TENSOR_RESHAPE(slice, 2, 3, 2, 4, 3);
    check_same_elements(&view, &slice);
    view = TENSOR_RESHAPE(slice, 1, 2, 6, 1, 12);
    check_same_elements(&view, &slice);

    /* Columns of a wider tensor, split and joined over the rows. */
    slice = tensor_slice(padded, 2, 4, 8);
    view = TENSOR_RESHAPE(slice, 14, 2, 4);
    check_same_elements(&view, &slice);
    view = TENSOR_RESHAPE(slice, 2, 7, 1, 4, 2);
    check_same_elements(&view, &slice);
    assert_int_equal(view.stride[4], 1);

    struct tensor one = tensor_slice(slice, 1, 2, 1); /* [2, 1, 8] */
    view = TENSOR_RESHAPE(one, 2, 8);
    check_same_elements(&view, &one);

    struct tensor none = tensor_slice(padded, 0, 0, 0);
    view = TENSOR_RESHAPE(none, 7, 0, 12);
    assert_int_equal(tensor_count(&view), 0);
}

/* A failed pass hands out tensors without memory, and views of them are made all the same. */
static void test_views_without_memory(void **state)
{
    (void)state;
    struct tensor tensor = {DTYPE_F32, 3, {2, 3, 4}, {12, 4, 1}, NULL, 0};
    assert_null(tensor_slice(tensor, 1, 1, 2).buffer);
    assert_null(tensor_at(tensor, 1).buffer);
    assert_null(TENSOR_RESHAPE(tensor, 24).buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_reshape),
        cmocka_unit_test(test_views_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
