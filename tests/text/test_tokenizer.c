/* Token ids of every text of expected.json, with each of the small tokenizers; long texts; threads. */
#include "base/error.h"
#include "text/tokenizer.h"

#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { LENGTH = 16, LONG_TEXT = 1 << 20, TIME_LIMIT = 300 };

static json_t *expected;

static struct tokenizer *open_tokenizer(const char *name)
{
    char path[4096];
    struct tokenizer *tokenizer;
    snprintf(path, sizeof(path), "%s/text/data/%s", TEST_DATA, name);
    if (tokenizer_open(path, &tokenizer) != 0)
        fail_msg("%s: %s", name, error_message());
    return tokenizer;
}

static void print_ids(const char *what, const int32_t *ids, int count)
{
    fprintf(stderr, "%s", what);
    for (int i = 0; i < count; i++)
        fprintf(stderr, " %d", (int)ids[i]);
    fprintf(stderr, "\n");
}

/* `row` is [[id, ...], truncated]. */
static void check_text(const struct tokenizer *tokenizer, const char *name, const char *text, size_t size,
                       const json_t *row)
{
    int32_t ids[LENGTH], want[LENGTH];
    bool truncated;
    const json_t *list = json_array_get(row, 0);
    assert_int_equal(json_array_size(list), LENGTH);
    for (int i = 0; i < LENGTH; i++)
        want[i] = (int32_t)json_integer_value(json_array_get(list, (size_t)i));
    assert_int_equal(tokenizer_encode(tokenizer, text, size, LENGTH, ids, &truncated), 0);
    if (memcmp(ids, want, sizeof(ids)) != 0 || truncated != json_is_true(json_array_get(row, 1))) {
        print_ids("want", want, LENGTH);
        print_ids("have", ids, LENGTH);
        fail_msg("%s: \"%.*s\"", name, (int)size, text);
    }
}

static size_t from_hex(const char *hex, char *bytes)
{
    size_t size = strlen(hex) / 2;
    for (size_t i = 0; i < size; i++) {
        unsigned byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        bytes[i] = (char)byte;
    }
    return size;
}

static void texts_have_the_ids_of_the_reference(void **state)
{
    (void)state;
    const json_t *texts = json_object_get(expected, "texts"), *invalid = json_object_get(expected, "invalid");
    size_t common = (size_t)json_integer_value(json_object_get(expected, "special"));
    assert_true(common > 30 && json_array_size(invalid) > 10);
    const char *name;
    json_t *folder;
    size_t folders = 0;
    json_object_foreach(json_object_get(expected, "folders"), name, folder)
    {
        struct tokenizer *tokenizer = open_tokenizer(name);
        assert_int_equal(tokenizer_vocab_size(tokenizer), json_integer_value(json_object_get(folder, "size")));
        assert_int_equal(tokenizer_start_id(tokenizer), json_integer_value(json_object_get(folder, "start")));
        assert_int_equal(tokenizer_end_id(tokenizer), json_integer_value(json_object_get(folder, "end")));
        assert_int_equal(tokenizer_pad_id(tokenizer), json_integer_value(json_object_get(folder, "pad")));

        const json_t *rows = json_object_get(folder, "texts");
        assert_true(json_array_size(rows) >= common);
        for (size_t i = 0; i < json_array_size(rows); i++) {
            const json_t *text = json_array_get(texts, i);
            check_text(tokenizer, name, json_string_value(text), json_string_length(text), json_array_get(rows, i));
        }
        rows = json_object_get(folder, "invalid");
        assert_int_equal(json_array_size(rows), json_array_size(invalid));
        for (size_t i = 0; i < json_array_size(rows); i++) {
            char bytes[64];
            size_t size = from_hex(json_string_value(json_array_get(invalid, i)), bytes);
            check_text(tokenizer, name, bytes, size, json_array_get(rows, i));
        }
        tokenizer_free(&tokenizer);
        assert_null(tokenizer);
        folders++;
    }
    assert_int_equal(folders, 9);
}

static void shorter_lengths_keep_the_first_tokens_and_the_end(void **state)
{
    (void)state;
    struct tokenizer *tokenizer = open_tokenizer("hub");
    static const char text[] = "a photo of a cat!";
    int32_t whole[77], ids[77];
    bool truncated = true;
    assert_int_equal(tokenizer_encode(tokenizer, text, strlen(text), 77, whole, &truncated), 0);
    assert_false(truncated);
    int end = 1;
    while (whole[end] != tokenizer_end_id(tokenizer))
        end++;
    assert_true(end >= 6 && end < 20);
    for (int i = end + 1; i < 77; i++)
        assert_int_equal(whole[i], tokenizer_pad_id(tokenizer));
    for (int length = 2; length < 77; length++) {
        ids[length] = -7;
        assert_int_equal(tokenizer_encode(tokenizer, text, strlen(text), length, ids, &truncated), 0);
        assert_int_equal(truncated, length < end + 1);
        int kept = length < end + 1 ? length - 1 : length;
        assert_memory_equal(ids, whole, (size_t)kept * sizeof(*ids));
        if (truncated)
            assert_int_equal(ids[length - 1], tokenizer_end_id(tokenizer));
        assert_int_equal(ids[length], -7);
        assert_int_equal(tokenizer_encode(tokenizer, text, strlen(text), length, ids, NULL), 0);
    }
    tokenizer_free(&tokenizer);
}

/* A megabyte of `unit`; a stage that takes the square of its input's length runs into the alarm. */
static void encode_long(const struct tokenizer *tokenizer, const char *unit, bool truncated_wanted)
{
    size_t step = strlen(unit), size = LONG_TEXT / step * step;
    char *text = malloc(size);
    assert_non_null(text);
    for (size_t i = 0; i < size; i += step)
        memcpy(text + i, unit, step);
    int32_t ids[LENGTH];
    bool truncated;
    assert_int_equal(tokenizer_encode(tokenizer, text, size, LENGTH, ids, &truncated), 0);
    assert_int_equal(truncated, truncated_wanted);
    assert_int_equal(ids[0], tokenizer_start_id(tokenizer));
    assert_int_equal(ids[truncated ? LENGTH - 1 : 1], tokenizer_end_id(tokenizer));
    free(text);
}

static void long_texts_take_bounded_time(void **state)
{
    (void)state;
    struct tokenizer *tokenizer = open_tokenizer("hub");
    alarm(TIME_LIMIT);
    encode_long(tokenizer, "a", true);
    encode_long(tokenizer, "photograph", true);
    encode_long(tokenizer, "\xCC\x81\xCC\x96", true); /* marks in the wrong order */
    encode_long(tokenizer, "a cat ", true);
    encode_long(tokenizer, "...?", true);
    encode_long(tokenizer, "1", true);
    encode_long(tokenizer, "\xE7\x8C\xAB", true);
    encode_long(tokenizer, "\xF0\xB2\x8E\xAF", true); /* a letter that PCRE2 may not know */
    encode_long(tokenizer, "\xFF", true);
    encode_long(tokenizer, "<|endoftext|", true);
    encode_long(tokenizer, " ", false);
    encode_long(tokenizer, "\t\n", false);
    alarm(0);
    tokenizer_free(&tokenizer);
    tokenizer = open_tokenizer("strings");
    alarm(TIME_LIMIT);
    encode_long(tokenizer, " <mask> ", true);
    encode_long(tokenizer, "<left", true);
    encode_long(tokenizer, "wordword", true);
    alarm(0);
    tokenizer_free(&tokenizer);
}

struct job {
    const struct tokenizer *tokenizer;
    const json_t *rows;
    int failures;
};

static void *encode_all(void *argument)
{
    struct job *job = argument;
    const json_t *texts = json_object_get(expected, "texts");
    for (int round = 0; round < 5; round++)
        for (size_t i = 0; i < json_array_size(job->rows); i++) {
            const json_t *text = json_array_get(texts, i), *want = json_array_get(json_array_get(job->rows, i), 0);
            int32_t ids[LENGTH];
            int status =
                tokenizer_encode(job->tokenizer, json_string_value(text), json_string_length(text), LENGTH, ids, NULL);
            for (size_t j = 0; j < LENGTH && !status; j++)
                status = ids[j] != json_integer_value(json_array_get(want, j));
            if (status)
                job->failures++;
        }
    return NULL;
}

static void threads_share_a_tokenizer(void **state)
{
    (void)state;
    struct tokenizer *tokenizer = open_tokenizer("json");
    const json_t *rows = json_object_get(json_object_get(json_object_get(expected, "folders"), "json"), "texts");
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    struct job jobs[THREADS];
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){tokenizer, rows, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, encode_all, &jobs[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(jobs[i].failures, 0);
    }
    tokenizer_free(&tokenizer);
}

static int load_expected(void **state)
{
    (void)state;
    json_error_t error;
    expected = json_load_file(TEST_DATA "/text/data/expected.json", JSON_ALLOW_NUL, &error);
    return expected ? 0 : -1;
}

static int free_expected(void **state)
{
    (void)state;
    json_decref(expected);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_have_the_ids_of_the_reference),
        cmocka_unit_test(shorter_lengths_keep_the_first_tokens_and_the_end),
        cmocka_unit_test(long_texts_take_bounded_time),
        cmocka_unit_test(threads_share_a_tokenizer),
    };
    return cmocka_run_group_tests(tests, load_expected, free_expected);
}
