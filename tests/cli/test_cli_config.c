/* --config: precedence, every kind of value, and hostile files. */
#include "base/file.h"
#include "base/test_folder.h"
#include "tool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PICTURE TEST_DATA "/media/data/exif_1.jpg"

static char *folder, *config, *output;

static int set_up(void **state)
{
    (void)state;
    folder = test_folder_make();
    config = test_path(folder, "run.yaml");
    output = test_path(folder, "out");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(config);
    free(output);
    test_folder_remove(folder);
    return 0;
}

/* Runs detect with a configuration of `text` and expects this status and, in its messages, `part`. */
static void expect(int status, const char *part, const char *text)
{
    test_write_text(folder, "run.yaml", text);
    tool_expect(status, part, ARGUMENTS("detect", "--config", config, "--output", output));
}

static size_t count_rows_with(const char *part)
{
    char *path = test_path(output, "results.jsonl"), line[65536];
    FILE *file = fopen(path, "r");
    size_t count = 0;

    assert_non_null(file);
    while (fgets(line, sizeof(line), file))
        for (char *at = line; (at = strstr(at, part)); at++)
            count++;
    fclose(file);
    free(path);
    return count;
}

static const char complete[] = "prompt: [cat, a]\n"
                               "input: " PICTURE "\n"
                               "owl_model: " TINY_MODEL "\n"
                               "sam_model: none\n"
                               "no-overlay: true\n"
                               "quiet: yes\n"
                               "threshold: 0\n";

/* Everything from the file; then single settings from the command line over it. */
static void test_precedence(void **state)
{
    (void)state;
    expect(0, NULL, complete);
    assert_true(count_rows_with("\"prompt\":\"cat\"") > 0);
    assert_true(count_rows_with("\"prompt\":\"a\"") > 0);
    /* The command line's prompts replace the list. */
    tool_expect(0, NULL, ARGUMENTS("detect", "--prompt", "bird", "--config", config, "--output", output));
    assert_true(count_rows_with("\"prompt\":\"bird\"") > 0);
    assert_int_equal(count_rows_with("\"prompt\":\"cat\""), 0);
    /* And its threshold, before or after --config. */
    tool_expect(0, NULL, ARGUMENTS("detect", "--threshold", "1", "--config", config, "--output", output));
    assert_int_equal(count_rows_with("\"id\""), 0);
    assert_int_equal(count_rows_with("\"objects\":[]"), 1);
    tool_expect(0, NULL, ARGUMENTS("detect", "--config", config, "--output", output, "--threshold=1"));
    assert_int_equal(count_rows_with("\"id\""), 0);
    tool_expect(2, "--threshold", ARGUMENTS("detect", "--config", config, "--threshold", "2"));
}

/* The forms a value can take; each file is complete but for the model, so status 3 says it was read. */
static void test_forms(void **state)
{
    static const char *const forms[] = {
        "prompt: cat",
        "prompt: 'a red bicycle'",
        "prompt:\n- cat\n- \"a \\u00e9t\\u00e9\"",
        "prompt: |\n  cat",
        "--- # a comment\nprompt: cat\nfps: 24\nthreshold: 1e-1\nbatch-size: 2\nbatch_size_is: no",
        "prompt: cat\nno_merged: off\nno-binary: False\nno-overlay: \"true\"",
        "prompt: cat\nsam-model: ~\nthreshold:\nnms: null\nmax-workers: auto",
        "prompt: cat\ndraw: [boxes, labels]",
        "prompt: cat\ndraw: boxes,labels",
        "prompt: cat\nenable-vjepa2: false",
        "prompt: cat\nenable-vjepa2: true\nuse_temporal_detection: yes\ndetect-every: 2s\nframes: '3:9'\nstart: 1.5",
        "{prompt: [cat], threads: 1, verbose: on}",
        "prompt: cat\nas-video: true",
        "prompt: cat\nas_video: [film.bin, ~/other.gif]",
        "prompt: cat\nas-video: film.bin",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        char *unknown = strstr(forms[i], "batch_size_is");

        test_write_text(folder, "run.yaml", forms[i]);
        tool_expect(unknown ? 2 : 3, unknown ? "run.yaml:6: 'batch_size_is'" : "/nonexistent/model",
                    ARGUMENTS("detect", "--config", config, "--input", PICTURE, "--owl-model", "/nonexistent/model"));
    }
}

/* "~" at the beginning of a path is the user's folder, wherever the path stands. */
static void test_home(void **state)
{
    char *home = test_path(folder, "home"), *made = test_path(folder, "home/res/results.jsonl");

    (void)state;
    test_write_text(folder, "home/picture.bmp", "no picture");
    setenv("HOME", home, 1);
    test_write_text(folder, "run.yaml",
                    "prompt: cat\nowl_model: " TINY_MODEL "\nsam_model: none\nquiet: yes\n"
                    "input: [~/picture.bmp, '" PICTURE "']\noutput: ~/res\n");
    tool_expect(1, "/home/picture.bmp: ", ARGUMENTS("detect", "--config", config));
    assert_true(file_exists(made));
    assert_int_equal(remove(made), 0);
    tool_expect(
        1, "/home/picture.bmp: ",
        ARGUMENTS("detect", "--config=~/../run.yaml", "--output=~/res", "--input=~/picture.bmp", "--input", PICTURE));
    assert_true(file_exists(made));
    tool_expect(3, "/home/no", ARGUMENTS("detect", "--config=~/../run.yaml", "--owl-model=~/no"));
    tool_expect(2, "/home/no", ARGUMENTS("detect", "--config=~/../run.yaml", "--prompts-file=~/no"));
    unsetenv("HOME");
    free(home);
    free(made);
}

/* A user that nobody knows makes no folder of that name. */
static void test_unknown_user(void **state)
{
    static const char why[] = "'~nobody-of-that-name/x': there is no user 'nobody-of-that-name': write "
                              "./~nobody-of-that-name/x if the name really begins with ~";
    static const char *const options[] = {"--output",    "--owl-model",    "--sam-model",
                                          "--cache-dir", "--prompts-file", "--vjepa2-model"};

    (void)state;
    assert_int_equal(chdir(folder), 0);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        char start[64];
        struct tool_result result =
            tool_run(ARGUMENTS("detect", "--prompt", "cat", "--input", PICTURE, options[i], "~nobody-of-that-name/x"));

        snprintf(start, sizeof(start), "sowlv2: %s: '~", options[i]);
        assert_int_equal(result.status, 2);
        assert_non_null(strstr(result.err, start));
        assert_non_null(strstr(result.err, why));
        tool_free(&result);
    }
    assert_false(file_exists("~nobody-of-that-name"));
    expect(2, "run.yaml:2: output: '~nobody-of-that-name/x': there is no user",
           "prompt: cat\noutput: ~nobody-of-that-name/x\ninput: " PICTURE "\n");
    /* An input stops none of the others, and what is there under that name is meant itself. */
    assert_int_equal(mkdir("~here", 0700), 0);
    tool_expect(1, "~nobody-of-that-name/x: cannot open: there is no such file, nor a user 'nobody-of-that-name'",
                ARGUMENTS("detect", "--owl-model", TINY_MODEL, "--sam-model=none", "--prompt=cat", "--quiet",
                          "--output=~here/out", "--input", PICTURE, "~nobody-of-that-name/x"));
    assert_true(file_exists("~here/out/results.jsonl"));
    assert_int_equal(chdir("/"), 0);
}

static void test_errors(void **state)
{
    (void)state;
    expect(2, "run.yaml:2: 'treshold' is not a known key", "prompt: cat\ntreshold: 0.1\n");
    expect(2, "run.yaml:1: 'config'", "config: other.yaml\n");
    expect(2, "run.yaml:1: 'help'", "help: true\n");
    expect(2, "run.yaml:3: threshold: '2' is not a number", "prompt: cat\n\nthreshold: 2\n");
    expect(2, "run.yaml:1: threshold", "threshold: .nan\n");
    expect(2, "run.yaml:1: threshold: takes one value", "threshold: [0.1]\n");
    expect(2, "run.yaml:1: threshold: takes a plain value", "threshold: {a: 1}\n");
    expect(2, "run.yaml:1: quiet: 'perhaps' is not true or false", "quiet: perhaps\n");
    expect(2, "run.yaml:2: 'fps' is given twice", "fps: 1\nfps: 2\n");
    expect(2, "run.yaml:2: 'batch-size' is given twice", "batch_size: 1\nbatch-size: 2\n");
    expect(2, "run.yaml:1: detect-every: '2m' is not an interval", "detect-every: 2m\n");
    expect(2, "run.yaml:1: frames: '5' is not a range", "frames: 5\n");
    expect(2, "run.yaml:1: start: 'soon' is not a time", "start: soon\n");
    expect(2, "run.yaml:1: draw", "draw: [boxes, dots]\n");
    expect(2, "--prompt: missing", "prompt: []\n");
    expect(2, "--prompt: missing", "");
    expect(2, "--prompt: missing", "# nothing\n");
    expect(2, "not a mapping", "- cat\n- dog\n");
    expect(2, "not a mapping", "cat\n");
    tool_expect(2, "/nonexistent/run.yaml", ARGUMENTS("detect", "--config", "/nonexistent/run.yaml"));
    tool_expect(2, "--config", ARGUMENTS("detect", "--config", folder));
}

static void test_hostile(void **state)
{
    char *deep = malloc(200002);
    static const char zero[] = "prompt: \"a\\0b\"\n", bytes[] = "prompt: \xFF\xFE\xFA\n";

    (void)state;
    expect(2, "aliases", "prompt: &a cat\ninput: *a\n");
    expect(2, "run.yaml:3", "prompt: cat\nfps: 2\n<<: {a: b}\n");
    expect(2, "other than plain values", "prompt: [[cat]]\n");
    expect(2, "other than plain values", "prompt: [cat, {a: b}]\n");
    expect(2, "other than plain values", "prompt: &x [cat, *x]\n");
    expect(2, "second YAML document", "fps: 1\n---\nfps: 2\n");
    expect(2, "zero byte", zero);
    expect(2, "not YAML", bytes);
    expect(2, "not YAML", "prompt: [cat\n");
    expect(2, "not YAML", "prompt: 'cat\n");
    expect(2, "not YAML", "\tprompt: cat\n");
    expect(2, "not a plain word", "? [a, b]\n: c\n");
    expect(2, "not a plain word", "{[a]: b}\n");
    memset(deep, '[', 200000);
    deep[200000] = '\n';
    deep[200001] = '\0';
    expect(2, "run.yaml", deep);
    memcpy(deep, "prompt: ", 8);
    expect(2, "run.yaml", deep);
    memset(deep, '{', 200000);
    expect(2, "run.yaml", deep);
    free(deep);
    deep = malloc((1 << 20) + 100);
    memset(deep, '#', (1 << 20) + 99);
    deep[(1 << 20) + 99] = '\0';
    expect(2, "larger than", deep);
    free(deep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_precedence, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_forms, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_home, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unknown_user, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_errors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hostile, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
