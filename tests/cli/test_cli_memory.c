/* The tool where memory is short: whatever the limit, an exit status of the contract and a reason, and no half of a
 * result. */
#include "base/sanitized.h"
#include "base/test_folder.h"
#include "tool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>
#include <jansson.h>

#define PICTURE TEST_DATA "/../examples/data/scene_001.jpg"

enum { LEAST = 300000, MOST = 700000, STEP = 7500, LOADER_FAILED = 127 };

/* Nothing listed that is not there and whole: every row is JSON. */
static bool rows_are_whole(const char *output)
{
    char *path = test_path(output, "results.jsonl"), line[1 << 16];
    FILE *file = fopen(path, "r");
    bool whole = true;
    free(path);
    while (file && fgets(line, sizeof(line), file)) {
        json_t *row = json_loads(line, 0, NULL);
        whole = whole && row && line[strlen(line) - 1] == '\n';
        json_decref(row);
    }
    if (file)
        fclose(file);
    return whole;
}

/* Addresses of at most `kilobytes`. Returns the exit status; counts what is wrong. */
static int run_within(long kilobytes, const char *threads, int *wrong)
{
    struct rlimit before;
    char *folder = test_folder_make(), *output = test_path(folder, "out");
    const rlim_t bytes = (rlim_t)kilobytes * 1024;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_AS, &(struct rlimit){bytes, before.rlim_max}), 0); /* inherited by the tool */
    struct tool_result result =
        tool_run(ARGUMENTS("detect", "--owl-model", "demo", "--sam-model", "demo", "--prompt", "bus", "--threads",
                           threads, "--input", PICTURE, "--output", output));
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    /* 1: some inputs failed; there is one, so it is the end that OpenMP makes of a process. */
    const bool known = result.status == 0 || result.status == 3 || result.status == 4;
    const bool loader = result.status == LOADER_FAILED && strstr(result.err, "shared");
    const bool said = result.status == 0 || strstr(result.err, "sowlv2");
    if ((!known && !loader) || !said || !rows_are_whole(output)) {
        print_error("%ld kB, %s threads: status %d: %s\n", kilobytes, threads, result.status, result.err);
        ++*wrong;
    }
    const int status = result.status;
    tool_free(&result);
    free(output);
    test_folder_remove(folder);
    return status;
}

static void test_sweep(void **state)
{
    int wrong = 0, failed = 0, done = 0;
    (void)state;
    for (long kilobytes = LEAST; kilobytes <= MOST; kilobytes += STEP) {
        const int status = run_within(kilobytes, "2", &wrong);
        failed += status == 3 || status == 4;
        done += status == 0;
    }
    assert_int_equal(wrong, 0);
#if !SANITIZED
    assert_true(failed > 0);
    assert_true(done > 0);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
