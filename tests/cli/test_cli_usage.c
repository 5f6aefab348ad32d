/* The command line alone: help, version, every flag, and what is wrong with it. */
#include "base/test_folder.h"
#include "tool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* An input that is there. A run that gets past its command line fails with status 3, for want of the model. */
#define PICTURE TEST_DATA "/media/data/exif_1.jpg"
#define NO_MODEL "/nonexistent/model"
#define PROMPTS TEST_DATA "/cli/data/prompts.txt"

static void test_help(void **state)
{
    static const char *const verbs[] = {"detect", "tokenize", "segment", "frames", "pull", "models", "devices"};

    (void)state;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        struct tool_result result = tool_run(ARGUMENTS(verbs[i], "--help"));
        struct tool_result general = tool_run(ARGUMENTS("--help"));

        assert_int_equal(result.status, 0);
        assert_non_null(strstr(result.out, verbs[i]));
        assert_string_equal(result.err, "");
        assert_int_equal(general.status, 0);
        assert_non_null(strstr(general.out, verbs[i]));
        for (char *line = strtok(result.out, "\n"); line; line = strtok(NULL, "\n"))
            assert_true(strlen(line) <= 80);
        tool_free(&result);
        tool_free(&general);
    }
    tool_expect(0, NULL, ARGUMENTS("-h"));
    tool_expect(0, NULL, ARGUMENTS("help"));
    tool_expect(0, NULL, ARGUMENTS("help", "detect"));
    tool_expect(0, NULL, ARGUMENTS("detect", "-h"));
    tool_expect(0, NULL, ARGUMENTS("detect", "--threshold", "7", "--help"));
}

static void test_version(void **state)
{
    struct tool_result tool = tool_run(ARGUMENTS("--version")), verb = tool_run(ARGUMENTS("detect", "--version"));

    (void)state;
    assert_int_equal(tool.status, 0);
    assert_int_equal(strncmp(tool.out, "sowlv2 ", 7), 0);
    assert_int_equal(verb.status, 0);
    assert_string_equal(verb.out, tool.out);
    tool_free(&tool);
    tool_free(&verb);
}

static void test_verbs(void **state)
{
    static const char *const later[] = {"bench", "serve", "export", "quantize"};

    (void)state;
    for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
        struct tool_result help = tool_run(ARGUMENTS("--help"));
        char line[32];

        tool_expect(2, "not built", ARGUMENTS(later[i], "--input", "x"));
        snprintf(line, sizeof(line), "\n  %s ", later[i]);
        assert_null(strstr(help.out, line)); /* listed when it works */
        tool_free(&help);
    }
    tool_expect(2, "sowlv2: nonsense: no such verb", ARGUMENTS("nonsense"));
    tool_expect(2, "a verb comes first", ARGUMENTS("--prompt", "cat"));
    tool_expect(2, "sowlv2: no verb", ((const char *const[]){NULL}));
}

/* The processor is there; of GPUs it says why there is none, or which there are. */
static void test_devices(void **state)
{
    struct tool_result result = tool_run(ARGUMENTS("devices"));

    (void)state;
    assert_int_equal(result.status, 0);
    assert_int_equal(strncmp(result.out, "cpu ", 4), 0);
    assert_non_null(strstr(result.out, "\nreference "));
    assert_true(strstr(result.out, "\ncuda:0 ") || strstr(result.err, "no GPU: "));
    tool_free(&result);
    tool_expect(2, "no such option", ARGUMENTS("devices", "--threads", "2"));
}

/* The second name is the verb detect. */
static void test_second_name(void **state)
{
    struct tool_result help = tool_run_as("/some/where/sowlv2-detect", ARGUMENTS("--help"));
    struct tool_result usage = tool_run_as("sowlv2-detect", ARGUMENTS("--input", PICTURE));

    (void)state;
    assert_int_equal(help.status, 0);
    assert_non_null(strstr(help.out, "--prompt TEXT..."));
    assert_int_equal(usage.status, 2);
    assert_non_null(strstr(usage.err, "--prompt"));
    tool_free(&help);
    tool_free(&usage);
}

/* A detect that is complete but for `flag` and its value (NULL: none). */
static void expect_with(int status, const char *part, const char *flag, const char *value)
{
    tool_expect(status, part,
                ARGUMENTS("detect", "--owl-model", NO_MODEL, "--input", PICTURE, "--prompt", "cat", flag, value));
}

/* Every flag of the contract and of the interface page parses; the run then ends at the missing model. */
static void test_every_flag(void **state)
{
    static const char *const flags[][2] = {
        {"--output", "/nonexistent/out"},
        {"--owl-model", NO_MODEL},
        {"--sam-model", "facebook/sam2.1-hiera-tiny"},
        {"--threshold", "0.25"},
        {"--fps", "24"},
        {"--device", "cpu"},
        {"--device", "cuda"},
        {"--device", "auto"},
        {"--no-merged", NULL},
        {"--no-binary", NULL},
        {"--no-overlay", NULL},
        {"--max-workers", "4"},
        {"--max-workers", "auto"},
        {"--batch-size", "8"},
        {"--disable-gpu-batching", NULL},
        {"--vjepa2-frames-per-clip", "16"},
        {"--temporal-detection-frames", "5"},
        {"--temporal-merge-threshold", "0.7"},
        {"--prompt-template", "a drawing of {}"},
        {"--nms", "0.5"},
        {"--draw", "boxes,labels"},
        {"--draw", "masks"},
        {"--sam-model", "none"},
        {"--sam-revision", "main"},
        {"--multimask", NULL},
        {"--refine", NULL},
        {"--mask-threshold", "-0.5"},
        {"--fill-holes", "8"},
        {"--remove-sprinkles", "8"},
        {"--dedupe", "0.8"},
        {"--crops", NULL},
        {"--resume", NULL},
        {"--thread-pool-size", "2"},
        {"--objectness", NULL},
        {"--max-pixels", "1000000"},
        {"--precision", "f32"},
        {"--precision", "auto"},
        {"--precision", "bf16"},
        {"--precision", "int8"},
        {"--threads", "2"},
        {"--cpu", "reference"},
        {"--revision", "main"},
        {"--offline", NULL},
        {"--cache-dir", "/nonexistent/cache"},
        {"--quiet", NULL},
        {"--verbose", NULL},
        {"--prompt", "dog"},
        {"--prompts-file", PROMPTS},
        {"--prompt=dog", NULL},
        {"--threshold=0.25", NULL},
        {"--start", "1:30"},
        {"--start", "0:01:02.5"},
        {"--end", "90"},
        {"--frames", "1:20"},
        {"--frames", "5:"},
        {"--frames", ":5"},
        {"--as-video", NULL},
        {"--as-video", PICTURE},
        {"--realtime", NULL},
        {"--detect-every", "30"},
        {"--detect-every", "2s"},
        {"--detect-every", "0.5s"},
        {"--no-cuts", NULL},
        {"--match-iou", "0.4"},
        {"--lost-after", "0"},
        {"--max-objects", "3"},
        {"--max-cond-frames", "1"},
        {"--separate", NULL},
        {"--save-frames", NULL},
        {"--no-save-frames", NULL},
        {"--no-video", NULL},
        {"--max-object-videos", "0"},
        {"--mask-codec", "ffv1"},
        {"--no-audio", NULL},
        {"--rle", NULL},
        {"--frame-budget", "0.25"},
        {"--enable-vjepa2", NULL},
        {"--require-vjepa2", NULL},
        {"--vjepa2-model", NO_MODEL},
        {"--use-temporal-detection", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        expect_with(3, NO_MODEL, flags[i][0], flags[i][1]);
}

/* What is not built is an error that says so. */
static void test_not_built(void **state)
{
    (void)state;
    expect_with(2, "not built", "--precision", "f16");
}

static void test_bad_values(void **state)
{
    static const char *const values[][2] = {
        {"--threshold", "1.5"},
        {"--threshold", "-0.1"},
        {"--threshold", "nan"},
        {"--threshold", "inf"},
        {"--threshold", "0.5x"},
        {"--threshold", ""},
        {"--threshold", " 0.5"},
        {"--threshold", "0x1p-1"},
        {"--threshold", "0,5"},
        {"--nms", "2"},
        {"--dedupe", "-0.1"},
        {"--dedupe", "nan"},
        {"--mask-threshold", "high"},
        {"--fill-holes", "-1"},
        {"--fill-holes", "2.5"},
        {"--sam-model", ""},
        {"--fps", "0"},
        {"--fps", "fast"},
        {"--batch-size", "0"},
        {"--batch-size", "-4"},
        {"--batch-size", "2.5"},
        {"--batch-size", "auto"},
        {"--batch-size", "99999999999999999999"},
        {"--max-workers", "0"},
        {"--thread-pool-size", "1e3"},
        {"--threads", "100000"},
        {"--max-pixels", "0"},
        {"--vjepa2-frames-per-clip", "0"},
        {"--temporal-merge-threshold", "1.01"},
        {"--device", "gpu"},
        {"--device", ""},
        {"--device", "cpu|cuda"},
        {"--precision", "f64"},
        {"--cpu", "sse"},
        {"--draw", "boxes,dots"},
        {"--draw", ""},
        {"--draw", "boxes,"},
        {"--output", ""},
        {"--owl-model", ""},
        {"--prompt-template", "a photo"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char start[64];

        snprintf(start, sizeof(start), "sowlv2: %s: ", values[i][0]);
        expect_with(2, start, values[i][0], values[i][1]);
    }
}

static void test_bad_usage(void **state)
{
    (void)state;
    tool_expect(2, "--prompt", ARGUMENTS("detect", "--input", PICTURE));
    tool_expect(2, "--input", ARGUMENTS("detect", "--prompt", "cat"));
    tool_expect(2, "--prompt: needs at least one", ARGUMENTS("detect", "--prompt", "--input", PICTURE));
    tool_expect(2, "--prompt: needs at least one", ARGUMENTS("detect", "--input", PICTURE, "--prompt"));
    tool_expect(2, "--input: its value is missing", ARGUMENTS("detect", "--prompt", "a", "--input", "--output", "x"));
    tool_expect(2, "value is missing", ARGUMENTS("detect", "--prompt", "a", "--input"));
    tool_expect(2, "unexpected argument", ARGUMENTS("detect", "cat", "--input", PICTURE));
    tool_expect(2, "unexpected argument", ARGUMENTS("detect", "--threshold", "0.2", "cat"));
    expect_with(2, "did you mean --threshold?", "--treshold", "0.1");
    expect_with(2, "no such option", "--frobnicate", NULL);
    expect_with(2, "no such option", "-x", NULL);
    expect_with(2, "takes no value", "--quiet=yes", NULL);
    expect_with(2, "several options", "--no", NULL);
    tool_expect(2, "no text", ARGUMENTS("tokenize", "--owl-model", TINY_MODEL));
    tool_expect(2, "no such option", ARGUMENTS("tokenize", "--prompt", "cat"));
}

/* Words that are taken for options, and options that are taken for words: the culprit is named, and the way out. */
static void test_culprits(void **state)
{
    static const struct {
        const char *words[4];
        const char *part;
    } cases[] = {
        {{"-prompt", "fox"}, "sowlv2: -prompt: no such option: did you mean --prompt?"},
        {{"-output=x"}, "sowlv2: -output=x: no such option: did you mean --output?"},
        {{"-treshold", "0.1"}, "sowlv2: -treshold: no such option: did you mean --threshold?"},
        {{"--prompt", "fox", "-0.5"}, "sowlv2: -0.5: no such option: write --prompt=-0.5"},
        {{"--input", "-dash.mp4"}, "sowlv2: -dash.mp4: no such option: write --input=-dash.mp4"},
        {{"--input", "-hidden.jpg"}, "sowlv2: -hidden.jpg: no such option: write --input=-hidden.jpg"},
        {{"-h.jpg"}, "sowlv2: -h.jpg: no such option"},
        {{"--output", "-input", "x"}, "sowlv2: --output: its value is missing: found -input"},
        {{"--prompt", "fox", "\xe2\x80\x94threshold", "0.2"}, ": begins with a typographic dash: write --threshold"},
        {{"\xe2\x80\x93\xe2\x80\x93output=x"}, ": begins with a typographic dash: write --output=x"},
        {{"\xe2\x80\x93-threshold", "0.2"},
         "\xe2\x80\x93-threshold: begins with a typographic dash: write --threshold"},
        {{"-\xe2\x80\x93threshold", "0.2"}, ": begins with a typographic dash: write --threshold"},
        {{"--output", "\xe2\x88\x92treshold", "0.2"}, ": begins with a typographic dash: write --threshold"},
        {{"\xe2\x80\x94thresh=0.2"}, ": begins with a typographic dash: write --threshold=0.2"},
        {{"\xe2\x80\x93h"}, ": begins with a typographic dash: write --help"},
        {{"\xe2\x80\x94photo"}, "\xe2\x80\x94photo: begins with a typographic dash: options begin with two hyphens"},
        {{"--mask-threshold", "\xe2\x88\x92"
                              "0.5"},
         "is not a number from -1000 to 1000: a dash in it is a typographic one: write -"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        tool_expect(2, cases[i].part,
                    ARGUMENTS("detect", "--owl-model", NO_MODEL, "--input", PICTURE, "--prompt", "cat", "--quiet",
                              cases[i].words[0], cases[i].words[1], cases[i].words[2], cases[i].words[3]));
    tool_expect(2, PICTURE ": unexpected argument: write --input " PICTURE,
                ARGUMENTS("detect", PICTURE, "--prompt", "cat"));
    /* What is meant can be said. */
    expect_with(3, NO_MODEL, "--prompt=-0.5", NULL);
    expect_with(3, NO_MODEL, "--", "-0.5");
    expect_with(3, NO_MODEL, "--prompt", "\xe2\x80\x94 a dash in print");
    tool_expect(2, ": begins with a typographic dash: write --help", ARGUMENTS("\xe2\x80\x93-help"));
    tool_expect(2, ": begins with a typographic dash: write --offline",
                ARGUMENTS("pull", "\xe2\x80\x94offline", "a/b"));
    tool_expect(2, "is not a box: give x0,y0,x1,y1 in pixels: a dash in it is a typographic one",
                ARGUMENTS("segment", "--input", PICTURE, "--box",
                          "\xe2\x88\x92"
                          "5,2,9,9"));
}

/* A file whose name begins with a dash, as a pattern of the shell gives it. */
static void test_dashed_files(void **state)
{
    char *folder = test_folder_make();

    (void)state;
    test_write_text(folder, "-b.jpg", "");
    test_write_text(folder, "--c.jpg", "");
    assert_int_equal(chdir(folder), 0);
    expect_with(2, "sowlv2: -b.jpg: begins with a dash, so it is taken for an option: write ./-b.jpg", "-b.jpg", NULL);
    expect_with(2, "sowlv2: --c.jpg: begins with dashes, so it is taken for an option: write ./--c.jpg", "--c.jpg",
                NULL);
    assert_int_equal(chdir("/"), 0);
    test_folder_remove(folder);
}

/* Options that change nothing are named. */
static void test_without_effect(void **state)
{
    (void)state;
    tool_expect(3, "sowlv2: --fps, --rle: has no effect: for videos only",
                ARGUMENTS("detect", "--owl-model", NO_MODEL, "--input", PICTURE, "--prompt", "cat", "--fps", "5",
                          "--rle", "--batch-size", "2"));
    expect_with(3, "--dedupe: has no effect: no masks are made with --sam-model none", "--sam-model=none",
                "--dedupe=0.5");
}

/* A segment that is complete but for `flag` and its value. */
static void expect_segment(int status, const char *part, const char *flag, const char *value)
{
    tool_expect(status, part, ARGUMENTS("segment", "--sam-model", NO_MODEL, "--input", PICTURE, flag, value));
}

static void test_segment(void **state)
{
    (void)state;
    expect_segment(3, NO_MODEL, "--box", "1,2,3.5,4e1");
    expect_segment(3, NO_MODEL, "--box", "-5,-3,10,10");
    expect_segment(3, NO_MODEL, "--box=1,2,3,4", NULL);
    expect_segment(3, NO_MODEL, "--point", "5,6");
    expect_segment(3, NO_MODEL, "--point", "5,6,0");
    expect_segment(2, "--box or --point: missing", NULL, NULL);
    expect_segment(2, "--box: 'nan,2,3,4' is not a box", "--box", "nan,2,3,4");
    expect_segment(2, "--box: '1,2,3' is not a box", "--box", "1,2,3");
    expect_segment(2, "is not a box", "--box", "1,2,3,4,5");
    expect_segment(2, "is not a box", "--box", "1,2,3,");
    expect_segment(2, "is not a box", "--box", "1 2 3 4");
    expect_segment(2, "is not a box", "--box", "");
    expect_segment(2, "is not a box", "--box", "1,2,3,1e999");
    expect_segment(2, "empty or reversed", "--box", "5,2,3,4");
    expect_segment(2, "empty or reversed", "--box", "1,4,3,4");
    expect_segment(2, "is not a point", "--point", "5");
    expect_segment(2, "is not a point", "--point", "5,6,1,1");
    expect_segment(2, "a label is", "--point", "5,6,2");
    expect_segment(2, "a label is", "--point", "5,6,0.5");
    expect_segment(3, "--box: 0.1,0.2,0.5,0.6 is no larger than a pixel: boxes are in pixels", "--box",
                   "0.1,0.2,0.5,0.6");
    expect_segment(3, "--point: 0.5,0.25 lies in the first pixel: points are in pixels", "--point", "0.5,0.25");
    expect_segment(3, "--point: every point has label 0", "--point", "5,6,0");
    tool_expect(2, "before the first --box",
                ARGUMENTS("segment", "--input", PICTURE, "--point", "1,2", "--box", "1,2,3,4"));
    tool_expect(2, "--input: missing", ARGUMENTS("segment", "--box", "1,2,3,4"));
    tool_expect(2, "segment makes only masks",
                ARGUMENTS("segment", "--input", PICTURE, "--box", "1,2,3,4", "--sam-model", "none"));
    tool_expect(2, "no such option", ARGUMENTS("segment", "--input", PICTURE, "--prompt", "cat"));
    tool_expect(2, "no such option", ARGUMENTS("detect", "--input", PICTURE, "--box", "1,2,3,4"));
    tool_expect(4, "/nonexistent", ARGUMENTS("segment", "--input", "/nonexistent", "--box", "1,2,3,4"));
    expect_with(2, "--draw: masks need a model", "--sam-model=none", "--draw=masks,boxes");
    expect_with(2, "--crops: needs masks", "--sam-model=none", "--crops");
}

static void test_inputs(void **state)
{
    (void)state;
    tool_expect(4, "/nonexistent/photos", ARGUMENTS("detect", "--prompt", "cat", "--input", "/nonexistent/photos"));
    tool_expect(4, "/nonexistent/a.mp4: cannot open: No such file or directory: check the path given as --as-video",
                ARGUMENTS("detect", "--prompt", "cat", "--as-video", "/nonexistent/a.mp4"));
    tool_expect(4, "/nonexistent/*.mp4: no file matches this pattern: check the pattern given as --as-video",
                ARGUMENTS("detect", "--prompt", "cat", "--as-video", "/nonexistent/*.mp4"));
    tool_expect(4, "no image in this folder", ARGUMENTS("detect", "--prompt", "cat", "--input", TEST_DATA "/cli"));
    tool_expect(3, NO_MODEL, ARGUMENTS("tokenize", "--owl-model", NO_MODEL, "cat"));
    tool_expect(3, "org/name", ARGUMENTS("detect", "--owl-model", "org/name", "--input", PICTURE, "--prompt", "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help),         cmocka_unit_test(test_version),        cmocka_unit_test(test_verbs),
        cmocka_unit_test(test_devices),      cmocka_unit_test(test_second_name),    cmocka_unit_test(test_every_flag),
        cmocka_unit_test(test_not_built),    cmocka_unit_test(test_bad_values),     cmocka_unit_test(test_bad_usage),
        cmocka_unit_test(test_inputs),       cmocka_unit_test(test_segment),        cmocka_unit_test(test_culprits),
        cmocka_unit_test(test_dashed_files), cmocka_unit_test(test_without_effect),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
