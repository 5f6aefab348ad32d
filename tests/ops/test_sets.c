/* Every op of the set at one CPU level (SOWLV2_CPU, or the best) against the portable reference, with
 * one thread and with an odd number of them. */
#include "ops/support.h"

#include <stdio.h>
#include <stdlib.h>

static int threads_under_test;

int sides_setup(void **state)
{
    static struct sides sides;
    random_seed(2022);
    sides_open(threads_under_test, &sides);
    *state = &sides;
    return 0;
}

int sides_teardown(void **state)
{
    sides_close(*state);
    return 0;
}

int main(void)
{
    enum cpu_level level;
    if (!level_under_test(&level))
        return EXIT_SKIPPED;
    printf("level %s\n", cpu_level_name(level));
    const int threads[] = {1, 3};
    int failed = 0;
    for (int i = 0; i < COUNT(threads); i++) {
        threads_under_test = threads[i];
        failed += sets_products() + sets_attention() + sets_elementwise() + sets_resize();
    }
    return failed == 0 ? 0 : 1;
}
