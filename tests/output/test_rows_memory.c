/* Memory that runs out while the rows of an earlier run are read: the answer is all rows, or that memory is short. A
 * file is not called damaged for it, nor are files that are there taken for gone. */
#include "base/error.h"
#include "base/shortage.h"
#include "base/test_folder.h"
#include "output/claim_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#ifdef SHORTAGE
enum { ROWS = 12 };

static int count_row(void *user_data, const struct output_row *row)
{
    int *const counts = user_data;

    counts[0]++;
    counts[1] += row->has_files;
    return 0;
}

static bool is_right(const char *folder)
{
    int counts[2] = {0, 0};
    const int status = output_rows_read(folder, count_row, counts);

    shortage.armed = false;
    if (status == 0 && counts[0] == ROWS && counts[1] == ROWS)
        return true;
    if (status == SOWLV2_ERROR_MEMORY && strstr(error_message(), "results.jsonl: out of memory: close other programs"))
        return true;
    print_error("%d: %d rows, %d with files: %s\n", status, counts[0], counts[1], error_message());
    return false;
}

static bool with_failing(const void *folder, long number)
{
    shortage.wanted = number;
    shortage.armed = true;
    return is_right(folder);
}

static void test_rows(void **state)
{
    char *folder = test_folder_make(), row[400];
    FILE *file;

    (void)state;
    test_write_text(folder, "binary/a.png", "");
    char *path = test_path(folder, "results.jsonl");
    file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < ROWS; i++) {
        snprintf(
            row, sizeof(row),
            "{\"image\":\"image %d\",\"objects\":[{\"id\":1,\"mask\":\"binary/a.png\"},{\"id\":2}],\"job\":\"0\"}\n",
            i);
        fputs(row, file);
    }
    assert_int_equal(fclose(file), 0);
    assert_true(is_right(folder));
    for (int lasting = 0; lasting < 2; lasting++)
        for (long number = 0; number < 400; number++) {
            shortage.lasting = lasting;
            const int ended = shortage_in_child(with_failing, folder, number);
            if (ended != 0)
                fail_msg("allocation %ld%s: ended with %x", number, lasting ? " and all after it" : "",
                         (unsigned)ended);
        }
    free(path);
    test_folder_remove(folder);
}
#else
static void test_rows(void **state)
{
    (void)state;
    skip(); /* the sanitizers have allocators of their own */
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
