/* Normalisation and character classes of every code point, against the reference's (unicode.json). */
#include "base/error.h"
#include "text/normalize.h"
#include "text/unicode.h"
#include "text/words.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include <cmocka.h>

enum { POINTS = 0x110000, MAPPED_MAX = 8 };

static json_t *expected;

/* The reference's answers, by code point. A count of 0 means that the map leaves it as it is. */
struct mapping {
    unsigned char count;
    int32_t points[MAPPED_MAX];
};

static bool is_scalar(int32_t point)
{
    return point < 0xD800 || point > 0xDFFF;
}

/* One flag a code point, from a list of ranges; freed by the caller. */
static bool *load_set(const char *name)
{
    bool *set = calloc(POINTS, sizeof(*set));
    const json_t *list = json_object_get(expected, name);
    assert_non_null(set);
    assert_true(json_array_size(list) > 3);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *range = json_array_get(list, i);
        json_int_t last = json_integer_value(json_array_get(range, 1));
        assert_true(last < POINTS);
        for (json_int_t point = json_integer_value(json_array_get(range, 0)); point <= last; point++)
            set[point] = true;
    }
    return set;
}

static struct mapping *load_map(const char *name)
{
    struct mapping *map = calloc(POINTS, sizeof(*map));
    const json_t *list = json_object_get(expected, name);
    assert_non_null(map);
    assert_true(json_array_size(list) > 1000);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);
        struct mapping *to = &map[json_integer_value(json_array_get(row, 0))];
        assert_in_range(json_array_size(row), 2, MAPPED_MAX);
        for (size_t j = 1; j < json_array_size(row); j++)
            to->points[to->count++] = (int32_t)json_integer_value(json_array_get(row, j));
    }
    return map;
}

static void put(struct string *string, int32_t point)
{
    utf8proc_uint8_t bytes[4];
    string_append(string, (const char *)bytes, (size_t)utf8proc_encode_char(point, bytes));
}

/* Folds white space and case of one code point as the reference does. */
static void put_folded(struct string *string, int32_t point, const struct mapping *lower, const bool *spaces)
{
    if (spaces[point])
        put(string, ' ');
    else if (lower[point].count == 0)
        put(string, point);
    for (int i = 0; i < lower[point].count && !spaces[point]; i++)
        put(string, lower[point].points[i]);
}

static void check_normal(const struct string *text, const struct string *want, const char *what, int32_t point)
{
    struct string have = {0};
    assert_int_equal(text_normalize(text->data, text->length, &have), 0);
    if (have.length != want->length || memcmp(have.data, want->data, have.length) != 0)
        fail_msg("%s U+%04X: \"%s\", the reference has \"%s\"", what, (unsigned)point, have.data, want->data);
    string_free(&have);
}

static void every_code_point_normalises_like_the_reference(void **state)
{
    (void)state;
    struct mapping *lower = load_map("lower"), *composed = load_map("composed"), *parts = load_map("decomposed");
    bool *spaces = load_set("spaces");
    struct string text = {0}, want = {0};
    for (int32_t point = 0; point < POINTS; point++) {
        if (!is_scalar(point))
            continue;
        string_clear(&text);
        string_clear(&want);
        put(&text, point);
        if (composed[point].count == 0)
            put_folded(&want, point, lower, spaces);
        for (int i = 0; i < composed[point].count; i++)
            put_folded(&want, composed[point].points[i], lower, spaces);
        check_normal(&text, &want, "alone", point);
        if (parts[point].count == 0)
            continue;
        string_clear(&text);
        for (int i = 0; i < parts[point].count; i++)
            put(&text, parts[point].points[i]);
        check_normal(&text, &want, "the parts of", point);
    }
    string_free(&text);
    string_free(&want);
    free(lower);
    free(composed);
    free(parts);
    free(spaces);
}

static void every_mark_is_ordered_like_the_reference(void **state)
{
    (void)state;
    struct mapping *lower = load_map("lower"), *parts = load_map("decomposed");
    bool *spaces = load_set("spaces"), *after = load_set("after"), *before = load_set("before");
    struct string text = {0}, want = {0};
    for (int32_t point = 0; point < POINTS; point++) {
        bool hangul = point >= 0xAC00 && point < 0xD7A4;
        if (!is_scalar(point) || parts[point].count > 0 || hangul)
            continue;
        for (int test = 0; test < 2; test++) {
            int32_t first = test ? 0x345 : point, second = test ? point : 0x334;
            bool swapped = test ? before[point] : after[point];
            string_clear(&text);
            string_clear(&want);
            put(&text, first);
            put(&text, second);
            put_folded(&want, swapped ? second : first, lower, spaces);
            put_folded(&want, swapped ? first : second, lower, spaces);
            check_normal(&text, &want, test ? "after U+0345" : "before U+0334", point);
        }
    }
    string_free(&text);
    string_free(&want);
    free(lower);
    free(parts);
    free(spaces);
    free(after);
    free(before);
}

static int count_word(void *context, const char *word, size_t size)
{
    (void)word;
    assert_true(size > 0);
    ++*(int *)context;
    return 0;
}

/* Words of two characters side by side. */
static int count_words(const struct word_splitter *splitter, int32_t first, int32_t second)
{
    struct string text = {0};
    int count = 0;
    put(&text, first);
    put(&text, second);
    assert_int_equal(word_splitter_run(splitter, text.data, text.length, count_word, &count), 0);
    string_free(&text);
    return count;
}

static void every_code_point_has_the_class_of_the_reference(void **state)
{
    (void)state;
    bool *letters = load_set("letters"), *numbers = load_set("numbers"), *spaces = load_set("spaces");
    bool *words = load_set("words");
    struct word_splitter *splitter;
    assert_int_equal(word_splitter_create(&splitter), 0);
    for (int32_t point = 0; point < POINTS; point++) {
        if (!is_scalar(point))
            continue;
        if (unicode_is_space(point) != spaces[point] || unicode_is_word(point) != words[point])
            fail_msg("U+%04X: space %d, word %d", (unsigned)point, spaces[point], words[point]);
        if (spaces[point])
            continue;
        bool letter = count_words(splitter, 'a', point) == 1, other = count_words(splitter, '!', point) == 1;
        bool number = count_words(splitter, point, point) == 2;
        if (letter != letters[point] || number != numbers[point] || other != !(letters[point] || numbers[point]))
            fail_msg("U+%04X: letter %d, number %d", (unsigned)point, letters[point], numbers[point]);
    }
    word_splitter_free(&splitter);
    assert_null(splitter);
    free(letters);
    free(numbers);
    free(spaces);
    free(words);
}

static int stop_at_second(void *context, const char *word, size_t size)
{
    (void)word;
    (void)size;
    return ++*(int *)context == 2 ? 42 : 0;
}

static void the_callback_ends_the_splitting(void **state)
{
    (void)state;
    struct word_splitter *splitter;
    int count = 0;
    assert_int_equal(word_splitter_create(&splitter), 0);
    assert_int_equal(word_splitter_run(splitter, "a b c d", 7, stop_at_second, &count), 42);
    assert_int_equal(count, 2);
    count = 0;
    assert_int_equal(word_splitter_run(splitter, "", 0, stop_at_second, &count), 0);
    assert_int_equal(count, 0);
    word_splitter_free(&splitter);
}

static int load_expected(void **state)
{
    (void)state;
    json_error_t error;
    expected = json_load_file(TEST_DATA "/text/data/unicode.json", 0, &error);
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
        cmocka_unit_test(every_code_point_normalises_like_the_reference),
        cmocka_unit_test(every_mark_is_ordered_like_the_reference),
        cmocka_unit_test(every_code_point_has_the_class_of_the_reference),
        cmocka_unit_test(the_callback_ends_the_splitting),
    };
    return cmocka_run_group_tests(tests, load_expected, free_expected);
}
