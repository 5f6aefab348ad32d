/* What `make demo` says of its finds: right, wrong and why, missed; and the list of pictures for the contact sheet. */
#include "base/test_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char truth_of_pictures[] =
    "{\"images\":[{\"image\":\"a.png\",\"objects\":[{\"noun\":\"cat\",\"box\":[0,0,10,10]},"
    "{\"noun\":\"pig\",\"box\":[20,0,30,10]},{\"noun\":\"key\",\"box\":[40,0,50,10]},"
    "{\"noun\":\"tree\",\"box\":[60,0,70,10]}]},"
    "{\"image\":\"b.png\",\"objects\":[{\"noun\":\"cat\",\"box\":[0,0,10,10]}]}]}";

/* A cat, a second box on it, a pig that is called a fox, nothing at all; the key is missed, the tree not asked for. */
static const char rows_of_pictures[] =
    "{\"image\":\"a.png\",\"objects\":[{\"prompt\":\"cat\",\"score\":0.9,\"box\":[0,0,10,9]},"
    "{\"prompt\":\"cat\",\"score\":0.8,\"box\":[0,0,10,8]},{\"prompt\":\"fox\",\"score\":0.7,\"box\":[20,0,30,10]},"
    "{\"prompt\":\"cat\",\"score\":0.6,\"box\":[80,80,90,90]}]}\n"
    "{\"image\":\"b.png\",\"objects\":[{\"prompt\":\"cat\",\"score\":0.9,\"box\":[0,0,10,10]}]}\n";

/* Four frames: a cat on all of them, a pig on the last two. */
#define CAT "{\"id\":1,\"area\":100,\"box\":[0,0,10,10]}"
#define PIG "{\"id\":2,\"area\":100,\"box\":[20,0,30,10]}"
#define SLIVER "{\"id\":2,\"area\":5,\"box\":[20,0,21,5]}"
static const char truth_of_clip[] =
    "{\"objects\":[{\"id\":1,\"noun\":\"cat\"},{\"id\":2,\"noun\":\"pig\"}],\"frames\":["
    "{\"objects\":[" CAT "]},{\"objects\":[" CAT "," SLIVER "]},{\"objects\":[" CAT "," PIG "]},{\"objects\":[" CAT
    "," PIG "]}]}";

/* Number 1 is the cat, then jumps to the pig; number 2 is the cat from there on; the pig is missed. */
static const char rows_of_clip[] = "{\"objects\":[{\"id\":1,\"prompt\":\"cat\",\"score\":0.9,\"box\":[0,0,10,10]}]}\n"
                                   "{\"objects\":[{\"id\":1,\"prompt\":\"cat\",\"score\":0.9,\"box\":[0,0,10,10]}]}\n"
                                   "{\"objects\":[{\"id\":1,\"prompt\":\"cat\",\"score\":0.9,\"box\":[20,0,30,10]},"
                                   "{\"id\":2,\"prompt\":\"cat\",\"score\":0.5,\"box\":[0,0,10,10]}]}\n"
                                   "{\"objects\":[{\"id\":1,\"prompt\":\"cat\",\"score\":0.9,\"box\":null},"
                                   "{\"id\":2,\"prompt\":\"cat\",\"score\":0.5,\"box\":[0,0,10,10]}]}\n";

static char *folder;

static int setup(void **state)
{
    (void)state;
    folder = test_folder_make();
    test_write_text(folder, "samples/truth.json", truth_of_pictures);
    test_write_text(folder, "samples/clip_07.json", truth_of_clip);
    test_write_text(folder, "out/pictures/results.jsonl", rows_of_pictures);
    test_write_text(folder, "out/videos/clip_07/results.jsonl", rows_of_clip);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_folder_remove(folder);
    return 0;
}

static char *read_all(FILE *file)
{
    char *const text = calloc(1, 1 << 16);

    assert_non_null(file);
    assert_non_null(text);
    text[fread(text, 1, (1 << 16) - 1, file)] = '\0';
    return text;
}

static int run(char **out)
{
    char command[4096];

    snprintf(command, sizeof(command), "'%s' '%s/samples' '%s/out' '%s/cells' cat pig fox key 2>&1", SOWLV2_DEMO_REPORT,
             folder, folder, folder);
    FILE *const pipe = popen(command, "r");
    *out = read_all(pipe);
    return pclose(pipe);
}

static void assert_says(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void test_report(void **state)
{
    char *out, *path = test_path(folder, "cells");

    (void)state;
    assert_int_equal(run(&out), 0);
    assert_says(out, "a.png          cat            0.90     0.0    0.0   10.0    9.0  right\n");
    assert_says(out, "a.png          cat            0.80     0.0    0.0   10.0    8.0  WRONG, found twice\n");
    assert_says(out, "a.png          fox            0.70    20.0    0.0   30.0   10.0  WRONG, is: pig\n");
    assert_says(out, "a.png          cat            0.60    80.0   80.0   90.0   90.0  WRONG, no object there\n");
    assert_says(out, "a.png          key               -    40.0    0.0   50.0   10.0  MISSED\n");
    assert_says(out, "a.png          pig               -");
    assert_null(strstr(out, "tree"));
    assert_says(out, "Pictures: 2 found, 2 missed, 3 wrong\n");
    assert_says(out, "clip_07  1    cat            0.90    3 of   1 to   3     2  right, is: pig (1)\n");
    assert_says(out, "clip_07  2    cat            0.50    2 of   3 to   4     2  right\n");
    assert_says(out, "clip_07  -    pig               -    2 of   3 to   4     0  MISSED\n");
    assert_says(out, "Videos: 1 objects found, 1 missed, 0 numbers wrong\n");
    free(out);

    FILE *const file = fopen(path, "r");
    out = read_all(file);
    fclose(file);
    assert_says(out, "/out/pictures/overlay/merged/a_merged_overlay.png=-a: 1 found, 2 missed, 3 wrong\n");
    assert_says(out, "/out/pictures/overlay/merged/b_merged_overlay.png=+b: 1 found\n");
    assert_says(out, "/out/videos/clip_07/overlay/merged/000001_merged_overlay.png=+clip_07, frame 1: 1 found\n");
    assert_says(out, "000003_merged_overlay.png=-clip_07, frame 3: 1 found, 1 missed, 1 wrong\n");
    assert_null(strstr(out, "000002_"));
    free(out);
    free(path);
}

static void test_what_cannot_be_read_is_named(void **state)
{
    char *out;

    (void)state;
    test_write_text(folder, "samples/truth.json", "{");
    assert_int_not_equal(run(&out), 0);
    assert_says(out, "samples/truth.json");
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_report, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_read_is_named, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
