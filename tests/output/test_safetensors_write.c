/* Files written part by part are read back; nothing is there before the commit. */
#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"
#include "output/safetensors_write.h"
#include "weights/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_rows(void **state)
{
    char *folder = test_folder_make(), *path = test_path(folder, "a.safetensors");
    const float rows[2][6] = {{1, 2, 3, 4, 5, 6}, {-1, 0.5F, 1e30F, 0, 0, 7}};
    struct safetensors_writer writer;
    struct safetensors *file;

    (void)state;
    for (int count = 0; count <= 2; count++) {
        assert_int_equal(safetensors_writer_open(path, "x", 3, (int64_t[]){99, 2, 3}, &writer), 0);
        for (int i = 0; i < count; i++)
            assert_int_equal(safetensors_writer_append(&writer, rows[i]), 0);
        assert_true(count > 0 || !file_exists(path));
        assert_int_equal(safetensors_writer_commit(&writer, "{\"a\":\"b\"}"), 0);
        safetensors_writer_abort(&writer);
        assert_int_equal(test_count_entries(folder), 1);
        assert_int_equal(safetensors_open(path, &file), 0);
        const struct host_tensor *tensor = safetensors_find(file, "x");
        assert_non_null(tensor);
        assert_int_equal(safetensors_count(file), 1);
        assert_int_equal(tensor->dtype, DTYPE_F32);
        assert_int_equal(tensor->rank, 3);
        const int64_t dim[] = {count, 2, 3};
        assert_memory_equal(tensor->dim, dim, sizeof(dim));
        assert_int_equal((uintptr_t)tensor->data % 8, 0);
        assert_memory_equal(tensor->data, rows, (size_t)count * sizeof(rows[0]));
        safetensors_close(&file);
    }
    free(path);
    test_folder_remove(folder);
}

static void test_refusals(void **state)
{
    char *folder = test_folder_make(), *path = test_path(folder, "a.safetensors");
    char long_text[1000];
    struct safetensors_writer writer;

    (void)state;
    assert_int_equal(safetensors_writer_open(path, "x", 2, (int64_t[]){0, 0}, &writer), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(safetensors_writer_open(path, "x", 6, (int64_t[]){0, 1, 1, 1, 1, 1}, &writer),
                     SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(safetensors_writer_open(path, "x", 3, (int64_t[]){0, INT64_MAX, 5}, &writer),
                     SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(safetensors_writer_open("/nonexistent/a", "x", 2, (int64_t[]){0, 1}, &writer), SOWLV2_ERROR_IO);
    safetensors_writer_abort(&writer);
    assert_int_equal(safetensors_writer_open(path, "x", 2, (int64_t[]){0, 1}, &writer), 0);
    memset(long_text, ' ', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    assert_int_equal(safetensors_writer_commit(&writer, long_text), SOWLV2_ERROR_ARGUMENT);
    assert_int_equal(safetensors_writer_open(path, "x", 2, (int64_t[]){0, 1}, &writer), 0);
    safetensors_writer_abort(&writer);
    assert_int_equal(test_count_entries(folder), 0);
    free(path);
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_refusals)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
