/* config.json: defaults, types, ranges, and files that are wrong. */
#include "base/error.h"
#include "base/test_folder.h"
#include "weights/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct config *parse(const char *text)
{
    struct config *config;
    if (config_parse("config.json", text, strlen(text), &config) != 0)
        fail_msg("%s: %s", text, error_message());
    return config;
}

static void expect_message(int status, const char *message)
{
    if (status != SOWLV2_ERROR_FORMAT || strcmp(error_message(), message) != 0)
        fail_msg("expected \"%s\", got %d: %s", message, status, error_message());
}

static void fields_are_read(void **state)
{
    (void)state;
    struct config *config = parse("{\"i\": -3, \"n\": 1.5, \"whole\": 2, \"b\": true, \"s\": \"text\","
                                  " \"o\": {\"i\": 7}, \"l\": [1, 2.5, 3]}");
    const struct config_node *root = config_root(config), *object;
    int64_t integer;
    double number, numbers[3];
    bool boolean;
    const char *text;
    assert_int_equal(config_int(config, root, "i", 9, -3, 5, &integer), 0);
    assert_int_equal(integer, -3);
    assert_int_equal(config_number(config, root, "n", 9, 0, 2, &number), 0);
    assert_true(number == 1.5);
    assert_int_equal(config_number(config, root, "whole", 9, 0, 2, &number), 0);
    assert_true(number == 2);
    assert_int_equal(config_bool(config, root, "b", false, &boolean), 0);
    assert_true(boolean);
    assert_int_equal(config_string(config, root, "s", NULL, &text), 0);
    assert_string_equal(text, "text");
    assert_int_equal(config_numbers(config, root, "l", 3, NULL, 0, 3, numbers), 0);
    assert_true(numbers[0] == 1 && numbers[1] == 2.5 && numbers[2] == 3);
    assert_int_equal(config_numbers(config, root, "n", 3, NULL, 0, 3, numbers), 0);
    assert_true(numbers[0] == 1.5 && numbers[2] == 1.5); /* one for all */
    assert_int_equal(config_object(config, root, "o", &object), 0);
    assert_int_equal(config_int(config, object, "i", 9, 0, 10, &integer), 0);
    assert_int_equal(integer, 7);
    assert_true(config_has(root, "o"));
    config_close(&config);
    assert_null(config);
    config_close(&config);
}

static void absent_and_null_give_the_fallback(void **state)
{
    (void)state;
    struct config *config = parse("{\"x\": null}");
    const double fallback[2] = {4, 5};
    const char *const keys[] = {"x", "y"};
    for (int i = 0; i < 4; i++) {
        const struct config_node *node = i < 2 ? config_root(config) : NULL, *object;
        const char *key = keys[i % 2], *text = "";
        int64_t integer = 0;
        double number = 0, numbers[2] = {0};
        bool boolean = false;
        assert_false(config_has(node, key));
        assert_int_equal(config_int(config, node, key, -99, 0, 5, &integer), 0);
        assert_int_equal(integer, -99);
        assert_int_equal(config_number(config, node, key, 2.5, 3, 4, &number), 0);
        assert_true(number == 2.5);
        assert_int_equal(config_bool(config, node, key, true, &boolean), 0);
        assert_true(boolean);
        assert_int_equal(config_string(config, node, key, NULL, &text), 0);
        assert_null(text);
        assert_int_equal(config_numbers(config, node, key, 2, fallback, 0, 9, numbers), 0);
        assert_true(numbers[0] == 4 && numbers[1] == 5);
        assert_int_equal(config_object(config, node, key, &object), 0);
        assert_null(object);
        assert_int_equal(config_numbers(config, node, key, 2, NULL, 0, 9, numbers), SOWLV2_ERROR_FORMAT);
        assert_non_null(strstr(error_message(), "is missing"));
    }
    config_close(&config);
}

static void wrong_types_name_the_field(void **state)
{
    (void)state;
    struct config *config =
        parse("{\"vision_config\": {\"patch\": \"16\", \"list\": [1, true], \"deep\": {\"x\": 1.5}},"
              " \"other\": [], \"flag\": 1, \"name\": {}, \"object\": 3}");
    const struct config_node *root = config_root(config), *vision, *deep, *object;
    int64_t integer;
    double number, numbers[2];
    bool boolean;
    const char *text;
    assert_int_equal(config_object(config, root, "vision_config", &vision), 0);
    assert_int_equal(config_object(config, vision, "deep", &deep), 0);
    expect_message(config_int(config, vision, "patch", 1, 1, 64, &integer),
                   "config.json: vision_config.patch: is text: expected a whole number from 1 to 64");
    expect_message(config_int(config, deep, "x", 1, 1, 64, &integer),
                   "config.json: vision_config.deep.x: is a number with a fraction: "
                   "expected a whole number from 1 to 64");
    expect_message(config_number(config, root, "other", 1, 0, 1, &number),
                   "config.json: other: is a list: expected a number from 0 to 1");
    expect_message(config_number(config, vision, "patch", 1, 0, 1, &number),
                   "config.json: vision_config.patch: is text: expected a number from 0 to 1");
    expect_message(config_bool(config, root, "flag", true, &boolean),
                   "config.json: flag: is a whole number: expected true or false");
    expect_message(config_string(config, root, "name", NULL, &text), "config.json: name: is an object: expected text");
    expect_message(config_object(config, root, "object", &object),
                   "config.json: object: is a whole number: expected an object");
    assert_null(object);
    expect_message(config_numbers(config, vision, "list", 2, NULL, 0, 1, numbers),
                   "config.json: vision_config.list: is true or false: expected a number from 0 to 1");
    expect_message(config_numbers(config, root, "other", 2, NULL, 0, 1, numbers),
                   "config.json: other: has 0 values: expected 2");
    expect_message(config_numbers(config, root, "name", 2, NULL, 0, 1, numbers),
                   "config.json: name: is an object: expected a list of 2 numbers");
    expect_message(config_error(config, "%s does not fit %d", "this", 3), "config.json: this does not fit 3");
    config_close(&config);
}

static void expect_size(const struct config *config, const char *key, int64_t height, int64_t width)
{
    int64_t size[2];
    assert_int_equal(config_size(config, config_root(config), key, 5, 1, 64, size), 0);
    assert_int_equal(size[0], height);
    assert_int_equal(size[1], width);
}

static void sizes_have_several_forms(void **state)
{
    (void)state;
    struct config *config =
        parse("{\"number\": 7, \"list\": [7, 9], \"object\": {\"height\": 7, \"width\": 9}, \"null\":"
              " null, \"short\": [7], \"long\": [7, 8, 9], \"side\": {\"height\": 7}, \"large\": 65,"
              " \"text\": \"7\", \"edge\": {\"shortest_edge\": 7}, \"empty\": []}");
    static const char *const wrong[] = {"null", "short", "long", "side", "large", "text", "edge", "empty"};
    int64_t size[2];
    expect_size(config, "number", 7, 7);
    expect_size(config, "list", 7, 9);
    expect_size(config, "object", 7, 9);
    expect_size(config, "absent", 5, 5);
    assert_int_equal(config_size(config, NULL, "number", 5, 1, 64, size), 0);
    assert_int_equal(size[0], 5);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (config_size(config, config_root(config), wrong[i], 5, 1, 64, size) != SOWLV2_ERROR_FORMAT ||
            !strstr(error_message(), wrong[i]))
            fail_msg("%s: %s", wrong[i], error_message());
    config_close(&config);
}

static void expect_text(const struct config *config, const char *key, const char *expected)
{
    char *text;
    assert_int_equal(config_text(config, config_root(config), key, "else", &text), 0);
    assert_string_equal(text, expected);
    free(text);
}

static void texts_and_switches_are_taken_as_python_does(void **state)
{
    (void)state;
    struct config *config = parse("{\"text\": \"a\", \"number\": -12, \"yes\": true, \"no\": false, \"null\": null,"
                                  " \"list\": [1]}");
    const struct config_node *root = config_root(config);
    static const char *const keys[] = {"yes", "no", "null", "absent"};
    char *text;
    bool on;
    expect_text(config, "text", "a");
    expect_text(config, "number", "-12");
    expect_text(config, "yes", "True");
    expect_text(config, "no", "False");
    expect_text(config, "absent", "else");
    expect_message(config_text(config, root, "list", "else", &text),
                   "config.json: list: is a list: expected text or a whole number");
    assert_null(text);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(config_switch(config, root, keys[i], true, &on), 0);
        assert_int_equal(on, i == 0 || i == 3); /* null is off, not the default */
    }
    expect_message(config_switch(config, root, "number", true, &on),
                   "config.json: number: is a whole number: expected true or false");
    assert_true(config_is_null(root, "null") && !config_is_null(root, "absent") && !config_is_null(NULL, "null"));
    config_close(&config);
}

static void ranges_are_kept(void **state)
{
    (void)state;
    struct config *config = parse("{\"low\": 0, \"high\": 65, \"huge\": 9223372036854775807, \"n\": 1e300,"
                                  " \"negative\": -0.5, \"list\": [0.5, 1.5]}");
    const struct config_node *root = config_root(config);
    int64_t integer;
    double number, numbers[2];
    assert_int_equal(config_int(config, root, "low", 1, 1, 64, &integer), SOWLV2_ERROR_FORMAT);
    assert_int_equal(config_int(config, root, "high", 1, 1, 64, &integer), SOWLV2_ERROR_FORMAT);
    assert_non_null(strstr(error_message(), "high: is 65"));
    assert_int_equal(config_int(config, root, "huge", 1, 1, 64, &integer), SOWLV2_ERROR_FORMAT);
    assert_int_equal(config_int(config, root, "huge", 1, 1, INT64_MAX, &integer), 0);
    assert_true(integer == INT64_MAX);
    assert_int_equal(config_int(config, root, "n", 1, INT64_MIN, INT64_MAX, &integer), SOWLV2_ERROR_FORMAT);
    assert_int_equal(config_number(config, root, "n", 1, 0, 1, &number), SOWLV2_ERROR_FORMAT);
    assert_int_equal(config_number(config, root, "negative", 1, 0, 1, &number), SOWLV2_ERROR_FORMAT);
    assert_int_equal(config_numbers(config, root, "list", 2, NULL, 0, 1, numbers), SOWLV2_ERROR_FORMAT);
    config_close(&config);
}

/* Python writes integers of any size: "model_max_length": 1000000000000000019884624838656. */
static void integers_of_any_size(void **state)
{
    (void)state;
    struct config *config = parse("{\"model_max_length\": 1000000000000000019884624838656, \"pad\": 49407}");
    const struct config_node *root = config_root(config);
    int64_t integer;
    double number;
    assert_int_equal(config_int(config, root, "pad", 0, 0, 50000, &integer), 0);
    assert_int_equal(integer, 49407);
    assert_int_equal(config_number(config, root, "model_max_length", 0, 0, 1e40, &number), 0);
    assert_true(number > 9e29 && number < 1.1e30);
    assert_int_equal(config_int(config, root, "model_max_length", 0, 0, INT64_MAX, &integer), SOWLV2_ERROR_FORMAT);
    config_close(&config);
}

static void bad(const char *text, size_t size, const char *why)
{
    struct config *config = (struct config *)&config;
    int status = config_parse("bad.json", text, size, &config);
    if (status != SOWLV2_ERROR_FORMAT || !strstr(error_message(), why) || strncmp(error_message(), "bad.json: ", 10))
        fail_msg("expected \"%s\", got %d: %s", why, status, error_message());
    assert_null(config);
}

static void bad_text(const char *text, const char *why)
{
    bad(text, strlen(text), why);
}

static void broken_json_is_refused(void **state)
{
    (void)state;
    bad_text("", "not valid JSON");
    bad_text("{", "not valid JSON");
    bad_text("[1, 2]", "not a JSON object");
    bad_text("3", "not valid JSON");
    bad_text("{\"a\": 1,}", "not valid JSON");
    bad_text("{\"a\": NaN}", "not valid JSON");
    bad_text("{\"a\": 1e999}", "not valid JSON");
    bad_text("{\"a\": 'b'}", "not valid JSON");
    bad_text("{} {}", "not valid JSON");
    bad_text("\xef\xbb\xbf{}", "not valid JSON");
    bad_text("{\"a\": \"\xff\"}", "unable to decode byte");
    bad_text("{\"a\": 1, \"a\": 2}", "duplicate");
    bad_text("{\"a\": {\"b\": 1, \"b\": 2}}", "duplicate");
    bad_text("{\"a\": \"x\\u0000y\"}", "not valid JSON");
    bad("{\"a\": \"x\0y\"}", 12, "not valid JSON");
    bad("{}\0", 3, "not valid JSON");
    char *deep = malloc(100000);
    memset(deep, '[', 100000);
    memcpy(deep, "{\"a\":", 5);
    bad(deep, 100000, "not valid JSON");
    free(deep);
}

static void files_are_opened(void **state)
{
    (void)state;
    char *folder = test_folder_make();
    struct config *config;
    test_write_text(folder, "config.json", " {\"a\": 1}\n");
    test_write_text(folder, "bad.json", "{");
    assert_int_equal(config_open(folder, "config.json", &config), 0);
    assert_true(config_has(config_root(config), "a"));
    config_close(&config);
    assert_int_equal(config_open(folder, "bad.json", &config), SOWLV2_ERROR_FORMAT);
    assert_non_null(strstr(error_message(), folder));
    assert_null(config);
    assert_int_equal(config_open(folder, "none.json", &config), SOWLV2_ERROR_MODEL);
    assert_non_null(strstr(error_message(), "none.json: no such file"));
    assert_int_equal(config_open(folder, "", &config), SOWLV2_ERROR_IO);
    size_t size = (4u << 20) + 1;
    char *large = malloc(size);
    memset(large, ' ', size);
    test_write(folder, "large.json", large, size);
    assert_int_equal(config_open(folder, "large.json", &config), SOWLV2_ERROR_FORMAT);
    assert_non_null(strstr(error_message(), "large.json"));
    free(large);
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_read),
        cmocka_unit_test(absent_and_null_give_the_fallback),
        cmocka_unit_test(wrong_types_name_the_field),
        cmocka_unit_test(sizes_have_several_forms),
        cmocka_unit_test(texts_and_switches_are_taken_as_python_does),
        cmocka_unit_test(ranges_are_kept),
        cmocka_unit_test(integers_of_any_size),
        cmocka_unit_test(broken_json_is_refused),
        cmocka_unit_test(files_are_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
