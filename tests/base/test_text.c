/* Error messages, notices, growing strings. */
#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void error_is_set_and_returned(void **state)
{
    (void)state;
    assert_int_equal(error_set(SOWLV2_ERROR_IO, "%s: %d", "a file", 7), SOWLV2_ERROR_IO);
    assert_string_equal(error_message(), "a file: 7");
    assert_string_equal(sowlv2_error_message(), "a file: 7");
    assert_int_equal(error_prefix(SOWLV2_ERROR_MODEL, "model %s", "x"), SOWLV2_ERROR_MODEL);
    assert_string_equal(error_message(), "model x: a file: 7");
    assert_int_equal(error_memory("weights"), SOWLV2_ERROR_MEMORY);
    assert_non_null(strstr(error_message(), "weights: out of memory"));
}

static void error_may_quote_itself(void **state)
{
    (void)state;
    error_set(SOWLV2_ERROR_IO, "inner");
    error_set(SOWLV2_ERROR_IO, "outer: %s", error_message());
    assert_string_equal(error_message(), "outer: inner");
}

static void error_is_one_line(void **state)
{
    (void)state;
    error_set(SOWLV2_ERROR_IO, "a\nb\x1b[31m\x7f\xc2\x9b é 犬");
    assert_string_equal(error_message(), "a?b?[31m??? é 犬");
}

static void long_error_is_cut_at_a_character(void **state)
{
    (void)state;
    struct string text = {0};
    for (int i = 0; i < 6000; i++)
        string_append_text(&text, "犬");
    error_set(SOWLV2_ERROR_IO, "%s", text.data);
    size_t length = strlen(error_message());
    assert_true(length > 1000);
    assert_int_equal(length % 3, 0);
    assert_memory_equal(error_message(), text.data, length);
    error_prefix(SOWLV2_ERROR_IO, "%s", text.data);
    assert_int_equal(strlen(error_message()) % 3, 0);
    string_free(&text);
}

static void *other_thread(void *seen)
{
    *(char *)seen = error_message()[0];
    error_set(SOWLV2_ERROR_IO, "theirs");
    return NULL;
}

static void error_belongs_to_its_thread(void **state)
{
    (void)state;
    pthread_t thread;
    char seen = 'x';
    error_set(SOWLV2_ERROR_IO, "ours");
    assert_int_equal(pthread_create(&thread, NULL, other_thread, &seen), 0);
    pthread_join(thread, NULL);
    assert_int_equal(seen, '\0');
    assert_string_equal(error_message(), "ours");
}

static void version_is_three_numbers(void **state)
{
    (void)state;
    char expected[64];
    snprintf(expected, sizeof(expected), "%d.%d.%d", SOWLV2_VERSION_MAJOR, SOWLV2_VERSION_MINOR, SOWLV2_VERSION_PATCH);
    assert_string_equal(sowlv2_version(), expected);
}

struct heard {
    int calls;
    enum sowlv2_log_level level;
    char line[256];
};

static void hear(enum sowlv2_log_level level, const char *message, void *user_data)
{
    struct heard *heard = user_data;
    heard->calls++;
    heard->level = level;
    snprintf(heard->line, sizeof(heard->line), "%s", message);
}

static void log_reaches_the_callback(void **state)
{
    (void)state;
    struct heard heard = {0};
    sowlv2_set_log(hear, &heard);
    log_notice("%s\n%d", "prompt", 3);
    assert_int_equal(heard.calls, 1);
    assert_int_equal(heard.level, SOWLV2_LOG_NOTICE);
    assert_string_equal(heard.line, "prompt?3");
    log_warning("w");
    assert_int_equal(heard.level, SOWLV2_LOG_WARNING);
    log_debug("d");
    assert_int_equal(heard.level, SOWLV2_LOG_DEBUG);
    sowlv2_set_log(NULL, NULL);
    log_warning("dropped");
    assert_int_equal(heard.calls, 3);
}

static void strings_grow(void **state)
{
    (void)state;
    struct string string = {0};
    for (int i = 0; i < 1000; i++)
        string_append_format(&string, "%d,", i % 10);
    string_append(&string, "", 0);
    string_append(&string, "a\0b", 3);
    assert_false(string.failed);
    assert_int_equal(string.length, 2003);
    assert_memory_equal(string.data, "0,1,2,", 6);
    assert_memory_equal(string.data + 2000, "a\0b", 4);
    string_clear(&string);
    assert_int_equal(string.length, 0);
    assert_string_equal(string.data, "");
    string_append_text(&string, "again");
    assert_string_equal(string.data, "again");
    string_free(&string);
    assert_null(string.data);
}

static void failed_string_stays_failed(void **state)
{
    (void)state;
    struct string string = {0};
    string_append(&string, "x", SIZE_MAX / 2);
    assert_true(string.failed);
    string_append_text(&string, "y");
    assert_int_equal(string.length, 0);
    string_free(&string);
}

static void lists_own_their_copies(void **state)
{
    (void)state;
    struct string_list list = {0};
    char text[16];
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof(text), "%d", i);
        assert_int_equal(string_list_append(&list, text), 0);
    }
    assert_int_equal(list.count, 100);
    assert_string_equal(list.items[0], "0");
    assert_string_equal(list.items[99], "99");
    string_list_free(&list);
    assert_int_equal(list.count, 0);
    assert_null(list.items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_is_set_and_returned),   cmocka_unit_test(error_may_quote_itself),
        cmocka_unit_test(error_is_one_line),           cmocka_unit_test(long_error_is_cut_at_a_character),
        cmocka_unit_test(error_belongs_to_its_thread), cmocka_unit_test(version_is_three_numbers),
        cmocka_unit_test(log_reaches_the_callback),    cmocka_unit_test(strings_grow),
        cmocka_unit_test(failed_string_stays_failed),  cmocka_unit_test(lists_own_their_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
