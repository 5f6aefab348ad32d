/* The text of the progress line. */
#include "cli/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check(size_t width, size_t done, size_t total, double elapsed, const char *name, const char *expected)
{
    char line[256];

    progress_format(line, sizeof(line), width, done, total, elapsed, name);
    assert_string_equal(line, expected);
}

static void test_lines(void **state)
{
    (void)state;
    check(40, 0, 8, 1.0, "a.jpg", "[..........] 0/8  a.jpg");
    check(40, 4, 8, 2.0, "a.jpg", "[#####.....] 4/8  2.00/s  0:02 left  a.jpg");
    check(40, 8, 8, 2.0, "", "[##########] 8/8  4.00/s  0:00 left");
    check(40, 300, 3000, 3.0, "", "[#.........] 300/3000  100/s  0:27 left");
    check(40, 1, 1000, 60.0, "", "[..........] 1/1000  60.0 s each  16:39:00 left");
}

/* Widths, counts and names at their ends neither overflow nor divide by zero. */
static void test_extremes(void **state)
{
    char name[4096], line[64];

    (void)state;
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    progress_format(line, sizeof(line), 1000000, SIZE_MAX, 1, 1e-300, name);
    assert_int_equal(strlen(line), sizeof(line) - 1);
    check(1, 0, 0, 0.0, "", "0 done, 0.00/s");
    check(80, 7, 0, 2.0, "camera", "7 done, 3.50/s  camera");
    check(0, 5, 4, 1.0, "", "[] 5/4  5.00/s  0:00 left");
    progress_format(line, sizeof(line), 80, 1, SIZE_MAX, 1e300, "");
    assert_int_equal(strncmp(line, "[....", 5), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines), cmocka_unit_test(test_extremes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
