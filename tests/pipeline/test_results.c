/* Rows of results.jsonl: numbers, strings, whole rows, files. */
#include "base/file.h"
#include "base/test_folder.h"
#include "output/json_text.h"
#include "output/results.h"

#include <fcntl.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

static void check_float(float value, const char *expected)
{
    struct string text = {0};

    json_append_float(&text, value);
    assert_false(text.failed);
    assert_string_equal(text.data, expected);
    string_free(&text);
}

/* Digits as numpy.format_float_positional(numpy.float32(v), unique=True) gives them. */
static void test_floats(void **state)
{
    (void)state;
    check_float(0.0f, "0.0");
    check_float(-0.0f, "0.0");
    check_float(0.1f, "0.1");
    check_float(1.0f / 3.0f, "0.33333334");
    check_float(600.0f, "600.0");
    check_float(1e10f, "10000000000.0");
    check_float(123456789.0f, "123456790.0");
    check_float(1e-5f, "0.00001");
    check_float(1.5e-7f, "1.5e-7");
    check_float(FLT_MAX, "3.4028235e38");
    check_float(1e-45f, "1.0e-45");
    check_float(16777216.0f, "16777216.0");
    check_float(1e16f, "1.0e16");
    check_float(1234.5678f, "1234.5677");
    check_float(-2.5f, "-2.5");
    check_float(NAN, "null");
    check_float(INFINITY, "null");
    check_float(-INFINITY, "null");
}

/* Floats of all sizes read back as themselves, and as JSON. */
static void test_floats_read_back(void **state)
{
    uint32_t bits = 12345;

    (void)state;
    for (int i = 0; i < 100000; i++) {
        struct string text = {0};
        float value;

        bits = bits * 1664525u + 1013904223u;
        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value))
            continue;
        json_append_float(&text, value);
        assert_true(strtof(text.data, NULL) == value);
        if (i % 100 == 0) {
            json_t *parsed = json_loads(text.data, JSON_DECODE_ANY, NULL);

            assert_true(json_is_real(parsed));
            json_decref(parsed);
        }
        string_free(&text);
    }
}

static void check_string(const char *value, const char *expected)
{
    struct string text = {0};

    json_append_string(&text, value);
    assert_false(text.failed);
    assert_string_equal(text.data, expected);
    string_free(&text);
}

static void test_strings(void **state)
{
    (void)state;
    check_string("", "\"\"");
    check_string("cat", "\"cat\"");
    check_string("say \"hi\" \\ /", "\"say \\\"hi\\\" \\\\ /\"");
    check_string("a\nb\x01", "\"a\\nb\\u0001\"");
    check_string("\xE7\x8C\xAB", "\"\xE7\x8C\xAB\"");
    check_string("a\xFFz", "\"a\xEF\xBF\xBDz\"");
    check_string("\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

static void check_file(const char *folder, const char *expected)
{
    char *path = test_path(folder, "results.jsonl"), *text;
    size_t size;

    assert_int_equal(file_read(path, 1 << 20, &text, &size), 0);
    assert_string_equal(text, expected);
    free(text);
    free(path);
}

static void test_file(void **state)
{
    char *folder = test_folder_make();
    struct results *results;

    (void)state;
    test_write_text(folder, "results.jsonl", "of an earlier run\n");
    assert_int_equal(results_open(folder, &results), 0);
    check_file(folder, "");
    assert_int_equal(results_write(results, "{}\n", 3), 0);
    check_file(folder, "{}\n"); /* at once, not when it is closed */
    assert_int_equal(results_write(results, "[]\n", 3), 0);
    assert_int_equal(results_close(&results), 0);
    assert_null(results);
    assert_int_equal(results_close(&results), 0);
    check_file(folder, "{}\n[]\n");
    test_folder_remove(folder);
}

static void test_file_errors(void **state)
{
    char *folder = test_folder_make(), *inside = test_path(folder, "no/such"), *blocked = test_path(folder, "blocked");
    struct results *results = NULL;

    (void)state;
    assert_int_equal(results_open(inside, &results), SOWLV2_ERROR_IO);
    assert_non_null(strstr(sowlv2_error_message(), "no/such/results.jsonl"));
    assert_null(results);
    test_write_text(folder, "blocked/results.jsonl/file", "x");
    assert_int_equal(results_open(blocked, &results), SOWLV2_ERROR_IO);
    free(inside);
    free(blocked);
    test_folder_remove(folder);
}

static void check_victim(const char *folder)
{
    char *victim = test_path(folder, "victim"), *nowhere = test_path(folder, "nowhere"), *text;
    size_t size;

    assert_int_equal(file_read(victim, 100, &text, &size), 0);
    assert_string_equal(text, "precious");
    assert_false(file_exists(nowhere));
    free(text);
    free(victim);
    free(nowhere);
}

/* Rows that cannot be written: a pipe that nobody reads any more. */
static void test_broken(void **state)
{
    char *folder = test_folder_make(), *path = test_path(folder, "results.jsonl");
    struct results *results;
    int reader;

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(mkfifo(path, 0600), 0);
    reader = open(path, O_RDONLY | O_NONBLOCK);
    assert_int_equal(results_open(folder, &results), 0);
    close(reader);
    assert_int_equal(results_write(results, "{}\n", 3), SOWLV2_ERROR_IO);
    assert_non_null(strstr(sowlv2_error_message(), "results.jsonl"));
    results_close(&results);
    free(path);
    test_folder_remove(folder);
}

/* Never through a link, and other names of the file keep what they had. */
static void test_links(void **state)
{
    char *folder = test_folder_make(), *path = test_path(folder, "out/results.jsonl"), *out = test_path(folder, "out");
    char *copy = test_path(folder, "copy"), *text;
    struct results *results;
    size_t size;

    (void)state;
    test_write_text(folder, "victim", "precious");
    test_link("../victim", out, "results.jsonl");
    assert_int_equal(results_open(out, &results), SOWLV2_ERROR_IO);
    assert_non_null(strstr(sowlv2_error_message(), "is a symbolic link"));
    assert_int_equal(results_open_again(out, &results), SOWLV2_ERROR_IO);
    assert_int_equal(unlink(path), 0);
    test_link("../nowhere", out, "results.jsonl");
    assert_int_equal(results_open(out, &results), SOWLV2_ERROR_IO);
    assert_int_equal(results_open_again(out, &results), SOWLV2_ERROR_IO);
    assert_int_equal(unlink(path), 0);
    test_write_text(out, "results.jsonl", "{}\n");
    assert_int_equal(link(path, copy), 0);
    assert_int_equal(results_open(out, &results), 0);
    assert_int_equal(results_close(&results), 0);
    assert_int_equal(file_read(copy, 100, &text, &size), 0);
    assert_string_equal(text, "{}\n");
    free(text);
    free(path);
    free(copy);
    free(out);
    check_victim(folder);
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floats), cmocka_unit_test(test_floats_read_back), cmocka_unit_test(test_strings),
        cmocka_unit_test(test_file),   cmocka_unit_test(test_file_errors),      cmocka_unit_test(test_broken),
        cmocka_unit_test(test_links),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
