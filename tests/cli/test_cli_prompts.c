/* What to look for, as people give it: blank, several in one, and files of prompts. */
#include "base/test_folder.h"
#include "tool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Every patch is a find of some prompt then: rows say which there were. */
#define PICTURE TEST_DATA "/media/data/exif_1.jpg"
#define DETECT                                                                                                         \
    "detect", "--owl-model", TINY_MODEL, "--sam-model", "none", "--no-overlay", "--threshold", "0", "--output", output

static char *folder, *output, *classes;

static int set_up(void **state)
{
    (void)state;
    folder = test_folder_make();
    output = test_path(folder, "out");
    classes = test_path(folder, "classes.txt");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unsetenv("SOWLV2_TEST_STDIN");
    free(output);
    free(classes);
    test_folder_remove(folder);
    return 0;
}

/* Whether the rows of the last run hold an object of the prompt. */
static bool has_rows_of(const char *prompt)
{
    char *path = test_path(output, "results.jsonl"), *line = NULL, wanted[256];
    FILE *file = fopen(path, "r");
    size_t capacity = 0;
    bool found = false;

    assert_non_null(file);
    snprintf(wanted, sizeof(wanted), "\"prompt\":\"%s\"", prompt);
    while (getline(&line, &capacity, file) > 0)
        found = found || strstr(line, wanted);
    free(line);
    free(path);
    fclose(file);
    return found;
}

/* Nothing but spaces and punctuation is no prompt, wherever it stands. */
static void test_blank(void **state)
{
    static const char *const blank[] = {"", "   ", ",", " , ,", ".", "\t\n", "\xc2\xa0", "\xe3\x80\x80\xe3\x80\x81",
                                        "-"};

    (void)state;
    for (size_t i = 0; i < sizeof(blank) / sizeof(blank[0]); i++) {
        char *given;

        assert_true(asprintf(&given, "--prompt=%s", blank[i]) > 0);
        tool_expect(2, "names nothing: say what to look for", ARGUMENTS(DETECT, "--input", PICTURE, given));
        tool_expect(2, "names nothing", ARGUMENTS(DETECT, "--input", PICTURE, "--prompt", "cat", given));
        free(given);
    }
    test_write_text(folder, "run.yaml", "prompt: [cat, ' ']\ninput: " PICTURE "\n");
    char *config = test_path(folder, "run.yaml");
    tool_expect(2, "--prompt: ' ' names nothing", ARGUMENTS(DETECT, "--config", config));
    free(config);
    /* Symbols may name something, and so may bytes that are no UTF-8. */
    tool_expect(0, NULL, ARGUMENTS(DETECT, "--quiet", "--input", PICTURE, "--prompt", "\xf0\x9f\xa6\x8a", "\xff"));
}

/* One prompt that looks like several is looked for as it is, and a notice says how several are given. */
static void test_several_in_one(void **state)
{
    static const char *const pairs[][2] = {
        {"fox, bus", "'fox, bus' is taken as one prompt: for several write --prompt fox bus"},
        {"fox,red gnu,", "for several write --prompt fox \"red gnu\""},
        {"a; b; c; d", "for several write --prompt a b c ..."},
        {"a|b", "for several write --prompt a b"},
        {"fox . bus .", "for several write --prompt fox bus"},
        {"fox. bus.", "for several write --prompt fox bus"},
        {"fox\nbus\n", "'fox...' is taken as one prompt: --prompts-file FILE takes each line"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        tool_expect(0, pairs[i][1], ARGUMENTS(DETECT, "--input", PICTURE, "--prompt", pairs[i][0]));
    tool_expect(0, NULL, ARGUMENTS(DETECT, "--quiet", "--input", PICTURE, "--prompt", "fox, bus"));
    assert_true(has_rows_of("fox, bus"));
    test_write_text(folder, "classes.txt", "fox\n");
    tool_expect(0, "--prompts-file ", ARGUMENTS(DETECT, "--input", PICTURE, "--prompt", classes));
    /* What is one thing is left in peace. */
    static const char *const single[] = {"a red bicycle", "no. 5 bus", "St. Bernard dog", "fox,", "t-shirt"};
    for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
        struct tool_result result = tool_run(ARGUMENTS(DETECT, "--input", PICTURE, "--prompt", single[i]));

        assert_null(strstr(result.err, "as one prompt"));
        tool_free(&result);
    }
}

/* The demo model names in one notice, in their order, the prompts that it was not taught: here, all of them. */
#define TELL                                                                                                           \
    "detect", "--owl-model", "demo", "--sam-model", "none", "--no-overlay", "--output", output, "--input", PICTURE

static void test_file(void **state)
{
    char *more = test_path(folder, "more.txt"), *config = test_path(folder, "run.yaml"), *yaml;

    (void)state;
    test_write_text(folder, "classes.txt",
                    "\xEF\xBB\xBF# animals\r\nzebra\r\n\r\n   red gnu \t\r\n#cat\n\xe7\x8c\xab\rlion");
    test_write_text(folder, "more.txt", "owl");
    assert_true(asprintf(&yaml, "prompts-file: %s\nprompt: kiwi\n", classes) > 0);
    test_write_text(folder, "run.yaml", yaml);
    free(yaml);
    tool_expect(0, "prompt \"zebra\", \"red gnu\", \"\xe7\x8c\xab\", \"lion\": this small",
                ARGUMENTS(TELL, "--prompts-file", classes));
    /* In addition to --prompt, and several files. */
    tool_expect(0, "prompt \"kiwi\", \"owl\", \"zebra\", \"red gnu\", \"\xe7\x8c\xab\", \"lion\": this small",
                ARGUMENTS(TELL, "--prompts-file", more, classes, "--prompt", "kiwi"));
    /* A configuration file has it too; prompts of the command line replace those of the file. */
    tool_expect(0, "prompt \"kiwi\", \"zebra\", \"red gnu\"", ARGUMENTS(TELL, "--config", config));
    tool_expect(0, "prompt \"newt\": this small", ARGUMENTS(TELL, "--config", config, "--prompt", "newt"));
    tool_expect(0, "prompt \"owl\": this small", ARGUMENTS(TELL, "--config", config, "--prompts-file", more));
    /* One line that looks like several is said. */
    test_write_text(folder, "more.txt", "owl\nfox, bus\n");
    tool_expect(0, "more.txt:2: a line is taken as one prompt", ARGUMENTS(TELL, "--prompts-file", more));
    free(config);
    free(more);
}

static void test_bad_files(void **state)
{
    (void)state;
    tool_expect(2, "--prompts-file: /nonexistent: cannot open",
                ARGUMENTS(DETECT, "--input", PICTURE, "--prompts-file", "/nonexistent"));
    tool_expect(2, "is a folder", ARGUMENTS(DETECT, "--input", PICTURE, "--prompts-file", folder));
    tool_expect(2, "--prompts-file: its value is missing: give one FILE or several",
                ARGUMENTS(DETECT, "--prompts-file", "--input", PICTURE));
    test_write_text(folder, "classes.txt", "\n# nothing\n");
    tool_expect(2, "no prompts in it", ARGUMENTS(DETECT, "--input", PICTURE, "--prompts-file", classes));
    test_write_text(folder, "classes.txt", "fox\n, \n");
    tool_expect(2, "classes.txt:2: ',' names nothing",
                ARGUMENTS(DETECT, "--input", PICTURE, "--prompts-file", classes));
    test_write_text(folder, "classes.txt", "fox\nm\xfcll\n");
    tool_expect(2, "classes.txt:2: is not UTF-8", ARGUMENTS(DETECT, "--input", PICTURE, "--prompts-file", classes));
    test_write(folder, "classes.txt",
               "\xff\xfe"
               "f\0o\0x\0",
               8);
    tool_expect(2, "UTF-16", ARGUMENTS(DETECT, "--input", PICTURE, "--prompts-file", classes));
}

static void test_standard_input(void **state)
{
    (void)state;
    test_write_text(folder, "classes.txt", "zebra\nlion\n");
    setenv("SOWLV2_TEST_STDIN", classes, 1);
    tool_expect(0, "prompt \"zebra\", \"lion\": this small", ARGUMENTS(TELL, "--prompts-file", "-"));
    tool_expect(2, "give one of them as a file", ARGUMENTS(DETECT, "--input", "-", "--prompts-file", "-"));
    tool_expect(2, "give one of them as a file", ARGUMENTS(DETECT, "--as-video", "-", "--prompts-file", "-"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_blank, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_several_in_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_standard_input, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
