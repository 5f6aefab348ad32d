/* Slugs, stems and paths of output files. */
#include "media/listing.h"
#include "output/names.h"
#include "sowlv2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static size_t notices;
static char last_notice[1024];

static void count_notice(enum sowlv2_log_level level, const char *message, void *user_data)
{
    (void)level;
    (void)user_data;
    snprintf(last_notice, sizeof(last_notice), "%s", message);
    notices++;
}

static void check_slugs(const char *const *prompts, const char *const *expected, size_t count)
{
    struct string_list slugs = {0};

    assert_int_equal(names_slugs(prompts, count, &slugs), 0);
    assert_int_equal(slugs.count, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(slugs.items[i], expected[i]);
    string_list_free(&slugs);
}

static void check_slug(const char *prompt, const char *expected)
{
    check_slugs(&prompt, &expected, 1);
}

static void test_slug_characters(void **state)
{
    (void)state;
    check_slug("cat", "cat");
    check_slug("a red bicycle", "a_red_bicycle");
    check_slug("AC/DC", "AC_DC");
    check_slug("../../etc", "______etc");
    check_slug("semi-final_2", "semi-final_2");
    check_slug("a\tb\nc", "a_b_c");
    check_slug("", "_");
    check_slug("~2", "_2");
    /* Letters and digits of other scripts stay; punctuation and symbols of any script do not. */
    check_slug("\xC3\xA9t\xC3\xA9", "\xC3\xA9t\xC3\xA9");                            /* ete, accents */
    check_slug("\xE7\x8C\xAB\xE3\x80\x82\xE7\x8A\xAC", "\xE7\x8C\xAB_\xE7\x8A\xAC"); /* CJK, full stop */
    check_slug("\xD9\xA3\xD9\x82\xD8\xB7", "\xD9\xA3\xD9\x82\xD8\xB7");              /* Arabic, digit 3 */
    check_slug("\xF0\x9F\x90\x88 cat", "__cat");                                     /* an emoji */
    check_slug("x\xC2\xB2", "x_");                                                   /* superscript two */
    /* A mark belongs to the letter before it: e with a combining acute; Devanagari "bi". */
    check_slug("e\xCC\x81", "e\xCC\x81");
    check_slug("\xE0\xA4\xAC\xE0\xA4\xBF", "\xE0\xA4\xAC\xE0\xA4\xBF");
    check_slug("_\xCC\x81", "__");
    /* Not UTF-8: a lone byte, an overlong form, a surrogate, a cut character. */
    check_slug("a\xFFz", "a_z");
    check_slug("\xC0\xAF", "__");
    check_slug("\xED\xA0\x80", "___");
    check_slug("a\xE7\x8C", "a__");
}

static void test_slug_length(void **state)
{
    char prompt[256], expected[256];

    (void)state;
    memset(prompt, 'a', 100);
    prompt[100] = '\0';
    memset(expected, 'a', 60);
    expected[60] = '\0';
    check_slug(prompt, expected);
    /* 59 bytes and then a character of three: it does not fit and is left out whole. */
    memcpy(prompt + 59, "\xE7\x8C\xAB", 3);
    expected[59] = '\0';
    check_slug(prompt, expected);
    /* 57 and three: it fits. */
    memcpy(prompt + 57, "\xE7\x8C\xAB", 3);
    memcpy(expected + 57, "\xE7\x8C\xAB", 4);
    check_slug(prompt, expected);
}

static void test_slug_collisions(void **state)
{
    const char *prompts[] = {"a b", "a_b", "cat", "a/b", "cat", "a b"};
    const char *expected[] = {"a_b", "a_b~2", "cat", "a_b~3", "cat", "a_b"};

    (void)state;
    check_slugs(prompts, expected, 6);
}

static void test_stems(void **state)
{
    const char *inputs[] = {"a.jpg", "a.png", "a~2.jpg", "b.tar.gz", ".hidden", "folder/c.jpg", "plain", "a.bmp"};
    const char *expected[] = {"a", "a~3", "a~2", "b.tar", ".hidden", "c", "plain", "a~4"};
    struct string_list stems = {0};

    (void)state;
    notices = 0;
    sowlv2_set_log(count_notice, NULL);
    assert_int_equal(names_stems(inputs, 8, NULL, &stems), 0);
    sowlv2_set_log(NULL, NULL);
    assert_int_equal(stems.count, 8);
    for (size_t i = 0; i < 8; i++)
        assert_string_equal(stems.items[i], expected[i]);
    assert_int_equal(notices, 1);
    assert_string_equal(last_notice, "2 inputs are named like another one except for folder and suffix: their pictures "
                                     "have a number in their names: a.png (a~3_...), a.bmp (a~4_...)");
    string_list_free(&stems);
}

/* Thousands of pictures that are there as JPEG and as raw files make one notice, with the first names. */
static void test_many_alike(void **state)
{
    const char *inputs[] = {"a.jpg", "a.png", "b.jpg", "b.png", "c.jpg", "c.png", "d.jpg", "d.png", "e.jpg", "e.png"};
    struct string_list stems = {0}, folders = {0};

    (void)state;
    notices = 0;
    sowlv2_set_log(count_notice, NULL);
    assert_int_equal(names_stems(inputs, 10, NULL, &stems), 0);
    assert_int_equal(notices, 1);
    assert_non_null(strstr(last_notice, "5 inputs are"));
    assert_non_null(strstr(last_notice, ": a.png (a~2_...), b.png (b~2_...), c.png (c~2_...), ..."));
    assert_null(strstr(last_notice, "d.png"));
    assert_int_equal(names_folders(inputs, 10, NULL, &folders), 0);
    assert_int_equal(notices, 2);
    assert_string_equal(last_notice, "5 videos have their results in a folder of another name: a.png (a~2), b.png "
                                     "(b~2), c.png (c~2), ...");
    sowlv2_set_log(NULL, NULL);
    string_list_free(&stems);
    string_list_free(&folders);
}

/* Long stems are cut between characters, and stay distinct. */
static void test_long_stems(void **state)
{
    char first[256], second[256];
    const char *inputs[] = {first, second};
    struct string_list stems = {0};

    (void)state;
    memset(first, 'x', 240);
    memcpy(first + 119, "\xE7\x8C\xAB", 3);
    strcpy(first + 240, ".jpg");
    memcpy(second, first, sizeof(first));
    second[239] = 'y';
    sowlv2_set_log(NULL, NULL);
    assert_int_equal(names_stems(inputs, 2, NULL, &stems), 0);
    assert_int_equal(strlen(stems.items[0]), 119);
    assert_int_equal(strncmp(stems.items[0], first, 119), 0);
    assert_int_equal(strlen(stems.items[1]), 121);
    assert_string_equal(stems.items[1] + 119, "~2");
    string_list_free(&stems);
}

/* What kept results have is nobody else's. */
static void test_reserved_stems(void **state)
{
    const char *inputs[] = {"a.png", "a.bmp", "b.png", "c.png"};
    const char *expected[] = {"a~2", "a~4", "b", "c~2"};
    char *taken[] = {(char[]){"c"}, (char[]){"a"}, (char[]){"a~3"}};
    const struct string_list reserved = {.items = taken, .count = 3};
    struct string_list stems = {0};

    (void)state;
    sowlv2_set_log(NULL, NULL);
    assert_int_equal(names_stems(inputs, 4, &reserved, &stems), 0);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(stems.items[i], expected[i]);
    string_list_free(&stems);
}

/* The folders of videos stay in the output folder and apart from its own. */
static void test_folders(void **state)
{
    static const struct {
        const char *input, *folder;
    } rows[] = {
        {"...mp4", "__"},
        {"..mp4", "_"},
        {"..", "_~2"},
        {".", "_~3"},
        {"", "_~4"},
        {".sowlv2", "_sowlv2"},
        {"binary.mp4", "binary~2"},
        {"overlay.avi", "overlay~2"},
        {"video.mov", "video~2"},
        {"crops.mkv", "crops~2"},
        {"results.jsonl", "results"},
        {"film.mp4", "film~2"},
        {"a.b.mp4", "a.b"},
        {"results.jsonl.mp4", "results.jsonl~2"},
        {"binary~3.mp4", "binary~3"},
    };
    enum { COUNT = sizeof(rows) / sizeof(rows[0]) };
    const char *inputs[COUNT];
    char *film[] = {(char[]){"film"}};
    const struct string_list taken = {.items = film, .count = 1};
    struct string_list folders = {0};

    (void)state;
    for (size_t i = 0; i < COUNT; i++)
        inputs[i] = rows[i].input;
    sowlv2_set_log(NULL, NULL);
    assert_int_equal(names_folders(inputs, COUNT, &taken, &folders), 0);
    assert_int_equal(folders.count, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        assert_string_equal(folders.items[i], rows[i].folder);
    string_list_free(&folders);
}

static void check_path(enum names_kind kind, const char *expected)
{
    char *path = names_path(kind, "000001", 1, "cat");

    assert_string_equal(path, expected);
    assert_int_equal(strncmp(path, names_folder(kind), strlen(names_folder(kind))), 0);
    free(path);
}

/* What is never taken as input is what is written. */
static void test_listing_knows_folders(void **state)
{
    size_t count = 0;

    (void)state;
    for (size_t i = 0; listing_result_folders[i]; i++)
        count++;
    for (int kind = 0; kind <= (int)NAMES_OBJECT_CROP; kind++) {
        const char *folders[] = {names_folder((enum names_kind)kind), names_video_folder((enum names_kind)kind)};

        for (size_t f = 0; f < 2; f++) {
            bool known = !folders[f];

            for (size_t i = 0; i < count; i++)
                known |= folders[f] && strcmp(folders[f], listing_result_folders[i]) == 0;
            assert_true(known);
        }
    }
    assert_int_equal(count, 7);
}

/* The names that the interface page fixes. */
static void test_paths(void **state)
{
    (void)state;
    check_path(NAMES_OBJECT_MASK, "binary/frames/000001_obj1_cat_mask.png");
    check_path(NAMES_MERGED_MASK, "binary/merged/000001_merged_mask.png");
    check_path(NAMES_OBJECT_OVERLAY, "overlay/frames/000001_obj1_cat_overlay.png");
    check_path(NAMES_MERGED_OVERLAY, "overlay/merged/000001_merged_overlay.png");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slug_characters), cmocka_unit_test(test_slug_length),
        cmocka_unit_test(test_slug_collisions), cmocka_unit_test(test_stems),
        cmocka_unit_test(test_many_alike),      cmocka_unit_test(test_long_stems),
        cmocka_unit_test(test_paths),           cmocka_unit_test(test_reserved_stems),
        cmocka_unit_test(test_folders),         cmocka_unit_test(test_listing_knows_folders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
