/* The tool on a GPU, as tests/cuda has one: what it finds is what the CPU finds; without a driver, a card or kernels it
 * says so and uses the CPU. */
#include "film.h"
#include "ops/cuda/image.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { SKIPPED = 77 };

/* MiB: enough for the demo detector and a picture, not for four at once. */
#define SMALL_CARD "14"

#define PICTURE TEST_DATA "/../examples/data/scene_001.jpg"
#define DETECT                                                                                                         \
    "detect", "--prompt", "fox", "--owl-model", "demo", "--sam-model", FILM_SEGMENTER, "--output", film_output

/* Each number of two results is nearly the same, everything else is equal. */
static void compare(const json_t *a, const json_t *b, const char *key)
{
    const char *name;
    json_t *value;
    size_t i;

    if (strcmp(key, "job") == 0)
        return;
    if (json_is_number(a)) {
        const double x = json_number_value(a), y = json_number_value(b), most = strcmp(key, "area") == 0 ? 20.0 : 0.02;

        if (!(fabs(x - y) <= most))
            fail_msg("%s: %g, not %g", key, x, y);
    } else if (json_is_object(a)) {
        assert_int_equal(json_object_size(a), json_object_size(b));
        json_object_foreach((json_t *)(uintptr_t)a, name, value) compare(value, json_object_get(b, name), name);
    } else if (json_is_array(a)) {
        assert_int_equal(json_array_size(a), json_array_size(b));
        json_array_foreach(a, i, value) compare(value, json_array_get(b, i), key);
    } else if (!json_equal(a, b)) {
        fail_msg("%s differs", key);
    }
}

static json_t *read_rows(void)
{
    char *const path = test_path(film_output, "results.jsonl");
    FILE *const file = fopen(path, "r");
    json_t *const rows = json_array();

    assert_non_null(file);
    for (json_t *row; (row = json_loadf(file, JSON_DISABLE_EOF_CHECK, NULL));)
        assert_int_equal(json_array_append_new(rows, row), 0);
    fclose(file);
    free(path);
    return rows;
}

/* Runs on both devices in f32 and compares the rows. */
static void check_same(const char *input)
{
    json_t *rows[2];

    for (int gpu = 0; gpu < 2; gpu++) {
        struct tool_result result = tool_run(
            ARGUMENTS(DETECT, "--input", input, "--no-video", "--precision", "f32", "--device", gpu ? "cuda" : "cpu"));

        if (result.status != 0 || (gpu && strstr(result.err, "using the CPU")))
            fail_msg("%s", result.err);
        tool_free(&result);
        rows[gpu] = read_rows();
        test_folder_remove(film_output);
        film_output = test_path(film_folder, "out");
    }
    assert_true(json_array_size(rows[0]) > 0);
    compare(rows[1], rows[0], "rows");
    json_decref(rows[0]);
    json_decref(rows[1]);
}

static void test_picture(void **state)
{
    (void)state;
    check_same(PICTURE);
}

static void test_video(void **state)
{
    char *const film = film_write("short.mp4", WIDTH, HEIGHT, 4, 0, VIDEO_CODEC_H264);

    (void)state;
    check_same(film);
    free(film);
}

/* A card that is too small: the run ends, and says how much it wanted. */
static void test_small_card(void **state)
{
    struct tool_result result;

    (void)state;
    setenv("CUDA_ON_CPU_MEMORY", "1", 1);
    result = tool_run(ARGUMENTS(DETECT, "--input", PICTURE, "--device", "cuda"));
    unsetenv("CUDA_ON_CPU_MEMORY");
    if (result.status == 0 || result.status > 128 || !strstr(result.err, "out of memory") ||
        !strstr(result.err, "of 1.0 MiB 1.0 are free"))
        fail_msg("exit status %d: %s", result.status, result.err);
    tool_free(&result);
}

/* Variables that change what there is, and what the notice says then. */
static void test_no_gpu(void **state)
{
    char older[16]; /* than the nvcc of this build: its last minor version before */
    snprintf(older, sizeof(older), "%d", cuda_images_version - 910);
    const struct {
        const char *variable, *value, *device, *notice;
    } cases[] = {
        {"CUDA_ON_CPU_VERSION", "11040", "cuda", "the NVIDIA driver is for CUDA 11.4"},
        {"CUDA_ON_CPU_VERSION", older, "cuda", "is needed"},
        {"CUDA_ON_CPU_CAPABILITY", "75", "cuda", "its compute capability is 7.5"},
        {"CUDA_ON_CPU_DEVICES", "0", "cuda", "no NVIDIA GPU is visible"},
        {"CUDA_ON_CPU_DEVICES", "1", "cuda:3", "cuda:3: there is no such GPU, this machine shows 1"},
        {"LD_LIBRARY_PATH", "/nonexistent", "cuda", "there is no NVIDIA driver (libcuda.so.1)"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *const before = getenv(cases[i].variable) ? strdup(getenv(cases[i].variable)) : NULL;
        struct tool_result result;

        setenv(cases[i].variable, cases[i].value, 1);
        result = tool_run(ARGUMENTS(DETECT, "--input", PICTURE, "--sam-model", "none", "--device", cases[i].device));
        if (before)
            setenv(cases[i].variable, before, 1);
        else
            unsetenv(cases[i].variable);
        free(before);
        if (result.status != 0 || !strstr(result.err, cases[i].notice) || !strstr(result.err, "using the CPU"))
            fail_msg("%s=%s: exit status %d: %s", cases[i].variable, cases[i].value, result.status, result.err);
        tool_free(&result);
        test_folder_remove(film_output);
        film_output = test_path(film_folder, "out");
    }
}

/* auto is the first GPU that can be used, without a word but for those who ask; else the CPU. */
static void test_auto(void **state)
{
    static const struct {
        const char *variable, *value, *cpu, *says;
    } cases[] = {
        {"CUDA_ON_CPU_DEVICES", "1", NULL, "device auto: cuda:0 (CUDA on the CPU)"},
        {"CUDA_ON_CPU_DEVICES", "0", NULL, "no NVIDIA GPU is visible"},
        {"CUDA_ON_CPU_CAPABILITY", "75", NULL, "its compute capability is 7.5"},
        {"CUDA_ON_CPU_DEVICES", "1", "avx2", "device auto: the CPU: --cpu is given"},
    };
    (void)state;
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        const bool verbose = i % 2 == 0;
        struct tool_result result;

        setenv(cases[i / 2].variable, cases[i / 2].value, 1);
        result = tool_run(ARGUMENTS(
            DETECT, "--input", PICTURE, "--sam-model", "none", "--no-overlay", verbose ? "--verbose" : "--no-binary",
            "--precision", "f32", cases[i / 2].cpu ? "--cpu" : "--threads", cases[i / 2].cpu ? cases[i / 2].cpu : "1"));
        unsetenv(cases[i / 2].variable);
        if (result.status != 0 || verbose != !!strstr(result.err, cases[i / 2].says) ||
            strstr(result.err, "using the CPU") ||
            (verbose && (i == 0) != !!strstr(result.err, "of its memory were in use at most")))
            fail_msg("case %zu: exit status %d: %s", i, result.status, result.err);
        tool_free(&result);
        test_folder_remove(film_output);
        film_output = test_path(film_folder, "out");
    }
}

/* The card's memory, in the list of devices; a limit of it; one that a CPU has no use for. */
static void test_memory(void **state)
{
    struct tool_result result;

    (void)state;
    setenv("CUDA_ON_CPU_MEMORY", "1536", 1);
    result = tool_run(ARGUMENTS("devices"));
    unsetenv("CUDA_ON_CPU_MEMORY");
    if (result.status != 0 || !strstr(result.out, "CUDA on the CPU, 1.5 GiB of memory, 1.5 GiB free"))
        fail_msg("exit status %d: %s%s", result.status, result.out, result.err);
    tool_free(&result);
    result = tool_run(ARGUMENTS(DETECT, "--input", PICTURE, "--device", "cuda", "--memory-limit", "2M"));
    if (result.status == 0 || !strstr(result.err, "out of memory") || !strstr(result.err, "its memory is limited"))
        fail_msg("exit status %d: %s", result.status, result.err);
    tool_free(&result);
    result = tool_run(
        ARGUMENTS(DETECT, "--input", PICTURE, "--sam-model", "none", "--device", "cpu", "--memory-limit", "50%"));
    if (result.status != 0 || !strstr(result.err, "the limit of memory has no effect"))
        fail_msg("exit status %d: %s", result.status, result.err);
    tool_free(&result);
}

/* A card too small for the batch that was asked for: smaller ones do, and the rows are the same. */
static void test_small_batches(void **state)
{
    static const char *const names[] = {"scene_001.jpg", "scene_002.jpg", "scene_003.jpg", "scene_004.jpg"};
    char *const folder = test_path(film_folder, "pictures");
    json_t *rows[2];

    (void)state;
    assert_int_equal(mkdir(folder, 0700), 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *const to = test_path(folder, names[i]);

        assert_int_equal(symlink(PICTURE, to), 0);
        free(to);
    }
    for (int small = 0; small < 2; small++) {
        struct tool_result result;
        const char *notice;

        if (small)
            setenv("CUDA_ON_CPU_MEMORY", SMALL_CARD, 1);
        result = tool_run(ARGUMENTS(DETECT, "--input", folder, "--sam-model", "none", "--no-overlay", "--device",
                                    "cuda", "--batch-size", "4", "--verbose"));
        unsetenv("CUDA_ON_CPU_MEMORY");
        notice = strstr(result.err, "from here on, not of 4: too little memory on cuda:0");
        if (result.status != 0 || small != !!notice || (notice && strstr(notice + 1, "from here on")))
            fail_msg("exit status %d: %s", result.status, result.err);
        tool_free(&result);
        rows[small] = read_rows();
        assert_int_equal(json_array_size(rows[small]), 4);
        test_folder_remove(film_output);
        film_output = test_path(film_folder, "out");
    }
    compare(rows[1], rows[0], "rows");
    json_decref(rows[0]);
    json_decref(rows[1]);
    free(folder);
}

/* A file of the output folder, whole. */
static char *read_output(const char *name, size_t *size)
{
    char *const path = test_path(film_output, name);
    FILE *const file = fopen(path, "rb");
    char *const bytes = malloc(1 << 20);

    if (!file)
        fail_msg("%s is not there", path);
    assert_non_null(bytes);
    *size = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    free(path);
    return bytes;
}

/* Runs on one GPU and on two and compares files of the output to the byte. */
static void check_two(const char *const *inputs, const char *const *names, size_t count)
{
    char *found[2][8];
    size_t sizes[2][8];

    for (int two = 0; two < 2; two++) {
        struct tool_result result =
            tool_run(ARGUMENTS(DETECT, "--input", inputs[0], "--input", inputs[1], "--no-overlay", "--batch-size", "1",
                               "--verbose", "--device", two ? "cuda:0,1" : "cuda:0"));

        if (result.status != 0 || strstr(result.err, "not used") || two != !!strstr(result.err, "cuda:1: "))
            fail_msg("exit status %d: %s", result.status, result.err);
        tool_free(&result);
        for (size_t i = 0; i < count; i++)
            found[two][i] = read_output(names[i], &sizes[two][i]);
        test_folder_remove(film_output);
        film_output = test_path(film_folder, "out");
    }
    for (size_t i = 0; i < count; i++) {
        if (sizes[0][i] == 0 || sizes[0][i] != sizes[1][i] || memcmp(found[0][i], found[1][i], sizes[0][i]) != 0)
            fail_msg("%s differs:\n%.*s\n%.*s", names[i], (int)sizes[0][i], found[0][i], (int)sizes[1][i], found[1][i]);
        free(found[0][i]);
        free(found[1][i]);
    }
}

/* Images, then videos, shared by two GPUs: the results are those of one. */
static void test_two_gpus(void **state)
{
    char *const films[] = {film_write("one.mp4", WIDTH, HEIGHT, 2, 0, VIDEO_CODEC_H264),
                           film_write("two.mp4", WIDTH, HEIGHT, 2, 0, VIDEO_CODEC_H264)};

    (void)state;
    setenv("CUDA_ON_CPU_DEVICES", "2", 1);
    check_two((const char *[]){PICTURE, TEST_DATA "/../examples/data/scene_002.jpg"}, (const char *[]){"results.jsonl"},
              1);
    check_two((const char *[]){films[0], films[1]}, (const char *[]){"one/results.jsonl", "two/results.jsonl"}, 2);
    unsetenv("CUDA_ON_CPU_DEVICES");
    free(films[0]);
    free(films[1]);
}

static size_t count_text(const char *in, const char *text)
{
    size_t count = 0;

    while ((in = strstr(in, text))) {
        in += strlen(text);
        count++;
    }
    return count;
}

/* What is wrong with a prompt is told once, however many GPUs and videos encode it. */
static void test_told_once(void **state)
{
    char *const films[] = {film_write("one.mp4", WIDTH, HEIGHT, 2, 0, VIDEO_CODEC_H264),
                           film_write("two.mp4", WIDTH, HEIGHT, 2, 0, VIDEO_CODEC_H264)};
    const char *const inputs[][3] = {{PICTURE, TEST_DATA "/../examples/data/scene_002.jpg", "cuda:0,1"},
                                     {films[0], films[1], "cuda:0,1"},
                                     {films[0], films[1], "cuda:0"}};

    (void)state;
    setenv("CUDA_ON_CPU_DEVICES", "2", 1);
    for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
        struct tool_result result = tool_run(ARGUMENTS(
            DETECT, "--prompt", "a zeppelin of aluminium that nobody has seen for a hundred years or even longer",
            "--input", inputs[i][0], "--input", inputs[i][1], "--batch-size", "1", "--no-video", "--no-overlay",
            "--device", inputs[i][2]));

        if (result.status != 0 || count_text(result.err, "it is cut off") != 1 ||
            count_text(result.err, "was not trained on that") != 1)
            fail_msg("%s on %s: exit status %d: %s", inputs[i][0], inputs[i][2], result.status, result.err);
        tool_free(&result);
        test_folder_remove(film_output);
        film_output = test_path(film_folder, "out");
    }
    unsetenv("CUDA_ON_CPU_DEVICES");
    free(films[0]);
    free(films[1]);
}

/* Of several GPUs those are used that can be, and all are listed, each with what is wrong with it. */
static void test_some_gpus(void **state)
{
    struct tool_result result;

    (void)state;
    setenv("CUDA_ON_CPU_DEVICES", "3", 1);
    setenv("CUDA_ON_CPU_CAPABILITY", "75,86,72", 1);
    result = tool_run(ARGUMENTS("devices"));
    if (result.status != 0 || !strstr(result.out, "cuda:1 ") || strstr(result.out, "cuda:0") ||
        strstr(result.out, "cuda:2") ||
        !strstr(result.err, "cuda:0 cannot be used: cuda:0 (CUDA on the CPU): its compute capability is 7.5") ||
        !strstr(result.err, "capability is 7.2"))
        fail_msg("exit status %d: %s%s", result.status, result.out, result.err);
    tool_free(&result);
    result = tool_run(ARGUMENTS(DETECT, "--input", PICTURE, "--sam-model", "none", "--no-overlay", "--verbose",
                                "--device", "cuda:1,0,1,7"));
    if (result.status != 0 || !strstr(result.err, "--device cuda:0: not used: ") ||
        !strstr(result.err, "--device cuda:7: not used: cuda:7: there is no such GPU") ||
        !strstr(result.err, "cuda:1: ") || strstr(result.err, "using the CPU"))
        fail_msg("exit status %d: %s", result.status, result.err);
    tool_free(&result);
    test_folder_remove(film_output);
    film_output = test_path(film_folder, "out");
    result =
        tool_run(ARGUMENTS(DETECT, "--input", PICTURE, "--sam-model", "none", "--no-overlay", "--device", "cuda:0,2"));
    if (result.status != 0 || !strstr(result.err, "--device cuda:0,2: using the CPU: none of them can be used"))
        fail_msg("exit status %d: %s", result.status, result.err);
    tool_free(&result);
    unsetenv("CUDA_ON_CPU_CAPABILITY");
    unsetenv("CUDA_ON_CPU_DEVICES");
    result = tool_run(ARGUMENTS(DETECT, "--input", PICTURE, "--device", "cuda:0,"));
    if (result.status == 0 || !strstr(result.err, "'cuda:0,' is not one of"))
        fail_msg("exit status %d: %s", result.status, result.err);
    tool_free(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILM_CASE(test_picture),   FILM_CASE(test_video),    FILM_CASE(test_small_card),    FILM_CASE(test_no_gpu),
        FILM_CASE(test_auto),      FILM_CASE(test_memory),   FILM_CASE(test_small_batches), FILM_CASE(test_two_gpus),
        FILM_CASE(test_told_once), FILM_CASE(test_some_gpus)};
    struct tool_result result = tool_run(ARGUMENTS("detect", "--device", "cuda", "--input", PICTURE, "--prompt", "x",
                                                   "--owl-model", "/nonexistent", "--output", "/nonexistent"));
    const int has_kernels = !strstr(result.err, "has no kernels");

    tool_free(&result);
    if (!has_kernels) {
        printf("SKIP: this build has no kernels for CUDA\n");
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, film_set_up_all, film_tear_down_all);
}
