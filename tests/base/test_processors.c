/* How many processors there are, by the limits of control groups. */
#include "base/processors.h"
#include "base/test_folder.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int groups_opened; /* files about control groups */

/* In place of the C library's. */
FILE *fopen(const char *restrict path, const char *restrict mode)
{
    FILE *(*next)(const char *, const char *);
    void *const found = dlsym(RTLD_NEXT, "fopen");
    assert_non_null(found);
    memcpy(&next, &found, sizeof(next));
    groups_opened += strstr(path, "cgroup") != NULL;
    return next(path, mode);
}

static void test_second_version(void **state)
{
    (void)state;
    char *const root = test_folder_make();
    assert_int_equal(processors_quota(root, "/"), 0); /* nothing there */
    test_write_text(root, "cpu.max", "max 100000\n");
    test_write_text(root, "a/cpu.max", "350000 100000\n");
    test_write_text(root, "a/b/cpu.max", "max 100000\n");
    test_write_text(root, "a/c/cpu.max", "50000 100000\n");
    assert_int_equal(processors_quota(root, "/"), 0);
    assert_int_equal(processors_quota(root, "/a"), 4);
    assert_int_equal(processors_quota(root, "/a/b"), 4); /* the group that it is in */
    assert_int_equal(processors_quota(root, "/a/c"), 1);
    assert_int_equal(processors_quota(root, "/not/there"), 0);
    test_write_text(root, "cpu.max", "200000 100000\n");
    assert_int_equal(processors_quota(root, "/a/b"), 2);
    test_folder_remove(root);
}

static void test_first_version(void **state)
{
    (void)state;
    char *const root = test_folder_make();
    test_write_text(root, "cpu.cfs_quota_us", "-1\n");
    test_write_text(root, "cpu.cfs_period_us", "100000\n");
    test_write_text(root, "box/cpu.cfs_quota_us", "150000\n");
    test_write_text(root, "box/cpu.cfs_period_us", "100000\n");
    assert_int_equal(processors_quota(root, "/"), 0);
    assert_int_equal(processors_quota(root, "/box"), 2);
    test_folder_remove(root);
}

static void test_nonsense(void **state)
{
    (void)state;
    static const char *const texts[] = {"",         "\n",       "lots",      "100000",
                                        "0 100000", "100000 0", "-5 100000", "99999999999999999999 1"};
    char *const root = test_folder_make();
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        test_write_text(root, "cpu.max", texts[i]);
        assert_int_equal(processors_quota(root, "/"), 0);
    }
    assert_int_equal(processors_quota(root, "no slash"), 0);
    test_folder_remove(root);
}

static void test_count(void **state)
{
    (void)state;
    groups_opened = 0;
    const int count = processors_count();
    assert_in_range(count, 1, 1 << 16);
    assert_true(groups_opened > 0);
    groups_opened = 0;
    assert_int_equal(processors_count(), count);
    assert_int_equal(groups_opened, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_second_version),
        cmocka_unit_test(test_first_version),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
