/* Tokenizer files that are missing, damaged or hostile: each is an error that names its file. */
#include "base/error.h"
#include "base/file.h"
#include "base/strings.h"
#include "base/test_folder.h"
#include "text/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A temporary folder with the files of the tokenizer `name`. */
static char *copy_of(const char *name)
{
    static const char *const files[] = {"vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json",
                                        "special_tokens_map.json"};
    char *folder = test_folder_make();
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char path[4096], *text;
        size_t size;
        snprintf(path, sizeof(path), "%s/text/data/%s/%s", TEST_DATA, name, files[i]);
        if (!file_exists(path))
            continue;
        assert_int_equal(file_read(path, 1 << 20, &text, &size), 0);
        test_write(folder, files[i], text, size);
        free(text);
    }
    return folder;
}

/* Opens `folder` (and removes it); the message must have all of `parts`, up to a NULL. */
static void expect_error(char *folder, int status, const char *const *parts)
{
    struct tokenizer *tokenizer;
    int got = tokenizer_open(folder, &tokenizer);
    if (got != status)
        fail_msg("status %d, expected %d: %s", got, status, got ? error_message() : "opened");
    assert_null(tokenizer);
    assert_non_null(strstr(error_message(), folder));
    for (; *parts; parts++)
        if (!strstr(error_message(), *parts))
            fail_msg("\"%s\" is not in: %s", *parts, error_message());
    test_folder_remove(folder);
}

#define PARTS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* The tokenizer `base` with one file replaced. */
static void expect_bad(const char *base, const char *file, const char *text, const char *part)
{
    char *folder = copy_of(base);
    test_write_text(folder, file, text);
    expect_error(folder, SOWLV2_ERROR_FORMAT, PARTS(file, part));
}

static void remove_file(const char *folder, const char *name)
{
    char *path = test_path(folder, name);
    assert_int_equal(remove(path), 0);
    free(path);
}

static void missing_files_are_named(void **state)
{
    (void)state;
    char *folder = test_folder_make();
    expect_error(folder, SOWLV2_ERROR_MODEL, PARTS("no tokenizer files", "tokenizer.json", "vocab.json", "merges.txt"));
    folder = copy_of("bare");
    remove_file(folder, "merges.txt");
    expect_error(folder, SOWLV2_ERROR_MODEL, PARTS("no merges.txt"));
    folder = copy_of("bare");
    remove_file(folder, "vocab.json");
    expect_error(folder, SOWLV2_ERROR_MODEL, PARTS("no vocab.json"));
}

static void bad_vocabularies_are_errors(void **state)
{
    (void)state;
    expect_bad("bare", "vocab.json", "", "not valid JSON");
    expect_bad("bare", "vocab.json", "{\"a\": 1", "not valid JSON");
    expect_bad("bare", "vocab.json", "[\"a\"]", "not a JSON object");
    expect_bad("bare", "vocab.json", "{\"a\": 1, \"a\": 2}", "not valid JSON");
    expect_bad("bare", "vocab.json", "{\"a\": \"1\"}", "id of token \"a\"");
    expect_bad("bare", "vocab.json", "{\"a\": null}", "id of token \"a\"");
    expect_bad("bare", "vocab.json", "{\"a\": 1.5}", "id of token \"a\"");
    expect_bad("bare", "vocab.json", "{\"a\": -1}", "id of token \"a\"");
    expect_bad("bare", "vocab.json", "{\"a\": 2147483647}", "id of token \"a\"");
    expect_bad("bare", "vocab.json", "{\"a\": 99999999999999999999999}", "id of token \"a\"");
    expect_bad("bare", "vocab.json", "{\"a\": 1, \"b\": 2, \"c\": 1}", "two tokens have the id 1");
    expect_bad("bare", "vocab.json", "{}", "neither the byte token");
    expect_bad("bare", "vocab.json", "{\"a\": 0, \"b\": 1}", "neither the byte token");
}

static void bad_merges_are_errors(void **state)
{
    (void)state;
    expect_bad("bare", "merges.txt", "#version: 0.2\na b c\n", "merge 2 is not two tokens");
    expect_bad("bare", "merges.txt", "t h\n\n", "merge 2 is not two tokens");
    expect_bad("bare", "merges.txt", "ph", "merge 1 is not two tokens");
    expect_bad("bare", "merges.txt", "p  h\n", "merge 1 is not two tokens");
    expect_bad("bare", "merges.txt", "p nothere\n", "merge 1 needs the token \"nothere\"");
    expect_bad("bare", "merges.txt", "nothere p\n", "merge 1 needs the token \"nothere\"");
    expect_bad("bare", "merges.txt", "q q\n", "merge 1 needs the token \"qq\"");
    expect_bad("bare", "merges.txt", " p\n", "merge 1 needs the token \"\"");
    expect_bad("bare", "merges.txt", "\xff p\n", "merge 1 needs the token");
    char *folder = copy_of("bare");
    test_write(folder, "merges.txt", "p\0 h\n", 5);
    expect_error(folder, SOWLV2_ERROR_FORMAT, PARTS("merges.txt", "merge 1 needs the token"));

    /* Windows line ends and an empty list are as good. */
    static const char *const good[] = {"#version: 0.2\r\nt h\r\n", "#version", "", "t h"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct tokenizer *tokenizer;
        folder = copy_of("bare");
        test_write_text(folder, "merges.txt", good[i]);
        if (tokenizer_open(folder, &tokenizer) != 0)
            fail_msg("%zu: %s", i, error_message());
        tokenizer_free(&tokenizer);
        test_folder_remove(folder);
    }
}

static void bad_tokenizer_json_is_an_error(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"", "not valid JSON"},
        {"{}", "\"model\" is not a byte-pair model"},
        {"{\"model\": []}", "\"model\" is not a byte-pair model"},
        {"{\"model\": {\"type\": \"Unigram\", \"vocab\": {}}}", "\"model\" is not a byte-pair model"},
        {"{\"model\": {\"type\": 3, \"vocab\": {}}}", "\"model\" is not a byte-pair model"},
        {"{\"model\": {\"type\": \"BPE\"}}", "vocabulary is not an object"},
        {"{\"model\": {\"vocab\": [\"a\"]}}", "vocabulary is not an object"},
        {"{\"model\": {\"vocab\": {\"a\": true}}}", "id of token \"a\""},
        {"{\"model\": {\"vocab\": {\"<|endoftext|>\": 0, \"a\": 1}, \"merges\": {}}}", "merges are not a list"},
        {"{\"model\": {\"vocab\": {\"<|endoftext|>\": 0, \"a\": 1}, \"merges\": [3]}}", "merge 1 is neither"},
        {"{\"model\": {\"vocab\": {\"<|endoftext|>\": 0, \"a\": 1}, \"merges\": [[\"a\"]]}}", "merge 1 is neither"},
        {"{\"model\": {\"vocab\": {\"<|endoftext|>\": 0, \"a\": 1}, \"merges\": [[\"a\", 1]]}}", "merge 1 is neither"},
        {"{\"model\": {\"vocab\": {\"<|endoftext|>\": 0, \"a\": 1}, \"merges\": [\"a a\"]}}", "needs the token \"aa\""},
        {"{\"model\": {\"vocab\": {\"<|endoftext|>\": 0}}, \"added_tokens\": 1}", "\"added_tokens\" is not a list"},
        {"{\"model\": {\"vocab\": {\"<|endoftext|>\": 0}}, \"added_tokens\": [1]}", "neither a string nor an object"},
        {"{\"model\": {\"vocab\": {\"<|endoftext|>\": 0}}, \"added_tokens\": [{\"content\": \"x\"}]}",
         "\"x\" has an id"},
        {"{\"model\": {\"vocab\": {\"<|endoftext|>\": 0}}, \"added_tokens\": [{\"content\": \"x\", \"id\": -1}]}",
         "\"x\" has an id"},
        {"{\"model\": {\"vocab\": {\"<|endoftext|>\": 0}},"
         " \"added_tokens\": [{\"content\": \"x\", \"id\": 1, \"lstrip\": 1}]}",
         "\"lstrip\" is neither true nor false"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_bad("json", "tokenizer.json", cases[i].text, cases[i].part);
}

static void bad_special_tokens_are_errors(void **state)
{
    (void)state;
    static const char *const config = "tokenizer_config.json";
    expect_bad("bare", config, "3", "JSON");
    expect_bad("bare", config, "{\"pad_token\": 3}", "\"pad_token\" is neither a string nor an object");
    expect_bad("bare", config, "{\"eos_token\": {\"x\": \"y\"}}", "\"eos_token\" is neither a string nor an object");
    expect_bad("bare", config, "{\"pad_token\": null}", "\"pad_token\" is empty");
    expect_bad("bare", config, "{\"bos_token\": \"\"}", "\"bos_token\" is empty");
    expect_bad("bare", config, "{\"split_special_tokens\": 1}", "neither true nor false");
    expect_bad("bare", config, "{\"added_tokens_decoder\": []}", "\"added_tokens_decoder\" is not an object");
    expect_bad("bare", config, "{\"added_tokens_decoder\": {\"x\": {\"content\": \"y\"}}}", "has the id \"x\"");
    expect_bad("bare", config, "{\"added_tokens_decoder\": {\"0\": \"!\"}}", "\"0\" is neither a string nor an object");
    expect_bad("bare", config, "{\"extra_special_tokens\": [5]}", "\"extra_special_tokens\" is neither");
    expect_bad("bare", "special_tokens_map.json", "{\"pad_token\": [1]}", "\"pad_token\" is neither");
    expect_bad("bare", "added_tokens.json", "{\"x\": \"y\"}", "\"x\" has an id");

    char *folder = copy_of("bare");
    test_write_text(folder, config, "{\"padding_side\": \"left\"}");
    expect_error(folder, SOWLV2_ERROR_UNSUPPORTED, PARTS(config, "padding_side"));
    folder = copy_of("bare");
    test_write_text(folder, config, "{\"truncation_side\": \"left\"}");
    expect_error(folder, SOWLV2_ERROR_UNSUPPORTED, PARTS(config, "truncation_side"));
}

static void too_long_and_too_many_are_errors(void **state)
{
    (void)state;
    struct string text = {0};
    string_append_text(&text, "{\"pad_token\": \"");
    for (int i = 0; i < 2000; i++)
        string_append_text(&text, "x");
    string_append_text(&text, "\"}");
    expect_bad("bare", "tokenizer_config.json", text.data, "longer than 1024 bytes");
    string_clear(&text);
    string_append_text(&text, "{\"extra_special_tokens\": [\"first\"");
    for (int i = 0; i < 5000; i++)
        string_append_format(&text, ", \"<%d>\"", i);
    string_append_text(&text, "]}");
    expect_bad("bare", "tokenizer_config.json", text.data, "more than 4096 special tokens");
    string_clear(&text);
    string_append_text(&text, "{\"first\": 0");
    for (int i = 0; i < 5000; i++)
        string_append_format(&text, ", \"<%d>\": %d", i, i + 1);
    string_append_text(&text, "}");
    expect_bad("bare", "added_tokens.json", text.data, "more than 4096 added tokens");
    string_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_files_are_named),       cmocka_unit_test(bad_vocabularies_are_errors),
        cmocka_unit_test(bad_merges_are_errors),         cmocka_unit_test(bad_tokenizer_json_is_an_error),
        cmocka_unit_test(bad_special_tokens_are_errors), cmocka_unit_test(too_long_and_too_many_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
